//! `cargo xtask fuzz`: libFuzzer on the stable compiler, over every target of `tests/fuzz` or those
//! named, each for some seconds from its committed corpus.
//!
//! The compiler is told to instrument the code by itself, so that neither a nightly toolchain nor
//! cargo-fuzz is needed. What is found, and the grown corpus, lies below cargo's target folder;
//! inputs worth keeping are copied into `tests/fuzz/corpus` by hand. `cargo xtask test fuzz` replays
//! that corpus without libFuzzer.

use crate::process::{output, run, step};
use crate::repo::Repo;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

const FOLDER: &str = "tests/fuzz";
const SECONDS: u64 = 60;
/// More memory than any input may cost, in MiB, and more seconds than any may take.
const LIMITS: [&str; 3] = ["-rss_limit_mb=512", "-timeout=10", "-max_len=65536"];
/// Coverage counters and comparisons for libFuzzer, and every check the compiler has.
const FLAGS: [&str; 9] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cdebug-assertions",
    "-Coverflow-checks",
    "-Ccodegen-units=1",
];

/// What the command line asked for.
#[derive(Debug, PartialEq)]
struct Wish {
    targets: Vec<String>,
    seconds: u64,
}

/// Runs the named targets, or all, one after another. The first finding ends it with an error.
pub(crate) fn run_targets(repo: &Repo, arguments: &[String]) -> Result<()> {
    let wish = wish(arguments)?;
    let known = targets(repo)?;
    if let Some(stranger) = wish.targets.iter().find(|name| !known.contains(name)) {
        bail!(
            "there is no fuzz target `{stranger}`; the targets are {}",
            known.join(", ")
        );
    }
    let chosen = if wish.targets.is_empty() {
        known
    } else {
        wish.targets
    };
    let programs = build(repo, &chosen)?;
    for name in chosen {
        step(&format!("fuzzing {name} for {} s", wish.seconds), || {
            fuzz(repo, &programs, &name, wish.seconds)
        })?;
    }
    Ok(())
}

fn wish(arguments: &[String]) -> Result<Wish> {
    let mut wish = Wish {
        targets: Vec::new(),
        seconds: SECONDS,
    };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seconds" => {
                wish.seconds = words
                    .next()
                    .and_then(|number| number.parse().ok())
                    .filter(|seconds| *seconds > 0)
                    .context("--seconds takes a number of seconds for each target")?;
            }
            option if option.starts_with('-') => bail!("`{option}` is not an option of fuzz"),
            name => wish.targets.push(name.to_owned()),
        }
    }
    Ok(wish)
}

/// The programs of the fuzz crate, each a target.
fn targets(repo: &Repo) -> Result<Vec<String>> {
    let metadata = output(
        repo.cargo()
            .args(["metadata", "--no-deps", "--format-version=1"])
            .arg("--manifest-path")
            .arg(manifest(repo)),
    )?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let all = metadata["packages"][0]["targets"].as_array();
    let mut names: Vec<String> = all
        .into_iter()
        .flatten()
        .filter(|target| target["kind"][0] == "bin")
        .filter_map(|target| target["name"].as_str().map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}

fn build(repo: &Repo, chosen: &[String]) -> Result<PathBuf> {
    let host = host(repo)?;
    let own = repo.target.join("fuzz");
    step("building the fuzz targets", || {
        run(repo
            .cargo()
            .args(["build", "--release", "--features", "libfuzzer"])
            .arg("--manifest-path")
            .arg(manifest(repo))
            .args(["--target", &host])
            .args(chosen.iter().flat_map(|name| ["--bin", name]))
            .env("CARGO_TARGET_DIR", &own)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_ENCODED_RUSTFLAGS", flags(repo)?.join("\u{1f}")))
    })?;
    Ok(own.join(host).join("release"))
}

/// With AddressSanitizer where the toolchain has its runtime.
fn flags(repo: &Repo) -> Result<Vec<&'static str>> {
    let host = host(repo)?;
    let libraries = output(repo.command("rustc").args(["--print", "target-libdir"]))?;
    let has = fs::read_dir(libraries.trim())?
        .filter_map(Result::ok)
        .any(|file| file.file_name().to_string_lossy().contains("rt.asan"));
    let mut flags = FLAGS.to_vec();
    if has && host == "x86_64-unknown-linux-gnu" {
        flags.push("-Zsanitizer=address");
    }
    Ok(flags)
}

fn host(repo: &Repo) -> Result<String> {
    let version = output(repo.command("rustc").arg("-vV"))?;
    version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("rustc -vV names no host")
}

fn fuzz(repo: &Repo, programs: &Path, name: &str, seconds: u64) -> Result<()> {
    let own = repo.target.join("fuzz");
    let (grown, found) = (own.join("corpus").join(name), own.join("found").join(name));
    fs::create_dir_all(&grown)?;
    fs::create_dir_all(&found)?;
    let mut program = repo.command(programs.join(name));
    program
        .arg(&grown)
        .arg(repo.root.join(FOLDER).join("corpus").join(name))
        .args(LIMITS)
        .arg("-print_final_stats=1")
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", found.display()));
    let words = repo.root.join(FOLDER).join(format!("{name}.dict"));
    if words.is_file() {
        program.arg(format!("-dict={}", words.display()));
    }
    run(&mut program).with_context(|| {
        format!(
            "{name} found something: the input lies in {}",
            found.display()
        )
    })
}

/// The manifest of the crate with the targets, which is no member of the workspace: its flags and
/// its dependencies are its own.
pub(crate) fn manifest(repo: &Repo) -> PathBuf {
    repo.root.join(FOLDER).join("Cargo.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn targets_and_seconds_are_read_and_anything_else_is_refused() {
        let read = wish(&words("keyring --seconds 30 head")).unwrap();
        assert_eq!(
            read,
            Wish {
                targets: words("keyring head"),
                seconds: 30
            }
        );
        for bad in ["--seconds", "--seconds soon", "--seconds 0", "--fast"] {
            assert!(wish(&words(bad)).is_err(), "{bad}");
        }
    }
}
