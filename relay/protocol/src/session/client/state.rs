//! What a client session knows, the way events take through it, and how it ends.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use super::choice::Choice;
use super::files::File;
use super::ladder::Ladder;
use super::lanes::{Lane, Leaving};
use super::meter::Meter;
use super::scaler::Scaler;
use super::{ClientAction, ClientConfig, ClientEvent, Progress, UserEvent, UserState};
use crate::error::Code;
use crate::ids::{Epoch, FileId, LaneId};
use crate::limits::CLIENT_LANES_MAX;
use crate::message::{ClientMessage, RelayMessage, Role, Transport};

/// Progress is shown at most so often.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);
/// How long the deletion of a cancelled or failed package may take before it is left to expire.
const ABORT_WITHIN: Duration = Duration::from_secs(10);
/// A longer silence between two events is sleep, not waiting.
const STEP_MAX: Duration = Duration::from_secs(5);

/// The client's half of a session. See [`super`].
pub struct ClientSession {
    pub(super) config: ClientConfig,
    pub(super) now: Duration,
    pub(super) phase: Phase,
    pub(super) actions: VecDeque<ClientAction>,
    pub(super) lanes: BTreeMap<LaneId, Lane>,
    /// Lanes that were closed and whose workers have yet to say what they sealed.
    pub(super) leaving: BTreeMap<LaneId, Leaving>,
    pub(super) next_lane: u32,
    pub(super) ladder: Ladder,
    pub(super) scaler: Scaler,
    pub(super) choice: Choice,
    pub(super) meter: Meter,
    /// No lane is opened before, because the network is said to be gone.
    pub(super) offline_until: Option<Duration>,
    /// Nothing new is sent before, because the relay asked for patience.
    pub(super) hold_until: Duration,
    pub(super) holds: u32,
    pub(super) epoch: Option<Epoch>,
    pub(super) takeover: bool,
    pub(super) create: Request,
    /// The relay may have the package, also when its answer was lost.
    create_sent: bool,
    pub(super) files: BTreeMap<FileId, File>,
    /// Files that were not announced yet, in order.
    pub(super) coming: VecDeque<FileId>,
    /// Files under way, in order.
    pub(super) active: Vec<FileId>,
    pub(super) no_more_files: bool,
    pub(super) manifest_asked: bool,
    pub(super) manifest: Option<FileId>,
    pub(super) finish: Request,
    /// The relay may have finished the package, also when its answer was lost.
    pub(super) finish_sent: bool,
    pub(super) bytes_durable: u64,
    pub(super) bytes_total: u64,
    pub(super) files_done: u32,
    pub(super) files_total: u32,
    /// What would be said if the session were given up now.
    pub(super) trouble: Code,
    /// Time without any progress.
    stuck: Duration,
    pub(super) transport_told: Option<Transport>,
    state: Option<UserState>,
    progress: Progress,
    progress_at: Duration,
}

/// Where the session stands.
#[derive(Debug)]
pub(super) enum Phase {
    Running,
    Paused,
    /// Another client holds the session; a person has to decide.
    Busy,
    /// The package is being deleted, then `outcome` is told.
    Aborting {
        outcome: UserEvent,
        asked: Option<LaneId>,
        /// It turned out to be complete: asked when it expires.
        finished: bool,
        until: Duration,
    },
    Ended,
}

/// A request that must be answered once, over whichever lane.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Request {
    Open,
    Asked(LaneId),
    Answered,
}

impl Request {
    /// Forgets that it was asked on this lane.
    pub(super) fn lane_gone(&mut self, lane: LaneId) {
        if *self == Self::Asked(lane) {
            *self = Self::Open;
        }
    }
}

impl ClientSession {
    /// A session that has not begun. The first [`ClientSession::poll`] opens a lane.
    #[must_use]
    pub fn new(config: ClientConfig, now: Duration) -> Self {
        let lanes_max = config.lanes_max.clamp(1, CLIENT_LANES_MAX);
        let mut session = Self {
            now,
            phase: Phase::Running,
            actions: VecDeque::new(),
            lanes: BTreeMap::new(),
            leaving: BTreeMap::new(),
            next_lane: 0,
            ladder: Ladder::new(&config.transports, config.jitter_seed, now),
            scaler: Scaler::new(lanes_max),
            choice: Choice::new(),
            meter: Meter::new(now),
            offline_until: None,
            hold_until: Duration::ZERO,
            holds: 0,
            epoch: None,
            takeover: false,
            create: Request::Open,
            create_sent: false,
            files: BTreeMap::new(),
            coming: VecDeque::new(),
            active: Vec::new(),
            no_more_files: false,
            manifest_asked: false,
            manifest: None,
            finish: Request::Open,
            finish_sent: false,
            bytes_durable: 0,
            bytes_total: 0,
            files_done: 0,
            files_total: 0,
            trouble: Code::NetworkLost,
            stuck: Duration::ZERO,
            transport_told: None,
            state: None,
            progress: Progress::default(),
            progress_at: Duration::ZERO,
            config,
        };
        session.go_on();
        session
    }

    /// Tells what happened. Call [`ClientSession::poll`] until it returns `None` afterwards.
    pub fn handle(&mut self, now: Duration, event: ClientEvent) {
        self.pass_time(now);
        if matches!(self.phase, Phase::Ended) {
            return;
        }
        self.take(event);
        self.go_on();
    }

    fn take(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Wake => {}
            ClientEvent::AddFile {
                file,
                role,
                head,
                sealed_body_bytes,
                pairs,
            } => {
                self.add_file(file, role, head, sealed_body_bytes, pairs);
            }
            ClientEvent::NoMoreFiles => self.no_more_files = true,
            ClientEvent::LaneOpened { lane } => self.lane_opened(lane),
            ClientEvent::LaneClosed { lane, end } => self.lane_closed(lane, end),
            ClientEvent::Message { lane, message } => self.message(lane, message),
            ClientEvent::PartSealed {
                lane,
                file,
                part,
                attempt,
                pairs,
            } => {
                self.part_sealed(lane, file, part, attempt, pairs);
            }
            ClientEvent::PartFailed {
                lane,
                file,
                part,
                attempt,
                failure,
                pairs,
            } => {
                self.part_failed(lane, file, part, attempt, failure, pairs);
            }
            ClientEvent::PartVerified {
                file,
                part,
                verdict,
            } => {
                self.part_verified(file, part, verdict);
            }
            ClientEvent::Pause => self.pause(),
            ClientEvent::Resume => self.resume(),
            ClientEvent::Cancel => self.cancel(),
            ClientEvent::TakeOver => self.take_over(),
            ClientEvent::Thawed => {
                self.close_all_lanes();
                self.ladder.retry_now(self.now);
            }
            ClientEvent::Online => {
                self.offline_until = None;
                self.ladder.retry_now(self.now);
            }
            ClientEvent::Offline => self.go_offline(),
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<ClientAction> {
        self.actions.pop_front()
    }

    /// When to call [`ClientSession::handle`] with [`ClientEvent::Wake`] at the latest.
    #[must_use]
    pub fn next_wake(&self) -> Option<Duration> {
        match self.phase {
            Phase::Ended | Phase::Paused | Phase::Busy => return None,
            Phase::Running | Phase::Aborting { .. } => {}
        }
        let mut wake = self.lanes_wake();
        let mut sooner = |at: Duration| wake = Some(wake.map_or(at, |wake| wake.min(at)));
        if self.hold_until > self.now {
            sooner(self.hold_until);
        }
        if let Phase::Aborting { until, .. } = &self.phase {
            sooner(*until);
        }
        if self.is_sending() || self.config.give_up_after.is_some() {
            sooner(
                self.meter
                    .next_tick()
                    .max(self.now.saturating_add(Duration::from_millis(1))),
            );
        }
        wake
    }

    /// Whether the session has ended: nothing but closing lanes is asked for any more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    fn pass_time(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.now);
        self.now = self.now.max(now);
        if matches!(self.phase, Phase::Running) && !self.waits_for_application() {
            self.stuck = self.stuck.saturating_add(passed.min(STEP_MAX));
        } else {
            self.stuck = Duration::ZERO;
        }
    }

    /// Something got done for good.
    pub(super) fn progressed(&mut self) {
        self.stuck = Duration::ZERO;
        self.holds = 0;
        self.trouble = Code::NetworkLost;
        self.ladder.progressed();
    }

    /// Bytes arrived; that is progress unless storage keeps refusing them.
    pub(super) fn arrived(&mut self) {
        if self.holds == 0 {
            self.stuck = Duration::ZERO;
        }
    }

    /// Does whatever can be done now.
    fn go_on(&mut self) {
        self.meter.tick(self.now, self.is_sending());
        match &self.phase {
            Phase::Running => {
                if self
                    .config
                    .give_up_after
                    .is_some_and(|limit| self.stuck >= limit)
                {
                    return self.end(UserEvent::Failed {
                        code: self.trouble,
                        file: None,
                    });
                }
                let steps = [
                    Self::tend_lanes,
                    Self::ask_for_package,
                    Self::announce_files,
                    Self::give_verdicts,
                    Self::deal_parts,
                    Self::complete_files,
                    Self::complete_package,
                ];
                for step in steps {
                    // Each may find a reason to end.
                    if self.is_running() {
                        step(self);
                    }
                }
            }
            Phase::Aborting { .. } | Phase::Paused | Phase::Busy | Phase::Ended => {}
        }
        if matches!(self.phase, Phase::Aborting { .. }) {
            self.go_on_aborting();
        }
        self.show();
    }

    // --- the package

    fn ask_for_package(&mut self) {
        let Some(lane) = self.asking_lane().filter(|_| self.create == Request::Open) else {
            return;
        };
        self.create = Request::Asked(lane);
        self.create_sent = true;
        let create = crate::message::Create {
            keyring: self.config.keyring.clone(),
            draft: self.config.draft.clone(),
            expires_in_s: self.config.expires_in_s,
        };
        self.send(lane, ClientMessage::Create(create));
    }

    fn complete_package(&mut self) {
        let content_done = self.no_more_files && self.files_done == self.files_total;
        if content_done && !self.manifest_asked && self.create == Request::Answered {
            self.manifest_asked = true;
            self.actions.push_back(ClientAction::SealManifest);
        }
        let manifest = self
            .manifest
            .filter(|id| self.files.get(id).is_some_and(File::is_committed));
        if let (Some(manifest), Request::Open) = (manifest, self.finish)
            && let Some(lane) = self.asking_lane()
        {
            self.finish = Request::Asked(lane);
            self.finish_sent = true;
            self.send(lane, ClientMessage::Finish { manifest });
        }
    }

    fn message(&mut self, lane: LaneId, message: RelayMessage) {
        if !self.lane_heard(lane) {
            return;
        }
        match message {
            RelayMessage::Welcome(welcome) => self.welcomed(lane, &welcome),
            RelayMessage::Created { keyring_sha256 } => self.created(keyring_sha256),
            RelayMessage::FileAdded {
                file,
                head_sha256,
                part_bytes,
                durable_count,
                committed,
                ..
            } => {
                self.file_added(file, head_sha256, part_bytes, durable_count, committed);
            }
            RelayMessage::Received {
                file,
                part,
                attempt,
                bytes,
            } => {
                self.part_received(lane, file, part, attempt, bytes);
            }
            RelayMessage::Durable {
                file,
                part,
                epoch,
                attempt,
                pairs_sha256,
            } => {
                self.part_durable(file, part, (epoch, attempt), pairs_sha256);
            }
            RelayMessage::StopPart {
                file,
                part,
                attempt,
                code,
            } => {
                self.part_stopped(lane, file, part, attempt, code.from_relay());
            }
            RelayMessage::Pairs(pairs) => self.pairs_told(lane, pairs),
            RelayMessage::PartLost { file, part } => self.part_lost(file, part),
            RelayMessage::FileCommitted { file } => self.file_committed(file),
            RelayMessage::Finished { expires_at } => self.finished(expires_at),
            RelayMessage::Aborted {} => self.aborted(true),
            RelayMessage::Superseded {} => self.end(UserEvent::Superseded),
            RelayMessage::Refused { code, about, .. } => {
                self.refused(lane, code.from_relay(), about);
            }
            RelayMessage::Draining {} => self.lane_drains(lane),
            RelayMessage::Pong {} => {}
        }
    }

    fn created(&mut self, keyring_sha256: crate::Sha256Hash) {
        if keyring_sha256 != crate::message::sha256(&self.config.keyring) {
            return self.fail(Code::StoredDiffers, None);
        }
        if self.create != Request::Answered {
            self.create = Request::Answered;
            self.progressed();
        }
    }

    pub(super) fn finished(&mut self, expires_at: u64) {
        let failing = matches!(
            self.phase,
            Phase::Aborting {
                outcome: UserEvent::Failed { .. },
                ..
            }
        );
        if self.finish_sent && !failing {
            self.meter.show(self.bytes_total);
            self.end(UserEvent::Finished { expires_at });
        }
    }

    // --- refusals

    fn refused(&mut self, lane: LaneId, code: Code, about: Option<FileId>) {
        if matches!(self.phase, Phase::Aborting { .. }) {
            if about.is_none() {
                self.abort_refused(lane, code);
            }
            return;
        }
        match code {
            Code::SessionBusy if self.epoch.is_some() => self.end(UserEvent::Superseded),
            Code::SessionBusy => self.busy(),
            Code::NotComplete => self.look_again(lane, about),
            _ if code.retryable() && self.refused_at_the_door(lane, code) => self.trouble = code,
            _ if code.retryable() => {
                self.forget_requests(lane);
                self.be_patient(code);
            }
            _ => self.fail(code, about),
        }
    }

    /// The relay cannot go on at the moment: wait, longer each time.
    pub(super) fn be_patient(&mut self, code: Code) {
        self.trouble = code;
        let seconds = 1_u64.checked_shl(self.holds).unwrap_or(u64::MAX).min(30);
        self.holds = self.holds.saturating_add(1).min(5);
        self.hold_until = self.now.saturating_add(Duration::from_secs(seconds));
    }

    fn busy(&mut self) {
        self.phase = Phase::Busy;
        self.close_all_lanes();
        self.tell(UserEvent::SessionBusy);
    }

    // --- what a person does

    fn pause(&mut self) {
        if matches!(self.phase, Phase::Running) {
            self.phase = Phase::Paused;
            self.close_all_lanes();
        }
    }

    fn resume(&mut self) {
        if matches!(self.phase, Phase::Paused) {
            self.phase = Phase::Running;
            self.ladder.retry_now(self.now);
        }
    }

    fn take_over(&mut self) {
        if matches!(self.phase, Phase::Busy) {
            self.phase = Phase::Running;
            self.takeover = true;
            self.ladder.retry_now(self.now);
        }
    }

    fn cancel(&mut self) {
        match self.phase {
            // Another client's package is not ours to delete.
            Phase::Busy => self.end(UserEvent::Cancelled { confirmed: false }),
            Phase::Running | Phase::Paused => {
                let confirmed = !self.create_sent;
                self.abort(UserEvent::Cancelled { confirmed });
            }
            Phase::Aborting { .. } | Phase::Ended => {}
        }
    }

    fn go_offline(&mut self) {
        // A browser may be wrong about it, so look again now and then.
        self.offline_until = Some(self.now.saturating_add(Duration::from_secs(30)));
    }

    // --- the end

    /// Ends with an error; what was stored of the package is deleted where that is possible.
    pub(super) fn fail(&mut self, code: Code, file: Option<FileId>) {
        if matches!(self.phase, Phase::Aborting { .. } | Phase::Ended) {
            return;
        }
        let outcome = UserEvent::Failed { code, file };
        if self.create == Request::Answered && self.asking_lane().is_some() {
            self.abort(outcome);
        } else {
            self.end(outcome);
        }
    }

    fn abort(&mut self, outcome: UserEvent) {
        if matches!(self.phase, Phase::Ended | Phase::Aborting { .. }) {
            return;
        }
        if !self.create_sent {
            return self.end(outcome);
        }
        self.ladder.retry_now(self.now);
        self.stop_all_parts();
        let until = self.now.saturating_add(ABORT_WITHIN);
        self.phase = Phase::Aborting {
            outcome,
            asked: None,
            finished: false,
            until,
        };
    }

    /// The relay does not delete the package.
    fn abort_refused(&mut self, lane: LaneId, code: Code) {
        let create_known = self.create == Request::Answered;
        let Phase::Aborting {
            outcome, finished, ..
        } = &mut self.phase
        else {
            return;
        };
        let cancelled = matches!(outcome, UserEvent::Cancelled { .. });
        match (code, self.manifest) {
            // It was complete before it could be cancelled: that is how it ends.
            (Code::AlreadyFinished, Some(manifest))
                if cancelled && self.finish_sent && !*finished =>
            {
                *finished = true;
                self.send(lane, ClientMessage::Finish { manifest });
            }
            // A request to create it may still be on its way when nobody answered one.
            (Code::NotFound, _) => self.aborted(create_known),
            _ if code.retryable() => {}
            _ => self.aborted(false),
        }
    }

    fn go_on_aborting(&mut self) {
        self.tend_lanes();
        let Phase::Aborting { asked, until, .. } = &self.phase else {
            return;
        };
        let (asked, late) = (*asked, self.now >= *until);
        if late {
            return self.aborted(false);
        }
        if asked.is_none_or(|lane| !self.lanes.contains_key(&lane))
            && let Some(lane) = self.asking_lane()
        {
            self.send(lane, ClientMessage::Abort {});
            if let Phase::Aborting {
                asked, finished, ..
            } = &mut self.phase
            {
                (*asked, *finished) = (Some(lane), false);
            }
        }
    }

    /// The package was deleted, or that was given up.
    fn aborted(&mut self, confirmed: bool) {
        match core::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Aborting {
                outcome: UserEvent::Cancelled { .. },
                ..
            } => self.end(UserEvent::Cancelled { confirmed }),
            Phase::Aborting { outcome, .. } => self.end(outcome),
            // Somebody with the owner token deleted the package.
            _ => self.end(UserEvent::Failed {
                code: Code::NotFound,
                file: None,
            }),
        }
    }

    /// The end, told once.
    pub(super) fn end(&mut self, outcome: UserEvent) {
        self.show_progress();
        self.phase = Phase::Ended;
        self.close_all_lanes();
        self.tell(outcome);
    }

    // --- what a person sees

    fn show(&mut self) {
        let state = match self.phase {
            Phase::Ended => return,
            Phase::Paused => UserState::Paused,
            Phase::Busy | Phase::Aborting { .. } => UserState::Waiting,
            Phase::Running if !self.has_ready_lane() && self.epoch.is_none() => {
                UserState::Connecting
            }
            Phase::Running if !self.has_ready_lane() || self.hold_until > self.now => {
                UserState::Waiting
            }
            Phase::Running if self.manifest_asked => UserState::Finishing,
            Phase::Running => UserState::Sending,
        };
        let changed = self.state != Some(state);
        if changed {
            self.state = Some(state);
            self.tell(UserEvent::State(state));
        }
        self.tell_transport();
        if changed || self.now.saturating_sub(self.progress_at) >= PROGRESS_EVERY {
            self.show_progress();
        }
    }

    fn show_progress(&mut self) {
        let arriving: u64 = self
            .lanes
            .values()
            .map(|lane| lane.bytes_received(&self.files))
            .sum();
        let bytes = self
            .bytes_durable
            .saturating_add(arriving)
            .min(self.bytes_total);
        let bytes_done = self.meter.show(bytes);
        let progress = Progress {
            bytes_done,
            bytes_total: self.bytes_total,
            bytes_per_second: self.meter.bytes_per_second(),
            time_left: self
                .meter
                .time_left(self.bytes_total.saturating_sub(bytes_done)),
            transport: self.transport(),
            lanes: u32::try_from(self.ready_lanes().count()).unwrap_or(u32::MAX),
            files_done: self.files_done,
            files_total: self.files_total,
        };
        if progress != self.progress {
            self.progress = progress;
            self.progress_at = self.now;
            self.tell(UserEvent::Progress(progress));
        }
    }

    pub(super) fn tell(&mut self, event: UserEvent) {
        self.actions.push_back(ClientAction::Tell(event));
    }

    /// Whether it goes on: neither paused, nor waiting for a person, nor ending.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }

    /// Whether bytes are meant to flow.
    pub(super) fn is_sending(&self) -> bool {
        self.is_running()
            && self.hold_until <= self.now
            && self.has_ready_lane()
            && self.lanes.values().any(Lane::has_parts)
    }

    /// Whether it is the application's turn: to add files, or to seal the manifest.
    fn waits_for_application(&self) -> bool {
        let idle =
            self.coming.is_empty() && self.active.is_empty() && self.create == Request::Answered;
        idle && (!self.no_more_files || (self.manifest_asked && self.manifest.is_none()))
    }

    /// Counts a file that was added.
    pub(super) fn count_file(&mut self, role: Role, body_bytes: u64) {
        if role == Role::Content {
            self.bytes_total = self.bytes_total.saturating_add(body_bytes);
            self.files_total = self.files_total.saturating_add(1);
        }
    }
}
