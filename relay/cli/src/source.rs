//! What the person named on the command line, as files and folders of a package.
//!
//! Symbolic links are followed when named themselves and left out inside folders, as are devices,
//! sockets and pipes. Order is stable, so that two runs see the same list.

use std::collections::HashSet;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sealift_envelope::names::{check_path, clean_path};
use sealift_protocol::error::Code;

use crate::failure::{Cause, Failure, Result};

/// One regular file to be sealed.
#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    /// Where it lies on this computer.
    pub(crate) place: PathBuf,
    /// Its path in the package, `/`-separated.
    pub(crate) path: String,
    /// Size and times when it was listed; a later difference means that it changed.
    pub(crate) stamp: Stamp,
}

/// What tells cheaply that a file changed, or that another one took its name with the same size and time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Stamp {
    /// Size in bytes.
    pub(crate) bytes: u64,
    /// Last change of the content, if the file system knows.
    pub(crate) modified: Option<SystemTime>,
    /// Device and number, which another file does not have.
    file: (u64, u64),
    /// Last change of anything, which nobody can set back.
    changed: (i64, i64),
}

impl Stamp {
    /// Of an open file or a path.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
            file: (metadata.dev(), metadata.ino()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Milliseconds since 1970, as the manifest keeps them.
    pub(crate) fn modified_ms(&self) -> Option<i64> {
        let modified = self.modified?;
        match modified.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).ok(),
            Err(before) => i64::try_from(before.duration().as_millis())
                .ok()
                .map(|ms| -ms),
        }
    }
}

/// Everything that was found.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// Regular files.
    pub(crate) files: Vec<SourceFile>,
    /// Folders that hold nothing, as paths in the package.
    pub(crate) empty_folders: Vec<String>,
    /// What was left out or renamed, as sentences for the person.
    pub(crate) remarks: Vec<String>,
    taken: HashSet<String>,
}

impl Sources {
    /// Lists `arguments` and what is below them.
    pub(crate) fn find(arguments: &[PathBuf]) -> Result<Self> {
        let mut sources = Self::default();
        for argument in arguments {
            let metadata =
                fs::metadata(argument).map_err(|error| Failure::file("read", argument, &error))?;
            let name = own_name(argument)?;
            let name = sources.unique(&name);
            sources.add(argument, name, &metadata)?;
        }
        Ok(sources)
    }

    /// Sum of the sizes, in bytes.
    pub(crate) fn bytes_total(&self) -> u64 {
        self.files.iter().map(|file| file.stamp.bytes).sum()
    }

    /// Reads in `place` as `path`, and everything below it.
    fn add(&mut self, place: &Path, path: String, metadata: &Metadata) -> Result<()> {
        if metadata.is_file() {
            let path = self.usable(place, path)?;
            let stamp = Stamp::of(metadata);
            self.files.push(SourceFile {
                place: place.to_owned(),
                path,
                stamp,
            });
        } else if metadata.is_dir() {
            self.add_folder(place, path)?;
        } else {
            self.remarks.push(format!(
                "{} is no regular file and was left out",
                place.display()
            ));
        }
        Ok(())
    }

    fn add_folder(&mut self, place: &Path, path: String) -> Result<()> {
        let unreadable = |error| Failure::file("read", place, &error);
        let mut entries = fs::read_dir(place)
            .map_err(unreadable)?
            .collect::<Result<Vec<_>, _>>()
            .map_err(unreadable)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        if entries.is_empty() {
            let path = self.usable(place, path)?;
            self.empty_folders.push(path);
            return Ok(());
        }
        for entry in entries {
            let place = entry.path();
            let metadata = entry
                .metadata()
                .map_err(|error| Failure::file("read", &place, &error))?;
            if metadata.is_symlink() {
                self.remarks.push(format!(
                    "{} is a symbolic link and was left out",
                    place.display()
                ));
                continue;
            }
            let name = unicode_name(&place)?;
            self.add(&place, format!("{path}/{name}"), &metadata)?;
        }
        Ok(())
    }

    /// The path as a package may carry it: characters that deceive are replaced, with a word.
    fn usable(&mut self, place: &Path, path: String) -> Result<String> {
        let clean = clean_path(&path);
        check_path(&clean)
            .map_err(|error| Failure::from(error).about(&place.display().to_string()))?;
        if clean != path {
            self.remarks
                .push(format!("{} is sent as {clean}", place.display()));
        }
        Ok(clean)
    }

    /// Two arguments of one name would land on each other at the receiver; the second gets a number.
    fn unique(&mut self, name: &str) -> String {
        let mut candidate = name.to_owned();
        let mut number = 2;
        while !self.taken.insert(candidate.clone()) {
            candidate = numbered(name, number);
            number += 1;
        }
        candidate
    }
}

impl SourceFile {
    /// Opens it, if it still is what was listed.
    ///
    /// # Errors
    ///
    /// [`Code::FileChanged`] when size or time differ.
    pub(crate) fn open(&self) -> Result<File> {
        let cannot = |error| Failure::file("read", &self.place, &error);
        let file = File::open(&self.place).map_err(cannot)?;
        self.check(&file)?;
        Ok(file)
    }

    /// Whether an open file still has the size and time that were listed (rule C2).
    pub(crate) fn check(&self, file: &File) -> Result<()> {
        let now = file
            .metadata()
            .map_err(|error| Failure::file("read", &self.place, &error))?;
        if Stamp::of(&now) == self.stamp {
            Ok(())
        } else {
            Err(self.changed())
        }
    }

    /// The failure that says so.
    pub(crate) fn changed(&self) -> Failure {
        Failure::shared(Code::FileChanged).about(&self.place.display().to_string())
    }
}

/// Reads files one after the other, as one stream.
///
/// Gives exactly the bytes that were listed, or an error that carries a [`Failure`]: a file that
/// grew, shrank or was written to meanwhile is never taken for the one that was listed.
pub(crate) struct Joined<'a> {
    waiting: &'a [SourceFile],
    current: Option<(&'a SourceFile, File, u64)>,
}

impl<'a> Joined<'a> {
    /// Nothing is opened yet.
    pub(crate) fn new(files: &'a [SourceFile]) -> Self {
        Self {
            waiting: files,
            current: None,
        }
    }
}

impl Read for Joined<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some((source, file, left)) = &mut self.current {
                if *left > 0 {
                    let count = usize::try_from(*left)
                        .unwrap_or(usize::MAX)
                        .min(buffer.len());
                    let count = file.read(&mut buffer[..count])?;
                    if count == 0 && !buffer.is_empty() {
                        return Err(io::Error::other(source.changed()));
                    }
                    *left -= count as u64;
                    return Ok(count);
                }
                source.check(file).map_err(io::Error::other)?;
                self.current = None;
            }
            let Some((next, waiting)) = self.waiting.split_first() else {
                return Ok(0);
            };
            self.waiting = waiting;
            self.current = Some((
                next,
                next.open().map_err(io::Error::other)?,
                next.stamp.bytes,
            ));
        }
    }
}

/// `report (2).pdf` for `report.pdf`.
fn numbered(name: &str, number: u32) -> String {
    match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => format!("{stem} ({number}).{ending}"),
        _ => format!("{name} ({number})"),
    }
}

/// The name an argument has in the package: `../a/b` is `b`, `.` is the folder's own name.
fn own_name(argument: &Path) -> Result<String> {
    if argument.file_name().is_some() {
        return unicode_name(argument);
    }
    let real =
        fs::canonicalize(argument).map_err(|error| Failure::file("read", argument, &error))?;
    if real.file_name().is_some() {
        unicode_name(&real)
    } else {
        Ok("files".to_owned())
    }
}

fn unicode_name(place: &Path) -> Result<String> {
    place
        .file_name()
        .and_then(|name| name.to_str())
        .map(str::to_owned)
        .ok_or_else(|| {
            Failure::new(
                Cause::LocalFile,
                format!("the name of {} is not Unicode", place.display()),
                "Rename it, then start again.",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(sources: &Sources) -> Vec<&str> {
        sources
            .files
            .iter()
            .map(|file| file.path.as_str())
            .collect()
    }

    #[test]
    fn folders_are_read_in_order_and_empty_ones_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("top");
        fs::create_dir_all(root.join("b/empty")).unwrap();
        fs::write(root.join("z"), b"1").unwrap();
        fs::write(root.join("b/a"), b"22").unwrap();
        let sources = Sources::find(&[root]).unwrap();
        assert_eq!(paths(&sources), ["top/b/a", "top/z"]);
        assert_eq!(sources.empty_folders, ["top/b/empty"]);
        assert_eq!(sources.bytes_total(), 3);
    }

    #[test]
    fn two_arguments_of_one_name_stay_apart() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["a", "b"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
            fs::write(dir.path().join(folder).join("x.txt"), folder).unwrap();
        }
        let sources =
            Sources::find(&[dir.path().join("a/x.txt"), dir.path().join("b/x.txt")]).unwrap();
        assert_eq!(paths(&sources), ["x.txt", "x (2).txt"]);
    }

    #[test]
    fn files_that_change_are_not_what_was_listed() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("x");
        fs::write(&place, b"first").unwrap();
        let sources = Sources::find(std::slice::from_ref(&place)).unwrap();
        let mut read = Vec::new();
        Joined::new(&sources.files).read_to_end(&mut read).unwrap();
        assert_eq!(read, b"first");
        fs::write(&place, b"longer").unwrap();
        let error = Joined::new(&sources.files)
            .read_to_end(&mut read)
            .unwrap_err();
        assert_eq!(
            crate::unseal::unreadable(&error).cause,
            Cause::SourceChanged
        );
    }

    #[test]
    fn another_file_of_the_same_size_and_time_is_not_what_was_listed() {
        let dir = tempfile::tempdir().unwrap();
        let (place, other) = (dir.path().join("x"), dir.path().join("y"));
        fs::write(&place, b"first").unwrap();
        fs::write(&other, b"other").unwrap();
        let time = fs::metadata(&place).unwrap().modified().unwrap();
        File::options()
            .write(true)
            .open(&other)
            .unwrap()
            .set_modified(time)
            .unwrap();
        let sources = Sources::find(std::slice::from_ref(&place)).unwrap();
        sources.files[0].open().unwrap();
        fs::rename(other, place).unwrap();
        let error = sources.files[0].open().unwrap_err();
        assert_eq!(error.cause, Cause::SourceChanged);
    }

    #[cfg(unix)]
    #[test]
    fn links_inside_folders_are_left_out_with_a_word() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("top");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("a"), b"").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.join("link")).unwrap();
        let sources = Sources::find(&[root]).unwrap();
        assert_eq!(paths(&sources), ["top/a"]);
        assert_eq!(sources.remarks.len(), 1);
    }
}
