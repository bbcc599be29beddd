//! Which small files are sealed together (F5).
//!
//! A sealed file costs a head, a round of messages and an object in storage; a thousand files of
//! 4 KiB would cost more than they hold. So small files travel in packs: their contents one after
//! the other, at most 8,257,536 bytes, which is one part and is fetched whole.

use sealift_protocol::limits::{PACK_PADDED_BYTES_MAX, PACKED_FILE_BYTES_MAX};

/// With fewer small files than this none is packed: single files are simpler to keep encrypted.
pub const PACKED_FILE_COUNT_MIN: usize = 16;

/// A sealed file to be made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Batch {
    /// One file by itself, by its place in the list.
    Alone(usize),
    /// Several files, one after the other.
    Pack(Vec<usize>),
}

/// Groups files of these sizes, in bytes. Every file is in exactly one batch; inside a pack the
/// order is kept.
#[must_use]
pub fn plan(sizes: &[u64]) -> Vec<Batch> {
    let small = sizes
        .iter()
        .filter(|size| **size <= PACKED_FILE_BYTES_MAX)
        .count();
    if small < PACKED_FILE_COUNT_MIN {
        return (0..sizes.len()).map(Batch::Alone).collect();
    }
    let mut batches = Vec::new();
    let mut pack = Vec::new();
    let mut pack_bytes = 0;
    for (index, size) in sizes.iter().enumerate() {
        if *size > PACKED_FILE_BYTES_MAX {
            batches.push(Batch::Alone(index));
            continue;
        }
        if pack_bytes + size > PACK_PADDED_BYTES_MAX {
            batches.push(finished(std::mem::take(&mut pack)));
            pack_bytes = 0;
        }
        pack.push(index);
        pack_bytes += size;
    }
    if !pack.is_empty() {
        batches.push(finished(pack));
    }
    batches
}

fn finished(pack: Vec<usize>) -> Batch {
    match pack[..] {
        [only] => Batch::Alone(only),
        _ => Batch::Pack(pack),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sealift_protocol::format::padded_bytes;

    #[test]
    fn a_few_small_files_are_left_alone() {
        assert_eq!(
            plan(&[1, 2, 3]),
            [Batch::Alone(0), Batch::Alone(1), Batch::Alone(2)]
        );
        assert_eq!(plan(&[]), []);
    }

    #[test]
    fn f5_two_thousand_small_files_make_one_pack() {
        assert_eq!(plan(&[4_000; 2_000]).len(), 1);
    }

    proptest! {
        #[test]
        fn f5_every_file_is_in_one_batch_and_every_pack_fits_one_part(
            sizes in prop::collection::vec(0u64..3_000_000, 0..300)
        ) {
            let mut seen = vec![0; sizes.len()];
            for batch in plan(&sizes) {
                match batch {
                    Batch::Alone(index) => seen[index] += 1,
                    Batch::Pack(members) => {
                        let bytes = members.iter().map(|m| sizes[*m]).sum();
                        prop_assert!(padded_bytes(bytes).unwrap() <= PACK_PADDED_BYTES_MAX);
                        prop_assert!(members.is_sorted());
                        members.iter().for_each(|m| seen[*m] += 1);
                    }
                }
            }
            prop_assert!(seen.iter().all(|n| *n == 1));
        }
    }
}
