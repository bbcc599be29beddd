//! Messages survive the wire, newer ones are understood as far as they can be, and hostile ones
//! are refused.

use super::*;
use crate::ids::Pair;

const FILE: FileId = FileId([7; 32]);

fn hello() -> Hello {
    Hello {
        protocol_version: 1,
        protocol_version_min: 1,
        capabilities: Capabilities::OURS,
        client_version: "sealift 0.1.0".into(),
        client_id: ClientId([3; 16]),
        package: PackageId([4; 16]),
        owner_token: OwnerToken([5; 32]),
        grant: Some("a grant".into()),
        takeover: false,
        epoch: Some(Epoch(2)),
        transport: Transport::WebSocket,
    }
}

fn welcome() -> Welcome {
    Welcome {
        protocol_version: 1,
        capabilities: Capabilities::OURS,
        epoch: Epoch(3),
        state: PackageState::Open,
        expires_at: None,
        lanes_max: 8,
    }
}

#[test]
fn every_client_message_comes_back_from_the_wire() {
    let (file, part, attempt) = (FILE, PartNumber(9), Attempt(2));
    let create = Create {
        keyring: vec![1; 300],
        draft: vec![2; 300],
        expires_in_s: Some(60),
    };
    for message in [
        ClientMessage::Hello(hello()),
        ClientMessage::Create(create),
        ClientMessage::AddFile {
            file,
            role: Role::Manifest,
            head: vec![3; 1000],
        },
        ClientMessage::BeginPart {
            file,
            part,
            attempt,
            epoch: Epoch(4),
            length: 1 << 23,
        },
        ClientMessage::CancelPart {
            file,
            part,
            attempt,
        },
        ClientMessage::GetPairs { file, part },
        ClientMessage::CommitFile { file },
        ClientMessage::Finish { manifest: file },
        ClientMessage::Abort {},
        ClientMessage::Ping {},
    ] {
        assert_eq!(
            ClientMessage::decode(&message.encode()).as_ref(),
            Ok(&message)
        );
    }
}

#[test]
fn every_relay_message_comes_back_from_the_wire() {
    let (file, part, attempt, epoch) = (FILE, PartNumber(9), Attempt(2), Epoch(4));
    let hash = Sha256Hash([8; 32]);
    let pair = Pair {
        iv: [1; 12],
        tag: [2; 16],
    };
    let stored = Some(Stored { epoch, attempt });
    for message in [
        RelayMessage::Welcome(welcome()),
        RelayMessage::Created {
            keyring_sha256: hash,
        },
        RelayMessage::FileAdded {
            file,
            head_sha256: hash,
            part_bytes: 8 << 20,
            part_count: 3,
            durable_count: 1,
            committed: false,
        },
        RelayMessage::Received {
            file,
            part,
            attempt,
            bytes: 70_000,
        },
        RelayMessage::Durable {
            file,
            part,
            epoch,
            attempt,
            pairs_sha256: hash,
        },
        RelayMessage::StopPart {
            file,
            part,
            attempt,
            code: Code::OldAttempt,
        },
        RelayMessage::Pairs(Pairs {
            file,
            part,
            stored,
            pairs: vec![pair; 16],
        }),
        RelayMessage::Pairs(Pairs {
            file,
            part,
            stored: None,
            pairs: vec![],
        }),
        RelayMessage::PartLost { file, part },
        RelayMessage::FileCommitted { file },
        RelayMessage::Finished {
            expires_at: 1_800_000_000,
        },
        RelayMessage::Aborted {},
        RelayMessage::Superseded {},
        RelayMessage::refused(Code::SessionBusy, Some(file)),
        RelayMessage::Draining {},
        RelayMessage::Pong {},
    ] {
        assert_eq!(
            RelayMessage::decode(&message.encode()).as_ref(),
            Ok(&message)
        );
    }
}

/// Clients in the field speak these bytes; changing an expectation here is a protocol change.
#[test]
fn the_bytes_on_the_wire_are_these() {
    let ping = ClientMessage::Ping {}.encode();
    assert_eq!(ping, [0x82, 9, 0xa0]);
    let finished = RelayMessage::Finished { expires_at: 5 }.encode();
    assert_eq!(finished, [0x82, 9, 0xa1, 0, 5]);
    let mut cancel = vec![0x82, 4, 0xa3, 0, 0x58, 32];
    cancel.extend([7; 32]);
    cancel.extend([1, 9, 2, 2]);
    let message = ClientMessage::CancelPart {
        file: FILE,
        part: PartNumber(9),
        attempt: Attempt(2),
    };
    assert_eq!(message.encode(), cancel);
}

#[test]
fn a_field_from_a_newer_version_is_ignored() {
    // A finish with a field 77 that holds a text.
    let mut bytes = vec![0x82, 9, 0xa2, 0, 5, 0x18, 77, 0x65];
    bytes.extend(b"later");
    assert_eq!(
        RelayMessage::decode(&bytes),
        Ok(RelayMessage::Finished { expires_at: 5 })
    );
}

#[test]
fn a_message_from_a_newer_version_is_told_from_nonsense() {
    assert_eq!(
        RelayMessage::decode(&[0x82, 0x18, 99, 0xa0]),
        Err(MessageError::UnknownKind)
    );
    assert_eq!(
        RelayMessage::decode(&[0xff, 0, 1]),
        Err(MessageError::Malformed)
    );
    let mut longer = ClientMessage::Ping {}.encode();
    longer.push(0);
    assert_eq!(ClientMessage::decode(&longer), Err(MessageError::Malformed));
}

#[test]
fn fields_above_their_limits_are_refused() {
    let long_head = vec![0; HEAD_BYTES_MAX + 1];
    let mut long_grant = hello();
    long_grant.grant = Some("x".repeat(GRANT_BYTES_MAX + 1));
    let mut long_name = hello();
    long_name.client_version = "x".repeat(TEXT_BYTES_MAX + 1);
    let keyring = vec![0; KEYRING_BYTES_MAX + 1];
    for message in [
        ClientMessage::AddFile {
            file: FILE,
            role: Role::Content,
            head: long_head,
        },
        ClientMessage::Hello(long_grant),
        ClientMessage::Hello(long_name),
        ClientMessage::Create(Create {
            keyring,
            draft: vec![],
            expires_in_s: None,
        }),
    ] {
        assert_eq!(
            ClientMessage::decode(&message.encode()),
            Err(MessageError::TooLong)
        );
    }
}

#[test]
fn the_largest_allowed_messages_fit_a_control_frame() {
    let create = Create {
        keyring: vec![0; KEYRING_BYTES_MAX],
        draft: vec![0; DRAFT_BYTES_MAX],
        expires_in_s: Some(u32::MAX),
    };
    let pairs = vec![
        Pair {
            iv: [0xff; 12],
            tag: [0xff; 16]
        };
        PART_PAIRS_MAX
    ];
    let stored = Some(Stored {
        epoch: Epoch(u64::MAX),
        attempt: Attempt(u32::MAX),
    });
    let part = PartNumber(u32::MAX);
    for length in [
        ClientMessage::Create(create).encode().len(),
        RelayMessage::Pairs(Pairs {
            file: FILE,
            part,
            stored,
            pairs,
        })
        .encode()
        .len(),
    ] {
        assert!(length <= CONTROL_BYTES_MAX, "{length}");
    }
}

#[test]
fn the_newest_common_version_is_spoken() {
    let agreed = |newest, oldest| {
        let mut hello = hello();
        (hello.protocol_version, hello.protocol_version_min) = (newest, oldest);
        Negotiated::from_hello(&hello).map(|agreed| agreed.protocol_version)
    };
    assert_eq!(agreed(1, 1), Ok(1));
    assert_eq!(agreed(7, 1), Ok(1));
    assert_eq!(agreed(7, 2), Err(Code::RelayTooOld));
    assert_eq!(agreed(0, 0), Err(Code::ClientTooOld));
}

#[test]
fn only_shared_capabilities_are_used() {
    let mut hello = hello();
    hello.capabilities = Capabilities(u64::MAX);
    let agreed = Negotiated::from_hello(&hello).expect("a common version");
    assert_eq!(agreed.capabilities, Capabilities::OURS);
    assert!(!Capabilities(2).contain(Capabilities::PART_LOST));
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let text = format!("{:?}", ClientMessage::Hello(hello()));
    assert!(
        !text.contains("a grant") && !text.contains("5, 5"),
        "{text}"
    );
}

/// Every field that a relay can say something in. A new message or field does not compile here:
/// before it is added to this list, it must be clear that it names no recipient, no key and no
/// keyring to seal under. A grant and a sentence may only restrict and explain.
#[test]
fn k4_no_message_of_a_relay_has_room_for_a_recipient() {
    fn look_at(message: RelayMessage) {
        match message {
            RelayMessage::Welcome(Welcome {
                protocol_version: _,
                capabilities: _,
                epoch: _,
                state: _,
                expires_at: _,
                lanes_max: _,
            })
            | RelayMessage::Created { keyring_sha256: _ }
            | RelayMessage::FileAdded {
                file: _,
                head_sha256: _,
                part_bytes: _,
                part_count: _,
                durable_count: _,
                committed: _,
            }
            | RelayMessage::Received {
                file: _,
                part: _,
                attempt: _,
                bytes: _,
            }
            | RelayMessage::Durable {
                file: _,
                part: _,
                epoch: _,
                attempt: _,
                pairs_sha256: _,
            }
            | RelayMessage::StopPart {
                file: _,
                part: _,
                attempt: _,
                code: _,
            }
            | RelayMessage::Pairs(Pairs {
                file: _,
                part: _,
                stored: _,
                pairs: _,
            })
            | RelayMessage::PartLost { file: _, part: _ }
            | RelayMessage::FileCommitted { file: _ }
            | RelayMessage::Finished { expires_at: _ }
            | RelayMessage::Refused {
                code: _,
                text: _,
                about: _,
            }
            | RelayMessage::Aborted {}
            | RelayMessage::Superseded {}
            | RelayMessage::Draining {}
            | RelayMessage::Pong {} => {}
        }
    }
    look_at(RelayMessage::Welcome(welcome()));
    // What stands in a field that nobody knows is not kept.
    let mut bytes = RelayMessage::Created {
        keyring_sha256: sha256(b"k"),
    }
    .encode();
    let map = bytes
        .iter()
        .position(|byte| *byte == 0xa1)
        .expect("a map of one field");
    bytes[map] = 0xa2;
    bytes.extend([0x18, 99, 0x43, 1, 2, 3]);
    let known = RelayMessage::decode(&bytes).expect("an unknown field is passed over");
    assert_eq!(
        known,
        RelayMessage::Created {
            keyring_sha256: sha256(b"k")
        }
    );
}
