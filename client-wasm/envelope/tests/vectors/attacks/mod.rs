//! Vectors that are refused, each with one fault. Their names read like a list of attacks.

mod files;
mod keyrings;
mod links;
mod packages;
mod pipes;

pub(super) use files::on_files;
pub(super) use keyrings::{insert_slots, on_keyrings, with_mac, with_unknown_slot};
pub(super) use links::on_fragments;
pub(super) use packages::on_packages;
pub(super) use pipes::{on_pipes, pipe};

use super::file::Piece;
use super::list::Made;
use crate::fixture::with_checksum;

/// Where the pieces of the vector `hello` stand: keyring 0..256, head, body.
pub(super) const KEYRING_END: usize = 256;
pub(super) const HEAD_END: usize = KEYRING_END + 470;
pub(super) const BODY_END: usize = HEAD_END + 4_096 + 32 + 48;

pub(super) fn hello(range: std::ops::Range<usize>) -> Piece {
    Piece::Of("hello", range)
}

/// `hello` with other bytes at `at`.
pub(super) fn hello_with(at: usize, bytes: &[u8]) -> Vec<Piece> {
    vec![
        hello(0..at),
        Piece::Hex(bytes.to_vec()),
        hello(at + bytes.len()..BODY_END),
    ]
}

/// Writes `bytes` at `at`; where that changes nothing, a bit is flipped.
pub(super) fn overwrite(all: &mut [u8], at: usize, bytes: &[u8]) {
    let place = &mut all[at..at + bytes.len()];
    if place == bytes {
        place[0] ^= 1;
    } else {
        place.copy_from_slice(bytes);
    }
}

/// `hello` with other bytes in its keyring, and the checksum made right.
pub(super) fn hello_keyring(made: &Made, at: usize, bytes: &[u8]) -> Vec<Piece> {
    let mut keyring = made.bytes("hello")[..KEYRING_END].to_vec();
    overwrite(&mut keyring, at, bytes);
    vec![
        Piece::Hex(with_checksum(keyring)),
        hello(KEYRING_END..BODY_END),
    ]
}

/// `hello` with other bytes in its head, and the checksum made right.
pub(super) fn hello_head(made: &Made, at: usize, bytes: &[u8]) -> Vec<Piece> {
    let mut head = made.bytes("hello")[KEYRING_END..HEAD_END].to_vec();
    overwrite(&mut head, at, bytes);
    vec![
        hello(0..KEYRING_END),
        Piece::Hex(with_checksum(head)),
        hello(HEAD_END..BODY_END),
    ]
}
