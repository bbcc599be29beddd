//! Options that several commands share. Every secret has its ways in here, none of them an argument's
//! value.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use crate::failure::Result;
use crate::pipeline::Workers;
use crate::protection::generated_password;
use crate::secret::{Given, LinkSource, PasswordSource, Secret};
use crate::terminal::Terminal;
use crate::unlock::Opening;

/// The ways to give a new password beside the present one.
#[derive(Clone, Debug, Args)]
pub(crate) struct NewPasswordArguments {
    /// Ask for a new password, which takes the place of the one that opens it
    #[arg(long, group = "new")]
    pub(crate) new_password: bool,
    /// Read the new password from the first line of FILE [env: SEALIFT_NEW_PASSWORD]
    #[arg(long, value_name = "FILE", group = "new", value_hint = ValueHint::FilePath)]
    pub(crate) new_password_file: Option<PathBuf>,
    /// Read the new password from this open descriptor
    #[arg(long, value_name = "N", group = "new")]
    pub(crate) new_password_fd: Option<u32>,
    /// Make a strong new password and print it
    #[arg(long, group = "new")]
    pub(crate) generate_password: bool,
}

impl NewPasswordArguments {
    pub(super) fn is_given(&self) -> bool {
        self.new_password
            || self.new_password_file.is_some()
            || self.new_password_fd.is_some()
            || self.generate_password
    }

    /// The new password, if one is wanted. A generated one is told once.
    pub(crate) fn password(&self, terminal: &Terminal) -> Result<Option<Secret>> {
        if !self.is_given() {
            return Ok(None);
        }
        if self.generate_password {
            return generated_password(terminal).map(Some);
        }
        let given = Given {
            file: self.new_password_file.clone(),
            fd: self.new_password_fd,
            stdin: false,
        };
        PasswordSource::new_one(given).to_seal().map(Some)
    }
}

/// What the sender says about a package.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Words {
    /// Title, sealed like the files
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) title: String,
    /// Note, sealed like the files
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) note: String,
}

/// The ways to give a password. Without any, the terminal is asked.
#[derive(Clone, Debug, Args)]
pub(crate) struct PasswordArguments {
    /// Read the password from the first line of FILE [env: SEALIFT_PASSWORD]
    #[arg(long, value_name = "FILE", group = "password", value_hint = ValueHint::FilePath)]
    pub(crate) password_file: Option<PathBuf>,
    /// Read the password from this open descriptor
    #[arg(long, value_name = "N", group = "password")]
    pub(crate) password_fd: Option<u32>,
    /// Read the password from the first line of standard input
    #[arg(long, group = "password")]
    pub(crate) password_stdin: bool,
}

impl PasswordArguments {
    /// Where to read the password.
    pub(crate) fn source(&self) -> PasswordSource {
        PasswordSource::present(Given {
            file: self.password_file.clone(),
            fd: self.password_fd,
            stdin: self.password_stdin,
        })
    }
}

/// The ways to open something.
#[derive(Clone, Debug, Args)]
pub(crate) struct OpeningArguments {
    #[command(flatten)]
    pub(crate) password: PasswordArguments,
    /// Open with the secret key in FILE, made by `sealift keygen`. Can be repeated
    #[arg(long = "identity", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) identities: Vec<PathBuf>,
    /// Open with the secret key read from this open descriptor
    #[arg(long, value_name = "N")]
    pub(crate) identity_fd: Option<u32>,
}

impl OpeningArguments {
    /// Whether a secret key was given.
    pub(crate) fn by_key(&self) -> bool {
        !self.identities.is_empty() || self.identity_fd.is_some()
    }

    /// What was given to open with.
    pub(crate) fn opening(&self) -> Opening {
        Opening {
            password: self.password.source(),
            identity_files: self.identities.clone(),
            identity_fd: self.identity_fd,
        }
    }
}

/// Whom to seal to.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RecipientArguments {
    /// Seal to this public key, sealift1…. Can be repeated
    #[arg(long = "recipient", value_name = "KEY")]
    pub(crate) recipients: Vec<String>,
    /// Seal to the public keys in FILE, one on each line. Can be repeated
    #[arg(long = "recipients-file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) recipients_files: Vec<PathBuf>,
}

/// Who shall be able to open what is sealed.
#[derive(Clone, Debug, Args)]
pub(crate) struct ProtectionArguments {
    #[command(flatten)]
    pub(crate) password: PasswordArguments,
    /// Make a strong password and print it
    #[arg(long, group = "password")]
    pub(crate) generate_password: bool,
    /// Ask for a password at the terminal, beside the recipients' keys
    #[arg(long, group = "password")]
    pub(crate) ask_password: bool,
    #[command(flatten)]
    pub(crate) recipients: RecipientArguments,
}

/// The ways to give a link.
#[derive(Clone, Debug, Args)]
pub(crate) struct LinkArguments {
    /// Read the link from the first line of FILE [env: SEALIFT_LINK]
    #[arg(long, value_name = "FILE", group = "link", value_hint = ValueHint::FilePath)]
    pub(crate) link_file: Option<PathBuf>,
    /// Read the link from this open descriptor
    #[arg(long, value_name = "N", group = "link")]
    pub(crate) link_fd: Option<u32>,
}

impl LinkArguments {
    /// Where to read the link.
    pub(crate) fn source(&self) -> LinkSource {
        LinkSource {
            given: Given {
                file: self.link_file.clone(),
                fd: self.link_fd,
                stdin: false,
            },
            variable: "SEALIFT_LINK",
            what: "link",
        }
    }
}

/// How relays are reached.
#[derive(Clone, Debug, Args)]
pub(crate) struct Network {
    /// Trust the certificates in this PEM file as well
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ca: Option<PathBuf>,
}

/// How much of the computer a command may use.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Cores {
    /// Seal or open on this many cores [default: all, at most 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) threads: Option<u16>,
}

impl Cores {
    /// Workers to start.
    pub(crate) fn workers(self) -> Workers {
        Workers::new(self.threads)
    }
}

/// A whole number with a unit: `90s`, `30m`, `12h`, `7d`, `4w`.
pub(super) fn duration(text: &str) -> std::result::Result<Duration, String> {
    let wrong =
        || format!("`{text}` is not a time; write a number and a unit, such as 12h, 7d or 4w");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - unit.len_utf8()]
        .parse()
        .map_err(|_| wrong())?;
    number
        .checked_mul(seconds)
        .filter(|s| *s > 0)
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2w"), Ok(Duration::from_secs(1_209_600)));
        for wrong in [
            "",
            "7",
            "d",
            "-1d",
            "0d",
            "1.5h",
            "7é",
            "99999999999999999999w",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
