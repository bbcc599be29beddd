//! Where things are: the clone, cargo's target folder, the cache outside the clone.

use anyhow::{Context, Result};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// The clone that this program works on, and the folders it writes to.
pub(crate) struct Repo {
    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target folder: `CARGO_TARGET_DIR`, or `target` in the clone.
    pub(crate) target: PathBuf,
    /// For what is worth keeping between clones: `~/.cache/sealift`.
    pub(crate) cache: PathBuf,
}

impl Repo {
    /// Finds the folders. `cargo run` tells where this package lies; what was true when it was
    /// compiled may be another clone that builds into the same target folder.
    pub(crate) fn find() -> Result<Self> {
        let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let root = package
            .context("run this by `cargo xtask`, so that it knows its clone")?
            .ancestors()
            .nth(2)
            .context("tests/xtask lies two folders below the root")?
            .to_owned();
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => std::path::absolute(folder)?,
            None => root.join("target"),
        };
        let cache = match std::env::var_os("XDG_CACHE_HOME") {
            Some(folder) => PathBuf::from(folder),
            None => std::env::home_dir()
                .context("there is no home folder: set HOME")?
                .join(".cache"),
        };
        Ok(Self {
            root,
            target,
            cache: cache.join("sealift"),
        })
    }

    /// A command that runs in the root of the clone.
    pub(crate) fn command(&self, program: impl Into<OsString>) -> Command {
        let mut command = Command::new(program.into());
        command.current_dir(&self.root);
        command
    }

    /// Cargo, without the variables that `cargo run` set for this program: build scripts that
    /// watch them (ring's does) would otherwise be built again and again.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = self.command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        command.env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// The npm package with the SDK and the pages.
    pub(crate) fn web(&self) -> PathBuf {
        self.root.join("web")
    }

    /// The built pages, as the relay embeds them.
    pub(crate) fn dist(&self) -> PathBuf {
        self.web().join("dist")
    }

    /// Where browser tests leave their pictures.
    pub(crate) fn screenshots(&self) -> PathBuf {
        self.target.join("screenshots")
    }
}
