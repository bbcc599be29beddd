//! Records and docroot belong together: both carry the same id, and a relay does not start on two that differ.
//!
//! Without this a docroot whose disk is not mounted would look like one that lost everything, and a database
//! from elsewhere like one to clean up by.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use sealift_docroot::{Docroot, DocrootSettings, Name};

use crate::records::Sqlite;

/// The docroot's own file. It starts with a dot, which no stored name may.
const FILE: &str = ".sealift-id";

/// What a docroot has to be marked with before anything is stored in it.
pub(crate) struct Mark(Vec<u8>);

/// Checks that a docroot is the one that the records are about. `None`: it is; otherwise it is new, or empty and in
/// another place than before, and is to be marked. Its name in the records is settled by this.
///
/// # Errors
///
/// When they do not belong together, or cannot be read.
pub(crate) async fn check(
    name: &str,
    settings: &DocrootSettings,
    docroot: &Docroot,
    records: &Sqlite,
) -> anyhow::Result<Option<Mark>> {
    match (
        records.docroot_id(name).await?,
        marked(settings, docroot).await?,
    ) {
        (Some(known), Some(marked)) if known == marked => Ok(None),
        (Some(known), None) if records.is_empty(name).await? => Ok(Some(Mark(known))),
        (None, None) => {
            let mut id = [0; 16];
            getrandom::fill(&mut id)?;
            // The records first: after a crash here there is still no package, and the docroot is marked then.
            records.set_docroot_id(name, &id).await?;
            Ok(Some(Mark(id.to_vec())))
        }
        _ => bail!(
            "the docroot `{name}` in {settings} is not the one that the records are about; is its disk mounted, and \
             are both from the same backup?"
        ),
    }
}

/// The id that a docroot carries.
async fn marked(settings: &DocrootSettings, docroot: &Docroot) -> anyhow::Result<Option<Vec<u8>>> {
    match settings {
        DocrootSettings::Folder(path) => read(path),
        DocrootSettings::S3(_) => Ok(docroot.identity().await?.map(|id| id.to_vec())),
    }
}

/// Marks a docroot.
///
/// # Errors
///
/// When it cannot be written.
pub(crate) async fn mark(
    settings: &DocrootSettings,
    docroot: &Docroot,
    Mark(id): Mark,
) -> anyhow::Result<()> {
    match settings {
        DocrootSettings::Folder(path) => write(path, &path.join(FILE), &id),
        DocrootSettings::S3(_) => Ok(docroot.set_identity(id.into()).await?),
    }
}

/// Takes the mark away from a place that an empty docroot has left: whoever goes back to it by mistake later, when
/// packages lie in the new place, is told so.
///
/// # Errors
///
/// When it cannot be written.
pub(crate) async fn unmark(settings: &DocrootSettings, docroot: &Docroot) -> anyhow::Result<()> {
    match settings {
        DocrootSettings::Folder(path) => Ok(std::fs::remove_file(path.join(FILE))?),
        DocrootSettings::S3(_) => Ok(docroot.delete(&Name::new("sealift-docroot", "id")?).await?),
    }
}

/// The id in a folder.
fn read(folder: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let path = folder.join(FILE);
    match std::fs::read(&path) {
        Ok(id) => Ok(Some(id)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context(format!("{} cannot be read", path.display())),
    }
}

/// Writes the id, whole or not at all.
fn write(docroot: &Path, path: &Path, id: &[u8]) -> anyhow::Result<()> {
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
