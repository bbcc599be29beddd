//! Adding a file: its head and the room for its body, then the record.

use bytes::Bytes;
use sealift_config::Policy;
use sealift_docroot::{Docroot, Upload};
use sealift_protocol::message::{Role, sha256};
use sealift_protocol::part_plan::{DocrootAbility, PartPlan};
use sealift_protocol::session::{FileRecord, StorageAnswer};
use sealift_protocol::{Code, FileId, Sha256Hash};

use super::{Failure, Open, Plan, Store, shape};
use crate::door::{self, Admitted};
use crate::names;
use crate::records::{Change, File, FileState};

impl Store {
    pub(super) async fn add_file(
        &self,
        id: FileId,
        role: Role,
        bytes: Vec<u8>,
    ) -> Result<StorageAnswer, Failure> {
        let _shared = self.changing.read().await;
        self.check_not_gone()?;
        let head = door::Head {
            package: self.package,
            file: id,
            role,
            bytes: bytes.into(),
        };
        let (geometry, head) = door::pass(&self.storage.metrics, head)?;
        let head_sha256 = sha256(head.get());
        // One at a time: the head that is recorded must be the one that is stored.
        let _adding = Adding::of(self, id)?;
        if self.open().plans.contains_key(&id) {
            return self.known_file(id, role, head_sha256).await;
        }
        let body_bytes = geometry.body_bytes();
        let docroot = self.docroot().await?;
        let ability = match docroot.kind() {
            "s3" => DocrootAbility::S3,
            _ => DocrootAbility::FOLDER,
        };
        let parts = PartPlan::new(body_bytes, ability).map_err(|_| Code::TooLarge)?;
        let policy = self.policy()?;
        self.open().take(body_bytes, policy.package_bytes_max)?;
        let file = File {
            id,
            role,
            head_sha256,
            head_bytes: head.get().len() as u64,
            body_bytes,
            part_bytes: parts.part_bytes(),
            state: FileState::Receiving,
            seal: None,
            durable: Vec::new(),
            storage: None,
            sse: None,
            verified_at: None,
        };
        let answer = FileRecord::from(&file);
        match self.store_file(&docroot, file, head, &policy).await {
            Ok(upload) => {
                let mut open = self.open();
                open.states.extend(upload.state().map(|state| (id, state)));
                open.plans.insert(id, Plan { geometry, parts });
                open.keep(id, upload);
                Ok(StorageAnswer::FileAdded(answer))
            }
            Err(failure) => {
                self.open().body_bytes -= body_bytes;
                Err(failure)
            }
        }
    }

    /// Reserves the body's room, stores the head, then records the file.
    async fn store_file(
        &self,
        docroot: &Docroot,
        mut file: File,
        head: Admitted<Bytes>,
        policy: &Policy,
    ) -> Result<Upload, Failure> {
        let id = file.id;
        let bytes = file.head_bytes.saturating_add(file.body_bytes);
        let room = self.storage.records.room(self.package, policy.quota_bytes);
        let room = room.await?;
        if bytes > room.user {
            return Err(Code::QuotaExceeded.into());
        }
        if bytes > room.grant {
            return Err(Code::TooLarge.into());
        }
        let upload = docroot
            .upload(
                &names::body(self.package, id)?,
                shape(file.body_bytes, file.part_bytes),
                None,
            )
            .await?;
        // With the record: an upload that is not recorded is ended by the next sweep.
        file.storage = upload.state();
        door::put(docroot, &names::head(self.package, id)?, head).await?;
        let package = self.package;
        if !self
            .storage
            .records
            .apply(Change::AddFile {
                package,
                file,
                quota_bytes: policy.quota_bytes,
            })
            .await?
        {
            let known = self.record().await?;
            let ours = upload.state();
            if known.is_some_and(|known| known.files.iter().any(|file| file.id == id)) {
                // It was added before, and these are its bytes.
                if ours.is_some() {
                    let name = names::body(package, id)?;
                    docroot.abort(&name, ours.as_deref()).await?;
                }
                return Err(Code::Conflict.into());
            }
            docroot
                .abort(&names::body(package, id)?, ours.as_deref())
                .await?;
            docroot.delete(&names::head(package, id)?).await?;
            return Err(Code::TooLarge.into());
        }
        Ok(upload)
    }

    /// A file that was added before: the same bytes are the same answer (F3).
    async fn known_file(
        &self,
        id: FileId,
        role: Role,
        head_sha256: Sha256Hash,
    ) -> Result<StorageAnswer, Failure> {
        let package = self.record().await?.ok_or(Code::NotFound)?;
        let file = package
            .files
            .iter()
            .find(|file| file.id == id)
            .ok_or(Code::NotFound)?;
        if file.head_sha256 == head_sha256 && file.role == role {
            Ok(StorageAnswer::FileAdded(file.into()))
        } else {
            Err(Code::Conflict.into())
        }
    }
}

/// A file that is being added, until this is dropped.
struct Adding<'a> {
    store: &'a Store,
    file: FileId,
}

impl<'a> Adding<'a> {
    fn of(store: &'a Store, file: FileId) -> Result<Self, Failure> {
        match store.open().adding.insert(file) {
            true => Ok(Self { store, file }),
            // Its answer is on its way; asked again after it, both have the same.
            false => Err(Code::RelayBusy.into()),
        }
    }
}

impl Drop for Adding<'_> {
    fn drop(&mut self) {
        self.store.open().adding.remove(&self.file);
    }
}

impl Open {
    /// Counts a body that is to be added.
    fn take(&mut self, body_bytes: u64, package_bytes_max: u64) -> Result<(), Failure> {
        let sum = self.body_bytes.saturating_add(body_bytes);
        if sum > package_bytes_max {
            return Err(Code::TooLarge.into());
        }
        self.body_bytes = sum;
        Ok(())
    }
}
