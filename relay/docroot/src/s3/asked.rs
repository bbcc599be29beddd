//! The server-side encryption that was asked for when an upload began. Every answer about that upload is held
//! against this, not against the settings of the moment: those may change while it is under way, and an alias may
//! be moved to another key. So it is recorded with the upload, as one word.

use aws_sdk_s3::types::ServerSideEncryption;

use super::cause::{Cause, S3Error};
use super::sse::Sse;
use crate::{DocrootError, Encryption, KmsKey};

/// What was asked for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Asked {
    /// As the header says it; nothing when nothing was asked for.
    algorithm: Option<String>,
    /// The key as the settings named it.
    key: Option<KmsKey>,
    /// How answers name it, where that cannot be told from `key`: it is an alias, or none was named.
    shown: Option<String>,
    bucket_key: bool,
}

impl Asked {
    /// What settings ask for now. `learned` is the key that a probe was encrypted with.
    pub(super) fn now(encryption: &Encryption, learned: Option<&str>) -> Self {
        let algorithm = match encryption {
            Encryption::None => None,
            Encryption::Aes256 => Some(ServerSideEncryption::Aes256),
            Encryption::Kms { .. } => Some(ServerSideEncryption::AwsKms),
            Encryption::KmsDsse { .. } => Some(ServerSideEncryption::AwsKmsDsse),
        };
        Self {
            algorithm: algorithm.map(|algorithm| algorithm.as_str().to_owned()),
            key: encryption.key().cloned(),
            shown: learned.map(str::to_owned),
            bucket_key: matches!(
                encryption,
                Encryption::Kms {
                    bucket_key: true,
                    ..
                }
            ),
        }
    }

    /// One word: algorithm, key, key as shown, bucket key, with bars between. No key has one in it.
    pub(super) fn to_text(&self) -> String {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        [
            text(self.algorithm.as_deref()),
            text(self.key.as_ref().map(KmsKey::as_str)),
            text(self.shown.as_deref()),
            text(self.bucket_key.then_some("bucket-key")),
        ]
        .join("|")
    }

    /// Reads what was recorded.
    pub(super) fn from_text(text: &str) -> Result<Self, DocrootError> {
        let fields: Vec<&str> = text.split('|').collect();
        let unreadable = || {
            DocrootError::Storage("the record of an upload's encryption cannot be read".to_owned())
        };
        let &[algorithm, key, shown, bucket_key] = fields.as_slice() else {
            return Err(unreadable());
        };
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let key = some(key).map(|key| KmsKey::parse(&key)).transpose();
        Ok(Self {
            algorithm: some(algorithm),
            key: key.map_err(|_| unreadable())?,
            shown: some(shown),
            bucket_key: match bucket_key {
                "" => false,
                "bucket-key" => true,
                _ => return Err(unreadable()),
            },
        })
    }

    /// The header's value.
    pub(super) fn header(&self) -> Option<ServerSideEncryption> {
        self.algorithm.as_deref().map(ServerSideEncryption::from)
    }

    /// The key to ask for. An alias that was moved since, as `learned` shows, would lead to another key.
    pub(super) fn key(&self, learned: Option<&str>) -> Option<String> {
        match (&self.key, &self.shown) {
            (Some(_), Some(shown)) if learned.is_some_and(|now| now != shown) => {
                Some(shown.clone())
            }
            (key, _) => key.as_ref().map(ToString::to_string),
        }
    }

    /// The bucket key header: only said when it is asked for.
    pub(super) fn bucket_key(&self) -> Option<bool> {
        self.bucket_key.then_some(true)
    }

    /// Whether an answer shows what was asked for.
    pub(super) fn check(&self, found: &Sse, operation: &'static str) -> Result<(), S3Error> {
        let Some(wanted) = &self.algorithm else {
            return Ok(());
        };
        let same_algorithm = found.algorithm.as_deref() == Some(wanted);
        let same_key = match &found.key {
            _ if wanted == ServerSideEncryption::Aes256.as_str() => true,
            None => false,
            Some(found) => match self.key.as_ref().and_then(|key| key.is(found)) {
                Some(same) => same,
                None => self.shown.as_ref().is_none_or(|shown| shown == found),
            },
        };
        if same_algorithm && same_key && (!self.bucket_key || found.bucket_key) {
            return Ok(());
        }
        let bucket = |is_used: bool| if is_used { " and a bucket key" } else { "" };
        let key = self.key.as_ref().map(KmsKey::as_str);
        let detail = format!(
            "asked for {wanted} with key {}{}, found {} with key {}{}",
            key.or(self.shown.as_deref()).unwrap_or("none"),
            bucket(self.bucket_key),
            found.algorithm.as_deref().unwrap_or("none"),
            found.key.as_deref().unwrap_or("none"),
            bucket(found.bucket_key),
        );
        Err(S3Error::new(Cause::SseNotApplied, operation, detail))
    }

    /// Like [`Self::check`], for answers that some servers leave without these fields: only a contradiction is an
    /// error.
    pub(super) fn check_if_said(
        &self,
        found: &Sse,
        operation: &'static str,
    ) -> Result<(), S3Error> {
        if found.is_empty() {
            return Ok(());
        }
        self.check(found, operation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let ok = |encryption: &Encryption, sse: &Sse, learned| {
            let asked = Asked::now(encryption, learned);
            assert_eq!(Asked::from_text(&asked.to_text()).unwrap(), asked);
            asked.check(sse, "HeadObject").is_ok()
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
        let with_bucket_key = found("aws:kms", Some(ARN), true);
        assert!(ok(&kms(Some(ARN), true), &with_bucket_key, None));
        let no_key = found("aws:kms", None, false);
        assert!(!ok(&kms(Some(ARN), false), &no_key, None));
        let other = found("AES256", Some(ARN), false);
        assert!(!ok(&kms(Some(ARN), false), &other, None));
        assert!(!ok(&kms(Some(ARN), false), &Sse::default(), None));
        assert!(!ok(&Encryption::Aes256, &Sse::default(), None));
        assert!(ok(&Encryption::Aes256, &found("AES256", None, false), None));
        assert!(ok(&Encryption::None, &right, None));
        assert!(ok(&Encryption::None, &Sse::default(), None));
        let dsse = Encryption::KmsDsse {
            key: Some(KmsKey::parse(ARN).unwrap()),
        };
        assert!(ok(&dsse, &found("aws:kms:dsse", Some(ARN), false), None));
        assert!(!ok(&dsse, &right, None));
    }

    #[test]
    fn an_alias_that_was_moved_is_asked_for_by_the_key_that_it_had() {
        let asked = Asked::now(&kms(Some("alias/x"), false), Some(ARN));
        assert_eq!(asked.key(Some(ARN)).as_deref(), Some("alias/x"));
        assert_eq!(asked.key(None).as_deref(), Some("alias/x"));
        assert_eq!(asked.key(Some("arn:other")).as_deref(), Some(ARN));
    }

    #[test]
    fn an_error_says_what_was_asked_and_what_was_found() {
        let asked = Asked::now(&kms(Some("k1"), false), None);
        let error = asked
            .check(&found("AES256", None, false), "HeadObject")
            .unwrap_err();
        assert_eq!(error.cause, Cause::SseNotApplied);
        assert_eq!(
            error.detail,
            "asked for aws:kms with key k1, found AES256 with key none"
        );
        assert!(asked.check_if_said(&Sse::default(), "X").is_ok());
    }

    #[test]
    fn a_record_that_is_none_is_refused() {
        for bad in ["", "aws:kms", "a|b|c|yes", "a|b c|d|", "a|b|c||"] {
            assert!(Asked::from_text(bad).is_err(), "{bad}");
        }
    }
}
