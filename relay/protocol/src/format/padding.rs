//! The padding rule (F1): what a stored length may give away about a file.
//!
//! Padmé (<https://lbarman.ch/blog/padme/>): a length keeps only its highest bits, about as many as
//! its logarithm has digits, so that it grows by at most 12 %, by 6 % at 1 MB and by 3 % at 1 GB.
//! Two changes: nothing is shorter than 4,096 bytes, and the step never exceeds 32 MiB, so above
//! 2 GiB a length is known to within 32 MiB, no better than that and no worse.
//!
//! Padded lengths are multiples of 256. One more condition keeps the 48-byte seal in one part: a
//! last segment that leaves exactly 32 bytes of its place free would make the seal straddle, so such
//! a length takes one step more. (The smallest one is 541,132,324,864 bytes.)

use crate::limits::{
    PADDED_BYTES_MAX, PADDED_BYTES_MIN, PADDING_STEP_BYTES_MAX, SEGMENT_PLAINTEXT_BYTES,
};

/// The padded length of `plaintext_bytes`, the number called B in SPEC.md.
///
/// Always at least 4,096 and a fixed point: padding it again gives the same.
/// `None` if it would exceed 2^56 bytes.
#[must_use]
pub fn padded_bytes(plaintext_bytes: u64) -> Option<u64> {
    if plaintext_bytes > PADDED_BYTES_MAX {
        return None;
    }
    let length = plaintext_bytes.max(PADDED_BYTES_MIN);
    let step = step_bytes(length);
    let mut padded = length.next_multiple_of(step);
    if leaves_half_a_seal(padded) {
        padded += step;
    }
    (padded <= PADDED_BYTES_MAX).then_some(padded)
}

/// Whether `padded_bytes` is a length that the rule produces. The relay refuses all others.
#[must_use]
pub fn is_padded(padded: u64) -> bool {
    padded_bytes(padded) == Some(padded)
}

/// The step between neighbouring padded lengths around `length` (at least 4,096), a power of two.
fn step_bytes(length: u64) -> u64 {
    let exponent = length.ilog2();
    let kept = exponent.ilog2() + 1;
    (1 << (exponent - kept)).min(PADDING_STEP_BYTES_MAX)
}

/// Whether the last segment would leave 32 bytes of its place: room for part of a seal.
fn leaves_half_a_seal(padded: u64) -> bool {
    (padded + 32).is_multiple_of(u64::from(SEGMENT_PLAINTEXT_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{PACK_PADDED_BYTES_MAX, SEAL_BYTES, SEGMENT_BYTES};
    use proptest::prelude::*;

    #[test]
    fn f1_padded_lengths_of_known_sizes() {
        for (plain, padded) in [
            (0, 4_096),
            (1, 4_096),
            (4_096, 4_096),
            (4_097, 4_352),
            (1_000_000, 1_015_808),
            (1 << 20, 1 << 20),
            (1 << 31, 1 << 31),
            ((1 << 31) + 1, (1 << 31) + (1 << 25)),
            (1 << 56, 1 << 56),
        ] {
            assert_eq!(padded_bytes(plain), Some(padded), "{plain}");
        }
        assert_eq!(padded_bytes((1 << 56) + 1), None);
        assert_eq!(padded_bytes(u64::MAX), None);
    }

    #[test]
    fn f1_a_length_that_would_split_the_seal_takes_one_step_more() {
        // The only way for a seal to cross a place: n = 2^14 * 63 - 1 segments, 32 bytes free.
        let awkward = 1_032_191 * u64::from(SEGMENT_PLAINTEXT_BYTES) - 32;
        assert_eq!(awkward, 541_132_324_864);
        assert!(awkward.is_multiple_of(PADDING_STEP_BYTES_MAX));
        assert_eq!(
            padded_bytes(awkward),
            Some(awkward + PADDING_STEP_BYTES_MAX)
        );
        assert!(!is_padded(awkward));
    }

    #[test]
    fn f5_the_largest_pack_is_the_largest_padded_length_that_fits_one_part() {
        let part = 8 << 20;
        let body = |b: u64| {
            b + 32 * b.div_ceil(u64::from(SEGMENT_PLAINTEXT_BYTES)) + u64::from(SEAL_BYTES)
        };
        assert!(is_padded(PACK_PADDED_BYTES_MAX));
        assert!(body(PACK_PADDED_BYTES_MAX) <= part);
        let next = padded_bytes(PACK_PADDED_BYTES_MAX + 1).unwrap();
        assert!(body(next) > part);
    }

    proptest! {
        #[test]
        fn f1_padding_is_monotone_idempotent_and_bounded(bits in 0u32..56, seed: u64) {
            let plain = seed & ((1u64 << (bits + 1)) - 1);
            prop_assume!(plain < (1 << 56) - (1 << 26));
            let padded = padded_bytes(plain).unwrap();
            prop_assert!(padded >= plain && padded >= PADDED_BYTES_MIN);
            prop_assert!(is_padded(padded));
            prop_assert!(padded.is_multiple_of(256));
            prop_assert!(padded_bytes(plain + 1).unwrap() >= padded);
            if plain > PADDED_BYTES_MIN {
                prop_assert!((padded - plain) * 8 <= plain + 8, "at most an eighth more");
                prop_assert!(padded - plain < 2 * PADDING_STEP_BYTES_MAX);
            }
        }

        #[test]
        fn f1_the_seal_never_straddles_two_parts(bits in 12u32..56, seed: u64, segments in 1u64..5_000) {
            let plain = (1u64 << bits) | (seed & ((1u64 << bits) - 1));
            prop_assume!(plain < (1 << 56) - (1 << 26));
            let padded = padded_bytes(plain).unwrap();
            let segments_bytes = padded + 32 * padded.div_ceil(u64::from(SEGMENT_PLAINTEXT_BYTES));
            let part = segments * u64::from(SEGMENT_BYTES);
            let room = (part - segments_bytes % part) % part;
            prop_assert!(room == 0 || room >= u64::from(SEAL_BYTES));
        }
    }
}
