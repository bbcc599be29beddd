//! One file, resumable over runs: its temporary file holds plaintext, another beside it (`….pairs`)
//! the pair of each segment in it (rule P2).
//!
//! A later run believes neither: every segment in the part is compared with its pair, and what does
//! not match is fetched again. The seal is then computed over all pairs, kept and new.

use std::fs::File;
use std::io::Read;

use sealift_envelope::FileOpener;
use sealift_protocol::Pair;
use sealift_protocol::limits::PAIR_BYTES;

use super::fetch::Stream;
use crate::contents::{Contents, append};
use crate::failure::{Cause, Failure, Result};
use crate::part::{PartFile, write_at};
use crate::pipeline::Run;
use crate::seal::Seal;
use crate::stop::Stop;
use crate::unseal::open_body;

/// First bytes of the pairs file: whose pairs they are.
const OWNER_BYTES: usize = 32;

/// Receives the one file in `sealed`. `first` is a stream that stands at the start of its body, if there
/// is one; `from` opens one anywhere in it.
pub(super) fn receive_file(
    contents: &mut Contents,
    sealed: usize,
    opener: &FileOpener,
    first: Option<Stream>,
    from: &dyn Fn(u64) -> Stream,
    run: Run<'_>,
) -> Result<()> {
    let (file, target) = contents.sole_member(sealed)?;
    let path = contents.path(file);
    let name = contents.part_name(file);
    let part = target.resume(path, &name)?;
    let notes = target.resume(path, &format!("{name}.pairs"))?;
    let pairs = proven(opener, part.file(), notes.file(), run.stop)?;
    let done = pairs.len() as u64;
    let mut offset = opener.source_range(done).start.min(opener.metadata().bytes);
    if done == opener.geometry().segment_count() {
        offset = opener.metadata().bytes;
    }
    run.progress.add(offset);
    cut_to(&part, offset)?;
    start_notes(opener, &notes, &pairs)?;
    let mut noted = (OWNER_BYTES + pairs.len() * PAIR_BYTES) as u64;

    let mut stream = match first {
        Some(first) if done == 0 => first,
        _ => from(opener.geometry().segment_offset(done)),
    };
    let write = |pair: &Pair, plain: &[u8]| {
        append(&part, plain, &mut offset)?;
        write_at(notes.file(), &pair.to_bytes(), noted)
            .map_err(|error| Failure::file("write", notes.shown(), &error))?;
        noted += PAIR_BYTES as u64;
        Ok(())
    };
    let accept = |seal: &Seal| contents.check_seal(sealed, seal);
    let outcome = open_body(opener, &pairs, &mut stream, write, accept, run);
    match outcome {
        Ok(()) => {
            contents.finish(file, part)?;
            contents.mark_written(sealed);
            drop(notes); // Removes it.
            Ok(())
        }
        Err(failure) => {
            // What was opened is genuine and stays for the next run, unless it was this that failed.
            if matches!(
                failure.cause,
                Cause::Network | Cause::Cancelled | Cause::CutShort
            ) {
                part.keep();
                notes.keep();
            }
            Err(contents.about_file(file, failure))
        }
    }
}

/// The pairs of the leading segments whose plaintext is in `part` and fits them.
fn proven(opener: &FileOpener, part: &File, notes: &File, stop: &Stop) -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    let Some(noted) = read_notes(opener, notes) else {
        return Ok(pairs);
    };
    let mut part = part;
    let mut plain = Vec::new();
    for (index, pair) in (0..opener.geometry().segment_count()).zip(noted) {
        stop.check()?;
        let range = opener.source_range(index);
        plain.resize(
            usize::try_from(range.end - range.start).unwrap_or(usize::MAX),
            0,
        );
        if part.read_exact(&mut plain).is_err() || !opener.matches(index, &pair, &plain)? {
            break;
        }
        pairs.push(pair);
    }
    Ok(pairs)
}

/// The pairs noted for this very file, or none.
fn read_notes(opener: &FileOpener, mut notes: &File) -> Option<Vec<Pair>> {
    let mut bytes = Vec::new();
    let bytes_max = OWNER_BYTES as u64 + opener.geometry().segment_count() * PAIR_BYTES as u64;
    notes
        .by_ref()
        .take(bytes_max)
        .read_to_end(&mut bytes)
        .ok()?;
    let (owner, rest) = bytes.split_first_chunk::<OWNER_BYTES>()?;
    let pairs = rest
        .chunks_exact(PAIR_BYTES)
        .filter_map(|pair| pair.try_into().ok());
    (*owner == opener.file().0).then(|| pairs.map(Pair::from_bytes).collect())
}

fn start_notes(opener: &FileOpener, notes: &PartFile, pairs: &[Pair]) -> Result<()> {
    let mut bytes = opener.file().0.to_vec();
    pairs
        .iter()
        .for_each(|pair| bytes.extend_from_slice(&pair.to_bytes()));
    cut_to(notes, bytes.len() as u64)?;
    write_at(notes.file(), &bytes, 0).map_err(|error| Failure::file("write", notes.shown(), &error))
}

fn cut_to(part: &PartFile, bytes: u64) -> Result<()> {
    part.file()
        .set_len(bytes)
        .map_err(|error| Failure::file("write", part.shown(), &error))
}
