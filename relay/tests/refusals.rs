//! What the relay does not take: everything that is not a sealed file in its exact form, on every lane.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test stops at the first surprise

mod support;

use sealift_config::ProtectionMode;
use sealift_protocol::format::{Geometry, Role};
use sealift_protocol::frame::{control_frame, data_header};
use sealift_protocol::message::{ClientMessage, Create, RelayMessage};
use sealift_protocol::{Attempt, Code, FileId, PackageId, PartNumber};
use support::TestRelay;
use support::client::{Client, hello, websocket, webtransport};
use support::sealed::{Sealed, SealedFile};

/// A lane into a new package.
async fn lane(relay: &TestRelay, seed: u64) -> (Client, Sealed) {
    let sealed = Sealed::new(seed);
    let mut client = Client::welcome(relay, &sealed).await;
    client.create(&sealed).await;
    (client, sealed)
}

#[tokio::test(flavor = "multi_thread")]
async fn f1_f6_heads_that_are_not_for_a_relay_are_refused() {
    let relay = TestRelay::open().await;
    let (mut client, mut sealed) = lane(&relay, 1).await;
    let good = sealed.file(Role::File, 8192);
    let unpadded = {
        // The same head with one byte less of plaintext, and a right checksum.
        let mut head = good.head.clone();
        head[24..32].copy_from_slice(&8191u64.to_be_bytes());
        let end = head.len() - 16;
        let sum = sealift_protocol::format::checksum(&head[..end]);
        head[end..].copy_from_slice(&sum);
        head
    };
    let open_length = sealed.head(Role::File, None, good.id, sealed.package);
    let other_file = sealed.head(
        Role::File,
        Some(good.geometry),
        FileId([7; 32]),
        sealed.package,
    );
    let other_package = sealed.head(Role::File, Some(good.geometry), good.id, PackageId([7; 16]));
    let mut damaged = good.head.clone();
    damaged[40] ^= 1;
    let manifest = sealed.head(Role::Manifest, Some(good.geometry), good.id, sealed.package);
    for (head, code) in [
        (unpadded, Code::BadPadding),
        (open_length, Code::OpenLengthRefused),
        (other_file, Code::PackageMismatch),
        (other_package, Code::PackageMismatch),
        (damaged, Code::ContentProtectionRequired),
        (manifest, Code::BadHead),
        (b"plain text".to_vec(), Code::ContentProtectionRequired),
        (
            [&good.head[..], b"x"].concat(),
            Code::ContentProtectionRequired,
        ),
    ] {
        let refused = client
            .add(&SealedFile {
                head,
                ..good.clone()
            })
            .await
            .unwrap_err();
        assert_eq!(refused, code);
    }
    client.add(&good).await.unwrap();
    assert_eq!(relay.number("SELECT count(*) FROM files").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn plaintext_and_wrong_framing_never_become_durable() {
    let relay = TestRelay::open().await;
    let (mut client, mut sealed) = lane(&relay, 2).await;
    let good = sealed.file(Role::File, 1 << 20);
    let plan = client.add(&good).await.unwrap();
    let seal = good.geometry.seal_offset() as usize;
    let last = good
        .geometry
        .segment_offset(good.geometry.segment_count() - 1) as usize;
    for (attempt, at) in [0, 524_288, last, seal, seal + 15].into_iter().enumerate() {
        let mut bad = good.clone();
        bad.body[at] ^= 1;
        client.part(&bad, plan, 0, attempt as u32 + 1).await;
        assert_eq!(
            client.stopped(attempt as u32 + 1).await,
            Code::BadFraming,
            "byte {at}"
        );
    }
    let mut plaintext = good.clone();
    plaintext.body.fill(b'a');
    client.part(&plaintext, plan, 0, 10).await;
    assert_eq!(client.stopped(10).await, Code::BadFraming);
    client.passed.clear();
    client.part(&good, plan, 0, 11).await;
    client
        .wait(|message| {
            matches!(
                message,
                RelayMessage::Durable {
                    attempt: Attempt(11),
                    ..
                }
            )
            .then_some(())
        })
        .await;
    client.commit(&good).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keyrings_of_another_package_or_against_policy_are_refused() {
    let relay = TestRelay::with(|config| {
        let settings = &mut config.settings;
        settings.open_uploads = true;
        settings.protection = ProtectionMode::Required;
    })
    .await;
    let mut sealed = Sealed::new(3);
    let mut client = Client::welcome(&relay, &sealed).await;
    let link = sealed.link_keyring();
    let (other, draft) = (Sealed::new(4), sealed.draft.clone());
    let mut damaged = sealed.keyring.clone();
    damaged[100] ^= 1;
    for (keyring, draft, code) in [
        (link, draft.clone(), Code::PasswordRequired),
        (other.keyring, draft.clone(), Code::PackageMismatch),
        (damaged, draft.clone(), Code::ContentProtectionRequired),
        (sealed.keyring.clone(), other.draft, Code::PackageMismatch),
        (b"hello".to_vec(), draft, Code::ContentProtectionRequired),
    ] {
        client
            .send(ClientMessage::Create(Create {
                keyring,
                draft,
                expires_in_s: None,
            }))
            .await;
        assert_eq!(client.refusal().await, code);
    }
    assert_eq!(relay.number("SELECT count(*) FROM packages").await, 0);
    assert!(
        !relay
            .data()
            .join(format!("docroot/{}", sealed.package))
            .exists()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lengths_and_counts_are_checked_before_anything_is_stored() {
    let relay = TestRelay::with(|config| {
        let settings = &mut config.settings;
        settings.open_uploads = true;
        settings.package_bytes_max = 100_000;
    })
    .await;
    let (mut client, mut sealed) = lane(&relay, 5).await;
    let large = sealed.file(Role::File, 131_072);
    assert_eq!(client.add(&large).await.unwrap_err(), Code::TooLarge);
    let small = sealed.file(Role::File, 65_536);
    let plan = client.add(&small).await.unwrap();
    let second = sealed.file(Role::File, 65_536);
    assert_eq!(client.add(&second).await.unwrap_err(), Code::TooLarge);
    let (file, part, attempt, epoch) = (small.id, PartNumber(0), Attempt(1), client.epoch);
    client
        .send(ClientMessage::BeginPart {
            file,
            part,
            attempt,
            epoch,
            length: 5,
        })
        .await;
    assert_eq!(client.durable(&small, 0).await, Err(Code::BadLength));
    let _ = plan;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_before_it_is_full() {
    let relay = TestRelay::with(|config| {
        let settings = &mut config.settings;
        settings.open_uploads = true;
        settings.free_bytes_min = 1 << 60;
    })
    .await;
    let sealed = Sealed::new(6);
    let mut client = Client::welcome(&relay, &sealed).await;
    let (keyring, draft) = (sealed.keyring.clone(), sealed.draft.clone());
    client
        .send(ClientMessage::Create(Create {
            keyring,
            draft,
            expires_in_s: None,
        }))
        .await;
    assert_eq!(client.refusal().await, Code::StorageFull);
    assert!(Code::StorageFull.retryable());
    assert_eq!(relay.get("/readyz").await.0, 503);
    assert_eq!(relay.get("/healthz").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_that_do_not_speak_the_protocol_are_closed() {
    let relay = TestRelay::open().await;
    let sealed = Sealed::new(7);
    let unknown_frame = vec![9, 0, 0, 0, 0, 0, 0, 1, 0];
    let too_long = vec![1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];
    let no_hello = control_frame(&ClientMessage::Ping {}.encode());
    let data_first = [&data_header(1)[..], b"x"].concat();
    for bytes in [
        unknown_frame,
        too_long,
        no_hello,
        data_first,
        control_frame(b"\xff\xff"),
    ] {
        for mut client in [
            websocket(&relay, &[]).await.unwrap(),
            webtransport(&relay, None).await.unwrap(),
        ] {
            client.raw(bytes.clone()).await;
            let answer = client.next().await;
            assert!(
                matches!(
                    answer,
                    Some(RelayMessage::Refused {
                        code: Code::Malformed,
                        ..
                    })
                ),
                "{answer:?}"
            );
            assert!(client.next().await.is_none());
        }
    }
    // After a good hello as well: data without a part, and a second hello.
    for bytes in [
        [&data_header(1)[..], b"x"].concat(),
        control_frame(&ClientMessage::Hello(hello(&sealed, 1)).encode()),
        vec![2, 1, 0, 0, 0, 0, 0, 1, 0],
    ] {
        let mut client = Client::welcome(&relay, &sealed).await;
        client.raw(bytes).await;
        while let Some(answer) = client.next().await {
            assert!(matches!(answer, RelayMessage::Refused { .. }), "{answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f1_a_body_is_exactly_as_long_as_its_head_says() {
    let relay = TestRelay::open().await;
    let (mut client, mut sealed) = lane(&relay, 8).await;
    let file = sealed.file(Role::File, 4096);
    assert_eq!(
        file.body.len() as u64,
        Geometry::new(4096).unwrap().body_bytes()
    );
    let plan = client.add(&file).await.unwrap();
    client.begin(&file, plan, 0, 1).await;
    // One byte more than the part has: the lane breaks the protocol, and nothing is durable.
    client.data(&[&file.body[..], b"x"].concat()).await;
    while client.next().await.is_some() {}
    assert_eq!(
        relay
            .number("SELECT count(*) FROM parts WHERE durable = 1 AND part > 0")
            .await,
        0
    );
    let mut again = Client::welcome(&relay, &sealed).await;
    again.add(&file).await.unwrap();
}
