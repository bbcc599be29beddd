//! What is not wrong, but what an operator should know: secrets that every user of the machine can read.

use std::os::unix::fs::PermissionsExt as _;

use crate::error::ConfigError;
use crate::load::{KeptSecret, Loaded};
use crate::show::redacted;

/// The bit of a file's mode that lets everybody read it.
const OTHERS_READ: u32 = 0o004;

impl Loaded {
    /// Secrets in files that everybody on this machine can read, each with its place and what to do.
    pub fn warnings(&self) -> Vec<ConfigError> {
        let told = self.kept.iter().filter(|kept| self.is_told(kept));
        told.filter_map(|kept| {
            let mode = kept.file.metadata().ok()?.permissions().mode() & 0o777;
            (mode & OTHERS_READ != 0).then(|| self.error(&kept.path, text(kept, mode)))
        })
        .collect()
    }

    /// Whether a setting holds something that nobody should read: of a docroot's URL, only its credentials.
    fn is_told(&self, kept: &KeptSecret) -> bool {
        let docroot = kept
            .path
            .strip_prefix("docroots.")
            .and_then(|path| path.strip_suffix(".url"));
        let url = docroot.and_then(|name| self.config.docroots.get(name));
        url.is_none_or(|docroot| redacted(docroot.url.expose()) != docroot.url.expose())
    }
}

fn text(kept: &KeptSecret, mode: u32) -> String {
    let key = kept.path.rsplit('.').next().unwrap_or_default();
    let file = kept.file.display();
    if kept.inline {
        format!(
            "`{key}` holds a secret, and every user of this machine can read {file} (mode {mode:o}): write it to a \
             file of its own with mode 600 and name that as `{key}_file`, or `chmod o-r {file}`"
        )
    } else {
        format!(
            "every user of this machine can read the secret in {file} (mode {mode:o}): `chmod 600 {file}`"
        )
    }
}
