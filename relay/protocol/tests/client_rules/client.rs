//! A client session whose lanes, relay and clock are the test.

use std::time::Duration;

use sealift_protocol::message::{
    Capabilities, ClientMessage, PackageState, RelayMessage, Role, Transport, Welcome,
    pairs_sha256, sha256,
};
use sealift_protocol::part_plan::body_bytes;
use sealift_protocol::session::{
    ClientAction, ClientConfig, ClientEvent, ClientSession, LaneEnd, PartFailure, SendPart,
    UserEvent,
};
use sealift_protocol::{
    Attempt, ClientId, Epoch, FileId, LaneId, OwnerToken, PackageId, Pair, PartNumber,
};

pub(crate) const FILE: FileId = FileId([6; 32]);
pub(crate) const PART_BYTES: u64 = 1 << 20;

pub(crate) struct Client {
    pub(crate) session: ClientSession,
    pub(crate) now: Duration,
    pub(crate) actions: Vec<ClientAction>,
}

pub(crate) fn client(transports: &[Transport]) -> Client {
    let config = ClientConfig {
        package: PackageId([4; 16]),
        owner_token: OwnerToken([5; 32]),
        client_id: ClientId([1; 16]),
        client_version: "test".into(),
        grant: None,
        keyring: b"keyring".to_vec(),
        draft: b"draft".to_vec(),
        expires_in_s: None,
        transports: transports.to_vec(),
        lanes_max: 8,
        jitter_seed: 1,
        give_up_after: Some(Duration::from_secs(600)),
    };
    let session = ClientSession::new(config, Duration::ZERO);
    let mut client = Client {
        session,
        now: Duration::ZERO,
        actions: Vec::new(),
    };
    client.take();
    client
}

pub(crate) fn welcome() -> RelayMessage {
    RelayMessage::Welcome(Welcome {
        protocol_version: 1,
        capabilities: Capabilities::OURS,
        epoch: Epoch(1),
        state: PackageState::Open,
        expires_at: None,
        lanes_max: 8,
    })
}

pub(crate) fn pairs(seed: u8, count: usize) -> Vec<Pair> {
    vec![
        Pair {
            iv: [seed; 12],
            tag: [seed; 16]
        };
        count
    ]
}

impl Client {
    pub(crate) fn event(&mut self, event: ClientEvent) {
        self.session.handle(self.now, event);
        self.take();
    }

    pub(crate) fn take(&mut self) {
        while let Some(action) = self.session.poll() {
            self.actions.push(action);
        }
    }

    /// Lets time pass, waking the session whenever it asks for it.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(wake) = self.session.next_wake().filter(|wake| *wake <= end) {
            self.now = wake.max(self.now + Duration::from_millis(1));
            self.event(ClientEvent::Wake);
        }
        self.now = end;
        self.event(ClientEvent::Wake);
    }

    pub(crate) fn message(&mut self, lane: u32, message: RelayMessage) {
        self.event(ClientEvent::Message {
            lane: LaneId(lane),
            message,
        });
    }

    pub(crate) fn opens(&mut self) -> Vec<(u32, Transport)> {
        let opened = |action: &ClientAction| match action {
            ClientAction::OpenLane { lane, transport } => Some((lane.0, *transport)),
            _ => None,
        };
        let opens = self.actions.iter().filter_map(opened).collect();
        self.actions.retain(|action| opened(action).is_none());
        opens
    }

    pub(crate) fn sends(&mut self) -> Vec<ClientMessage> {
        let sent = |action: &ClientAction| match action {
            ClientAction::Send { message, .. } => Some(message.clone()),
            _ => None,
        };
        let sends = self.actions.iter().filter_map(sent).collect();
        self.actions.retain(|action| sent(action).is_none());
        sends
    }

    pub(crate) fn parts(&mut self) -> Vec<SendPart> {
        let dealt = |action: &ClientAction| match action {
            ClientAction::SendPart(part) => Some(part.clone()),
            _ => None,
        };
        let parts = self.actions.iter().filter_map(dealt).collect();
        self.actions.retain(|action| dealt(action).is_none());
        parts
    }

    pub(crate) fn told(&self) -> Vec<&UserEvent> {
        let told = self.actions.iter().filter_map(|action| match action {
            ClientAction::Tell(event) => Some(event),
            _ => None,
        });
        told.collect()
    }

    pub(crate) fn outcome(&self) -> Option<&UserEvent> {
        let is_end = |event: &&&UserEvent| {
            let (finished, failed) = (
                matches!(event, UserEvent::Finished { .. }),
                matches!(event, UserEvent::Failed { .. }),
            );
            finished
                || failed
                || matches!(event, UserEvent::Cancelled { .. } | UserEvent::Superseded)
        };
        self.told().iter().find(is_end).copied()
    }

    /// Opens lane 0 and gets it welcomed, creates the package and adds a file of so many parts.
    pub(crate) fn sending(transports: &[Transport], part_count: u64) -> Self {
        let mut client = client(transports);
        let body = body_bytes(part_count * PART_BYTES - 4096 * 8).expect("a length");
        let head = b"head".to_vec();
        client.event(ClientEvent::AddFile {
            file: FILE,
            role: Role::Content,
            head,
            sealed_body_bytes: body,
            pairs: Vec::new(),
        });
        client.event(ClientEvent::NoMoreFiles);
        client.open(0);
        client.message(
            0,
            RelayMessage::Created {
                keyring_sha256: sha256(b"keyring"),
            },
        );
        client.message(0, Self::added(0));
        client
    }

    pub(crate) fn added(durable_count: u32) -> RelayMessage {
        RelayMessage::FileAdded {
            file: FILE,
            head_sha256: sha256(b"head"),
            part_bytes: PART_BYTES,
            part_count: 1,
            durable_count,
            committed: false,
        }
    }

    pub(crate) fn open(&mut self, lane: u32) {
        self.event(ClientEvent::LaneOpened { lane: LaneId(lane) });
        self.message(lane, welcome());
    }

    pub(crate) fn sealed(&mut self, part: &SendPart, pairs: Vec<Pair>) {
        let SendPart {
            lane,
            file,
            part,
            attempt,
            ..
        } = *part;
        self.event(ClientEvent::PartSealed {
            lane,
            file,
            part,
            attempt,
            pairs,
        });
    }

    pub(crate) fn stopped(&mut self, part: &SendPart, pairs: Vec<Pair>) {
        let SendPart {
            lane,
            file,
            part,
            attempt,
            ..
        } = *part;
        self.event(ClientEvent::PartFailed {
            lane,
            file,
            part,
            attempt,
            failure: PartFailure::Stopped,
            pairs,
        });
    }

    /// Sends the only content file, and adds the manifest, whose part can be dealt.
    pub(crate) fn with_manifest() -> (Self, FileId) {
        let mut client = Self::sending(WEBSOCKET, 1);
        let dealt = client.parts();
        client.sealed(&dealt[0], pairs(7, 2));
        client.durable(0, 0, 1, &pairs(7, 2));
        client.message(0, RelayMessage::FileCommitted { file: FILE });
        client.message(0, RelayMessage::FileCommitted { file: FILE });
        let manifest = FileId([9; 32]);
        client.event(ClientEvent::AddFile {
            file: manifest,
            role: Role::Manifest,
            head: b"head".to_vec(),
            sealed_body_bytes: body_bytes(4096).expect("a length"),
            pairs: pairs(8, 1),
        });
        client.message(
            0,
            RelayMessage::FileAdded {
                file: manifest,
                head_sha256: sha256(b"head"),
                part_bytes: PART_BYTES,
                part_count: 1,
                durable_count: 0,
                committed: false,
            },
        );
        (client, manifest)
    }

    pub(crate) fn durable(&mut self, lane: u32, part: u32, attempt: u32, pairs: &[Pair]) {
        self.durable_of(FILE, lane, part, attempt, pairs);
    }

    pub(crate) fn durable_of(
        &mut self,
        file: FileId,
        lane: u32,
        part: u32,
        attempt: u32,
        pairs: &[Pair],
    ) {
        let (part, epoch, attempt) = (PartNumber(part), Epoch(1), Attempt(attempt));
        let pairs_sha256 = pairs_sha256(pairs);
        self.message(
            lane,
            RelayMessage::Durable {
                file,
                part,
                epoch,
                attempt,
                pairs_sha256,
            },
        );
    }

    pub(crate) fn closed(&mut self, lane: u32) {
        self.event(ClientEvent::LaneClosed {
            lane: LaneId(lane),
            end: LaneEnd::Closed,
        });
    }
}

pub(crate) const WEBSOCKET: &[Transport] = &[Transport::WebSocket];
pub(crate) const BOTH: &[Transport] = &[Transport::WebTransport, Transport::WebSocket];
