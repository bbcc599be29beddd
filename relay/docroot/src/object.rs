//! Small objects: put and replaced as a whole, so that a reader sees the old bytes or the new ones.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::{DiskDocroot, DocrootError, Name};

/// Tells the temporary names of two puts at once apart.
static NEXT: AtomicU64 = AtomicU64::new(0);

impl DiskDocroot {
    /// Stores a small object, replacing the one before in one step. Durable when this returns.
    ///
    /// # Errors
    ///
    /// [`DocrootError::DiskFull`]; [`DocrootError::Storage`]. Then the object before is still there, whole.
    pub async fn put(&self, name: &Name, bytes: Bytes) -> Result<(), DocrootError> {
        let (name, free_bytes_min) = (name.clone(), self.free_bytes_min);
        self.call(move |disk| {
            if disk.free_bytes()? < free_bytes_min.saturating_add(bytes.len() as u64) {
                return Err(DocrootError::DiskFull);
            }
            let next = format!(
                "{}.next-{}",
                name.leaf(),
                NEXT.fetch_add(1, Ordering::Relaxed)
            );
            disk.make_folder(name.folder())?;
            crate::on_disk::gone_is_fine(disk.remove(name.folder(), &next))?;
            let file = disk.open(name.folder(), &next, true)?;
            file.write_at(0, &[bytes])?;
            file.sync_data()?;
            disk.rename(name.folder(), &next, name.leaf(), true)?;
            disk.sync_folder(Some(name.folder()))?;
            Ok(disk.sync_folder(None)?)
        })
        .await
    }

    /// Reads a small object as a whole.
    ///
    /// # Errors
    ///
    /// [`DocrootError::Missing`]; [`DocrootError::OutOfRange`] when it is longer than `bytes_max`;
    /// [`DocrootError::Storage`].
    pub async fn get(&self, name: &Name, bytes_max: usize) -> Result<Bytes, DocrootError> {
        let name = name.clone();
        self.call(move |disk| {
            let file = disk.open(name.folder(), name.leaf(), false)?;
            let length = usize::try_from(file.length_bytes()?).unwrap_or(usize::MAX);
            if length > bytes_max {
                return Err(DocrootError::OutOfRange);
            }
            let mut bytes = vec![0; length];
            crate::read::fill(&*file, 0, &mut bytes)?;
            Ok(bytes.into())
        })
        .await
    }
}
