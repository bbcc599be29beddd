//! WebSocket frames from a client (RFC 6455, section 5), taken apart without any I/O and without a copy.
//!
//! The boundaries of messages mean nothing on a lane, so no message is ever put together: a data frame's payload is
//! handed on piece by piece, unmasked where it lies. (Browsers cut a message into frames of 64 KiB; joining them and
//! taking them apart again cost two copies of everything.) Only the short control frames are waited for whole.

use std::io::Cursor;

use bytes::{Buf as _, Bytes, BytesMut};
use sealift_protocol::limits::{WEBSOCKET_CONTROL_BYTES_MAX, WEBSOCKET_MESSAGE_BYTES_MAX};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// What a client's frames say.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Piece {
    /// Bytes of binary messages, in order.
    Data(Bytes),
    /// To be answered with the same bytes.
    Ping(Bytes),
    /// The client sends nothing more.
    Close,
}

/// The client broke the protocol, or sent a text; the connection must end.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Violation;

/// Takes frames apart.
#[derive(Default)]
pub(super) struct Unframer {
    frame: Option<OpenFrame>,
    /// Bytes of the binary message under way, which the next data frame continues.
    message: Option<u64>,
}

/// A frame whose header was read.
struct OpenFrame {
    opcode: OpCode,
    /// Turned so that its first byte belongs to the next byte of the payload.
    mask: [u8; 4],
    left: u64,
}

impl Unframer {
    /// The next piece of `input`, or `None` when more input is needed.
    ///
    /// # Errors
    ///
    /// [`Violation`]; what follows is of no use.
    pub(super) fn next(&mut self, input: &mut BytesMut) -> Result<Option<Piece>, Violation> {
        loop {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.header(input)? {
                    Some(frame) => frame,
                    None => return Ok(None),
                },
            };
            let here = frame.left.min(input.len() as u64);
            let whole = here == frame.left;
            if let OpCode::Control(kind) = frame.opcode {
                if !whole {
                    self.frame = Some(frame);
                    return Ok(None);
                }
                let payload = take(input, here, frame.mask);
                match kind {
                    Control::Ping => return Ok(Some(Piece::Ping(payload))),
                    Control::Close => return Ok(Some(Piece::Close)),
                    _ => continue,
                }
            }
            let payload = take(input, here, frame.mask);
            if !whole {
                frame.left -= here;
                frame.mask.rotate_left((here % 4) as usize);
                self.frame = Some(frame);
            }
            if !payload.is_empty() {
                return Ok(Some(Piece::Data(payload)));
            }
            if !whole {
                return Ok(None);
            }
        }
    }

    fn header(&mut self, input: &mut BytesMut) -> Result<Option<OpenFrame>, Violation> {
        let mut cursor = Cursor::new(&input[..]);
        let Some((header, left)) = FrameHeader::parse(&mut cursor).map_err(|_| Violation)? else {
            return Ok(None);
        };
        let length = cursor.position() as usize;
        input.advance(length);
        let mask = header.mask.ok_or(Violation)?;
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(Violation);
        }
        match (header.opcode, self.message) {
            (OpCode::Control(_), _) if header.is_final && left <= WEBSOCKET_CONTROL_BYTES_MAX => {}
            (OpCode::Data(Data::Binary), None) => self.count(0, left, header.is_final)?,
            (OpCode::Data(Data::Continue), Some(before)) => {
                self.count(before, left, header.is_final)?;
            }
            _ => return Err(Violation),
        }
        Ok(Some(OpenFrame {
            opcode: header.opcode,
            mask,
            left,
        }))
    }

    /// Keeps to the limit that a client is promised for a message, although nothing here depends on it.
    fn count(&mut self, before: u64, more: u64, last: bool) -> Result<(), Violation> {
        let bytes = before.checked_add(more).ok_or(Violation)?;
        if bytes > WEBSOCKET_MESSAGE_BYTES_MAX as u64 {
            return Err(Violation);
        }
        self.message = (!last).then_some(bytes);
        Ok(())
    }
}

fn take(input: &mut BytesMut, bytes: u64, mask: [u8; 4]) -> Bytes {
    let mut payload = input.split_to(bytes as usize);
    unmask(&mut payload, mask);
    payload.freeze()
}

/// In steps of 32 bytes, which the compiler makes wide instructions of.
fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
    let mut wide = [0; 32];
    for (to, from) in wide.iter_mut().zip(mask.iter().cycle()) {
        *to = *from;
    }
    let (steps, rest) = bytes.as_chunks_mut::<32>();
    for step in steps {
        for (byte, mask) in step.iter_mut().zip(wide) {
            *byte ^= mask;
        }
    }
    for (byte, mask) in rest.iter_mut().zip(wide) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A masked frame; `first` is its first byte: final bit, reserved bits, opcode.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let mut bytes = vec![first];
        match payload.len() {
            length @ ..126 => bytes.push(0x80 | length as u8),
            length @ ..65_536 => {
                bytes.push(0x80 | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            length => {
                bytes.push(0x80 | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
        bytes
    }

    /// Everything that a stream says when it comes in pieces of `step` bytes, data joined.
    fn read(stream: &[u8], step: usize) -> Result<Vec<Piece>, Violation> {
        let (mut unframer, mut input) = (Unframer::default(), BytesMut::new());
        let mut pieces = Vec::new();
        for piece in stream.chunks(step) {
            input.extend_from_slice(piece);
            while let Some(piece) = unframer.next(&mut input)? {
                match (pieces.last_mut(), piece) {
                    (Some(Piece::Data(before)), Piece::Data(more)) => {
                        *before = [&before[..], &more[..]].concat().into();
                    }
                    (_, piece) => pieces.push(piece),
                }
            }
        }
        Ok(pieces)
    }

    const WHOLE_BINARY: u8 = 0x82;
    const PING: u8 = 0x89;

    #[test]
    fn however_the_network_and_the_client_cut_it_the_bytes_are_the_same() {
        let content: Vec<u8> = (0..70_003u32).map(|n| (n % 251) as u8).collect();
        let stream = [
            frame(0x02, &content[..70_000]),
            frame(PING, b"are you there"),
            frame(0x00, &[]),
            frame(0x80, &content[70_000..70_001]),
            frame(WHOLE_BINARY, &[]),
            frame(0x8a, b"an unasked pong"),
            frame(WHOLE_BINARY, &content[70_001..]),
            frame(0x88, &[]),
        ]
        .concat();
        for step in [1, 2, 3, 5, 7, 13, 1_000, 4_097, 65_536, stream.len()] {
            let pieces = read(&stream, step).unwrap();
            assert_eq!(
                pieces,
                [
                    Piece::Data(content[..70_000].to_vec().into()),
                    Piece::Ping("are you there".into()),
                    Piece::Data(content[70_000..].to_vec().into()),
                    Piece::Close,
                ],
                "in pieces of {step}"
            );
        }
    }

    #[test]
    fn nothing_is_copied() {
        let mut input = BytesMut::from(&frame(WHOLE_BINARY, &[9; 4_096])[..]);
        let at = input.as_ptr() as usize;
        match Unframer::default().next(&mut input).unwrap() {
            Some(Piece::Data(bytes)) => assert_eq!(bytes.as_ptr() as usize, at + 8),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_client_that_breaks_the_protocol_is_refused() {
        let mut unmasked = frame(WHOLE_BINARY, b"x");
        unmasked[1] &= 0x7f;
        let mut endless = vec![WHOLE_BINARY, 0xff];
        endless.extend([0xff; 12]);
        let above = vec![0; WEBSOCKET_MESSAGE_BYTES_MAX];
        for (what, stream) in [
            ("unmasked", unmasked),
            ("compressed", frame(0xc2, b"x")),
            ("a text", frame(0x81, b"x")),
            ("a continued nothing", frame(0x80, b"x")),
            ("an unknown kind", frame(0x83, b"x")),
            ("an unknown control frame", frame(0x8b, b"x")),
            ("a cut ping", frame(0x09, b"x")),
            ("a long ping", frame(PING, &[0; 126])),
            ("more than there is", endless),
            (
                "a message in a message",
                [frame(0x02, b"x"), frame(WHOLE_BINARY, b"x")].concat(),
            ),
            (
                "a message above the limit",
                [frame(0x02, &above), frame(0x80, b"x")].concat(),
            ),
        ] {
            assert_eq!(read(&stream, 4_096), Err(Violation), "{what}");
        }
        assert!(read(&frame(WHOLE_BINARY, &above), 4_096).is_ok());
    }
}
