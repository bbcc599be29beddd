//! HKDF-SHA-384 (RFC 5869) in the two halves that the key schedule uses.
//!
//! Written out here because FLOE expands 32-byte keys, which the `hkdf` crate refuses (a
//! pseudorandom key there has at least the length of the hash). A test compares both.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha384;
use zeroize::{Zeroize as _, Zeroizing};

/// Bytes of a SHA-384 value.
pub(crate) const HASH_BYTES: usize = 48;

/// HMAC-SHA-384 over the concatenation of `parts`.
pub(crate) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; HASH_BYTES] {
    // A key of any length is accepted, so the error has no way to happen.
    let Ok(mut mac) = Hmac::<Sha384>::new_from_slice(key) else {
        return [0; HASH_BYTES];
    };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// HKDF-Extract: a pseudorandom key from input key material.
pub(crate) fn extract(salt: &[u8], material: &[u8]) -> Zeroizing<[u8; HASH_BYTES]> {
    Zeroizing::new(hmac(salt, &[material]))
}

/// HKDF-Expand to `N` bytes (at most 255 hashes), with the concatenation of `info` as context.
pub(crate) fn expand<const N: usize>(key: &[u8], info: &[&[u8]]) -> Zeroizing<[u8; N]> {
    let mut out = Zeroizing::new([0; N]);
    let mut block = [0; HASH_BYTES];
    for (number, chunk) in (1u8..=255).zip(out.chunks_mut(HASH_BYTES)) {
        let counter = [number];
        let previous: &[u8] = if number == 1 { &[] } else { &block };
        let mut parts = Vec::with_capacity(info.len() + 2);
        parts.push(previous);
        parts.extend_from_slice(info);
        parts.push(&counter);
        block = hmac(key, &parts);
        for (to, from) in chunk.iter_mut().zip(block) {
            *to = from;
        }
    }
    block.zeroize();
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use hkdf::Hkdf;

    #[test]
    fn agrees_with_the_hkdf_crate() {
        let (crate_key, crate_hkdf) = Hkdf::<Sha384>::extract(Some(b"salt"), b"material");
        let key = extract(b"salt", b"material");
        assert_eq!(crate_key.as_slice(), key.as_slice());
        let mut expected = [0; 100];
        crate_hkdf.expand(b"some info", &mut expected).unwrap();
        assert_eq!(*expand::<100>(&*key, &[b"some", b" info"]), expected);
        let mut expected = [0; 32];
        crate_hkdf.expand(b"", &mut expected).unwrap();
        assert_eq!(*expand::<32>(&*key, &[]), expected);
    }
}
