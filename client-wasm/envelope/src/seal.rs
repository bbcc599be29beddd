//! The seal: 48 bytes that bind all segments of a file to each other and to its head (F2).
//!
//! ```text
//! D(g) = SHA-384(00 || pairs of segments 4096g .. 4096g+4095)      pair = IV (12) || tag (16)
//! T    = SHA-384(01 || D(0) || D(1) || ...)
//! seal = "SLSEAL1\n" || be64(n) || HMAC-SHA-384(seal key, first 16 bytes || SHA-384(head) || T)[0..32]
//! ```
//!
//! Each segment alone proves its place and file; only the seal proves that all of them come from
//! one sealing, not some from an older attempt. It needs no order of computing inside: groups can be
//! hashed anywhere, and a builder holds two hash states whatever the file's length.

use sealift_protocol::Pair;
use sealift_protocol::format::seal_prefix;
use sealift_protocol::limits::SEAL_BYTES;
use sha2::{Digest as _, Sha384};

use crate::Error;
use crate::kdf::{HASH_BYTES, hmac};

/// Segments of one group, 2 GiB of content.
pub const GROUP_SEGMENTS: u64 = 4_096;

/// The hash of one group's pairs.
#[derive(Clone)]
pub struct GroupDigest {
    digest: [u8; HASH_BYTES],
    segment_count: u64,
}

impl GroupDigest {
    /// Hashes the pairs of one group, in order: 4,096 of them, or fewer for the last group.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] without pairs or with more.
    pub fn new<'a>(pairs: impl IntoIterator<Item = &'a Pair>) -> Result<Self, Error> {
        let mut hash = Sha384::new_with_prefix([0]);
        let mut segment_count = 0;
        for pair in pairs {
            hash.update(pair.to_bytes());
            segment_count += 1;
        }
        if !(1..=GROUP_SEGMENTS).contains(&segment_count) {
            return Err(Error::Misuse("a group has 1 to 4,096 pairs"));
        }
        Ok(Self {
            digest: hash.finalize().into(),
            segment_count,
        })
    }
}

/// Collects a file's pairs in order.
#[derive(Clone)]
pub struct SealBuilder {
    tree: Sha384,
    group: Sha384,
    /// Pairs in `group`.
    group_pairs: u64,
    segment_count: u64,
}

impl Default for SealBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl SealBuilder {
    /// A builder that has seen no segment.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tree: Sha384::new_with_prefix([1]),
            group: Sha384::new_with_prefix([0]),
            group_pairs: 0,
            segment_count: 0,
        }
    }

    /// Adds the next segment's pair.
    pub fn push(&mut self, pair: &Pair) {
        self.group.update(pair.to_bytes());
        self.group_pairs += 1;
        self.segment_count += 1;
        if self.group_pairs == GROUP_SEGMENTS {
            self.end_group();
        }
    }

    /// Adds the next group, hashed elsewhere.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] in the middle of a group.
    pub fn push_group(&mut self, group: &GroupDigest) -> Result<(), Error> {
        if !self.segment_count.is_multiple_of(GROUP_SEGMENTS) {
            return Err(Error::Misuse("a group is added in the middle of another"));
        }
        self.tree.update(group.digest);
        self.segment_count += group.segment_count;
        Ok(())
    }

    /// Segments seen so far.
    #[must_use]
    pub fn segment_count(&self) -> u64 {
        self.segment_count
    }

    fn end_group(&mut self) {
        let group = std::mem::replace(&mut self.group, Sha384::new_with_prefix([0]));
        self.group_pairs = 0;
        self.tree.update(group.finalize());
    }

    pub(crate) fn finish(
        mut self,
        key: &[u8; HASH_BYTES],
        head_hash: &[u8; HASH_BYTES],
    ) -> [u8; SEAL_BYTES as usize] {
        if self.group_pairs > 0 {
            self.end_group();
        }
        let prefix = seal_prefix(self.segment_count);
        let mac = hmac(key, &[&prefix, head_hash, self.tree.finalize().as_slice()]);
        let mut seal = [0; SEAL_BYTES as usize];
        for (to, from) in seal.iter_mut().zip(prefix.iter().chain(&mac)) {
            *to = *from;
        }
        seal
    }
}
