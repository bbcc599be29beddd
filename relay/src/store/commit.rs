//! Making a file whole, and the package complete (S5).

use sealift_docroot::{Docroot, DocrootError, Receipt, Stored};
use sealift_protocol::message::PackageState;
use sealift_protocol::part_plan::PartPlan;
use sealift_protocol::session::{StorageAnswer, StorageError};
use sealift_protocol::{Code, FileId, PackageId, PartNumber};

use super::{Failure, Storage, Store, shape};
use crate::records::{Change, File};
use crate::{clock, names};

impl Store {
    pub(super) async fn commit_file(&self, file: FileId) -> Result<StorageAnswer, Failure> {
        let _shared = self.changing.read().await;
        let plan = self
            .open()
            .plans
            .get(&file)
            .copied()
            .ok_or(Code::NotFound)?;
        let parts = plan.parts;
        let docroot = self.docroot().await?;
        match commit(&self.storage, &docroot, self.package, file, parts).await? {
            Commit::Done => {
                self.storage.metrics.files_committed.inc();
                self.open().uploads.remove(&file);
                Ok(StorageAnswer::Done)
            }
            Commit::Lost => {
                let mut open = self.open();
                open.uploads.remove(&file);
                open.states.remove(&file);
                let all = (0..parts.part_count()).map(PartNumber).collect();
                Err(Failure(StorageError::PartsLost(all)))
            }
            Commit::Differs(lost) => Err(Failure(StorageError::PartsLost(lost))),
        }
    }

    pub(super) async fn finish(&self, manifest: FileId) -> Result<StorageAnswer, Failure> {
        let _one = self.changing.write().await;
        let package = self.record().await?.ok_or(Code::NotFound)?;
        if package.state == PackageState::Finished {
            let same = package.manifest == Some(manifest);
            let expires_at = package.expires_at;
            return if same {
                Ok(StorageAnswer::Finished { expires_at })
            } else {
                Err(Code::Conflict.into())
            };
        }
        if let Some(code) = self.forbidden(&package).await? {
            self.forget().await?;
            return Err(code.into());
        }
        let now = clock::unix_seconds();
        let expires_at = now.saturating_add(package.lifetime_s);
        let change = Change::Finish {
            package: self.package,
            manifest,
            now,
            expires_at,
        };
        if !self.storage.records.apply(change).await? {
            return Err(Code::NotComplete.into());
        }
        self.storage.metrics.packages_finished.inc();
        Ok(StorageAnswer::Finished { expires_at })
    }
}

enum Commit {
    Done,
    /// The docroot has nothing under the file's name; all parts are to be sent again.
    Lost,
    /// The docroot holds other parts than recorded; these are to be sent again (S3).
    Differs(Vec<PartNumber>),
}

/// Makes a file whole (S5). Safe to repeat at any point, also after a crash in the middle.
async fn commit(
    storage: &Storage,
    docroot: &Docroot,
    package: PackageId,
    file: FileId,
    parts: PartPlan,
) -> Result<Commit, Failure> {
    let mut stored = Stored::default();
    let committing = Change::Committing {
        package,
        file,
        part_count: parts.part_count(),
    };
    if storage.records.apply(committing).await? {
        let known = storage.records.receipts(package, file).await?;
        let receipts: Vec<Receipt> = known.parts.iter().map(|r| Receipt::from_text(r)).collect();
        let name = names::body(package, file)?;
        let shape = shape(parts.body_bytes(), parts.part_bytes());
        let state = known.storage.as_deref();
        match docroot.commit(&name, shape, state, &receipts).await {
            Err(DocrootError::PartsDiffer(differ)) => {
                tracing::error!(
                    parts = differ.len(),
                    "the storage holds other parts than recorded; they are asked for again"
                );
                let mut lost: Vec<PartNumber> = differ.into_iter().map(PartNumber).collect();
                if !lost.contains(&parts.last()) {
                    lost.push(parts.last());
                }
                let change = Change::PartsLost {
                    package,
                    file,
                    parts: lost.clone(),
                };
                storage.records.apply(change).await?;
                return Ok(Commit::Differs(lost));
            }
            Err(DocrootError::Missing) => {
                tracing::error!("the docroot lost a file that was durable; it is asked for again");
                storage
                    .records
                    .apply(Change::Lost { package, file })
                    .await?;
                return Ok(Commit::Lost);
            }
            result => stored = result?,
        }
    }
    if let Some(reason) = &stored.unverified {
        tracing::warn!(
            reason,
            "a file is stored; that it is encrypted is verified later"
        );
    }
    let sse = stored.sse.as_ref();
    let committed = Change::Committed {
        package,
        file,
        sse: sse.and_then(|sse| serde_json::to_string(sse).ok()),
        verified_at: sse.map(|_| clock::unix_seconds()),
    };
    // Committed before, or just now: both leave the record as it must be.
    match storage.records.apply(committed).await? {
        true => Ok(Commit::Done),
        false => Err(Failure(StorageError::NotMine)),
    }
}

impl Storage {
    /// After a start: ends the commits that were under way (S5). One that cannot be ended is left as it is:
    /// its client, or the next start, tries again.
    pub(crate) async fn recover(&self, committing: Vec<(PackageId, File)>) {
        for (package, file) in committing {
            let result = match PartPlan::from_record(file.body_bytes, file.part_bytes) {
                Ok(parts) => self.commit_again(package, file.id, parts).await,
                Err(_) => Err(Code::Internal.into()),
            };
            if result.is_err() {
                tracing::error!(
                    "a commit that was under way when the relay stopped could not be ended"
                );
            }
        }
    }

    async fn commit_again(
        &self,
        package: PackageId,
        file: FileId,
        parts: PartPlan,
    ) -> Result<(), Failure> {
        let docroot = self.docroot_of(package).await?;
        commit(self, &docroot, package, file, parts).await.map(drop)
    }
}
