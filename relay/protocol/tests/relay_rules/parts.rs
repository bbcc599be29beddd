//! Attempts and parts: recorded, ended, durable (rules S1, S2, S5, C3).

use sealift_protocol::message::{ClientMessage, RelayMessage};
use sealift_protocol::part_plan::body_bytes;
use sealift_protocol::session::{RelayEvent, Route, StorageAnswer, StorageError, StorageRequest};
use sealift_protocol::{Attempt, Code, Epoch, LaneId, PartNumber};

use crate::relay::{A, FILE, PAIR, PART_BYTES, begin, durable, with_lane};

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
fn an_upload_that_storage_forgot_is_told_while_parts_are_sent() {
    let mut relay = with_lane(&[0]);
    relay.opened(1, 1, 1);
    relay.data(1, PART_BYTES as usize);
    let all = (0..3).map(PartNumber).collect();
    relay.answer(Err(StorageError::PartsLost(all)));
    let heard = relay.heard(1);
    for part in 0..3 {
        let lost = RelayMessage::PartLost {
            file: FILE,
            part: PartNumber(part),
        };
        assert!(heard.contains(&lost), "{heard:?}");
    }
    assert!(heard.iter().any(|message| matches!(
        message,
        RelayMessage::StopPart {
            code: Code::UploadGone,
            ..
        }
    )));
    relay.answer(Ok(StorageAnswer::Done));
    // What was durable is taken again.
    relay.message(1, begin(0, 2, PART_BYTES));
    assert!(matches!(
        relay.requests()[..],
        [StorageRequest::OpenAttempt {
            part: PartNumber(0),
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
