//! The draft: what a package will be, sealed into the create message (C4), so that a sender who
//! lost the page finds title, note and tree again.
//!
//! ```text
//! draft  = header (32) || IV (12) || AES-256-GCM(K(draft), IV, aad = header, filled) || tag
//! filled = be32(length) || CBOR || zeros
//! CBOR   = [1, title, note, whole, [folder, ...], [[file id, role, bytes], ...], [file, ...]]
//! ```
//!
//! It has its own magic and its own key, so it is never taken for a manifest, and it pins nothing:
//! the seals do not exist yet. Its length is a multiple of 1,024 and has a limit; a tree that does
//! not fit is left out and `whole` is false.
//!
//! Clients of this version write drafts; none continues a package after its page is gone, so only
//! tests read them.

use minicbor::Decoder;
use rand_core::CryptoRng;
use sealift_protocol::FileId;
use sealift_protocol::format::{DraftHeader, FormatError, Role};
use sealift_protocol::limits::{DRAFT_BYTES_MAX, DRAFT_STEP_BYTES, MANIFEST_FILE_COUNT_MAX};

use crate::cbor::{self, Canonical, Writer, Written};
use crate::manifest::{
    FileEntry, Place, check_files, check_texts, read_files, read_folders, read_role, role_number,
    write_files, write_folders,
};
use crate::{Error, Manifest, PackageKey, SealedEntry, metadata};

const VERSION: u64 = 1;

/// What a package will be.
#[derive(Clone, Eq, PartialEq)]
pub struct Draft {
    /// What the sender called the package.
    pub title: String,
    /// What the sender wrote to the receiver.
    pub note: String,
    /// Whether folders and files are all there.
    pub whole: bool,
    /// Folders that hold no file.
    pub folders: Vec<String>,
    /// What will be stored.
    pub sealed: Vec<DraftEntry>,
    /// What the receiver will get.
    pub files: Vec<FileEntry>,
}

/// A sealed file to be made.
#[derive(Clone, Eq, PartialEq)]
pub struct DraftEntry {
    /// Its id.
    pub file: FileId,
    /// A file that stands alone, or a pack.
    pub role: Role,
    /// Exact length of its content.
    pub bytes: u64,
}

impl Draft {
    /// The draft of a manifest whose seals do not exist yet.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        let entry = |sealed: &SealedEntry| DraftEntry {
            file: sealed.file,
            role: sealed.role,
            bytes: sealed.bytes,
        };
        Self {
            title: manifest.title.clone(),
            note: manifest.note.clone(),
            whole: true,
            folders: manifest.folders.clone(),
            sealed: manifest.sealed.iter().map(entry).collect(),
            files: manifest.files.clone(),
        }
    }

    /// Seals the draft. One whose tree does not fit is sealed without it, as not whole.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`], [`Error::BadName`], [`Error::DamagedManifest`] as for a manifest.
    pub fn seal(&self, key: &PackageKey, rng: &mut dyn CryptoRng) -> Result<Vec<u8>, Error> {
        self.check()?;
        let mut filled = metadata::filled_up(&self.encode()?, DRAFT_STEP_BYTES)?;
        let overhead = DraftHeader::write(key.package(), 0).len() + 28;
        if filled.len() + overhead > DRAFT_BYTES_MAX {
            let bare = Self {
                title: self.title.clone(),
                note: self.note.clone(),
                whole: false,
                folders: Vec::new(),
                sealed: Vec::new(),
                files: Vec::new(),
            };
            filled = metadata::filled_up(&bare.encode()?, DRAFT_STEP_BYTES)?;
        }
        let header = DraftHeader::write(key.package(), filled.len());
        let sealed = metadata::seal(&key.package_key("draft"), &header, filled, rng)?;
        Ok([&header[..], &sealed].concat())
    }

    fn check(&self) -> Result<(), Error> {
        check_texts(&self.title, &self.note, &self.folders)?;
        let place = |entry: &DraftEntry| Place {
            role: entry.role,
            bytes: entry.bytes,
            filled: 0,
            used: false,
        };
        check_files(&self.files, self.sealed.iter().map(place).collect())
    }
}

impl Canonical for Draft {
    fn write(&self, out: &mut Writer) -> Written {
        out.array(7)?
            .u64(VERSION)?
            .str(&self.title)?
            .str(&self.note)?
            .bool(self.whole)?;
        write_folders(out, &self.folders)?;
        out.array(self.sealed.len() as u64)?;
        for sealed in &self.sealed {
            out.array(3)?
                .bytes(&sealed.file.0)?
                .u64(role_number(sealed.role))?;
            out.u64(sealed.bytes)?;
        }
        write_files(out, &self.files)
    }

    fn read(from: &mut Decoder<'_>) -> Result<Self, Error> {
        let fields = from.array()?;
        if from.u64()? != VERSION {
            return Err(FormatError::UnknownVersion.into());
        }
        if fields != Some(7) {
            return Err(Error::DamagedManifest);
        }
        Ok(Self {
            title: cbor::text(from)?,
            note: cbor::text(from)?,
            whole: from.bool()?,
            folders: read_folders(from)?,
            sealed: cbor::list(from, MANIFEST_FILE_COUNT_MAX, |from| {
                cbor::array(from, 3)?;
                Ok(DraftEntry {
                    file: FileId(cbor::bytes(from)?),
                    role: read_role(from)?,
                    bytes: from.u64()?,
                })
            })?,
            files: read_files(from)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng as _;
    use sealift_protocol::PackageId;
    use zeroize::Zeroizing;

    use super::*;
    use crate::OpeningKey;

    /// Opens the draft that is exactly `bytes`, as a client that continues a package would.
    fn open(key: &OpeningKey, bytes: &[u8]) -> Result<Draft, Error> {
        let draft = DraftHeader::parse(bytes)?;
        if draft.package != key.package() {
            return Err(FormatError::PackageMismatch.into());
        }
        let damaged = FormatError::DamagedDraft;
        let draft_key: Zeroizing<[u8; 32]> = key.package_key("draft");
        let filled = metadata::open(&draft_key, draft.header, draft.sealed, damaged)?;
        let content = metadata::content(&filled, DRAFT_STEP_BYTES).ok_or(damaged)?;
        let draft = Draft::decode(content)?;
        draft.check()?;
        Ok(draft)
    }

    fn rng() -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(1)
    }

    fn key(package: u8) -> PackageKey {
        PackageKey::generate(PackageId([package; 16]), &mut rng())
    }

    fn holiday() -> Manifest {
        Manifest {
            title: "Holiday".into(),
            note: "Zwei Bilder.\nViel Spaß!".into(),
            folders: vec!["empty/inner".into()],
            sealed: vec![SealedEntry {
                file: FileId([1; 32]),
                role: Role::File,
                bytes: 3_001,
                seal: [0; 48],
            }],
            files: vec![FileEntry {
                path: "a.txt".into(),
                bytes: 3_001,
                modified_ms: Some(1_795_000_000_000),
                media_type: "text/plain".into(),
                sealed: 0,
                offset: 0,
            }],
        }
    }

    #[test]
    fn c4_a_draft_carries_title_note_and_tree_and_is_no_manifest() {
        let (key, draft) = (key(1), Draft::of(&holiday()));
        let sealed = draft.seal(&key, &mut rng()).unwrap();
        assert!(open(&key, &sealed).is_ok_and(|opened| opened == draft));
        assert!(draft.whole && draft.title == "Holiday");
        assert_eq!(sealed.len() % 1_024, 60, "length in steps");
        let opened = Manifest::open(&key, &sealed, &[], None);
        assert_eq!(opened.err().map(|error| error.code()), Some("not_sealed"));
        let manifest = holiday().seal(&key, FileId([9; 32]), &mut rng()).ok();
        let opened = open(&key, &manifest.unwrap().head);
        assert_eq!(opened.err().map(|error| error.code()), Some("not_sealed"));
    }

    #[test]
    fn c4_every_byte_of_a_draft_is_authenticated() {
        let key = key(1);
        let sealed = Draft::of(&holiday()).seal(&key, &mut rng()).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open(&key, &changed).is_err(), "byte {at}");
            assert!(open(&key, &sealed[..at]).is_err(), "cut at {at}");
        }
        assert!(open(&self::key(2), &sealed).is_err());
    }

    #[test]
    fn c4_a_tree_that_does_not_fit_leaves_title_and_note() {
        let manifest = Manifest {
            title: "many".into(),
            note: "x".repeat(16_384),
            folders: (0..10_000).map(|n| format!("folder {n}")).collect(),
            ..Manifest::default()
        };
        let sealed = Draft::of(&manifest).seal(&key(1), &mut rng()).unwrap();
        let opened = open(&key(1), &sealed).ok().unwrap();
        assert!(!opened.whole && opened.title == "many" && opened.note.len() == 16_384);
    }
}
