//! AES-256-GCM over a buffer in place: the one door to the cipher.
//!
//! `ring` does the work with the feature `native`, the `aes-gcm` crate elsewhere; the bytes are the
//! same, a test says so. An IV comes in here from two places only: the generator, when something is
//! sealed, and `matches` (rule F7), which gives no ciphertext out.

/// Bytes of an AES-256 key.
pub(crate) const KEY_BYTES: usize = 32;
/// Bytes of an IV.
pub(crate) const IV_BYTES: usize = 12;
/// Bytes of a tag.
pub(crate) const TAG_BYTES: usize = 16;

type Key = [u8; KEY_BYTES];
type Iv = [u8; IV_BYTES];
type Tag = [u8; TAG_BYTES];

#[cfg(feature = "native")]
pub(crate) use native::{decrypt, encrypt};
#[cfg(not(feature = "native"))]
pub(crate) use portable::{decrypt, encrypt};

#[cfg(any(test, not(feature = "native")))]
pub(crate) mod portable {
    use aes_gcm::{AeadInOut as _, Aes256Gcm, KeyInit as _};
    use zeroize::Zeroize as _;

    use super::{Iv, Key, Tag};

    /// Encrypts `buffer` in place. `None` only beyond 64 GiB, with the buffer wiped.
    pub(crate) fn encrypt(key: &Key, iv: &Iv, aad: &[u8], buffer: &mut [u8]) -> Option<Tag> {
        let cipher = Aes256Gcm::new(key.into());
        match cipher.encrypt_inout_detached(iv.into(), aad, (&mut *buffer).into()) {
            Ok(tag) => Some(tag.into()),
            Err(_) => {
                buffer.zeroize();
                None
            }
        }
    }

    /// Decrypts `buffer` in place. `None` if the tag is wrong, with the buffer wiped.
    pub(crate) fn decrypt(
        key: &Key,
        iv: &Iv,
        aad: &[u8],
        buffer: &mut [u8],
        tag: &Tag,
    ) -> Option<()> {
        let cipher = Aes256Gcm::new(key.into());
        let opened =
            cipher.decrypt_inout_detached(iv.into(), aad, (&mut *buffer).into(), tag.into());
        if opened.is_err() {
            buffer.zeroize();
        }
        opened.ok()
    }
}

#[cfg(feature = "native")]
pub(crate) mod native {
    use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    use zeroize::Zeroize as _;

    use super::{Iv, Key, Tag};

    /// Encrypts `buffer` in place. `None` only beyond 64 GiB, with the buffer wiped.
    pub(crate) fn encrypt(key: &Key, iv: &Iv, aad: &[u8], buffer: &mut [u8]) -> Option<Tag> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
        let nonce = Nonce::assume_unique_for_key(*iv);
        match key.seal_in_place_separate_tag(nonce, Aad::from(aad), buffer) {
            Ok(tag) => tag.as_ref().try_into().ok(),
            Err(_) => {
                buffer.zeroize();
                None
            }
        }
    }

    /// Decrypts `buffer` in place. `None` if the tag is wrong, with the buffer wiped.
    pub(crate) fn decrypt(
        key: &Key,
        iv: &Iv,
        aad: &[u8],
        buffer: &mut [u8],
        tag: &Tag,
    ) -> Option<()> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
        let nonce = Nonce::assume_unique_for_key(*iv);
        let tag = (*tag).into();
        let opened = key
            .open_in_place_separate_tag(nonce, Aad::from(aad), tag, buffer, 0..)
            .is_ok();
        if !opened {
            buffer.zeroize();
        }
        opened.then_some(())
    }
}

#[cfg(all(test, feature = "native"))]
mod tests {
    use super::{native, portable};

    #[test]
    fn both_engines_give_the_same_bytes() {
        for length in [0usize, 1, 15, 16, 17, 1_000, 524_256] {
            let plain: Vec<u8> = (0..length).map(|i| (i * 31) as u8).collect();
            let (key, iv, aad) = ([7; 32], [9; 12], b"position");
            let (mut one, mut other) = (plain.clone(), plain.clone());
            let tag = native::encrypt(&key, &iv, aad, &mut one).unwrap();
            assert_eq!(portable::encrypt(&key, &iv, aad, &mut other), Some(tag));
            assert_eq!(one, other);
            assert!(portable::decrypt(&key, &iv, aad, &mut one, &tag).is_some());
            assert!(native::decrypt(&key, &iv, aad, &mut other, &tag).is_some());
            assert!(one == plain && other == plain);
        }
    }

    #[test]
    fn a_wrong_tag_leaves_no_plaintext_behind() {
        let (key, iv) = ([7; 32], [9; 12]);
        for open in [native::decrypt, portable::decrypt] {
            let mut buffer = b"attack at dawn".to_vec();
            let mut tag = native::encrypt(&key, &iv, b"", &mut buffer).unwrap();
            tag[15] ^= 1;
            assert!(open(&key, &iv, b"", &mut buffer, &tag).is_none());
            assert_eq!(buffer, [0; 14]);
        }
    }
}
