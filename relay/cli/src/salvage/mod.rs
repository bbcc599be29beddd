//! `sealift decrypt --salvage`: keeps what is good of a damaged `.sealift` file.
//!
//! Whole files get their names as always. Of the others every good segment is kept where it belongs,
//! zeros stand for the rest, and they are called `NAME.salvaged`: nothing that is not whole ever gets
//! the name of something that is. A damaged head is stepped over by looking for the next one.
//!
//! Start with [`run`].

mod losses;
mod sealed;
mod stream;

use std::collections::HashSet;
use std::io;

use sealift_envelope::{FileEntry, FileOpener, Manifest, ManifestIndex, OpeningKey};
use sealift_protocol::format::{Head, Role};
use sealift_protocol::limits::SEAL_BYTES;
use sealift_protocol::link::Pin;
use sealift_protocol::{Code, FileId};
use serde_json::json;

use crate::arguments::Decrypt;
use crate::contents::Output;
use crate::decrypt::{pin_of, tell_proof, unlock};
use crate::failure::{Cause, Failure, Result};
use crate::names::{SafePath, part_name};
use crate::part::{PartFile, write_at};
use crate::progress::Progress;
use crate::stop::Stop;
use crate::target::{Target, time_from_ms};
use crate::terminal::{Terminal, printable};
use crate::unlock::{By, Unlocked};
use losses::{Loss, tell_salvaged};
use sealed::Sealed;

/// Runs the command.
pub(crate) fn run(arguments: &Decrypt, terminal: &Terminal) -> Result<()> {
    let (sealed, keyring) = Sealed::open(&arguments.file)?;
    let Output::Folder(target) =
        Output::open(arguments.output.as_deref(), arguments.overwrite, terminal)?
    else {
        return Err(Failure::new(
            Cause::Usage,
            "what is salvaged may not be whole, so it never goes to standard output",
            "Name a folder with -o.",
        ));
    };
    let (Unlocked { key, by }, link) = unlock(arguments, &keyring, terminal)?;
    let stop = Stop::install();
    let progress = Progress::new(terminal, "Salvaging", Some(sealed.bytes));
    let mut salvage = Salvaging {
        sealed,
        key,
        by,
        pin: link.as_ref().and_then(pin_of).copied(),
        target,
        list: None,
        seen: HashSet::new(),
        taken: HashSet::new(),
        loss_count: 0,
        progress: &progress,
        stop: &stop,
        terminal,
    };
    salvage.all_from(keyring.len() as u64)?;
    progress.finish();
    salvage.tell_end()
}

/// The package's list of files, when it is good.
struct List {
    manifest: Manifest,
    index: ManifestIndex,
    paths: Vec<SafePath>,
}

struct Salvaging<'a> {
    sealed: Sealed,
    key: OpeningKey,
    by: By,
    pin: Option<Pin>,
    target: Target,
    list: Option<List>,
    /// Sealed files that were found.
    seen: HashSet<FileId>,
    /// Names given to files that stand in no list.
    taken: HashSet<String>,
    /// Files that are not whole or not there, and pieces that nobody knows.
    loss_count: usize,
    progress: &'a Progress,
    stop: &'a Stop,
    terminal: &'a Terminal,
}

impl Salvaging<'_> {
    fn all_from(&mut self, start: u64) -> Result<()> {
        let mut offset = start;
        while offset < self.sealed.bytes {
            self.stop.check()?;
            offset = match self.sealed.head_at(offset) {
                Some(head) => self.section(offset, &head)?,
                None => {
                    let next = self.sealed.next_head(offset + 1, self.stop)?;
                    self.lose(&format!(
                        "the bytes {offset} to {} belong to nothing that can be opened",
                        next - 1
                    ));
                    next
                }
            };
        }
        Ok(())
    }

    /// Keeps what is good of one sealed file. Returns where the next one starts.
    fn section(&mut self, offset: u64, head: &[u8]) -> Result<u64> {
        let body = offset + head.len() as u64;
        let parsed = Head::parse(head)?;
        let Some(geometry) = parsed.geometry() else {
            self.stream(head, body)?;
            return Ok(self.sealed.bytes);
        };
        let lost_from = if parsed.role() == Role::Manifest {
            self.manifest(head, body, geometry.body_bytes())?
        } else {
            self.content(offset, head, body)?
        };
        let end = body.saturating_add(geometry.body_bytes());
        match lost_from {
            // Bytes may be missing or added: the next head tells where things go on.
            Some(place) if end != self.sealed.bytes && self.sealed.head_at(end).is_none() => {
                self.sealed.next_head(place, self.stop)
            }
            _ => Ok(end),
        }
    }

    /// Opens the list of files. Returns where its damage starts.
    fn manifest(&mut self, head: &[u8], body: u64, body_bytes: u64) -> Result<Option<u64>> {
        let bytes = self
            .sealed
            .read(body, usize::try_from(body_bytes).unwrap_or(usize::MAX));
        let Ok(manifest) = Manifest::open(&self.key, head, &bytes, None) else {
            self.lose("the list of files is damaged; titles, folders and small files' names are lost with it");
            return Ok(Some(body));
        };
        if self
            .pin
            .is_some_and(|pin| sealift_envelope::pin(head, &bytes) != pin)
        {
            return Err(Failure::shared(Code::PinMismatch));
        }
        for folder in &manifest.folders {
            self.target.create_folder(&SafePath::of(folder))?;
        }
        let paths = SafePath::of_all(&manifest);
        for path in &paths {
            self.target.check_free(path)?;
            self.target.check_free(&path.salvaged())?;
        }
        self.list = Some(List {
            index: ManifestIndex::of(&manifest),
            manifest,
            paths,
        });
        Ok(None)
    }

    /// Opens a file or pack. Returns where its damage starts.
    fn content(&mut self, offset: u64, head: &[u8], body: u64) -> Result<Option<u64>> {
        let Ok(opener) = FileOpener::new(&self.key, head) else {
            self.lose(&format!(
                "the sealed file at byte {offset} cannot be opened"
            ));
            return Ok(Some(body));
        };
        let listed = match &self.list {
            Some(list) => list.index.check_head(&list.manifest, &opener).map(Some),
            None => Ok(None),
        };
        let (Ok(listed), true) = (listed, self.seen.insert(opener.file())) else {
            self.lose(&format!(
                "the sealed file at byte {offset} is not one that the package lists, and was left out"
            ));
            return Ok(Some(body));
        };
        let found = if opener.role() == Role::Pack {
            self.pack(&opener, body, listed)?
        } else {
            self.file(&opener, body, listed)?
        };
        Ok(found
            .first()
            .map(|loss| body + opener.geometry().segment_offset(loss.segments.start)))
    }

    /// Opens every segment that is good. Returns what is lost, and whether the rest is one whole.
    fn segments(
        &self,
        opener: &FileOpener,
        body: u64,
        listed: Option<usize>,
        mut write: impl FnMut(u64, &[u8]) -> Result<()>,
    ) -> Result<(Vec<Loss>, bool)> {
        let geometry = opener.geometry();
        let mut salvage = opener.clone().salvage();
        let mut plain = Vec::new();
        while let Some(index) = salvage.next_segment() {
            self.stop.check()?;
            let place = body.saturating_add(geometry.segment_offset(index));
            let sealed = self
                .sealed
                .read(place, geometry.segment_sealed_bytes(index) as usize);
            plain.clear();
            if salvage.segment(&sealed, &mut plain)? {
                write(opener.source_range(index).start, &plain)?;
            }
            self.progress.add(sealed.len() as u64);
        }
        let seal = self.sealed.read(
            body.saturating_add(geometry.seal_offset()),
            SEAL_BYTES as usize,
        );
        let salvaged = salvage.finish(&seal);
        let expected = match (&self.list, listed) {
            (Some(list), Some(place)) => list.manifest.check_seal(place, &seal).is_ok(),
            _ => true,
        };
        let whole = salvaged.sealed_together && expected;
        Ok((Loss::all(opener, &salvaged.bad_segments), whole))
    }

    fn file(&mut self, opener: &FileOpener, body: u64, listed: Option<usize>) -> Result<Vec<Loss>> {
        let entry = self.entry(opener, listed)?;
        let part = self
            .target
            .begin(&entry.place, &part_name(opener.file(), 0))?;
        let write = |offset: u64, plain: &[u8]| {
            write_at(part.file(), plain, offset)
                .map_err(|error| Failure::file("write", part.shown(), &error))
        };
        let (losses, whole) = self.segments(opener, body, listed, write)?;
        self.keep(&entry, part, whole, &losses)?;
        Ok(losses)
    }

    fn pack(&mut self, opener: &FileOpener, body: u64, listed: Option<usize>) -> Result<Vec<Loss>> {
        let bytes = usize::try_from(opener.metadata().bytes).unwrap_or(usize::MAX);
        let mut pack = vec![0; bytes];
        let write = |offset: u64, plain: &[u8]| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            if let Some(place) = pack
                .get_mut(start..)
                .and_then(|rest| rest.get_mut(..plain.len()))
            {
                place.copy_from_slice(plain);
            }
            Ok(())
        };
        let (losses, whole) = self.segments(opener, body, listed, write)?;
        let members = match (&self.list, listed) {
            (Some(list), Some(place)) => list.index.members(place).to_vec(),
            _ => {
                self.lose("a pack of small files cannot be divided without the list of files; it is kept as one");
                let entry = self.entry(opener, None)?;
                self.keep_bytes(&entry, &pack, false, &losses)?;
                return Ok(losses);
            }
        };
        for member in members {
            let Some((entry, range)) = self.member(member) else {
                continue;
            };
            let start = usize::try_from(range.start).unwrap_or(usize::MAX);
            let end = usize::try_from(range.end).unwrap_or(usize::MAX);
            let bytes = pack.get(start..end);
            let bytes = bytes.ok_or_else(|| Failure::shared(Code::ContentMismatch))?;
            let losses = Loss::within(&losses, &range);
            self.keep_bytes(&entry, bytes, whole, &losses)?;
        }
        Ok(losses)
    }

    /// Gives what was kept of a file its name, and tells of it.
    fn keep(&mut self, entry: &Entry, part: PartFile, whole: bool, losses: &[Loss]) -> Result<()> {
        let part = if whole {
            part
        } else {
            self.loss_count += 1;
            let salvaged = entry.place.salvaged();
            let shown = self.target.shown(&salvaged);
            part.renamed(salvaged.name(), shown)
        };
        let bytes = part.file().metadata().map_or(0, |metadata| metadata.len());
        let place = part.finish(entry.modified_ms.and_then(time_from_ms))?;
        let place = place.to_string_lossy();
        if whole {
            let told = json!({ "path": entry.path, "place": place, "bytes": bytes });
            return self.terminal.event("file", told);
        }
        tell_salvaged(&entry.path, &place, losses, self.terminal)
    }

    fn keep_bytes(
        &mut self,
        entry: &Entry,
        bytes: &[u8],
        whole: bool,
        losses: &[Loss],
    ) -> Result<()> {
        let part = self
            .target
            .begin(&entry.place, &crate::names::random_part_name())?;
        write_at(part.file(), bytes, 0)
            .map_err(|error: io::Error| Failure::file("write", part.shown(), &error))?;
        self.keep(entry, part, whole, losses)
    }

    /// The name of a file that stands alone.
    fn entry(&mut self, opener: &FileOpener, listed: Option<usize>) -> Result<Entry> {
        let members = match (&self.list, listed) {
            (Some(list), Some(place)) => list.index.members(place),
            _ => {
                let metadata = opener.metadata();
                return Ok(self.unlisted(&metadata.path, opener.file(), metadata.modified_ms));
            }
        };
        let entry = match members {
            [member] => self.member(*member),
            _ => None,
        };
        entry
            .map(|(entry, _)| entry)
            .ok_or_else(|| Failure::shared(Code::ContentMismatch))
    }

    /// A file of the list, and which bytes of its pack it is.
    fn member(&self, member: usize) -> Option<(Entry, std::ops::Range<u64>)> {
        let list = self.list.as_ref()?;
        let file: &FileEntry = list.manifest.files.get(member)?;
        let entry = Entry {
            path: file.path.clone(),
            place: list.paths.get(member)?.clone(),
            modified_ms: file.modified_ms,
        };
        Some((entry, file.offset..file.offset.saturating_add(file.bytes)))
    }

    /// A file that stands in no list, under its own name or, if that is missing or taken, its id.
    fn unlisted(&mut self, path: &str, file: FileId, modified_ms: Option<i64>) -> Entry {
        let id = file.to_string();
        let id = id.get(..8).unwrap_or(&id);
        let mut place = SafePath::of(if path.is_empty() { id } else { path });
        if !self.taken.insert(place.joined().to_lowercase()) {
            place = SafePath::of(&format!("{id} {}", place.name()));
        }
        Entry {
            path: if path.is_empty() {
                id.to_owned()
            } else {
                path.to_owned()
            },
            place,
            modified_ms,
        }
    }

    fn lose(&mut self, what: &str) {
        self.loss_count += 1;
        self.terminal.notice(what);
    }

    /// Names what is missing, and says what is proved: nothing, unless everything is whole.
    fn tell_end(mut self) -> Result<()> {
        let mut missing = Vec::new();
        if let Some(list) = &self.list {
            for (place, sealed) in list.manifest.sealed.iter().enumerate() {
                if !self.seen.contains(&sealed.file) {
                    let members = list.index.members(place).iter();
                    missing.extend(members.filter_map(|m| list.manifest.files.get(*m)));
                }
            }
            for file in &missing {
                self.terminal
                    .event("missing", json!({ "path": file.path }))?;
                self.terminal
                    .remark(&format!("{} is missing", printable(&file.path)));
            }
        }
        self.loss_count += missing.len();
        if self.loss_count == 0 && (self.list.is_some() || self.seen.len() == 1) {
            let compared = self.pin.is_some() && self.list.is_some();
            return tell_proof(compared, self.by, self.terminal);
        }
        Err(Failure::new(
            Cause::Salvaged,
            "not everything is whole: see above for what is lost",
            "Ask for the file again if you can. Names that end in .salvaged mark what has gaps, and zeros stand for them.",
        ))
    }
}

/// How a file is called.
struct Entry {
    /// In the package.
    path: String,
    /// On this computer, if it is whole.
    place: SafePath,
    modified_ms: Option<i64>,
}
