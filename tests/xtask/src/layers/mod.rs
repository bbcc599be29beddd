//! The five invariants of `ARCHITECTURE.md`, each as a check that fails the build.
//!
//! Every check takes the root of a source tree, so that the tests can hand it a small tree with a
//! planted violation and see it caught.

mod limits;
mod reach;
mod rust_source;
mod transport;
mod unsafe_code;

use crate::machine;
use crate::process;
use crate::repo::Repo;
use crate::tally::Tally;
use anyhow::{Result, bail};
use std::path::Path;

/// One broken rule, as a sentence that names the place.
type Violation = String;
type Check = fn(&Path) -> Result<Vec<Violation>>;

const CHECKS: [(&str, Check); 7] = [
    (
        "1. the server side cannot decrypt",
        reach::server_cannot_decrypt,
    ),
    ("   and crates depend downwards only", reach::downwards_only),
    ("2. protocol and envelope do no I/O", reach::leaves_do_no_io),
    (
        "   and say so in their sources",
        rust_source::leaves_name_no_io,
    ),
    (
        "3. transport code has no key in scope",
        transport::no_key_in_scope,
    ),
    ("4. every limit stands in one file", limits::in_one_file),
    (
        "5. unsafe code is forbidden everywhere",
        unsafe_code::forbidden,
    ),
];

/// `cargo xtask layers`: all checks, and whether the two leaf crates build for the browser.
pub(crate) fn run(repo: &Repo) -> Result<()> {
    let tally = check(repo)?;
    if tally.failed > 0 {
        bail!("{} of the checks failed", tally.failed);
    }
    Ok(())
}

/// The same, counted.
pub(crate) fn check(repo: &Repo) -> Result<Tally> {
    let mut tally = Tally::default();
    for (name, check) in CHECKS {
        let violations = check(&repo.root)?;
        println!(
            "{} {name}",
            if violations.is_empty() {
                "ok    "
            } else {
                "BROKEN"
            }
        );
        for violation in &violations {
            println!("         {violation}");
        }
        tally.count(violations.is_empty());
    }
    tally.count(builds_for_the_browser(repo)?);
    Ok(tally)
}

fn builds_for_the_browser(repo: &Repo) -> Result<bool> {
    let target = "wasm32-unknown-unknown";
    machine::rust_target(repo, target)?;
    let built = process::run(
        repo.cargo()
            .args(["check", "--locked", "--quiet", "--lib", "--target", target])
            .args(reach::LEAVES.iter().flat_map(|package| ["-p", package])),
    )
    .is_ok();
    println!(
        "{}    and both build for {target}",
        if built { "ok    " } else { "BROKEN" }
    );
    Ok(built)
}

/// A small source tree for tests: path and text of each file.
#[cfg(test)]
fn planted(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    root
}
