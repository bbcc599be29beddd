//! What somebody who holds the package key can forge, and where that is noticed (F4).

use aes::Aes256;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use ghash::GHash;
use ghash::universal_hash::UniversalHash as _;
use sealift_envelope::*;
use sealift_protocol::FileId;
use sealift_protocol::format::Role;

use crate::fixture::*;
use crate::manifests::Whole;
use crate::reader::open_body;

/// Changes a sealed segment so that its IV and tag stay: GHASH is linear, so a change of one block
/// is taken back by that change times the hash key in the next one.
fn forge(sealer: &FileSealer, sealed: &mut [u8]) {
    let key = sealer.segment_key(0);
    let mut hash_key = [0; 16].into();
    Aes256::new(key.bytes().into()).encrypt_block(&mut hash_key);
    let change = [0x20; 16];
    let mut product = GHash::new(&hash_key);
    product.update(&[change.into()]);
    let product: [u8; 16] = product.finalize().into();
    for (at, difference) in [(16, change), (32, product)] {
        for (byte, other) in sealed[at..at + 16].iter_mut().zip(difference) {
            *byte ^= other;
        }
    }
}

#[test]
fn f4_a_key_holder_forges_a_body_with_equal_pairs_as_the_specification_says() {
    let mut whole = Whole::new(1);
    let file = &whole.files[0];
    let mut body = file.body.clone();
    forge(&file.sealer, &mut body);
    assert!(body != file.body);
    let opener = FileOpener::new(&whole.package.key, &file.head)
        .ok()
        .unwrap();
    let genuine = content(3_001);
    let (forged, seal) = open_body(&opener, &body).unwrap();
    assert!(forged != genuine && forged[32..] == genuine[32..]);
    // Seal and manifest accept it: they pin pairs, and these are equal.
    assert!(whole.manifest.check_seal(0, seal).is_ok());
    whole.files[0].body = body;
    let password = password(PASSWORD);
    let opened = crate::reader::open_sealift(
        &whole.sealift(&[0, 1, 2]),
        None,
        by_password(&password),
        Some(&whole.sealed.pin),
        sealift_protocol::format::KdfLimits::CHEAP_FOR_TESTS,
    );
    assert_eq!(opened.unwrap().files[0].1, forged);
}

#[test]
fn f4_a_key_holder_who_has_to_make_other_pairs_is_noticed() {
    let mut whole = Whole::new(1);
    let key = whole.package.key.clone();
    let file = &whole.files[0];
    let opener = FileOpener::new(&key, &file.head).ok().unwrap();
    // Another content under the same head: the old seal is not its seal.
    let mut sealed = Vec::new();
    let rng = &mut whole.package.rng;
    let other = vec![1; 3_001];
    let pair = file.sealer.seal_segment(0, &other, rng, &mut sealed);
    let mut pairs = SealBuilder::new();
    pairs.push(&pair.unwrap());
    let with_old_seal = [&sealed[..], &file.seal_bytes()].concat();
    let refused = open_body(&opener, &with_old_seal).err();
    assert_eq!(refused, Some(Error::SealMismatch));
    // Its own seal: not the one in the manifest.
    let seal = file.sealer.seal(pairs).unwrap();
    let refused = whole.manifest.check_seal(0, &seal).err();
    assert_eq!(refused, Some(Error::ContentMismatch));
    // A manifest of its own: not the one of the link's pin.
    let mut manifest = whole.manifest.clone();
    manifest.sealed[0].seal = seal;
    let made = manifest.seal(&key, FileId([9; 32]), rng).ok().unwrap();
    let refused = Manifest::open(&key, &made.head, &made.body, Some(&whole.sealed.pin));
    assert_eq!(refused.err(), Some(Error::PinMismatch));
}

#[test]
fn f2_metadata_of_one_head_under_another_is_refused() {
    let mut package = Package::new(1);
    let (one, other) = (
        package.seal(1, "invoice.pdf", b"same length"),
        package.seal(2, "malware.exe", b"same length"),
    );
    // By somebody without the key: metadata is bound to the core.
    let mut mixed = one.head.clone();
    let metadata = 96..one.head.len() - 90;
    mixed[metadata.clone()].copy_from_slice(&other.head[metadata]);
    let refused = FileOpener::new(&package.key, &with_checksum(mixed)).err();
    assert_eq!(refused.map(|error| error.code()), Some("damaged_head"));
    // By somebody with the key, who seals the same id under another name: the seal covers the head.
    let renamed = seal(
        &package.key,
        FileId([1; 32]),
        Role::File,
        &named("malware.exe", 11),
        b"same length",
        &mut package.rng,
    );
    let opener = FileOpener::new(&package.key, &renamed.head).ok().unwrap();
    let refused = open_body(&opener, &one.body).err();
    assert_eq!(refused.map(|error| error.code()), Some("damaged_content"));
    let opener = FileOpener::new(&package.key, &one.head).ok().unwrap();
    let mut pairs = SealBuilder::new();
    one.pairs.iter().for_each(|pair| pairs.push(pair));
    let foreign = renamed.sealer.seal(pairs.clone()).unwrap();
    assert_eq!(
        opener.verify_seal(pairs, &foreign),
        Err(Error::SealMismatch)
    );
}
