//! What is left of a damaged file: its good segments, and a list of the bad ones.
//!
//! Each segment stands alone, so damage in one says nothing about the next. What comes out has every
//! byte at its place and zeros where a segment is bad. It is never called whole: a [`Salvaged`]
//! says what is bad and whether the seal still binds the rest together, and whoever writes the
//! result must say so too.
//!
//! Start with [`FileOpener::salvage`], give it each segment in order, then [`Salvage::finish`].

use std::ops::Range;

use sealift_protocol::format::Geometry;

use crate::{Error, FileOpener, SealBuilder};

/// Opens a damaged file from front to back.
pub struct Salvage {
    opener: FileOpener,
    pairs: SealBuilder,
    next: u64,
    bad: Vec<Range<u64>>,
}

/// What was found out about a damaged file.
pub struct Salvaged {
    /// Segments that did not authenticate or are missing, in runs, in order.
    pub bad_segments: Vec<Range<u64>>,
    /// Whether every segment is good and the seal is theirs. If not, good segments may come from
    /// different sealings of one file: from before and after a change that was being sent.
    pub sealed_together: bool,
    /// Where segments stand in the body.
    pub geometry: Geometry,
}

impl FileOpener {
    /// Opens what is left of a damaged file.
    #[must_use]
    pub fn salvage(self) -> Salvage {
        Salvage {
            opener: self,
            pairs: SealBuilder::new(),
            next: 0,
            bad: Vec::new(),
        }
    }
}

impl Salvage {
    /// Which segment comes next; `None` after the last.
    #[must_use]
    pub fn next_segment(&self) -> Option<u64> {
        let count = self.opener.geometry().segment_count();
        (self.next < count).then_some(self.next)
    }

    /// Takes the next segment as it was found: damaged, cut short, or empty if it is missing.
    /// Appends the file's bytes in it to `out`: its own if it is good, zeros if not; says which.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] after the last segment.
    pub fn segment(&mut self, sealed: &[u8], out: &mut Vec<u8>) -> Result<bool, Error> {
        let index = self.next;
        let range = self.opener.source_range(index);
        match self.opener.open_segment(index, sealed, out) {
            Ok(pair) => {
                self.pairs.push(&pair);
                self.next += 1;
                Ok(true)
            }
            Err(Error::Misuse(_)) if self.next_segment().is_none() => {
                Err(Error::Misuse("there is no such segment"))
            }
            Err(_) => {
                let bytes = usize::try_from(range.end - range.start).unwrap_or_default();
                out.resize(out.len() + bytes, 0);
                self.note_bad(index);
                self.next += 1;
                Ok(false)
            }
        }
    }

    /// What there is to say about the file, given what was found in the place of its seal. Segments
    /// that were not given are missing.
    #[must_use]
    pub fn finish(mut self, seal: &[u8]) -> Salvaged {
        let geometry = self.opener.geometry();
        if let Some(missing) = self.next_segment() {
            self.bad.push(missing..geometry.segment_count());
        }
        let sealed_together =
            self.bad.is_empty() && self.opener.verify_seal(self.pairs, seal).is_ok();
        Salvaged {
            bad_segments: self.bad,
            sealed_together,
            geometry,
        }
    }

    fn note_bad(&mut self, index: u64) {
        match self.bad.last_mut() {
            Some(run) if run.end == index => run.end += 1,
            _ => self.bad.push(index..index + 1),
        }
    }
}
