//! The end of an upload: from recorded ETags only, once, and verified before anything becomes visible.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

use tokio::time::sleep;

use super::answer::explain;
use super::asked::Asked;
use super::lists::Bound;
use super::objects::{Head, is_not_found};
use super::sse::sse_of;
use super::upload::s3_number;
use super::way::Way;
use super::{Cause, S3, S3Error, within};
use crate::{DocrootError, Name, Receipt, Stored};

/// S3 may join thousands of parts before it answers.
const COMPLETE_MAX: Duration = Duration::from_secs(600);

/// The first wait before another HEAD; it doubles twice.
const HEAD_AGAIN: Duration = Duration::from_millis(300);

/// What is to be committed.
pub(super) struct Ending<'a> {
    key: String,
    length_bytes: u64,
    part_bytes: u64,
    receipts: &'a [Receipt],
    /// The encryption that was asked for when the upload began, where that was recorded.
    asked: Option<&'a Asked>,
}

impl<'a> Ending<'a> {
    /// A body of one part, about whose encryption nothing was asked.
    pub(super) fn of_one_part(key: &str, length_bytes: u64, receipts: &'a [Receipt]) -> Self {
        Self {
            key: key.to_owned(),
            length_bytes,
            part_bytes: length_bytes,
            receipts,
            asked: None,
        }
    }

    /// The length of a part, counted from 0.
    fn part_length(&self, number: u64) -> u64 {
        let offset = number.saturating_mul(self.part_bytes);
        self.part_bytes
            .min(self.length_bytes.saturating_sub(offset))
    }
}

impl S3 {
    /// Ends an upload and says how it is stored. Doing it again is the same as once.
    pub(crate) async fn commit(
        &self,
        name: &Name,
        length_bytes: u64,
        part_bytes: u64,
        state: &str,
        receipts: &[Receipt],
    ) -> Result<Stored, DocrootError> {
        let way = Way::from_text(state)?;
        let ending = Ending {
            key: self.key(name),
            length_bytes,
            part_bytes,
            receipts,
            asked: way.asked(),
        };
        match &way {
            Way::Single { .. } => self.commit_single(&ending).await,
            Way::Multipart {
                token, upload_id, ..
            } => {
                let stored = self.commit_multipart(&ending, token, upload_id).await?;
                self.end_others(&ending.key).await;
                Ok(stored)
            }
        }
    }

    /// Uploads under the name of one that has ended have no use: a crash had left them. What cannot be ended now is
    /// left to a sweep.
    async fn end_others(&self, key: &str) {
        for upload in self.uploads_under(key).await.unwrap_or_default() {
            if upload.key == key {
                let _swept_later = self.abort_upload(key, &upload.upload_id).await;
            }
        }
    }

    /// The part is the object: it is looked at, nothing more.
    async fn commit_single(&self, ending: &Ending<'_>) -> Result<Stored, DocrootError> {
        let [receipt] = ending.receipts else {
            return Err(DocrootError::Missing);
        };
        match self.head_patiently(&ending.key).await {
            Ok(head) if head.token == receipt.token => self.verified(ending, head).await,
            // An attempt that was given up has come late.
            Ok(_) => Err(DocrootError::Missing),
            Err(error) => match self.listed(&ending.key).await? {
                // The key is gone or denied, the object is not: kept, reported, verified again.
                Some(found) if found.etag.as_deref() == Some(&receipt.etag) => {
                    Ok(unverified(&error))
                }
                _ if is_not_found(&error) => Err(DocrootError::Missing),
                _ => Err(error.into()),
            },
        }
    }

    async fn commit_multipart(
        &self,
        ending: &Ending<'_>,
        token: &str,
        upload_id: &str,
    ) -> Result<Stored, DocrootError> {
        match self.compare_parts(ending, upload_id).await {
            Ok(()) => {}
            // Not every server refuses to end it again: what lies there decides.
            Err(DocrootError::S3(error)) if error.cause == Cause::UploadGone => {
                return match self.head(&ending.key).await {
                    Ok(head) if head.token.as_deref() == Some(token) => {
                        self.verified(ending, head).await
                    }
                    Ok(_) => {
                        Err(
                            S3Error::new(Cause::ObjectExists, "HeadObject", "of another upload")
                                .into(),
                        )
                    }
                    Err(error) if is_not_found(&error) => match self.listed(&ending.key).await? {
                        // It is there, but its key is not, so nobody can tell whose it is. Later.
                        Some(_) => {
                            Err(S3Error::new(Cause::KmsKeyNotFound, "HeadObject", "404").into())
                        }
                        None => Err(DocrootError::Missing),
                    },
                    Err(error) => Err(error.into()),
                };
            }
            Err(error) => return Err(error),
        }
        if let Ok(head) = self.head(&ending.key).await {
            // Not every server refuses to replace it.
            return if head.token.as_deref() == Some(token) {
                self.verified(ending, head).await
            } else {
                Err(S3Error::new(Cause::ObjectExists, "HeadObject", "of another upload").into())
            };
        }
        let completed = self.complete(ending, upload_id).await;
        match (completed, self.head_patiently(&ending.key).await) {
            (Err(error), Ok(head))
                if error.cause == Cause::SseNotApplied && head.token.as_deref() == Some(token) =>
            {
                self.delete_exactly(&ending.key, head.etag.as_deref())
                    .await?;
                Err(error.into())
            }
            (_, Ok(head)) if head.token.as_deref() == Some(token) => {
                self.verified(ending, head).await
            }
            (_, Ok(_)) => {
                Err(S3Error::new(Cause::ObjectExists, "HeadObject", "of another upload").into())
            }
            // Committed, not verifiable now: its key is gone.
            (Ok(()), Err(error)) => match self.listed(&ending.key).await? {
                Some(found) if found.length_bytes == ending.length_bytes => Ok(unverified(&error)),
                _ => Err(error.into()),
            },
            (Err(error), Err(_)) if error.cause == Cause::WriteConflict => {
                self.abort_upload(&ending.key, upload_id).await?;
                Err(DocrootError::Missing)
            }
            (Err(error), Err(_)) if error.cause == Cause::PartsMismatch => {
                self.compare_parts(ending, upload_id).await?;
                Err(error.into())
            }
            // Nothing came of it; it can be tried again.
            (Err(error), Err(_)) => Err(error.into()),
        }
    }

    /// Compares what the server holds with what was recorded (S3). Parts that differ are named.
    async fn compare_parts(
        &self,
        ending: &Ending<'_>,
        upload_id: &str,
    ) -> Result<(), DocrootError> {
        let held = self.list_parts(&ending.key, upload_id).await?;
        let differ: Vec<u32> = (0u32..)
            .zip(ending.receipts)
            .filter(|(number, receipt)| {
                let length = ending.part_length(u64::from(*number));
                held.get(&s3_number(*number)) != Some(&(receipt.etag.clone(), length))
            })
            .map(|(number, _)| number)
            .collect();
        if differ.is_empty() {
            Ok(())
        } else {
            Err(DocrootError::PartsDiffer(differ))
        }
    }

    /// ETag and length of every part that the server holds, by its number, over all pages.
    pub(super) async fn list_parts(
        &self,
        key: &str,
        upload_id: &str,
    ) -> Result<BTreeMap<i32, (String, u64)>, S3Error> {
        let mut held = BTreeMap::new();
        let mut marker: Option<String> = None;
        let mut bound = Bound::default();
        loop {
            let answer = self
                .small()
                .list_parts()
                .bucket(self.bucket())
                .key(key)
                .upload_id(upload_id)
                .set_part_number_marker(marker.clone())
                .send()
                .await
                .map_err(|error| explain("ListParts", &error))?;
            bound.page("ListParts", answer.parts().len())?;
            for part in answer.parts() {
                let (Some(number), Some(etag)) = (part.part_number(), part.e_tag()) else {
                    continue;
                };
                let length = part.size().and_then(|size| u64::try_from(size).ok());
                held.insert(number, (etag.to_owned(), length.unwrap_or(0)));
            }
            let next = answer.next_part_number_marker().map(str::to_owned);
            if answer.is_truncated() != Some(true) || next.is_none() || next == marker {
                return Ok(held);
            }
            marker = next;
        }
    }

    /// A HEAD that a passing failure does not end: after a commit much hangs on it.
    async fn head_patiently(&self, key: &str) -> Result<Head, S3Error> {
        let mut wait = HEAD_AGAIN;
        loop {
            match self.head(key).await {
                Err(error)
                    if error.cause.retryable()
                        && !is_not_found(&error)
                        && wait <= HEAD_AGAIN * 4 =>
                {
                    sleep(wait).await;
                    wait *= 2;
                }
                result => return result,
            }
        }
    }

    pub(super) async fn complete(
        &self,
        ending: &Ending<'_>,
        upload_id: &str,
    ) -> Result<(), S3Error> {
        const OPERATION: &str = "CompleteMultipartUpload";
        let parts = (0u32..).zip(ending.receipts).map(|(number, receipt)| {
            CompletedPart::builder()
                .part_number(s3_number(number))
                .e_tag(&receipt.etag)
                .set_checksum_crc32(receipt.crc32.clone())
                .build()
        });
        let list = CompletedMultipartUpload::builder()
            .set_parts(Some(parts.collect()))
            .build();
        let sent = self
            .bulk()
            .complete_multipart_upload()
            .bucket(self.bucket())
            .key(&ending.key)
            .upload_id(upload_id)
            .if_none_match("*")
            .multipart_upload(list)
            .send();
        let answer = within(COMPLETE_MAX, OPERATION, sent)
            .await?
            .map_err(|error| explain(OPERATION, &error))?;
        match ending.asked {
            Some(asked) => asked.check_if_said(&sse_of!(answer), OPERATION),
            None => Ok(()),
        }
    }

    /// Length and encryption of what lies there. What is not encrypted as was asked for when it began is deleted;
    /// where that is not known, the settings of the moment are no reason to.
    async fn verified(&self, ending: &Ending<'_>, head: Head) -> Result<Stored, DocrootError> {
        if head.length_bytes != ending.length_bytes {
            return Err(DocrootError::Length {
                expected: ending.length_bytes,
                found: head.length_bytes,
            });
        }
        match ending.asked {
            Some(asked) => {
                if let Err(error) = asked.check(&head.sse, "HeadObject") {
                    self.delete_exactly(&ending.key, head.etag.as_deref())
                        .await?;
                    return Err(error.into());
                }
            }
            None => self.asked_now().await?.check(&head.sse, "HeadObject")?,
        }
        Ok(Stored {
            sse: Some(head.sse),
            unverified: None,
        })
    }

    /// Looks again at something that could not be verified at its commit. What is gone is [`DocrootError::Missing`].
    pub(crate) async fn verify(
        &self,
        name: &Name,
        length_bytes: u64,
        state: Option<&str>,
    ) -> Result<Stored, DocrootError> {
        let key = self.key(name);
        let head = match self.head(&key).await {
            Ok(head) => head,
            // A lost key is answered as an object that is gone; a list tells them apart.
            Err(error) if is_not_found(&error) && self.listed(&key).await?.is_none() => {
                return Err(DocrootError::Missing);
            }
            Err(error) => return Ok(unverified(&error)),
        };
        if head.length_bytes != length_bytes {
            return Err(DocrootError::Length {
                expected: length_bytes,
                found: head.length_bytes,
            });
        }
        let way = state.map(Way::from_text).transpose()?;
        let asked = match way.as_ref().and_then(Way::asked) {
            Some(asked) => asked.clone(),
            None => self.asked_now().await?,
        };
        asked.check(&head.sse, "HeadObject")?;
        Ok(Stored {
            sse: Some(head.sse),
            unverified: None,
        })
    }
}

fn unverified(error: &S3Error) -> Stored {
    Stored {
        sse: None,
        unverified: Some(error.to_string()),
    }
}
