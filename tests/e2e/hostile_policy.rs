//! Whatever a relay says of protection, what a client seals is the same: its answer can make a
//! client refuse, never seal with less.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use sealift_tests::{Relay, write_random};

use crate::support::{folder, receive, send};

/// Weaker costs, a salt of its own, another version, no encryption: whatever name it goes by.
const ANSWER: &str = r#"{
    "uploads_open": true, "version": 0, "suite": 0, "encryption": "off", "content_protection": false,
    "salt": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "kdf": {"m": 8, "t": 1, "p": 1},
    "protection": {"mode": "off", "strong_password_required": false, "password_rule": "aspera",
        "kdf_memory_kib": 8, "kdf_passes": 1, "salt": "AAAA", "encryption": false}
}"#;

/// Whether the policy was asked for.
static ASKED: AtomicBool = AtomicBool::new(false);

/// In front of a relay: answers for it when the policy is asked for, and carries all else.
fn liar(relay: SocketAddr) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            thread::spawn(move || serve(connection, relay));
        }
    });
    url
}

fn serve(mut client: TcpStream, relay: SocketAddr) -> Option<()> {
    let mut start = vec![0; 16 << 10];
    let count = client.read(&mut start).ok()?;
    start.truncate(count);
    if start.starts_with(b"GET /api/policy") {
        ASKED.store(true, SeqCst);
        let length = ANSWER.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        );
        client.write_all(head.as_bytes()).ok()?;
        return client.write_all(ANSWER.as_bytes()).ok();
    }
    let mut onward = TcpStream::connect(relay).ok()?;
    onward.write_all(&start).ok()?;
    let (mut back, mut to) = (onward.try_clone().ok()?, client.try_clone().ok()?);
    thread::spawn(move || {
        let _ended = std::io::copy(&mut back, &mut to);
        let _already_closed = to.shutdown(Shutdown::Both);
    });
    let _ended = std::io::copy(&mut client, &mut onward);
    onward.shutdown(Shutdown::Write).ok()
}

#[test]
fn nothing_that_a_server_says_changes_what_is_sealed() {
    let (relay, dir) = (Relay::start(), folder());
    let secret = b"nothing of this is stored as it is".repeat(50);
    let file = dir.path().join("a");
    std::fs::write(&file, &secret).unwrap();
    let links = send(
        &liar(relay.address()),
        &[&file, &write_random(dir.path().join("b"), 10, 1)],
    );
    assert!(ASKED.load(SeqCst), "it heard the answer");
    let mut keyrings = 0;
    for place in relay.stored_files(0) {
        let bytes = std::fs::read(&place).unwrap();
        assert!(
            !bytes.windows(20).any(|part| part == &secret[..20]),
            "{}",
            place.display()
        );
        if !bytes.starts_with(b"\x89SLK\r\n\x1a\n") {
            continue;
        }
        keyrings += 1;
        // SPEC.md of the envelope, section 4: version, suite, one slot; type, flags, length, Argon2id, p, t, m.
        assert_eq!(bytes[8..12], [1, 1, 0, 1]);
        assert_eq!(bytes[80..92], [1, 0, 0, 128, 1, 1, 0, 3, 0, 1, 0, 0]);
        assert!(bytes[96..128].iter().any(|byte| *byte != 0), "its own salt");
    }
    assert_eq!(keyrings, 1);
    let at_relay = links
        .receive
        .split_once("/p/")
        .map(|(_, path)| format!("{}/p/{path}", relay.url()));
    let got = dir.path().join("got");
    receive(&at_relay.unwrap(), &got);
    assert_eq!(std::fs::read(got.join("a")).unwrap(), secret);
}
