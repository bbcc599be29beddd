//! Seals a stream of unknown length (rule F6) on all cores: it is cut into segments as it comes, and the last one is
//! known by reading one byte ahead.

use std::io::{self, Read, Write};
use std::path::Path;

use sealift_envelope::{OpenLengthSealer, SealBuilder};
use sealift_protocol::limits::{
    SEGMENT_BYTES, SEGMENT_OVERHEAD_BYTES, SEGMENT_PLAINTEXT_BYTES, SEGMENT_PREFIX_BYTES,
};

use crate::failure::{Failure, Result};
use crate::pipeline::{self, Run};
use crate::protection::rng;
use crate::seal::unwritable;
use crate::unseal::Source;

/// Plaintext of a full segment.
const FULL: usize = SEGMENT_PLAINTEXT_BYTES as usize;

/// Reads `source` to its end and writes segments and seal to `sink`. Memory: 512 KiB for each worker.
pub(crate) fn seal_stream(
    sealer: OpenLengthSealer,
    source: &mut dyn Source,
    sink: &mut (dyn Write + Send),
    Run {
        workers,
        progress,
        stop,
    }: Run<'_>,
) -> Result<()> {
    let mut segments = Segments::new(source);
    let mut pairs = SealBuilder::new();
    pipeline::run(
        workers.for_pieces(u64::MAX),
        stop,
        |buffer| segments.next(buffer).map_err(|error| unreadable(&error)),
        |segment, place| {
            let Segment { index, last } = *segment;
            Ok(sealer.seal_segment_in_place(index, last, place, &mut rng())?)
        },
        |_, pair, place| {
            pairs.push(&pair);
            sink.write_all(place).map_err(|error| unwritable(&error))?;
            progress.add((place.len() - SEGMENT_OVERHEAD_BYTES as usize) as u64);
            Ok(())
        },
    )?;
    sink.write_all(&sealer.seal(pairs))
        .map_err(|error| unwritable(&error))
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::carried(error)
        .unwrap_or_else(|| Failure::file("read", Path::new("standard input"), error))
}

/// Which segment a buffer holds.
struct Segment {
    index: u64,
    last: bool,
}

/// The padded stream, cut into segments.
struct Segments<'a> {
    content: Content<'a>,
    /// The first byte of the next segment.
    ahead: Option<u8>,
    index: u64,
    ended: bool,
}

impl<'a> Segments<'a> {
    fn new(source: &'a mut dyn Source) -> Self {
        let content = Content {
            source,
            bytes: 0,
            end: None,
        };
        Self {
            content,
            ahead: None,
            index: 0,
            ended: false,
        }
    }

    /// Puts the next segment's plaintext where it will be sealed: after room for prefix and IV, before room for the tag.
    fn next(&mut self, buffer: &mut Vec<u8>) -> io::Result<Option<Segment>> {
        if self.ended {
            return Ok(None);
        }
        buffer.resize(SEGMENT_BYTES as usize, 0);
        let place = &mut buffer[SEGMENT_PREFIX_BYTES..SEGMENT_PREFIX_BYTES + FULL];
        let mut filled = 0;
        if let Some(byte) = self.ahead.take() {
            place[0] = byte;
            filled = 1;
        }
        filled += fill(&mut self.content, &mut place[filled..])?;
        let mut byte = [0];
        if filled == FULL && fill(&mut self.content, &mut byte)? == 1 {
            self.ahead = Some(byte[0]);
        } else {
            self.ended = true;
            buffer.truncate(filled + SEGMENT_OVERHEAD_BYTES as usize);
        }
        self.index += 1;
        Ok(Some(Segment {
            index: self.index - 1,
            last: self.ended,
        }))
    }
}

/// Reads until the place is full or the source has ended.
fn fill(source: &mut impl Read, place: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < place.len() {
        match source.read(&mut place[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

/// The data, then zeros, then its length.
struct Content<'a> {
    source: &'a mut dyn Source,
    /// Bytes of data so far.
    bytes: u64,
    end: Option<End>,
}

/// What follows the data.
type End = io::Chain<io::Take<io::Repeat>, io::Cursor<[u8; 8]>>;

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(end) = &mut self.end {
            return end.read(buffer);
        }
        let count = self.source.read(buffer)?;
        self.bytes += count as u64;
        if count > 0 || buffer.is_empty() {
            return Ok(count);
        }
        let zeros = OpenLengthSealer::zeros_after(self.bytes)
            .map_err(|error| io::Error::other(Failure::from(error)))?;
        let length = io::Cursor::new(self.bytes.to_be_bytes());
        let end = self.end.insert(io::repeat(0).take(zeros).chain(length));
        end.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All segments of a stream that comes in pieces of some size.
    fn segments(bytes: usize, piece: usize) -> Vec<(Vec<u8>, bool)> {
        struct Pieces(Vec<u8>, usize);
        impl Read for Pieces {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let count = self.1.min(self.0.len()).min(buffer.len());
                buffer[..count].copy_from_slice(&self.0[..count]);
                self.0.drain(..count);
                Ok(count)
            }
        }
        let mut source = Pieces(vec![7; bytes], piece);
        let mut segments = Segments::new(&mut source);
        let (mut all, mut buffer) = (Vec::new(), vec![9; 3]);
        while let Some(segment) = segments.next(&mut buffer).unwrap() {
            assert_eq!(segment.index, all.len() as u64);
            let end = buffer.len() - 16;
            all.push((buffer[SEGMENT_PREFIX_BYTES..end].to_vec(), segment.last));
        }
        all
    }

    #[test]
    fn every_segment_but_the_last_is_full_and_the_length_ends_it() {
        for bytes in [0, 1, FULL - 8, FULL - 7, FULL, 2 * FULL + 1] {
            let all = segments(bytes, 100_000);
            let (last, others) = all.split_last().unwrap();
            assert!(
                last.1
                    && others
                        .iter()
                        .all(|(plain, last)| plain.len() == FULL && !last)
            );
            let content: Vec<u8> = all.iter().flat_map(|(plain, _)| plain.clone()).collect();
            assert_eq!(content[..bytes], vec![7; bytes]);
            assert_eq!(content[content.len() - 8..], (bytes as u64).to_be_bytes());
            assert!(
                content[bytes..content.len() - 8]
                    .iter()
                    .all(|byte| *byte == 0)
            );
        }
    }
}
