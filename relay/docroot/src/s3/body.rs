//! A request's body that is sent as it arrives: known length, nothing buffered but one piece.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep};

/// A sender that says nothing for so long loses its part; S3 itself would cut it after 20 seconds.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// Some bytes of the body, and what is to be let go when they are taken.
pub(super) struct Piece {
    pub(super) slices: Vec<Bytes>,
    pub(super) hold: Box<dyn Send>,
}

/// The body of one request.
pub(super) struct PartBody {
    // Never locked: only to be `Sync`, as the client library demands.
    inner: Mutex<Inner>,
    left: u64,
}

struct Inner {
    pieces: mpsc::Receiver<Piece>,
    ready: VecDeque<Bytes>,
    hold: Option<Box<dyn Send>>,
    silence: Pin<Box<Sleep>>,
}

impl PartBody {
    /// A body of exactly `length_bytes`, and the end to send it by. The channel holds one piece.
    pub(super) fn new(length_bytes: u64) -> (mpsc::Sender<Piece>, Self) {
        let (sender, pieces) = mpsc::channel(1);
        let inner = Inner {
            pieces,
            ready: VecDeque::new(),
            hold: None,
            silence: Box::pin(sleep(SILENCE_MAX)),
        };
        let body = Self {
            inner: Mutex::new(inner),
            left: length_bytes,
        };
        (sender, body)
    }
}

impl Body for PartBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let next = match self.inner.get_mut() {
            Ok(inner) => inner.poll_next(context),
            Err(_) => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        };
        next.map(|bytes| {
            Some(bytes.map(|bytes| {
                self.left = self.left.saturating_sub(bytes.len() as u64);
                Frame::data(bytes)
            }))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Inner {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                if self.ready.is_empty() {
                    self.hold = None;
                }
                if bytes.is_empty() {
                    continue;
                }
                self.silence.as_mut().reset(Instant::now() + SILENCE_MAX);
                return Poll::Ready(Ok(bytes));
            }
            match self.pieces.poll_recv(context) {
                Poll::Ready(Some(piece)) => {
                    self.ready.extend(piece.slices);
                    self.hold = Some(piece.hold);
                }
                // The part was given up: the request is cut, and the server keeps nothing of it.
                Poll::Ready(None) => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                Poll::Pending => {
                    return self
                        .silence
                        .as_mut()
                        .poll(context)
                        .map(|()| Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    async fn frame(body: &mut PartBody) -> Option<io::Result<Bytes>> {
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await;
        frame.map(|frame| frame.map(|frame| frame.into_data().unwrap_or_default()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_ends_at_its_length_and_lets_go_of_what_it_held() {
        let (sender, mut body) = PartBody::new(5);
        let held = std::sync::Arc::new(());
        let piece = Piece {
            slices: vec![Bytes::from_static(b"abc"), Bytes::from_static(b"de")],
            hold: Box::new(std::sync::Arc::clone(&held)),
        };
        assert!(sender.send(piece).await.is_ok());
        assert_eq!(body.size_hint().exact(), Some(5));
        assert_eq!(frame(&mut body).await.unwrap().unwrap(), "abc");
        assert_eq!(std::sync::Arc::strong_count(&held), 2);
        assert_eq!(frame(&mut body).await.unwrap().unwrap(), "de");
        assert_eq!(std::sync::Arc::strong_count(&held), 1);
        assert!(body.is_end_stream() && frame(&mut body).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_or_vanished_sender_cuts_the_request() {
        let (sender, mut body) = PartBody::new(5);
        let error = frame(&mut body).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(sender);
        let error = frame(&mut body).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
