//! The one place where a docroot touches a disk, as a trait: a real folder, or a simulated one for tests.

use std::io;
use std::sync::Arc;

use tokio::task::{JoinError, JoinHandle};

use crate::DocrootError;

/// A root folder with one level of folders in it. Calls block; names were checked before.
pub trait Disk: Send + Sync + 'static {
    /// Makes a folder; one that exists is fine.
    fn make_folder(&self, folder: &str) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_folder(&self, folder: &str) -> io::Result<()>;
    /// All folders.
    fn folders(&self) -> io::Result<Vec<String>>;
    /// All files of a folder.
    fn leaves(&self, folder: &str) -> io::Result<Vec<String>>;
    /// Opens a file for reading and writing; `create` makes it when missing.
    fn open(&self, folder: &str, leaf: &str, create: bool) -> io::Result<Arc<dyn DiskFile>>;
    /// Renames within a folder. Without `replace` a taken name is [`io::ErrorKind::AlreadyExists`].
    fn rename(&self, folder: &str, from: &str, to: &str, replace: bool) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, folder: &str, leaf: &str) -> io::Result<()>;
    /// Makes the names of a folder (of the root: `None`) durable.
    fn sync_folder(&self, folder: Option<&str>) -> io::Result<()>;
    /// Bytes that are free.
    fn free_bytes(&self) -> io::Result<u64>;
    /// A simulated disk answers at once, and its tests need one order of events for each seed.
    fn on_callers_thread(&self) -> bool {
        false
    }
}

/// An open file. Several threads may write different places at once.
pub trait DiskFile: Send + Sync + 'static {
    /// Writes all slices, one after the other, from `offset`.
    fn write_at(&self, offset: u64, slices: &[bytes::Bytes]) -> io::Result<()>;
    /// Reads some bytes at `offset`; 0 at the end.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;
    /// Sets the length and takes the room for it from the disk.
    fn reserve(&self, length_bytes: u64) -> io::Result<()>;
    /// Makes every write that ended before durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Length in bytes.
    fn length_bytes(&self) -> io::Result<u64>;
}

/// Starts blocking work on the pool for it, or on the caller's own thread.
pub(crate) fn start<T: Send + 'static>(
    here: bool,
    work: impl FnOnce() -> Result<T, DocrootError> + Send + 'static,
) -> JoinHandle<Result<T, DocrootError>> {
    if here {
        tokio::spawn(async move { work() })
    } else {
        tokio::task::spawn_blocking(work)
    }
}

/// Runs blocking work and waits for it. It goes on to its end even when the waiting is given up.
pub(crate) async fn run<T: Send + 'static>(
    here: bool,
    work: impl FnOnce() -> Result<T, DocrootError> + Send + 'static,
) -> Result<T, DocrootError> {
    ended(start(here, work).await)
}

/// What came out of work that was started.
pub(crate) fn ended<T>(
    result: Result<Result<T, DocrootError>, JoinError>,
) -> Result<T, DocrootError> {
    result.unwrap_or_else(|_| {
        Err(DocrootError::Storage(
            "the storage work was cut off".to_owned(),
        ))
    })
}
