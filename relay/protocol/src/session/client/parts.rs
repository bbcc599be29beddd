//! Parts dealt to lanes from one queue, and what becomes of them.
//!
//! ```text
//! queue ─> lane ─> durable
//!   ^        └── lane died, attempt stopped ──> queue, next attempt
//!   └── not durable ── asked (GetPairs) <── the lost attempt may have become durable
//!                          └── durable, pairs are ours ──> durable
//!                          └── durable, pairs of another client ──> compared with the source
//! ```
//!
//! A part whose attempt was handed over whole, but whose acknowledgement is missing, is not sent
//! again before the relay was asked; what it then reports is believed only when the pairs are
//! those this client kept, or match the source (rules C1, C2).

use super::files::Parts;
use super::lanes::LanePart;
use super::{ClientAction, ClientSession, PartFailure, SendPart, Verdict};
use crate::error::Code;
use crate::ids::{Attempt, Epoch, FileId, LaneId, Pair, PartNumber, Sha256Hash};
use crate::limits::ATTEMPTS_MAX;
use crate::message::{ClientMessage, Pairs, Transport, pairs_sha256};
use crate::part_plan::{PartPlan, PartRange};
use crate::session::part_set::PartSet;

/// Parts of one lane that are not durable: being sealed, on the wire, or being synced.
const LANE_PARTS_MAX: usize = 6;
/// Bytes of one lane that are not durable, unless a single part is larger.
const LANE_BYTES_MAX: u64 = 64 << 20;
/// Consecutive parts that one lane reads in one stretch, as long as there are enough of them.
const STRETCH: u32 = 4;
/// Stands for the attempt of another client, or one of which nothing is known.
const NOT_OURS: Attempt = Attempt(0);
/// Questions about lost acknowledgements under way at a time.
const QUESTIONS_MAX: usize = 64;

/// What is known of a part that was dealt and is not durable.
pub(super) struct Work {
    /// Number of the newest attempt.
    attempts: u32,
    status: Status,
    /// An earlier attempt may have become durable: ask before sending again.
    uncertain: bool,
    /// Pairs of the attempts that were handed over whole.
    kept: Vec<Kept>,
    /// Pairs of the longest other attempt, for comparing the source (rule C2).
    seen: Vec<Pair>,
    /// The relay called this attempt durable before its pairs came from the lane's worker.
    claim: Option<(Epoch, Attempt, Sha256Hash)>,
}

struct Kept {
    attempt: Attempt,
    pairs: Vec<Pair>,
}

enum Status {
    Queued,
    Asking(LaneId),
    /// Pairs that are being compared with the source.
    Verifying(Vec<Pair>),
    /// They were compared: whether they are the source's. Nobody learns it before all the parts
    /// of the file that are in question were compared (rule C1).
    Verified(Vec<Pair>, bool),
    Sending,
}

/// A durable part: its pairs, and how many attempts it took.
pub(super) struct Settled {
    pub(super) pairs: Vec<Pair>,
    attempts: u32,
    /// The attempt that is stored.
    stored: Attempt,
}

impl Work {
    fn new(attempts: u32, uncertain: bool, seen: Vec<Pair>) -> Self {
        Self {
            attempts,
            status: Status::Queued,
            uncertain,
            kept: Vec::new(),
            seen,
            claim: None,
        }
    }

    fn is_sending(&self, attempt: Attempt) -> bool {
        matches!(self.status, Status::Sending) && self.attempts == attempt.0
    }

    /// Whether it is not known yet if the part is durable, and with which pairs.
    fn is_in_question(&self) -> bool {
        match self.status {
            Status::Queued => self.uncertain,
            Status::Asking(_) | Status::Verifying(_) => true,
            Status::Verified(..) | Status::Sending => false,
        }
    }

    fn kept(&self, attempt: Attempt) -> Option<&Kept> {
        self.kept.iter().find(|kept| kept.attempt == attempt)
    }

    /// The pairs to compare the source with before it is sealed again.
    fn earlier(&self) -> Vec<Pair> {
        let longest = self.kept.iter().map(|kept| &kept.pairs).chain([&self.seen]);
        longest
            .max_by_key(|pairs| pairs.len())
            .cloned()
            .unwrap_or_default()
    }
}

impl Parts {
    pub(super) fn new(plan: PartPlan) -> Self {
        Self {
            plan,
            durable: PartSet::new(plan.part_count()),
            settled: Default::default(),
            work: Default::default(),
            again: Default::default(),
            reserved: Default::default(),
            compared: 0,
            fresh: PartNumber(0),
        }
    }

    /// The next part to deal to a lane: what comes back, the stretch it is reading, what was
    /// never dealt, and at last what is reserved for others.
    fn next(&self, lane: LaneId) -> Option<PartNumber> {
        let last = self.plan.last();
        let last_may_go = self.durable.count() == last.0;
        let may_go = |part: PartNumber| part < last || (part == last && last_may_go);
        let certain = |part: PartNumber| self.work.get(&part).is_some_and(|work| !work.uncertain);
        let own = || {
            self.reserved
                .iter()
                .find(|(_, kept_for)| **kept_for == lane)
        };
        let again = self
            .again
            .iter()
            .copied()
            .find(|part| certain(*part) && may_go(*part));
        again
            .or_else(|| own().map(|(part, _)| *part))
            .or_else(|| Some(self.fresh).filter(|part| may_go(*part)))
            .or_else(|| self.reserved.keys().next_back().copied())
    }

    /// How many parts wait to be dealt.
    pub(super) fn waiting_count(&self) -> usize {
        let fresh = self.plan.part_count().saturating_sub(self.fresh.0);
        let back = self.again.len().saturating_add(self.reserved.len());
        usize::try_from(fresh)
            .unwrap_or(usize::MAX)
            .saturating_add(back)
    }

    /// A part that may have become durable, and that nobody asked about yet.
    fn next_question(&self) -> Option<PartNumber> {
        let uncertain = |part: &&PartNumber| self.work.get(part).is_some_and(|work| work.uncertain);
        self.again.iter().find(uncertain).copied()
    }

    fn take(&mut self, part: PartNumber) -> &mut Work {
        self.again.remove(&part);
        self.reserved.remove(&part);
        if part == self.fresh {
            self.fresh = PartNumber(part.0.saturating_add(1));
        }
        self.work
            .entry(part)
            .or_insert_with(|| Work::new(0, false, Vec::new()))
    }

    /// Keeps the parts after one that was never dealt for the lane that gets it.
    fn reserve_after(&mut self, part: PartNumber, lane: LaneId) {
        let last = self.plan.last();
        while self.fresh < last && self.fresh.0.saturating_sub(part.0) < STRETCH {
            self.reserved.insert(self.fresh, lane);
            self.fresh = PartNumber(self.fresh.0.saturating_add(1));
        }
    }

    /// Puts a part into the queue.
    fn queue(&mut self, part: PartNumber) {
        if let Some(work) = self.work.get_mut(&part) {
            work.status = Status::Queued;
            self.again.insert(part);
        }
    }

    pub(super) fn lane_gone(&mut self, lane: LaneId) {
        let asked = |work: &Work| matches!(work.status, Status::Asking(on) if on == lane);
        let parts: Vec<PartNumber> = self
            .work
            .iter()
            .filter(|(_, work)| asked(work))
            .map(|(part, _)| *part)
            .collect();
        for part in parts {
            self.queue(part);
        }
        for (part, _) in self
            .reserved
            .extract_if(.., |_, kept_for| *kept_for == lane)
        {
            self.again.insert(part);
            self.work.insert(part, Work::new(0, false, Vec::new()));
        }
    }

    /// Takes back that parts are durable, and returns how many bytes that was. `ask`: some of
    /// the file's parts may be durable all the same.
    pub(super) fn doubt_everything(&mut self, ask: bool) -> u64 {
        let settled = core::mem::take(&mut self.settled);
        let mut bytes: u64 = 0;
        for (part, settled) in settled {
            bytes = bytes.saturating_add(self.unsettle(part, settled, ask));
        }
        if ask {
            let never_dealt = (self.fresh.0..=self.plan.last().0).map(PartNumber);
            let untouched: Vec<PartNumber> =
                self.reserved.keys().copied().chain(never_dealt).collect();
            for part in untouched {
                self.take(part).uncertain = true;
                self.queue(part);
            }
        }
        bytes
    }

    /// A durable part is one no more; returns its length.
    fn unsettle(&mut self, part: PartNumber, settled: Settled, uncertain: bool) -> u64 {
        self.durable.remove(part);
        let mut work = Work::new(settled.attempts, uncertain, settled.pairs);
        if uncertain {
            let attempt = Attempt(work.attempts);
            work.kept.push(Kept {
                attempt,
                pairs: work.seen.clone(),
            });
        }
        self.work.insert(part, work);
        self.again.insert(part);
        self.plan.range(part).map_or(0, |range| range.length)
    }

    /// A part that was dealt is to be sealed anew, whatever becomes of the attempts so far.
    fn start_over(&mut self, part: PartNumber) {
        if let Some(work) = self.work.get_mut(&part) {
            *work = Work::new(work.attempts, false, work.earlier());
            self.again.insert(part);
        }
    }

    fn questions_count(&self) -> usize {
        self.work
            .values()
            .filter(|work| matches!(work.status, Status::Asking(_)))
            .count()
    }
}

impl ClientSession {
    /// Deals what can be dealt.
    pub(super) fn deal_parts(&mut self) {
        if self.hold_until > self.now {
            return;
        }
        self.ask_questions();
        while self.is_running()
            && let Some(lane) = self.lane_with_room()
            && let Some((file, part)) = self.next_part(lane)
        {
            self.deal(lane, file, part);
        }
    }

    fn ask_questions(&mut self) {
        let Some(lane) = self.asking_lane() else {
            return;
        };
        for index in 0..self.active.len() {
            let Some(&id) = self.active.get(index) else {
                return;
            };
            let Some(parts) = self.files.get_mut(&id).and_then(|file| file.parts.as_mut()) else {
                continue;
            };
            if parts.again.is_empty() {
                continue;
            }
            let mut room = QUESTIONS_MAX.saturating_sub(parts.questions_count());
            let mut questions = Vec::new();
            while room > 0
                && let Some(part) = parts.next_question()
            {
                parts.take(part).status = Status::Asking(lane);
                questions.push(ClientMessage::GetPairs { file: id, part });
                room = room.saturating_sub(1);
            }
            for question in questions {
                self.send(lane, question);
            }
        }
    }

    /// The ready lane with the least to do, if it may have more.
    fn lane_with_room(&self) -> Option<LaneId> {
        let waiting: usize = self.active_parts().map(Parts::waiting_count).sum();
        let tried = self.choice.tried();
        let may_send = |id: &LaneId| {
            let transport = self.lanes.get(id).map(|lane| lane.transport);
            tried.is_none() || transport == tried
        };
        let ready = self.ready_lanes().filter(may_send).count();
        // Near the end a part must not wait behind another one while a lane has nothing to do.
        let ahead = if waiting.saturating_add(self.coming.len()) > ready {
            2
        } else {
            1
        };
        let lanes = self
            .ready_lanes()
            .filter(may_send)
            .filter_map(|id| Some((id, self.lanes.get(&id)?)));
        let room = lanes.filter(|(_, lane)| {
            lane.unsealed_count() < ahead
                && lane.parts.len() < LANE_PARTS_MAX
                && (lane.parts.len() < 2 || lane.bytes_given() < LANE_BYTES_MAX)
        });
        room.min_by_key(|(_, lane)| (lane.unsealed_count(), lane.bytes_given()))
            .map(|(id, _)| id)
    }

    fn active_parts(&self) -> impl Iterator<Item = &Parts> {
        self.active
            .iter()
            .filter_map(|id| self.files.get(id)?.parts.as_ref())
    }

    fn next_part(&self, lane: LaneId) -> Option<(FileId, PartNumber)> {
        self.active
            .iter()
            .find_map(|id| Some((*id, self.files.get(id)?.parts.as_ref()?.next(lane)?)))
    }

    fn deal(&mut self, lane: LaneId, file: FileId, part: PartNumber) {
        let Some(epoch) = self.epoch else { return };
        let Some(parts) = self.parts_mut(file) else {
            return;
        };
        let Some(range) = parts.plan.range(part) else {
            return;
        };
        let last = parts.plan.last();
        if part == parts.fresh {
            parts.take(part);
            parts.reserve_after(part, lane);
        }
        let work = parts.take(part);
        if work.attempts >= ATTEMPTS_MAX {
            return self.fail(self.trouble, Some(file));
        }
        work.attempts = work.attempts.saturating_add(1);
        work.status = Status::Sending;
        let attempt = Attempt(work.attempts);
        let earlier = work.earlier();
        let file_pairs = if part == last {
            parts.all_pairs()
        } else {
            Vec::new()
        };
        self.hand_over(lane, file, part, epoch, attempt, range, earlier, file_pairs);
    }

    #[allow(clippy::too_many_arguments)] // All that makes up one part, each named once.
    fn hand_over(
        &mut self,
        lane: LaneId,
        file: FileId,
        part: PartNumber,
        epoch: Epoch,
        attempt: Attempt,
        PartRange {
            offset,
            length,
            is_last,
            ..
        }: PartRange,
        earlier: Vec<Pair>,
        file_pairs: Vec<Pair>,
    ) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            let (received, sealed, stopping) = (0, false, false);
            lane.parts.push(LanePart {
                file,
                part,
                attempt,
                length,
                received,
                sealed,
                stopping,
            });
        }
        let begin = ClientMessage::BeginPart {
            file,
            part,
            attempt,
            epoch,
            length,
        };
        self.actions.push_back(ClientAction::SendPart(SendPart {
            lane,
            begin,
            file,
            part,
            attempt,
            offset,
            length,
            is_last,
            earlier,
            file_pairs,
        }));
    }

    fn parts_mut(&mut self, file: FileId) -> Option<&mut Parts> {
        self.files.get_mut(&file)?.parts.as_mut()
    }

    fn work_mut(&mut self, file: FileId, part: PartNumber) -> Option<&mut Work> {
        self.parts_mut(file)?.work.get_mut(&part)
    }

    // --- what the lanes' workers report

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

    // --- what the relay reports

    pub(super) fn part_received(
        &mut self,
        lane: LaneId,
        file: FileId,
        part: PartNumber,
        attempt: Attempt,
        bytes: u64,
    ) {
        let Some(known) = self.lanes.get_mut(&lane) else {
            return;
        };
        let transport = known.transport;
        let Some(given) = known.part_mut(file, part, attempt) else {
            return;
        };
        let bytes = bytes.min(given.length);
        let fresh = bytes.saturating_sub(given.received);
        given.received = given.received.max(bytes);
        self.meter.add(transport, fresh);
        if fresh > 0 {
            self.arrived();
        }
    }

    pub(super) fn part_durable(
        &mut self,
        file: FileId,
        part: PartNumber,
        (epoch, attempt): (Epoch, Attempt),
        hash: Sha256Hash,
    ) {
        let own_epoch = self.epoch == Some(epoch);
        let Some(work) = self.work_mut(file, part) else {
            return;
        };
        match work.kept(attempt).filter(|_| own_epoch) {
            Some(kept) if pairs_sha256(&kept.pairs) == hash => {
                let pairs = kept.pairs.clone();
                self.settle(file, part, attempt, pairs);
            }
            Some(_) => self.fail(Code::StoredDiffers, Some(file)),
            None if own_epoch && work.is_sending(attempt) => {
                work.claim = Some((epoch, attempt, hash))
            }
            // Somebody else's, or one whose pairs were lost with its lane: its turn to be asked
            // about comes when it is next in the queue.
            None => work.uncertain = true,
        }
    }

    pub(super) fn pairs_told(&mut self, lane: LaneId, told: Pairs) {
        let (file, part) = (told.file, told.part);
        let own_epoch = self.epoch;
        let Some(parts) = self.parts_mut(file) else {
            return;
        };
        let Some(segments) = parts.plan.range(part).map(|range| range.segment_count) else {
            return;
        };
        let Some(work) = parts.work.get_mut(&part) else {
            return;
        };
        if !matches!(work.status, Status::Asking(on) if on == lane) {
            return;
        }
        let Some(stored) = told.stored else {
            work.uncertain = false;
            return parts.queue(part);
        };
        let kept = work
            .kept(stored.attempt)
            .filter(|_| own_epoch == Some(stored.epoch));
        if let Some(kept) = kept {
            return if kept.pairs == told.pairs {
                self.settle(file, part, stored.attempt, told.pairs);
            } else {
                self.fail(Code::StoredDiffers, Some(file));
            };
        }
        if u32::try_from(told.pairs.len()) != Ok(segments) {
            return self.fail(Code::StoredDiffers, Some(file));
        }
        match self.own_pairs(file, part) {
            None => self.verify(file, part, told.pairs),
            Some(own) if own == told.pairs => self.settle(file, part, stored.attempt, told.pairs),
            Some(_) => self.fail(Code::StoredDiffers, Some(file)),
        }
    }

    /// The pairs of a part of the manifest, which are known without reading it (rule C3).
    fn own_pairs(&self, file: FileId, part: PartNumber) -> Option<&[Pair]> {
        let known = self
            .files
            .get(&file)
            .filter(|file| !file.pairs.is_empty())?;
        let range = known.parts.as_ref()?.plan.range(part)?;
        let first = usize::try_from(range.first_segment).unwrap_or(usize::MAX);
        let count = usize::try_from(range.segment_count).unwrap_or(usize::MAX);
        let rest = known.pairs.get(first..).unwrap_or_default();
        Some(rest.get(..count).unwrap_or_default())
    }

    fn verify(&mut self, file: FileId, part: PartNumber, pairs: Vec<Pair>) {
        let Some(parts) = self.parts_mut(file) else {
            return;
        };
        let Some(range) = parts.plan.range(part) else {
            return;
        };
        parts.take(part).status = Status::Verifying(pairs.clone());
        let (offset, length) = (range.offset, range.length);
        self.actions.push_back(ClientAction::VerifyPart {
            file,
            part,
            offset,
            length,
            pairs,
        });
    }

    /// The part is durable, and its pairs are known.
    fn settle(&mut self, file: FileId, part: PartNumber, stored: Attempt, pairs: Vec<Pair>) {
        let Some(parts) = self.parts_mut(file) else {
            return;
        };
        let Some(work) = parts.work.remove(&part) else {
            return;
        };
        parts.again.remove(&part);
        parts.durable.insert(part);
        parts.settled.insert(
            part,
            Settled {
                pairs,
                attempts: work.attempts,
                stored,
            },
        );
        let length = parts.plan.range(part).map_or(0, |range| range.length);
        self.count_durable(file, length, true);
        for (transport, unseen) in self.take_off_lanes(file, part) {
            self.meter.add(transport, unseen);
        }
        self.progressed();
    }

    /// Takes a part off the lanes that still have it. Returns how many of the bytes handed over
    /// were not reported as received, and how they travelled.
    fn take_off_lanes(&mut self, file: FileId, part: PartNumber) -> Vec<(Transport, u64)> {
        let mut unseen = Vec::new();
        for (&lane, known) in &mut self.lanes {
            for given in known
                .parts
                .iter_mut()
                .filter(|p| p.file == file && p.part == part)
            {
                if given.sealed {
                    let rest = given.length.saturating_sub(given.received);
                    unseen.push((known.transport, rest));
                } else if !given.stopping {
                    given.stopping = true;
                    let attempt = given.attempt;
                    self.actions.push_back(ClientAction::StopPart {
                        lane,
                        file,
                        part,
                        attempt,
                    });
                }
            }
            known
                .parts
                .retain(|p| p.file != file || p.part != part || !p.sealed);
        }
        unseen
    }

    pub(super) fn part_stopped(
        &mut self,
        lane: LaneId,
        file: FileId,
        part: PartNumber,
        attempt: Attempt,
        code: Code,
    ) {
        let reports = self.stop_on_lane(lane, file, part, attempt);
        let current = self.work_mut(file, part);
        let Some(work) = current.filter(|work| work.is_sending(attempt)) else {
            return;
        };
        let may_be_durable = matches!(code, Code::OldAttempt | Code::PartDurable);
        work.uncertain |= may_be_durable;
        if !reports {
            self.part_returns(file, part, attempt, may_be_durable);
        }
        match code {
            Code::OldAttempt | Code::PartDurable => {}
            Code::Draining => self.lane_drains(lane),
            Code::LastPartEarly => self.look_again(lane, Some(file)),
            _ if code.retryable() => self.be_patient(code),
            _ => self.fail(code, Some(file)),
        }
    }

    /// Stops a part; `true` when its worker has yet to report what it sealed of it (rule C2).
    fn stop_on_lane(
        &mut self,
        lane: LaneId,
        file: FileId,
        part: PartNumber,
        attempt: Attempt,
    ) -> bool {
        let Some(known) = self.lanes.get_mut(&lane) else {
            return false;
        };
        let Some(given) = known.part_mut(file, part, attempt) else {
            return false;
        };
        if given.sealed {
            self.take_part(lane, file, part, attempt);
            return false;
        }
        if !given.stopping {
            given.stopping = true;
            self.actions.push_back(ClientAction::StopPart {
                lane,
                file,
                part,
                attempt,
            });
        }
        true
    }

    /// Storage lost a part: it and the last one are to be sent again (rule C3).
    pub(super) fn part_lost(&mut self, file: FileId, part: PartNumber) {
        let Some(known) = self
            .files
            .get_mut(&file)
            .filter(|known| !known.is_committed())
        else {
            return;
        };
        known.commit = super::state::Request::Open;
        let Some(parts) = known.parts.as_mut() else {
            return;
        };
        let mut bytes: u64 = 0;
        let last = parts.plan.last();
        for lost in [part, last] {
            if let Some(settled) = parts.settled.remove(&lost) {
                bytes = bytes.saturating_add(parts.unsettle(lost, settled, false));
            }
        }
        // Its seal is over the pairs that were lost, wherever it is by now.
        if part != last {
            parts.start_over(last);
            self.take_off_lanes(file, last);
        }
        self.count_durable(file, bytes, false);
    }
}

impl Parts {
    /// Pairs of all durable parts, in order.
    pub(super) fn all_pairs(&self) -> Vec<Pair> {
        self.settled
            .values()
            .flat_map(|settled| settled.pairs.iter().copied())
            .collect()
    }

    /// The attempt of the last part that is stored.
    pub(super) fn last_attempt(&self) -> Attempt {
        self.settled
            .get(&self.plan.last())
            .map_or(NOT_OURS, |settled| settled.stored)
    }
}
