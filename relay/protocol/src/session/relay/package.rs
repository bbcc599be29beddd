//! The package as a whole: creating it, adding files, committing them, finishing, deleting.
//!
//! Every request may come twice, on any lane: while it is under way a second asker joins the
//! first, and afterwards gets the same answer (rules F3, S5).

use std::collections::BTreeMap;

use super::parts::Work;
use super::state::{Package, Pending, code_of};
use super::{FileRecord, RelaySession, Snapshot, StorageAnswer, StorageError, StorageRequest};
use crate::error::Code;
use crate::ids::{Attempt, Epoch, FileId, LaneId, PartNumber, Sha256Hash};
use crate::message::{Capabilities, Create, PackageState, RelayMessage, Role, sha256};
use crate::part_plan::PartPlan;
use crate::session::part_set::PartSet;

/// A file that is known.
#[derive(Debug)]
pub(super) struct File {
    pub(super) role: Role,
    pub(super) head_sha256: Sha256Hash,
    pub(super) plan: PartPlan,
    pub(super) committed: bool,
    /// No part is accepted while it is being committed (rule S5).
    pub(super) committing: bool,
    pub(super) durable: PartSet,
    /// The newest attempt of each part.
    pub(super) newest: BTreeMap<PartNumber, (Epoch, Attempt)>,
    pub(super) work: BTreeMap<PartNumber, Work>,
}

impl File {
    pub(super) fn from_record(record: &FileRecord, plan: PartPlan) -> Self {
        let mut durable = PartSet::new(plan.part_count());
        for part in &record.durable {
            durable.insert(*part);
        }
        Self {
            role: record.role,
            head_sha256: record.head_sha256,
            plan,
            committed: record.committed,
            committing: false,
            durable,
            newest: BTreeMap::new(),
            work: BTreeMap::new(),
        }
    }
}

impl Package {
    pub(super) fn from_snapshot(snapshot: &Snapshot) -> Self {
        match (
            snapshot.state,
            snapshot.keyring_sha256,
            snapshot.draft_sha256,
        ) {
            (PackageState::Finished, Some(keyring_sha256), Some(draft_sha256)) => {
                let expires_at = snapshot.expires_at.unwrap_or(0);
                Self::Finished {
                    keyring_sha256,
                    draft_sha256,
                    expires_at,
                }
            }
            (PackageState::Open, Some(keyring_sha256), Some(draft_sha256)) => Self::Open {
                keyring_sha256,
                draft_sha256,
            },
            _ => Self::Absent,
        }
    }

    fn stored(&self) -> Option<(Sha256Hash, Sha256Hash)> {
        match *self {
            Self::Open {
                keyring_sha256,
                draft_sha256,
            }
            | Self::Finished {
                keyring_sha256,
                draft_sha256,
                ..
            } => Some((keyring_sha256, draft_sha256)),
            Self::Absent | Self::Gone => None,
        }
    }
}

impl RelaySession {
    pub(super) fn create(&mut self, lane: LaneId, create: Create) {
        let wanted = (sha256(&create.keyring), sha256(&create.draft));
        if self.package == Package::Gone {
            return self.refuse(lane, Code::NotFound, None);
        }
        if let Some(stored) = self.package.stored() {
            return self.answer_created(lane, wanted == stored, stored.0);
        }
        for pending in self.pending.values_mut() {
            if let Pending::Create {
                keyring_sha256,
                draft_sha256,
                lanes,
            } = pending
            {
                if (*keyring_sha256, *draft_sha256) != wanted {
                    return self.refuse(lane, Code::Conflict, None);
                }
                lanes.push(lane);
                return self.count_request(lane, 1);
            }
        }
        let Some(client_id) = self.client else { return };
        self.count_request(lane, 1);
        let (keyring_sha256, draft_sha256) = wanted;
        let request = StorageRequest::Create {
            create,
            epoch: self.epoch,
            client_id,
        };
        self.ask(
            request,
            Pending::Create {
                keyring_sha256,
                draft_sha256,
                lanes: vec![lane],
            },
        );
    }

    pub(super) fn created(
        &mut self,
        keyring_sha256: Sha256Hash,
        draft_sha256: Sha256Hash,
        lanes: &[LaneId],
        result: Result<StorageAnswer, StorageError>,
    ) {
        let failed = result.err().map(code_of);
        // Deleted meanwhile, it stays deleted.
        if failed.is_none() && self.package != Package::Gone {
            self.package = Package::Open {
                keyring_sha256,
                draft_sha256,
            };
        }
        for &lane in lanes {
            self.count_request(lane, -1);
            match failed {
                None if self.package == Package::Gone => self.refuse(lane, Code::NotFound, None),
                None => self.answer_created(lane, true, keyring_sha256),
                Some(code) => self.refuse(lane, code, None),
            }
        }
        self.welcome_arrived();
    }

    fn answer_created(&mut self, lane: LaneId, same: bool, keyring_sha256: Sha256Hash) {
        if same {
            self.send(lane, RelayMessage::Created { keyring_sha256 });
        } else {
            self.refuse(lane, Code::Conflict, None);
        }
    }

    pub(super) fn add_file(&mut self, lane: LaneId, file: FileId, role: Role, head: Vec<u8>) {
        let wanted = sha256(&head);
        if let Some(known) = self.files.get(&file) {
            return if known.head_sha256 == wanted && known.role == role {
                self.answer_file_added(lane, file);
            } else {
                self.refuse(lane, Code::Conflict, Some(file));
            };
        }
        for pending in self.pending.values_mut() {
            if let Pending::AddFile {
                file: adding,
                role: as_role,
                head_sha256,
                lanes,
            } = pending
                && *adding == file
            {
                if *head_sha256 != wanted || *as_role != role {
                    return self.refuse(lane, Code::Conflict, Some(file));
                }
                lanes.push(lane);
                return self.count_request(lane, 1);
            }
        }
        if let Some(code) = self.file_refusal() {
            return self.refuse(lane, code, Some(file));
        }
        self.count_request(lane, 1);
        let pending = Pending::AddFile {
            file,
            role,
            head_sha256: wanted,
            lanes: vec![lane],
        };
        self.ask(StorageRequest::AddFile { file, role, head }, pending);
    }

    /// Why no new file may be added now.
    fn file_refusal(&self) -> Option<Code> {
        match self.package {
            Package::Absent | Package::Gone => return Some(Code::NotFound),
            Package::Finished { .. } => return Some(Code::AlreadyFinished),
            Package::Open { .. } => {}
        }
        let adding = self
            .pending
            .values()
            .filter(|p| matches!(p, Pending::AddFile { .. }))
            .count();
        if self.files.len().saturating_add(adding) >= self.policy.files_max {
            return Some(Code::TooManyFiles);
        }
        // The manifest is the last file, and there is one.
        self.files
            .values()
            .any(|f| f.role == Role::Manifest)
            .then_some(Code::Conflict)
    }

    pub(super) fn file_added(
        &mut self,
        file: FileId,
        lanes: &[LaneId],
        result: Result<StorageAnswer, StorageError>,
    ) {
        let failed = match result {
            Ok(StorageAnswer::FileAdded(record)) => {
                match PartPlan::from_record(record.body_bytes, record.part_bytes) {
                    Ok(plan) => {
                        self.files.insert(file, File::from_record(&record, plan));
                        None
                    }
                    Err(_) => Some(Code::Internal),
                }
            }
            Ok(_) => Some(Code::Internal),
            Err(error) => Some(code_of(error)),
        };
        for &lane in lanes {
            self.count_request(lane, -1);
            match failed {
                None => self.answer_file_added(lane, file),
                Some(code) => self.refuse(lane, code, Some(file)),
            }
        }
    }

    fn answer_file_added(&mut self, lane: LaneId, file: FileId) {
        let Some(known) = self.files.get(&file) else {
            return;
        };
        let message = RelayMessage::FileAdded {
            file,
            head_sha256: known.head_sha256,
            part_bytes: known.plan.part_bytes(),
            part_count: known.plan.part_count(),
            durable_count: if known.committed {
                known.plan.part_count()
            } else {
                known.durable.count()
            },
            committed: known.committed,
        };
        self.send(lane, message);
    }

    pub(super) fn commit_file(&mut self, lane: LaneId, file: FileId) {
        let Some(known) = self.files.get_mut(&file) else {
            return self.refuse(lane, Code::NotFound, Some(file));
        };
        if known.committed {
            return self.send(lane, RelayMessage::FileCommitted { file });
        }
        if known.durable.count() < known.plan.part_count() {
            return self.refuse(lane, Code::NotComplete, Some(file));
        }
        let begun = core::mem::replace(&mut known.committing, true);
        self.count_request(lane, 1);
        if begun {
            for pending in self.pending.values_mut() {
                if let Pending::Commit {
                    file: committing,
                    lanes,
                } = pending
                    && *committing == file
                {
                    return lanes.push(lane);
                }
            }
        }
        let pending = Pending::Commit {
            file,
            lanes: vec![lane],
        };
        self.ask(StorageRequest::CommitFile { file }, pending);
    }

    pub(super) fn committed(
        &mut self,
        file: FileId,
        lanes: &[LaneId],
        result: Result<StorageAnswer, StorageError>,
    ) {
        let Some(known) = self.files.get_mut(&file) else {
            return;
        };
        known.committing = false;
        known.committed = result.is_ok();
        if known.committed {
            known.newest.clear();
        }
        let lost = match &result {
            Err(StorageError::PartsLost(parts)) => self.parts_lost(file, parts),
            _ => Vec::new(),
        };
        for &lane in lanes {
            self.count_request(lane, -1);
            match &result {
                Ok(_) => self.send(lane, RelayMessage::FileCommitted { file }),
                Err(StorageError::PartsLost(_)) if self.hears_of_loss(lane) => {
                    for &part in &lost {
                        self.send(lane, RelayMessage::PartLost { file, part });
                    }
                }
                Err(error) => self.refuse(lane, code_of(error.clone()), Some(file)),
            }
        }
    }

    /// Parts are not what was recorded: they, and the last part, are to be sent again (C3).
    fn parts_lost(&mut self, file: FileId, parts: &[PartNumber]) -> Vec<PartNumber> {
        let Some(known) = self.files.get_mut(&file) else {
            return Vec::new();
        };
        let last = known.plan.last();
        let others = parts.iter().copied().filter(|part| *part < last);
        let lost: Vec<PartNumber> = others.chain([last]).collect();
        for part in &lost {
            known.durable.remove(*part);
        }
        lost
    }

    /// The storage forgot parts while others are sent: every lane hears of it.
    pub(super) fn tell_lost(&mut self, file: FileId, parts: &[PartNumber]) {
        let lost = self.parts_lost(file, parts);
        for lane in self.lane_ids() {
            if self.hears_of_loss(lane) {
                for &part in &lost {
                    self.send(lane, RelayMessage::PartLost { file, part });
                }
            }
        }
    }

    fn hears_of_loss(&self, lane: LaneId) -> bool {
        self.lanes
            .get(&lane)
            .is_some_and(|l| l.capabilities.contain(Capabilities::PART_LOST))
    }

    pub(super) fn finish(&mut self, lane: LaneId, manifest: FileId) {
        if let Package::Finished { expires_at, .. } = self.package {
            return self.send(lane, RelayMessage::Finished { expires_at });
        }
        let is_manifest = self
            .files
            .get(&manifest)
            .is_some_and(|f| f.role == Role::Manifest);
        if !is_manifest || !self.files.values().all(|f| f.committed) {
            return self.refuse(lane, Code::NotComplete, Some(manifest));
        }
        self.count_request(lane, 1);
        for pending in self.pending.values_mut() {
            if let Pending::Finish { lanes } = pending {
                return lanes.push(lane);
            }
        }
        self.ask(
            StorageRequest::Finish { manifest },
            Pending::Finish { lanes: vec![lane] },
        );
    }

    pub(super) fn finished(
        &mut self,
        lanes: &[LaneId],
        result: Result<StorageAnswer, StorageError>,
    ) {
        let answer = match (result, self.package) {
            (
                Ok(StorageAnswer::Finished { expires_at }),
                Package::Open {
                    keyring_sha256,
                    draft_sha256,
                },
            ) => {
                self.package = Package::Finished {
                    keyring_sha256,
                    draft_sha256,
                    expires_at,
                };
                RelayMessage::Finished { expires_at }
            }
            (Ok(_), _) => RelayMessage::refused(Code::Internal, None),
            (Err(error), _) => RelayMessage::refused(code_of(error), None),
        };
        for &lane in lanes {
            self.count_request(lane, -1);
            self.send(lane, answer.clone());
        }
    }

    pub(super) fn abort(&mut self, lane: LaneId) {
        match self.package {
            Package::Finished { .. } => self.refuse(lane, Code::AlreadyFinished, None),
            Package::Gone if self.abort_is_pending() => {}
            Package::Gone => self.send(lane, RelayMessage::Aborted {}),
            Package::Absent | Package::Open { .. } => {
                self.package = Package::Gone;
                self.end_everything();
                self.ask(StorageRequest::Abort, Pending::Abort);
            }
        }
    }

    fn abort_is_pending(&self) -> bool {
        self.pending.values().any(|p| matches!(p, Pending::Abort))
    }

    fn end_everything(&mut self) {
        let parts: Vec<_> = self
            .files
            .iter()
            .flat_map(|(file, known)| known.work.keys().map(|part| (*file, *part)))
            .collect();
        for (file, part) in parts {
            self.end_part(file, part, Code::NotFound);
        }
    }

    pub(super) fn aborted(&mut self, result: Result<StorageAnswer, StorageError>) {
        let answer = match result {
            Ok(_) => RelayMessage::Aborted {},
            Err(error) => RelayMessage::refused(code_of(error), None),
        };
        for lane in self.lane_ids() {
            self.send(lane, answer.clone());
        }
    }
}
