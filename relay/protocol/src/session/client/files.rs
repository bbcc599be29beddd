//! Files on their way: announced by their heads, sent part by part, committed.

use std::collections::{BTreeMap, BTreeSet};

use super::parts::{Settled, Work};
use super::state::Request;
use super::{ClientSession, UserEvent};
use crate::error::Code;
use crate::ids::{FileId, LaneId, Pair, PartNumber, Sha256Hash};
use crate::message::{ClientMessage, Role, sha256};
use crate::part_plan::PartPlan;
use crate::session::part_set::PartSet;

/// Files under way at a time: enough that many small ones do not wait for answers.
const ACTIVE_MAX: usize = 32;

/// A file to be sent.
pub(super) struct File {
    pub(super) role: Role,
    head: Vec<u8>,
    body_bytes: u64,
    /// Of all segments, where they are known from the start: the manifest's.
    pub(super) pairs: Vec<Pair>,
    pub(super) announced: Request,
    pub(super) commit: Request,
    /// Known once the relay has answered.
    pub(super) parts: Option<Parts>,
}

/// The parts of a file whose plan is known.
pub(super) struct Parts {
    pub(super) plan: PartPlan,
    pub(super) durable: PartSet,
    /// The durable parts, with their pairs for the seal.
    pub(super) settled: BTreeMap<PartNumber, Settled>,
    /// Parts that were dealt and are not durable.
    pub(super) work: BTreeMap<PartNumber, Work>,
    /// Of these, the ones that wait to be dealt again.
    pub(super) again: BTreeSet<PartNumber>,
    /// Parts kept for a lane that is sending the ones before them, so that it reads one stretch.
    pub(super) reserved: BTreeMap<PartNumber, LaneId>,
    /// Parts that were compared with the source and have no verdict yet.
    pub(super) compared: usize,
    /// The first part that was never dealt nor reserved.
    pub(super) fresh: PartNumber,
}

impl File {
    pub(super) fn is_committed(&self) -> bool {
        self.commit == Request::Answered
    }

    pub(super) fn lane_gone(&mut self, lane: LaneId) {
        self.announced.lane_gone(lane);
        self.commit.lane_gone(lane);
        if let Some(parts) = &mut self.parts {
            parts.lane_gone(lane);
        }
    }

    fn all_durable(&self) -> bool {
        self.parts
            .as_ref()
            .is_some_and(|p| p.durable.count() == p.plan.part_count())
    }

    fn is_dealt(&self) -> bool {
        self.parts
            .as_ref()
            .is_some_and(|parts| parts.waiting_count() == 0)
    }
}

impl ClientSession {
    pub(super) fn add_file(
        &mut self,
        id: FileId,
        role: Role,
        head: Vec<u8>,
        body_bytes: u64,
        pairs: Vec<Pair>,
    ) {
        let misplaced = match role {
            Role::Content => self.no_more_files || !pairs.is_empty(),
            Role::Manifest => !self.manifest_asked || self.manifest.is_some() || pairs.is_empty(),
        };
        if misplaced || self.files.contains_key(&id) {
            return self.fail(Code::Misuse, Some(id));
        }
        if role == Role::Manifest {
            self.manifest = Some(id);
        }
        self.count_file(role, body_bytes);
        let (announced, commit) = (Request::Open, Request::Open);
        self.files.insert(
            id,
            File {
                role,
                head,
                body_bytes,
                pairs,
                announced,
                commit,
                parts: None,
            },
        );
        self.coming.push_back(id);
    }

    /// Announces files, some ahead of those being sent.
    pub(super) fn announce_files(&mut self) {
        if self.create != Request::Answered {
            return;
        }
        while self.active.len() < ACTIVE_MAX
            && let Some(id) = self.coming.pop_front()
        {
            self.active.push(id);
        }
        let Some(lane) = self.asking_lane() else {
            return;
        };
        for index in 0..self.active.len() {
            let Some(&id) = self.active.get(index) else {
                return;
            };
            let Some(file) = self.files.get_mut(&id) else {
                continue;
            };
            if file.announced == Request::Open {
                file.announced = Request::Asked(lane);
                let message = ClientMessage::AddFile {
                    file: id,
                    role: file.role,
                    head: file.head.clone(),
                };
                self.send(lane, message);
            }
        }
    }

    pub(super) fn file_added(
        &mut self,
        id: FileId,
        head_sha256: Sha256Hash,
        part_bytes: u64,
        durable_count: u32,
        committed: bool,
    ) {
        let Some(file) = self.files.get_mut(&id) else {
            return;
        };
        if file.is_committed() || file.announced == Request::Answered {
            // An answer that came twice.
            return;
        }
        if head_sha256 != sha256(&file.head) {
            return self.fail(Code::StoredDiffers, Some(id));
        }
        let Ok(plan) = PartPlan::from_record(file.body_bytes, part_bytes) else {
            return self.fail(Code::BadLength, Some(id));
        };
        file.announced = Request::Answered;
        let parts = file.parts.get_or_insert_with(|| Parts::new(plan));
        if parts.plan != plan {
            return self.fail(Code::StoredDiffers, Some(id));
        }
        if committed {
            return self.file_committed(id);
        }
        if parts.durable.count() != durable_count {
            let doubted = parts.doubt_everything(durable_count > 0);
            self.count_durable(id, doubted, false);
        }
        self.progressed();
    }

    /// The relay misses something that was thought to be durable: compare, part by part.
    pub(super) fn look_again(&mut self, lane: LaneId, about: Option<FileId>) {
        self.forget_requests(lane);
        self.be_patient(Code::NotComplete);
        if let Some(file) = about.and_then(|id| self.files.get_mut(&id)) {
            if file.is_committed() {
                // It was promised, and there is nothing left to send again.
                return self.fail(Code::StoredDiffers, about);
            }
            file.announced = Request::Open;
            file.commit = Request::Open;
        }
    }

    /// Commits files whose parts are all durable.
    pub(super) fn complete_files(&mut self) {
        let Some(lane) = self.asking_lane() else {
            return;
        };
        for index in 0..self.active.len() {
            let Some(&id) = self.active.get(index) else {
                return;
            };
            let Some(file) = self.files.get_mut(&id) else {
                continue;
            };
            let settled = file.announced == Request::Answered && file.all_durable();
            if settled && file.commit == Request::Open {
                file.commit = Request::Asked(lane);
                self.send(lane, ClientMessage::CommitFile { file: id });
            }
        }
    }

    pub(super) fn file_committed(&mut self, id: FileId) {
        let Some(file) = self.files.get_mut(&id) else {
            return;
        };
        if file.is_committed() {
            return;
        }
        if !file.all_durable() {
            // Another client completed it; its seal is not known here.
            return self.fail(Code::NotResumable, Some(id));
        }
        file.commit = Request::Answered;
        // Neither head nor parts are needed any more.
        file.head = Vec::new();
        let Some(parts) = file.parts.take() else {
            return;
        };
        self.active.retain(|active| *active != id);
        self.progressed();
        if self.manifest != Some(id) {
            self.files_done = self.files_done.saturating_add(1);
            let last_attempt = parts.last_attempt();
            self.tell(UserEvent::FileCommitted {
                file: id,
                last_attempt,
                pairs: parts.all_pairs(),
            });
        }
    }

    /// Whether every part of every file is with a lane, or done.
    pub(super) fn all_is_dealt(&self) -> bool {
        let dealt = |id| self.files.get(id).is_some_and(File::is_dealt);
        self.coming.is_empty() && self.active.iter().all(dealt)
    }

    /// Whether an experiment with lanes is worth it: some seconds of work are left.
    pub(super) fn much_is_left(&self) -> bool {
        let left = self.bytes_total.saturating_sub(self.bytes_durable);
        left / 6 >= self.meter.bytes_per_second().max(1 << 20)
    }

    /// Keeps the sum of durable content bytes.
    pub(super) fn count_durable(&mut self, id: FileId, bytes: u64, gained: bool) {
        if self
            .files
            .get(&id)
            .is_some_and(|file| file.role == Role::Content)
        {
            let sum = self.bytes_durable;
            self.bytes_durable = if gained {
                sum.saturating_add(bytes)
            } else {
                sum.saturating_sub(bytes)
            };
        }
    }
}
