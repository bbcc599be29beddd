//! What is not whole, told piece by piece: to a person in sentences, to a program in events.

use std::ops::Range;

use sealift_envelope::FileOpener;
use sealift_protocol::limits::SEGMENT_BYTES;
use serde_json::json;

use crate::failure::Result;
use crate::terminal::{Terminal, printable};

/// Damaged places of one file told one by one to a person; a program is told all.
const TOLD_MAX: usize = 20;

/// Neighbouring segments that could not be opened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Loss {
    /// Their numbers in the sealed file, from 0.
    pub(super) segments: Range<u64>,
    /// The bytes of the content that they held. Empty where they held padding.
    pub(super) content: Range<u64>,
}

impl Loss {
    /// All losses of a sealed file, from the numbers of its bad segments.
    pub(super) fn all(opener: &FileOpener, bad_segments: &[Range<u64>]) -> Vec<Self> {
        let content = |run: &Range<u64>| {
            let last = run.end.saturating_sub(1);
            opener.source_range(run.start).start..opener.source_range(last).end
        };
        bad_segments
            .iter()
            .map(|run| Self {
                segments: run.clone(),
                content: content(run),
            })
            .collect()
    }

    /// Those that touch one member of a pack, which holds the bytes `member` of it.
    pub(super) fn within(losses: &[Self], member: &Range<u64>) -> Vec<Self> {
        let clipped = |loss: &Self| {
            let start = loss.content.start.clamp(member.start, member.end);
            let end = loss.content.end.clamp(member.start, member.end);
            (start < end).then(|| Self {
                segments: loss.segments.clone(),
                content: start - member.start..end - member.start,
            })
        };
        losses.iter().filter_map(clipped).collect()
    }

    fn sentence(&self) -> String {
        let (first, last) = (self.segments.start, self.segments.end - 1);
        let segments = if first == last {
            format!("segment {first}")
        } else {
            format!("segments {first} to {last}")
        };
        let place = first.saturating_mul(u64::from(SEGMENT_BYTES));
        let held = if self.content.is_empty() {
            "they held only padding".to_owned()
        } else {
            format!(
                "bytes {} to {} of the file are lost",
                self.content.start,
                self.content.end - 1
            )
        };
        format!("  {segments} (byte {place} of the sealed body): {held}")
    }
}

/// Tells of one file that is not whole, and where what is left of it lies.
pub(super) fn tell_salvaged(
    path: &str,
    place: &str,
    losses: &[Loss],
    terminal: &Terminal,
) -> Result<()> {
    for loss in losses {
        terminal.event(
            "lost",
            json!({
                "path": path,
                "segment_first": loss.segments.start,
                "segment_last": loss.segments.end - 1,
                "body_position": loss.segments.start.saturating_mul(u64::from(SEGMENT_BYTES)),
                "start": loss.content.start,
                "end": loss.content.end,
            }),
        )?;
    }
    let lost_bytes: u64 = losses
        .iter()
        .map(|loss| loss.content.end - loss.content.start)
        .sum();
    terminal.event(
        "salvaged",
        json!({ "path": path, "place": place, "lost_bytes": lost_bytes }),
    )?;
    let why = if losses.is_empty() {
        "every segment is good, but nothing proves that they belong to one version of it"
    } else {
        "zeros stand for what is lost"
    };
    terminal.remark(&format!(
        "{} is not whole: what is left is in {place} ({why})",
        printable(path)
    ));
    for loss in losses.iter().take(TOLD_MAX) {
        terminal.remark(&loss.sentence());
    }
    if let Some(more @ 1..) = losses.len().checked_sub(TOLD_MAX) {
        terminal.remark(&format!("  and {more} more places; --json lists them all"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_in_a_pack_is_told_to_the_files_it_touches() {
        let losses = [Loss {
            segments: 3..5,
            content: 100..200,
        }];
        assert_eq!(Loss::within(&losses, &(0..100)), []);
        assert_eq!(Loss::within(&losses, &(200..200)), []);
        assert_eq!(Loss::within(&losses, &(90..110))[0].content, 10..20);
        assert_eq!(Loss::within(&losses, &(150..300))[0].content, 0..50);
    }

    #[test]
    fn a_loss_says_which_segment_at_which_position() {
        let loss = Loss {
            segments: 2..3,
            content: 1_048_512..1_572_768,
        };
        assert_eq!(
            loss.sentence(),
            "  segment 2 (byte 1048576 of the sealed body): bytes 1048512 to 1572767 of the file are lost"
        );
    }
}
