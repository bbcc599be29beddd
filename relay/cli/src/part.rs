//! A file on its way: it grows under a temporary name and gets its own when it is whole.
//!
//! The temporary name is made by us and is in nobody else's use: a new one is created exclusively,
//! an existing one is opened only where its name says that it is ours ([`crate::names::part_name`]).

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::failure::{Cause, Failure, Result};

/// Files from this length on are worth waiting for the disk.
const SYNCED_BYTES_MIN: u64 = 1 << 20;

/// A file on its way. Dropping it removes it, unless it is finished or kept.
#[derive(Debug)]
pub(crate) struct PartFile {
    folder: OwnedFd,
    part: Option<String>,
    file: File,
    name: String,
    shown: PathBuf,
    overwrite: bool,
}

impl PartFile {
    /// A new file. What an earlier run left under this name, which only we use, goes.
    pub(crate) fn create(folder: OwnedFd, part: &str) -> rustix::io::Result<Self> {
        match rustix::fs::unlinkat(&folder, part, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
        Self::open_with(folder, part, OFlags::CREATE | OFlags::EXCL)
    }

    /// What an earlier run left under this name, or a new file. Where several users may write, what somebody else put
    /// there, or can reach under another name, is not used.
    pub(crate) fn open(folder: OwnedFd, part: &str) -> rustix::io::Result<Self> {
        let found = Self::open_with(folder, part, OFlags::CREATE)?;
        let own = found.file.metadata().is_ok_and(|metadata| {
            metadata.uid() == rustix::process::geteuid().as_raw() && metadata.nlink() == 1
        });
        if own {
            return Ok(found);
        }
        let folder = found.folder.try_clone();
        found.keep();
        let folder = folder.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        Self::create(folder, part)
    }

    fn open_with(folder: OwnedFd, part: &str, extra: OFlags) -> rustix::io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | extra;
        let file = File::from(rustix::fs::openat(
            &folder,
            part,
            flags,
            Mode::from_raw_mode(0o666),
        )?);
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Err(Errno::EXIST);
        }
        Ok(Self {
            folder,
            part: Some(part.to_owned()),
            file,
            name: part.to_owned(),
            shown: PathBuf::from(part),
            overwrite: false,
        })
    }

    /// Says which name it will get, and how it is called in messages.
    pub(crate) fn named(mut self, name: &str, shown: PathBuf, overwrite: bool) -> Self {
        name.clone_into(&mut self.name);
        self.shown = shown;
        self.overwrite = overwrite;
        self
    }

    /// Another name, with the same rule about replacing.
    pub(crate) fn renamed(self, name: &str, shown: PathBuf) -> Self {
        let overwrite = self.overwrite;
        self.named(name, shown, overwrite)
    }

    /// An output file that the person named, where symbolic links and climbing are their own
    /// business. `resumed` keeps what an earlier run left under the temporary name.
    pub(crate) fn for_output(
        place: &Path,
        part: &str,
        overwrite: bool,
        resumed: bool,
    ) -> Result<Self> {
        let failed = |error: Errno| Failure::file("create", place, &error.into());
        let name = place.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| {
            Failure::new(
                Cause::LocalFile,
                format!("this is no file name: {}", place.display()),
                "Name a file with -o.",
            )
        })?;
        let parent = match place.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(CWD, parent, flags, Mode::empty())
            .map_err(|error| Failure::file("open", parent, &error.into()))?;
        if !overwrite && rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Err(failed(Errno::EXIST));
        }
        let opened = if resumed {
            Self::open(folder, part)
        } else {
            Self::create(folder, part)
        };
        Ok(opened
            .map_err(failed)?
            .named(name, place.to_owned(), overwrite))
    }

    /// The open file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Path for messages.
    pub(crate) fn shown(&self) -> &Path {
        &self.shown
    }

    /// Leaves it where it is, for a later run.
    pub(crate) fn keep(mut self) {
        self.part = None;
    }

    /// Gives the file its own name, without replacing another one unless that was asked for. A large
    /// file, and one that replaces another, is on the disk before it has the name; thousands of small
    /// ones would wait for minutes.
    ///
    /// # Errors
    ///
    /// [`Cause::Exists`] when the name was taken meanwhile; then the file is kept.
    pub(crate) fn finish(mut self, modified: Option<SystemTime>) -> Result<PathBuf> {
        if let Some(modified) = modified {
            // A disk that keeps no such time still keeps the file.
            let _unsupported = self.file.set_modified(modified);
        }
        let unwritable = |error| Failure::file("write", &self.shown, &error);
        let bytes = self.file.metadata().map_err(unwritable)?.len();
        if self.overwrite || bytes >= SYNCED_BYTES_MIN {
            self.file.sync_data().map_err(unwritable)?;
        }
        let Some(part) = self.part.clone() else {
            return Ok(self.shown.clone());
        };
        let renamed = if self.overwrite {
            rustix::fs::renameat(&self.folder, &part, &self.folder, &self.name)
        } else {
            rename_new(&self.folder, &part, &self.name)
        };
        match renamed {
            Ok(()) => {
                self.part = None;
                if self.overwrite {
                    // Where a folder cannot be synced, the old file or the new one is there, whole.
                    let _unsupported = rustix::fs::fsync(&self.folder);
                }
            }
            Err(Errno::EXIST) => {
                self.part = None;
                return Err(Failure::new(
                    Cause::Exists,
                    format!(
                        "there is a {} already, made meanwhile",
                        self.shown.display()
                    ),
                    format!(
                        "What was written is kept beside it as {part}. Start again with --overwrite, or rename it."
                    ),
                ));
            }
            Err(error) => return Err(Failure::file("create", &self.shown, &error.into())),
        }
        Ok(self.shown.clone())
    }
}

/// Renames without replacing; by hard link where the file system lacks the flag.
fn rename_new(folder: &OwnedFd, from: &str, to: &str) -> rustix::io::Result<()> {
    match rustix::fs::renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            rustix::fs::linkat(folder, from, folder, to, AtFlags::empty())?;
            rustix::fs::unlinkat(folder, from, AtFlags::empty())
        }
        other => other,
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if let Some(part) = &self.part {
            // Nothing to be done about a failure here; the name itself says that it is unfinished.
            let _left = rustix::fs::unlinkat(&self.folder, part, AtFlags::empty());
        }
    }
}

/// Writes all of `bytes` at `offset`.
pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn open(place: &Path) -> PartFile {
        let folder = rustix::fs::openat(CWD, place, OFlags::DIRECTORY, Mode::empty()).unwrap();
        PartFile::open(folder, "p").unwrap()
    }

    #[test]
    fn what_an_earlier_run_left_is_used_and_a_file_with_another_name_is_not() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("p"), b"begun").unwrap();
        let part = open(dir.path());
        assert_eq!(part.file().metadata().unwrap().len(), 5);
        part.keep();
        // A hard link to something else of ours must not be emptied or read by others.
        let other = dir.path().join("precious");
        fs::hard_link(dir.path().join("p"), &other).unwrap();
        let part = open(dir.path());
        assert_eq!(part.file().metadata().unwrap().len(), 0);
        assert_ne!(
            part.file().metadata().unwrap().ino(),
            other.metadata().unwrap().ino()
        );
        drop(part);
        assert_eq!(fs::read(other).unwrap(), b"begun");
    }
}
