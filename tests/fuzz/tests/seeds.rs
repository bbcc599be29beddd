//! Seeds from the published vectors. `SEALIFT_WRITE=1 cargo test` writes them.

use std::fs;
use std::path::{Path, PathBuf};

/// A vector's own bytes.
fn vector(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors");
    let bytes = fs::read(folder.join(format!("{name}.vector"))).expect("a vector");
    let end = bytes
        .windows(2)
        .position(|two| two == b"\n\n")
        .expect("a header");
    bytes[end + 2..].to_vec()
}

fn keyring(name: &str) -> Vec<u8> {
    let bytes = vector(name);
    let length = u32::from_be_bytes(bytes[12..16].try_into().expect("four bytes"));
    bytes[..length as usize].to_vec()
}

fn head(name: &str) -> Vec<u8> {
    let (bytes, start) = (vector(name), keyring(name).len());
    let length = u32::from_be_bytes(
        bytes[start + 12..start + 16]
            .try_into()
            .expect("four bytes"),
    );
    bytes[start..start + length as usize].to_vec()
}

fn seeds() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let mut seeds = Vec::new();
    for name in [
        "hello",
        "second_of_two_passwords",
        "password_and_link_secret",
        "recipient_added",
        "unknown_slot_under_the_mac",
        "link_secret_alone",
        "password_changed",
    ] {
        seeds.push(("keyring", name, keyring(name)));
    }
    for name in [
        "hello",
        "long_name",
        "package",
        "open_length",
        "two_segments",
    ] {
        seeds.push(("head", name, head(name)));
    }
    for name in ["hello", "package", "open_length", "manifest_alone"] {
        seeds.push(("layout", name, vector(name)));
    }
    for name in [
        "link_receive",
        "link_receive_with_secret",
        "link_manage",
        "link_send",
    ] {
        seeds.push(("fragment", name, vector(name)));
    }
    let link = [
        b"https://relay.example/p/AQEBAQEBAQEBAQEBAQEBAQ#",
        &vector("link_receive")[..],
    ]
    .concat();
    seeds.push(("fragment", "link", link));
    seeds.push((
        "fragment",
        "bare_link",
        b"https://[::1]:8443/p/AQEBAQEBAQEBAQEBAQEBAQ".to_vec(),
    ));
    for name in [
        "recipient_text",
        "identity_text",
        "recipient_text_in_upper_case",
        "identity_text_with_bits_at_its_end",
    ] {
        seeds.push(("recipient", name, vector(name)));
    }
    let file = [b"# a comment\n\n", &vector("identity_text")[..], b"\n"].concat();
    seeds.push(("recipient", "file", file));
    seeds.push((
        "manifest",
        "empty",
        vec![0x86, 1, 0x60, 0x60, 0x80, 0x80, 0x80],
    ));
    let mut one = vec![0x86, 1, 0x65];
    one.extend(b"title\x60\x81\x66folder\x81\x84\x58\x20");
    one.extend([7; 32]);
    one.extend([0, 3, 0x58, 0x30]);
    one.extend([9; 48]);
    one.extend(b"\x81\x86\x61a\x03\xf6\x60\x00\x00");
    let mut pack = one.clone();
    seeds.push(("manifest", "one_file", one));
    let role = pack.iter().rposition(|byte| *byte == 0x58).expect("a seal") - 2;
    pack[role] = 2;
    seeds.push(("manifest", "one_pack", pack));
    for form in 0..8u8 {
        let names = [
            "empty",
            "empty_pipe",
            "small",
            "small_pipe",
            "zeros",
            "zeros_pipe",
            "long",
            "long_pipe",
        ];
        seeds.push(("stream", names[usize::from(form)], vec![form]));
    }
    seeds.push(("stream", "flip", vec![2, 0, 0, 0, 30, 0, 0, 0, 1]));
    seeds.push(("stream", "cut", vec![6, 1, 8, 0, 0, 0, 0, 0, 0]));
    seeds.push(("stream", "longer", vec![3, 3, 0, 0, 0, 0, 0, 1, 0]));
    seeds.push(("stream", "copy", vec![7, 4, 8, 0, 0, 0, 0, 0, 200]));
    seeds
}

#[test]
fn the_seeds_are_those_of_the_vectors() {
    for (target, name, bytes) in seeds() {
        let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "corpus", target]
            .iter()
            .collect();
        let path = folder.join(name);
        if std::env::var_os("SEALIFT_WRITE").is_some() {
            fs::create_dir_all(&folder).expect("a folder that can be made");
            fs::write(&path, &bytes).expect("a file that can be written");
        }
        assert!(
            fs::read(&path).is_ok_and(|found| found == bytes),
            "{target}/{name} differs"
        );
    }
}
