//! Rust to WebAssembly: compile, generate the bindings, optimise.
//!
//! The bindings generator is the library crate of wasm-bindgen's command line, pinned by the same
//! lock file as the macro, so that the two always fit together and nothing is installed.

use crate::fingerprint::{Fingerprint, files_below};
use crate::process::{output, run, step};
use crate::repo::Repo;
use crate::{fingerprint, machine};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use wasm_bindgen_cli_support::Bindgen;

const TARGET: &str = "wasm32-unknown-unknown";

/// The modules that the pages load: package and the stem of its files. Each is compiled by a call
/// of its own, or features that one asks for would stand in all.
const MODULES: [(&str, &str); 3] = [
    ("sealift-client-wasm", "sealift_client_wasm"),
    ("sealift-recipients", "sealift_recipients"),
    ("sealift-strength", "sealift_strength"),
];
/// Those that judge test vectors.
const JUDGES: usize = 2;
/// What every browser with WebTransport understands, and what the compiler may use.
const FEATURES: &str = "+simd128,+bulk-memory,+sign-ext,+mutable-globals,+nontrapping-fptoint";
const OPTIMISE: [&str; 9] = [
    "-O3",
    "--enable-simd",
    "--enable-bulk-memory",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-multivalue",
    "--strip-debug",
];

/// Builds the modules and their bindings into `web/src/wasm`, unless nothing has changed.
/// The npm packages of `web` must be there: `wasm-opt` comes from one of them.
pub(crate) fn build(repo: &Repo) -> Result<()> {
    let out = repo.web().join("src/wasm");
    let inputs = inputs(repo)?;
    let stamp = out.join(".fingerprint");
    if fingerprint::matches(&stamp, &inputs) {
        return Ok(());
    }
    machine::rust_target(repo, TARGET)?;
    let made = repo.target.join("wasm-bindings");
    fresh(&made)?;
    for (package, stem) in MODULES {
        let compiled = repo
            .target
            .join(TARGET)
            .join("wasm")
            .join(format!("{stem}.wasm"));
        step(&format!("making {stem}.wasm"), || {
            compile(repo, package, "")?;
            bind(&compiled, &made)?;
            optimise(repo, &made.join(format!("{stem}_bg.wasm")))
        })?;
    }
    // At once, so that whoever reads these files meanwhile misses them for a moment only.
    fresh(&out)?;
    for file in files_below(&made, &[])? {
        fs::copy(
            &file,
            out.join(file.file_name().context("a file has a name")?),
        )?;
    }
    fingerprint::write(&stamp, &inputs)
}

/// An empty folder.
fn fresh(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(fs::create_dir_all(folder)?)
}

/// Builds those that open packages once more, for the test vectors: with a key derivation that may
/// cost next to nothing. Returns the folder of modules and bindings.
pub(crate) fn build_for_vectors(repo: &Repo) -> Result<PathBuf> {
    machine::rust_target(repo, TARGET)?;
    let out = repo.target.join("vectors-wasm");
    for (package, stem) in MODULES.into_iter().take(JUDGES) {
        run(repo
            .cargo()
            .args(["build", "--locked", "--lib", "--target", TARGET])
            .args(["-p", package, "--features", "cheap-kdf-for-tests"]))?;
        let compiled = repo.target.join(TARGET).join("debug");
        bind(&compiled.join(format!("{stem}.wasm")), &out)?;
    }
    Ok(out)
}

/// Builds what the benchmarks compare with: the aes-gcm crate alone, and the envelope alone, without
/// and with public keys. Returns the folder; each has a name of its own.
pub(crate) fn build_for_bench(repo: &Repo) -> Result<PathBuf> {
    let package = "sealift-bench-wasm";
    let out = repo.target.join("bench-wasm");
    for feature in ["gcm", "envelope", "recipients"] {
        compile(repo, package, feature)?;
        let compiled = repo
            .target
            .join(TARGET)
            .join("wasm/sealift_bench_wasm.wasm");
        let own = out.join(feature);
        bind(&compiled, &own)?;
        optimise(repo, &own.join("sealift_bench_wasm_bg.wasm"))?;
    }
    Ok(out)
}

fn inputs(repo: &Repo) -> Result<String> {
    let sources = ["client-wasm", "relay/protocol"];
    let mut print = Fingerprint::new()
        .text(&output(repo.command("rustc").arg("-vV"))?)
        .text(include_str!("wasm.rs"))
        .files(
            ["Cargo.toml", "Cargo.lock", "web/package-lock.json"].map(|file| repo.root.join(file)),
        )?;
    for folder in sources {
        print = print.tree(&repo.root.join(folder), &["target", "tests"])?;
    }
    Ok(print.finish())
}

fn compile(repo: &Repo, package: &str, features: &str) -> Result<()> {
    let mut flags = vec![format!("-Ctarget-feature={FEATURES}")];
    flags.extend(
        hidden_paths(repo).map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display())),
    );
    run(repo
        .cargo()
        .args(["build", "--locked", "--lib", "--profile", "wasm"])
        .args(["--target", TARGET, "-p", package, "--features", features])
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}")))
}

/// Folders of this machine that would stand in panic messages: two machines build the same bytes.
fn hidden_paths(repo: &Repo) -> impl Iterator<Item = (PathBuf, &'static str)> {
    let home = std::env::home_dir().unwrap_or_default();
    let cargo = std::env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    let rustup =
        std::env::var_os("RUSTUP_HOME").map_or_else(|| home.join(".rustup"), PathBuf::from);
    [
        (cargo, "/cargo"),
        (rustup, "/rustup"),
        (repo.root.clone(), "/sealift"),
    ]
    .into_iter()
}

fn bind(compiled: &Path, out: &Path) -> Result<()> {
    Bindgen::new()
        .input_path(compiled)
        .web(true)?
        .typescript(true)
        .omit_default_module_path(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(out)
        .with_context(|| format!("no bindings for {}", compiled.display()))
}

fn optimise(repo: &Repo, module: &Path) -> Result<()> {
    let smaller = module.with_extension("optimised");
    run(repo
        .command(repo.web().join("node_modules/.bin/wasm-opt"))
        .args(OPTIMISE)
        .arg(module)
        .arg("-o")
        .arg(&smaller))?;
    fs::rename(&smaller, module)?;
    Ok(())
}
