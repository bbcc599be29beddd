//! Which transport a client ends up with, on simulated networks that give each transport its own
//! goodput: the better one, soon, without going back and forth, and for nothing when little is left.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // A test may stop at a surprise.

use std::collections::BTreeMap;
use std::time::Duration;

use Transport::{WebSocket, WebTransport};
use sealift_protocol::message::{
    Capabilities, ClientMessage, PackageState, RelayMessage, Role, Transport, Welcome,
    pairs_sha256, sha256,
};
use sealift_protocol::part_plan::body_bytes;
use sealift_protocol::session::{
    ClientAction, ClientConfig, ClientEvent, ClientSession, LaneEnd, SendPart, UserEvent,
};
use sealift_protocol::{ClientId, Epoch, FileId, LaneId, OwnerToken, PackageId, Pair};

const FILE: FileId = FileId([1; 32]);
const MANIFEST: FileId = FileId([2; 32]);
const STEP: Duration = Duration::from_millis(50);
const PART_BYTES: u64 = 8 << 20;
/// Whatever is settled on is at least this good, compared with the better one.
const WITHIN: f64 = 0.85;

/// What a transport gives: so much to each lane, and so much to all its lanes together.
#[derive(Clone, Copy, Debug)]
struct Goodput {
    lane: f64,
    all: f64,
}

impl Goodput {
    fn of(self, lanes: usize) -> f64 {
        (self.lane * lanes as f64).min(self.all)
    }
}

/// A lane's transport, and its parts with the bytes that arrived of each.
type Lane = (Transport, Vec<(SendPart, f64)>);

/// A client, and the network and relay that it sees.
struct Network {
    session: ClientSession,
    now: Duration,
    goodput: [Goodput; 2],
    /// What both transports share.
    line: f64,
    lanes: BTreeMap<LaneId, Lane>,
    opened: Vec<(Duration, Transport)>,
    told: Vec<(Duration, Transport, &'static str)>,
    lanes_most: usize,
    /// No WebTransport lane opens in this time, and those that are open die at its start.
    udp_gone: std::ops::Range<Duration>,
    finished: Option<Duration>,
}

impl Network {
    fn new(goodput: [Goodput; 2], line: f64, bytes: u64) -> Self {
        let config = ClientConfig {
            package: PackageId([4; 16]),
            owner_token: OwnerToken([5; 32]),
            client_id: ClientId([1; 16]),
            client_version: "test".into(),
            grant: None,
            keyring: b"keyring".to_vec(),
            draft: b"draft".to_vec(),
            expires_in_s: None,
            transports: vec![WebTransport, WebSocket],
            lanes_max: 4,
            jitter_seed: 1,
            give_up_after: None,
        };
        let mut network = Self {
            session: ClientSession::new(config, Duration::ZERO),
            now: Duration::ZERO,
            goodput,
            line,
            lanes: BTreeMap::new(),
            opened: Vec::new(),
            told: Vec::new(),
            lanes_most: 0,
            udp_gone: Duration::MAX..Duration::MAX,
            finished: None,
        };
        network.handle(ClientEvent::AddFile {
            file: FILE,
            role: Role::Content,
            head: b"head".to_vec(),
            sealed_body_bytes: body_bytes(bytes / 64 * 64).expect("a length"),
            pairs: Vec::new(),
        });
        network.handle(ClientEvent::NoMoreFiles);
        network
    }

    fn handle(&mut self, event: ClientEvent) {
        self.session.handle(self.now, event);
        while let Some(action) = self.session.poll() {
            self.act(action);
        }
    }

    fn answer(&mut self, lane: LaneId, message: RelayMessage) {
        self.handle(ClientEvent::Message { lane, message });
    }

    fn act(&mut self, action: ClientAction) {
        match action {
            ClientAction::OpenLane { lane, transport } => {
                self.opened.push((self.now, transport));
                if transport == WebTransport && self.udp_gone.contains(&self.now) {
                    let end = LaneEnd::NotOpened;
                    return self.handle(ClientEvent::LaneClosed { lane, end });
                }
                self.lanes.insert(lane, (transport, Vec::new()));
                self.lanes_most = self.lanes_most.max(self.lanes.len());
                self.handle(ClientEvent::LaneOpened { lane });
            }
            ClientAction::CloseLane { lane } => {
                self.lanes.remove(&lane);
                let end = LaneEnd::Closed;
                self.handle(ClientEvent::LaneClosed { lane, end });
            }
            ClientAction::SendPart(send) => {
                let (_, parts) = self.lanes.get_mut(&send.lane).expect("a lane that is open");
                parts.push((send, 0.0));
            }
            ClientAction::Send { lane, message } => self.hear(lane, message),
            ClientAction::SealManifest => self.handle(ClientEvent::AddFile {
                file: MANIFEST,
                role: Role::Manifest,
                head: b"head".to_vec(),
                sealed_body_bytes: body_bytes(4096).expect("a length"),
                pairs: pairs(1),
            }),
            ClientAction::Tell(UserEvent::Transport { transport, reason }) => {
                self.told.push((self.now, transport, reason));
            }
            ClientAction::Tell(UserEvent::Finished { .. }) => self.finished = Some(self.now),
            ClientAction::Tell(UserEvent::Failed { code, .. }) => panic!("it failed: {code}"),
            ClientAction::Tell(_) => {}
            ClientAction::StopPart { .. } | ClientAction::VerifyPart { .. } => {
                panic!("nothing is to be stopped or compared here")
            }
        }
    }

    fn hear(&mut self, lane: LaneId, message: ClientMessage) {
        let answer = match message {
            ClientMessage::Hello(_) => RelayMessage::Welcome(Welcome {
                protocol_version: 1,
                capabilities: Capabilities::OURS,
                epoch: Epoch(1),
                state: PackageState::Open,
                expires_at: None,
                lanes_max: 16,
            }),
            ClientMessage::Create(_) => RelayMessage::Created {
                keyring_sha256: sha256(b"keyring"),
            },
            ClientMessage::AddFile { file, head, .. } => RelayMessage::FileAdded {
                file,
                head_sha256: sha256(&head),
                part_bytes: PART_BYTES,
                part_count: 1,
                durable_count: 0,
                committed: false,
            },
            ClientMessage::CommitFile { file } => RelayMessage::FileCommitted { file },
            ClientMessage::Finish { .. } => RelayMessage::Finished { expires_at: 1 },
            ClientMessage::Ping {} => RelayMessage::Pong {},
            other => panic!("{other:?} is not expected here"),
        };
        self.answer(lane, answer);
    }

    /// Lets bytes flow for one step.
    fn step(&mut self) {
        self.now += STEP;
        if self.now >= self.udp_gone.start && self.now < self.udp_gone.start + STEP {
            let by_udp =
                |(lane, known): (&LaneId, &Lane)| (known.0 == WebTransport).then_some(*lane);
            for lane in self.lanes.iter().filter_map(by_udp).collect::<Vec<_>>() {
                self.lanes.remove(&lane);
                let end = LaneEnd::Closed;
                self.handle(ClientEvent::LaneClosed { lane, end });
            }
        }
        let busy = |transport| {
            let lanes = self.lanes.values();
            let busy = |lane: &&Lane| lane.0 == transport && !lane.1.is_empty();
            lanes.filter(busy).count()
        };
        let counts = [busy(WebTransport), busy(WebSocket)];
        let offered = [0, 1].map(|i| self.goodput[i].of(counts[i]));
        let share = (self.line / (offered[0] + offered[1])).min(1.0);
        let ids: Vec<LaneId> = self.lanes.keys().copied().collect();
        for id in ids {
            let Some((transport, parts)) = self.lanes.get_mut(&id) else {
                continue;
            };
            let index = usize::from(*transport == WebSocket);
            if counts[index] == 0 {
                continue; // It got its first part in this very step.
            }
            let Some((part, arrived)) = parts.first_mut() else {
                continue;
            };
            *arrived += offered[index] * share / counts[index] as f64 * STEP.as_secs_f64();
            let (part, arrived) = (part.clone(), *arrived);
            self.arrived(id, &part, arrived);
        }
        self.handle(ClientEvent::Wake);
    }

    fn arrived(&mut self, lane: LaneId, send: &SendPart, arrived: f64) {
        let (file, part, attempt) = (send.file, send.part, send.attempt);
        let bytes = (arrived as u64).min(send.length);
        let received = RelayMessage::Received {
            file,
            part,
            attempt,
            bytes,
        };
        self.answer(lane, received);
        if bytes < send.length {
            return;
        }
        let pairs = pairs((send.length.div_ceil(1 << 19)) as usize);
        if let Some((_, parts)) = self.lanes.get_mut(&lane) {
            parts.remove(0);
            // The lane goes on with the next one within the same step.
            if let Some((_, next)) = parts.first_mut() {
                *next += arrived - send.length as f64;
            }
        }
        let pairs_sha256 = pairs_sha256(&pairs);
        self.handle(ClientEvent::PartSealed {
            lane,
            file,
            part,
            attempt,
            pairs,
        });
        let epoch = Epoch(1);
        self.answer(
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

    fn run(&mut self) {
        for _ in 0..500_000 {
            if self.finished.is_some() {
                return;
            }
            self.step();
        }
        panic!("it did not end");
    }

    fn moves(&self) -> usize {
        self.told.len().saturating_sub(1)
    }

    /// What the transport in use gives at the end, compared with the better one.
    fn ends_within(&self) -> f64 {
        let rate = |i: usize| {
            let lanes = 1..=4;
            let rates = lanes.map(|n| self.goodput[i].of(n).min(self.line));
            rates.fold(0.0, f64::max)
        };
        let last = self.told.last().expect("a transport was told").1;
        let index = usize::from(last == WebSocket);
        rate(index) / rate(0).max(rate(1))
    }
}

fn pairs(count: usize) -> Vec<Pair> {
    let pair = Pair {
        iv: [7; 12],
        tag: [7; 16],
    };
    vec![pair; count]
}

const MB: f64 = 1e6;

fn lane(lane: f64, all: f64) -> Goodput {
    Goodput { lane, all }
}

/// The numbers of one machine: WebTransport is limited by one thread of the browser.
const LOOPBACK: [Goodput; 2] = [
    Goodput {
        lane: 77.0 * MB,
        all: 80.0 * MB,
    },
    Goodput {
        lane: 186.0 * MB,
        all: 217.0 * MB,
    },
];

#[test]
fn a_fast_line_is_left_to_the_websocket_within_seconds() {
    let mut network = Network::new(LOOPBACK, f64::MAX, 4 << 30);
    network.run();
    assert_eq!(network.moves(), 1, "{:?}", network.told);
    let (at, transport, reason) = network.told[1];
    assert_eq!(
        (transport, reason),
        (WebSocket, "A WebSocket is faster here.")
    );
    assert!(at < Duration::from_secs(4), "{at:?}");
    // 4 GiB at 217 MB/s are 19.8 s; at 80 MB/s it would be 54 s.
    assert!(network.finished < Some(Duration::from_secs(23)));
}

#[test]
fn small_uploads_do_not_pay_for_a_comparison() {
    for bytes in [1 << 20, 100 << 20, 300 << 20] {
        let mut network = Network::new(LOOPBACK, f64::MAX, bytes);
        network.run();
        let other = network.opened.iter().any(|(_, t)| *t == WebSocket);
        assert!(!other, "{bytes} bytes: {:?}", network.opened);
    }
}

#[test]
fn a_line_that_is_full_either_way_is_compared_once_and_nothing_changes() {
    let plenty = lane(50.0 * MB, 200.0 * MB);
    let mut network = Network::new([plenty, plenty], 5.0 * MB, 250 << 20);
    network.run();
    assert_eq!(network.moves(), 0, "{:?}", network.told);
    let best = (250_u64 << 20) as f64 / (5.0 * MB);
    let took = network.finished.expect("it ended").as_secs_f64();
    assert!(took < best * 1.05 + 2.0, "{took} s, {best} s at best");
}

#[test]
fn one_lane_more_is_open_at_most_while_two_transports_are_compared() {
    let mut network = Network::new(LOOPBACK, f64::MAX, 2 << 30);
    network.run();
    assert!(network.lanes_most <= 5, "{}", network.lanes_most);
    let early = network
        .opened
        .iter()
        .filter(|(at, _)| *at < Duration::from_secs(3));
    assert!(early.count() <= 4, "{:?}", network.opened);
}

#[test]
fn webtransport_is_gone_back_to_when_it_works_again_and_is_faster() {
    let goodput = [lane(10.0 * MB, 40.0 * MB), lane(2.0 * MB, 8.0 * MB)];
    let mut network = Network::new(goodput, f64::MAX, 6 << 30);
    network.udp_gone = Duration::from_secs(20)..Duration::from_secs(50);
    network.run();
    let told: Vec<Transport> = network.told.iter().map(|(_, t, _)| *t).collect();
    assert_eq!(
        told,
        [WebTransport, WebSocket, WebTransport],
        "{:?}",
        network.told
    );
    let back = network.told[2];
    assert_eq!(back.2, "WebTransport is faster here.");
    assert!(back.0 < Duration::from_secs(20 + 60 + 60), "{:?}", back.0);
}

#[test]
fn a_webtransport_that_stays_gone_is_risked_twice_in_five_minutes() {
    let goodput = [lane(10.0 * MB, 40.0 * MB), lane(2.0 * MB, 8.0 * MB)];
    let mut network = Network::new(goodput, f64::MAX, 6 << 30);
    network.udp_gone = Duration::from_secs(20)..Duration::MAX;
    network.run();
    let tries: Vec<Duration> = network
        .opened
        .iter()
        .filter(|(at, t)| *t == WebTransport && *at > Duration::from_secs(20))
        .map(|(at, _)| *at)
        .collect();
    assert!(!tries.is_empty(), "it was not tried again");
    for (index, from) in tries.iter().enumerate() {
        let within = tries[index..]
            .iter()
            .filter(|at| **at - *from < Duration::from_secs(300));
        assert!(within.count() <= 2, "{tries:?}");
    }
}

/// A number for each seed, spread evenly (SplitMix64).
fn roll(seed: u64) -> f64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[test]
fn whatever_the_network_it_ends_with_the_better_transport_and_does_not_flap() {
    let mut moved = 0;
    for seed in 0..100_u64 {
        let spread = |n: u64, low: f64, high: f64| low * (high / low).powf(roll(seed * 16 + n));
        let goodput = [0, 1].map(|t| {
            let each = spread(t * 4 + 1, 0.3 * MB, 100.0 * MB);
            lane(each, each * spread(t * 4 + 2, 1.0, 6.0))
        });
        let line = spread(9, 1.0 * MB, 400.0 * MB);
        let rate = goodput[0].of(2).min(line);
        let mut network = Network::new(goodput, line, ((rate * 90.0) as u64).max(60 * PART_BYTES));
        network.run();
        // With two lanes of each: that is how they are compared.
        let rates = [0, 1].map(|i| goodput[i].of(2).min(line));
        let clear = rates[0].max(rates[1]) / rates[0].min(rates[1]) > 1.0 / WITHIN + 0.05;
        let same =
            (rates[0] > rates[1]) == (goodput[0].of(4).min(line) > goodput[1].of(4).min(line));
        let within = network.ends_within();
        assert!(
            within >= WITHIN || !clear || !same,
            "seed {seed}: {within}, {goodput:?}, {line}, {:?}",
            network.told
        );
        assert!(network.moves() <= 2, "seed {seed}: {:?}", network.told);
        moved += network.moves();
    }
    assert!(moved > 20, "hardly any network made it move: {moved}");
}
