//! How a body is cut into parts: a pure function of its exact length and of what storage can do.
//!
//! ```text
//! body = segment 0 ‖ segment 1 ‖ … ‖ segment n-1 ‖ seal (48 bytes)
//!        └── part 0 ──┘└── part 1 ──┘ … └── last part ───────────┘
//! ```
//!
//! Every part starts on a segment, all but the last have one length, and the last one ends with
//! the seal. When the segments fill their parts exactly, the last part is the seal alone.
//!
//! The seal never straddles two parts: padded lengths are multiples of 64 (rule F1) and parts
//! have an even number of segments, so before a part's end there is room for it or nothing.
//!
//! The plan is made once, by the relay, and recorded; it is never computed again for a stored file.

use crate::ids::PartNumber;
use crate::limits::{
    PADDED_BYTES_MAX, PADDED_BYTES_MIN, PART_BYTES_DEFAULT, PART_BYTES_MAX, PART_COUNT_MAX,
    SEAL_BYTES, SEGMENT_BYTES, SEGMENT_OVERHEAD_BYTES, SEGMENT_PLAINTEXT_BYTES,
};

/// What a docroot's storage can do with parts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DocrootAbility {
    /// Shortest part that is not the last, in bytes.
    pub part_bytes_min: u64,
    /// Longest part, in bytes.
    pub part_bytes_max: u64,
    /// Most parts of one file.
    pub part_count_max: u32,
}

impl DocrootAbility {
    /// A folder: any part, anywhere.
    pub const FOLDER: Self = Self {
        part_bytes_min: 2 * SEGMENT_BYTES as u64,
        part_bytes_max: PART_BYTES_MAX,
        part_count_max: PART_COUNT_MAX,
    };
    /// S3: 5 MiB at least, 10,000 parts at most.
    pub const S3: Self = Self {
        part_bytes_min: 5 << 20,
        part_bytes_max: PART_BYTES_MAX,
        part_count_max: 10_000,
    };
}

/// Why a body cannot be cut into parts.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The length is not that of any body.
    #[error("{0} bytes are not the length of a sealed body")]
    NotABody(u64),
    /// Storage cannot take a body of this length.
    #[error("{body_bytes} bytes are more than the storage takes ({bytes_max})")]
    TooLarge {
        /// The body's length.
        body_bytes: u64,
        /// What would fit.
        bytes_max: u64,
    },
    /// A recorded or received part length that no plan can have.
    #[error("{0} bytes are not a valid part length")]
    BadPartLength(u64),
}

/// The cut of one body into parts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PartPlan {
    body_bytes: u64,
    part_bytes: u64,
}

/// Where one part lies in the body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PartRange {
    /// First byte, counted from the start of the body.
    pub offset: u64,
    /// Length in bytes, the seal included.
    pub length: u64,
    /// Index of its first segment.
    pub first_segment: u64,
    /// Number of its segments; 0 when the part is the seal alone.
    pub segment_count: u32,
    /// Whether it ends with the seal.
    pub is_last: bool,
}

impl PartPlan {
    /// Cuts a body into parts of 8 MiB, or longer ones where storage limits their number.
    ///
    /// # Errors
    /// [`PlanError`] when no body has this length or storage cannot take it.
    pub fn new(body_bytes: u64, ability: DocrootAbility) -> Result<Self, PlanError> {
        let segments = segment_count(body_bytes).ok_or(PlanError::NotABody(body_bytes))?;
        let segment = u64::from(SEGMENT_BYTES);
        // One part is kept for a seal that stands alone.
        let count_max = u64::from(ability.part_count_max.min(PART_COUNT_MAX))
            .saturating_sub(1)
            .max(1);
        let segments_min = ability.part_bytes_min.div_ceil(segment);
        let wanted = (PART_BYTES_DEFAULT / segment)
            .max(segments_min)
            .max(segments.div_ceil(count_max));
        let part_bytes = wanted.saturating_add(wanted % 2).saturating_mul(segment);
        let part_bytes_max = ability.part_bytes_max.min(PART_BYTES_MAX);
        if part_bytes > part_bytes_max {
            let bytes_max = part_bytes_max.saturating_mul(count_max);
            return Err(PlanError::TooLarge {
                body_bytes,
                bytes_max,
            });
        }
        Ok(Self {
            body_bytes,
            part_bytes,
        })
    }

    /// The plan that a relay recorded or announced.
    ///
    /// # Errors
    /// [`PlanError`] when no plan can have these lengths.
    pub fn from_record(body_bytes: u64, part_bytes: u64) -> Result<Self, PlanError> {
        segment_count(body_bytes).ok_or(PlanError::NotABody(body_bytes))?;
        let whole = part_bytes != 0 && part_bytes.is_multiple_of(2 * u64::from(SEGMENT_BYTES));
        let plan = Self {
            body_bytes,
            part_bytes,
        };
        if !whole || part_bytes > PART_BYTES_MAX || plan.count() > u64::from(PART_COUNT_MAX) {
            return Err(PlanError::BadPartLength(part_bytes));
        }
        Ok(plan)
    }

    /// Length of the body.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Length of every part but the last.
    #[must_use]
    pub fn part_bytes(&self) -> u64 {
        self.part_bytes
    }

    /// Number of parts, at least 1.
    #[must_use]
    pub fn part_count(&self) -> u32 {
        u32::try_from(self.count()).unwrap_or(u32::MAX)
    }

    /// Number of segments of the whole body.
    #[must_use]
    pub fn segment_count(&self) -> u64 {
        segment_count(self.body_bytes).unwrap_or(0)
    }

    /// The part that ends with the seal.
    #[must_use]
    pub fn last(&self) -> PartNumber {
        PartNumber(self.part_count().saturating_sub(1))
    }

    /// Where a part lies; `None` past the last one.
    #[must_use]
    pub fn range(&self, part: PartNumber) -> Option<PartRange> {
        let last = self.last();
        if part > last {
            return None;
        }
        let offset = u64::from(part.0).checked_mul(self.part_bytes)?;
        let is_last = part == last;
        let length = if is_last {
            self.body_bytes.checked_sub(offset)?
        } else {
            self.part_bytes
        };
        let seal = if is_last { u64::from(SEAL_BYTES) } else { 0 };
        let segments = length.checked_sub(seal)?.div_ceil(u64::from(SEGMENT_BYTES));
        Some(PartRange {
            offset,
            length,
            first_segment: offset / u64::from(SEGMENT_BYTES),
            segment_count: u32::try_from(segments).ok()?,
            is_last,
        })
    }

    fn count(&self) -> u64 {
        self.body_bytes.div_ceil(self.part_bytes.max(1))
    }
}

/// Length of the body that seals `padded_bytes` of (already padded) plaintext; `None` on overflow.
#[must_use]
pub fn body_bytes(padded_bytes: u64) -> Option<u64> {
    let segments = padded_bytes
        .div_ceil(u64::from(SEGMENT_PLAINTEXT_BYTES))
        .max(1);
    segments
        .checked_mul(u64::from(SEGMENT_OVERHEAD_BYTES))?
        .checked_add(padded_bytes)?
        .checked_add(u64::from(SEAL_BYTES))
}

/// Number of segments of a body of this length, or `None` when no body has it.
fn segment_count(body_bytes: u64) -> Option<u64> {
    let sealed = body_bytes.checked_sub(u64::from(SEAL_BYTES))?;
    let segments = sealed.div_ceil(u64::from(SEGMENT_BYTES));
    let plaintext = sealed.checked_sub(segments.checked_mul(u64::from(SEGMENT_OVERHEAD_BYTES))?)?;
    let fits =
        (PADDED_BYTES_MIN..=PADDED_BYTES_MAX).contains(&plaintext) && plaintext.is_multiple_of(64);
    // A last segment of nothing but its overhead exists for no length.
    let exact = self::body_bytes(plaintext) == Some(body_bytes);
    (fits && exact).then_some(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn plan(padded_bytes: u64, ability: DocrootAbility) -> PartPlan {
        PartPlan::new(body_bytes(padded_bytes).expect("a length"), ability).expect("a plan")
    }

    /// Padded lengths worth a look: around the edges of segments and parts.
    fn lengths() -> Vec<u64> {
        let full = u64::from(SEGMENT_PLAINTEXT_BYTES);
        let edges = [1, 2, 3, 15, 16, 17, 31, 32, 33, 160, 10_000];
        let around = |n: u64| [n * full / 64 * 64, (n * full / 64 + 1) * 64, n * full];
        let mut lengths: Vec<u64> = edges.into_iter().flat_map(around).collect();
        lengths.push(PADDED_BYTES_MIN);
        lengths.retain(|length| length.is_multiple_of(64) && body_bytes(*length).is_some());
        lengths
    }

    #[test]
    fn parts_tile_the_body_and_start_on_segments() {
        for padded in lengths() {
            for ability in [DocrootAbility::FOLDER, DocrootAbility::S3] {
                let plan = plan(padded, ability);
                let (mut next, mut segments) = (0, 0);
                for part in 0..plan.part_count() {
                    let range = plan.range(PartNumber(part)).expect("a part");
                    assert_eq!(range.offset, next);
                    assert_eq!(range.offset % u64::from(SEGMENT_BYTES), 0);
                    assert_eq!(range.first_segment, segments);
                    assert_eq!(range.is_last, PartNumber(part) == plan.last());
                    assert!(range.is_last || range.length == plan.part_bytes());
                    assert!(
                        !range.is_last || range.length >= u64::from(SEAL_BYTES),
                        "{padded}"
                    );
                    next += range.length;
                    segments += u64::from(range.segment_count);
                }
                assert_eq!((next, segments), (plan.body_bytes(), plan.segment_count()));
                assert_eq!(plan.range(PartNumber(plan.part_count())), None);
            }
        }
    }

    #[test]
    fn f1_the_last_part_may_be_the_seal_alone() {
        let plan = plan(
            16 * u64::from(SEGMENT_PLAINTEXT_BYTES),
            DocrootAbility::FOLDER,
        );
        let last = plan.range(plan.last()).expect("a part");
        assert_eq!(
            (plan.part_count(), last.length, last.segment_count),
            (2, 48, 0)
        );
    }

    #[test]
    fn parts_are_8_mib_until_storage_wants_fewer() {
        assert_eq!(plan(64 * MIB, DocrootAbility::S3).part_bytes(), 8 * MIB);
        let large = plan(1 << 40, DocrootAbility::S3);
        assert!(large.part_count() <= 10_000 && large.part_bytes() > 100 * MIB);
    }

    #[test]
    fn s7_a_body_that_storage_cannot_take_is_refused() {
        let body = body_bytes(10 << 40).expect("a length");
        assert!(matches!(
            PartPlan::new(body, DocrootAbility::S3),
            Err(PlanError::TooLarge { .. })
        ));
        assert!(PartPlan::new(body, DocrootAbility::FOLDER).is_ok());
    }

    #[test]
    fn lengths_that_no_body_has_are_refused() {
        let shortest = body_bytes(PADDED_BYTES_MIN).expect("a length");
        for body in [
            0,
            47,
            48,
            80,
            shortest - 64,
            shortest + 1,
            shortest + 32,
            u64::MAX,
        ] {
            assert_eq!(
                PartPlan::new(body, DocrootAbility::FOLDER),
                Err(PlanError::NotABody(body))
            );
        }
    }

    #[test]
    fn recorded_part_lengths_are_checked() {
        let body = body_bytes(64 * MIB).expect("a length");
        for bad in [0, 1, MIB / 2, MIB + 1, 3 * MIB / 2, 2 << 30] {
            assert_eq!(
                PartPlan::from_record(body, bad),
                Err(PlanError::BadPartLength(bad))
            );
        }
        assert!(PartPlan::from_record(body, MIB).is_ok());
        let long = body_bytes(1 << 40).expect("a length");
        assert_eq!(
            PartPlan::from_record(long, MIB),
            Err(PlanError::BadPartLength(MIB))
        );
    }
}
