//! Names in a docroot: one folder, one leaf, no surprise.

use crate::DocrootError;

/// Longest folder or leaf, in bytes. Leaves room for the suffixes under the 255 of most file systems.
const NAME_BYTES_MAX: usize = 200;

/// Where something lies in a docroot: `folder/leaf`. Made from ids by the relay, never from a user's file names.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Name {
    folder: String,
    leaf: String,
}

impl Name {
    /// Checks both halves: 1 to 200 of `A-Z a-z 0-9 . _ -`, not starting with a dot.
    ///
    /// # Errors
    ///
    /// [`DocrootError::Name`].
    pub fn new(folder: impl Into<String>, leaf: impl Into<String>) -> Result<Self, DocrootError> {
        let (folder, leaf) = (folder.into(), leaf.into());
        for half in [&folder, &leaf] {
            let plain = half
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
            if half.is_empty() || half.len() > NAME_BYTES_MAX || half.starts_with('.') || !plain {
                return Err(DocrootError::Name(half.chars().take(40).collect()));
            }
        }
        if leaf.ends_with(".partial") || leaf.contains(".next-") {
            return Err(DocrootError::Name(leaf));
        }
        Ok(Self { folder, leaf })
    }

    pub(crate) fn folder(&self) -> &str {
        &self.folder
    }

    pub(crate) fn leaf(&self) -> &str {
        &self.leaf
    }

    /// The leaf under which bytes arrive until they are committed.
    pub(crate) fn partial(&self) -> String {
        format!("{}.partial", self.leaf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_docroot_are_refused() {
        for bad in [
            "",
            ".",
            "..",
            "../x",
            "/etc",
            "a/b",
            "a\\b",
            "C:",
            "a\0",
            "é",
            ".lock",
            "a\n",
            &"x".repeat(201),
        ] {
            assert!(Name::new(bad, "leaf").is_err(), "{bad:?}");
            assert!(Name::new("folder", bad).is_err(), "{bad:?}");
        }
        assert!(Name::new("folder", "x.partial").is_err());
        assert!(Name::new("-Zz_9", "00ff.body").is_ok());
    }
}
