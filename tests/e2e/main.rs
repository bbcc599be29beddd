//! What the whole product promises, seen from outside: the real relay as its own process, the real
//! command line, and nothing else. One module per promise.

// Helpers of tests are tests, too.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod authority;
mod bodies;
mod causes;
mod configuration;
mod exchange;
mod from_aspera;
mod hostile_names;
mod hostile_policy;
mod interruption;
mod kills;
mod lanes;
mod lifetime;
mod memory;
mod offline;
mod pipes;
mod policy;
mod recipients;
mod refusals;
mod rekey;
mod report;
mod resume;
mod salvage;
mod secrecy;
mod source_changes;
mod storage;
mod support;
mod tls;
