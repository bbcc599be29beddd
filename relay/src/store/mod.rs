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
//!
//! | file | what stands there |
//! |---|---|
//! | `mod.rs` | the store of a live package, and which request goes where |
//! | `create.rs` | creating a package |
//! | `files.rs` | adding a file |
//! | `parts.rs` | attempts, from open to durable |
//! | `commit.rs` | making a file whole, and the package complete |
//! | `forbidden.rs` | what a new policy forbids |
//! | `storage.rs` | what all packages share, and what is done to those without a session |

mod commit;
mod create;
mod files;
mod forbidden;
mod parts;
mod storage;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sealift_config::Policy;
use sealift_docroot::{Docroot, DocrootError, Shape, Upload};
use sealift_protocol::format::Geometry;
use sealift_protocol::part_plan::PartPlan;
use sealift_protocol::policy::Client;
use sealift_protocol::session::{FileRecord, StorageAnswer, StorageError, StorageRequest};
use sealift_protocol::{Attempt, Code, Epoch, FileId, PackageId, PartNumber, Sha256Hash};
use tokio::sync::RwLock;

use crate::attempt::{OpenAttempt, storage_code};
use crate::metrics::Metrics;
use crate::records::{self, AttemptKey, Change, File, FileState, GrantUse, RecordsError};
use crate::trunk::Seat;

pub(crate) use storage::Storage;

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
    /// Files that are being added just now.
    adding: HashSet<FileId>,
    /// Name of the docroot that keeps the package, once that is settled.
    docroot: Option<String>,
    /// How the bytes of files get into S3.
    states: HashMap<FileId, String>,
    /// Sum of all bodies, of files that are being added too.
    body_bytes: u64,
    /// The package has a row in the records.
    exists: bool,
    /// Deletion has begun, or the session has ended; nothing may be stored through it any more.
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

    /// Stores nothing any more; returns when the last write has ended.
    pub(crate) async fn end(&self) {
        self.open().gone = true;
        self.stop_writes().await;
        // What was under way before has ended when this one is alone.
        let _one = self.changing.write().await;
        self.stop_writes().await;
    }

    /// Ends every open attempt; returns when the last write has ended.
    async fn stop_writes(&self) {
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

    /// A place on the trunk of the package's user, for one part.
    pub(crate) fn seat(&self) -> Seat {
        self.storage.trunks.seat()
    }

    /// Waits until so many bytes of the package's user may pass.
    pub(crate) async fn turn(&self, seat: &mut Seat, bytes: usize) {
        let (config, user) = (&self.storage.config, self.user.as_deref());
        seat.turn(config, user, bytes).await;
    }

    /// Most bytes of the package's user that may pass at once.
    pub(crate) fn piece_bytes(&self) -> usize {
        Seat::piece_bytes(&self.storage.config.current(), self.user.as_deref())
    }

    /// What holds for the package's user now.
    fn policy(&self) -> Result<Policy, Code> {
        self.storage.policy(self.user.as_deref())
    }

    async fn delete(&self) -> Result<(), Failure> {
        let _one = self.changing.write().await;
        self.forget().await
    }

    /// Under the lock.
    async fn forget(&self) -> Result<(), Failure> {
        self.open().gone = true;
        self.stop_writes().await;
        storage::delete(&self.storage, self.package).await
    }

    /// Nothing may be stored once deletion has begun or the session has ended.
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
