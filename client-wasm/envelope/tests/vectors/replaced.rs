//! Keyrings that replaced others (K2): passwords changed, recipients added, undone, rolled back.

use sealift_envelope::keyring::KeyringBuilder;
use sealift_envelope::*;
use sealift_protocol::format::{KdfLimits, SlotKind};

use super::file::{Given, Piece};
use super::list::{Made, file_line};
use crate::fixture::*;

/// A package whose keyring was replaced, again and again.
struct History {
    first: Vec<u8>,
    password_changed: Vec<u8>,
    recipient_added: Vec<u8>,
    undone: Vec<u8>,
    only_recipient: Vec<u8>,
    content: Vec<u8>,
    recipient: Identity,
}

fn history() -> History {
    let mut package = Package::new(12);
    let file = package.seal(1, "a.txt", b"the content stays");
    let key = package.key.clone();
    let rng = &mut package.rng;
    let recipient = Identity::generate(rng);
    let first = package.keyring;
    let replacing = |current: &[u8]| {
        let builder = KeyringBuilder::replacing(&key, current).ok().unwrap();
        builder.within(KdfLimits::CHEAP_FOR_TESTS)
    };
    let password_changed = replacing(&first)
        .password(&password("new"), CHEAP, None, rng)
        .unwrap()
        .build()
        .unwrap();
    let recipient_added = replacing(&password_changed)
        .keep(&password_changed, |_, _| true)
        .unwrap()
        .recipient(&recipient.recipient(), rng)
        .unwrap()
        .build()
        .unwrap();
    let undone = replacing(&recipient_added)
        .keep(&first, |_, _| true)
        .unwrap()
        .build()
        .unwrap();
    let only_recipient = replacing(&undone)
        .keep(&recipient_added, |_, kind| kind == SlotKind::Recipient)
        .unwrap()
        .build()
        .unwrap();
    History {
        first,
        password_changed,
        recipient_added,
        undone,
        only_recipient,
        content: [file.head, file.body].concat(),
        recipient,
    }
}

fn by(password: &'static str) -> Given {
    Given {
        password: Some(password),
        ..Given::default()
    }
}

pub(super) fn good(made: &mut Made) {
    let history = history();
    let lines = vec![file_line("a.txt", b"the content stays")];
    let by_identity = Given {
        identities: Some(history.recipient.to_secret_text().to_string()),
        ..Given::default()
    };
    let mut add = |name, about, given, keyring: &[u8]| {
        let bytes = [keyring, &history.content].concat();
        made.opens(name, about, given, bytes, lines.clone());
    };
    add(
        "before_the_password_changed",
        "the old keyring still opens: replacing it is not revocation",
        by(PASSWORD),
        &history.first,
    );
    add(
        "password_changed",
        "generation 2; head and body are the same bytes",
        by("new"),
        &history.password_changed,
    );
    let seen = Given {
        seen: Some(2),
        ..by("new")
    };
    add(
        "keyring_of_the_generation_seen",
        "not older",
        seen,
        &history.password_changed,
    );
    let seen = Given {
        seen: Some(2),
        ..by_identity.clone()
    };
    add(
        "recipient_added",
        "generation 3, newer than what was seen",
        seen,
        &history.recipient_added,
    );
    add(
        "slot_kept",
        "a slot is valid in every generation",
        by("new"),
        &history.recipient_added,
    );
    add(
        "change_undone",
        "generation 4 with the slots of generation 1",
        by(PASSWORD),
        &history.undone,
    );
    add(
        "passwords_removed",
        "generation 5 with a recipient alone",
        by_identity,
        &history.only_recipient,
    );
}

pub(super) fn attacked(made: &mut Made) {
    let whole = |made: &Made, name: &'static str| vec![Piece::Of(name, 0..made.bytes(name).len())];
    let changed = whole(made, "password_changed");
    made.pieced(
        "password_from_before_the_change",
        "",
        "wrong_password",
        by(PASSWORD),
        changed,
    );
    let removed = whole(made, "passwords_removed");
    made.pieced(
        "password_after_it_was_removed",
        "",
        "identity_needed",
        by("new"),
        removed,
    );
    let rolled_back = whole(made, "before_the_password_changed");
    made.pieced(
        "keyring_rolled_back",
        "genuine, and older than what this reader has seen",
        "old_keyring",
        Given {
            seen: Some(2),
            ..by(PASSWORD)
        },
        rolled_back,
    );
    let bytes = made.bytes("password_changed").clone();
    for (name, about, at, value) in [
        (
            "keyring_number_of_another_generation",
            "renumbered by somebody without the key",
            39,
            &[3][..],
        ),
        ("keyring_previous_hash_changed", "", 40, &[0]),
    ] {
        let mut keyring = bytes[..256].to_vec();
        super::attacks::overwrite(&mut keyring, at, value);
        made.pieced(
            name,
            about,
            "damaged_keyring",
            by("new"),
            vec![
                Piece::Hex(with_checksum(keyring)),
                Piece::Of("password_changed", 256..bytes.len()),
            ],
        );
    }
    two_keys(made);
    let mut renumbered = bytes[..256].to_vec();
    renumbered[39] = 1;
    renumbered[40..72].fill(0);
    made.pieced(
        "keyring_made_a_first_one",
        "the form is right, the MAC is not",
        "damaged_keyring",
        by("new"),
        vec![
            Piece::Hex(with_checksum(renumbered)),
            Piece::Of("password_changed", 256..bytes.len()),
        ],
    );
}

/// One keyring with a slot for each of two passwords, around two package keys, made by somebody who
/// holds both: it has one MAC, so it opens under one password at most.
fn two_keys(made: &mut Made) {
    let mut package = Package::new(13);
    let file = package.seal(1, "a.txt", b"the first content");
    let rng = &mut package.rng;
    let other = PackageKey::generate(package.key.package(), rng);
    let foreign = KeyringBuilder::new(&other)
        .within(KdfLimits::CHEAP_FOR_TESTS)
        .password(&password("second"), CHEAP, None, rng)
        .unwrap()
        .build()
        .unwrap();
    let both = super::attacks::insert_slots(&package.keyring, &[&foreign[80..208]]);
    let both = super::attacks::with_mac(&package.key, both);
    let bytes = [&both[..], &file.head, &file.body].concat();
    let length = bytes.len();
    made.opens(
        "two_key_ciphertext_by_the_first_password",
        "the MAC is of its package key",
        by(PASSWORD),
        bytes,
        vec![file_line("a.txt", b"the first content")],
    );
    made.pieced(
        "two_key_ciphertext",
        "the second password opens its slot, and the keyring is not that key's",
        "damaged_keyring",
        by("second"),
        vec![Piece::Of(
            "two_key_ciphertext_by_the_first_password",
            0..length,
        )],
    );
}
