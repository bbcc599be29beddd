//! Plain JavaScript objects out of bytes, numbers and strings.

use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::JsValue;

use sealift_protocol::ids::Pair;
use sealift_protocol::limits::PAIR_BYTES;

/// An object with these fields.
pub(crate) fn object<const N: usize>(fields: [(&str, JsValue); N]) -> JsValue {
    let object = Object::new();
    for (name, value) in fields {
        // Setting a property of a new object cannot fail.
        let _ = Reflect::set(&object, &name.into(), &value);
    }
    object.into()
}

/// Bytes, copied out of the module's memory.
pub(crate) fn bytes(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

/// A list.
pub(crate) fn list(items: impl IntoIterator<Item = JsValue>) -> JsValue {
    items.into_iter().collect::<Array>().into()
}

/// A count or a length. JavaScript's numbers are exact up to 2^53; nothing here is larger.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn number(value: u64) -> JsValue {
    JsValue::from_f64(value as f64)
}

/// The inverse of [`number`].
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn whole(value: f64) -> u64 {
    value as u64
}

/// Pairs as JavaScript holds them: 28 bytes each.
pub(crate) fn pairs_to_bytes(pairs: &[Pair]) -> Vec<u8> {
    pairs.iter().flat_map(|pair| pair.to_bytes()).collect()
}

/// The inverse of [`pairs_to_bytes`]; ignores an incomplete last one.
pub(crate) fn pairs_from_bytes(bytes: &[u8]) -> Vec<Pair> {
    bytes
        .as_chunks::<PAIR_BYTES>()
        .0
        .iter()
        .map(Pair::from_bytes)
        .collect()
}
