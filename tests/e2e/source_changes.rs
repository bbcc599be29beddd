//! A file that changes while it is sent is reported, not stored.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};

use sealift_tests::{Link, Relay, write_random};

use crate::support::{folder, sending};

#[test]
fn c2_a_file_that_changes_while_it_is_sent_is_reported_and_not_stored() {
    let (relay, dir) = (Relay::start(), folder());
    let file = write_random(dir.path().join("a.bin"), 60_000_000, 1);
    let link = Link::to(relay.address());
    link.throttle(10_000_000);
    let running = sending(&link.url(), &[&file]).start();
    let deadline = Instant::now() + Duration::from_secs(30);
    while link.carried_bytes() < 10_000_000 && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    // Same length, other content, in what was sent already.
    OpenOptions::new()
        .write(true)
        .open(&file)
        .unwrap()
        .write_all_at(b"changed", 1_000)
        .unwrap();
    let outcome = running.wait();
    assert_eq!(outcome.exit_code, 25, "{outcome:?}");
    assert_eq!(outcome.error_code(), "file_changed");
    assert!(outcome.field("error", "message").contains("a.bin"));
    assert_eq!(outcome.events("sent").len(), 0);
}
