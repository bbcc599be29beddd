//! Small objects, lists and deletion.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::StorageClass;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::answer::explain;
use super::sse::{self, Sse, sse_of};
use super::{Cause, S3, S3Error, TOKEN};
use crate::{DocrootError, Name, Stat};

/// Objects deleted at once.
const DELETIONS: usize = 8;

/// What a HEAD shows of an object.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) length_bytes: u64,
    pub(super) token: Option<String>,
    pub(super) sse: Sse,
}

/// An object as a list shows it: no key is needed for that.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) key: String,
    pub(super) length_bytes: u64,
    pub(super) etag: Option<String>,
}

impl S3 {
    pub(super) fn storage_class(&self) -> Option<StorageClass> {
        let class = self.settings().storage_class?;
        Some(StorageClass::from(class.as_str()))
    }

    /// Stores a small object, replacing the one before.
    pub(crate) async fn put(&self, name: &Name, bytes: Bytes) -> Result<(), DocrootError> {
        let learned = self.learned_key().await?;
        let found = self.put_key(&self.key(name), bytes).await?;
        let asked = &self.settings().encryption;
        let shown = match sse::check(asked, &found, learned, "PutObject") {
            Ok(()) => return Ok(()),
            // Not every server says so in this answer.
            Err(_) if found == Sse::default() => {
                self.head(&self.key(name)).await.map(|head| head.sse)
            }
            Err(error) => Err(error),
        };
        match shown.and_then(|found| sse::check(asked, &found, learned, "HeadObject")) {
            Err(error) if error.cause == Cause::SseNotApplied => {
                self.delete_key(&self.key(name)).await?;
                Err(error.into())
            }
            result => Ok(result?),
        }
    }

    pub(super) async fn put_key(&self, key: &str, bytes: Bytes) -> Result<Sse, S3Error> {
        let encryption = &self.settings().encryption;
        let answer = self
            .small()
            .put_object()
            .bucket(self.bucket())
            .key(key)
            .set_server_side_encryption(sse::header(encryption))
            .set_ssekms_key_id(encryption.key().map(ToString::to_string))
            .set_bucket_key_enabled(sse::bucket_key(encryption))
            .set_storage_class(self.storage_class())
            .body(ByteStream::from(bytes))
            .send()
            .await
            .map_err(|error| explain("PutObject", &error))?;
        Ok(sse_of!(answer))
    }

    /// Reads a small object as a whole.
    pub(crate) async fn get(&self, name: &Name, bytes_max: usize) -> Result<Bytes, DocrootError> {
        let sent = self
            .small()
            .get_object()
            .bucket(self.bucket())
            .key(self.key(name))
            .send();
        let answer = sent
            .await
            .map_err(|error| missing(explain("GetObject", &error), error.code()))?;
        let length = answer.content_length().unwrap_or(i64::MAX);
        if usize::try_from(length).is_ok_and(|length| length > bytes_max) {
            return Err(DocrootError::OutOfRange);
        }
        let body = answer.body.collect().await;
        let body =
            body.map_err(|error| S3Error::new(Cause::Unreachable, "GetObject", error.to_string()))?;
        Ok(body.into_bytes())
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
            sse: sse_of!(answer),
        })
    }

    /// What a list shows of one object: no KMS is asked for it.
    pub(super) async fn listed(&self, key: &str) -> Result<Option<Listed>, S3Error> {
        let answer = self
            .small()
            .list_objects_v2()
            .bucket(self.bucket())
            .prefix(key)
            .max_keys(1)
            .send()
            .await
            .map_err(|error| explain("ListObjectsV2", &error))?;
        Ok(answer
            .contents()
            .iter()
            .filter_map(listed)
            .find(|object| object.key == key))
    }

    /// All objects whose key begins so, page by page.
    pub(super) async fn list_keys(&self, prefix: &str) -> Result<Vec<Listed>, S3Error> {
        let mut objects = Vec::new();
        let mut next = None;
        loop {
            let answer = self
                .small()
                .list_objects_v2()
                .bucket(self.bucket())
                .prefix(prefix)
                .set_continuation_token(next)
                .send()
                .await
                .map_err(|error| explain("ListObjectsV2", &error))?;
            objects.extend(answer.contents().iter().filter_map(listed));
            next = answer.next_continuation_token().map(str::to_owned);
            if next.is_none() {
                return Ok(objects);
            }
        }
    }

    pub(crate) async fn list(&self, folder: &str) -> Result<Vec<String>, DocrootError> {
        let prefix = format!("{}{folder}/", self.prefix());
        let objects = self.list_keys(&prefix).await?;
        Ok(objects
            .iter()
            .filter_map(|object| object.key.strip_prefix(&prefix))
            .filter(|leaf| !leaf.is_empty() && !leaf.contains('/'))
            .map(str::to_owned)
            .collect())
    }

    pub(crate) async fn folders(&self) -> Result<Vec<String>, DocrootError> {
        let prefix = self.prefix();
        let mut folders = Vec::new();
        let mut next = None;
        loop {
            let answer = self
                .small()
                .list_objects_v2()
                .bucket(self.bucket())
                .prefix(&prefix)
                .delimiter("/")
                .set_continuation_token(next)
                .send()
                .await
                .map_err(|error| explain("ListObjectsV2", &error))?;
            let names = answer
                .common_prefixes()
                .iter()
                .filter_map(|common| common.prefix());
            let names = names.filter_map(|name| name.strip_prefix(&prefix)?.strip_suffix('/'));
            folders.extend(names.map(str::to_owned));
            next = answer.next_continuation_token().map(str::to_owned);
            if next.is_none() {
                return Ok(folders);
            }
        }
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

    /// Ends every upload under a folder, then deletes every object in it.
    pub(crate) async fn delete_folder(&self, folder: &str) -> Result<(), DocrootError> {
        let prefix = format!("{}{folder}/", self.prefix());
        for upload in self.uploads_under(&prefix).await? {
            self.abort_upload(&upload.key, &upload.upload_id).await?;
        }
        let objects = self.list_keys(&prefix).await?;
        stream::iter(objects)
            .map(|object| async move { self.delete_key(&object.key).await })
            .buffer_unordered(DELETIONS)
            .try_collect::<()>()
            .await?;
        Ok(())
    }
}

/// The operation that a HEAD's 404 is marked with.
const NOT_FOUND: &str = "HeadObject (404)";

/// Whether a HEAD was answered 404: absent, or (Ceph) its key is.
pub(super) fn is_not_found(error: &S3Error) -> bool {
    error.operation == NOT_FOUND
}

fn listed(object: &aws_sdk_s3::types::Object) -> Option<Listed> {
    Some(Listed {
        key: object.key()?.to_owned(),
        length_bytes: object.size().and_then(|n| u64::try_from(n).ok())?,
        etag: object.e_tag().map(str::to_owned),
    })
}

/// A GET of what is not there.
pub(super) fn missing(error: S3Error, code: Option<&str>) -> DocrootError {
    match code {
        Some("NoSuchKey") if error.cause != Cause::KmsKeyNotFound => DocrootError::Missing,
        _ => error.into(),
    }
}
