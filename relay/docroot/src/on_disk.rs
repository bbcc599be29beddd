//! A docroot on a disk: names, room, deletion. Uploads, small objects and ranges have their own files.

use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::{Disk, DocrootError, Folder, Name, Stat, disk};

/// A docroot on a disk. Cheap to clone; clones are the same docroot.
#[derive(Clone)]
pub struct DiskDocroot {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) free_bytes_min: u64,
    /// Held while room is looked for and taken.
    pub(crate) reserving: Arc<Mutex<()>>,
}

impl DiskDocroot {
    /// Opens (and makes, if needed) a folder and locks it for this process.
    ///
    /// # Errors
    ///
    /// [`DocrootError::Locked`] when another process holds it (S4); [`DocrootError::Storage`] otherwise.
    pub fn open(path: &Path, free_bytes_min: u64) -> Result<Self, DocrootError> {
        Ok(Self::on(Arc::new(Folder::open(path)?), free_bytes_min))
    }

    /// A docroot on any disk.
    pub fn on(disk: Arc<dyn Disk>, free_bytes_min: u64) -> Self {
        Self {
            disk,
            free_bytes_min,
            reserving: Arc::default(),
        }
    }

    /// What lies under a name, committed or partial; `None` when nothing does.
    ///
    /// # Errors
    ///
    /// [`DocrootError::Storage`].
    pub async fn stat(&self, name: &Name) -> Result<Option<Stat>, DocrootError> {
        let name = name.clone();
        self.call(move |disk| {
            for (leaf, committed) in [(name.leaf().to_owned(), true), (name.partial(), false)] {
                match disk.open(name.folder(), &leaf, false) {
                    Ok(file) => {
                        return Ok(Some(Stat {
                            length_bytes: file.length_bytes()?,
                            committed,
                        }));
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(None)
        })
        .await
    }

    /// The folders, in no particular order.
    ///
    /// # Errors
    ///
    /// [`DocrootError::Storage`].
    pub async fn folders(&self) -> Result<Vec<String>, DocrootError> {
        self.call(|disk| Ok(disk.folders()?)).await
    }

    /// The names in a folder, partial ones with their suffix, in no particular order.
    ///
    /// # Errors
    ///
    /// [`DocrootError::Storage`].
    pub async fn list(&self, folder: &str) -> Result<Vec<String>, DocrootError> {
        let folder = folder.to_owned();
        self.call(move |disk| Ok(disk.leaves(&folder)?)).await
    }

    /// Deletes what lies under a name, committed or partial. Deleting nothing is no error.
    ///
    /// # Errors
    ///
    /// [`DocrootError::Storage`].
    pub async fn delete(&self, name: &Name) -> Result<(), DocrootError> {
        let name = name.clone();
        self.call(move |disk| {
            gone_is_fine(disk.remove(name.folder(), name.leaf()))?;
            gone_is_fine(disk.remove(name.folder(), &name.partial()))?;
            gone_is_fine(disk.sync_folder(Some(name.folder())))
        })
        .await
    }

    /// Deletes a folder with everything in it. Readers that are open read on. Deleting nothing is no error.
    ///
    /// # Errors
    ///
    /// [`DocrootError::Storage`].
    pub async fn delete_folder(&self, folder: &str) -> Result<(), DocrootError> {
        let folder = folder.to_owned();
        self.call(move |disk| {
            let leaves = match disk.leaves(&folder) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
                leaves => leaves?,
            };
            for leaf in leaves {
                gone_is_fine(disk.remove(&folder, &leaf))?;
            }
            gone_is_fine(disk.remove_folder(&folder))?;
            Ok(disk.sync_folder(None)?)
        })
        .await
    }

    /// Free space in bytes that uploads may still take.
    ///
    /// # Errors
    ///
    /// [`DocrootError::Storage`].
    pub async fn free_bytes(&self) -> Result<u64, DocrootError> {
        let keep = self.free_bytes_min;
        self.call(move |disk| Ok(disk.free_bytes()?.saturating_sub(keep)))
            .await
    }

    /// Runs disk work away from the threads that serve connections.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Disk) -> Result<T, DocrootError> + Send + 'static,
    ) -> Result<T, DocrootError> {
        let disk = Arc::clone(&self.disk);
        disk::run(self.disk.on_callers_thread(), move || work(&*disk)).await
    }
}

/// A name that is already gone is what a deletion wants.
pub(crate) fn gone_is_fine(result: std::io::Result<()>) -> Result<(), DocrootError> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
