//! What was sent is what arrives: names, empty folders, sizes, every byte.

use std::fs;

use sealift_tests::{Relay, Sealift, same_content, sha256_of, write_random};

use crate::support::{PASSWORD, folder, links, receive, receiving, send, sending};

#[test]
fn empty_files_unicode_names_and_two_files_of_one_name_arrive() {
    let (relay, dir) = (Relay::start(), folder());
    let sent = dir.path().join("sent");
    write_random(sent.join("leer.bin"), 0, 1);
    write_random(sent.join("Grüße – 漢字 🎉.txt"), 10, 2);
    write_random(sent.join("é (decomposed e\u{301})"), 11, 3);
    write_random(sent.join("a/same.txt"), 100, 4);
    write_random(sent.join("b/same.txt"), 200, 5);
    let files = [
        "leer.bin",
        "Grüße – 漢字 🎉.txt",
        "é (decomposed e\u{301})",
        "a/same.txt",
        "b/same.txt",
    ];
    let places: Vec<_> = files.iter().map(|name| sent.join(name)).collect();
    let links = send(
        &relay.url(),
        &places.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
    );

    let got = dir.path().join("got");
    receive(&links.receive, &got);
    for (name, place) in [
        "leer.bin",
        "Grüße – 漢字 🎉.txt",
        "é (decomposed e\u{301})",
        "same.txt",
    ]
    .iter()
    .zip(&places)
    {
        assert_eq!(sha256_of(&got.join(name)), sha256_of(place), "{name}");
    }
    assert_eq!(sha256_of(&got.join("same (2).txt")), sha256_of(&places[4]));
    assert_eq!(fs::read_dir(&got).unwrap().count(), 5);
}

#[test]
fn a_folder_of_250_files_arrives_with_its_empty_folders() {
    let (relay, dir) = (Relay::start(), folder());
    let sent = dir.path().join("sent");
    for number in 0..250u64 {
        write_random(
            sent.join(format!("part {}/file {number}", number % 7)),
            number * 37,
            number,
        );
    }
    fs::create_dir_all(sent.join("empty/inner")).unwrap();
    fs::create_dir_all(sent.join("part 0/empty")).unwrap();
    let links = send(&relay.url(), &[&sent]);
    let got = dir.path().join("got");
    receive(&links.receive, &got);
    same_content(&sent, &got.join("sent"));
}

#[test]
fn two_thousand_small_files_arrive() {
    let (relay, dir) = (Relay::start(), folder());
    let sent = dir.path().join("sent");
    for number in 0..2_000u64 {
        write_random(
            sent.join(format!("{}/{number}.dat", number / 100)),
            1 + number % 9_000,
            number,
        );
    }
    let links = send(&relay.url(), &[&sent]);
    // They travel in packs, not one by one.
    assert!(
        relay.stored_files(1).len() < 100,
        "{} stored files",
        relay.stored_files(1).len()
    );
    let got = dir.path().join("got");
    receive(&links.receive, &got);
    same_content(&sent, &got.join("sent"));
}

#[test]
fn a_package_without_password_opens_by_its_link_alone() {
    let (relay, dir) = (Relay::start(), folder());
    let file = write_random(dir.path().join("a.bin"), 1_500_000, 9);
    let outcome = Sealift::new("send")
        .args(["--to", &relay.url(), "--no-password"])
        .arg(&file)
        .succeeds();
    let to_stdout = Sealift::plain("receive")
        .link(&links(&outcome).receive)
        .args(["-o", "-"])
        .succeeds();
    assert_eq!(to_stdout.stdout, fs::read(&file).unwrap());
}

#[test]
fn title_and_note_are_listed_without_fetching_anything_else() {
    let (relay, dir) = (Relay::start(), folder());
    let file = write_random(dir.path().join("a.bin"), 1_000, 9);
    let outcome = sending(&relay.url(), &[&file])
        .args(["--title", "Quarterly", "--note", "two\nlines"])
        .succeeds();
    let listed = receiving(&links(&outcome).receive, dir.path())
        .arg("--list")
        .succeeds();
    assert_eq!(listed.field("package", "title"), "Quarterly");
    assert_eq!(listed.field("package", "note"), "two\nlines");
    assert_eq!(listed.field("entry", "path"), "a.bin");
}

#[test]
fn l3_a_package_kept_encrypted_opens_later_without_the_relay() {
    let (mut relay, dir) = (Relay::start(), folder());
    let sent = dir.path().join("sent");
    for number in 0..40u64 {
        write_random(sent.join(format!("{number}")), number * 1_000, number);
    }
    write_random(sent.join("large"), 3_000_000, 99);
    let links = send(&relay.url(), &[&sent]);
    let kept = dir.path().join("kept.sealift");
    let no_password_asked = Sealift::new("receive")
        .link(&links.receive)
        .arg("--keep-encrypted")
        .arg("-o")
        .arg(&kept);
    no_password_asked.succeeds();
    relay.kill();

    let got = dir.path().join("got");
    let decrypt = || {
        Sealift::new("decrypt")
            .arg(&kept)
            .password(PASSWORD)
            .arg("--overwrite")
            .arg("-o")
            .arg(&got)
    };
    assert_eq!(decrypt().succeeds().field("done", "proof"), "password");
    same_content(&sent, &got.join("sent"));
    assert_eq!(
        decrypt()
            .link(&links.receive)
            .succeeds()
            .field("done", "proof"),
        "link"
    );
}
