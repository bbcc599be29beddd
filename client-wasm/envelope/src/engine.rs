//! Sealing and opening with a cipher outside this crate: WebCrypto in a browser.
//!
//! The crate says what to encrypt with (key, IV, additional data), the caller's Rust code hands that
//! to the engine and the tag back. An IV is drawn here for every sealing; the one ticket that is made
//! for a given IV is [`MatchTicket`], and it gives only yes or no.

use rand_core::CryptoRng;
use sealift_protocol::Pair;
use sealift_protocol::format::Geometry;
use sealift_protocol::limits::SEGMENT_PREFIX_BYTES;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::Error;
use crate::body::{damaged, segment_prefix};
use crate::floe::{Floe, segment_aad};

/// The AES-256 key of 2^20 segments. Has no `Debug`; wiped when dropped.
pub struct SegmentKey(pub(crate) Zeroizing<[u8; 32]>);

impl SegmentKey {
    /// The key's bytes, to be imported by the engine and forgotten.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// One segment that is about to be sealed, once.
pub struct SealTicket {
    key_number: u64,
    iv: [u8; 12],
    aad: [u8; 9],
    prefix: [u8; SEGMENT_PREFIX_BYTES],
    plain_bytes: u32,
}

impl SealTicket {
    pub(crate) fn draw(geometry: Geometry, index: u64, rng: &mut dyn CryptoRng) -> Self {
        let mut iv = [0; 12];
        rng.fill_bytes(&mut iv);
        Self {
            key_number: Floe::key_number(index),
            iv,
            aad: segment_aad(index, geometry.is_last(index)),
            prefix: segment_prefix(geometry.segment_prefix(index), &iv),
            plain_bytes: geometry.segment_plain_bytes(index),
        }
    }

    /// Which key to use; ask the sealer for it when it is a new one.
    #[must_use]
    pub fn key_number(&self) -> u64 {
        self.key_number
    }

    /// The IV, drawn for this sealing only.
    #[must_use]
    pub fn iv(&self) -> &[u8; 12] {
        &self.iv
    }

    /// The additional data: place and last-flag.
    #[must_use]
    pub fn aad(&self) -> &[u8; 9] {
        &self.aad
    }

    /// What stands before the ciphertext.
    #[must_use]
    pub fn prefix(&self) -> &[u8; SEGMENT_PREFIX_BYTES] {
        &self.prefix
    }

    /// Bytes to encrypt: the source, filled up with zeros.
    #[must_use]
    pub fn plain_bytes(&self) -> u32 {
        self.plain_bytes
    }

    /// Ends the sealing with the tag that the engine made.
    #[must_use]
    pub fn finish(self, tag: [u8; 16]) -> Pair {
        Pair { iv: self.iv, tag }
    }
}

/// One segment that is compared with a recorded pair (F7).
pub struct MatchTicket {
    key_number: u64,
    pair: Pair,
    aad: [u8; 9],
}

impl MatchTicket {
    pub(crate) fn new(key_number: u64, pair: Pair, aad: [u8; 9]) -> Self {
        Self {
            key_number,
            pair,
            aad,
        }
    }

    /// Which key to use.
    #[must_use]
    pub fn key_number(&self) -> u64 {
        self.key_number
    }

    /// The recorded IV. What is encrypted under it must be wiped at once and sent nowhere.
    #[must_use]
    pub fn iv(&self) -> &[u8; 12] {
        &self.pair.iv
    }

    /// The additional data.
    #[must_use]
    pub fn aad(&self) -> &[u8; 9] {
        &self.aad
    }

    /// Whether the tag that the engine made is the recorded one, in constant time.
    #[must_use]
    pub fn finish(self, tag: [u8; 16]) -> bool {
        self.pair.tag.ct_eq(&tag).into()
    }
}

/// One segment that is about to be opened.
pub struct OpenTicket {
    key_number: u64,
    pair: Pair,
    aad: [u8; 9],
}

impl OpenTicket {
    pub(crate) fn new(key_number: u64, pair: Pair, aad: [u8; 9]) -> Self {
        Self {
            key_number,
            pair,
            aad,
        }
    }

    /// Which key to use; ask the opener for it when it is a new one.
    #[must_use]
    pub fn key_number(&self) -> u64 {
        self.key_number
    }

    /// The IV that the segment was sealed under.
    #[must_use]
    pub fn iv(&self) -> &[u8; 12] {
        &self.pair.iv
    }

    /// The additional data.
    #[must_use]
    pub fn aad(&self) -> &[u8; 9] {
        &self.aad
    }

    /// What to say when the engine refuses the segment's tag.
    #[must_use]
    pub fn damaged(&self) -> Error {
        let [index @ .., _] = self.aad;
        damaged(u64::from_be_bytes(index))
    }

    /// The pair, once the engine has opened the segment. If it refused, the segment is damaged.
    #[must_use]
    pub fn finish(self) -> Pair {
        self.pair
    }
}
