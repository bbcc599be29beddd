//! Keyrings with recipients' slots, attacks on them, and the texts of public and secret keys.

use bech32::{Bech32, Bech32m, Checksum, Hrp};
use rand_chacha::rand_core::Rng as _;
use sealift_envelope::keyring::KeyringBuilder;
use sealift_envelope::*;
use sealift_protocol::format::KdfLimits;

use super::attacks::{insert_slots, overwrite};
use super::file::{Given, Piece, Vector};
use super::list::{Made, file_line};
use crate::fixture::*;

/// Where the first slot of a keyring starts, and how long a recipient's is.
const SLOT: usize = 80;
const SLOT_BYTES: usize = 1_216;
const KEYRING_BYTES: usize = 80 + SLOT_BYTES + 48;

/// Two secret keys and one more, that nothing is sealed to.
fn identities() -> [Identity; 3] {
    let mut rng = rng(40);
    std::array::from_fn(|_| Identity::generate(&mut rng))
}

fn with(identities: &[&Identity]) -> Given {
    let texts: Vec<String> = identities
        .iter()
        .map(|identity| identity.to_secret_text().to_string())
        .collect();
    Given {
        identities: Some(texts.join(" ")),
        ..Given::default()
    }
}

pub(super) fn good(made: &mut Made) {
    let mut package = Package::new(10);
    let file = package.seal(1, "a.txt", b"to whom it may concern");
    let lines = vec![file_line("a.txt", b"to whom it may concern")];
    let key = package.key.clone();
    let rng = &mut package.rng;
    let new = || KeyringBuilder::new(&key).within(KdfLimits::CHEAP_FOR_TESTS);
    let [first, second, other] = identities();
    let mut add = |name, about, given: Given, keyring: &[u8]| {
        let bytes = [keyring, &file.head, &file.body].concat();
        made.opens(name, about, given, bytes, lines.clone());
    };

    let one = new().recipient(&first.recipient(), rng).unwrap();
    let production = Given {
        production: true,
        ..with(&[&first])
    };
    add(
        "recipient",
        "one public key, opened with the secret one",
        production,
        &one.build().unwrap(),
    );

    let two = new().recipient(&first.recipient(), rng).unwrap();
    let two = two.recipient(&second.recipient(), rng).unwrap();
    let two = two.build().unwrap();
    add(
        "second_of_two_recipients",
        "nothing in a slot says whose it is",
        with(&[&second]),
        &two,
    );
    add(
        "identity_behind_another",
        "each is tried",
        with(&[&other, &second]),
        &two,
    );

    let mixed = new()
        .password(&password("one"), CHEAP, None, rng)
        .unwrap()
        .recipient(&first.recipient(), rng)
        .unwrap()
        .build()
        .unwrap();
    add(
        "password_and_recipient_by_identity",
        "either opens it",
        with(&[&first]),
        &mixed,
    );
    let by_password = Given {
        password: Some("one"),
        ..Given::default()
    };
    add(
        "password_and_recipient_by_password",
        "either opens it",
        by_password,
        &mixed,
    );

    let mut full = new();
    for _ in 0..31 {
        full = full.recipient(&other.recipient(), rng).unwrap();
    }
    let full = full.recipient(&second.recipient(), rng).unwrap();
    add(
        "thirty_two_recipients",
        "as many slots as there can be",
        with(&[&second]),
        &full.build().unwrap(),
    );
}

pub(super) fn attacked(made: &mut Made) {
    let [first, second, other] = identities();
    let whole = made.bytes("recipient").clone();
    let after = || Piece::Of("recipient", KEYRING_BYTES..whole.len());
    let all = || vec![Piece::Of("recipient", 0..whole.len())];
    made.pieced(
        "another_identity",
        "not sent to this one",
        "wrong_identity",
        with(&[&second, &other]),
        all(),
    );
    let password = Given {
        password: Some("one"),
        ..Given::default()
    };
    made.pieced(
        "password_where_an_identity_is_needed",
        "",
        "identity_needed",
        password,
        all(),
    );
    let link = Given {
        link: Some(LINK.0),
        ..Given::default()
    };
    made.pieced(
        "link_secret_where_an_identity_is_needed",
        "",
        "identity_needed",
        link,
        all(),
    );
    for (name, of, code) in [
        (
            "identity_where_a_password_is_needed",
            "hello",
            "password_needed",
        ),
        (
            "identity_where_the_link_is_needed",
            "link_secret_alone",
            "link_needed",
        ),
        (
            "identity_where_password_and_link_are_needed",
            "password_and_link_secret",
            "link_needed",
        ),
    ] {
        let length = made.bytes(of).len();
        let given = with(&[&first]);
        made.pieced(name, "", code, given, vec![Piece::Of(of, 0..length)]);
    }

    for (name, about, code, at, bytes) in [
        (
            "recipient_slot_with_a_hint",
            "a slot does not say whose it is (K5)",
            "unknown_version",
            4,
            &[1, 2, 3, 4][..],
        ),
        ("recipient_slot_with_a_flag", "", "unknown_version", 1, &[1]),
        (
            "recipient_slot_of_another_length",
            "",
            "damaged_keyring",
            2,
            &[4, 0xbf],
        ),
        (
            "recipient_ciphertext_bit",
            "in the part of ML-KEM",
            "wrong_identity",
            16,
            &[0],
        ),
        (
            "recipient_x25519_bit",
            "",
            "wrong_identity",
            16 + 1_088,
            &[0],
        ),
        (
            "recipient_x25519_of_low_order",
            "a point that makes the same secret with every key",
            "wrong_identity",
            16 + 1_088,
            &[0; 32],
        ),
        (
            "recipient_commitment_bit",
            "",
            "wrong_identity",
            16 + 1_120,
            &[0],
        ),
        (
            "recipient_wrapped_key_bit",
            "",
            "damaged_keyring",
            16 + 1_152,
            &[0],
        ),
        (
            "recipient_slot_made_a_password_slot",
            "of the wrong length for it",
            "damaged_keyring",
            0,
            &[1],
        ),
    ] {
        let mut keyring = whole[..KEYRING_BYTES].to_vec();
        overwrite(&mut keyring, SLOT + at, bytes);
        let pieces = vec![Piece::Hex(with_checksum(keyring)), after()];
        made.pieced(name, about, code, with(&[&first]), pieces);
    }

    let mut cut = whole[..KEYRING_BYTES].to_vec();
    cut.drain(SLOT + SLOT_BYTES - 1..SLOT + SLOT_BYTES);
    cut[SLOT + 3] -= 1;
    cut[15] -= 1;
    made.pieced(
        "recipient_slot_one_byte_short",
        "",
        "damaged_keyring",
        with(&[&first]),
        vec![Piece::Hex(with_checksum(cut)), after()],
    );

    // Somebody without the package key, who knows the recipient.
    let mut stranger = Package::new(10);
    stranger.rng.next_u64();
    let strange = KeyringBuilder::new(&PackageKey::generate(
        stranger.key.package(),
        &mut stranger.rng,
    ))
    .recipient(&second.recipient(), &mut stranger.rng)
    .unwrap()
    .build()
    .unwrap();
    let slot = &strange[SLOT..SLOT + SLOT_BYTES];
    made.pieced(
        "recipient_slot_added_by_a_stranger",
        "it opens, and the MAC over the keyring is not that key's",
        "damaged_keyring",
        with(&[&second]),
        vec![
            Piece::Hex(insert_slots(&whole[..KEYRING_BYTES], &[slot])),
            after(),
        ],
    );
    made.pieced(
        "keyring_of_a_stranger_for_the_same_recipient",
        "the right form, another package key",
        "damaged_head",
        with(&[&second]),
        vec![Piece::Hex(strange.clone()), after()],
    );
    let mut foreign = Package::new(11);
    let keyring = KeyringBuilder::new(&foreign.key)
        .recipient(&first.recipient(), &mut foreign.rng)
        .unwrap()
        .build()
        .unwrap();
    let mut moved = whole[..KEYRING_BYTES].to_vec();
    moved[SLOT..SLOT + SLOT_BYTES].copy_from_slice(&keyring[SLOT..SLOT + SLOT_BYTES]);
    made.pieced(
        "recipient_slot_of_another_package",
        "same recipient",
        "wrong_identity",
        with(&[&first]),
        vec![Piece::Hex(with_checksum(moved)), after()],
    );

    let two = made.bytes("second_of_two_recipients").clone();
    let end = KEYRING_BYTES + SLOT_BYTES;
    let mut removed = two[..end].to_vec();
    removed.drain(SLOT..SLOT + SLOT_BYTES);
    removed[11] -= 1;
    removed[12..16].copy_from_slice(&(KEYRING_BYTES as u32).to_be_bytes());
    made.pieced(
        "recipient_slot_removed",
        "by somebody without the key",
        "damaged_keyring",
        with(&[&second]),
        vec![
            Piece::Hex(with_checksum(removed)),
            Piece::Of("second_of_two_recipients", end..two.len()),
        ],
    );
}

/// A key's text in any alphabet and with any checksum.
fn text<C: Checksum>(prefix: &str, bytes: &[u8]) -> String {
    bech32::encode::<C>(Hrp::parse(prefix).unwrap(), bytes).unwrap()
}

pub(super) fn texts(made: &mut Made) {
    let [first, ..] = identities();
    let recipient = first.recipient().to_string();
    let secret = first.to_secret_text().to_string();
    let print = first.recipient().fingerprint();
    let opens = ["expect: success".to_owned(), format!("opened: {print}")];
    let mut add = |name, about, kind, expect: &[String], text: &str| {
        made.vectors.push(Vector {
            name,
            about,
            expect: expect.to_vec(),
            given: Given {
                kind,
                ..Given::default()
            },
            pieces: Vec::new(),
            bytes: text.as_bytes().to_vec(),
        });
    };
    add("recipient_text", "", "recipient", &opens, &recipient);
    add(
        "recipient_text_in_upper_case",
        "as a QR code has it",
        "recipient",
        &opens,
        &recipient.to_uppercase(),
    );
    add(
        "recipient_text_between_blanks",
        "as people paste it",
        "recipient",
        &opens,
        &format!("\t {recipient}\r\n"),
    );
    add("identity_text", "", "identity", &opens, &secret);
    add(
        "identity_text_in_lower_case",
        "",
        "identity",
        &opens,
        &secret.to_lowercase(),
    );

    let bad = ["expect: bad_recipient".to_owned()];
    let mut changed = recipient.clone().into_bytes();
    changed[1_000] = if changed[1_000] == b'q' { b'p' } else { b'q' };
    let changed = String::from_utf8(changed).unwrap();
    let mixed = format!("{}{}", recipient[..100].to_uppercase(), &recipient[100..]);
    for (name, about, text) in [
        ("recipient_text_changed", "one character", &*changed),
        (
            "recipient_text_cut",
            "the last character is missing",
            &recipient[..1_959],
        ),
        ("recipient_text_in_mixed_case", "", &mixed),
        ("recipient_text_is_a_secret_key", "", &secret),
        (
            "recipient_text_of_age",
            "another program's",
            "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
        ),
        ("recipient_text_empty", "", ""),
    ] {
        add(name, about, "recipient", &bad, text);
    }
    // An all-ones coefficient of ML-KEM's public key is over its modulus.
    let identity_bytes = [7; 32];
    add(
        "recipient_text_of_another_length",
        "an intact text of 32 bytes",
        "recipient",
        &bad,
        &text::<Bech32m>("sealift", &identity_bytes),
    );
    add(
        "recipient_text_not_reduced",
        "a coefficient of ML-KEM over its modulus",
        "recipient",
        &bad,
        &long_text(&[0xff; 1_216]),
    );
    let bad = ["expect: bad_identity".to_owned()];
    for (name, about, text) in [
        (
            "identity_text_with_the_older_checksum",
            "Bech32 instead of Bech32m",
            text::<Bech32>("sealift-secret-key-", &identity_bytes).to_uppercase(),
        ),
        (
            "identity_text_of_another_length",
            "33 bytes",
            text::<Bech32m>("sealift-secret-key-", &[7; 33]).to_uppercase(),
        ),
        ("identity_text_is_a_public_key", "", recipient.clone()),
        (
            "identity_text_without_its_end",
            "",
            secret[..secret.len() - 1].to_owned(),
        ),
        (
            "identity_text_with_bits_at_its_end",
            "the same bytes in another text",
            surplus_bits(&identity_bytes),
        ),
    ] {
        add(name, about, "identity", &bad, &text);
    }
}

/// The text of any 1,216 bytes, by the rule of SPEC.md.
fn long_text(bytes: &[u8]) -> String {
    #[derive(Clone, Copy, Eq, PartialEq)]
    enum Long {}
    impl Checksum for Long {
        type MidstateRepr = u32;
        type CorrectionField = <Bech32m as Checksum>::CorrectionField;
        const ROOT_GENERATOR: Self::CorrectionField = Bech32m::ROOT_GENERATOR;
        const ROOT_EXPONENTS: core::ops::RangeInclusive<usize> = Bech32m::ROOT_EXPONENTS;
        const CODE_LENGTH: usize = 4_096;
        const CHECKSUM_LENGTH: usize = 6;
        const GENERATOR_SH: [u32; 5] = Bech32m::GENERATOR_SH;
        const TARGET_RESIDUE: u32 = Bech32m::TARGET_RESIDUE;
    }
    text::<Long>("sealift", bytes)
}

/// A secret key's text whose last character has bits that belong to no byte.
fn surplus_bits(bytes: &[u8; 32]) -> String {
    use bech32::Fe32;
    use bech32::primitives::iter::{ByteIterExt as _, Fe32IterExt as _};
    let hrp = Hrp::parse("sealift-secret-key-").unwrap();
    let mut digits: Vec<Fe32> = bytes.iter().copied().bytes_to_fes().collect();
    let last = digits.pop().unwrap().to_u8() | 1;
    digits.push(Fe32::try_from(last).unwrap());
    let chars = digits.into_iter().with_checksum::<Bech32m>(&hrp).chars();
    chars.collect::<String>().to_uppercase()
}
