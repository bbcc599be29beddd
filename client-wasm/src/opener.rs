//! Opens a package: its manifest, then its files, segment by segment.

use core::cell::{Cell, RefCell};

use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use zeroize::Zeroize as _;

use sealift_envelope::{
    Error, FileOpener, Manifest, ManifestIndex, OpeningKey, SealBuilder, names,
};
use sealift_protocol::error::Code;
use sealift_protocol::format::limits::SEAL_BYTES;
use sealift_protocol::format::{Head, LayoutScanner, Role};
use sealift_protocol::ids::Pair;
use sealift_protocol::link::Pin;

use crate::engine::{self, KeyCache};
use crate::error::{JsError, Result};
use crate::plain::{list, number, object, whole};

/// An opened package.
#[wasm_bindgen]
pub struct PackageOpener {
    key: OpeningKey,
    manifest: Option<(Manifest, ManifestIndex)>,
}

#[wasm_bindgen]
impl PackageOpener {
    /// From the key's bytes, which the caller wipes. Whichever slot they came from, this only opens.
    #[wasm_bindgen(constructor)]
    pub fn new(mut key: Vec<u8>) -> Result<PackageOpener> {
        let imported = OpeningKey::import(&key);
        key.zeroize();
        Ok(Self {
            key: imported?,
            manifest: None,
        })
    }

    /// Opens and checks the manifest, and compares it with the link's pin when there is one.
    ///
    /// Gives `{title, note, folders, files: [{path, safe, bytes, modified, type, sealed, offset}], sealed: [{file,
    /// pack}]}`; `sealed` in a file is its place in the list `sealed`, `safe` the path to save it under.
    #[wasm_bindgen(js_name = openManifest)]
    pub fn open_manifest(
        &mut self,
        head: &[u8],
        body: &[u8],
        pin: Option<Vec<u8>>,
    ) -> Result<JsValue> {
        let pin = match pin {
            Some(pin) => Some(Pin(pin
                .try_into()
                .map_err(|_| JsError::code(Code::CutLink))?)),
            None => None,
        };
        let manifest = Manifest::open(&self.key, head, body, pin.as_ref())?;
        let shown = show(&manifest);
        let index = ManifestIndex::of(&manifest);
        self.manifest = Some((manifest, index));
        Ok(shown)
    }

    /// Opens the head of a file that the manifest lists at `sealed`.
    ///
    /// # Errors
    /// `content_mismatch` when it is another file or one whose metadata differs from the manifest's entry (rule F2).
    pub fn file(&self, sealed: u32, head: &[u8]) -> Result<SegmentOpener> {
        let (manifest, listed) = self
            .manifest
            .as_ref()
            .ok_or_else(|| JsError::code(Code::Misuse))?;
        let opener = FileOpener::new(&self.key, head)?;
        let index = listed.check_head(manifest, &opener)?;
        let entry = manifest
            .sealed
            .get(index)
            .filter(|_| index == sealed as usize);
        let entry = entry.ok_or_else(|| JsError::code(Code::ContentMismatch))?;
        Ok(SegmentOpener::new(opener, Some(entry.seal)))
    }

    /// Opens the head of a `.sealift` file that holds one file and no manifest.
    ///
    /// # Errors
    /// `content_mismatch` for a pack, `open_length_refused` for one made from a pipe, which the command line opens.
    pub fn alone(&self, head: &[u8]) -> Result<SegmentOpener> {
        if Head::parse(head)?.role() != Role::File {
            return Err(JsError::code(Code::ContentMismatch)); // a pack says nothing without its list
        }
        Ok(SegmentOpener::new(FileOpener::new(&self.key, head)?, None))
    }
}

/// Opens the segments of one file, in order.
#[wasm_bindgen]
pub struct SegmentOpener {
    opener: FileOpener,
    /// What the manifest says the seal is.
    pinned: Option<[u8; SEAL_BYTES]>,
    pairs: RefCell<SealBuilder>,
    next: Cell<u64>,
    keys: KeyCache,
    buffer: RefCell<Vec<u8>>,
}

#[wasm_bindgen]
impl SegmentOpener {
    /// Segments of the file.
    #[wasm_bindgen(getter, js_name = segmentCount)]
    #[allow(clippy::cast_precision_loss)]
    pub fn segment_count(&self) -> f64 {
        self.opener.geometry().segment_count() as f64
    }

    /// The segment to open next, and so where a download goes on after a break.
    #[wasm_bindgen(getter)]
    #[allow(clippy::cast_precision_loss)]
    pub fn next(&self) -> f64 {
        self.next.get() as f64
    }

    /// Where a segment starts in the body; for the number of segments: where the seal starts.
    #[wasm_bindgen(js_name = sealedOffset)]
    #[allow(clippy::cast_precision_loss)]
    pub fn sealed_offset(&self, index: f64) -> f64 {
        let geometry = self.opener.geometry();
        let index = whole(index);
        if index >= geometry.segment_count() {
            geometry.seal_offset() as f64
        } else {
            geometry.segment_offset(index) as f64
        }
    }

    /// Sealed bytes of a segment.
    #[wasm_bindgen(js_name = sealedBytes)]
    pub fn sealed_bytes(&self, index: f64) -> u32 {
        self.opener.geometry().segment_sealed_bytes(whole(index))
    }

    /// Name, length, time and type of the file, as its head has them: `{path, safe, bytes, modified, type}`.
    pub fn metadata(&self) -> JsValue {
        let metadata = self.opener.metadata();
        object([
            ("path", metadata.path.as_str().into()),
            ("safe", names::safe_path(&metadata.path).into()),
            ("bytes", number(metadata.bytes)),
            ("modified", time(metadata.modified_ms)),
            ("type", metadata.media_type.as_str().into()),
        ])
    }

    /// Opens the next segment and gives its plaintext without padding.
    ///
    /// # Errors
    /// `damaged_content` when it is not the segment that was sealed.
    pub async fn open(&self, sealed: Uint8Array, webcrypto: bool) -> Result<Uint8Array> {
        let index = self.next.get();
        if sealed.length() != self.opener.geometry().segment_sealed_bytes(index) {
            return Err(JsError::code(Code::CutShort));
        }
        let (plain, pair) = if webcrypto {
            self.open_webcrypto(index, &sealed).await?
        } else {
            self.open_here(index, &sealed)?
        };
        self.pairs.borrow_mut().push(&pair);
        self.next.set(index.saturating_add(1));
        Ok(plain)
    }

    /// Checks the seal, after all segments: nothing is finished before.
    ///
    /// # Errors
    /// `seal_mismatch` when a segment is a genuine one from another sealing; `content_mismatch` when the file is
    /// whole but not the one that the manifest pins.
    #[wasm_bindgen(js_name = verifySeal)]
    pub fn verify_seal(&self, seal: &[u8]) -> Result<()> {
        if self.next.get() != self.opener.geometry().segment_count() {
            return Err(JsError::code(Code::CutShort));
        }
        let seal: [u8; SEAL_BYTES] = seal.try_into().map_err(|_| JsError::code(Code::CutShort))?;
        self.opener.verify_seal(self.pairs.take(), &seal)?;
        match self.pinned {
            Some(pinned) if pinned != seal => Err(JsError::code(Code::ContentMismatch)),
            _ => Ok(()),
        }
    }
}

impl SegmentOpener {
    fn new(opener: FileOpener, pinned: Option<[u8; SEAL_BYTES]>) -> Self {
        Self {
            opener,
            pinned,
            pairs: RefCell::new(SealBuilder::new()),
            next: Cell::new(0),
            keys: KeyCache::default(),
            buffer: RefCell::default(),
        }
    }

    async fn open_webcrypto(&self, index: u64, sealed: &Uint8Array) -> Result<(Uint8Array, Pair)> {
        let mut first = [0; 16];
        sealed.subarray(0, 16).copy_to(&mut first);
        let ticket = self
            .opener
            .begin_open(index, &first, &engine::tag_of(sealed))?;
        let key = self
            .keys
            .get(ticket.key_number(), || {
                self.opener.segment_key(ticket.key_number())
            })
            .await?;
        let rest = sealed.subarray(16, sealed.length());
        let plain = engine::decrypt(&key, ticket.iv(), ticket.aad(), &rest).await?;
        let position = self.opener.geometry().segment_offset(index);
        let plain = plain.ok_or(Error::DamagedContent {
            segment: index,
            position,
        })?;
        Ok((plain.subarray(0, self.real_bytes(index)), ticket.finish()))
    }

    fn open_here(&self, index: u64, sealed: &Uint8Array) -> Result<(Uint8Array, Pair)> {
        let mut buffer = self.buffer.borrow_mut();
        buffer.resize(sealed.length() as usize, 0);
        sealed.copy_to(&mut buffer);
        let (pair, range) = self.opener.open_segment_in_place(index, &mut buffer)?;
        let plain = Uint8Array::from(&buffer[range]);
        buffer.zeroize();
        Ok((plain, pair))
    }

    /// Bytes of a segment that are the file's own, not padding.
    #[allow(clippy::cast_possible_truncation)]
    fn real_bytes(&self, index: u64) -> u32 {
        let range = self.opener.source_range(index);
        range.end.saturating_sub(range.start) as u32
    }
}

/// Finds the pieces of a `.sealift` file. The caller reads what [`LayoutFinder::wants`] asks for.
#[wasm_bindgen]
pub struct LayoutFinder(LayoutScanner);

#[wasm_bindgen]
impl LayoutFinder {
    /// For a file of this length.
    #[wasm_bindgen(constructor)]
    pub fn new(total_bytes: f64) -> LayoutFinder {
        Self(LayoutScanner::new(whole(total_bytes)))
    }

    /// `[start, end]` of the bytes to read next; undefined when all is found.
    pub fn wants(&self) -> JsValue {
        self.0.next_read().map_or(JsValue::UNDEFINED, |range| {
            list([number(range.start), number(range.end)])
        })
    }

    /// Takes the bytes that were asked for.
    pub fn supply(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.0.supply(bytes)?)
    }

    /// `{package, keyring: [start, end], files: [{file, role, head: [start, end], body: [start, end]}]}`.
    pub fn finish(self) -> Result<JsValue> {
        let layout = self.0.finish()?;
        let range = |range: &core::ops::Range<u64>| list([number(range.start), number(range.end)]);
        let files = layout.files.iter().map(|section| {
            object([
                ("file", section.file.to_string().into()),
                ("role", role(section.role).into()),
                ("head", range(&section.head)),
                ("body", range(&section.body)),
            ])
        });
        Ok(object([
            ("package", layout.package.to_string().into()),
            ("keyring", range(&layout.keyring)),
            ("files", list(files)),
        ]))
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Manifest => "manifest",
        _ => "content",
    }
}

fn show(manifest: &Manifest) -> JsValue {
    let paths = manifest.files.iter().map(|file| file.path.as_str());
    let safe = names::safe_paths(paths, manifest.folders.iter().map(String::as_str));
    let files = manifest.files.iter().zip(safe).map(|(file, safe)| {
        object([
            ("path", file.path.as_str().into()),
            ("safe", safe.into()),
            ("bytes", number(file.bytes)),
            ("modified", time(file.modified_ms)),
            ("type", file.media_type.as_str().into()),
            ("sealed", number(file.sealed as u64)),
            ("offset", number(file.offset)),
        ])
    });
    let sealed = manifest.sealed.iter().map(|sealed| {
        object([
            ("file", sealed.file.to_string().into()),
            ("pack", (sealed.role == Role::Pack).into()),
        ])
    });
    object([
        ("title", manifest.title.as_str().into()),
        ("note", manifest.note.as_str().into()),
        (
            "folders",
            list(
                manifest
                    .folders
                    .iter()
                    .map(|folder| names::safe_path(folder).into()),
            ),
        ),
        ("files", list(files)),
        ("sealed", list(sealed)),
    ])
}

#[allow(clippy::cast_precision_loss)]
fn time(modified_ms: Option<i64>) -> JsValue {
    modified_ms.map_or(JsValue::NULL, |ms| JsValue::from_f64(ms as f64))
}
