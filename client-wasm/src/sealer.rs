//! Seals the segments of one file in a lane's worker.

use core::cell::RefCell;

use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use zeroize::{Zeroize as _, Zeroizing};

use sealift_envelope::{FileSealer, SealBuilder};
use sealift_protocol::frame;
use sealift_protocol::ids::Pair;
use sealift_protocol::limits::{FRAME_HEADER_BYTES, PAIR_BYTES};

use crate::engine::{self, KeyCache};
use crate::error::{JsError, Result};
use crate::plain::{bytes, list, pairs_from_bytes, whole};

/// Bytes before a segment's ciphertext: framing and IV.
const PREFIX_BYTES: usize = 16;

/// One file's keys, recreated from what the control worker posted.
#[wasm_bindgen]
pub struct LaneSealer {
    sealer: FileSealer,
    keys: KeyCache,
    /// For the engine in this module: prefix, plaintext, then ciphertext, and tag.
    buffer: RefCell<Vec<u8>>,
}

#[wasm_bindgen]
impl LaneSealer {
    /// From the bytes that the control session exported for this file. Secret: the caller wipes them.
    #[wasm_bindgen(constructor)]
    pub fn new(mut exported: Vec<u8>) -> Result<LaneSealer> {
        let sealer = FileSealer::import(&exported);
        exported.zeroize();
        Ok(Self {
            sealer: sealer?,
            keys: KeyCache::default(),
            buffer: RefCell::default(),
        })
    }

    /// Where a segment's plaintext starts in the file.
    #[wasm_bindgen]
    #[allow(clippy::cast_precision_loss)]
    pub fn offset(&self, index: f64) -> f64 {
        self.sealer.source_range(whole(index)).start as f64
    }

    /// Plaintext bytes of a segment, padding included.
    #[wasm_bindgen(js_name = plainBytes)]
    pub fn plain_bytes(&self, index: f64) -> u32 {
        self.sealer.geometry().segment_plain_bytes(whole(index))
    }

    /// Seals a segment under a fresh IV.
    ///
    /// `plaintext` is the whole padded segment. Gives `[before, sealed, pair]`: frame header, framing and IV (24
    /// bytes); ciphertext and tag; IV and tag (28 bytes).
    pub async fn seal(
        &self,
        index: f64,
        plaintext: Uint8Array,
        webcrypto: bool,
    ) -> Result<JsValue> {
        let index = whole(index);
        if plaintext.length() != self.sealer.geometry().segment_plain_bytes(index) {
            return Err(JsError::new("internal", "a segment has the wrong length"));
        }
        let (prefix, sealed, pair) = if webcrypto {
            self.seal_webcrypto(index, &plaintext).await?
        } else {
            self.seal_here(index, &plaintext)?
        };
        let length = sealed.length().saturating_add(PREFIX_BYTES as u32);
        let mut before = [0; FRAME_HEADER_BYTES + PREFIX_BYTES];
        before[..FRAME_HEADER_BYTES].copy_from_slice(&frame::data_header(length));
        before[FRAME_HEADER_BYTES..].copy_from_slice(&prefix);
        Ok(list([
            bytes(&before),
            sealed.into(),
            bytes(&pair.to_bytes()),
        ]))
    }

    /// Whether `plaintext` is what was sealed with this pair (rule F7). No ciphertext leaves this function.
    pub async fn matches(
        &self,
        index: f64,
        pair: Vec<u8>,
        plaintext: Uint8Array,
        webcrypto: bool,
    ) -> Result<bool> {
        let index = whole(index);
        let Ok(pair) = <&[u8; PAIR_BYTES]>::try_from(&pair[..]) else {
            return Ok(false);
        };
        let pair = Pair::from_bytes(pair);
        if !webcrypto {
            let range = self.sealer.source_range(index);
            let source_bytes =
                u32::try_from(range.end.saturating_sub(range.start)).unwrap_or(u32::MAX);
            let source = Zeroizing::new(plaintext.subarray(0, source_bytes).to_vec());
            return Ok(self.sealer.matches(index, &pair, &source)?);
        }
        let ticket = self.sealer.begin_match(index, &pair)?;
        let key = self
            .keys
            .get(ticket.key_number(), || {
                self.sealer.segment_key(ticket.key_number())
            })
            .await?;
        let sealed = engine::encrypt(&key, ticket.iv(), ticket.aad(), &plaintext).await?;
        let tag = engine::tag_of(&sealed);
        sealed.fill(0, 0, sealed.length());
        Ok(ticket.finish(tag))
    }

    /// The seal over the pairs of all segments: those of all earlier parts, then those of the last part.
    pub fn finish(&self, before: &[u8], last: &[u8]) -> Result<Vec<u8>> {
        let mut builder = SealBuilder::new();
        for pair in pairs_from_bytes(before)
            .iter()
            .chain(&pairs_from_bytes(last))
        {
            builder.push(pair);
        }
        Ok(self.sealer.seal(builder)?.to_vec())
    }
}

impl LaneSealer {
    async fn seal_webcrypto(
        &self,
        index: u64,
        plaintext: &Uint8Array,
    ) -> Result<([u8; PREFIX_BYTES], Uint8Array, Pair)> {
        let ticket = self.sealer.begin_segment(index, &mut crate::rng())?;
        let key = self
            .keys
            .get(ticket.key_number(), || {
                self.sealer.segment_key(ticket.key_number())
            })
            .await?;
        let sealed = engine::encrypt(&key, ticket.iv(), ticket.aad(), plaintext).await?;
        let prefix = *ticket.prefix();
        let pair = ticket.finish(engine::tag_of(&sealed));
        Ok((prefix, sealed, pair))
    }

    fn seal_here(
        &self,
        index: u64,
        plaintext: &Uint8Array,
    ) -> Result<([u8; PREFIX_BYTES], Uint8Array, Pair)> {
        let mut buffer = self.buffer.borrow_mut();
        let end = PREFIX_BYTES.saturating_add(plaintext.length() as usize);
        buffer.resize(end.saturating_add(engine::TAG_BYTES as usize), 0);
        plaintext.copy_to(&mut buffer[PREFIX_BYTES..end]);
        let pair = self
            .sealer
            .seal_segment_in_place(index, &mut buffer, &mut crate::rng())?;
        let (prefix, sealed) = buffer.split_at(PREFIX_BYTES);
        let prefix = prefix.try_into().unwrap_or([0; PREFIX_BYTES]);
        Ok((prefix, Uint8Array::from(sealed), pair))
    }
}

/// The header of a data frame of this length.
#[wasm_bindgen(js_name = dataHeader)]
pub fn data_header(length: u32) -> Vec<u8> {
    frame::data_header(length).to_vec()
}
