//! Each cause has a code and an exit code of its own, and no relay ever hears of any of them.

use std::fs;
use std::path::Path;

use sealift_tests::{Link, Relay, Sealift, write_random};
use sha2::{Digest, Sha384};

use crate::support::{PASSWORD, folder, receiving, send};

/// Opens bytes that were sealed and then changed.
#[track_caller]
fn opening(folder: &Path, bytes: &[u8], password: &str, exit_code: i32, code: &str) {
    let place = folder.join("changed.sealift");
    fs::write(&place, bytes).unwrap();
    let opened = Sealift::new("decrypt")
        .arg(&place)
        .arg("-o")
        .arg(folder.join("got"))
        .password(password)
        .fails_with(exit_code);
    assert_eq!(opened.error_code(), code);
    assert!(!folder.join("got/a.bin").exists());
}

#[test]
fn causes_are_told_apart_by_code_and_exit_code() {
    let dir = folder();
    write_random(dir.path().join("a.bin"), 700_000, 1);
    Sealift::new("encrypt")
        .arg("a.bin")
        .password(PASSWORD)
        .inside(dir.path())
        .succeeds();
    let sealed = fs::read(dir.path().join("a.bin.sealift")).unwrap();
    let with = |place: usize, byte: u8| {
        let mut changed = sealed.clone();
        changed[place] = byte;
        changed
    };
    opening(dir.path(), &sealed, "not it", 10, "wrong_password");
    opening(
        dir.path(),
        &with(200, !sealed[200]),
        PASSWORD,
        11,
        "damaged_keyring",
    );
    opening(
        dir.path(),
        &with(300, !sealed[300]),
        PASSWORD,
        11,
        "damaged_head",
    );
    let place = sealed.len() - 1_000;
    opening(
        dir.path(),
        &with(place, !sealed[place]),
        PASSWORD,
        11,
        "damaged_content",
    );
    opening(
        dir.path(),
        &sealed[..sealed.len() - 100],
        PASSWORD,
        12,
        "cut_short",
    );
    opening(
        dir.path(),
        b"hello, this is a text",
        PASSWORD,
        14,
        "not_sealed",
    );
    opening(dir.path(), &with(8, 2), PASSWORD, 19, "unknown_version");

    // A keyring that asks for 4 GiB: refused before any memory is taken, with an intact checksum.
    let mut greedy = sealed.clone();
    greedy[88..92].copy_from_slice(&(4u32 << 20).to_be_bytes());
    let checksum = Sha384::digest(&greedy[..240]);
    greedy[240..256].copy_from_slice(&checksum[..16]);
    opening(dir.path(), &greedy, PASSWORD, 17, "kdf_too_expensive");
    greedy[88..92].copy_from_slice(&1024u32.to_be_bytes());
    let checksum = Sha384::digest(&greedy[..240]);
    greedy[240..256].copy_from_slice(&checksum[..16]);
    opening(dir.path(), &greedy, PASSWORD, 27, "kdf_too_weak");
}

#[test]
fn no_failure_of_opening_is_reported_to_the_relay() {
    let (relay, dir) = (Relay::start(), folder());
    let link = Link::to(relay.address());
    let file = write_random(dir.path().join("a.bin"), 2_000_000, 1);
    let receive = send(&relay.url(), &[&file]).receive;
    let receive = receive.replace(&relay.url(), &link.url());

    let got = dir.path().join("got");
    receiving(&receive, &got).password("not it").fails_with(10);
    receiving(&receive[..receive.len() - 2], &got).fails_with(13);
    let stored = &relay.stored_files(2_000_000)[0];
    let mut bytes = fs::read(stored).unwrap();
    bytes[1_000_000] ^= 1;
    fs::write(stored, &bytes).unwrap();
    receiving(&receive, &got).fails_with(11);
    fs::write(stored, &bytes[..500_000]).unwrap();
    assert_ne!(receiving(&receive, &got).run().exit_code, 0);

    let requests = link.requests();
    let lines: Vec<&str> = requests
        .lines()
        .filter(|line| line.contains(" HTTP/1.1"))
        .collect();
    assert!(lines.len() >= 6, "{requests}");
    assert!(
        lines
            .iter()
            .all(|line| line.starts_with("GET /api/packages/")),
        "{lines:?}"
    );
    for word in ["wrong", "damaged", "cut_", "failed", "error"] {
        assert!(
            !requests.to_lowercase().contains(word),
            "{word} in {requests}"
        );
    }
}
