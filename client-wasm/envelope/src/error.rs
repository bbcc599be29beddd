//! Why something could not be sealed or opened.
//!
//! The names are a contract: page, command line and documents use the same codes. Wrong password,
//! damage and truncation are told apart by unkeyed checksums, which are checked first; none of
//! these errors is ever reported to a relay.

use sealift_protocol::format::FormatError;

/// What went wrong, and in its text what to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Visible without keys already.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// No password slot opened.
    #[error("the password is wrong; check upper and lower case and try again")]
    WrongPassword,
    /// No slot opened with the link's secret.
    #[error("the link does not open this package; copy the whole of it and try again")]
    WrongLink,
    /// The keyring has only slots that want a password.
    #[error("this package opens with a password")]
    PasswordNeeded,
    /// The keyring has only slots that want the link's secret.
    #[error("this package opens only with its link; paste the whole link")]
    LinkNeeded,
    /// The keyring has only slots that want a recipient's secret key.
    #[error(
        "this package opens only with the secret key of one of its recipients; give the file that holds yours"
    )]
    IdentityNeeded,
    /// No slot is for one of these secret keys.
    #[error("this package was not sent to this secret key; give another one or ask the sender")]
    WrongIdentity,
    /// Not the text of a public key.
    #[error("this is not a recipient's public key; it starts with sealift1, copy the whole of it")]
    BadRecipient,
    /// Not the text of a secret key.
    #[error("this is not a secret key; it starts with SEALIFT-SECRET-KEY-1, copy the whole of it")]
    BadIdentity,
    /// No slot of a kind that was given a credential for.
    #[error("nothing that was given opens this package")]
    NoSlot,
    /// An empty password, or one of more than 1,024 bytes.
    #[error("a password has 1 to 1,024 bytes")]
    PasswordLength,
    /// Older than one that was seen for this package (K2).
    #[error("the relay served an older keyring than before; ask its operator, and do not go on")]
    OldKeyring,
    /// The key derivation could not get its memory.
    #[error("there is not enough memory; close other tabs or programs and try again")]
    OutOfMemory,
    /// A segment did not authenticate.
    #[error(
        "segment {segment} (byte {position} of the body) was damaged or changed; fetch it again"
    )]
    DamagedContent {
        /// Its number, from 0.
        segment: u64,
        /// Where it starts, counted from the start of the body.
        position: u64,
    },
    /// All pieces are genuine, but not from one and the same sealing.
    #[error("pieces of this file belong to different versions of it; do not use it")]
    SealMismatch,
    /// The list of files is not one that a sealer writes.
    #[error("the package's list of files was damaged or changed; fetch it again")]
    DamagedManifest,
    /// A file is not the one that its manifest pins, or is not listed.
    #[error("a file is not the one that this package lists; do not use it")]
    ContentMismatch,
    /// The manifest is not the one that the link was made for.
    #[error("this is not the package that the link was made for; ask the sender")]
    PinMismatch,
    /// A path that no manifest may contain.
    #[error("a file's name cannot be used; rename the file and try again")]
    BadName,
    /// More than the format takes.
    #[error("this is more than one package or file can hold")]
    TooLarge,
    /// More files or folders than one manifest takes.
    #[error("these are more files than one package can hold; send them in several packages")]
    TooManyFiles,
    /// The source gave another number of bytes than promised.
    #[error("the file changed while it was being sealed; send it again when it no longer changes")]
    FileChanged,
    /// Whoever takes the plaintext could not.
    #[error("the content could not be written; check that there is room and try again")]
    WriteFailed,
    /// The caller broke the order of calls: a bug.
    #[error("a mistake in this program: {0}")]
    Misuse(&'static str),
}

impl Error {
    /// The stable name of this error, as listed in `sealift_protocol::error`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Format(error) => error.code(),
            Self::WrongPassword => "wrong_password",
            Self::WrongLink => "wrong_link",
            Self::PasswordNeeded => "password_needed",
            Self::LinkNeeded => "link_needed",
            Self::IdentityNeeded => "identity_needed",
            Self::WrongIdentity => "wrong_identity",
            Self::BadRecipient => "bad_recipient",
            Self::BadIdentity => "bad_identity",
            Self::NoSlot => "no_slot",
            Self::PasswordLength => "password_length",
            Self::OldKeyring => "old_keyring",
            Self::OutOfMemory => "out_of_memory",
            Self::DamagedContent { .. } => "damaged_content",
            Self::SealMismatch => "seal_mismatch",
            Self::DamagedManifest => "damaged_manifest",
            Self::ContentMismatch => "content_mismatch",
            Self::PinMismatch => "pin_mismatch",
            Self::BadName => "bad_name",
            Self::TooLarge => "too_large",
            Self::TooManyFiles => "too_many_files",
            Self::FileChanged => "file_changed",
            Self::WriteFailed => "write_failed",
            Self::Misuse(_) => "misuse",
        }
    }
}
