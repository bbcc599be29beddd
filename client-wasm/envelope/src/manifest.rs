//! The manifest: the list of a package's files, sealed like a file, which pins each one's content.
//!
//! ```text
//! CBOR   = [1, title, note, [folder, ...], [sealed file, ...], [file, ...]]
//! sealed = [file id, role (0 file, 2 pack), bytes, seal (48)]
//! file   = [path, bytes, modified, media type, place in the list of sealed files, offset in it]
//! ```
//!
//! It is sealed last and once, when every other file is stored. The link carries its [`pin`], so the
//! relay can show no other list and, since the list has every seal, no other content. Every sealed
//! file is used, a file that stands alone by one entry, a pack by entries that follow each other
//! without gaps: so each list has one meaning.

use minicbor::Decoder;
use rand_core::CryptoRng;
use sealift_protocol::format::{FileSection, FormatError, Role};
use sealift_protocol::limits::{
    MANIFEST_BYTES_MAX, MANIFEST_FILE_COUNT_MAX, MANIFEST_FOLDER_COUNT_MAX, NOTE_BYTES_MAX,
    PACK_PADDED_BYTES_MAX, PADDED_BYTES_MAX, SEAL_BYTES, TITLE_BYTES_MAX,
};
use sealift_protocol::link::Pin;
use sealift_protocol::{FileId, Pair};
use sha2::{Digest as _, Sha384};
use std::collections::{HashMap, HashSet};
use zeroize::Zeroizing;

use crate::cbor::{self, Canonical, Writer, Written};
use crate::metadata::{check_media_type, check_time};
use crate::names::check_path;
use crate::{Error, FileOpener, FileSealer, Metadata, OpeningKey, PackageKey, SealBuilder};

const VERSION: u64 = 1;

/// The list of a package's files.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Manifest {
    /// What the sender called the package.
    pub title: String,
    /// What the sender wrote to the receiver.
    pub note: String,
    /// Folders that hold no file, as relative paths.
    pub folders: Vec<String>,
    /// What is stored: one sealed file or pack each.
    pub sealed: Vec<SealedEntry>,
    /// What the receiver gets, in the sender's order.
    pub files: Vec<FileEntry>,
}

/// A sealed file that a manifest pins.
#[derive(Clone, Eq, PartialEq)]
pub struct SealedEntry {
    /// Its id.
    pub file: FileId,
    /// A file that stands alone, or a pack.
    pub role: Role,
    /// Exact length of its content, without padding.
    pub bytes: u64,
    /// Its seal, which pins head and content.
    pub seal: [u8; SEAL_BYTES as usize],
}

/// A file as the receiver sees it.
#[derive(Clone, Eq, PartialEq)]
pub struct FileEntry {
    /// Relative path with `/` between components; see [`crate::names`].
    pub path: String,
    /// Exact length in bytes.
    pub bytes: u64,
    /// Last change, in milliseconds since 1970.
    pub modified_ms: Option<i64>,
    /// Media type (MIME); empty if unknown.
    pub media_type: String,
    /// Which of the sealed files holds it.
    pub sealed: usize,
    /// Where in that one's content it starts.
    pub offset: u64,
}

impl FileEntry {
    /// What the head of this file says when it stands alone.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        Metadata {
            path: self.path.clone(),
            bytes: self.bytes,
            modified_ms: self.modified_ms,
            media_type: self.media_type.clone(),
        }
    }

    /// Whether a head says the very same.
    fn is_described_by(&self, said: &Metadata) -> bool {
        self.path == said.path
            && self.bytes == said.bytes
            && self.modified_ms == said.modified_ms
            && self.media_type == said.media_type
    }
}

/// A manifest, sealed.
pub struct SealedManifest {
    /// Its head.
    pub head: Vec<u8>,
    /// Its body, seal included.
    pub body: Vec<u8>,
    /// The (IV, tag) pairs of its segments, in order: what a relay that has stored it must report.
    pub pairs: Vec<Pair>,
    /// What the link carries.
    pub pin: Pin,
}

impl Manifest {
    /// Seals the list under a file id of its own. Sealing it a second time gives other bytes and
    /// another pin: keep what this returns until the relay has stored it.
    ///
    /// # Errors
    ///
    /// [`Error::BadName`], [`Error::TooLarge`], [`Error::TooManyFiles`],
    /// [`Error::DamagedManifest`] for a list that has no one meaning.
    pub fn seal(
        &self,
        key: &PackageKey,
        file: FileId,
        rng: &mut dyn CryptoRng,
    ) -> Result<SealedManifest, Error> {
        let content = self.to_bytes()?;
        let metadata = Metadata::unnamed(content.len() as u64);
        let (sealer, head) = FileSealer::new(key, file, Role::Manifest, &metadata, rng)?;
        let geometry = sealer.geometry();
        let capacity = usize::try_from(geometry.body_bytes()).map_err(|_| Error::TooLarge)?;
        let mut body = Vec::with_capacity(capacity);
        let mut pairs = Vec::new();
        let mut builder = SealBuilder::new();
        for index in 0..geometry.segment_count() {
            let source = slice(&content, sealer.source_range(index));
            let pair = sealer.seal_segment(index, source, rng, &mut body)?;
            builder.push(&pair);
            pairs.push(pair);
        }
        body.extend_from_slice(&sealer.seal(builder)?);
        let pin = pin(&head, &body);
        Ok(SealedManifest {
            head,
            body,
            pairs,
            pin,
        })
    }

    /// Opens the manifest that is exactly `head` and `body`. With a link its pin is compared first.
    ///
    /// # Errors
    ///
    /// [`Error::PinMismatch`]; [`Error::ContentMismatch`] if it is no manifest; those of
    /// [`FileOpener`]; [`FormatError::CutShort`] and [`FormatError::TrailingBytes`];
    /// [`Error::DamagedManifest`], [`Error::BadName`].
    pub fn open(
        key: &OpeningKey,
        head: &[u8],
        body: &[u8],
        expected: Option<&Pin>,
    ) -> Result<Self, Error> {
        if expected.is_some_and(|expected| *expected != pin(head, body)) {
            return Err(Error::PinMismatch);
        }
        let opener = FileOpener::new(key, head)?;
        if opener.role() != Role::Manifest {
            return Err(Error::ContentMismatch);
        }
        if opener.metadata().bytes > MANIFEST_BYTES_MAX {
            return Err(Error::TooLarge);
        }
        let geometry = opener.geometry();
        match (body.len() as u64).cmp(&geometry.body_bytes()) {
            std::cmp::Ordering::Less => return Err(FormatError::CutShort.into()),
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => return Err(FormatError::TrailingBytes.into()),
        }
        let mut content = Zeroizing::new(Vec::new());
        let mut pairs = SealBuilder::new();
        for index in 0..geometry.segment_count() {
            let start = geometry.segment_offset(index);
            let sealed_bytes = u64::from(geometry.segment_sealed_bytes(index));
            let sealed = slice(body, start..start + sealed_bytes);
            pairs.push(&opener.open_segment(index, sealed, &mut content)?);
        }
        opener.verify_seal(
            pairs,
            slice(body, geometry.seal_offset()..geometry.body_bytes()),
        )?;
        Self::from_bytes(&content)
    }

    /// Checks that an opened head is one of this package's files, with the very metadata that the
    /// list gives (F2), and says which. Searches the list; for many files make a
    /// [`ManifestIndex`](crate::ManifestIndex).
    ///
    /// # Errors
    ///
    /// [`Error::ContentMismatch`].
    pub fn check_head(&self, opener: &FileOpener) -> Result<usize, Error> {
        let is_it = |sealed: &SealedEntry| sealed.file == opener.file();
        let place = self.sealed.iter().position(is_it);
        let place = place.ok_or(Error::ContentMismatch)?;
        let entry = self.files.iter().find(|file| file.sealed == place);
        self.check_head_at(place, entry, opener)
    }

    /// The sealed file at `place`, whose first entry is `entry`.
    pub(crate) fn check_head_at(
        &self,
        place: usize,
        entry: Option<&FileEntry>,
        opener: &FileOpener,
    ) -> Result<usize, Error> {
        let sealed = self.sealed.get(place).ok_or(Error::ContentMismatch)?;
        let said = opener.metadata();
        let expected = match sealed.role {
            Role::File => entry.is_some_and(|entry| entry.is_described_by(said)),
            _ => said.is_unnamed() && said.bytes == sealed.bytes,
        };
        let same = sealed.file == opener.file() && sealed.role == opener.role();
        if same && expected {
            Ok(place)
        } else {
            Err(Error::ContentMismatch)
        }
    }

    /// Finds the listed files among the pieces of a `.sealift` file, without its manifest (L3): the
    /// place of each one in `sections`, or `None` for one that is missing.
    ///
    /// # Errors
    ///
    /// [`Error::ContentMismatch`] for a piece that is not listed, or listed as something else.
    pub fn locate(&self, sections: &[FileSection]) -> Result<Vec<Option<usize>>, Error> {
        let places: HashMap<FileId, usize> = sections
            .iter()
            .enumerate()
            .map(|(place, section)| (section.file, place))
            .collect();
        let mut found = 0;
        let mut located = Vec::with_capacity(self.sealed.len());
        for sealed in &self.sealed {
            let place = places.get(&sealed.file).copied();
            if let Some(section) = place.and_then(|place| sections.get(place)) {
                if section.role != sealed.role {
                    return Err(Error::ContentMismatch);
                }
                found += 1;
            }
            located.push(place);
        }
        if found == sections.len() {
            Ok(located)
        } else {
            Err(Error::ContentMismatch)
        }
    }

    /// Checks that a seal is the one that the list pins for this sealed file. Together with
    /// [`FileOpener::verify_seal`] it proves that the content is what the sender sealed.
    ///
    /// # Errors
    ///
    /// [`Error::ContentMismatch`].
    pub fn check_seal(&self, index: usize, seal: &[u8]) -> Result<(), Error> {
        let pinned = self
            .sealed
            .get(index)
            .is_some_and(|sealed| sealed.seal == seal);
        if pinned {
            Ok(())
        } else {
            Err(Error::ContentMismatch)
        }
    }

    /// The list's encoding, checked.
    ///
    /// # Errors
    ///
    /// Those of [`Manifest::seal`].
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.check()?;
        let bytes = self.encode()?;
        if bytes.len() as u64 > MANIFEST_BYTES_MAX {
            Err(Error::TooLarge)
        } else {
            Ok(bytes)
        }
    }

    /// The inverse of [`Manifest::to_bytes`].
    ///
    /// # Errors
    ///
    /// [`Error::DamagedManifest`], [`Error::BadName`], [`Error::TooLarge`],
    /// [`Error::TooManyFiles`], [`FormatError::UnknownVersion`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let manifest = Self::decode(bytes)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Checks names, counts, sizes and that the list has one meaning: before anything is sealed.
    ///
    /// # Errors
    ///
    /// Those of [`Manifest::seal`].
    pub fn check(&self) -> Result<(), Error> {
        check_texts(&self.title, &self.note, &self.folders)?;
        if self.files.len() > MANIFEST_FILE_COUNT_MAX || self.sealed.len() > MANIFEST_FILE_COUNT_MAX
        {
            return Err(Error::TooManyFiles);
        }
        let mut ids = HashSet::new();
        let mut places = Vec::with_capacity(self.sealed.len());
        for sealed in &self.sealed {
            let bytes_max = match sealed.role {
                Role::File => PADDED_BYTES_MAX,
                Role::Pack => PACK_PADDED_BYTES_MAX,
                Role::Manifest => return Err(Error::DamagedManifest),
            };
            if sealed.bytes > bytes_max {
                return Err(Error::TooLarge);
            }
            ids.insert(sealed.file);
            places.push(Place {
                role: sealed.role,
                bytes: sealed.bytes,
                filled: 0,
                used: false,
            });
        }
        if ids.len() < self.sealed.len() {
            return Err(Error::DamagedManifest);
        }
        check_files(&self.files, places)
    }
}

/// How much of a sealed file the entries so far account for.
pub(crate) struct Place {
    pub(crate) role: Role,
    pub(crate) bytes: u64,
    pub(crate) filled: u64,
    pub(crate) used: bool,
}

/// Checks that the entries fill the sealed files exactly, in order and without gaps.
pub(crate) fn check_files(files: &[FileEntry], mut places: Vec<Place>) -> Result<(), Error> {
    for file in files {
        check_path(&file.path)?;
        check_media_type(&file.media_type)?;
        check_time(file.modified_ms)?;
        let place = places.get_mut(file.sealed).ok_or(Error::DamagedManifest)?;
        let again = place.used && place.role == Role::File;
        if again || file.offset != place.filled || file.bytes > place.bytes - place.filled {
            return Err(Error::DamagedManifest);
        }
        place.filled += file.bytes;
        place.used = true;
    }
    let whole = places
        .iter()
        .all(|place| place.used && place.filled == place.bytes);
    if whole {
        Ok(())
    } else {
        Err(Error::DamagedManifest)
    }
}

pub(crate) fn check_texts(title: &str, note: &str, folders: &[String]) -> Result<(), Error> {
    if title.len() > TITLE_BYTES_MAX || note.len() > NOTE_BYTES_MAX {
        return Err(Error::TooLarge);
    }
    if folders.len() > MANIFEST_FOLDER_COUNT_MAX {
        return Err(Error::TooManyFiles);
    }
    folders.iter().try_for_each(|folder| check_path(folder))
}

/// 16 bytes of SHA-384(manifest head, manifest body): what a link carries to say which package it
/// stands for (L1).
#[must_use]
pub fn pin(head: &[u8], body: &[u8]) -> Pin {
    let digest = Sha384::new()
        .chain_update(head)
        .chain_update(body)
        .finalize();
    let mut pin = Pin([0; 16]);
    for (to, from) in pin.0.iter_mut().zip(digest) {
        *to = from;
    }
    pin
}

/// A part of `bytes` by offsets that fit memory because `bytes` does.
fn slice(bytes: &[u8], range: std::ops::Range<u64>) -> &[u8] {
    let start = usize::try_from(range.start).unwrap_or(usize::MAX);
    let end = usize::try_from(range.end).unwrap_or(usize::MAX);
    bytes.get(start..end).unwrap_or_default()
}

impl Canonical for Manifest {
    fn write(&self, out: &mut Writer) -> Written {
        out.array(6)?
            .u64(VERSION)?
            .str(&self.title)?
            .str(&self.note)?;
        write_folders(out, &self.folders)?;
        out.array(self.sealed.len() as u64)?;
        for sealed in &self.sealed {
            out.array(4)?
                .bytes(&sealed.file.0)?
                .u64(role_number(sealed.role))?;
            out.u64(sealed.bytes)?.bytes(&sealed.seal)?;
        }
        write_files(out, &self.files)
    }

    fn read(from: &mut Decoder<'_>) -> Result<Self, Error> {
        let fields = from.array()?;
        if from.u64()? != VERSION {
            return Err(FormatError::UnknownVersion.into());
        }
        if fields != Some(6) {
            return Err(Error::DamagedManifest);
        }
        Ok(Self {
            title: cbor::text(from)?,
            note: cbor::text(from)?,
            folders: read_folders(from)?,
            sealed: cbor::list(from, MANIFEST_FILE_COUNT_MAX, |from| {
                cbor::array(from, 4)?;
                Ok(SealedEntry {
                    file: FileId(cbor::bytes(from)?),
                    role: read_role(from)?,
                    bytes: from.u64()?,
                    seal: cbor::bytes(from)?,
                })
            })?,
            files: read_files(from)?,
        })
    }
}

pub(crate) fn role_number(role: Role) -> u64 {
    match role {
        Role::File => 0,
        Role::Manifest => 1,
        Role::Pack => 2,
    }
}

pub(crate) fn read_role(from: &mut Decoder<'_>) -> Result<Role, Error> {
    match from.u64()? {
        0 => Ok(Role::File),
        2 => Ok(Role::Pack),
        _ => Err(Error::DamagedManifest),
    }
}

pub(crate) fn write_folders(out: &mut Writer, folders: &[String]) -> Written {
    out.array(folders.len() as u64)?;
    for folder in folders {
        out.str(folder)?;
    }
    Ok(())
}

pub(crate) fn read_folders(from: &mut Decoder<'_>) -> Result<Vec<String>, Error> {
    cbor::list(from, MANIFEST_FOLDER_COUNT_MAX, cbor::text)
}

pub(crate) fn write_files(out: &mut Writer, files: &[FileEntry]) -> Written {
    out.array(files.len() as u64)?;
    for file in files {
        out.array(6)?.str(&file.path)?.u64(file.bytes)?;
        cbor::write_time(out, file.modified_ms)?;
        out.str(&file.media_type)?
            .u64(file.sealed as u64)?
            .u64(file.offset)?;
    }
    Ok(())
}

pub(crate) fn read_files(from: &mut Decoder<'_>) -> Result<Vec<FileEntry>, Error> {
    cbor::list(from, MANIFEST_FILE_COUNT_MAX, |from| {
        cbor::array(from, 6)?;
        Ok(FileEntry {
            path: cbor::text(from)?,
            bytes: from.u64()?,
            modified_ms: cbor::time(from)?,
            media_type: cbor::text(from)?,
            sealed: usize::try_from(from.u64()?).map_err(|_| Error::DamagedManifest)?,
            offset: from.u64()?,
        })
    })
}
