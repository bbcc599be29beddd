//! `cargo xtask run`: a relay on this computer, for trying things out.

use crate::process::{self, lines, step};
use crate::repo::Repo;
use crate::{machine, pages};
use anyhow::{Result, bail};
use std::time::Duration;

const ADDRESS: &str = "127.0.0.1:8080";

/// Builds what has changed, starts the relay and prints the address of the Send page. Ctrl-C
/// reaches the relay too, which then finishes its writes and stops.
pub(crate) fn run(repo: &Repo) -> Result<()> {
    machine::node(repo)?;
    pages::build(repo)?;
    step("building the relay", || {
        process::run(
            repo.cargo()
                .args(["build", "--locked", "--release", "-p", "sealift-relay"]),
        )
    })?;
    if std::net::TcpListener::bind(ADDRESS).is_err() {
        bail!(
            "something else already listens on {ADDRESS}; stop it first (another `cargo xtask run`?)"
        );
    }
    let mut relay = repo.command(repo.target.join("release/sealift-relay"));
    relay.args([
        "serve",
        "--listen",
        ADDRESS,
        "--open-uploads",
        "--data",
        "./data",
    ]);
    let ended_well = lines(&mut relay, Duration::MAX, |line| {
        if line.starts_with("listening on ") {
            println!(
                "\n  Sealift is ready: http://localhost:8080\n  Files go to ./data; Ctrl-C stops it.\n"
            );
        }
    })?;
    if !ended_well {
        bail!("the relay stopped with an error");
    }
    Ok(())
}
