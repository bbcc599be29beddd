//! Rates, places and waiting; in the end, whole parts over lanes at the lowest rate.

use futures_util::future::join_all;
use sealift_config::{Settings, Trunk as Rate, User};
use sealift_docroot::Docroot;
use sealift_docroot::simulated::{Plant, SimulatedDisk};
use sealift_protocol::format::Role;
use sealift_protocol::message::{
    Capabilities, ClientMessage, Create, Hello, Negotiated, PROTOCOL_VERSION, RelayMessage,
    Transport, sha256,
};
use sealift_protocol::{Attempt, ClientId, PartNumber, message};
use tokio::sync::Notify;

use super::*;
use crate::budget::Budget;
use crate::docroots::Docroots;
use crate::package::Package;
use crate::power_cut::records::InMemory;
use crate::power_cut::sealed::Sealed;
use crate::records::GrantUse;
use crate::store::Storage;

/// The user `xfer` on the trunk `office`.
fn config(capacity_kbps: u32) -> Config {
    let mut config = Config::from(Settings::default());
    let user = User {
        docroot: sealift_config::DEFAULT_DOCROOT.to_owned(),
        trunk: Some("office".to_owned()),
        ..User::default()
    };
    config.users.insert("xfer".to_owned(), user);
    let rate = Rate {
        capacity_kbps,
        ..Rate::default()
    };
    config.trunks.insert("office".to_owned(), rate);
    config
}

/// 8,000 kbit/s are a megabyte in a second.
#[test]
fn a_trunk_passes_its_rate_and_saves_up_no_more_than_a_burst() {
    let (trunks, start) = (Trunks::default(), Instant::now());
    let mut seat = trunks.seat();
    let at = |now_ms: u64| start + Duration::from_millis(now_ms);
    let mut last = None;
    for _ in 0..=10 {
        last = seat.take("office", 8_000, 100_000, start);
    }
    assert_eq!(last, Some(at(1_000)), "ten pieces of 100 kB went before");
    let mut other = trunks.seat();
    assert_eq!(other.take("other", 8_000, 1_000_000, start), Some(start));
    // Long idle: what passes at once is a burst of 100 ms, then the rate again.
    for expected in [60_000, 60_000, 60_100] {
        let passes = seat.take("office", 8_000, 100_000, at(60_000));
        assert_eq!(passes, Some(at(expected)));
    }
}

#[test]
fn at_a_low_rate_every_part_that_has_begun_passes_something_within_a_round() {
    for kbps in [100, 1_000, 10_000, 1_000_000] {
        let piece = piece_bytes(kbps);
        let trunks = Trunks::default();
        let start = Instant::now();
        let mut seats: Vec<Seat> = (0..1_000).map(|_| trunks.seat()).collect();
        let passes: Vec<_> = seats
            .iter_mut()
            .filter_map(|seat| seat.take("office", kbps, piece, start))
            .collect();
        assert!(!passes.is_empty());
        assert!(
            passes.iter().all(|passes| *passes <= start + ROUND),
            "{kbps}"
        );
    }
    assert_eq!((piece_bytes(100), parts_max(100)), (16_384, 3));
}

#[test]
fn whoever_waits_longest_is_next_when_a_part_ends_or_rests() {
    let (trunks, start) = (Trunks::default(), Instant::now());
    let at = |seconds: u64| start + Duration::from_secs(seconds);
    let mut seats: Vec<Seat> = (0..5).map(|_| trunks.seat()).collect();
    let taken = |seats: &mut [Seat], at| -> Vec<bool> {
        seats
            .iter_mut()
            .map(|seat| seat.take("office", 100, 1_000, at).is_some())
            .collect()
    };
    assert_eq!(taken(&mut seats, start), [true, true, true, false, false]);
    // The first part ends; the lane's next one stands behind those that wait.
    seats[0] = trunks.seat();
    assert_eq!(taken(&mut seats, at(1)), [false, true, true, true, false]);
    // The second and third say nothing for a while.
    let seconds = [1, 2, 3, 4, 5, 6, 7].map(|second| {
        let mut passes = |seat: usize| {
            let passes = seats[seat].take("office", 100, 10, at(second));
            passes.is_some()
        };
        (passes(4), passes(0), passes(3))
    });
    assert_eq!(seconds[0], (false, false, true));
    assert_eq!(seconds[6], (true, true, true));
}

#[test]
fn what_was_promised_at_another_rate_holds_no_more() {
    let (trunks, start) = (Trunks::default(), Instant::now());
    let mut seat = trunks.seat();
    for _ in 0..10 {
        seat.take("office", 100, 1 << 20, start);
    }
    assert_eq!(seat.take("office", 50_000, 1_000, start), Some(start));
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_waits_hears_of_a_new_rate() {
    let live = Live::new(config(100));
    let trunks = Trunks::default();
    let mut seat = trunks.seat();
    seat.turn(&live, Some("xfer"), 1 << 20).await;
    let waiting = seat.turn(&live, Some("xfer"), 1 << 20);
    tokio::pin!(waiting);
    let second = Duration::from_secs(1);
    tokio::time::timeout(10 * second, &mut waiting)
        .await
        .unwrap_err();
    live.replace(config(50_000));
    tokio::time::timeout(second, waiting).await.unwrap();
}

#[test]
fn a_piece_is_cut_off_the_front() {
    let slices = [&b"abc"[..], b"defg", b"h"].map(Bytes::from_static);
    let mut slices = VecDeque::from(slices);
    assert_eq!(cut(&mut slices, 5), [&b"abc"[..], b"de"]);
    assert_eq!(cut(&mut slices, 2), [&b"fg"[..]]);
    assert_eq!(cut(&mut slices, usize::MAX), [&b"h"[..]]);
    assert!(slices.is_empty());
}

/// Sends one part of half a MiB as `xfer`.
async fn send(storage: Arc<Storage>, seed: u64) {
    let mut sealed = Sealed::new(seed);
    let file = sealed.file(Role::File, 1 << 19);
    let hello = Hello {
        protocol_version: PROTOCOL_VERSION,
        protocol_version_min: PROTOCOL_VERSION,
        capabilities: Capabilities::OURS,
        client_version: String::new(),
        client_id: ClientId([1; 16]),
        package: sealed.package,
        owner_token: sealed.owner.clone(),
        grant: None,
        takeover: false,
        epoch: None,
        transport: Transport::WebSocket,
    };
    let grant = GrantUse {
        id: [1; 16],
        bytes_max: u64::MAX,
        expires_at: u64::MAX,
        user: Some("xfer".to_owned()),
    };
    let owner = sha256(&hello.owner_token.0);
    let package = Package::new(storage, sealed.package, None, owner, Some(grant), false);
    let negotiated = Negotiated::from_hello(&hello).unwrap();
    let (mut lane, mut inbox) = package.open(hello, negotiated).unwrap();
    let mut epoch = None;
    loop {
        match inbox.recv().await.expect("the lane stays open") {
            RelayMessage::Welcome(welcome) => {
                epoch = Some(welcome.epoch);
                lane.message(ClientMessage::Create(Create {
                    keyring: sealed.keyring.clone(),
                    draft: sealed.draft.clone(),
                    expires_in_s: None,
                }));
            }
            RelayMessage::Created { .. } => lane.message(ClientMessage::AddFile {
                file: file.id,
                role: message::Role::Content,
                head: file.head.clone(),
            }),
            RelayMessage::FileAdded { .. } => {
                lane.message(ClientMessage::BeginPart {
                    file: file.id,
                    part: PartNumber(0),
                    attempt: Attempt(1),
                    epoch: epoch.unwrap(),
                    length: file.body.len() as u64,
                });
                let (budget, ended) = (Budget::new(0, 1, 1), Notify::new());
                for slice in file.body.chunks(256 << 10) {
                    let slices = vec![Bytes::copy_from_slice(slice)];
                    let passed = lane.data(slices, &budget, &ended).await;
                    assert!(passed.is_ok(), "the lane was closed");
                }
            }
            RelayMessage::Durable { .. } => return,
            RelayMessage::Received { .. } | RelayMessage::Pong {} => {}
            other => panic!("not expected here: {other:?}"),
        }
    }
}

/// Twelve lanes have 12.5 kB in a second together: the last waits for minutes, far longer than a lane may be silent.
#[tokio::test(start_paused = true)]
async fn at_the_lowest_rate_every_part_becomes_durable_at_its_first_attempt() {
    let disk = SimulatedDisk::new(1, Plant::Nothing);
    let storage = Arc::new(Storage {
        docroots: Docroots::only(Docroot::on(Arc::new(disk.clone()), 0)),
        records: Arc::new(InMemory::new(disk, false)),
        config: Live::new(config(100)),
        metrics: Arc::default(),
        trunks: Trunks::default(),
    });
    let began = Instant::now();
    join_all((0..12).map(|seed| send(Arc::clone(&storage), seed))).await;
    let bytes = 12 * (1 << 19);
    let expected = Duration::from_secs(bytes / 12_500);
    let took = began.elapsed();
    assert!(took > expected.mul_f64(0.95), "{took:?}");
    assert!(took < expected.mul_f64(1.3), "{took:?}");
}
