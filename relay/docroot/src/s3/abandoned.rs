//! Multipart uploads that nobody goes on with: they cost room and are seen by no list of objects.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::error::ProvideErrorMetadata;

use super::answer::explain;
use super::lists::Bound;
use super::way::Way;
use super::{Cause, S3, S3Error};
use crate::{DocrootError, Name};

/// An upload that has begun and not ended.
#[derive(Clone, Debug)]
pub struct Abandoned {
    /// The object's key in the bucket.
    pub key: String,
    /// The server's name of the upload.
    pub upload_id: String,
    /// When it began.
    pub began: SystemTime,
}

impl Abandoned {
    /// Whether it is the upload that was recorded under this state.
    #[must_use]
    pub fn is(&self, state: &str) -> bool {
        matches!(Way::from_text(state), Ok(Way::Multipart { upload_id, .. }) if upload_id == self.upload_id)
    }

    /// How long ago it began; zero by a clock that runs behind.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.began.elapsed().unwrap_or_default()
    }
}

impl S3 {
    /// All unfinished uploads of the docroot.
    pub(crate) async fn unfinished(&self) -> Result<Vec<Abandoned>, DocrootError> {
        Ok(self.uploads_under(&self.prefix()).await?)
    }

    pub(super) async fn uploads_under(&self, prefix: &str) -> Result<Vec<Abandoned>, S3Error> {
        let mut uploads = Vec::new();
        let (mut key, mut id): (Option<String>, Option<String>) = (None, None);
        let mut bound = Bound::default();
        loop {
            let answer = self
                .small()
                .list_multipart_uploads()
                .bucket(self.bucket())
                .prefix(prefix)
                .set_key_marker(key.clone())
                .set_upload_id_marker(id.clone())
                .send()
                .await
                .map_err(|error| explain("ListMultipartUploads", &error))?;
            bound.page("ListMultipartUploads", answer.uploads().len())?;
            for upload in answer.uploads() {
                let (Some(key), Some(upload_id)) = (upload.key(), upload.upload_id()) else {
                    continue;
                };
                let began = upload
                    .initiated()
                    .and_then(|at| SystemTime::try_from(*at).ok());
                uploads.push(Abandoned {
                    key: key.to_owned(),
                    upload_id: upload_id.to_owned(),
                    began: began.unwrap_or(SystemTime::UNIX_EPOCH),
                });
            }
            let next = (
                answer.next_key_marker().map(str::to_owned),
                answer.next_upload_id_marker().map(str::to_owned),
            );
            if answer.is_truncated() != Some(true) || next == (key, id) {
                return Ok(uploads);
            }
            (key, id) = next;
        }
    }

    /// Ends an upload without keeping anything; one that is gone already is fine.
    pub(crate) async fn abort_upload(&self, key: &str, upload_id: &str) -> Result<(), S3Error> {
        let sent = self
            .small()
            .abort_multipart_upload()
            .bucket(self.bucket())
            .key(key)
            .upload_id(upload_id)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.code(), Some("NoSuchUpload" | "NoSuchKey")) => Ok(()),
            Err(error) => match explain("AbortMultipartUpload", &error) {
                error if error.cause == Cause::UploadGone => Ok(()),
                error => Err(error),
            },
        }
    }

    /// Ends an upload that was begun. What lies under the name may be another one's, and is left alone.
    pub(crate) async fn abort(&self, name: &Name, state: &str) -> Result<(), DocrootError> {
        if let Way::Multipart { upload_id, .. } = Way::from_text(state)? {
            self.abort_upload(&self.key(name), &upload_id).await?;
        }
        Ok(())
    }
}
