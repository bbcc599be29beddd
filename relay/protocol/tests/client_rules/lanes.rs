//! Lanes: opened, read from, waited for, given up.

use std::time::Duration;

use sealift_protocol::message::{
    ClientMessage, PackageState, RelayMessage, Role, Transport, Welcome, sha256,
};
use sealift_protocol::part_plan::body_bytes;
use sealift_protocol::session::{
    ClientAction, ClientEvent, LaneEnd, PartFailure, SendPart, UserEvent, UserState,
};
use sealift_protocol::{Attempt, Code, LaneId};

use crate::client::{BOTH, Client, FILE, PART_BYTES, WEBSOCKET, client, pairs, welcome};

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
