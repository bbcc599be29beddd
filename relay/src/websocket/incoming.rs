//! Reads a lane's WebSocket into memory that is used again and again.
//!
//! A lane at full speed reads into a few large blocks in turn; each comes back when what was read into it is written.
//! (Fresh memory for each read cost more than the reading: the allocator returns it and the kernel clears it again.)
//! They are taken from the budget, and a lane that gets none, or waits, reads into small ones: 1,000 of them cost 4 MiB.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::budget::Windows;

use super::frames::{Piece, Unframer, Violation};

/// What is read at once from a lane that has much to say.
const LARGE_BYTES: usize = 128 << 10;
/// Less room than this at the end of a block is not read into.
const ROOM_BYTES_MIN: usize = 16 << 10;
/// Large blocks that a lane keeps for their return, besides the one that it reads into.
const LARGE_BLOCKS: usize = 4;
/// All of them.
const LANE_BYTES: u32 = (LARGE_BLOCKS as u32 + 1) * LARGE_BYTES as u32;
/// What a waiting lane reads into …
const SMALL_BYTES: usize = 4 << 10;
/// … until so little is left of it: pieces of a trickle lie side by side, each of them keeps its block in memory.
const SMALL_ROOM_BYTES_MIN: usize = 512;
/// A lane that says nothing for so long gives its large blocks back.
const KEEP_FOR: Duration = Duration::from_millis(100);

/// A client's side of a WebSocket.
pub(super) struct Incoming<R> {
    from: R,
    unframer: Unframer,
    input: BytesMut,
    /// Whether `input` is a large block.
    large: bool,
    /// The other large blocks, the one longest away first. Some of them are still in use elsewhere.
    blocks: VecDeque<BytesMut>,
    budget: Windows,
    /// The lane's share of it while it is at full speed.
    share: Option<OwnedSemaphorePermit>,
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    pub(super) fn new(from: R, budget: Windows) -> Self {
        Self {
            from,
            unframer: Unframer::default(),
            input: BytesMut::new(),
            large: false,
            blocks: VecDeque::new(),
            budget,
            share: None,
        }
    }

    /// The next piece; `Ok(None)` when the connection ended.
    ///
    /// # Errors
    ///
    /// [`Violation`].
    pub(super) async fn next(&mut self) -> Result<Option<Piece>, Violation> {
        loop {
            if let Some(piece) = self.unframer.next(&mut self.input)? {
                return Ok(Some(piece));
            }
            if !matches!(self.fill().await, Ok(1..)) {
                return Ok(None);
            }
        }
    }

    /// Reads what is there, or waits for it.
    async fn fill(&mut self) -> io::Result<usize> {
        if self.large {
            if self.room() < ROOM_BYTES_MIN {
                let block = self.block();
                self.turn_to(block, true);
            }
            if let Some(read) = self.from.read_buf(&mut self.input).now_or_never() {
                return read;
            }
        }
        if self.large || self.room() < SMALL_ROOM_BYTES_MIN {
            self.turn_to(BytesMut::with_capacity(SMALL_BYTES), false);
        }
        let read = match timeout(KEEP_FOR, self.from.read_buf(&mut self.input)).await {
            Ok(read) => read?,
            Err(_) => {
                self.slow_down();
                self.from.read_buf(&mut self.input).await?
            }
        };
        if self.room() > 0 || read < SMALL_BYTES / 2 {
            self.slow_down();
        } else if self.share.is_some() || self.speed_up() {
            let block = self.block();
            self.turn_to(block, true);
        }
        Ok(read)
    }

    /// Whether there is memory for large blocks.
    fn speed_up(&mut self) -> bool {
        self.share = self.budget.take(LANE_BYTES);
        self.share.is_some()
    }

    fn slow_down(&mut self) {
        self.blocks.clear();
        self.share = None;
    }

    fn room(&self) -> usize {
        self.input.capacity() - self.input.len()
    }

    /// A large block that nobody uses any more, or a new one.
    fn block(&mut self) -> BytesMut {
        let free = |block: &mut BytesMut| block.try_reclaim(LARGE_BYTES);
        match self.blocks.iter_mut().position(free) {
            Some(at) => self.blocks.remove(at).unwrap_or_default(),
            None => BytesMut::with_capacity(LARGE_BYTES),
        }
    }

    /// Goes on reading into `block`. What is left of the old one stays in front.
    fn turn_to(&mut self, mut block: BytesMut, large: bool) {
        block.extend_from_slice(&self.input);
        self.input.clear();
        let used = std::mem::replace(&mut self.input, block);
        if std::mem::replace(&mut self.large, large) && self.blocks.len() < LARGE_BLOCKS {
            self.blocks.push_back(used);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use bytes::Bytes;
    use std::collections::BTreeSet;
    use tokio::io::AsyncWriteExt as _;

    fn budget() -> Budget {
        Budget::new(16 << 20, 1, 1)
    }

    /// A masked frame of 60,000 bytes with a mask of zeros.
    fn frame(number: u8) -> Vec<u8> {
        let mut bytes = vec![0x82, 0xfe];
        bytes.extend(60_000u16.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend([number; 60_000]);
        bytes
    }

    #[tokio::test]
    async fn blocks_come_back_and_nothing_that_is_still_read_is_written_over() {
        let (mut near, far) = tokio::io::duplex(1 << 20);
        tokio::spawn(async move {
            for number in 0..100 {
                near.write_all(&frame(number)).await.unwrap();
            }
        });
        let mut incoming = Incoming::new(far, budget().windows());
        let (mut held, mut total): (VecDeque<(u8, Bytes)>, usize) = (VecDeque::new(), 0);
        let mut memory = BTreeSet::new();
        while let Some(Piece::Data(bytes)) = incoming.next().await.unwrap() {
            let number = (total / 60_000) as u8;
            total += bytes.len();
            memory.insert(bytes.as_ptr() as usize / LARGE_BYTES);
            held.push_back((number, bytes));
            while held.len() > 4 {
                let (number, bytes) = held.pop_front().unwrap();
                let whole = bytes
                    .iter()
                    .all(|byte| *byte == number || *byte == number + 1);
                assert!(whole && bytes[0] == number, "frame {number}");
            }
        }
        assert_eq!(total, 6_000_000);
        assert!(memory.len() < 30, "{} places in memory", memory.len());
    }

    /// A lane that has said 8 frames at full speed, and the client's end of it.
    async fn after_a_burst(
        budget: &Budget,
    ) -> (Incoming<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
        let (mut near, far) = tokio::io::duplex(1 << 20);
        let mut incoming = Incoming::new(far, budget.windows());
        let stream: Vec<u8> = (0..8).flat_map(frame).collect();
        near.write_all(&stream).await.unwrap();
        let mut total = 0;
        while total < 480_000 {
            if let Some(Piece::Data(bytes)) = incoming.next().await.unwrap() {
                total += bytes.len();
            }
        }
        (incoming, near)
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_that_waits_keeps_no_large_block_and_no_share_of_the_budget() {
        let budget = budget();
        let (mut incoming, _near) = after_a_burst(&budget).await;
        assert!(incoming.large && incoming.share.is_some());
        assert!(
            timeout(Duration::from_secs(1), incoming.next())
                .await
                .is_err()
        );
        assert!(!incoming.large && incoming.blocks.is_empty() && incoming.share.is_none());
        assert!(incoming.input.capacity() <= SMALL_BYTES);
    }

    #[tokio::test]
    async fn without_memory_a_lane_is_slow_but_goes_on() {
        let budget = budget();
        let all = budget.windows().take(12 << 20).unwrap();
        let (incoming, _near) = after_a_burst(&budget).await;
        assert!(!incoming.large && incoming.share.is_none());
        drop(all);
    }

    #[tokio::test]
    async fn a_trickle_of_single_bytes_lies_side_by_side_in_memory() {
        let (mut near, far) = tokio::io::duplex(1 << 10);
        let mut incoming = Incoming::new(far, budget().windows());
        tokio::spawn(async move {
            for _ in 0..20_000 {
                near.write_all(&[0x82, 0x81, 0, 0, 0, 0, 7]).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let (mut held, mut blocks) = (Vec::new(), 0);
        let mut block = 0..0;
        while let Some(Piece::Data(bytes)) = incoming.next().await.unwrap() {
            let at = bytes.as_ptr() as usize;
            if !block.contains(&at) {
                blocks += 1;
                block = at..at + SMALL_BYTES;
            }
            held.push(bytes);
        }
        assert_eq!(held.len(), 20_000);
        assert!(blocks < 100, "{blocks} blocks for 140,000 bytes");
    }
}
