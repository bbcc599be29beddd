//! The two engines of AES-256-GCM: WebCrypto, called from here, and the `aes-gcm` crate in the module itself.
//!
//! They give the same bytes. WebCrypto is ten times as fast and missing where a page is not a secure context; which
//! one is used is decided by [`pick_engine`], which seals a known block with both and compares.
//!
//! WebCrypto is only ever given IVs that the envelope drew. What it returns for a match (rule F7) is compared and wiped
//! here and never handed out.

use core::cell::RefCell;

use js_sys::{Object, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AesGcmParams, CryptoKey, SubtleCrypto, WorkerGlobalScope};

use sealift_envelope::engine::SegmentKey;
use sealift_envelope::{FileSealer, Metadata, PackageKey};
use sealift_protocol::format::Role;
use sealift_protocol::ids::{FileId, PackageId};
use sealift_protocol::limits::PADDED_BYTES_MIN;

use crate::error::Result;

/// Bytes of a GCM tag.
pub(crate) const TAG_BYTES: u32 = 16;

/// The imported form of the key that was used last. A key serves 2^20 segments, so one is enough.
#[derive(Default)]
pub(crate) struct KeyCache(RefCell<Option<(u64, CryptoKey)>>);

impl KeyCache {
    /// The key with this number, imported so that nothing can read it back.
    pub(crate) async fn get(
        &self,
        number: u64,
        key: impl FnOnce() -> SegmentKey,
    ) -> Result<CryptoKey> {
        if let Some((cached, key)) = self.0.borrow().as_ref()
            && *cached == number
        {
            return Ok(key.clone());
        }
        let imported = import(&key()).await?;
        *self.0.borrow_mut() = Some((number, imported.clone()));
        Ok(imported)
    }
}

/// Ciphertext and tag of `plaintext`.
pub(crate) async fn encrypt(
    key: &CryptoKey,
    iv: &[u8; 12],
    aad: &[u8],
    plaintext: &Uint8Array,
) -> Result<Uint8Array> {
    let promise =
        subtle()?.encrypt_with_object_and_buffer_source(&params(iv, aad), key, plaintext)?;
    Ok(Uint8Array::new(&JsFuture::from(promise).await?))
}

/// The plaintext, or `None` when the tag is wrong.
pub(crate) async fn decrypt(
    key: &CryptoKey,
    iv: &[u8; 12],
    aad: &[u8],
    sealed: &Uint8Array,
) -> Result<Option<Uint8Array>> {
    let promise = subtle()?.decrypt_with_object_and_buffer_source(&params(iv, aad), key, sealed)?;
    // WebCrypto says no more than that it failed, and nothing but the tag can be wrong here.
    Ok(JsFuture::from(promise)
        .await
        .ok()
        .map(|plain| Uint8Array::new(&plain)))
}

/// The last 16 bytes: the tag.
pub(crate) fn tag_of(sealed: &Uint8Array) -> [u8; 16] {
    let mut tag = [0; 16];
    sealed
        .subarray(sealed.length().saturating_sub(TAG_BYTES), sealed.length())
        .copy_to(&mut tag);
    tag
}

/// Which engine to use: `webcrypto` or `wasm`. `wanted` is one of them, or `auto`.
#[wasm_bindgen(js_name = pickEngine)]
pub async fn pick_engine(wanted: String) -> String {
    let webcrypto = wanted != "wasm" && webcrypto_agrees().await.unwrap_or(false);
    if webcrypto { "webcrypto" } else { "wasm" }.to_owned()
}

/// Seals a block with the `aes-gcm` crate, then with WebCrypto under the same key, IV and position, and compares.
async fn webcrypto_agrees() -> Result<bool> {
    let mut rng = crate::rng();
    let package = PackageKey::generate(PackageId([0; 16]), &mut rng);
    let block = Metadata {
        path: "self-test".into(),
        ..Metadata::unnamed(PADDED_BYTES_MIN)
    };
    let (sealer, _) = FileSealer::new(&package, FileId([0; 32]), Role::File, &block, &mut rng)?;
    let plaintext = vec![0x5e; PADDED_BYTES_MIN as usize];
    let mut here = Vec::new();
    let pair = sealer.seal_segment(0, &plaintext, &mut rng, &mut here)?;

    let ticket = sealer.begin_match(0, &pair)?;
    let key = import(&sealer.segment_key(ticket.key_number())).await?;
    let there = encrypt(
        &key,
        ticket.iv(),
        ticket.aad(),
        &Uint8Array::from(&plaintext[..]),
    )
    .await?;
    Ok(here.ends_with(&there.to_vec()) && here.len() == there.length() as usize + 16)
}

async fn import(key: &SegmentKey) -> Result<CryptoKey> {
    let raw = Uint8Array::from(&key.bytes()[..]);
    let usages = js_sys::Array::of2(&"encrypt".into(), &"decrypt".into());
    let imported = subtle()?.import_key_with_str("raw", &raw, "AES-GCM", false, &usages)?;
    let imported = JsFuture::from(imported).await;
    raw.fill(0, 0, raw.length());
    Ok(imported?.unchecked_into())
}

fn params(iv: &[u8; 12], aad: &[u8]) -> Object {
    let params = AesGcmParams::new("AES-GCM", &Uint8Array::from(&iv[..]));
    params.set_additional_data(&Uint8Array::from(aad));
    params.unchecked_into()
}

/// `crypto.subtle`, which a page without a secure context does not have.
fn subtle() -> Result<SubtleCrypto> {
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    let subtle = scope.crypto()?.subtle();
    if JsValue::from(&subtle).is_undefined() {
        return Err(JsValue::from_str("no WebCrypto here").into());
    }
    Ok(subtle)
}
