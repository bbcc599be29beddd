//! A download that was cut goes on where it stopped, within a run and in a later one.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use sealift_tests::{Link, Relay, sha256_of, write_random};

use crate::support::{folder, links, receive, receiving, sending, wait_until_grown};

const BYTES: u64 = 60_000_000;

/// A package sent over a link that starts counting at zero.
fn sent() -> (Relay, tempfile::TempDir, Link, String) {
    let (relay, dir) = (Relay::start(), folder());
    let file = write_random(dir.path().join("a.bin"), BYTES, 1);
    let link = Link::to(relay.address());
    let outcome = sending(&link.url(), &[&file]).succeeds();
    (relay, dir, link, links(&outcome).receive)
}

#[test]
fn a_cut_connection_is_taken_up_in_the_same_run() {
    let (_relay, dir, link, address) = sent();
    let before = link.carried_bytes();
    link.throttle(20_000_000);
    let got = dir.path().join("got");
    let mut running = receiving(&address, &got).start();
    for step in 1..=3 {
        let deadline = Instant::now() + Duration::from_secs(30);
        while link.carried_bytes() - before < step * 12_000_000
            && running.is_running()
            && Instant::now() < deadline
        {
            thread::sleep(Duration::from_millis(10));
        }
        link.cut();
    }
    link.throttle(0);
    let outcome = running.wait();
    assert_eq!(outcome.exit_code, 0, "{outcome:?}");
    assert_eq!(
        sha256_of(&got.join("a.bin")),
        sha256_of(&dir.path().join("a.bin"))
    );
    assert!(
        link.carried_bytes() - before < BYTES * 3 / 2,
        "it did not start over"
    );
}

#[test]
fn p2_a_stopped_download_goes_on_in_a_later_run() {
    let (_relay, dir, link, address) = sent();
    let got = dir.path().join("got");
    link.throttle(20_000_000);
    let running = receiving(&address, &got).start();
    let part = wait_until_grown(&got, 20_000_000);
    running.signal("INT");
    assert_eq!(running.wait().exit_code, 130);
    assert!(part.exists() && !got.join("a.bin").exists());

    link.throttle(0);
    let before = link.carried_bytes();
    receive(&address, &got);
    assert_eq!(
        sha256_of(&got.join("a.bin")),
        sha256_of(&dir.path().join("a.bin"))
    );
    assert!(
        link.carried_bytes() - before < BYTES - 15_000_000,
        "what was there was not fetched again"
    );
    assert_eq!(
        fs::read_dir(&got).unwrap().count(),
        1,
        "no part and no notes are left"
    );

    // A third run finds everything in place.
    let before = link.carried_bytes();
    let again = receive(&address, &got);
    assert!(link.carried_bytes() - before < 100_000);
    // What was not fetched was not compared with the link, and that is said.
    assert_eq!(again.field("done", "proof"), "partly");
}

#[test]
fn a_part_that_was_changed_meanwhile_is_not_trusted() {
    let (_relay, dir, link, address) = sent();
    let got = dir.path().join("got");
    link.throttle(20_000_000);
    let running = receiving(&address, &got).start();
    let part = wait_until_grown(&got, 10_000_000);
    running.signal("INT");
    running.wait();
    let mut bytes = fs::read(&part).unwrap();
    bytes[5_000_000] ^= 1;
    fs::write(&part, bytes).unwrap();
    link.throttle(0);
    receive(&address, &got);
    assert_eq!(
        sha256_of(&got.join("a.bin")),
        sha256_of(&dir.path().join("a.bin"))
    );
}

#[test]
fn an_encrypted_copy_goes_on_in_a_later_run() {
    let (_relay, dir, link, address) = sent();
    let kept = dir.path().join("kept.sealift");
    let keep = || {
        sealift_tests::Sealift::new("receive")
            .link(&address)
            .arg("--keep-encrypted")
            .arg("-o")
            .arg(&kept)
    };
    link.throttle(20_000_000);
    let running = keep().start();
    wait_until_grown(dir.path(), 20_000_000);
    running.signal("INT");
    assert_eq!(running.wait().exit_code, 130);
    link.throttle(0);
    let before = link.carried_bytes();
    keep().succeeds();
    assert!(link.carried_bytes() - before < BYTES - 15_000_000);
    let got = dir.path().join("got");
    let decrypt = sealift_tests::Sealift::new("decrypt")
        .arg(&kept)
        .link(&address);
    decrypt
        .password(crate::support::PASSWORD)
        .arg("-o")
        .arg(&got)
        .succeeds();
    assert_eq!(
        sha256_of(&got.join("a.bin")),
        sha256_of(&dir.path().join("a.bin"))
    );
}

#[test]
fn only_what_is_missing_is_fetched_again() {
    let (relay, dir) = (Relay::start(), folder());
    let sent = dir.path().join("sent");
    for number in 0..30u64 {
        write_random(sent.join(format!("small {number}")), 1_000 + number, number);
    }
    write_random(sent.join("large"), 20_000_000, 99);
    let link = Link::to(relay.address());
    let address = links(&sending(&link.url(), &[&sent]).succeeds()).receive;
    let got = dir.path().join("got");
    receive(&address, &got);
    fs::remove_file(got.join("sent/small 7")).unwrap();
    let before = link.carried_bytes();
    receive(&address, &got);
    assert!(
        link.carried_bytes() - before < 1_000_000,
        "the large file was fetched again"
    );
    sealift_tests::same_content(&sent, &got.join("sent"));

    // Another file under one of the names is not taken for it, and not replaced.
    fs::write(got.join("sent/large"), "mine").unwrap();
    assert_eq!(
        receiving(&address, &got).fails_with(4).error_code(),
        "exists"
    );
    assert_eq!(fs::read(got.join("sent/large")).unwrap(), b"mine");
    receiving(&address, &got).arg("--overwrite").succeeds();
    sealift_tests::same_content(&sent, &got.join("sent"));
}
