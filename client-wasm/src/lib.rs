//! What the browser loads: thin bindings over the envelope and the session.
//!
//! Nothing is decided here and nothing is invented: [`control`] drives [`sealift_protocol::session`], [`sealer`] and
//! [`opener`] drive the envelope's segments through WebCrypto or through the `aes-gcm` crate ([`engine`] chooses),
//! [`keys`] makes and opens keyrings, [`links`] reads links. Only bytes, numbers and strings cross the boundary, errors
//! become JavaScript errors with a stable `code`, and IVs are drawn here: no caller can choose one.
//!
//! Everything runs in workers. Bulk bytes stay in JavaScript's buffers where WebCrypto is used.
#![cfg(target_arch = "wasm32")]

pub mod control;
pub mod engine;
pub mod error;
pub mod keys;
pub mod links;
pub mod opener;
mod plain;
pub mod sealer;

use rand_core::UnwrapErr;

/// The browser's generator. The page checks that there is one before it loads this module.
pub(crate) type BrowserRng = UnwrapErr<getrandom::SysRng>;

pub(crate) fn rng() -> BrowserRng {
    UnwrapErr(getrandom::SysRng)
}
