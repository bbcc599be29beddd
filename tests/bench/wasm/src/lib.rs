//! What the benchmarks compare with, as WebAssembly.
//!
//! With the feature `gcm` the `aes-gcm` crate and nothing around it; with `envelope` the envelope and
//! nothing around it, with `recipients` its public keys too: these two are weighed, not run.
#![cfg(target_arch = "wasm32")]

#[cfg(feature = "envelope")]
pub mod envelope;
#[cfg(feature = "gcm")]
pub mod gcm;
