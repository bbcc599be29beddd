//! The relay may be killed at any time: nothing that it acknowledged is lost, and the upload goes on
//! by itself.

use std::thread;
use std::time::{Duration, Instant};

use sealift_tests::{Link, Random, Relay, sha256_of, write_random};

use crate::support::{folder, links, receive, sending};

const KILLS: u32 = 50;
const BYTES: u64 = 200_000_000;

#[test]
fn fifty_kills_of_the_relay_lose_nothing_that_was_acknowledged() {
    let (mut relay, dir) = (Relay::start(), folder());
    let file = write_random(dir.path().join("a.bin"), BYTES, 1);
    // Through a link, so that its rate can be set and its bytes counted.
    let link = Link::to(relay.address());
    link.throttle(6_000_000);
    let mut running = sending(&link.url(), &[&file]).start();
    let mut random = Random::new(50);
    let mut kills = 0;
    while kills < KILLS {
        thread::sleep(Duration::from_millis(50 + random.below(500)));
        if !running.is_running() {
            break;
        }
        relay.kill();
        kills += 1;
        relay.start_again();
    }
    assert_eq!(kills, KILLS, "the upload ended early: {:?}", running.wait());
    link.throttle(0);
    let started = Instant::now();
    let outcome = running.wait();
    assert_eq!(outcome.exit_code, 0, "{outcome:?}\n{}", relay.log());
    assert!(started.elapsed() < Duration::from_secs(60));
    let done: Vec<u64> = outcome
        .events("progress")
        .iter()
        .filter_map(|e| e["bytes_done"].as_u64())
        .collect();
    assert!(done.is_sorted(), "progress went back: {done:?}");

    let got = dir.path().join("got");
    receive(&links(&outcome).receive, &got);
    assert_eq!(sha256_of(&got.join("a.bin")), sha256_of(&file));
}
