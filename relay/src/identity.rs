//! Records and docroot belong together: both carry the same id, and a relay does not start on two that differ.
//!
//! Without this a docroot whose disk is not mounted would look like one that lost everything, and a database
//! from elsewhere like one to clean up by.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::records::Sqlite;

/// The docroot's own file. It starts with a dot, which no stored name may.
const FILE: &str = ".sealift-id";

/// Checks that the folder is the one that the records are about; marks both when they are new.
///
/// # Errors
///
/// When they do not belong together, or cannot be read or marked.
pub(crate) async fn check(docroot: &Path, records: &Sqlite) -> anyhow::Result<()> {
    let path = docroot.join(FILE);
    let marked = match std::fs::read(&path) {
        Ok(id) => Some(id),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).context(format!("{} cannot be read", path.display())),
    };
    match (records.docroot_id().await?, marked) {
        (Some(known), Some(marked)) if known == marked => Ok(()),
        (Some(known), None) if records.is_empty().await? => mark(docroot, &path, &known),
        (None, None) => {
            let mut id = [0; 16];
            getrandom::fill(&mut id)?;
            // The records first: after a crash here there is still no package, and the docroot is marked then.
            records.set_docroot_id(&id).await?;
            mark(docroot, &path, &id)
        }
        _ => bail!(
            "the docroot in {} is not the one that the records are about; is its disk mounted, and are both \
             from the same backup?",
            docroot.display()
        ),
    }
}

/// Writes the id, whole or not at all.
fn mark(docroot: &Path, path: &Path, id: &[u8]) -> anyhow::Result<()> {
    let write = || -> io::Result<()> {
        let aside = path.with_extension("next");
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&aside)?;
        file.write_all(id)?;
        file.sync_all()?;
        std::fs::rename(&aside, path)?;
        std::fs::File::open(docroot)?.sync_all()
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}
