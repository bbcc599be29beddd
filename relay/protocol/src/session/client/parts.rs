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
use crate::ids::{Attempt, Epoch, LaneId, Pair, PartNumber, Sha256Hash};
use crate::part_plan::PartPlan;
use crate::session::part_set::PartSet;

/// Consecutive parts that one lane reads in one stretch, as long as there are enough of them. A browser reads ahead, and
/// what it read ahead at the end of a stretch is lost. Whoever has nothing left takes from the end of another's.
const STRETCH: u32 = 16;
/// Stands for the attempt of another client, or one of which nothing is known.
pub(super) const NOT_OURS: Attempt = Attempt(0);

/// What is known of a part that was dealt and is not durable.
pub(super) struct Work {
    /// Number of the newest attempt.
    pub(super) attempts: u32,
    pub(super) status: Status,
    /// An earlier attempt may have become durable: ask before sending again.
    pub(super) uncertain: bool,
    /// Pairs of the attempts that were handed over whole.
    pub(super) kept: Vec<Kept>,
    /// Pairs of the longest other attempt, for comparing the source (rule C2).
    pub(super) seen: Vec<Pair>,
    /// The relay called this attempt durable before its pairs came from the lane's worker.
    pub(super) claim: Option<(Epoch, Attempt, Sha256Hash)>,
}

pub(super) struct Kept {
    pub(super) attempt: Attempt,
    pub(super) pairs: Vec<Pair>,
}

pub(super) enum Status {
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
    pub(super) attempts: u32,
    /// The attempt that is stored.
    pub(super) stored: Attempt,
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

    pub(super) fn is_sending(&self, attempt: Attempt) -> bool {
        matches!(self.status, Status::Sending) && self.attempts == attempt.0
    }

    /// Whether it is not known yet if the part is durable, and with which pairs.
    pub(super) fn is_in_question(&self) -> bool {
        match self.status {
            Status::Queued => self.uncertain,
            Status::Asking(_) | Status::Verifying(_) => true,
            Status::Verified(..) | Status::Sending => false,
        }
    }

    pub(super) fn kept(&self, attempt: Attempt) -> Option<&Kept> {
        self.kept.iter().find(|kept| kept.attempt == attempt)
    }

    /// The pairs to compare the source with before it is sealed again.
    pub(super) fn earlier(&self) -> Vec<Pair> {
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
    pub(super) fn next(&self, lane: LaneId) -> Option<PartNumber> {
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
    pub(super) fn next_question(&self) -> Option<PartNumber> {
        let uncertain = |part: &&PartNumber| self.work.get(part).is_some_and(|work| work.uncertain);
        self.again.iter().find(uncertain).copied()
    }

    pub(super) fn take(&mut self, part: PartNumber) -> &mut Work {
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
    pub(super) fn reserve_after(&mut self, part: PartNumber, lane: LaneId) {
        let last = self.plan.last();
        while self.fresh < last && self.fresh.0.saturating_sub(part.0) < STRETCH {
            self.reserved.insert(self.fresh, lane);
            self.fresh = PartNumber(self.fresh.0.saturating_add(1));
        }
    }

    /// Puts a part into the queue.
    pub(super) fn queue(&mut self, part: PartNumber) {
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
    pub(super) fn unsettle(&mut self, part: PartNumber, settled: Settled, uncertain: bool) -> u64 {
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
    pub(super) fn start_over(&mut self, part: PartNumber) {
        if let Some(work) = self.work.get_mut(&part) {
            *work = Work::new(work.attempts, false, work.earlier());
            self.again.insert(part);
        }
    }

    pub(super) fn questions_count(&self) -> usize {
        self.work
            .values()
            .filter(|work| matches!(work.status, Status::Asking(_)))
            .count()
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
