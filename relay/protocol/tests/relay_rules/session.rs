//! Who may have the session, what is refused, and what is said on its lanes.

use std::time::Duration;

use sealift_protocol::message::{ClientMessage, Create, PackageState, RelayMessage, Role, sha256};
use sealift_protocol::session::{RelayEvent, Route, StorageAnswer, StorageError, StorageRequest};
use sealift_protocol::{Attempt, Code, Epoch, FileId, LaneId, PartNumber};

use crate::relay::{A, B, FILE, PART_BYTES, Relay, begin, durable, relay, snapshot, with_lane};

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
