//! A disk that is nearly full refuses before it is full, and sending goes on when there is room.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use sealift_tests::{Relay, RelayOptions, write_random};

use crate::support::{folder, links, receive, sending};

/// A small file system of its own, where the test may mount one.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(place: &'a Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=96m", "tmpfs"])
            .arg(place)
            .stderr(std::process::Stdio::null())
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then_some(Self(place))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _still_busy = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_disk_below_its_reserve_refuses_and_says_so() {
    // More than any disk has: it is "nearly full" from the start, wherever the test runs.
    let arguments = vec!["--free-bytes-min".to_owned(), (1u64 << 60).to_string()];
    let (relay, dir) = (
        Relay::with(RelayOptions {
            arguments,
            ..RelayOptions::default()
        }),
        folder(),
    );
    let file = write_random(dir.path().join("a.bin"), 1_000_000, 1);
    let mut running = sending(&relay.url(), &[&file]).start();
    // It says why it waits; a person can stop it.
    assert!(running.prints("storage is full"), "{:?}", running.wait());
    running.signal("INT");
    assert_eq!(running.wait().exit_code, 130);
}

#[test]
fn sending_goes_on_by_itself_when_there_is_room_again() {
    let dir = folder();
    let data = dir.path().join("disk");
    std::fs::create_dir_all(&data).unwrap();
    let Some(_disk) = SmallDisk::mount(&data) else {
        // Without the right to mount, the test before this one covers the refusal.
        return;
    };
    let arguments = vec!["--free-bytes-min".to_owned(), (8u64 << 20).to_string()];
    let relay = Relay::with(RelayOptions {
        arguments,
        data: Some(data.clone()),
        ..RelayOptions::default()
    });
    let ballast = write_random(data.join("ballast"), 60 << 20, 7);
    let file = write_random(dir.path().join("a.bin"), 40 << 20, 1);
    let mut running = sending(&relay.url(), &[&file]).start();
    let deadline = Instant::now() + Duration::from_secs(4);
    while Instant::now() < deadline {
        assert!(running.is_running(), "it waits instead of giving up");
        thread::sleep(Duration::from_millis(100));
    }
    std::fs::remove_file(ballast).unwrap();
    let outcome = running.wait();
    assert_eq!(outcome.exit_code, 0, "{outcome:?}");
    receive(&links(&outcome).receive, &dir.path().join("got"));
}
