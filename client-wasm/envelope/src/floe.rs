//! FLOE (C2SP, ePrint 2025/2275): keys for a long body that is sealed segment by segment.
//!
//! ```text
//! kdf(key, purpose, n) = HKDF-Expand(key, parameters || iv || purpose || aad, n)
//! tag = kdf(file key, "HEADER_TAG:", 32)            commits to key, IV and aad
//! message key = kdf(file key, "MESSAGE_KEY:", 48)
//! segment key(i) = kdf(message key, "DEK:" || be64(i with its low 20 bits cleared), 32)
//! segment aad = be64(i) || 1 if last, else 0
//! ```
//!
//! `aad` is the head's core, so a segment opens only at its place, in its file, in its package.
//! A key covers 2^20 segments (512 GiB); with a fresh random IV for each sealing that is far from
//! GCM's limits. Suite 1 pins this text; later changes of FLOE do not touch it.

use sealift_protocol::format::FLOE_PARAMETERS;
use zeroize::Zeroizing;

use crate::kdf::{HASH_BYTES, expand};

/// Bytes of FLOE's IV, which makes the keys of each file its own.
pub(crate) const FLOE_IV_BYTES: usize = 32;
/// Bytes of FLOE's header tag.
pub(crate) const FLOE_TAG_BYTES: usize = 32;
/// A segment key covers 2 to this power segments.
const ROTATION_BITS: u32 = 20;

/// The keys of one body.
#[derive(Clone)]
pub(crate) struct Floe {
    parameters: [u8; 10],
    iv: [u8; FLOE_IV_BYTES],
    aad: Box<[u8]>,
    message_key: Zeroizing<[u8; HASH_BYTES]>,
}

impl Floe {
    /// Keys of a body, and the header's tag, which the caller writes or compares.
    pub(crate) fn new(
        file_key: &[u8; 32],
        iv: [u8; FLOE_IV_BYTES],
        aad: &[u8],
    ) -> (Self, Zeroizing<[u8; FLOE_TAG_BYTES]>) {
        Self::with_parameters(file_key, FLOE_PARAMETERS, iv, aad)
    }

    fn with_parameters(
        file_key: &[u8; 32],
        parameters: [u8; 10],
        iv: [u8; FLOE_IV_BYTES],
        aad: &[u8],
    ) -> (Self, Zeroizing<[u8; FLOE_TAG_BYTES]>) {
        let tag = expand(file_key, &[&parameters, &iv, b"HEADER_TAG:", aad]);
        let message_key = expand(file_key, &[&parameters, &iv, b"MESSAGE_KEY:", aad]);
        (
            Self {
                parameters,
                iv,
                aad: aad.into(),
                message_key,
            },
            tag,
        )
    }

    /// Keys of a body from their exported parts.
    pub(crate) fn from_parts(
        iv: [u8; FLOE_IV_BYTES],
        aad: &[u8],
        message_key: Zeroizing<[u8; HASH_BYTES]>,
    ) -> Self {
        Self {
            parameters: FLOE_PARAMETERS,
            iv,
            aad: aad.into(),
            message_key,
        }
    }

    /// IV, aad and message key, to be exported.
    pub(crate) fn parts(&self) -> (&[u8; FLOE_IV_BYTES], &[u8], &[u8; HASH_BYTES]) {
        (&self.iv, &self.aad, &self.message_key)
    }

    /// Number of the key that covers segment `index`.
    pub(crate) fn key_number(index: u64) -> u64 {
        index >> ROTATION_BITS
    }

    /// The key with this number.
    pub(crate) fn key(&self, number: u64) -> Zeroizing<[u8; 32]> {
        self.key_of_first_segment(number << ROTATION_BITS)
    }

    fn key_of_first_segment(&self, masked_index: u64) -> Zeroizing<[u8; 32]> {
        let purpose = masked_index.to_be_bytes();
        expand(
            &*self.message_key,
            &[&self.parameters, &self.iv, b"DEK:", &purpose, &self.aad],
        )
    }
}

/// The additional data of a segment: its place, and whether it is the last.
pub(crate) fn segment_aad(index: u64, last: bool) -> [u8; 9] {
    let mut aad = [0; 9];
    let (place, flag) = aad.split_at_mut(8);
    place.copy_from_slice(&index.to_be_bytes());
    flag.fill(u8::from(last));
    aad
}

#[cfg(test)]
#[path = "floe_known_answers.rs"]
mod known_answers;
