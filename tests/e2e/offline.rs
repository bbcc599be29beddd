//! A package that is kept encrypted and opened later, without a relay: what is claimed of it, and what
//! is refused (rule L3).

use std::fs;
use std::path::{Path, PathBuf};

use sealift_tests::{Outcome, Relay, Sealift, same_content, write_random};

use crate::support::{PASSWORD, folder, links, sending};

/// A kept package, cut into its pieces.
struct Kept {
    folder: tempfile::TempDir,
    link: String,
    keyring: Vec<u8>,
    /// Manifest first.
    sealed: Vec<Vec<u8>>,
}

impl Kept {
    /// Sends two files, keeps them encrypted, and forgets the relay.
    fn new(seed: u64) -> Self {
        let (relay, folder) = (Relay::start(), folder());
        let sent = folder.path().join("sent");
        for number in 0..2 {
            let place = sent.join(format!("{number}"));
            write_random(place, 9_000_000, seed + number);
        }
        let link = links(&sending(&relay.url(), &[&sent]).succeeds()).receive;
        let kept = folder.path().join("kept.sealift");
        let receive = Sealift::new("receive").link(&link).arg("--keep-encrypted");
        let receive = receive.arg("-o").arg(&kept).succeeds();
        assert_eq!(receive.field("done", "proof"), "manifest");
        let (keyring, sealed) = pieces(&kept);
        Self {
            folder,
            link,
            keyring,
            sealed,
        }
    }

    /// Opens a file made of these pieces, with the password and, if so, the link.
    fn open(&self, sealed: &[&Vec<u8>], with_link: bool) -> Outcome {
        let place = self.folder.path().join("made.sealift");
        let parts = sealed.iter().flat_map(|piece| piece.iter());
        let bytes: Vec<u8> = self.keyring.iter().chain(parts).copied().collect();
        fs::write(&place, bytes).unwrap();
        let mut decrypt = Sealift::new("decrypt")
            .arg(&place)
            .args(["--overwrite", "-o"])
            .arg(self.got())
            .password(PASSWORD);
        if with_link {
            decrypt = decrypt.link(&self.link);
        }
        decrypt.run()
    }

    fn got(&self) -> PathBuf {
        self.folder.path().join("got")
    }
}

/// The keyring and the sealed files of a `.sealift` file.
fn pieces(place: &Path) -> (Vec<u8>, Vec<Vec<u8>>) {
    let inspected = Sealift::new("inspect").arg(place).succeeds();
    let sections = inspected.events("sealed")[0]["files"].clone();
    let lengths: Vec<usize> = sections
        .as_array()
        .unwrap()
        .iter()
        .map(|section| {
            let bytes = |field: &str| section[field].as_u64().unwrap() as usize;
            bytes("head_bytes") + bytes("body_bytes")
        })
        .collect();
    let bytes = fs::read(place).unwrap();
    let (keyring, mut rest) = bytes.split_at(bytes.len() - lengths.iter().sum::<usize>());
    let sealed = lengths.iter().map(|length| {
        let (piece, after) = rest.split_at(*length);
        rest = after;
        piece.to_vec()
    });
    (keyring.to_vec(), sealed.collect())
}

#[test]
fn l3_a_complete_package_is_called_no_more_than_it_is() {
    let kept = Kept::new(1);
    let [list, one, other] = &kept.sealed[..] else {
        panic!("a list and two files");
    };
    // In any order: the list says what there must be.
    for files in [[list, one, other], [list, other, one]] {
        let opened = kept.open(&files, false);
        assert_eq!(opened.exit_code, 0, "{opened:?}");
        assert_eq!(opened.field("done", "proof"), "password");
        same_content(&kept.folder.path().join("sent"), &kept.got().join("sent"));
    }
    let compared = kept.open(&[list, one, other], true);
    assert_eq!(compared.field("done", "proof"), "link");
}

#[test]
fn l3_missing_unlisted_duplicate_and_changed_files_are_refused() {
    let (kept, foreign) = (Kept::new(1), Kept::new(50));
    let [list, one, other] = &kept.sealed[..] else {
        panic!("a list and two files");
    };
    let mut changed = other.clone();
    changed[4_000_000] ^= 1;
    let mut longer = other.clone();
    longer.extend([0; 5]);
    let stranger = &foreign.sealed[1];
    for (what, files, exit_code, code) in [
        ("missing", vec![list, one], 12, "file_missing"),
        ("all missing", vec![list], 12, "file_missing"),
        (
            "unlisted",
            vec![list, one, other, stranger],
            11,
            "package_mismatch",
        ),
        (
            "duplicate",
            vec![list, one, other, one],
            11,
            "content_mismatch",
        ),
        (
            "two lists",
            vec![list, one, other, list],
            11,
            "content_mismatch",
        ),
        ("changed", vec![list, one, &changed], 11, "damaged_content"),
        (
            "followed by more",
            vec![list, one, &longer],
            11,
            "trailing_bytes",
        ),
        (
            "another list",
            vec![&foreign.sealed[0], one, other],
            11,
            "package_mismatch",
        ),
    ] {
        for with_link in [false, true] {
            let opened = kept.open(&files, with_link);
            assert_eq!(opened.exit_code, exit_code, "{what}: {opened:?}");
            assert_eq!(opened.error_code(), code, "{what}");
            assert!(opened.events("done").is_empty(), "{what}");
        }
    }
}
