//! What the lanes' workers report of their parts, and how parts that were not stored go back to the
//! queue.

use super::parts::{Kept, NOT_OURS, Status, Work};
use super::{ClientAction, ClientSession, PartFailure, Verdict};
use crate::error::Code;
use crate::ids::{Attempt, FileId, LaneId, Pair, PartNumber};

impl ClientSession {
    pub(super) fn part_sealed(
        &mut self,
        lane: LaneId,
        file: FileId,
        part: PartNumber,
        attempt: Attempt,
        pairs: Vec<Pair>,
    ) {
        let mut over = None;
        if let Some(lane) = self.lanes.get_mut(&lane) {
            if let Some(given) = lane.part_mut(file, part, attempt) {
                given.sealed = true;
                over = given.stopping.then_some(false);
            }
        } else {
            over = Some(true);
        }
        if over.is_some() {
            self.take_part(lane, file, part, attempt);
        }
        // A late report of a lane that is gone is as welcome: it settles a lost acknowledgement.
        let Some(work) = self.work_mut(file, part) else {
            return;
        };
        if work.kept(attempt).is_none() {
            work.kept.push(Kept { attempt, pairs });
        }
        if let Some((epoch, claimed, hash)) =
            work.claim.take_if(|(_, claimed, _)| *claimed == attempt)
        {
            self.part_durable(file, part, (epoch, claimed), hash);
        }
        if let Some(may_be_durable) = over {
            self.part_returns(file, part, attempt, may_be_durable);
        }
    }

    pub(super) fn part_failed(
        &mut self,
        lane: LaneId,
        file: FileId,
        part: PartNumber,
        attempt: Attempt,
        failure: PartFailure,
        pairs: Vec<Pair>,
    ) {
        let given = self.take_part(lane, file, part, attempt);
        let whole = given.is_some_and(|given| given.may_be_whole());
        if self.parts_mut(file).is_none() {
            return;
        }
        if let Some(work) = self.work_mut(file, part)
            && pairs.len() > work.seen.len()
        {
            work.seen = pairs;
        }
        match failure {
            PartFailure::SourceChanged => self.fail(Code::FileChanged, Some(file)),
            PartFailure::SourceUnreadable => self.fail(Code::FileUnreadable, Some(file)),
            PartFailure::Sealing => self.fail(Code::Misuse, Some(file)),
            PartFailure::Stopped => self.part_returns(file, part, attempt, whole),
            PartFailure::Lane => {
                self.part_returns(file, part, attempt, whole);
                self.close_lane(lane);
            }
        }
    }

    pub(super) fn part_verified(&mut self, file: FileId, part: PartNumber, verdict: Verdict) {
        let Some(parts) = self.parts_mut(file) else {
            return;
        };
        let Some(work) = parts.work.get_mut(&part) else {
            return;
        };
        let Status::Verifying(pairs) = &mut work.status else {
            return;
        };
        let pairs = core::mem::take(pairs);
        if verdict == Verdict::Unreadable {
            return self.fail(Code::FileUnreadable, Some(file));
        }
        work.status = Status::Verified(pairs, verdict == Verdict::Same);
        parts.compared = parts.compared.saturating_add(1);
        self.arrived();
    }

    /// One verdict for each file none of whose parts is in question any more (rule C1): a relay
    /// that reports made-up pairs does not learn which of them were right.
    pub(super) fn give_verdicts(&mut self) {
        for id in self.active.clone() {
            let Some(parts) = self.parts_mut(id) else {
                continue;
            };
            // Questions are asked in order, so the open ones stand last.
            if parts.compared == 0 || parts.work.values().rev().any(Work::is_in_question) {
                continue;
            }
            parts.compared = 0;
            let mut changed = false;
            let mut same = Vec::new();
            for (part, work) in &mut parts.work {
                if let Status::Verified(pairs, is_same) = &mut work.status {
                    changed |= !*is_same;
                    same.push((*part, core::mem::take(pairs)));
                }
            }
            if changed {
                return self.fail(Code::FileChanged, Some(id));
            }
            for (part, pairs) in same {
                self.settle(id, part, NOT_OURS, pairs);
            }
        }
    }

    /// An attempt is over without an acknowledgement: the part goes back to the queue.
    pub(super) fn part_returns(
        &mut self,
        file: FileId,
        part: PartNumber,
        attempt: Attempt,
        may_be_durable: bool,
    ) {
        let Some(parts) = self.parts_mut(file) else {
            return;
        };
        let Some(work) = parts
            .work
            .get_mut(&part)
            .filter(|work| work.is_sending(attempt))
        else {
            return;
        };
        work.uncertain |= may_be_durable || work.claim.is_some();
        parts.queue(part);
    }

    /// Stops whatever is being sealed.
    pub(super) fn stop_all_parts(&mut self) {
        for (&lane, known) in &mut self.lanes {
            for given in known
                .parts
                .iter_mut()
                .filter(|given| !given.sealed && !given.stopping)
            {
                given.stopping = true;
                let (file, part, attempt) = (given.file, given.part, given.attempt);
                self.actions.push_back(ClientAction::StopPart {
                    lane,
                    file,
                    part,
                    attempt,
                });
            }
        }
    }
}
