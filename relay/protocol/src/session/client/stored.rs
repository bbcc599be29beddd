//! What the relay reports of parts: received, durable, stopped, lost; and what is believed of it.

use super::parts::{Settled, Status};
use super::{ClientAction, ClientSession};
use crate::error::Code;
use crate::ids::{Attempt, Epoch, FileId, LaneId, Pair, PartNumber, Sha256Hash};
use crate::message::{Pairs, Transport, pairs_sha256};

impl ClientSession {
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
    pub(super) fn settle(
        &mut self,
        file: FileId,
        part: PartNumber,
        stored: Attempt,
        pairs: Vec<Pair>,
    ) {
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
