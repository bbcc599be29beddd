//! Attacks on keyrings: slots moved, costs changed, keys that do not fit.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sealift_envelope::PackageKey;
use sha2::Sha384;

use super::super::file::{Given, Piece};
use super::super::list::{Made, package_id, with_password};
use super::*;
use crate::fixture::*;

pub(in super::super) fn on_keyrings(made: &mut Made) {
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

    for (name, about, passes, memory_kib, code) in [
        (
            "kdf_one_pass_under_the_floor",
            "46 MiB less 1 KiB",
            1,
            47_103_u32,
            "kdf_too_weak",
        ),
        (
            "kdf_two_passes_under_the_floor",
            "64 MiB less 1 KiB",
            2,
            65_535,
            "kdf_too_weak",
        ),
        (
            "kdf_one_pass_on_the_floor",
            "46 MiB, and another key then",
            1,
            47_104,
            "wrong_password",
        ),
    ] {
        let cost = [&[0, passes][..], &memory_kib.to_be_bytes()].concat();
        let production = Given {
            production: true,
            ..given.clone()
        };
        let pieces = hello_keyring(made, 86, &cost);
        made.pieced(name, about, code, production, pieces);
    }
    made.pieced(
        "link_slot_with_a_password_beside_the_secret",
        "a password beside the link secret: the slot of the link secret alone is not tried",
        "link_needed",
        Given {
            link: Some(LINK.0),
            ..given.clone()
        },
        vec![Piece::Of(
            "link_secret_alone",
            0..made.bytes("link_secret_alone").len(),
        )],
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
        "slots_more_than_32",
        "two passwords and 31 of an unknown kind",
        "damaged_keyring",
        one.clone(),
        vec![
            Piece::Hex(insert_slots(start, &[&[9, 0, 0, 4][..]; 31])),
            after(),
        ],
    );
    made.pieced(
        "slot_over_4096_bytes",
        "",
        "damaged_keyring",
        one.clone(),
        vec![
            Piece::Hex(insert_slots(
                start,
                &[&[&[9, 0, 16, 1][..], &[0; 4_093]].concat()],
            )),
            after(),
        ],
    );
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

pub(in super::super) fn insert_slots(keyring: &[u8], slots: &[&[u8]]) -> Vec<u8> {
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

/// A keyring without its second slot, which has 128 bytes.
fn without_slot(keyring: &[u8]) -> Vec<u8> {
    let mut bytes = keyring.to_vec();
    bytes.drain(80 + 128..80 + 256);
    bytes[11] -= 1;
    let total = (bytes.len() as u32).to_be_bytes();
    bytes[12..16].copy_from_slice(&total);
    with_checksum(bytes)
}

/// A keyring with one more slot of an unknown type, under a right MAC: what a later version makes.
pub(in super::super) fn with_unknown_slot(key: &PackageKey, keyring: &[u8]) -> Vec<u8> {
    let slot: &[u8] = &[77, 1, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8];
    with_mac(key, insert_slots(keyring, &[slot]))
}

/// The MAC made right, by somebody who holds the key.
pub(in super::super) fn with_mac(key: &PackageKey, mut bytes: Vec<u8>) -> Vec<u8> {
    let exported = key.export();
    let (id, package_key) = exported[1..].split_at(16);
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
