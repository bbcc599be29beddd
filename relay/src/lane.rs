//! One lane, whatever it travels on: frames in, answers out, at most about two slices of data in memory.
//!
//! Reading and writing are separate, so that an answer never waits for data. A lane that says nothing for a
//! minute, or does not read what it is told, is closed.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use sealift_protocol::Code;
use sealift_protocol::frame::{Decoder, Frame, control_frame};
use sealift_protocol::limits::{ANSWER_MAX, HELLO_MAX, LANE_IDLE_MAX};
use sealift_protocol::message::{ClientMessage, Hello, RelayMessage, Transport};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until, timeout};

use crate::budget::Budget;
use crate::package::{Closed, Lane};
use crate::relay::Relay;

/// Small pieces of data are gathered up to this before they are written …
const GATHER_BYTES: usize = 256 << 10;
/// … or for so long: what comes in datagrams or in two messages is not written in two pieces.
const GATHER_FOR: Duration = Duration::from_millis(3);
/// … or so many of them: what they lie in is more than they are.
const GATHER_PIECES: usize = 1024;
/// Messages sent in one go.
const BATCH_MESSAGES: usize = 64;

/// Where answers go. A call that is given up half-way ends it.
pub(crate) trait Answers: Send + 'static {
    /// Sends frames; returns when the transport has taken them.
    fn send(&mut self, bytes: Bytes) -> impl Future<Output = Result<(), Unsent>> + Send;
    /// Says that nothing more will come.
    fn close(&mut self) -> impl Future<Output = ()> + Send;
}

/// The client is gone.
pub(crate) struct Unsent;

/// Serves a lane to its end.
pub(crate) async fn serve<I, O>(
    relay: Arc<Relay>,
    transport: Transport,
    mut input: I,
    mut output: O,
) where
    I: Stream<Item = Bytes> + Unpin + Send,
    O: Answers,
{
    let mut decoder = Decoder::new();
    let opened = async {
        let mut hello = timeout(HELLO_MAX, hello(&mut input, &mut decoder))
            .await
            .map_err(|_| Code::Malformed)??;
        // What is seen here is reported, not what a client says of itself.
        hello.transport = transport;
        relay.packages.admit(&relay, hello).await
    };
    let (lane, inbox) = match opened.await {
        Ok(opened) => opened,
        Err(code) => {
            tracing::debug!(code = code.as_str(), "a lane was refused");
            let refusal = control_frame(&RelayMessage::refused(code, None).encode()).into();
            let _ = timeout(ANSWER_MAX, output.send(refusal)).await;
            let _ = timeout(ANSWER_MAX, output.close()).await;
            return;
        }
    };
    let ended = Arc::new(Notify::new());
    let writer = tokio::spawn(write(output, inbox, Arc::clone(&ended)));
    let mut reader = Reader {
        lane,
        gathered: Gathered::new(),
        budget: &relay.budget,
        ended: &ended,
    };
    let end = reader.read(&mut input, &mut decoder).await;
    tracing::debug!(end, "a lane ended");
    let package = reader.lane.package_id();
    drop(reader);
    let _ = writer.await;
    relay.packages.forget_if_absent(package).await;
}

/// The first message, which must be a hello.
async fn hello(
    input: &mut (impl Stream<Item = Bytes> + Unpin),
    decoder: &mut Decoder,
) -> Result<Hello, Code> {
    loop {
        match decoder.next() {
            Ok(Some(Frame::Control(message))) => match ClientMessage::decode(&message) {
                Ok(ClientMessage::Hello(hello)) => return Ok(hello),
                _ => return Err(Code::Malformed),
            },
            Ok(None) => decoder.push(input.next().await.ok_or(Code::NetworkLost)?),
            _ => return Err(Code::Malformed),
        }
    }
}

/// Sends what the session says until it lets go of the lane.
async fn write<O: Answers>(
    mut output: O,
    mut inbox: mpsc::Receiver<RelayMessage>,
    ended: Arc<Notify>,
) {
    let mut batch = Vec::with_capacity(BATCH_MESSAGES);
    while inbox.recv_many(&mut batch, BATCH_MESSAGES).await > 0 {
        let mut bytes = BytesMut::new();
        for message in batch.drain(..) {
            bytes.extend_from_slice(&control_frame(&message.encode()));
        }
        if !matches!(
            timeout(ANSWER_MAX, output.send(bytes.freeze())).await,
            Ok(Ok(()))
        ) {
            break;
        }
    }
    ended.notify_one();
    let _ = timeout(ANSWER_MAX, output.close()).await;
}

/// Small pieces of data that will be written together.
struct Gathered {
    pieces: Vec<Bytes>,
    length: usize,
    /// When they are written at the latest.
    until: Instant,
}

impl Gathered {
    fn new() -> Self {
        Self {
            pieces: Vec::new(),
            length: 0,
            until: Instant::now(),
        }
    }

    fn add(&mut self, piece: Bytes) {
        if self.pieces.is_empty() {
            self.until = Instant::now() + GATHER_FOR;
        }
        self.length += piece.len();
        self.pieces.push(piece);
    }

    /// Whether there is enough of them, or they have waited long enough.
    fn is_due(&self) -> bool {
        self.length >= GATHER_BYTES
            || self.pieces.len() >= GATHER_PIECES
            || Instant::now() >= self.until
    }

    fn take(&mut self) -> Vec<Bytes> {
        self.length = 0;
        std::mem::take(&mut self.pieces)
    }
}

struct Reader<'a> {
    lane: Lane,
    gathered: Gathered,
    budget: &'a Budget,
    /// The client does not take answers any more, or was told the last one.
    ended: &'a Notify,
}

impl Reader<'_> {
    /// Reads frames until the lane ends; says why it did.
    async fn read(
        &mut self,
        input: &mut (impl Stream<Item = Bytes> + Unpin),
        decoder: &mut Decoder,
    ) -> &'static str {
        loop {
            loop {
                match decoder.next() {
                    Ok(None) => break,
                    Ok(Some(frame)) => {
                        if self.frame(frame).await.is_err() {
                            return "closed";
                        }
                    }
                    Err(_) => return "bad frame",
                }
            }
            let next = if self.gathered.pieces.is_empty() {
                tokio::select! {
                    next = timeout(LANE_IDLE_MAX, input.next()) => match next {
                        Ok(next) => next,
                        Err(_) => return "idle",
                    },
                    () = self.ended.notified() => return "ended",
                }
            } else if self.gathered.is_due() {
                match self.flush().await {
                    Ok(()) => continue,
                    Err(Closed) => return "closed",
                }
            } else if let Some(next) = input.next().now_or_never() {
                next
            } else {
                tokio::select! {
                    next = input.next() => next,
                    () = sleep_until(self.gathered.until) => continue,
                    () = self.ended.notified() => return "ended",
                }
            };
            match next {
                Some(chunk) => decoder.push(chunk),
                None => {
                    return if self.flush().await.is_ok() {
                        "gone"
                    } else {
                        "closed"
                    };
                }
            }
        }
    }

    async fn frame(&mut self, frame: Frame) -> Result<(), Closed> {
        match frame {
            Frame::Data(bytes) => {
                self.gathered.add(bytes);
                if self.gathered.is_due() {
                    self.flush().await
                } else {
                    Ok(())
                }
            }
            Frame::Control(bytes) => {
                self.flush().await?;
                let message = ClientMessage::decode(&bytes).map_err(|_| Closed)?;
                match &message {
                    ClientMessage::Hello(_) => return Err(Closed),
                    // This lane is simply not read while much is under way.
                    ClientMessage::Create(_)
                    | ClientMessage::AddFile { .. }
                    | ClientMessage::CommitFile { .. } => tokio::select! {
                        () = self.lane.room() => {}
                        () = self.ended.notified() => return Err(Closed),
                    },
                    _ => {}
                }
                self.lane.message(message);
                Ok(())
            }
        }
    }

    async fn flush(&mut self) -> Result<(), Closed> {
        let slices = self.gathered.take();
        if slices.is_empty() {
            return Ok(());
        }
        self.lane.data(slices, self.budget, self.ended).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_is_gathered_for_longer_than_3_ms_and_no_more_than_1024_pieces() {
        let mut gathered = Gathered::new();
        let byte = || Bytes::from_static(b"x");
        for _ in 0..GATHER_PIECES - 1 {
            gathered.add(byte());
        }
        assert!(!gathered.is_due());
        gathered.add(byte());
        assert!(gathered.is_due());
        assert_eq!(gathered.take().len(), GATHER_PIECES);

        gathered.add(Bytes::from(vec![0; GATHER_BYTES]));
        assert!(gathered.is_due());
        gathered.take();

        // A byte each millisecond does not put it off.
        for passed in 0..3 {
            gathered.add(byte());
            assert!(!gathered.is_due(), "{passed} ms");
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(gathered.is_due());
    }
}
