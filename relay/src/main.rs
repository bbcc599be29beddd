//! `sealift-relay`: takes sealed files, keeps them, hands them out.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Parser, Subcommand};
use sealift_relay::asconfigurator::{AsconfiguratorArguments, asconfigurator};
use sealift_relay::configure::{ConfigCommand, config};
use sealift_relay::docroot_command::{DocrootCommand, docroot};
use sealift_relay::flags::Flags;
use sealift_relay::{GrantArguments, control, grant, logs, reload, routes, start};
use tokio::signal::unix::{SignalKind, signal};

/// Takes sealed files over WebTransport and WebSocket, keeps them, and hands them out. It cannot open them.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the relay.
    Serve(Box<Flags>),
    /// Prints a link that lets someone send for a while.
    Grant(GrantArguments),
    /// Shows or checks the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Tries a docroot: everything that the relay will do with it.
    #[command(subcommand)]
    Docroot(DocrootCommand),
    /// Changes sealift.toml by a command of Aspera's asconfigurator.
    Asconfigurator(AsconfiguratorArguments),
    /// Prints every way into the relay, and what each may store.
    Routes,
    /// Makes the running relay read its configuration again.
    Reload(Place),
}

/// Where the running relay is.
#[derive(Args)]
struct Place {
    /// The configuration file of the relay.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The relay's data folder, where the configuration does not say it.
    #[arg(long)]
    data: Option<PathBuf>,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Serve(flags) => serve(&flags),
        Command::Grant(arguments) => grant(&arguments).and_then(|link| print(&link)),
        Command::Config(command) => config(command).and_then(|text| print(text.trim_end())),
        Command::Asconfigurator(arguments) => {
            asconfigurator(arguments).and_then(|text| print(&text))
        }
        Command::Routes => print_routes(),
        Command::Docroot(command) => check_docroots(command),
        Command::Reload(place) => ask_for_reload(place),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            for line in format!("{error:#}").lines() {
                let _ = writeln!(std::io::stderr(), "sealift-relay: {line}");
            }
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve(flags: &Flags) -> anyhow::Result<()> {
    let sources = flags.sources();
    let loaded = sources.load()?;
    reload::check(&loaded)?;
    logs::start(loaded.config.settings.log_format);
    for warning in loaded.warnings() {
        tracing::warn!("{warning}");
    }
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let data = loaded.config.settings.data.clone();
    let running = Box::pin(start(loaded.config)).await?; // boxed: else too deep a type to compile for speed
    let control = control::Control::open(&data)?;
    let reloading = tokio::spawn(control.run(running.reloader(), sources));
    print(&format!("listening on {}", running.url()))?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    reloading.abort();
    tracing::info!("stopping; a second signal stops at once");
    tokio::select! {
        () = running.stop() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    // What was acknowledged is durable. A disk that does not answer is not waited for.
    std::process::exit(0)
}

#[tokio::main]
async fn ask_for_reload(place: Place) -> anyhow::Result<()> {
    let flags = Flags::of(place.config, place.data);
    // A configuration that is wrong is the relay's to refuse; finding the data folder must not depend on it.
    let data = match flags.sources().load() {
        Ok(loaded) => loaded.config.settings.data,
        Err(errors) => match flags.data() {
            Some(data) => data,
            None => return Err(errors.into()),
        },
    };
    let answer = control::ask(&data).await?;
    for line in &answer.applied {
        print(&format!("applied: {line}"))?;
    }
    for line in &answer.restart {
        print(&format!("needs a restart: {line}"))?;
    }
    for line in &answer.unchecked {
        print(&format!("warning: {line}"))?;
    }
    if !answer.errors.is_empty() {
        bail!(
            "{}\nnothing was changed; the old configuration holds",
            answer.errors.join("\n")
        );
    }
    if answer.applied.is_empty() && answer.restart.is_empty() {
        print("nothing differs; certificates were read again")?;
    }
    Ok(())
}

fn print_routes() -> anyhow::Result<()> {
    print(
        "over         method  path                                       needs                        stores",
    )?;
    routes()
        .iter()
        .try_for_each(|route| print(route.to_string().trim_end()))
}

fn check_docroots(command: DocrootCommand) -> anyhow::Result<()> {
    let (text, ok) = docroot(command)?;
    print(&text)?;
    if ok {
        return Ok(());
    }
    bail!("a docroot cannot be used as it is; see above")
}

fn print(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
