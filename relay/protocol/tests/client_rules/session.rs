//! The session: who holds it, how it ends, what it believes.

use std::time::Duration;

use sealift_protocol::message::{ClientMessage, RelayMessage, Role, pairs_sha256, sha256};
use sealift_protocol::part_plan::body_bytes;
use sealift_protocol::session::{ClientAction, ClientEvent, UserEvent, UserState};
use sealift_protocol::{Attempt, Code, Epoch, LaneId, PartNumber};

use crate::client::{Client, FILE, WEBSOCKET, client, pairs, welcome};

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
