//! One attempt at one part: its bytes go through the door and into the docroot, in the order of their lane.
//!
//! At the [`door`] the framing of every segment and of the seal is checked as the bytes pass, and each segment's
//! (IV, tag) pair is picked up on the way. Nothing is buffered for it.

use std::sync::Arc;

use bytes::Bytes;
use sealift_docroot::{DocrootError, PartWriter, Receipt};
use sealift_protocol::format::PartReader;
use sealift_protocol::limits::SEAL_BYTES;
use sealift_protocol::message::Transport;
use sealift_protocol::{Code, Pair};
use tokio::sync::{Mutex, Notify};

use crate::door;
use crate::metrics::Metrics;
use crate::records::Transports;

/// Bytes of the seal.
const SEAL: usize = SEAL_BYTES as usize;

/// An open attempt.
pub(crate) struct OpenAttempt {
    work: Mutex<Work>,
    changed: Notify,
}

struct Work {
    state: State,
    reader: Option<PartReader>,
    left: u64,
    /// The last 48 bytes so far, of a file's last part: in the end, the seal.
    tail: Option<Vec<u8>>,
    /// What its bytes came over.
    transports: Transports,
    metrics: Arc<Metrics>,
}

enum State {
    Writing(PartWriter),
    Failed(Code),
    /// Ended, or handed over to be made durable. Bytes that come now are dropped.
    Over,
}

/// What a durable attempt has stored.
pub(crate) struct Arrived {
    pub(crate) pairs: Vec<Pair>,
    pub(crate) seal: Option<[u8; SEAL]>,
    pub(crate) transports: Transports,
    pub(crate) receipt: Option<Receipt>,
}

impl OpenAttempt {
    pub(crate) fn new(
        writer: PartWriter,
        reader: PartReader,
        length: u64,
        is_last: bool,
        metrics: Arc<Metrics>,
    ) -> Self {
        let work = Work {
            state: State::Writing(writer),
            reader: Some(reader),
            left: length,
            tail: is_last.then(Vec::new),
            transports: Transports::default(),
            metrics,
        };
        Self {
            work: Mutex::new(work),
            changed: Notify::new(),
        }
    }

    /// Checks and writes the next bytes; `hold` is dropped when they are written. Bytes of an attempt that is
    /// over are dropped.
    ///
    /// # Errors
    ///
    /// [`Code::BadFraming`], or why the docroot did not take them. The attempt has failed then.
    pub(crate) async fn write(
        &self,
        slices: Vec<Bytes>,
        transport: Transport,
        hold: impl Send + 'static,
    ) -> Result<(), Code> {
        let mut work = self.work.lock().await;
        work.transports.add(transport);
        let result = work.write(slices, hold).await;
        if let Err(code) = result {
            work.end(State::Failed(code)).await;
        }
        if result.is_err() || work.left == 0 {
            self.changed.notify_waiters();
        }
        result
    }

    /// Waits until all bytes have arrived and are durable (S6). `Err(None)`: the attempt was ended.
    pub(crate) async fn durable(&self) -> Result<Arrived, Option<Code>> {
        let (writer, reader, tail, transports, metrics) = loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let mut work = self.work.lock().await;
                if let State::Failed(code) = work.state {
                    return Err(Some(code));
                }
                if work.left == 0 || matches!(work.state, State::Over) {
                    let State::Writing(writer) = std::mem::replace(&mut work.state, State::Over)
                    else {
                        return Err(None);
                    };
                    let (reader, tail) = (work.reader.take(), work.tail.take());
                    break (
                        writer,
                        reader,
                        tail,
                        work.transports,
                        Arc::clone(&work.metrics),
                    );
                }
            }
            changed.await;
        };
        let pairs = door::pass(&metrics, door::End(reader.ok_or(None)?)).map_err(Some)?;
        let receipt = writer
            .durable()
            .await
            .map_err(|error| Some(storage_code(&error)))?;
        let seal = tail.and_then(|tail| tail.try_into().ok());
        Ok(Arrived {
            pairs,
            seal,
            transports,
            receipt,
        })
    }

    /// Ends the attempt; returns when its last write has ended (S2).
    pub(crate) async fn stop(&self) {
        self.work.lock().await.end(State::Over).await;
        self.changed.notify_waiters();
    }
}

impl Work {
    async fn write(&mut self, slices: Vec<Bytes>, hold: impl Send + 'static) -> Result<(), Code> {
        let (State::Writing(writer), Some(reader)) = (&mut self.state, &mut self.reader) else {
            return Ok(());
        };
        let slices = door::pass(&self.metrics, door::Content { reader, slices })?;
        let length: u64 = slices.get().iter().map(|slice| slice.len() as u64).sum();
        if let Some(tail) = &mut self.tail {
            keep_last(tail, slices.get());
        }
        door::write(writer, slices, hold)
            .await
            .map_err(|error| storage_code(&error))?;
        self.left = self.left.saturating_sub(length);
        Ok(())
    }

    async fn end(&mut self, state: State) {
        if let State::Writing(writer) = std::mem::replace(&mut self.state, state) {
            writer.stop().await;
        }
    }
}

/// Keeps the last 48 bytes of everything that passed.
fn keep_last(tail: &mut Vec<u8>, slices: &[Bytes]) {
    for slice in slices {
        tail.extend_from_slice(&slice[slice.len().saturating_sub(SEAL)..]);
        tail.drain(..tail.len().saturating_sub(SEAL));
    }
}

/// The code that a person sees; the cause goes to the log.
pub(crate) fn storage_code(error: &DocrootError) -> Code {
    let code = match Code::parse(error.code()) {
        Code::Unknown => Code::StorageFailed,
        code => code,
    };
    if code != Code::StorageFull {
        tracing::error!(%error, who = error.who(), "the docroot failed");
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seal_is_kept_however_the_bytes_are_cut() {
        let bytes: Vec<u8> = (0..200).collect();
        for cut in [1, 7, 47, 48, 49, 200] {
            let mut tail = Vec::new();
            for slice in bytes.chunks(cut) {
                keep_last(&mut tail, &[Bytes::copy_from_slice(slice)]);
            }
            assert_eq!(tail, bytes[152..]);
        }
    }
}
