//! Sealing one file of known length, segment by segment, in any order, by any number of workers.
//!
//! ```
//! # use sealift_envelope::*;
//! # use sealift_protocol::{FileId, PackageId, format::Role};
//! # fn main() -> Result<(), Error> {
//! # let mut rng = rand::rng();
//! let key = PackageKey::generate(PackageId([1; 16]), &mut rng);
//! let metadata = Metadata { path: "hello.txt".into(), bytes: 5, ..Metadata::unnamed(5) };
//! let (sealer, head) = FileSealer::new(&key, FileId([2; 32]), Role::File, &metadata, &mut rng)?;
//! let mut sealed_file = head.clone();
//! let mut pairs = SealBuilder::new();
//! pairs.push(&sealer.seal_segment(0, b"hello", &mut rng, &mut sealed_file)?);
//! sealed_file.extend(sealer.seal(pairs)?);
//!
//! let opener = FileOpener::new(&key, &head)?;
//! assert_eq!(opener.metadata().path, "hello.txt");
//! # Ok(()) }
//! ```
//!
//! Every sealing draws its own IV, so a segment may be sealed as often as needed, also after the
//! source changed: no key and IV ever cover two plaintexts. Where [`FileSealer::matches`] says that
//! a recorded pair belongs to the present content, the stored segment can stay.

use std::ops::Range;

use rand_core::CryptoRng;
use sealift_protocol::format::{
    CHECKSUM_BYTES, FLOE_PARAMETERS, FormatError, Geometry, Head, Role, checksum, head_bytes_for,
    padded_bytes, write_core,
};
use sealift_protocol::limits::{
    MANIFEST_BYTES_MAX, PACK_PADDED_BYTES_MAX, SEAL_BYTES, SEGMENT_PREFIX_BYTES, TAG_BYTES,
};
use sealift_protocol::{FileId, PackageId, Pair};
use sha2::{Digest as _, Sha384};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::body::{Body, Shape, segment_prefix, split_segment};
use crate::engine::{MatchTicket, SealTicket, SegmentKey};
use crate::floe::{FLOE_IV_BYTES, Floe, segment_aad};
use crate::{Error, Metadata, PackageKey, SealBuilder, gcm, metadata};

/// First byte of an exported sealer.
const EXPORT_KIND: u8 = 1;

/// Seals one file. Has no `Debug`; its keys are wiped when dropped.
#[derive(Clone)]
pub struct FileSealer {
    body: Body,
    shape: Shape,
}

impl FileSealer {
    /// Draws the keys of a new file and makes its head, which is sent once and never changes.
    ///
    /// # Errors
    ///
    /// [`Error::BadName`], [`Error::TooLarge`], [`Error::DamagedManifest`] for a path, type or time
    /// that no head may carry.
    pub fn new(
        key: &PackageKey,
        file: FileId,
        role: Role,
        metadata: &Metadata,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Vec<u8>), Error> {
        let bytes = metadata.bytes;
        let padded = padded_bytes(bytes).ok_or(Error::TooLarge)?;
        let padded_max = match role {
            Role::File => u64::MAX,
            Role::Pack => PACK_PADDED_BYTES_MAX,
            Role::Manifest => padded_bytes(MANIFEST_BYTES_MAX).unwrap_or(MANIFEST_BYTES_MAX),
        };
        if padded > padded_max {
            return Err(Error::TooLarge);
        }
        let geometry = Geometry::new(padded)?;
        let (body, head) = make_head(key, file, role, Some(geometry), metadata, rng)?;
        Ok((
            Self {
                body,
                shape: Shape { geometry, bytes },
            },
            head,
        ))
    }

    /// The exact shape of the body.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.shape.geometry
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

    /// Which bytes of the file segment `index` holds. Empty where a segment is all padding.
    #[must_use]
    pub fn source_range(&self, index: u64) -> Range<u64> {
        self.shape.source_range(index)
    }

    /// Seals segment `index` and appends it to `out`. `source` is exactly the file's
    /// [`FileSealer::source_range`]; padding is added inside.
    ///
    /// # Errors
    ///
    /// [`Error::FileChanged`] for a source of another length, [`Error::Misuse`] past the end.
    pub fn seal_segment(
        &self,
        index: u64,
        source: &[u8],
        rng: &mut dyn CryptoRng,
        out: &mut Vec<u8>,
    ) -> Result<Pair, Error> {
        self.check_source(index, source.len())?;
        let start = out.len();
        out.resize(start + SEGMENT_PREFIX_BYTES, 0);
        out.extend_from_slice(source);
        out.resize(start + self.sealed_bytes(index), 0);
        let place = out.get_mut(start..).unwrap_or_default();
        self.seal_segment_in_place(index, place, rng)
    }

    /// Seals segment `index` where it lies: `place` is as long as the sealed segment, and the source
    /// stands in it after 16 bytes, which are overwritten like everything after the source.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for a place of another length.
    pub fn seal_segment_in_place(
        &self,
        index: u64,
        place: &mut [u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<Pair, Error> {
        self.shape.check_index(index)?;
        let source_end = SEGMENT_PREFIX_BYTES + self.shape.source_bytes(index);
        let padding = place.get_mut(source_end..).unwrap_or_default();
        padding.fill(0);
        seal_in_place(
            &self.body,
            index,
            self.shape.geometry.is_last(index),
            place,
            rng,
        )
    }

    /// What another engine (WebCrypto) needs to seal segment `index`: draws the IV.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] past the end.
    pub fn begin_segment(&self, index: u64, rng: &mut dyn CryptoRng) -> Result<SealTicket, Error> {
        self.shape.check_index(index)?;
        Ok(SealTicket::draw(self.shape.geometry, index, rng))
    }

    /// The key with this number (see [`SealTicket::key_number`]), for another engine. Secret.
    #[must_use]
    pub fn segment_key(&self, number: u64) -> SegmentKey {
        SegmentKey(self.body.floe.key(number))
    }

    /// Whether segment `index` was sealed as `pair` from this very source (F7). Constant-time; the
    /// ciphertext is wiped and never leaves.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] past the end. A source of another length does not match.
    pub fn matches(&self, index: u64, pair: &Pair, source: &[u8]) -> Result<bool, Error> {
        matches(&self.body, &self.shape, index, pair, source)
    }

    /// [`FileSealer::matches`] for another engine: it encrypts the padded source under the ticket's
    /// IV, hands the tag back and wipes the ciphertext at once.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] past the end.
    pub fn begin_match(&self, index: u64, pair: &Pair) -> Result<MatchTicket, Error> {
        self.shape.check_index(index)?;
        let aad = segment_aad(index, self.shape.geometry.is_last(index));
        Ok(MatchTicket::new(Floe::key_number(index), *pair, aad))
    }

    /// The seal over the pairs of all segments, in order. The same pairs give the same seal.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] with more or fewer pairs than segments.
    pub fn seal(&self, pairs: SealBuilder) -> Result<[u8; SEAL_BYTES as usize], Error> {
        if pairs.segment_count() != self.shape.geometry.segment_count() {
            return Err(Error::Misuse("a seal needs the pairs of all segments"));
        }
        Ok(self.body.seal(pairs))
    }

    /// What a lane's worker needs to seal segments of this file, and nothing else: the file's
    /// derived keys, not the package key. Secret.
    #[must_use]
    pub fn export(&self) -> Zeroizing<Vec<u8>> {
        let mut bundle = Zeroizing::new(Vec::with_capacity(400));
        bundle.push(EXPORT_KIND);
        self.body.export(&mut bundle);
        bundle.extend_from_slice(&self.shape.bytes.to_be_bytes());
        bundle
    }

    /// The inverse of [`FileSealer::export`].
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for other bytes than an export.
    pub fn import(bundle: &[u8]) -> Result<Self, Error> {
        let misuse = Error::Misuse("these bytes are not an exported sealer");
        let (kind, rest) = bundle.split_first().ok_or(misuse)?;
        let (body, bytes) = Body::import(rest).ok_or(misuse)?;
        let bytes = u64::from_be_bytes(bytes.try_into().map_err(|_| misuse)?);
        let geometry = Geometry::new(padded_bytes(bytes).ok_or(misuse)?)?;
        if *kind != EXPORT_KIND {
            return Err(misuse);
        }
        Ok(Self {
            body,
            shape: Shape { geometry, bytes },
        })
    }

    fn check_source(&self, index: u64, source_bytes: usize) -> Result<(), Error> {
        self.shape.check_index(index)?;
        if source_bytes == self.shape.source_bytes(index) {
            Ok(())
        } else {
            Err(Error::FileChanged)
        }
    }

    fn sealed_bytes(&self, index: u64) -> usize {
        self.shape.geometry.segment_sealed_bytes(index) as usize
    }
}

/// Draws a file's FLOE IV and writes its head.
pub(crate) fn make_head(
    key: &PackageKey,
    file: FileId,
    role: Role,
    geometry: Option<Geometry>,
    metadata: &Metadata,
    rng: &mut dyn CryptoRng,
) -> Result<(Body, Vec<u8>), Error> {
    let filled = metadata::encode(metadata, role)?;
    let head_bytes = head_bytes_for(filled.len());
    let core = write_core(role, geometry, head_bytes, file, key.package());
    let mut floe_iv = [0; FLOE_IV_BYTES];
    rng.fill_bytes(&mut floe_iv);
    let (mut body, floe_tag) = Body::derive(key, &core, file, floe_iv);
    let sealed = metadata::seal(&key.file_key(&file, "meta"), &core, filled, rng)?;
    let mut head = Vec::with_capacity(head_bytes as usize);
    for field in [&core[..], &sealed, &FLOE_PARAMETERS, &floe_iv, &*floe_tag] {
        head.extend_from_slice(field);
    }
    let checksum: [u8; CHECKSUM_BYTES] = checksum(&head);
    head.extend_from_slice(&checksum);
    Head::parse(&head).map_err(|_: FormatError| Error::Misuse("a head came out wrong"))?;
    body.head_hash = Sha384::digest(&head).into();
    Ok((body, head))
}

/// Seals `place`: 16 bytes of room, the padded plaintext, 16 bytes of room.
pub(crate) fn seal_in_place(
    body: &Body,
    index: u64,
    last: bool,
    place: &mut [u8],
    rng: &mut dyn CryptoRng,
) -> Result<Pair, Error> {
    let misuse = Error::Misuse("a segment's place has another length than the segment");
    let sealed_bytes = u32::try_from(place.len()).map_err(|_| misuse)?;
    let prefix = if last {
        sealed_bytes.to_be_bytes()
    } else {
        [0xff; 4]
    };
    let (_, _, plaintext) = split_segment(place).ok_or(misuse)?;
    let mut iv = [0; gcm::IV_BYTES];
    rng.fill_bytes(&mut iv);
    let (key, aad) = body.segment(index, last);
    let tag = gcm::encrypt(&key, &iv, &aad, plaintext).ok_or(misuse)?;
    let (start, end) = (segment_prefix(prefix, &iv), place.len() - TAG_BYTES);
    place
        .get_mut(..SEGMENT_PREFIX_BYTES)
        .ok_or(misuse)?
        .copy_from_slice(&start);
    place.get_mut(end..).ok_or(misuse)?.copy_from_slice(&tag);
    Ok(Pair { iv, tag })
}

/// Encrypts a copy of the padded source under the pair's IV, compares the tag, wipes the copy.
pub(crate) fn matches(
    body: &Body,
    shape: &Shape,
    index: u64,
    pair: &Pair,
    source: &[u8],
) -> Result<bool, Error> {
    shape.check_index(index)?;
    if source.len() != shape.source_bytes(index) {
        return Ok(false);
    }
    let plain_bytes = shape.geometry.segment_plain_bytes(index) as usize;
    let mut copy = Zeroizing::new(Vec::with_capacity(plain_bytes));
    copy.extend_from_slice(source);
    copy.resize(plain_bytes, 0);
    let (key, aad) = body.segment(index, shape.geometry.is_last(index));
    let tag = gcm::encrypt(&key, &pair.iv, &aad, &mut copy).ok_or(Error::TooLarge)?;
    Ok(tag.ct_eq(&pair.tag).into())
}
