//! A connection that is cut when its client says nothing at first, or takes nothing for too long.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sealift_protocol::limits::{REQUEST_MAX, STALL_MAX};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// Wraps a connection.
pub(crate) struct Stalling<S> {
    inner: S,
    /// Runs while a write is waiting.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Runs until the first byte: the HTTP server measures time only from there.
    first: Option<Pin<Box<Sleep>>>,
}

impl<S> Stalling<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self {
            inner,
            deadline: None,
            first: Some(Box::pin(sleep(REQUEST_MAX))),
        }
    }

    /// Passes an answer on; one that keeps waiting becomes an error in the end.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        answer: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if answer.is_ready() {
            self.deadline = None;
            return answer;
        }
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(sleep(STALL_MAX)));
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
        self.watch(context, answer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let answer = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.watch(context, answer)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let answer = Pin::new(&mut self.inner).poll_flush(context);
        self.watch(context, answer)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let answer = Pin::new(&mut self.inner).poll_shutdown(context);
        self.watch(context, answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt as _;

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_is_cut_and_a_slow_one_is_not() {
        let (near, mut far) = tokio::io::duplex(10);
        let mut near = Stalling::new(near);
        let slow = tokio::spawn(async move {
            for _ in 0..3 {
                tokio::time::sleep(STALL_MAX / 2).await;
                tokio::io::AsyncReadExt::read_exact(&mut far, &mut [0; 10])
                    .await
                    .unwrap();
            }
            far
        });
        near.write_all(&[0; 40]).await.unwrap();
        let _far = slow.await.unwrap();
        assert_eq!(
            near.write_all(&[0; 40]).await.unwrap_err().kind(),
            io::ErrorKind::TimedOut
        );
    }
}
