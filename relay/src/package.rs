//! A package whose session is live: the session's state machine, its lanes, and its storage, wired together.
//!
//! The state machine decides everything and is asked under a short lock. Data does not pass through it: a lane
//! asks where the next bytes belong, and writes them to the attempt itself.

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use sealift_protocol::limits::{FILES_MAX, LANE_REQUESTS_MAX, RELAY_LANES_MAX};
use sealift_protocol::message::{
    ClientMessage, Hello, Negotiated, PackageState, RelayMessage, Transport,
};
use sealift_protocol::policy::{Client, ClientVersion, ClientVersions, Standing};
use sealift_protocol::session::{
    RelayAction, RelayEvent, RelayPolicy, RelaySession, Route, Snapshot, StorageAnswer,
    StorageError, StorageRequest,
};
use sealift_protocol::{Code, Epoch, LaneId, PackageId};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::Instant;

use crate::attempt::OpenAttempt;
use crate::budget::Budget;
use crate::metrics::OpenLane;
use crate::records::{self, AttemptKey, GrantUse};
use crate::store::{Storage, Store};
use crate::trunk::{self, Seat};

/// Messages that may wait for a lane's client to read them. One that lets more pile up is cut off.
const OUTBOX_MESSAGES: usize = 4 * LANE_REQUESTS_MAX;

/// Requests of one package that sync the disk several times, at once.
const REQUESTS: usize = 16;

/// A lane whose data waits for its trunk is heard of so often.
const ALIVE: Duration = Duration::from_secs(5);

/// A live package.
pub(crate) struct Package {
    store: Store,
    origin: Instant,
    state: Mutex<State>,
    wake: Arc<Notify>,
    /// Requests that sync the disk several times.
    requests: Arc<Semaphore>,
}

struct State {
    session: RelaySession,
    lanes: HashMap<LaneId, LaneEnd>,
    next_lane: u32,
    /// Deleted or draining: takes no lane any more.
    closed: Option<Code>,
}

/// The package's end of a lane. Dropping the outbox lets the lane end when it has sent everything.
struct LaneEnd {
    outbox: mpsc::Sender<RelayMessage>,
    ready: Arc<Notify>,
    /// What its client said that it is.
    version: Option<ClientVersion>,
}

impl LaneEnd {
    /// Tells the client why, and lets the lane end.
    fn end(self, code: Code) {
        let _ = self.outbox.try_send(RelayMessage::refused(code, None));
        self.ready.notify_one();
    }
}

/// A lane's end of its package. Dropping it tells the session that the lane is gone.
pub(crate) struct Lane {
    package: Arc<Package>,
    id: LaneId,
    ready: Arc<Notify>,
    transport: Transport,
    _counted: OpenLane,
    /// The attempt that the last bytes went to.
    current: Option<(AttemptKey, Arc<OpenAttempt>)>,
    /// The place of its part on the user's trunk.
    seat: Seat,
}

/// The lane must be closed: its client broke the protocol, or the session has ended it.
#[derive(Debug)]
pub(crate) struct Closed;

impl Package {
    /// A session over what the records know; `owner_sha256` and `grant` are used when they know nothing.
    /// `client_may_be_near`: the relay has just started, and its clients are about to come back.
    pub(crate) fn new(
        storage: Arc<Storage>,
        id: PackageId,
        known: Option<&records::Package>,
        owner_sha256: sealift_protocol::Sha256Hash,
        grant: Option<GrantUse>,
        client_may_be_near: bool,
    ) -> Arc<Self> {
        let policy = RelayPolicy {
            lanes_max: RELAY_LANES_MAX,
            files_max: FILES_MAX,
        };
        let now = Instant::now();
        let mut session = RelaySession::new(snapshot(known), policy, Duration::ZERO);
        if client_may_be_near {
            session.client_may_be_near();
        }
        let package = Arc::new(Self {
            store: Store::new(storage, id, owner_sha256, grant, known),
            origin: now,
            state: Mutex::new(State {
                session,
                lanes: HashMap::new(),
                next_lane: 0,
                closed: None,
            }),
            wake: Arc::default(),
            requests: Arc::new(Semaphore::new(REQUESTS)),
        });
        tokio::spawn(keep_time(Arc::downgrade(&package)));
        package
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Opens a lane for an authorised client. What the session says comes out of the receiver.
    ///
    /// # Errors
    ///
    /// The code for the client when the package takes no lanes any more.
    pub(crate) fn open(
        self: &Arc<Self>,
        hello: Hello,
        negotiated: Negotiated,
    ) -> Result<(Lane, mpsc::Receiver<RelayMessage>), Code> {
        let (outbox, inbox) = mpsc::channel(OUTBOX_MESSAGES);
        let ready = Arc::new(Notify::new());
        let id = {
            let mut state = self.state();
            if let Some(code) = state.closed {
                return Err(code);
            }
            let id = LaneId(state.next_lane);
            state.next_lane = state.next_lane.wrapping_add(1);
            state.lanes.insert(
                id,
                LaneEnd {
                    outbox,
                    ready: Arc::clone(&ready),
                    version: Client::parse(&hello.client_version).map(|client| client.version),
                },
            );
            id
        };
        let transport = hello.transport;
        self.store.said_by(&hello.client_version);
        self.handle(RelayEvent::LaneOpened {
            lane: id,
            hello,
            negotiated,
        });
        Ok((
            Lane {
                package: Arc::clone(self),
                id,
                ready,
                transport,
                _counted: self.store.metrics().lane(transport),
                current: None,
                seat: self.store.seat(),
            },
            inbox,
        ))
    }

    /// Tells the session that nothing new is to be begun.
    pub(crate) fn drain(self: &Arc<Self>) {
        self.handle(RelayEvent::Drain);
    }

    /// Ends all lanes with a reason, and takes none any more. Returns when nothing is being written, so that another
    /// session of the package may begin.
    pub(crate) async fn shut(&self, code: Code) {
        self.close(code);
        self.store.end().await;
    }

    /// Ends all lanes with a reason, and takes none any more. Writes may still be under way.
    pub(crate) fn close(&self, code: Code) {
        let lanes: Vec<LaneEnd> = {
            let mut state = self.state();
            state.closed = Some(code);
            state.lanes.drain().map(|(_, lane)| lane).collect()
        };
        for lane in lanes {
            lane.end(code);
        }
    }

    /// Ends the lanes of clients that are too old.
    pub(crate) fn end_older(&self, versions: ClientVersions) {
        let mut state = self.state();
        let too_old = |lane: &LaneEnd| versions.standing(lane.version) == Standing::TooOld;
        for (_, lane) in state.lanes.extract_if(|_, lane| too_old(lane)) {
            lane.end(Code::ClientTooOld);
        }
    }

    /// Whether the session may be forgotten and loaded again.
    pub(crate) fn is_idle(&self) -> bool {
        self.state().session.is_idle(self.now())
    }

    /// Whether nothing was ever stored and nobody is there: it may be forgotten at once.
    pub(crate) fn is_absent(&self) -> bool {
        let state = self.state();
        !self.store.exists() && state.lanes.is_empty() && state.session.is_quiet()
    }

    /// Whether no part and no request is under way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.state().session.is_quiet()
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(self: &Arc<Self>, event: RelayEvent) {
        let mut state = self.state();
        state.session.handle(self.now(), event);
        self.act(&mut state);
    }

    fn route(self: &Arc<Self>, lane: LaneId, length: usize) -> Route {
        let mut state = self.state();
        if !state.lanes.contains_key(&lane) {
            return Route::Violation;
        }
        let route = state.session.data(self.now(), lane, length);
        self.act(&mut state);
        route
    }

    /// Does what the session wants. Storage works on tasks of its own; its answers come back as events.
    fn act(self: &Arc<Self>, state: &mut State) {
        while let Some(action) = state.session.poll() {
            match action {
                RelayAction::Send { lane, message } => state.send(lane, message),
                RelayAction::CloseLane { lane } => state.close(lane),
                RelayAction::LaneReady { lane } => {
                    if let Some(lane) = state.lanes.get(&lane) {
                        lane.ready.notify_one();
                    }
                }
                RelayAction::Storage { ticket, request } => {
                    let package = Arc::clone(self);
                    tokio::spawn(async move {
                        let result = package.execute(request).await;
                        package.handle(RelayEvent::Stored { ticket, result });
                    });
                }
            }
        }
        self.wake.notify_one();
    }
}

impl Package {
    /// Every request is answered, whatever happens: its client waits for that.
    async fn execute(&self, request: StorageRequest) -> Result<StorageAnswer, StorageError> {
        let heavy = matches!(
            request,
            StorageRequest::Create { .. }
                | StorageRequest::AddFile { .. }
                | StorageRequest::CommitFile { .. }
        );
        let _one = match heavy {
            true => self.requests.acquire().await.ok(),
            false => None,
        };
        AssertUnwindSafe(self.store.execute(request))
            .catch_unwind()
            .await
            .unwrap_or(Err(StorageError::Code(Code::Internal)))
    }
}

impl State {
    /// A client that does not read its answers loses the lane: nothing may pile up for it.
    fn send(&mut self, lane: LaneId, message: RelayMessage) {
        let full = self
            .lanes
            .get(&lane)
            .is_some_and(|end| end.outbox.try_send(message).is_err());
        if full {
            self.close(lane);
        }
    }

    fn close(&mut self, lane: LaneId) {
        if let Some(end) = self.lanes.remove(&lane) {
            end.ready.notify_one();
        }
    }
}

impl Lane {
    /// The package that this lane leads to.
    pub(crate) fn package_id(&self) -> PackageId {
        self.package.store.package()
    }

    /// A control message of this lane.
    pub(crate) fn message(&mut self, message: ClientMessage) {
        if matches!(message, ClientMessage::BeginPart { .. }) {
            self.seat = self.package.store.seat();
        }
        self.package.handle(RelayEvent::Message {
            lane: self.id,
            message,
        });
    }

    /// Waits until few requests that sync the disk are under way for the package.
    pub(crate) async fn room(&self) {
        drop(self.package.requests.acquire().await);
    }

    /// The next bytes of this lane's current part. Returns when the write before this one has ended. `ended`
    /// tells that the client is gone while they wait.
    ///
    /// # Errors
    ///
    /// [`Closed`]: end the lane.
    pub(crate) async fn data(
        &mut self,
        slices: Vec<Bytes>,
        budget: &Budget,
        ended: &Notify,
    ) -> Result<(), Closed> {
        let mut slices = VecDeque::from(slices);
        while !slices.is_empty() {
            let piece = trunk::cut(&mut slices, self.package.store.piece_bytes());
            self.turn(piece.iter().map(Bytes::len).sum(), ended).await?;
            self.pass(piece, budget, ended).await?;
        }
        Ok(())
    }

    /// Waits until so many bytes may pass. Meanwhile the lane is not silent, although it is not read: its client has
    /// sent something, and hears that it waits.
    async fn turn(&mut self, bytes: usize, ended: &Notify) -> Result<(), Closed> {
        let turn = self.package.store.turn(&mut self.seat, bytes);
        tokio::pin!(turn);
        loop {
            tokio::select! {
                () = &mut turn => return Ok(()),
                () = ended.notified() => return Err(Closed),
                () = tokio::time::sleep(ALIVE) => self.package.handle(RelayEvent::Message {
                    lane: self.id,
                    message: ClientMessage::Ping {},
                }),
            }
        }
    }

    /// Passes bytes on to where they belong.
    async fn pass(
        &mut self,
        slices: Vec<Bytes>,
        budget: &Budget,
        ended: &Notify,
    ) -> Result<(), Closed> {
        let length = slices.iter().map(Bytes::len).sum();
        loop {
            // Before the bytes count as arrived: from there on nothing but the disk may hold them up.
            let memory = tokio::select! {
                memory = budget.data(length) => memory,
                () = ended.notified() => return Err(Closed),
            };
            match self.package.route(self.id, length) {
                Route::Write {
                    file,
                    part,
                    epoch,
                    attempt,
                    offset: _,
                } => {
                    let (store, transport) = (&self.package.store, self.transport);
                    store.metrics().received(transport, length);
                    let key = store.key(file, part, epoch, attempt);
                    if let Some(open) = self.attempt(key)
                        && let Err(code) = open.write(slices, transport, memory).await
                    {
                        self.package.handle(RelayEvent::AttemptFailed {
                            file,
                            part,
                            epoch,
                            attempt,
                            code,
                        });
                    }
                    return Ok(());
                }
                Route::Discard => return Ok(()),
                Route::Hold => {
                    drop(memory);
                    tokio::select! {
                        () = self.ready.notified() => {}
                        () = ended.notified() => return Err(Closed),
                    }
                }
                Route::Violation => return Err(Closed),
            }
        }
    }

    fn attempt(&mut self, key: AttemptKey) -> Option<&OpenAttempt> {
        if self
            .current
            .as_ref()
            .is_none_or(|(current, _)| *current != key)
        {
            self.current = self.package.store.attempt(&key).map(|open| (key, open));
        }
        self.current.as_ref().map(|(_, open)| &**open)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.package.state().lanes.remove(&self.id);
        self.package
            .handle(RelayEvent::LaneClosed { lane: self.id });
    }
}

/// Wakes the session when it asked for it, for as long as the package lives.
async fn keep_time(package: Weak<Package>) {
    const LONG: Duration = Duration::from_secs(30);
    loop {
        let Some(live) = package.upgrade() else {
            return;
        };
        let wait = live
            .state()
            .session
            .next_wake()
            .map_or(LONG, |at| at.saturating_sub(live.now()).min(LONG));
        let wake = Arc::clone(&live.wake);
        let changed = wake.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        if wait.is_zero() {
            live.handle(RelayEvent::Wake);
            // Even a session that always wants to be woken leaves room for others.
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        }
        drop(live);
        let _ = tokio::time::timeout(wait, changed).await;
    }
}

/// What the records know, in the session's words.
fn snapshot(known: Option<&records::Package>) -> Snapshot {
    let Some(package) = known else {
        return Snapshot {
            state: PackageState::Absent,
            epoch: Epoch(0),
            client_id: None,
            keyring_sha256: None,
            draft_sha256: None,
            expires_at: None,
            files: Vec::new(),
        };
    };
    Snapshot {
        state: package.state,
        epoch: package.epoch,
        client_id: Some(package.client_id),
        keyring_sha256: package.keyring.map(|keyring| keyring.sha256),
        draft_sha256: package.draft_sha256,
        expires_at: (package.state == PackageState::Finished).then_some(package.expires_at),
        files: package.files.iter().map(Into::into).collect(),
    }
}
