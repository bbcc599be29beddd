//! Opening one file of known length, segment by segment, in any order.
//!
//! Nothing is released before its tag was checked. That proves each segment's place; that all of
//! them come from one sealing is proved by [`FileOpener::verify_seal`] at the end, so output is
//! provisional until then: write it to a temporary place, and drop it if the seal fails.

use std::ops::Range;

use sealift_protocol::format::{FormatError, Geometry, Head, Role, padded_bytes};
use sealift_protocol::limits::{SEGMENT_PREFIX_BYTES, TAG_BYTES};
use sealift_protocol::{FileId, PackageId, Pair};
use zeroize::Zeroizing;

use crate::body::{Body, Shape, damaged, split_segment};
use crate::engine::{OpenTicket, SegmentKey};
use crate::floe::{Floe, segment_aad};
use crate::sealer::matches;
use crate::{Error, Metadata, OpeningKey, SealBuilder, gcm, metadata};

/// First byte of an exported opener.
const EXPORT_KIND: u8 = 2;

/// Opens one file. Has no `Debug`; its keys are wiped when dropped.
#[derive(Clone)]
pub struct FileOpener {
    body: Body,
    shape: Shape,
    role: Role,
    metadata: Metadata,
}

impl FileOpener {
    /// Opens the head that is exactly `head`: checks that it belongs to the key's package and
    /// commits to its own keys, and reads the metadata.
    ///
    /// # Errors
    ///
    /// Those of [`Head::parse`]; [`FormatError::PackageMismatch`]; [`FormatError::DamagedHead`];
    /// [`FormatError::OpenLengthRefused`] for the open-length form, which
    /// [`crate::StreamOpener`] reads; [`Error::BadName`] for a hostile path.
    pub fn new(key: &OpeningKey, head: &[u8]) -> Result<Self, Error> {
        let head = Head::parse(head)?;
        let geometry = head.geometry().ok_or(FormatError::OpenLengthRefused)?;
        let (body, metadata) = open_head(key, &head)?;
        if padded_bytes(metadata.bytes) != Some(geometry.padded_bytes()) {
            return Err(FormatError::DamagedHead.into());
        }
        let shape = Shape {
            geometry,
            bytes: metadata.bytes,
        };
        Ok(Self {
            body,
            shape,
            role: head.role(),
            metadata,
        })
    }

    /// What the file says about itself.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// What it holds.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The file's id.
    #[must_use]
    pub fn file(&self) -> FileId {
        self.body.file
    }

    /// The package it belongs to.
    #[must_use]
    pub fn package(&self) -> PackageId {
        self.body.package
    }

    /// The exact shape of the body.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.shape.geometry
    }

    /// Which bytes of the file segment `index` holds. Empty where a segment is all padding.
    #[must_use]
    pub fn source_range(&self, index: u64) -> Range<u64> {
        self.shape.source_range(index)
    }

    /// Opens the segment `index` that is exactly `sealed`, and appends the file's own bytes in it
    /// to `out`, which is left as it was on error.
    ///
    /// # Errors
    ///
    /// [`Error::DamagedContent`]; [`FormatError::CutShort`] when it is shorter than it must be;
    /// [`Error::Misuse`] past the end.
    pub fn open_segment(
        &self,
        index: u64,
        sealed: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Pair, Error> {
        let mut copy = Zeroizing::new(sealed.to_vec());
        let (pair, range) = self.open_segment_in_place(index, &mut copy)?;
        out.extend_from_slice(copy.get(range).unwrap_or_default());
        Ok(pair)
    }

    /// Opens the segment `index` where it lies, and says where in `sealed` the file's own bytes
    /// stand. On error no plaintext is left in `sealed`.
    ///
    /// # Errors
    ///
    /// Those of [`FileOpener::open_segment`].
    pub fn open_segment_in_place(
        &self,
        index: u64,
        sealed: &mut [u8],
    ) -> Result<(Pair, Range<usize>), Error> {
        self.shape.check_index(index)?;
        let geometry = &self.shape.geometry;
        let expected_bytes = geometry.segment_sealed_bytes(index) as usize;
        if sealed.len() < expected_bytes {
            return Err(FormatError::CutShort.into());
        }
        if sealed.len() > expected_bytes {
            return Err(Error::Misuse(
                "a segment is opened with bytes that follow it",
            ));
        }
        let pair = open_in_place(&self.body, index, geometry.is_last(index), sealed)?;
        let end = SEGMENT_PREFIX_BYTES + self.shape.source_bytes(index);
        Ok((pair, SEGMENT_PREFIX_BYTES..end))
    }

    /// What another engine (WebCrypto) needs to open segment `index`, of which `start` are the first
    /// 16 bytes and `tag` the last 16.
    ///
    /// # Errors
    ///
    /// [`Error::DamagedContent`] for a wrong prefix, [`Error::Misuse`] past the end.
    pub fn begin_open(
        &self,
        index: u64,
        start: &[u8; SEGMENT_PREFIX_BYTES],
        tag: &[u8; TAG_BYTES],
    ) -> Result<OpenTicket, Error> {
        self.shape.check_index(index)?;
        let geometry = &self.shape.geometry;
        let [p0, p1, p2, p3, iv @ ..] = *start;
        if [p0, p1, p2, p3] != geometry.segment_prefix(index) {
            return Err(damaged(index));
        }
        let aad = segment_aad(index, geometry.is_last(index));
        Ok(OpenTicket::new(
            Floe::key_number(index),
            Pair { iv, tag: *tag },
            aad,
        ))
    }

    /// Whether segment `index` with this pair opens to this very content (F7): so that a download
    /// that is resumed proves what it kept. Constant-time; the ciphertext is wiped.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] past the end. A content of another length does not match.
    pub fn matches(&self, index: u64, pair: &Pair, content: &[u8]) -> Result<bool, Error> {
        matches(&self.body, &self.shape, index, pair, content)
    }

    /// The key with this number (see [`OpenTicket::key_number`]), for another engine. Secret.
    #[must_use]
    pub fn segment_key(&self, number: u64) -> SegmentKey {
        SegmentKey(self.body.floe.key(number))
    }

    /// Checks the seal against the pairs of all segments, in order: only now is the file known to
    /// be one sealing, whole and unmixed.
    ///
    /// # Errors
    ///
    /// [`Error::SealMismatch`], [`FormatError::CutShort`] with fewer than 48 bytes,
    /// [`Error::Misuse`] with more or fewer pairs than segments.
    pub fn verify_seal(&self, pairs: SealBuilder, seal: &[u8]) -> Result<(), Error> {
        if pairs.segment_count() != self.shape.geometry.segment_count() {
            return Err(Error::Misuse(
                "a seal is checked with the pairs of all segments",
            ));
        }
        self.body.verify_seal(pairs, seal)
    }

    /// What another worker needs to open segments of this file: the file's derived keys, not the
    /// package key. Secret.
    #[must_use]
    pub fn export(&self) -> Zeroizing<Vec<u8>> {
        let mut bundle = Zeroizing::new(Vec::with_capacity(400));
        bundle.push(EXPORT_KIND);
        bundle.push(role_byte(self.role));
        self.body.export(&mut bundle);
        // An opened head's metadata was encoded before, so it can be again.
        bundle.extend_from_slice(&metadata::encode(&self.metadata, self.role).unwrap_or_default());
        bundle
    }

    /// The inverse of [`FileOpener::export`].
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for other bytes than an export.
    pub fn import(bundle: &[u8]) -> Result<Self, Error> {
        let misuse = Error::Misuse("these bytes are not an exported opener");
        let (kind, rest) = bundle.split_first_chunk::<2>().ok_or(misuse)?;
        let role = match kind {
            [EXPORT_KIND, 0] => Role::File,
            [EXPORT_KIND, 1] => Role::Manifest,
            [EXPORT_KIND, 2] => Role::Pack,
            _ => return Err(misuse),
        };
        let (body, filled) = Body::import(rest).ok_or(misuse)?;
        let metadata = metadata::decode(filled, role).map_err(|_| misuse)?;
        let geometry = Geometry::new(padded_bytes(metadata.bytes).ok_or(misuse)?)?;
        Ok(Self {
            body,
            shape: Shape {
                geometry,
                bytes: metadata.bytes,
            },
            role,
            metadata,
        })
    }
}

fn role_byte(role: Role) -> u8 {
    match role {
        Role::File => 0,
        Role::Manifest => 1,
        Role::Pack => 2,
    }
}

/// Derives a head's keys, checks its commitment and reads its metadata.
pub(crate) fn open_head(key: &OpeningKey, head: &Head<'_>) -> Result<(Body, Metadata), Error> {
    let body = Body::of_head(key, head)?;
    let meta_key = key.file_key(&head.file(), "meta");
    let damaged = FormatError::DamagedHead;
    let filled = metadata::open(&meta_key, head.core(), head.metadata(), damaged)?;
    let metadata = metadata::decode(&filled, head.role())?;
    Ok((body, metadata))
}

/// Opens a whole sealed segment where it lies. On error no plaintext is left there.
pub(crate) fn open_in_place(
    body: &Body,
    index: u64,
    last: bool,
    sealed: &mut [u8],
) -> Result<Pair, Error> {
    let sealed_bytes = sealed.len() as u64;
    let (prefix, pair, ciphertext) = split_segment(sealed).ok_or(FormatError::CutShort)?;
    let announced = u64::from(u32::from_be_bytes(prefix));
    let fits = if last {
        announced == sealed_bytes
    } else {
        prefix == [0xff; 4]
    };
    if !fits {
        return Err(damaged(index));
    }
    let (key, aad) = body.segment(index, last);
    gcm::decrypt(&key, &pair.iv, &aad, ciphertext, &pair.tag).ok_or(damaged(index))?;
    Ok(pair)
}
