//! Why S3 did not do what it was asked: one table of causes, each with a stable code, who can mend it, and
//! whether trying again can help.

use std::fmt;

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $who:literal, $retry:literal, $sentence:literal;)*) => {
        /// Why S3 did not do what it was asked.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[non_exhaustive]
        pub enum Cause { $($(#[$doc])* $name,)* }

        impl Cause {
            /// Every cause, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable name: snake_case, the same in logs, answers and documentation.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// Who can mend it.
            #[must_use]
            pub fn who(self) -> &'static str {
                match self { $(Self::$name => $who,)* }
            }

            /// Whether the same thing can work later by itself.
            #[must_use]
            pub fn retryable(self) -> bool {
                match self { $(Self::$name => $retry,)* }
            }

            /// What happened and what to do.
            #[must_use]
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }
        }
    };
}

causes! {
    /// No such key.
    KmsKeyNotFound = "kms_key_not_found", "docroot admin", false, "the KMS key does not exist: check its id, alias and region";
    /// Switched off.
    KmsKeyDisabled = "kms_key_disabled", "KMS admin", false, "the KMS key is disabled: enable it, and uploads go on";
    /// Pending deletion or import.
    KmsKeyUnusable = "kms_key_unusable", "KMS admin", false, "the KMS key is pending deletion or import: cancel that, or choose another key";
    /// `kms:GenerateDataKey` or `kms:Decrypt` is missing.
    KmsAccessDenied = "kms_access_denied", "IAM admin", false, "the key may not be used: allow kms:GenerateDataKey and kms:Decrypt on it";
    /// The account's KMS quota.
    KmsThrottled = "kms_throttled", "wait", true, "KMS takes no more requests now; bucket-key=true needs fewer";
    /// Plain HTTP.
    KmsNeedsTls = "kms_needs_tls", "docroot admin", false, "encryption with KMS needs https: remove allow-http from the docroot URL";
    /// The server does not know the algorithm.
    SseNotSupported = "sse_not_supported", "docroot admin", false, "the server does not know this server-side encryption";
    /// 200, but not what was asked.
    SseNotApplied = "sse_not_applied", "docroot admin", false, "the server did not encrypt as it was asked; if an alias was moved to another key, reload";
    /// A policy says no.
    AccessDenied = "storage_access_denied", "IAM admin", false, "S3 refused: check IAM and bucket policy";
    /// Wrong key id or secret.
    CredentialsInvalid = "storage_credentials_invalid", "docroot admin", false, "the credentials are wrong";
    /// Session token is over.
    CredentialsExpired = "storage_credentials_expired", "docroot admin", false, "the credentials have expired";
    /// The provider chain found none.
    CredentialsMissing = "storage_credentials_missing", "docroot admin", false, "no credentials were found in the docroot URL, environment, profile, web identity, container or instance";
    /// Clocks differ by more than 15 minutes.
    ClockSkew = "clock_skew", "host admin", false, "this machine's clock and the storage's differ by more than 15 minutes: set it";
    /// No such bucket.
    BucketNotFound = "bucket_not_found", "docroot admin", false, "the bucket does not exist";
    /// The bucket is elsewhere.
    WrongRegion = "wrong_region", "docroot admin", false, "the bucket is in another region: add region= to the docroot URL";
    /// The multipart upload does not exist any more.
    UploadGone = "upload_gone", "nobody", true, "the unfinished upload is gone from the storage; it starts again";
    /// The storage's parts are not the recorded ones.
    PartsMismatch = "parts_mismatch", "nobody", true, "the storage holds other parts than recorded; they are sent again";
    /// Damaged on the way.
    ChecksumMismatch = "checksum_mismatch", "network, or docroot admin", true, "a checksum did not match; the part is sent again";
    /// Something else lies under the name.
    ObjectExists = "object_exists", "docroot admin", false, "something else is stored under this name";
    /// Two writes at once.
    WriteConflict = "write_conflict", "nobody", true, "two writes met; it is tried again";
    /// 5xx, SlowDown.
    Busy = "storage_busy", "wait", true, "the storage is busy or failed; it is tried again";
    /// Somebody was silent.
    Stalled = "storage_stalled", "wait", true, "the sender or the storage was silent for too long; it is tried again";
    /// No connection.
    Unreachable = "storage_unreachable", "host admin", true, "the storage cannot be reached: check network, name and certificates";
    /// No room.
    Full = "storage_full", "storage admin", true, "the storage is full";
    /// Anything else.
    Failed = "storage_failed", "docroot admin", true, "the storage answered something unexpected";
}

/// A cause, with what was being done and what the server said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct S3Error {
    /// Why.
    pub cause: Cause,
    /// The S3 operation, such as `UploadPart`.
    pub operation: &'static str,
    /// The server's own code and text, or what was asked and found. No secret is ever in it.
    pub detail: String,
    /// The server's id of the request, for its support.
    pub request_id: Option<String>,
}

impl S3Error {
    pub(crate) fn new(cause: Cause, operation: &'static str, detail: impl Into<String>) -> Self {
        Self {
            cause,
            operation,
            detail: detail.into(),
            request_id: None,
        }
    }
}

impl std::error::Error for S3Error {}

impl fmt::Display for S3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.cause.sentence(), self.operation)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        if let Some(id) = &self.request_id {
            write!(f, "; request {id}")?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_stable_unique_and_snake_case() {
        for (index, cause) in Cause::ALL.iter().enumerate() {
            let code = cause.code();
            assert!(
                code.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            );
            assert!(Cause::ALL[..index].iter().all(|other| other.code() != code));
        }
    }
}
