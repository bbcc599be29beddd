//! What is left of a damaged stream of unknown length. Its segments have fixed places, so damage in one costs that one;
//! how long it was stands in the last, and is not known without it.

use std::ops::Range;

use sealift_envelope::{OpenLengthSalvage, OpenLengthSalvaged};
use sealift_protocol::limits::{
    SEAL_BYTES, SEGMENT_BYTES, SEGMENT_OVERHEAD_BYTES, SEGMENT_PLAINTEXT_BYTES,
};

use super::Salvaging;
use super::losses::Loss;
use crate::failure::{Failure, Result};
use crate::names::part_name;
use crate::part::{PartFile, write_at};

/// How a segment that is not the last begins.
const MIDDLE: [u8; 4] = [0xff; 4];

impl Salvaging<'_> {
    /// Keeps every good segment of the stream whose body starts at `body`.
    pub(super) fn stream(&mut self, head: &[u8], body: u64) -> Result<()> {
        let mut salvage = OpenLengthSalvage::new(&self.key, head)?;
        self.seen.insert(salvage.file());
        let entry = self.unlisted(&salvage.metadata().path, salvage.file(), None);
        let part = self
            .target
            .begin(&entry.place, &part_name(salvage.file(), 0))?;
        let end = self.segments_of_stream(&mut salvage, body, &part)?;
        let seal = self.sealed.read(end, SEAL_BYTES as usize);
        let after = self
            .sealed
            .bytes
            .saturating_sub(end + u64::from(SEAL_BYTES));
        let found = salvage.finish(&seal);
        let cannot = |error| Failure::file("write", part.shown(), &error);
        match found.data_bytes {
            Some(bytes) => part.file().set_len(bytes).map_err(cannot)?,
            None => self.terminal.notice(
                "the end is damaged or missing, so nobody knows how long it was: more may have followed, and zeros at the \
                 end of what is left may be padding",
            ),
        }
        if after > 0 && found.data_bytes.is_some() {
            self.terminal
                .notice(&format!("{after} bytes after its end belong to nothing"));
        }
        let whole = found.sealed_together && after == 0;
        self.keep(&entry, part, whole, &losses(&found))
    }

    /// Writes every good segment to its place. Returns where the seal should be.
    fn segments_of_stream(
        &self,
        salvage: &mut OpenLengthSalvage,
        body: u64,
        part: &PartFile,
    ) -> Result<u64> {
        let (mut place, mut written) = (body, 0);
        let seal = self.sealed.bytes.saturating_sub(u64::from(SEAL_BYTES));
        while place < seal.max(body + 1) {
            self.stop.check()?;
            let (last, length) = self.segment_at(place);
            let sealed = self.sealed.read(place, length);
            self.progress.add(sealed.len() as u64);
            if let Some(plain) = salvage.segment(last, &sealed) {
                write_at(part.file(), &plain, written)
                    .map_err(|error| Failure::file("write", part.shown(), &error))?;
                if last {
                    return Ok(place + length as u64);
                }
            }
            place += u64::from(SEGMENT_BYTES);
            written += u64::from(SEGMENT_PLAINTEXT_BYTES);
        }
        Ok(self.sealed.bytes)
    }

    /// Whether the segment at a place says that it is the last, and its length. Where its first bytes cannot be right,
    /// what is left of the file tells.
    fn segment_at(&self, place: u64) -> (bool, usize) {
        let full = SEGMENT_BYTES as usize;
        let left = usize::try_from(self.sealed.bytes - place).unwrap_or(usize::MAX);
        let first = self.sealed.read(place, MIDDLE.len());
        let first = first.first_chunk::<4>().copied().unwrap_or_default();
        let said = u32::from_be_bytes(first) as usize;
        let can_be = said > SEGMENT_OVERHEAD_BYTES as usize && said <= full && said <= left;
        match first {
            MIDDLE => (false, full),
            _ if can_be => (true, said),
            _ if left > full + SEAL_BYTES as usize => (false, full),
            _ => (true, left.saturating_sub(SEAL_BYTES as usize)),
        }
    }
}

/// Bad segments with the bytes of data that they held.
fn losses(found: &OpenLengthSalvaged) -> Vec<Loss> {
    let plain = u64::from(SEGMENT_PLAINTEXT_BYTES);
    let most = found.data_bytes.unwrap_or(u64::MAX);
    let content = |run: &Range<u64>| {
        let place = |index: u64| index.saturating_mul(plain).min(most);
        place(run.start)..place(run.end)
    };
    let runs = found.bad_segments.iter();
    runs.map(|run| Loss {
        segments: run.clone(),
        content: content(run),
    })
    .collect()
}
