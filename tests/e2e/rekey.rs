//! Who can open something changes without its content, one change at a time, and never back unnoticed.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use sealift_tests::{Outcome, Relay, RelayOptions, Sealift, sha256_of, write_random};

use crate::support::{PASSWORD, Sent, folder, receiving, send};

const NEW: &str = "osprey granite lantern 77 meadow";

#[track_caller]
fn encrypt(folder: &Path) -> PathBuf {
    write_random(folder.join("a.bin"), 2_000_000, 1);
    Sealift::new("encrypt")
        .arg("a.bin")
        .inside(folder)
        .password(PASSWORD)
        .succeeds();
    folder.join("a.bin.sealift")
}

fn opening(sealed: &Path, password: &str) -> Sealift {
    let got = sealed.with_file_name("got");
    Sealift::new("decrypt")
        .arg(sealed)
        .args(["--overwrite", "-o"])
        .arg(got)
        .password(password)
}

/// `sealift rekey` with the manage link and the first password.
fn rekeying(links: &Sent) -> Sealift {
    Sealift::new("rekey").link(&links.manage).password(PASSWORD)
}

/// A relay with one package of one file.
fn sent() -> (Relay, tempfile::TempDir, Sent) {
    let (relay, dir) = (Relay::start(), folder());
    let file = write_random(dir.path().join("a.bin"), 700_000, 1);
    let links = send(&relay.url(), &[&file]);
    (relay, dir, links)
}

fn receives(links: &Sent, dir: &Path, password: &str) -> Outcome {
    receiving(&links.receive, &dir.join("got"))
        .arg("--list")
        .password(password)
        .run()
}

#[test]
fn a_files_password_changes_and_its_content_stays() {
    let dir = folder();
    let sealed = encrypt(dir.path());
    fs::set_permissions(&sealed, fs::Permissions::from_mode(0o640)).unwrap();
    let before = fs::read(&sealed).unwrap();
    let rekeyed = Sealift::new("rekey")
        .arg(&sealed)
        .password(PASSWORD)
        .new_password(NEW)
        .succeeds();
    assert_eq!(rekeyed.events("rekeyed")[0]["keyring_generation"], 2);
    let after = fs::read(&sealed).unwrap();
    assert_eq!(before.len(), after.len());
    assert!(
        before[256..] == after[256..],
        "heads and bodies are untouched"
    );
    let mode = fs::metadata(&sealed).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(
        opening(&sealed, PASSWORD).fails_with(10).error_code(),
        "wrong_password"
    );
    opening(&sealed, NEW).succeeds();
    let left = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, 3, "the file, the sealed one, and what was opened");

    // And it is said that this takes nothing back: the old file still opens.
    fs::write(&sealed, before).unwrap();
    opening(&sealed, PASSWORD).succeeds();
    let told = Sealift::plain("rekey")
        .arg(&sealed)
        .password(PASSWORD)
        .new_password(NEW)
        .succeeds();
    assert!(told.stderr.contains("takes nothing back"), "{told:?}");
}

#[test]
fn a_wrong_password_changes_nothing() {
    let dir = folder();
    let sealed = encrypt(dir.path());
    let before = sha256_of(&sealed);
    let rekey = Sealift::new("rekey").arg(&sealed).password("not it");
    let wrong = rekey.new_password(NEW).fails_with(10);
    assert_eq!(wrong.error_code(), "wrong_password");
    assert_eq!(sha256_of(&sealed), before);
}

#[test]
fn recipients_come_and_go_and_the_last_way_to_change_it_stays() {
    let dir = folder();
    let sealed = encrypt(dir.path());
    let keygen = Sealift::new("keygen").arg("-o").arg(dir.path().join("me"));
    let key = keygen.succeeds().field("identity", "recipient");
    let rekey = || Sealift::new("rekey").arg(&sealed).password(PASSWORD);
    let by_key = || {
        opening(&sealed, "")
            .arg("--identity")
            .arg(dir.path().join("me"))
    };

    rekey().args(["--recipient", &key]).succeeds();
    by_key().succeeds();
    opening(&sealed, PASSWORD).succeeds();
    for last in [
        ["--remove", "1"].as_slice(),
        &["--remove", "1", "--remove", "2"],
    ] {
        let refused = rekey().args(last).fails_with(2);
        assert!(
            refused.field("error", "message").contains("ever change"),
            "{refused:?}"
        );
    }
    assert_eq!(
        rekey().args(["--remove", "9"]).fails_with(2).error_code(),
        "bad_usage"
    );
    assert_eq!(rekey().fails_with(2).error_code(), "bad_usage");
    rekey().arg("--remove-recipients").succeeds();
    assert_eq!(by_key().fails_with(5).error_code(), "password_needed");
    rekey().args(["--recipient", &key]).succeeds();
    rekey().args(["--remove", "2"]).succeeds();
    assert_eq!(by_key().fails_with(5).error_code(), "password_needed");
    let inspected = Sealift::new("inspect").arg(&sealed).succeeds();
    assert_eq!(inspected.events("sealed")[0]["keyring_generation"], 5);
}

#[test]
fn a_stored_packages_password_changes_and_can_be_taken_back() {
    let (_relay, dir, links) = sent();
    rekeying(&links).new_password(NEW).succeeds();
    assert_eq!(receives(&links, dir.path(), PASSWORD).exit_code, 10);
    assert_eq!(receives(&links, dir.path(), NEW).exit_code, 0);
    // The link still pins the content, and everything opens.
    let got = dir.path().join("got");
    let received = receiving(&links.receive, &got).password(NEW).succeeds();
    assert_eq!(received.field("done", "proof"), "link");
    assert_eq!(
        sha256_of(&got.join("a.bin")),
        sha256_of(&dir.path().join("a.bin"))
    );

    rekeying(&links).arg("--undo").succeeds();
    assert_eq!(receives(&links, dir.path(), PASSWORD).exit_code, 0);
    assert_eq!(receives(&links, dir.path(), NEW).exit_code, 10);
}

#[test]
fn what_has_no_earlier_keyring_cannot_be_undone() {
    let (_relay, dir, links) = sent();
    let undo = rekeying(&links).arg("--undo").fails_with(22);
    assert!(
        undo.field("error", "message")
            .contains("no earlier keyring")
    );
    let local = Sealift::new("rekey").arg(encrypt(dir.path())).arg("--undo");
    assert_eq!(local.fails_with(2).error_code(), "bad_usage");
}

#[test]
fn a_package_that_its_link_opens_gets_a_password_with_the_manage_link_alone() {
    let (relay, dir) = (Relay::start(), folder());
    let file = write_random(dir.path().join("a.bin"), 1_000, 1);
    let send = Sealift::new("send")
        .args(["--to", &relay.url(), "--no-password"])
        .arg(file);
    let links = crate::support::links(&send.succeeds());
    let rekey = Sealift::new("rekey").link(&links.manage);
    rekey.args(["--remove", "1"]).new_password(NEW).succeeds();
    let receive = || receiving(&links.receive, &dir.path().join("got")).arg("--list");
    assert_eq!(receive().fails_with(10).error_code(), "wrong_password");
    receive().password(NEW).succeeds();
}

#[test]
fn only_the_manage_link_gives_the_right() {
    let (_relay, _dir, links) = sent();
    let receive = Sealift::new("rekey")
        .link(&links.receive)
        .password(PASSWORD);
    assert_eq!(
        receive.new_password(NEW).fails_with(13).error_code(),
        "bad_link"
    );
    let argument = Sealift::new("rekey").arg(&links.manage).new_password(NEW);
    let refused = argument.fails_with(2);
    assert!(!format!("{refused:?}").contains(links.manage.split('#').nth(1).unwrap()));
}

#[test]
fn k2_of_two_rekeys_at_once_one_is_refused_and_changes_nothing() {
    let (_relay, dir, links) = sent();
    // The second one has fetched the keyring and waits for its password.
    let pipe = dir.path().join("password");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let second = Sealift::new("rekey")
        .link(&links.manage)
        .arg("--password-file")
        .arg(&pipe)
        .new_password("another password 4711 entirely")
        .start();
    let mut asked = OpenOptions::new().write(true).open(&pipe).unwrap();
    rekeying(&links).new_password(NEW).succeeds();
    writeln!(asked, "{PASSWORD}").unwrap();
    drop(asked);
    let refused = second.wait();
    assert_eq!(refused.exit_code, 28, "{refused:?}");
    assert_eq!(refused.error_code(), "keyring_changed");
    assert_eq!(receives(&links, dir.path(), NEW).exit_code, 0);
}

#[test]
fn k2_a_keyring_that_is_older_than_one_seen_before_is_refused() {
    let dir = folder();
    let data = dir.path().join("data");
    let mut relay = Relay::with(RelayOptions {
        data: Some(data.clone()),
        ..RelayOptions::default()
    });
    let file = write_random(dir.path().join("a.bin"), 1_000, 1);
    let links = send(&relay.url(), &[&file]);
    relay.stop();
    let old = dir.path().join("old");
    let copied = Command::new("cp").arg("-a").args([&data, &old]).status();
    assert!(copied.unwrap().success());
    relay.start_again();
    rekeying(&links).new_password(NEW).succeeds();

    // The relay goes back to the state before, as if nothing had happened.
    relay.stop();
    fs::remove_dir_all(&data).unwrap();
    fs::rename(&old, &data).unwrap();
    relay.start_again();
    let outcomes = [
        receives(&links, dir.path(), PASSWORD),
        rekeying(&links)
            .new_password("yet another 99 password here")
            .run(),
        receiving(&links.receive, dir.path())
            .arg("--keep-encrypted")
            .run(),
    ];
    for outcome in outcomes {
        assert_eq!(outcome.exit_code, 18, "{outcome:?}");
        assert_eq!(outcome.error_code(), "old_keyring");
    }
    // Somebody who has never seen the newer one cannot know.
    let state = dir.path().join("other person");
    receiving(&links.receive, &dir.path().join("got"))
        .env("XDG_STATE_HOME", &state.to_string_lossy())
        .succeeds();
}

#[test]
fn k3_a_keyring_of_the_relays_own_choice_is_never_sealed_under() {
    let (relay, dir) = (Relay::start(), folder());
    let file = write_random(dir.path().join("a.bin"), 1_000, 1);
    let links = send(&relay.url(), &[&file]);
    let first = keyrings(&relay);
    send(&relay.url(), &[&file]);
    let second: Vec<PathBuf> = keyrings(&relay)
        .into_iter()
        .filter(|place| !first.contains(place))
        .collect();
    // Under the same password, but with another package's key: put in place of the right one.
    fs::copy(&second[0], &first[0]).unwrap();
    let refused = rekeying(&links).new_password(NEW).fails_with(11);
    assert!(
        ["package_mismatch", "damaged_keyring", "stored_differs"]
            .contains(&refused.error_code().as_str())
    );
    let received = receives(&links, dir.path(), PASSWORD);
    assert_eq!(received.exit_code, 11, "{received:?}");
    assert_eq!(keyrings(&relay).len(), 2, "nothing was written");
}

/// The keyrings in a relay's docroot.
fn keyrings(relay: &Relay) -> Vec<PathBuf> {
    let files = relay.stored_files(1).into_iter();
    files
        .filter(|place| fs::read(place).unwrap().starts_with(b"\x89SLK"))
        .collect()
}
