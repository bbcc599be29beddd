//! The life of an attempt to store a part.
//!
//! ```text
//! BeginPart ─> Opening ─> Writing ─> MakingDurable ─> durable
//!                 └──────────┴────────────┴──> Ending ─> (next attempt, or nothing)
//! ```
//!
//! Storage works on at most one attempt of a part. A newer one waits, its lane held back, until
//! the older one's last write has ended (rules S1, S2).

use super::lanes::{Current, Mode};
use super::package::File;
use super::state::{Package, Pending, code_of};
use super::{RelaySession, StorageAnswer, StorageError, StorageRequest};
use crate::error::Code;
use crate::ids::{Attempt, Epoch, FileId, LaneId, PartNumber};
use crate::message::{Pairs, RelayMessage, Stored, pairs_sha256};

/// What is under way for one part that is not durable.
#[derive(Debug)]
pub(super) struct Work {
    /// The attempt that storage knows.
    active: Active,
    /// The attempt that waits for it to end.
    next: Option<Waiting>,
}

#[derive(Debug)]
struct Active {
    number: (Epoch, Attempt),
    lane: LaneId,
    phase: Phase,
}

#[derive(Debug)]
struct Waiting {
    number: (Epoch, Attempt),
    lane: LaneId,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// Storage was asked to record it as open; it is to be ended at once if `doomed`.
    Opening {
        doomed: bool,
    },
    Writing,
    MakingDurable,
    Ending,
}

impl RelaySession {
    pub(super) fn begin_part(
        &mut self,
        lane: LaneId,
        file: FileId,
        part: PartNumber,
        number: (Epoch, Attempt),
        length: u64,
    ) {
        let Some(known) = self.lanes.get_mut(&lane) else {
            return;
        };
        if known.current.is_some() || length == 0 {
            return self.refuse_lane(lane, Code::Malformed);
        }
        let range = self.files.get(&file).and_then(|f| f.plan.range(part));
        let offset = range.map_or(0, |r| r.offset);
        known.current = Some(Current::new((file, part), number, offset, length, self.now));
        let refusal = match (self.files.get(&file), range) {
            (None, _) => Some(Code::NotFound),
            (_, None) => Some(Code::BadLength),
            (_, Some(range)) if range.length != length => Some(Code::BadLength),
            (Some(known), Some(range)) => self.part_refusal(known, part, range.is_last, number),
        };
        match refusal {
            None => self.accept_part(lane, file, part, number),
            Some(code) => {
                self.stop_part(lane, file, part, number.1, code);
                self.explain(lane, file, part, code);
            }
        }
    }

    /// Why an attempt for an existing part may not begin.
    fn part_refusal(
        &self,
        file: &File,
        part: PartNumber,
        is_last: bool,
        number: (Epoch, Attempt),
    ) -> Option<Code> {
        if number.0 != self.epoch {
            return Some(Code::OldAttempt);
        }
        if file.committed || file.committing || file.durable.contains(part) {
            return Some(Code::PartDurable);
        }
        if !matches!(self.package, Package::Open { .. }) {
            return Some(Code::NotFound);
        }
        if self.draining {
            return Some(Code::Draining);
        }
        let others = file.plan.part_count().saturating_sub(1);
        if is_last && file.durable.count() < others {
            return Some(Code::LastPartEarly);
        }
        let newest = file.newest.get(&part).copied();
        newest
            .is_some_and(|newest| number <= newest)
            .then_some(Code::OldAttempt)
    }

    /// Tells a client that sends a stored part again what is stored.
    fn explain(&mut self, lane: LaneId, file: FileId, part: PartNumber, code: Code) {
        if code != Code::PartDurable {
            return;
        }
        match self.files.get(&file) {
            Some(known) if known.committed => self.send(lane, RelayMessage::FileCommitted { file }),
            Some(known) if known.durable.contains(part) => self.read_pairs(lane, file, part, true),
            _ => {}
        }
    }

    fn accept_part(
        &mut self,
        lane: LaneId,
        file: FileId,
        part: PartNumber,
        number: (Epoch, Attempt),
    ) {
        self.set_mode(lane, Mode::Opening);
        self.count_under_way(lane, 1);
        let Some(known) = self.files.get_mut(&file) else {
            return;
        };
        known.newest.insert(part, number);
        let Some(work) = known.work.get_mut(&part) else {
            return self.open_attempt(file, part, number, lane);
        };
        let replaced = work.next.replace(Waiting { number, lane });
        let older = work.active.number;
        if let Some(replaced) = replaced {
            self.drop_waiting(file, part, &replaced, Code::OldAttempt);
        }
        self.end_attempt(file, part, older);
    }

    fn open_attempt(
        &mut self,
        file: FileId,
        part: PartNumber,
        number: (Epoch, Attempt),
        lane: LaneId,
    ) {
        let Some(known) = self.files.get_mut(&file) else {
            return;
        };
        let active = Active {
            number,
            lane,
            phase: Phase::Opening { doomed: false },
        };
        known.work.insert(part, Work { active, next: None });
        let (epoch, attempt) = number;
        let request = StorageRequest::OpenAttempt {
            file,
            part,
            epoch,
            attempt,
        };
        self.ask(request, Pending::Attempt { file, part });
    }

    /// All bytes of an attempt were routed.
    pub(super) fn part_arrived(
        &mut self,
        file: FileId,
        part: PartNumber,
        number: (Epoch, Attempt),
    ) {
        if self.set_phase(file, part, number, Phase::MakingDurable) {
            let (epoch, attempt) = number;
            let request = StorageRequest::MakeDurable {
                file,
                part,
                epoch,
                attempt,
            };
            self.ask(request, Pending::Attempt { file, part });
        }
    }

    pub(super) fn cancel_part(
        &mut self,
        lane: LaneId,
        file: FileId,
        part: PartNumber,
        attempt: Attempt,
    ) {
        let Some(known) = self.lanes.get_mut(&lane) else {
            return;
        };
        match known
            .current
            .take_if(|current| current.is(file, part, attempt))
        {
            Some(current) => self.end_attempt(file, part, (current.epoch, attempt)),
            None if known.current.is_some() => self.refuse_lane(lane, Code::Malformed),
            // It crossed our own last word about this part.
            None => {}
        }
    }

    pub(super) fn attempt_failed(
        &mut self,
        file: FileId,
        part: PartNumber,
        number: (Epoch, Attempt),
        code: Code,
    ) {
        let Some(active) = self.active(file, part).filter(|a| a.number == number) else {
            return;
        };
        if active.phase == Phase::Writing {
            let lane = active.lane;
            self.stop_part(lane, file, part, number.1, code);
            self.end_attempt(file, part, number);
        }
    }

    /// Ends an attempt wherever it is, unless it is about to become durable: then that comes out
    /// first.
    pub(super) fn end_attempt(&mut self, file: FileId, part: PartNumber, number: (Epoch, Attempt)) {
        let Some(work) = self
            .files
            .get_mut(&file)
            .and_then(|f| f.work.get_mut(&part))
        else {
            return;
        };
        if let Some(waiting) = work.next.take_if(|waiting| waiting.number == number) {
            return self.count_under_way(waiting.lane, -1);
        }
        if work.active.number != number {
            return;
        }
        let lane = work.active.lane;
        match &mut work.active.phase {
            Phase::Opening { doomed: true } => {}
            Phase::Opening { doomed } => {
                *doomed = true;
                self.stop_part(lane, file, part, number.1, Code::OldAttempt);
            }
            Phase::Writing => {
                self.stop_part(lane, file, part, number.1, Code::OldAttempt);
                self.ask_to_end(file, part, number);
            }
            Phase::MakingDurable | Phase::Ending => {}
        }
    }

    /// Ends whatever is under way for a part, also what only waits.
    pub(super) fn end_part(&mut self, file: FileId, part: PartNumber, code: Code) {
        let work = self
            .files
            .get_mut(&file)
            .and_then(|f| f.work.get_mut(&part));
        let Some(work) = work else { return };
        let (active, waiting) = (work.active.number, work.next.take());
        if let Some(waiting) = waiting {
            self.drop_waiting(file, part, &waiting, code);
        }
        self.end_attempt(file, part, active);
    }

    fn ask_to_end(&mut self, file: FileId, part: PartNumber, number: (Epoch, Attempt)) {
        if self.set_phase(file, part, number, Phase::Ending) {
            let (epoch, attempt) = number;
            let request = StorageRequest::EndAttempt {
                file,
                part,
                epoch,
                attempt,
            };
            self.ask(request, Pending::Attempt { file, part });
        }
    }

    /// Storage answered about a part's active attempt.
    pub(super) fn attempt_answered(
        &mut self,
        file: FileId,
        part: PartNumber,
        result: Result<StorageAnswer, StorageError>,
    ) {
        let Some(active) = self.active(file, part) else {
            return;
        };
        let (number, lane, phase) = (active.number, active.lane, active.phase);
        let result = result.map_err(|error| match error {
            StorageError::PartsLost(parts) => {
                self.tell_lost(file, &parts);
                StorageError::Code(Code::UploadGone)
            }
            error => error,
        });
        match (phase, result) {
            (Phase::Opening { doomed: false }, Ok(_)) => {
                self.set_phase(file, part, number, Phase::Writing);
                self.set_mode(lane, Mode::Writing);
            }
            (Phase::MakingDurable, Ok(StorageAnswer::Durable { pairs_sha256 })) => {
                self.part_durable(file, part, pairs_sha256);
            }
            (Phase::Opening { doomed: true }, Ok(_)) => self.ask_to_end(file, part, number),
            (Phase::Opening { doomed }, Err(error)) => {
                if !doomed {
                    self.stop_part(lane, file, part, number.1, code_of(error));
                }
                self.attempt_over(file, part);
            }
            (Phase::MakingDurable, result) => {
                let code = result.err().map_or(Code::Internal, code_of);
                self.stop_part(lane, file, part, number.1, code);
                self.ask_to_end(file, part, number);
            }
            (Phase::Ending, _) => self.attempt_over(file, part),
            // Nothing was asked in this phase.
            (Phase::Writing, _) => {}
        }
    }

    fn part_durable(&mut self, file: FileId, part: PartNumber, pairs_sha256: crate::Sha256Hash) {
        let Some(known) = self.files.get_mut(&file) else {
            return;
        };
        // `newest` is kept: a late attempt from before a loss (rule C3) must not come back.
        known.durable.insert(part);
        let Some(work) = known.work.remove(&part) else {
            return;
        };
        let (epoch, attempt) = work.active.number;
        self.count_under_way(work.active.lane, -1);
        let message = RelayMessage::Durable {
            file,
            part,
            epoch,
            attempt,
            pairs_sha256,
        };
        // When its own lane is gone any other one of the client may carry the good news.
        let told = [Some(work.active.lane), self.lanes.keys().next().copied()];
        if let Some(lane) = told
            .into_iter()
            .flatten()
            .find(|lane| self.lanes.contains_key(lane))
        {
            self.send(lane, message.clone());
        }
        if let Some(waiting) = work.next {
            self.drop_waiting(file, part, &waiting, Code::PartDurable);
            self.send(waiting.lane, message);
        }
    }

    /// The active attempt has ended for good: the one that waited for it may begin.
    fn attempt_over(&mut self, file: FileId, part: PartNumber) {
        let Some(work) = self.files.get_mut(&file).and_then(|f| f.work.remove(&part)) else {
            return;
        };
        self.count_under_way(work.active.lane, -1);
        if let Some(next) = work.next {
            self.open_attempt(file, part, next.number, next.lane);
        }
    }

    fn drop_waiting(&mut self, file: FileId, part: PartNumber, waiting: &Waiting, code: Code) {
        self.count_under_way(waiting.lane, -1);
        self.stop_part(waiting.lane, file, part, waiting.number.1, code);
    }

    /// Tells a client that an attempt is over, and drops what still comes of it.
    fn stop_part(
        &mut self,
        lane: LaneId,
        file: FileId,
        part: PartNumber,
        attempt: Attempt,
        code: Code,
    ) {
        let current = self.lanes.get(&lane).and_then(|l| l.current.as_ref());
        if current.is_some_and(|current| current.is(file, part, attempt)) {
            self.set_mode(lane, Mode::Discarding);
        }
        self.send(
            lane,
            RelayMessage::StopPart {
                file,
                part,
                attempt,
                code,
            },
        );
    }

    pub(super) fn get_pairs(&mut self, lane: LaneId, file: FileId, part: PartNumber) {
        match self.files.get(&file) {
            None => self.refuse(lane, Code::NotFound, Some(file)),
            Some(known) if known.committed => self.send(lane, RelayMessage::FileCommitted { file }),
            Some(known) if known.durable.contains(part) => self.read_pairs(lane, file, part, false),
            Some(_) => {
                let none = Pairs {
                    file,
                    part,
                    stored: None,
                    pairs: Vec::new(),
                };
                self.send(lane, RelayMessage::Pairs(none));
            }
        }
    }

    fn read_pairs(&mut self, lane: LaneId, file: FileId, part: PartNumber, tell_durable: bool) {
        self.count_request(lane, 1);
        let pending = Pending::Pairs {
            lane,
            file,
            part,
            tell_durable,
        };
        self.ask(StorageRequest::ReadPairs { file, part }, pending);
    }

    pub(super) fn pairs_read(
        &mut self,
        lane: LaneId,
        file: FileId,
        part: PartNumber,
        tell_durable: bool,
        result: Result<StorageAnswer, StorageError>,
    ) {
        self.count_request(lane, -1);
        match result {
            Ok(StorageAnswer::Pairs {
                epoch,
                attempt,
                pairs,
            }) if tell_durable => {
                let pairs_sha256 = pairs_sha256(&pairs);
                self.send(
                    lane,
                    RelayMessage::Durable {
                        file,
                        part,
                        epoch,
                        attempt,
                        pairs_sha256,
                    },
                );
            }
            Ok(StorageAnswer::Pairs {
                epoch,
                attempt,
                pairs,
            }) => {
                let stored = Some(Stored { epoch, attempt });
                self.send(
                    lane,
                    RelayMessage::Pairs(Pairs {
                        file,
                        part,
                        stored,
                        pairs,
                    }),
                );
            }
            Ok(_) => self.refuse(lane, Code::Internal, Some(file)),
            Err(StorageError::NotMine) if tell_durable => {}
            Err(StorageError::NotMine) => {
                let none = Pairs {
                    file,
                    part,
                    stored: None,
                    pairs: Vec::new(),
                };
                self.send(lane, RelayMessage::Pairs(none));
            }
            Err(error) => self.refuse(lane, code_of(error), Some(file)),
        }
    }

    fn active(&self, file: FileId, part: PartNumber) -> Option<&Active> {
        self.files
            .get(&file)?
            .work
            .get(&part)
            .map(|work| &work.active)
    }

    /// Moves the active attempt on, if it is this one.
    fn set_phase(
        &mut self,
        file: FileId,
        part: PartNumber,
        number: (Epoch, Attempt),
        phase: Phase,
    ) -> bool {
        let work = self
            .files
            .get_mut(&file)
            .and_then(|f| f.work.get_mut(&part));
        let Some(work) = work.filter(|work| work.active.number == number) else {
            return false;
        };
        work.active.phase = phase;
        true
    }

    fn count_under_way(&mut self, lane: LaneId, change: isize) {
        if let Some(known) = self.lanes.get_mut(&lane) {
            known.under_way = known.under_way.saturating_add_signed(change);
        }
    }

    pub(super) fn count_request(&mut self, lane: LaneId, change: isize) {
        if let Some(known) = self.lanes.get_mut(&lane) {
            known.requests = known.requests.saturating_add_signed(change);
        }
    }
}
