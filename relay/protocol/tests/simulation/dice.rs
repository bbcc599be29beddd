//! Chance from a printed seed (SplitMix64), and the model of sealing built on the same mixing.

use sealift_protocol::{FileId, Pair};

/// All chance in a schedule comes from here.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(mix(seed ^ 0x5ea1_1f70))
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Between `low` and `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.roll() % (high - low + 1)
    }

    /// True so many times in a thousand.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.roll() % 1000 < per_mille
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.roll() as u8)
    }
}

pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The tag of a segment: depends on its content (file, index, version of the source) and its IV.
fn tag(file: FileId, segment: u64, version: u32, iv: [u8; 12]) -> [u8; 16] {
    let mut state = u64::from_le_bytes(file.0[..8].try_into().unwrap());
    for word in [
        segment,
        u64::from(version),
        u64::from_le_bytes(iv[..8].try_into().unwrap()),
    ] {
        state = mix(state ^ word);
    }
    let mut tag = [0; 16];
    tag[..8].copy_from_slice(&state.to_le_bytes());
    tag[8..].copy_from_slice(&mix(state).to_le_bytes());
    tag
}

/// Seals a segment under a fresh IV.
pub(crate) fn seal(dice: &mut Dice, file: FileId, segment: u64, version: u32) -> Pair {
    let iv = dice.bytes();
    Pair {
        iv,
        tag: tag(file, segment, version, iv),
    }
}

/// Whether a pair belongs to this content.
pub(crate) fn matches(pair: &Pair, file: FileId, segment: u64, version: u32) -> bool {
    pair.tag == tag(file, segment, version, pair.iv)
}

/// What stands on disk for half a sealed segment.
pub(crate) fn cell(pair: &Pair, half: u64) -> u64 {
    mix(u64::from_le_bytes(pair.tag[..8].try_into().unwrap()) ^ half)
}

/// The seal over all pairs of a file.
pub(crate) fn file_seal(file: FileId, pairs: &[Pair]) -> u64 {
    pairs.iter().fold(u64::from(file.0[0]), |state, pair| {
        mix(state ^ cell(pair, 7))
    })
}
