//! Bodies: rules F1, F2, F4, F5, F7, C1, C2 and P2.

use aes_gcm::aes::Aes256;
use aes_gcm::aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use proptest::prelude::*;
use sealift_envelope::*;
use sealift_protocol::format::{Geometry, Role, padded_bytes};
use sealift_protocol::limits::SEGMENT_PLAINTEXT_BYTES;
use sealift_protocol::{FileId, Pair};

use crate::fixture::*;
use crate::reader::open_body;

/// A little more than one segment, so that two are needed.
const TWO_SEGMENTS: usize = SEGMENT_PLAINTEXT_BYTES as usize + 10;
/// Three segments, the last one partly padding.
const THREE_SEGMENTS: usize = 2 * SEGMENT_PLAINTEXT_BYTES as usize + 1_000;

fn open(key: &OpeningKey, file: &SealedFile) -> Result<Vec<u8>, Error> {
    open_bytes(key, &file.head, &file.body)
}

fn open_bytes(key: &OpeningKey, head: &[u8], body: &[u8]) -> Result<Vec<u8>, Error> {
    let opener = FileOpener::new(key, head)?;
    open_body(&opener, body).map(|(content, _)| content)
}

/// `body` with the segments in this order and the same seal.
fn reordered(file: &SealedFile, order: &[u64]) -> Vec<u8> {
    let mut body: Vec<u8> = order
        .iter()
        .flat_map(|index| file.segment(*index).to_vec())
        .collect();
    body.extend(file.seal_bytes());
    body
}

fn is_damaged_at(result: Result<Vec<u8>, Error>, index: u64) -> bool {
    let position = index * (1 << 19);
    result
        == Err(Error::DamagedContent {
            segment: index,
            position,
        })
}

#[test]
fn files_of_lengths_around_every_edge_open_to_what_was_sealed() {
    let mut package = Package::new(1);
    let full = SEGMENT_PLAINTEXT_BYTES as usize;
    for bytes in [
        0,
        1,
        4_095,
        4_096,
        4_097,
        100_000,
        507_904,
        516_096,
        524_255,
        524_256,
        524_257,
        524_288,
        full + 16_384,
        2 * full - 1,
        2 * full,
        2 * full + 1,
        3 * full + 5,
    ] {
        let content = content(bytes);
        let file = package.seal(1, "x", &content);
        assert_eq!(file.body.len() as u64, file.sealer.geometry().body_bytes());
        assert_eq!(
            file.sealer.geometry().padded_bytes(),
            padded_bytes(bytes as u64).unwrap()
        );
        assert!(open(&package.key, &file) == Ok(content), "{bytes}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn files_of_any_length_open_to_what_was_sealed(
        segments in 0usize..4, off in -600isize..600, seed: u64
    ) {
        let bytes = (segments * SEGMENT_PLAINTEXT_BYTES as usize).saturating_add_signed(off);
        let mut package = Package::new(seed % 250);
        let content = content(bytes);
        let file = package.seal(1, "x", &content);
        prop_assert!(open(&package.key, &file) == Ok(content));
    }
}

#[test]
fn f1_equal_stored_length_for_files_of_similar_length() {
    let mut package = Package::new(1);
    let (one, other) = (
        package.seal(1, "a", &content(0)),
        package.seal(2, "b", &content(4_000)),
    );
    assert_eq!(
        (one.head.len(), one.body.len()),
        (other.head.len(), other.body.len())
    );
}

#[test]
fn f2_a_segment_moved_doubled_or_dropped_is_refused() {
    let mut package = Package::new(1);
    let file = package.seal(1, "x", &content(THREE_SEGMENTS));
    let key = &package.key;
    assert!(open_bytes(key, &file.head, &reordered(&file, &[0, 1, 2])).is_ok());
    assert!(is_damaged_at(
        open_bytes(key, &file.head, &reordered(&file, &[1, 0, 2])),
        0
    ));
    assert!(is_damaged_at(
        open_bytes(key, &file.head, &reordered(&file, &[0, 0, 2])),
        1
    ));
    let short = open_bytes(key, &file.head, &reordered(&file, &[0, 2]));
    assert_eq!(short.err().map(|e| e.code()), Some("cut_short"));
}

#[test]
fn f2_a_segment_of_another_file_or_package_is_refused() {
    let (mut package, mut other) = (Package::new(1), Package::new(2));
    let content = content(TWO_SEGMENTS);
    let file = package.seal(1, "x", &content);
    let foreign = [package.seal(2, "x", &content), other.seal(1, "x", &content)];
    for foreign in foreign {
        let mut body = file.body.clone();
        body[..1 << 19].copy_from_slice(foreign.segment(0));
        assert!(is_damaged_at(
            open_bytes(&package.key, &file.head, &body),
            0
        ));
    }
}

#[test]
fn f2_versions_of_one_segment_do_not_mix() {
    // The upload was interrupted, the first segment sealed again: both are genuine at their place.
    let mut package = Package::new(1);
    let file = package.seal(1, "x", &content(TWO_SEGMENTS));
    let mut again = Vec::new();
    let changed = vec![9; SEGMENT_PLAINTEXT_BYTES as usize];
    file.sealer
        .seal_segment(0, &changed, &mut package.rng, &mut again)
        .unwrap();
    let mut body = file.body.clone();
    body[..1 << 19].copy_from_slice(&again);
    let opener = FileOpener::new(&package.key, &file.head).ok().unwrap();
    assert!(
        opener.open_segment(0, &again, &mut Vec::new()).is_ok(),
        "genuine by itself"
    );
    assert_eq!(open_body(&opener, &body).err(), Some(Error::SealMismatch));
}

#[test]
fn f2_the_seal_binds_the_head() {
    // Whoever holds the package key can write a second head over the same core. The seal notices.
    let mut package = Package::new(1);
    let file = package.seal(1, "x", &content(10));
    let mut other = file.sealer.export().to_vec();
    // Byte 1 + 96 + 32 + 48 + 48 starts the head's hash in the bundle.
    other[225] ^= 1;
    let other = FileSealer::import(&other).ok().unwrap();
    let mut pairs = SealBuilder::new();
    file.pairs.iter().for_each(|pair| pairs.push(pair));
    assert!(other.seal(pairs).unwrap() != file.seal_bytes());
}

#[test]
fn f2_groups_hashed_elsewhere_give_the_same_seal() {
    let package = Package::new(1);
    let bytes = 4_096 * u64::from(SEGMENT_PLAINTEXT_BYTES) + 5_000_000;
    let (sealer, _) = FileSealer::new(
        &package.key,
        FileId([1; 32]),
        Role::File,
        &named("x", bytes),
        &mut rng(5),
    )
    .ok()
    .unwrap();
    let count = sealer.geometry().segment_count();
    assert!(count > GROUP_SEGMENTS);
    let pair = |index: u64| Pair {
        iv: [index as u8; 12],
        tag: [(index / 256) as u8; 16],
    };
    let pairs: Vec<Pair> = (0..count).map(pair).collect();
    let mut one = SealBuilder::new();
    pairs.iter().for_each(|pair| one.push(pair));
    let mut other = SealBuilder::new();
    for group in pairs.chunks(GROUP_SEGMENTS as usize) {
        other
            .push_group(&GroupDigest::new(group).ok().unwrap())
            .unwrap();
    }
    assert_eq!(sealer.seal(one), sealer.seal(other));
    let mut half = SealBuilder::new();
    half.push(&pairs[0]);
    assert!(
        half.push_group(&GroupDigest::new(&pairs[..1]).ok().unwrap())
            .is_err()
    );
    assert!(sealer.seal(half).is_err(), "pairs are missing");
}

#[test]
fn f4_a_key_holder_can_forge_a_body_with_equal_tags() {
    // GCM does not commit to its plaintext for those who hold the key: two blocks change so that
    // the tag stays. Seals pin bodies against everybody else; SPEC.md says that this one gets by.
    let mut package = Package::new(1);
    let file = package.seal(1, "x", &content(4_096));
    let key = Aes256::new(file.sealer.segment_key(0).bytes().into());
    let mut zero = [0u8; 16].into();
    key.encrypt_block(&mut zero);
    let hash_key = u128::from_be_bytes(zero.into());

    // GHASH is a polynomial: block i and block i+1 change by d·1 and d·H, which cancel out.
    let mut body = file.body.clone();
    let change = 0x0123_4567_89ab_cdef_u128;
    let first = 16 + 32;
    xor_block(&mut body[first..first + 16], change);
    xor_block(
        &mut body[first + 16..first + 32],
        gf_multiply(change, hash_key),
    );
    let forged = open_bytes(&package.key, &file.head, &body);
    assert!(forged.is_ok(), "the seal is over tags, and those are equal");
    assert!(forged != open(&package.key, &file));
}

fn xor_block(block: &mut [u8], with: u128) {
    for (byte, other) in block.iter_mut().zip(with.to_be_bytes()) {
        *byte ^= other;
    }
}

/// Multiplication in GCM's field, bits counted from the left (NIST SP 800-38D, 6.3).
fn gf_multiply(x: u128, mut v: u128) -> u128 {
    let mut product = 0;
    for bit in (0..128).rev() {
        if x >> bit & 1 == 1 {
            product ^= v;
        }
        v = if v & 1 == 1 {
            v >> 1 ^ 0xe1 << 120
        } else {
            v >> 1
        };
    }
    product
}

#[test]
fn f5_a_pack_that_is_more_than_one_part_is_refused() {
    let mut package = Package::new(1);
    let mut make = |bytes| {
        let metadata = Metadata::unnamed(bytes);
        FileSealer::new(
            &package.key,
            FileId([1; 32]),
            Role::Pack,
            &metadata,
            &mut package.rng,
        )
        .map(|(sealer, _)| sealer.geometry())
    };
    assert!(make(8_257_536).is_ok_and(|geometry: Geometry| geometry.body_bytes() <= 8 << 20));
    assert_eq!(make(8_257_537).err(), Some(Error::TooLarge));
}

#[test]
fn f7_matches_says_yes_only_to_the_content_at_its_place() {
    let mut package = Package::new(1);
    let source = content(TWO_SEGMENTS);
    let file = package.seal(1, "x", &source);
    let (sealer, full) = (&file.sealer, SEGMENT_PLAINTEXT_BYTES as usize);
    let (first, second) = source.split_at(full);
    assert_eq!(sealer.matches(0, &file.pairs[0], first), Ok(true));
    assert_eq!(sealer.matches(1, &file.pairs[1], second), Ok(true));
    assert_eq!(sealer.matches(1, &file.pairs[0], second), Ok(false));
    let mut changed = first.to_vec();
    changed[full - 1] ^= 1;
    assert_eq!(sealer.matches(0, &file.pairs[0], &changed), Ok(false));
    assert_eq!(
        sealer.matches(0, &file.pairs[0], &first[1..]),
        Ok(false),
        "it became shorter"
    );
    let mut other = file.pairs[0];
    other.iv[0] ^= 1;
    assert_eq!(sealer.matches(0, &other, first), Ok(false));
    assert!(
        sealer.matches(2, &other, &[]).is_err(),
        "there is no such segment"
    );
}

#[test]
fn f7_another_engine_gets_the_same_answers() {
    use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
    let mut package = Package::new(1);
    let source = content(5_000);
    let file = package.seal(1, "x", &source);
    let encrypt = |key: &[u8; 32], iv: &[u8; 12], aad: &[u8], msg: &[u8]| {
        let cipher = aes_gcm::Aes256Gcm::new(key.into());
        cipher.encrypt(iv.into(), Payload { msg, aad }).unwrap()
    };
    // Sealing.
    let ticket = file.sealer.begin_segment(0, &mut package.rng).unwrap();
    let mut padded = source.clone();
    padded.resize(ticket.plain_bytes() as usize, 0);
    let key = file.sealer.segment_key(ticket.key_number());
    let sealed = encrypt(key.bytes(), ticket.iv(), ticket.aad(), &padded);
    let whole = [&ticket.prefix()[..], &sealed].concat();
    let tag: [u8; 16] = sealed[sealed.len() - 16..].try_into().unwrap();
    let pair = ticket.finish(tag);
    assert_eq!(file.sealer.matches(0, &pair, &source), Ok(true));
    // Matching.
    let ticket = file.sealer.begin_match(0, &pair).unwrap();
    let again = encrypt(key.bytes(), ticket.iv(), ticket.aad(), &padded);
    assert!(ticket.finish(again[again.len() - 16..].try_into().unwrap()));
    // Opening.
    let opener = FileOpener::new(&package.key, &file.head).ok().unwrap();
    let mut content = Vec::new();
    assert_eq!(opener.open_segment(0, &whole, &mut content), Ok(pair));
    assert_eq!(content, source);
    let first = whole[..16].try_into().unwrap();
    let ticket = opener.begin_open(0, &first, &tag).unwrap();
    assert_eq!(
        ticket.damaged(),
        Error::DamagedContent {
            segment: 0,
            position: 0
        }
    );
    let key = opener.segment_key(ticket.key_number());
    let cipher = aes_gcm::Aes256Gcm::new(key.bytes().into());
    let payload = Payload {
        msg: &whole[16..],
        aad: ticket.aad(),
    };
    assert_eq!(cipher.decrypt(ticket.iv().into(), payload).unwrap(), padded);
    assert_eq!(ticket.finish(), pair);
    let mut wrong = first;
    wrong[0] = 1;
    assert!(opener.begin_open(0, &wrong, &tag).is_err());
}

#[test]
fn c1_a_lane_worker_goes_on_with_exported_keys() {
    let mut package = Package::new(1);
    let source = content(TWO_SEGMENTS);
    let file = package.seal(1, "x", &source);
    let worker = FileSealer::import(&file.sealer.export()).ok().unwrap();
    for (index, pair) in file.pairs.iter().enumerate() {
        let range = worker.source_range(index as u64);
        let own = &source[range.start as usize..range.end as usize];
        assert_eq!(worker.matches(index as u64, pair, own), Ok(true));
    }
    let opener = FileOpener::new(&package.key, &file.head).ok().unwrap();
    let other = FileOpener::import(&opener.export()).ok().unwrap();
    assert!(other.metadata() == opener.metadata());
    assert!(open_body(&other, &file.body).is_ok_and(|(content, _)| content == source));
    assert!(FileOpener::import(&file.sealer.export()).is_err());
    assert!(FileSealer::import(&opener.export()).is_err());
    assert!(FileSealer::import(&[1; 40]).is_err());
}

#[test]
fn c1_an_upload_goes_on_in_another_worker() {
    let mut package = Package::new(1);
    let source = content(TWO_SEGMENTS);
    let file = package.seal(1, "x", &source);
    let resumed = FileSealer::import(&file.sealer.export()).ok().unwrap();
    let own = &source[..SEGMENT_PLAINTEXT_BYTES as usize];
    assert_eq!(resumed.matches(0, &file.pairs[0], own), Ok(true));
    let mut pairs = SealBuilder::new();
    file.pairs.iter().for_each(|pair| pairs.push(pair));
    assert!(resumed.seal(pairs) == Ok(file.seal_bytes()));
}

#[test]
fn f1_a_file_of_a_tebibyte_changes_its_key_after_2_to_the_20_segments() {
    let mut package = Package::new(1);
    let metadata = named("x", 1 << 40);
    let (key, rng) = (&package.key, &mut package.rng);
    let (sealer, head) = FileSealer::new(key, FileId([1; 32]), Role::File, &metadata, rng)
        .ok()
        .unwrap();
    let opener = FileOpener::new(key, &head).ok().unwrap();
    let source = content(SEGMENT_PLAINTEXT_BYTES as usize);
    for index in [0, (1 << 20) - 1, 1 << 20, 2_097_279] {
        let mut sealed = Vec::new();
        let pair = sealer
            .seal_segment(index, &source, rng, &mut sealed)
            .unwrap();
        let mut opened = Vec::new();
        assert_eq!(opener.open_segment(index, &sealed, &mut opened), Ok(pair));
        assert!(opened == source);
        assert!(
            opener
                .open_segment(index ^ 1, &sealed, &mut opened)
                .is_err()
        );
        assert_eq!(
            sealer.begin_segment(index, rng).ok().unwrap().key_number(),
            index >> 20
        );
    }
    assert!(sealer.segment_key(0).bytes() != sealer.segment_key(1).bytes());
}

#[test]
fn c2_a_source_of_another_length_is_noticed() {
    let mut package = Package::new(1);
    let file = package.seal(1, "x", &content(5_000));
    let mut out = vec![1, 2, 3];
    for source in [content(4_999), content(5_001), Vec::new()] {
        let sealed = file
            .sealer
            .seal_segment(0, &source, &mut package.rng, &mut out);
        assert_eq!(sealed.err(), Some(Error::FileChanged));
    }
    assert_eq!(out, [1, 2, 3]);
}

#[test]
fn sealing_in_place_and_by_copy_give_segments_of_one_form() {
    let mut package = Package::new(1);
    let source = content(5_000);
    let file = package.seal(1, "x", &source);
    let mut place = vec![0xee; file.segment(0).len()];
    place[16..5_016].copy_from_slice(&source);
    let pair = file
        .sealer
        .seal_segment_in_place(0, &mut place, &mut package.rng)
        .unwrap();
    assert_eq!(file.sealer.matches(0, &pair, &source), Ok(true));
    let opener = FileOpener::new(&package.key, &file.head).ok().unwrap();
    let (_, range) = opener.open_segment_in_place(0, &mut place).unwrap();
    assert_eq!(place[range], source);
    assert!(
        place[5_016..place.len() - 16].iter().all(|byte| *byte == 0),
        "padding is zeros"
    );
}

#[test]
fn p2_nothing_is_left_in_place_when_a_segment_is_refused() {
    let mut package = Package::new(1);
    let file = package.seal(1, "x", &content(5_000));
    let opener = FileOpener::new(&package.key, &file.head).ok().unwrap();
    let mut place = file.segment(0).to_vec();
    let end = place.len() - 1;
    place[end] ^= 1;
    assert!(opener.open_segment_in_place(0, &mut place).is_err());
    assert!(place[16..end - 15].iter().all(|byte| *byte == 0));
    let mut out = vec![5];
    assert!(opener.open_segment(0, &place, &mut out).is_err());
    assert_eq!(out, [5]);
}
