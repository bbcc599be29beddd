//! A real folder on a Linux file system, entered only through one directory handle.

use std::fs;
use std::io::{self, IoSlice};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, OpenOptions, OpenOptionsExt};
use rustix::fs::{Advice, FallocateFlags, FlockOperation, OFlags, RenameFlags};

use crate::{Disk, DiskFile, DocrootError};

/// Name of the lock file in the root. It starts with a dot, which no [`crate::Name`] may.
const LOCK: &str = ".sealift-lock";

/// Most slices one `pwritev` takes (`IOV_MAX` is 1,024 on Linux).
const SLICES_MAX: usize = 1024;

/// A locked folder. Files that are open share the lock, so that it is held until the last write has ended (S4).
pub struct Folder {
    root: Dir,
    lock: Arc<fs::File>,
}

impl Folder {
    /// Opens (and makes, if needed) the folder, for its owner alone, and locks it.
    ///
    /// # Errors
    ///
    /// [`DocrootError::Locked`] when another process holds it; [`DocrootError::Storage`] otherwise.
    pub fn open(path: &Path) -> Result<Self, DocrootError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)?;
        let root = Dir::open_ambient_dir(path, ambient_authority())?;
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .mode(0o600)
            .custom_flags(no_follow());
        let lock = root.open_with(LOCK, &options)?.into_std();
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
            match error {
                rustix::io::Errno::WOULDBLOCK => DocrootError::Locked,
                other => io::Error::from(other).into(),
            }
        })?;
        Ok(Self {
            root,
            lock: Arc::new(lock),
        })
    }

    fn dir(&self, folder: &str) -> io::Result<Dir> {
        self.root.open_dir(folder)
    }
}

impl Disk for Folder {
    fn make_folder(&self, folder: &str) -> io::Result<()> {
        let mut owner_only = DirBuilder::new();
        owner_only.mode(0o700);
        match self.root.create_dir_with(folder, &owner_only) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => result,
        }
    }

    fn remove_folder(&self, folder: &str) -> io::Result<()> {
        self.root.remove_dir(folder)
    }

    fn folders(&self) -> io::Result<Vec<String>> {
        names(&self.root, true)
    }

    fn leaves(&self, folder: &str) -> io::Result<Vec<String>> {
        names(&self.dir(folder)?, false)
    }

    fn open(&self, folder: &str, leaf: &str, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(create)
            .mode(0o600)
            .custom_flags(no_follow());
        let file = self.dir(folder)?.open_with(leaf, &options)?.into_std();
        Ok(Arc::new(OpenFile {
            file,
            _lock: Arc::clone(&self.lock),
        }))
    }

    fn rename(&self, folder: &str, from: &str, to: &str, replace: bool) -> io::Result<()> {
        let dir = self.dir(folder)?;
        let flags = if replace {
            RenameFlags::empty()
        } else {
            RenameFlags::NOREPLACE
        };
        Ok(rustix::fs::renameat_with(&dir, from, &dir, to, flags)?)
    }

    fn remove(&self, folder: &str, leaf: &str) -> io::Result<()> {
        self.dir(folder)?.remove_file(leaf)
    }

    fn sync_folder(&self, folder: Option<&str>) -> io::Result<()> {
        // A `Dir` may be a path-only handle; syncing needs one opened for reading.
        let dir = match folder {
            Some(folder) => self.root.open(folder)?,
            None => self.root.open(".")?,
        };
        Ok(rustix::fs::fsync(&dir)?)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::fstatvfs(&*self.lock)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

fn no_follow() -> i32 {
    i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default()
}

/// Names of folders or of files; what is of another kind, hidden or not plain text is no business of ours.
fn names(dir: &Dir, folders: bool) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in dir.entries()? {
        let entry = entry?;
        if entry.file_type()?.is_dir() == folders
            && let Ok(name) = entry.file_name().into_string()
            && !name.starts_with('.')
        {
            found.push(name);
        }
    }
    Ok(found)
}

struct OpenFile {
    file: fs::File,
    _lock: Arc<fs::File>,
}

impl DiskFile for OpenFile {
    fn write_at(&self, mut offset: u64, slices: &[bytes::Bytes]) -> io::Result<()> {
        for batch in slices.chunks(SLICES_MAX) {
            let mut batch: Vec<IoSlice<'_>> =
                batch.iter().map(|slice| IoSlice::new(slice)).collect();
            let mut rest = &mut batch[..];
            // Empty slices at the front would make a correct write of 0 bytes look like a full disk.
            IoSlice::advance_slices(&mut rest, 0);
            while !rest.is_empty() {
                let written = match rustix::io::pwritev(&self.file, rest, offset) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(written) => written,
                    Err(rustix::io::Errno::INTR) => continue,
                    Err(error) => return Err(error.into()),
                };
                offset += written as u64;
                IoSlice::advance_slices(&mut rest, written);
            }
        }
        Ok(())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&self.file, into, offset)
    }

    fn reserve(&self, length_bytes: u64) -> io::Result<()> {
        if length_bytes > self.file.metadata()?.len() {
            match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, length_bytes) {
                // Some file systems cannot reserve; then only the check of free space protects.
                Err(rustix::io::Errno::OPNOTSUPP) => self.file.set_len(length_bytes)?,
                result => result?,
            }
        }
        Ok(())
    }

    /// What is on the disk leaves the memory: large uploads would push out everything else, and pages that are used
    /// again cost less than new ones (half of the relay's time). A download right after the upload reads from the disk.
    /// Pages of other parts that are not written yet stay.
    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()?;
        let _ = rustix::fs::fadvise(&self.file, 0, None, Advice::DontNeed); // only a hint
        Ok(())
    }

    fn length_bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}
