//! From a list of sources to sealed files: which small files share a pack, one sealer for each, and
//! the manifest that names them all. `encrypt` and `send` both start here.

use std::path::PathBuf;

use sealift_envelope::{
    Draft, DraftEntry, FileEntry, FileSealer, Manifest, Metadata, PackageKey, SealedEntry, pack,
};
use sealift_protocol::FileId;
use sealift_protocol::format::Role;

use crate::arguments::Words;
use crate::failure::Result;
use crate::protection::{random, rng};
use crate::source::{Joined, SourceFile, Sources};

/// One sealed file to be made: its sealer, its head, and the sources that go into it.
pub(crate) struct PlannedFile {
    /// Its random id.
    pub(crate) file: FileId,
    /// A file alone, or a pack.
    pub(crate) role: Role,
    /// Seals its segments.
    pub(crate) sealer: FileSealer,
    /// Its head.
    pub(crate) head: Vec<u8>,
    /// What goes into it, in order: exactly one unless it is a pack.
    pub(crate) members: Vec<SourceFile>,
}

/// A package to be made.
pub(crate) struct Plan {
    /// The sealed files.
    pub(crate) files: Vec<PlannedFile>,
    /// The manifest; the seals in it are zeros until they are known.
    pub(crate) manifest: Manifest,
}

impl Plan {
    /// Title, note and tree as they stand in the create message (rule C4).
    pub(crate) fn draft(&self) -> Draft {
        let entry = |sealed: &SealedEntry| DraftEntry {
            file: sealed.file,
            role: sealed.role,
            bytes: sealed.bytes,
        };
        Draft {
            title: self.manifest.title.clone(),
            note: self.manifest.note.clone(),
            whole: true,
            folders: self.manifest.folders.clone(),
            sealed: self.manifest.sealed.iter().map(entry).collect(),
            files: self.manifest.files.clone(),
        }
    }
}

impl Plan {
    /// Decides what is packed and makes a sealer for each sealed file.
    pub(crate) fn new(key: &PackageKey, sources: Sources, words: &Words) -> Result<Self> {
        let sizes: Vec<u64> = sources.files.iter().map(|file| file.stamp.bytes).collect();
        let mut manifest = Manifest {
            title: words.title.clone(),
            note: words.note.clone(),
            folders: sources.empty_folders,
            sealed: Vec::new(),
            files: Vec::new(),
        };
        let mut files = Vec::new();
        for group in pack::plan(&sizes) {
            let (role, indices) = match group {
                pack::Batch::Alone(index) => (Role::File, vec![index]),
                pack::Batch::Pack(indices) => (Role::Pack, indices),
            };
            let members: Vec<SourceFile> = indices
                .iter()
                .map(|index| sources.files[*index].clone())
                .collect();
            let mut offset = 0;
            for member in &members {
                manifest.files.push(entry(member, files.len(), offset));
                offset += member.stamp.bytes;
            }
            let planned = PlannedFile::new(key, role, members)?;
            manifest.sealed.push(SealedEntry {
                file: planned.file,
                role,
                seal: [0; 48],
                bytes: offset,
            });
            files.push(planned);
        }
        Ok(Self { files, manifest })
    }
}

impl PlannedFile {
    /// Draws the id and the file's own keys.
    pub(crate) fn new(key: &PackageKey, role: Role, members: Vec<SourceFile>) -> Result<Self> {
        let file = FileId(random());
        let bytes = members.iter().map(|member| member.stamp.bytes).sum();
        let metadata = match &members[..] {
            [only] if role == Role::File => Metadata {
                path: only.path.clone(),
                bytes,
                modified_ms: only.stamp.modified_ms(),
                media_type: String::new(),
            },
            _ => Metadata::unnamed(bytes),
        };
        let (sealer, head) = FileSealer::new(key, file, role, &metadata, &mut rng())?;
        Ok(Self {
            file,
            role,
            sealer,
            head,
            members,
        })
    }

    /// Reads all its members, one after the other.
    pub(crate) fn open(&self) -> Joined<'_> {
        Joined::new(&self.members)
    }

    /// Plaintext bytes, without padding.
    pub(crate) fn bytes(&self) -> u64 {
        self.members.iter().map(|member| member.stamp.bytes).sum()
    }

    /// Where it lies, for messages.
    pub(crate) fn place(&self) -> PathBuf {
        self.members
            .first()
            .map(|member| member.place.clone())
            .unwrap_or_default()
    }
}

fn entry(source: &SourceFile, sealed: usize, offset: u64) -> FileEntry {
    FileEntry {
        path: source.path.clone(),
        bytes: source.stamp.bytes,
        modified_ms: source.stamp.modified_ms(),
        media_type: String::new(),
        sealed,
        offset,
    }
}
