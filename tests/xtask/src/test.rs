//! `cargo xtask test`: every group of tests, or those that are named, and one line at the end
//! that says how many passed and failed.

use crate::fingerprint::files_below;
use crate::process::{self, lines, output, step};
use crate::repo::Repo;
use crate::tally::Tally;
use crate::{docs, fuzz, layers, machine, pages, wasm};
use anyhow::{Result, bail};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// No group takes as long as this; one that does hangs.
const GROUP_LIMIT: Duration = Duration::from_secs(20 * 60);
const BROWSER_TESTS: &str = "tests/browser";
/// Judges the test vectors; needs neither pages nor relay.
const VECTOR_CASE: &str = "cases/vectors.test.mjs";
/// Needs Ceph, and belongs to the group `s3`.
const S3_CASE: &str = "cases/s3.test.mjs";
/// Operates the dialogs of a Linux desktop.
const DIALOG_CASE: &str = "cases/dialog.test.mjs";
const WASI: &str = "wasm32-wasip1";

/// Some tests that belong together and can run alone.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    run: fn(&Repo) -> Result<Tally>,
}

/// In the order in which they run: what fails fast comes first.
pub(crate) const GROUPS: [Group; 12] = [
    Group {
        name: "fmt",
        what: "is the Rust code formatted",
        run: fmt,
    },
    Group {
        name: "docs",
        what: "do the documents' links and commands exist",
        run: docs::check,
    },
    Group {
        name: "layers",
        what: "the five invariants",
        run: layers::check,
    },
    Group {
        name: "web",
        what: "types and unit tests of the TypeScript code",
        run: web,
    },
    Group {
        name: "lints",
        what: "clippy, warnings are errors",
        run: lints,
    },
    Group {
        name: "rust",
        what: "unit and integration tests of every crate",
        run: rust,
    },
    Group {
        name: "wasm",
        what: "the same for protocol and envelope, as WebAssembly in Node",
        run: wasm,
    },
    Group {
        name: "vectors",
        what: "test vectors: an independent decoder in Python, and WebAssembly in Chromium and Firefox",
        run: vectors,
    },
    Group {
        name: "fuzz",
        what: "every input in the fuzz targets' corpora, once more",
        run: replay,
    },
    Group {
        name: "e2e",
        what: "promises of the whole product, over the command line and the relay",
        run: e2e,
    },
    Group {
        name: "s3",
        what: "docroots on a real S3 server that encrypts, and one that fails on demand",
        run: s3,
    },
    Group {
        name: "browser",
        what: "the pages in a real Chromium and Firefox against a real relay",
        run: browser,
    },
];

/// Runs the named groups, or all. The last line printed is `N passed, N failed`.
pub(crate) fn run(repo: &Repo, names: &[String]) -> Result<ExitCode> {
    if let Some(name) = names
        .iter()
        .find(|name| GROUPS.iter().all(|group| group.name != **name))
    {
        let known = GROUPS.map(|group| group.name).join(", ");
        bail!("there is no test group `{name}`; the groups are {known}");
    }
    let mut total = Tally::default();
    let mut summary = String::new();
    for group in GROUPS
        .iter()
        .filter(|group| names.is_empty() || names.iter().any(|name| name == group.name))
    {
        println!("\n=== {}: {} ===", group.name, group.what);
        let start = Instant::now();
        let tally = (group.run)(repo).unwrap_or_else(|error| {
            println!("error: {error:#}");
            Tally {
                passed: 0,
                failed: 1,
            }
        });
        let verdict = if tally.failed == 0 { "ok" } else { "FAILED" };
        summary += &format!(
            "{verdict:<7} {:<8} {:>5} passed {:>3} failed {:>6.0} s\n",
            group.name,
            tally.passed,
            tally.failed,
            start.elapsed().as_secs_f32()
        );
        total.add(tally);
    }
    println!(
        "\n{summary}\n{} passed, {} failed",
        total.passed, total.failed
    );
    Ok(if total.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn fmt(repo: &Repo) -> Result<Tally> {
    Ok(one(process::run(
        repo.cargo().args(["fmt", "--all", "--check"]),
    )
    .is_ok()))
}

fn lints(repo: &Repo) -> Result<Tally> {
    pages::build(repo)?;
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ];
    Ok(one(process::run(repo.cargo().args(clippy)).is_ok()))
}

fn rust(repo: &Repo) -> Result<Tally> {
    pages::build(repo)?;
    counted(repo.cargo().args([
        "test",
        "--workspace",
        "--exclude=sealift-tests",
        "--exclude=sealift-s3",
        "--locked",
        "--no-fail-fast",
    ]))
}

/// The unit tests of the crates that run in the browser, with 32-bit addresses. WASI and not the
/// browser's own target, because a plain test binary needs a standard output.
fn wasm(repo: &Repo) -> Result<Tally> {
    machine::rust_target(repo, WASI)?;
    machine::node(repo)?;
    let runner = format!(
        "node --no-warnings {}",
        repo.root.join("tests/xtask/wasi.mjs").display()
    );
    counted(
        repo.cargo()
            .args([
                "test",
                "--locked",
                "--no-fail-fast",
                "--lib",
                "--target",
                WASI,
            ])
            .args(["-p", "sealift-protocol", "-p", "sealift-envelope"])
            .env("CARGO_TARGET_WASM32_WASIP1_RUNNER", runner)
            // Enough from the start: Node 20 crashes at its end when memory has grown far under its WASI.
            .env(
                "CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS",
                "-C link-arg=--initial-memory=402653184",
            ),
    )
}

fn web(repo: &Repo) -> Result<Tally> {
    pages::build(repo)?;
    let mut tally = one(process::run(
        repo.command("npm")
            .args(["run", "--silent", "check"])
            .current_dir(repo.web()),
    )
    .is_ok());
    tally.add(one(two_builds_are_equal(repo)?));
    Ok(tally)
}

/// The pages are built a second time, to the last byte the same.
fn two_builds_are_equal(repo: &Repo) -> Result<bool> {
    let first = pages::fingerprint_of_dist(&repo.dist())?;
    step("building the pages again", || pages::build_again(repo))?;
    let equal = first == pages::fingerprint_of_dist(&repo.dist())?;
    println!(
        "{} two builds give the same bytes",
        if equal { "ok    " } else { "BROKEN" }
    );
    Ok(equal)
}

fn vectors(repo: &Repo) -> Result<Tally> {
    let folder = repo.root.join("tests/vectors");
    let python = machine::python(repo, &folder.join("requirements.txt"))?;
    let mut tally = counted(Command::new(python).arg(folder.join("run.py")))?;
    tally.add(in_browsers(repo, &[VECTOR_CASE.to_owned()])?);
    Ok(tally)
}

fn replay(repo: &Repo) -> Result<Tally> {
    counted(
        repo.cargo()
            .args(["test", "--locked", "--no-fail-fast", "--manifest-path"])
            .arg(fuzz::manifest(repo)),
    )
}

fn e2e(repo: &Repo) -> Result<Tally> {
    pages::build(repo)?;
    build_programs(repo)?;
    counted(
        repo.cargo()
            .args(["test", "--locked", "--no-fail-fast", "-p", "sealift-tests"]),
    )
}

fn s3(repo: &Repo) -> Result<Tally> {
    machine::ceph(repo)?;
    pages::build(repo)?;
    build_programs(repo)?;
    let mut tally =
        counted(
            repo.cargo()
                .args(["test", "--locked", "--no-fail-fast", "-p", "sealift-s3"]),
        )?;
    tally.add(in_browsers(repo, &[S3_CASE.to_owned()])?);
    Ok(tally)
}

fn browser(repo: &Repo) -> Result<Tally> {
    pages::build(repo)?;
    build_programs(repo)?;
    let cases = files_below(&repo.root.join(BROWSER_TESTS).join("cases"), &[])?
        .iter()
        .filter_map(|case| case.file_name())
        .map(|name| format!("cases/{}", name.display()))
        .filter(|case| case != VECTOR_CASE && case != S3_CASE)
        .filter(|case| case != DIALOG_CASE || cfg!(target_os = "linux"))
        .collect::<Vec<_>>();
    if cfg!(target_os = "linux") {
        machine::screen(repo)?;
    }
    in_browsers(repo, &cases)
}

/// Runs some of the browser tests, one after another: they measure time and share two cores.
fn in_browsers(repo: &Repo, cases: &[String]) -> Result<Tally> {
    let folder = repo.root.join(BROWSER_TESTS);
    machine::npm_ci(repo, &folder)?;
    let chromium = machine::browser(repo, &machine::CHROMIUM)?;
    let firefox = machine::browser(repo, &machine::FIREFOX)?;
    let vectors_wasm = wasm::build_for_vectors(repo)?;
    for browser in [&chromium, &firefox] {
        print!("{}", output(Command::new(browser).arg("--version"))?);
    }
    counted(
        repo.command("node")
            .args(["--test", "--test-reporter=tap", "--test-concurrency=1"])
            .args(cases)
            .current_dir(&folder)
            .env("CHROMIUM", chromium)
            .env("FIREFOX", firefox)
            .env("SEALIFT_BINARIES", repo.target.join("debug"))
            .env("SEALIFT_VECTORS_WASM", vectors_wasm)
            .env("SEALIFT_SCREENSHOTS", repo.screenshots()),
    )
}

/// The relay and the command line, as e2e and browser tests start them.
fn build_programs(repo: &Repo) -> Result<()> {
    let programs = ["-p", "sealift-relay", "-p", "sealift-cli"];
    process::run(repo.cargo().args(["build", "--locked"]).args(programs))
}

fn one(passed: bool) -> Tally {
    let mut tally = Tally::default();
    tally.count(passed);
    tally
}

/// Runs a test program and counts what it reports. One that fails without reporting a failure
/// (it did not compile, it was stopped) counts as one failed test.
fn counted(command: &mut Command) -> Result<Tally> {
    let mut tally = Tally::default();
    let succeeded = lines(command, GROUP_LIMIT, |line| tally.read(line))?;
    if !succeeded && tally.failed == 0 {
        tally.count(false);
    }
    Ok(tally)
}
