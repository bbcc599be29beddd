//! Promises of the envelope, each a test named after its rule in the design (K, F, C, L, P).

mod bodies;
mod damage;
mod fixture;
mod heads;
mod keyrings;
mod manifests;
mod pipes;
mod reader;
mod vectors;
