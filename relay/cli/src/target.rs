//! The folder that receives files: nothing is ever written outside it, followed out of it by a
//! symbolic link, or shown under its final name before its seal was verified.
//!
//! Every component is opened relative to the folder before it, without following links
//! (`openat` with `O_NOFOLLOW`). Files grow under a temporary name that no package can contain
//! ([`crate::names::part_name`]) and get their own when they are whole.
//!
//! Start with [`Target::open`].

use std::fs::{File, Metadata};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Mode, OFlags};

use crate::failure::{Cause, Failure, Result};
use crate::names::SafePath;
use crate::part::PartFile;
use crate::source::Stamp;

/// A target folder.
#[derive(Debug)]
pub(crate) struct Target {
    root: OwnedFd,
    place: PathBuf,
    overwrite: bool,
}

impl Target {
    /// Opens `place`, creating it if need be.
    pub(crate) fn open(place: &Path, overwrite: bool) -> Result<Self> {
        std::fs::create_dir_all(place).map_err(|error| Failure::file("create", place, &error))?;
        let root = rustix::fs::open(place, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| Failure::file("open", place, &error.into()))?;
        Ok(Self {
            root,
            place: place.to_owned(),
            overwrite,
        })
    }

    /// Whether a regular file of this size and time is there.
    pub(crate) fn holds(&self, path: &SafePath, bytes: u64, modified_ms: i64) -> bool {
        self.metadata(path, path.name()).is_some_and(|metadata| {
            let stamp = Stamp::of(&metadata);
            stamp.bytes == bytes && stamp.modified_ms() == Some(modified_ms)
        })
    }

    /// Whether an earlier run left something under this temporary name.
    pub(crate) fn has_part(&self, path: &SafePath, part: &str) -> bool {
        self.metadata(path, part)
            .is_some_and(|metadata| metadata.len() > 0)
    }

    /// Of a regular file beside `path`, or nothing.
    fn metadata(&self, path: &SafePath, name: &str) -> Option<Metadata> {
        let mut folder = None;
        for step in path.folders() {
            folder = Some(open_folder(folder.as_ref().unwrap_or(&self.root), step).ok()?);
        }
        let folder = folder.as_ref().unwrap_or(&self.root);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::openat(folder, name, flags, Mode::empty()).ok()?;
        File::from(file).metadata().ok().filter(Metadata::is_file)
    }

    /// Refuses early what would be refused at the end, before hours of transfer.
    pub(crate) fn check_free(&self, path: &SafePath) -> Result<()> {
        if self.overwrite {
            return Ok(());
        }
        let mut folder = None;
        for name in path.folders() {
            match open_folder(folder.as_ref().unwrap_or(&self.root), name) {
                Ok(next) => folder = Some(next),
                Err(rustix::io::Errno::NOENT) => return Ok(()),
                Err(error) => return Err(self.failed("open", path, error)),
            }
        }
        let folder = folder.as_ref().unwrap_or(&self.root);
        match rustix::fs::statat(folder, path.name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Err(self.failed("create", path, rustix::io::Errno::EXIST)),
            Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(self.failed("look at", path, error)),
        }
    }

    /// Creates a folder and those on the way to it.
    pub(crate) fn create_folder(&self, path: &SafePath) -> Result<()> {
        let parent = self.parent(path)?;
        self.enter(parent.as_ref().unwrap_or(&self.root), path.name(), path)
            .map(drop)
    }

    /// Starts a file under the temporary name `part`. What an earlier run left under it goes.
    pub(crate) fn begin(&self, path: &SafePath, part: &str) -> Result<PartFile> {
        self.open_part(path, |folder| PartFile::create(folder, part))
    }

    /// Goes on with a file: what is there under the temporary name `part` stays.
    pub(crate) fn resume(&self, path: &SafePath, part: &str) -> Result<PartFile> {
        self.open_part(path, |folder| PartFile::open(folder, part))
    }

    fn open_part(
        &self,
        path: &SafePath,
        open: impl FnOnce(OwnedFd) -> rustix::io::Result<PartFile>,
    ) -> Result<PartFile> {
        let folder = match self.parent(path)? {
            Some(folder) => folder,
            None => self
                .root
                .try_clone()
                .map_err(|error| Failure::file("open", &self.place, &error))?,
        };
        let part = open(folder).map_err(|error| self.failed("create", path, error))?;
        Ok(part.named(path.name(), self.shown(path), self.overwrite))
    }

    /// Path for messages.
    pub(crate) fn shown(&self, path: &SafePath) -> PathBuf {
        self.place.join(path.joined())
    }

    fn parent(&self, path: &SafePath) -> Result<Option<OwnedFd>> {
        let mut folder: Option<OwnedFd> = None;
        for name in path.folders() {
            folder = Some(self.enter(folder.as_ref().unwrap_or(&self.root), name, path)?);
        }
        Ok(folder)
    }

    fn enter(&self, folder: &OwnedFd, name: &str, path: &SafePath) -> Result<OwnedFd> {
        match rustix::fs::mkdirat(folder, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(self.failed("create the folder of", path, error)),
        }
        open_folder(folder, name).map_err(|error| self.failed("open the folder of", path, error))
    }

    fn failed(&self, doing: &str, path: &SafePath, error: rustix::io::Errno) -> Failure {
        let shown = self.shown(path);
        match error {
            rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR => Failure::new(
                Cause::LocalFile,
                format!(
                    "something on the way to {} is a symbolic link or a file",
                    shown.display()
                ),
                "Choose an empty folder with -o.",
            ),
            other => Failure::file(doing, &shown, &other.into()),
        }
    }
}

fn open_folder(folder: &OwnedFd, name: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::empty())
}

/// A time of the manifest, for the disk. Times out of range are left out.
pub(crate) fn time_from_ms(ms: i64) -> Option<SystemTime> {
    let distance = Duration::from_millis(ms.unsigned_abs());
    if ms >= 0 {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn t9_names_from_a_package_stay_inside_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("inside");
        let names = [
            "../x",
            "/abs",
            "a/../../b",
            "..",
            "CON",
            "x\u{202e}y",
            "\u{1b}[2J",
            "a\\b",
        ];
        for (number, hostile) in names.into_iter().enumerate() {
            let target = Target::open(&inside.join(number.to_string()), false).unwrap();
            let path = SafePath::of(hostile);
            target.begin(&path, "p").unwrap().finish(None).unwrap();
        }
        let outside: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(outside, ["inside"]);
    }

    #[test]
    fn t9_links_in_the_folder_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("inside"), dir.path().join("outside"));
        fs::create_dir_all(&inside).unwrap();
        fs::create_dir_all(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("way")).unwrap();
        std::os::unix::fs::symlink(outside.join("stolen"), inside.join("p")).unwrap();
        let target = Target::open(&inside, false).unwrap();
        let way = target.begin(&SafePath::of("way/x"), "p").unwrap_err();
        assert_eq!(way.cause, Cause::LocalFile);
        let file = SafePath::of("file");
        assert_eq!(
            target.resume(&file, "p").unwrap_err().cause,
            Cause::LocalFile
        );
        // A new one takes the link away instead of following it.
        target.begin(&file, "p").unwrap().finish(None).unwrap();
        assert_eq!(fs::read_dir(outside).unwrap().count(), 0);
    }

    #[test]
    fn a_name_that_was_taken_meanwhile_is_not_replaced_and_the_file_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), b"mine").unwrap();
        let target = Target::open(dir.path(), false).unwrap();
        let path = SafePath::of("a");
        assert_eq!(target.check_free(&path).unwrap_err().cause, Cause::Exists);
        assert_eq!(
            target
                .begin(&path, "p")
                .unwrap()
                .finish(None)
                .unwrap_err()
                .cause,
            Cause::Exists
        );
        assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"mine");
        assert!(
            dir.path().join("p").exists(),
            "hours of transfer are not thrown away"
        );

        let target = Target::open(dir.path(), true).unwrap();
        target.check_free(&path).unwrap();
        target.begin(&path, "p").unwrap().finish(None).unwrap();
        assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"");
    }
}
