//! Where everything stands in a body: exact lengths and offsets, by arithmetic alone.
//!
//! ```text
//! body    = segment 0 || ... || segment n-1 || seal (48)
//! segment = prefix (4) || IV (12) || ciphertext || tag (16)
//! ```
//! All segments but the last are full (524,288 bytes), the last one holds what is left. So every
//! length has exactly one segmentation, and a reader knows each segment's place, length and whether
//! it is the last one from B alone, without trusting what stands in the body.

use std::ops::Range;

use super::FormatError;
use super::padding::is_padded;
use crate::limits::{SEAL_BYTES, SEGMENT_BYTES, SEGMENT_OVERHEAD_BYTES, SEGMENT_PLAINTEXT_BYTES};

/// First bytes of a seal, before the number of segments.
pub const SEAL_MAGIC: [u8; 8] = *b"SLSEAL1\n";
/// The prefix of every segment but the last.
const FULL_PREFIX: [u8; 4] = [0xff; 4];

/// The shape of one body, from its padded length.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Geometry {
    padded_bytes: u64,
    segment_count: u64,
}

impl Geometry {
    /// The shape of a body whose padded plaintext is `padded_bytes` long.
    ///
    /// # Errors
    ///
    /// [`FormatError::NotPadded`] unless that length is one which the padding rule produces (F1).
    pub fn new(padded_bytes: u64) -> Result<Self, FormatError> {
        if !is_padded(padded_bytes) {
            return Err(FormatError::NotPadded);
        }
        let segment_count = padded_bytes.div_ceil(u64::from(SEGMENT_PLAINTEXT_BYTES));
        Ok(Self {
            padded_bytes,
            segment_count,
        })
    }

    /// The shape of a body that is `body_bytes` long, seal included: for the open-length form,
    /// whose head does not say.
    ///
    /// # Errors
    ///
    /// [`FormatError::CutShort`] if no body has that length.
    pub fn from_body_bytes(body_bytes: u64) -> Result<Self, FormatError> {
        let segments = body_bytes
            .checked_sub(u64::from(SEAL_BYTES))
            .ok_or(FormatError::CutShort)?;
        let count = segments.div_ceil(u64::from(SEGMENT_BYTES));
        let padded = segments
            .checked_sub(count * u64::from(SEGMENT_OVERHEAD_BYTES))
            .ok_or(FormatError::CutShort)?;
        Self::new(padded).map_err(|_| FormatError::CutShort)
    }

    /// Plaintext bytes with padding: B.
    #[must_use]
    pub fn padded_bytes(&self) -> u64 {
        self.padded_bytes
    }

    /// Number of segments, at least 1.
    #[must_use]
    pub fn segment_count(&self) -> u64 {
        self.segment_count
    }

    /// Exact bytes of the body: B, 32 for each segment, and the seal.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.seal_offset() + u64::from(SEAL_BYTES)
    }

    /// Where the seal starts in the body.
    #[must_use]
    pub fn seal_offset(&self) -> u64 {
        self.padded_bytes + self.segment_count * u64::from(SEGMENT_OVERHEAD_BYTES)
    }

    /// Where segment `index` starts in the body.
    #[must_use]
    pub fn segment_offset(&self, index: u64) -> u64 {
        index * u64::from(SEGMENT_BYTES)
    }

    /// Whether `index` is the last segment.
    #[must_use]
    pub fn is_last(&self, index: u64) -> bool {
        index + 1 == self.segment_count
    }

    /// Sealed bytes of segment `index`; 0 if there is no such segment.
    #[must_use]
    pub fn segment_sealed_bytes(&self, index: u64) -> u32 {
        match self.segment_plain_bytes(index) {
            0 => 0,
            plain => plain + SEGMENT_OVERHEAD_BYTES,
        }
    }

    /// Padded plaintext bytes of segment `index`; 0 if there is no such segment.
    #[must_use]
    pub fn segment_plain_bytes(&self, index: u64) -> u32 {
        let range = self.plain_range(index);
        u32::try_from(range.end - range.start).unwrap_or(SEGMENT_PLAINTEXT_BYTES)
    }

    /// The bytes of the padded plaintext that segment `index` holds; empty past the end.
    #[must_use]
    pub fn plain_range(&self, index: u64) -> Range<u64> {
        let full = u64::from(SEGMENT_PLAINTEXT_BYTES);
        let start = index.saturating_mul(full).min(self.padded_bytes);
        start..(start + full).min(self.padded_bytes)
    }

    /// The four bytes that open segment `index`: all ones, or for the last one its sealed length.
    #[must_use]
    pub fn segment_prefix(&self, index: u64) -> [u8; 4] {
        if self.is_last(index) {
            self.segment_sealed_bytes(index).to_be_bytes()
        } else {
            FULL_PREFIX
        }
    }

    /// The first 16 bytes of the seal: its magic and the number of segments.
    #[must_use]
    pub fn seal_prefix(&self) -> [u8; 16] {
        seal_prefix(self.segment_count)
    }
}

/// The first 16 bytes of the seal over `segment_count` segments.
#[must_use]
pub fn seal_prefix(segment_count: u64) -> [u8; 16] {
    let mut prefix = [0; 16];
    let (magic, count) = prefix.split_at_mut(8);
    magic.copy_from_slice(&SEAL_MAGIC);
    count.copy_from_slice(&segment_count.to_be_bytes());
    prefix
}

/// What the four bytes before a segment say: `None` for a full segment that is not the last,
/// else the sealed length of the last one.
///
/// # Errors
///
/// [`FormatError::DamagedContent`] if no segment has that length.
pub fn read_segment_prefix(prefix: [u8; 4]) -> Result<Option<u32>, FormatError> {
    if prefix == FULL_PREFIX {
        return Ok(None);
    }
    match u32::from_be_bytes(prefix) {
        sealed if sealed > SEGMENT_OVERHEAD_BYTES && sealed <= SEGMENT_BYTES => Ok(Some(sealed)),
        _ => Err(FormatError::DamagedContent { position: 0 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::padding::padded_bytes;
    use proptest::prelude::*;

    #[test]
    fn f1_other_lengths_than_the_rules_are_refused() {
        assert_eq!(Geometry::new(0), Err(FormatError::NotPadded));
        assert_eq!(Geometry::new(4_095), Err(FormatError::NotPadded));
        assert_eq!(Geometry::new(4_097), Err(FormatError::NotPadded));
        assert_eq!(Geometry::new(u64::MAX), Err(FormatError::NotPadded));
        assert!(Geometry::new(4_096).is_ok());
    }

    #[test]
    fn the_sizes_that_spec_names() {
        for (plain, body) in [
            (0u64, 4_096 + 32 + 48),
            (1 << 20, (1 << 20) + 3 * 32 + 48),
            (1 << 30, (1 << 30) + 2_049 * 32 + 48),
        ] {
            let geometry = Geometry::new(padded_bytes(plain).unwrap()).unwrap();
            assert_eq!(geometry.body_bytes(), body);
        }
    }

    proptest! {
        #[test]
        fn segments_tile_the_body(plain in 0u64..40_000_000) {
            let geometry = Geometry::new(padded_bytes(plain).unwrap()).unwrap();
            let mut offset = 0;
            let mut start = 0;
            for index in 0..geometry.segment_count() {
                prop_assert_eq!(geometry.segment_offset(index), offset);
                prop_assert_eq!(geometry.plain_range(index).start, start);
                offset += u64::from(geometry.segment_sealed_bytes(index));
                start = geometry.plain_range(index).end;
                prop_assert_eq!(geometry.is_last(index), index == geometry.segment_count() - 1);
            }
            prop_assert_eq!(offset, geometry.seal_offset());
            prop_assert_eq!(start, geometry.padded_bytes());
            prop_assert_eq!(geometry.segment_plain_bytes(geometry.segment_count()), 0);
            prop_assert_eq!(Geometry::from_body_bytes(geometry.body_bytes()), Ok(geometry));
        }
    }
}
