//! Lanes die, stall and are few: the upload goes on by itself, without starting over.

use std::thread;
use std::time::{Duration, Instant};

use sealift_tests::{Link, Relay, Running, write_random};

use crate::support::{folder, links, receive, sending};

const BYTES: u64 = 80_000_000;

/// Waits until so many bytes went over the link.
fn wait_for(link: &Link, bytes: u64, running: &mut Running) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while link.carried_bytes() < bytes && running.is_running() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(10));
    }
}

/// Progress never goes back, whatever happens to lanes.
fn progress_only_grows(outcome: &sealift_tests::Outcome) {
    let done: Vec<u64> = outcome
        .events("progress")
        .iter()
        .filter_map(|event| event["bytes_done"].as_u64())
        .collect();
    assert!(done.is_sorted(), "{done:?}");
}

/// Sends a file over a link to which `trouble` happens, and receives it. Returns the connections and
/// bytes that sending took.
fn survives(arguments: &[&str], trouble: impl FnOnce(&Link, &mut Running)) -> (u64, u64) {
    let (relay, dir) = (Relay::start(), folder());
    let file = write_random(dir.path().join("a.bin"), BYTES, 1);
    let link = Link::to(relay.address());
    link.throttle(15_000_000);
    let command = sending(&link.url(), &[&file]).args(arguments);
    let mut running = command.start();
    trouble(&link, &mut running);
    link.throttle(0);
    let outcome = running.wait();
    assert_eq!(outcome.exit_code, 0, "{outcome:?}");
    progress_only_grows(&outcome);
    let took = (link.accepted(), link.carried_bytes());
    let got = dir.path().join("got");
    receive(&links(&outcome).receive, &got);
    assert_eq!(
        sealift_tests::sha256_of(&got.join("a.bin")),
        sealift_tests::sha256_of(&file)
    );
    took
}

#[test]
fn a_lane_that_dies_in_the_middle_of_a_file_hands_its_part_over() {
    let (connections, bytes) = survives(&[], |link, running| {
        for step in 1..=5 {
            wait_for(link, step * 10_000_000, running);
            link.cut();
        }
    });
    assert!(connections > 5);
    // Each cut loses at most what the lanes had under way, never what was stored.
    assert!(bytes < 3 * BYTES, "{bytes} bytes were carried");
}

#[test]
fn a_network_that_is_away_for_seconds_is_waited_for() {
    survives(&[], |link, running| {
        wait_for(link, 10_000_000, running);
        link.down();
        thread::sleep(Duration::from_secs(3));
        assert!(running.is_running());
        link.up();
    });
}

#[test]
fn the_number_of_lanes_can_be_capped() {
    let (connections, _) = survives(&["--lanes", "1"], |link, running| {
        wait_for(link, 20_000_000, running)
    });
    // The question what the relay takes, and one lane.
    assert_eq!(connections, 2);
}

#[test]
fn a_lane_that_closes_while_nothing_can_be_written_is_noticed() {
    let (mut relay, dir) = (Relay::start(), folder());
    let file = write_random(dir.path().join("a.bin"), BYTES, 1);
    let link = Link::to(relay.address());
    link.throttle(15_000_000);
    let command = sending(&link.url(), &[&file]).args(["--lanes", "1"]);
    let mut running = command.start();
    wait_for(&link, 10_000_000, &mut running);
    link.stall_sending(true);
    // Until every buffer on the way is full and the write waits.
    thread::sleep(Duration::from_secs(2));
    let before = link.accepted();
    relay.kill();
    relay.start_again();
    // A new lane comes although the old one's write has not returned.
    let deadline = Instant::now() + Duration::from_secs(60);
    while link.accepted() == before && running.is_running() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(10));
    }
    assert!(link.accepted() > before, "the close was not noticed");
    link.stall_sending(false);
    link.throttle(0);
    let outcome = running.wait();
    assert_eq!(outcome.exit_code, 0, "{outcome:?}");
    progress_only_grows(&outcome);
}
