//! Sending over real lanes of both kinds, and fetching over HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test stops at the first surprise

mod support;

use sealift_protocol::format::{Role, padded_bytes};
use sealift_protocol::message::{ClientMessage, Create, PackageState, RelayMessage};
use sealift_protocol::{Code, PartNumber};
use support::TestRelay;
use support::client::{Client, hello, send_package, websocket, webtransport};
use support::sealed::Sealed;

/// About 20 MiB: three parts.
fn three_parts() -> u64 {
    padded_bytes(20 << 20).unwrap()
}

async fn everything_comes_back(relay: &TestRelay, client: &mut Client, seed: u64) {
    let mut sealed = Sealed::new(seed);
    client.enter(hello(&sealed, 1)).await.unwrap();
    let (file, manifest) = send_package(client, &mut sealed, three_parts()).await;
    let base = format!("/api/packages/{}", sealed.package);
    let (status, headers, body) = relay.get(&base).await;
    assert_eq!(
        (status, headers["cache-control"].to_str().unwrap()),
        (200, "no-store")
    );
    let info: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (&info["state"], &info["keyring_generation"]),
        (&"finished".into(), &1.into())
    );
    assert_eq!(info["files"][0]["id"], file.id.to_string());
    assert_eq!(info["files"][0]["body_bytes"], file.body.len());
    assert_eq!(info["files"][1]["role"], "manifest");
    assert!(relay.get(&format!("{base}/keyring")).await.2 == sealed.keyring);
    let (status, headers, bytes) = relay.get(&format!("{base}/files/{}", file.id)).await;
    assert_eq!(
        (status, headers["content-type"].to_str().unwrap()),
        (200, "application/octet-stream")
    );
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert!(bytes == file.sealed_file());
    let whole = [
        sealed.keyring.clone(),
        manifest.sealed_file(),
        file.sealed_file(),
    ]
    .concat();
    let (_, headers, bytes) = relay.get(&format!("{base}/package.sealift")).await;
    assert!(
        headers["content-disposition"]
            .to_str()
            .unwrap()
            .starts_with("attachment; ")
    );
    assert!(bytes == whole);
    // L3: "keep encrypted" of one file includes the manifest.
    assert!(
        relay
            .get(&format!("{base}/files/{}.sealift", file.id))
            .await
            .2
            == whole
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_sent_over_websocket_comes_back_byte_for_byte() {
    let relay = TestRelay::open().await;
    let mut client = websocket(&relay, &[]).await.unwrap();
    everything_comes_back(&relay, &mut client, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_sent_over_webtransport_comes_back_byte_for_byte() {
    let relay = TestRelay::open().await;
    let mut client = webtransport(&relay, Some(&relay.url())).await.unwrap();
    everything_comes_back(&relay, &mut client, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_of_both_kinds_share_one_file() {
    let relay = TestRelay::open().await;
    let mut sealed = Sealed::new(3);
    let mut first = Client::welcome(&relay, &sealed).await;
    let mut second = webtransport(&relay, None).await.unwrap();
    second.enter(hello(&sealed, 1)).await.unwrap();
    assert_eq!(first.epoch, second.epoch);
    first.create(&sealed).await;
    let file = sealed.file(Role::File, three_parts());
    let plan = first.add(&file).await.unwrap();
    let (one, two) = (
        first.part(&file, plan, 0, 1),
        second.part(&file, plan, 1, 1),
    );
    tokio::join!(one, two);
    first.durable(&file, 0).await.unwrap();
    second.durable(&file, 1).await.unwrap();
    second.part(&file, plan, 2, 1).await;
    second.durable(&file, 2).await.unwrap();
    first.commit(&file).await;
    let stored = relay
        .data()
        .join(format!("docroot/{}/{}.body", sealed.package, file.id));
    assert!(std::fs::read(stored).unwrap() == file.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pairs_of_a_durable_part_are_kept_until_the_commit() {
    let relay = TestRelay::open().await;
    let mut sealed = Sealed::new(4);
    let mut client = Client::welcome(&relay, &sealed).await;
    client.create(&sealed).await;
    let file = sealed.file(Role::File, three_parts());
    let plan = client.add(&file).await.unwrap();
    client.part(&file, plan, 1, 1).await;
    client.durable(&file, 1).await.unwrap();
    client
        .send(ClientMessage::GetPairs {
            file: file.id,
            part: PartNumber(1),
        })
        .await;
    let pairs = client
        .wait(|message| match message {
            RelayMessage::Pairs(pairs) => Some(pairs.clone()),
            _ => None,
        })
        .await;
    assert_eq!(pairs.pairs, file.pairs(16..32));
    client.part(&file, plan, 0, 1).await;
    client.durable(&file, 0).await.unwrap();
    client.part(&file, plan, 2, 1).await;
    client.durable(&file, 2).await.unwrap();
    assert_eq!(
        relay
            .number("SELECT count(*) FROM parts WHERE durable = 1")
            .await,
        3
    );
    client.commit(&file).await;
    assert_eq!(relay.number("SELECT count(*) FROM parts").await, 0);
    client
        .send(ClientMessage::GetPairs {
            file: file.id,
            part: PartNumber(1),
        })
        .await;
    let committed = client
        .wait(|message| match message {
            RelayMessage::FileCommitted { file } => Some(*file),
            RelayMessage::Refused { code, .. } => panic!("pairs were refused: {code}"),
            _ => None,
        })
        .await;
    assert_eq!(committed, file.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn s8_a_range_is_never_joined_to_something_else() {
    let relay = TestRelay::open().await;
    let mut sealed = Sealed::new(5);
    let mut client = Client::welcome(&relay, &sealed).await;
    let (file, manifest) = send_package(&mut client, &mut sealed, 8192).await;
    let whole = [
        sealed.keyring.clone(),
        manifest.sealed_file(),
        file.sealed_file(),
    ]
    .concat();
    let path = format!("/api/packages/{}/package.sealift", sealed.package);
    let (_, headers, _) = relay.get(&path).await;
    let etag = headers["etag"].to_str().unwrap().to_owned();
    assert!(etag.starts_with('"'), "a strong ETag");
    for (range, expected) in [
        ("bytes=0-0", 0..1),
        ("bytes=100-9000", 100..9001),
        ("bytes=-60", whole.len() - 60..whole.len()),
    ] {
        let (status, headers, bytes) = relay
            .get_with(&path, &[("range", range), ("if-range", &etag)])
            .await;
        assert_eq!(status, 206);
        let content_range = format!(
            "bytes {}-{}/{}",
            expected.start,
            expected.end - 1,
            whole.len()
        );
        assert_eq!(headers["content-range"], content_range);
        assert!(bytes == whole[expected]);
    }
    let (status, _, bytes) = relay
        .get_with(
            &path,
            &[("range", "bytes=10-"), ("if-range", "\"another\"")],
        )
        .await;
    assert_eq!(status, 200, "a client with something else gets the whole");
    assert!(bytes == whole);
    let (status, _, _) = relay
        .get_with(&path, &[("range", "bytes=10-"), ("if-range", "\"\u{e9}\"")])
        .await;
    assert_eq!(status, 200, "also one whose tag is no text");
    for path in ["keyring".to_owned(), format!("files/{}", file.id)] {
        let path = format!("/api/packages/{}/{path}", sealed.package);
        let (_, headers, _) = relay.get(&path).await;
        let disposition = headers["content-disposition"].to_str().unwrap();
        assert!(disposition.starts_with("attachment"), "{path}");
    }
    let past = format!("bytes={}-", whole.len());
    assert_eq!(relay.get_with(&path, &[("range", &past)]).await.0, 416);
    assert_eq!(
        relay.get_with(&path, &[("if-none-match", &etag)]).await.0,
        304
    );
    // Another keyring is another file.
    let tag = relay
        .get(&format!("/api/packages/{}/keyring", sealed.package))
        .await
        .1;
    let next = sealed.next_keyring();
    let tag = tag["etag"].to_str().unwrap();
    assert_eq!(relay.rekey(&sealed, tag, next).await.0, 200);
    let (status, headers, _) = relay
        .get_with(&path, &[("range", "bytes=10-"), ("if-range", &etag)])
        .await;
    assert_eq!(status, 200);
    assert_ne!(headers["etag"].to_str().unwrap(), etag);
}

#[tokio::test(flavor = "multi_thread")]
async fn f3_the_same_bytes_are_the_same_answer_and_others_a_conflict() {
    let relay = TestRelay::open().await;
    let mut sealed = Sealed::new(6);
    let mut client = Client::welcome(&relay, &sealed).await;
    client.create(&sealed).await;
    client.create(&sealed).await;
    let keyring = sealed.link_keyring();
    client
        .send(ClientMessage::Create(Create {
            keyring,
            draft: sealed.draft.clone(),
            expires_in_s: None,
        }))
        .await;
    assert_eq!(client.refusal().await, Code::Conflict);
    let mut file = sealed.file(Role::File, 8192);
    client.add(&file).await.unwrap();
    client.add(&file).await.unwrap();
    file.head = sealed.head(Role::File, Some(file.geometry), file.id, sealed.package);
    assert_eq!(client.add(&file).await.unwrap_err(), Code::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_served_before_the_package_is_finished() {
    let relay = TestRelay::open().await;
    let mut sealed = Sealed::new(7);
    let mut client = Client::welcome(&relay, &sealed).await;
    let base = format!("/api/packages/{}", sealed.package);
    assert_eq!(relay.get(&base).await.0, 404);
    client.create(&sealed).await;
    let file = sealed.file(Role::File, 8192);
    client.store(&file).await;
    assert_eq!(relay.get(&format!("{base}/files/{}", file.id)).await.0, 409);
    let (status, _, body) = relay.get(&base).await;
    let info: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &info["state"]), (200, &"open".into()));
    client
        .send(ClientMessage::Finish { manifest: file.id })
        .await;
    assert_eq!(client.refusal().await, Code::NotComplete);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_after_a_restart() {
    let mut relay = TestRelay::open().await;
    let mut sealed = Sealed::new(8);
    let mut client = Client::welcome(&relay, &sealed).await;
    client.create(&sealed).await;
    let file = sealed.file(Role::File, three_parts());
    let plan = client.add(&file).await.unwrap();
    client.part(&file, plan, 0, 1).await;
    client.durable(&file, 0).await.unwrap();
    relay.stop().await;
    relay.start().await;
    let mut client = websocket(&relay, &[]).await.unwrap();
    let welcome = client.enter(hello(&sealed, 1)).await.unwrap();
    assert_eq!(welcome.state, PackageState::Open);
    client.add(&file).await.unwrap();
    client.part(&file, plan, 1, 1).await;
    client.durable(&file, 1).await.unwrap();
    client.part(&file, plan, 2, 1).await;
    client.durable(&file, 2).await.unwrap();
    client.commit(&file).await;
    let stored = relay
        .data()
        .join(format!("docroot/{}/{}.body", sealed.package, file.id));
    assert!(std::fs::read(stored).unwrap() == file.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_tells_clients_and_lets_parts_end() {
    let mut relay = TestRelay::open().await;
    let mut sealed = Sealed::new(9);
    let mut client = Client::welcome(&relay, &sealed).await;
    client.create(&sealed).await;
    let file = sealed.file(Role::File, 8192);
    let plan = client.add(&file).await.unwrap();
    client.begin(&file, plan, 0, 1).await;
    client.data(&file.body[..100]).await;
    relay.becomes("SELECT count(*) FROM parts", 1).await;
    let running = relay.running.take().unwrap();
    let stopping = tokio::spawn(running.stop());
    client
        .wait(|message| matches!(message, RelayMessage::Draining {}).then_some(()))
        .await;
    client.data(&file.body[100..]).await;
    client.durable(&file, 0).await.unwrap();
    assert_eq!(client.refusal().await, Code::Draining);
    assert!(
        client.next().await.is_none(),
        "the lane is closed in the end"
    );
    tokio::time::timeout(std::time::Duration::from_secs(5), stopping)
        .await
        .unwrap()
        .unwrap();
    relay.start().await;
}
