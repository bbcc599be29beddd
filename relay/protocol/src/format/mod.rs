//! The sealed format as it looks without keys: keyring, head, body, `.sealift` file.
//!
//! A relay uses this to check what it is given (the right form, allowed costs, exact lengths) and
//! a client to find its way before it has a key. Nothing here can decrypt; `sealift-envelope`
//! does, and reads through these parsers, so there is one of each.
//! `client-wasm/envelope/SPEC.md` is the normative text.
//!
//! ```text
//! .sealift    = keyring || sealed file || sealed file || ...
//! sealed file = head || body            body = segment 0 || ... || segment n-1 || seal
//! ```
//!
//! What it promises: a parser reads, compares with [`crate::limits`], and only then allocates; it takes
//! time and memory in proportion to the bytes it was given, whatever they say.
//!
//! Start with [`Keyring`] and [`Head`], then [`Geometry`].

mod cost;
mod draft;
mod error;
mod framing;
mod geometry;
mod head;
mod keyring;
mod layout;
mod padding;
mod read;
mod slot;

pub use cost::{KdfCost, KdfLimits};
pub use draft::{DRAFT_HEADER_BYTES, DraftHeader};
pub use error::FormatError;
pub use framing::PartReader;
pub use geometry::{Geometry, SEAL_MAGIC, read_segment_prefix, seal_prefix};
pub use head::{
    CORE_BYTES, FLOE_HEADER_BYTES, FLOE_PARAMETERS, HEAD_MAGIC, Head, Role, head_bytes,
    head_bytes_for, write_core,
};
pub use keyring::{KEYRING_FIXED_BYTES, Keyring, KeyringHeader, KeyringPolicy, keyring_bytes};
pub use layout::{FileSection, Layout, LayoutScanner};
pub use padding::{is_padded, padded_bytes};
pub use slot::{
    KEM_CIPHERTEXT_BYTES, RECIPIENT_SLOT_BYTES, SLOT_SALT_BYTES, Slot, SlotKind, SlotParts,
    WRAP_SLOT_BYTES,
};

/// The crate's limits, with lengths of this format as the `usize` that slices want.
pub mod limits {
    pub use crate::limits::*;

    /// Bytes of the seal that ends a body.
    pub const SEAL_BYTES: usize = crate::limits::SEAL_BYTES as usize;
}

/// The only version there is.
pub const VERSION: u8 = 1;
/// The only suite: AES-256-GCM segments by FLOE, SHA-384, Argon2id.
pub const SUITE: u8 = 1;
/// Bytes of the unkeyed checksum that ends keyring and head.
pub const CHECKSUM_BYTES: usize = 16;

/// The unkeyed checksum of what stands before it: it tells damage from a wrong key, and is checked
/// first. It proves nothing against an attacker; the keyed checks do.
#[must_use]
pub fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest = <sha2::Sha384 as sha2::Digest>::digest(bytes);
    let mut checksum = [0; CHECKSUM_BYTES];
    for (to, from) in checksum.iter_mut().zip(digest) {
        *to = from;
    }
    checksum
}
