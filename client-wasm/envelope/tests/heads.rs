//! Heads: rules F1 to F3 and F6, and hostile metadata.

use sealift_envelope::*;
use sealift_protocol::format::{FormatError, Head, Role};
use sealift_protocol::{FileId, PackageId};

use crate::fixture::*;

fn reason(key: &OpeningKey, head: &[u8]) -> &'static str {
    FileOpener::new(key, head).err().expect("refused").code()
}

/// `head` with other bytes at `at`, and its checksum made right.
fn changed(head: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut head = head.to_vec();
    head[at..at + bytes.len()].copy_from_slice(bytes);
    with_checksum(head)
}

#[test]
fn f1_other_segment_lengths_and_unpadded_lengths_are_refused() {
    let mut package = Package::new(1);
    let head = package.seal(1, "x", &content(10)).head;
    let key = &package.key;
    assert_eq!(
        reason(key, &changed(&head, 16, &[0, 4, 0, 0])),
        "unknown_version"
    );
    assert_eq!(
        reason(key, &changed(&head, 16, &[0, 0x10, 0, 0])),
        "unknown_version"
    );
    for padded in [0u64, 1, 4_095, 4_097, 5_000, (1 << 56) + 1, u64::MAX] {
        assert_eq!(
            reason(key, &changed(&head, 24, &padded.to_be_bytes())),
            "bad_padding"
        );
    }
    // A padded length, but not the sealed one: the core enters every key.
    assert_eq!(
        reason(key, &changed(&head, 24, &4_352u64.to_be_bytes())),
        "damaged_head"
    );
}

#[test]
fn f2_every_byte_of_a_head_is_authenticated() {
    let mut package = Package::new(1);
    let head = package.seal(1, "x", &content(10)).head;
    for at in 0..head.len() - 16 {
        for bit in [1, 0x80] {
            let byte = [head[at] ^ bit];
            let changed = changed(&head, at, &byte);
            assert!(
                FileOpener::new(&package.key, &changed).is_err(),
                "byte {at}"
            );
        }
    }
    for at in head.len() - 16..head.len() {
        let mut damaged = head.clone();
        damaged[at] ^= 1;
        assert_eq!(reason(&package.key, &damaged), "damaged_head");
    }
}

#[test]
fn f2_metadata_of_one_head_does_not_open_under_another() {
    let mut package = Package::new(1);
    let (one, other) = (
        package.seal(1, "one", b"1").head,
        package.seal(2, "two", b"2").head,
    );
    let metadata = 96..one.len() - 90;
    let swapped = changed(&one, 96, &other[metadata]);
    assert_eq!(reason(&package.key, &swapped), "damaged_head");
    let floe = one.len() - 90..one.len() - 16;
    let swapped = changed(&one, floe.start, &other[floe]);
    assert_eq!(reason(&package.key, &swapped), "damaged_head");
}

#[test]
fn f2_a_head_says_its_own_length() {
    let mut package = Package::new(1);
    let head = package.seal(1, "x", b"1").head;
    let parsed = Head::parse(&head).ok().unwrap();
    assert_eq!(parsed.bytes().len(), head.len());
    assert_eq!(
        Head::parse(&head[..head.len() - 1]).err(),
        Some(FormatError::CutShort)
    );
    let longer = [&head[..], &[0]].concat();
    assert_eq!(Head::parse(&longer).err(), Some(FormatError::TrailingBytes));
    let long_name = package
        .seal(
            1,
            "twenty-four-bytes-long-f/".repeat(20).trim_end_matches('/'),
            b"1",
        )
        .head;
    assert_eq!(long_name.len(), head.len() + 2 * 256);
}

#[test]
fn f3_sealing_the_same_metadata_again_gives_another_head() {
    // So a client compares the stored head with its own bytes, and never makes a second one under
    // an id: the relay answers that with a conflict.
    let mut package = Package::new(1);
    let (one, other) = (
        package.seal(1, "x", b"1").head,
        package.seal(1, "x", b"1").head,
    );
    assert_ne!(one, other);
}

#[test]
fn f6_a_relay_refuses_the_open_length_form_and_foreign_ids() {
    let mut package = Package::new(1);
    let head = package.seal(1, "x", b"1").head;
    let (id, file) = (package.key.package(), FileId([1; 32]));
    let check = |head: &[u8], id, file| {
        Head::parse(head)
            .ok()
            .unwrap()
            .check_for_relay(id, file)
            .map(|_| ())
    };
    assert_eq!(check(&head, id, file), Ok(()));
    let mismatch = Err(FormatError::PackageMismatch);
    assert_eq!(check(&head, PackageId([8; 16]), file), mismatch);
    assert_eq!(check(&head, id, FileId([8; 32])), mismatch);
    let metadata = named("pipe", 0);
    let (_, open) = StreamSealer::new(&package.key, file, &metadata, &mut package.rng)
        .ok()
        .unwrap();
    assert_eq!(check(&open, id, file), Err(FormatError::OpenLengthRefused));
    assert_eq!(reason(&package.key, &open), "open_length_refused");
}

#[test]
fn f6_flags_are_part_of_every_key() {
    let mut package = Package::new(1);
    let head = package.seal(1, "x", b"1").head;
    for (flags, code) in [
        ([0, 1], "damaged_head"),
        ([0, 2], "damaged_head"),
        ([0, 4], "damaged_head"),
        ([0, 3], "unknown_version"),
        ([0, 5], "unknown_version"),
        ([0, 8], "unknown_version"),
        ([0x80, 0], "unknown_version"),
    ] {
        assert_eq!(
            reason(&package.key, &changed(&head, 10, &flags)),
            code,
            "{flags:?}"
        );
    }
}

#[test]
fn a_head_of_another_package_is_told_apart_from_damage() {
    let (package, mut other) = (Package::new(1), Package::new(2));
    let head = other.seal(1, "x", b"1").head;
    assert_eq!(reason(&package.key, &head), "package_mismatch");
}

#[test]
fn hostile_metadata_is_refused_when_it_is_made() {
    let mut package = Package::new(1);
    let mut make = |metadata: Metadata, role| {
        FileSealer::new(
            &package.key,
            FileId([1; 32]),
            role,
            &metadata,
            &mut package.rng,
        )
        .err()
        .map(|error| error.code())
    };
    for path in ["", "../x", "/x", "a\nb", "a\u{202e}b", &"x".repeat(256)] {
        assert_eq!(
            make(named(path, 1), Role::File),
            Some("bad_name"),
            "{path:?}"
        );
    }
    let media_type = "text/html\r\nSet-Cookie: x".to_owned();
    assert_eq!(
        make(
            Metadata {
                media_type,
                ..named("x", 1)
            },
            Role::File
        ),
        Some("bad_name")
    );
    let modified_ms = Some(i64::MIN);
    let odd_time = Metadata {
        modified_ms,
        ..named("x", 1)
    };
    assert_eq!(make(odd_time, Role::File), Some("damaged_manifest"));
    assert_eq!(
        make(named("x", (1 << 56) + 1), Role::File),
        Some("too_large")
    );
    assert_eq!(
        make(named("x", 1), Role::Manifest),
        Some("damaged_manifest")
    );
    assert_eq!(make(named("x", 1 << 56), Role::File), None);
}
