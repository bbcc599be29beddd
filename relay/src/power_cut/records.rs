//! Records in memory: every change is atomic and survives a power cut, unless the power went before it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use futures_util::future::BoxFuture;
use sealift_docroot::simulated::SimulatedDisk;
use sealift_protocol::message::PackageState;
use sealift_protocol::{FileId, PackageId, PartNumber};

use crate::records::{
    AttemptKey, Change, DurablePart, File, FileState, Package, Receipts, Records, RecordsError,
    Room, Transports,
};

/// The records. They share the disk's power.
pub(crate) struct InMemory {
    pub(super) disk: SimulatedDisk,
    /// The planted bug: *durable* is answered, and recorded with the change after it.
    pub(super) answer_first: bool,
    pub(super) state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) packages: BTreeMap<PackageId, Package>,
    pub(super) parts: BTreeMap<(FileId, PartNumber), Part>,
    late: Option<Change>,
}

/// The latest attempt of a part.
pub(super) struct Part {
    key: AttemptKey,
    pub(super) durable: Option<DurablePart>,
}

impl InMemory {
    pub(crate) fn new(disk: SimulatedDisk, answer_first: bool) -> Self {
        Self {
            disk,
            answer_first,
            state: Mutex::default(),
        }
    }

    /// Files whose commit was under way.
    pub(super) fn committing(&self) -> Vec<(PackageId, File)> {
        let state = self.state.lock().unwrap();
        let of = |(id, package): (&PackageId, &Package)| {
            let files = package
                .files
                .iter()
                .filter(|file| file.state == FileState::Committing);
            files.map(|file| (*id, file.clone())).collect::<Vec<_>>()
        };
        state.packages.iter().flat_map(of).collect()
    }

    /// What was answered but not recorded when the power went.
    pub(super) fn restart(&self) {
        self.state.lock().unwrap().late = None;
    }
}

impl Records for InMemory {
    fn apply(&self, change: Change) -> BoxFuture<'_, Result<bool, RecordsError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.disk
                .tick()
                .map_err(|error| RecordsError(error.to_string()))?;
            let mut state = self.state.lock().unwrap();
            if let Some(late) = state.late.take() {
                state.apply(late);
            }
            if self.answer_first && matches!(change, Change::Durable { .. }) {
                state.late = Some(change);
                return Ok(true);
            }
            Ok(state.apply(change))
        })
    }

    fn package(&self, package: PackageId) -> BoxFuture<'_, Result<Option<Package>, RecordsError>> {
        Box::pin(async move {
            self.disk
                .tick()
                .map_err(|error| RecordsError(error.to_string()))?;
            let state = self.state.lock().unwrap();
            Ok(state.packages.get(&package).cloned().map(|mut known| {
                for file in &mut known.files {
                    let durable = state
                        .parts
                        .iter()
                        .filter(|(_, part)| part.durable.is_some());
                    let mine = durable.filter(|((id, _), _)| *id == file.id);
                    file.durable = mine.map(|((_, number), _)| *number).collect();
                }
                known
            }))
        })
    }

    fn room(&self, _: PackageId, _: Option<u64>) -> BoxFuture<'_, Result<Room, RecordsError>> {
        let room = Room {
            grant: u64::MAX,
            user: u64::MAX,
        };
        Box::pin(async move { Ok(room) })
    }

    fn user_bytes(&self, _: String) -> BoxFuture<'_, Result<u64, RecordsError>> {
        Box::pin(async { Ok(0) })
    }

    fn receipts(&self, _: PackageId, _: FileId) -> BoxFuture<'_, Result<Receipts, RecordsError>> {
        Box::pin(async { Ok(Receipts::default()) })
    }

    fn pairs(
        &self,
        _: PackageId,
        file: FileId,
        part: PartNumber,
    ) -> BoxFuture<'_, Result<Option<DurablePart>, RecordsError>> {
        Box::pin(async move {
            let state = self.state.lock().unwrap();
            Ok(state
                .parts
                .get(&(file, part))
                .and_then(|part| part.durable.clone()))
        })
    }
}

impl State {
    /// The same conditions as the SQL of the real records.
    fn apply(&mut self, change: Change) -> bool {
        match change {
            Change::Reserve {
                package,
                epoch,
                client_id,
                owner_sha256,
                now,
                expires_at,
                ..
            } => {
                let known = self.packages.entry(package).or_insert(Package {
                    state: PackageState::Absent,
                    deleting: false,
                    epoch,
                    client_id,
                    owner_sha256,
                    created_at: now,
                    expires_at,
                    lifetime_s: 0,
                    keyring: None,
                    draft_sha256: None,
                    manifest: None,
                    user: None,
                    docroot: "default".to_owned(),
                    sealed_by: None,
                    transports: Transports::default(),
                    finished_at: None,
                    files: Vec::new(),
                });
                known.state == PackageState::Absent
            }
            Change::Claim {
                package,
                epoch,
                client_id,
            } => self.package(package).is_some_and(|known| {
                let next = known.epoch.0 + 1 == epoch.0;
                if next {
                    (known.epoch, known.client_id) = (epoch, client_id);
                }
                next
            }),
            Change::Create {
                package,
                keyring,
                draft_sha256,
                lifetime_s,
            } => self.package(package).is_some_and(|known| {
                known.state = PackageState::Open;
                (known.keyring, known.draft_sha256) = (Some(keyring), Some(draft_sha256));
                known.lifetime_s = lifetime_s;
                true
            }),
            Change::AddFile { package, file, .. } => self.package(package).is_some_and(|known| {
                let new = known.files.iter().all(|other| other.id != file.id);
                if new {
                    known.files.push(file);
                }
                new
            }),
            Change::OpenAttempt(key) => {
                let receiving = self
                    .file(key.package, key.file)
                    .is_some_and(|f| f.state == FileState::Receiving);
                let part = self
                    .parts
                    .entry((key.file, key.part))
                    .or_insert(Part { key, durable: None });
                let open = receiving && part.durable.is_none();
                if open {
                    part.key = key;
                }
                open
            }
            Change::Durable {
                key, pairs, seal, ..
            } => {
                let Some(part) = self.parts.get_mut(&(key.file, key.part)) else {
                    return false;
                };
                if part.key != key || part.durable.is_some() {
                    return false;
                }
                part.durable = Some(DurablePart {
                    epoch: key.epoch,
                    attempt: key.attempt,
                    pairs,
                });
                self.file(key.package, key.file).is_some_and(|file| {
                    file.seal = seal.or(file.seal);
                    true
                })
            }
            Change::Committing {
                package,
                file,
                part_count,
            } => {
                let parts = self.parts.iter();
                let durable = parts
                    .filter(|((id, _), part)| *id == file && part.durable.is_some())
                    .count();
                let from = if durable == part_count as usize {
                    FileState::Receiving
                } else {
                    FileState::Committing
                };
                self.step(package, file, from, FileState::Committing)
            }
            Change::Committed { package, file, .. } => {
                let held = self.step(package, file, FileState::Committing, FileState::Committed);
                self.parts.retain(|(id, _), _| *id != file || !held);
                held
            }
            Change::Finish {
                package,
                manifest,
                expires_at,
                ..
            } => self.package(package).is_some_and(|known| {
                let whole = known
                    .files
                    .iter()
                    .all(|file| file.state == FileState::Committed);
                if whole {
                    known.state = PackageState::Finished;
                    (known.manifest, known.expires_at) = (Some(manifest), expires_at);
                }
                whole
            }),
            Change::Lost { .. }
            | Change::PartsLost { .. }
            | Change::UploadBegun { .. }
            | Change::Verified { .. }
            | Change::NameDocroot { .. }
            | Change::PlaceDocroot { .. }
            | Change::PrepareDocroot { .. }
            | Change::MoveDocroots { .. }
            | Change::SeeClock { .. }
            | Change::ProlongAll { .. }
            | Change::Prolong { .. }
            | Change::Expire { .. }
            | Change::Deleting { .. }
            | Change::Forbid { .. }
            | Change::Deleted { .. }
            | Change::StageKeyring { .. }
            | Change::SwitchKeyring { .. }
            | Change::DropKeyring { .. }
            | Change::FindStray { .. }
            | Change::DropStray { .. }
            | Change::ForgetStray { .. }
            | Change::ForgetKeyring { .. } => {
                panic!("nothing is lost, rekeyed or deleted here")
            }
        }
    }

    fn step(&mut self, package: PackageId, file: FileId, from: FileState, to: FileState) -> bool {
        self.file(package, file).is_some_and(|file| {
            let held = file.state == from || file.state == to;
            if held {
                file.state = to;
            }
            held
        })
    }

    fn package(&mut self, package: PackageId) -> Option<&mut Package> {
        self.packages.get_mut(&package)
    }

    fn file(&mut self, package: PackageId, file: FileId) -> Option<&mut File> {
        self.package(package)?
            .files
            .iter_mut()
            .find(|known| known.id == file)
    }
}
