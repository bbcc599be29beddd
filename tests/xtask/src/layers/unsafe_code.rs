//! Invariant 5: `unsafe` is forbidden for the workspace, and every crate takes the workspace's
//! lints. (`forbid` cannot be lifted by an attribute further down; the compiler sees to that.)

use super::Violation;
use crate::fingerprint::files_below;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// Invariant 5.
pub(super) fn forbidden(root: &Path) -> Result<Vec<Violation>> {
    let mut found = Vec::new();
    let workspace = fs::read_to_string(root.join("Cargo.toml"))
        .context("there is no Cargo.toml in the root")?;
    if !section(&workspace, "[workspace.lints.rust]")
        .any(|line| line.replace(' ', "").starts_with("unsafe_code=\"forbid\""))
    {
        found.push("Cargo.toml: [workspace.lints.rust] does not forbid unsafe_code".to_owned());
    }
    for file in files_below(root, &["target", "node_modules", "dist", ".git", "data"])? {
        if file.file_name().is_none_or(|name| name != "Cargo.toml")
            || file == root.join("Cargo.toml")
        {
            continue;
        }
        let manifest = fs::read_to_string(&file)?;
        // A workspace of its own (the fuzz targets) cannot take lints from ours, and says it itself.
        if manifest.lines().any(|line| line.trim() == "[workspace]") {
            let library = file.with_file_name("src").join("lib.rs");
            if !fs::read_to_string(&library)?.contains("#![forbid(unsafe_code)]") {
                found.push(format!(
                    "{} does not forbid unsafe code",
                    library.strip_prefix(root)?.display()
                ));
            }
            continue;
        }
        if !section(&manifest, "[lints]").any(|line| line.replace(' ', "") == "workspace=true") {
            found.push(format!(
                "{} does not take the workspace's lints",
                file.strip_prefix(root)?.display()
            ));
        }
    }
    Ok(found)
}

/// The lines of one section of a TOML file.
fn section<'a>(toml: &'a str, title: &'a str) -> impl Iterator<Item = &'a str> {
    toml.lines()
        .map(str::trim)
        .skip_while(move |line| *line != title)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
}

#[cfg(test)]
mod tests {
    use super::super::planted;
    use super::*;

    #[test]
    fn a_crate_without_the_lints_is_caught() {
        let root = planted(&[
            (
                "Cargo.toml",
                "[workspace]\n[workspace.lints.rust]\nunsafe_code = \"warn\"\n",
            ),
            (
                "good/Cargo.toml",
                "[package]\nname = \"good\"\n[lints]\nworkspace = true\n",
            ),
            ("bad/Cargo.toml", "[package]\nname = \"bad\"\n"),
        ]);
        let found = forbidden(root.path()).unwrap();
        assert_eq!(
            found,
            [
                "Cargo.toml: [workspace.lints.rust] does not forbid unsafe_code",
                "bad/Cargo.toml does not take the workspace's lints",
            ]
        );
    }
}
