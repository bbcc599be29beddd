//! What a client session decides: one test for each promise.

#![allow(clippy::expect_used)] // A test may stop at a surprise.

use std::time::Duration;

use sealift_protocol::message::{
    Capabilities, ClientMessage, PackageState, Pairs, RelayMessage, Role, Stored, Transport,
    Welcome, pairs_sha256, sha256,
};
use sealift_protocol::part_plan::body_bytes;
use sealift_protocol::session::{
    ClientAction, ClientConfig, ClientEvent, ClientSession, LaneEnd, PartFailure, SendPart,
    UserEvent, UserState, Verdict,
};
use sealift_protocol::{
    Attempt, ClientId, Code, Epoch, FileId, LaneId, OwnerToken, PackageId, Pair, PartNumber,
};

const FILE: FileId = FileId([6; 32]);
const PART_BYTES: u64 = 1 << 20;

struct Client {
    session: ClientSession,
    now: Duration,
    actions: Vec<ClientAction>,
}

fn client(transports: &[Transport]) -> Client {
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

fn welcome() -> RelayMessage {
    RelayMessage::Welcome(Welcome {
        protocol_version: 1,
        capabilities: Capabilities::OURS,
        epoch: Epoch(1),
        state: PackageState::Open,
        expires_at: None,
        lanes_max: 8,
    })
}

fn pairs(seed: u8, count: usize) -> Vec<Pair> {
    vec![
        Pair {
            iv: [seed; 12],
            tag: [seed; 16]
        };
        count
    ]
}

impl Client {
    fn event(&mut self, event: ClientEvent) {
        self.session.handle(self.now, event);
        self.take();
    }

    fn take(&mut self) {
        while let Some(action) = self.session.poll() {
            self.actions.push(action);
        }
    }

    /// Lets time pass, waking the session whenever it asks for it.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(wake) = self.session.next_wake().filter(|wake| *wake <= end) {
            self.now = wake.max(self.now + Duration::from_millis(1));
            self.event(ClientEvent::Wake);
        }
        self.now = end;
        self.event(ClientEvent::Wake);
    }

    fn message(&mut self, lane: u32, message: RelayMessage) {
        self.event(ClientEvent::Message {
            lane: LaneId(lane),
            message,
        });
    }

    fn opens(&mut self) -> Vec<(u32, Transport)> {
        let opened = |action: &ClientAction| match action {
            ClientAction::OpenLane { lane, transport } => Some((lane.0, *transport)),
            _ => None,
        };
        let opens = self.actions.iter().filter_map(opened).collect();
        self.actions.retain(|action| opened(action).is_none());
        opens
    }

    fn sends(&mut self) -> Vec<ClientMessage> {
        let sent = |action: &ClientAction| match action {
            ClientAction::Send { message, .. } => Some(message.clone()),
            _ => None,
        };
        let sends = self.actions.iter().filter_map(sent).collect();
        self.actions.retain(|action| sent(action).is_none());
        sends
    }

    fn parts(&mut self) -> Vec<SendPart> {
        let dealt = |action: &ClientAction| match action {
            ClientAction::SendPart(part) => Some(part.clone()),
            _ => None,
        };
        let parts = self.actions.iter().filter_map(dealt).collect();
        self.actions.retain(|action| dealt(action).is_none());
        parts
    }

    fn told(&self) -> Vec<&UserEvent> {
        let told = self.actions.iter().filter_map(|action| match action {
            ClientAction::Tell(event) => Some(event),
            _ => None,
        });
        told.collect()
    }

    fn outcome(&self) -> Option<&UserEvent> {
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
    fn sending(transports: &[Transport], part_count: u64) -> Self {
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

    fn added(durable_count: u32) -> RelayMessage {
        RelayMessage::FileAdded {
            file: FILE,
            head_sha256: sha256(b"head"),
            part_bytes: PART_BYTES,
            part_count: 1,
            durable_count,
            committed: false,
        }
    }

    fn open(&mut self, lane: u32) {
        self.event(ClientEvent::LaneOpened { lane: LaneId(lane) });
        self.message(lane, welcome());
    }

    fn sealed(&mut self, part: &SendPart, pairs: Vec<Pair>) {
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

    fn stopped(&mut self, part: &SendPart, pairs: Vec<Pair>) {
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
    fn with_manifest() -> (Self, FileId) {
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

    fn durable(&mut self, lane: u32, part: u32, attempt: u32, pairs: &[Pair]) {
        self.durable_of(FILE, lane, part, attempt, pairs);
    }

    fn durable_of(&mut self, file: FileId, lane: u32, part: u32, attempt: u32, pairs: &[Pair]) {
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

    fn closed(&mut self, lane: u32) {
        self.event(ClientEvent::LaneClosed {
            lane: LaneId(lane),
            end: LaneEnd::Closed,
        });
    }
}

const WEBSOCKET: &[Transport] = &[Transport::WebSocket];
const BOTH: &[Transport] = &[Transport::WebTransport, Transport::WebSocket];

#[test]
fn the_websocket_joins_the_race_after_half_a_second_and_the_first_welcome_wins() {
    let mut client = client(BOTH);
    assert_eq!(client.opens(), [(0, Transport::WebTransport)]);
    client.pass(Duration::from_millis(499));
    assert!(client.opens().is_empty());
    client.pass(Duration::from_millis(1));
    assert_eq!(client.opens(), [(1, Transport::WebSocket)]);
    client.open(1);
    let closes = |a: &ClientAction| matches!(a, ClientAction::CloseLane { lane: LaneId(0) });
    assert!(client.actions.iter().any(closes), "the loser is closed");
}

#[test]
fn the_websocket_takes_over_when_udp_is_cut() {
    let mut client = Client::sending(BOTH, 40);
    client.opens();
    let parts = client.parts();
    assert!(!parts.is_empty());
    // Silence: asked, then given up.
    client.pass(Duration::from_secs(6));
    assert!(
        client
            .sends()
            .iter()
            .any(|m| matches!(m, ClientMessage::Ping {}))
    );
    let opens = client.opens();
    assert!(
        opens.iter().all(|(_, t)| *t == Transport::WebSocket) && !opens.is_empty(),
        "{opens:?}"
    );
    let (lane, _) = opens[0];
    client.open(lane);
    let again = client.parts();
    assert!(
        again
            .iter()
            .any(|part| part.part == parts[0].part && part.attempt == Attempt(2))
    );
    let moved = |e: &&UserEvent| {
        matches!(
            e,
            UserEvent::Transport {
                transport: Transport::WebSocket,
                ..
            }
        )
    };
    assert!(client.told().iter().any(moved));
}

#[test]
fn f3_no_part_is_dealt_before_the_stored_hash_is_the_clients_own() {
    let mut client = client(WEBSOCKET);
    let sealed_body_bytes = body_bytes(1 << 20).expect("a length");
    let head = b"another head".to_vec();
    client.event(ClientEvent::AddFile {
        file: FILE,
        role: Role::Content,
        head,
        sealed_body_bytes,
        pairs: Vec::new(),
    });
    client.open(0);
    client.message(
        0,
        RelayMessage::Created {
            keyring_sha256: sha256(b"keyring"),
        },
    );
    assert!(client.parts().is_empty());
    client.message(0, Client::added(0));
    assert!(client.parts().is_empty());
    client.pass(Duration::from_secs(11));
    let stored_differs = |e: &&UserEvent| {
        matches!(
            e,
            UserEvent::Failed {
                code: Code::StoredDiffers,
                ..
            }
        )
    };
    assert!(
        client.outcome().iter().any(stored_differs),
        "{:?}",
        client.outcome()
    );
}

#[test]
fn several_parts_are_under_way_on_a_lane_but_not_without_bound() {
    let mut client = Client::sending(WEBSOCKET, 100);
    let mut dealt = client.parts();
    assert_eq!(dealt.len(), 2, "one being sealed and one ahead");
    for _ in 0..20 {
        for part in dealt {
            client.sealed(&part, pairs(1, 2));
        }
        dealt = client.parts();
    }
    let on_lane_0: usize = client.sends().len();
    assert!(
        dealt.is_empty() && on_lane_0 < 20,
        "the lane is full until something is durable"
    );
    client.durable(0, 0, 1, &pairs(1, 2));
    assert!(!client.parts().is_empty());
}

#[test]
fn lanes_read_consecutive_parts() {
    let mut client = Client::sending(WEBSOCKET, 100);
    client.open(1);
    let mut seen: Vec<(u32, u32)> = Vec::new();
    let mut dealt = client.parts();
    while seen.len() < 8 {
        seen.extend(dealt.iter().map(|part| (part.lane.0, part.part.0)));
        for part in std::mem::take(&mut dealt) {
            client.sealed(&part, pairs(1, 2));
            client.durable(part.lane.0, part.part.0, 1, &pairs(1, 2));
        }
        dealt = client.parts();
    }
    for lane in [0, 1] {
        let of_lane: Vec<u32> = seen
            .iter()
            .filter(|(l, _)| *l == lane)
            .map(|(_, p)| *p)
            .collect();
        let runs = of_lane
            .windows(2)
            .filter(|pair| pair[1] == pair[0] + 1)
            .count();
        assert!(runs * 2 >= of_lane.len() - 1, "{seen:?}");
    }
}

#[test]
fn c3_the_last_part_is_dealt_when_all_others_are_durable_with_their_pairs() {
    let mut client = Client::sending(WEBSOCKET, 2);
    let dealt = client.parts();
    assert_eq!(dealt.len(), 1, "the last one waits");
    client.sealed(&dealt[0], pairs(7, 2));
    assert!(client.parts().is_empty());
    client.durable(0, 0, 1, &pairs(7, 2));
    let last = client.parts();
    assert!(last[0].is_last);
    assert_eq!(last[0].file_pairs, pairs(7, 2));
}

#[test]
fn c3_a_lost_part_takes_the_last_one_with_it() {
    let mut client = Client::sending(WEBSOCKET, 2);
    for (part, seed) in [(0, 7), (1, 8)] {
        let dealt = client.parts();
        client.sealed(&dealt[0], pairs(seed, 2));
        client.durable(0, part, 1, &pairs(seed, 2));
    }
    assert!(
        client
            .sends()
            .contains(&ClientMessage::CommitFile { file: FILE })
    );
    client.message(
        0,
        RelayMessage::PartLost {
            file: FILE,
            part: PartNumber(0),
        },
    );
    let again = client.parts();
    assert_eq!(
        (again.len(), again[0].part, again[0].attempt),
        (1, PartNumber(0), Attempt(2))
    );
    assert_eq!(
        again[0].earlier,
        pairs(7, 2),
        "C2: compared before it is sealed again"
    );
    client.sealed(&again[0], pairs(9, 2));
    client.durable(0, 0, 2, &pairs(9, 2));
    let last = client.parts();
    assert_eq!(
        (last[0].attempt, &last[0].file_pairs),
        (Attempt(2), &pairs(9, 2))
    );
}

#[test]
fn c3_a_last_part_in_flight_is_stopped_when_another_one_is_lost() {
    for sealed_already in [true, false] {
        let mut client = Client::sending(WEBSOCKET, 2);
        let dealt = client.parts();
        client.sealed(&dealt[0], pairs(7, 2));
        client.durable(0, 0, 1, &pairs(7, 2));
        let last = client.parts().remove(0);
        assert!(last.is_last);
        if sealed_already {
            client.sealed(&last, pairs(8, 2));
        }
        let part = PartNumber(0);
        client.message(0, RelayMessage::PartLost { file: FILE, part });
        let stops = |a: &ClientAction| matches!(a, ClientAction::StopPart { part, .. } if *part == last.part);
        assert_eq!(client.actions.iter().any(stops), !sealed_already);
        if !sealed_already {
            client.stopped(&last, pairs(8, 1));
        }
        // An acknowledgement of the old seal that was under way settles nothing.
        client.durable(0, 1, 1, &pairs(8, 2));
        let again = client.parts();
        assert_eq!((again.len(), again[0].part), (1, PartNumber(0)));
        client.sealed(&again[0], pairs(9, 2));
        client.durable(0, 0, 2, &pairs(9, 2));
        let last = if let Some(last) = client.parts().pop() {
            last
        } else {
            let (part, stored, pairs) = (PartNumber(1), None, Vec::new());
            let file = FILE;
            let told = Pairs {
                file,
                part,
                stored,
                pairs,
            };
            client.message(0, RelayMessage::Pairs(told));
            client.parts().remove(0)
        };
        assert_eq!(
            (last.attempt, last.file_pairs),
            (Attempt(2), pairs(9, 2)),
            "sealed anew over the new pairs"
        );
        assert_eq!(last.earlier[0], pairs(8, 1)[0]);
    }
}

#[test]
fn c2_a_part_is_dealt_again_when_the_pairs_of_the_lane_before_are_known() {
    let mut client = Client::sending(WEBSOCKET, 9);
    let first = client.parts().remove(0);
    client.event(ClientEvent::Pause);
    client.event(ClientEvent::Resume);
    let (lane, _) = *client.opens().last().expect("a lane");
    client.open(lane);
    let is_first = |part: &SendPart| part.part == first.part;
    let dealt = client.parts();
    assert!(!dealt.iter().any(is_first), "its pairs may come");
    let SendPart {
        file,
        part,
        attempt,
        ..
    } = first;
    client.event(ClientEvent::PartFailed {
        lane: first.lane,
        file,
        part,
        attempt,
        failure: PartFailure::Lane,
        pairs: pairs(7, 1),
    });
    client.closed(first.lane.0);
    for part in dealt {
        client.sealed(&part, pairs(3, 2));
    }
    let again = client.parts();
    let again = again.iter().find(|part| is_first(part)).expect("dealt");
    assert_eq!((again.attempt, &again.earlier), (Attempt(2), &pairs(7, 1)));
}

#[test]
fn c2_a_part_that_the_relay_stops_waits_for_its_pairs() {
    let mut client = Client::sending(WEBSOCKET, 9);
    let first = client.parts().remove(0);
    let SendPart {
        file,
        part,
        attempt,
        ..
    } = first;
    let code = Code::OldAttempt;
    client.message(
        0,
        RelayMessage::StopPart {
            file,
            part,
            attempt,
            code,
        },
    );
    let question = ClientMessage::GetPairs { file, part };
    assert!(!client.sends().contains(&question));
    client.stopped(&first, pairs(7, 1));
    assert!(client.sends().contains(&question));
}

#[test]
fn a_lane_that_reports_nothing_is_waited_for_a_second() {
    let mut client = Client::sending(WEBSOCKET, 1);
    let first = client.parts().remove(0);
    client.event(ClientEvent::Thawed);
    let (lane, _) = *client.opens().last().expect("a lane");
    client.open(lane);
    assert!(client.parts().is_empty());
    client.pass(Duration::from_millis(1001));
    assert_eq!(client.parts()[0].part, first.part);
}

#[test]
fn c3_a_lost_answer_of_the_manifest_is_settled_by_comparing() {
    for (own, code) in [(true, None), (false, Some(Code::StoredDiffers))] {
        let (mut client, manifest) = Client::with_manifest();
        let dealt = client.parts().remove(0);
        let SendPart { part, attempt, .. } = dealt;
        // All of it arrived, and the lane dies before its worker or the relay could say so.
        let (file, bytes) = (manifest, dealt.length);
        client.message(
            0,
            RelayMessage::Received {
                file,
                part,
                attempt,
                bytes,
            },
        );
        let (lane, _) = client.opens()[1];
        client.closed(0);
        client.open(lane);
        assert!(client.parts().is_empty());
        assert!(
            client
                .sends()
                .contains(&ClientMessage::GetPairs { file, part })
        );
        let epoch = Epoch(1);
        let stored = Some(Stored { epoch, attempt });
        let pairs = pairs(if own { 8 } else { 9 }, 1);
        client.message(
            lane,
            RelayMessage::Pairs(Pairs {
                file,
                part,
                stored,
                pairs,
            }),
        );
        let reads = |a: &ClientAction| matches!(a, ClientAction::VerifyPart { .. });
        assert!(!client.actions.iter().any(reads), "nothing is to be read");
        let commit = ClientMessage::CommitFile { file };
        assert_eq!(client.sends().contains(&commit), own);
        client.message(lane, RelayMessage::Aborted {});
        if let Some(code) = code {
            let file = Some(manifest);
            assert_eq!(client.outcome(), Some(&UserEvent::Failed { code, file }));
        }
    }
}

#[test]
fn c1_there_is_one_verdict_for_all_the_parts_in_question() {
    let mut client = client(WEBSOCKET);
    let sealed_body_bytes = body_bytes(3 * PART_BYTES - 4096 * 8).expect("a length");
    client.event(ClientEvent::AddFile {
        file: FILE,
        role: Role::Content,
        head: b"head".to_vec(),
        sealed_body_bytes,
        pairs: Vec::new(),
    });
    client.open(0);
    let keyring_sha256 = sha256(b"keyring");
    client.message(0, RelayMessage::Created { keyring_sha256 });
    client.message(0, Client::added(3));
    for part in 0..3 {
        let (epoch, attempt) = (Epoch(1), Attempt(4));
        let stored = Some(Stored { epoch, attempt });
        let (file, part, pairs) = (FILE, PartNumber(part), pairs(5, 2));
        let told = Pairs {
            file,
            part,
            stored,
            pairs,
        };
        client.message(0, RelayMessage::Pairs(told));
    }
    client.sends();
    for part in 0..3 {
        let visible = !client.sends().is_empty() || client.outcome().is_some();
        assert!(!visible, "nothing is to be seen before part {part}");
        let verdict = if part == 0 {
            Verdict::Changed
        } else {
            Verdict::Same
        };
        let (file, part) = (FILE, PartNumber(part));
        client.event(ClientEvent::PartVerified {
            file,
            part,
            verdict,
        });
    }
    assert_eq!(client.sends(), [ClientMessage::Abort {}]);
}

#[test]
fn a_lost_acknowledgement_is_settled_by_asking() {
    let mut client = Client::sending(WEBSOCKET, 2);
    let dealt = client.parts();
    client.sealed(&dealt[0], pairs(7, 2));
    let (lane, _) = client.opens()[1];
    client.closed(0);
    client.open(lane);
    assert!(
        client.parts().is_empty(),
        "nothing is sent again before the answer"
    );
    assert!(client.sends().contains(&ClientMessage::GetPairs {
        file: FILE,
        part: PartNumber(0)
    }));
    let stored = Some(Stored {
        epoch: Epoch(1),
        attempt: Attempt(1),
    });
    let told = Pairs {
        file: FILE,
        part: PartNumber(0),
        stored,
        pairs: pairs(7, 2),
    };
    client.message(lane, RelayMessage::Pairs(told));
    assert!(client.parts()[0].is_last, "it was durable");
}

#[test]
fn c1_pairs_of_another_client_are_compared_with_the_source() {
    for (verdict, code) in [
        (Verdict::Same, None),
        (Verdict::Changed, Some(Code::FileChanged)),
    ] {
        let mut client = client(WEBSOCKET);
        let sealed_body_bytes = body_bytes(2 * PART_BYTES - 4096 * 8).expect("a length");
        let head = b"head".to_vec();
        client.event(ClientEvent::AddFile {
            file: FILE,
            role: Role::Content,
            head,
            sealed_body_bytes,
            pairs: Vec::new(),
        });
        client.open(0);
        client.message(
            0,
            RelayMessage::Created {
                keyring_sha256: sha256(b"keyring"),
            },
        );
        client.message(0, Client::added(1));
        for part in [0, 1] {
            assert!(client.sends().len() <= 6);
            let stored = (part == 0).then_some(Stored {
                epoch: Epoch(1),
                attempt: Attempt(4),
            });
            let pairs = if part == 0 { pairs(5, 2) } else { Vec::new() };
            let told = Pairs {
                file: FILE,
                part: PartNumber(part),
                stored,
                pairs,
            };
            client.message(0, RelayMessage::Pairs(told));
        }
        let verifies = |a: &ClientAction| matches!(a, ClientAction::VerifyPart { pairs, .. } if pairs.len() == 2);
        assert!(client.actions.iter().any(verifies));
        client.event(ClientEvent::PartVerified {
            file: FILE,
            part: PartNumber(0),
            verdict,
        });
        client.pass(Duration::from_secs(11));
        match code {
            None => assert!(client.parts()[0].is_last),
            Some(code) => {
                let expected = UserEvent::Failed {
                    code,
                    file: Some(FILE),
                };
                assert_eq!(client.outcome(), Some(&expected));
            }
        }
    }
}

#[test]
fn what_was_stored_must_be_what_was_sent() {
    let mut client = Client::sending(WEBSOCKET, 2);
    let dealt = client.parts();
    client.sealed(&dealt[0], pairs(7, 2));
    client.durable(0, 0, 1, &pairs(8, 2));
    client.message(0, RelayMessage::Aborted {});
    let expected = UserEvent::Failed {
        code: Code::StoredDiffers,
        file: Some(FILE),
    };
    assert_eq!(client.outcome(), Some(&expected));
}

#[test]
fn c2_a_changed_source_is_reported_and_not_stored() {
    let mut client = Client::sending(WEBSOCKET, 9);
    let SendPart {
        lane,
        file,
        part,
        attempt,
        ..
    } = client.parts()[0];
    let failure = PartFailure::SourceChanged;
    client.event(ClientEvent::PartFailed {
        lane,
        file,
        part,
        attempt,
        failure,
        pairs: Vec::new(),
    });
    assert!(client.sends().contains(&ClientMessage::Abort {}));
    client.message(0, RelayMessage::Aborted {});
    let expected = UserEvent::Failed {
        code: Code::FileChanged,
        file: Some(FILE),
    };
    assert_eq!(client.outcome(), Some(&expected));
}

#[test]
fn l5_a_busy_session_is_taken_over_only_by_a_person() {
    let mut client = client(WEBSOCKET);
    client.opens();
    client.event(ClientEvent::LaneOpened { lane: LaneId(0) });
    client.sends();
    client.message(0, RelayMessage::refused(Code::SessionBusy, None));
    assert!(client.told().contains(&&UserEvent::SessionBusy));
    client.pass(Duration::from_secs(3600));
    assert!(client.opens().is_empty(), "it waits for a person");
    client.event(ClientEvent::TakeOver);
    let (lane, _) = client.opens()[0];
    client.event(ClientEvent::LaneOpened { lane: LaneId(lane) });
    assert!(matches!(&client.sends()[..], [ClientMessage::Hello(hello)] if hello.takeover));
}

#[test]
fn l5_a_superseded_client_stops_and_says_so() {
    let refusals = [
        RelayMessage::Superseded {},
        RelayMessage::refused(Code::SessionBusy, None),
    ];
    for refusal in refusals {
        let mut client = Client::sending(WEBSOCKET, 9);
        client.opens();
        client.message(0, refusal);
        assert_eq!(client.outcome(), Some(&UserEvent::Superseded));
        client.pass(Duration::from_secs(600));
        assert!(client.opens().is_empty() && client.session.has_ended());
    }
}

#[test]
fn pause_stops_at_once_and_resume_goes_on() {
    let mut client = Client::sending(WEBSOCKET, 9);
    client.opens();
    client.event(ClientEvent::Pause);
    assert!(
        client
            .told()
            .contains(&&UserEvent::State(UserState::Paused))
    );
    client.pass(Duration::from_secs(3600));
    assert!(client.opens().is_empty());
    client.event(ClientEvent::Resume);
    assert_eq!(client.opens().len(), 1);
}

#[test]
fn cancel_deletes_the_package() {
    let mut client = Client::sending(WEBSOCKET, 9);
    client.event(ClientEvent::Cancel);
    assert!(client.sends().contains(&ClientMessage::Abort {}));
    assert_eq!(client.outcome(), None);
    client.message(0, RelayMessage::Aborted {});
    let cancelled = UserEvent::Cancelled { confirmed: true };
    assert_eq!(client.outcome(), Some(&cancelled));
}

#[test]
fn cancel_says_when_nobody_confirmed_it() {
    let unconfirmed = UserEvent::Cancelled { confirmed: false };
    // No answer in time.
    let mut client = Client::sending(WEBSOCKET, 9);
    client.event(ClientEvent::Cancel);
    client.pass(Duration::from_secs(11));
    assert_eq!(client.outcome(), Some(&unconfirmed));
    // A refusal, and a failure that lasts.
    for code in [Code::Unauthorized, Code::StorageFailed] {
        let mut client = Client::sending(WEBSOCKET, 9);
        client.event(ClientEvent::Cancel);
        client.message(0, RelayMessage::refused(code, None));
        client.pass(Duration::from_secs(11));
        assert_eq!(client.outcome(), Some(&unconfirmed), "{code}");
    }
    // The answer to another request is none to this one.
    let mut client = Client::sending(WEBSOCKET, 9);
    client.event(ClientEvent::Cancel);
    client.message(0, RelayMessage::refused(Code::NotFound, Some(FILE)));
    assert_eq!(client.outcome(), None);
    client.message(0, RelayMessage::refused(Code::NotFound, None));
    let confirmed = UserEvent::Cancelled { confirmed: true };
    assert_eq!(client.outcome(), Some(&confirmed));
}

#[test]
fn cancel_before_anything_was_sent_is_confirmed_and_after_a_lost_answer_asked_for() {
    let mut client = client(WEBSOCKET);
    client.event(ClientEvent::Cancel);
    let confirmed = UserEvent::Cancelled { confirmed: true };
    assert_eq!(client.outcome(), Some(&confirmed));

    let mut client = self::client(WEBSOCKET);
    client.opens();
    client.open(0);
    client.closed(0);
    client.event(ClientEvent::Cancel);
    client.pass(Duration::from_secs(1));
    let (lane, _) = client.opens()[0];
    client.open(lane);
    assert!(client.sends().contains(&ClientMessage::Abort {}));
}

#[test]
fn cancel_of_a_complete_package_ends_as_finished() {
    let (mut client, manifest) = Client::with_manifest();
    let dealt = client.parts();
    client.sealed(&dealt[0], pairs(8, 1));
    client.durable_of(manifest, 0, 0, 1, &pairs(8, 1));
    client.message(0, RelayMessage::FileCommitted { file: manifest });
    assert!(client.sends().contains(&ClientMessage::Finish { manifest }));
    client.event(ClientEvent::Cancel);
    assert!(client.sends().contains(&ClientMessage::Abort {}));
    client.message(0, RelayMessage::refused(Code::AlreadyFinished, None));
    assert_eq!(client.outcome(), None);
    assert_eq!(client.sends(), [ClientMessage::Finish { manifest }]);
    client.message(0, RelayMessage::Finished { expires_at: 5 });
    let finished = UserEvent::Finished { expires_at: 5 };
    assert_eq!(client.outcome(), Some(&finished));
}

#[test]
fn a_relay_cannot_speak_the_clients_own_verdicts() {
    for code in [Code::PinMismatch, Code::StoredDiffers, Code::FileChanged] {
        let mut client = Client::sending(WEBSOCKET, 9);
        client.message(0, RelayMessage::refused(code, None));
        client.message(0, RelayMessage::Aborted {});
        let (code, file) = (Code::Malformed, None);
        let expected = UserEvent::Failed { code, file };
        assert_eq!(client.outcome(), Some(&expected));
    }
}

/// Whatever a relay answers, the keyring that is stored and under which everything is sealed is
/// the one that this client made: a message has no room for another recipient, and another
/// keyring's hash ends the session.
#[test]
fn k4_nothing_a_relay_answers_adds_a_recipient() {
    let mut client = client(WEBSOCKET);
    client.opens();
    client.open(0);
    client.message(0, Client::added(0));
    let (file, part) = (FILE, PartNumber(0));
    let (epoch, attempt) = (Epoch(1), Attempt(1));
    let answers = [
        welcome(),
        RelayMessage::Finished { expires_at: 1 },
        RelayMessage::FileCommitted { file },
        RelayMessage::Durable {
            file,
            part,
            epoch,
            attempt,
            pairs_sha256: pairs_sha256(&[]),
        },
        RelayMessage::PartLost { file, part },
        RelayMessage::Pong {},
    ];
    for answer in answers {
        client.message(0, answer);
    }
    let keyrings: Vec<Vec<u8>> = client
        .sends()
        .into_iter()
        .filter_map(|message| match message {
            ClientMessage::Create(create) => Some(create.keyring),
            _ => None,
        })
        .collect();
    assert_eq!(keyrings, [b"keyring".to_vec()]);
    let keyring_sha256 = sha256(b"keyring with one more slot");
    client.message(0, RelayMessage::Created { keyring_sha256 });
    let (code, file) = (Code::StoredDiffers, None);
    assert_eq!(client.outcome(), Some(&UserEvent::Failed { code, file }));
}

#[test]
fn a_full_storage_makes_it_wait_and_go_on() {
    let mut client = Client::sending(WEBSOCKET, 9);
    let dealt = client.parts();
    let SendPart {
        file,
        part,
        attempt,
        ..
    } = dealt[0];
    client.message(
        0,
        RelayMessage::StopPart {
            file,
            part,
            attempt,
            code: Code::StorageFull,
        },
    );
    assert!(
        client
            .told()
            .contains(&&UserEvent::State(UserState::Waiting))
    );
    assert!(client.parts().is_empty());
    client.message(0, RelayMessage::Pong {});
    client.now += Duration::from_secs(1);
    client.event(ClientEvent::Wake);
    let stopped = ClientEvent::PartFailed {
        lane: LaneId(0),
        file,
        part,
        attempt,
        failure: PartFailure::Stopped,
        pairs: Vec::new(),
    };
    client.event(stopped);
    assert!(
        client
            .parts()
            .iter()
            .any(|p| p.part == part && p.attempt == Attempt(2))
    );
}

#[test]
fn it_gives_up_by_policy_and_says_why() {
    let mut client = client(WEBSOCKET);
    for _ in 0..2000 {
        for (lane, _) in client.opens() {
            client.event(ClientEvent::LaneClosed {
                lane: LaneId(lane),
                end: LaneEnd::NotOpened,
            });
        }
        client.pass(Duration::from_secs(1));
    }
    let expected = UserEvent::Failed {
        code: Code::NetworkLost,
        file: None,
    };
    assert_eq!(client.outcome(), Some(&expected));
}

#[test]
fn a_sleeping_computer_does_not_use_up_its_patience() {
    let mut client = Client::sending(WEBSOCKET, 9);
    client.now += Duration::from_secs(100_000);
    client.event(ClientEvent::Thawed);
    assert_eq!(client.outcome(), None);
    assert!(!client.opens().is_empty(), "lanes are opened again at once");
}

#[test]
fn without_any_transport_it_says_so() {
    let mut client = client(BOTH);
    client.event(ClientEvent::LaneClosed {
        lane: LaneId(0),
        end: LaneEnd::Unsupported,
    });
    assert_eq!(
        client.opens(),
        [(0, Transport::WebTransport), (1, Transport::WebSocket)]
    );
    client.event(ClientEvent::LaneClosed {
        lane: LaneId(1),
        end: LaneEnd::Unsupported,
    });
    let expected = UserEvent::Failed {
        code: Code::EnvironmentUnsupported,
        file: None,
    };
    assert_eq!(client.outcome(), Some(&expected));
}

#[test]
fn two_lanes_at_the_start_and_none_without_work() {
    let mut client = Client::sending(WEBSOCKET, 40);
    assert_eq!(client.opens().len(), 2);
    let mut small = Client::sending(WEBSOCKET, 1);
    assert_eq!(
        small.opens().len(),
        2,
        "opened while it was not known how little there is"
    );
    small.pass(Duration::from_secs(1));
    assert!(small.opens().is_empty());
}

#[test]
fn the_manifest_is_sealed_once_and_the_package_finished() {
    let (mut client, manifest) = Client::with_manifest();
    let seals = |a: &&ClientAction| matches!(a, ClientAction::SealManifest);
    assert_eq!(client.actions.iter().filter(seals).count(), 1);
    let committed = UserEvent::FileCommitted {
        file: FILE,
        last_attempt: Attempt(1),
        pairs: pairs(7, 2),
    };
    assert!(client.told().contains(&&committed));
    let dealt = client.parts();
    client.sealed(&dealt[0], pairs(8, 1));
    client.durable_of(manifest, 0, 0, 1, &pairs(8, 1));
    client.message(0, RelayMessage::FileCommitted { file: manifest });
    assert!(client.sends().contains(&ClientMessage::Finish { manifest }));
    client.message(0, RelayMessage::Finished { expires_at: 77 });
    assert_eq!(
        client.outcome(),
        Some(&UserEvent::Finished { expires_at: 77 })
    );
}

#[test]
fn an_answer_that_another_lane_overtook_does_not_say_that_the_package_is_gone() {
    let absent = || match welcome() {
        RelayMessage::Welcome(welcome) => RelayMessage::Welcome(Welcome {
            state: PackageState::Absent,
            ..welcome
        }),
        other => other,
    };
    let mut client = client(WEBSOCKET);
    client.event(ClientEvent::AddFile {
        file: FILE,
        role: Role::Content,
        head: b"head".to_vec(),
        sealed_body_bytes: body_bytes(PART_BYTES * 40).expect("a length"),
        pairs: Vec::new(),
    });
    client.event(ClientEvent::LaneOpened { lane: LaneId(0) });
    client.message(0, absent());
    // The second lane says hello before the package is created, and hears the answer afterwards.
    client.event(ClientEvent::LaneOpened { lane: LaneId(1) });
    let keyring_sha256 = sha256(b"keyring");
    client.message(0, RelayMessage::Created { keyring_sha256 });
    client.message(1, absent());
    assert_eq!(client.outcome(), None);
    // One that says hello afterwards is another matter: somebody deleted the package.
    client.opens();
    client.closed(1);
    client.pass(Duration::from_secs(5));
    let (lane, _) = client.opens()[0];
    client.event(ClientEvent::LaneOpened { lane: LaneId(lane) });
    client.message(lane, absent());
    client.pass(Duration::from_secs(20));
    let code = Code::NotFound;
    let file = None;
    assert_eq!(client.outcome(), Some(&UserEvent::Failed { code, file }));
}
