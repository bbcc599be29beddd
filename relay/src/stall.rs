//! A connection that is cut when its client says nothing at first, or takes too little for too long.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use sealift_protocol::limits::{REQUEST_MAX, STALL_MAX};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// What a reader must take while the relay waits for it for [`STALL_MAX`]: about 2 KiB/s.
const TAKEN_BYTES_MIN: usize = 640 << 10;

/// Wraps a connection.
pub(crate) struct Stalling<S> {
    inner: S,
    /// Runs while a write is waiting.
    deadline: Option<Pin<Box<Sleep>>>,
    /// How long writes may still wait until [`TAKEN_BYTES_MIN`] are taken, and how many were.
    left: Duration,
    taken: usize,
    /// Runs until the first byte: the HTTP server measures time only from there.
    first: Option<Pin<Box<Sleep>>>,
}

impl<S> Stalling<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self {
            inner,
            deadline: None,
            left: STALL_MAX,
            taken: 0,
            first: Some(Box::pin(sleep(REQUEST_MAX))),
        }
    }

    /// Passes an answer on; one that keeps waiting becomes an error in the end. Time counts only while a write
    /// waits, so that a connection with nothing to say is left alone.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        answer: Poll<io::Result<T>>,
        taken: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(result) = &answer {
            if let Some(deadline) = self.deadline.take() {
                let now = Instant::now();
                self.left = deadline.deadline().saturating_duration_since(now);
            }
            self.taken += result.as_ref().map_or(0, taken);
            if self.taken >= TAKEN_BYTES_MIN {
                (self.left, self.taken) = (STALL_MAX, 0);
            }
            return answer;
        }
        let left = self.left;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(left)));
        if deadline.deadline() > Instant::now() {
            ready!(deadline.as_mut().poll(context));
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stalling<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let answer = Pin::new(&mut self.inner).poll_read(context, into);
        match &mut self.first {
            Some(first) if answer.is_pending() => {
                ready!(first.as_mut().poll(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            _ => {
                self.first = None;
                answer
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stalling<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let answer = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.watch(context, answer, |written| *written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let answer = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.watch(context, answer, |written| *written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let answer = Pin::new(&mut self.inner).poll_flush(context);
        self.watch(context, answer, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let answer = Pin::new(&mut self.inner).poll_shutdown(context);
        self.watch(context, answer, |()| 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt as _;

    /// Writes to a reader that takes so many bytes every so often; whether it was served to the end.
    async fn serve(piece: usize, every: Duration, total: usize) -> bool {
        let (near, mut far) = tokio::io::duplex(piece);
        let mut near = Stalling::new(near);
        let reader = tokio::spawn(async move {
            let mut bytes = vec![0; piece];
            while tokio::io::AsyncReadExt::read_exact(&mut far, &mut bytes)
                .await
                .is_ok()
            {
                tokio::time::sleep(every).await;
            }
        });
        let written = near.write_all(&vec![0; total]).await;
        reader.abort();
        match written {
            Ok(()) => true,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                false
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_or_a_trickle_is_cut_and_a_slow_one_is_not() {
        let second = Duration::from_secs(1);
        assert!(serve(4 << 10, second, 4 << 20).await, "4 KiB/s");
        assert!(!serve(1, second, 4 << 10).await, "1 B/s");
        assert!(!serve(1 << 10, STALL_MAX * 2, 4 << 10).await, "nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_with_nothing_to_say_is_left_alone() {
        let (near, mut far) = tokio::io::duplex(8);
        let mut near = Stalling::new(near);
        let reader = tokio::spawn(async move {
            for _ in 0..20 {
                tokio::time::sleep(Duration::from_secs(10)).await;
                tokio::io::AsyncReadExt::read_exact(&mut far, &mut [0; 8])
                    .await
                    .unwrap();
            }
        });
        for _ in 0..20 {
            near.write_all(&[0; 8]).await.unwrap();
            tokio::time::sleep(STALL_MAX).await;
        }
        reader.await.unwrap();
    }
}
