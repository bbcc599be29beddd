//! The open-length form (F6) segment by segment: sealed by several threads, or salvaged when it is damaged.
//!
//! Segments have fixed places, and whether one is the last is authenticated with it. So whoever finds out where
//! a stream ends can seal its segments side by side, and whoever finds one damaged can go on with the next.
//! From front to back on one thread, and for opening, there are [`crate::StreamSealer`] and
//! [`crate::StreamOpener`].

use std::ops::Range;

use rand_core::CryptoRng;
use sealift_protocol::format::{FormatError, Head, Role, padded_bytes};
use sealift_protocol::limits::{
    SEAL_BYTES, SEGMENT_BYTES, SEGMENT_OVERHEAD_BYTES, SEGMENT_PLAINTEXT_BYTES,
    SEGMENT_PREFIX_BYTES,
};
use sealift_protocol::{FileId, Pair};
use zeroize::Zeroizing;

use crate::body::Body;
use crate::opener::{open_head, open_in_place};
use crate::sealer::{make_head, seal_in_place};
use crate::{Error, Metadata, OpeningKey, PackageKey, SealBuilder};

/// Bytes of the length at the end of the content.
const LENGTH_BYTES: u64 = 8;

/// Seals the segments of a stream, in any order and by any number of threads.
///
/// The plaintext is the data, as many zeros as [`OpenLengthSealer::zeros_after`] says, and the data's length in eight
/// bytes, the highest first. Every segment but the last is full; only the last one is sealed as `last`.
pub struct OpenLengthSealer(Body);

impl OpenLengthSealer {
    /// Draws the keys of a new file and makes its head. `metadata.bytes` must be 0.
    ///
    /// # Errors
    ///
    /// Those of [`crate::StreamSealer::new`].
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
        Ok((Self(body), head))
    }

    /// How many zeros stand between so many bytes of data and their length.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] beyond 2^56 bytes.
    pub fn zeros_after(data_bytes: u64) -> Result<u64, Error> {
        let content = data_bytes.checked_add(LENGTH_BYTES);
        let padded = content.and_then(padded_bytes).ok_or(Error::TooLarge)?;
        Ok(padded - data_bytes - LENGTH_BYTES)
    }

    /// Seals segment `index` where it lies: 16 bytes of room, plaintext, 16 bytes of room.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for a segment that is not full and not the last, or too long.
    pub fn seal_segment_in_place(
        &self,
        index: u64,
        last: bool,
        place: &mut [u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<Pair, Error> {
        let full = SEGMENT_BYTES as usize;
        let fits = place.len() == full
            || last && place.len() < full && place.len() > SEGMENT_OVERHEAD_BYTES as usize;
        if !fits {
            return Err(Error::Misuse("a segment that is not full is the last"));
        }
        seal_in_place(&self.0, index, last, place, rng)
    }

    /// The seal over the pairs of all segments, in order.
    #[must_use]
    pub fn seal(self, pairs: SealBuilder) -> [u8; SEAL_BYTES as usize] {
        self.0.seal(pairs)
    }
}

/// Opens what is left of a damaged stream, from front to back.
pub struct OpenLengthSalvage {
    body: Body,
    metadata: Metadata,
    pairs: SealBuilder,
    next: u64,
    bad: Vec<Range<u64>>,
    /// Bytes of data, as the end of a good last segment says.
    data_bytes: Option<u64>,
    ended: bool,
}

/// What was found out about a damaged stream.
pub struct OpenLengthSalvaged {
    /// Segments that did not authenticate, in runs, in order.
    pub bad_segments: Vec<Range<u64>>,
    /// How long the data was. `None`: the last segment, which says it, is damaged or missing; what was kept may end in
    /// zeros that are padding, and more may have followed.
    pub data_bytes: Option<u64>,
    /// Whether every segment is good, the last one is there, and the seal is theirs.
    pub sealed_together: bool,
}

impl OpenLengthSalvage {
    /// Opens the head that is exactly `head`.
    ///
    /// # Errors
    ///
    /// Those of [`crate::StreamOpener::new`]; [`Error::Misuse`] for a file of known length.
    pub fn new(key: &OpeningKey, head: &[u8]) -> Result<Self, Error> {
        let head = Head::parse(head)?;
        if head.geometry().is_some() {
            return Err(Error::Misuse("this file has a length"));
        }
        let (body, metadata) = open_head(key, &head)?;
        if metadata.bytes != 0 {
            return Err(FormatError::DamagedHead.into());
        }
        Ok(Self {
            body,
            metadata,
            pairs: SealBuilder::new(),
            next: 0,
            bad: Vec::new(),
            data_bytes: None,
            ended: false,
        })
    }

    /// What the stream says about itself.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The file's id.
    #[must_use]
    pub fn file(&self) -> FileId {
        self.body.file
    }

    /// Takes the next segment as it was found. Returns its plaintext, or `None` if it is damaged. `last` is whether it
    /// stands right before the seal: what was not sealed as the last is no end, and what was is no middle.
    pub fn segment(&mut self, last: bool, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let index = self.next;
        self.next += 1;
        let mut place = Zeroizing::new(sealed.to_vec());
        let Ok(pair) = open_in_place(&self.body, index, last, &mut place) else {
            self.note_bad(index);
            return None;
        };
        self.pairs.push(&pair);
        let end = place
            .len()
            .saturating_sub(SEGMENT_OVERHEAD_BYTES as usize - SEGMENT_PREFIX_BYTES);
        place.truncate(end);
        place.drain(..SEGMENT_PREFIX_BYTES.min(end));
        self.ended = last;
        if last {
            self.data_bytes = written_length(index, &place);
        }
        Some(place)
    }

    /// What there is to say about the stream, given what was found in the place of its seal.
    #[must_use]
    pub fn finish(self, seal: &[u8]) -> OpenLengthSalvaged {
        let whole = self.bad.is_empty() && self.ended && self.data_bytes.is_some();
        OpenLengthSalvaged {
            sealed_together: whole && self.body.verify_seal(self.pairs, seal).is_ok(),
            bad_segments: self.bad,
            data_bytes: self.data_bytes,
        }
    }

    fn note_bad(&mut self, index: u64) {
        match self.bad.last_mut() {
            Some(run) if run.end == index => run.end += 1,
            _ => self.bad.push(index..index + 1),
        }
    }
}

/// The length that ends the last segment, if the whole is as long as the rule says.
fn written_length(index: u64, last: &[u8]) -> Option<u64> {
    let data_bytes = u64::from_be_bytes(*last.last_chunk::<8>()?);
    let total = index
        .checked_mul(u64::from(SEGMENT_PLAINTEXT_BYTES))?
        .checked_add(last.len() as u64)?;
    let padded = data_bytes
        .checked_add(LENGTH_BYTES)
        .and_then(padded_bytes)?;
    (padded == total).then_some(data_bytes)
}

#[cfg(test)]
mod tests {
    use sealift_protocol::PackageId;

    use super::*;
    use crate::StreamOpener;

    const SEALED: usize = SEGMENT_BYTES as usize;
    const PLAIN: usize = SEGMENT_PLAINTEXT_BYTES as usize;

    fn named(bytes: u64) -> Metadata {
        Metadata {
            path: "stdin".to_owned(),
            ..Metadata::unnamed(bytes)
        }
    }

    /// A stream that was sealed by segments, the last first.
    fn sealed(data: &[u8]) -> (PackageKey, Vec<u8>, Vec<u8>) {
        let rng = &mut rand::rng();
        let key = PackageKey::generate(PackageId([1; 16]), rng);
        let metadata = named(0);
        let (sealer, head) = OpenLengthSealer::new(&key, FileId([2; 32]), &metadata, rng).unwrap();
        let zeros = OpenLengthSealer::zeros_after(data.len() as u64).unwrap();
        let mut plain = data.to_vec();
        plain.resize(data.len() + zeros as usize, 0);
        plain.extend((data.len() as u64).to_be_bytes());
        let count = plain.chunks(PLAIN).count();
        let mut segments: Vec<(Vec<u8>, Pair)> = Vec::new();
        for (index, piece) in plain.chunks(PLAIN).enumerate().rev() {
            let mut place = vec![0; SEGMENT_PREFIX_BYTES];
            place.extend(piece);
            place.resize(place.len() + 16, 0);
            let last = index + 1 == count;
            let pair = sealer.seal_segment_in_place(index as u64, last, &mut place, rng);
            segments.push((place, pair.unwrap()));
        }
        segments.reverse();
        let (mut body, mut pairs) = (Vec::new(), SealBuilder::new());
        for (segment, pair) in segments {
            body.extend(segment);
            pairs.push(&pair);
        }
        body.extend(sealer.seal(pairs));
        (key, head, body)
    }

    /// Some bytes, none of them zero.
    fn data(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|n| (n % 251) as u8 + 1).collect()
    }

    fn salvaged(
        key: &PackageKey,
        head: &[u8],
        body: &[u8],
    ) -> (Vec<Option<usize>>, OpenLengthSalvaged) {
        let mut salvage = OpenLengthSalvage::new(key, head).unwrap();
        let (segments, seal) = body.split_at(body.len() - SEAL_BYTES as usize);
        let count = segments.chunks(SEALED).count();
        let found = segments.chunks(SEALED).enumerate();
        let found = found.map(|(n, one)| {
            salvage
                .segment(n + 1 == count, one)
                .map(|plain| plain.len())
        });
        (found.collect(), salvage.finish(seal))
    }

    #[test]
    fn what_segments_make_is_what_a_stream_opens() {
        for bytes in [
            0,
            1,
            PLAIN - 9,
            PLAIN - 8,
            PLAIN - 7,
            PLAIN,
            PLAIN + 1,
            3 * PLAIN + 5,
        ] {
            let data = data(bytes);
            let (key, head, body) = sealed(&data);
            let mut opener = StreamOpener::new(&key, &head).unwrap();
            let mut out = Vec::new();
            let mut sink = |plain: &[u8]| {
                out.extend_from_slice(plain);
                true
            };
            opener.push(&body, &mut sink).unwrap();
            opener.finish().unwrap();
            assert!(out == data, "{bytes}");
            let (_, salvaged) = salvaged(&key, &head, &body);
            assert!(salvaged.sealed_together && salvaged.data_bytes == Some(bytes as u64));
        }
    }

    #[test]
    fn f6_damage_in_one_segment_costs_that_segment() {
        let data = data(3 * PLAIN + 5);
        let (key, head, mut body) = sealed(&data);
        body[SEALED + 100] ^= 1;
        let (found, salvaged) = salvaged(&key, &head, &body);
        assert_eq!(found.iter().filter(|one| one.is_none()).count(), 1);
        assert_eq!(found[1], None);
        assert_eq!(salvaged.bad_segments.first(), Some(&(1..2)));
        assert_eq!(salvaged.bad_segments.len(), 1);
        assert_eq!(salvaged.data_bytes, Some(data.len() as u64));
        assert!(!salvaged.sealed_together);
    }

    #[test]
    fn f6_a_stream_without_its_end_is_never_whole() {
        let data = data(3 * PLAIN + 5);
        let (key, head, body) = sealed(&data);
        // Cut at a segment's edge, with the seal behind it: the segment before it is no last one.
        let cut = [
            &body[..2 * SEALED],
            &body[body.len() - SEAL_BYTES as usize..],
        ]
        .concat();
        let (found, salvaged) = salvaged(&key, &head, &cut);
        assert_eq!(found, [Some(PLAIN), None]);
        assert_eq!(salvaged.data_bytes, None);
        assert!(!salvaged.sealed_together);
        // As a middle one it is good.
        let mut salvage = OpenLengthSalvage::new(&key, &head).unwrap();
        assert!(salvage.segment(false, &body[..SEALED]).is_some());
        assert!(salvage.segment(false, &body[SEALED..2 * SEALED]).is_some());
        assert!(!salvage.finish(&body[body.len() - 48..]).sealed_together);
    }

    #[test]
    fn f6_hostile_lengths_and_last_flags_are_damage_and_nothing_else() {
        let data = data(2 * PLAIN);
        let (key, head, body) = sealed(&data);
        let new = || OpenLengthSalvage::new(&key, &head).unwrap();
        let first = &body[..SEALED];
        // A middle one as the last, also with a prefix that says so; the last one as a middle one.
        assert!(new().segment(true, first).is_none());
        let mut said_last = first.to_vec();
        said_last[..4].copy_from_slice(&(SEALED as u32).to_be_bytes());
        assert!(new().segment(true, &said_last).is_none());
        let last = &body[2 * SEALED..body.len() - SEAL_BYTES as usize];
        let mut salvage = new();
        assert!(salvage.segment(false, first).is_some());
        assert!(salvage.segment(false, first).is_none(), "one segment twice");
        assert!(salvage.segment(false, last).is_none());
        // Any length at all.
        for length in [0, 1, 4, 31, 32, 33, SEALED - 1] {
            assert!(new().segment(false, &first[..length]).is_none(), "{length}");
            assert!(new().segment(true, &first[..length]).is_none(), "{length}");
        }
        assert!(new().segment(false, &[first, b"x"].concat()).is_none());
        // Nothing at all is not whole, whatever the seal.
        assert!(!new().finish(&[]).sealed_together);
        assert!(!new().finish(&body[body.len() - 48..]).sealed_together);
        for byte in [0, 3, 4, 15, 16, last.len() - 17, last.len() - 1] {
            let mut flipped = last.to_vec();
            flipped[byte] ^= 0x80;
            let mut salvage = new();
            let _kept = salvage.segment(false, first);
            let _kept = salvage.segment(false, &body[SEALED..2 * SEALED]);
            assert!(salvage.segment(true, &flipped).is_none(), "{byte}");
            assert_eq!(salvage.finish(&[0; 48]).data_bytes, None);
        }
    }

    #[test]
    fn a_middle_segment_is_full() {
        let rng = &mut rand::rng();
        let key = PackageKey::generate(PackageId([1; 16]), rng);
        let (sealer, _) = OpenLengthSealer::new(&key, FileId([2; 32]), &named(0), rng).unwrap();
        for (length, last) in [(SEALED - 1, false), (SEALED + 1, true), (32, true)] {
            let done = sealer.seal_segment_in_place(0, last, &mut vec![0; length], rng);
            assert!(matches!(done, Err(Error::Misuse(_))), "{length}");
        }
        assert!(OpenLengthSealer::new(&key, FileId([2; 32]), &named(1), rng).is_err());
        assert!(OpenLengthSealer::zeros_after(u64::MAX).is_err());
    }
}
