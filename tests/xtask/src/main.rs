//! Builds, runs and checks the project. `cargo xtask help` lists what it can do.
//!
//! Promises: works on a machine that has nothing but rustup and Node; says what it does and how
//! long it took; whatever is missing is installed, or named in one line with the command to run.
//!
//! Start with [`pages::build`], the path from Rust and TypeScript to `web/dist`, and with
//! [`test::run`], the groups of tests.

mod bench;
mod docs;
mod fingerprint;
mod fuzz;
mod html;
mod integrity;
mod layers;
mod machine;
mod offline;
mod pages;
mod process;
mod relay;
mod repo;
mod tally;
mod test;
mod wasm;

use anyhow::{Result, bail};
use repo::Repo;
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <command>

  run                 build what is missing and start a relay on http://localhost:8080
                      (uploads open to everybody on this computer, files under ./data)
  build               build the WebAssembly and the pages into web/dist
  test [GROUP…]       install what the tests need and run them all, or only some groups
  layers              check the five invariants of ARCHITECTURE.md
  fmt                 format the Rust code
  fuzz [TARGET…] [--seconds N]
                      let libFuzzer look for inputs that break a parser, a minute for each target
  bench [NAME…]       measure, and write tests/bench/RESULTS.md
  help                this text

Test groups, in the order they run:
";

fn main() -> ExitCode {
    match command(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn command(arguments: &[String]) -> Result<ExitCode> {
    let repo = Repo::find()?;
    let (name, rest) = match arguments.split_first() {
        Some((name, rest)) => (name.as_str(), rest),
        None => ("help", [].as_slice()),
    };
    if rest.iter().any(|word| word == "--help" || word == "-h") {
        print_help();
        return Ok(ExitCode::SUCCESS);
    }
    match (name, rest) {
        ("run", []) => relay::run(&repo)?,
        ("build", []) => pages::build(&repo)?,
        ("test", groups) => return test::run(&repo, groups),
        ("layers", []) => layers::run(&repo)?,
        ("fmt", []) => process::run(repo.cargo().args(["fmt", "--all"]))?,
        ("fuzz", words) => fuzz::run_targets(&repo, words)?,
        ("bench", names) => bench::measure(&repo, names)?,
        ("help" | "--help" | "-h", _) => print_help(),
        (name, rest) => bail!(
            "`{}` is not a command; `cargo xtask help` lists them",
            [&[name.to_owned()], rest].concat().join(" ")
        ),
    }
    Ok(ExitCode::SUCCESS)
}

fn print_help() {
    print!("{HELP}");
    for group in test::GROUPS {
        println!("  {:<19} {}", group.name, group.what);
    }
}
