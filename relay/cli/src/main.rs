//! `sealift`: seals files, opens them, sends them to a relay and receives them by link.
//!
//! The promise of every command: no secret is taken from the arguments, nothing unverified gets a
//! final name, and each cause of failure has an exit code of its own.
//!
//! Start with [`arguments`] for what can be asked, then [`encrypt`] and [`send`].

mod arguments;
mod cause;
mod contents;
mod decrypt;
mod delete;
mod encrypt;
mod failure;
mod generations;
mod inspect;
mod keygen;
mod listing;
mod names;
mod network;
mod package;
mod part;
mod pipe;
mod pipeline;
mod policy;
mod progress;
mod protection;
mod receive;
mod recipients;
mod rekey;
mod salvage;
mod seal;
mod secret;
mod send;
mod source;
mod stop;
mod stream;
mod target;
mod terminal;
mod unlock;
mod unseal;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use arguments::{Arguments, Command};
use failure::Result;
use terminal::{Terminal, Voice};

fn main() -> ExitCode {
    let grammar = Arguments::command().after_help(cause::exit_code_table());
    let arguments = match Arguments::from_arg_matches(&grammar.get_matches()) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let voice = arguments.voice;
    let terminal = Terminal::new(Voice {
        json: voice.json,
        quiet: voice.quiet,
        no_progress: voice.no_progress,
    });
    match run(arguments.command, &terminal) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal.failure(&failure);
            ExitCode::from(failure.cause.exit_code())
        }
    }
}

fn run(command: Command, terminal: &Terminal) -> Result<()> {
    match command {
        Command::Encrypt(arguments) => encrypt::run(&arguments, terminal),
        Command::Decrypt(arguments) => decrypt::run(&arguments, terminal),
        Command::Inspect(arguments) => inspect::run(&arguments, terminal),
        Command::Send(arguments) => send::run(&arguments, terminal),
        Command::Receive(arguments) => receive::run(&arguments, terminal),
        Command::Rekey(arguments) => rekey::run(&arguments, terminal),
        Command::Keygen(arguments) => keygen::run(&arguments, terminal),
        Command::Delete(arguments) => delete::run(&arguments, terminal),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "sealift", &mut script);
            terminal.raw(&script)
        }
    }
}
