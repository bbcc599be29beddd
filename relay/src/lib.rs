//! The relay: takes sealed files over WebTransport and WebSocket, keeps them, hands them out over HTTP.
//!
//! ```text
//!  WebSocket ──┐                        ┌─ RelaySession (sealift-protocol) decides
//!              ├─ lane ── package ──────┤
//!  WebTransport┘   │                    └─ store ── records (SQLite)
//!                  └─ data ── attempt ── the door ── docroot (sealift-docroot)
//!  HTTP ── guard ── routes ── api, keyrings, report, download, pages
//! ```
//!
//! It sees ciphertext, padded sizes and times, and can open nothing: no key is in scope in this crate, and
//! `cargo xtask layers` keeps it so. An acknowledgement means durable; `store/` is where that is kept. Whatever is
//! stored went through `door.rs`, and `routes.rs` lists every way in.
//!
//! Start with [`start`], then read `store/mod.rs`.

mod api;
pub mod asconfigurator;
mod attempt;
mod budget;
mod certificates;
mod cleanup;
mod clock;
pub mod configure;
mod connections;
pub mod control;
pub mod docroot_command;
mod docroots;
mod door;
mod download;
mod enforce;
mod exporter;
pub mod flags;
mod grant;
mod grants;
mod guard;
mod headers;
mod hosts;
mod identity;
mod keyrings;
mod lane;
pub mod logs;
mod metrics;
mod names;
mod package;
mod packages;
mod pages;
mod policy;
#[cfg(test)]
mod power_cut;
pub mod records;
mod rekey;
mod relay;
pub mod reload;
mod report;
mod routes;
mod serve;
mod stall;
mod store;
mod strays;
mod sweep;
mod trunk;
mod websocket;
mod webtransport;

pub use grant::{GrantArguments, grant};
pub use grants::Grants;
pub use routes::{Route, routes};
pub use sealift_config::{Config, Settings};
pub use serve::{Running, start};
