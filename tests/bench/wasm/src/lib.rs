//! What the benchmarks compare with, as WebAssembly.
//!
//! With the feature `gcm` the `aes-gcm` crate and nothing around it; with `envelope` the bindings
//! of `sealift-client-wasm` but for the session, and with `recipients` those of public keys too:
//! these two are weighed, not run.
#![cfg(target_arch = "wasm32")]

#[cfg(feature = "gcm")]
pub mod gcm;

#[cfg(feature = "recipients")]
extern crate sealift_recipients as _;

#[cfg(feature = "envelope")]
#[path = "../../../../client-wasm/src/engine.rs"]
pub mod engine;
#[cfg(feature = "envelope")]
#[path = "../../../../client-wasm/src/error.rs"]
pub mod error;
#[cfg(feature = "envelope")]
#[path = "../../../../client-wasm/src/keys.rs"]
pub mod keys;
#[cfg(feature = "envelope")]
#[path = "../../../../client-wasm/src/opener.rs"]
pub mod opener;
#[cfg(feature = "envelope")]
#[path = "../../../../client-wasm/src/plain.rs"]
#[allow(dead_code)] // some of it is for the session
mod plain;
#[cfg(feature = "envelope")]
#[path = "../../../../client-wasm/src/sealer.rs"]
pub mod sealer;

#[cfg(feature = "envelope")]
pub(crate) type BrowserRng = rand_core::UnwrapErr<getrandom::SysRng>;

#[cfg(feature = "envelope")]
pub(crate) fn rng() -> BrowserRng {
    rand_core::UnwrapErr(getrandom::SysRng)
}
