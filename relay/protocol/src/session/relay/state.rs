//! What a relay session knows, and the way events take through it.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use super::lanes::Lane;
use super::package::File;
use super::{
    RelayAction, RelayEvent, RelayPolicy, Route, Snapshot, StorageAnswer, StorageError,
    StorageRequest, Ticket,
};
use crate::error::Code;
use crate::ids::{ClientId, Epoch, FileId, LaneId, PartNumber, Sha256Hash};
use crate::limits::{FILES_MAX, LANE_REQUESTS_MAX, RELAY_LANES_MAX, SESSION_IDLE};
use crate::message::{ClientMessage, Hello, Negotiated, RelayMessage, Role};
use crate::part_plan::PartPlan;

/// The relay's half of a session. See [`super`].
#[derive(Debug)]
pub struct RelaySession {
    pub(super) package: Package,
    pub(super) policy: RelayPolicy,
    pub(super) now: Duration,
    pub(super) lanes: BTreeMap<LaneId, Lane>,
    /// Lanes whose hello waits until it is known who holds the session.
    pub(super) arriving: VecDeque<(LaneId, Hello, Negotiated)>,
    pub(super) client: Option<ClientId>,
    pub(super) epoch: Epoch,
    /// When the client's last lane ended.
    pub(super) client_seen: Option<Duration>,
    pub(super) files: BTreeMap<FileId, File>,
    pub(super) pending: BTreeMap<Ticket, Pending>,
    pub(super) actions: VecDeque<RelayAction>,
    pub(super) draining: bool,
    next_ticket: u64,
}

/// Where the package stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Package {
    Absent,
    Open {
        keyring_sha256: Sha256Hash,
        draft_sha256: Sha256Hash,
    },
    Finished {
        keyring_sha256: Sha256Hash,
        draft_sha256: Sha256Hash,
        expires_at: u64,
    },
    /// Being deleted, or deleted.
    Gone,
}

/// What a request to storage was made for.
#[derive(Debug)]
pub(super) enum Pending {
    Claim {
        epoch: Epoch,
        client_id: ClientId,
        lane: LaneId,
    },
    Create {
        keyring_sha256: Sha256Hash,
        draft_sha256: Sha256Hash,
        lanes: Vec<LaneId>,
    },
    AddFile {
        file: FileId,
        role: Role,
        head_sha256: Sha256Hash,
        lanes: Vec<LaneId>,
    },
    /// Opening, making durable or ending the active attempt of a part.
    Attempt {
        file: FileId,
        part: PartNumber,
    },
    /// Pairs for a `GetPairs`, or for telling again that a part is durable.
    Pairs {
        lane: LaneId,
        file: FileId,
        part: PartNumber,
        tell_durable: bool,
    },
    Commit {
        file: FileId,
        lanes: Vec<LaneId>,
    },
    Finish {
        lanes: Vec<LaneId>,
    },
    Abort,
}

impl RelaySession {
    /// A session over what storage knows.
    ///
    /// Files whose recorded plan is not a plan are left out: nothing can be stored into them.
    #[must_use]
    pub fn new(snapshot: Snapshot, policy: RelayPolicy, now: Duration) -> Self {
        let files = snapshot.files.iter().filter_map(|record| {
            let plan = PartPlan::from_record(record.body_bytes, record.part_bytes).ok()?;
            Some((record.file, File::from_record(record, plan)))
        });
        Self {
            package: Package::from_snapshot(&snapshot),
            policy: RelayPolicy {
                lanes_max: policy.lanes_max.clamp(1, RELAY_LANES_MAX),
                files_max: policy.files_max.min(FILES_MAX),
            },
            now,
            lanes: BTreeMap::new(),
            arriving: VecDeque::new(),
            client: snapshot.client_id,
            epoch: snapshot.epoch,
            client_seen: None,
            files: files.collect(),
            pending: BTreeMap::new(),
            actions: VecDeque::new(),
            draining: false,
            next_ticket: 1,
        }
    }

    /// Tells that the recorded client may have had lanes a moment ago, at a process before this one: for
    /// [`SESSION_IDLE`] another client gets the session only by a person's takeover (rule L5).
    pub fn client_may_be_near(&mut self) {
        if self.client.is_some() {
            self.client_seen = Some(self.now);
        }
    }

    /// Tells what happened. Call [`RelaySession::poll`] until it returns `None` afterwards.
    pub fn handle(&mut self, now: Duration, event: RelayEvent) {
        self.now = self.now.max(now);
        match event {
            RelayEvent::Wake => {}
            RelayEvent::LaneOpened {
                lane,
                hello,
                negotiated,
            } => {
                self.arriving.push_back((lane, hello, negotiated));
                self.welcome_arrived();
            }
            RelayEvent::LaneClosed { lane } => self.lane_gone(lane),
            RelayEvent::Message { lane, message } => self.message(lane, message),
            RelayEvent::Stored { ticket, result } => self.stored(ticket, result),
            RelayEvent::AttemptFailed {
                file,
                part,
                epoch,
                attempt,
                code,
            } => {
                self.attempt_failed(file, part, (epoch, attempt), code);
            }
            RelayEvent::Drain => self.drain(),
        }
        self.tend_lanes();
    }

    /// Where the next `length` bytes of a lane's data belong. Cheap; called for every chunk.
    /// Call [`RelaySession::poll`] afterwards: progress and the end of a part come out there.
    pub fn data(&mut self, now: Duration, lane: LaneId, length: usize) -> Route {
        self.now = self.now.max(now);
        self.route(lane, length)
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<RelayAction> {
        self.actions.pop_front()
    }

    /// When to call [`RelaySession::handle`] with [`RelayEvent::Wake`] at the latest.
    #[must_use]
    pub fn next_wake(&self) -> Option<Duration> {
        self.lanes.values().map(Lane::next_wake).min()
    }

    /// Whether nothing is under way, so that a draining relay may close the lanes.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.pending.is_empty() && self.files.values().all(|file| file.work.is_empty())
    }

    /// Whether the session may be dropped and loaded again later: nothing is under way, there is
    /// no lane, and the client was gone for [`SESSION_IDLE`], after which another one may come.
    #[must_use]
    pub fn is_idle(&self, now: Duration) -> bool {
        self.is_quiet()
            && self.lanes.is_empty()
            && self.arriving.is_empty()
            && !self.client_is_near(now)
    }

    /// Whether the session's client has lanes, or had one a moment ago.
    pub(super) fn client_is_near(&self, now: Duration) -> bool {
        let recently = |seen: Duration| now.saturating_sub(seen) < SESSION_IDLE;
        !self.lanes.is_empty() || self.client_seen.is_some_and(recently)
    }

    fn message(&mut self, lane: LaneId, message: ClientMessage) {
        let now = self.now;
        let Some(known) = self.lanes.get_mut(&lane) else {
            return;
        };
        known.heard = now;
        if known.requests.saturating_add(known.under_way) >= LANE_REQUESTS_MAX {
            return self.refuse_lane(lane, Code::Malformed);
        }
        match message {
            ClientMessage::Create(_)
            | ClientMessage::AddFile { .. }
            | ClientMessage::GetPairs { .. }
            | ClientMessage::CommitFile { .. }
            | ClientMessage::Finish { .. }
                if self.package == Package::Gone =>
            {
                self.refuse(lane, Code::NotFound, None);
            }
            ClientMessage::Hello(_) => self.refuse_lane(lane, Code::Malformed),
            ClientMessage::Create(create) => self.create(lane, create),
            ClientMessage::AddFile { file, role, head } => self.add_file(lane, file, role, head),
            ClientMessage::BeginPart {
                file,
                part,
                attempt,
                epoch,
                length,
            } => {
                self.begin_part(lane, file, part, (epoch, attempt), length);
            }
            ClientMessage::CancelPart {
                file,
                part,
                attempt,
            } => {
                self.cancel_part(lane, file, part, attempt);
            }
            ClientMessage::GetPairs { file, part } => self.get_pairs(lane, file, part),
            ClientMessage::CommitFile { file } => self.commit_file(lane, file),
            ClientMessage::Finish { manifest } => self.finish(lane, manifest),
            ClientMessage::Abort {} => self.abort(lane),
            ClientMessage::Ping {} => self.send(lane, RelayMessage::Pong {}),
        }
    }

    fn stored(&mut self, ticket: Ticket, result: Result<StorageAnswer, StorageError>) {
        match self.pending.remove(&ticket) {
            None => {}
            Some(Pending::Claim {
                epoch,
                client_id,
                lane,
            }) => {
                self.claimed(epoch, client_id, lane, result);
            }
            Some(Pending::Create {
                keyring_sha256,
                draft_sha256,
                lanes,
            }) => {
                self.created(keyring_sha256, draft_sha256, &lanes, result);
            }
            Some(Pending::AddFile { file, lanes, .. }) => self.file_added(file, &lanes, result),
            Some(Pending::Attempt { file, part }) => self.attempt_answered(file, part, result),
            Some(Pending::Pairs {
                lane,
                file,
                part,
                tell_durable,
            }) => {
                self.pairs_read(lane, file, part, tell_durable, result);
            }
            Some(Pending::Commit { file, lanes }) => self.committed(file, &lanes, result),
            Some(Pending::Finish { lanes }) => self.finished(&lanes, result),
            Some(Pending::Abort) => self.aborted(result),
        }
    }

    fn drain(&mut self) {
        self.draining = true;
        for lane in self.lane_ids() {
            self.send(lane, RelayMessage::Draining {});
        }
    }

    /// Asks storage for something, and remembers what for.
    pub(super) fn ask(&mut self, request: StorageRequest, pending: Pending) {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket = self.next_ticket.saturating_add(1);
        self.pending.insert(ticket, pending);
        self.actions
            .push_back(RelayAction::Storage { ticket, request });
    }

    /// Writes a message, if the lane is still there.
    pub(super) fn send(&mut self, lane: LaneId, message: RelayMessage) {
        if let Some(known) = self.lanes.get_mut(&lane) {
            known.spoke = self.now;
            self.actions.push_back(RelayAction::Send { lane, message });
        }
    }

    /// Refuses a request.
    pub(super) fn refuse(&mut self, lane: LaneId, code: Code, about: Option<FileId>) {
        self.send(lane, RelayMessage::refused(code, about));
    }

    pub(super) fn lane_ids(&self) -> Vec<LaneId> {
        self.lanes.keys().copied().collect()
    }
}

/// What a failed request is called towards the client.
pub(super) fn code_of(error: StorageError) -> Code {
    match error {
        StorageError::NotMine => Code::OldAttempt,
        StorageError::PartsLost(_) => Code::StorageFailed,
        StorageError::Code(code) => code,
    }
}
