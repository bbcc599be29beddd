//! Recipients' slots: who opens them, and what that does not allow.

use sealift_envelope::keyring::{
    Credential, KeyringBuilder, Needs, needs, open_with_identities, unlock,
};
use sealift_envelope::*;
use sealift_protocol::FileId;
use sealift_protocol::format::{
    FormatError, KdfLimits, Keyring, KeyringPolicy, RECIPIENT_SLOT_BYTES, Role, SlotKind,
};

use crate::fixture::*;
use crate::reader::open_body;

const PRODUCTION: KdfLimits = KdfLimits::PRODUCTION;

fn identities<const N: usize>() -> [Identity; N] {
    let mut rng = rng(77);
    std::array::from_fn(|_| Identity::generate(&mut rng))
}

/// A package's keyring with slots for these and nothing else.
fn sealed_to(package: &mut Package, recipients: &[&Identity]) -> Vec<u8> {
    let mut builder = KeyringBuilder::new(&package.key);
    for identity in recipients {
        builder = builder
            .recipient(&identity.recipient(), &mut package.rng)
            .unwrap();
    }
    builder.build().unwrap()
}

#[test]
fn each_recipient_opens_and_nobody_else() {
    let mut package = Package::new(1);
    let [one, two, other] = identities();
    let keyring = sealed_to(&mut package, &[&one, &two]);
    let open = |identity: &Identity| {
        open_with_identities(&keyring, None, std::slice::from_ref(identity), PRODUCTION)
    };
    for identity in [&one, &two] {
        let key = open(identity).unwrap();
        let file = package.seal(1, "a.txt", b"for two");
        let opener = FileOpener::new(&key, &file.head).ok().unwrap();
        assert!(open_body(&opener, &file.body).is_ok_and(|(content, _)| content == b"for two"));
    }
    assert_eq!(open(&other).err(), Some(Error::WrongIdentity));
    let all = [other, two];
    assert!(open_with_identities(&keyring, None, &all, PRODUCTION).is_ok());
    assert_eq!(
        open_with_identities(&keyring, None, &[], PRODUCTION).err(),
        Some(Error::WrongIdentity)
    );
}

#[test]
fn k3_what_a_public_key_opened_does_not_become_a_key_that_seals() {
    let mut package = Package::new(1);
    let [one] = identities();
    let keyring = sealed_to(&mut package, &[&one]);
    let key = open_with_identities(&keyring, None, &[one], PRODUCTION).unwrap();
    let exported = key.export();
    assert!(OpeningKey::import(&exported).is_ok());
    assert!(
        PackageKey::import(&exported).is_err(),
        "also in another worker"
    );
    let sealing = package.key.export();
    assert!(PackageKey::import(&sealing).is_ok() && OpeningKey::import(&sealing).is_ok());
    for changed in [&sealing[1..], &[0; 49][..], &[3; 49], &[]] {
        assert!(OpeningKey::import(changed).is_err());
        assert!(PackageKey::import(changed).is_err());
    }
}

#[test]
fn k3_a_relay_that_serves_a_keyring_of_its_own_to_a_resuming_sender_gets_nothing() {
    // It knows the recipient, so it can make a keyring that opens for them; the sender's password
    // and link do not open it, so the sender never seals under it.
    let mut package = Package::new(1);
    let [recipient] = identities();
    let mut relay = rng(666);
    let own = PackageKey::generate(package.key.package(), &mut relay);
    let served = KeyringBuilder::new(&own)
        .recipient(&recipient.recipient(), &mut relay)
        .unwrap()
        .build()
        .unwrap();
    let password = password(PASSWORD);
    let opened = unlock(&served, None, by_password(&password), PRODUCTION);
    assert_eq!(opened.err(), Some(Error::IdentityNeeded));
    let opened = unlock(&served, None, Credential::Link(&LINK), PRODUCTION);
    assert_eq!(opened.err(), Some(Error::IdentityNeeded));
    let refused = KeyringBuilder::replacing(&package.key, &served).err();
    assert_eq!(refused, Some(FormatError::DamagedKeyring.into()));
    // And what the sender sealed does not open by it: the head commits to the sender's key.
    let file = package.seal(1, "a", b"x");
    let key = open_with_identities(&served, None, &[recipient], PRODUCTION).unwrap();
    let refused = FileOpener::new(&key, &file.head).err();
    assert_eq!(refused, Some(FormatError::DamagedHead.into()));
}

#[test]
fn k4_a_recipient_is_what_its_text_says() {
    let [one, other] = identities();
    let recipient = one.recipient();
    let text = recipient.to_string();
    assert_eq!(text.len(), 1_960);
    assert!(text.starts_with("sealift1"));
    assert!(
        text.parse::<Recipient>()
            .is_ok_and(|read| read == recipient)
    );
    assert_eq!(recipient.fingerprint().split(' ').count(), 8);
    assert_ne!(recipient.fingerprint(), other.recipient().fingerprint());
    let secret = one.to_secret_text();
    assert_eq!(secret.len(), 78);
    assert!(secret.starts_with("SEALIFT-SECRET-KEY-1"));
    let file = one.to_file_text();
    assert!(file.contains(&text) && file.contains(&**secret));
    let read = Identity::parse_file(&file).unwrap();
    assert!(read.len() == 1 && read[0].recipient() == recipient);
    let list = format!("# team\n\n{text}\n  {}\n", other.recipient());
    assert_eq!(Recipient::parse_file(&list).unwrap().len(), 2);
    for nothing in ["", "# only a comment\n", "sealift1"] {
        assert_eq!(
            Recipient::parse_file(nothing).err(),
            Some(Error::BadRecipient)
        );
        assert_eq!(
            Identity::parse_file(nothing).err(),
            Some(Error::BadIdentity)
        );
    }
    assert_eq!(
        Recipient::parse_file(&format!("{text}\n{}\n", &**secret)).err(),
        Some(Error::BadRecipient)
    );
}

#[test]
fn k5_a_recipients_slot_does_not_say_whose_it_is() {
    let mut package = Package::new(1);
    let [one] = identities();
    let keyring = sealed_to(&mut package, &[&one, &one]);
    let parsed = Keyring::parse(&keyring).ok().unwrap();
    let slots: Vec<&[u8]> = parsed.slots().map(|slot| slot.bytes).collect();
    assert_eq!(slots[0].len(), RECIPIENT_SLOT_BYTES);
    assert_eq!(&slots[0][..4], [3, 0, 0x04, 0xc0]);
    assert_eq!(&slots[0][4..16], [0; 12], "a hint of zeros");
    // Two slots for one recipient have nothing in common but that.
    let equal = slots[0][16..].iter().zip(&slots[1][16..]);
    let equal = equal.filter(|(a, b)| a == b).count();
    assert!(equal < 30, "{equal} of 1,200 bytes are equal");
    let public = one.recipient().to_string();
    assert!(
        !keyring
            .windows(8)
            .any(|bytes| public.as_bytes().windows(8).any(|w| w == bytes))
    );
}

#[test]
fn k5_opening_by_an_identity_runs_no_argon2_and_refuses_a_bomb_all_the_same() {
    let mut package = Package::new(1);
    let [one] = identities();
    let keyring = KeyringBuilder::new(&package.key)
        .within(KdfLimits::CHEAP_FOR_TESTS)
        .password(&password(PASSWORD), CHEAP, None, &mut package.rng)
        .unwrap()
        .recipient(&one.recipient(), &mut package.rng)
        .unwrap()
        .build()
        .unwrap();
    let limits = KdfLimits::CHEAP_FOR_TESTS;
    assert!(open_with_identities(&keyring, None, std::slice::from_ref(&one), limits).is_ok());
    let mut bomb = keyring;
    bomb[88..92].copy_from_slice(&[0x00, 0x40, 0, 0]);
    let refused = open_with_identities(&with_checksum(bomb), None, &[one], limits).err();
    assert_eq!(refused, Some(FormatError::KdfTooExpensive.into()));
}

#[test]
fn l2_what_a_keyring_needs_tells_public_key_packages_apart() {
    let mut package = Package::new(1);
    let [one] = identities();
    let keyring = sealed_to(&mut package, &[&one]);
    let parsed = Keyring::parse(&keyring).ok().unwrap();
    let only = Needs {
        identity: true,
        ..Needs::default()
    };
    assert_eq!(needs(&parsed), only, "opens unpinned, with a notice");
    let own = Keyring::parse(&package.keyring).ok().unwrap();
    assert!(
        !needs(&own).identity && needs(&own).password,
        "needs its pin"
    );
}

#[test]
fn p1_a_recipients_key_protects_as_a_password_does() {
    let mut package = Package::new(1);
    let [one] = identities();
    let required = KeyringPolicy {
        password_required: true,
        kdf: PRODUCTION,
    };
    let keyring = sealed_to(&mut package, &[&one]);
    let check = |bytes: &[u8]| Keyring::parse(bytes).ok().unwrap().check_policy(required);
    assert_eq!(check(&keyring), Ok(()));
    let mixed = KeyringBuilder::new(&package.key)
        .recipient(&one.recipient(), &mut package.rng)
        .unwrap()
        .link_secret(&LINK, &mut package.rng)
        .unwrap()
        .build()
        .unwrap();
    assert_eq!(check(&mixed), Err(FormatError::PasswordRequired));
}

#[test]
fn as_many_recipients_as_slots_and_not_one_more() {
    let mut package = Package::new(1);
    let [one, last] = identities();
    let mut all = vec![&one; 31];
    all.push(&last);
    let keyring = sealed_to(&mut package, &all);
    assert_eq!(keyring.len(), 39_040);
    let opened = open_with_identities(&keyring, None, std::slice::from_ref(&last), PRODUCTION);
    assert!(opened.is_ok());
    let parsed = Keyring::parse(&keyring).ok().unwrap();
    assert!(parsed.slots().all(|slot| slot.kind == SlotKind::Recipient));
    let mut builder = KeyringBuilder::new(&package.key)
        .keep(&keyring, |_, _| true)
        .unwrap();
    builder = builder
        .recipient(&one.recipient(), &mut package.rng)
        .unwrap();
    assert_eq!(builder.build().err(), Some(Error::TooLarge));
}

#[test]
fn a_package_for_recipients_is_sealed_like_any_other() {
    let mut package = Package::new(1);
    let [one] = identities();
    let keyring = sealed_to(&mut package, &[&one]);
    let file = seal(
        &package.key,
        FileId([3; 32]),
        Role::File,
        &named("to you.txt", 5),
        b"hello",
        &mut package.rng,
    );
    let whole = [&keyring[..], &file.head, &file.body].concat();
    let opened = crate::reader::open_with(&whole, None, |keyring| {
        open_with_identities(keyring, None, &[one], PRODUCTION)
    });
    let expected = [("to you.txt".to_owned(), b"hello".to_vec())];
    assert_eq!(opened.unwrap().files, expected);
}
