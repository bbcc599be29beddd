//! What sealing and opening a body have in common: keys, shape, and the bundle that lets another
//! worker go on with the same file.

use std::ops::Range;

use sealift_protocol::format::{CORE_BYTES, FormatError, Geometry, Head};
use sealift_protocol::limits::{SEAL_BYTES, SEGMENT_PREFIX_BYTES};
use sealift_protocol::{FileId, PackageId, Pair};
use sha2::{Digest as _, Sha384};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::floe::{FLOE_IV_BYTES, FLOE_TAG_BYTES, Floe, segment_aad};
use crate::kdf::HASH_BYTES;
use crate::{Error, OpeningKey, SealBuilder};

/// Keys and identity of one file's body.
#[derive(Clone)]
pub(crate) struct Body {
    pub(crate) floe: Floe,
    pub(crate) seal_key: Zeroizing<[u8; HASH_BYTES]>,
    pub(crate) head_hash: [u8; HASH_BYTES],
    pub(crate) file: FileId,
    pub(crate) package: PackageId,
}

/// A body of known length: its shape, and how many of its bytes are the file's own.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) geometry: Geometry,
    pub(crate) bytes: u64,
}

impl Shape {
    /// The part of the file that segment `index` holds; the rest of the segment is padding.
    pub(crate) fn source_range(&self, index: u64) -> Range<u64> {
        let range = self.geometry.plain_range(index);
        range.start.min(self.bytes)..range.end.min(self.bytes)
    }

    pub(crate) fn source_bytes(&self, index: u64) -> usize {
        let range = self.source_range(index);
        usize::try_from(range.end - range.start).unwrap_or(usize::MAX)
    }

    pub(crate) fn check_index(&self, index: u64) -> Result<(), Error> {
        if index < self.geometry.segment_count() {
            Ok(())
        } else {
            Err(Error::Misuse("there is no such segment"))
        }
    }
}

/// Where segment `index` starts and that it is damaged.
pub(crate) fn damaged(index: u64) -> Error {
    let segment_bytes = sealift_protocol::limits::SEGMENT_BYTES;
    let position = index.saturating_mul(u64::from(segment_bytes));
    Error::DamagedContent {
        segment: index,
        position,
    }
}

impl Body {
    /// Derives the keys for a new head's core, with the tag that commits to them. The head's hash
    /// is still missing.
    pub(crate) fn derive(
        key: &OpeningKey,
        core: &[u8; CORE_BYTES],
        file: FileId,
        floe_iv: [u8; FLOE_IV_BYTES],
    ) -> (Self, Zeroizing<[u8; FLOE_TAG_BYTES]>) {
        let (floe, tag) = Floe::new(&key.file_key(&file, "floe"), floe_iv, core);
        let seal_key = key.file_key(&file, "seal");
        let head_hash = [0; HASH_BYTES];
        (
            Self {
                floe,
                seal_key,
                head_hash,
                file,
                package: key.package(),
            },
            tag,
        )
    }

    /// Derives the keys for an existing head and checks that the head commits to them.
    pub(crate) fn of_head(key: &OpeningKey, head: &Head<'_>) -> Result<Self, Error> {
        if head.package() != key.package() {
            return Err(FormatError::PackageMismatch.into());
        }
        let damaged = FormatError::DamagedHead;
        let core: &[u8; CORE_BYTES] = head.core().try_into().map_err(|_| damaged)?;
        let (_, iv_and_tag) = head
            .floe_header()
            .split_first_chunk::<10>()
            .ok_or(damaged)?;
        let (iv, tag) = iv_and_tag.split_first_chunk().ok_or(damaged)?;
        let (mut body, expected) = Self::derive(key, core, head.file(), *iv);
        if !bool::from(expected.as_slice().ct_eq(tag)) {
            return Err(damaged.into());
        }
        body.head_hash = Sha384::digest(head.bytes()).into();
        Ok(body)
    }

    /// What the cipher needs for one segment.
    pub(crate) fn segment(&self, index: u64, last: bool) -> (Zeroizing<[u8; 32]>, [u8; 9]) {
        (
            self.floe.key(Floe::key_number(index)),
            segment_aad(index, last),
        )
    }

    /// The seal over all pairs.
    pub(crate) fn seal(&self, pairs: SealBuilder) -> [u8; SEAL_BYTES as usize] {
        pairs.finish(&self.seal_key, &self.head_hash)
    }

    /// Compares a seal with the pairs that were read.
    pub(crate) fn verify_seal(&self, pairs: SealBuilder, seal: &[u8]) -> Result<(), Error> {
        if seal.len() < SEAL_BYTES as usize {
            return Err(FormatError::CutShort.into());
        }
        if self.seal(pairs).ct_eq(seal).into() {
            Ok(())
        } else {
            Err(Error::SealMismatch)
        }
    }

    /// Appends everything to a bundle for another worker. Secret.
    pub(crate) fn export(&self, out: &mut Vec<u8>) {
        let (iv, core, message_key) = self.floe.parts();
        for field in [core, iv, message_key, &*self.seal_key, &self.head_hash] {
            out.extend_from_slice(field);
        }
        out.extend_from_slice(&self.file.0);
        out.extend_from_slice(&self.package.0);
    }

    /// The inverse of [`Body::export`]; the rest of the bundle is left.
    pub(crate) fn import(bundle: &[u8]) -> Option<(Self, &[u8])> {
        let (core, rest) = bundle.split_first_chunk::<CORE_BYTES>()?;
        let (iv, rest) = rest.split_first_chunk()?;
        let (message_key, rest) = rest.split_first_chunk()?;
        let (seal_key, rest) = rest.split_first_chunk()?;
        let (head_hash, rest) = rest.split_first_chunk()?;
        let (file, rest) = rest.split_first_chunk()?;
        let (package, rest) = rest.split_first_chunk()?;
        let body = Self {
            floe: Floe::from_parts(*iv, core, Zeroizing::new(*message_key)),
            seal_key: Zeroizing::new(*seal_key),
            head_hash: *head_hash,
            file: FileId(*file),
            package: PackageId(*package),
        };
        Some((body, rest))
    }
}

/// The 16 bytes before a segment's ciphertext.
pub(crate) fn segment_prefix(prefix: [u8; 4], iv: &[u8; 12]) -> [u8; SEGMENT_PREFIX_BYTES] {
    let mut bytes = [0; SEGMENT_PREFIX_BYTES];
    let (first, rest) = bytes.split_at_mut(4);
    first.copy_from_slice(&prefix);
    rest.copy_from_slice(iv);
    bytes
}

/// Splits a sealed segment: prefix, IV, ciphertext, tag.
pub(crate) fn split_segment(sealed: &mut [u8]) -> Option<([u8; 4], Pair, &mut [u8])> {
    let (prefix, rest) = sealed.split_first_chunk_mut::<4>()?;
    let (iv, rest) = rest.split_first_chunk_mut::<12>()?;
    let (ciphertext, tag) = rest.split_last_chunk_mut::<16>()?;
    Some((*prefix, Pair { iv: *iv, tag: *tag }, ciphertext))
}
