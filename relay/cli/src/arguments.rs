//! The command line's grammar. Every secret has its ways in here, none of them an argument's value.
//!
//! Start with [`Arguments`].

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueHint};

use crate::pipeline::Workers;
use crate::secret::{Given, LinkSource, PasswordSource};

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
    /// Show what a .sealift file tells without a key, and with one
    Inspect(Inspect),
    /// Seal files while sending them to a relay, and print the link that opens them
    Send(Send),
    /// Receive what a link leads to
    Receive(Receive),
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
    pub(crate) password: PasswordArguments,
    /// Make a strong password and print it
    #[arg(long, group = "password")]
    pub(crate) generate_password: bool,
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
    pub(crate) password: PasswordArguments,
    #[command(flatten)]
    pub(crate) link: LinkArguments,
    #[command(flatten)]
    pub(crate) cores: Cores,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The .sealift file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Ask for the password and show names and sizes too
    #[arg(long)]
    pub(crate) unlock: bool,
    #[command(flatten)]
    pub(crate) password: PasswordArguments,
    #[command(flatten)]
    pub(crate) link: LinkArguments,
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
    pub(crate) password: PasswordArguments,
    /// Make a strong password and print it
    #[arg(long, group = "password")]
    pub(crate) generate_password: bool,
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
    pub(crate) password: PasswordArguments,
    #[command(flatten)]
    pub(crate) network: Network,
    #[command(flatten)]
    pub(crate) cores: Cores,
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
        PasswordSource {
            given: Given {
                file: self.password_file.clone(),
                fd: self.password_fd,
                stdin: self.password_stdin,
            },
        }
    }
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
fn duration(text: &str) -> Result<Duration, String> {
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
