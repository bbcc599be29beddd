//! The open-length form, cut and where it does not belong.

use sealift_envelope::*;
use sealift_protocol::FileId;

use super::super::file::Piece;
use super::super::list::{Made, with_password};
use super::*;
use crate::fixture::*;

/// A `.sealift` file of the open-length form.
pub(in super::super) fn pipe(package: &mut Package, data: &[u8]) -> Vec<u8> {
    let metadata = named("pipe", 0);
    let (key, rng) = (&package.key, &mut package.rng);
    let (mut sealer, head) = StreamSealer::new(key, FileId([1; 32]), &metadata, rng)
        .ok()
        .unwrap();
    let mut bytes = [&package.keyring[..], &head].concat();
    sealer.push(data, rng, &mut bytes).unwrap();
    sealer.finish(rng, &mut bytes).unwrap();
    bytes
}

pub(in super::super) fn on_pipes(made: &mut Made) {
    let given = with_password();
    let of = |range| Piece::Of("open_length", range);
    for (name, about, end) in [
        ("open_length_without_body", "", HEAD_END),
        ("open_length_cut_in_a_segment", "", HEAD_END + 50),
        ("open_length_without_seal", "", BODY_END - 48),
        ("open_length_cut_in_the_seal", "", BODY_END - 1),
    ] {
        made.pieced(name, about, "cut_short", given.clone(), vec![of(0..end)]);
    }
    made.pieced(
        "open_length_and_more",
        "",
        "trailing_bytes",
        given.clone(),
        vec![of(0..BODY_END), Piece::Hex(vec![0])],
    );
    let mut head = made.bytes("open_length")[KEYRING_END..HEAD_END].to_vec();
    head[30..32].copy_from_slice(&[0x10, 0]);
    made.pieced(
        "open_length_with_a_length",
        "B is 0 in this form",
        "damaged_head",
        given.clone(),
        vec![
            of(0..KEYRING_END),
            Piece::Hex(with_checksum(head.clone())),
            of(HEAD_END..BODY_END),
        ],
    );
    head[10..12].copy_from_slice(&[0, 0]);
    made.pieced(
        "open_length_as_a_known_one",
        "the flag is in every key",
        "damaged_head",
        given.clone(),
        vec![
            of(0..KEYRING_END),
            Piece::Hex(with_checksum(head)),
            of(HEAD_END..BODY_END),
        ],
    );
    made.pieced(
        "open_length_not_the_last_segment",
        "the prefix says that more follows",
        "cut_short",
        given.clone(),
        vec![
            of(0..HEAD_END),
            Piece::Hex(vec![0xff; 4]),
            of(HEAD_END + 4..BODY_END),
        ],
    );

    let mut package = Package::new(6);
    let manifest = Manifest {
        title: "t".into(),
        ..Manifest::default()
    };
    let sealed = manifest
        .seal(&package.key, FileId([9; 32]), &mut package.rng)
        .ok()
        .unwrap();
    let listed = [&package.keyring[..], &sealed.head, &sealed.body].concat();
    made.pieced(
        "open_length_in_a_package",
        "",
        "open_length_refused",
        given,
        vec![Piece::Hex(listed), of(KEYRING_END..BODY_END)],
    );
}
