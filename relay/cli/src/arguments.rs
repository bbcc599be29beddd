//! The command line's grammar. Every secret has its ways in here, none of them an argument's value.
//!
//! Start with [`Arguments`].

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueHint};

use crate::failure::Result;
use crate::pipeline::Workers;
use crate::protection::generated_password;
use crate::secret::{Given, LinkSource, PasswordSource, Secret};
use crate::terminal::Terminal;
use crate::unlock::Opening;

/// Seals files so that nobody on the way can read them, and sends them by link.
#[derive(Debug, Parser)]
#[command(name = "sealift", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) voice: VoiceArguments,
}

/// How results and progress are told.
#[derive(Clone, Debug, Args)]
pub(crate) struct VoiceArguments {
    /// Print one JSON object per line to standard output, errors included
    #[arg(long, global = true, display_order = 900)]
    pub(crate) json: bool,
    /// Say results and errors only
    #[arg(short, long, global = true, display_order = 901)]
    pub(crate) quiet: bool,
    /// Draw no progress bar
    #[arg(long, global = true, display_order = 902)]
    pub(crate) no_progress: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Seal files into a .sealift file
    ///
    /// One file becomes NAME.sealift; several files or a folder become one package. `-` seals
    /// standard input to standard output.
    Encrypt(Encrypt),
    /// Open a .sealift file
    Decrypt(Decrypt),
    /// Show what a .sealift file tells without a key and with one, or how a package is protected
    ///
    /// Without FILE it is the package that the link names: what this program checked, beside what the
    /// relay says.
    Inspect(Inspect),
    /// Seal files while sending them to a relay, and print the link that opens them
    Send(Send),
    /// Receive what a link leads to
    Receive(Receive),
    /// Change who can open a .sealift file, or a package at its relay
    ///
    /// Without FILE it is the package that the manage link names. The content stays as it is. It is
    /// no revocation: whoever kept the old keyring and its password still opens the content.
    Rekey(Rekey),
    /// Make a key pair, so that others can seal to you without a password
    Keygen(Keygen),
    /// Delete a package at its relay, with the manage link
    Delete(Delete),
    /// Print the completion script for a shell
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Encrypt {
    /// Files and folders to seal; `-` is standard input
    #[arg(required = true, value_name = "FILES", value_hint = ValueHint::AnyPath)]
    pub(crate) files: Vec<PathBuf>,
    /// Where to write; `-` is standard output [default: NAME.sealift here]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// Replace the output if it exists
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Name to keep for standard input
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) words: Words,
    #[command(flatten)]
    pub(crate) protection: ProtectionArguments,
    #[command(flatten)]
    pub(crate) cores: Cores,
}

#[derive(Debug, Args)]
pub(crate) struct Decrypt {
    /// The .sealift file; `-` is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Folder to write into; `-` writes one file to standard output [default: this folder]
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) output: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Keep what is good of a damaged file, as NAME.salvaged, and list what is lost
    #[arg(long)]
    pub(crate) salvage: bool,
    #[command(flatten)]
    pub(crate) opening: OpeningArguments,
    #[command(flatten)]
    pub(crate) link: LinkArguments,
    #[command(flatten)]
    pub(crate) cores: Cores,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// A .sealift file on this computer
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    /// Ask for the password if need be, and show names and sizes too
    #[arg(long)]
    pub(crate) unlock: bool,
    #[command(flatten)]
    pub(crate) opening: OpeningArguments,
    #[command(flatten)]
    pub(crate) link: LinkArguments,
    #[command(flatten)]
    pub(crate) network: Network,
}

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// Files and folders to send
    #[arg(required = true, value_name = "FILES", value_hint = ValueHint::AnyPath)]
    pub(crate) files: Vec<PathBuf>,
    /// Address of the relay, such as https://files.example.org. A send link carries it too
    #[arg(long, value_name = "RELAY", value_hint = ValueHint::Url)]
    pub(crate) to: Option<String>,
    /// Read the grant or send link from the first line of FILE [env: SEALIFT_GRANT]
    #[arg(long, value_name = "FILE", group = "grant", value_hint = ValueHint::FilePath)]
    pub(crate) grant_file: Option<PathBuf>,
    /// Read the grant or send link from this open descriptor
    #[arg(long, value_name = "N", group = "grant")]
    pub(crate) grant_fd: Option<u32>,
    /// When the relay deletes the package, such as 12h, 7d or 4w
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) expires: Option<Duration>,
    #[command(flatten)]
    pub(crate) words: Words,
    #[command(flatten)]
    pub(crate) protection: ProtectionArguments,
    /// No password: a random key in the link opens the files
    #[arg(long, group = "password")]
    pub(crate) no_password: bool,
    #[command(flatten)]
    pub(crate) network: Network,
    /// At most this many connections at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=8))]
    pub(crate) lanes: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct Receive {
    /// Refused: a link is secret and never an argument
    #[arg(value_name = "LINK", hide = true)]
    pub(crate) refused: Vec<String>,
    /// Folder to write into; `-` writes a single file to standard output [default: this folder]
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) output: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Show what the package holds and fetch nothing
    #[arg(long)]
    pub(crate) list: bool,
    /// Save the package as one .sealift file, to be opened later
    #[arg(long, conflicts_with = "list")]
    pub(crate) keep_encrypted: bool,
    #[command(flatten)]
    pub(crate) link: LinkArguments,
    #[command(flatten)]
    pub(crate) opening: OpeningArguments,
    #[command(flatten)]
    pub(crate) network: Network,
    #[command(flatten)]
    pub(crate) cores: Cores,
}

#[derive(Debug, Args)]
pub(crate) struct Rekey {
    /// A .sealift file on this computer
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) new: NewPasswordArguments,
    #[command(flatten)]
    pub(crate) recipients: RecipientArguments,
    /// Take this way in away, by its number as `inspect` shows it. Can be repeated
    #[arg(long = "remove", value_name = "N")]
    pub(crate) removed: Vec<usize>,
    /// Take all recipients' keys away
    #[arg(long)]
    pub(crate) remove_recipients: bool,
    /// Go back to the keyring before the last change
    #[arg(long)]
    pub(crate) undo: bool,
    #[command(flatten)]
    pub(crate) link: LinkArguments,
    #[command(flatten)]
    pub(crate) password: PasswordArguments,
    #[command(flatten)]
    pub(crate) network: Network,
}

impl Rekey {
    /// Whether anything but undoing is asked for.
    pub(crate) fn changes(&self) -> bool {
        self.new.is_given()
            || !self.recipients.recipients.is_empty()
            || !self.recipients.recipients_files.is_empty()
            || !self.removed.is_empty()
            || self.remove_recipients
    }
}

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
    fn is_given(&self) -> bool {
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

#[derive(Debug, Args)]
pub(crate) struct Keygen {
    /// Where to write the secret key
    #[arg(short, long, value_name = "FILE", default_value = "sealift-identity.txt", value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,
    /// Print the public key to the secret key in FILE instead
    #[arg(long, value_name = "FILE", conflicts_with = "output", value_hint = ValueHint::FilePath)]
    pub(crate) show: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Refused: a link is secret and never an argument
    #[arg(value_name = "LINK", hide = true)]
    pub(crate) refused: Vec<String>,
    #[command(flatten)]
    pub(crate) link: LinkArguments,
    #[command(flatten)]
    pub(crate) network: Network,
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

impl Send {
    /// Where to read the grant or send link.
    pub(crate) fn grant_source(&self) -> LinkSource {
        LinkSource {
            given: Given {
                file: self.grant_file.clone(),
                fd: self.grant_fd,
                stdin: false,
            },
            variable: "SEALIFT_GRANT",
            what: "grant",
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
fn duration(text: &str) -> std::result::Result<Duration, String> {
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
    use clap::CommandFactory;

    #[test]
    fn the_grammar_is_consistent() {
        Arguments::command().debug_assert();
    }

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
