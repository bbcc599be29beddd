//! Checks the framing of a body while its bytes pass, and collects the segments' (IV, tag) pairs.
//!
//! It buffers nothing: 28 bytes for each segment are all it keeps. What it proves is small and
//! useful: that segments start where they must, with the right prefix, and that a seal of the right
//! number stands at the end. Plaintext stored by mistake does not get through; a hostile sender can
//! store any bytes in this form, as anywhere.

use super::{FormatError, Geometry};
use crate::ids::Pair;
use crate::limits::{SEAL_BYTES, SEGMENT_BYTES, SEGMENT_PREFIX_BYTES, TAG_BYTES};

/// Reads one part of a body, in pieces of any size.
pub struct PartReader {
    geometry: Geometry,
    /// Where the next byte stands in the body.
    position: u64,
    end: u64,
    pair: Pair,
    pairs: Vec<Pair>,
}

/// What the bytes at some position are.
enum Zone {
    /// These bytes are known: prefix of a segment or of the seal.
    Fixed {
        expected: [u8; 16],
        at: usize,
    },
    Iv {
        at: usize,
    },
    Tag {
        at: usize,
    },
    /// Ciphertext, or the keyed rest of the seal.
    Opaque,
}

impl PartReader {
    /// A reader for the `part_bytes` bytes at `offset` of a body.
    ///
    /// # Errors
    ///
    /// [`FormatError::DamagedContent`] unless the part starts on a segment or on the seal, and ends
    /// on a segment's end or the body's.
    pub fn new(geometry: Geometry, offset: u64, part_bytes: u64) -> Result<Self, FormatError> {
        let starts =
            offset.is_multiple_of(u64::from(SEGMENT_BYTES)) || offset == geometry.seal_offset();
        let end = offset.saturating_add(part_bytes);
        let inner = end.is_multiple_of(u64::from(SEGMENT_BYTES)) && end <= geometry.seal_offset();
        if !starts || offset >= end || !(inner || end == geometry.body_bytes()) {
            return Err(FormatError::DamagedContent { position: offset });
        }
        let pair = Pair {
            iv: [0; 12],
            tag: [0; 16],
        };
        Ok(Self {
            geometry,
            position: offset,
            end,
            pair,
            pairs: Vec::new(),
        })
    }

    /// Takes the next bytes of the part.
    ///
    /// # Errors
    ///
    /// [`FormatError::DamagedContent`] where the framing is wrong, [`FormatError::TrailingBytes`]
    /// past the part's end. The reader is of no use afterwards.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), FormatError> {
        while !bytes.is_empty() {
            if self.position >= self.end {
                return Err(FormatError::TrailingBytes);
            }
            let (start, zone, zone_end) = self.zone();
            let room = zone_end.min(self.end) - self.position;
            let count = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
            let (taken, rest) = bytes.split_at(count);
            self.take(zone, taken)
                .ok_or(FormatError::DamagedContent { position: start })?;
            self.position += count as u64;
            bytes = rest;
        }
        Ok(())
    }

    /// Ends the part and returns its segments' pairs, in order.
    ///
    /// # Errors
    ///
    /// [`FormatError::CutShort`] when bytes are missing.
    pub fn finish(self) -> Result<Vec<Pair>, FormatError> {
        if self.position == self.end {
            Ok(self.pairs)
        } else {
            Err(FormatError::CutShort)
        }
    }

    /// The segment's start, the zone at the current position, and where that zone ends.
    fn zone(&self) -> (u64, Zone, u64) {
        let seal = self.geometry.seal_offset();
        if self.position >= seal {
            let at = self.position - seal;
            return match usize::try_from(at) {
                Ok(at) if at < 16 => (
                    seal,
                    Zone::Fixed {
                        expected: self.geometry.seal_prefix(),
                        at,
                    },
                    seal + 16,
                ),
                _ => (seal, Zone::Opaque, seal + u64::from(SEAL_BYTES)),
            };
        }
        let index = self.position / u64::from(SEGMENT_BYTES);
        let start = self.geometry.segment_offset(index);
        let sealed = u64::from(self.geometry.segment_sealed_bytes(index));
        let tag = sealed - TAG_BYTES as u64;
        let at = self.position - start;
        let small = usize::try_from(at).unwrap_or(usize::MAX);
        match at {
            0..4 => {
                let mut expected = [0; 16];
                for (to, from) in expected.iter_mut().zip(self.geometry.segment_prefix(index)) {
                    *to = from;
                }
                (
                    start,
                    Zone::Fixed {
                        expected,
                        at: small,
                    },
                    start + 4,
                )
            }
            4..16 => (
                start,
                Zone::Iv { at: small - 4 },
                start + SEGMENT_PREFIX_BYTES as u64,
            ),
            at if at < tag => (start, Zone::Opaque, start + tag),
            at => {
                let at = usize::try_from(at - tag).unwrap_or(usize::MAX);
                (start, Zone::Tag { at }, start + sealed)
            }
        }
    }

    fn take(&mut self, zone: Zone, bytes: &[u8]) -> Option<()> {
        match zone {
            Zone::Opaque => Some(()),
            Zone::Fixed { expected, at } => {
                (expected.get(at..at + bytes.len())? == bytes).then_some(())
            }
            Zone::Iv { at } => {
                self.pair
                    .iv
                    .get_mut(at..at + bytes.len())?
                    .copy_from_slice(bytes);
                Some(())
            }
            Zone::Tag { at } => {
                self.pair
                    .tag
                    .get_mut(at..at + bytes.len())?
                    .copy_from_slice(bytes);
                if at + bytes.len() == TAG_BYTES {
                    self.pairs.push(self.pair);
                }
                Some(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::padded_bytes;
    use proptest::prelude::*;

    /// A body of the right form, filled with `fill`.
    fn body(geometry: Geometry, fill: u8) -> Vec<u8> {
        let mut body = Vec::new();
        for index in 0..geometry.segment_count() {
            body.extend(geometry.segment_prefix(index));
            body.extend([index as u8; 12]);
            body.extend(vec![fill; geometry.segment_plain_bytes(index) as usize]);
            body.extend([index as u8 ^ 0x55; 16]);
        }
        body.extend(geometry.seal_prefix());
        body.extend([fill; 32]);
        body
    }

    fn read(geometry: Geometry, bytes: &[u8], step: usize) -> Result<Vec<Pair>, FormatError> {
        let mut reader = PartReader::new(geometry, 0, geometry.body_bytes())?;
        for piece in bytes.chunks(step) {
            reader.feed(piece)?;
        }
        reader.finish()
    }

    #[test]
    fn a_part_of_the_middle_and_the_seal_alone() {
        let geometry = Geometry::new(padded_bytes(3_000_000).unwrap()).unwrap();
        let bytes = body(geometry, 7);
        let segment = u64::from(SEGMENT_BYTES);
        let mut reader = PartReader::new(geometry, segment, 2 * segment).unwrap();
        reader
            .feed(&bytes[segment as usize..3 * segment as usize])
            .unwrap();
        let pairs = reader.finish().unwrap();
        assert_eq!(pairs.len(), 2);
        assert_eq!(
            pairs[1],
            Pair {
                iv: [2; 12],
                tag: [2 ^ 0x55; 16]
            }
        );

        let mut reader = PartReader::new(geometry, geometry.seal_offset(), 48).unwrap();
        reader
            .feed(&bytes[geometry.seal_offset() as usize..])
            .unwrap();
        assert_eq!(reader.finish(), Ok(vec![]));
        assert!(PartReader::new(geometry, 100, 48).is_err());
        assert!(PartReader::new(geometry, 0, 1_000).is_err());
        assert!(PartReader::new(geometry, 0, 0).is_err());
    }

    #[test]
    fn plaintext_truncation_and_extension_are_refused() {
        let geometry = Geometry::new(4_096).unwrap();
        let bytes = body(geometry, 0);
        let mut plain = bytes.clone();
        plain[0] = b'P';
        let damaged = |position| Err(FormatError::DamagedContent { position });
        assert_eq!(read(geometry, &plain, 99), damaged(0));
        let mut seal = bytes.clone();
        seal[4_128] ^= 1;
        assert_eq!(read(geometry, &seal, 99), damaged(4_128));
        assert_eq!(
            read(geometry, &bytes[..bytes.len() - 1], 64),
            Err(FormatError::CutShort)
        );
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(read(geometry, &longer, 64), Err(FormatError::TrailingBytes));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_cut_into_pieces_reads_the_same(plain in 0u64..1_600_000, step in 1usize..700_000) {
            let geometry = Geometry::new(padded_bytes(plain).unwrap()).unwrap();
            let pairs = read(geometry, &body(geometry, 9), step.max(50)).unwrap();
            prop_assert_eq!(pairs.len() as u64, geometry.segment_count());
            for (index, pair) in pairs.iter().enumerate() {
                prop_assert_eq!(pair.iv, [index as u8; 12]);
                prop_assert_eq!(pair.tag, [index as u8 ^ 0x55; 16]);
            }
        }
    }
}
