//! Read in order, work in parallel, write in order: the one loop under sealing and opening.
//!
//! Memory stays flat: each worker owns one buffer, in which a piece is read, worked on where it lies
//! and written, so it stays in the core's own cache; a worker whose piece is not next to be written
//! waits instead of taking another one.

use std::num::NonZero;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::failure::{Failure, Result};
use crate::progress::Progress;
use crate::stop::Stop;

/// More workers than this gain nothing: the disk or the pipe is the limit by then.
const WORKERS_DEFAULT_MAX: usize = 8;

/// How many workers a command may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workers(usize);

impl Workers {
    /// As many as were asked for, or as are worth starting on this computer.
    pub(crate) fn new(asked: Option<u16>) -> Self {
        let available = || std::thread::available_parallelism().map_or(1, NonZero::get);
        Self(asked.map_or_else(|| available().min(WORKERS_DEFAULT_MAX), usize::from))
    }

    /// No more than there are pieces.
    pub(crate) fn for_pieces(self, count: u64) -> usize {
        self.0.min(usize::try_from(count).unwrap_or(usize::MAX))
    }
}

/// How a command works on content.
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    /// By how many workers.
    pub(crate) workers: Workers,
    /// Shown by this.
    pub(crate) progress: &'a Progress,
    /// Stopped by this.
    pub(crate) stop: &'a Stop,
}

struct Reading<R> {
    read: R,
    next: u64,
    ended: bool,
}

struct Writing<W> {
    write: W,
    next: u64,
    failure: Option<Failure>,
}

/// Runs every piece through `read`, `work` and `write`.
///
/// `read` fills the buffer and describes the piece, or returns `None` at the end. `work` changes the
/// buffer in place and returns a finding. `write` gets both in the order of reading. A buffer comes
/// back with what an earlier piece left in it. The first failure ends the run and is returned.
pub(crate) fn run<P: Send, F>(
    workers: usize,
    stop: &Stop,
    read: impl FnMut(&mut Vec<u8>) -> Result<Option<P>> + Send,
    work: impl Fn(&P, &mut [u8]) -> Result<F> + Sync,
    write: impl FnMut(P, F, &[u8]) -> Result<()> + Send,
) -> Result<()> {
    let reading = Mutex::new(Reading {
        read,
        next: 0,
        ended: false,
    });
    let writing = Mutex::new(Writing {
        write,
        next: 0,
        failure: None,
    });
    let turn = Condvar::new();

    let one_worker = || {
        let mut buffer = Vec::new();
        loop {
            let (number, outcome) = {
                let mut source = locked(&reading);
                if source.ended {
                    return;
                }
                let piece = stop.check().and_then(|()| (source.read)(&mut buffer));
                let number = source.next;
                source.next += 1;
                match piece {
                    Ok(Some(piece)) => (number, Ok(piece)),
                    Ok(None) => {
                        source.ended = true;
                        return;
                    }
                    Err(failure) => {
                        source.ended = true;
                        (number, Err(failure))
                    }
                }
            };
            let outcome =
                outcome.and_then(|piece| work(&piece, &mut buffer).map(|found| (piece, found)));
            let mut sink = locked(&writing);
            while sink.next != number && sink.failure.is_none() {
                sink = turn.wait(sink).unwrap_or_else(PoisonError::into_inner);
            }
            if sink.failure.is_some() {
                return;
            }
            sink.next += 1;
            if let Err(failure) =
                outcome.and_then(|(piece, found)| (sink.write)(piece, found, &buffer))
            {
                sink.failure = Some(failure);
                locked_end(&reading);
            }
            drop(sink);
            turn.notify_all();
        }
    };

    if workers <= 1 {
        one_worker();
    } else {
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(one_worker);
            }
        });
    }
    match writing
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .failure
    {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets no worker take another piece. Does not wait for one that is reading: it finds out in its turn.
fn locked_end<R>(reading: &Mutex<Reading<R>>) {
    if let Ok(mut source) = reading.try_lock() {
        source.ended = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Cause;

    fn doubled(workers: usize, fail_at: Option<u64>) -> (Vec<u8>, Result<()>) {
        let mut next = 0u8;
        let mut written = Vec::new();
        let result = run(
            workers,
            &Stop::never(),
            |buffer| {
                if next == 200 {
                    return Ok(None);
                }
                buffer.clear();
                buffer.push(next);
                next += 1;
                Ok(Some(u64::from(next - 1)))
            },
            |piece, buffer| {
                if Some(*piece) == fail_at {
                    return Err(Failure::new(Cause::Damaged, "piece", ""));
                }
                if piece % 7 == 0 {
                    std::thread::yield_now();
                }
                buffer[0] = !buffer[0];
                Ok(())
            },
            |_, (), buffer| {
                written.extend(buffer.iter().map(|byte| !byte));
                Ok(())
            },
        );
        (written, result)
    }

    #[test]
    fn output_keeps_the_order_of_input() {
        for workers in [1, 2, 8] {
            let (written, result) = doubled(workers, None);
            result.unwrap();
            assert_eq!(written, (0..200).collect::<Vec<u8>>());
        }
    }

    #[test]
    fn nothing_after_a_failed_piece_is_written() {
        for workers in [1, 2, 8] {
            let (written, result) = doubled(workers, Some(50));
            assert_eq!(result.unwrap_err().cause, Cause::Damaged);
            assert_eq!(written, (0..50).collect::<Vec<u8>>());
        }
    }
}
