//! Small objects, and what a HEAD shows.

use std::time::Duration;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::StorageClass;
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;

use super::answer::explain;
use super::sse::{Sse, sse_of};
use super::upload::unquoted;
use super::{Cause, S3, S3Error, TOKEN, within};
use crate::{DocrootError, Name, Stat};

/// The longest time that a small object may take to be read, all tries together.
const GET_MAX: Duration = Duration::from_secs(90);

/// What a HEAD shows of an object.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) length_bytes: u64,
    pub(super) token: Option<String>,
    pub(super) etag: Option<String>,
    pub(super) sse: Sse,
}

impl S3 {
    pub(super) fn storage_class(&self) -> Option<StorageClass> {
        let class = self.settings().storage_class?;
        Some(StorageClass::from(class.as_str()))
    }

    /// Stores a small object, replacing the one before. One that is not encrypted as asked is an error, and stays: it
    /// may be the only keyring, and goes with its package.
    pub(crate) async fn put(&self, name: &Name, bytes: Bytes) -> Result<(), DocrootError> {
        let asked = self.asked_now().await?;
        let found = self.put_key(&self.key(name), bytes).await?;
        match asked.check(&found, "PutObject") {
            // Not every server says so in this answer.
            Err(_) if found.is_empty() => {
                let head = self.head(&self.key(name)).await?;
                Ok(asked.check(&head.sse, "HeadObject")?)
            }
            result => Ok(result?),
        }
    }

    pub(super) async fn put_key(&self, key: &str, bytes: Bytes) -> Result<Sse, S3Error> {
        let asked = self.asked();
        let answer = self
            .small()
            .put_object()
            .bucket(self.bucket())
            .key(key)
            .set_server_side_encryption(asked.header())
            .set_ssekms_key_id(asked.key(self.learned()))
            .set_bucket_key_enabled(asked.bucket_key())
            .set_storage_class(self.storage_class())
            .body(ByteStream::from(bytes))
            .send()
            .await
            .map_err(|error| explain("PutObject", &error))?;
        Ok(sse_of!(answer))
    }

    /// Reads a small object as a whole, in bounded memory and time.
    pub(crate) async fn get(&self, name: &Name, bytes_max: usize) -> Result<Bytes, DocrootError> {
        let read = self.get_key(self.key(name), bytes_max).boxed();
        within(GET_MAX, "GetObject", read).await?
    }

    async fn get_key(&self, key: String, bytes_max: usize) -> Result<Bytes, DocrootError> {
        const OPERATION: &str = "GetObject";
        let sent = self
            .small()
            .get_object()
            .bucket(self.bucket())
            .key(key)
            .send();
        let answer = sent
            .await
            .map_err(|error| missing(explain(OPERATION, &error), error.code()))?;
        // A gateway may send it in chunks and not say how long it is.
        let said = answer.content_length();
        let said = said.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        if said.is_some_and(|length| length > bytes_max) {
            return Err(DocrootError::OutOfRange);
        }
        let (mut body, mut bytes) = (answer.body, BytesMut::new());
        while let Some(more) = body.next().await {
            let more = more
                .map_err(|error| S3Error::new(Cause::Unreachable, OPERATION, error.to_string()))?;
            if bytes.len() + more.len() > said.unwrap_or(bytes_max) {
                return Err(DocrootError::OutOfRange);
            }
            bytes.extend_from_slice(&more);
        }
        if said.is_some_and(|length| bytes.len() < length) {
            let cut = "the answer was cut short";
            return Err(S3Error::new(Cause::Unreachable, OPERATION, cut).into());
        }
        Ok(bytes.freeze())
    }

    pub(crate) async fn stat(&self, name: &Name) -> Result<Option<Stat>, DocrootError> {
        match self.head(&self.key(name)).await {
            Ok(head) => Ok(Some(Stat {
                length_bytes: head.length_bytes,
                committed: true,
            })),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn head(&self, key: &str) -> Result<Head, S3Error> {
        let answer = self
            .small()
            .head_object()
            .bucket(self.bucket())
            .key(key)
            .send()
            .await
            .map_err(|error| {
                let mut error_read = explain("HeadObject", &error);
                if error
                    .raw_response()
                    .is_some_and(|raw| raw.status().as_u16() == 404)
                {
                    // A HEAD has no body: all that is known is that it is not there, or its key is not.
                    error_read = S3Error::new(Cause::Failed, NOT_FOUND, "404");
                }
                error_read
            })?;
        Ok(Head {
            length_bytes: answer
                .content_length()
                .and_then(|n| u64::try_from(n).ok())
                .unwrap_or(0),
            token: answer
                .metadata()
                .and_then(|metadata| metadata.get(TOKEN).cloned()),
            etag: answer.e_tag().map(str::to_owned),
            sse: sse_of!(answer),
        })
    }

    pub(crate) async fn delete(&self, name: &Name) -> Result<(), DocrootError> {
        Ok(self.delete_key(&self.key(name)).await?)
    }

    pub(super) async fn delete_key(&self, key: &str) -> Result<(), S3Error> {
        match self
            .small()
            .delete_object()
            .bucket(self.bucket())
            .key(key)
            .send()
            .await
        {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.code(), Some("NoSuchKey")) => Ok(()),
            Err(error) => Err(explain("DeleteObject", &error)),
        }
    }

    /// Deletes just this object: what another request has stored under the name meanwhile stays, also when this one
    /// comes late, at servers that know the condition.
    pub(super) async fn delete_exactly(
        &self,
        key: &str,
        etag: Option<&str>,
    ) -> Result<(), S3Error> {
        let Some(etag) = etag else {
            return Err(S3Error::new(
                Cause::Failed,
                "DeleteObject",
                "no ETag: what is to be deleted is not known",
            ));
        };
        // With quotes, as S3 says it; then without, as Ceph compares.
        for etag in [etag.to_owned(), unquoted(etag)] {
            if !self.is_still(key, &etag).await? {
                return Ok(());
            }
            let sent = self
                .small()
                .delete_object()
                .bucket(self.bucket())
                .key(key)
                .if_match(etag)
                .send()
                .await;
            match sent {
                Ok(_) => return Ok(()),
                Err(error) if matches!(error.code(), Some("NoSuchKey")) => return Ok(()),
                Err(error) if error.code() == Some("NotImplemented") => {
                    return self.delete_key(key).await;
                }
                Err(error) => match explain("DeleteObject", &error) {
                    error if error.cause == Cause::ObjectExists => {}
                    error => return Err(error),
                },
            }
        }
        Ok(())
    }

    /// Whether an object, or one whose key is lost, may still be this one.
    async fn is_still(&self, key: &str, etag: &str) -> Result<bool, S3Error> {
        match self.head(key).await {
            Ok(head) => Ok(head
                .etag
                .is_some_and(|found| unquoted(&found) == unquoted(etag))),
            Err(error) if is_not_found(&error) => Ok(true),
            Err(error) => Err(error),
        }
    }
}

/// The operation that a HEAD's 404 is marked with.
const NOT_FOUND: &str = "HeadObject (404)";

/// Whether a HEAD was answered 404: absent, or (Ceph) its key is.
pub(super) fn is_not_found(error: &S3Error) -> bool {
    error.operation == NOT_FOUND
}

/// A GET of what is not there.
pub(super) fn missing(error: S3Error, code: Option<&str>) -> DocrootError {
    match code {
        Some("NoSuchKey") if error.cause != Cause::KmsKeyNotFound => DocrootError::Missing,
        _ => error.into(),
    }
}
