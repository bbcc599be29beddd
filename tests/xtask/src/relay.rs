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
    must_be_free(ADDRESS)?;
    let program = repo.target.join("release/sealift-relay");
    if !program.is_file() {
        println!(
            "The first time takes 5 to 15 minutes on two cores: WebAssembly, pages, then the relay, the longest step."
        );
    }
    pages::build(repo)?;
    step("building the relay", || {
        process::run(
            repo.cargo()
                .args(["build", "--locked", "--release", "-p", "sealift-relay"]),
        )
    })?;
    let mut relay = repo.command(program);
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

/// Asked before anything is built: nobody likes to hear it minutes later.
fn must_be_free(address: &str) -> Result<()> {
    if std::net::TcpListener::bind(address).is_err() {
        bail!(
            "something else already listens on {address}; stop it first (another `cargo xtask run`?)"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_taken_gets_one_line() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let error = must_be_free(&address).unwrap_err().to_string();
        assert!(error.contains(&address) && !error.contains('\n'), "{error}");
        drop(taken);
        assert!(must_be_free(&address).is_ok());
    }
}
