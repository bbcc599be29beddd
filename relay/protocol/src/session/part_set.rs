//! A set of a file's parts: one bit each.

use crate::ids::PartNumber;

/// Some of a file's parts.
#[derive(Clone, Debug)]
pub(super) struct PartSet {
    words: Vec<u64>,
    part_count: u32,
    count: u32,
}

impl PartSet {
    /// The empty set, for a file of so many parts.
    pub(super) fn new(part_count: u32) -> Self {
        let words = part_count.div_ceil(u64::BITS);
        Self {
            words: vec![0; usize::try_from(words).unwrap_or(0)],
            part_count,
            count: 0,
        }
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    pub(super) fn contains(&self, part: PartNumber) -> bool {
        let (word, bit) = position(part);
        self.words.get(word).is_some_and(|w| w & bit != 0)
    }

    /// Adds a part, unless the file has no such part.
    pub(super) fn insert(&mut self, part: PartNumber) {
        let (word, bit) = position(part);
        if let Some(w) = self
            .words
            .get_mut(word)
            .filter(|w| part.0 < self.part_count && **w & bit == 0)
        {
            *w |= bit;
            self.count = self.count.saturating_add(1);
        }
    }

    pub(super) fn remove(&mut self, part: PartNumber) {
        let (word, bit) = position(part);
        if let Some(w) = self.words.get_mut(word).filter(|w| **w & bit != 0) {
            *w &= !bit;
            self.count = self.count.saturating_sub(1);
        }
    }
}

fn position(part: PartNumber) -> (usize, u64) {
    let word = usize::try_from(part.0 / u64::BITS).unwrap_or(usize::MAX);
    (word, 1 << (part.0 % u64::BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_part_once() {
        let mut set = PartSet::new(70);
        for part in [0, 69, 69, 70, 1000] {
            set.insert(PartNumber(part));
        }
        assert_eq!(set.count(), 2);
        assert!(set.contains(PartNumber(69)) && !set.contains(PartNumber(70)));
        set.remove(PartNumber(69));
        set.remove(PartNumber(69));
        assert_eq!(set.count(), 1);
    }
}
