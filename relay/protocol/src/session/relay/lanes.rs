//! Lanes as the relay sees them: who may have one, what is said on it when nothing else is, and
//! where its data goes.

use core::time::Duration;

use super::state::{Package, Pending, code_of};
use super::{RelayAction, RelaySession, Route, StorageAnswer, StorageError, StorageRequest};
use crate::error::Code;
use crate::ids::{Attempt, ClientId, Epoch, FileId, LaneId, PartNumber};
use crate::limits::LANE_IDLE_MAX;
use crate::message::{Capabilities, Hello, Negotiated, PackageState, RelayMessage, Welcome};

/// Progress is reported after so many bytes …
const REPORT_BYTES: u64 = 4 << 20;
/// … or so much time.
const REPORT_AFTER: Duration = Duration::from_millis(250);
/// A lane with parts under way hears something at least so often, however slow storage is, so
/// that its client never takes a slow disk for a dead lane.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// A lane that was silent for so long may be closed to make room for another.
const SILENCE_MAX: Duration = Duration::from_secs(12);

/// One lane of the session's client.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) capabilities: Capabilities,
    /// The part whose data is arriving.
    pub(super) current: Option<Current>,
    /// Attempts that came over this lane and are not yet durable or ended.
    pub(super) under_way: usize,
    /// Requests that wait for storage.
    pub(super) requests: usize,
    /// When something last arrived.
    pub(super) heard: Duration,
    /// When something was last sent.
    pub(super) spoke: Duration,
    /// Whether a chunk was held back.
    held: bool,
}

/// The part whose data is arriving on a lane.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) file: FileId,
    pub(super) part: PartNumber,
    pub(super) epoch: Epoch,
    pub(super) attempt: Attempt,
    pub(super) mode: Mode,
    /// Where in the body the next byte belongs.
    next: u64,
    /// Bytes still to come.
    left: u64,
    /// Bytes that came.
    received: u64,
    /// Bytes that were reported.
    reported: u64,
    reported_at: Duration,
}

/// What happens to arriving data.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mode {
    /// The attempt is not open yet: hold.
    Opening,
    Writing,
    Discarding,
}

impl Lane {
    fn new(now: Duration, capabilities: Capabilities) -> Self {
        Self {
            capabilities,
            current: None,
            under_way: 0,
            requests: 0,
            heard: now,
            spoke: now,
            held: false,
        }
    }

    pub(super) fn next_wake(&self) -> Duration {
        let mut wake = self.heard.saturating_add(LANE_IDLE_MAX);
        if self.under_way > 0 || self.requests > 0 {
            wake = wake.min(self.spoke.saturating_add(HEARTBEAT));
        }
        if let Some(current) = &self.current
            && current.mode == Mode::Writing
            && current.received > current.reported
        {
            wake = wake.min(current.reported_at.saturating_add(REPORT_AFTER));
        }
        wake
    }
}

impl Current {
    pub(super) fn new(
        (file, part): (FileId, PartNumber),
        (epoch, attempt): (Epoch, Attempt),
        offset: u64,
        length: u64,
        now: Duration,
    ) -> Self {
        Self {
            file,
            part,
            epoch,
            attempt,
            mode: Mode::Discarding,
            next: offset,
            left: length,
            received: 0,
            reported: 0,
            reported_at: now,
        }
    }

    pub(super) fn is(&self, file: FileId, part: PartNumber, attempt: Attempt) -> bool {
        self.file == file && self.part == part && self.attempt == attempt
    }
}

impl RelaySession {
    /// Lets waiting lanes in, as far as it is known who holds the session.
    pub(super) fn welcome_arrived(&mut self) {
        while !self.claim_is_open()
            && let Some((lane, hello, negotiated)) = self.arriving.pop_front()
        {
            self.arrive(lane, hello, negotiated);
        }
    }

    fn claim_is_open(&self) -> bool {
        // A create under way will bind the session in the records, so it counts too.
        self.pending
            .values()
            .any(|p| matches!(p, Pending::Claim { .. } | Pending::Create { .. }))
    }

    fn arrive(&mut self, lane: LaneId, hello: Hello, negotiated: Negotiated) {
        let is_holder = self.client == Some(hello.client_id);
        let refusal = if self.draining {
            Some(Code::Draining)
        } else if self.package == Package::Gone {
            Some(Code::NotFound)
        } else {
            None
        };
        if let Some(code) = refusal {
            return self.turn_away(lane, RelayMessage::refused(code, None));
        }
        let holder_free = matches!(self.package, Package::Finished { .. });
        if is_holder || holder_free {
            return self.let_in(lane, &negotiated);
        }
        if hello.epoch.is_some_and(|had| had <= self.epoch)
            && !hello.takeover
            && self.client.is_some()
        {
            // It held the session before, and somebody else does now.
            return self.turn_away(lane, RelayMessage::Superseded {});
        }
        if self.client.is_some() && !hello.takeover && self.client_is_near(self.now) {
            return self.turn_away(lane, RelayMessage::refused(Code::SessionBusy, None));
        }
        self.claim(lane, hello, negotiated);
    }

    fn claim(&mut self, lane: LaneId, hello: Hello, negotiated: Negotiated) {
        let epoch = Epoch(self.epoch.0.saturating_add(1));
        let client_id = hello.client_id;
        self.arriving.push_front((lane, hello, negotiated));
        if self.package == Package::Absent {
            // There is no record to bind yet; the create message will carry epoch and client.
            self.bind(epoch, client_id);
        } else {
            let claim = Pending::Claim {
                epoch,
                client_id,
                lane,
            };
            self.ask(StorageRequest::ClaimEpoch { epoch, client_id }, claim);
        }
    }

    pub(super) fn claimed(
        &mut self,
        epoch: Epoch,
        client_id: ClientId,
        lane: LaneId,
        result: Result<StorageAnswer, StorageError>,
    ) {
        match result {
            Ok(_) => self.bind(epoch, client_id),
            Err(error) => {
                let code = match error {
                    StorageError::NotMine => Code::SessionBusy,
                    other => code_of(other),
                };
                if self.stop_arriving(lane) {
                    self.turn_away(lane, RelayMessage::refused(code, None));
                }
            }
        }
        self.welcome_arrived();
    }

    /// The session has a new client: the old one's lanes and attempts end (rule L5).
    fn bind(&mut self, epoch: Epoch, client_id: ClientId) {
        for lane in self.lane_ids() {
            self.send(lane, RelayMessage::Superseded {});
            self.close(lane);
        }
        self.epoch = epoch;
        self.client = Some(client_id);
        self.client_seen = None;
    }

    fn let_in(&mut self, lane: LaneId, negotiated: &Negotiated) {
        if self.lanes.len() >= self.policy.lanes_max && !self.close_a_silent_lane() {
            return self.turn_away(lane, RelayMessage::refused(Code::TooManyLanes, None));
        }
        self.lanes
            .insert(lane, Lane::new(self.now, negotiated.capabilities));
        let (state, expires_at) = match self.package {
            Package::Finished { expires_at, .. } => (PackageState::Finished, Some(expires_at)),
            Package::Open { .. } => (PackageState::Open, None),
            Package::Absent | Package::Gone => (PackageState::Absent, None),
        };
        let welcome = Welcome {
            protocol_version: negotiated.protocol_version,
            capabilities: negotiated.capabilities,
            epoch: self.epoch,
            state,
            expires_at,
            lanes_max: u32::try_from(self.policy.lanes_max).unwrap_or(u32::MAX),
        };
        self.send(lane, RelayMessage::Welcome(welcome));
    }

    /// Makes room for a lane: one that said nothing for long is dead, or about to be.
    fn close_a_silent_lane(&mut self) -> bool {
        let silent = self.lanes.iter().min_by_key(|(_, known)| known.heard);
        let Some((&lane, known)) = silent else {
            return false;
        };
        let dead = self.now.saturating_sub(known.heard) >= SILENCE_MAX;
        if dead {
            self.close(lane);
        }
        dead
    }

    /// Answers a lane that never became one.
    fn turn_away(&mut self, lane: LaneId, message: RelayMessage) {
        self.actions.push_back(RelayAction::Send { lane, message });
        self.actions.push_back(RelayAction::CloseLane { lane });
    }

    /// Closes a lane whose client broke the protocol.
    pub(super) fn refuse_lane(&mut self, lane: LaneId, code: Code) {
        self.refuse(lane, code, None);
        self.close(lane);
    }

    fn close(&mut self, lane: LaneId) {
        if self.lanes.contains_key(&lane) {
            self.actions.push_back(RelayAction::CloseLane { lane });
            self.lane_gone(lane);
        }
    }

    pub(super) fn lane_gone(&mut self, lane: LaneId) {
        self.stop_arriving(lane);
        let Some(known) = self.lanes.remove(&lane) else {
            return;
        };
        self.client_seen = Some(self.now);
        if let Some(current) = known.current {
            self.end_attempt(current.file, current.part, (current.epoch, current.attempt));
        }
    }

    /// Forgets a lane that was not let in yet; whether there was one.
    fn stop_arriving(&mut self, lane: LaneId) -> bool {
        let before = self.arriving.len();
        self.arriving.retain(|(arriving, _, _)| *arriving != lane);
        self.arriving.len() < before
    }

    pub(super) fn tend_lanes(&mut self) {
        for lane in self.lane_ids() {
            let Some(known) = self.lanes.get(&lane) else {
                continue;
            };
            if self.now.saturating_sub(known.heard) >= LANE_IDLE_MAX {
                self.close(lane);
                continue;
            }
            self.report(lane);
            let Some(known) = self.lanes.get(&lane) else {
                continue;
            };
            let busy = known.under_way > 0 || known.requests > 0;
            if busy && self.now.saturating_sub(known.spoke) >= HEARTBEAT {
                self.send(lane, RelayMessage::Pong {});
            }
        }
    }

    /// Says how much of the current part arrived, now and then.
    fn report(&mut self, lane: LaneId) {
        let Some(current) = self.lanes.get_mut(&lane).and_then(|l| l.current.as_mut()) else {
            return;
        };
        if current.mode != Mode::Writing {
            return;
        }
        let fresh = current.received.saturating_sub(current.reported);
        let late = self.now.saturating_sub(current.reported_at) >= REPORT_AFTER;
        if fresh == 0 || (fresh < REPORT_BYTES && !late) {
            return;
        }
        current.reported = current.received;
        current.reported_at = self.now;
        let (file, part, attempt, bytes) = (
            current.file,
            current.part,
            current.attempt,
            current.received,
        );
        self.send(
            lane,
            RelayMessage::Received {
                file,
                part,
                attempt,
                bytes,
            },
        );
    }

    pub(super) fn route(&mut self, lane: LaneId, length: usize) -> Route {
        let now = self.now;
        let Some(known) = self.lanes.get_mut(&lane) else {
            return Route::Discard;
        };
        known.heard = now;
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        let Some(current) = known
            .current
            .as_mut()
            .filter(|current| length <= current.left)
        else {
            self.refuse_lane(lane, Code::Malformed);
            return Route::Violation;
        };
        if current.mode == Mode::Opening {
            known.held = true;
            return Route::Hold;
        }
        let writing = current.mode == Mode::Writing;
        let offset = current.next;
        current.next = current.next.saturating_add(length);
        current.left = current.left.saturating_sub(length);
        current.received = current.received.saturating_add(length);
        let (file, part, epoch, attempt) =
            (current.file, current.part, current.epoch, current.attempt);
        let (bytes, complete) = (current.received, current.left == 0);
        if complete {
            known.current = None;
        }
        match (writing, complete) {
            (false, _) => return Route::Discard,
            (true, false) => self.report(lane),
            (true, true) => {
                self.send(
                    lane,
                    RelayMessage::Received {
                        file,
                        part,
                        attempt,
                        bytes,
                    },
                );
                self.part_arrived(file, part, (epoch, attempt));
            }
        }
        Route::Write {
            file,
            part,
            epoch,
            attempt,
            offset,
        }
    }

    /// Changes what happens to the data of a lane's current part, and lets held data go on.
    pub(super) fn set_mode(&mut self, lane: LaneId, mode: Mode) {
        let Some(known) = self.lanes.get_mut(&lane) else {
            return;
        };
        if let Some(current) = &mut known.current {
            current.mode = mode;
        }
        if core::mem::take(&mut known.held) {
            self.actions.push_back(RelayAction::LaneReady { lane });
        }
    }
}
