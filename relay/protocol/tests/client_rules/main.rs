//! What a client session decides: one test for each promise.

#![allow(clippy::expect_used)] // A test may stop at a surprise.

mod client;
mod lanes;
mod parts;
mod session;
