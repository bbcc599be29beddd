//! Policy: what is told beforehand, what holds for the user of a grant, which clients are taken, and what happens to
//! uploads under way when it changes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test stops at the first surprise

mod support;

use reqwest::Method;
use sealift_config::{Config, Docroot, MayDiffer, ProtectionMode, User, Version};
use sealift_protocol::Code;
use sealift_protocol::format::Role;
use sealift_protocol::message::{ClientMessage, Create, PackageState, Transport};
use sealift_relay::Grants;
use support::client::{Client, hello, send_package, websocket, webtransport};
use support::sealed::Sealed;
use support::{TestRelay, bearer, code};

fn user(config: &mut Config, name: &str, user: User) {
    let docroot = sealift_config::DEFAULT_DOCROOT.to_owned();
    config
        .users
        .insert(name.to_owned(), User { docroot, ..user });
}

fn grant(relay: &TestRelay, user: Option<&str>) -> String {
    let grants = Grants::open(&relay.data().join("secrets")).unwrap();
    grants.issue(u64::MAX >> 1, 1 << 40, user).unwrap()
}

async fn policy(relay: &TestRelay, headers: &[(&str, &str)]) -> (u16, serde_json::Value) {
    let (status, _, body) = relay.get_with("/api/policy", headers).await;
    (status, serde_json::from_slice(&body).unwrap())
}

fn folder(relay: &TestRelay, sealed: &Sealed) -> std::path::PathBuf {
    relay.data().join(format!("docroot/{}", sealed.package))
}

/// A lane of a new package, with the link-only keyring or the one with a password.
async fn sending(
    relay: &TestRelay,
    sealed: &mut Sealed,
    grant: Option<String>,
    link: bool,
) -> Client {
    let mut client = websocket(relay, &[]).await.unwrap();
    let mut hello = hello(sealed, 1);
    hello.grant = grant;
    client.enter(hello).await.unwrap();
    if link {
        sealed.keyring = sealed.link_keyring();
    }
    client.create(sealed).await;
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_is_told_for_the_user_of_a_grant() {
    let relay = TestRelay::with(|config| {
        config.settings.protection = ProtectionMode::Off;
        config.settings.protection_may_differ = MayDiffer::Yes;
        config.settings.client_version_min = Version::parse("0.1.0");
        config.settings.client_version_warn_below = Version::parse("0.2.0");
        let strict = User {
            protection: Some(ProtectionMode::Required),
            strong_password_required: Some(true),
            quota_bytes: Some(1 << 30),
            ..User::default()
        };
        user(config, "strict", strict);
    })
    .await;
    let (status, answer) = policy(&relay, &[]).await;
    assert_eq!(status, 200);
    assert_eq!(answer["protection"]["mode"], "off");
    assert_eq!(answer["protection"]["strong_password_required"], false);
    assert_eq!(answer["protection"]["password_rule"], "sealift");
    assert_eq!(answer["client_version_min"], "0.1.0");
    assert_eq!(answer["client_version_warn_below"], "0.2.0");
    assert_eq!(answer["uploads_open"], false);
    let strict = grant(&relay, Some("strict"));
    let (status, answer) = policy(&relay, &[("sealift-grant", &strict)]).await;
    assert_eq!(status, 200);
    assert_eq!(answer["protection"]["mode"], "required");
    assert_eq!(answer["protection"]["strong_password_required"], true);
    assert_eq!(answer["package_bytes_max"], 1 << 30);
    let nobody = grant(&relay, Some("nobody"));
    for bad in ["x", &*nobody] {
        let (status, answer) = policy(&relay, &[("sealift-grant", bad)]).await;
        assert_eq!(
            (status, answer["code"].as_str()),
            (403, Some("grant_invalid"))
        );
    }
    // The same values hold at the door.
    let mut sealed = Sealed::new(1);
    let mut client = websocket(&relay, &[]).await.unwrap();
    let mut hello = hello(&sealed, 1);
    hello.client_version = "cli/0.1.0 ()".to_owned();
    hello.grant = Some(strict);
    client.enter(hello).await.unwrap();
    let create = Create {
        keyring: sealed.link_keyring(),
        draft: sealed.draft.clone(),
        expires_in_s: None,
    };
    client.send(ClientMessage::Create(create)).await;
    assert_eq!(client.refusal().await, Code::PasswordRequired);
    client.create(&sealed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_are_too_old_neither_send_nor_receive() {
    let relay = TestRelay::with(|config| {
        config.settings.open_uploads = true;
        config.settings.client_version_warn_below = Version::parse("0.3.0");
    })
    .await;
    let mut sealed = Sealed::new(2);
    let mut client = Client::welcome(&relay, &sealed).await;
    send_package(&mut client, &mut sealed, 8192).await;
    let mut under_way = Client::welcome(&relay, &Sealed::new(20)).await;
    relay
        .reload(|config| config.settings.client_version_min = Version::parse("0.2.0"))
        .await;
    assert_eq!(
        under_way.refusal().await,
        Code::ClientTooOld,
        "an open lane is closed"
    );
    let path = format!("/api/packages/{}", sealed.package);
    for path in [
        "/api/webtransport",
        &path,
        &format!("{path}/keyring"),
        &format!("{path}/package.sealift"),
        &format!("{path}/report"),
    ] {
        for (client, status, warned) in [
            ("web/0.1.9 (part_lost)", 426, false),
            ("nonsense", 426, false),
            ("web/0.2.0 ()", 200, true),
            ("web/0.3.0", 200, false),
        ] {
            let (found, headers, body) = relay.get_with(path, &[("sealift-client", client)]).await;
            assert_eq!(found, status, "{client} {path}");
            assert_eq!(
                headers.contains_key("sealift-client-warning"),
                warned,
                "{client} {path}"
            );
            if status == 426 {
                assert_eq!(code(&body), "client_too_old");
                assert!(headers.contains_key("upgrade"));
            }
        }
    }
    // A browser that saves a file cannot say what it is; what changes something must.
    assert_eq!(relay.get(&path).await.0, 200);
    let owner = bearer(&sealed.owner.0);
    let silent = relay
        .request(Method::DELETE, &path, &[("authorization", &owner)])
        .await;
    assert_eq!(silent.0, 426);
    // Everybody may ask what is asked of them, and pages can be loaded anew.
    let (status, answer) = policy(&relay, &[("sealift-client", "web/0.0.1")]).await;
    assert_eq!(
        (status, answer["client_version_min"].as_str()),
        (200, Some("0.2.0"))
    );
    for transport in [Transport::WebSocket, Transport::WebTransport] {
        for (version, taken) in [
            ("cli/0.1.0 ()", false),
            ("", false),
            ("cli/0.2.0 (part_lost)", true),
        ] {
            let mut client = match transport {
                Transport::WebSocket => websocket(&relay, &[]).await.unwrap(),
                Transport::WebTransport => webtransport(&relay, None).await.unwrap(),
            };
            let mut hello = hello(&Sealed::new(21), 1);
            hello.client_version = version.to_owned();
            let entered = client.enter(hello).await;
            assert_eq!(
                entered.err(),
                (!taken).then_some(Code::ClientTooOld),
                "{version:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_packages_together_stay_within_the_quota() {
    let relay = TestRelay::with(|config| {
        let quota_bytes = Some(2 * 163_840 + 30_000);
        user(
            config,
            "small",
            User {
                quota_bytes,
                ..User::default()
            },
        );
    })
    .await;
    let granted = || Some(grant(&relay, Some("small")));
    let (mut first, mut second, third) = (Sealed::new(30), Sealed::new(31), Sealed::new(32));
    let mut client = sending(&relay, &mut first, granted(), false).await;
    let file = first.file(Role::File, 16_384);
    client.store(&file).await;
    // Another grant of the same user counts against the same quota.
    let mut client = sending(&relay, &mut second, granted(), false).await;
    let more = second.file(Role::File, 16_384);
    assert_eq!(client.add(&more).await.unwrap_err(), Code::QuotaExceeded);
    let less = second.file(Role::File, 4096);
    client.add(&less).await.unwrap();
    let mut client = websocket(&relay, &[]).await.unwrap();
    let mut hello = hello(&third, 1);
    hello.grant = granted();
    client.enter(hello).await.unwrap();
    let create = Create {
        keyring: third.keyring.clone(),
        draft: third.draft.clone(),
        expires_in_s: None,
    };
    client.send(ClientMessage::Create(create)).await;
    assert_eq!(client.refusal().await, Code::QuotaExceeded);
    // Room comes back when a package goes.
    let owner = bearer(&first.owner.0);
    let path = format!("/api/packages/{}", first.package);
    assert_eq!(
        relay
            .request(Method::DELETE, &path, &[("authorization", &owner)])
            .await
            .0,
        204
    );
    client.create(&third).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_an_upload_that_a_new_policy_forbids_ends_at_once_and_its_parts_are_removed() {
    let relay = TestRelay::with(|config| config.settings.open_uploads = true).await;
    let (mut open, mut protected) = (Sealed::new(40), Sealed::new(41));
    let mut abandoned = Sealed::new(42);
    let mut done = Sealed::new(44);
    done.keyring = done.link_keyring();
    let mut client = Client::welcome(&relay, &done).await;
    send_package(&mut client, &mut done, 8192).await;
    let mut forbidden = sending(&relay, &mut open, None, true).await;
    let file = open.file(Role::File, 1 << 20);
    let plan = forbidden.add(&file).await.unwrap();
    forbidden.begin(&file, plan, 0, 1).await;
    forbidden.data(&file.body[..600_000]).await;
    let mut allowed = sending(&relay, &mut protected, None, false).await;
    let going_on = protected.file(Role::File, 8192);
    let plan = allowed.add(&going_on).await.unwrap();
    drop(sending(&relay, &mut abandoned, None, true).await);
    assert!(folder(&relay, &open).exists() && folder(&relay, &abandoned).exists());

    relay
        .reload(|config| config.settings.protection = ProtectionMode::Required)
        .await;
    assert_eq!(forbidden.refusal().await, Code::PasswordRequired);
    while forbidden.next().await.is_some() {}
    relay.becomes("SELECT count(*) FROM packages", 2).await;
    for gone in [&open, &abandoned] {
        assert!(!folder(&relay, gone).exists());
    }
    // What it allows goes on, and what was finished stays as it is.
    allowed.part(&going_on, plan, 0, 1).await;
    allowed.durable(&going_on, 0).await.unwrap();
    allowed.commit(&going_on).await;
    let path = format!("/api/packages/{}/keyring", done.package);
    assert_eq!(relay.get(&path).await.2, done.keyring);
    // The sender that comes back starts over.
    let mut again = websocket(&relay, &[]).await.unwrap();
    let welcome = again.enter(hello(&open, 1)).await.unwrap();
    assert_eq!(welcome.state, PackageState::Absent);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_a_user_who_was_removed_waits_until_the_user_comes_back() {
    let mut relay = TestRelay::with(|config| {
        config.settings.open_uploads = true;
        user(config, "leaving", User::default());
    })
    .await;
    let mut sealed = Sealed::new(43);
    let granted = grant(&relay, Some("leaving"));
    let mut client = sending(&relay, &mut sealed, Some(granted.clone()), false).await;
    let (file, manifest) = (
        sealed.file(Role::File, 8192),
        sealed.file(Role::Manifest, 4096),
    );
    client.store(&file).await;

    relay.reload(|config| config.users.clear()).await;
    assert_eq!(client.refusal().await, Code::GrantInvalid);
    while client.next().await.is_some() {}
    let change = std::mem::replace(&mut relay.change, |config| {
        config.settings.open_uploads = true;
    });
    let again = async |relay: &TestRelay, epoch| {
        let mut client = websocket(relay, &[]).await.unwrap();
        let mut hello = hello(&sealed, epoch);
        hello.grant = Some(granted.clone());
        client.enter(hello).await.map(|_| client)
    };
    for started_anew in [false, true] {
        if started_anew {
            relay.stop().await;
            relay.start().await;
        }
        let refused = again(&relay, 1).await.err();
        assert_eq!(refused, Some(Code::GrantInvalid), "{started_anew}");
    }
    assert_eq!(relay.number("SELECT count(*) FROM packages").await, 1);
    assert!(folder(&relay, &sealed).exists());

    relay.change = change;
    relay.reload(|_| {}).await;
    let mut client = again(&relay, 1).await.unwrap();
    client.store(&manifest).await;
    client.finish(&manifest).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_of_a_finished_package_is_changed_although_its_user_was_removed() {
    let relay = TestRelay::with(|config| user(config, "leaving", User::default())).await;
    let mut sealed = Sealed::new(53);
    let granted = Some(grant(&relay, Some("leaving")));
    let mut client = sending(&relay, &mut sealed, granted, false).await;
    let manifest = sealed.file(Role::Manifest, 4096);
    client.store(&manifest).await;
    client.finish(&manifest).await;
    relay
        .reload(|config| {
            config.users.clear();
            config.settings.protection = ProtectionMode::Required;
        })
        .await;
    let path = format!("/api/packages/{}/keyring", sealed.package);
    let tag = relay.get(&path).await.1["etag"]
        .to_str()
        .unwrap()
        .to_owned();
    let link = sealed.link_slot();
    let weaker = sealed.keyring_after(&sealed.keyring.clone(), &[link]);
    let (status, _, body) = relay.rekey(&sealed, &tag, weaker).await;
    assert_eq!((status, &*code(&body)), (422, "password_required"));
    let next = sealed.next_keyring();
    let (status, ..) = relay.rekey(&sealed, &tag, next.clone()).await;
    assert_eq!(status, 200);
    assert_eq!(relay.get(&path).await.2, next);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyring_that_is_not_the_recorded_one_is_no_reason_to_delete() {
    let relay = TestRelay::open().await;
    let mut sealed = Sealed::new(50);
    drop(sending(&relay, &mut sealed, None, false).await);
    let other = sealed.link_keyring();
    std::fs::write(folder(&relay, &sealed).join("keyring"), other).unwrap();
    let mut forbidden = Sealed::new(51);
    drop(sending(&relay, &mut forbidden, None, true).await);
    relay
        .reload(|config| config.settings.protection = ProtectionMode::Required)
        .await;
    // The other one tells that all were asked: they are asked in the order of their ids, so it is asked twice.
    relay.becomes("SELECT count(*) FROM packages", 1).await;
    relay
        .reload(|config| config.settings.protection = ProtectionMode::Off)
        .await;
    let mut last = Sealed::new(52);
    drop(sending(&relay, &mut last, None, true).await);
    relay
        .reload(|config| config.settings.protection = ProtectionMode::Required)
        .await;
    relay.becomes("SELECT count(*) FROM packages", 1).await;
    assert!(folder(&relay, &sealed).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_a_relay_that_starts_under_a_new_policy_removes_what_it_forbids() {
    let mut relay = TestRelay::open().await;
    let mut open = Sealed::new(45);
    drop(sending(&relay, &mut open, None, true).await);
    relay.stop().await;
    relay.change = |config| config.settings.protection = ProtectionMode::Required;
    relay.start().await;
    relay.becomes("SELECT count(*) FROM packages", 0).await;
    assert!(!folder(&relay, &open).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_off_only_hides_the_field() {
    let relay = TestRelay::with(|config| {
        config.settings.open_uploads = true;
        config.settings.protection = ProtectionMode::Off;
    })
    .await;
    for link in [false, true] {
        let mut sealed = Sealed::new(46 + u64::from(link));
        sending(&relay, &mut sealed, None, link).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_docroot_of_a_package_under_way_stays_and_is_recorded() {
    let relay = TestRelay::with(|config| user(config, "xfer", User::default())).await;
    let mut sealed = Sealed::new(48);
    let granted = Some(grant(&relay, Some("xfer")));
    let mut client = sending(&relay, &mut sealed, granted, false).await;
    relay
        .reload(|config| {
            let folder = config.settings.data.join("elsewhere");
            let url = sealift_config::Secret::new(format!("file://{}", folder.display()));
            let other = Docroot {
                url,
                ..Docroot::default()
            };
            config.docroots.insert("other".to_owned(), other);
            config.users.get_mut("xfer").unwrap().docroot = "other".to_owned();
        })
        .await;
    let (file, manifest) = (
        sealed.file(Role::File, 8192),
        sealed.file(Role::Manifest, 4096),
    );
    client.store(&file).await;
    client.store(&manifest).await;
    client.finish(&manifest).await;
    let (_, _, body) = relay
        .get(&format!("/api/packages/{}/report", sealed.package))
        .await;
    let report: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(report["docroot"], "default");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_says_who_sealed_over_what_where_and_how() {
    let relay = TestRelay::open().await;
    let mut sealed = Sealed::new(49);
    let enter = async |transport: Transport| {
        let mut client = match transport {
            Transport::WebSocket => websocket(&relay, &[]).await.unwrap(),
            Transport::WebTransport => webtransport(&relay, None).await.unwrap(),
        };
        let mut hello = hello(&sealed, 1);
        hello.client_version = "web/0.1.0 (part_lost)".to_owned();
        // Whatever a client says: the relay reports how the lane came.
        hello.transport = Transport::WebSocket;
        client.enter(hello).await.unwrap();
        client
    };
    let mut first = enter(Transport::WebSocket).await;
    first.create(&sealed).await;
    let mut second = enter(Transport::WebTransport).await;
    let path = format!("/api/packages/{}/report", sealed.package);
    let report = async || -> serde_json::Value {
        serde_json::from_slice(&relay.get(&path).await.2).unwrap()
    };
    let begun = report().await;
    assert_eq!(begun["transports"], serde_json::json!([]));
    assert_eq!(begun["finished_at"], serde_json::Value::Null);
    let (file, manifest) = (
        sealed.file(Role::File, 8192),
        sealed.file(Role::Manifest, 4096),
    );
    second.store(&file).await;
    first.store(&manifest).await;
    first.finish(&manifest).await;
    let done = report().await;
    assert_eq!(done["sealed_by"], "web/0.1.0 (part_lost)");
    assert_eq!(
        done["transports"],
        serde_json::json!(["webtransport", "websocket"])
    );
    assert_eq!(done["docroot"], "default");
    assert_eq!(done["storage"]["kind"], "folder");
    assert_eq!(done["storage"]["sse"], serde_json::Value::Null);
    assert_eq!(done["keyring_generation"], 1);
    assert_eq!(done["slots"], serde_json::json!(["password"]));
    assert_eq!(
        done["kdf"],
        serde_json::json!([{"algorithm": "argon2id", "memory_kib": 65_536, "passes": 3, "parallelism": 1}])
    );
    let (created, finished) = (done["created_at"].as_u64(), done["finished_at"].as_u64());
    assert!(created.unwrap() <= finished.unwrap());
    assert_eq!(relay.get("/api/packages/x/report").await.0, 404);
    // Its owner may ask for more; whoever shows another token is no owner.
    for (token, status) in [(sealed.owner.0.to_vec(), 200), (vec![7; 32], 401)] {
        let token = bearer(&token);
        let (found, ..) = relay.get_with(&path, &[("authorization", &token)]).await;
        assert_eq!(found, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_for_those_on_this_machine_or_with_the_token_and_name_nobody() {
    let relay = TestRelay::with(|config| {
        config.settings.open_uploads = true;
        config.settings.metrics_listen = Some(([127, 0, 0, 1], 0).into());
    })
    .await;
    let mut sealed = Sealed::new(60);
    let mut client = Client::welcome(&relay, &sealed).await;
    let (file, _) = send_package(&mut client, &mut sealed, 8192).await;
    relay
        .get(&format!("/api/packages/{}/package.sealift", sealed.package))
        .await;
    assert_eq!(relay.get("/metrics").await.0, 404, "no token is set");
    let own = relay.running.as_ref().unwrap().metrics_address().unwrap();
    let text = reqwest::get(format!("http://{own}/metrics"))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    for line in [
        "sealift_lanes{transport=\"websocket\"} 1",
        "sealift_parts_durable_total 2",
        "sealift_files_committed_total 2",
        "sealift_packages_finished_total 1",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    let number = |name: &str| -> u64 {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let body = file.body.len() as u64;
    assert!(number("sealift_received_bytes_total{transport=\"websocket\"}") > body);
    assert!(number("sealift_served_bytes_total") > body);
    for id in [
        sealed.package.to_string(),
        file.id.to_string(),
        "127.0.0.1".to_owned(),
    ] {
        assert!(!text.contains(&id), "{id}");
    }
    let rebound = reqwest::Client::new()
        .get(format!("http://{own}/metrics"))
        .header("host", "evil.example");
    assert_eq!(rebound.send().await.unwrap().status(), 421);
    relay
        .reload(|config| config.settings.metrics_token = sealift_config::Secret::new("counting"))
        .await;
    for (token, status) in [
        ("", 401),
        ("Bearer x", 401),
        ("Bearer ", 401),
        ("Bearer counting", 200),
    ] {
        let (found, ..) = relay
            .get_with("/metrics", &[("authorization", token)])
            .await;
        assert_eq!(found, status, "{token:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_do_not_listen_beyond_this_machine() {
    let mut config = Config::from(sealift_config::Settings::local("unused".into()));
    let dir = tempfile::TempDir::new().unwrap();
    config.settings.data = dir.path().join("data");
    config.settings.metrics_listen = Some(([0, 0, 0, 0], 0).into());
    let error = sealift_relay::start(config).await.err().unwrap();
    let text = format!("{error:#}");
    assert!(text.contains("metrics are for this machine"), "{text}");
}
