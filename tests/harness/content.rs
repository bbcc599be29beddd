//! Test content: files that differ everywhere and repeat nowhere, made from a seed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

const PIECE_BYTES: usize = 1 << 20;

/// Numbers from a seed, without end: SplitMix64 (Steele, Lea, Flood, 2014), fast also in test builds.
pub struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        for piece in bytes.chunks_mut(8) {
            let number = self.next().to_le_bytes();
            piece.copy_from_slice(&number[..piece.len()]);
        }
        bytes
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
}

/// Writes a file of `bytes` random bytes and returns its place.
pub fn write_random(place: impl Into<PathBuf>, bytes: u64, seed: u64) -> PathBuf {
    let place = place.into();
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent).unwrap_or_else(|e| panic!("{}: {e}", parent.display()));
    }
    let write = || -> io::Result<()> {
        let mut file = File::create(&place)?;
        let mut random = Random::new(seed);
        let mut left = bytes;
        while left > 0 {
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES);
            file.write_all(&random.bytes(count))?;
            left -= count as u64;
        }
        Ok(())
    };
    write().unwrap_or_else(|e| panic!("{}: {e}", place.display()));
    place
}

/// SHA-256 of a file, in hex.
pub fn sha256_of(place: &Path) -> String {
    let mut file = File::open(place).unwrap_or_else(|e| panic!("{}: {e}", place.display()));
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE_BYTES.min(64 * 1024)];
    loop {
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => hash.update(&piece[..count]),
            Err(e) => panic!("{}: {e}", place.display()),
        }
    }
    data_encoding::HEXLOWER.encode(&hash.finalize())
}

/// Everything below a folder: path to SHA-256, or to `folder` for an empty one.
pub fn tree_of(folder: &Path) -> BTreeMap<String, String> {
    let mut tree = BTreeMap::new();
    add(folder, "", &mut tree);
    tree
}

fn add(folder: &Path, path: &str, tree: &mut BTreeMap<String, String>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if path.is_empty() {
            name
        } else {
            format!("{path}/{name}")
        };
        let place = entry.path();
        if !place.is_dir() {
            tree.insert(path, sha256_of(&place));
        } else if fs::read_dir(&place).is_ok_and(|mut entries| entries.next().is_none()) {
            tree.insert(path, "folder".to_owned());
        } else {
            add(&place, &path, tree);
        }
    }
}

/// Fails with a readable difference unless both folders hold the same.
#[track_caller]
pub fn same_content(sent: &Path, received: &Path) {
    let (sent, received) = (tree_of(sent), tree_of(received));
    let missing: Vec<_> = sent
        .iter()
        .filter(|(k, v)| received.get(*k) != Some(v))
        .collect();
    let extra: Vec<_> = received
        .iter()
        .filter(|(k, _)| !sent.contains_key(*k))
        .collect();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "missing or different: {missing:?}\nnot sent: {extra:?}"
    );
}
