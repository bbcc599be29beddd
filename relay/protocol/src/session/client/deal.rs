//! Which part goes over which lane next, and what is asked before a part is sent again.

use super::files::Parts;
use super::lanes::LanePart;
use super::parts::{Status, Work};
use super::{ClientAction, ClientSession, SendPart};
use crate::ids::{Attempt, Epoch, FileId, LaneId, Pair, PartNumber};
use crate::limits::ATTEMPTS_MAX;
use crate::message::ClientMessage;
use crate::part_plan::PartRange;

/// Parts of one lane that are not durable: being sealed, on the wire, or being synced.
const LANE_PARTS_MAX: usize = 6;
/// Bytes of one lane that are not durable, unless a single part is larger.
const LANE_BYTES_MAX: u64 = 64 << 20;
/// Questions about lost acknowledgements under way at a time.
const QUESTIONS_MAX: usize = 64;

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
    pub(super) fn parts_mut(&mut self, file: FileId) -> Option<&mut Parts> {
        self.files.get_mut(&file)?.parts.as_mut()
    }

    pub(super) fn work_mut(&mut self, file: FileId, part: PartNumber) -> Option<&mut Work> {
        self.parts_mut(file)?.work.get_mut(&part)
    }
}
