//! The appendices of SPEC.md, computed: one small file and a recipient's keyring, byte by byte,
//! with every key on the way.
//!
//! The test fails when the text there is not what comes out here, and prints what should stand there.

use std::fmt::Write as _;

use data_encoding::HEXLOWER;
use sealift_protocol::format::{Head, KdfCost, Keyring, Slot};
use sha2::{Digest as _, Sha384};
use zeroize::Zeroizing;

use crate::body::Body;
use crate::kdf::extract;
use crate::keyring::SlotSecret;
use crate::{FileOpener, Identity, OpeningKey, PackageKey, Password};

const SPEC: &str = include_str!("../SPEC.md");
const HELLO: &[u8] = include_bytes!("../../../tests/vectors/hello.vector");
const RECIPIENT: &[u8] = include_bytes!("../../../tests/vectors/recipient.vector");

struct Walk {
    text: String,
    at: usize,
}

impl Walk {
    /// A line with a value that does not stand in the file.
    fn value(&mut self, name: &str, bytes: &[u8]) {
        writeln!(self.text, "           {name} = {}", HEXLOWER.encode(bytes)).unwrap();
    }

    /// A line with bytes of the file, and how many.
    fn field(&mut self, name: &str, bytes: &[u8]) {
        let shown = match bytes.len() {
            0..=48 => HEXLOWER.encode(bytes),
            long => format!("{}… ({long} bytes)", HEXLOWER.encode(&bytes[..16])),
        };
        writeln!(
            self.text,
            "{:>6} {:>3}  {name} {shown}",
            self.at,
            bytes.len()
        )
        .unwrap();
        self.at += bytes.len();
    }

    fn title(&mut self, title: &str) {
        writeln!(self.text, "{title}").unwrap();
    }

    /// Consecutive fields of `bytes`: name and length each, together all of them.
    fn fields(&mut self, mut bytes: &[u8], fields: &[(&str, usize)]) {
        for (name, length) in fields {
            let (field, rest) = bytes.split_at(*length);
            self.field(name, field);
            bytes = rest;
        }
        assert!(bytes.is_empty());
    }
}

/// A vector's header and data.
fn vector(vector: &[u8]) -> (&str, &[u8]) {
    let end = vector.windows(2).position(|two| two == b"\n\n").unwrap();
    (str::from_utf8(&vector[..end]).unwrap(), &vector[end + 2..])
}

fn walk_hello() -> String {
    let (keyring, rest) = vector(HELLO).1.split_at(256);
    let (head, body) = rest.split_at(470);
    let mut walk = Walk {
        text: String::new(),
        at: 0,
    };
    let key = keyring_part(&mut walk, keyring);
    head_part(&mut walk, &key, head);
    body_part(&mut walk, &key, head, body);
    walk.text
}

fn walk_recipient() -> String {
    let (header, data) = vector(RECIPIENT);
    let text = header
        .lines()
        .find_map(|line| line.strip_prefix("identity: "));
    let identity = Identity::parse(text.unwrap()).ok().unwrap();
    let mut walk = Walk {
        text: String::new(),
        at: 0,
    };
    writeln!(walk.text, "identity {}", text.unwrap()).unwrap();
    writeln!(
        walk.text,
        "fingerprint {}",
        identity.recipient().fingerprint()
    )
    .unwrap();
    recipient_part(&mut walk, &data[..1_344], &identity);
    walk.text
}

fn recipient_part(walk: &mut Walk, bytes: &[u8], identity: &Identity) {
    header_part(walk, bytes);
    let keyring = Keyring::parse(bytes).ok().unwrap();
    let slot = keyring.slots().next().unwrap();
    walk.title("slot: recipient");
    walk.fields(
        slot.bytes,
        &[
            ("type, flags, length", 4),
            ("zero", 12),
            ("ML-KEM-768 ciphertext", 1_088),
            ("X25519 ciphertext", 32),
            ("commitment", 32),
            ("wrapped key", 32),
            ("tag", 16),
        ],
    );
    let shared = identity.opener().shared_secret(slot.drawn()).unwrap();
    walk.value("shared secret", &*shared);
    let secret = SlotSecret::from_shared(&shared);
    walk.value("HKDF-Extract(empty, shared secret)", &*secret.root);
    package_key_part(walk, &keyring, slot, &secret);
    walk.title("end of the keyring");
    walk.fields(&bytes[1_296..], &[("MAC", 32), ("checksum", 16)]);
}

fn header_part(walk: &mut Walk, bytes: &[u8]) {
    walk.title("keyring");
    walk.fields(
        &bytes[..80],
        &[
            ("magic", 8),
            ("version, suite", 2),
            ("slots", 2),
            ("R", 4),
            ("package id", 16),
            ("generation", 8),
            ("previous", 32),
            ("zero", 8),
        ],
    );
}

fn keyring_part(walk: &mut Walk, bytes: &[u8]) -> PackageKey {
    header_part(walk, bytes);
    let keyring = Keyring::parse(bytes).ok().unwrap();
    let slot = keyring.slots().next().unwrap();
    walk.title("slot: password");
    walk.fields(
        slot.bytes,
        &[
            ("type, flags, length", 4),
            ("kdf, p, t", 4),
            ("m", 4),
            ("zero", 4),
            ("salt", 32),
            ("commitment", 32),
            ("wrapped key", 32),
            ("tag", 16),
        ],
    );
    let password = Password::from_normalized("P\u{e4}sswort 1").ok().unwrap();
    walk.value("password in NFC", password.bytes());
    let cost = KdfCost {
        memory_kib: 8,
        passes: 1,
        parallelism: 1,
    };
    let stretched = crate::keyring::argon2id(&password, slot.drawn(), cost)
        .ok()
        .unwrap();
    walk.value("A", &*stretched);
    let secret = SlotSecret::from_password(&password, slot.drawn(), cost, None)
        .ok()
        .unwrap();
    walk.value("HKDF-Extract(empty, A)", &*secret.root);
    let key = package_key_part(walk, &keyring, slot, &secret);
    walk.title("end of the keyring");
    walk.fields(&bytes[208..], &[("MAC", 32), ("checksum", 16)]);
    key
}

/// Unwraps the package key that is in a slot.
fn package_key_part(
    walk: &mut Walk,
    keyring: &Keyring<'_>,
    slot: Slot<'_>,
    secret: &SlotSecret,
) -> PackageKey {
    let parts = slot.parts().unwrap();
    let package = keyring.package();
    let keys = secret.keys(&package, parts.bound);
    walk.value("KEK", &*keys.kek);
    let (sealed, tag) = parts.wrapped_key.split_first_chunk().unwrap();
    let mut package_key = Zeroizing::new(*sealed);
    let aad = [parts.before_key, &package.0].concat();
    let tag = tag.try_into().unwrap();
    crate::gcm::decrypt(&keys.kek, &[0; 12], &aad, &mut *package_key, &tag).unwrap();
    walk.value("package key", &*package_key);
    let key = PackageKey::from_slot(package, package_key);
    let mac_key: Zeroizing<[u8; 48]> = key.package_key("keyring-mac");
    walk.value("K_keyring", &*mac_key);
    key
}

fn head_part(walk: &mut Walk, key: &OpeningKey, bytes: &[u8]) {
    walk.title("head");
    walk.fields(
        &bytes[..96],
        &[
            ("magic", 8),
            ("version, suite", 2),
            ("flags", 2),
            ("H", 4),
            ("segment bytes", 4),
            ("zero", 4),
            ("B", 8),
            ("file id", 32),
            ("package id", 16),
            ("zero", 16),
        ],
    );
    let head = Head::parse(bytes).ok().unwrap();
    let root = extract(&head.file().0, key.bytes());
    walk.value("root", &*root);
    let meta: Zeroizing<[u8; 32]> = key.file_key(&head.file(), "meta");
    walk.value("K_meta", &*meta);
    walk.fields(
        &bytes[96..380],
        &[("metadata IV", 12), ("metadata", 256), ("tag", 16)],
    );
    let damaged = sealift_protocol::format::FormatError::DamagedHead;
    let filled = crate::metadata::open(&meta, head.core(), head.metadata(), damaged)
        .ok()
        .unwrap();
    let length = u32::from_be_bytes(filled[..4].try_into().unwrap()) as usize;
    walk.value("length and CBOR", &filled[..4 + length]);
    let floe: Zeroizing<[u8; 32]> = key.file_key(&head.file(), "floe");
    walk.value("K_floe", &*floe);
    walk.fields(
        &bytes[380..],
        &[
            ("FLOE parameters", 10),
            ("floe iv", 32),
            ("floe tag", 32),
            ("checksum", 16),
        ],
    );
}

fn body_part(walk: &mut Walk, key: &OpeningKey, head: &[u8], bytes: &[u8]) {
    walk.title("body");
    let body = Body::of_head(key, &Head::parse(head).ok().unwrap())
        .ok()
        .unwrap();
    let (_, _, message_key) = body.floe.parts();
    walk.value("message key", message_key);
    walk.value("segment key(0)", &*body.floe.key(0));
    walk.value("aad", &crate::floe::segment_aad(0, true));
    walk.fields(
        &bytes[..bytes.len() - 48],
        &[
            ("prefix", 4),
            ("IV", 12),
            ("ciphertext", 4_096),
            ("tag", 16),
        ],
    );
    let pair = [&bytes[4..16], &bytes[4_112..4_128]].concat();
    let group = Sha384::new_with_prefix([0]).chain_update(&pair).finalize();
    walk.value("D(0)", &group);
    walk.value(
        "T",
        &Sha384::new_with_prefix([1]).chain_update(group).finalize(),
    );
    walk.value("H(head)", &body.head_hash);
    walk.value("K_seal", &*body.seal_key);
    walk.title("seal");
    walk.fields(&bytes[4_128..], &[("magic", 8), ("n", 8), ("MAC", 32)]);
    let opener = FileOpener::new(key, head).ok().unwrap();
    let mut content = Vec::new();
    opener
        .open_segment(0, &bytes[..4_128], &mut content)
        .ok()
        .unwrap();
    assert_eq!(content, b"attack at dawn");
}

#[test]
fn the_appendices_of_the_specification_are_true() {
    for walk in [walk_hello(), walk_recipient()] {
        assert!(SPEC.contains(&walk), "SPEC.md should contain:\n{walk}");
    }
}
