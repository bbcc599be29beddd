//! FLOE's published known answers (see `tests/vectors/floe/README.md`): our keys and framing open
//! what five other implementations sealed.

use data_encoding::HEXLOWER_PERMISSIVE;

use super::*;
use crate::gcm;

const KEY: [u8; 32] = [0; 32];
const AAD: &[u8] = b"This is AAD";

fn read(text: &str) -> Vec<u8> {
    HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).unwrap()
}

/// Ciphertext and plaintext of a published case; part of the binary, so that WASM can test too.
macro_rules! case {
    ($name:literal) => {
        (
            read(include_str!(concat!(
                "../../../tests/vectors/floe/",
                $name,
                "_ct.txt"
            ))),
            read(include_str!(concat!(
                "../../../tests/vectors/floe/",
                $name,
                "_pt.txt"
            ))),
        )
    };
}

/// Opens a FLOE ciphertext with segments of any length and any rotation.
fn open(sealed: &[u8], rotation_bits: u32) -> Option<Vec<u8>> {
    let (header, mut rest) = sealed.split_at(74);
    let parameters: [u8; 10] = header[..10].try_into().unwrap();
    let segment_bytes = u32::from_be_bytes(parameters[2..6].try_into().unwrap()) as usize;
    let iv = header[10..42].try_into().unwrap();
    let (floe, tag) = Floe::with_parameters(&KEY, parameters, iv, AAD);
    if tag.as_slice() != &header[42..] {
        return None;
    }
    let mut plain = Vec::new();
    let mut index = 0u64;
    while !rest.is_empty() {
        let full = rest[..4] == [0xff; 4];
        let length = if full {
            segment_bytes
        } else {
            u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize
        };
        let (segment, after) = rest.split_at(length);
        rest = after;
        let iv = segment[4..16].try_into().unwrap();
        let mut buffer = segment[16..length - 16].to_vec();
        let tag = segment[length - 16..].try_into().unwrap();
        let key = floe.key_of_first_segment(index >> rotation_bits << rotation_bits);
        gcm::decrypt(&key, &iv, &segment_aad(index, !full), &mut buffer, &tag)?;
        plain.extend(buffer);
        index += 1;
    }
    Some(plain)
}

#[test]
fn opens_floes_known_answers() {
    for (number, ((sealed, plain), rotation_bits)) in [
        (case!("cpp_GCM256_IV256_64"), 20),
        (case!("cpp_GCM256_IV256_4K"), 20),
        (case!("cpp_rotation"), 2),
        (case!("go_GCM256_IV256_64"), 20),
        (case!("go_GCM256_IV256_4K"), 20),
        (case!("go_rotation"), 2),
        (case!("java_GCM256_IV256_64"), 20),
        (case!("java_GCM256_IV256_4K"), 20),
        (case!("java_lastSegAligned"), 20),
        (case!("java_lastSegEmpty"), 20),
        (case!("java_rotation"), 2),
        (case!("pub_java_GCM256_IV256_64"), 20),
        (case!("pub_java_GCM256_IV256_4K"), 20),
        (case!("pub_java_rotation"), 2),
        (case!("rust_GCM256_IV256_64"), 20),
        (case!("rust_GCM256_IV256_4K"), 20),
        (case!("rust_rotation"), 2),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(open(&sealed, rotation_bits) == Some(plain), "case {number}");
    }
}

#[test]
fn a_changed_known_answer_is_refused() {
    let (mut sealed, _) = case!("rust_GCM256_IV256_64");
    for at in [10, 42, 74 + 4, 74 + 20, sealed.len() - 1] {
        sealed[at] ^= 1;
        assert!(open(&sealed, 20).is_none(), "byte {at}");
        sealed[at] ^= 1;
    }
}
