//! `decrypt --salvage` keeps what is good of a damaged file, says what is lost, and never calls the
//! result whole.

use std::fs;
use std::path::{Path, PathBuf};

use sealift_tests::{Outcome, Sealift, write_random};
use serde_json::Value;

use crate::support::{PASSWORD, folder};

/// Plaintext and sealed bytes of a full segment.
const PLAIN: usize = 524_256;
const SEALED: usize = 524_288;

#[track_caller]
fn encrypt(folder: &Path, name: &str) -> PathBuf {
    let sealed = folder.join(format!("{name}.sealift"));
    Sealift::new("encrypt")
        .arg(name)
        .password(PASSWORD)
        .inside(folder)
        .succeeds();
    sealed
}

fn salvaging(sealed: &Path, into: &Path) -> Sealift {
    Sealift::new("decrypt")
        .arg(sealed)
        .arg("--salvage")
        .arg("-o")
        .arg(into)
        .password(PASSWORD)
}

/// Where the bodies of a `.sealift` file start, in order, from its public structure.
fn bodies(sealed: &Path) -> Vec<usize> {
    let inspected = Sealift::new("inspect").arg(sealed).succeeds();
    let files = inspected.events("sealed")[0]["files"].clone();
    let bytes = |file: &Value, field: &str| file[field].as_u64().unwrap() as usize;
    let files = files.as_array().unwrap();
    let all: usize = files
        .iter()
        .map(|file| bytes(file, "head_bytes") + bytes(file, "body_bytes"))
        .sum();
    let mut offset = fs::metadata(sealed).unwrap().len() as usize - all;
    files
        .iter()
        .map(|file| {
            let body = offset + bytes(file, "head_bytes");
            offset = body + bytes(file, "body_bytes");
            body
        })
        .collect()
}

fn flip(sealed: &Path, place: usize) {
    let mut bytes = fs::read(sealed).unwrap();
    bytes[place] ^= 0x20;
    fs::write(sealed, bytes).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[track_caller]
fn is_not_called_whole(outcome: &Outcome) {
    assert_eq!(outcome.error_code(), "salvaged", "{outcome:?}");
    assert!(outcome.events("done").is_empty(), "{outcome:?}");
}

#[test]
fn good_segments_are_kept_where_they_belong_and_bad_ones_are_listed() {
    let dir = folder();
    let file = write_random(dir.path().join("a.bin"), 4_000_000, 1);
    let sealed = encrypt(dir.path(), "a.bin");
    let body = bodies(&sealed)[0];
    for segment in [2, 3, 5] {
        flip(&sealed, body + segment * SEALED + 1_000);
    }
    // Without --salvage the first bad segment ends it.
    let refused = Sealift::new("decrypt")
        .arg(&sealed)
        .password(PASSWORD)
        .arg("-o")
        .arg(dir.path().join("refused"));
    assert_eq!(refused.fails_with(11).error_code(), "damaged_content");

    let got = dir.path().join("got");
    let outcome = salvaging(&sealed, &got).fails_with(16);
    is_not_called_whole(&outcome);
    assert_eq!(names(&got), ["a.bin.salvaged"]);
    let mut expected = fs::read(file).unwrap();
    for segment in [2, 3, 5] {
        expected[segment * PLAIN..(segment + 1) * PLAIN].fill(0);
    }
    assert!(fs::read(got.join("a.bin.salvaged")).unwrap() == expected);
    let lost = outcome.events("lost");
    let told: Vec<(u64, u64, u64)> = lost
        .iter()
        .map(|lost| {
            let number = |field: &str| lost[field].as_u64().unwrap();
            (
                number("segment_first"),
                number("segment_last"),
                number("body_position"),
            )
        })
        .collect();
    assert_eq!(told, [(2, 3, 2 * SEALED as u64), (5, 5, 5 * SEALED as u64)]);
    assert_eq!(outcome.events("salvaged")[0]["lost_bytes"], 3 * PLAIN);

    let told = Sealift::plain("decrypt")
        .arg(&sealed)
        .args(["--salvage", "--overwrite", "-o"])
        .arg(&got)
        .password(PASSWORD)
        .fails_with(16)
        .stderr;
    assert!(told.contains("segments 2 to 3 (byte 1048576"), "{told}");
    assert!(!told.contains("complete"), "{told}");
}

#[test]
fn a_file_that_was_cut_short_keeps_its_beginning() {
    let dir = folder();
    let file = write_random(dir.path().join("a.bin"), 2_000_000, 1);
    let sealed = encrypt(dir.path(), "a.bin");
    let cut = bodies(&sealed)[0] + 2 * SEALED + 99;
    fs::write(&sealed, &fs::read(&sealed).unwrap()[..cut]).unwrap();
    let got = dir.path().join("got");
    let outcome = salvaging(&sealed, &got).fails_with(16);
    is_not_called_whole(&outcome);
    let kept = fs::read(got.join("a.bin.salvaged")).unwrap();
    assert!(kept == fs::read(file).unwrap()[..2 * PLAIN]);
}

#[test]
fn good_segments_under_a_seal_that_does_not_fit_are_not_called_whole() {
    let dir = folder();
    let file = write_random(dir.path().join("a.bin"), 1_000_000, 1);
    let sealed = encrypt(dir.path(), "a.bin");
    flip(&sealed, fs::metadata(&sealed).unwrap().len() as usize - 1);
    let got = dir.path().join("got");
    let outcome = salvaging(&sealed, &got).fails_with(16);
    is_not_called_whole(&outcome);
    assert!(outcome.events("lost").is_empty());
    assert!(fs::read(got.join("a.bin.salvaged")).unwrap() == fs::read(file).unwrap());
}

#[test]
fn of_a_package_whole_files_keep_their_names() {
    let dir = folder();
    let sent = dir.path().join("sent");
    for number in 0..4 {
        write_random(sent.join(format!("large {number}")), 9_000_000, number);
    }
    for number in 0..20 {
        write_random(sent.join(format!("small {number:02}")), 1_000, 100 + number);
    }
    let sealed = encrypt(dir.path(), "sent");
    let inspected = Sealift::new("inspect").arg(&sealed).succeeds();
    let files = inspected.events("sealed")[0]["files"].clone();
    let kinds: Vec<&str> = files
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["kind"].as_str().unwrap())
        .collect();
    let places = bodies(&sealed);
    let large: Vec<usize> = (0..kinds.len()).filter(|i| kinds[*i] == "file").collect();
    let pack = kinds.iter().position(|kind| *kind == "pack").unwrap();
    flip(&sealed, places[large[0]] + 3 * SEALED + 5);
    flip(&sealed, places[pack] + 100);
    // The head before this body: the file is lost, and those after it are found all the same.
    flip(&sealed, places[large[2]] - 30);

    let got = dir.path().join("got");
    let outcome = salvaging(&sealed, &got).fails_with(16);
    is_not_called_whole(&outcome);
    let whole = outcome.events("file");
    let salvaged = outcome.events("salvaged");
    let missing = outcome.events("missing");
    assert_eq!((whole.len(), salvaged.len(), missing.len()), (2, 21, 1));
    for file in &whole {
        let path = file["path"].as_str().unwrap();
        assert!(fs::read(got.join(path)).unwrap() == fs::read(dir.path().join(path)).unwrap());
    }
    for name in names(&got.join("sent")) {
        let listed = whole
            .iter()
            .any(|file| file["path"] == format!("sent/{name}"));
        assert!(listed || name.ends_with(".salvaged"), "{name}");
    }
}

#[test]
fn a_package_whose_list_is_damaged_still_gives_its_files() {
    let dir = folder();
    let sent = dir.path().join("sent");
    for number in 0..2 {
        write_random(sent.join(format!("large {number}")), 9_000_000, number);
    }
    let sealed = encrypt(dir.path(), "sent");
    flip(&sealed, bodies(&sealed)[0] + 50);
    let got = dir.path().join("got");
    let outcome = salvaging(&sealed, &got).fails_with(16);
    is_not_called_whole(&outcome);
    assert_eq!(names(&got.join("sent")), ["large 0", "large 1"]);
    assert_eq!(outcome.events("file").len(), 2);
}

#[test]
fn bytes_that_were_lost_from_the_middle_cost_one_file_and_not_those_after_it() {
    let dir = folder();
    let sent = dir.path().join("sent");
    for number in 0..2 {
        write_random(sent.join(format!("large {number}")), 9_000_000, number);
    }
    let sealed = encrypt(dir.path(), "sent");
    let first = bodies(&sealed)[1] + 4 * SEALED;
    let mut bytes = fs::read(&sealed).unwrap();
    bytes.drain(first..first + 700_001);
    fs::write(&sealed, bytes).unwrap();
    let got = dir.path().join("got");
    let outcome = salvaging(&sealed, &got).fails_with(16);
    is_not_called_whole(&outcome);
    assert_eq!(outcome.events("file").len(), 1);
    assert_eq!(outcome.events("salvaged").len(), 1);
}

/// A sealed pipe of five segments of nines, and where its body starts.
fn sealed_pipe(plain_bytes: usize) -> (Vec<u8>, usize) {
    let bytes = Sealift::plain("encrypt")
        .args(["-", "--name", "tape.tar"])
        .password(PASSWORD)
        .stdin(vec![9; plain_bytes])
        .succeeds()
        .stdout;
    // So begins a segment that is not the last.
    let start = bytes.windows(4).position(|window| window == [0xff; 4]);
    (bytes, start.unwrap())
}

#[test]
fn f6_of_a_pipe_every_good_segment_is_kept_where_it_belongs() {
    let dir = folder();
    let plain = vec![9; 2_300_000];
    let (mut bytes, body) = sealed_pipe(plain.len());
    for segment in [1, 3] {
        bytes[body + segment * SEALED + 100] ^= 1;
    }
    // The first bytes of a segment are no better than others.
    bytes[body + 3 * SEALED] ^= 1;
    let sealed = dir.path().join("x.sealift");
    fs::write(&sealed, bytes).unwrap();
    let got = dir.path().join("got");
    let outcome = salvaging(&sealed, &got).fails_with(16);
    is_not_called_whole(&outcome);
    let lost = outcome.events("lost");
    let places: Vec<_> = lost
        .iter()
        .map(|one| (&one["segment_first"], &one["start"], &one["end"]))
        .collect();
    let expected = [(1, PLAIN, 2 * PLAIN), (3, 3 * PLAIN, 4 * PLAIN)];
    let expected =
        expected.map(|(n, start, end)| (Value::from(n), Value::from(start), Value::from(end)));
    assert_eq!(
        places,
        expected.each_ref().map(|(n, start, end)| (n, start, end))
    );
    let mut kept = plain;
    kept[PLAIN..2 * PLAIN].fill(0);
    kept[3 * PLAIN..4 * PLAIN].fill(0);
    assert!(
        fs::read(got.join("tape.tar.salvaged")).unwrap() == kept,
        "its length is known by its end"
    );
}

#[test]
fn f6_of_a_pipe_without_its_end_everything_before_is_kept_and_nothing_is_called_whole() {
    let dir = folder();
    let (bytes, body) = sealed_pipe(2_300_000);
    for (number, length) in [
        body + 2 * SEALED,
        body + 2 * SEALED + 9,
        body + 3 * SEALED - 1,
        bytes.len() - 1,
    ]
    .into_iter()
    .enumerate()
    {
        let sealed = dir.path().join("x.sealift");
        fs::write(&sealed, &bytes[..length]).unwrap();
        let got = dir.path().join(number.to_string());
        let outcome = salvaging(&sealed, &got).fails_with(16);
        is_not_called_whole(&outcome);
        let kept = fs::read(got.join("tape.tar.salvaged")).unwrap();
        assert!(kept.len() >= 2 * PLAIN, "{length}: {}", kept.len());
        assert!(kept[..2 * PLAIN].iter().all(|byte| *byte == 9));
    }
    // More than was sealed is not the whole of it either.
    let sealed = dir.path().join("x.sealift");
    fs::write(&sealed, [&bytes[..], b"more"].concat()).unwrap();
    is_not_called_whole(&salvaging(&sealed, &dir.path().join("more")).fails_with(16));
    // What is whole is opened as always.
    fs::write(&sealed, bytes).unwrap();
    let outcome = salvaging(&sealed, &dir.path().join("whole")).succeeds();
    assert_eq!(outcome.field("done", "proof"), "password");
    assert!(fs::read(dir.path().join("whole/tape.tar")).unwrap() == vec![9; 2_300_000]);
}

#[test]
fn what_is_whole_is_opened_as_always() {
    let dir = folder();
    let file = write_random(dir.path().join("a.bin"), 700_000, 1);
    let sealed = encrypt(dir.path(), "a.bin");
    let got = dir.path().join("got");
    let outcome = salvaging(&sealed, &got).succeeds();
    assert_eq!(outcome.field("done", "proof"), "password");
    assert!(fs::read(got.join("a.bin")).unwrap() == fs::read(file).unwrap());
}

#[test]
fn salvage_takes_no_wrong_password_and_gives_nothing_to_a_pipe() {
    let dir = folder();
    write_random(dir.path().join("a.bin"), 1_000, 1);
    let sealed = encrypt(dir.path(), "a.bin");
    let got = dir.path().join("got");
    let wrong = salvaging(&sealed, &got).password("not it").fails_with(10);
    assert_eq!(wrong.error_code(), "wrong_password");
    for arguments in [["x.sealift", "-"], ["-", "here"]] {
        let refused = Sealift::plain("decrypt")
            .args([arguments[0], "--salvage", "-o", arguments[1]])
            .password(PASSWORD)
            .inside(dir.path());
        assert!([2, 3].contains(&refused.run().exit_code));
    }
}
