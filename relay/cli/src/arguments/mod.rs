//! The command line's grammar: what can be asked. What several commands share is in [`shared`].
//!
//! Start with [`Arguments`].

mod shared;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueHint};

use shared::duration;
pub(crate) use shared::{
    Cores, LinkArguments, Network, NewPasswordArguments, OpeningArguments, PasswordArguments,
    ProtectionArguments, RecipientArguments, Words,
};

use crate::secret::{Given, LinkSource};

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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_grammar_is_consistent() {
        Arguments::command().debug_assert();
    }
}
