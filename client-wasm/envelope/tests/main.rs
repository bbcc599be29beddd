//! Promises of the envelope, each a test named after its rule in the design (K, F, C, L, P).

mod fixture;
mod keyrings;
mod reader;
