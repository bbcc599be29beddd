//! Who may do what: owner tokens, grants, takeover, hosts and origins, deletion, expiry.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test stops at the first surprise

mod support;

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use reqwest::Method;
use sealift_protocol::format::Role;
use sealift_protocol::message::{ClientMessage, Create, RelayMessage, sha256};
use sealift_protocol::{Code, OwnerToken};
use sealift_relay::Grants;
use support::TestRelay;
use support::client::{Client, hello, send_package, websocket, webtransport};
use support::sealed::Sealed;
use tokio_tungstenite::tungstenite;

#[tokio::test(flavor = "multi_thread")]
async fn l4_only_the_owner_token_deletes_and_it_is_not_kept() {
    let relay = TestRelay::open().await;
    let mut sealed = Sealed::new(1);
    let mut client = Client::welcome(&relay, &sealed).await;
    send_package(&mut client, &mut sealed, 8192).await;
    let path = format!("/api/packages/{}", sealed.package);
    let folder = relay.data().join(format!("docroot/{}", sealed.package));
    let bearer = |token: &[u8]| format!("Bearer {}", BASE64URL_NOPAD.encode(token));
    for authorization in [
        None,
        Some(bearer(&[0; 32])),
        Some("Bearer x".to_owned()),
        Some(bearer(&sha256(&sealed.owner.0).0)),
    ] {
        let headers: Vec<_> = authorization
            .iter()
            .map(|value| ("authorization", value.as_str()))
            .collect();
        let (status, _, body) = relay.request(Method::DELETE, &path, &headers).await;
        assert_eq!((status, code(&body).as_str()), (401, "unauthorized"));
    }
    assert!(folder.exists());
    for entry in std::fs::read_dir(relay.data())
        .unwrap()
        .flatten()
        .filter(|e| e.path().is_file())
    {
        let bytes = std::fs::read(entry.path()).unwrap();
        assert!(
            !bytes.windows(32).any(|window| window == sealed.owner.0),
            "the owner token is in {entry:?}"
        );
    }
    let owner = bearer(&sealed.owner.0);
    assert_eq!(
        relay
            .request(Method::DELETE, &path, &[("authorization", &owner)])
            .await
            .0,
        204
    );
    assert!(!folder.exists());
    assert_eq!(relay.get(&path).await.0, 404);
    assert_eq!(
        client.refusal().await,
        Code::NotFound,
        "its lanes are told and closed"
    );
    assert!(client.next().await.is_none());
    assert_eq!(
        relay
            .request(Method::DELETE, &path, &[("authorization", &owner)])
            .await
            .0,
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn l4_another_token_does_not_open_a_lane() {
    let mut relay = TestRelay::open().await;
    let sealed = Sealed::new(2);
    let mut client = Client::welcome(&relay, &sealed).await;
    client.create(&sealed).await;
    let mut other = hello(&sealed, 2);
    other.owner_token = OwnerToken([9; 32]);
    other.takeover = true;
    assert_eq!(
        websocket(&relay, &[])
            .await
            .unwrap()
            .enter(other.clone())
            .await
            .unwrap_err(),
        Code::Unauthorized
    );
    relay.stop().await;
    relay.start().await;
    assert_eq!(
        websocket(&relay, &[])
            .await
            .unwrap()
            .enter(other)
            .await
            .unwrap_err(),
        Code::Unauthorized
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_needs_a_grant_and_keeps_to_it() {
    let relay = TestRelay::with(|_| {}).await;
    let mut sealed = Sealed::new(3);
    let grants = Grants::open(&relay.data().join("secrets")).unwrap();
    let now = || {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs()
    };
    let later = now() + 60;
    let enter = async |grant: Option<String>| {
        let mut hello = hello(&Sealed::new(3), 1);
        hello.grant = grant;
        let mut client = websocket(&relay, &[]).await.unwrap();
        client.enter(hello).await.map(|_| client)
    };
    assert_eq!(enter(None).await.err(), Some(Code::GrantRequired));
    assert_eq!(
        enter(Some("x".to_owned())).await.err(),
        Some(Code::GrantInvalid)
    );
    assert_eq!(
        enter(Some(grants.issue(1, 1, None).unwrap())).await.err(),
        Some(Code::GrantExpired)
    );
    let mut client = enter(Some(grants.issue(later, 163_840 + 20_000, None).unwrap()))
        .await
        .unwrap();
    client.create(&sealed).await;
    let (first, second) = (
        sealed.file(Role::File, 8192),
        sealed.file(Role::File, 16_384),
    );
    client.store(&first).await;
    assert_eq!(client.add(&second).await.unwrap_err(), Code::TooLarge);
    // Going on needs no grant any more: the owner token is enough.
    drop(client);
    enter(None).await.unwrap();
    // A package costs something before it has a file, and a lane that was opened in time is no way around it.
    let create = async |sealed: &Sealed, grant: String, pause: Duration| {
        let mut hello = hello(sealed, 1);
        hello.grant = Some(grant);
        let mut client = websocket(&relay, &[]).await.unwrap();
        client.enter(hello).await.unwrap();
        tokio::time::sleep(pause).await;
        client
            .send(ClientMessage::Create(Create {
                keyring: sealed.keyring.clone(),
                draft: sealed.draft.clone(),
                expires_in_s: None,
            }))
            .await;
        client.refusal().await
    };
    let small = grants.issue(later, 100_000, None).unwrap();
    let refused = create(&Sealed::new(30), small, Duration::ZERO).await;
    assert_eq!(refused, Code::TooLarge);
    let short = grants.issue(now() + 2, 1 << 30, None).unwrap();
    let refused = create(&Sealed::new(31), short, Duration::from_millis(2100)).await;
    assert_eq!(refused, Code::GrantExpired);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_prints_a_send_link_that_carries_a_grant() {
    use sealift_protocol::link::{Fragment, Link};
    let relay = TestRelay::with(|_| {}).await;
    let arguments = sealift_relay::GrantArguments {
        user: None,
        data: relay.data(),
        expires: Duration::from_secs(60),
        bytes_max: 1 << 30,
        url: "https://send.example.org/".to_owned(),
    };
    let link = Link::parse(&sealift_relay::grant(&arguments).unwrap()).unwrap();
    assert_eq!(link.relay, "https://send.example.org");
    let Fragment::Send { grant } = link.fragment else {
        panic!("not a send link")
    };
    let mut hello = hello(&Sealed::new(4), 1);
    hello.grant = Some(grant.to_string());
    websocket(&relay, &[])
        .await
        .unwrap()
        .enter(hello)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn l5_a_takeover_is_asked_for_and_the_first_client_stops() {
    let relay = TestRelay::open().await;
    let mut sealed = Sealed::new(5);
    let mut first = Client::welcome(&relay, &sealed).await;
    first.create(&sealed).await;
    let file = sealed.file(Role::File, 8192);
    let plan = first.add(&file).await.unwrap();
    first.begin(&file, plan, 0, 1).await;
    first.data(&file.body[..4000]).await;
    let mut second = websocket(&relay, &[]).await.unwrap();
    assert_eq!(
        second.enter(hello(&sealed, 2)).await.unwrap_err(),
        Code::SessionBusy
    );
    let mut asked = hello(&sealed, 2);
    asked.takeover = true;
    let mut second = webtransport(&relay, None).await.unwrap();
    second.enter(asked).await.unwrap();
    assert_eq!(second.epoch.0, first.epoch.0 + 1);
    first
        .wait(|message| matches!(message, RelayMessage::Superseded {}).then_some(()))
        .await;
    assert_eq!(
        relay.number("SELECT epoch FROM packages").await as u64,
        second.epoch.0
    );
    second.store(&file).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_a_newer_attempt_ends_the_older_one_and_is_what_is_stored() {
    let relay = TestRelay::open().await;
    let mut sealed = Sealed::new(6);
    let mut first = Client::welcome(&relay, &sealed).await;
    first.create(&sealed).await;
    let file = sealed.file(Role::File, 1 << 20);
    let plan = first.add(&file).await.unwrap();
    first.begin(&file, plan, 0, 1).await;
    first.data(&file.body[..600_000]).await;
    relay
        .becomes("SELECT count(*) FROM parts WHERE durable = 0", 1)
        .await; // S1: open before its bytes
    let mut newer = file.clone();
    newer.body = sealed.reseal(&file);
    let mut second = Client::welcome(&relay, &sealed).await;
    second.part(&newer, plan, 0, 2).await;
    assert_eq!(first.durable(&file, 0).await, Err(Code::OldAttempt));
    first.data(&file.body[600_000..]).await; // dropped
    assert_eq!(second.durable(&file, 0).await.unwrap().0, 2);
    second.commit(&file).await;
    let stored = relay
        .data()
        .join(format!("docroot/{}/{}.body", sealed.package, file.id));
    assert!(std::fs::read(stored).unwrap() == newer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn l6_hosts_and_origins_are_checked_on_every_way_in() {
    let relay = TestRelay::open().await;
    let own = relay.url();
    let port = relay.address().port();
    let foreign = [
        "null",
        "http://evil.example",
        "http://localhost:1",
        "file://",
    ];
    let status = |result: Result<Client, tungstenite::Error>| match result {
        Ok(_) => 101,
        Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("{other}"),
    };
    assert_eq!(status(websocket(&relay, &[("origin", &own)]).await), 101);
    assert_eq!(
        status(websocket(&relay, &[("origin", &format!("http://localhost:{port}"))]).await),
        101
    );
    assert_eq!(
        status(websocket(&relay, &[]).await),
        101,
        "programs send none"
    );
    webtransport(&relay, Some(&own)).await.unwrap();
    for origin in foreign {
        assert_eq!(
            status(websocket(&relay, &[("origin", origin)]).await),
            403,
            "{origin}"
        );
        assert!(
            webtransport(&relay, Some(origin)).await.is_err(),
            "{origin}"
        );
        let path = format!("/api/packages/{}", Sealed::new(1).package);
        let token = format!("Bearer {}", BASE64URL_NOPAD.encode(&[1; 32]));
        let headers = [("origin", origin), ("authorization", &*token)];
        let (status, _, body) = relay.request(Method::DELETE, &path, &headers).await;
        assert_eq!((status, code(&body).as_str()), (403, "origin_refused"));
    }
    for path in ["/", "/api/policy", "/healthz", "/assets/x.js", "/lane"] {
        let (status, _, _) = relay.get_with(path, &[("host", "evil.example")]).await;
        assert_eq!(status, 421, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_go_when_their_time_is_over_also_after_a_restart() {
    let mut relay = TestRelay::with(|config| {
        let settings = &mut config.settings;
        settings.open_uploads = true;
        settings.lifetime_default = Duration::from_secs(1);
        settings.unfinished = Duration::from_secs(1);
    })
    .await;
    let (mut finished, mut unfinished) = (Sealed::new(7), Sealed::new(8));
    let mut client = Client::welcome(&relay, &finished).await;
    send_package(&mut client, &mut finished, 8192).await;
    drop(client);
    let mut client = Client::welcome(&relay, &unfinished).await;
    client.create(&unfinished).await;
    let file = unfinished.file(Role::File, 8192);
    client.add(&file).await.unwrap();
    drop(client);
    let folders = || {
        std::fs::read_dir(relay.data().join("docroot"))
            .unwrap()
            .flatten()
            .filter(|e| e.path().is_dir())
            .count()
    };
    assert_eq!(folders(), 2);
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let path = format!("/api/packages/{}", finished.package);
    let (status, _, body) = relay.get(&path).await;
    assert_eq!(
        (status, code(&body).as_str()),
        (410, "expired"),
        "not served any more, whether deleted or not"
    );
    relay.stop().await;
    relay.start().await;
    relay.becomes("SELECT count(*) FROM packages", 0).await;
    let folders = || {
        std::fs::read_dir(relay.data().join("docroot"))
            .unwrap()
            .flatten()
            .filter(|e| e.path().is_dir())
            .count()
    };
    assert_eq!(folders(), 0);
    assert_eq!(relay.number("SELECT count(*) FROM files").await, 0);
    assert_eq!(relay.get(&path).await.0, 404);
}

fn code(body: &[u8]) -> String {
    let refusal: serde_json::Value = serde_json::from_slice(body).unwrap();
    assert!(refusal["message"].as_str().unwrap().ends_with('.'));
    refusal["code"].as_str().unwrap().to_owned()
}
