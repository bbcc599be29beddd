//! Server-side encryption as answers show it. Never trust a 200: `asked` says what they must show.

use aws_sdk_s3::types::ServerSideEncryption;
use serde::{Deserialize, Serialize};

/// Server-side encryption as a server's answer shows it.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
pub struct Sse {
    /// `AES256`, `aws:kms`, `aws:kms:dsse`, or nothing.
    pub algorithm: Option<String>,
    /// The key, as the server names it.
    pub key: Option<String>,
    /// Whether the bucket's key is used.
    pub bucket_key: bool,
}

impl Sse {
    pub(super) fn of(
        algorithm: Option<&ServerSideEncryption>,
        key: Option<&str>,
        bucket_key: Option<bool>,
    ) -> Self {
        Self {
            algorithm: algorithm.map(|algorithm| algorithm.as_str().to_owned()),
            key: key.map(str::to_owned),
            bucket_key: bucket_key.unwrap_or(false),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.algorithm.is_none() && self.key.is_none()
    }
}

/// The three fields of an answer that has them.
macro_rules! sse_of {
    ($answer:expr) => {
        $crate::s3::sse::Sse::of(
            $answer.server_side_encryption(),
            $answer.ssekms_key_id(),
            $answer.bucket_key_enabled(),
        )
    };
}
pub(super) use sse_of;
