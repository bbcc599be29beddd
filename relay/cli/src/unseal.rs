//! Opens one body: segments in order from a reader to a writer, on all cores, then the seal.
//!
//! The last segment that holds more than padding is held back until the seal was verified (rule P2),
//! so whoever reads the output from a pipe never sees the end of something damaged or cut short.

use std::io::{self, Read};

use sealift_envelope::{FileOpener, SealBuilder};
use sealift_protocol::Pair;
use sealift_protocol::error::Code;
use sealift_protocol::limits::SEAL_BYTES;

use crate::failure::{Failure, Result};
use crate::pipeline::{self, Run};
use crate::seal::Seal;

/// Where sealed bytes come from: a file, standard input, or a relay.
pub(crate) trait Source: Read + Send {}
impl<T: Read + Send> Source for T {}

/// Opens the body of `opener`, whose first `earlier.len()` segments are done already, with the pairs
/// given. `write` gets the plaintext, without padding, and the pair of each further segment in order.
/// `accept` may refuse the seal after it was verified and before the last bytes are handed out.
///
/// # Errors
///
/// Damaged, cut short, a seal that does not fit, or whatever `write` and `accept` returned.
pub(crate) fn open_body(
    opener: &FileOpener,
    earlier: &[Pair],
    source: &mut dyn Source,
    mut write: impl FnMut(&Pair, &[u8]) -> Result<()> + Send,
    accept: impl FnOnce(&Seal) -> Result<()>,
    Run {
        workers,
        progress,
        stop,
    }: Run<'_>,
) -> Result<()> {
    let geometry = opener.geometry();
    let count = geometry.segment_count();
    let mut next = earlier.len() as u64;
    let mut pairs = SealBuilder::new();
    for pair in earlier {
        pairs.push(pair);
    }
    let bytes = opener.metadata().bytes;
    let held_from = (0..count)
        .rev()
        .find(|index| opener.source_range(*index).start < bytes)
        .unwrap_or(0);
    let mut held_back = Vec::new();
    pipeline::run(
        workers.for_pieces(count - next),
        stop,
        |buffer| {
            if next == count {
                return Ok(None);
            }
            buffer.resize(geometry.segment_sealed_bytes(next) as usize, 0);
            source
                .read_exact(buffer)
                .map_err(|error| unreadable(&error))?;
            next += 1;
            Ok(Some(next - 1))
        },
        |index, segment| Ok(opener.open_segment_in_place(*index, segment)?),
        |index, (pair, own), segment| {
            let plain = segment.get(own).unwrap_or_default();
            pairs.push(&pair);
            progress.add(plain.len() as u64);
            if index >= held_from {
                held_back.push((pair, plain.to_vec()));
                return Ok(());
            }
            write(&pair, plain)
        },
    )?;
    let mut seal: Seal = [0; SEAL_BYTES as usize];
    source
        .read_exact(&mut seal)
        .map_err(|error| unreadable(&error))?;
    opener.verify_seal(pairs, &seal)?;
    accept(&seal)?;
    for (pair, last) in held_back {
        write(&pair, &last)?;
    }
    Ok(())
}

/// The source ended early, or cannot be read. A source may carry a [`Failure`] of its own.
pub(crate) fn unreadable(error: &io::Error) -> Failure {
    Failure::carried(error).unwrap_or_else(|| match error.kind() {
        io::ErrorKind::UnexpectedEof => Failure::shared(Code::CutShort),
        _ => Failure::file("read", std::path::Path::new("the sealed file"), error),
    })
}

/// Reads exactly `count` bytes.
pub(crate) fn read_vec(source: &mut dyn Source, count: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(count).unwrap_or(usize::MAX)];
    source
        .read_exact(&mut bytes)
        .map_err(|error| unreadable(&error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Cause;
    use crate::pipeline::Workers;
    use crate::progress::Progress;
    use crate::protection::{random, rng};
    use crate::stop::Stop;
    use crate::terminal::{Terminal, Voice};
    use sealift_envelope::{FileSealer, Metadata, PackageKey};
    use sealift_protocol::format::Role;
    use sealift_protocol::{FileId, PackageId};

    /// A file and its body.
    fn sealed(bytes: usize) -> (FileOpener, Vec<u8>, Vec<u8>) {
        let key = PackageKey::generate(PackageId(random()), &mut rng());
        let metadata = Metadata {
            path: "a".to_owned(),
            ..Metadata::unnamed(bytes as u64)
        };
        let id = FileId(random());
        let (sealer, head) = FileSealer::new(&key, id, Role::File, &metadata, &mut rng()).unwrap();
        let plain: Vec<u8> = (0..bytes).map(|n| (n % 251) as u8).collect();
        let (mut body, mut pairs) = (Vec::new(), SealBuilder::new());
        for index in 0..sealer.geometry().segment_count() {
            let range = sealer.source_range(index);
            let piece = &plain[range.start as usize..range.end as usize];
            let pair = sealer.seal_segment(index, piece, &mut rng(), &mut body);
            pairs.push(&pair.unwrap());
        }
        body.extend(sealer.seal(pairs).unwrap());
        (FileOpener::new(&key, &head).unwrap(), plain, body)
    }

    /// What comes out, with a seal that the caller judges.
    fn opened(
        opener: &FileOpener,
        mut body: &[u8],
        accept: impl FnOnce(&Seal) -> Result<()>,
    ) -> (Vec<u8>, Result<()>) {
        let quiet = Terminal::new(Voice {
            json: false,
            quiet: true,
            no_progress: true,
        });
        let (stop, progress) = (Stop::never(), Progress::new(&quiet, "Opening", None));
        let mut out = Vec::new();
        let run = Run {
            workers: Workers::new(Some(2)),
            progress: &progress,
            stop: &stop,
        };
        let write = |_: &Pair, plain: &[u8]| {
            out.extend_from_slice(plain);
            Ok(())
        };
        let result = open_body(opener, &[], &mut body, write, accept, run);
        (out, result)
    }

    #[test]
    fn p2_the_end_is_handed_out_after_the_seal_was_accepted() {
        // The last: only padding in the last segment, so that the end lies one before it.
        for bytes in [0, 1, 524_256, 1_200_000, 20_971_600] {
            let (opener, plain, body) = sealed(bytes);
            let (out, result) = opened(&opener, &body, |_| Ok(()));
            result.unwrap();
            assert!(out == plain, "{bytes}");

            // Verified, but not the one that the manifest pins.
            let refuse = |_: &Seal| Err(Failure::shared(Code::ContentMismatch));
            let (out, result) = opened(&opener, &body, refuse);
            assert_eq!(result.unwrap_err().code, "content_mismatch");
            assert!(plain.starts_with(&out));
            assert!(bytes == 0 || out.len() < bytes, "{bytes}: its end came out");
        }
    }

    #[test]
    fn p2_a_bad_seal_keeps_the_end_back() {
        let (opener, plain, mut body) = sealed(1_200_000);
        let last = body.len() - 1;
        body[last] ^= 1;
        let (out, result) = opened(&opener, &body, |_| Ok(()));
        assert_eq!(result.unwrap_err().cause, Cause::Damaged);
        assert!(out.len() < plain.len() && plain.starts_with(&out));
    }
}
