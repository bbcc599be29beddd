//! What a relay session allows, asks of storage, and says: one test for each promise.

#![allow(clippy::expect_used)] // A test may stop at a surprise.

mod parts;
mod relay;
mod session;
