//! `sealift-relay`: takes sealed files, keeps them, hands them out.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sealift_relay::{GrantArguments, Settings, grant, logs, start};
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
    Serve(Box<Settings>),
    /// Prints a link that lets someone send for a while.
    Grant(GrantArguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Serve(settings) => serve(*settings),
        Command::Grant(arguments) => grant(&arguments).and_then(|link| print(&link)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "sealift-relay: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve(settings: Settings) -> anyhow::Result<()> {
    logs::start(settings.log_format);
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let running = start(settings).await?;
    print(&format!("listening on {}", running.url()))?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping; a second signal stops at once");
    tokio::select! {
        () = running.stop() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    // What was acknowledged is durable. A disk that does not answer is not waited for.
    std::process::exit(0)
}

fn print(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
