//! Every reason why something did not work: one list of stable codes for browser, command line,
//! relay and documentation, each with the sentence a person reads.
//!
//! A code never changes its meaning and is never used for something else. [`Code::as_str`] is
//! what travels and what scripts match on; [`Code::sentence`] says what happened and what to do.

use core::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $retry:literal, $sentence:literal;)*) => {
        /// Why something did not work. See the module's documentation.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* #[doc = ""] #[doc = $sentence] $name,)* }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable name: snake_case, the same everywhere.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What happened and what to do, in plain English.
            #[must_use]
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }

            /// Whether trying the same thing again later can help.
            #[must_use]
            pub fn retryable(self) -> bool {
                match self { $(Self::$name => $retry,)* }
            }

            /// The code with this name; [`Code::Unknown`] for one from a newer version.
            #[must_use]
            pub fn parse(text: &str) -> Self {
                match text { $($text => Self::$name,)* _ => Self::Unknown }
            }
        }
    };
}

impl Code {
    /// Whether these are words of a relay: what it refuses, and why. Everything else is found out
    /// by the client itself; a relay that says it nevertheless is not to be repeated, or its word
    /// would be taken for the client's own verdict. Show [`Code::Malformed`] instead.
    #[must_use]
    pub fn said_by_relay(self) -> bool {
        matches!(
            self,
            Self::Unauthorized
                | Self::GrantRequired
                | Self::GrantInvalid
                | Self::GrantExpired
                | Self::OriginRefused
                | Self::SessionBusy
                | Self::ClientTooOld
                | Self::RelayTooOld
                | Self::Malformed
                | Self::Draining
                | Self::RelayBusy
                | Self::NotFound
                | Self::Expired
                | Self::Conflict
                | Self::KeyringChanged
                | Self::ContentProtectionRequired
                | Self::AlreadyFinished
                | Self::NotComplete
                | Self::OldAttempt
                | Self::PartDurable
                | Self::LastPartEarly
                | Self::BadLength
                | Self::BadFraming
                | Self::BadKeyring
                | Self::BadHead
                | Self::BadPadding
                | Self::KdfTooWeak
                | Self::PasswordRequired
                | Self::OpenLengthRefused
                | Self::TooLarge
                | Self::QuotaExceeded
                | Self::TooManyFiles
                | Self::TooManyLanes
                | Self::StorageFull
                | Self::StorageFailed
                | Self::DocrootUnavailable
                | Self::DocrootReadOnly
                | Self::StorageBusy
                | Self::StorageStalled
                | Self::StorageUnreachable
                | Self::StorageAccessDenied
                | Self::StorageCredentialsInvalid
                | Self::StorageCredentialsExpired
                | Self::StorageCredentialsMissing
                | Self::ClockSkew
                | Self::BucketNotFound
                | Self::WrongRegion
                | Self::KmsKeyNotFound
                | Self::KmsKeyDisabled
                | Self::KmsKeyUnusable
                | Self::KmsAccessDenied
                | Self::KmsThrottled
                | Self::KmsNeedsTls
                | Self::SseNotSupported
                | Self::SseNotApplied
                | Self::UploadGone
                | Self::PartsMismatch
                | Self::ChecksumMismatch
                | Self::ObjectExists
                | Self::WriteConflict
                | Self::Internal
                | Self::Unknown
        )
    }

    /// This code if a relay may say it, else [`Code::Malformed`].
    #[must_use]
    pub fn from_relay(self) -> Self {
        if self.said_by_relay() {
            self
        } else {
            Self::Malformed
        }
    }
}

codes! {
    // --- who may do what
    /// The owner token is not the package's.
    Unauthorized = "unauthorized", false, "This link does not give the right to change this package. Use the manage link that was made when it was sent.";
    /// Sending needs a grant and there is none.
    GrantRequired = "grant_required", false, "Sending to this relay needs an invitation. Ask its operator for a send link.";
    /// The grant was made up, changed, or for another relay.
    GrantInvalid = "grant_invalid", false, "This invitation is not valid. Ask the relay's operator for a new send link.";
    /// The grant is over.
    GrantExpired = "grant_expired", false, "This invitation has run out. Ask the relay's operator for a new send link.";
    /// Origin or Host is not one of the relay's own.
    OriginRefused = "origin_refused", false, "This page may not use this relay. Open the page that the relay itself serves.";

    // --- the session
    /// Another client holds the session.
    SessionBusy = "session_busy", true, "This package is being sent from another tab or computer. Take over here, or go on there.";
    /// Another client took the session over.
    Superseded = "superseded", false, "Sending goes on in another tab or on another computer. This one has stopped.";
    /// The client speaks an older protocol than the relay accepts.
    ClientTooOld = "client_too_old", false, "This page or program is too old for this relay. Reload the page, or install a newer version.";
    /// The relay speaks an older protocol than the client accepts.
    RelayTooOld = "relay_too_old", false, "This relay is too old for this page or program. Ask its operator to update it.";
    /// A peer broke the protocol.
    Malformed = "malformed", false, "The two sides did not understand each other. Reload and try again; if it happens again, report it.";
    /// The relay is stopping.
    Draining = "draining", true, "The relay is being restarted. Sending goes on by itself.";
    /// The relay has no room for another lane or package now.
    RelayBusy = "relay_busy", true, "The relay is busy. Sending goes on by itself as soon as there is room.";
    /// No lane could be opened for longer than policy allows.
    NetworkLost = "network_lost", true, "The relay cannot be reached. Check the network connection and try again.";
    /// A person stopped it.
    Cancelled = "cancelled", false, "It was cancelled.";

    // --- packages, files, parts
    /// No such package.
    NotFound = "not_found", false, "There is no such package. It may have expired or been deleted, or the link is incomplete.";
    /// The package is over.
    Expired = "expired", false, "This package has expired and was deleted.";
    /// Other bytes are stored under this id (rule F3).
    Conflict = "conflict", false, "Something else is already stored under this name. Start again.";
    /// Another keyring took its place meanwhile (rule K2).
    KeyringChanged = "keyring_changed", false, "The package's passwords were changed meanwhile, from elsewhere. Nothing was changed now; open it again and look before you repeat it.";
    /// The package is finished and never changes.
    AlreadyFinished = "already_finished", false, "This package was already sent and cannot be changed.";
    /// Something is still missing.
    NotComplete = "not_complete", true, "Not everything has arrived yet. Sending goes on by itself.";
    /// What the relay stored is not what was sent (rule F3).
    StoredDiffers = "stored_differs", false, "The relay did not store what was sent. Do not use this relay, and tell its operator.";
    /// A newer attempt for this part exists.
    OldAttempt = "old_attempt", true, "A newer attempt to send this part is under way.";
    /// This part is stored already.
    PartDurable = "part_durable", true, "This part is already stored.";
    /// The last part came before all others were durable (rule C3).
    LastPartEarly = "last_part_early", true, "The last part has to wait until all others are stored.";
    /// A length that does not fit the plan.
    BadLength = "bad_length", false, "A part had the wrong length. Reload and try again.";
    /// A segment's framing or the seal's is wrong.
    BadFraming = "bad_framing", false, "Sealed data arrived damaged or is not sealed at all.";
    /// Not a keyring, or a forbidden one.
    BadKeyring = "bad_keyring", false, "The keyring is damaged or not one that this version understands.";
    /// Not a head, or a forbidden one.
    BadHead = "bad_head", false, "The file's head is damaged or not one that this version understands.";
    /// The length is not a padded one (rule F1).
    BadPadding = "bad_padding", false, "The file's length is not padded. Update the page or program.";
    /// A key derivation cheaper than policy allows.
    KdfTooWeak = "kdf_too_weak", false, "The password is not protected well enough for this relay. Update the page or program.";
    /// What came is no envelope at all: plain data, or half of one.
    ContentProtectionRequired = "content_protection_required", false, "Server requires content protection. What was sent is not sealed, and nothing of it was stored. Update the page or program.";
    /// Policy demands a password (rule P1).
    PasswordRequired = "password_required", false, "Server requires content protection: only packages protected by a password are taken. Choose one.";
    /// The password is weaker than policy asks (said by clients: a relay never sees one).
    WeakPassword = "weak_password", false, "Server requires stronger content protection passphrase. Choose one that is harder to guess, or let one be generated.";
    /// Policy or format limit on length.
    TooLarge = "too_large", false, "This is larger than the relay accepts.";
    /// The user's quota is used up.
    QuotaExceeded = "quota_exceeded", false, "What may be stored with this invitation is used up. Ask the relay's operator, or wait until older packages are gone.";
    /// Too many files.
    TooManyFiles = "too_many_files", false, "These are more files than one package can hold. Send them in several packages.";
    /// Too many lanes.
    TooManyLanes = "too_many_lanes", true, "Too many connections for one package.";
    /// The disk is nearly full.
    StorageFull = "storage_full", true, "The relay's storage is full. Ask its operator to make room; sending goes on by itself.";
    /// Storage failed.
    StorageFailed = "storage_failed", true, "The relay could not store the data. Ask its operator to look at the storage.";
    /// The storage of this package is not in use at this relay now.
    DocrootUnavailable = "docroot_unavailable", true, "The storage that this belongs to is not in use now. Ask the relay's operator; it goes on when it is back.";
    /// The folder cannot be written.
    DocrootReadOnly = "docroot_read_only", false, "The relay may not write to its storage. Ask its operator to make it writable.";
    /// S3 answered 5xx or asked to slow down.
    StorageBusy = "storage_busy", true, "The relay's storage is busy. It is tried again by itself.";
    /// Nothing moved for too long.
    StorageStalled = "storage_stalled", true, "The relay's storage, or this connection, was silent for too long. It is tried again by itself.";
    /// No connection to S3.
    StorageUnreachable = "storage_unreachable", true, "The relay cannot reach its storage. It is tried again by itself; if it stays so, tell its operator.";
    /// S3 refused by policy.
    StorageAccessDenied = "storage_access_denied", false, "The relay's storage refused. Ask its operator to check the permissions.";
    /// Wrong access id or secret.
    StorageCredentialsInvalid = "storage_credentials_invalid", false, "The relay cannot sign in to its storage. Ask its operator to check the credentials.";
    /// The credentials are over.
    StorageCredentialsExpired = "storage_credentials_expired", false, "The relay's credentials for its storage have expired. Ask its operator to renew them.";
    /// No credentials were found.
    StorageCredentialsMissing = "storage_credentials_missing", false, "The relay has no credentials for its storage. Ask its operator to add them.";
    /// The relay's clock is wrong.
    ClockSkew = "clock_skew", false, "The relay's clock is wrong, so its storage refuses. Ask its operator to set it.";
    /// No such bucket.
    BucketNotFound = "bucket_not_found", false, "The relay's storage place does not exist. Ask its operator to check the docroot.";
    /// The bucket is elsewhere.
    WrongRegion = "wrong_region", false, "The relay looks for its storage in the wrong region. Ask its operator to check the docroot.";
    /// No such KMS key.
    KmsKeyNotFound = "kms_key_not_found", false, "The key that the relay's storage encrypts with does not exist. Ask its operator.";
    /// The KMS key is switched off.
    KmsKeyDisabled = "kms_key_disabled", false, "The key that the relay's storage encrypts with is disabled. Ask its operator to enable it, then go on.";
    /// Pending deletion or import.
    KmsKeyUnusable = "kms_key_unusable", false, "The key that the relay's storage encrypts with is to be deleted. Ask its operator.";
    /// The relay may not use the KMS key.
    KmsAccessDenied = "kms_access_denied", false, "The relay may not use the key that its storage encrypts with. Ask its operator to allow it, then go on.";
    /// The KMS quota is used up.
    KmsThrottled = "kms_throttled", true, "The relay's storage encrypts as fast as it may. It is tried again by itself.";
    /// KMS encryption over plain HTTP.
    KmsNeedsTls = "kms_needs_tls", false, "The relay's storage encrypts only over TLS. Ask its operator to check the docroot.";
    /// S3 does not know the algorithm.
    SseNotSupported = "sse_not_supported", false, "The relay's storage cannot encrypt as its operator wants it. Tell its operator.";
    /// S3 did not encrypt as asked.
    SseNotApplied = "sse_not_applied", false, "The relay's storage did not encrypt as its operator wants it, so nothing was kept. Tell its operator.";
    /// The multipart upload is gone.
    UploadGone = "upload_gone", true, "The storage forgot what was sent so far. It is sent again by itself.";
    /// S3 holds other parts.
    PartsMismatch = "parts_mismatch", true, "The storage holds something else than was sent. It is sent again by itself.";
    /// Damaged on the way to S3.
    ChecksumMismatch = "checksum_mismatch", true, "Data was damaged on its way to the storage. It is sent again by itself.";
    /// Something lies under the name.
    ObjectExists = "object_exists", false, "Something else is stored under this name. Start again.";
    /// Two writes met.
    WriteConflict = "write_conflict", true, "Two writes to the storage met. It is tried again by itself.";
    /// A bug.
    Internal = "internal", true, "Something unexpected happened. Try again; if it happens again, report it.";
    /// The package cannot be continued by this client.
    NotResumable = "not_resumable", false, "This package cannot be continued from here. Send the files again.";

    // --- the sender's own files
    /// Size, time or content changed while it was sent (rules C1, C2).
    FileChanged = "file_changed", false, "A file changed while it was being sent. Nothing mixed was stored; send it again when it no longer changes.";
    /// It cannot be read any more.
    FileUnreadable = "file_unreadable", false, "A file cannot be read any more. It may have been moved or deleted, or its disk removed.";
    /// A name that is longer than names may be, or impossible.
    BadName = "bad_name", false, "A file's name cannot be used. Rename the file and try again.";
    /// Nothing was chosen.
    NothingToSend = "nothing_to_send", false, "There is nothing to send. Add a file or a folder first.";

    // --- opening
    /// No slot opened with this password.
    WrongPassword = "wrong_password", false, "The password is wrong. Check upper and lower case and try again.";
    /// A check failed that only damage or tampering explains.
    Damaged = "damaged", false, "The data was damaged or changed. Do not use it; fetch it again or ask the sender.";
    /// The end is missing.
    CutShort = "cut_short", true, "The file is cut short: its end is missing. Fetch it again.";
    /// The link's checksum or length is wrong (rules L1, L2).
    CutLink = "cut_link", false, "The link is incomplete. Copy the whole of it, to the last character.";
    /// Not a link of ours.
    BadLink = "bad_link", false, "This is not a Sealift link.";
    /// The package is not the one that the link names.
    PinMismatch = "pin_mismatch", false, "This is not the package that the link was made for. Ask the sender, and tell the relay's operator.";
    /// A newer or unknown format.
    UnknownVersion = "unknown_version", false, "This was made by a newer version. Update the page or program.";
    /// Not a sealed file.
    NotSealed = "not_sealed", false, "This is not a Sealift file.";
    /// A needed sealed file is not there.
    FileMissing = "file_missing", false, "A part of this package is missing. Add all of its files.";
    /// The keyring's checksum or MAC is wrong.
    DamagedKeyring = "damaged_keyring", false, "The keyring was damaged or changed. Fetch it again or ask the sender.";
    /// The head's checksum or commitment is wrong.
    DamagedHead = "damaged_head", false, "A file's head was damaged or changed. Fetch it again or ask the sender.";
    /// A segment does not authenticate.
    DamagedContent = "damaged_content", false, "A file's content was damaged or changed. Do not use it; fetch it again or ask the sender.";
    /// The list of files is not one that a sealer writes.
    DamagedManifest = "damaged_manifest", false, "The package's list of files was damaged or changed. Fetch it again or ask the sender.";
    /// Every piece is genuine, but not from one and the same sealing.
    SealMismatch = "seal_mismatch", false, "Pieces of this file belong to different versions of it. Do not use it; fetch it again or ask the sender.";
    /// A file is not the one its manifest pins, or not listed, or there twice.
    ContentMismatch = "content_mismatch", false, "A file is not the one that this package lists. Do not use it; fetch it again or ask the sender.";
    /// Keyring, head and path name different packages.
    PackageMismatch = "package_mismatch", false, "These pieces belong to different packages. Put the files of one package together.";
    /// More memory or time than any client gives.
    KdfTooExpensive = "kdf_too_expensive", false, "Opening this would take more memory or time than is safe. It was not made by Sealift, or it was changed.";
    /// A password is needed.
    PasswordNeeded = "password_needed", false, "This package opens with a password. Ask the sender for it.";
    /// The link's secret is needed.
    LinkNeeded = "link_needed", false, "This package opens only with its whole link. Ask the sender for it.";
    /// Only a recipient's secret key opens it.
    IdentityNeeded = "identity_needed", false, "This package opens only with the secret key of one of its recipients. Choose the file that holds yours.";
    /// None of its slots is for this secret key.
    WrongIdentity = "wrong_identity", false, "This package was not sent to this secret key. Choose another one, or ask the sender.";
    /// Not a recipient's text.
    BadRecipient = "bad_recipient", false, "This is not a recipient's public key. It starts with sealift1; copy the whole of it.";
    /// Not the text of a secret key.
    BadIdentity = "bad_identity", false, "This is not a secret key. It starts with SEALIFT-SECRET-KEY-1; copy the whole of it.";
    /// No slot fits what was given.
    NoSlot = "no_slot", false, "Nothing in this package opens with what was given. Ask the sender.";
    /// The link's secret does not open it.
    WrongLink = "wrong_link", false, "This link does not open this package. Ask the sender for the right one.";
    /// Something stands behind the end.
    TrailingBytes = "trailing_bytes", false, "There is something after the file's end. It was changed, or several files were joined.";
    /// An older keyring than this client has seen (rule K2).
    OldKeyring = "old_keyring", false, "The relay gave an older password state than this computer has seen. Do not use it, and tell the relay's operator.";
    /// The open-length form (rule F6).
    OpenLengthRefused = "open_length_refused", false, "This was sealed from a pipe, without its length. Relays and packages take files of known length only.";
    /// Empty, or longer than passwords may be.
    PasswordLength = "password_length", false, "The password is empty or longer than 1,024 bytes. Choose another one.";
    /// Calls in the wrong order.
    Misuse = "misuse", false, "The program made a mistake. Report it.";
    /// Key derivation ran out of memory.
    OutOfMemory = "out_of_memory", true, "There is not enough memory. Close other tabs or programs and try again.";

    // --- this computer
    /// Workers, WASM or randomness are missing.
    EnvironmentUnsupported = "environment_unsupported", false, "This browser cannot seal files. Nothing was sent. Use a current browser, or the command line.";
    /// A script, worker or WASM file is missing or does not have its hash.
    PageDamaged = "page_damaged", true, "A part of this page is missing or was changed on its way. Reload the page; if it stays so, tell the relay's operator.";
    /// Local disk.
    WriteFailed = "write_failed", true, "The file could not be saved on this computer. Check that there is room and try again.";
    /// Too large to be held in memory, and no better way to save.
    TooLargeHere = "too_large_here", false, "This browser cannot save a file of this size. Use a current Chrome or Firefox, or the command line.";
    /// Options that exclude each other, or an argument that must not be one.
    BadUsage = "bad_usage", false, "This cannot be done that way. See the help for what goes together.";
    /// A code from a newer version.
    Unknown = "unknown", false, "Something went wrong that this version does not know. Update the page or program.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<C> minicbor::Encode<C> for Code {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(self.as_str())?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Code {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Ok(Self::parse(d.str()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stable_unique_and_snake_case() {
        for (index, code) in Code::ALL.iter().enumerate() {
            let name = code.as_str();
            assert_eq!(Code::parse(name), *code);
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{name}"
            );
            assert!(
                Code::ALL[..index]
                    .iter()
                    .all(|other| other.as_str() != name),
                "{name}"
            );
        }
    }

    #[test]
    fn every_sentence_is_one() {
        for code in Code::ALL {
            assert!(code.sentence().ends_with('.'), "{code}");
        }
    }

    #[test]
    fn a_clients_own_verdicts_are_no_words_of_a_relay() {
        for own in [
            Code::StoredDiffers,
            Code::FileChanged,
            Code::WrongPassword,
            Code::PinMismatch,
            Code::Damaged,
            Code::Cancelled,
            Code::NetworkLost,
        ] {
            assert_eq!(own.from_relay(), Code::Malformed, "{own}");
        }
        for word in [Code::StorageFull, Code::NotFound, Code::Unknown] {
            assert_eq!(word.from_relay(), word);
        }
    }

    #[test]
    fn a_code_from_the_future_is_unknown() {
        assert_eq!(Code::parse("moon_too_full"), Code::Unknown);
    }
}
