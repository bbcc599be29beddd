//! Parts on their way to S3: one streamed request each, of known length.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_s3::types::ChecksumAlgorithm;
use bytes::Bytes;
use md5::{Digest as _, Md5};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::answer::explain;
use super::body::{PartBody, Piece};
use super::sse::{self, sse_of};
use super::{Cause, S3, S3Error, TOKEN};
use crate::{DocrootError, Name, Receipt};

/// A server that takes nothing for so long although data waits loses the request.
const TAKE_MAX: Duration = Duration::from_secs(30);
/// After the last byte: the longest wait for the answer, and more for each MiB.
const ANSWER_MAX: Duration = Duration::from_secs(60);
const ANSWER_PER_MIB: Duration = Duration::from_secs(1);

/// How the bytes of an upload get there: what is recorded with the file, so that any relay can go on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// One `PutObject`.
    Single,
    /// A multipart upload.
    Multipart { token: String, upload_id: String },
}

impl Way {
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Single => "single".to_owned(),
            Self::Multipart { token, upload_id } => format!("multipart {token} {upload_id}"),
        }
    }

    pub(super) fn from_text(text: &str) -> Result<Self, DocrootError> {
        let mut words = text.split(' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("single"), None, _, _) => Ok(Self::Single),
            (Some("multipart"), Some(token), Some(id), None) => Ok(Self::Multipart {
                token: token.to_owned(),
                upload_id: id.to_owned(),
            }),
            _ => Err(DocrootError::Storage(
                "the record of an upload cannot be read".to_owned(),
            )),
        }
    }
}

/// An upload in progress.
#[derive(Clone)]
pub(crate) struct S3Upload {
    s3: S3,
    key: Arc<str>,
    length_bytes: u64,
    way: Arc<Way>,
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
            Way::Single
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
        S3Upload {
            s3: self.clone(),
            key: self.key(name).into(),
            length_bytes,
            way: Arc::new(way),
        }
    }

    pub(super) async fn create_multipart(&self, key: &str) -> Result<Way, DocrootError> {
        let learned = self.learned_key().await?;
        let (settings, token) = (self.settings(), super::token()?);
        let encryption = &settings.encryption;
        let answer = self
            .small()
            .create_multipart_upload()
            .bucket(self.bucket())
            .key(key)
            .metadata(TOKEN, &token)
            .set_checksum_algorithm(settings.trailers.then_some(ChecksumAlgorithm::Crc32))
            .set_server_side_encryption(sse::header(encryption))
            .set_ssekms_key_id(encryption.key().map(ToString::to_string))
            .set_bucket_key_enabled(sse::bucket_key(encryption))
            .set_storage_class(self.storage_class())
            .send()
            .await
            .map_err(|error| explain("CreateMultipartUpload", &error))?;
        let bad = || {
            S3Error::new(
                Cause::Failed,
                "CreateMultipartUpload",
                "no usable upload id",
            )
        };
        let upload_id = answer
            .upload_id()
            .filter(|id| !id.is_empty() && !id.contains(' '));
        let upload_id = upload_id.ok_or_else(bad)?.to_owned();
        let found = sse_of!(answer);
        if let Err(error) = sse::check(encryption, &found, learned, "CreateMultipartUpload") {
            self.abort_upload(key, &upload_id).await?;
            return Err(error.into());
        }
        Ok(Way::Multipart { token, upload_id })
    }
}

impl S3Upload {
    pub(crate) fn state(&self) -> String {
        self.way.to_text()
    }

    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.way) > 1
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
            Way::Single => "PutObject",
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
            Way::Multipart { upload_id, .. } => self.send_part(number, upload_id, body).await,
            Way::Single => self.send_whole(body).await,
        }
    }

    async fn send_part(
        &self,
        number: u32,
        upload_id: &str,
        body: ByteStream,
    ) -> Result<Receipt, S3Error> {
        const OPERATION: &str = "UploadPart";
        let learned = self.s3.0.learned_key.get().and_then(Option::as_deref);
        let settings = self.s3.settings();
        let answer = self
            .s3
            .bulk()
            .upload_part()
            .bucket(self.s3.bucket())
            .key(&*self.key)
            .upload_id(upload_id)
            .part_number(s3_number(number))
            .set_checksum_algorithm(settings.trailers.then_some(ChecksumAlgorithm::Crc32))
            .body(body)
            .send()
            .await
            .map_err(|error| explain(OPERATION, &error))?;
        sse::check(&settings.encryption, &sse_of!(answer), learned, OPERATION)?;
        receipt(OPERATION, answer.e_tag(), answer.checksum_crc32(), None)
    }

    /// A body of one part. It never replaces what lies there: of two writes that meet, one is refused, and
    /// what was written and never recorded is removed by the next attempt.
    async fn send_whole(&self, body: ByteStream) -> Result<Receipt, S3Error> {
        const OPERATION: &str = "PutObject";
        let token = super::token()
            .map_err(|error| S3Error::new(Cause::Failed, OPERATION, error.to_string()))?;
        let learned = self.s3.0.learned_key.get().and_then(Option::as_deref);
        let settings = self.s3.settings();
        let encryption = &settings.encryption;
        let sent = self
            .s3
            .bulk()
            .put_object()
            .bucket(self.s3.bucket())
            .key(&*self.key)
            .if_none_match("*")
            .metadata(TOKEN, &token)
            .set_checksum_algorithm(settings.trailers.then_some(ChecksumAlgorithm::Crc32))
            .set_server_side_encryption(sse::header(encryption))
            .set_ssekms_key_id(encryption.key().map(ToString::to_string))
            .set_bucket_key_enabled(sse::bucket_key(encryption))
            .set_storage_class(self.s3.storage_class())
            .body(body)
            .send()
            .await
            .map_err(|error| explain(OPERATION, &error));
        match sent {
            Ok(answer) => {
                let found = sse_of!(answer);
                if let Err(error) = sse::check_if_said(encryption, &found, learned, OPERATION) {
                    self.s3.delete_key(&self.key).await?;
                    return Err(error);
                }
                receipt(
                    OPERATION,
                    answer.e_tag(),
                    answer.checksum_crc32(),
                    Some(token),
                )
            }
            Err(error) if error.cause == Cause::ObjectExists => {
                self.s3.delete_key(&self.key).await?;
                let detail = "an attempt that was never recorded had stored it; it was removed";
                Err(S3Error::new(Cause::WriteConflict, OPERATION, detail))
            }
            Err(error) => Err(error),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_reads_back() {
        let way = Way::Multipart {
            token: "ab".to_owned(),
            upload_id: "2~x/y+z=".to_owned(),
        };
        assert_eq!(Way::from_text(&way.to_text()).unwrap(), way);
        assert_eq!(Way::from_text("single").unwrap(), Way::Single);
        for bad in [
            "",
            "x",
            "multipart",
            "multipart a",
            "multipart a b c",
            "single x",
        ] {
            assert!(Way::from_text(bad).is_err(), "{bad}");
        }
    }
}
