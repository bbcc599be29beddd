//! Reads a lane's WebSocket into memory that is used again and again.
//!
//! A lane at full speed reads into a few large blocks in turn; each comes back when what was read into it is written.
//! (Fresh memory for each read cost more than the reading: the allocator returns it and the kernel clears it again.)
//! A lane that waits keeps a small block only: 1,000 of them cost 4 MiB.

use std::collections::VecDeque;
use std::io;

use bytes::BytesMut;
use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::frames::{Piece, Unframer, Violation};

/// What is read at once from a lane that has much to say.
const LARGE_BYTES: usize = 128 << 10;
/// Less room than this at the end of a block is not read into.
const ROOM_BYTES_MIN: usize = 16 << 10;
/// Blocks of a lane at full speed: what is gathered, what is being written, what is being read.
const LARGE_BLOCKS: usize = 6;
/// What a waiting lane reads into.
const SMALL_BYTES: usize = 4 << 10;

/// A client's side of a WebSocket.
pub(super) struct Incoming<R> {
    from: R,
    unframer: Unframer,
    input: BytesMut,
    /// Whether `input` is a large block, and the lane at full speed.
    large: bool,
    /// The other large blocks, the one longest away first. Some of them are still in use elsewhere.
    blocks: VecDeque<BytesMut>,
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    pub(super) fn new(from: R) -> Self {
        Self {
            from,
            unframer: Unframer::default(),
            input: BytesMut::new(),
            large: false,
            blocks: VecDeque::new(),
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
        self.turn_to(BytesMut::with_capacity(SMALL_BYTES), false);
        let read = self.from.read_buf(&mut self.input).await?;
        if self.room() == 0 {
            let block = self.block();
            self.turn_to(block, true);
        } else {
            self.blocks.clear();
        }
        Ok(read)
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
    use bytes::Bytes;
    use tokio::io::AsyncWriteExt as _;

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
        let mut incoming = Incoming::new(far);
        let (mut held, mut total): (VecDeque<(u8, Bytes)>, usize) = (VecDeque::new(), 0);
        let mut memory = std::collections::BTreeSet::new();
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

    #[tokio::test]
    async fn a_lane_that_waits_keeps_no_large_block() {
        let (mut near, far) = tokio::io::duplex(1 << 20);
        let mut incoming = Incoming::new(far);
        let mut stream: Vec<u8> = (0..8).flat_map(frame).collect();
        stream.extend([0x82, 0x81, 0, 0, 0, 0, 7]);
        near.write_all(&stream[..stream.len() - 7]).await.unwrap();
        let mut total = 0;
        while total < 480_000 {
            if let Some(Piece::Data(bytes)) = incoming.next().await.unwrap() {
                total += bytes.len();
            }
        }
        assert!(incoming.large);
        let (said, ()) = tokio::join!(incoming.next(), async {
            tokio::task::yield_now().await;
            near.write_all(&stream[stream.len() - 7..]).await.unwrap();
        });
        assert_eq!(said, Ok(Some(Piece::Data(Bytes::from_static(&[7])))));
        assert!(!incoming.large && incoming.blocks.is_empty());
        assert!(incoming.input.capacity() <= SMALL_BYTES);
    }
}
