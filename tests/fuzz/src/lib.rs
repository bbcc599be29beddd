//! What hostile bytes may do to the sealed format: nothing.
//!
//! Each target takes any bytes and panics when a promise of SPEC.md (client-wasm/envelope) is
//! broken: a parser that accepts what it does not write back, an opener that releases bytes which
//! nobody sealed. `cargo xtask fuzz` runs them under libFuzzer, `cargo test` replays the corpus.
//!
//! Keyrings and heads end with a checksum, behind which a fuzzer would never look. So those targets
//! read the bytes once as they are and once with the checksum made right.
#![forbid(unsafe_code)]
#![forbid(unsafe_code)]

mod body;
mod pieces;
mod texts;

pub use body::{manifest, stream};
pub use pieces::{head, keyring, layout};
pub use texts::{fragment, recipient};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use sealift_envelope::PackageKey;
use sealift_protocol::PackageId;

/// A target, by its name.
pub type Target = fn(&[u8]);

/// Every target.
pub const TARGETS: [(&str, Target); 7] = [
    ("fragment", fragment),
    ("head", head),
    ("keyring", keyring),
    ("layout", layout),
    ("manifest", manifest),
    ("recipient", recipient),
    ("stream", stream),
];

/// The same draws in every run.
fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(1)
}

/// The key of vectors' package 1.
fn key() -> PackageKey {
    PackageKey::generate(PackageId([1; 16]), &mut rng())
}

/// `bytes` with the checksum at their end made right.
fn with_checksum(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let end = bytes
        .len()
        .saturating_sub(sealift_protocol::format::CHECKSUM_BYTES);
    let sum = sealift_protocol::format::checksum(&bytes[..end]);
    let room = bytes.len() - end;
    bytes[end..].copy_from_slice(&sum[..room]);
    bytes
}
