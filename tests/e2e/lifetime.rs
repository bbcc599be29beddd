//! Packages end when they were said to.

use std::thread;
use std::time::{Duration, Instant};

use sealift_tests::{Relay, write_random};

use crate::support::{folder, links, receive, receiving, sending};

#[test]
fn a_package_is_gone_after_its_time() {
    let (relay, dir) = (Relay::start(), folder());
    let file = write_random(dir.path().join("a"), 10, 1);
    let sent = links(
        &sending(&relay.url(), &[&file])
            .args(["--expires", "3s"])
            .succeeds(),
    );
    receive(&sent.receive, &dir.path().join("before"));
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let outcome = receiving(&sent.receive, &dir.path().join("after")).run();
        if outcome.exit_code == 22 {
            assert!(matches!(&outcome.error_code()[..], "not_found" | "expired"));
            return;
        }
        assert!(Instant::now() < deadline, "{outcome:?}");
        std::fs::remove_dir_all(dir.path().join("after")).unwrap();
        thread::sleep(Duration::from_millis(300));
    }
}
