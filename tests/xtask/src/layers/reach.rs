//! Invariants 1 and 2: what a crate reaches, over any number of steps.
//!
//! The question goes to `cargo tree` for one package at a time, so that a feature switched on by
//! another member of the workspace neither hides nor invents an edge. Normal and build
//! dependencies count, on every platform; what only tests use does not ship.

use super::Violation;
use crate::process::output;
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// Run by an operator: must never be able to decrypt. A name that the workspace does not have
/// yet is skipped.
const SERVER_SIDE: [&str; 5] = [
    "sealift-relay",
    "sealift-docroot",
    "sealift-server",
    "sealift-transfer",
    "sealift-config",
];
/// The format with its keys, and what only those who open slots need: a server reads passwords' and
/// recipients' slots as bytes.
const DECRYPTS: [&str; 6] = [
    "sealift-envelope",
    "sealift-client-wasm",
    "sealift-recipients",
    "argon2",
    "ml-kem",
    "x25519-dalek",
];

/// Each crate that ships, and those of ours that it may use.
const BELOW: [(&str, &[&str]); 9] = [
    ("sealift-protocol", &[]),
    ("sealift-docroot", &[]),
    ("sealift-strength", &[]),
    ("sealift-envelope", &["sealift-protocol"]),
    ("sealift-config", &["sealift-protocol", "sealift-docroot"]),
    (
        "sealift-relay",
        &["sealift-protocol", "sealift-docroot", "sealift-config"],
    ),
    (
        "sealift-client-wasm",
        &["sealift-protocol", "sealift-envelope"],
    ),
    (
        "sealift-recipients",
        &["sealift-protocol", "sealift-envelope"],
    ),
    (
        "sealift-cli",
        &["sealift-protocol", "sealift-envelope", "sealift-strength"],
    ),
];
/// Crates of tests and tools, which may use any.
const TOOLS: [&str; 5] = [
    "sealift-tests",
    "sealift-s3",
    "sealift-bench",
    "sealift-bench-wasm",
    "xtask",
];

/// Bytes, clock and randomness come to them as arguments.
pub(super) const LEAVES: [&str; 2] = ["sealift-protocol", "sealift-envelope"];
const DOES_IO: [&str; 20] = [
    "async-std",
    "axum",
    "getrandom",
    "hyper",
    "instant",
    "js-sys",
    "mio",
    "quinn",
    "rand",
    "reqwest",
    "rustix",
    "rustls",
    "smol",
    "socket2",
    "tempfile",
    "tokio",
    "tungstenite",
    "wasm-bindgen",
    "web-sys",
    "web-time",
];

/// Invariant 1.
pub(super) fn server_cannot_decrypt(root: &Path) -> Result<Vec<Violation>> {
    violations(root, &SERVER_SIDE, &DECRYPTS, "--all-features")
}

/// The map of `ARCHITECTURE.md`: our crates depend downwards only, and a new one has its place.
pub(super) fn downwards_only(root: &Path) -> Result<Vec<Violation>> {
    let mut found = Vec::new();
    let packages = packages(root)?;
    let names: Vec<&str> = packages
        .iter()
        .filter_map(|package| package["name"].as_str())
        .collect();
    for package in &packages {
        let name = package["name"].as_str().unwrap_or_default();
        if TOOLS.contains(&name) {
            continue;
        }
        let Some((_, below)) = BELOW.iter().find(|(known, _)| *known == name) else {
            found.push(format!("{name} has no place in the map of crates"));
            continue;
        };
        let dependencies = package["dependencies"].as_array();
        for dependency in dependencies.into_iter().flatten() {
            let used = dependency["name"].as_str().unwrap_or_default();
            let ships = dependency["kind"] != "dev";
            if ships && names.contains(&used) && !below.contains(&used) {
                found.push(format!("{name} depends on {used}"));
            }
        }
    }
    Ok(found)
}

/// Invariant 2. Default features: `native` of the envelope is for the command line.
pub(super) fn leaves_do_no_io(root: &Path) -> Result<Vec<Violation>> {
    violations(root, &LEAVES, &DOES_IO, "--no-default-features")
}

fn violations(
    root: &Path,
    packages: &[&str],
    forbidden: &[&str],
    features: &str,
) -> Result<Vec<Violation>> {
    let members = members(root)?;
    let mut found = Vec::new();
    for package in packages
        .iter()
        .filter(|package| members.iter().any(|member| member == *package))
    {
        let tree = tree(root, package, features)?;
        for name in forbidden {
            if let Some(path) = path_to(&tree, name) {
                found.push(format!("{package} reaches {name}: {path}"));
            }
        }
    }
    Ok(found)
}

fn packages(root: &Path) -> Result<Vec<serde_json::Value>> {
    let metadata = output(cargo(root).args(["metadata", "--no-deps", "--format-version=1"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    Ok(metadata["packages"].as_array().cloned().unwrap_or_default())
}

fn members(root: &Path) -> Result<Vec<String>> {
    Ok(packages(root)?
        .iter()
        .filter_map(|package| package["name"].as_str().map(str::to_owned))
        .collect())
}

/// One line for each edge: depth, then the name.
fn tree(root: &Path, package: &str, features: &str) -> Result<Vec<(usize, String)>> {
    let text = output(cargo(root).args([
        "tree",
        "--package",
        package,
        features,
        "--edges=normal,build",
        "--target=all",
        "--prefix=depth",
        "--format= {p}",
    ]))?;
    Ok(parsed(&text))
}

fn parsed(text: &str) -> Vec<(usize, String)> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?.parse().ok()?, words.next()?.to_owned()))
        })
        .collect()
}

/// The chain of crates from the root of the tree to the first crate of that name.
fn path_to(tree: &[(usize, String)], name: &str) -> Option<String> {
    let mut chain: Vec<&str> = Vec::new();
    for (depth, package) in tree {
        chain.truncate(*depth);
        chain.push(package);
        if *depth > 0 && package == name {
            return Some(chain.join(" → "));
        }
    }
    None
}

fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

#[cfg(test)]
mod tests {
    use super::super::planted;
    use super::*;

    fn manifest(name: &str, dependencies: &str) -> String {
        format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n{dependencies}")
    }

    #[test]
    fn a_hidden_way_to_the_envelope_and_to_a_socket_is_caught() {
        let workspace = "[workspace]\nresolver = \"3\"\nmembers = [\"relay\", \"middle\", \"envelope\", \"tokio\"]\n";
        let on_middle = "[dependencies]\nmiddle = { path = \"../middle\" }\n";
        let on_envelope = "[build-dependencies]\nsealift-envelope = { path = \"../envelope\" }\n";
        let on_tokio = "[target.'cfg(windows)'.dependencies]\ntokio = { path = \"../tokio\" }\n";
        let root = planted(&[
            ("Cargo.toml", workspace),
            ("relay/Cargo.toml", &manifest("sealift-relay", on_middle)),
            ("relay/src/lib.rs", ""),
            ("middle/Cargo.toml", &manifest("middle", on_envelope)),
            ("middle/src/lib.rs", ""),
            ("middle/build.rs", "fn main() {}"),
            (
                "envelope/Cargo.toml",
                &manifest("sealift-envelope", on_tokio),
            ),
            ("envelope/src/lib.rs", ""),
            ("tokio/Cargo.toml", &manifest("tokio", "")),
            ("tokio/src/lib.rs", ""),
        ]);
        let server = server_cannot_decrypt(root.path()).unwrap();
        assert_eq!(
            server,
            ["sealift-relay reaches sealift-envelope: sealift-relay → middle → sealift-envelope"]
        );
        let leaves = leaves_do_no_io(root.path()).unwrap();
        assert_eq!(
            leaves,
            ["sealift-envelope reaches tokio: sealift-envelope → tokio"]
        );
    }

    #[test]
    fn a_dependency_upwards_and_a_crate_without_a_place_are_caught() {
        let workspace =
            "[workspace]\nresolver = \"3\"\nmembers = [\"docroot\", \"config\", \"stray\"]\n";
        let on_config = "[dependencies]\nsealift-config = { path = \"../config\" }\n";
        let root = planted(&[
            ("Cargo.toml", workspace),
            (
                "docroot/Cargo.toml",
                &manifest("sealift-docroot", on_config),
            ),
            ("docroot/src/lib.rs", ""),
            ("config/Cargo.toml", &manifest("sealift-config", "")),
            ("config/src/lib.rs", ""),
            ("stray/Cargo.toml", &manifest("sealift-stray", "")),
            ("stray/src/lib.rs", ""),
        ]);
        assert_eq!(
            downwards_only(root.path()).unwrap(),
            [
                "sealift-docroot depends on sealift-config",
                "sealift-stray has no place in the map of crates"
            ]
        );
    }

    #[test]
    fn what_only_tests_use_does_not_count() {
        let workspace = "[workspace]\nresolver = \"3\"\nmembers = [\"relay\", \"envelope\"]\n";
        let only_tests = "[dev-dependencies]\nsealift-envelope = { path = \"../envelope\" }\n";
        let root = planted(&[
            ("Cargo.toml", workspace),
            ("relay/Cargo.toml", &manifest("sealift-relay", only_tests)),
            ("relay/src/lib.rs", ""),
            ("envelope/Cargo.toml", &manifest("sealift-envelope", "")),
            ("envelope/src/lib.rs", ""),
        ]);
        assert_eq!(
            server_cannot_decrypt(root.path()).unwrap(),
            Vec::<String>::new()
        );
    }
}
