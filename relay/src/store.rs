//! What the session asks of storage, done in the order that makes an acknowledgement mean durable.
//!
//! | request | order |
//! |---|---|
//! | create | row reserved, bytes into the docroot, then the record |
//! | add a file | bytes into the docroot, then the record |
//! | open an attempt | the record, then the first byte (S1) |
//! | make durable | last write ended, `fdatasync`, conditional record with pairs, then the answer (S1, S6) |
//! | commit a file | record *committing*, rename without replacing, length checked, record *committed* (S5) |
//! | delete | record *deleting*, bytes, record gone |
//!
//! A package's row exists before its first byte, so no crash leaves bytes that nothing knows of.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sealift_config::{Live, Policy};
use sealift_docroot::{Docroot, DocrootError, Receipt, Shape, Stored, Upload};
use sealift_protocol::format::{Geometry, PartReader};
use sealift_protocol::limits::KEYRING_BYTES_MAX;
use sealift_protocol::message::{Create, PackageState, Role, pairs_sha256, sha256};
use sealift_protocol::part_plan::{DocrootAbility, PartPlan};
use sealift_protocol::policy::Client;
use sealift_protocol::session::{FileRecord, StorageAnswer, StorageError, StorageRequest};
use sealift_protocol::{Attempt, ClientId, Code, Epoch, FileId, PackageId, PartNumber, Sha256Hash};
use tokio::sync::RwLock;

use crate::attempt::{OpenAttempt, storage_code};
use crate::docroots::Docroots;
use crate::door::{self, Admitted};
use crate::metrics::Metrics;
use crate::records::{
    self, AttemptKey, Change, File, FileState, GrantUse, PACKAGE_BYTES, Records, RecordsError,
};
use crate::trunk::Trunks;
use crate::{clock, names};

/// Files kept open although no attempt writes to them.
const IDLE_UPLOADS: usize = 16;

/// Docroots, records and configuration: all that a package's storage needs.
pub(crate) struct Storage {
    /// Where bytes lie.
    pub(crate) docroots: Docroots,
    /// What is known of them.
    pub(crate) records: Arc<dyn Records>,
    /// What holds now.
    pub(crate) config: Live,
    /// What is counted.
    pub(crate) metrics: Arc<Metrics>,
    /// Rates that users share.
    pub(crate) trunks: Trunks,
}

/// The storage of one package whose session is live.
pub(crate) struct Store {
    storage: Arc<Storage>,
    package: PackageId,
    owner_sha256: Sha256Hash,
    grant: Option<GrantUse>,
    /// The configuration's user whose package it is.
    user: Option<String>,
    /// Files are added, opened and committed side by side; create, finish and delete are alone.
    changing: RwLock<()>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    uploads: HashMap<FileId, Upload>,
    attempts: HashMap<AttemptKey, Arc<OpenAttempt>>,
    plans: HashMap<FileId, Plan>,
    /// Name of the docroot that keeps the package, once that is settled.
    docroot: Option<String>,
    /// How the bytes of files get into S3.
    states: HashMap<FileId, String>,
    /// Sum of all bodies, of files that are being added too.
    body_bytes: u64,
    /// The package has a row in the records.
    exists: bool,
    /// Deletion has begun; no file may be opened any more.
    gone: bool,
    /// The client that is creating the package, in its own words.
    sealed_by: Option<String>,
}

/// The exact shape of a file's body, and its cut into parts.
#[derive(Clone, Copy)]
struct Plan {
    geometry: Geometry,
    parts: PartPlan,
}

impl From<RecordsError> for Failure {
    fn from(error: RecordsError) -> Self {
        tracing::error!(%error, "the records failed");
        Self(StorageError::Code(Code::StorageFailed))
    }
}

impl From<DocrootError> for Failure {
    fn from(error: DocrootError) -> Self {
        Self(StorageError::Code(storage_code(&error)))
    }
}

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        Self(StorageError::Code(code))
    }
}

/// Why a request was not done.
struct Failure(StorageError);

impl Store {
    /// `known` is what the records hold of the package.
    pub(crate) fn new(
        storage: Arc<Storage>,
        package: PackageId,
        owner_sha256: Sha256Hash,
        grant: Option<GrantUse>,
        known: Option<&records::Package>,
    ) -> Self {
        let files = known.map_or(&[][..], |known| &known.files);
        let open = Mutex::new(Open {
            plans: files
                .iter()
                .filter_map(|file| Some((file.id, Plan::of(file)?)))
                .collect(),
            docroot: known.map(|known| known.docroot.clone()),
            states: files
                .iter()
                .filter_map(|file| Some((file.id, file.storage.clone()?)))
                .collect(),
            body_bytes: files.iter().map(|file| file.body_bytes).sum(),
            exists: known.is_some(),
            ..Open::default()
        });
        let user = match known {
            Some(known) => known.user.clone(),
            None => grant.as_ref().and_then(|grant| grant.user.clone()),
        };
        Self {
            storage,
            package,
            owner_sha256,
            grant,
            user,
            changing: RwLock::default(),
            open,
        }
    }

    /// The package.
    pub(crate) fn package(&self) -> PackageId {
        self.package
    }

    /// Whether anything of the package was recorded.
    pub(crate) fn exists(&self) -> bool {
        self.open().exists
    }

    /// SHA-256 of the token that may change the package.
    pub(crate) fn owner_sha256(&self) -> Sha256Hash {
        self.owner_sha256
    }

    /// The client that says hello names itself.
    pub(crate) fn said_by(&self, client: &str) {
        let client = Client::parse(client).map(|client| client.to_string());
        self.open().sealed_by = client;
    }

    /// Counts what happens to the package.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.storage.metrics
    }

    /// The open attempt that bytes were routed to, if it is still open.
    pub(crate) fn attempt(&self, key: &AttemptKey) -> Option<Arc<OpenAttempt>> {
        self.open().attempts.get(key).cloned()
    }

    /// Names an attempt of this package.
    pub(crate) fn key(
        &self,
        file: FileId,
        part: PartNumber,
        epoch: Epoch,
        attempt: Attempt,
    ) -> AttemptKey {
        AttemptKey {
            package: self.package,
            file,
            part,
            epoch,
            attempt,
        }
    }

    /// Does what the session asks.
    pub(crate) async fn execute(
        &self,
        request: StorageRequest,
    ) -> Result<StorageAnswer, StorageError> {
        let result = match request {
            StorageRequest::ClaimEpoch { epoch, client_id } => {
                self.mine(Change::Claim {
                    package: self.package,
                    epoch,
                    client_id,
                })
                .await
            }
            StorageRequest::Create {
                create,
                epoch,
                client_id,
            } => self.create(create, epoch, client_id).await,
            StorageRequest::AddFile { file, role, head } => self.add_file(file, role, head).await,
            StorageRequest::OpenAttempt {
                file,
                part,
                epoch,
                attempt,
            } => {
                self.open_attempt(self.key(file, part, epoch, attempt))
                    .await
            }
            StorageRequest::MakeDurable {
                file,
                part,
                epoch,
                attempt,
            } => {
                self.make_durable(self.key(file, part, epoch, attempt))
                    .await
            }
            StorageRequest::EndAttempt {
                file,
                part,
                epoch,
                attempt,
            } => {
                self.end_attempt(&self.key(file, part, epoch, attempt))
                    .await;
                Ok(StorageAnswer::Done)
            }
            StorageRequest::ReadPairs { file, part } => self.read_pairs(file, part).await,
            StorageRequest::CommitFile { file } => self.commit_file(file).await,
            StorageRequest::Finish { manifest } => self.finish(manifest).await,
            StorageRequest::Abort => self.delete().await.map(|()| StorageAnswer::Done),
        };
        result.map_err(|Failure(error)| error)
    }

    /// Ends every write, and deletes the package with all its bytes.
    pub(crate) async fn delete_all(&self) -> Result<(), Code> {
        self.delete().await.map_err(|Failure(error)| match error {
            StorageError::Code(code) => code,
            _ => Code::StorageFailed,
        })
    }

    /// Ends every open attempt; returns when the last write has ended.
    pub(crate) async fn stop_writes(&self) {
        let attempts: Vec<_> = self
            .open()
            .attempts
            .drain()
            .map(|(_, attempt)| attempt)
            .collect();
        for attempt in attempts {
            attempt.stop().await;
        }
        self.open().uploads.clear();
    }

    async fn create(
        &self,
        create: Create,
        epoch: Epoch,
        client_id: ClientId,
    ) -> Result<StorageAnswer, Failure> {
        let _one = self.changing.write().await;
        let (package, metrics) = (self.package, &*self.storage.metrics);
        let policy = self.policy()?;
        let keyring = door::Keyring {
            package,
            bytes: create.keyring.into(),
            policy: &policy,
        };
        let keyring = door::pass(metrics, keyring)?;
        let recorded = keyring.record;
        if recorded.generation != 1 {
            return Err(Code::BadKeyring.into());
        }
        let bytes = create.draft.into();
        let draft = door::pass(metrics, door::Draft { package, bytes })?;
        let draft_sha256 = sha256(draft.get());
        match self.record().await? {
            Some(package) if package.state != PackageState::Absent => {
                let same = package
                    .keyring
                    .is_some_and(|keyring| keyring.sha256 == recorded.sha256)
                    && package.draft_sha256 == Some(draft_sha256);
                return if same {
                    Ok(StorageAnswer::Done)
                } else {
                    Err(Code::Conflict.into())
                };
            }
            _ => {}
        }
        self.check_not_gone()?;
        let now = clock::unix_seconds();
        let is_over = |grant: &GrantUse| grant.expires_at <= now;
        if self.grant.as_ref().is_some_and(is_over) && !self.exists() {
            return Err(Code::GrantExpired.into());
        }
        let sealed_by = self.open().sealed_by.clone();
        let reserve = Change::Reserve {
            package: self.package,
            epoch,
            client_id,
            owner_sha256: self.owner_sha256,
            grant: self.grant.clone(),
            quota_bytes: policy.quota_bytes,
            docroot: policy.docroot.clone(),
            sealed_by,
            now,
            expires_at: now.saturating_add(policy.unfinished.as_secs()),
        };
        if !self.storage.records.apply(reserve).await? {
            let full = self.grant.is_some() && self.record().await?.is_none();
            return Err(match full {
                true => self.no_room(&policy).await?.into(),
                false => Failure(StorageError::NotMine),
            });
        }
        self.open().exists = true;
        let wanted = create
            .expires_in_s
            .map_or(policy.lifetime_default.as_secs(), u64::from);
        let docroot = self.docroot().await?;
        door::put(&docroot, &names::keyring(package)?, keyring.bytes).await?;
        door::put(&docroot, &names::draft(package)?, draft).await?;
        self.mine(Change::Create {
            package: self.package,
            keyring: recorded,
            draft_sha256,
            lifetime_s: wanted.min(policy.lifetime_max.as_secs()).max(1),
        })
        .await
    }

    async fn add_file(
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

    async fn open_attempt(&self, key: AttemptKey) -> Result<StorageAnswer, Failure> {
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

    /// The docroot that keeps the package.
    async fn docroot(&self) -> Result<Docroot, Failure> {
        let known = self.open().docroot.clone();
        let name = match known {
            Some(name) => name,
            None => {
                let package = self.record().await?.ok_or(Code::NotFound)?;
                self.open().docroot = Some(package.docroot.clone());
                package.docroot
            }
        };
        Ok(self.storage.docroots.one(&name)?)
    }

    async fn make_durable(&self, key: AttemptKey) -> Result<StorageAnswer, Failure> {
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

    async fn end_attempt(&self, key: &AttemptKey) {
        let attempt = self.open().attempts.remove(key);
        if let Some(attempt) = attempt {
            attempt.stop().await;
        }
    }

    async fn read_pairs(&self, file: FileId, part: PartNumber) -> Result<StorageAnswer, Failure> {
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

    async fn commit_file(&self, file: FileId) -> Result<StorageAnswer, Failure> {
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

    async fn finish(&self, manifest: FileId) -> Result<StorageAnswer, Failure> {
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

    /// Why the policy that holds now forbids what was created under an earlier one, if it does.
    async fn forbidden(&self, package: &records::Package) -> Result<Option<Code>, Code> {
        let keyring = package.keyring.ok_or(Code::Internal)?;
        let user = package.user.as_deref();
        self.storage.forbidden(self.package, user, &keyring).await
    }

    /// Waits until so many bytes of the package's user may pass.
    pub(crate) async fn turn(&self, bytes: usize) {
        let config = self.storage.config.current();
        let user = self.user.as_deref();
        self.storage.trunks.turn(&config, user, bytes).await;
    }

    /// What holds for the package's user now.
    fn policy(&self) -> Result<Policy, Code> {
        self.storage.policy(self.user.as_deref())
    }

    /// Why a new package has no room.
    async fn no_room(&self, policy: &Policy) -> Result<Code, Failure> {
        if let (Some(user), Some(quota_bytes)) = (&self.user, policy.quota_bytes) {
            let used = self.storage.records.user_bytes(user.clone()).await?;
            if used.saturating_add(PACKAGE_BYTES) > quota_bytes {
                return Ok(Code::QuotaExceeded);
            }
        }
        Ok(Code::TooLarge)
    }

    async fn delete(&self) -> Result<(), Failure> {
        let _one = self.changing.write().await;
        self.forget().await
    }

    /// Under the lock.
    async fn forget(&self) -> Result<(), Failure> {
        self.open().gone = true;
        self.stop_writes().await;
        delete(&self.storage, self.package).await
    }

    /// Nothing may be stored once deletion has begun.
    fn check_not_gone(&self) -> Result<(), Failure> {
        if self.open().gone {
            return Err(Code::NotFound.into());
        }
        Ok(())
    }

    /// Applies a change that must hold.
    async fn mine(&self, change: Change) -> Result<StorageAnswer, Failure> {
        match self.storage.records.apply(change).await? {
            true => Ok(StorageAnswer::Done),
            false => Err(Failure(StorageError::NotMine)),
        }
    }

    async fn record(&self) -> Result<Option<records::Package>, Failure> {
        let package = self.storage.records.package(self.package).await?;
        Ok(package.filter(|package| !package.deleting))
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Keeps an upload open, unless one of the file is open already; answers the one that is. Closes others
    /// that nobody uses when they become many.
    fn keep(&mut self, file: FileId, upload: Upload) -> Upload {
        if self.uploads.len() >= IDLE_UPLOADS {
            self.uploads.retain(|_, upload| upload.is_shared());
        }
        self.uploads.entry(file).or_insert(upload).clone()
    }

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

impl Plan {
    fn of(file: &File) -> Option<Self> {
        Some(Self {
            geometry: Geometry::from_body_bytes(file.body_bytes).ok()?,
            parts: PartPlan::from_record(file.body_bytes, file.part_bytes).ok()?,
        })
    }
}

impl From<&File> for FileRecord {
    fn from(file: &File) -> Self {
        Self {
            file: file.id,
            role: file.role,
            head_sha256: file.head_sha256,
            body_bytes: file.body_bytes,
            part_bytes: file.part_bytes,
            committed: file.state == FileState::Committed,
            durable: file.durable.clone(),
        }
    }
}

/// The same cut in the words of the docroot.
fn shape(body_bytes: u64, part_bytes: u64) -> Shape {
    Shape {
        length_bytes: body_bytes,
        part_bytes,
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

async fn delete(storage: &Storage, package: PackageId) -> Result<(), Failure> {
    storage.records.apply(Change::Deleting { package }).await?;
    // Without a row nothing of it was ever stored.
    if let Some(known) = storage.records.package(package).await? {
        let docroot = storage.docroots.one(&known.docroot)?;
        docroot.delete_folder(&package.to_string()).await?;
    }
    storage.records.apply(Change::Deleted { package }).await?;
    Ok(())
}

impl Storage {
    /// What holds for a user now, or for senders without one.
    ///
    /// # Errors
    ///
    /// [`Code::GrantInvalid`] when the configuration has no such user any more.
    pub(crate) fn policy(&self, user: Option<&str>) -> Result<Policy, Code> {
        let config = self.config.current();
        config.policy_for(user).ok_or(Code::GrantInvalid)
    }

    /// Why what holds now forbids a package with this stored keyring, if it does: asked at completion, and when
    /// policy changes.
    ///
    /// # Errors
    ///
    /// When that cannot be known, as when the docroot does not answer.
    pub(crate) async fn forbidden(
        &self,
        package: PackageId,
        user: Option<&str>,
        keyring: &records::Keyring,
    ) -> Result<Option<Code>, Code> {
        let policy = match self.policy(user) {
            Ok(policy) => policy,
            Err(code) => return Ok(Some(code)),
        };
        let name = names::keyring_of(package, keyring).map_err(|_| Code::Internal)?;
        let docroot = self.docroot_of(package).await?;
        let stored = docroot.get(&name, KEYRING_BYTES_MAX).await;
        let keyring = door::Keyring {
            package,
            bytes: stored.map_err(|error| storage_code(&error))?,
            policy: &policy,
        };
        match door::pass(&self.metrics, keyring) {
            Ok(_) => Ok(None),
            Err(code @ (Code::PasswordRequired | Code::KdfTooWeak | Code::KdfTooExpensive)) => {
                Ok(Some(code))
            }
            // Damaged in the docroot, or from a newer relay: no policy says that, and nothing is deleted for it.
            Err(_) => Err(Code::StorageFailed),
        }
    }

    /// The docroot that keeps a package.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`]; [`Code::DocrootUnavailable`]; [`Code::StorageFailed`].
    pub(crate) async fn docroot_of(&self, package: PackageId) -> Result<Docroot, Code> {
        let known = self.records.package(package).await;
        let known = known.map_err(|error| {
            tracing::error!(%error, "the records failed");
            Code::StorageFailed
        })?;
        self.docroots.one(&known.ok_or(Code::NotFound)?.docroot)
    }

    /// Deletes a package that has no live session.
    ///
    /// # Errors
    ///
    /// [`Code::StorageFailed`]; deletion goes on at the next clean-up.
    pub(crate) async fn delete(&self, package: PackageId) -> Result<(), Code> {
        delete(self, package).await.map_err(|_| Code::StorageFailed)
    }

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
