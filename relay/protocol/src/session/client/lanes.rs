//! Lanes as the client sees them: opening, greeting, noticing that one is dead.
//!
//! A browser takes 6 to 20 s to notice that its peer is gone, so the session does not wait for
//! that: a lane that says nothing is asked ([`ClientMessage::Ping`]) and given up when it does
//! not answer either. The relay says something every second while it has parts to store.

use core::time::Duration;
use std::collections::BTreeMap;

use super::files::File;
use super::state::{Phase, Request};
use super::{ClientAction, ClientSession, LaneEnd, UserEvent};
use crate::error::Code;
use crate::ids::{Attempt, FileId, LaneId, PartNumber};
use crate::message::{
    Capabilities, ClientMessage, Hello, PROTOCOL_VERSION, PROTOCOL_VERSION_MIN, PackageState, Role,
    Transport, Welcome,
};

/// A lane must open and be welcomed within this.
const OPEN_WITHIN: Duration = Duration::from_secs(12);
/// A lane with something outstanding is asked after so much silence …
const ASK_BUSY: Duration = Duration::from_millis(1500);
/// … an idle one after so much …
const ASK_IDLE: Duration = Duration::from_secs(10);
/// … and either is dead when it has not answered within this.
const ANSWER_WITHIN: Duration = Duration::from_millis(3500);

/// How long a lane that was closed may take to say what its worker had sealed (rule C2).
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// Parts that a closed lane had begun. They go back to the queue when their pairs were told, so
/// that the next attempt is compared with this one, or when there was time enough for that.
#[derive(Debug)]
pub(super) struct Leaving {
    parts: Vec<LanePart>,
    until: Duration,
}

/// One lane.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) transport: Transport,
    pub(super) stage: Stage,
    /// In the order in which they were dealt.
    pub(super) parts: Vec<LanePart>,
    heard: Duration,
    asked: Option<Duration>,
    since: Duration,
    /// The package was there before this lane said hello.
    knew_package: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    Opening,
    Greeting,
    Ready,
    /// No new parts; closed when the last one is done.
    Draining,
}

/// A part that was given to a lane and is not yet durable.
#[derive(Debug)]
pub(super) struct LanePart {
    pub(super) file: FileId,
    pub(super) part: PartNumber,
    pub(super) attempt: Attempt,
    pub(super) length: u64,
    pub(super) received: u64,
    /// All of it was handed to the transport.
    pub(super) sealed: bool,
    /// The lane's worker was told to stop it.
    pub(super) stopping: bool,
}

impl LanePart {
    /// Whether the relay may have all of it, so that it may have become durable.
    pub(super) fn may_be_whole(&self) -> bool {
        self.sealed || self.received == self.length
    }
}

impl Lane {
    pub(super) fn new(transport: Transport, now: Duration) -> Self {
        let (stage, parts) = (Stage::Opening, Vec::new());
        Self {
            transport,
            stage,
            parts,
            heard: now,
            asked: None,
            since: now,
            knew_package: false,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.stage == Stage::Ready
    }

    pub(super) fn is_new(&self) -> bool {
        matches!(self.stage, Stage::Opening | Stage::Greeting)
    }

    pub(super) fn has_parts(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Parts that are still to be read and sealed, or are being so.
    pub(super) fn unsealed_count(&self) -> usize {
        self.parts.iter().filter(|part| !part.sealed).count()
    }

    /// Bytes given to the lane and not durable.
    pub(super) fn bytes_given(&self) -> u64 {
        self.parts.iter().map(|part| part.length).sum()
    }

    /// Bytes of content that arrived and are not durable.
    pub(super) fn bytes_received(&self, files: &BTreeMap<FileId, File>) -> u64 {
        let content = |id: &FileId| files.get(id).is_some_and(|file| file.role == Role::Content);
        let parts = self
            .parts
            .iter()
            .filter(|part| !part.stopping && content(&part.file));
        parts.map(|part| part.received).sum()
    }

    pub(super) fn part_mut(
        &mut self,
        file: FileId,
        part: PartNumber,
        attempt: Attempt,
    ) -> Option<&mut LanePart> {
        let same = |p: &&mut LanePart| p.file == file && p.part == part && p.attempt == attempt;
        self.parts.iter_mut().find(same)
    }

    fn ask_at(&self) -> Duration {
        let patience = if self.has_parts() { ASK_BUSY } else { ASK_IDLE };
        self.heard.saturating_add(patience)
    }

    fn next_wake(&self) -> Duration {
        if self.is_new() {
            return self.since.saturating_add(OPEN_WITHIN);
        }
        self.asked.map_or_else(
            || self.ask_at(),
            |asked| asked.saturating_add(ANSWER_WITHIN),
        )
    }
}

impl ClientSession {
    pub(super) fn ready_lanes(&self) -> impl Iterator<Item = LaneId> {
        self.lanes
            .iter()
            .filter(|(_, lane)| lane.is_ready())
            .map(|(id, _)| *id)
    }

    pub(super) fn has_ready_lane(&self) -> bool {
        self.ready_lanes().next().is_some()
    }

    /// The lane for requests: any that is ready, unless the relay asked for patience.
    pub(super) fn asking_lane(&self) -> Option<LaneId> {
        self.ready_lanes()
            .next()
            .filter(|_| self.hold_until <= self.now)
    }

    /// The transport in use: the preferred one, if it has a lane.
    pub(super) fn transport(&self) -> Option<Transport> {
        let ready = || self.lanes.values().filter(|lane| lane.is_ready());
        let preferred = self.choice.preferred();
        let usual = ready().find(|lane| Some(lane.transport) == preferred);
        usual.or_else(|| ready().next()).map(|lane| lane.transport)
    }

    pub(super) fn send(&mut self, lane: LaneId, message: ClientMessage) {
        self.actions.push_back(ClientAction::Send { lane, message });
    }

    // --- tending

    /// Opens what is missing, asks the silent, closes the dead.
    pub(super) fn tend_lanes(&mut self) {
        let late = |leaving: &Leaving| leaving.until <= self.now;
        let late: Vec<LaneId> = self
            .leaving
            .iter()
            .filter(|(_, leaving)| late(leaving))
            .map(|(id, _)| *id)
            .collect();
        for lane in late {
            self.lane_has_left(lane);
        }
        self.tend_each_lane();
        if self.ladder.is_exhausted() {
            return self.end(UserEvent::Failed {
                code: Code::EnvironmentUnsupported,
                file: None,
            });
        }
        if self.offline_until.is_some_and(|until| self.now < until) {
            return;
        }
        if self.has_ready_lane() {
            if self.is_running() {
                self.scale();
            }
        } else if !self
            .lanes
            .values()
            .any(|lane| lane.stage == Stage::Draining)
        {
            let opening: Vec<Transport> = self.lanes.values().map(|lane| lane.transport).collect();
            if let Some(transport) = self.ladder.choose(self.now, &opening) {
                self.open_lane(transport);
            }
        }
    }

    fn tend_each_lane(&mut self) {
        let ids: Vec<LaneId> = self.lanes.keys().copied().collect();
        for id in ids {
            let now = self.now;
            let Some(lane) = self.lanes.get_mut(&id) else {
                continue;
            };
            if lane.stage == Stage::Draining && !lane.has_parts() {
                self.let_go(id);
            } else if now < lane.next_wake() {
                // Nothing is due.
            } else if lane.is_new() || lane.asked.is_some() {
                self.close_lane(id);
            } else {
                lane.asked = Some(now);
                self.send(id, ClientMessage::Ping {});
            }
        }
    }

    pub(super) fn lanes_wake(&self) -> Option<Duration> {
        let lanes = self.lanes.values().map(Lane::next_wake).min();
        let ladder = if self.has_ready_lane() {
            None
        } else {
            let at = self.ladder.next_wake(self.now, !self.lanes.is_empty());
            at.map(|at| at.max(self.offline_until.unwrap_or(at)))
        };
        let leaving = self.leaving.values().map(|leaving| leaving.until).min();
        lanes.into_iter().chain(ladder).chain(leaving).min()
    }

    // --- opening

    pub(super) fn lane_opened(&mut self, id: LaneId) {
        let Some(lane) = self
            .lanes
            .get_mut(&id)
            .filter(|lane| lane.stage == Stage::Opening)
        else {
            return;
        };
        lane.stage = Stage::Greeting;
        lane.knew_package = self.create == Request::Answered;
        let transport = lane.transport;
        let config = &self.config;
        let hello = Hello {
            protocol_version: PROTOCOL_VERSION,
            protocol_version_min: PROTOCOL_VERSION_MIN,
            capabilities: Capabilities::OURS,
            client_version: config.client_version.clone(),
            client_id: config.client_id,
            package: config.package,
            owner_token: config.owner_token.clone(),
            grant: config.grant.clone(),
            takeover: self.takeover,
            epoch: self.epoch,
            transport,
        };
        self.send(id, ClientMessage::Hello(hello));
    }

    pub(super) fn welcomed(&mut self, id: LaneId, welcome: &Welcome) {
        let first = !self.has_ready_lane();
        let Some(lane) = self
            .lanes
            .get_mut(&id)
            .filter(|lane| lane.stage == Stage::Greeting)
        else {
            return;
        };
        lane.stage = Stage::Ready;
        let (transport, knew_package) = (lane.transport, lane.knew_package);
        self.epoch = Some(welcome.epoch);
        self.takeover = false;
        self.scaler
            .limit(usize::try_from(welcome.lanes_max).unwrap_or(usize::MAX));
        self.ladder.won(transport);
        if first {
            self.close_losers(transport);
            self.choice.start_over(self.now);
        }
        self.choice.welcomed(self.now, transport);
        self.package_is(welcome.state, welcome.expires_at, knew_package);
    }

    /// The first lane won the race: the ones still opening by another transport are closed.
    fn close_losers(&mut self, winner: Transport) {
        let losers: Vec<LaneId> = self
            .lanes
            .iter()
            .filter(|(_, lane)| lane.is_new() && lane.transport != winner)
            .map(|(id, _)| *id)
            .collect();
        for id in losers {
            self.actions.push_back(ClientAction::CloseLane { lane: id });
            if let Some(lane) = self.lanes.remove(&id) {
                self.ladder.failed(self.now, lane.transport, true);
            }
        }
    }

    /// Says which transport is in use, when it changed.
    pub(super) fn tell_transport(&mut self) {
        let Some(transport) = self.transport() else {
            return;
        };
        if self.transport_told == Some(transport) {
            return;
        }
        let measured = self.choice.is_measured();
        let reason = match (self.transport_told.replace(transport), transport) {
            (Some(_), Transport::WebSocket) if measured => "A WebSocket is faster here.",
            (Some(_), Transport::WebTransport) if measured => "WebTransport is faster here.",
            (None, Transport::WebTransport) => "WebTransport answered first.",
            (None, Transport::WebSocket) => "WebTransport is not available here, or was slower.",
            (Some(_), Transport::WebSocket) => "WebTransport was lost.",
            (Some(_), Transport::WebTransport) => "WebTransport is available again.",
        };
        self.tell(UserEvent::Transport { transport, reason });
    }

    fn package_is(&mut self, state: PackageState, expires_at: Option<u64>, knew_package: bool) {
        if matches!(self.phase, Phase::Aborting { .. }) {
            if state == PackageState::Finished {
                self.finished(expires_at.unwrap_or(0));
            }
            return;
        }
        match state {
            PackageState::Finished if self.finish_sent => self.finished(expires_at.unwrap_or(0)),
            PackageState::Finished => self.fail(Code::AlreadyFinished, None),
            // It was there before this was asked, so somebody deleted it. An answer that another
            // lane's `Created` overtook says nothing.
            PackageState::Absent if knew_package => self.fail(Code::NotFound, None),
            PackageState::Absent | PackageState::Open => {}
        }
    }

    // --- hearing and losing

    /// Notes that a lane is alive; `false` for one that is gone.
    pub(super) fn lane_heard(&mut self, id: LaneId) -> bool {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return false;
        };
        lane.heard = self.now;
        lane.asked = None;
        true
    }

    pub(super) fn lane_drains(&mut self, id: LaneId) {
        if let Some(lane) = self.lanes.get_mut(&id).filter(|lane| lane.is_ready()) {
            lane.stage = Stage::Draining;
        }
    }

    /// A lane was turned away before it was welcomed; `false` when it had been.
    pub(super) fn refused_at_the_door(&mut self, id: LaneId, code: Code) -> bool {
        if !self.lanes.get(&id).is_some_and(Lane::is_new) {
            return false;
        }
        if code == Code::TooManyLanes && self.has_ready_lane() {
            self.scaler.limit(self.ready_lanes().count());
        }
        self.let_go(id);
        self.ladder.back_off(self.now);
        true
    }

    /// Gives a lane up.
    pub(super) fn close_lane(&mut self, id: LaneId) {
        if let Some(lane) = self.lanes.get(&id) {
            let (transport, was_new) = (lane.transport, lane.is_new());
            self.let_go(id);
            self.learn_from(transport, was_new, LaneEnd::Closed);
        }
    }

    pub(super) fn lane_closed(&mut self, id: LaneId, end: LaneEnd) {
        self.lane_has_left(id);
        if let Some(lane) = self.lanes.get(&id) {
            let (transport, was_new) = (lane.transport, lane.is_new());
            self.lane_is_gone(id);
            self.learn_from(transport, was_new, end);
        }
    }

    fn learn_from(&mut self, transport: Transport, was_new: bool, end: LaneEnd) {
        let others = !self.lanes.is_empty();
        match end {
            LaneEnd::Unsupported => {
                self.ladder.unsupported(self.now, transport);
                self.choice.disturbed(self.now, transport);
            }
            LaneEnd::NotOpened | LaneEnd::Closed if was_new => {
                self.ladder.failed(self.now, transport, others);
                self.choice.disturbed(self.now, transport);
                if self.has_ready_lane() {
                    self.ladder.back_off(self.now);
                }
            }
            LaneEnd::NotOpened | LaneEnd::Closed => {
                self.ladder.died(self.now, transport, !others);
                self.choice.disturbed(self.now, transport);
                self.leave_webtransport(transport);
            }
        }
    }

    /// One WebTransport lane died: its siblings travel the same way, so the next lane is a
    /// WebSocket, opened beside them while they live.
    fn leave_webtransport(&mut self, died: Transport) {
        if died != Transport::WebTransport
            || !self.has_ready_lane()
            || !self.ladder.can(Transport::WebSocket)
        {
            return;
        }
        self.choice.leave_for(self.now, Transport::WebSocket);
        let on_its_way = self
            .lanes
            .values()
            .any(|lane| lane.is_new() || lane.transport == Transport::WebSocket);
        if !on_its_way {
            self.open_lane(Transport::WebSocket);
        }
    }

    /// Closes a lane and forgets it, but for the parts that its worker has yet to report.
    fn let_go(&mut self, id: LaneId) {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return;
        };
        let parts: Vec<LanePart> = lane.parts.extract_if(.., |part| !part.sealed).collect();
        if !parts.is_empty() {
            let until = self.now.saturating_add(LEAVE_WITHIN);
            self.leaving.insert(id, Leaving { parts, until });
        }
        self.actions.push_back(ClientAction::CloseLane { lane: id });
        self.lane_is_gone(id);
    }

    /// Forgets a lane: its parts go back to the queue, its requests will be asked again.
    fn lane_is_gone(&mut self, id: LaneId) {
        let Some(lane) = self.lanes.remove(&id) else {
            return;
        };
        self.parts_return(lane.parts);
        self.forget_requests(id);
        self.scaler.disturbed();
    }

    /// Nothing more is to be heard from a lane that was closed.
    fn lane_has_left(&mut self, id: LaneId) {
        if let Some(leaving) = self.leaving.remove(&id) {
            self.parts_return(leaving.parts);
        }
    }

    fn parts_return(&mut self, parts: Vec<LanePart>) {
        for part in parts {
            self.part_returns(part.file, part.part, part.attempt, part.may_be_whole());
        }
    }

    /// Takes a part that its worker reports off the lane, which may be gone.
    pub(super) fn take_part(
        &mut self,
        lane: LaneId,
        file: FileId,
        part: PartNumber,
        attempt: Attempt,
    ) -> Option<LanePart> {
        let known = self.lanes.get_mut(&lane).map(|lane| &mut lane.parts);
        let parts = match known {
            Some(parts) => parts,
            None => &mut self.leaving.get_mut(&lane)?.parts,
        };
        let same = |p: &LanePart| p.file == file && p.part == part && p.attempt == attempt;
        let index = parts.iter().position(same)?;
        Some(parts.remove(index))
    }

    /// Whatever was asked on this lane is to be asked again.
    pub(super) fn forget_requests(&mut self, id: LaneId) {
        self.create.lane_gone(id);
        self.finish.lane_gone(id);
        for file in &self.active {
            if let Some(file) = self.files.get_mut(file) {
                file.lane_gone(id);
            }
        }
    }

    pub(super) fn close_all_lanes(&mut self) {
        let ids: Vec<LaneId> = self.lanes.keys().copied().collect();
        for id in ids {
            self.let_go(id);
        }
    }
}
