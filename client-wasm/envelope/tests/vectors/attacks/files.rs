//! Attacks on one file: cut, changed, mixed.

use aes_gcm::{AeadInOut as _, Aes256Gcm, KeyInit as _};
use hkdf::Hkdf;
use sealift_envelope::PackageKey;
use sealift_protocol::format::Role;
use sha2::Sha384;

use super::super::file::Piece;
use super::super::list::{Made, sealed, with_password};
use super::*;
use crate::fixture::*;

pub(in super::super) fn on_files(made: &mut Made) {
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
        (
            "head_without_its_magic",
            "the first one, after a good keyring",
            "not_sealed",
            0,
            &[0],
        ),
        (
            "head_of_another_length",
            "471 bytes, which no metadata gives",
            "damaged_head",
            12,
            &[0, 0, 1, 0xd7],
        ),
        ("head_over_64_kib", "", "damaged_head", 12, &[0, 1, 0, 0xd6]),
        (
            "length_of_2_to_the_57",
            "padded by the rule, and too long",
            "bad_padding",
            24,
            &[2, 0, 0, 0, 0, 0, 0, 0],
        ),
        (
            "length_with_a_step_of_32_mib",
            "32 GiB and one step more, which grows no further: only the body is missing",
            "cut_short",
            24,
            &[0, 0, 0, 8, 2, 0, 0, 0],
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
    on_metadata(made);
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

/// Metadata that no honest sender writes, sealed by somebody with the key.
fn on_metadata(made: &mut Made) {
    let text = |text: &[u8]| [&[0x78, text.len() as u8][..], text].concat();
    let short = |text: &[u8]| [&[0x60 + text.len() as u8][..], text].concat();
    let all = |path: &[u8], bytes: u8, time: &[u8], kind: &[u8]| {
        [&[0x84][..], path, &[bytes], time, kind].concat()
    };
    let (name, none, plain) = (short(b"hello.txt"), [0xf6], short(b"text/plain"));
    let late = [0x1b, 0, 0x1e, 0xb2, 0x08, 0xc2, 0xdc, 0, 1];
    let honest = all(&name, 14, &none, &plain);
    let mut fill = honest.clone();
    fill.extend([0, 0, 1]);
    for (name, about, code, cbor, counted) in [
        (
            "metadata_names_a_parent_folder",
            "",
            "bad_name",
            all(&short(b"../x"), 14, &none, &plain),
            0,
        ),
        (
            "metadata_name_not_utf8",
            "",
            "damaged_head",
            all(&short(b"a\xff"), 14, &none, &plain),
            0,
        ),
        (
            "metadata_of_another_length",
            "4,097 bytes, which are padded otherwise",
            "damaged_head",
            [&[0x84][..], &name, &[0x19, 0x10, 0x01], &none, &plain].concat(),
            0,
        ),
        (
            "metadata_type_with_line_break",
            "",
            "bad_name",
            all(&name, 14, &none, &short(b"a/b\r\nc: d")),
            0,
        ),
        (
            "metadata_type_of_128_characters",
            "",
            "bad_name",
            all(&name, 14, &none, &text(&[b'x'; 128])),
            0,
        ),
        (
            "metadata_time_out_of_range",
            "a millisecond after what a Date can hold",
            "damaged_head",
            all(&name, 14, &late, &plain),
            0,
        ),
        (
            "metadata_in_another_encoding",
            "a length in a longer form",
            "damaged_head",
            all(&text(b"hello.txt"), 14, &none, &plain),
            0,
        ),
        ("metadata_fill_not_zero", "", "damaged_head", fill, 3),
    ] {
        let head = &made.bytes("hello")[KEYRING_END..HEAD_END];
        let head = with_metadata(&Package::new(1).key, head, &cbor, cbor.len() - counted);
        let pieces = vec![
            hello(0..KEYRING_END),
            Piece::Hex(head),
            hello(HEAD_END..BODY_END),
        ];
        made.pieced(name, about, code, with_password(), pieces);
    }
    let mut package = Package::new(5);
    let manifest = sealed(&mut package, 9, Role::Manifest, b"");
    let head = with_metadata(
        &package.key,
        &manifest.head,
        &all(&name, 0, &none, &[0x60]),
        14,
    );
    made.fails(
        "manifest_with_a_name_of_its_own",
        "",
        "damaged_head",
        with_password(),
        [&package.keyring[..], &head, &manifest.body].concat(),
    );
}

/// A head of one step of metadata with other metadata, of which `length` bytes count.
fn with_metadata(key: &PackageKey, head: &[u8], cbor: &[u8], length: usize) -> Vec<u8> {
    let (_, hkdf) = Hkdf::<Sha384>::extract(Some(&head[32..64]), &key.export()[17..]);
    let mut meta_key = [0; 32];
    let info = [b"sealift/v1 meta", &head[64..80]].concat();
    hkdf.expand(&info, &mut meta_key).unwrap();
    let mut filled = [&(length as u32).to_be_bytes()[..], cbor].concat();
    filled.resize(256, 0);
    let (core, iv) = (&head[..96], [7; 12]);
    let tag = Aes256Gcm::new(&meta_key.into())
        .encrypt_inout_detached(&iv.into(), core, filled.as_mut_slice().into())
        .unwrap();
    let floe = &head[head.len() - 90..];
    with_checksum([core, &iv, &filled, &tag[..], floe].concat())
}
