//! The conversation between a client and a relay about one package, which survives its lanes.
//!
//! Both halves are state machines in the manner of quinn-proto: `handle(now, event)` in,
//! `poll()` out until it returns `None`, and `next_wake()` says when to call `handle` with a
//! [`ClientEvent::Wake`] or [`RelayEvent::Wake`] at the latest. No half performs I/O or reads a
//! clock: `now` is the time since an arbitrary origin, the same for the life of the session.
//! Time that stands still, jumps ahead or runs back does no harm.
//!
//! ```text
//!  browser worker, command line                                relay
//!  ┌──────────────────────────┐   lanes (2 to 8, any transport)   ┌───────────────────────┐
//!  │ ClientSession            │ ── BeginPart, data … ───────────> │ RelaySession          │
//!  │ deals parts to lanes     │ <─ Received, Durable ──────────── │ orders storage's work │
//!  └──────────────────────────┘                                   └───────────────────────┘
//! ```
//!
//! [`ClientSession`] decides what is sent, on which lane, and when to give up;
//! [`RelaySession`] decides what may be stored, and when it may be called durable.

pub mod client;
mod part_set;
pub mod relay;

pub use client::{
    ClientAction, ClientConfig, ClientEvent, ClientSession, LaneEnd, PartFailure, Progress,
    SendPart, UserEvent, UserState, Verdict,
};
pub use relay::{
    FileRecord, RelayAction, RelayEvent, RelayPolicy, RelaySession, Route, Snapshot, StorageAnswer,
    StorageError, StorageRequest, Ticket,
};
