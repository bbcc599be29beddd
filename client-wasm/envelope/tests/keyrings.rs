//! Keyrings: rules K1 to K5 and P1.

use std::time::{Duration, Instant};

use sealift_envelope::keyring::{Credential, KeyringBuilder, Needs, check_not_older, needs};
use sealift_envelope::keyring::{open, open_within};
use sealift_envelope::*;
use sealift_protocol::PackageId;
use sealift_protocol::format::{FormatError, KdfCost, KdfLimits, Keyring, KeyringPolicy};
use sealift_protocol::link::LinkSecret;
use sha2::{Digest as _, Sha256};

use crate::fixture::*;

const TESTS: KdfLimits = KdfLimits::CHEAP_FOR_TESTS;
const SLOTS: usize = 80;
const SLOT: usize = 128;

fn open_cheap(bytes: &[u8], credential: Credential<'_>) -> Result<PackageKey, Error> {
    open_within(bytes, None, credential, TESTS)
}

fn reason(bytes: &[u8], credential: Credential<'_>) -> Error {
    open_cheap(bytes, credential).err().expect("refused")
}

/// A keyring with every kind of slot.
fn three_slots(package: &mut Package) -> Vec<u8> {
    KeyringBuilder::new(&package.key)
        .within(TESTS)
        .password(&password("one"), CHEAP, None, &mut package.rng)
        .unwrap()
        .password(&password("two"), CHEAP, Some(&LINK), &mut package.rng)
        .unwrap()
        .link_secret(&LINK, &mut package.rng)
        .unwrap()
        .build()
        .unwrap()
}

/// Adds a slot of an unknown kind without knowing any key.
fn insert_slot(keyring: &[u8], slot: &[u8]) -> Vec<u8> {
    let mut bytes = keyring.to_vec();
    let mac = bytes.len() - 48;
    bytes.splice(mac..mac, slot.iter().copied());
    bytes[11] += 1;
    let total = (bytes.len() as u32).to_be_bytes();
    bytes[12..16].copy_from_slice(&total);
    with_checksum(bytes)
}

#[test]
fn every_kind_of_slot_opens_with_its_own_credential_only() {
    let mut package = Package::new(1);
    let keyring = three_slots(&mut package);
    let (one, two, three) = (password("one"), password("two"), password("three"));
    let (link, wrong) = (LINK, LinkSecret([1; 32]));
    let with_link = |password, link| Credential::Password {
        password,
        link: Some(link),
    };
    for credential in [
        by_password(&one),
        with_link(&two, &link),
        Credential::Link(&link),
    ] {
        let key = open_cheap(&keyring, credential).ok().unwrap();
        assert!(*key.export() == *package.key.export());
    }
    assert_eq!(reason(&keyring, by_password(&two)), Error::WrongPassword);
    assert_eq!(
        reason(&keyring, with_link(&two, &wrong)),
        Error::WrongPassword
    );
    assert_eq!(
        reason(&keyring, with_link(&three, &LINK)),
        Error::WrongPassword
    );
    assert_eq!(reason(&keyring, Credential::Link(&wrong)), Error::WrongLink);
    let parsed = Keyring::parse(&keyring).ok().unwrap();
    let all = Needs {
        password: true,
        password_and_link: true,
        link: true,
        identity: false,
    };
    assert_eq!(needs(&parsed), all);
}

#[test]
fn a_credential_that_no_slot_takes_says_what_is_needed() {
    let mut package = Package::new(1);
    assert_eq!(
        reason(&package.keyring, Credential::Link(&LINK)),
        Error::PasswordNeeded
    );
    let link_only = KeyringBuilder::new(&package.key)
        .link_secret(&LINK, &mut package.rng)
        .unwrap()
        .build()
        .unwrap();
    assert_eq!(
        reason(&link_only, by_password(&password("x"))),
        Error::LinkNeeded
    );
}

#[test]
fn k1_every_byte_of_a_keyring_is_authenticated() {
    let mut package = Package::new(1);
    let keyring = three_slots(&mut package);
    let one = password("one");
    assert!(open_cheap(&keyring, by_password(&one)).is_ok());
    for at in 0..keyring.len() - 16 {
        for bit in [1, 0x80] {
            let mut changed = keyring.clone();
            changed[at] ^= bit;
            assert!(
                open_cheap(&changed, by_password(&one)).is_err(),
                "byte {at} unfixed"
            );
            let changed = with_checksum(changed);
            assert!(
                open_cheap(&changed, by_password(&one)).is_err(),
                "byte {at}"
            );
        }
    }
}

#[test]
fn k1_slots_cannot_be_added_removed_or_exchanged() {
    let mut package = Package::new(1);
    let keyring = three_slots(&mut package);
    let one = password("one");
    let damaged = Error::Format(FormatError::DamagedKeyring);

    let added = insert_slot(&keyring, &[99, 0, 0, 8, 1, 2, 3, 4]);
    assert_eq!(reason(&added, by_password(&one)), damaged);

    let mut removed = keyring.clone();
    removed.drain(SLOTS + 2 * SLOT..SLOTS + 3 * SLOT);
    removed[11] -= 1;
    let total = (removed.len() as u32).to_be_bytes();
    removed[12..16].copy_from_slice(&total);
    assert_eq!(reason(&with_checksum(removed), by_password(&one)), damaged);

    let mut exchanged = keyring.clone();
    exchanged[SLOTS..SLOTS + 2 * SLOT].rotate_left(SLOT);
    assert_eq!(
        reason(&with_checksum(exchanged), by_password(&one)),
        damaged
    );
}

#[test]
fn k1_a_slot_does_not_open_in_another_package() {
    let (first, second) = (Package::new(1), Package::new(2));
    let mut moved = second.keyring.clone();
    moved[SLOTS..SLOTS + SLOT].copy_from_slice(&first.keyring[SLOTS..SLOTS + SLOT]);
    let password = password(PASSWORD);
    assert_eq!(
        reason(&with_checksum(moved), by_password(&password)),
        Error::WrongPassword
    );
}

#[test]
fn k1_the_package_of_path_and_keyring_must_be_the_same() {
    let package = Package::new(1);
    let password = password(PASSWORD);
    let other = PackageId([9; 16]);
    let opened = open_within(
        &package.keyring,
        Some(&other),
        by_password(&password),
        TESTS,
    );
    assert_eq!(opened.err(), Some(FormatError::PackageMismatch.into()));
}

#[test]
fn k1_unknown_slots_are_carried_and_authenticated() {
    // A later version seals a keyring with a kind of slot that this one does not know.
    let mut package = Package::new(1);
    let keyring = insert_slot(&three_slots(&mut package), &[9, 0, 0, 8, 1, 2, 3, 4]);
    let parsed = Keyring::parse(&keyring).ok().unwrap();
    assert_eq!(parsed.slots().count(), 4);
    // Without the key its MAC cannot be made right, so a client refuses it.
    assert!(KeyringBuilder::replacing(&package.key, &keyring).is_err());
}

#[test]
fn k2_a_replacement_names_what_it_replaces() {
    let mut package = Package::new(1);
    let builder = KeyringBuilder::replacing(&package.key, &package.keyring)
        .ok()
        .unwrap();
    let second = builder
        .within(TESTS)
        .password(&password("new"), CHEAP, None, &mut package.rng)
        .unwrap()
        .build()
        .unwrap();
    let (old, new) = (
        Keyring::parse(&package.keyring).ok().unwrap(),
        Keyring::parse(&second).ok().unwrap(),
    );
    assert_eq!((old.generation(), new.generation()), (1, 2));
    assert_eq!(
        new.previous_sha256(),
        <[u8; 32]>::from(Sha256::digest(&package.keyring))
    );
    assert_eq!(check_not_older(&old, 2), Err(Error::OldKeyring));
    assert_eq!(check_not_older(&new, 2), Ok(()));
    assert!(open_cheap(&second, by_password(&password("new"))).is_ok());
    assert_eq!(
        reason(&second, by_password(&password(PASSWORD))),
        Error::WrongPassword
    );
}

#[test]
fn k2_replacing_is_not_revocation() {
    // SPEC.md says so: who kept the old keyring opens with the old password, for ever.
    let package = Package::new(1);
    assert!(open_cheap(&package.keyring, by_password(&password(PASSWORD))).is_ok());
}

#[test]
fn k2_only_a_keyring_of_the_same_key_is_replaced() {
    let (package, other) = (Package::new(1), Package::new(2));
    let refused = KeyringBuilder::replacing(&package.key, &other.keyring).err();
    assert_eq!(refused, Some(FormatError::PackageMismatch.into()));
    // A relay serves a keyring of its own, for the right package id but with another key.
    let mut rng = rng(3);
    let foreign = PackageKey::generate(package.key.package(), &mut rng);
    let served = KeyringBuilder::new(&foreign)
        .within(TESTS)
        .password(&password("x"), CHEAP, None, &mut rng)
        .unwrap()
        .build()
        .unwrap();
    let refused = KeyringBuilder::replacing(&package.key, &served).err();
    assert_eq!(refused, Some(FormatError::DamagedKeyring.into()));
}

#[test]
fn k5_a_kdf_bomb_is_refused_before_memory_is_taken() {
    let package = Package::new(1);
    let password = password(PASSWORD);
    // Bytes of a slot: p at 5, t at 6, m at 8.
    for (at, value) in [
        (8, &[0xff, 0xff, 0xff, 0xff][..]),
        (8, &[0x00, 0x40, 0x00, 0x00]),
        (6, &[0xff, 0xff]),
        (6, &[0, 17]),
        (5, &[5]),
        (5, &[0, 0, 5, 0, 0x10, 0, 0]),
    ] {
        let mut bomb = package.keyring.clone();
        bomb[SLOTS + at..SLOTS + at + value.len()].copy_from_slice(value);
        let bomb = with_checksum(bomb);
        let mut refused = None;
        let memory = allocation_counter::measure(|| {
            refused = Some(reason(&bomb, by_password(&password)));
        });
        assert_eq!(refused, Some(FormatError::KdfTooExpensive.into()));
        assert!(refusal_time(&bomb) < Duration::from_millis(10));
        assert!(memory.bytes_max < 1 << 20, "{} bytes", memory.bytes_max);
    }
}

#[test]
fn k5_costs_below_the_floor_are_refused_outside_tests() {
    let package = Package::new(1);
    let password = password(PASSWORD);
    let refused = open(&package.keyring, None, by_password(&password)).err();
    assert_eq!(refused, Some(FormatError::KdfTooWeak.into()));
    let limits = KdfLimits::PRODUCTION;
    let cost = |mib: u32, passes| KdfCost {
        memory_kib: mib << 10,
        passes,
        parallelism: 1,
    };
    for (cost, verdict) in [
        (cost(46, 1), Ok(())),
        (cost(45, 1), Err(FormatError::KdfTooWeak)),
        (cost(64, 2), Ok(())),
        (cost(63, 2), Err(FormatError::KdfTooWeak)),
        (cost(64, 0), Err(FormatError::KdfTooWeak)),
        (cost(1_024, 4), Ok(())),
        (cost(1_025, 1), Err(FormatError::KdfTooExpensive)),
        (cost(1_024, 5), Err(FormatError::KdfTooExpensive)),
        (cost(256, 16), Ok(())),
        (cost(256, 17), Err(FormatError::KdfTooExpensive)),
        (KdfCost::DEFAULT, Ok(())),
        (KdfCost::STRONG, Ok(())),
    ] {
        assert_eq!(limits.check(cost), verdict, "{cost:?}");
    }
    let none = KdfCost {
        parallelism: 0,
        ..KdfCost::DEFAULT
    };
    assert_eq!(limits.check(none), Err(FormatError::KdfTooWeak));
}

#[test]
fn k5_nothing_is_sealed_under_less_than_the_floor() {
    // Whatever a server says about costs: a client that believed it could not seal.
    let mut package = Package::new(1);
    for cost in [
        CHEAP,
        KdfCost {
            memory_kib: 64 << 10,
            passes: 0,
            ..CHEAP
        },
    ] {
        let builder = KeyringBuilder::new(&package.key);
        let made = builder.password(&password(PASSWORD), cost, None, &mut package.rng);
        assert_eq!(made.err(), Some(FormatError::KdfTooWeak.into()));
    }
}

#[test]
fn k5_the_default_cost_opens() {
    let mut package = Package::new(1);
    let password = password(PASSWORD);
    let keyring = KeyringBuilder::new(&package.key)
        .password(&password, KdfCost::DEFAULT, None, &mut package.rng)
        .unwrap()
        .build()
        .unwrap();
    assert!(
        open(
            &keyring,
            Some(&package.key.package()),
            by_password(&password)
        )
        .is_ok()
    );
    assert_eq!(Keyring::parse(&keyring).ok().unwrap().work_kib(), 196_608);
}

#[test]
fn k5_at_most_eight_password_slots_and_one_capped_sum() {
    let mut package = Package::new(1);
    let mut builder = KeyringBuilder::new(&package.key).within(TESTS);
    for number in 0..8 {
        let password = password(&number.to_string());
        builder = builder
            .password(&password, CHEAP, None, &mut package.rng)
            .unwrap();
    }
    let eight = builder.build().unwrap();
    assert!(open_cheap(&eight, by_password(&password("7"))).is_ok());
    let ninth = insert_slot(&eight, &eight[SLOTS..SLOTS + SLOT]);
    assert_eq!(
        Keyring::parse(&ninth).err(),
        Some(FormatError::KdfTooExpensive)
    );

    // Each of three slots is allowed, together they are not.
    let mut slot = package.keyring[SLOTS..SLOTS + SLOT].to_vec();
    slot[6..12].copy_from_slice(&[0, 4, 0, 0x10, 0, 0]);
    let mut three = package.keyring.clone();
    three[SLOTS..SLOTS + SLOT].copy_from_slice(&slot);
    let three = insert_slot(&insert_slot(&three, &slot), &slot);
    let refused = reason(&three, by_password(&password(PASSWORD)));
    assert_eq!(refused, FormatError::KdfTooExpensive.into());
    assert!(refusal_time(&three) < Duration::from_millis(10));
}

/// The shortest of some tries, as this machine may be busy with something else.
fn refusal_time(keyring: &[u8]) -> Duration {
    let password = password(PASSWORD);
    let times = (0..20).map(|_| {
        let start = Instant::now();
        reason(keyring, by_password(&password));
        start.elapsed()
    });
    times.min().unwrap_or_default()
}

#[test]
fn k5_wrong_password_and_damage_are_told_apart() {
    let package = Package::new(1);
    assert_eq!(
        reason(&package.keyring, by_password(&password("x"))),
        Error::WrongPassword
    );
    for at in 80..package.keyring.len() {
        let mut damaged = package.keyring.clone();
        damaged[at] ^= 4;
        let reason = reason(&damaged, by_password(&password(PASSWORD)));
        assert_eq!(reason, FormatError::DamagedKeyring.into(), "byte {at}");
    }
}

#[test]
fn p1_a_relay_that_requires_a_password_refuses_other_slots() {
    let mut package = Package::new(1);
    let required = KeyringPolicy {
        password_required: true,
        kdf: TESTS,
    };
    let free = KeyringPolicy {
        password_required: false,
        kdf: TESTS,
    };
    let check = |bytes: &[u8], policy| Keyring::parse(bytes).ok().unwrap().check_policy(policy);
    let mixed = three_slots(&mut package);
    let unknown = insert_slot(&package.keyring, &[9, 0, 0, 8, 1, 2, 3, 4]);
    assert_eq!(check(&package.keyring, required), Ok(()));
    assert_eq!(check(&mixed, required), Err(FormatError::PasswordRequired));
    assert_eq!(
        check(&unknown, required),
        Err(FormatError::PasswordRequired)
    );
    assert_eq!(check(&mixed, free), Ok(()));
    let strict = KeyringPolicy {
        password_required: false,
        kdf: KdfLimits::PRODUCTION,
    };
    assert_eq!(
        check(&package.keyring, strict),
        Err(FormatError::KdfTooWeak)
    );
}

#[cfg(feature = "native")]
#[test]
fn a_password_typed_in_either_unicode_form_is_the_same() {
    let package = Package::new(1);
    for typed in ["P\u{e4}sswort 1", "Pa\u{308}sswort 1"] {
        let password = Password::new(typed).ok().unwrap();
        assert!(open_cheap(&package.keyring, by_password(&password)).is_ok());
    }
    assert_eq!(Password::new("").err(), Some(Error::PasswordLength));
    assert_eq!(
        Password::new(&"x".repeat(1_025)).err(),
        Some(Error::PasswordLength)
    );
}
