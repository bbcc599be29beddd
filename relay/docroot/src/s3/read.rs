//! Reading a range, as it arrives: nothing is held but what the connection holds. A reader that stands still
//! holds its connection; when the server gives that up, reading goes on where it was.

use std::time::Duration;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use tokio::time::{sleep, timeout};

use super::answer::explain;
use super::objects::missing;
use super::{Cause, S3, S3Error, within};
use crate::{DocrootError, Name};

/// The longest wait for an answer's head, and for its next bytes.
const HEAD_MAX: Duration = Duration::from_secs(30);
const NEXT_MAX: Duration = Duration::from_secs(60);
/// Tries without a byte in between, and the wait before the second; it doubles.
const TRIES: u32 = 4;
const BACKOFF_FIRST: Duration = Duration::from_millis(250);

/// A range being read.
pub(crate) struct S3Reader {
    s3: S3,
    key: String,
    position: u64,
    end: u64,
    etag: Option<String>,
    body: Option<ByteStream>,
    failures: u32,
}

impl S3 {
    /// Opens a range of something committed.
    pub(crate) async fn read(
        &self,
        name: &Name,
        offset: u64,
        length_bytes: u64,
    ) -> Result<S3Reader, DocrootError> {
        let end = offset
            .checked_add(length_bytes)
            .ok_or(DocrootError::OutOfRange)?;
        let mut reader = S3Reader {
            s3: self.clone(),
            key: self.key(name),
            position: offset,
            end,
            etag: None,
            body: None,
            failures: 0,
        };
        if length_bytes > 0 {
            reader.body = Some(reader.get().await?);
        }
        Ok(reader)
    }
}

impl S3Reader {
    /// The next bytes; `None` at the end of the range.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, DocrootError> {
        while self.position < self.end {
            let error = match self.step().await {
                Ok(bytes) => {
                    self.position += bytes.len() as u64;
                    self.failures = 0;
                    if self.position > self.end {
                        return Err(DocrootError::OutOfRange);
                    }
                    return Ok(Some(bytes));
                }
                Err(error) => error,
            };
            self.body = None;
            self.failures += 1;
            let again = matches!(&error, DocrootError::S3(error) if error.cause.retryable());
            if !again || self.failures >= TRIES {
                return Err(error);
            }
            sleep(BACKOFF_FIRST * 2u32.pow(self.failures)).await;
        }
        Ok(None)
    }

    async fn step(&mut self) -> Result<Bytes, DocrootError> {
        const OPERATION: &str = "GetObject";
        let body = match &mut self.body {
            Some(body) => body,
            None => {
                let body = self.get().await?;
                self.body.insert(body)
            }
        };
        match timeout(NEXT_MAX, body.next()).await {
            Ok(Some(Ok(bytes))) => Ok(bytes),
            Ok(Some(Err(error))) => {
                Err(S3Error::new(Cause::Unreachable, OPERATION, error.to_string()).into())
            }
            Ok(None) => {
                Err(S3Error::new(Cause::Unreachable, OPERATION, "the answer was cut short").into())
            }
            Err(_) => Err(S3Error::new(Cause::Stalled, OPERATION, "no data in time").into()),
        }
    }

    /// Asks for the rest of the range, of the same object.
    async fn get(&mut self) -> Result<ByteStream, DocrootError> {
        const OPERATION: &str = "GetObject";
        let last = self.end.saturating_sub(1);
        let sent = self
            .s3
            .bulk()
            .get_object()
            .bucket(self.s3.bucket())
            .key(&self.key)
            .range(format!("bytes={}-{last}", self.position))
            .set_if_match(self.etag.clone())
            .send();
        let answer = within(HEAD_MAX, OPERATION, sent).await?.map_err(|error| {
            if error.code() == Some("InvalidRange") {
                return DocrootError::OutOfRange;
            }
            missing(explain(OPERATION, &error), error.code())
        })?;
        let length = answer
            .content_length()
            .and_then(|length| u64::try_from(length).ok());
        if length != Some(self.end - self.position) {
            return Err(DocrootError::OutOfRange);
        }
        self.etag = answer.e_tag().map(str::to_owned);
        Ok(answer.body)
    }
}
