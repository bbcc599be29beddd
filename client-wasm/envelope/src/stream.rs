//! Sealing and opening from front to back, for pipes: also when the length is not known (F6).
//!
//! In the open-length form the head says nothing of the length. The content ends with its own
//! length, and is padded all the same:
//!
//! ```text
//! plaintext = data || zeros || be64(bytes of data)        padded to the length that F1 gives
//! ```
//!
//! The last segment is known by its prefix and its authenticated last-flag, so a missing end is
//! *cut short* and never a short file. Relays, manifests and `.sealift` files of several files
//! refuse this form; its flag is in the core, hence in every key.
//!
//! [`StreamOpener`] reads both forms from a pipe. It hands out nothing unverified, and holds the last
//! segment that has data back until the seal was checked (P2).

use rand_core::CryptoRng;
use sealift_protocol::format::{
    FormatError, Geometry, Head, Role, is_padded, padded_bytes, read_segment_prefix,
};
use sealift_protocol::limits::{
    PADDING_BYTES_MAX, SEAL_BYTES, SEGMENT_BYTES, SEGMENT_OVERHEAD_BYTES, SEGMENT_PLAINTEXT_BYTES,
    SEGMENT_PREFIX_BYTES,
};
use sealift_protocol::{FileId, PackageId};
use zeroize::Zeroizing;

use crate::body::{Body, damaged};
use crate::opener::{open_head, open_in_place};
use crate::sealer::{make_head, seal_in_place};
use crate::{Error, Metadata, OpeningKey, PackageKey, SealBuilder};

/// Bytes of the length at the end of the content.
const LENGTH_BYTES: u64 = 8;
const ZEROS: [u8; 4_096] = [0; 4_096];

/// Seals a stream of unknown length. Needs the memory of one segment.
pub struct StreamSealer {
    body: Body,
    /// Room for the prefix, then plaintext that waits until more comes or the end is known.
    place: Zeroizing<Vec<u8>>,
    data_bytes: u64,
    index: u64,
    pairs: SealBuilder,
}

impl StreamSealer {
    /// Draws the keys of a new file and makes its head. `metadata.bytes` must be 0.
    ///
    /// # Errors
    ///
    /// Those of [`crate::FileSealer::new`]; [`Error::Misuse`] for a length.
    pub fn new(
        key: &PackageKey,
        file: FileId,
        metadata: &Metadata,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Vec<u8>), Error> {
        if metadata.bytes != 0 {
            return Err(Error::Misuse("the open-length form has no length"));
        }
        let (body, head) = make_head(key, file, Role::File, None, metadata, rng)?;
        let mut place = Zeroizing::new(Vec::with_capacity(SEGMENT_BYTES as usize));
        place.resize(SEGMENT_PREFIX_BYTES, 0);
        let pairs = SealBuilder::new();
        Ok((
            Self {
                body,
                place,
                data_bytes: 0,
                index: 0,
                pairs,
            },
            head,
        ))
    }

    /// Takes more data and appends whole sealed segments to `out`.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] beyond 2^56 bytes.
    pub fn push(
        &mut self,
        data: &[u8],
        rng: &mut dyn CryptoRng,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        self.data_bytes += data.len() as u64;
        if padded_bytes(self.data_bytes + LENGTH_BYTES).is_none() {
            return Err(Error::TooLarge);
        }
        self.fill(data, rng, out)
    }

    /// Ends the stream: padding, length, last segment and seal are appended to `out`.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] beyond 2^56 bytes.
    pub fn finish(mut self, rng: &mut dyn CryptoRng, out: &mut Vec<u8>) -> Result<(), Error> {
        let padded = padded_bytes(self.data_bytes + LENGTH_BYTES).ok_or(Error::TooLarge)?;
        let mut zeros = padded - self.data_bytes - LENGTH_BYTES;
        while zeros > 0 {
            let step = zeros.min(ZEROS.len() as u64);
            let count = usize::try_from(step).unwrap_or(ZEROS.len());
            self.fill(ZEROS.get(..count).unwrap_or(&ZEROS), rng, out)?;
            zeros -= step;
        }
        let length = self.data_bytes.to_be_bytes();
        self.fill(&length, rng, out)?;
        self.seal_segment(true, rng, out)?;
        out.extend_from_slice(&self.body.seal(self.pairs));
        Ok(())
    }

    /// Adds plaintext; a full segment is sealed only when more follows, so the last one stays.
    fn fill(
        &mut self,
        mut data: &[u8],
        rng: &mut dyn CryptoRng,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let full = SEGMENT_PREFIX_BYTES + SEGMENT_PLAINTEXT_BYTES as usize;
        while !data.is_empty() {
            if self.place.len() == full {
                self.seal_segment(false, rng, out)?;
            }
            let count = data.len().min(full - self.place.len());
            let (taken, rest) = data.split_at(count);
            self.place.extend_from_slice(taken);
            data = rest;
        }
        Ok(())
    }

    fn seal_segment(
        &mut self,
        last: bool,
        rng: &mut dyn CryptoRng,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let sealed_bytes =
            self.place.len() + SEGMENT_OVERHEAD_BYTES as usize - SEGMENT_PREFIX_BYTES;
        self.place.resize(sealed_bytes, 0);
        let pair = seal_in_place(&self.body, self.index, last, &mut self.place, rng)?;
        out.extend_from_slice(&self.place);
        self.place.truncate(SEGMENT_PREFIX_BYTES);
        self.pairs.push(&pair);
        self.index += 1;
        Ok(())
    }
}

/// Opens a body from front to back, of either form. Needs the memory of two segments.
///
/// Plaintext goes to a sink, which answers whether it could take it.
pub struct StreamOpener {
    body: Body,
    metadata: Metadata,
    role: Role,
    /// `None` in the open-length form.
    geometry: Option<Geometry>,
    /// The segment or seal that is being collected, up to `wanted` bytes.
    place: Zeroizing<Vec<u8>>,
    wanted: usize,
    index: u64,
    last_opened: bool,
    done: bool,
    pairs: SealBuilder,
    release: Release,
}

/// What was verified but is not handed out yet.
struct Release {
    /// Bytes of data handed out or counted as held back.
    released_bytes: u64,
    /// Zeros at the end of what was opened: data, or padding (open-length form only).
    zeros: u64,
    /// The last segment's plaintext, or in a file of known length the last data, held back until
    /// the seal verifies.
    last: Zeroizing<Vec<u8>>,
}

impl StreamOpener {
    /// Opens the head that is exactly `head`.
    ///
    /// # Errors
    ///
    /// Those of [`crate::FileOpener::new`], but the open-length form is welcome.
    pub fn new(key: &OpeningKey, head: &[u8]) -> Result<Self, Error> {
        let head = Head::parse(head)?;
        let (body, metadata) = open_head(key, &head)?;
        let expected = match head.geometry() {
            Some(geometry) => padded_bytes(metadata.bytes) == Some(geometry.padded_bytes()),
            None => metadata.bytes == 0,
        };
        if !expected {
            return Err(FormatError::DamagedHead.into());
        }
        Ok(Self {
            body,
            metadata,
            role: head.role(),
            geometry: head.geometry(),
            place: Zeroizing::new(Vec::with_capacity(SEGMENT_BYTES as usize)),
            wanted: 4,
            index: 0,
            last_opened: false,
            done: false,
            pairs: SealBuilder::new(),
            release: Release {
                released_bytes: 0,
                zeros: 0,
                last: Zeroizing::new(Vec::new()),
            },
        })
    }

    /// What the file says about itself; in the open-length form without its length.
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

    /// Takes more of the body; verified plaintext goes to `sink`.
    ///
    /// # Errors
    ///
    /// [`Error::DamagedContent`], [`Error::SealMismatch`], [`FormatError::TrailingBytes`] after the
    /// seal, [`Error::WriteFailed`] when the sink says no. The opener is of no use afterwards.
    pub fn push(
        &mut self,
        mut sealed: &[u8],
        sink: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), Error> {
        while !sealed.is_empty() {
            if self.done {
                return Err(FormatError::TrailingBytes.into());
            }
            let count = sealed.len().min(self.wanted - self.place.len());
            let (taken, rest) = sealed.split_at(count);
            self.place.extend_from_slice(taken);
            sealed = rest;
            if self.place.len() == self.wanted {
                self.complete(sink)?;
            }
        }
        Ok(())
    }

    /// Ends the body.
    ///
    /// # Errors
    ///
    /// [`FormatError::CutShort`] unless the seal was read and verified.
    pub fn finish(self) -> Result<(), Error> {
        if self.done {
            Ok(())
        } else {
            Err(FormatError::CutShort.into())
        }
    }

    /// A prefix, a segment or the seal is complete.
    fn complete(&mut self, sink: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Error> {
        if self.last_opened {
            self.body.verify_seal(self.pairs.clone(), &self.place)?;
            self.done = true;
            return self.release_last(sink);
        }
        match self.place.first_chunk::<4>() {
            Some(prefix) if self.wanted == 4 => {
                let last = self.is_last(*prefix)?;
                self.wanted = match last {
                    Some(sealed_bytes) => sealed_bytes as usize,
                    None => SEGMENT_BYTES as usize,
                };
                Ok(())
            }
            _ => self.open_segment(sink),
        }
    }

    /// The sealed length of the last segment, or `None` if this one is not the last.
    fn is_last(&self, prefix: [u8; 4]) -> Result<Option<u32>, Error> {
        let found = read_segment_prefix(prefix).map_err(|_| damaged(self.index))?;
        if let Some(geometry) = self.geometry
            && prefix != geometry.segment_prefix(self.index)
        {
            return Err(damaged(self.index));
        }
        Ok(found)
    }

    fn open_segment(&mut self, sink: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Error> {
        let prefix = self.place.first_chunk::<4>().copied().unwrap_or_default();
        let last = prefix != [0xff; 4];
        let pair = open_in_place(&self.body, self.index, last, &mut self.place)?;
        self.pairs.push(&pair);
        let end = self.place.len() - (SEGMENT_OVERHEAD_BYTES as usize - SEGMENT_PREFIX_BYTES);
        let plain = self
            .place
            .get(SEGMENT_PREFIX_BYTES..end)
            .unwrap_or_default();
        if self.geometry.is_some() {
            let left = self.metadata.bytes - self.release.released_bytes;
            self.release.all_but_the_end(plain, left, sink)?;
        } else if last {
            self.release.last.extend_from_slice(plain);
            self.check_end()?;
        } else {
            self.release.all_but_zeros(plain, sink)?;
        }
        self.last_opened = last;
        self.index += 1;
        self.place.clear();
        self.wanted = if last { SEAL_BYTES as usize } else { 4 };
        Ok(())
    }

    /// The last segment of the open-length form is here: the whole length must be a padded one.
    fn check_end(&self) -> Result<(), Error> {
        let before = self.index * u64::from(SEGMENT_PLAINTEXT_BYTES);
        if is_padded(before + self.release.last.len() as u64) {
            Ok(())
        } else {
            Err(damaged(self.index))
        }
    }

    fn release_last(&mut self, sink: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Error> {
        let last = std::mem::take(&mut self.release.last);
        if self.geometry.is_some() {
            return self.release.bytes(&last, sink);
        }
        let before = self.index.saturating_sub(1) * u64::from(SEGMENT_PLAINTEXT_BYTES);
        let data_bytes = self.written_length(&last, before)?;
        // What the last segment holds of the data; before it only zeros can be missing.
        let own = usize::try_from(data_bytes.saturating_sub(before)).unwrap_or(usize::MAX);
        let missing = data_bytes
            .min(before)
            .saturating_sub(self.release.released_bytes);
        self.release.zero_bytes(missing, sink)?;
        self.release
            .bytes(last.get(..own).unwrap_or_default(), sink)
    }

    /// The length that ends the content, checked: only zeros between the data and it, and padded by
    /// the rule.
    fn written_length(&self, last: &[u8], before: u64) -> Result<u64, Error> {
        let broken = damaged(self.index.saturating_sub(1));
        let (content, length) = last.split_last_chunk::<8>().ok_or(broken)?;
        let data_bytes = u64::from_be_bytes(*length);
        let total = before + last.len() as u64;
        let padded = data_bytes.checked_add(LENGTH_BYTES).and_then(padded_bytes);
        let own = usize::try_from(data_bytes.saturating_sub(before)).unwrap_or(usize::MAX);
        let padding = content.get(own..).ok_or(broken)?;
        let zero = padding.iter().all(|byte| *byte == 0);
        if padded == Some(total) && zero && data_bytes >= self.release.released_bytes {
            Ok(data_bytes)
        } else {
            Err(broken)
        }
    }
}

impl Release {
    fn bytes(&mut self, bytes: &[u8], sink: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Error> {
        self.released_bytes += bytes.len() as u64;
        if bytes.is_empty() || sink(bytes) {
            Ok(())
        } else {
            Err(Error::WriteFailed)
        }
    }

    fn zero_bytes(
        &mut self,
        mut count: u64,
        sink: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), Error> {
        while count > 0 {
            let step = count.min(ZEROS.len() as u64);
            let piece = usize::try_from(step).unwrap_or(ZEROS.len());
            self.bytes(ZEROS.get(..piece).unwrap_or(&ZEROS), sink)?;
            count -= step;
        }
        Ok(())
    }

    /// Hands out what a segment holds of the file, of which `left` bytes are still to come; the
    /// segment with the file's last byte is held back.
    fn all_but_the_end(
        &mut self,
        plain: &[u8],
        left: u64,
        sink: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), Error> {
        let left = usize::try_from(left).unwrap_or(usize::MAX) - self.last.len();
        match plain.get(..left) {
            None => self.bytes(plain, sink),
            Some(end) => {
                self.last.extend_from_slice(end);
                Ok(())
            }
        }
    }

    /// Hands out a segment that is not the last, but for the zeros at its end, which may be padding.
    fn all_but_zeros(
        &mut self,
        plain: &[u8],
        sink: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), Error> {
        match plain.iter().rposition(|byte| *byte != 0) {
            Some(at) => {
                let (data, zeros) = plain.split_at(at + 1);
                self.zero_bytes(self.zeros, sink)?;
                self.bytes(data, sink)?;
                self.zeros = zeros.len() as u64;
            }
            None => self.zeros += plain.len() as u64,
        }
        let surplus = self.zeros.saturating_sub(PADDING_BYTES_MAX);
        self.zero_bytes(surplus, sink)?;
        self.zeros -= surplus;
        Ok(())
    }
}
