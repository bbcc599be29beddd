//! Rust to WebAssembly: compile, generate the bindings, optimise.
//!
//! The bindings generator is the library crate of wasm-bindgen's command line, pinned by the same
//! lock file as the macro, so that the two always fit together and nothing is installed.

use crate::process::{output, run, step};
use crate::repo::Repo;
use crate::fingerprint::{Fingerprint, files_below};
use crate::{fingerprint, machine};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use wasm_bindgen_cli_support::Bindgen;

const TARGET: &str = "wasm32-unknown-unknown";

/// One module that the pages load.
struct Module {
    package: &'static str,
    features: &'static str,
    /// The stem of its files in `web/src/wasm`.
    name: &'static str,
}

/// The second one does all that the first does and knows recipients and identities too; a page
/// loads it instead of the first, only when somebody uses one.
const MODULES: [Module; 3] = [
    Module {
        package: "sealift-client-wasm",
        features: "",
        name: "sealift_client_wasm",
    },
    Module {
        package: "sealift-client-wasm",
        features: "recipients",
        name: "sealift_client_recipients",
    },
    Module {
        package: "sealift-strength",
        features: "",
        name: "sealift_strength",
    },
];

impl Module {
    /// Where cargo puts it, below the folder of the profile.
    fn compiled(&self) -> String {
        format!("{}.wasm", self.package.replace('-', "_"))
    }
}
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
    for module in &MODULES {
        let compiled = repo
            .target
            .join(TARGET)
            .join("wasm")
            .join(module.compiled());
        step(&format!("making {}.wasm", module.name), || {
            compile(repo, module)?;
            bind(&compiled, &made, module.name)?;
            optimise(repo, &made.join(format!("{}_bg.wasm", module.name)))
        })?;
    }
    // At once, so that whoever reads these files meanwhile misses them for a moment only.
    fresh(&out)?;
    for file in files_below(&made, &[])? {
        fs::copy(&file, out.join(file.file_name().context("a file has a name")?))?;
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

/// Builds the module with everything in it once more, for the test vectors: with a key derivation
/// that may cost next to nothing. Returns the folder of module and bindings.
pub(crate) fn build_for_vectors(repo: &Repo) -> Result<PathBuf> {
    let [core, ..] = &MODULES;
    machine::rust_target(repo, TARGET)?;
    run(repo
        .cargo()
        .args(["build", "--locked", "--lib", "--target", TARGET])
        .args(["-p", core.package])
        .args(["--features", "cheap-kdf-for-tests,recipients"]))?;
    let out = repo.target.join("vectors-wasm");
    let compiled = repo.target.join(TARGET).join("debug");
    bind(&compiled.join(core.compiled()), &out, core.name)?;
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

fn compile(repo: &Repo, module: &Module) -> Result<()> {
    let mut flags = vec![format!("-Ctarget-feature={FEATURES}")];
    flags.extend(
        hidden_paths(repo).map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display())),
    );
    run(repo
        .cargo()
        .args(["build", "--locked", "--lib", "--profile", "wasm"])
        .args(["--target", TARGET, "-p", module.package])
        .args(["--features", module.features])
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

fn bind(compiled: &Path, out: &Path, name: &str) -> Result<()> {
    Bindgen::new()
        .input_path(compiled)
        .out_name(name)
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
