//! Standard input as a source. It is read a little ahead on a thread of its own, so that Ctrl-C ends a command that
//! waits for a pipe which says nothing, and so that reading and working overlap.
//!
//! Memory: at most four pieces of 256 KiB.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use crate::stop::Stop;

/// Read at once.
const PIECE_BYTES: usize = 256 * 1024;
/// Pieces that may wait.
const AHEAD: usize = 2;
/// How long a wish to stop may go unnoticed.
const LOOK: Duration = Duration::from_millis(100);

/// Standard input.
pub(crate) struct Pipe {
    pieces: Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    taken: usize,
    stop: Stop,
}

impl Pipe {
    /// Begins to read it.
    pub(crate) fn stdin() -> Self {
        Self::of(io::stdin())
    }

    fn of(mut source: impl Read + Send + 'static) -> Self {
        let (give, pieces) = sync_channel(AHEAD);
        std::thread::spawn(move || {
            loop {
                let mut piece = vec![0; PIECE_BYTES];
                let read = match source.read(&mut piece) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    read => read,
                };
                let ended = matches!(read, Ok(0) | Err(_));
                let piece = read.map(|count| {
                    piece.truncate(count);
                    piece
                });
                // Nobody takes it any more: the command has ended.
                if give.send(piece).is_err() || ended {
                    return;
                }
            }
        });
        Self {
            pieces,
            piece: Vec::new(),
            taken: 0,
            stop: Stop::never(),
        }
    }

    /// Ends the waiting when the person asks to stop.
    pub(crate) fn until(&mut self, stop: &Stop) {
        self.stop = stop.clone();
    }

    /// The next piece; empty at the end.
    fn next(&mut self) -> io::Result<Vec<u8>> {
        loop {
            self.stop.check().map_err(io::Error::other)?;
            match self.pieces.recv_timeout(LOOK) {
                Ok(piece) => return piece,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(Vec::new()),
            }
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.piece.len() {
            self.piece = self.next()?;
            self.taken = 0;
        }
        let left = self.piece.get(self.taken..).unwrap_or_default();
        let count = left.len().min(buffer.len());
        let (from, to) = (left.get(..count), buffer.get_mut(..count));
        if let (Some(from), Some(to)) = (from, to) {
            to.copy_from_slice(from);
        }
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_was_there() {
        let bytes: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8).collect();
        let mut read = Vec::new();
        let mut pipe = Pipe::of(io::Cursor::new(bytes.clone()));
        pipe.read_to_end(&mut read).unwrap();
        assert!(read == bytes);
        assert_eq!(pipe.read(&mut [0; 9]).unwrap(), 0, "it stays at its end");
    }

    #[test]
    fn an_error_of_the_source_is_passed_on() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::IsADirectory.into())
            }
        }
        let error = Pipe::of(Broken).read(&mut [0; 9]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    }
}
