//! The open-length form and reading from pipes: rules F6 and P2.

use proptest::prelude::*;
use sealift_envelope::*;
use sealift_protocol::FileId;
use sealift_protocol::format::{FormatError, KdfLimits, padded_bytes};
use sealift_protocol::limits::SEGMENT_PLAINTEXT_BYTES;

use crate::fixture::*;
use crate::reader::open_sealift;

const FULL: usize = SEGMENT_PLAINTEXT_BYTES as usize;

/// Seals `data`, handed over in pieces of `step` bytes.
fn seal_stream(package: &mut Package, data: &[u8], step: usize) -> (Vec<u8>, Vec<u8>) {
    let metadata = named("pipe", 0);
    let (mut sealer, head) =
        StreamSealer::new(&package.key, FileId([1; 32]), &metadata, &mut package.rng)
            .ok()
            .unwrap();
    let mut body = Vec::new();
    for piece in data.chunks(step.max(1)) {
        sealer.push(piece, &mut package.rng, &mut body).unwrap();
    }
    sealer.finish(&mut package.rng, &mut body).unwrap();
    (head, body)
}

/// Opens a body that arrives in pieces of `step` bytes; also says what was released before an error.
fn open_stream(
    key: &OpeningKey,
    head: &[u8],
    body: &[u8],
    step: usize,
) -> (Result<(), Error>, Vec<u8>) {
    let mut out = Vec::new();
    let result = StreamOpener::new(key, head).and_then(|mut opener| {
        for piece in body.chunks(step) {
            opener.push(piece, &mut |plain| {
                out.extend_from_slice(plain);
                true
            })?;
        }
        opener.finish()
    });
    (result, out)
}

#[test]
fn f6_lengths_around_every_edge_come_back() {
    let mut package = Package::new(1);
    for bytes in [
        0,
        1,
        4_087,
        4_088,
        4_089,
        500_000,
        FULL - 9,
        FULL - 8,
        FULL - 7,
        FULL,
        FULL + 1,
        2 * FULL - 8,
        2 * FULL + 100,
    ] {
        let data = content(bytes);
        let (head, body) = seal_stream(&mut package, &data, 70_000);
        let padded = padded_bytes(bytes as u64 + 8).unwrap();
        let segments = padded.div_ceil(FULL as u64);
        assert_eq!(
            body.len() as u64,
            padded + 32 * segments + 48,
            "padded by the rule"
        );
        let (result, out) = open_stream(&package.key, &head, &body, 99_999);
        assert_eq!(result, Ok(()));
        assert!(out == data, "{bytes}");
    }
}

#[test]
fn f6_zeros_are_data_as_any_other_bytes() {
    let mut package = Package::new(1);
    for (data_bytes, zeros) in [
        (0, 3 * FULL),
        (10, 2 * FULL),
        (FULL, FULL - 8),
        (5, 70_000_000),
    ] {
        let data = [content(data_bytes), vec![0; zeros]].concat();
        let (head, body) = seal_stream(&mut package, &data, 1 << 20);
        let (result, out) = open_stream(&package.key, &head, &body, 1 << 20);
        assert_eq!(result, Ok(()));
        assert!(out == data, "{data_bytes} and {zeros} zeros");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn f6_any_stream_comes_back(
        bytes in 0usize..1_300_000, step in 1usize..300_000, zeros_from in 0usize..1_300_000
    ) {
        let mut data = content(bytes);
        if let Some(end) = data.get_mut(zeros_from..) {
            end.fill(0);
        }
        let mut package = Package::new(1);
        let (head, body) = seal_stream(&mut package, &data, step.max(1_000));
        let (result, out) = open_stream(&package.key, &head, &body, step.max(100));
        prop_assert_eq!(result, Ok(()));
        prop_assert!(out == data);
    }
}

#[test]
fn f6_a_missing_end_is_cut_short_and_trailing_bytes_are_refused() {
    let mut package = Package::new(1);
    let data = content(FULL + 5_000);
    let (head, body) = seal_stream(&mut package, &data, 1 << 16);
    let cut = Err(Error::Format(FormatError::CutShort));
    let edge = 1 << 19;
    for end in [
        0,
        1,
        4,
        100,
        edge - 1,
        edge,
        edge + 1,
        body.len() - 49,
        body.len() - 48,
        body.len() - 1,
    ] {
        let (result, out) = open_stream(&package.key, &head, &body[..end], 60_000);
        assert_eq!(result, cut, "cut at {end}");
        assert!(
            data.starts_with(&out) && out.len() <= FULL,
            "the last segment is held back"
        );
    }
    let longer = [&body[..], &[0]].concat();
    let (result, _) = open_stream(&package.key, &head, &longer, 1 << 20);
    assert_eq!(result, Err(FormatError::TrailingBytes.into()));
}

#[test]
fn f6_the_last_segment_cannot_be_faked_from_another() {
    let mut package = Package::new(1);
    let (head, body) = seal_stream(&mut package, &content(2 * FULL), 1 << 16);
    // The first segment as the last one: its length instead of the mark.
    let mut faked = body.clone();
    faked[..4].copy_from_slice(&(1u32 << 19).to_be_bytes());
    let (result, out) = open_stream(&package.key, &head, &faked, 1 << 20);
    assert_eq!(
        result,
        Err(Error::DamagedContent {
            segment: 0,
            position: 0
        })
    );
    assert!(out.is_empty());
    // Impossible lengths.
    for prefix in [
        [0, 0, 0, 0],
        [0, 0, 0, 31],
        [0, 8, 0, 1],
        [0xff, 0xff, 0xff, 0xfe],
    ] {
        faked[..4].copy_from_slice(&prefix);
        let (result, _) = open_stream(&package.key, &head, &faked, 1 << 20);
        assert_eq!(
            result,
            Err(Error::DamagedContent {
                segment: 0,
                position: 0
            })
        );
    }
}

#[test]
fn f6_only_a_file_by_itself_has_the_open_length_form() {
    let mut package = Package::new(1);
    let (head, body) = seal_stream(&mut package, b"from a pipe", 100);
    let other = package.seal(2, "x", b"x");
    let alone = [&package.keyring[..], &head, &body].concat();
    let password = password(PASSWORD);
    let open = |bytes: &[u8]| {
        open_sealift(
            bytes,
            None,
            by_password(&password),
            None,
            KdfLimits::CHEAP_FOR_TESTS,
        )
    };
    assert_eq!(
        open(&alone).unwrap().files,
        [("pipe".to_owned(), b"from a pipe".to_vec())]
    );
    let longer = [&alone[..], &other.head, &other.body].concat();
    assert_eq!(
        open(&longer).err().map(|error| error.code()),
        Some("trailing_bytes")
    );
    let manifest = Manifest::default();
    let sealed = manifest
        .seal(&package.key, FileId([9; 32]), &mut package.rng)
        .ok()
        .unwrap();
    let listed = [
        &package.keyring[..],
        &sealed.head,
        &sealed.body,
        &head,
        &body,
    ]
    .concat();
    assert_eq!(
        open(&listed).err().map(|error| error.code()),
        Some("open_length_refused")
    );
}

#[test]
fn p2_the_last_segment_is_held_back_until_the_seal_verifies() {
    let mut package = Package::new(1);
    let data = content(FULL + 5_000);
    let file = package.seal(1, "x", &data);
    let (result, out) = open_stream(&package.key, &file.head, &file.body, 40_000);
    assert_eq!(result, Ok(()));
    assert!(
        out == data,
        "files of known length come through a pipe as well"
    );
    let mut body = file.body.clone();
    let end = body.len() - 1;
    body[end] ^= 1;
    let (result, out) = open_stream(&package.key, &file.head, &body, 40_000);
    assert_eq!(result, Err(Error::SealMismatch));
    assert!(out == data[..FULL]);
}

#[test]
fn p2_the_end_of_the_data_is_held_back_also_when_padding_fills_the_last_segment() {
    let mut package = Package::new(1);
    let data = content(520_000);
    let file = package.seal(1, "x", &data);
    assert_eq!(file.pairs.len(), 2);
    let (result, out) = open_stream(&package.key, &file.head, &file.body, 40_000);
    assert_eq!(result, Ok(()));
    assert!(out == data);
    let mut body = file.body.clone();
    let end = body.len() - 1;
    body[end] ^= 1;
    let (result, out) = open_stream(&package.key, &file.head, &body, 40_000);
    assert_eq!((result, out.len()), (Err(Error::SealMismatch), 0));
}

#[test]
fn p2_a_sink_that_cannot_write_stops_the_stream() {
    let mut package = Package::new(1);
    let file = package.seal(1, "x", b"hello");
    let mut opener = StreamOpener::new(&package.key, &file.head).ok().unwrap();
    assert_eq!(
        opener.push(&file.body, &mut |_| false),
        Err(Error::WriteFailed)
    );
}
