//! Why commands end, with one exit code for each cause. The numbers and words are stable: scripts match
//! on them.
//!
//! Start with [`Cause`]; [`CAUSES`] is the table that `sealift --help` prints.

use sealift_protocol::error::Code;

/// Why a command ended. Each has a stable exit code and a stable code word.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cause {
    /// Something that has no cause of its own.
    Failed,
    /// The command line was not understood. (clap exits with the same number.)
    Usage,
    /// A file or folder on this computer could not be read or written.
    LocalFile,
    /// The target exists already, and replacing it was not asked for.
    Exists,
    /// A password or a link is needed, none was given, and there is no terminal to ask at.
    SecretMissing,
    /// The password does not open it.
    WrongPassword,
    /// The bytes were damaged or changed.
    Damaged,
    /// The end is missing.
    CutShort,
    /// The link is cut, mistyped, or of another kind.
    BadLink,
    /// Not a `.sealift` file.
    NotSealed,
    /// Made by a newer version of this program.
    UnknownVersion,
    /// A limit of the format or of the relay was passed.
    TooLarge,
    /// `decrypt --salvage` kept what was good, and that is not everything.
    Salvaged,
    /// Opening it would cost more memory or time than any right file asks for.
    KdfTooExpensive,
    /// The relay served an older keyring than was seen before.
    OldKeyring,
    /// The relay cannot be reached, or the connection was lost for too long.
    Network,
    /// The relay refused.
    Refused,
    /// The relay has no such package: expired, deleted or never finished.
    NotFound,
    /// The relay's storage is full.
    StorageFull,
    /// Another client is sending this package, or took it over.
    Session,
    /// A source file changed while it was being sealed.
    SourceChanged,
    /// The relay takes newer versions of this program only.
    ClientTooOld,
    /// The relay asks for a password, or a stronger one.
    Protection,
    /// Someone else changed who can open the package meanwhile.
    KeyringChanged,
    /// Stopped by Ctrl-C or SIGTERM.
    Cancelled,
    /// Whoever read our output went away. Ends without a word.
    BrokenPipe,
}

/// Every cause with its exit code, its code word and a few words for the help page.
pub(crate) const CAUSES: &[(Cause, u8, &str, &str)] = &[
    (Cause::Failed, 1, "failed", "none of the causes below"),
    (
        Cause::Usage,
        2,
        "bad_usage",
        "the command line was not understood",
    ),
    (
        Cause::LocalFile,
        3,
        "local_file",
        "a file on this computer cannot be read or written",
    ),
    (Cause::Exists, 4, "exists", "the target exists already"),
    (
        Cause::SecretMissing,
        5,
        "secret_missing",
        "a password or link is needed and nobody to ask",
    ),
    (
        Cause::WrongPassword,
        10,
        "wrong_password",
        "the password or key does not open it",
    ),
    (Cause::Damaged, 11, "damaged", "damaged or changed"),
    (Cause::CutShort, 12, "cut_short", "the end is missing"),
    (
        Cause::BadLink,
        13,
        "bad_link",
        "the link is cut, mistyped or of another kind",
    ),
    (Cause::NotSealed, 14, "not_sealed", "not a .sealift file"),
    (
        Cause::TooLarge,
        15,
        "too_large",
        "over a limit of the format or the relay",
    ),
    (
        Cause::Salvaged,
        16,
        "salvaged",
        "decrypt --salvage: kept in part, not whole",
    ),
    (
        Cause::KdfTooExpensive,
        17,
        "kdf_too_expensive",
        "opening it would cost more than any right file does",
    ),
    (
        Cause::OldKeyring,
        18,
        "old_keyring",
        "the relay served an older keyring than before",
    ),
    (
        Cause::UnknownVersion,
        19,
        "unknown_version",
        "made by a newer version of sealift",
    ),
    (
        Cause::Network,
        20,
        "network_lost",
        "the relay cannot be reached",
    ),
    (Cause::Refused, 21, "refused", "the relay refused"),
    (
        Cause::NotFound,
        22,
        "not_found",
        "no such package: expired, deleted or unfinished",
    ),
    (
        Cause::StorageFull,
        23,
        "storage_full",
        "the relay's storage is full",
    ),
    (
        Cause::Session,
        24,
        "session_busy",
        "another client sends this package",
    ),
    (
        Cause::SourceChanged,
        25,
        "file_changed",
        "a file changed while it was being sealed",
    ),
    (
        Cause::ClientTooOld,
        26,
        "client_too_old",
        "the relay takes newer versions of sealift only",
    ),
    (
        Cause::Protection,
        27,
        "protection",
        "the relay asks for a password, or a stronger one",
    ),
    (
        Cause::KeyringChanged,
        28,
        "keyring_changed",
        "rekey: passwords or keys were changed meanwhile",
    ),
    (Cause::Cancelled, 130, "cancelled", "stopped by Ctrl-C"),
    (
        Cause::BrokenPipe,
        141,
        "broken_pipe",
        "the reader of the output went away",
    ),
];

impl Cause {
    /// Exit code, 1 to 141.
    pub(crate) fn exit_code(self) -> u8 {
        self.row().1
    }

    /// Code word, the same one that `--json` prints.
    pub(crate) fn code(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> &'static (Self, u8, &'static str, &'static str) {
        CAUSES
            .iter()
            .find(|row| row.0 == self)
            .unwrap_or(&CAUSES[0])
    }
}

/// The last lines of `sealift --help`.
pub(crate) fn exit_code_table() -> String {
    let mut table = String::from("Exit codes:\n    0  done\n");
    for (_, number, code, words) in CAUSES {
        table.push_str(&format!("  {number:>3}  {code:<18} {words}\n"));
    }
    table.trim_end().to_owned()
}

/// Which exit code a shared code has.
pub(crate) fn cause_of(code: Code) -> Cause {
    match code {
        Code::SessionBusy | Code::Superseded => Cause::Session,
        Code::NetworkLost | Code::Draining | Code::RelayBusy => Cause::Network,
        Code::Cancelled => Cause::Cancelled,
        Code::NotFound | Code::Expired => Cause::NotFound,
        Code::QuotaExceeded
        | Code::TooLarge
        | Code::TooManyFiles
        | Code::TooLargeHere
        | Code::BadName => Cause::TooLarge,
        Code::StorageFull => Cause::StorageFull,
        Code::FileChanged => Cause::SourceChanged,
        Code::FileUnreadable | Code::WriteFailed => Cause::LocalFile,
        Code::NothingToSend | Code::BadUsage | Code::PasswordLength => Cause::Usage,
        Code::PasswordNeeded | Code::LinkNeeded | Code::IdentityNeeded | Code::NoSlot => {
            Cause::SecretMissing
        }
        Code::WrongPassword | Code::WrongIdentity => Cause::WrongPassword,
        Code::BadRecipient | Code::BadIdentity => Cause::Usage,
        Code::ClientTooOld => Cause::ClientTooOld,
        Code::PasswordRequired | Code::WeakPassword | Code::KdfTooWeak => Cause::Protection,
        Code::KeyringChanged => Cause::KeyringChanged,
        Code::CutShort | Code::FileMissing => Cause::CutShort,
        Code::CutLink | Code::BadLink | Code::WrongLink => Cause::BadLink,
        Code::NotSealed => Cause::NotSealed,
        Code::UnknownVersion => Cause::UnknownVersion,
        Code::Damaged
        | Code::DamagedKeyring
        | Code::DamagedHead
        | Code::DamagedContent
        | Code::DamagedManifest
        | Code::SealMismatch
        | Code::ContentMismatch
        | Code::PackageMismatch
        | Code::PinMismatch
        | Code::StoredDiffers
        | Code::TrailingBytes => Cause::Damaged,
        Code::OldKeyring => Cause::OldKeyring,
        Code::KdfTooExpensive => Cause::KdfTooExpensive,
        Code::OutOfMemory | Code::Misuse | Code::Unknown => Cause::Failed,
        _ => Cause::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_an_exit_code_of_its_own() {
        let mut seen = std::collections::HashSet::new();
        for (cause, number, code, _) in CAUSES {
            assert!(seen.insert(number.to_string()), "{number} twice");
            assert!(seen.insert((*code).to_owned()), "{code} twice");
            assert_eq!(cause.exit_code(), *number);
        }
        assert!(CAUSES.is_sorted_by_key(|row| row.1), "listed in order");
    }

    #[test]
    fn the_readme_lists_every_cause() {
        let readme = include_str!("../README.md");
        for (_, number, code, words) in CAUSES {
            let row = format!("| {number} | `{code}` | {words} |");
            assert!(readme.contains(&row), "{row}");
        }
    }
}
