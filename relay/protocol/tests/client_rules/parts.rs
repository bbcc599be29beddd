//! Parts: lost, stopped, sealed again, compared (rules C1 to C3).

use std::time::Duration;

use sealift_protocol::message::{ClientMessage, Pairs, RelayMessage, Role, Stored, sha256};
use sealift_protocol::part_plan::body_bytes;
use sealift_protocol::session::{
    ClientAction, ClientEvent, PartFailure, SendPart, UserEvent, Verdict,
};
use sealift_protocol::{Attempt, Code, Epoch, PartNumber};

use crate::client::{Client, FILE, PART_BYTES, WEBSOCKET, client, pairs};

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
