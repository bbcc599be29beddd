//! Ctrl-C stops cleanly, and leaves nothing half-done under a final name.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use sealift_tests::{Link, Relay, Sealift, write_random};

use crate::support::{PASSWORD, folder, sending, wait_until_grown};

#[test]
fn a_stopped_sending_leaves_nothing_at_the_relay() {
    let (relay, dir) = (Relay::start(), folder());
    let file = write_random(dir.path().join("a.bin"), 60_000_000, 1);
    let link = Link::to(relay.address());
    link.throttle(10_000_000);
    let running = sending(&link.url(), &[&file]).start();
    let deadline = Instant::now() + Duration::from_secs(30);
    while link.carried_bytes() < 5_000_000 && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    running.signal("INT");
    let outcome = running.wait();
    assert_eq!(outcome.exit_code, 130, "{outcome:?}");
    assert_eq!(outcome.error_code(), "cancelled");
    // What might be left can be deleted: the manage link was there from the start (L4).
    assert!(outcome.field("started", "manage_link").contains("/manage/"));
    let deadline = Instant::now() + Duration::from_secs(10);
    while !relay.stored_files(1_000_000).is_empty() {
        assert!(
            Instant::now() < deadline,
            "{:?} is still there",
            relay.stored_files(1_000_000)
        );
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_stopped_sealing_leaves_no_file() {
    let dir = folder();
    // A file that is all hole, so that there is time to stop.
    fs::File::create(dir.path().join("huge"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    let running = Sealift::new("encrypt")
        .arg("huge")
        .password(PASSWORD)
        .inside(dir.path())
        .start();
    wait_until_grown(dir.path(), 4_000_000);
    running.signal("TERM");
    assert_eq!(running.wait().exit_code, 130);
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        1,
        "only the source is there"
    );
}

#[test]
fn a_command_that_waits_for_a_silent_pipe_is_stopped_at_once_and_leaves_no_part() {
    let dir = folder();
    let file = write_random(dir.path().join("x"), 1_500_000, 1);
    let plain = fs::read(file).unwrap();
    let sealed = Sealift::plain("encrypt")
        .arg("-")
        .password(PASSWORD)
        .stdin(plain.clone())
        .succeeds()
        .stdout;
    for (command, name, said) in [
        ("encrypt", "y.sealift", plain),
        (
            "decrypt",
            "folder",
            sealed[..sealed.len() - 100_000].to_vec(),
        ),
    ] {
        let into = dir.path().join(command);
        fs::create_dir(&into).unwrap();
        let mut running = Sealift::new(command)
            .args(["-", "-o", name])
            .password(PASSWORD)
            .inside(&into)
            .held_stdin(said)
            .start();
        let growing = if command == "encrypt" {
            into.clone()
        } else {
            into.join(name)
        };
        wait_until_grown(&growing, 500_000);
        assert!(running.is_running(), "{command}");
        running.signal("INT");
        let outcome = running.wait();
        assert_eq!(outcome.exit_code, 130, "{command}: {outcome:?}");
        assert_eq!(outcome.error_code(), "cancelled");
        assert!(
            fs::read_dir(&growing).unwrap().next().is_none(),
            "{command} left something"
        );
    }
}
