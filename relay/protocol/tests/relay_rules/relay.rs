//! A relay session whose lanes, storage and clock are the test.

use std::time::Duration;

use sealift_protocol::message::{
    Capabilities, ClientMessage, Hello, Negotiated, PackageState, RelayMessage, Role, Transport,
    pairs_sha256, sha256,
};
use sealift_protocol::part_plan::body_bytes;
use sealift_protocol::session::{
    FileRecord, RelayAction, RelayEvent, RelayPolicy, RelaySession, Route, Snapshot, StorageAnswer,
    StorageError, StorageRequest, Ticket,
};
use sealift_protocol::{
    Attempt, ClientId, Epoch, FileId, LaneId, OwnerToken, PackageId, Pair, PartNumber,
};

pub(crate) const FILE: FileId = FileId([6; 32]);
pub(crate) const PART_BYTES: u64 = 1 << 20;
pub(crate) const A: ClientId = ClientId([1; 16]);
pub(crate) const B: ClientId = ClientId([2; 16]);
pub(crate) const PAIR: Pair = Pair {
    iv: [1; 12],
    tag: [2; 16],
};

/// A relay session, with what it asked and said since it was last looked at.
pub(crate) struct Relay {
    pub(crate) session: RelaySession,
    pub(crate) now: Duration,
    pub(crate) said: Vec<(LaneId, RelayMessage)>,
    pub(crate) asked: Vec<(Ticket, StorageRequest)>,
    pub(crate) closed: Vec<LaneId>,
    pub(crate) ready: Vec<LaneId>,
}

pub(crate) fn snapshot(durable: &[u32]) -> Snapshot {
    let record = FileRecord {
        file: FILE,
        role: Role::Content,
        head_sha256: sha256(b"head"),
        // Two parts and a bit.
        body_bytes: body_bytes(2_200_000 / 64 * 64).expect("a length"),
        part_bytes: PART_BYTES,
        committed: false,
        durable: durable.iter().copied().map(PartNumber).collect(),
    };
    Snapshot {
        state: PackageState::Open,
        epoch: Epoch(1),
        client_id: Some(A),
        keyring_sha256: Some(sha256(b"keyring")),
        draft_sha256: Some(sha256(b"draft")),
        expires_at: None,
        files: vec![record],
    }
}

pub(crate) fn relay(snapshot: Snapshot) -> Relay {
    let policy = RelayPolicy {
        lanes_max: 4,
        files_max: 3,
    };
    let session = RelaySession::new(snapshot, policy, Duration::ZERO);
    let (said, asked, closed, ready) = Default::default();
    Relay {
        session,
        now: Duration::ZERO,
        said,
        asked,
        closed,
        ready,
    }
}

pub(crate) fn begin(part: u32, attempt: u32, length: u64) -> ClientMessage {
    let (part, attempt) = (PartNumber(part), Attempt(attempt));
    ClientMessage::BeginPart {
        file: FILE,
        part,
        attempt,
        epoch: Epoch(1),
        length,
    }
}

impl Relay {
    pub(crate) fn event(&mut self, event: RelayEvent) {
        self.session.handle(self.now, event);
        self.take();
    }

    pub(crate) fn take(&mut self) {
        while let Some(action) = self.session.poll() {
            match action {
                RelayAction::Send { lane, message } => self.said.push((lane, message)),
                RelayAction::CloseLane { lane } => self.closed.push(lane),
                RelayAction::LaneReady { lane } => self.ready.push(lane),
                RelayAction::Storage { ticket, request } => self.asked.push((ticket, request)),
            }
        }
    }

    pub(crate) fn hello(
        &mut self,
        lane: u32,
        client_id: ClientId,
        takeover: bool,
        epoch: Option<u64>,
    ) {
        let hello = Hello {
            protocol_version: 1,
            protocol_version_min: 1,
            capabilities: Capabilities::OURS,
            client_version: "test".into(),
            client_id,
            package: PackageId([4; 16]),
            owner_token: OwnerToken([5; 32]),
            grant: None,
            takeover,
            epoch: epoch.map(Epoch),
            transport: Transport::WebSocket,
        };
        let negotiated = Negotiated::from_hello(&hello).expect("a common version");
        self.event(RelayEvent::LaneOpened {
            lane: LaneId(lane),
            hello,
            negotiated,
        });
    }

    pub(crate) fn message(&mut self, lane: u32, message: ClientMessage) {
        self.event(RelayEvent::Message {
            lane: LaneId(lane),
            message,
        });
    }

    pub(crate) fn data(&mut self, lane: u32, length: usize) -> Route {
        let route = self.session.data(self.now, LaneId(lane), length);
        self.take();
        route
    }

    #[track_caller]
    pub(crate) fn answer(&mut self, result: Result<StorageAnswer, StorageError>) {
        let (ticket, _) = self.asked.remove(0);
        self.event(RelayEvent::Stored { ticket, result });
    }

    /// What was said to a lane since the last time, by its kind.
    pub(crate) fn heard(&mut self, lane: u32) -> Vec<RelayMessage> {
        let of_lane = self
            .said
            .iter()
            .filter(|(to, _)| to.0 == lane)
            .map(|(_, m)| m.clone());
        let heard = of_lane.collect();
        self.said.retain(|(to, _)| to.0 != lane);
        heard
    }

    pub(crate) fn requests(&self) -> Vec<&StorageRequest> {
        self.asked.iter().map(|(_, request)| request).collect()
    }

    /// Begins an attempt and lets storage open it.
    pub(crate) fn opened(&mut self, lane: u32, part: u32, attempt: u32) {
        self.message(lane, begin(part, attempt, PART_BYTES));
        assert!(matches!(
            self.requests()[..],
            [StorageRequest::OpenAttempt { .. }]
        ));
        self.answer(Ok(StorageAnswer::Done));
    }
}

pub(crate) fn durable() -> Result<StorageAnswer, StorageError> {
    Ok(StorageAnswer::Durable {
        pairs_sha256: pairs_sha256(&[PAIR; 2]),
    })
}

pub(crate) fn with_lane(durable: &[u32]) -> Relay {
    let mut relay = relay(snapshot(durable));
    relay.hello(1, A, false, Some(1));
    assert!(matches!(relay.heard(1)[..], [RelayMessage::Welcome(_)]));
    relay
}
