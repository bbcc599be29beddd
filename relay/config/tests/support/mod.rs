//! Shared by the tests: a folder, files in it, and what comes of them.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)] // each test program uses its own part of this

use std::path::PathBuf;

use sealift_config::{Loaded, Sources};
use tempfile::TempDir;

/// A folder of its own for each test.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Names of what lies in it, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// A configuration of this text alone.
    pub fn load(&self, text: &str) -> Result<Loaded, String> {
        let sources = Sources {
            file: Some(self.write("sealift.toml", text)),
            ..Sources::default()
        };
        self.of(&sources)
    }

    /// What comes of the sources; errors without the folder's name.
    pub fn of(&self, sources: &Sources) -> Result<Loaded, String> {
        sources
            .load()
            .map_err(|errors| self.short(&errors.to_string()))
    }

    /// A text without the folder's name.
    pub fn short(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.path().display()), "")
    }
}
