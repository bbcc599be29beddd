//! What some servers do and others do not: found out by `docroot check`, and said in its notes. Nothing here is needed
//! for a correct upload; it says on what its safety rests.

use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_s3::types::ChecksumAlgorithm;
use bytes::Bytes;

use super::answer::explain;
use super::body::{PartBody, Piece};
use super::commit::Ending;
use super::way::Way;
use super::{Cause, S3, S3Error};
use crate::check::CheckReport;
use crate::{DocrootError, Name};

/// What the next request would replace.
const OTHER: &[u8] = b"sealift docroot check: nobody should see this";
/// A CRC32 that these bytes do not have.
const WRONG_CRC32: &str = "AAAAAA==";

impl S3 {
    /// `small` and `body` are objects of the check that are there.
    pub(super) async fn probe_habits(&self, report: &mut CheckReport, small: &Name, body: &Name) {
        if self.replaces_on_put(&self.key(small)).await {
            report.notes.push(
                "this server ignores If-None-Match on a PUT: two relays that write one small file at once are told \
                 apart at its commit, by the token in its metadata, and it is sent again"
                    .to_owned(),
            );
        }
        if self.replaces_on_complete(&self.key(body)).await {
            report.notes.push(
                "this server ignores If-None-Match at the end of an upload: a second commit is kept from replacing \
                 the first by a HEAD before it and the token in the metadata"
                    .to_owned(),
            );
        }
        let checks = self.checks_trailers(&self.key(small)).await;
        let note = match (self.settings().trailers, checks) {
            (true, false) => {
                "checksum-trailers is on, and this server does not check what stands in them: damage on the way is \
                 found at the download"
            }
            (false, true) => {
                "this server checks a CRC32 behind the body: checksum-trailers=true in the docroot URL has every part \
                 checked on its way"
            }
            _ => return,
        };
        report.notes.push(note.to_owned());
    }

    async fn replaces_on_put(&self, key: &str) -> bool {
        let asked = self.asked();
        let sent = self
            .small()
            .put_object()
            .bucket(self.bucket())
            .key(key)
            .if_none_match("*")
            .set_server_side_encryption(asked.header())
            .set_ssekms_key_id(asked.key(self.learned()))
            .set_bucket_key_enabled(asked.bucket_key())
            .body(ByteStream::from_static(OTHER))
            .send();
        sent.await.is_ok()
    }

    async fn replaces_on_complete(&self, key: &str) -> bool {
        let Ok(Way::Multipart { upload_id, .. }) = self.create_multipart(key).await else {
            return false;
        };
        let ended = self.end_over(key, &upload_id).await;
        if ended.is_err() {
            let _swept_later = self.abort_upload(key, &upload_id).await;
        }
        ended.is_ok()
    }

    /// Ends another upload where an object lies.
    async fn end_over(&self, key: &str, upload_id: &str) -> Result<(), DocrootError> {
        let length = OTHER.len() as u64;
        let way = Way::Multipart {
            token: super::token()?,
            asked: None,
            upload_id: upload_id.to_owned(),
        };
        let mut part = self.upload_at(key, length, way).part(0, 0, length)?;
        part.write(vec![Bytes::from_static(OTHER)], ()).await?;
        let receipts = [part.durable().await?];
        let ending = Ending::of_one_part(key, length, &receipts);
        Ok(self.complete(&ending, upload_id).await?)
    }

    /// Whether a checksum behind a body is taken, and a wrong one refused.
    async fn checks_trailers(&self, key: &str) -> bool {
        let asked = self.asked();
        let config = self.small().config().to_builder();
        let config = config.request_checksum_calculation(RequestChecksumCalculation::WhenSupported);
        let client = aws_sdk_s3::Client::from_conf(config.build());
        let put = || {
            client
                .put_object()
                .bucket(self.bucket())
                .key(key)
                .set_server_side_encryption(asked.header())
                .set_ssekms_key_id(asked.key(self.learned()))
                .set_bucket_key_enabled(asked.bucket_key())
        };
        let (pieces, body) = PartBody::new(OTHER.len() as u64);
        let piece = Piece {
            slices: vec![Bytes::from_static(OTHER)],
            hold: Box::new(()),
        };
        if pieces.send(piece).await.is_err() {
            return false;
        }
        let streamed = put()
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .body(ByteStream::new(SdkBody::from_body_1_x(body)));
        if streamed.send().await.is_err() {
            return false;
        }
        let wrong = put()
            .checksum_crc32(WRONG_CRC32)
            .body(ByteStream::from_static(OTHER));
        let refused = wrong.send().await;
        let refused: Option<S3Error> = refused.err().map(|error| explain("PutObject", &error));
        refused.is_some_and(|error| error.cause == Cause::ChecksumMismatch)
    }
}
