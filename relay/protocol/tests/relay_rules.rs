//! What a relay session allows, asks of storage, and says: one test for each promise.

#![allow(clippy::expect_used)] // A test may stop at a surprise.

use std::time::Duration;

use sealift_protocol::message::{
    Capabilities, ClientMessage, Create, Hello, Negotiated, PackageState, RelayMessage, Role,
    Transport, pairs_sha256, sha256,
};
use sealift_protocol::part_plan::body_bytes;
use sealift_protocol::session::{
    FileRecord, RelayAction, RelayEvent, RelayPolicy, RelaySession, Route, Snapshot, StorageAnswer,
    StorageError, StorageRequest, Ticket,
};
use sealift_protocol::{
    Attempt, ClientId, Code, Epoch, FileId, LaneId, OwnerToken, PackageId, Pair, PartNumber,
};

const FILE: FileId = FileId([6; 32]);
const PART_BYTES: u64 = 1 << 20;
const A: ClientId = ClientId([1; 16]);
const B: ClientId = ClientId([2; 16]);
const PAIR: Pair = Pair {
    iv: [1; 12],
    tag: [2; 16],
};

/// A relay session, with what it asked and said since it was last looked at.
struct Relay {
    session: RelaySession,
    now: Duration,
    said: Vec<(LaneId, RelayMessage)>,
    asked: Vec<(Ticket, StorageRequest)>,
    closed: Vec<LaneId>,
    ready: Vec<LaneId>,
}

fn snapshot(durable: &[u32]) -> Snapshot {
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

fn relay(snapshot: Snapshot) -> Relay {
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

fn begin(part: u32, attempt: u32, length: u64) -> ClientMessage {
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
    fn event(&mut self, event: RelayEvent) {
        self.session.handle(self.now, event);
        self.take();
    }

    fn take(&mut self) {
        while let Some(action) = self.session.poll() {
            match action {
                RelayAction::Send { lane, message } => self.said.push((lane, message)),
                RelayAction::CloseLane { lane } => self.closed.push(lane),
                RelayAction::LaneReady { lane } => self.ready.push(lane),
                RelayAction::Storage { ticket, request } => self.asked.push((ticket, request)),
            }
        }
    }

    fn hello(&mut self, lane: u32, client_id: ClientId, takeover: bool, epoch: Option<u64>) {
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

    fn message(&mut self, lane: u32, message: ClientMessage) {
        self.event(RelayEvent::Message {
            lane: LaneId(lane),
            message,
        });
    }

    fn data(&mut self, lane: u32, length: usize) -> Route {
        let route = self.session.data(self.now, LaneId(lane), length);
        self.take();
        route
    }

    #[track_caller]
    fn answer(&mut self, result: Result<StorageAnswer, StorageError>) {
        let (ticket, _) = self.asked.remove(0);
        self.event(RelayEvent::Stored { ticket, result });
    }

    /// What was said to a lane since the last time, by its kind.
    fn heard(&mut self, lane: u32) -> Vec<RelayMessage> {
        let of_lane = self
            .said
            .iter()
            .filter(|(to, _)| to.0 == lane)
            .map(|(_, m)| m.clone());
        let heard = of_lane.collect();
        self.said.retain(|(to, _)| to.0 != lane);
        heard
    }

    fn requests(&self) -> Vec<&StorageRequest> {
        self.asked.iter().map(|(_, request)| request).collect()
    }

    /// Begins an attempt and lets storage open it.
    fn opened(&mut self, lane: u32, part: u32, attempt: u32) {
        self.message(lane, begin(part, attempt, PART_BYTES));
        assert!(matches!(
            self.requests()[..],
            [StorageRequest::OpenAttempt { .. }]
        ));
        self.answer(Ok(StorageAnswer::Done));
    }
}

fn durable() -> Result<StorageAnswer, StorageError> {
    Ok(StorageAnswer::Durable {
        pairs_sha256: pairs_sha256(&[PAIR; 2]),
    })
}

fn with_lane(durable: &[u32]) -> Relay {
    let mut relay = relay(snapshot(durable));
    relay.hello(1, A, false, Some(1));
    assert!(matches!(relay.heard(1)[..], [RelayMessage::Welcome(_)]));
    relay
}

#[test]
fn s1_no_byte_is_written_before_its_attempt_is_recorded_open() {
    let mut relay = with_lane(&[]);
    relay.message(1, begin(0, 1, PART_BYTES));
    assert_eq!(relay.data(1, 1000), Route::Hold);
    relay.answer(Ok(StorageAnswer::Done));
    assert_eq!(relay.ready, [LaneId(1)]);
    assert!(matches!(
        relay.data(1, 1000),
        Route::Write { offset: 0, .. }
    ));
    assert!(matches!(
        relay.data(1, 500),
        Route::Write { offset: 1000, .. }
    ));
}

#[test]
fn s1_durable_is_said_only_when_the_record_says_so() {
    let mut relay = with_lane(&[]);
    relay.opened(1, 0, 1);
    relay.data(1, PART_BYTES as usize);
    assert!(matches!(
        relay.requests()[..],
        [StorageRequest::MakeDurable { .. }]
    ));
    assert!(
        !relay
            .heard(1)
            .iter()
            .any(|m| matches!(m, RelayMessage::Durable { .. }))
    );
    relay.answer(durable());
    assert!(matches!(
        relay.heard(1)[..],
        [RelayMessage::Durable {
            attempt: Attempt(1),
            ..
        }]
    ));
}

#[test]
fn s1_a_record_whose_condition_did_not_hold_is_no_acknowledgement() {
    let mut relay = with_lane(&[]);
    relay.opened(1, 0, 1);
    relay.data(1, PART_BYTES as usize);
    relay.answer(Err(StorageError::NotMine));
    let heard = relay.heard(1);
    assert!(
        !heard
            .iter()
            .any(|m| matches!(m, RelayMessage::Durable { .. }))
    );
    assert!(heard.iter().any(|m| matches!(
        m,
        RelayMessage::StopPart {
            code: Code::OldAttempt,
            ..
        }
    )));
}

#[test]
fn s2_a_newer_attempt_waits_for_the_older_ones_last_write() {
    let mut relay = with_lane(&[]);
    relay.hello(2, A, false, Some(1));
    relay.opened(1, 0, 1);
    relay.data(1, 1000);
    relay.message(2, begin(0, 2, PART_BYTES));
    assert!(matches!(
        relay.requests()[..],
        [StorageRequest::EndAttempt {
            attempt: Attempt(1),
            ..
        }]
    ));
    assert_eq!(relay.data(2, 1000), Route::Hold);
    assert_eq!(relay.data(1, 1000), Route::Discard);
    relay.answer(Ok(StorageAnswer::Done));
    assert!(matches!(
        relay.requests()[..],
        [StorageRequest::OpenAttempt {
            attempt: Attempt(2),
            ..
        }]
    ));
    relay.answer(Ok(StorageAnswer::Done));
    assert!(matches!(
        relay.data(2, 1000),
        Route::Write {
            offset: 0,
            attempt: Attempt(2),
            ..
        }
    ));
}

#[test]
fn s2_a_lane_that_ends_ends_its_attempt() {
    let mut relay = with_lane(&[]);
    relay.opened(1, 0, 1);
    relay.event(RelayEvent::LaneClosed { lane: LaneId(1) });
    assert!(matches!(
        relay.requests()[..],
        [StorageRequest::EndAttempt { .. }]
    ));
}

#[test]
fn an_attempt_that_becomes_durable_first_stops_the_newer_one() {
    let mut relay = with_lane(&[]);
    relay.hello(2, A, false, Some(1));
    relay.opened(1, 0, 1);
    relay.data(1, PART_BYTES as usize);
    relay.message(2, begin(0, 2, PART_BYTES));
    relay.answer(durable());
    let heard = relay.heard(2);
    assert!(heard.iter().any(|m| matches!(
        m,
        RelayMessage::StopPart {
            code: Code::PartDurable,
            ..
        }
    )));
    assert!(heard.iter().any(|m| matches!(
        m,
        RelayMessage::Durable {
            attempt: Attempt(1),
            ..
        }
    )));
    assert_eq!(relay.data(2, 1000), Route::Discard);
}

#[test]
fn a_durable_part_is_immutable_and_its_pairs_are_told() {
    let mut relay = with_lane(&[0]);
    relay.message(1, begin(0, 7, PART_BYTES));
    assert_eq!(relay.data(1, 1000), Route::Discard);
    let (epoch, attempt, pairs) = (Epoch(1), Attempt(3), vec![PAIR; 2]);
    relay.answer(Ok(StorageAnswer::Pairs {
        epoch,
        attempt,
        pairs,
    }));
    let heard = relay.heard(1);
    assert!(heard.iter().any(|m| matches!(
        m,
        RelayMessage::StopPart {
            code: Code::PartDurable,
            ..
        }
    )));
    assert!(heard.iter().any(|m| matches!(
        m,
        RelayMessage::Durable {
            attempt: Attempt(3),
            ..
        }
    )));
}

#[test]
fn an_old_attempt_is_refused() {
    let mut relay = with_lane(&[]);
    relay.hello(2, A, false, Some(1));
    relay.opened(1, 0, 5);
    relay.heard(2);
    relay.message(2, begin(0, 5, PART_BYTES));
    assert!(matches!(
        relay.heard(2)[..],
        [RelayMessage::StopPart {
            code: Code::OldAttempt,
            ..
        }]
    ));
    assert!(
        matches!(relay.data(1, 10), Route::Write { .. }),
        "the newer one goes on"
    );
}

#[test]
fn c3_the_last_part_waits_for_all_others() {
    let last = body_bytes(2_200_000 / 64 * 64).expect("a length") - 2 * PART_BYTES;
    let mut relay = with_lane(&[0]);
    relay.message(1, begin(2, 1, last));
    assert!(matches!(
        relay.heard(1)[..],
        [RelayMessage::StopPart {
            code: Code::LastPartEarly,
            ..
        }]
    ));
    let mut relay = with_lane(&[0, 1]);
    relay.message(1, begin(2, 1, last));
    assert!(matches!(
        relay.requests()[..],
        [StorageRequest::OpenAttempt { .. }]
    ));
}

#[test]
fn c3_a_lost_part_takes_the_last_one_with_it() {
    let mut relay = with_lane(&[0, 1, 2]);
    relay.message(1, ClientMessage::CommitFile { file: FILE });
    relay.answer(Err(StorageError::PartsLost(vec![PartNumber(1)])));
    let lost = |part| RelayMessage::PartLost {
        file: FILE,
        part: PartNumber(part),
    };
    assert_eq!(relay.heard(1), [lost(1), lost(2)]);
    relay.message(1, ClientMessage::CommitFile { file: FILE });
    assert!(matches!(
        relay.heard(1)[..],
        [RelayMessage::Refused {
            code: Code::NotComplete,
            ..
        }]
    ));
}

#[test]
fn s5_no_part_is_accepted_while_its_file_is_committed() {
    let mut relay = with_lane(&[0, 1, 2]);
    relay.hello(2, A, false, Some(1));
    relay.message(1, ClientMessage::CommitFile { file: FILE });
    relay.message(2, ClientMessage::CommitFile { file: FILE });
    assert_eq!(relay.requests().len(), 1, "twice is the same as once");
    relay.message(1, begin(0, 9, PART_BYTES));
    relay.answer(Ok(StorageAnswer::Done));
    assert!(
        relay
            .heard(1)
            .contains(&RelayMessage::FileCommitted { file: FILE })
    );
    assert!(
        relay
            .heard(2)
            .contains(&RelayMessage::FileCommitted { file: FILE })
    );
}

#[test]
fn f3_the_same_bytes_get_the_same_answer_and_others_a_conflict() {
    let mut relay = with_lane(&[]);
    let create = |keyring: &[u8]| {
        ClientMessage::Create(Create {
            keyring: keyring.into(),
            draft: b"draft".into(),
            expires_in_s: None,
        })
    };
    relay.message(1, create(b"keyring"));
    assert_eq!(
        relay.heard(1),
        [RelayMessage::Created {
            keyring_sha256: sha256(b"keyring")
        }]
    );
    relay.message(1, create(b"another"));
    assert!(matches!(
        relay.heard(1)[..],
        [RelayMessage::Refused {
            code: Code::Conflict,
            ..
        }]
    ));
    let add = |head: &[u8]| ClientMessage::AddFile {
        file: FILE,
        role: Role::Content,
        head: head.into(),
    };
    relay.message(1, add(b"head"));
    assert!(matches!(
        relay.heard(1)[..],
        [RelayMessage::FileAdded { part_count: 3, .. }]
    ));
    relay.message(1, add(b"other"));
    assert!(matches!(
        relay.heard(1)[..],
        [RelayMessage::Refused {
            code: Code::Conflict,
            ..
        }]
    ));
    assert!(relay.asked.is_empty(), "nothing was stored");
}

#[test]
fn l5_another_client_needs_a_person() {
    let mut relay = with_lane(&[]);
    relay.hello(2, B, false, None);
    assert!(matches!(
        relay.heard(2)[..],
        [RelayMessage::Refused {
            code: Code::SessionBusy,
            ..
        }]
    ));
    assert_eq!(relay.closed, [LaneId(2)]);
}

#[test]
fn l5_a_takeover_ends_the_first_client_and_its_attempts() {
    let mut relay = with_lane(&[]);
    relay.opened(1, 0, 1);
    relay.heard(1);
    relay.hello(2, B, true, None);
    let claim = StorageRequest::ClaimEpoch {
        epoch: Epoch(2),
        client_id: B,
    };
    assert_eq!(relay.requests(), [&claim]);
    assert!(relay.heard(2).is_empty(), "not before it is recorded");
    relay.answer(Ok(StorageAnswer::Done));
    assert!(relay.heard(1).contains(&RelayMessage::Superseded {}));
    assert_eq!(relay.closed, [LaneId(1)]);
    assert!(matches!(relay.heard(2)[..], [RelayMessage::Welcome(ref w)] if w.epoch == Epoch(2)));
    assert!(matches!(
        relay.requests()[..],
        [StorageRequest::EndAttempt {
            epoch: Epoch(1),
            ..
        }]
    ));
    assert_eq!(relay.data(1, 1000), Route::Discard);
}

#[test]
fn l5_a_client_that_slept_through_a_takeover_learns_of_it() {
    let mut relay = with_lane(&[]);
    relay.event(RelayEvent::LaneClosed { lane: LaneId(1) });
    relay.hello(2, B, true, None);
    relay.answer(Ok(StorageAnswer::Done));
    relay.event(RelayEvent::LaneClosed { lane: LaneId(2) });
    relay.now += Duration::from_secs(3600);
    relay.hello(3, A, false, Some(1));
    assert_eq!(relay.heard(3), [RelayMessage::Superseded {}]);
    assert!(relay.asked.is_empty(), "the epoch stays");
}

#[test]
fn l5_a_session_without_lanes_is_kept_for_a_minute() {
    let mut relay = with_lane(&[]);
    relay.event(RelayEvent::LaneClosed { lane: LaneId(1) });
    relay.now += Duration::from_secs(59);
    relay.hello(2, B, false, None);
    assert!(matches!(
        relay.heard(2)[..],
        [RelayMessage::Refused {
            code: Code::SessionBusy,
            ..
        }]
    ));
    assert!(!relay.session.is_idle(relay.now));
    relay.now += Duration::from_secs(2);
    assert!(relay.session.is_idle(relay.now));
    relay.hello(3, B, false, None);
    assert!(matches!(
        relay.requests()[..],
        [StorageRequest::ClaimEpoch {
            epoch: Epoch(2),
            ..
        }]
    ));
}

#[test]
fn a_slow_disk_is_not_a_dead_lane() {
    let mut relay = with_lane(&[]);
    relay.opened(1, 0, 1);
    relay.data(1, PART_BYTES as usize);
    relay.heard(1);
    for _ in 0..30 {
        relay.now += Duration::from_secs(1);
        relay.event(RelayEvent::Wake);
        assert_eq!(relay.heard(1), [RelayMessage::Pong {}]);
    }
}

#[test]
fn progress_is_reported_by_time_and_by_amount() {
    let mut relay = with_lane(&[]);
    relay.opened(1, 0, 1);
    relay.heard(1);
    relay.data(1, 1000);
    assert!(relay.heard(1).is_empty());
    let wake = relay.session.next_wake().expect("a report is due");
    assert_eq!(wake, Duration::from_millis(250));
    relay.now = wake;
    relay.event(RelayEvent::Wake);
    assert!(matches!(
        relay.heard(1)[..],
        [RelayMessage::Received { bytes: 1000, .. }]
    ));
}

#[track_caller]
fn violates(durable: &[u32], violate: fn(&mut Relay)) {
    let mut relay = with_lane(durable);
    violate(&mut relay);
    assert_eq!(relay.closed, [LaneId(1)]);
}

#[test]
fn protocol_violations_close_the_lane() {
    // Data without a part, and more of it than the part has.
    violates(&[], |relay| assert_eq!(relay.data(1, 1), Route::Violation));
    violates(&[], |relay| {
        relay.opened(1, 0, 1);
        assert_eq!(relay.data(1, PART_BYTES as usize + 1), Route::Violation);
    });
    // A part inside a part.
    violates(&[], |relay| {
        relay.opened(1, 0, 1);
        relay.message(1, begin(1, 1, PART_BYTES));
    });
    // More questions than storage can answer.
    violates(&[0], |relay| {
        for _ in 0..300 {
            relay.message(
                1,
                ClientMessage::GetPairs {
                    file: FILE,
                    part: PartNumber(0),
                },
            );
        }
    });
}

#[test]
fn a_wrong_length_or_an_unknown_file_is_refused() {
    let mut relay = with_lane(&[]);
    relay.message(1, begin(0, 1, PART_BYTES - 1));
    relay.message(
        1,
        ClientMessage::CancelPart {
            file: FILE,
            part: PartNumber(0),
            attempt: Attempt(1),
        },
    );
    relay.message(1, begin(9, 1, PART_BYTES));
    let heard = relay.heard(1);
    let refused = |m: &RelayMessage| {
        matches!(
            m,
            RelayMessage::StopPart {
                code: Code::BadLength,
                ..
            }
        )
    };
    assert_eq!(heard.iter().filter(|m| refused(m)).count(), 2);
    assert!(relay.asked.is_empty());
}

#[test]
fn a_draining_relay_begins_nothing() {
    let mut relay = with_lane(&[]);
    relay.opened(1, 0, 1);
    relay.event(RelayEvent::Drain);
    assert!(relay.heard(1).contains(&RelayMessage::Draining {}));
    assert!(!relay.session.is_quiet());
    relay.data(1, PART_BYTES as usize);
    relay.answer(durable());
    assert!(relay.session.is_quiet());
    relay.heard(1);
    relay.message(1, begin(1, 1, PART_BYTES));
    assert!(matches!(
        relay.heard(1)[..],
        [RelayMessage::StopPart {
            code: Code::Draining,
            ..
        }]
    ));
    relay.hello(2, A, false, Some(1));
    assert!(matches!(
        relay.heard(2)[..],
        [RelayMessage::Refused {
            code: Code::Draining,
            ..
        }]
    ));
}

#[test]
fn more_files_or_lanes_than_allowed_are_refused() {
    let mut relay = with_lane(&[]);
    for number in 0..4 {
        let file = FileId([number; 32]);
        relay.message(
            1,
            ClientMessage::AddFile {
                file,
                role: Role::Content,
                head: vec![number],
            },
        );
    }
    assert_eq!(relay.requests().len(), 2);
    assert!(relay.heard(1).iter().all(|m| matches!(
        m,
        RelayMessage::Refused {
            code: Code::TooManyFiles,
            ..
        }
    )));
    for lane in 2..=5 {
        relay.hello(lane, A, false, Some(1));
    }
    assert!(matches!(
        relay.heard(5)[..],
        [RelayMessage::Refused {
            code: Code::TooManyLanes,
            ..
        }]
    ));
    // A lane that has been silent for long makes room.
    relay.now += Duration::from_secs(20);
    relay.hello(6, A, false, Some(1));
    assert!(matches!(relay.heard(6)[..], [RelayMessage::Welcome(_)]));
}

#[test]
fn a_package_is_bound_to_its_client_when_it_is_created() {
    let mut absent = snapshot(&[]);
    (absent.state, absent.client_id, absent.epoch, absent.files) =
        (PackageState::Absent, None, Epoch(0), vec![]);
    let mut relay = relay(absent);
    relay.hello(1, A, false, None);
    assert!(
        matches!(relay.heard(1)[..], [RelayMessage::Welcome(ref w)] if w.state == PackageState::Absent)
    );
    let create = Create {
        keyring: b"k".into(),
        draft: b"d".into(),
        expires_in_s: None,
    };
    relay.message(1, ClientMessage::Create(create.clone()));
    let expected = StorageRequest::Create {
        create,
        epoch: Epoch(1),
        client_id: A,
    };
    assert_eq!(relay.requests(), [&expected]);
    relay.answer(Err(StorageError::Code(Code::KdfTooWeak)));
    assert!(matches!(
        relay.heard(1)[..],
        [RelayMessage::Refused {
            code: Code::KdfTooWeak,
            ..
        }]
    ));
}

#[test]
fn an_aborted_package_is_gone_for_every_request() {
    let mut relay = with_lane(&[0]);
    relay.opened(1, 1, 1);
    relay.message(1, ClientMessage::Abort {});
    assert!(matches!(
        relay.requests()[..],
        [StorageRequest::EndAttempt { .. }, StorageRequest::Abort]
    ));
    relay.heard(1);
    relay.message(1, ClientMessage::CommitFile { file: FILE });
    assert!(matches!(
        relay.heard(1)[..],
        [RelayMessage::Refused {
            code: Code::NotFound,
            ..
        }]
    ));
    relay.answer(Ok(StorageAnswer::Done));
    relay.answer(Ok(StorageAnswer::Done));
    assert!(relay.heard(1).contains(&RelayMessage::Aborted {}));
}

#[test]
fn an_abort_ends_attempts_that_wait_too() {
    let mut relay = with_lane(&[]);
    relay.hello(2, A, false, Some(1));
    relay.opened(1, 0, 1);
    relay.message(2, begin(0, 2, PART_BYTES));
    assert_eq!(relay.data(2, 1000), Route::Hold);
    relay.message(1, ClientMessage::Abort {});
    assert!(relay.ready.contains(&LaneId(2)), "its lane goes on");
    assert_eq!(relay.data(2, 1000), Route::Discard);
    while !relay.asked.is_empty() {
        relay.answer(Ok(StorageAnswer::Done));
    }
    assert!(relay.session.is_quiet());
}

#[test]
fn f3_a_file_that_is_being_added_is_not_joined_under_another_role() {
    let mut relay = with_lane(&[]);
    let add = |role| ClientMessage::AddFile {
        file: FileId([7; 32]),
        role,
        head: b"another".to_vec(),
    };
    relay.message(1, add(Role::Content));
    relay.message(1, add(Role::Content));
    assert_eq!(relay.requests().len(), 1);
    relay.message(1, add(Role::Manifest));
    assert!(matches!(
        relay.heard(1)[..],
        [RelayMessage::Refused {
            code: Code::Conflict,
            ..
        }]
    ));
}
