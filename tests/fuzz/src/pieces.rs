//! Keyring, head, and the layout of a `.sealift` file, without and with keys.

use sealift_envelope::keyring::{self, Credential};
use sealift_envelope::{FileOpener, Identity, Password, StreamOpener};
use sealift_protocol::format::{
    Geometry, Head, KdfLimits, Keyring, KeyringHeader, KeyringPolicy, LayoutScanner, PartReader,
    Role, SlotKind, head_bytes, keyring_bytes,
};

use crate::{key, rng, with_checksum};

/// More Argon2 work than this, in KiB times passes, would only slow the fuzzer down.
const WORK_KIB_MAX: u64 = 256;

/// A keyring: its slots fill it exactly, and it opens by a right MAC only.
pub fn keyring(data: &[u8]) {
    for bytes in [data, &with_checksum(data)] {
        let _ = keyring_bytes(bytes);
        let Ok(parsed) = Keyring::parse(bytes) else {
            continue;
        };
        let slots: Vec<Vec<u8>> = parsed.slots().map(|slot| slot.bytes.to_vec()).collect();
        let header = KeyringHeader {
            package: parsed.package(),
            generation: parsed.generation(),
            previous_sha256: parsed.previous_sha256(),
        };
        let covered = header.write(&slots).expect("it was read");
        assert_eq!(covered, parsed.authenticated().0);
        for slot in parsed.slots() {
            let known = !matches!(slot.kind, SlotKind::Unknown(_));
            assert_eq!(slot.parts().is_some(), known);
        }
        let policy = KeyringPolicy {
            password_required: true,
            kdf: KdfLimits::PRODUCTION,
        };
        if parsed.check_policy(policy).is_ok() {
            let needs = keyring::needs(&parsed);
            assert!(!needs.link && (needs.password || needs.password_and_link || needs.identity));
        }
        open(bytes, &parsed);
    }
}

fn open(bytes: &[u8], parsed: &Keyring<'_>) {
    let limits = KdfLimits::CHEAP_FOR_TESTS;
    let identity = Identity::generate(&mut rng());
    let opened = keyring::open_with_identities(bytes, None, &[identity], limits);
    assert!(opened.is_err(), "nothing is sealed to this identity");
    if parsed.work_kib() > WORK_KIB_MAX {
        return;
    }
    let password = Password::from_normalized("Pässwort 1").expect("a password");
    let credential = Credential::Password {
        password: &password,
        link: None,
    };
    if let Ok(opened) = keyring::unlock(bytes, None, credential, limits) {
        // Only what was sealed opens: the corpus has it.
        assert_eq!(opened.key.package(), parsed.package());
        let next = keyring::KeyringBuilder::replacing(&opened.key, bytes)
            .and_then(|builder| builder.within(limits).keep(bytes, |_, _| true))
            .and_then(keyring::KeyringBuilder::build)
            .expect("a keyring that opened can be replaced");
        let next = Keyring::parse(&next).expect("a keyring that was made");
        assert_eq!(next.generation(), parsed.generation() + 1);
        assert_eq!(next.slots().count(), parsed.slots().count());
    }
}

/// A head: everything about its body follows from it, and a wrong key opens none.
pub fn head(data: &[u8]) {
    let key = key();
    for bytes in [data, &with_checksum(data)] {
        let _ = head_bytes(bytes);
        let Ok(parsed) = Head::parse(bytes) else {
            continue;
        };
        assert_eq!(head_bytes(bytes).ok(), Some(bytes.len() as u32));
        if let Some(geometry) = parsed.geometry() {
            whole_body(geometry);
        } else {
            assert_eq!(parsed.role(), Role::File);
        }
        let known = FileOpener::new(&key, bytes).is_ok();
        assert!(!known || StreamOpener::new(&key, bytes).is_ok());
    }
}

/// Segments and seal fill a body without gap.
fn whole_body(geometry: Geometry) {
    let last = geometry.segment_count() - 1;
    let end = geometry.segment_offset(last) + u64::from(geometry.segment_sealed_bytes(last));
    assert_eq!(end, geometry.seal_offset());
    assert_eq!(geometry.plain_range(last).end, geometry.padded_bytes());
    let again = Geometry::from_body_bytes(geometry.body_bytes());
    assert_eq!(again, Ok(geometry));
}

/// A `.sealift` file: its pieces stand one after the other, and framing is judged alike in pieces
/// of any size.
pub fn layout(data: &[u8]) {
    let mut scanner = LayoutScanner::new(data.len() as u64);
    while let Some(range) = scanner.next_read() {
        let (start, end) = (range.start as usize, range.end as usize);
        if scanner.supply(&data[start..end]).is_err() {
            return;
        }
    }
    let Ok(layout) = scanner.finish() else {
        return;
    };
    let mut at = layout.keyring.end;
    for file in &layout.files {
        assert_eq!((file.head.start, file.head.end), (at, file.body.start));
        at = file.body.end;
        let body = &data[file.body.start as usize..file.body.end as usize];
        if let Some(geometry) = file.geometry {
            let whole = framing(geometry, body, body.len().max(1));
            assert_eq!(whole, framing(geometry, body, 7));
        }
    }
    assert_eq!(at, data.len() as u64);
}

fn framing(geometry: Geometry, body: &[u8], step: usize) -> Option<usize> {
    let mut reader = PartReader::new(geometry, 0, body.len() as u64).ok()?;
    for piece in body.chunks(step) {
        reader.feed(piece).ok()?;
    }
    reader.finish().ok().map(|pairs| pairs.len())
}
