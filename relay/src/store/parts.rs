//! Parts: an attempt is recorded before its first byte, and durable when the record says so (S1, S6).

use std::sync::Arc;

use sealift_docroot::{Docroot, Upload};
use sealift_protocol::format::PartReader;
use sealift_protocol::message::pairs_sha256;
use sealift_protocol::part_plan::PartPlan;
use sealift_protocol::session::{StorageAnswer, StorageError};
use sealift_protocol::{Code, FileId, PartNumber};

use super::{Failure, Open, Store, shape};
use crate::attempt::OpenAttempt;
use crate::names;
use crate::records::{AttemptKey, Change};

/// Files kept open although no attempt writes to them.
const IDLE_UPLOADS: usize = 16;

impl Store {
    pub(super) async fn open_attempt(&self, key: AttemptKey) -> Result<StorageAnswer, Failure> {
        let plan = self
            .open()
            .plans
            .get(&key.file)
            .copied()
            .ok_or(Code::NotFound)?;
        let range = plan.parts.range(key.part).ok_or(Code::BadLength)?;
        if !self.storage.records.apply(Change::OpenAttempt(key)).await? {
            return Err(Failure(StorageError::NotMine));
        }
        let upload = self.upload(key.file, plan.parts).await?;
        let writer = upload.part(key.part.0)?;
        let reader = PartReader::new(plan.geometry, range.offset, range.length);
        let reader = reader.map_err(|_| Code::BadLength)?;
        let attempt = OpenAttempt::new(
            writer,
            reader,
            range.length,
            range.is_last,
            Arc::clone(&self.storage.metrics),
        );
        self.open().attempts.insert(key, Arc::new(attempt));
        Ok(StorageAnswer::Done)
    }

    /// The file's upload, opened when it is not open. Attempts at once share one, and so its syncs (S6).
    async fn upload(&self, file: FileId, parts: PartPlan) -> Result<Upload, Failure> {
        if let Some(upload) = self.open().uploads.get(&file) {
            return Ok(upload.clone());
        }
        let _shared = self.changing.read().await;
        self.check_not_gone()?;
        let name = names::body(self.package, file)?;
        let shape = shape(parts.body_bytes(), parts.part_bytes());
        let docroot = self.docroot().await?;
        let known = self.open().states.get(&file).cloned();
        let mut upload = docroot.upload(&name, shape, known.as_deref()).await?;
        if let (None, Some(begun)) = (known, upload.state()) {
            let recorded = self.record_upload(&docroot, file, begun.clone()).await?;
            if recorded != begun {
                upload = docroot.upload(&name, shape, Some(&recorded)).await?;
            }
        }
        Ok(self.open().keep(file, upload))
    }

    /// Records an upload that has begun; answers with the one that counts, which another may have begun.
    async fn record_upload(
        &self,
        docroot: &Docroot,
        file: FileId,
        begun: String,
    ) -> Result<String, Failure> {
        let change = Change::UploadBegun {
            package: self.package,
            file,
            storage: begun.clone(),
        };
        let counts = match self.storage.records.apply(change).await? {
            true => begun,
            false => {
                let recorded = self.storage.records.receipts(self.package, file).await?;
                let recorded = recorded.storage.ok_or(Failure(StorageError::NotMine))?;
                if recorded != begun {
                    let name = names::body(self.package, file)?;
                    docroot.abort(&name, Some(&begun)).await?;
                }
                recorded
            }
        };
        self.open().states.insert(file, counts.clone());
        Ok(counts)
    }

    pub(super) async fn make_durable(&self, key: AttemptKey) -> Result<StorageAnswer, Failure> {
        let attempt = self.attempt(&key).ok_or(Failure(StorageError::NotMine))?;
        let arrived = attempt.durable().await;
        self.open().attempts.remove(&key);
        let arrived =
            arrived.map_err(|code| code.map_or(Failure(StorageError::NotMine), Failure::from))?;
        let pairs_sha256 = pairs_sha256(&arrived.pairs);
        let change = Change::Durable {
            key,
            pairs: arrived.pairs,
            seal: arrived.seal,
            transports: arrived.transports,
            receipt: arrived.receipt.map(|receipt| receipt.to_text()),
        };
        self.mine(change).await?;
        self.storage.metrics.parts_durable.inc();
        Ok(StorageAnswer::Durable { pairs_sha256 })
    }

    pub(super) async fn end_attempt(&self, key: &AttemptKey) {
        let attempt = self.open().attempts.remove(key);
        if let Some(attempt) = attempt {
            attempt.stop().await;
        }
    }

    pub(super) async fn read_pairs(
        &self,
        file: FileId,
        part: PartNumber,
    ) -> Result<StorageAnswer, Failure> {
        let stored = self
            .storage
            .records
            .pairs(self.package, file, part)
            .await?
            .ok_or(Failure(StorageError::NotMine))?;
        Ok(StorageAnswer::Pairs {
            epoch: stored.epoch,
            attempt: stored.attempt,
            pairs: stored.pairs,
        })
    }
}

impl Open {
    /// Keeps an upload open, unless one of the file is open already; answers the one that is. Closes others
    /// that nobody uses when they become many.
    pub(super) fn keep(&mut self, file: FileId, upload: Upload) -> Upload {
        if self.uploads.len() >= IDLE_UPLOADS {
            self.uploads.retain(|_, upload| upload.is_shared());
        }
        self.uploads.entry(file).or_insert(upload).clone()
    }
}
