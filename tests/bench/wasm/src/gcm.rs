//! AES-256-GCM by the `aes-gcm` crate, as somebody would use it without us.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

/// A key, ready for use.
#[wasm_bindgen]
pub struct PlainGcm(Aes256Gcm);

#[wasm_bindgen]
impl PlainGcm {
    /// From 32 bytes.
    ///
    /// # Errors
    /// Another length.
    #[wasm_bindgen(constructor)]
    pub fn new(key: &[u8]) -> Result<PlainGcm, JsError> {
        Ok(Self(Aes256Gcm::new_from_slice(key)?))
    }

    /// Ciphertext and tag.
    ///
    /// # Errors
    /// An IV that does not have 12 bytes.
    pub fn seal(&self, iv: &[u8], data: &[u8], plaintext: Vec<u8>) -> Result<Vec<u8>, JsError> {
        let mut buffer = plaintext;
        let iv = Nonce::try_from(iv)?;
        self.0.encrypt_in_place(&iv, data, &mut buffer)?;
        Ok(buffer)
    }
}
