//! Nothing on the relay's side ever holds plaintext, names, title, note, password or keys: every
//! byte of its data and of its most talkative log is searched.

use std::fs;
use std::path::Path;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use sealift_tests::{Relay, RelayOptions, Sealift};

use crate::support::{PASSWORD, folder, links, receive, sending};

const CONTENT: &[u8] = b"canary-in-the-content-4f1b";
const NAME: &str = "canary-in-the-name-9c2e";
const FOLDER: &str = "canary-in-the-folder-77aa";
const TITLE: &str = "canary-in-the-title-03d5";
const NOTE: &str = "canary-in-the-note-b8e6";

/// Where a canary was found, in any of its spellings.
fn sightings(bytes: &[u8], place: &Path, canaries: &[(&str, Vec<u8>)]) -> Vec<String> {
    let mut found = Vec::new();
    for (what, canary) in canaries {
        let spellings = [
            canary.clone(),
            HEXLOWER.encode(canary).into_bytes(),
            BASE64
                .encode(canary)
                .trim_end_matches('=')
                .as_bytes()
                .to_vec(),
            BASE64URL_NOPAD.encode(canary).into_bytes(),
        ];
        for spelling in spellings {
            if bytes
                .windows(spelling.len())
                .any(|window| window == spelling)
            {
                found.push(format!("{what} in {}", place.display()));
            }
        }
    }
    found
}

fn search(folder: &Path, canaries: &[(&str, Vec<u8>)], found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let place = entry.unwrap().path();
        let name = place.file_name().unwrap().as_encoded_bytes().to_vec();
        found.extend(sightings(&name, &place, canaries));
        if place.is_dir() {
            search(&place, canaries, found);
        } else if place.is_file() {
            // Not a socket, which keeps nothing.
            found.extend(sightings(&fs::read(&place).unwrap(), &place, canaries));
        }
    }
}

#[test]
fn i1_the_relay_never_holds_plaintext_names_passwords_or_keys() {
    let options = RelayOptions {
        log: "trace".to_owned(),
        ..RelayOptions::default()
    };
    let (mut relay, dir) = (Relay::with(options), folder());
    let sent = dir.path().join(FOLDER);
    fs::create_dir_all(&sent).unwrap();
    for number in 0..20 {
        fs::write(sent.join(format!("{NAME}-{number}")), CONTENT.repeat(20)).unwrap();
    }
    fs::write(sent.join(format!("{NAME}-large")), CONTENT.repeat(80_000)).unwrap();

    let words = ["--title", TITLE, "--note", NOTE];
    let by_password = links(&sending(&relay.url(), &[&sent]).args(words).succeeds());
    let by_link = Sealift::new("send")
        .args(["--to", &relay.url(), "--no-password"])
        .args(words)
        .arg(&sent);
    let by_link = links(&by_link.succeeds());
    for (number, link) in [&by_password, &by_link].iter().enumerate() {
        receive(&link.receive, &dir.path().join(number.to_string()));
    }
    let refused = sealift_tests::Sealift::new("receive")
        .link(&by_password.receive)
        .password("wrong password canary 55");
    refused.arg("--list").fails_with(10);
    Sealift::new("delete").link(&by_password.manage).succeeds();
    relay.stop();

    let fragment = |link: &str| {
        BASE64URL_NOPAD
            .decode(link.split('#').nth(1).unwrap().as_bytes())
            .unwrap()
    };
    let mut canaries = vec![
        ("content", CONTENT.to_vec()),
        ("a name", NAME.into()),
        ("a folder", FOLDER.into()),
        ("the title", TITLE.into()),
        ("the note", NOTE.into()),
        ("the password", PASSWORD.into()),
        ("a wrong password", b"wrong password canary 55".to_vec()),
    ];
    // Owner token and link secret stand behind the first byte; the relay may keep hashes of the first.
    for (what, link) in [
        ("an owner token", &by_password.manage),
        ("an owner token", &by_link.manage),
    ] {
        canaries.push((what, fragment(link)[1..33].to_vec()));
    }
    canaries.push(("a link secret", fragment(&by_link.receive)[17..49].to_vec()));
    canaries.push((
        "a fragment",
        by_link.receive.split('#').nth(1).unwrap().into(),
    ));

    let mut found = Vec::new();
    search(&relay.data(), &canaries, &mut found);
    let log = relay.log();
    assert!(log.lines().count() > 3, "the log was not talkative:\n{log}");
    found.extend(sightings(log.as_bytes(), Path::new("the log"), &canaries));
    assert!(found.is_empty(), "{found:#?}");

    // Whoever knows a package id can fetch the ciphertext: ids stay out of the log (L7).
    for link in [&by_password, &by_link] {
        let id = link
            .receive
            .rsplit('/')
            .next()
            .unwrap()
            .split('#')
            .next()
            .unwrap();
        assert!(!log.contains(id), "a package id stands in the log");
    }
}
