//! Seals one body: segments in order from a reader to a writer, on all cores, then the seal.

use std::io::{self, Read, Write};
use std::path::Path;

use sealift_envelope::{FileSealer, SealBuilder};
use sealift_protocol::error::Code;
use sealift_protocol::limits::{SEAL_BYTES, SEGMENT_PREFIX_BYTES};

use crate::failure::{Failure, Result};
use crate::pipeline::{self, Run};
use crate::protection::rng;

/// The seal that ends a body.
pub(crate) type Seal = [u8; SEAL_BYTES as usize];

/// Reads the file of `sealer` from `source` and writes its body to `sink`. Returns the seal.
///
/// `shown` names the source in errors. Memory: 512 KiB for each worker.
///
/// # Errors
///
/// [`Code::FileChanged`] when the source is not exactly as long as the head says.
pub(crate) fn seal_body(
    sealer: &FileSealer,
    source: &mut (dyn Read + Send),
    shown: &Path,
    sink: &mut (dyn Write + Send),
    Run {
        workers,
        progress,
        stop,
    }: Run<'_>,
) -> Result<Seal> {
    let count = sealer.geometry().segment_count();
    let mut next = 0;
    let mut pairs = SealBuilder::new();
    pipeline::run(
        workers.for_pieces(count),
        stop,
        |buffer| {
            if next == count {
                return Ok(None);
            }
            // Read where it will be sealed, after room for prefix and IV.
            buffer.resize(sealer.geometry().segment_sealed_bytes(next) as usize, 0);
            let source_end = SEGMENT_PREFIX_BYTES + length(sealer.source_range(next));
            let place = &mut buffer[SEGMENT_PREFIX_BYTES..source_end];
            source
                .read_exact(place)
                .map_err(|error| unreadable(shown, &error))?;
            next += 1;
            Ok(Some(next - 1))
        },
        |index, segment| Ok(sealer.seal_segment_in_place(*index, segment, &mut rng())?),
        |index, pair, segment| {
            pairs.push(&pair);
            sink.write_all(segment)
                .map_err(|error| unwritable(&error))?;
            progress.add(length(sealer.source_range(index)) as u64);
            Ok(())
        },
    )?;
    // A source checks itself once more when its end is asked for.
    match source.read(&mut [0]) {
        Ok(0) => {}
        Ok(_) => return Err(changed(shown)),
        Err(error) => return Err(unreadable(shown, &error)),
    }
    let seal = sealer.seal(pairs)?;
    sink.write_all(&seal).map_err(|error| unwritable(&error))?;
    Ok(seal)
}

/// Length of a range of at most one segment.
pub(crate) fn length(range: std::ops::Range<u64>) -> usize {
    usize::try_from(range.end - range.start).unwrap_or(usize::MAX)
}

/// The source ended early, or cannot be read. A source may carry a [`Failure`] of its own.
fn unreadable(place: &Path, error: &io::Error) -> Failure {
    Failure::carried(error).unwrap_or_else(|| match error.kind() {
        io::ErrorKind::UnexpectedEof => changed(place),
        _ => Failure::file("read", place, error),
    })
}

/// The source is not what it was when sealing began.
fn changed(place: &Path) -> Failure {
    Failure::shared(Code::FileChanged).about(&place.display().to_string())
}

/// The target cannot be written; its name is known further out.
pub(crate) fn unwritable(error: &io::Error) -> Failure {
    Failure::file("write", Path::new("the output"), error)
}
