//! What S3 docroots are tested against, on loopback, as processes that end with the test.
//!
//! - [`Ceph`]: a real S3 server that really encrypts (mon, osd in memory, radosgw; up in about two seconds).
//! - [`Vault`]: the key management service behind it, which denies, loses, breaks or slows keys on demand.
//! - [`Localstack`]: an S3 server that encrypts nothing and answers as AWS does, error codes and checksums.
//! - [`Stub`]: answers as it is told; a metadata service, STS, an S3 server with one error.
//! - [`Proxy`]: stands between the relay and S3 and breaks requests and answers.
//!
//! A missing server fails a test, with the line that installs it. `SEALIFT_TESTS=offline` leaves these tests out,
//! and says so: see [`offline`].
//!
//! Start with [`Ceph::shared`].

// Linked into tests alone, where a panic is how something is said to be wrong.
#![allow(clippy::panic)]

mod ceph;
mod daemon;
mod localstack;
mod proxy;
mod signed;
mod stub;
mod vault;

pub use ceph::{ACCESS_ID, Ceph, SECRET};
pub use localstack::Localstack;
pub use proxy::{Fault, Proxy};
pub use stub::{Answer, Stub};
pub use vault::{Mode, Vault};

/// Whether tests that need an S3 server were left out on purpose. Says so on standard error.
pub fn offline(test: &str) -> bool {
    let offline = std::env::var("SEALIFT_TESTS").is_ok_and(|value| value == "offline");
    if offline {
        eprintln!("left out, because SEALIFT_TESTS=offline: {test}");
    }
    offline
}
