//! A command that ended early: what happened and what to do, in words for the person at the terminal.
//!
//! Code words are those of [`sealift_protocol::error::Code`] wherever it has one, and so are most
//! sentences; those that speak of pages say it here as it is at a terminal. Words may change, codes do
//! not.
//!
//! Start with [`Failure`]; the causes are in [`crate::cause`].

use std::fmt;
use std::io;
use std::path::Path;

use sealift_protocol::error::Code;

pub(crate) use crate::cause::Cause;
use crate::cause::cause_of;
use crate::terminal::printable;

/// Result of everything that can end a command.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// A command that ended early: why, what happened, and what to do about it.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// Decides the exit code.
    pub(crate) cause: Cause,
    /// Finer than the cause: the code word that `--json` prints.
    pub(crate) code: &'static str,
    /// What happened. One sentence, no full stop.
    pub(crate) what: String,
    /// What the person can do. One or two sentences.
    pub(crate) advice: String,
    /// The first damaged segment, and the byte of its sealed body where it starts.
    pub(crate) damage: Option<(u64, u64)>,
}

impl Failure {
    /// Text from outside (names, the relay's words) is made safe for a terminal here, once.
    pub(crate) fn new(cause: Cause, what: impl AsRef<str>, advice: impl AsRef<str>) -> Self {
        let (what, advice) = (
            capitalised(&printable(what.as_ref())),
            printable(advice.as_ref()),
        );
        Self {
            cause,
            code: cause.code(),
            what,
            advice,
            damage: None,
        }
    }

    /// One of the causes that browser, relay and command line share, with its own sentence.
    pub(crate) fn shared(code: Code) -> Self {
        let sentence = code.sentence();
        let (what, advice) = match (at_a_terminal(code), sentence.split_once(". ")) {
            (Some(own), _) => own,
            (None, Some(both)) => both,
            (None, None) => (sentence.trim_end_matches('.'), advice_for(code)),
        };
        let mut failure = Self::new(cause_of(code), what, advice);
        failure.code = code.as_str();
        failure
    }

    /// The same, about one file.
    pub(crate) fn about(self, name: &str) -> Self {
        Self {
            what: format!("{} ({})", self.what, printable(name)),
            ..self
        }
    }

    /// A file on this computer: `doing` completes "could not …".
    pub(crate) fn file(doing: &str, path: &Path, error: &io::Error) -> Self {
        let path = path.display();
        match error.kind() {
            io::ErrorKind::AlreadyExists => Self::new(
                Cause::Exists,
                format!("there is a {path} already"),
                "Choose another place with -o, or replace it with --overwrite.",
            ),
            io::ErrorKind::NotFound => Self::new(
                Cause::LocalFile,
                format!("there is no {path}"),
                "Check the name and the folder.",
            ),
            io::ErrorKind::IsADirectory => Self::new(
                Cause::LocalFile,
                format!("this is a folder, where a file is needed: {path}"),
                "Name the file.",
            ),
            io::ErrorKind::PermissionDenied => Self::new(
                Cause::LocalFile,
                format!("could not {doing} {path}: permission denied"),
                "Check who owns it, or choose another place.",
            ),
            io::ErrorKind::StorageFull => Self::new(
                Cause::LocalFile,
                format!("could not {doing} {path}: the disk is full"),
                "Free some space, or choose another place with -o.",
            ),
            io::ErrorKind::BrokenPipe => Self::broken_pipe(),
            _ => Self::new(
                Cause::LocalFile,
                format!("could not {doing} {path}: {error}"),
                "Check that the disk is healthy and the file is not in use.",
            ),
        }
    }

    /// What a source or sink said in its own words, if it did: [`io::Error::other`] carries it.
    pub(crate) fn carried(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<Self>().cloned()
    }

    /// Writing to standard output.
    pub(crate) fn stdout(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::broken_pipe(),
            _ => Self::new(
                Cause::LocalFile,
                format!("could not write to standard output: {error}"),
                "Check where the output goes.",
            ),
        }
    }

    /// Stopped by the person.
    pub(crate) fn cancelled() -> Self {
        Self::new(
            Cause::Cancelled,
            "stopped",
            "Start the same command again when you are ready.",
        )
    }

    /// Whoever read our output has gone; nothing is printed.
    pub(crate) fn broken_pipe() -> Self {
        Self::new(Cause::BrokenPipe, "the reader of the output went away", "")
    }
}

/// Sentences start with a capital letter.
fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(rest).collect()
    })
}

/// What happened and what to do, where the shared sentence speaks of pages.
fn at_a_terminal(code: Code) -> Option<(&'static str, &'static str)> {
    Some(match code {
        Code::ClientTooOld => (
            "this version of sealift is too old for this relay",
            "Install a newer version.",
        ),
        Code::UnknownVersion => (
            "this was made by a newer version of sealift",
            "Install a newer version.",
        ),
        Code::KdfTooWeak => (
            "its password is protected less than sealift accepts",
            "It was not made by Sealift, or it was changed. Ask the sender to seal it again.",
        ),
        Code::PasswordRequired => (
            "Server requires content protection: a package that the link alone opens is not taken",
            "Give a password, or seal to recipients' keys, and leave --no-password out.",
        ),
        Code::IdentityNeeded => (
            "this opens only with the secret key of one of its recipients",
            "Name the file that holds yours with --identity.",
        ),
        Code::FileMissing => (
            "a file of this package is missing",
            "Fetch the whole package again, or ask the sender.",
        ),
        Code::PackageMismatch => (
            "pieces of different packages were put together",
            "Do not use it; fetch it again or ask the sender.",
        ),
        Code::OldKeyring => (
            "the relay served an older keyring than was seen before, so a password that was given up may open it again",
            "Do not go on, and ask the relay's operator. If the relay was restored from a backup, that is why.",
        ),
        Code::KeyringChanged => (
            "who can open this package was changed meanwhile, from elsewhere",
            "What you asked for was not done. Look with `sealift inspect`, then start the same command again.",
        ),
        Code::Malformed => (
            "the relay's answer was not understood",
            "Check that this program is as new as the relay; if it happens again, report it.",
        ),
        Code::BadPadding | Code::BadFraming | Code::ContentProtectionRequired => (
            "the relay did not take what was sent for a sealed file",
            "Install the version of sealift that the relay's operator recommends.",
        ),
        _ => return None,
    })
}

/// What to do about codes whose sentence says only what happened.
fn advice_for(code: Code) -> &'static str {
    match code {
        Code::BadLink => "Copy the whole link from where the sender gave it to you.",
        Code::NotSealed => "Choose a file that sealift made; their names end in .sealift.",
        Code::Cancelled => "Nothing is kept at the relay.",
        Code::TooLarge => "Send less, or ask the relay's operator for more room.",
        _ => "Try again; if it happens again, ask the relay's operator.",
    }
}

impl From<sealift_protocol::format::FormatError> for Failure {
    fn from(error: sealift_protocol::format::FormatError) -> Self {
        Self::shared(Code::parse(error.code()))
    }
}

impl From<sealift_envelope::Error> for Failure {
    fn from(error: sealift_envelope::Error) -> Self {
        let failure = Self::shared(Code::parse(error.code()));
        match error {
            sealift_envelope::Error::DamagedContent { segment, position } => Self {
                what: format!(
                    "Segment {segment} was damaged or changed, at byte {position} of the sealed body"
                ),
                damage: Some((segment, position)),
                ..failure
            },
            _ => failure,
        }
    }
}

impl From<sealift_protocol::link::LinkError> for Failure {
    fn from(error: sealift_protocol::link::LinkError) -> Self {
        Self::shared(Code::parse(error.code()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shared_code_says_what_to_do() {
        for code in Code::ALL {
            let failure = Failure::shared(*code);
            assert!(
                !failure.what.is_empty() && !failure.advice.is_empty(),
                "{code}"
            );
        }
    }

    #[test]
    fn a_folder_is_not_taken_for_a_sick_disk() {
        let error = io::ErrorKind::IsADirectory.into();
        let failure = Failure::file("read", Path::new("photos"), &error);
        assert_eq!(
            failure.what,
            "This is a folder, where a file is needed: photos"
        );
        assert_eq!(failure.advice, "Name the file.");
    }

    #[test]
    fn damage_says_which_segment_and_where() {
        let error = sealift_envelope::Error::DamagedContent {
            segment: 2,
            position: 1_048_576,
        };
        let failure = Failure::from(error);
        assert_eq!(
            failure.what,
            "Segment 2 was damaged or changed, at byte 1048576 of the sealed body"
        );
        assert_eq!(failure.damage, Some((2, 1_048_576)));
        assert_eq!(failure.code, "damaged_content");
    }

    #[test]
    fn a_hostile_name_in_an_error_cannot_steer_the_terminal() {
        let failure = Failure::new(Cause::Failed, "no \u{1b}[2Jfile\u{202e}", "");
        assert_eq!(failure.to_string(), "No \\u{1b}[2Jfile\\u{202e}");
    }
}
