//! Plans a package: what is sealed together, under which keys, and what the draft says of it.

use wasm_bindgen::JsValue;
use zeroize::Zeroizing;

use sealift_envelope::pack::Batch;
use sealift_envelope::{Draft, DraftEntry, FileEntry, FileSealer, Metadata, SealedEntry};
use sealift_protocol::error::Code;
use sealift_protocol::format::Role as Sealed;
use sealift_protocol::ids::FileId;

use super::{Content, SendSession, random};
use crate::error::{JsError, Result};
use crate::plain::{bytes, list, number, object};

impl SendSession {
    /// What a resume will need to know (rule C4).
    pub(super) fn draft(&self) -> Draft {
        let sealed = self.manifest.sealed.iter();
        Draft {
            title: self.manifest.title.clone(),
            note: self.manifest.note.clone(),
            whole: true,
            folders: self.manifest.folders.clone(),
            sealed: sealed
                .map(|entry| DraftEntry {
                    file: entry.file,
                    role: entry.role,
                    bytes: entry.bytes,
                })
                .collect(),
            files: self.manifest.files.clone(),
        }
    }

    /// Draws a file id, seals the metadata and enters the file or pack into the manifest.
    pub(super) fn prepare_one(&mut self, batch: &Batch) -> Result<JsValue> {
        let file = FileId(random());
        let sealed = self.contents.len();
        let (role, metadata, members) = match batch {
            Batch::Alone(index) => {
                let entry = self
                    .manifest
                    .files
                    .get_mut(*index)
                    .ok_or_else(|| JsError::code(Code::Misuse))?;
                entry.sealed = sealed;
                (Sealed::File, metadata_of(entry), vec![(*index, 0)])
            }
            Batch::Pack(indexes) => {
                let mut offset = 0;
                let mut members = Vec::with_capacity(indexes.len());
                for index in indexes {
                    let entry = self
                        .manifest
                        .files
                        .get_mut(*index)
                        .ok_or_else(|| JsError::code(Code::Misuse))?;
                    (entry.sealed, entry.offset) = (sealed, offset);
                    members.push((*index, offset));
                    offset = offset.saturating_add(entry.bytes);
                }
                (Sealed::Pack, Metadata::unnamed(offset), members)
            }
        };
        let bytes_count = metadata.bytes;
        let (sealer, head) = FileSealer::new(&self.key, file, role, &metadata, &mut crate::rng())?;
        let exported: Zeroizing<Vec<u8>> = sealer.export();
        self.manifest.sealed.push(SealedEntry {
            file,
            role,
            seal: [0; 48],
            bytes: bytes_count,
        });
        self.contents.push(Content {
            file,
            head,
            body_bytes: sealer.geometry().body_bytes(),
            file_count: members.len() as u32,
            sealer,
        });
        let members = members
            .iter()
            .map(|(index, offset)| list([number(*index as u64), number(*offset)]));
        Ok(object([
            ("file", file.to_string().into()),
            ("sealer", bytes(&exported)),
            ("bytes", number(bytes_count)),
            ("members", list(members)),
        ]))
    }
}

fn metadata_of(entry: &FileEntry) -> Metadata {
    Metadata {
        path: entry.path.clone(),
        bytes: entry.bytes,
        modified_ms: entry.modified_ms,
        media_type: entry.media_type.clone(),
    }
}

/// Which name, and what is wrong with it.
pub(super) fn bad_name(path: &str) -> JsError {
    let start: String = path.chars().take(80).collect();
    JsError::new(
        "bad_name",
        &format!(
            "A file's name cannot be used: {start}. Names have at most 255 bytes and paths 1,024; rename the file and try again."
        ),
    )
}
