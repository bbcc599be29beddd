//! Names that want to climb, to hide or to run neither leave the folder nor reach a terminal.

use std::fs;

use sealift_tests::{Relay, Sealift, write_random};

use crate::support::{PASSWORD, folder, receive, receiving, send, sending};

/// Names that a sender's disk allows.
const NAMES: &[&str] = &[
    "CON",
    "aux.txt",
    "back\\..\\slash",
    "\u{1b}]0;owned\u{7}",
    "photo\u{202e}gpj.exe",
    "line\nbreak",
    "-rf",
    "dots...",
];

#[test]
fn t9_hostile_names_arrive_harmless() {
    let (relay, dir) = (Relay::start(), folder());
    let sent = dir.path().join("sent");
    for (number, name) in NAMES.iter().enumerate() {
        write_random(sent.join(name), 10 + number as u64, number as u64);
    }
    let links = send(&relay.url(), &[&sent]);
    let got = dir.path().join("got");
    receive(&links.receive, &got);

    let arrived: Vec<_> = fs::read_dir(got.join("sent"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(arrived.len(), NAMES.len(), "{arrived:?}");
    for name in &arrived {
        let name = name.to_str().unwrap();
        assert!(
            !name
                .chars()
                .any(|c| c.is_control() || c == '\\' || c == '\u{202e}'),
            "{name:?}"
        );
        assert!(
            !["CON", "AUX"].contains(&name.split('.').next().unwrap().to_uppercase().as_str()),
            "{name:?}"
        );
    }
    assert_eq!(
        fs::read_dir(&got).unwrap().count(),
        1,
        "nothing beside the folder"
    );
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        2,
        "nothing outside"
    );

    // Neither list nor error nor notice steers a terminal.
    let listed = Sealift::plain("receive")
        .link(&links.receive)
        .password(PASSWORD)
        .arg("--list")
        .succeeds();
    for text in [listed.text(), listed.stderr] {
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
    }
    let missing = Sealift::plain("encrypt")
        .arg("no\u{1b}[2Jfile")
        .password(PASSWORD)
        .fails_with(3);
    assert!(!missing.stderr.contains('\u{1b}'), "{:?}", missing.stderr);
}

#[test]
fn t9_an_existing_link_in_the_target_is_not_followed() {
    let (relay, dir) = (Relay::start(), folder());
    let sent = dir.path().join("top");
    write_random(sent.join("inner/file"), 10, 1);
    let links = send(&relay.url(), &[&sent]);
    let (got, outside) = (dir.path().join("got"), dir.path().join("outside"));
    fs::create_dir_all(got.join("top")).unwrap();
    fs::create_dir_all(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, got.join("top/inner")).unwrap();
    receiving(&links.receive, &got).fails_with(3);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn a_path_longer_than_packages_carry_is_refused_with_a_sentence() {
    let (relay, dir) = (Relay::start(), folder());
    let deep = (0..6).fold(dir.path().join("top"), |path, _| path.join("d".repeat(200)));
    write_random(deep.join("file"), 1, 1);
    let outcome = sending(&relay.url(), &[&dir.path().join("top")]).fails_with(15);
    assert_eq!(outcome.error_code(), "bad_name");
    assert!(outcome.field("error", "advice").contains("Rename"));
}

#[test]
fn t9_names_like_those_of_unfinished_files_harm_nothing() {
    let (relay, dir) = (Relay::start(), folder());
    for names in [
        ["a.part", "a"],
        ["a", "a.part"],
        ["a.part.pairs", "a"],
        [".sealift-0011223344556677-0.part", "b"],
    ] {
        let sent = dir.path().join("sent");
        for (number, name) in names.iter().enumerate() {
            write_random(sent.join(name), 1_000_000 + number as u64, number as u64);
        }
        let places = names.map(|name| sent.join(name));
        let links = send(&relay.url(), &[&places[0], &places[1]]);
        let got = dir.path().join("got");
        // The person's own files of such names stay, too.
        fs::create_dir_all(&got).unwrap();
        fs::write(got.join("b.part"), "mine").unwrap();
        receive(&links.receive, &got);
        for (name, place) in names.iter().zip(&places) {
            let name = if name.starts_with('.') {
                format!("_{name}")
            } else {
                (*name).to_owned()
            };
            assert_eq!(
                sealift_tests::sha256_of(&got.join(&name)),
                sealift_tests::sha256_of(place),
                "{name}"
            );
        }
        assert_eq!(fs::read(got.join("b.part")).unwrap(), b"mine");
        assert_eq!(fs::read_dir(&got).unwrap().count(), 3);
        fs::remove_dir_all(&got).unwrap();
        fs::remove_dir_all(&sent).unwrap();
    }
}
