//! What goes wrong has a name of its own, an exit code, and says what to do.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;

use sealift_tests::{Outcome, Relay, Sealift, write_random};

use crate::support::{folder, receiving, send, sending};

#[track_caller]
fn says(outcome: &Outcome, code: &str) {
    assert_eq!(outcome.error_code(), code, "{outcome:?}");
    assert!(!outcome.field("error", "message").is_empty());
    assert!(
        !outcome.field("error", "advice").is_empty(),
        "{code} says what to do"
    );
}

#[test]
fn a_wrong_password_is_called_one_and_nothing_is_written() {
    let (relay, dir) = (Relay::start(), folder());
    let links = send(
        &relay.url(),
        &[&write_random(dir.path().join("a"), 1_000, 1)],
    );
    let got = dir.path().join("got");
    let outcome = receiving(&links.receive, &got)
        .password("not the password")
        .fails_with(10);
    says(&outcome, "wrong_password");
    assert!(!got.exists());
}

#[test]
fn a_file_damaged_on_the_relays_disk_is_refused() {
    let (relay, dir) = (Relay::start(), folder());
    let links = send(
        &relay.url(),
        &[&write_random(dir.path().join("a"), 2_000_000, 1)],
    );
    let stored = &relay.stored_files(2_000_000)[0];
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(stored)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 1_000_000).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], 1_000_000).unwrap();

    let got = dir.path().join("got");
    let outcome = receiving(&links.receive, &got).fails_with(11);
    says(&outcome, "damaged_content");
    assert_eq!(
        fs::read_dir(&got).unwrap().count(),
        0,
        "nothing damaged is kept"
    );
}

#[test]
fn a_file_cut_short_on_the_relays_disk_is_refused() {
    let (relay, dir) = (Relay::start(), folder());
    let links = send(
        &relay.url(),
        &[&write_random(dir.path().join("a"), 2_000_000, 1)],
    );
    let stored = &relay.stored_files(2_000_000)[0];
    OpenOptions::new()
        .write(true)
        .open(stored)
        .unwrap()
        .set_len(900_000)
        .unwrap();
    let outcome = receiving(&links.receive, &dir.path().join("got")).run();
    assert_ne!(outcome.exit_code, 0, "{outcome:?}");
    assert!(!dir.path().join("got/a").exists());
}

#[test]
fn a_cut_link_is_called_one() {
    let (relay, dir) = (Relay::start(), folder());
    let links = send(&relay.url(), &[&write_random(dir.path().join("a"), 10, 1)]);
    for length in [
        links.receive.len() - 1,
        links.receive.find('#').unwrap() + 1,
        links.receive.find('#').unwrap(),
    ] {
        says(
            &receiving(&links.receive[..length], dir.path()).fails_with(13),
            "cut_link",
        );
    }
    says(&receiving("hello", dir.path()).fails_with(13), "bad_link");
}

#[test]
fn l1_a_link_pins_its_package() {
    let (relay, dir) = (Relay::start(), folder());
    let file = write_random(dir.path().join("a"), 10, 1);
    let (one, other) = (send(&relay.url(), &[&file]), send(&relay.url(), &[&file]));
    // The fragment of one link behind the address of the other.
    let mixed = format!(
        "{}#{}",
        one.receive.split('#').next().unwrap(),
        other.receive.split('#').nth(1).unwrap()
    );
    says(&receiving(&mixed, dir.path()).fails_with(13), "cut_link");
}

#[test]
fn a_relay_that_is_not_there_is_called_unreachable() {
    let (mut relay, dir) = (Relay::start(), folder());
    let file = write_random(dir.path().join("a"), 10, 1);
    let links = send(&relay.url(), &[&file]);
    relay.kill();
    for outcome in [
        receiving(&links.receive, dir.path()).fails_with(20),
        sending(&relay.url(), &[&file]).fails_with(20),
        Sealift::new("delete").link(&links.manage).fails_with(20),
    ] {
        says(&outcome, "network_lost");
    }
}

#[test]
fn secrets_are_refused_as_arguments_and_not_repeated() {
    let secret = "EW6U0Tvb2oBQPWgiP5UgjVdSTU5g";
    let link = format!("http://127.0.0.1:1/p/mGhWBUOWV0-lrLhyBu0Gpw#{secret}");
    for command in ["receive", "delete", "decrypt"] {
        let outcome = Sealift::new(command).arg(&link).fails_with(2);
        says(&outcome, "bad_usage");
        assert!(outcome.field("error", "advice").contains("--link-file"));
        assert!(!format!("{outcome:?}").contains(secret));
    }
    let send = Sealift::new("send")
        .arg("Cargo.toml")
        .arg("--to")
        .arg(format!("http://127.0.0.1:1/#{secret}"));
    let outcome = send.fails_with(2);
    assert!(outcome.field("error", "advice").contains("--grant-file"));
    assert!(!format!("{outcome:?}").contains(secret));
}

#[test]
fn a_reader_that_goes_away_is_fine() {
    let (relay, dir) = (Relay::start(), folder());
    let links = send(
        &relay.url(),
        &[&write_random(dir.path().join("a"), 3_000_000, 1)],
    );
    let sealift = sealift_tests::sealift_binary();
    let script = format!(
        "'{}' receive -o - | head -c 10 >'{}/out'",
        sealift.display(),
        dir.path().display()
    );
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .env("SEALIFT_LINK", &links.receive)
        .env("SEALIFT_PASSWORD", crate::support::PASSWORD)
        .output()
        .unwrap();
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn l3_a_link_that_is_given_is_compared_even_where_there_is_no_manifest() {
    let (relay, dir) = (Relay::start(), folder());
    let links = send(&relay.url(), &[&write_random(dir.path().join("a"), 10, 1)]);
    let kept = dir.path().join("kept.sealift");
    let keep = Sealift::new("receive")
        .link(&links.receive)
        .arg("--keep-encrypted")
        .arg("-o")
        .arg(&kept);
    keep.succeeds();

    // Cuts the manifest out: keyring and the file alone are a valid .sealift of one file.
    let inspected = Sealift::new("inspect").arg(&kept).succeeds();
    let sections = inspected.events("sealed")[0]["files"]
        .as_array()
        .unwrap()
        .clone();
    let bytes_of = |section: &serde_json::Value| {
        (section["head_bytes"].as_u64().unwrap() + section["body_bytes"].as_u64().unwrap()) as usize
    };
    let mut bytes = fs::read(&kept).unwrap();
    let keyring_bytes = bytes.len() - sections.iter().map(bytes_of).sum::<usize>();
    bytes.drain(keyring_bytes..keyring_bytes + bytes_of(&sections[0]));
    let alone = dir.path().join("alone.sealift");
    fs::write(&alone, bytes).unwrap();

    let got = dir.path().join("got");
    let open = || {
        Sealift::new("decrypt")
            .arg(&alone)
            .password(crate::support::PASSWORD)
            .arg("-o")
            .arg(&got)
    };
    says(&open().link(&links.receive).fails_with(11), "pin_mismatch");
    assert!(!got.join("a").exists());
    assert_eq!(open().succeeds().field("done", "proof"), "password");
    let inspect = Sealift::new("inspect")
        .arg(&alone)
        .password(crate::support::PASSWORD);
    says(&inspect.link(&links.receive).fails_with(11), "pin_mismatch");
}
