//! Starts the real parts of Sealift for tests: the relay as its own process on a port of the
//! system's choice, the command line as a person would run it, and a link between them that can be
//! cut, stalled and slowed down.
//!
//! Everything lives in temporary folders and ends with the value that started it. Nothing here
//! knows how the parts work inside; a test says what a person would see.
//!
//! Start with [`Relay::start`] and [`Sealift::new`].

// Linked into tests alone, where a panic is how something is said to be wrong.
#![allow(clippy::panic)]

mod binaries;
mod content;
mod guide;
mod link;
mod memory;
mod relay;
mod sealift;

pub use binaries::{relay_binary, sealift_binary};
pub use content::{Random, same_content, sha256_of, tree_of, write_random};
pub use guide::Sandbox;
pub use link::Link;
pub use memory::{peak_bytes, resident_bytes};
pub use relay::{Relay, RelayOptions};
pub use sealift::{Outcome, Running, Sealift};
