//! Vectors that are refused, each with one fault. Their names read like a list of attacks.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sealift_envelope::*;
use sealift_protocol::FileId;
use sealift_protocol::format::Role;
use sealift_protocol::ids::OwnerToken;
use sealift_protocol::link::{Fragment, Pin};
use sha2::Sha384;
use zeroize::Zeroizing;

use super::file::{Given, Piece, Vector};
use super::list::{Made, package_id, sealed, with_password};
use crate::fixture::*;
use crate::manifests::Whole;

/// Where the pieces of the vector `hello` stand: keyring 0..256, head, body.
const KEYRING_END: usize = 256;
const HEAD_END: usize = KEYRING_END + 470;
const BODY_END: usize = HEAD_END + 4_096 + 32 + 48;

fn hello(range: std::ops::Range<usize>) -> Piece {
    Piece::Of("hello", range)
}

/// `hello` with other bytes at `at`.
fn hello_with(at: usize, bytes: &[u8]) -> Vec<Piece> {
    vec![
        hello(0..at),
        Piece::Hex(bytes.to_vec()),
        hello(at + bytes.len()..BODY_END),
    ]
}

/// Writes `bytes` at `at`; where that changes nothing, a bit is flipped.
fn overwrite(all: &mut [u8], at: usize, bytes: &[u8]) {
    let place = &mut all[at..at + bytes.len()];
    if place == bytes {
        place[0] ^= 1;
    } else {
        place.copy_from_slice(bytes);
    }
}

/// `hello` with other bytes in its keyring, and the checksum made right.
fn hello_keyring(made: &Made, at: usize, bytes: &[u8]) -> Vec<Piece> {
    let mut keyring = made.bytes("hello")[..KEYRING_END].to_vec();
    overwrite(&mut keyring, at, bytes);
    vec![
        Piece::Hex(with_checksum(keyring)),
        hello(KEYRING_END..BODY_END),
    ]
}

/// `hello` with other bytes in its head, and the checksum made right.
fn hello_head(made: &Made, at: usize, bytes: &[u8]) -> Vec<Piece> {
    let mut head = made.bytes("hello")[KEYRING_END..HEAD_END].to_vec();
    overwrite(&mut head, at, bytes);
    vec![
        hello(0..KEYRING_END),
        Piece::Hex(with_checksum(head)),
        hello(HEAD_END..BODY_END),
    ]
}

pub(super) fn on_files(made: &mut Made) {
    let given = with_password();
    made.fails(
        "not_sealed",
        "any other file",
        "not_sealed",
        given.clone(),
        b"%PDF-1.7 and so on, longer than sixteen bytes".to_vec(),
    );
    let mut mangled = made.bytes("hello").clone();
    mangled.remove(4);
    made.fails(
        "mangled_by_a_text_transfer",
        "CR LF became LF",
        "not_sealed",
        given.clone(),
        mangled,
    );
    for (name, about, end) in [
        ("nothing_at_all", "no byte", 0),
        ("truncated_in_the_first_bytes", "not even a header", 12),
        ("truncated_in_the_keyring", "", 200),
        ("truncated_after_the_keyring", "no sealed file", KEYRING_END),
        ("truncated_in_the_head", "", HEAD_END - 1),
        ("truncated_after_the_head", "no body", HEAD_END),
        ("truncated_in_the_segment", "", HEAD_END + 1_000),
        (
            "truncated_before_the_seal",
            "all segments, no seal",
            BODY_END - 48,
        ),
        ("truncated_in_the_seal", "one byte is missing", BODY_END - 1),
    ] {
        let pieces = vec![hello(0..end)];
        made.pieced(name, about, "cut_short", given.clone(), pieces);
    }
    let two = made.bytes("two_segments").len();
    let first = HEAD_END + (1 << 19);
    let of_two = |range| Piece::Of("two_segments", range);
    made.pieced(
        "truncated_at_a_segment_edge",
        "the last segment and the seal are missing",
        "cut_short",
        given.clone(),
        vec![of_two(0..first)],
    );
    made.pieced(
        "one_byte_more",
        "something after the seal",
        "trailing_bytes",
        given.clone(),
        vec![hello(0..BODY_END), Piece::Hex(vec![0])],
    );
    made.pieced(
        "zeros_after_the_end",
        "a block of a disk",
        "trailing_bytes",
        given.clone(),
        vec![hello(0..BODY_END), Piece::Hex(vec![0; 100])],
    );

    // Heads.
    let byte = |made: &Made, at: usize| [made.bytes("hello")[at] ^ 1];
    for (name, about, code, at, bytes) in [
        (
            "pack_of_more_than_one_part",
            "8,388,608 bytes",
            "too_large",
            10,
            &[
                0, 2, 0, 0, 1, 0xd6, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0,
            ][..],
        ),
        (
            "manifest_over_32_mib",
            "33 MiB",
            "too_large",
            10,
            &[
                0, 1, 0, 0, 1, 0xd6, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x10, 0, 0,
            ],
        ),
        ("head_of_version_2", "", "unknown_version", 8, &[2]),
        ("head_of_suite_2", "", "unknown_version", 9, &[2]),
        ("head_with_unknown_flag", "", "unknown_version", 10, &[0, 8]),
        (
            "head_of_manifest_and_pack",
            "two roles",
            "unknown_version",
            10,
            &[0, 3],
        ),
        (
            "head_as_pack",
            "the role is in every key",
            "content_mismatch",
            10,
            &[0, 2],
        ),
        (
            "head_with_other_segments",
            "256 KiB",
            "unknown_version",
            16,
            &[0, 4, 0, 0],
        ),
        ("head_with_reserved_bytes", "", "unknown_version", 20, &[1]),
        (
            "head_with_other_floe_parameters",
            "",
            "unknown_version",
            380,
            &[1],
        ),
        (
            "length_not_padded",
            "4,097 bytes",
            "bad_padding",
            24,
            &[0, 0, 0, 0, 0, 0, 0x10, 1],
        ),
        ("length_of_2_to_the_64", "", "bad_padding", 24, &[0xff; 8]),
        (
            "length_with_room_for_half_a_seal",
            "the clause that keeps a seal in one part",
            "bad_padding",
            24,
            &[0, 0, 0, 0x7d, 0xfd, 0xf8, 0, 0],
        ),
        (
            "file_id_changed",
            "the id is in every key",
            "damaged_head",
            32,
            &[9],
        ),
        (
            "metadata_bit",
            "a flip in encrypted metadata",
            "damaged_head",
            150,
            &[0],
        ),
        (
            "floe_tag_bit",
            "the commitment to the file's keys",
            "damaged_head",
            430,
            &[0],
        ),
    ] {
        let pieces = hello_head(made, at, bytes);
        made.pieced(name, about, code, given.clone(), pieces);
    }
    let checksum = byte(made, HEAD_END - 1);
    made.pieced(
        "head_without_right_checksum",
        "damage, not a wrong password",
        "damaged_head",
        given.clone(),
        hello_with(HEAD_END - 1, &checksum),
    );
    let mut package = Package::new(1);
    let other = package.seal(2, "other.txt", b"other");
    let start = made.bytes("hello")[KEYRING_END..HEAD_END].to_vec();
    let mut head = start.clone();
    head[96..380].copy_from_slice(&other.head[96..380]);
    made.pieced(
        "metadata_of_another_head",
        "under the same password",
        "damaged_head",
        given.clone(),
        vec![
            hello(0..KEYRING_END),
            Piece::Hex(with_checksum(head)),
            hello(HEAD_END..BODY_END),
        ],
    );
    let mut head = start;
    head[380..454].copy_from_slice(&other.head[380..454]);
    made.pieced(
        "floe_header_of_another_head",
        "",
        "damaged_head",
        given.clone(),
        vec![
            hello(0..KEYRING_END),
            Piece::Hex(with_checksum(head)),
            hello(HEAD_END..BODY_END),
        ],
    );
    let foreign = Package::new(2).seal(1, "hello.txt", b"attack at dawn");
    made.pieced(
        "head_of_another_package",
        "",
        "package_mismatch",
        given.clone(),
        vec![
            hello(0..KEYRING_END),
            Piece::Hex(foreign.head.clone()),
            hello(HEAD_END..BODY_END),
        ],
    );

    // Bodies.
    for (name, about, code, at) in [
        ("segment_prefix_bit", "", "damaged_content 0", HEAD_END + 3),
        ("segment_iv_bit", "", "damaged_content 0", HEAD_END + 4),
        ("segment_first_bit", "", "damaged_content 0", HEAD_END + 16),
        (
            "segment_padding_bit",
            "the padding is authenticated, too",
            "damaged_content 0",
            HEAD_END + 4_000,
        ),
        ("segment_tag_bit", "", "damaged_content 0", BODY_END - 49),
        ("seal_magic_bit", "", "seal_mismatch", BODY_END - 48),
        ("seal_count_bit", "", "seal_mismatch", BODY_END - 33),
        ("seal_bit", "", "seal_mismatch", BODY_END - 1),
    ] {
        let changed = byte(made, at);
        made.pieced(name, about, code, given.clone(), hello_with(at, &changed));
    }
    let body_of = |file: &SealedFile, piece: &str| match piece {
        "segment" => Piece::Hex(file.segment(0).to_vec()),
        _ => Piece::Hex(file.seal_bytes().to_vec()),
    };
    for (name, about, file) in [
        (
            "segment_of_another_file",
            "same package, same length",
            &other,
        ),
        ("segment_of_another_package", "same file id", &foreign),
    ] {
        let pieces = vec![
            hello(0..HEAD_END),
            body_of(file, "segment"),
            hello(BODY_END - 48..BODY_END),
        ];
        made.pieced(name, about, "damaged_content 0", given.clone(), pieces);
    }
    made.pieced(
        "seal_of_another_file",
        "",
        "seal_mismatch",
        given.clone(),
        vec![hello(0..BODY_END - 48), body_of(&other, "seal")],
    );
    made.pieced(
        "segments_swapped",
        "the second one first",
        "damaged_content 0",
        given.clone(),
        vec![
            of_two(0..HEAD_END),
            of_two(first..two - 48),
            of_two(HEAD_END..first),
            of_two(two - 48..two),
        ],
    );
    made.pieced(
        "segment_dropped",
        "the first one twice, as far as there is room",
        "damaged_content 1",
        given.clone(),
        vec![
            of_two(0..first),
            of_two(HEAD_END..HEAD_END + 64),
            of_two(two - 48..two),
        ],
    );
    made.pieced(
        "last_segment_first",
        "shown as the only one",
        "damaged_content 0",
        given.clone(),
        vec![
            hello(0..HEAD_END),
            of_two(first..two - 48),
            hello(HEAD_END + 64..BODY_END),
        ],
    );
    // The last segment sealed again after the source changed: genuine, but of another version.
    let mut package = Package::new(1);
    let file = package.seal(1, "x", &content(520_000));
    assert_eq!(file.head, made.bytes("two_segments")[KEYRING_END..HEAD_END]);
    let mut again = Vec::new();
    file.sealer
        .seal_segment(1, &[], &mut package.rng, &mut again)
        .unwrap();
    made.pieced(
        "versions_of_a_segment_mixed",
        "each segment is genuine, the seal is of another",
        "seal_mismatch",
        given,
        vec![of_two(0..first), Piece::Hex(again), of_two(two - 48..two)],
    );
}

pub(super) fn on_keyrings(made: &mut Made) {
    let given = with_password();
    let slot = 80;
    for (name, about, code, at, bytes) in [
        ("keyring_of_version_2", "", "unknown_version", 8, &[2][..]),
        ("keyring_of_suite_2", "", "unknown_version", 9, &[2]),
        (
            "keyring_with_reserved_bytes",
            "",
            "unknown_version",
            72,
            &[1],
        ),
        ("keyring_without_slots", "", "damaged_keyring", 10, &[0, 0]),
        (
            "keyring_with_more_slots_than_there_are",
            "",
            "damaged_keyring",
            10,
            &[0, 2],
        ),
        ("keyring_of_generation_0", "", "damaged_keyring", 39, &[0]),
        (
            "keyring_first_with_a_previous_one",
            "",
            "damaged_keyring",
            40,
            &[1],
        ),
        (
            "keyring_generation_raised",
            "the generation is under the MAC",
            "damaged_keyring",
            39,
            &[2, 1],
        ),
        (
            "slot_of_no_length",
            "",
            "damaged_keyring",
            slot + 2,
            &[0, 0],
        ),
        (
            "slot_longer_than_the_keyring",
            "",
            "damaged_keyring",
            slot + 2,
            &[0x0f, 0xff],
        ),
        (
            "slot_with_unknown_flag",
            "",
            "unknown_version",
            slot + 1,
            &[2],
        ),
        (
            "slot_with_unknown_kdf",
            "",
            "unknown_version",
            slot + 4,
            &[2],
        ),
        (
            "slot_with_reserved_bytes",
            "",
            "unknown_version",
            slot + 12,
            &[1],
        ),
        (
            "kdf_memory_bomb",
            "4 TiB",
            "kdf_too_expensive",
            slot + 8,
            &[0xff; 4],
        ),
        (
            "kdf_memory_over_the_ceiling",
            "1 GiB and 1 KiB",
            "kdf_too_expensive",
            slot + 8,
            &[0, 0x10, 0, 1],
        ),
        (
            "kdf_passes_over_the_ceiling",
            "17",
            "kdf_too_expensive",
            slot + 6,
            &[0, 17],
        ),
        (
            "kdf_lanes_over_the_ceiling",
            "5",
            "kdf_too_expensive",
            slot + 5,
            &[5],
        ),
        (
            "kdf_work_over_the_ceiling",
            "512 MiB, 9 passes",
            "kdf_too_expensive",
            slot + 6,
            &[0, 9, 0, 8, 0, 0],
        ),
        ("kdf_without_passes", "", "kdf_too_weak", slot + 6, &[0, 0]),
        ("kdf_without_lanes", "", "kdf_too_weak", slot + 5, &[0]),
        (
            "kdf_made_cheaper",
            "the cost is in the derivation: the password no longer fits",
            "wrong_password",
            slot + 6,
            &[0, 2],
        ),
        ("salt_changed", "", "wrong_password", slot + 16, &[0]),
        ("commitment_changed", "", "wrong_password", slot + 48, &[0]),
        (
            "wrapped_key_bit",
            "under the commitment's protection it is damage",
            "damaged_keyring",
            slot + 80,
            &[0],
        ),
        ("keyring_mac_bit", "", "damaged_keyring", 208, &[0]),
    ] {
        let pieces = hello_keyring(made, at, bytes);
        made.pieced(name, about, code, given.clone(), pieces);
    }
    let salt = [made.bytes("hello")[100] ^ 1];
    made.pieced(
        "keyring_without_right_checksum",
        "damage, not a wrong password",
        "damaged_keyring",
        given.clone(),
        hello_with(100, &salt),
    );
    let all = || vec![hello(0..BODY_END)];
    made.pieced(
        "wrong_password",
        "",
        "wrong_password",
        Given {
            password: Some("Pässwort 2"),
            ..given.clone()
        },
        all(),
    );
    made.pieced(
        "password_in_other_case",
        "",
        "wrong_password",
        Given {
            password: Some("pässwort 1"),
            ..given.clone()
        },
        all(),
    );
    made.pieced(
        "link_secret_where_a_password_is_needed",
        "",
        "password_needed",
        Given {
            link: Some(LINK.0),
            ..Given::default()
        },
        all(),
    );
    made.pieced(
        "another_package_expected",
        "by the link's path",
        "package_mismatch",
        Given {
            package: Some(package_id(2).0),
            ..given.clone()
        },
        all(),
    );
    made.pieced(
        "kdf_below_the_floor",
        "no honest client seals so, outside of tests",
        "kdf_too_weak",
        Given {
            production: true,
            ..given.clone()
        },
        all(),
    );

    let link = made.bytes("link_secret_alone").len();
    let of_link = || vec![Piece::Of("link_secret_alone", 0..link)];
    made.pieced(
        "wrong_link_secret",
        "",
        "wrong_link",
        Given {
            link: Some([1; 32]),
            ..Given::default()
        },
        of_link(),
    );
    made.pieced(
        "password_where_the_link_is_needed",
        "",
        "link_needed",
        given.clone(),
        of_link(),
    );
    let both = made.bytes("password_and_link_secret").len();
    let of_both = || vec![Piece::Of("password_and_link_secret", 0..both)];
    let one = Given {
        password: Some("one"),
        ..Given::default()
    };
    made.pieced(
        "password_without_its_link_secret",
        "",
        "link_needed",
        one.clone(),
        of_both(),
    );
    made.pieced(
        "password_with_a_wrong_link_secret",
        "",
        "wrong_password",
        Given {
            link: Some([1; 32]),
            ..one.clone()
        },
        of_both(),
    );
    made.pieced(
        "link_secret_without_its_password",
        "",
        "password_needed",
        Given {
            link: Some(LINK.0),
            ..Given::default()
        },
        of_both(),
    );

    // Slots moved about by somebody without a key: the MAC over the keyring.
    let two = made.bytes("second_of_two_passwords").clone();
    let (start, rest) = (&two[..208 + 128 + 48], two.len());
    let after = || Piece::Of("second_of_two_passwords", 208 + 128 + 48..rest);
    let mut swapped = start.to_vec();
    swapped[80..336].rotate_left(128);
    made.pieced(
        "slots_exchanged",
        "",
        "damaged_keyring",
        one.clone(),
        vec![Piece::Hex(with_checksum(swapped)), after()],
    );
    made.pieced(
        "slot_removed",
        "",
        "damaged_keyring",
        one.clone(),
        vec![Piece::Hex(without_slot(start)), after()],
    );
    made.pieced(
        "slot_added",
        "an unknown one",
        "damaged_keyring",
        one.clone(),
        vec![
            Piece::Hex(insert_slots(start, &[&[9, 0, 0, 8, 1, 2, 3, 4]])),
            after(),
        ],
    );
    let slot = start[80..208].to_vec();
    let copies: Vec<&[u8]> = vec![&slot; 7];
    made.pieced(
        "nine_password_slots",
        "",
        "kdf_too_expensive",
        one.clone(),
        vec![Piece::Hex(insert_slots(start, &copies)), after()],
    );
    let mut dear = slot.clone();
    dear[6..12].copy_from_slice(&[0, 4, 0, 0x10, 0, 0]);
    made.pieced(
        "kdf_work_of_all_slots",
        "each is allowed, together they are not",
        "kdf_too_expensive",
        one.clone(),
        vec![
            Piece::Hex(insert_slots(start, &[&dear, &dear, &dear])),
            after(),
        ],
    );
    let foreign = Package::new(2).keyring;
    let mut moved = made.bytes("hello")[..KEYRING_END].to_vec();
    moved[80..208].copy_from_slice(&foreign[80..208]);
    made.pieced(
        "slot_of_another_package",
        "same password",
        "wrong_password",
        given.clone(),
        vec![
            Piece::Hex(with_checksum(moved)),
            hello(KEYRING_END..BODY_END),
        ],
    );
    let mut served = foreign;
    served[16..32].copy_from_slice(&package_id(1).0);
    made.pieced(
        "keyring_of_another_package_renamed",
        "the id is in the derivation",
        "wrong_password",
        given,
        vec![
            Piece::Hex(with_checksum(served)),
            hello(KEYRING_END..BODY_END),
        ],
    );
}

fn insert_slots(keyring: &[u8], slots: &[&[u8]]) -> Vec<u8> {
    let mut bytes = keyring.to_vec();
    for slot in slots {
        let mac = bytes.len() - 48;
        bytes.splice(mac..mac, slot.iter().copied());
        bytes[11] += 1;
    }
    let total = (bytes.len() as u32).to_be_bytes();
    bytes[12..16].copy_from_slice(&total);
    with_checksum(bytes)
}

fn without_slot(keyring: &[u8]) -> Vec<u8> {
    let mut bytes = keyring.to_vec();
    bytes.drain(80 + 128..80 + 256);
    bytes[11] -= 1;
    let total = (bytes.len() as u32).to_be_bytes();
    bytes[12..16].copy_from_slice(&total);
    with_checksum(bytes)
}

/// A keyring with one more slot of an unknown type, under a right MAC: what a later version makes.
pub(super) fn with_unknown_slot(key: &PackageKey, keyring: &[u8]) -> Vec<u8> {
    let mut bytes = insert_slots(keyring, &[&[77, 1, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8]]);
    let exported = key.export();
    let (id, package_key) = exported.split_at(16);
    let mut mac_key = [0; 48];
    let info = [&b"sealift/v1 keyring-mac"[..], id].concat();
    Hkdf::<Sha384>::new(Some(id), package_key)
        .expand(&info, &mut mac_key)
        .unwrap();
    let end = bytes.len() - 48;
    let mut mac = Hmac::<Sha384>::new_from_slice(&mac_key).unwrap();
    mac.update(&bytes[..end]);
    bytes[end..end + 32].copy_from_slice(&mac.finalize().into_bytes()[..32]);
    with_checksum(bytes)
}

pub(super) fn on_packages(made: &mut Made) {
    let given = with_password();
    let mut whole = Whole::new(4);
    let pin = Given {
        pin: Some(whole.sealed.pin.0),
        ..given.clone()
    };
    let total = made.bytes("package").len();
    let good = || Piece::Of("package", 0..total);
    let joined = |file: &SealedFile| Piece::Hex([&file.head[..], &file.body].concat());

    let unlisted = whole.package.seal(7, "extra.txt", b"extra");
    made.pieced(
        "file_not_listed",
        "sealed under the same key",
        "content_mismatch",
        given.clone(),
        vec![good(), joined(&unlisted)],
    );
    made.pieced(
        "file_twice",
        "",
        "content_mismatch",
        given.clone(),
        vec![good(), joined(&whole.files[0])],
    );
    let foreign = Package::new(2).seal(8, "x", b"x");
    made.pieced(
        "file_of_another_package_added",
        "",
        "package_mismatch",
        given.clone(),
        vec![good(), joined(&foreign)],
    );

    let mut changed = Whole::new(4);
    changed.files[0] = changed.package.seal(1, "a.txt", &content(3_001));
    made.fails(
        "file_sealed_again",
        "same id, same content, another seal than listed",
        "content_mismatch",
        given.clone(),
        changed.sealift(&[0, 1]),
    );
    let mut renamed = Whole::new(4);
    renamed.manifest.files[0].path = "renamed.txt".into();
    reseal(&mut renamed);
    made.fails(
        "file_under_another_name",
        "its own metadata and the list differ",
        "content_mismatch",
        given.clone(),
        renamed.sealift(&[0]),
    );
    made.fails(
        "another_manifest_than_the_link_pins",
        "",
        "pin_mismatch",
        pin.clone(),
        renamed.sealift(&[]),
    );
    made.pieced(
        "file_alone_under_a_link_with_pin",
        "the manifest was left out",
        "pin_mismatch",
        pin,
        vec![hello(0..BODY_END)],
    );

    let manifest = [&whole.sealed.head[..], &whole.sealed.body].concat();
    let file = [&whole.files[0].head[..], &whole.files[0].body].concat();
    let pack = [&whole.files[2].head[..], &whole.files[2].body].concat();
    for (name, about, pieces) in [
        ("manifest_second", "", vec![&file, &manifest]),
        ("manifest_twice", "", vec![&manifest, &manifest]),
        ("two_files_without_manifest", "", vec![&file, &pack]),
        (
            "pack_alone",
            "without the list nobody knows what is in it",
            vec![&pack],
        ),
    ] {
        let mut bytes = whole.package.keyring.clone();
        pieces.into_iter().for_each(|piece| bytes.extend(piece));
        made.fails(name, about, "content_mismatch", given.clone(), bytes);
    }
    on_manifests(made);
}

fn reseal(whole: &mut Whole) {
    let (key, rng) = (&whole.package.key, &mut whole.package.rng);
    whole.sealed = whole.manifest.seal(key, FileId([9; 32]), rng).ok().unwrap();
}

/// Manifests that no honest sender writes, sealed by somebody with the key.
fn on_manifests(made: &mut Made) {
    let empty_lists = [0x80, 0x80, 0x80];
    let start = |title: &[u8]| [&[0x86, 1][..], title, &[0x60]].concat();
    let id = [&[0x58, 32][..], &[5; 32]].concat();
    let seal = [&[0x58, 48][..], &[6; 48]].concat();
    let entry = |role: u8, bytes: u8| [&[0x84][..], &id, &[role, bytes], &seal].concat();
    let path = |path: &[u8]| [&[0x78, path.len() as u8][..], path].concat();
    let file = |p: &[u8], bytes: u8, offset: u8| {
        let p = if p.len() < 24 {
            [&[0x60 + p.len() as u8][..], p].concat()
        } else {
            path(p)
        };
        [&[0x86][..], &p, &[bytes, 0xf6, 0x60, 0, offset]].concat()
    };
    let listed = |role, bytes, files: &[Vec<u8>]| {
        let mut all = start(&[0x60]);
        all.extend([0x80, 0x81]);
        all.extend(entry(role, bytes));
        all.push(0x80 + files.len() as u8);
        files.iter().for_each(|file| all.extend(file));
        all
    };
    let one = |p: &[u8]| listed(0, 5, &[file(p, 5, 0)]);
    let plain = [&start(&[0x61, b't'])[..], &empty_lists].concat();
    let mut version = plain.clone();
    version[1] = 2;
    let long_form = [&start(&[0x78, 1, b't'])[..], &empty_lists].concat();
    let title = [&[0x79, 4, 1][..], &[b't'; 1_025]].concat();
    for (name, about, code, bytes) in [
        ("manifest_of_version_2", "", "unknown_version", version),
        (
            "manifest_in_another_encoding",
            "a length in a longer form",
            "damaged_manifest",
            long_form,
        ),
        (
            "manifest_with_trailing_bytes",
            "",
            "damaged_manifest",
            [&plain[..], &[0]].concat(),
        ),
        (
            "manifest_that_ends_early",
            "",
            "damaged_manifest",
            plain[..plain.len() - 1].to_vec(),
        ),
        (
            "manifest_that_is_no_list",
            "",
            "damaged_manifest",
            b"\x61t".to_vec(),
        ),
        (
            "manifest_with_a_long_title",
            "1,025 bytes",
            "too_large",
            [&start(&title)[..], &empty_lists].concat(),
        ),
        (
            "manifest_of_two_to_the_32_files",
            "a count that nothing backs",
            "too_many_files",
            [
                &start(&[0x60])[..],
                &[0x80, 0x80, 0x9a, 0xff, 0xff, 0xff, 0xff],
            ]
            .concat(),
        ),
        (
            "manifest_names_a_parent_folder",
            "../x",
            "bad_name",
            one(b"../x"),
        ),
        (
            "manifest_names_a_root",
            "/x",
            "bad_name",
            one(b"/etc/passwd"),
        ),
        (
            "manifest_names_a_folder_inside_out",
            "a/../../x",
            "bad_name",
            one(b"a/../../x"),
        ),
        ("manifest_names_nothing", "", "bad_name", one(b"")),
        (
            "manifest_name_with_terminal_escape",
            "",
            "bad_name",
            one(b"a\x1b[2Jb"),
        ),
        (
            "manifest_name_with_line_break",
            "",
            "bad_name",
            one(b"a\r\nb"),
        ),
        ("manifest_name_with_nul", "", "bad_name", one(b"a\0b")),
        (
            "manifest_name_right_to_left",
            "photo with the end .gpj.exe shown backwards",
            "bad_name",
            one("a\u{202e}gpj.exe".as_bytes()),
        ),
        ("manifest_name_of_256_bytes", "", "bad_name", {
            let long = [&[0x79, 1, 0][..], &[b'x'; 256]].concat();
            listed(
                0,
                5,
                &[[&[0x86][..], &long, &[5, 0xf6, 0x60, 0, 0]].concat()],
            )
        }),
        (
            "manifest_name_not_utf8",
            "",
            "damaged_manifest",
            one(b"a\xff"),
        ),
        (
            "manifest_with_unused_file",
            "listed as stored, in nobody's list",
            "damaged_manifest",
            listed(0, 5, &[]),
        ),
        (
            "manifest_with_one_place_twice",
            "two names for one file",
            "damaged_manifest",
            listed(0, 5, &[file(b"a", 5, 0), file(b"b", 0, 5)]),
        ),
        (
            "manifest_with_other_length",
            "",
            "damaged_manifest",
            listed(0, 5, &[file(b"a", 4, 0)]),
        ),
        (
            "manifest_pack_with_a_gap",
            "",
            "damaged_manifest",
            listed(2, 5, &[file(b"a", 2, 0), file(b"b", 2, 3)]),
        ),
        (
            "manifest_pack_with_overlap",
            "",
            "damaged_manifest",
            listed(2, 5, &[file(b"a", 3, 0), file(b"b", 3, 2)]),
        ),
        (
            "manifest_pack_past_its_end",
            "",
            "damaged_manifest",
            listed(2, 5, &[file(b"a", 2, 0), file(b"b", 4, 2)]),
        ),
        (
            "manifest_in_a_manifest",
            "",
            "damaged_manifest",
            listed(1, 5, &[file(b"a", 5, 0)]),
        ),
    ] {
        let mut package = Package::new(5);
        let manifest = sealed(&mut package, 9, Role::Manifest, &bytes);
        let all = [&package.keyring[..], &manifest.head, &manifest.body].concat();
        made.fails(name, about, code, with_password(), all);
    }
}

/// A `.sealift` file of the open-length form.
pub(super) fn pipe(package: &mut Package, data: &[u8]) -> Vec<u8> {
    let metadata = named("pipe", 0);
    let (key, rng) = (&package.key, &mut package.rng);
    let (mut sealer, head) = StreamSealer::new(key, FileId([1; 32]), &metadata, rng)
        .ok()
        .unwrap();
    let mut bytes = [&package.keyring[..], &head].concat();
    sealer.push(data, rng, &mut bytes).unwrap();
    sealer.finish(rng, &mut bytes).unwrap();
    bytes
}

pub(super) fn on_pipes(made: &mut Made) {
    let given = with_password();
    let of = |range| Piece::Of("open_length", range);
    for (name, about, end) in [
        ("open_length_without_body", "", HEAD_END),
        ("open_length_cut_in_a_segment", "", HEAD_END + 50),
        ("open_length_without_seal", "", BODY_END - 48),
        ("open_length_cut_in_the_seal", "", BODY_END - 1),
    ] {
        made.pieced(name, about, "cut_short", given.clone(), vec![of(0..end)]);
    }
    made.pieced(
        "open_length_and_more",
        "",
        "trailing_bytes",
        given.clone(),
        vec![of(0..BODY_END), Piece::Hex(vec![0])],
    );
    let mut head = made.bytes("open_length")[KEYRING_END..HEAD_END].to_vec();
    head[30..32].copy_from_slice(&[0x10, 0]);
    made.pieced(
        "open_length_with_a_length",
        "B is 0 in this form",
        "damaged_head",
        given.clone(),
        vec![
            of(0..KEYRING_END),
            Piece::Hex(with_checksum(head.clone())),
            of(HEAD_END..BODY_END),
        ],
    );
    head[10..12].copy_from_slice(&[0, 0]);
    made.pieced(
        "open_length_as_a_known_one",
        "the flag is in every key",
        "damaged_head",
        given.clone(),
        vec![
            of(0..KEYRING_END),
            Piece::Hex(with_checksum(head)),
            of(HEAD_END..BODY_END),
        ],
    );
    made.pieced(
        "open_length_not_the_last_segment",
        "the prefix says that more follows",
        "cut_short",
        given.clone(),
        vec![
            of(0..HEAD_END),
            Piece::Hex(vec![0xff; 4]),
            of(HEAD_END + 4..BODY_END),
        ],
    );

    let mut package = Package::new(6);
    let manifest = Manifest {
        title: "t".into(),
        ..Manifest::default()
    };
    let sealed = manifest
        .seal(&package.key, FileId([9; 32]), &mut package.rng)
        .ok()
        .unwrap();
    let listed = [&package.keyring[..], &sealed.head, &sealed.body].concat();
    made.pieced(
        "open_length_in_a_package",
        "",
        "open_length_refused",
        given,
        vec![Piece::Hex(listed), of(KEYRING_END..BODY_END)],
    );
}

pub(super) fn on_fragments(made: &mut Made) {
    let package = package_id(1);
    let receive = |secret| Fragment::Receive {
        pin: Pin([7; 16]),
        secret,
    };
    let manage = Fragment::Manage {
        owner: OwnerToken([8; 32]),
        secret: Some(LINK),
    };
    let grant = Zeroizing::new("grant.text-1".to_owned());
    let send = Fragment::Send { grant };
    let mut add = |name, about, lines: &[&str], package: Option<[u8; 16]>, text: &str| {
        made.vectors.push(Vector {
            name,
            about,
            expect: lines.iter().map(|line| (*line).to_owned()).collect(),
            given: Given {
                kind: "fragment",
                package,
                ..Given::default()
            },
            pieces: Vec::new(),
            bytes: text.as_bytes().to_vec(),
        });
    };
    let of = Some(package.0);
    let pin = "07".repeat(16);
    let secret = "4c".repeat(32);
    let owner = "08".repeat(32);
    let ok = "expect: success";
    let cut = ["expect: cut_link"];
    let with_secret = receive(Some(LINK)).encode(Some(&package));
    add(
        "link_receive",
        "a pin",
        &[ok, &format!("opened: receive {pin}")],
        of,
        &receive(None).encode(Some(&package)),
    );
    add(
        "link_receive_with_secret",
        "pin and link secret",
        &[ok, &format!("opened: receive {pin}{secret}")],
        of,
        &with_secret,
    );
    add(
        "link_manage",
        "owner token and link secret",
        &[ok, &format!("opened: manage {owner}{secret}")],
        of,
        &manage.encode(Some(&package)),
    );
    add(
        "link_send",
        "the text of a grant",
        &[ok, "opened: send 6772616e742e746578742d31"],
        None,
        &send.encode(None),
    );
    add(
        "link_cut_by_one_character",
        "",
        &cut,
        of,
        &with_secret[..with_secret.len() - 1],
    );
    add("link_cut_in_the_middle", "", &cut, of, &with_secret[..30]);
    add("link_without_fragment", "", &cut, of, "");
    add(
        "link_of_another_package",
        "path and fragment come from two links",
        &cut,
        Some(package_id(2).0),
        &with_secret,
    );
    let mut changed = with_secret.to_string();
    changed.replace_range(10..11, if &changed[10..11] == "A" { "B" } else { "A" });
    add("link_with_a_changed_character", "", &cut, of, &changed);
    add(
        "link_with_a_foreign_character",
        "",
        &cut,
        of,
        &with_secret.replacen('E', "+", 1),
    );
}
