//! Frames: how control messages and a part's data share one lane.
//!
//! ```text
//! type (1)   0 0 0   length (4, big endian)   payload (length)
//! 1 control: a message of at most 160 KiB      2 data: at most 1 MiB of the lane's current part
//! ```
//!
//! A lane is one reliable, ordered stream of bytes each way; how a transport cuts it means
//! nothing. [`Decoder`] takes the chunks as they come and hands data on as slices of them,
//! without a copy; only a control frame that is cut over chunks is put together.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use bytes::{Buf as _, Bytes};

use crate::limits::{CONTROL_BYTES_MAX, DATA_BYTES_MAX, FRAME_HEADER_BYTES};

const CONTROL: u8 = 1;
const DATA: u8 = 2;

/// A piece of the stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Frame {
    /// A whole control frame's payload.
    Control(Bytes),
    /// Some bytes of the lane's current part; a data frame may come in several pieces.
    Data(Bytes),
}

/// Why a stream is not one of frames. The lane must be closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A type or a reserved byte that this version does not know.
    #[error("a frame of an unknown kind arrived; the two sides speak different protocols")]
    UnknownType,
    /// A length above the limit.
    #[error("a frame claims {0} bytes, more than allowed")]
    TooLong(u32),
    /// A length of zero.
    #[error("an empty frame arrived")]
    Empty,
}

/// The header of a data frame; its payload follows.
///
/// `length` is at most [`DATA_BYTES_MAX`]; a longer part is cut by the caller.
#[must_use]
pub fn data_header(length: u32) -> [u8; FRAME_HEADER_BYTES] {
    header(DATA, length)
}

/// A whole control frame around a message's bytes.
#[must_use]
pub fn control_frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut frame = Vec::with_capacity(message.len().saturating_add(FRAME_HEADER_BYTES));
    frame.extend_from_slice(&header(CONTROL, length));
    frame.extend_from_slice(message);
    frame
}

fn header(kind: u8, length: u32) -> [u8; FRAME_HEADER_BYTES] {
    let [a, b, c, d] = length.to_be_bytes();
    [kind, 0, 0, 0, a, b, c, d]
}

/// Takes a stream apart, chunk by chunk.
///
/// Call [`Decoder::push`] with a chunk, then [`Decoder::next`] until it returns `None`. What it
/// keeps between chunks is at most one control frame.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
    input: Bytes,
}

#[derive(Debug)]
enum State {
    Header {
        bytes: [u8; FRAME_HEADER_BYTES],
        filled: usize,
    },
    Control {
        bytes: Vec<u8>,
        length: usize,
    },
    Data {
        left: usize,
    },
    Failed(FrameError),
}

impl Default for State {
    fn default() -> Self {
        Self::Header {
            bytes: [0; FRAME_HEADER_BYTES],
            filled: 0,
        }
    }
}

impl Decoder {
    /// A decoder at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next chunk of the stream. Whatever is left of the one before must have been
    /// taken with [`Decoder::next`], else it is joined to this one by a copy.
    pub fn push(&mut self, chunk: Bytes) {
        if self.input.is_empty() {
            self.input = chunk;
        } else {
            self.input = [&self.input[..], &chunk[..]].concat().into();
        }
    }

    /// The next piece, or `None` when more input is needed.
    ///
    /// # Errors
    /// [`FrameError`]; from then on always the same one.
    #[allow(clippy::should_implement_trait)] // An iterator would end at the first `None`.
    pub fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            match &mut self.state {
                State::Failed(error) => return Err(*error),
                State::Header { bytes, filled } => {
                    let Some(rest) = bytes.get_mut(*filled..) else {
                        return Ok(None);
                    };
                    let take = rest.len().min(self.input.len());
                    let (to, _) = rest.split_at_mut(take);
                    self.input.copy_to_slice(to);
                    *filled = filled.saturating_add(take);
                    if *filled < FRAME_HEADER_BYTES {
                        return Ok(None);
                    }
                    self.state = after_header(*bytes).unwrap_or_else(State::Failed);
                }
                State::Control { bytes, length } => {
                    let left = length.saturating_sub(bytes.len());
                    let piece = self.input.split_to(left.min(self.input.len()));
                    if piece.len() == *length {
                        self.state = State::default();
                        return Ok(Some(Frame::Control(piece)));
                    }
                    bytes.extend_from_slice(&piece);
                    if bytes.len() < *length {
                        return Ok(None);
                    }
                    let whole = core::mem::take(bytes);
                    self.state = State::default();
                    return Ok(Some(Frame::Control(whole.into())));
                }
                State::Data { left } => {
                    if self.input.is_empty() {
                        return Ok(None);
                    }
                    let piece = self.input.split_to((*left).min(self.input.len()));
                    *left = left.saturating_sub(piece.len());
                    if *left == 0 {
                        self.state = State::default();
                    }
                    return Ok(Some(Frame::Data(piece)));
                }
            }
        }
    }
}

fn after_header(header: [u8; FRAME_HEADER_BYTES]) -> Result<State, FrameError> {
    let [kind, r0, r1, r2, a, b, c, d] = header;
    let claimed = u32::from_be_bytes([a, b, c, d]);
    let length = usize::try_from(claimed).unwrap_or(usize::MAX);
    let length_max = match kind {
        _ if [r0, r1, r2] != [0; 3] => return Err(FrameError::UnknownType),
        CONTROL => CONTROL_BYTES_MAX,
        DATA => DATA_BYTES_MAX,
        _ => return Err(FrameError::UnknownType),
    };
    match length {
        0 => Err(FrameError::Empty),
        _ if length > length_max => Err(FrameError::TooLong(claimed)),
        _ if kind == DATA => Ok(State::Data { left: length }),
        // Nothing is reserved for what is only claimed.
        _ => Ok(State::Control {
            bytes: Vec::new(),
            length,
        }),
    }
}
