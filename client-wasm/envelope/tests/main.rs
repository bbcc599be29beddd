//! Promises of the envelope, each a test named after its rule in the design (K, F, C, L, P).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing test says so

mod bodies;
mod damage;
mod fixture;
mod forgeries;
mod heads;
mod keyrings;
mod manifests;
mod pipes;
mod reader;
mod recipients;
mod replaced;
#[cfg(not(target_family = "wasm"))] // it reads the whole repository
mod rule_names;
mod uploads;
mod vectors;
