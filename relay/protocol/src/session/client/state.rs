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
use crate::message::Transport;

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
    pub(super) create_sent: bool,
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
    pub(super) state: Option<UserState>,
    pub(super) progress: Progress,
    pub(super) progress_at: Duration,
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

    pub(super) fn take(&mut self, event: ClientEvent) {
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
}
