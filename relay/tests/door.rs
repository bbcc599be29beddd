//! The door: what is not sealed as policy asks is refused at every row of the route table that stores something,
//! over every transport, and counted by reason.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test stops at the first surprise

mod support;

use reqwest::Method;
use sealift_config::{ProtectionMode, Secret};
use sealift_protocol::format::{KdfCost, Role, checksum};
use sealift_protocol::message::{ClientMessage, Create, RelayMessage, Transport, sha256};
use sealift_protocol::{Code, FileId, PackageId};
use sealift_relay::{Route, routes};
use support::client::{Client, hello, send_package, websocket, webtransport};
use support::sealed::{Sealed, SealedFile};
use support::{TestRelay, bearer, code};

const PLAINTEXT: &[u8] =
    b"Minutes of the board, strictly confidential, in plain text as an editor would save it.";

/// A relay that asks for passwords, and tells what it counts to whoever has the token.
async fn strict() -> TestRelay {
    TestRelay::with(|config| {
        config.settings.open_uploads = true;
        config.settings.protection = ProtectionMode::Required;
        config.settings.metrics_token = Secret::new("counting");
    })
    .await
}

/// Keyrings that must not get in, each with its code. `before`: the one that they follow, or none.
fn bad_keyrings(sealed: &mut Sealed, before: Option<&[u8]>) -> Vec<(Vec<u8>, Code)> {
    let follow = |sealed: &mut Sealed, slots: &[Vec<u8>]| match before {
        Some(before) => sealed.keyring_after(before, slots),
        None => sealed.keyring_with(1, [0; 32], slots),
    };
    let password = sealed.password_slot(KdfCost::DEFAULT);
    let (link, unknown) = (sealed.link_slot(), sealed.unknown_slot());
    let cost = |memory_kib, passes| KdfCost {
        memory_kib,
        passes,
        parallelism: 1,
    };
    let weak = sealed.password_slot(cost(45 << 10, 1));
    let weak_too = sealed.password_slot(cost(63 << 10, 3));
    let bomb = sealed.password_slot(cost(4 << 20, 1));
    let good = follow(sealed, std::slice::from_ref(&password));
    let mut damaged = good.clone();
    damaged[90] ^= 1;
    let mut other = Sealed::new(999);
    let foreign = match before {
        Some(before) => other.keyring_after(before, std::slice::from_ref(&password)),
        None => other.keyring.clone(),
    };
    let not_sealed = Code::ContentProtectionRequired;
    vec![
        (PLAINTEXT.to_vec(), not_sealed),
        (Vec::new(), not_sealed),
        (vec![0; 4096], not_sealed),
        (good[..good.len() / 2].to_vec(), not_sealed),
        (good[..good.len() - 1].to_vec(), not_sealed),
        ([&good[..], PLAINTEXT].concat(), not_sealed),
        (damaged, not_sealed),
        (foreign, Code::PackageMismatch),
        (
            follow(sealed, std::slice::from_ref(&link)),
            Code::PasswordRequired,
        ),
        (
            follow(sealed, std::slice::from_ref(&unknown)),
            Code::PasswordRequired,
        ),
        (
            follow(sealed, &[password.clone(), link]),
            Code::PasswordRequired,
        ),
        (follow(sealed, &[password, unknown]), Code::PasswordRequired),
        (follow(sealed, &[weak]), Code::KdfTooWeak),
        (follow(sealed, &[weak_too]), Code::KdfTooWeak),
        (follow(sealed, &[bomb]), Code::KdfTooExpensive),
    ]
}

fn bad_drafts(sealed: &Sealed) -> Vec<(Vec<u8>, Code)> {
    let not_sealed = Code::ContentProtectionRequired;
    vec![
        (PLAINTEXT.to_vec(), not_sealed),
        (Vec::new(), not_sealed),
        (sealed.draft[..sealed.draft.len() - 1].to_vec(), not_sealed),
        (Sealed::new(998).draft, Code::PackageMismatch),
    ]
}

fn bad_heads(sealed: &mut Sealed, good: &SealedFile) -> Vec<(Vec<u8>, Code)> {
    let mut unpadded = good.head.clone();
    unpadded[24..32].copy_from_slice(&8191u64.to_be_bytes());
    let end = unpadded.len() - 16;
    let sum = checksum(&unpadded[..end]);
    unpadded[end..].copy_from_slice(&sum);
    let mut head = |role, geometry, id, package| sealed.head(role, geometry, id, package);
    let whole = Some(good.geometry);
    let not_sealed = Code::ContentProtectionRequired;
    vec![
        (PLAINTEXT.to_vec(), not_sealed),
        (Vec::new(), not_sealed),
        (good.head[..good.head.len() / 2].to_vec(), not_sealed),
        ([&good.head[..], b"x"].concat(), not_sealed),
        (unpadded, Code::BadPadding),
        (
            head(Role::File, whole, good.id, PackageId([7; 16])),
            Code::PackageMismatch,
        ),
        (
            head(Role::File, whole, FileId([7; 32]), PackageId([7; 16])),
            Code::PackageMismatch,
        ),
    ]
}

/// Bodies of the right length that are no sealed segments, or only at their start.
fn bad_bodies(good: &SealedFile) -> Vec<Vec<u8>> {
    let plaintext: Vec<u8> = PLAINTEXT
        .iter()
        .copied()
        .cycle()
        .take(good.body.len())
        .collect();
    let second = good.geometry.segment_offset(1) as usize;
    let seal = good.geometry.seal_offset() as usize;
    let mut half = good.body.clone();
    half[second..].copy_from_slice(&plaintext[second..]);
    let mut unsealed = good.body.clone();
    unsealed[seal..].copy_from_slice(&plaintext[seal..]);
    let mut shifted = good.body.clone();
    shifted.rotate_right(1);
    vec![plaintext, half, unsealed, vec![0; good.body.len()], shifted]
}

/// Throws everything at a lane; answers how much was refused.
async fn attack_lane(relay: &TestRelay, transport: Transport, seed: u64, what: &[&str]) -> usize {
    let mut client = match transport {
        Transport::WebSocket => websocket(relay, &[]).await.unwrap(),
        Transport::WebTransport => webtransport(relay, None).await.unwrap(),
    };
    let mut sealed = Sealed::new(seed);
    let mut hello = hello(&sealed, 1);
    hello.transport = transport;
    client.enter(hello).await.unwrap();
    let mut refused = 0;
    for what in what {
        match *what {
            "keyring" => {
                for (keyring, code) in bad_keyrings(&mut sealed, None) {
                    let draft = sealed.draft.clone();
                    refused += create(&mut client, keyring, draft, code).await;
                }
            }
            "draft" => {
                for (draft, code) in bad_drafts(&sealed) {
                    let keyring = sealed.keyring.clone();
                    refused += create(&mut client, keyring, draft, code).await;
                }
                client.create(&sealed).await;
            }
            "head" => {
                let good = sealed.file(Role::File, 8192);
                for (head, code) in bad_heads(&mut sealed, &good) {
                    let bad = SealedFile {
                        head,
                        ..good.clone()
                    };
                    assert_eq!(client.add(&bad).await.unwrap_err(), code);
                    refused += 1;
                }
                let open = sealed.head(Role::File, None, good.id, sealed.package);
                let open = SealedFile { head: open, ..good };
                assert_eq!(
                    client.add(&open).await.unwrap_err(),
                    Code::OpenLengthRefused
                );
                refused += 1;
            }
            "content" => {
                let good = sealed.file(Role::File, 1 << 20);
                let plan = client.add(&good).await.unwrap();
                for (attempt, body) in bad_bodies(&good).into_iter().enumerate() {
                    let bad = SealedFile {
                        body,
                        ..good.clone()
                    };
                    let attempt = attempt as u32 + 1;
                    client.part(&bad, plan, 0, attempt).await;
                    assert_eq!(client.stopped(attempt).await, Code::BadFraming);
                    refused += 1;
                }
                client
                    .send(ClientMessage::CommitFile { file: good.id })
                    .await;
                assert_eq!(client.refusal().await, Code::NotComplete);
            }
            other => panic!("a new thing to store: teach this test what a bad {other} is"),
        }
    }
    let folder = relay.data().join(format!("docroot/{}", sealed.package));
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let bytes = std::fs::read(entry.path()).unwrap();
        let plain = bytes.windows(20).any(|window| window == &PLAINTEXT[..20]);
        assert!(!plain, "plaintext in {:?}", entry.file_name());
    }
    refused
}

async fn create(client: &mut Client, keyring: Vec<u8>, draft: Vec<u8>, code: Code) -> usize {
    let create = Create {
        keyring,
        draft,
        expires_in_s: None,
    };
    client.send(ClientMessage::Create(create)).await;
    let text = client
        .wait(|message| match message {
            RelayMessage::Refused {
                code: said, text, ..
            } => Some((*said, text.clone())),
            RelayMessage::Created { .. } => panic!("it got in; it should be {code}"),
            _ => None,
        })
        .await;
    assert_eq!(text.0, code);
    if matches!(
        code,
        Code::ContentProtectionRequired | Code::PasswordRequired
    ) {
        assert!(
            text.1.starts_with("Server requires content protection"),
            "{}",
            text.1
        );
    }
    1
}

/// Throws everything at a finished package's keyring.
async fn attack_put(relay: &TestRelay, seed: u64) -> usize {
    let mut sealed = Sealed::new(seed);
    let mut client = Client::welcome(relay, &sealed).await;
    send_package(&mut client, &mut sealed, 8192).await;
    let before = sealed.keyring.clone();
    let tag = format!(
        "\"1-{}\"",
        data_encoding::HEXLOWER.encode(&sha256(&before).0)
    );
    let mut refused = 0;
    for (keyring, expected) in bad_keyrings(&mut sealed, Some(&before)) {
        let (status, _, body) = relay.rekey(&sealed, &tag, keyring).await;
        assert_eq!((status, &*code(&body)), (422, expected.as_str()));
        refused += 1;
    }
    let path = format!("/api/packages/{}/keyring", sealed.package);
    assert_eq!(
        relay.get(&path).await.2,
        before,
        "the one before is still there"
    );
    refused
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_nothing_unsealed_gets_in_at_any_row_that_writes_over_any_transport() {
    let relay = strict().await;
    let mut refused = 0;
    for (seed, route) in routes()
        .into_iter()
        .enumerate()
        .filter(|(_, route)| !route.writes.is_empty())
    {
        let seed = seed as u64 + 1;
        refused += match (route.over, route.method, route.path) {
            ("websocket", "GET", "/lane") => {
                attack_lane(&relay, Transport::WebSocket, seed, route.writes).await
            }
            ("webtransport", "CONNECT", "/lane") => {
                attack_lane(&relay, Transport::WebTransport, seed, route.writes).await
            }
            ("http", "PUT", "/api/packages/{package}/keyring") => attack_put(&relay, seed).await,
            _ => panic!("a new way in: teach this test to attack it: {route}"),
        };
    }
    assert_eq!(
        relay
            .number("SELECT count(*) FROM parts WHERE durable = 1")
            .await,
        0
    );
    // Every refusal was counted, by what it was and why; no id of anything is in the text.
    let (status, _, text) = relay
        .get_with("/metrics", &[("authorization", "Bearer counting")])
        .await;
    assert_eq!(status, 200);
    let text = String::from_utf8(text).unwrap();
    let counted: usize = text
        .lines()
        .filter(|line| line.starts_with("sealift_door_refusals_total{"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap())
        .sum();
    assert_eq!(counted, refused, "{text}");
    for (what, reason) in [
        ("keyring", "not_sealed"),
        ("keyring", "password_required"),
        ("keyring", "kdf_too_weak"),
        ("head", "bad_padding"),
        ("head", "open_length_refused"),
        ("content", "damaged_content"),
    ] {
        let line = format!("sealift_door_refusals_total{{what=\"{what}\",reason=\"{reason}\"}}");
        assert!(text.contains(&line), "{line} in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_takes_a_body_that_the_table_does_not_name() {
    let relay = strict().await;
    let mut sealed = Sealed::new(50);
    let mut client = Client::welcome(&relay, &sealed).await;
    let (file, _) = send_package(&mut client, &mut sealed, 8192).await;
    let owner = bearer(&sealed.owner.0);
    let before = relay.number("SELECT count(*) FROM files").await;
    let table = routes();
    let taken = |method: &str, route: &Route| {
        table
            .iter()
            .any(|other| other.method == method && other.path == route.path)
    };
    for route in &table {
        let path = route
            .path
            .replace("{package}", &sealed.package.to_string())
            .replace("{file}", &file.id.to_string())
            .replace("{*path}", "x");
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            if taken(method, route) {
                continue;
            }
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let (status, ..) = relay
                .request_with(
                    method.clone(),
                    &path,
                    &[("authorization", &owner)],
                    PLAINTEXT,
                )
                .await;
            assert!([404, 405].contains(&status), "{method} {path}: {status}");
        }
    }
    let (status, ..) = relay
        .request_with(
            Method::PUT,
            "/api/files/x",
            &[("authorization", &owner)],
            PLAINTEXT,
        )
        .await;
    assert_eq!(status, 404);
    assert_eq!(relay.number("SELECT count(*) FROM files").await, before);
}
