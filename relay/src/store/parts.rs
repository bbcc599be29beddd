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
        if upload.is_gone() {
            return Err(self.lost(key.file, plan.parts, &upload).await?);
        }
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
        let attempt = Arc::new(attempt);
        let has_ended = {
            let mut open = self.open();
            if !open.gone {
                open.attempts.insert(key, Arc::clone(&attempt));
            }
            open.gone
        };
        // The package was ended meanwhile: nothing may be written after that.
        if has_ended {
            attempt.stop().await;
            return Err(Code::NotFound.into());
        }
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
        let arrived = match arrived {
            Ok(arrived) => arrived,
            Err(None) => return Err(Failure(StorageError::NotMine)),
            Err(Some(code)) => return Err(self.failed(key.file, code).await?),
        };
        let pairs_sha256 = pairs_sha256(&arrived.pairs);
        let change = Change::Durable {
            key,
            pairs: arrived.pairs,
            seal: arrived.seal,
            transports: arrived.transports,
            receipt: arrived.receipt.map(|receipt| receipt.to_text()),
        };
        {
            // What is recorded and said here must not be forgotten by `lost` between the two.
            let _shared = self.changing.read().await;
            self.mine(change).await?;
        }
        self.storage.metrics.parts_durable.inc();
        Ok(StorageAnswer::Durable { pairs_sha256 })
    }

    /// What a part that failed means: more than itself, when the storage has forgotten the whole upload.
    async fn failed(&self, file: FileId, code: Code) -> Result<Failure, Failure> {
        let open = {
            let open = self.open();
            let gone = open.uploads.get(&file).filter(|upload| upload.is_gone());
            gone.cloned().zip(open.plans.get(&file).copied())
        };
        match open {
            Some((upload, plan)) => self.lost(file, plan.parts, &upload).await,
            None => Ok(code.into()),
        }
    }

    /// The storage has forgotten an upload, as a lifecycle rule makes it: the file begins anew, under another one.
    async fn lost(&self, file: FileId, parts: PartPlan, dead: &Upload) -> Result<Failure, Failure> {
        let _one = self.changing.write().await;
        self.check_not_gone()?;
        let current = {
            let mut open = self.open();
            open.uploads.retain(|_, upload| !upload.is_gone());
            open.states.get(&file).cloned()
        };
        // Another attempt saw it first: what is recorded since then is alive.
        if current.is_none() || current != dead.state() {
            return Ok(Code::UploadGone.into());
        }
        let package = self.package;
        let lost = Change::Lost { package, file };
        if !self.storage.records.apply(lost).await? {
            return Ok(Code::UploadGone.into());
        }
        self.open().states.remove(&file);
        tracing::error!(
            "the storage forgot an upload that was under way; its file is asked for again"
        );
        let all = (0..parts.part_count()).map(PartNumber).collect();
        Ok(Failure(StorageError::PartsLost(all)))
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
