//! The folder that receives files: nothing is ever written outside it, followed out of it by a
//! symbolic link, or shown under its final name before its seal was verified.
//!
//! Every component is opened relative to the folder before it, without following links
//! (`openat` with `O_NOFOLLOW`). Files are created as `NAME.part` and renamed when they are whole.
//!
//! Start with [`Target::open`].

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};

use crate::failure::{Cause, Failure, Result};
use crate::names::{SafePath, part_name};
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

    /// Whether an earlier run left a part that is not empty.
    pub(crate) fn has_part(&self, path: &SafePath) -> bool {
        self.metadata(path, &path.part_name())
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

    /// Starts a file as `NAME.part`. What an earlier run left of it is cut off.
    pub(crate) fn begin(&self, path: &SafePath) -> Result<PartFile> {
        self.part(path, OFlags::TRUNC)
    }

    /// Goes on with a file: `NAME.part` keeps what it has.
    pub(crate) fn resume(&self, path: &SafePath) -> Result<PartFile> {
        self.part(path, OFlags::empty())
    }

    /// Notes beside the part, as `NAME.part.ENDING`; never given a final name.
    pub(crate) fn resume_beside(&self, path: &SafePath, ending: &str) -> Result<PartFile> {
        self.create(
            path,
            format!("{}.{ending}", path.part_name()),
            OFlags::empty(),
        )
    }

    fn part(&self, path: &SafePath, extra: OFlags) -> Result<PartFile> {
        self.create(path, path.part_name(), extra)
    }

    fn create(&self, path: &SafePath, part: String, extra: OFlags) -> Result<PartFile> {
        let folder = match self.parent(path)? {
            Some(folder) => folder,
            None => self
                .root
                .try_clone()
                .map_err(|error| Failure::file("open", &self.place, &error))?,
        };
        let flags = OFlags::RDWR
            | OFlags::CREATE
            | OFlags::NOFOLLOW
            | OFlags::CLOEXEC
            | OFlags::NONBLOCK
            | extra;
        let file = rustix::fs::openat(&folder, part.as_str(), flags, Mode::from_raw_mode(0o666))
            .map_err(|error| self.failed("create", path, error))?;
        let file = File::from(file);
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Err(self.failed("create", path, rustix::io::Errno::EXIST));
        }
        Ok(PartFile {
            folder,
            name: path.name().to_owned(),
            part: Some(part),
            file,
            shown: self.shown(path),
            overwrite: self.overwrite,
        })
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

/// A file on its way. Dropping it removes `NAME.part`, unless it is finished or kept.
#[derive(Debug)]
pub(crate) struct PartFile {
    folder: OwnedFd,
    name: String,
    part: Option<String>,
    file: File,
    shown: PathBuf,
    overwrite: bool,
}

impl PartFile {
    /// Creates the `.part` of an output file that the person named, where symbolic links and
    /// climbing are their own business.
    pub(crate) fn for_output(place: &Path, overwrite: bool) -> Result<Self> {
        Self::output(place, overwrite, OFlags::TRUNC)
    }

    /// The same, keeping what an earlier run left.
    pub(crate) fn for_output_resumed(place: &Path, overwrite: bool) -> Result<Self> {
        Self::output(place, overwrite, OFlags::empty())
    }

    fn output(place: &Path, overwrite: bool, extra: OFlags) -> Result<Self> {
        let failed = |error: rustix::io::Errno| Failure::file("create", place, &error.into());
        let name = place
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or_else(|| {
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
        let folder = rustix::fs::openat(
            CWD,
            parent,
            OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(|error| Failure::file("open", parent, &error.into()))?;
        if !overwrite && rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Err(failed(rustix::io::Errno::EXIST));
        }
        let part = part_name(name);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | extra;
        let file = rustix::fs::openat(&folder, part.as_str(), flags, Mode::from_raw_mode(0o666))
            .map_err(failed)?;
        Ok(Self {
            folder,
            name: name.to_owned(),
            part: Some(part),
            file: File::from(file),
            shown: place.to_owned(),
            overwrite,
        })
    }

    /// The open file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Path for messages.
    pub(crate) fn shown(&self) -> &Path {
        &self.shown
    }

    /// Leaves `NAME.part` where it is, for a later run.
    pub(crate) fn keep(mut self) {
        self.part = None;
    }

    /// Gives the file its final name, without replacing another one unless that was asked for.
    pub(crate) fn finish(mut self, modified: Option<SystemTime>) -> Result<PathBuf> {
        if let Some(modified) = modified {
            // A disk that keeps no such time still keeps the file.
            let _unsupported = self.file.set_modified(modified);
        }
        let failed = |error: rustix::io::Errno| Failure::file("create", &self.shown, &error.into());
        let Some(part) = self.part.clone() else {
            return Ok(self.shown.clone());
        };
        if self.overwrite {
            rustix::fs::renameat(
                &self.folder,
                part.as_str(),
                &self.folder,
                self.name.as_str(),
            )
            .map_err(failed)?;
        } else {
            rename_new(&self.folder, &part, &self.name).map_err(failed)?;
        }
        self.part = None;
        Ok(self.shown.clone())
    }
}

/// Renames without replacing; by hard link where the file system lacks the flag.
fn rename_new(folder: &OwnedFd, from: &str, to: &str) -> rustix::io::Result<()> {
    use rustix::io::Errno;
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
            let _left = rustix::fs::unlinkat(&self.folder, part.as_str(), AtFlags::empty());
        }
    }
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

/// Writes all of `bytes` at `offset`.
pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
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
            target.begin(&path).unwrap().finish(None).unwrap();
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
        std::os::unix::fs::symlink(outside.join("stolen"), inside.join("file.part")).unwrap();
        let target = Target::open(&inside, false).unwrap();
        for name in ["way/x", "file"] {
            let path = SafePath::of(name);
            assert_eq!(
                target.begin(&path).unwrap_err().cause,
                Cause::LocalFile,
                "{name}"
            );
        }
        assert_eq!(fs::read_dir(outside).unwrap().count(), 0);
    }

    #[test]
    fn an_existing_file_is_not_replaced_and_nothing_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), b"mine").unwrap();
        let target = Target::open(dir.path(), false).unwrap();
        let path = SafePath::of("a");
        assert_eq!(target.check_free(&path).unwrap_err().cause, Cause::Exists);
        assert_eq!(
            target.begin(&path).unwrap().finish(None).unwrap_err().cause,
            Cause::Exists
        );
        assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"mine");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);

        let target = Target::open(dir.path(), true).unwrap();
        target.check_free(&path).unwrap();
        target.begin(&path).unwrap().finish(None).unwrap();
        assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"");
    }
}
