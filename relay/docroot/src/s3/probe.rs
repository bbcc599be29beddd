//! What `docroot check` tries on S3, and what the docroot learns from it: the key's ARN, and whether ETags of
//! parts are the MD5 of their bytes.

use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use md5::{Digest as _, Md5};

use super::objects::Head;
use super::way::Way;
use super::{Cause, S3, S3Error};
use crate::check::{CheckReport, milliseconds};
use crate::{DocrootError, Name, Shape};

const BYTES: &[u8] = b"sealift docroot check: may be deleted at any time";

/// The key that an object gets under these settings, as the server names it.
pub(super) async fn learn_key(s3: &S3) -> Result<Option<String>, S3Error> {
    let random =
        super::token().map_err(|error| S3Error::new(Cause::Failed, "probe", error.to_string()))?;
    let key = format!("{}sealift-check-{random}/key", s3.prefix());
    let shown = s3.put_key(&key, Bytes::from_static(BYTES)).await?;
    let shown = if shown.key.is_some() {
        Ok(shown)
    } else {
        s3.head(&key).await.map(|head| head.sse)
    };
    s3.delete_key(&key).await?;
    let key = shown?.key;
    // It is recorded in a line of words with bars between.
    let plain = |key: &String| key.bytes().all(|b| b.is_ascii_graphic() && b != b'|');
    if key.as_ref().is_some_and(|key| !plain(key)) {
        return Err(S3Error::new(
            Cause::Failed,
            "PutObject",
            "the key's name has characters that no key has",
        ));
    }
    Ok(key)
}

impl S3 {
    /// Tries everything; leaves nothing behind.
    pub(crate) async fn probe(&self, report: &mut CheckReport) {
        let began = Instant::now();
        let (Ok(random), asked) = (super::token(), &self.settings().encryption) else {
            return;
        };
        let folder = format!("sealift-check-{random}");
        let (Ok(small), Ok(body)) = (Name::new(&folder, "small"), Name::new(&folder, "body"))
        else {
            return;
        };
        let learned = self.learned_key().await.map(drop);
        if !matches!(asked, crate::Encryption::None | crate::Encryption::Aes256) {
            let permissions = ["s3:PutObject", "kms:GenerateDataKey"];
            if report.step("key", &permissions, began, learned).is_none() {
                return;
            }
        }
        let began = Instant::now();
        let wrote = self
            .put_key(&self.key(&small), Bytes::from_static(BYTES))
            .await;
        let permissions = ["s3:PutObject", "kms:GenerateDataKey"];
        if report
            .step(
                "write",
                &permissions,
                began,
                wrote.map_err(DocrootError::from),
            )
            .is_none()
        {
            return;
        }
        report.round_trip_ms = Some(milliseconds(began.elapsed()));
        self.probe_read(report, &small).await;
        self.probe_list(report, &folder).await;
        self.probe_parts(report, &body).await;
        self.probe_abort(report, &body).await;
        if report.is_ok() {
            self.probe_habits(report, &small, &body).await;
        }
        let began = Instant::now();
        let permissions = [
            "s3:DeleteObject",
            "s3:ListBucket",
            "s3:ListBucketMultipartUploads",
        ];
        report.step(
            "delete",
            &permissions,
            began,
            self.delete_folder(&folder).await,
        );
    }

    async fn probe_read(&self, report: &mut CheckReport, name: &Name) {
        let began = Instant::now();
        let head = self.head(&self.key(name)).await;
        let head = head.and_then(|Head { sse: found, .. }| {
            report.found = Some(found.clone());
            self.asked().check(&found, "HeadObject")
        });
        let permissions = ["s3:GetObject", "kms:Decrypt"];
        report.step(
            "look, encryption",
            &permissions,
            began,
            head.map_err(DocrootError::from),
        );
        let began = Instant::now();
        let read = async {
            let mut reader = self.read(name, 8, 7).await?;
            let mut bytes = Vec::new();
            while let Some(more) = reader.next().await? {
                bytes.extend_from_slice(&more);
            }
            same(&bytes, &BYTES[8..15])
        };
        report.step("range read", &permissions, began, read.await);
    }

    async fn probe_list(&self, report: &mut CheckReport, folder: &str) {
        let began = Instant::now();
        let listed = self.list(folder).await.and_then(|names| {
            if names.iter().any(|name| name == "small") {
                Ok(())
            } else {
                Err(S3Error::new(
                    Cause::Failed,
                    "ListObjectsV2",
                    "what was written is not listed",
                )
                .into())
            }
        });
        report.step("list", &["s3:ListBucket"], began, listed);
    }

    /// An upload of one part, left and gone on with, ended and read.
    async fn probe_parts(&self, report: &mut CheckReport, name: &Name) {
        let shape = Shape {
            length_bytes: BYTES.len() as u64,
            part_bytes: BYTES.len() as u64,
        };
        let key = self.key(name);
        let began = Instant::now();
        let permissions = ["s3:PutObject", "kms:GenerateDataKey"];
        let Some(way) = report.step(
            "begin parts",
            &permissions,
            began,
            self.create_multipart(&key).await,
        ) else {
            return;
        };
        let state = way.to_text();
        let began = Instant::now();
        let part = async {
            let upload = self.resume(name, shape.length_bytes, &state)?;
            let mut part = upload.part(0, 0, shape.length_bytes)?;
            part.write(vec![Bytes::from_static(BYTES)], ()).await?;
            part.durable().await
        };
        let permissions = ["s3:PutObject", "kms:Decrypt"];
        let Some(receipt) = report.step("part", &permissions, began, part.await) else {
            return;
        };
        let md5: String = Md5::digest(BYTES)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        // With checksums of its own the server compares; else its ETag may serve.
        let comparable = !self.settings().trailers && receipt.etag.trim_matches('"') == md5;
        self.0.etag_is_md5.store(comparable, Ordering::Relaxed);
        let began = Instant::now();
        let Way::Multipart { upload_id, .. } = &way else {
            return;
        };
        let parts = self
            .list_parts(&key, upload_id)
            .await
            .map_err(DocrootError::from)
            .and_then(|parts| {
                if parts.len() == 1 {
                    Ok(())
                } else {
                    Err(S3Error::new(Cause::Failed, "ListParts", "the part is not listed").into())
                }
            });
        report.step(
            "resume",
            &["s3:ListMultipartUploadParts", "kms:Decrypt"],
            began,
            parts,
        );
        let began = Instant::now();
        let found = self
            .uploads_under(&key)
            .await
            .map_err(DocrootError::from)
            .and_then(|uploads| {
                if uploads.iter().any(|upload| &upload.upload_id == upload_id) {
                    Ok(())
                } else {
                    Err(S3Error::new(
                        Cause::Failed,
                        "ListMultipartUploads",
                        "the upload is not listed",
                    )
                    .into())
                }
            });
        report.step(
            "list uploads",
            &["s3:ListBucketMultipartUploads"],
            began,
            found,
        );
        let began = Instant::now();
        let ended = self
            .commit(
                name,
                shape.length_bytes,
                shape.part_bytes,
                &state,
                &[receipt],
            )
            .await;
        let permissions = ["s3:PutObject", "s3:GetObject", "kms:Decrypt"];
        if let Some(stored) = report.step("end parts", &permissions, began, ended) {
            report.found = stored.sse.or(report.found.take());
            let read = async {
                let mut reader = self.read(name, 0, shape.length_bytes).await?;
                same(&reader.next().await?.unwrap_or_default(), BYTES)
            };
            report.step(
                "read parts",
                &["s3:GetObject", "kms:Decrypt"],
                Instant::now(),
                read.await,
            );
        }
    }

    async fn probe_abort(&self, report: &mut CheckReport, name: &Name) {
        let began = Instant::now();
        let key = format!("{}-left", self.key(name));
        let aborted = async {
            match self.create_multipart(&key).await? {
                Way::Multipart { upload_id, .. } => Ok(self.abort_upload(&key, &upload_id).await?),
                Way::Single { .. } => Ok(()),
            }
        };
        report.step("abort", &["s3:AbortMultipartUpload"], began, aborted.await);
    }
}

fn same(read: &[u8], written: &[u8]) -> Result<(), DocrootError> {
    if read == written {
        Ok(())
    } else {
        Err(S3Error::new(
            Cause::Failed,
            "GetObject",
            "other bytes were read than written",
        )
        .into())
    }
}
