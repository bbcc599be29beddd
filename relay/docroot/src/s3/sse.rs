//! Server-side encryption: what is asked for, and whether an answer shows it. Never trust a 200.

use aws_sdk_s3::types::ServerSideEncryption;
use serde::{Deserialize, Serialize};

use super::cause::{Cause, S3Error};
use crate::Encryption;

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

    fn is_empty(&self) -> bool {
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

/// The header's value for what is asked.
pub(super) fn header(asked: &Encryption) -> Option<ServerSideEncryption> {
    match asked {
        Encryption::None => None,
        Encryption::Aes256 => Some(ServerSideEncryption::Aes256),
        Encryption::Kms { .. } => Some(ServerSideEncryption::AwsKms),
        Encryption::KmsDsse { .. } => Some(ServerSideEncryption::AwsKmsDsse),
    }
}

/// The bucket key header: only said when it is asked for.
pub(super) fn bucket_key(asked: &Encryption) -> Option<bool> {
    matches!(
        asked,
        Encryption::Kms {
            bucket_key: true,
            ..
        }
    )
    .then_some(true)
}

/// Whether an answer shows what was asked. `learned` is the key that a probe was encrypted with: an alias, or no
/// key at all, is compared with that.
pub(super) fn check(
    asked: &Encryption,
    found: &Sse,
    learned: Option<&str>,
    operation: &'static str,
) -> Result<(), S3Error> {
    let wanted = header(asked);
    let same_algorithm = match &wanted {
        None => return Ok(()),
        Some(wanted) => found.algorithm.as_deref() == Some(wanted.as_str()),
    };
    let same_key = match (asked, &found.key) {
        (Encryption::None | Encryption::Aes256, _) => true,
        (_, None) => false,
        (_, Some(found)) => match asked.key().and_then(|key| key.is(found)) {
            Some(same) => same,
            None => learned.is_none_or(|learned| learned == found),
        },
    };
    if same_algorithm && same_key && (bucket_key(asked).is_none() || found.bucket_key) {
        return Ok(());
    }
    let shown = |text: Option<&str>| text.unwrap_or("none").to_owned();
    let detail = format!(
        "asked for {} with key {}{}, found {} with key {}{}",
        wanted.as_ref().map_or("none", |wanted| wanted.as_str()),
        shown(asked.key().map(crate::KmsKey::as_str).or(learned)),
        if bucket_key(asked).is_some() {
            " and a bucket key"
        } else {
            ""
        },
        shown(found.algorithm.as_deref()),
        shown(found.key.as_deref()),
        if found.bucket_key {
            " and a bucket key"
        } else {
            ""
        },
    );
    Err(S3Error::new(Cause::SseNotApplied, operation, detail))
}

/// Like [`check`], for answers that some servers leave without these fields: only a contradiction is an error.
pub(super) fn check_if_said(
    asked: &Encryption,
    found: &Sse,
    learned: Option<&str>,
    operation: &'static str,
) -> Result<(), S3Error> {
    if found.is_empty() {
        return Ok(());
    }
    check(asked, found, learned, operation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KmsKey;

    const ARN: &str = "arn:aws:kms:us-west-2:111122223333:key/abc";

    fn found(algorithm: &str, key: Option<&str>, bucket_key: bool) -> Sse {
        Sse {
            algorithm: Some(algorithm.to_owned()),
            key: key.map(str::to_owned),
            bucket_key,
        }
    }

    fn kms(key: Option<&str>, bucket_key: bool) -> Encryption {
        let key = key.map(|key| KmsKey::parse(key).unwrap());
        Encryption::Kms { key, bucket_key }
    }

    #[test]
    fn only_what_was_asked_passes() {
        let ok = |asked: &Encryption, sse: &Sse, learned| {
            check(asked, sse, learned, "HeadObject").is_ok()
        };
        let right = found("aws:kms", Some(ARN), false);
        assert!(ok(&kms(Some(ARN), false), &right, None));
        assert!(ok(&kms(Some("abc"), false), &right, None));
        assert!(!ok(&kms(Some("bc"), false), &right, None));
        assert!(!ok(&kms(Some("other"), false), &right, Some(ARN)));
        assert!(ok(&kms(Some("alias/x"), false), &right, Some(ARN)));
        assert!(!ok(&kms(Some("alias/x"), false), &right, Some("arn:other")));
        assert!(ok(&kms(None, false), &right, Some(ARN)));
        assert!(!ok(&kms(Some(ARN), true), &right, None));
        assert!(ok(
            &kms(Some(ARN), true),
            &found("aws:kms", Some(ARN), true),
            None
        ));
        assert!(!ok(
            &kms(Some(ARN), false),
            &found("aws:kms", None, false),
            None
        ));
        assert!(!ok(
            &kms(Some(ARN), false),
            &found("AES256", Some(ARN), false),
            None
        ));
        assert!(!ok(&kms(Some(ARN), false), &Sse::default(), None));
        assert!(!ok(&Encryption::Aes256, &Sse::default(), None));
        assert!(ok(&Encryption::Aes256, &found("AES256", None, false), None));
        assert!(
            ok(&Encryption::None, &right, None) && ok(&Encryption::None, &Sse::default(), None)
        );
        let dsse = Encryption::KmsDsse {
            key: Some(KmsKey::parse(ARN).unwrap()),
        };
        assert!(ok(&dsse, &found("aws:kms:dsse", Some(ARN), false), None));
        assert!(!ok(&dsse, &right, None));
    }

    #[test]
    fn an_error_says_what_was_asked_and_what_was_found() {
        let error = check(
            &kms(Some("k1"), false),
            &found("AES256", None, false),
            None,
            "HeadObject",
        )
        .unwrap_err();
        assert_eq!(error.cause, Cause::SseNotApplied);
        assert_eq!(
            error.detail,
            "asked for aws:kms with key k1, found AES256 with key none"
        );
        assert!(check_if_said(&kms(Some("k1"), false), &Sse::default(), None, "X").is_ok());
    }
}
