//! Connections that misbehave are cut, and others go on; pages and answers carry their headers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test stops at the first surprise

mod support;

use std::time::{Duration, Instant};

use sealift_protocol::format::Role;
use sealift_protocol::limits::{HELLO_MAX, REQUEST_MAX};
use sealift_protocol::message::{ClientMessage, RelayMessage};
use sealift_protocol::{Attempt, Epoch, PartNumber};
use support::TestRelay;
use support::client::{Client, hello, websocket};
use support::sealed::Sealed;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long the relay lets a client live that sends this and then nothing.
async fn cut_after(relay: &TestRelay, bytes: &[u8]) -> Duration {
    let mut stream = TcpStream::connect(relay.address()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let start = Instant::now();
    let ended = tokio::time::timeout(REQUEST_MAX * 3, stream.read_to_end(&mut Vec::new())).await;
    assert!(ended.is_ok(), "not cut");
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_heads_slow_bodies_and_silent_lanes_are_cut() {
    let relay = TestRelay::open().await;
    let delete =
        b"DELETE /api/packages/x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\nabc";
    let unfinished_request = b"GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: ";
    let mut silent = websocket(&relay, &[]).await.unwrap();
    let waiting = async {
        let start = Instant::now();
        let answer = silent.next().await;
        assert!(
            matches!(answer, Some(RelayMessage::Refused { .. })),
            "{answer:?}"
        );
        start.elapsed()
    };
    let (nothing, head, body, lane) = tokio::join!(
        cut_after(&relay, b""),
        cut_after(&relay, unfinished_request),
        cut_after(&relay, delete),
        waiting
    );
    assert!(
        nothing < REQUEST_MAX * 2
            && head < REQUEST_MAX * 2
            && body < REQUEST_MAX * 2
            && lane < HELLO_MAX * 2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_cannot_take_all_lanes() {
    let relay = TestRelay::with(|config| {
        let settings = &mut config.settings;
        settings.open_uploads = true;
        settings.lanes_per_address_max = 2;
    })
    .await;
    let _lanes = (
        websocket(&relay, &[]).await.unwrap(),
        websocket(&relay, &[]).await.unwrap(),
    );
    let Err(tokio_tungstenite::tungstenite::Error::Http(refused)) = websocket(&relay, &[]).await
    else {
        panic!("a third lane was opened");
    };
    assert_eq!(refused.status().as_u16(), 503);
    drop(_lanes);
    for _ in 0..100 {
        if websocket(&relay, &[]).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("lanes that ended are not given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_idle_lanes_cost_little_and_others_go_on() {
    let relay = TestRelay::with(|config| {
        let settings = &mut config.settings;
        settings.open_uploads = true;
        settings.lanes_per_address_max = 400;
    })
    .await;
    let mut idle = Vec::new();
    for index in 0..300u64 {
        let sealed = Sealed::new(1000 + index);
        let mut client = websocket(&relay, &[]).await.unwrap();
        client.enter(hello(&sealed, 1)).await.unwrap();
        idle.push(client);
    }
    let mut sealed = Sealed::new(1);
    let mut client = Client::welcome(&relay, &sealed).await;
    support::client::send_package(&mut client, &mut sealed, 1 << 20).await;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let resident_kib: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    // Both ends live in this process; 1,000 of them would stay under 200 MiB.
    assert!(resident_kib < 120 << 10, "{resident_kib} KiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_cannot_take_all_connections() {
    let relay = TestRelay::with(|config| {
        let settings = &mut config.settings;
        settings.open_uploads = true;
        settings.lanes_per_address_max = 1;
    })
    .await;
    let mut open = Vec::new();
    for _ in 0..220 {
        open.push(TcpStream::connect(relay.address()).await.unwrap());
    }
    let last = open.last_mut().unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(5), last.read(&mut [0; 1])).await;
    assert!(
        matches!(ended, Ok(Ok(0) | Err(_))),
        "the last one is closed"
    );
    drop(open);
    for _ in 0..100 {
        if websocket(&relay, &[]).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("connections that ended are not given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_are_announced_and_never_come_hold_nobody_up() {
    let relay = TestRelay::with(|config| {
        let settings = &mut config.settings;
        settings.open_uploads = true;
        settings.lanes_per_address_max = 400;
        settings.lane_memory_bytes = 16 << 20;
    })
    .await;
    let mut idle = Vec::new();
    for index in 0..80u64 {
        let mut sealed = Sealed::new(2000 + index);
        let mut client = Client::welcome(&relay, &sealed).await;
        let made_up = ClientMessage::BeginPart {
            file: sealed.file(Role::File, 4096).id,
            part: PartNumber(0),
            attempt: Attempt(1),
            epoch: Epoch(1),
            length: 8 << 20,
        };
        client.send(made_up).await;
        client.stopped(1).await;
        idle.push(client);
    }
    let mut sealed = Sealed::new(1);
    let mut client = Client::welcome(&relay, &sealed).await;
    support::client::send_package(&mut client, &mut sealed, 1 << 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_carry_the_headers_that_browsers_obey() {
    let relay = TestRelay::open().await;
    for path in ["/", "/api/policy", "/p/x", "/api/packages/x", "/nothing"] {
        let (_, headers, _) = relay.get(path).await;
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(
            headers["cross-origin-opener-policy"], "same-origin",
            "{path}"
        );
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert!(
            !policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"),
            "{path}"
        );
        assert_eq!(headers["cache-control"], "no-store", "{path}");
        assert!(!headers.contains_key("set-cookie"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn webtransport_can_be_switched_off_and_announced_under_another_port() {
    let relay = TestRelay::with(|config| config.settings.webtransport = false).await;
    assert_eq!(relay.get("/api/webtransport").await.0, 404);
    let relay =
        TestRelay::with(|config| config.settings.webtransport_public_port = Some(4433)).await;
    let (_, _, body) = relay.get("/api/webtransport").await;
    let info: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(info["port"], 4433);
    assert_eq!(info["hashes"].as_array().unwrap().len(), 2);
}
