//! From sources to `web/dist`, which the relay carries inside its binary.
//!
//! npm packages → WebAssembly → Vite → one-file offline page → integrity → checks → brotli.
//! Each step runs only when its inputs have changed, and two builds of the same sources give the
//! same bytes.

use crate::fingerprint::{Fingerprint, files_below};
use crate::process::{run, step};
use crate::repo::Repo;
use crate::{fingerprint, integrity, machine, offline, wasm};
use anyhow::{Result, bail};
use std::fs::{self, File};
use std::path::Path;

/// What the first load of the Send page may cost, compressed: HTML, scripts, workers,
/// WebAssembly and styles.
const FIRST_LOAD_BYTES_MAX: u64 = 200 * 1024;
/// The page that a person opens to send.
const SEND_PAGE: &str = "index.html";
/// Loaded only when somebody types a password, uses a recipient or an identity, or wants a QR code: not part of the
/// first load.
const LAZY: [&str; 3] = ["strength", "recipients", "qr-code"];
const COMPRESS: &str = include_str!("compress.mjs");

/// Builds the pages, or does nothing when they are up to date.
pub(crate) fn build(repo: &Repo) -> Result<()> {
    let _alone = alone(repo)?;
    machine::npm_ci(repo, &repo.web())?;
    wasm::build(repo)?;
    let inputs = Fingerprint::new()
        .tree(&repo.web(), &["node_modules", "dist"])?
        .text(include_str!("pages.rs"))
        .text(include_str!("integrity.rs"))
        .text(include_str!("offline.rs"))
        .text(COMPRESS)
        .finish();
    let stamp = repo.web().join("node_modules/.sealift-dist");
    if fingerprint::matches(&stamp, &inputs) && repo.dist().join(SEND_PAGE).is_file() {
        return Ok(());
    }
    build_again(repo)?;
    fingerprint::write(&stamp, &inputs)
}

/// Held while the pages are built: two builds in one folder would mix.
fn alone(repo: &Repo) -> Result<File> {
    let lock = File::create(repo.web().join(".build-lock"))?;
    if lock.try_lock().is_err() {
        println!("waiting for another build of the pages to end");
        lock.lock()?;
    }
    Ok(lock)
}

/// Builds the pages from the WebAssembly that is there, changed or not.
pub(crate) fn build_again(repo: &Repo) -> Result<()> {
    step("building the pages", || {
        run(repo
            .command("npm")
            .args(["run", "--silent", "build"])
            .current_dir(repo.web()))
    })?;
    finish(repo, &repo.dist())
}

/// Everything that comes after the bundler.
fn finish(repo: &Repo, dist: &Path) -> Result<()> {
    step(
        "writing integrity, the offline page and compressed copies",
        || {
            offline::write(repo, dist)?;
            integrity::write(dist)?;
            integrity::check(dist)?;
            run(repo
                .command("node")
                .args(["--input-type=module", "--eval", COMPRESS])
                .arg(dist))
        },
    )?;
    first_load(dist)
}

/// Adds up what the Send page costs and refuses to go over the budget.
fn first_load(dist: &Path) -> Result<()> {
    let mut total = 0;
    let (lazy, first): (Vec<_>, Vec<_>) = integrity::reachable(dist, SEND_PAGE)?
        .into_iter()
        .partition(|name| LAZY.iter().any(|lazy| name.contains(lazy)));
    for name in &first {
        let bytes = compressed_bytes(dist, name)?;
        println!("  {bytes:>7} {name}");
        total += bytes;
    }
    let later = lazy
        .iter()
        .map(|name| compressed_bytes(dist, name))
        .sum::<Result<u64>>()?;
    println!(
        "  {total:>7} bytes for the first load of the Send page ({later} more when a password is typed or a recipient is used)"
    );
    if total > FIRST_LOAD_BYTES_MAX {
        bail!(
            "the first load of the Send page is {total} bytes; its budget is {FIRST_LOAD_BYTES_MAX}"
        );
    }
    Ok(())
}

fn compressed_bytes(dist: &Path, name: &str) -> Result<u64> {
    let file = dist.join(name);
    let smaller = dist.join(format!("{name}.br"));
    Ok(fs::metadata(if smaller.is_file() { smaller } else { file })?.len())
}

/// A fingerprint of all that was built, for comparing two builds.
pub(crate) fn fingerprint_of_dist(dist: &Path) -> Result<String> {
    let mut print = Fingerprint::new();
    for file in files_below(dist, &[])? {
        let name = file.strip_prefix(dist)?.to_string_lossy().into_owned();
        print = print
            .text(&name)
            .text(&data_encoding::HEXLOWER.encode(&fs::read(&file)?));
    }
    Ok(print.finish())
}
