//! Keyrings with public keys, and keyrings that replace others: what most people who send or open a package never need.
//!
//! The page loads this as a WebAssembly module of its own, into a worker of its own, so that the first load stays small.
//! As in `sealift-client-wasm` nothing is decided here: bytes and strings cross, errors become JavaScript errors with a
//! stable `code`. [`recipients`] reads public keys and makes identities, [`keyrings`] makes, opens and replaces keyrings.
#![cfg(target_arch = "wasm32")]

pub mod error;
pub mod keyrings;
pub mod recipients;

use js_sys::{Object, Reflect, Uint8Array};
use rand_core::UnwrapErr;
use wasm_bindgen::JsValue;

/// The browser's generator. The page checks that there is one before it loads this module.
fn rng() -> UnwrapErr<getrandom::SysRng> {
    UnwrapErr(getrandom::SysRng)
}

/// A JavaScript object with these fields.
fn object<const N: usize>(fields: [(&str, JsValue); N]) -> JsValue {
    let object = Object::new();
    for (name, value) in fields {
        // Setting a property of a new object cannot fail.
        let _ = Reflect::set(&object, &name.into(), &value);
    }
    object.into()
}

/// Bytes, copied out of the module's memory.
fn bytes(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}
