//! Records and docroot belong together: both carry the same id, and a relay does not start on two that differ.
//!
//! Without this a docroot whose disk is not mounted would look like one that lost everything, and a database
//! from elsewhere like one to clean up by.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use sealift_docroot::{Docroot, DocrootSettings};

use crate::records::{Change, Records as _, Sqlite};

/// The docroot's own file. It starts with a dot, which no stored name may.
const FILE: &str = ".sealift-id";

/// What a docroot has to be marked with before anything is stored in it.
pub(crate) struct Mark {
    id: [u8; 16],
    /// The records know it by another id, until [`Change::MoveDocroots`].
    pub(crate) moves: bool,
}

/// Checks that a docroot is the one that the records are about. `None`: it is; otherwise it is new, or empty and in
/// another place than before, and is to be marked.
///
/// One that moves gets a new id: the places where it was keep their marks, and are not taken for it any more once a
/// package lies in the new one.
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
    let marked = marked(settings, docroot).await?;
    let moves = match (records.docroot_ids(name).await?, &marked) {
        (Some(known), Some(marked)) if known.id == *marked => return Ok(None),
        (None, None) => false,
        (Some(known), marked) => {
            let ours = marked.is_none() || *marked == known.next || *marked == known.before;
            if !ours || !records.is_empty(name).await? {
                bail!(
                    NOT_THE_ONE
                        .replace("NAME", name)
                        .replace("PLACE", &settings.to_string())
                );
            }
            true
        }
        (None, Some(_)) => {
            bail!(
                NOT_THE_ONE
                    .replace("NAME", name)
                    .replace("PLACE", &settings.to_string())
            );
        }
    };
    let mut id = [0; 16];
    getrandom::fill(&mut id)?;
    Ok(Some(Mark { id, moves }))
}

const NOT_THE_ONE: &str = "the docroot `NAME` in PLACE is not the one that the records are about; is its disk mounted, \
                           and are both from the same backup?";

/// The id that a docroot carries.
async fn marked(settings: &DocrootSettings, docroot: &Docroot) -> anyhow::Result<Option<Vec<u8>>> {
    match settings {
        DocrootSettings::Folder(path) => read(path),
        DocrootSettings::S3(_) => Ok(docroot.identity().await?.map(|id| id.to_vec())),
    }
}

/// Marks a place. The records know of the mark before, so that a crash leaves nothing that nobody knows; where the
/// docroot is changes only by [`Change::MoveDocroots`].
///
/// # Errors
///
/// When it cannot be written.
pub(crate) async fn mark(
    name: &str,
    settings: &DocrootSettings,
    docroot: &Docroot,
    records: &Sqlite,
    mark: &Mark,
) -> anyhow::Result<()> {
    let id = mark.id;
    if mark.moves {
        let name = name.to_owned();
        records.apply(Change::PrepareDocroot { name, id }).await?;
    } else {
        records.set_docroot_id(name, &id).await?;
    }
    match settings {
        DocrootSettings::Folder(path) => write(path, &path.join(FILE), &id),
        DocrootSettings::S3(_) => Ok(docroot.set_identity(id.to_vec().into()).await?),
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
