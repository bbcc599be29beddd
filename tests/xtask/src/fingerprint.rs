//! Has anything changed? A fingerprint is a SHA-256 over the names and bytes of a step's inputs;
//! the step is left out when the stamp beside its output holds the same one.

use anyhow::{Context, Result};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// Collects the inputs of one step.
pub(crate) struct Fingerprint(Sha256);

impl Fingerprint {
    pub(crate) fn new() -> Self {
        Self(Sha256::new())
    }

    /// Adds a word that matters, such as a version or a flag.
    pub(crate) fn text(mut self, text: &str) -> Self {
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text);
        self
    }

    /// Adds files, in the order given.
    pub(crate) fn files(mut self, files: impl IntoIterator<Item = PathBuf>) -> Result<Self> {
        for file in files {
            let bytes =
                fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
            self = self.text(&file.to_string_lossy());
            self.0.update((bytes.len() as u64).to_be_bytes());
            self.0.update(&bytes);
        }
        Ok(self)
    }

    /// Adds every file below a folder, but for those below a folder that `skip` names.
    pub(crate) fn tree(self, folder: &Path, skip: &[&str]) -> Result<Self> {
        self.files(files_below(folder, skip)?)
    }

    pub(crate) fn finish(self) -> String {
        HEXLOWER.encode(&self.0.finalize())
    }
}

/// All files below a folder, sorted by path; folders named in `skip` are left out.
pub(crate) fn files_below(folder: &Path, skip: &[&str]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries =
        fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            files.push(entry.path());
        } else if !skip.iter().any(|name| entry.file_name() == *name) {
            files.extend(files_below(&entry.path(), skip)?);
        }
    }
    files.sort();
    Ok(files)
}

/// Does the stamp hold this fingerprint?
pub(crate) fn matches(stamp: &Path, fingerprint: &str) -> bool {
    fs::read_to_string(stamp).is_ok_and(|held| held == fingerprint)
}

/// Writes a stamp, after its step has succeeded.
pub(crate) fn write(stamp: &Path, fingerprint: &str) -> Result<()> {
    fs::write(stamp, fingerprint).with_context(|| format!("{} cannot be written", stamp.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_and_a_renamed_file_change_the_fingerprint() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let of = || {
            Fingerprint::new()
                .tree(folder.path(), &["skipped"])
                .map(Fingerprint::finish)
        };
        fs::write(folder.path().join("a"), "one")?;
        let first = of()?;
        fs::create_dir(folder.path().join("skipped"))?;
        fs::write(folder.path().join("skipped/b"), "anything")?;
        assert_eq!(of()?, first);
        fs::write(folder.path().join("a"), "two")?;
        let second = of()?;
        assert_ne!(second, first);
        fs::rename(folder.path().join("a"), folder.path().join("c"))?;
        assert_ne!(of()?, second);
        Ok(())
    }
}
