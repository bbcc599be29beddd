//! `cargo xtask bench`: builds for speed, installs what is compared with, and hands over to
//! `tests/bench/run.mjs`, which measures and writes `tests/bench/RESULTS.md`.

use crate::process::{run, run_bounded, step};
use crate::repo::Repo;
use crate::{machine, pages, wasm};
use anyhow::Result;
use std::path::PathBuf;
use std::time::Duration;

const RAGE_VERSION: &str = "0.12.1";
const RAGE_LIMIT: Duration = Duration::from_secs(30 * 60);

/// Measures the named groups, or all of them.
pub(crate) fn measure(repo: &Repo, names: &[String]) -> Result<()> {
    let folder = repo.root.join("tests/bench");
    machine::npm_ci(repo, &folder)?;
    let chromium = machine::browser(repo, &machine::CHROMIUM)?;
    let tools = rage(repo)?;
    pages::build(repo)?;
    step("building for speed", || {
        let packages = [
            "-p",
            "sealift-relay",
            "-p",
            "sealift-cli",
            "-p",
            "sealift-bench",
            "-p",
            "sealift-s3",
        ];
        run(repo
            .cargo()
            .args(["build", "--locked", "--release"])
            .args(packages))
    })?;
    let modules = step("building WebAssembly to compare with", || {
        wasm::build_for_bench(repo)
    })?;
    run(repo
        .command("node")
        .arg(folder.join("run.mjs"))
        .args(names)
        .env("CHROMIUM", chromium)
        .env("SEALIFT_BINARIES", repo.target.join("release"))
        .env("SEALIFT_BENCH_WASM", modules)
        .env("SEALIFT_TOOLS", tools))
}

/// The file encryption tool that the command line is compared with; kept outside the clone.
fn rage(repo: &Repo) -> Result<PathBuf> {
    let root = repo.cache.join("tools");
    let installed = root.join("bin");
    if !installed.join("rage").is_file() {
        step("installing rage, for comparison", || {
            let by_hand = format!(
                "cargo install rage --version {RAGE_VERSION} --root {}",
                root.display()
            );
            run_bounded(
                repo.cargo()
                    .args([
                        "install",
                        "rage",
                        "--locked",
                        "--quiet",
                        "--version",
                        RAGE_VERSION,
                        "--root",
                    ])
                    .arg(&root),
                RAGE_LIMIT,
                &by_hand,
            )
        })?;
    }
    Ok(installed)
}
