//! Where sealed files are kept: a *docroot*. Today a folder (`file://`), later S3 as well.
//!
//! What it promises:
//! - **Durable means durable.** [`PartWriter::durable`] returns only after an `fdatasync` that began when the
//!   part's last write had ended. A failed `fdatasync` fails every part since the last good one (S6).
//! - **A name appears whole or not at all.** Bytes arrive in `NAME.partial`; [`Docroot::commit`] syncs, renames
//!   without replacing and syncs the folder. A crash leaves a `.partial` that goes on where it was.
//! - **Nothing is buffered.** Any slice of a part is written where it belongs as it arrives.
//! - **Nothing escapes.** Every path is resolved under one directory handle; no `..`, no symlink out of it.
//! - **One relay.** The folder is locked until the last write to it has ended (S4).
//! - **Room is reserved at create**, so a nearly full disk refuses early instead of filling up.
//!
//! Every disk call goes through the small trait [`Disk`], so that the same code runs on a simulated disk whose
//! power fails. The crate knows nothing of packages, files or keys.
//!
//! Start with [`Docroot`].

mod disk;
mod error;
mod folder;
mod name;
mod object;
mod properties;
mod read;
mod settings;
mod settings_error;
#[cfg(feature = "simulation")]
pub mod simulated;
mod sync;
mod upload;
mod url;

pub use disk::{Disk, DiskFile};
pub use error::DocrootError;
pub use folder::Folder;
pub use name::Name;
pub use properties::{Ignored, Properties};
pub use read::Reader;
pub use settings::{
    Credentials, DocrootSettings, Encryption, Endpoint, KmsKey, S3Settings, StorageClass,
    SystemDefaults,
};
pub use settings_error::SettingsError;
pub use upload::{PartWriter, Upload};
pub use url::DocrootUrl;

use std::path::Path;
use std::sync::{Arc, Mutex};

/// Free space that an upload must leave on the disk unless the operator says otherwise: 256 MiB.
pub const FREE_BYTES_MIN: u64 = 256 << 20;

/// What lies under a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stat {
    /// Length in bytes; of a partial one, the length reserved for it.
    pub length_bytes: u64,
    /// Whether it was committed (or put), and so appears under its own name.
    pub committed: bool,
}

/// A storage destination. Cheap to clone; clones are the same docroot.
#[derive(Clone)]
pub struct Docroot {
    disk: Arc<dyn Disk>,
    free_bytes_min: u64,
    /// Held while room is looked for and taken.
    reserving: Arc<Mutex<()>>,
}

impl Docroot {
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
    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Disk) -> Result<T, DocrootError> + Send + 'static,
    ) -> Result<T, DocrootError> {
        let disk = Arc::clone(&self.disk);
        disk::run(self.disk.on_callers_thread(), move || work(&*disk)).await
    }
}

/// A name that is already gone is what a deletion wants.
fn gone_is_fine(result: std::io::Result<()>) -> Result<(), DocrootError> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
