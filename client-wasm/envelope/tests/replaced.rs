//! Replacing a keyring (K2): passwords change, slots come and go, content stays.

use sealift_envelope::keyring::{
    Credential, KeyringBuilder, check_not_older, open_with_identities, open_within, unlock,
};
use sealift_envelope::*;
use sealift_protocol::format::{FormatError, KdfLimits, Keyring, SlotKind};
use sha2::{Digest as _, Sha256};

use crate::fixture::*;
use crate::reader::open_body;

const TESTS: KdfLimits = KdfLimits::CHEAP_FOR_TESTS;

/// What a relay keeps of a package: the keyring, and the one before for undo.
struct Relay {
    keyring: Vec<u8>,
    before: Option<Vec<u8>>,
}

/// What a client compares with: generation and hash.
fn tag(keyring: &[u8]) -> (u64, [u8; 32]) {
    let generation = Keyring::parse(keyring).ok().unwrap().generation();
    (generation, Sha256::digest(keyring).into())
}

impl Relay {
    /// Compare and swap, by the rules that the relay keeps.
    fn put(&mut self, expected: (u64, [u8; 32]), keyring: &[u8]) -> Result<(), &'static str> {
        let (current, new) = (tag(&self.keyring), Keyring::parse(keyring).ok().unwrap());
        let follows = new.generation() == current.0 + 1 && new.previous_sha256() == current.1;
        if expected != current || !follows {
            return Err("keyring_changed");
        }
        self.before = Some(std::mem::replace(&mut self.keyring, keyring.to_vec()));
        Ok(())
    }
}

fn open(keyring: &[u8], text: &str) -> Result<PackageKey, Error> {
    let password = password(text);
    open_within(keyring, None, by_password(&password), TESTS)
}

/// A client that changes the password.
fn change(current: &[u8], old: &str, new: &str) -> Vec<u8> {
    let old = password(old);
    let opened = unlock(current, None, by_password(&old), TESTS).unwrap();
    KeyringBuilder::replacing(&opened.key, current)
        .unwrap()
        .within(TESTS)
        .keep(current, |number, _| number != opened.slot)
        .unwrap()
        .password(&password(new), CHEAP, None, &mut rng(5))
        .unwrap()
        .build()
        .unwrap()
}

#[test]
fn k2_a_changed_password_opens_the_same_content() {
    let mut package = Package::new(1);
    let file = package.seal(1, "a", b"stays");
    let changed = change(&package.keyring, PASSWORD, "new");
    assert_eq!(open(&changed, PASSWORD).err(), Some(Error::WrongPassword));
    let key = open(&changed, "new").unwrap();
    let opener = FileOpener::new(&key, &file.head).unwrap();
    assert!(open_body(&opener, &file.body).is_ok_and(|(content, _)| content == b"stays"));
    // Not revocation: who kept the old one still opens.
    assert!(open(&package.keyring, PASSWORD).is_ok());
}

#[test]
fn k2_of_two_rekeys_at_once_one_succeeds_and_the_other_begins_again() {
    let package = Package::new(1);
    let mut relay = Relay {
        keyring: package.keyring.clone(),
        before: None,
    };
    let seen = tag(&relay.keyring);
    let mine = change(&relay.keyring, PASSWORD, "mine");
    let other = change(&relay.keyring, PASSWORD, "other");
    assert_eq!(tag(&mine).0, tag(&other).0, "both are generation 2");
    assert_eq!(relay.put(seen, &other), Ok(()));
    assert_eq!(relay.put(seen, &mine), Err("keyring_changed"));
    // Nor does the condition alone help: the bytes must follow what is stored.
    let now = tag(&relay.keyring);
    assert_eq!(relay.put(now, &mine), Err("keyring_changed"));
    assert!(open(&relay.keyring, "other").is_ok());
    // The loser's old password is gone; with the new one it can.
    let again = change(&relay.keyring, "other", "mine");
    assert_eq!(relay.put(now, &again), Ok(()));
    assert!(open(&relay.keyring, "mine").is_ok());
}

fn undo(key: &PackageKey, current: &[u8], previous: &[u8]) -> Result<Vec<u8>, Error> {
    let undoing = KeyringBuilder::undoing(key, current, previous)?;
    undoing.within(TESTS).build()
}

#[test]
fn k2_undo_takes_no_other_keyring_than_the_one_before() {
    let package = Package::new(1);
    // The first password leaked and was changed; then it was changed once more.
    let second = change(&package.keyring, PASSWORD, "second");
    let third = change(&second, "second", "third");
    let refused = undo(&package.key, &third, &package.keyring);
    assert_eq!(
        refused,
        Err(Error::OldKeyring),
        "a relay cannot bring it back"
    );
    assert_eq!(undo(&package.key, &third, &third), Err(Error::OldKeyring));
    let undone = undo(&package.key, &third, &second).unwrap();
    assert!(open(&undone, "second").is_ok());
    // Nor is the slot's own key enough: a keyring of somebody else's is not taken over.
    let stranger = Package::new(2);
    let refused = undo(&package.key, &stranger.keyring, &second);
    assert_eq!(refused, Err(FormatError::PackageMismatch.into()));
}

#[test]
fn k2_undo_is_a_new_keyring_with_the_slots_of_the_one_before() {
    let package = Package::new(1);
    let mut relay = Relay {
        keyring: package.keyring.clone(),
        before: None,
    };
    let changed = change(&relay.keyring, PASSWORD, "mistyped");
    relay.put(tag(&relay.keyring), &changed).unwrap();
    let before = relay.before.clone().unwrap();
    // The old password still opens the one before, which gives the right to replace.
    let key = open(&before, PASSWORD).unwrap();
    let undone = undo(&key, &relay.keyring, &before).unwrap();
    relay.put(tag(&relay.keyring), &undone).unwrap();
    assert_eq!(tag(&relay.keyring).0, 3);
    assert!(open(&relay.keyring, PASSWORD).is_ok());
    assert!(open(&relay.keyring, "mistyped").is_err());
}

#[test]
fn k2_a_keyring_that_was_rolled_back_is_refused_by_who_saw_a_newer_one() {
    let package = Package::new(1);
    let changed = change(&package.keyring, PASSWORD, "new");
    let seen = tag(&changed).0;
    let old = Keyring::parse(&package.keyring).ok().unwrap();
    assert_eq!(check_not_older(&old, seen), Err(Error::OldKeyring));
    let same = Keyring::parse(&changed).ok().unwrap();
    assert_eq!(check_not_older(&same, seen), Ok(()));
    let newer = change(&changed, "new", "newer");
    let newer = Keyring::parse(&newer).ok().unwrap();
    assert_eq!(check_not_older(&newer, seen), Ok(()));
    // Renumbering the old one breaks its MAC.
    let mut renumbered = package.keyring.clone();
    renumbered[39] = 2;
    renumbered[40..72].copy_from_slice(&tag(&package.keyring).1);
    let refused = open(&with_checksum(renumbered), PASSWORD).err();
    assert_eq!(refused, Some(FormatError::DamagedKeyring.into()));
}

#[test]
fn k2_slots_are_kept_byte_for_byte_by_somebody_who_cannot_open_them() {
    let mut package = Package::new(1);
    let recipient = Identity::generate(&mut package.rng);
    let mixed = KeyringBuilder::replacing(&package.key, &package.keyring)
        .unwrap()
        .within(TESTS)
        .keep(&package.keyring, |_, _| true)
        .unwrap()
        .recipient(&recipient.recipient(), &mut package.rng)
        .unwrap()
        .link_secret(&LINK, &mut package.rng)
        .unwrap()
        .build()
        .unwrap();
    // By the link alone: the password's slot goes, the recipient's stays.
    let opened = unlock(&mixed, None, Credential::Link(&LINK), TESTS).unwrap();
    assert_eq!(opened.slot, 2);
    let next = KeyringBuilder::replacing(&opened.key, &mixed)
        .unwrap()
        .keep(&mixed, |_, kind| !matches!(kind, SlotKind::Password { .. }))
        .unwrap()
        .build()
        .unwrap();
    let slots = |bytes| {
        let parsed = Keyring::parse(bytes).ok().unwrap();
        parsed
            .slots()
            .map(|slot| slot.bytes.to_vec())
            .collect::<Vec<_>>()
    };
    assert_eq!(slots(&next), slots(&mixed)[1..]);
    assert_eq!(open(&next, PASSWORD).err(), Some(Error::LinkNeeded));
    assert!(open_with_identities(&next, None, &[recipient], KdfLimits::PRODUCTION).is_ok());
}

#[test]
fn k2_slots_of_another_package_are_not_kept() {
    let (package, other) = (Package::new(1), Package::new(2));
    let builder = || KeyringBuilder::replacing(&package.key, &package.keyring).unwrap();
    let kept = builder().keep(&other.keyring, |_, _| true).err();
    assert_eq!(kept, Some(FormatError::PackageMismatch.into()));
    let stranger = PackageKey::generate(package.key.package(), &mut rng(9));
    let forged = KeyringBuilder::new(&stranger)
        .link_secret(&LINK, &mut rng(9))
        .unwrap()
        .build()
        .unwrap();
    let kept = builder().keep(&forged, |_, _| true).err();
    assert_eq!(kept, Some(FormatError::DamagedKeyring.into()));
    assert_eq!(
        builder().build().err(),
        Some(Error::Misuse("a keyring needs a slot"))
    );
}

#[test]
fn two_passwords_never_open_one_ciphertext_to_two_packages() {
    // A slot opens under one secret only: the commitment is compared before anything is decrypted.
    // A keyring with a slot for each of two passwords around two keys fails its MAC for one of them.
    let mut package = Package::new(1);
    let other = PackageKey::generate(package.key.package(), &mut package.rng);
    let foreign = KeyringBuilder::new(&other)
        .within(TESTS)
        .password(&password("second"), CHEAP, None, &mut package.rng)
        .unwrap()
        .build()
        .unwrap();
    let mut both = package.keyring.clone();
    both.splice(208..208, foreign[80..208].iter().copied());
    both[11] = 2;
    let total = (both.len() as u32).to_be_bytes();
    both[12..16].copy_from_slice(&total);
    let both = with_checksum(both);
    let opened = [PASSWORD, "second"].map(|text| open(&both, text).is_ok());
    assert_eq!(opened, [false, false], "and with either's MAC one at most");
}
