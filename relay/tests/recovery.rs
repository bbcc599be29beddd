//! Starting again: what was under way is ended, what is newer or in use is left alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test stops at the first surprise

mod support;

use std::path::PathBuf;

use sealift_protocol::format::Role;
use sealift_protocol::message::{ClientMessage, Create, PackageState, RelayMessage};
use sealift_protocol::{Code, Epoch, PartNumber};
use sealift_relay::start;
use support::TestRelay;
use support::client::{Client, hello, send_package, websocket};
use support::sealed::{Sealed, SealedFile};

/// A relay with one file whose only part is durable, stopped.
async fn durable_and_stopped(seed: u64) -> (TestRelay, Sealed, SealedFile, PathBuf) {
    let mut relay = TestRelay::open().await;
    let mut sealed = Sealed::new(seed);
    let mut client = Client::welcome(&relay, &sealed).await;
    client.create(&sealed).await;
    let file = sealed.file(Role::File, 65_536);
    let plan = client.add(&file).await.unwrap();
    client.part(&file, plan, 0, 1).await;
    client.durable(&file, 0).await.unwrap();
    relay.stop().await;
    let body = relay
        .data()
        .join(format!("docroot/{}/{}.body", sealed.package, file.id));
    (relay, sealed, file, body)
}

/// After the start the file is whole, and its sender learns so.
async fn is_whole(relay: &TestRelay, sealed: &Sealed, file: &SealedFile, body: &PathBuf) {
    assert!(std::fs::read(body).unwrap() == file.body);
    assert_eq!(relay.number("SELECT state FROM files").await, 2);
    assert_eq!(relay.number("SELECT count(*) FROM parts").await, 0);
    let mut client = Client::welcome(relay, sealed).await;
    client.add(file).await.unwrap();
    client.commit(file).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_a_commit_that_was_recorded_but_not_begun_is_ended_at_the_start() {
    let (mut relay, sealed, file, body) = durable_and_stopped(1).await;
    assert_eq!(relay.sql("UPDATE files SET state = 1").await, 1);
    assert!(!body.exists());
    relay.start().await;
    is_whole(&relay, &sealed, &file, &body).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_a_commit_that_was_done_but_not_recorded_is_recognised_by_its_final_name() {
    let (mut relay, sealed, file, body) = durable_and_stopped(2).await;
    relay.sql("UPDATE files SET state = 1").await;
    std::fs::rename(body.with_extension("body.partial"), &body).unwrap();
    relay.start().await;
    is_whole(&relay, &sealed, &file, &body).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_c3_a_body_that_the_storage_lost_is_asked_for_again() {
    let (mut relay, sealed, file, body) = durable_and_stopped(3).await;
    std::fs::remove_file(body.with_extension("body.partial")).unwrap();
    relay.start().await;
    let mut client = Client::welcome(&relay, &sealed).await;
    let plan = client.add(&file).await.unwrap();
    client
        .send(sealift_protocol::message::ClientMessage::CommitFile { file: file.id })
        .await;
    let lost = client
        .wait(|message| match message {
            RelayMessage::PartLost { part, .. } => Some(*part),
            _ => None,
        })
        .await;
    assert_eq!(lost, PartNumber(0));
    client.part(&file, plan, 0, 2).await;
    client.durable(&file, 0).await.unwrap();
    client.commit(&file).await;
    assert!(std::fs::read(body).unwrap() == file.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn s4_a_second_relay_on_the_same_data_does_not_start() {
    let relay = TestRelay::open().await;
    let error = start(relay.settings()).await.err().unwrap();
    assert!(
        format!("{error:#}").contains("another relay runs on the data"),
        "{error:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_was_cut_off_is_ended_at_the_start() {
    let mut relay = TestRelay::open().await;
    let mut sealed = Sealed::new(4);
    let mut client = Client::welcome(&relay, &sealed).await;
    send_package(&mut client, &mut sealed, 8192).await;
    relay.stop().await;
    relay.sql("UPDATE packages SET state = 3").await;
    relay.start().await;
    relay.becomes("SELECT count(*) FROM packages", 0).await;
    assert!(
        !relay
            .data()
            .join(format!("docroot/{}", sealed.package))
            .exists()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_package_is_known_to_its_sender_after_a_restart() {
    let mut relay = TestRelay::open().await;
    let mut sealed = Sealed::new(5);
    let mut client = Client::welcome(&relay, &sealed).await;
    let (_, manifest) = send_package(&mut client, &mut sealed, 8192).await;
    relay.stop().await;
    relay.start().await;
    let mut client = websocket(&relay, &[]).await.unwrap();
    let welcome = client.enter(hello(&sealed, 1)).await.unwrap();
    assert_eq!(welcome.state, PackageState::Finished);
    let expires_at = client.finish(&manifest).await;
    assert_eq!(Some(expires_at), welcome.expires_at);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_a_newer_relay_are_left_alone() {
    let mut relay = TestRelay::open().await;
    relay.stop().await;
    relay.sql("PRAGMA user_version = 99").await;
    let error = start(relay.settings()).await.err().unwrap();
    assert!(format!("{error:#}").contains("newer relay"), "{error:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_docroot_that_is_not_the_records_own_is_refused() {
    let (mut relay, sealed, file, body) = durable_and_stopped(6).await;
    let (docroot, away) = (relay.data().join("docroot"), relay.dir.path().join("away"));
    // As when its disk is not mounted.
    std::fs::rename(&docroot, &away).unwrap();
    let error = start(relay.settings()).await.err().unwrap();
    assert!(format!("{error:#}").contains("disk mounted"), "{error:#}");
    std::fs::remove_dir_all(&docroot).unwrap();
    std::fs::rename(&away, &docroot).unwrap();
    relay.sql("UPDATE docroots SET id = x'00'").await;
    let error = start(relay.settings()).await.err().unwrap();
    assert!(format!("{error:#}").contains("same backup"), "{error:#}");
    let id = std::fs::read(docroot.join(".sealift-id")).unwrap();
    assert_eq!(id.len(), 16);
    std::fs::write(docroot.join(".sealift-id"), [0]).unwrap();
    relay.start().await;
    let mut client = Client::welcome(&relay, &sealed).await;
    client.add(&file).await.unwrap();
    client.commit(&file).await;
    assert!(body.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_damaged_file_does_not_keep_the_relay_from_starting() {
    let (mut relay, _sealed, _file, body) = durable_and_stopped(7).await;
    relay.sql("UPDATE files SET state = 1").await;
    std::fs::write(body.with_extension("body.partial"), b"cut short").unwrap();
    relay.start().await;
    assert_eq!(relay.get("/readyz").await.0, 200);
    assert_eq!(relay.number("SELECT state FROM files").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn l5_right_after_a_start_the_client_that_was_there_comes_before_others() {
    let mut relay = TestRelay::open().await;
    let sealed = Sealed::new(8);
    let mut client = Client::welcome(&relay, &sealed).await;
    client.create(&sealed).await;
    relay.stop().await;
    relay.start().await;
    let enter = async |client, takeover| {
        let mut hello = hello(&sealed, client);
        hello.takeover = takeover;
        let mut client = websocket(&relay, &[]).await.unwrap();
        client.enter(hello).await.map(|welcome| welcome.epoch)
    };
    assert_eq!(enter(2, false).await, Err(Code::SessionBusy));
    assert_eq!(enter(1, false).await, Ok(Epoch(1)));
    assert_eq!(enter(2, true).await, Ok(Epoch(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_commit_is_told_and_writes_work_again_without_a_restart() {
    let relay = TestRelay::open().await;
    let sealed = Sealed::new(9);
    let mut client = Client::welcome(&relay, &sealed).await;
    // What is wrong shows only at the commit, as with a full disk, and leaves the transaction open.
    relay
        .sql("CREATE TABLE loose (id BLOB REFERENCES packages (id) DEFERRABLE INITIALLY DEFERRED)")
        .await;
    relay
        .sql("CREATE TRIGGER breaks AFTER INSERT ON packages BEGIN INSERT INTO loose VALUES (x'00'); END")
        .await;
    let create = ClientMessage::Create(Create {
        keyring: sealed.keyring.clone(),
        draft: sealed.draft.clone(),
        expires_in_s: None,
    });
    assert_eq!(relay.get("/readyz").await.0, 200);
    client.send(create).await;
    assert_eq!(client.refusal().await, Code::StorageFailed);
    assert_eq!(relay.get("/readyz").await.0, 503);
    relay.sql("DROP TRIGGER breaks").await;
    client.create(&sealed).await;
    assert_eq!(relay.get("/readyz").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_that_no_record_knows_of_go_when_they_are_older_than_any_package() {
    let mut relay = TestRelay::open().await;
    let mut sealed = Sealed::new(70);
    let mut client = Client::welcome(&relay, &sealed).await;
    send_package(&mut client, &mut sealed, 8192).await;
    let docroot = relay.data().join("docroot");
    let stray = docroot.join(Sealed::new(71).package.to_string());
    let other = docroot.join("notes");
    for folder in [&stray, &other] {
        std::fs::create_dir(folder).unwrap();
        std::fs::write(folder.join("keyring"), b"left over").unwrap();
    }
    relay.stop().await;
    relay.start().await;
    relay.becomes("SELECT count(*) FROM strays", 1).await;
    assert!(stray.exists(), "it may be what a backup is restored to");
    relay.stop().await;
    relay
        .sql("UPDATE strays SET since = since - 31 * 86400")
        .await;
    relay.start().await;
    relay.becomes("SELECT count(*) FROM strays", 0).await;
    assert!(!stray.exists());
    assert!(other.exists(), "only folders that are named like packages");
    let path = format!("/api/packages/{}/package.sealift", sealed.package);
    assert_eq!(relay.get(&path).await.0, 200);
}
