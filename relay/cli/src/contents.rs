//! What a package holds, and writing it: to a folder with every name made safe, or one file to
//! standard output.
//!
//! `decrypt` and `receive` differ only in where sealed bytes come from. Start with [`Contents::new`].

use std::io::{self, Write};
use std::path::Path;

use sealift_envelope::{
    FileEntry, FileOpener, Manifest, ManifestIndex, Metadata, SealedEntry, StreamOpener,
};
use sealift_protocol::Pair;
use sealift_protocol::error::Code;
use sealift_protocol::format::Role;
use serde_json::json;

use crate::failure::{Cause, Failure, Result};
use crate::names::{SafePath, part_name};
use crate::part::{PartFile, write_at};
use crate::pipeline::Run;
use crate::seal::{Seal, unwritable};
use crate::target::{Target, time_from_ms};
use crate::terminal::{Terminal, printable};
use crate::unseal::{Source, open_body};

/// Stands where no manifest says which seal a file must have.
const NO_SEAL: Seal = [0; 48];

/// Where files go.
pub(crate) enum Output {
    /// Into a folder.
    Folder(Target),
    /// A single file, to standard output.
    Stdout,
}

impl Output {
    /// From `-o`: `-` is standard output, nothing is this folder.
    pub(crate) fn open(place: Option<&Path>, overwrite: bool, terminal: &Terminal) -> Result<Self> {
        match place {
            Some(place) if place.as_os_str() == "-" => {
                terminal.check_stdout_free()?;
                Ok(Self::Stdout)
            }
            Some(place) => Ok(Self::Folder(Target::open(place, overwrite)?)),
            None => Ok(Self::Folder(Target::open(Path::new("."), overwrite)?)),
        }
    }
}

/// A package that was unlocked, and where its files go.
pub(crate) struct Contents {
    manifest: Manifest,
    output: Output,
    /// For each file of the manifest.
    paths: Vec<SafePath>,
    index: ManifestIndex,
    /// For each sealed file of the manifest: whether it was written.
    written: Vec<bool>,
    /// Whether a manifest says which seal each file must have.
    pinned: bool,
    /// Whether files of an earlier run are left alone.
    continues: bool,
    terminal: Terminal,
}

impl Contents {
    /// Gives every file its place, creates the folders, and tells what had to be renamed.
    ///
    /// # Errors
    ///
    /// Files that exist already, before anything is fetched; several files for standard output.
    pub(crate) fn new(manifest: Manifest, output: Output, terminal: &Terminal) -> Result<Self> {
        let paths = SafePath::of_all(&manifest);
        match &output {
            Output::Folder(target) => {
                for folder in &manifest.folders {
                    target.create_folder(&SafePath::of(folder))?;
                }
                for (file, path) in manifest.files.iter().zip(&paths) {
                    tell_renamed(&file.path, path, terminal);
                }
            }
            Output::Stdout if manifest.files.len() != 1 => {
                return Err(Failure::new(
                    Cause::Usage,
                    format!(
                        "this package holds {} files, and standard output takes one",
                        manifest.files.len()
                    ),
                    "Give a folder with -o.",
                ));
            }
            Output::Stdout => {}
        }
        let written = vec![false; manifest.sealed.len()];
        let index = ManifestIndex::of(&manifest);
        Ok(Self {
            manifest,
            output,
            paths,
            index,
            written,
            pinned: true,
            continues: false,
            terminal: terminal.clone(),
        })
    }

    /// A file that came without a manifest. Only the name counts, not the folders it once lay in.
    pub(crate) fn single(opener: &FileOpener, output: Output, terminal: &Terminal) -> Result<Self> {
        let metadata = opener.metadata();
        let single = SealedEntry {
            file: opener.file(),
            role: opener.role(),
            seal: NO_SEAL,
            bytes: metadata.bytes,
        };
        Self::alone(metadata, single, output, terminal)
    }

    /// The same, for a file whose length its metadata does not say.
    pub(crate) fn of_stream(
        opener: &StreamOpener,
        output: Output,
        terminal: &Terminal,
    ) -> Result<Self> {
        let single = SealedEntry {
            file: opener.file(),
            role: opener.role(),
            seal: NO_SEAL,
            bytes: 0,
        };
        Self::alone(opener.metadata(), single, output, terminal)
    }

    fn alone(
        metadata: &Metadata,
        single: SealedEntry,
        output: Output,
        terminal: &Terminal,
    ) -> Result<Self> {
        let name = metadata.path.rsplit('/').next().unwrap_or_default();
        let manifest = Manifest {
            title: String::new(),
            note: String::new(),
            folders: Vec::new(),
            files: vec![FileEntry {
                path: name.to_owned(),
                bytes: metadata.bytes,
                modified_ms: metadata.modified_ms,
                media_type: metadata.media_type.clone(),
                sealed: 0,
                offset: 0,
            }],
            sealed: vec![single],
        };
        Ok(Self {
            pinned: false,
            ..Self::new(manifest, output, terminal)?
        })
    }

    /// Leaves files of an earlier run alone.
    pub(crate) fn continuing(self) -> Self {
        Self {
            continues: true,
            ..self
        }
    }

    /// What the package says about itself.
    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The folder, unless the output is standard output.
    pub(crate) fn target(&self) -> Option<&Target> {
        match &self.output {
            Output::Folder(target) => Some(target),
            Output::Stdout => None,
        }
    }

    /// Where a file of the manifest goes.
    pub(crate) fn path(&self, file: usize) -> &SafePath {
        &self.paths[file]
    }

    /// Its temporary name while it is not whole.
    pub(crate) fn part_name(&self, file: usize) -> String {
        let sealed = self.manifest.files[file].sealed;
        part_name(self.manifest.sealed[sealed].file, file)
    }

    /// The files inside one sealed file, by their place in the manifest.
    pub(crate) fn members(&self, sealed: usize) -> &[usize] {
        self.index.members(sealed)
    }

    /// The only file of a sealed file that is no pack, and the folder it goes to.
    pub(crate) fn sole_member(&self, sealed: usize) -> Result<(usize, &Target)> {
        match (self.members(sealed), self.target()) {
            ([file], Some(target)) => Ok((*file, target)),
            _ => Err(Failure::shared(Code::ContentMismatch)),
        }
    }

    /// Whether an earlier run left a part of this sealed file.
    pub(crate) fn has_part(&self, sealed: usize) -> bool {
        match (self.members(sealed), self.target()) {
            ([file], Some(target)) => target.has_part(&self.paths[*file], &self.part_name(*file)),
            _ => false,
        }
    }

    /// Whether a file is left alone because it is there already, by size and time: only where a
    /// package may be received in several runs.
    pub(crate) fn is_here(&self, file: usize) -> bool {
        if !self.continues {
            return false;
        }
        let entry = &self.manifest.files[file];
        let Some(target) = self.target() else {
            return false;
        };
        entry
            .modified_ms
            .is_some_and(|ms| target.holds(&self.paths[file], entry.bytes, ms))
    }

    /// Marks a sealed file as done. Returns false when it was done before.
    pub(crate) fn mark_written(&mut self, sealed: usize) -> bool {
        !std::mem::replace(&mut self.written[sealed], true)
    }

    /// Refuses early what could not be given its name at the end.
    pub(crate) fn check_free(&self, file: usize) -> Result<()> {
        self.target()
            .map_or(Ok(()), |target| target.check_free(&self.paths[file]))
    }

    /// Opens one sealed file from `source`, which stands at its body, and writes what is in it.
    ///
    /// # Errors
    ///
    /// Damage of any kind; then nothing of it has a final name.
    pub(crate) fn write_sealed(
        &mut self,
        sealed: usize,
        opener: &FileOpener,
        source: &mut dyn Source,
        run: Run<'_>,
    ) -> Result<()> {
        if !self.mark_written(sealed) {
            return Err(Failure::shared(Code::ContentMismatch));
        }
        let accept = |seal: &Seal| self.check_seal(sealed, seal);
        let members = self.index.members(sealed);
        if opener.role() == Role::Pack {
            let mut pack = Vec::new();
            let keep = |_: &Pair, plain: &[u8]| {
                pack.extend_from_slice(plain);
                Ok(())
            };
            open_body(opener, &[], source, keep, accept, run)?;
            for member in members {
                if !self.is_here(*member) {
                    self.write_member(*member, &pack)?;
                }
            }
            return Ok(());
        }
        let &[file] = members else {
            return Err(Failure::shared(Code::ContentMismatch));
        };
        match &self.output {
            Output::Folder(target) => {
                let part = target.begin(&self.paths[file], &self.part_name(file))?;
                let mut offset = 0;
                let write = |_: &Pair, plain: &[u8]| append(&part, plain, &mut offset);
                open_body(opener, &[], source, write, accept, run)
                    .map_err(|failure| self.about_file(file, failure))?;
                self.finish(file, part)
            }
            Output::Stdout => {
                let mut stdout = io::stdout();
                let write = |_: &Pair, plain: &[u8]| {
                    stdout
                        .write_all(plain)
                        .map_err(|error| Failure::stdout(&error))
                };
                open_body(opener, &[], source, write, accept, run)
                    .map_err(|failure| self.about_file(file, failure))?;
                stdout.flush().map_err(|error| Failure::stdout(&error))
            }
        }
    }

    /// Writes the only file from an opener that brings the bytes itself and verifies its own seal.
    pub(crate) fn write_stream(
        &self,
        open: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>,
    ) -> Result<()> {
        match &self.output {
            Output::Folder(target) => {
                let part = target.begin(&self.paths[0], &self.part_name(0))?;
                let mut offset = 0;
                open(&mut |plain| append(&part, plain, &mut offset))?;
                self.finish(0, part)
            }
            Output::Stdout => {
                let mut stdout = io::stdout().lock();
                open(&mut |plain| {
                    stdout
                        .write_all(plain)
                        .map_err(|error| Failure::stdout(&error))
                })?;
                stdout.flush().map_err(|error| Failure::stdout(&error))
            }
        }
    }

    /// Says which file is damaged.
    pub(crate) fn about_file(&self, file: usize, failure: Failure) -> Failure {
        match failure.cause {
            Cause::Damaged | Cause::CutShort => failure.about(&self.manifest.files[file].path),
            _ => failure,
        }
    }

    /// The seal that was verified must be the one that the manifest pins.
    pub(crate) fn check_seal(&self, sealed: usize, seal: &[u8]) -> Result<()> {
        if self.pinned {
            Ok(self.manifest.check_seal(sealed, seal)?)
        } else {
            Ok(())
        }
    }

    /// Which sealed file of the manifest an opened head belongs to, with the very same metadata (F2).
    pub(crate) fn find(&self, opener: &FileOpener) -> Result<usize> {
        if self.pinned {
            Ok(self.index.check_head(&self.manifest, opener)?)
        } else {
            Ok(0)
        }
    }

    /// Gives a whole file its name and tells so.
    pub(crate) fn finish(&self, file: usize, part: PartFile) -> Result<()> {
        let entry = &self.manifest.files[file];
        let place = part.finish(entry.modified_ms.and_then(time_from_ms))?;
        self.tell_file(entry, &place)
    }

    /// Everything that the manifest lists was written.
    pub(crate) fn check_complete(&self) -> Result<()> {
        if self.written.iter().all(|written| *written) {
            Ok(())
        } else {
            Err(Failure::shared(Code::FileMissing))
        }
    }

    /// One file out of a verified pack.
    fn write_member(&self, file: usize, pack: &[u8]) -> Result<()> {
        let entry = &self.manifest.files[file];
        let start = usize::try_from(entry.offset).ok();
        let end = usize::try_from(entry.offset.saturating_add(entry.bytes)).ok();
        let bytes = start.zip(end).and_then(|(start, end)| pack.get(start..end));
        let bytes = bytes.ok_or_else(|| Failure::shared(Code::ContentMismatch))?;
        match &self.output {
            Output::Folder(target) => {
                let part = target.begin(&self.paths[file], &self.part_name(file))?;
                append(&part, bytes, &mut 0)?;
                self.finish(file, part)
            }
            Output::Stdout => self.terminal.raw(bytes),
        }
    }

    fn tell_file(&self, entry: &FileEntry, place: &Path) -> Result<()> {
        self.terminal.event(
            "file",
            json!({ "path": entry.path, "place": place.to_string_lossy(), "bytes": entry.bytes }),
        )
    }
}

/// Writes at the end of what was written so far.
pub(crate) fn append(part: &PartFile, plain: &[u8], offset: &mut u64) -> Result<()> {
    write_at(part.file(), plain, *offset).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => unwritable(&error),
        _ => Failure::file("write", part.shown(), &error),
    })?;
    *offset += plain.len() as u64;
    Ok(())
}

fn tell_renamed(path: &str, place: &SafePath, terminal: &Terminal) {
    let place = place.joined();
    if path != place {
        terminal.notice(&format!("{} is saved as {place}", printable(path)));
    }
}
