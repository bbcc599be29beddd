//! Storage and records of the simulated relay: what is on disk, what is only in memory, and the
//! bugs that can be planted.
//!
//! A disk is modelled as cells of half a segment. A write lands in memory, some time after it
//! was asked for; a sync makes durable what was in memory when it began; a crash keeps a random
//! choice of what was never synced.

use std::collections::{BTreeMap, BTreeSet};

use sealift_protocol::message::{PackageState, Role};
use sealift_protocol::part_plan::PartPlan;
use sealift_protocol::session::{FileRecord, Snapshot};
use sealift_protocol::{Attempt, ClientId, Epoch, FileId, Pair, PartNumber, Sha256Hash};

use crate::dice::{Dice, cell, file_seal, matches};

/// Part length of the simulation: two segments.
pub(crate) const PART_BYTES: u64 = 1 << 20;
pub(crate) const SEGMENT: u64 = 1 << 19;
pub(crate) const HALF: u64 = SEGMENT / 2;
/// The cell of the seal.
pub(crate) const SEAL_CELL: u64 = u64::MAX;

/// A mistake that the simulation must notice.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Bug {
    None,
    /// Acknowledges before the sync.
    AcknowledgesEarly,
    /// Says that an attempt has ended while its writes are still under way.
    EndsAttemptsEarly,
    /// Keeps no epoch over a restart.
    ForgetsEpoch,
    /// Takes a failed sync for a good one.
    IgnoresFailedSync,
}

pub(crate) type Key = (FileId, PartNumber, Epoch, Attempt);

/// Everything that survives a crash.
#[derive(Default)]
pub(crate) struct Records {
    pub(crate) epoch: Epoch,
    pub(crate) client: Option<ClientId>,
    pub(crate) created: Option<(Sha256Hash, Sha256Hash)>,
    pub(crate) finished: bool,
    pub(crate) files: BTreeMap<FileId, StoredFile>,
}

pub(crate) struct StoredFile {
    pub(crate) role: Role,
    pub head_sha256: Sha256Hash,
    pub(crate) plan: PartPlan,
    pub(crate) committed: bool,
    pub(crate) durable: BTreeMap<PartNumber, (Epoch, Attempt, Vec<Pair>)>,
    pub(crate) open: BTreeSet<(PartNumber, Epoch, Attempt)>,
    pub(crate) disk: BTreeMap<u64, u64>,
}

/// A write that was asked for and has not landed.
#[derive(Clone, Copy)]
pub(crate) struct Write {
    pub(crate) key: Key,
    pub(crate) cell: u64,
    pub(crate) token: u64,
}

/// What a process knows about an attempt.
#[derive(Default)]
pub(crate) struct Running {
    pub(crate) writes: u32,
    pub(crate) cancelled: bool,
    /// A sync failed since its first write: some of it may be gone.
    pub(crate) poisoned: bool,
    pub(crate) pairs: Vec<Pair>,
}

pub(crate) struct Storage {
    pub(crate) bug: Bug,
    pub(crate) records: Records,
    /// Cells in memory that no sync has covered.
    pub(crate) dirty: BTreeMap<(FileId, u64), u64>,
    pub(crate) running: BTreeMap<Key, Running>,
    /// Parts that were acknowledged to a client and must never be lost.
    promised: BTreeMap<(FileId, PartNumber), Vec<Pair>>,
}

pub(crate) type Checked = Result<(), String>;

impl Storage {
    pub(crate) fn new(bug: Bug) -> Self {
        let (dirty, running, promised) = Default::default();
        Self {
            bug,
            records: Records::default(),
            dirty,
            running,
            promised,
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let records = &self.records;
        let forgetful = self.bug == Bug::ForgetsEpoch;
        let state = match (records.created, records.finished) {
            (None, _) => PackageState::Absent,
            (Some(_), false) => PackageState::Open,
            (Some(_), true) => PackageState::Finished,
        };
        Snapshot {
            state,
            epoch: if forgetful { Epoch(0) } else { records.epoch },
            client_id: if forgetful { None } else { records.client },
            keyring_sha256: records.created.map(|c| c.0),
            draft_sha256: records.created.map(|c| c.1),
            expires_at: records.finished.then_some(1),
            files: records.files.keys().map(|id| self.record(*id)).collect(),
        }
    }

    pub(crate) fn record(&self, id: FileId) -> FileRecord {
        let file = &self.records.files[&id];
        FileRecord {
            file: id,
            role: file.role,
            head_sha256: file.head_sha256,
            body_bytes: file.plan.body_bytes(),
            part_bytes: file.plan.part_bytes(),
            committed: file.committed,
            durable: file.durable.keys().copied().collect(),
        }
    }

    /// The process dies: memory is gone, and of what was never synced some got to the disk.
    pub(crate) fn crash(&mut self, dice: &mut Dice) -> Checked {
        for ((file, cell), token) in std::mem::take(&mut self.dirty) {
            if dice.chance(500)
                && let Some(file) = self.records.files.get_mut(&file)
            {
                file.disk.insert(cell, token);
            }
        }
        self.running.clear();
        for file in self.records.files.values_mut() {
            file.open.clear();
        }
        self.check_promises()
    }

    /// A write lands in memory.
    pub(crate) fn land(&mut self, write: Write) -> Checked {
        let (file, part, ..) = write.key;
        let Some(stored) = self.records.files.get(&file) else {
            return Ok(());
        };
        if let Some((epoch, attempt, _)) = stored.durable.get(&part)
            && (file, part, *epoch, *attempt) != write.key
        {
            return Err(format!("{:?} wrote into a durable part", &write.key.1));
        }
        self.dirty.insert((file, write.cell), write.token);
        Ok(())
    }

    /// What a sync that begins now will make durable.
    pub(crate) fn dirty_of(&self, file: FileId) -> Vec<(u64, u64)> {
        let cells = self.dirty.range((file, 0)..=(file, u64::MAX));
        cells.map(|((_, cell), token)| (*cell, *token)).collect()
    }

    /// A sync ended well.
    pub(crate) fn synced(&mut self, file: FileId, cells: &[(u64, u64)]) {
        for (cell, token) in cells {
            // What changed or was dropped since the sync began is not covered by it.
            let covered = self.dirty.get(&(file, *cell)) == Some(token);
            if let Some(stored) = self.records.files.get_mut(&file).filter(|_| covered) {
                stored.disk.insert(*cell, *token);
                self.dirty.remove(&(file, *cell));
            }
        }
    }

    /// A sync failed: the kernel has dropped the pages, and a second try would find nothing.
    pub(crate) fn sync_failed(&mut self, file: FileId) {
        self.dirty.retain(|(of, _), _| *of != file);
        // Every part since the last good sync fails with it (rule S6).
        for (_, running) in self.running.iter_mut().filter(|(key, _)| key.0 == file) {
            running.poisoned = true;
        }
    }

    /// The conditional record (rule S1). `false`: the condition did not hold.
    pub(crate) fn record_durable(&mut self, key: Key) -> Result<bool, String> {
        let (file, part, epoch, attempt) = key;
        let is_current = self.bug == Bug::ForgetsEpoch || epoch == self.records.epoch;
        let Some(stored) = self.records.files.get_mut(&file) else {
            return Ok(false);
        };
        let open = stored.open.remove(&(part, epoch, attempt));
        if !open || !is_current || stored.committed || stored.durable.contains_key(&part) {
            return Ok(false);
        }
        if part == stored.plan.last() && (stored.durable.len() as u32) < part.0 {
            return Err("the last part became durable before the others".into());
        }
        let pairs = self.running.remove(&key).unwrap_or_default().pairs;
        if pairs.len() as u32 != stored.plan.range(part).unwrap().segment_count {
            return Err("an attempt became durable with a wrong number of segments".into());
        }
        stored.durable.insert(part, (epoch, attempt, pairs));
        Ok(true)
    }

    /// The client is told that a part is durable: from now on it must be there.
    pub(crate) fn promise(&mut self, file: FileId, part: PartNumber) -> Checked {
        let Some(stored) = self.records.files.get(&file) else {
            return Ok(());
        };
        let Some((_, _, pairs)) = stored.durable.get(&part) else {
            return Err(format!("{part:?} was acknowledged without a record"));
        };
        self.promised.insert((file, part), pairs.clone());
        self.check_part(file, part, &pairs.clone())
    }

    /// The disk lost parts (injected): they and the last part are not durable any more (C3).
    pub(crate) fn lose(&mut self, file: FileId, part: PartNumber) {
        let Some(stored) = self.records.files.get_mut(&file) else {
            return;
        };
        for lost in [part, stored.plan.last()] {
            stored.durable.remove(&lost);
            self.promised.remove(&(file, lost));
        }
    }

    pub(crate) fn forget_package(&mut self) {
        self.records.files.clear();
        self.records.created = None;
        self.dirty.clear();
        self.running.clear();
        self.promised.clear();
    }

    /// Nothing acknowledged is lost.
    pub(crate) fn check_promises(&self) -> Checked {
        for ((file, part), pairs) in &self.promised {
            if self.records.files.contains_key(file) {
                self.check_part(*file, *part, pairs)?;
            }
        }
        Ok(())
    }

    fn check_part(&self, file: FileId, part: PartNumber, pairs: &[Pair]) -> Checked {
        let stored = &self.records.files[&file];
        let range = stored.plan.range(part).unwrap();
        for (index, pair) in pairs.iter().enumerate() {
            let first = (range.first_segment + index as u64) * 2;
            for half in 0..2 {
                let on_disk = stored.disk.get(&(first + half));
                let expected = has_half(&stored.plan, first + half).then_some(cell(pair, half));
                if on_disk.copied() != expected {
                    return Err(format!(
                        "acknowledged {part:?} is not on disk as it was sealed"
                    ));
                }
            }
        }
        Ok(())
    }

    /// A file is whole: one content, one seal, nothing mixed.
    pub(crate) fn check_file(&self, file: FileId) -> Checked {
        let stored = &self.records.files[&file];
        let mut pairs = Vec::new();
        for (part, (_, _, stored)) in &stored.durable {
            self.check_part(file, *part, stored)?;
            pairs.extend(stored.iter().copied());
        }
        if pairs.len() as u64 != stored.plan.segment_count() {
            return Err("a committed file has not all its segments".into());
        }
        if stored.disk.get(&SEAL_CELL) != Some(&file_seal(file, &pairs)) {
            return Err("a committed file's seal is not that of its segments".into());
        }
        let of_version = |version| {
            pairs
                .iter()
                .enumerate()
                .all(|(i, pair)| matches(pair, file, i as u64, version))
        };
        if !(0..8).any(of_version) {
            return Err("a committed file mixes old and new content".into());
        }
        Ok(())
    }
}

/// Whether a cell exists: the last segment may be shorter than half a segment.
pub(crate) fn has_half(plan: &PartPlan, cell: u64) -> bool {
    cell * HALF < plan.body_bytes() - 48
}
