//! Parts on their way to S3: one streamed request each, of known length.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_s3::types::ChecksumAlgorithm;
use bytes::Bytes;
use md5::{Digest as _, Md5};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::answer::explain;
use super::asked::Asked;
use super::body::{PartBody, Piece};
use super::objects::is_not_found;
use super::sse::sse_of;
use super::way::Way;
use super::{Cause, S3, S3Error, TOKEN};
use crate::{DocrootError, Name, Receipt};

/// A server that takes nothing for so long although data waits loses the request.
const TAKE_MAX: Duration = Duration::from_secs(30);
/// After the last byte: the longest wait for the answer, and more for each MiB.
const ANSWER_MAX: Duration = Duration::from_secs(60);
const ANSWER_PER_MIB: Duration = Duration::from_secs(1);

/// An upload in progress.
#[derive(Clone)]
pub(crate) struct S3Upload {
    s3: S3,
    key: Arc<str>,
    length_bytes: u64,
    way: Arc<Way>,
    /// The storage has forgotten it.
    is_gone: Arc<AtomicBool>,
}

impl S3 {
    /// Starts an upload. Its state is to be recorded before its first part.
    pub(crate) async fn create(
        &self,
        name: &Name,
        length_bytes: u64,
        part_bytes: u64,
    ) -> Result<S3Upload, DocrootError> {
        let way = if length_bytes <= part_bytes {
            Way::Single {
                asked: Some(self.asked_now().await?),
            }
        } else {
            self.create_multipart(&self.key(name)).await?
        };
        Ok(self.upload(name, length_bytes, way))
    }

    /// Goes on with an upload, from what was recorded of it.
    pub(crate) fn resume(
        &self,
        name: &Name,
        length_bytes: u64,
        state: &str,
    ) -> Result<S3Upload, DocrootError> {
        Ok(self.upload(name, length_bytes, Way::from_text(state)?))
    }

    fn upload(&self, name: &Name, length_bytes: u64, way: Way) -> S3Upload {
        self.upload_at(&self.key(name), length_bytes, way)
    }

    pub(super) fn upload_at(&self, key: &str, length_bytes: u64, way: Way) -> S3Upload {
        S3Upload {
            s3: self.clone(),
            key: key.into(),
            length_bytes,
            way: Arc::new(way),
            is_gone: Arc::default(),
        }
    }

    pub(super) async fn create_multipart(&self, key: &str) -> Result<Way, DocrootError> {
        const OPERATION: &str = "CreateMultipartUpload";
        let asked = self.asked_now().await?;
        let (settings, token) = (self.settings(), super::token()?);
        let answer = self
            .small()
            .create_multipart_upload()
            .bucket(self.bucket())
            .key(key)
            .metadata(TOKEN, &token)
            .set_checksum_algorithm(settings.trailers.then_some(ChecksumAlgorithm::Crc32))
            .set_server_side_encryption(asked.header())
            .set_ssekms_key_id(asked.key(self.learned()))
            .set_bucket_key_enabled(asked.bucket_key())
            .set_storage_class(self.storage_class())
            .send()
            .await
            .map_err(|error| explain(OPERATION, &error))?;
        let upload_id = answer
            .upload_id()
            .filter(|id| !id.is_empty() && !id.contains(' '))
            .ok_or_else(|| S3Error::new(Cause::Failed, OPERATION, "no usable upload id"))?
            .to_owned();
        if let Err(error) = asked.check(&sse_of!(answer), OPERATION) {
            self.abort_upload(key, &upload_id).await?;
            return Err(error.into());
        }
        Ok(Way::Multipart {
            token,
            asked: Some(asked),
            upload_id,
        })
    }
}

impl S3Upload {
    pub(crate) fn state(&self) -> String {
        self.way.to_text()
    }

    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.way) > 1
    }

    /// Whether the storage was seen to have forgotten the upload: it can only begin anew.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }

    pub(crate) fn part(
        &self,
        number: u32,
        offset: u64,
        length_bytes: u64,
    ) -> Result<S3PartWriter, DocrootError> {
        match offset.checked_add(length_bytes) {
            Some(end) if end <= self.length_bytes => Ok(S3PartWriter {
                md5: self.s3.etag_is_md5().then(Md5::new),
                upload: self.clone(),
                number,
                left: length_bytes,
                length_bytes,
                pieces: None,
                request: None,
            }),
            _ => Err(DocrootError::OutOfRange),
        }
    }
}

/// One part on its way. The request starts with its first bytes.
pub(crate) struct S3PartWriter {
    upload: S3Upload,
    number: u32,
    left: u64,
    length_bytes: u64,
    pieces: Option<mpsc::Sender<Piece>>,
    request: Option<JoinHandle<Result<Receipt, S3Error>>>,
    md5: Option<Md5>,
}

impl S3PartWriter {
    pub(crate) async fn write(
        &mut self,
        slices: Vec<Bytes>,
        hold: impl Send + 'static,
    ) -> Result<(), DocrootError> {
        let length: u64 = slices.iter().map(|slice| slice.len() as u64).sum();
        if length > self.left {
            return Err(DocrootError::OutOfRange);
        }
        if let Some(md5) = &mut self.md5 {
            slices.iter().for_each(|slice| md5.update(slice));
        }
        self.left -= length;
        if self.request.is_none() {
            self.start();
        }
        let Some(pieces) = &self.pieces else {
            return Err(self.why_it_ended().await);
        };
        let piece = Piece {
            slices,
            hold: Box::new(hold),
        };
        match timeout(TAKE_MAX, pieces.send(piece)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.why_it_ended().await),
            Err(_) => {
                self.cut().await;
                let silent = "the storage took no data for 30 seconds";
                Err(S3Error::new(Cause::Stalled, self.operation(), silent).into())
            }
        }
    }

    /// Waits for the answer: the part is durable then.
    pub(crate) async fn durable(mut self) -> Result<Receipt, DocrootError> {
        if self.left != 0 {
            self.cut().await;
            return Err(DocrootError::OutOfRange);
        }
        let receipt = self.answer().await?;
        if let Some(md5) = self.md5.take() {
            let digest: String = md5
                .finalize()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            if receipt.etag.trim_matches('"') != digest {
                let detail = "the ETag is not the MD5 of what was sent";
                return Err(S3Error::new(Cause::ChecksumMismatch, self.operation(), detail).into());
            }
        }
        Ok(receipt)
    }

    /// Gives the part up. A request whose last byte is on its way may still be carried out: its answer is
    /// waited for, so that a newer attempt begins after it.
    pub(crate) async fn stop(mut self) {
        if self.left == 0 && self.request.is_some() {
            let _ = self.answer().await;
        }
        self.cut().await;
    }

    fn start(&mut self) {
        let (pieces, body) = PartBody::new(self.length_bytes);
        let body = ByteStream::new(SdkBody::from_body_1_x(body));
        let (upload, number) = (self.upload.clone(), self.number);
        self.pieces = Some(pieces);
        self.request = Some(tokio::spawn(async move { upload.send(number, body).await }));
    }

    fn operation(&self) -> &'static str {
        match *self.upload.way {
            Way::Single { .. } => "PutObject",
            Way::Multipart { .. } => "UploadPart",
        }
    }

    async fn answer(&mut self) -> Result<Receipt, DocrootError> {
        self.pieces = None;
        let mib = u32::try_from(self.length_bytes >> 20).unwrap_or(u32::MAX);
        let longest = ANSWER_MAX.saturating_add(ANSWER_PER_MIB.saturating_mul(mib));
        let Some(request) = &mut self.request else {
            return Err(DocrootError::OutOfRange);
        };
        let Ok(ended) = timeout(longest, request).await else {
            self.cut().await;
            return Err(S3Error::new(Cause::Stalled, self.operation(), "no answer in time").into());
        };
        self.request = None;
        match ended {
            Ok(result) => Ok(result?),
            Err(_) => Err(DocrootError::Storage("the request was cut off".to_owned())),
        }
    }

    /// The request has ended before its last byte: an error, or a server that answers too early.
    async fn why_it_ended(&mut self) -> DocrootError {
        let operation = self.operation();
        match self.answer().await {
            Ok(_) => S3Error::new(Cause::Failed, operation, "answered before the last byte").into(),
            Err(error) => error,
        }
    }

    /// Cuts the request. When this returns nothing of it is sent any more.
    async fn cut(&mut self) {
        self.pieces = None;
        if let Some(request) = self.request.take() {
            request.abort();
            let _ = request.await;
        }
    }
}

impl Drop for S3PartWriter {
    fn drop(&mut self) {
        if let Some(request) = &self.request {
            request.abort();
        }
    }
}

impl S3Upload {
    async fn send(&self, number: u32, body: ByteStream) -> Result<Receipt, S3Error> {
        match &*self.way {
            Way::Multipart {
                asked, upload_id, ..
            } => {
                let sent = self
                    .send_part(number, upload_id, asked.as_ref(), body)
                    .await;
                match sent {
                    Err(error) if error.cause == Cause::UploadGone => {
                        Err(self.gone(upload_id, error).await)
                    }
                    result => result,
                }
            }
            Way::Single { asked } => self.send_whole(asked.as_ref(), body).await,
        }
    }

    /// A part was answered that its upload is not there. Much hangs on that, so it is asked a second time.
    async fn gone(&self, upload_id: &str, error: S3Error) -> S3Error {
        match self.s3.list_parts(&self.key, upload_id).await {
            Err(again) if again.cause == Cause::UploadGone => {
                self.is_gone.store(true, Ordering::Relaxed);
                error
            }
            Err(again) => again,
            Ok(_) => S3Error::new(Cause::Busy, "UploadPart", error.detail),
        }
    }

    async fn send_part(
        &self,
        number: u32,
        upload_id: &str,
        asked: Option<&Asked>,
        body: ByteStream,
    ) -> Result<Receipt, S3Error> {
        const OPERATION: &str = "UploadPart";
        let trailers = self.s3.settings().trailers;
        let answer = self
            .s3
            .bulk()
            .upload_part()
            .bucket(self.s3.bucket())
            .key(&*self.key)
            .upload_id(upload_id)
            .part_number(s3_number(number))
            .set_checksum_algorithm(trailers.then_some(ChecksumAlgorithm::Crc32))
            .body(body)
            .send()
            .await
            .map_err(|error| explain(OPERATION, &error))?;
        if let Some(asked) = asked {
            asked.check(&sse_of!(answer), OPERATION)?;
        }
        receipt(OPERATION, answer.e_tag(), answer.checksum_crc32(), None)
    }

    /// A body of one part. It never replaces what was recorded: the first write takes the name only when nothing is
    /// there, and one after it only in place of the very object that an attempt before it left without a record.
    async fn send_whole(
        &self,
        asked: Option<&Asked>,
        body: ByteStream,
    ) -> Result<Receipt, S3Error> {
        const OPERATION: &str = "PutObject";
        let token = super::token()
            .map_err(|error| S3Error::new(Cause::Failed, OPERATION, error.to_string()))?;
        let now;
        let asked = match asked {
            Some(asked) => asked,
            None => {
                now = self.s3.asked();
                &now
            }
        };
        let trailers = self.s3.settings().trailers;
        let replaces = self.s3.left_over(&self.key);
        let sent = self
            .s3
            .bulk()
            .put_object()
            .bucket(self.s3.bucket())
            .key(&*self.key)
            .set_if_none_match(replaces.is_none().then(|| "*".to_owned()))
            .set_if_match(replaces)
            .metadata(TOKEN, &token)
            .set_checksum_algorithm(trailers.then_some(ChecksumAlgorithm::Crc32))
            .set_server_side_encryption(asked.header())
            .set_ssekms_key_id(asked.key(self.s3.learned()))
            .set_bucket_key_enabled(asked.bucket_key())
            .set_storage_class(self.s3.storage_class())
            .body(body)
            .send()
            .await
            .map_err(|error| explain(OPERATION, &error));
        match sent {
            Ok(answer) => {
                let etag = answer.e_tag();
                if let Err(error) = asked.check_if_said(&sse_of!(answer), OPERATION) {
                    self.s3.delete_exactly(&self.key, etag).await?;
                    return Err(error);
                }
                self.s3.remember_left_over(&self.key, None);
                receipt(OPERATION, etag, answer.checksum_crc32(), Some(token))
            }
            // AWS answers 404 where nothing is left to be replaced, as others do when the key is lost.
            Err(error) if matches!(error.cause, Cause::ObjectExists | Cause::KmsKeyNotFound) => {
                Err(self.met(error).await)
            }
            Err(error) => match self.s3.left_over(&self.key) {
                // A server that knows no If-Match: what was left over is removed instead.
                Some(etag) if error.cause == Cause::SseNotSupported => {
                    self.s3.delete_exactly(&self.key, Some(&etag)).await?;
                    self.s3.remember_left_over(&self.key, None);
                    let detail = "what an attempt left without a record was removed";
                    Err(S3Error::new(Cause::WriteConflict, OPERATION, detail))
                }
                _ => Err(error),
            },
        }
    }

    /// Something lies under the name that was not expected, or is gone. What an attempt of ours left is replaced by
    /// the next one; what is not ours is left alone.
    async fn met(&self, error: S3Error) -> S3Error {
        let there = match self.s3.head(&self.key).await {
            Ok(head) if head.token.is_none() => return error,
            Ok(head) => head.etag,
            Err(absent) if is_not_found(&absent) => match self.s3.listed(&self.key).await {
                Ok(None) => None,
                // It is there, and its key is not.
                Ok(Some(_)) => return error,
                Err(error) => return error,
            },
            Err(error) => return error,
        };
        let next = match (there, self.s3.left_over(&self.key)) {
            (there, before) if error.cause == Cause::KmsKeyNotFound && there == before => {
                return error;
            }
            // The very object that was named: this server compares ETags without their quotes.
            (Some(there), Some(before)) if there == before => Some(unquoted(&there)),
            (there, _) => there,
        };
        self.s3.remember_left_over(&self.key, next);
        let detail = "an attempt that was never recorded had stored it; the next one replaces it";
        S3Error::new(Cause::WriteConflict, error.operation, detail)
    }
}

/// An ETag as Ceph compares it; S3 takes both.
pub(super) fn unquoted(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

/// S3 counts parts from 1.
pub(super) fn s3_number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX).saturating_add(1)
}

fn receipt(
    operation: &'static str,
    etag: Option<&str>,
    crc32: Option<&str>,
    token: Option<String>,
) -> Result<Receipt, S3Error> {
    let etag = etag.filter(|etag| !etag.is_empty() && !etag.contains(char::is_whitespace));
    let etag =
        etag.ok_or_else(|| S3Error::new(Cause::Failed, operation, "no ETag in the answer"))?;
    Ok(Receipt {
        etag: etag.to_owned(),
        crc32: crc32.map(str::to_owned),
        token,
    })
}
