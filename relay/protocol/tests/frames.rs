//! However a stream is cut into chunks, the same frames come out; and no stream, however hostile,
//! makes the decoder panic or keep more than a control frame.

use bytes::Bytes;
use proptest::prelude::*;
use sealift_protocol::frame::{Decoder, Frame, FrameError, control_frame, data_header};
use sealift_protocol::limits::{CONTROL_BYTES_MAX, DATA_BYTES_MAX};
use sealift_protocol::message::{ClientMessage, RelayMessage};

/// What was sent: whole messages, and runs of data.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Control(Vec<u8>),
    Data(Vec<u8>),
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let bytes = prop::collection::vec(any::<u8>(), 1..200);
    let piece = (any::<bool>(), bytes).prop_map(|(control, bytes)| {
        if control {
            Piece::Control(bytes)
        } else {
            Piece::Data(bytes)
        }
    });
    prop::collection::vec(piece, 0..20)
}

fn stream(pieces: &[Piece]) -> Vec<u8> {
    let frames = pieces.iter().flat_map(|piece| match piece {
        Piece::Control(bytes) => control_frame(bytes),
        Piece::Data(bytes) => [&data_header(bytes.len() as u32)[..], bytes].concat(),
    });
    frames.collect()
}

/// Decodes chunk by chunk, and joins the pieces of data.
fn decode(chunks: &[&[u8]]) -> Result<Vec<Piece>, FrameError> {
    let mut decoder = Decoder::new();
    let mut pieces = Vec::new();
    for chunk in chunks {
        decoder.push(Bytes::copy_from_slice(chunk));
        while let Some(frame) = decoder.next()? {
            match (frame, pieces.last_mut()) {
                (Frame::Control(bytes), _) => pieces.push(Piece::Control(bytes.to_vec())),
                (Frame::Data(bytes), Some(Piece::Data(known))) => known.extend_from_slice(&bytes),
                (Frame::Data(bytes), _) => pieces.push(Piece::Data(bytes.to_vec())),
            }
        }
    }
    Ok(pieces)
}

/// Data frames in a row are one run of data.
fn joined(pieces: &[Piece]) -> Vec<Piece> {
    let mut joined: Vec<Piece> = Vec::new();
    for piece in pieces {
        match (joined.last_mut(), piece) {
            (Some(Piece::Data(known)), Piece::Data(bytes)) => known.extend_from_slice(bytes),
            _ => joined.push(piece.clone()),
        }
    }
    joined
}

fn cut<'a>(stream: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    at.extend([0, stream.len()]);
    at.sort_unstable();
    at.windows(2)
        .map(|pair| &stream[pair[0]..pair[1]])
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_of_a_stream_gives_the_same_frames(
        pieces in pieces(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let stream = stream(&pieces);
        prop_assert_eq!(decode(&cut(&stream, &cuts)), Ok(joined(&pieces)));
        let single: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(decode(&single), Ok(joined(&pieces)));
    }

    #[test]
    fn no_stream_panics_and_an_error_stays(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let outcome = decode(&cut(&bytes, &cuts));
        prop_assert_eq!(outcome.is_err(), decode(&[&bytes]).is_err());
    }

    #[test]
    fn no_bytes_make_a_message_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = ClientMessage::decode(&bytes);
        let _ = RelayMessage::decode(&bytes);
    }

    #[test]
    fn a_damaged_message_is_a_message_or_refused(flip in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut bytes = ClientMessage::Finish { manifest: sealift_protocol::FileId([9; 32]) }.encode();
        let at = flip.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(message) = ClientMessage::decode(&bytes) {
            prop_assert!(ClientMessage::decode(&message.encode()).is_ok());
        }
    }
}

fn after_header(header: [u8; 8]) -> Result<Option<Frame>, FrameError> {
    let mut decoder = Decoder::new();
    decoder.push(Bytes::copy_from_slice(&header));
    let first = decoder.next();
    assert_eq!(first.is_err(), decoder.next().is_err(), "an error stays");
    first
}

#[test]
fn hostile_headers_are_refused_before_anything_is_kept() {
    let header = |kind: u8, length: usize| {
        let [a, b, c, d] = (length as u32).to_be_bytes();
        [kind, 0, 0, 0, a, b, c, d]
    };
    assert_eq!(after_header(header(1, CONTROL_BYTES_MAX)), Ok(None));
    assert_eq!(after_header(header(2, DATA_BYTES_MAX)), Ok(None));
    let too_long = |length: usize| Err(FrameError::TooLong(length as u32));
    assert_eq!(
        after_header(header(1, CONTROL_BYTES_MAX + 1)),
        too_long(CONTROL_BYTES_MAX + 1)
    );
    assert_eq!(
        after_header(header(2, DATA_BYTES_MAX + 1)),
        too_long(DATA_BYTES_MAX + 1)
    );
    assert_eq!(
        after_header(header(2, u32::MAX as usize)),
        too_long(u32::MAX as usize)
    );
    assert_eq!(after_header(header(1, 0)), Err(FrameError::Empty));
    assert_eq!(after_header(header(3, 1)), Err(FrameError::UnknownType));
    assert_eq!(
        after_header([1, 0, 1, 0, 0, 0, 0, 1]),
        Err(FrameError::UnknownType)
    );
}

#[test]
fn data_is_handed_on_without_a_copy() {
    let mut decoder = Decoder::new();
    let chunk: Bytes = [&data_header(5)[..], b"bytes"].concat().into();
    let inside = chunk.as_ptr_range();
    decoder.push(chunk);
    let Ok(Some(Frame::Data(data))) = decoder.next() else {
        panic!("data comes out")
    };
    assert!(inside.contains(&data.as_ptr()));
}
