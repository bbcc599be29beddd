//! Uploads: bytes arrive in `NAME.partial`, part by part, and appear under NAME at the commit.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use tokio::task::JoinHandle;

use crate::sync::GroupSync;
use crate::{Disk, DiskDocroot, DiskFile, DocrootError, Name, disk};

/// An upload in progress. Cheap to clone; clones share the file and its syncs.
#[derive(Clone)]
pub struct DiskUpload {
    file: Arc<dyn DiskFile>,
    syncs: Arc<GroupSync>,
    length_bytes: u64,
    here: bool,
}

impl DiskDocroot {
    /// Starts an upload, or goes on with the one a crash or a restart left behind. Room for all of it is
    /// reserved and its name is durable before this returns. One [`DiskUpload`] per name at a time.
    ///
    /// # Errors
    ///
    /// [`DocrootError::DiskFull`] when the free space would fall under the minimum;
    /// [`DocrootError::Exists`] when it was committed before; [`DocrootError::Storage`].
    pub async fn create(&self, name: &Name, length_bytes: u64) -> Result<DiskUpload, DocrootError> {
        let (name, free_bytes_min) = (name.clone(), self.free_bytes_min);
        let reserving = Arc::clone(&self.reserving);
        let file = self
            .call(move |disk| {
                let (folder, partial) = (name.folder(), name.partial());
                if present(disk, folder, name.leaf())?.is_some() {
                    return Err(DocrootError::Exists);
                }
                let present = present(disk, folder, &partial)?.unwrap_or(0);
                // One at a time: two that see the same free bytes must not both take them.
                let _one = reserving.lock().unwrap_or_else(PoisonError::into_inner);
                let missing = length_bytes.saturating_sub(present);
                if missing > 0 && disk.free_bytes()? < missing.saturating_add(free_bytes_min) {
                    return Err(DocrootError::DiskFull);
                }
                disk.make_folder(folder)?;
                let file = disk.open(folder, &partial, true)?;
                if let Err(error) = file.reserve(length_bytes) {
                    if present == 0 {
                        let _ = disk.remove(folder, &partial);
                    }
                    return Err(error.into());
                }
                disk.sync_folder(Some(folder))?;
                disk.sync_folder(None)?;
                Ok(file)
            })
            .await?;
        let here = self.disk.on_callers_thread();
        Ok(DiskUpload {
            syncs: GroupSync::new(Arc::clone(&file), here),
            file,
            length_bytes,
            here,
        })
    }

    /// Makes an upload appear under its name: sync, rename without replacing, sync the folder.
    /// Doing it again is the same as once, also after a crash in the middle (S5).
    ///
    /// # Errors
    ///
    /// [`DocrootError::Length`] when what is stored is not as long as announced; [`DocrootError::Exists`] when
    /// a partial one and a committed one stand side by side; [`DocrootError::Missing`]; [`DocrootError::Storage`].
    pub async fn commit(&self, name: &Name, length_bytes: u64) -> Result<(), DocrootError> {
        let name = name.clone();
        self.call(move |disk| {
            let (folder, partial) = (name.folder(), name.partial());
            let found = match disk.open(folder, &partial, false) {
                Ok(file) => {
                    check_length(&*file, length_bytes)?;
                    file.sync_data()?;
                    disk.rename(folder, &partial, name.leaf(), false)?;
                    file
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    disk.open(folder, name.leaf(), false)?
                }
                Err(error) => return Err(error.into()),
            };
            disk.sync_folder(Some(folder))?;
            check_length(&*found, length_bytes)
        })
        .await
    }

    /// Ends an upload without keeping anything of it.
    ///
    /// # Errors
    ///
    /// [`DocrootError::Storage`].
    pub async fn abort(&self, name: &Name) -> Result<(), DocrootError> {
        let name = name.clone();
        self.call(move |disk| {
            crate::on_disk::gone_is_fine(disk.remove(name.folder(), &name.partial()))?;
            crate::on_disk::gone_is_fine(disk.sync_folder(Some(name.folder())))
        })
        .await
    }
}

/// The length of a file that is there. Only a name that nothing lies under is absent.
fn present(disk: &dyn Disk, folder: &str, leaf: &str) -> Result<Option<u64>, DocrootError> {
    match disk.open(folder, leaf, false) {
        Ok(file) => Ok(Some(file.length_bytes()?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn check_length(file: &dyn DiskFile, expected: u64) -> Result<(), DocrootError> {
    let found = file.length_bytes()?;
    if found == expected {
        Ok(())
    } else {
        Err(DocrootError::Length { expected, found })
    }
}

impl DiskUpload {
    /// Whether a clone of it or a part of it is in use elsewhere.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.syncs) > 1
    }

    /// Starts one part: `length_bytes` from `offset`. Parts may come in any order, several at once.
    ///
    /// # Errors
    ///
    /// [`DocrootError::OutOfRange`].
    pub fn part(&self, offset: u64, length_bytes: u64) -> Result<DiskPart, DocrootError> {
        match offset.checked_add(length_bytes) {
            Some(end) if end <= self.length_bytes => Ok(DiskPart {
                upload: self.clone(),
                era: self.syncs.era(),
                position: offset,
                end,
                writing: None,
            }),
            _ => Err(DocrootError::OutOfRange),
        }
    }
}

/// Writes one part in place, as its bytes arrive. At most one write is under way, so a part holds two slices
/// at most: the one being written and the one that the caller fills.
pub struct DiskPart {
    upload: DiskUpload,
    era: u64,
    position: u64,
    end: u64,
    writing: Option<JoinHandle<Result<(), DocrootError>>>,
}

impl DiskPart {
    /// Takes the next bytes of the part. Returns when the write before this one has ended.
    ///
    /// # Errors
    ///
    /// Those of the write before; [`DocrootError::OutOfRange`] past the part's end;
    /// [`DocrootError::SyncFailed`] when a sync failed since the part began.
    pub async fn write(&mut self, slices: Vec<Bytes>) -> Result<(), DocrootError> {
        self.write_holding(slices, ()).await
    }

    /// Like [`Self::write`]; `hold` is dropped when this write has ended.
    ///
    /// # Errors
    ///
    /// As [`Self::write`].
    pub async fn write_holding(
        &mut self,
        slices: Vec<Bytes>,
        hold: impl Send + 'static,
    ) -> Result<(), DocrootError> {
        let length: u64 = slices.iter().map(|slice| slice.len() as u64).sum();
        let offset = self.position;
        if length > self.end - offset {
            return Err(DocrootError::OutOfRange);
        }
        if self.upload.syncs.era() != self.era {
            return Err(DocrootError::SyncFailed);
        }
        self.settle().await?;
        self.position += length;
        let (file, here) = (Arc::clone(&self.upload.file), self.upload.here);
        self.writing = Some(disk::start(here, move || {
            let written = file.write_at(offset, &slices);
            drop((slices, hold));
            Ok(written?)
        }));
        Ok(())
    }

    /// Returns once everything written is durable: a sync that began after the last write ended has succeeded.
    /// Several parts that wait at once share one sync.
    ///
    /// # Errors
    ///
    /// [`DocrootError::OutOfRange`] when bytes are missing; those of the last write;
    /// [`DocrootError::SyncFailed`]: the part must be sent again.
    pub async fn durable(mut self) -> Result<(), DocrootError> {
        self.settle().await?;
        if self.position != self.end {
            return Err(DocrootError::OutOfRange);
        }
        self.upload.syncs.durable(self.era).await
    }

    /// Gives the part up. Returns when its last write has ended, so that a newer attempt may begin (S2).
    pub async fn stop(mut self) {
        let _ = self.settle().await;
    }

    async fn settle(&mut self) -> Result<(), DocrootError> {
        match self.writing.take() {
            None => Ok(()),
            Some(write) => disk::ended(write.await),
        }
    }
}
