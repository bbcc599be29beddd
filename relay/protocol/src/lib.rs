//! Everything the server side of Sealift may see: ids, messages, frames, the cut into parts,
//! limits, errors, and the session that drives an upload.
//!
//! `SPEC.md`, next to this crate's manifest, is the normative text. When the two disagree the
//! spec is right and this crate has a bug.
//!
//! The crate performs no I/O, reads no clock and draws no randomness. It builds for
//! `wasm32-unknown-unknown` and for every native target, so the browser, the relay and the
//! command line run the same code.
//!
//! Start with [`message::ClientMessage`], which lists everything a client may say, then
//! [`session`].

pub mod error;
pub mod format;
pub mod frame;
pub mod ids;
pub mod limits;
pub mod link;
pub mod message;
pub mod part_plan;
pub mod policy;
pub mod session;

pub use error::Code;
pub use ids::{
    Attempt, ClientId, Epoch, FileId, LaneId, OwnerToken, PackageId, Pair, PartNumber, Sha256Hash,
};
