//! The (IV, tag) pairs of a durable part, as one byte string, and their hash.

use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

use crate::ids::{Attempt, Epoch, FileId, Pair, PartNumber, Sha256Hash};
use crate::limits::{PAIR_BYTES, PART_PAIRS_MAX};

/// Whether a part is durable, and what was stored.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
#[cbor(map)]
pub struct Pairs {
    /// The file.
    #[n(0)]
    pub file: FileId,
    /// The part.
    #[n(1)]
    pub part: PartNumber,
    /// Epoch and attempt that are stored; `None`: the part is not durable.
    #[n(2)]
    pub stored: Option<Stored>,
    /// One pair for each segment of the part, in order. Empty when not durable, and for a part
    /// that is the seal alone.
    #[cbor(n(3), encode_with = "encode", decode_with = "decode")]
    pub pairs: Vec<Pair>,
}

/// Which attempt became durable.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, PartialEq)]
#[cbor(map)]
pub struct Stored {
    /// Its epoch.
    #[n(0)]
    pub epoch: Epoch,
    /// Its number.
    #[n(1)]
    pub attempt: Attempt,
}

/// SHA-256 over the pairs' bytes in the order of their segments.
#[must_use]
pub fn pairs_sha256(pairs: &[Pair]) -> Sha256Hash {
    let mut hash = Sha256::new();
    for pair in pairs {
        hash.update(pair.to_bytes());
    }
    Sha256Hash(hash.finalize().into())
}

/// SHA-256 of a keyring or a head, as the relay reports it.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Sha256Hash {
    Sha256Hash(Sha256::digest(bytes).into())
}

/// Encodes a part's pairs as one CBOR byte string.
pub(super) fn encode<C, W: Write>(
    pairs: &[Pair],
    e: &mut Encoder<W>,
    _: &mut C,
) -> Result<(), EncodeError<W::Error>> {
    let bytes: Vec<u8> = pairs.iter().flat_map(|pair| pair.to_bytes()).collect();
    e.bytes(&bytes)?.ok()
}

/// The inverse of [`encode`]; refuses a length that is no whole number of pairs, or too many.
pub(super) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Vec<Pair>, DecodeError> {
    let bytes = d.bytes()?;
    let (pairs, rest) = bytes.as_chunks::<PAIR_BYTES>();
    if !rest.is_empty() || pairs.len() > PART_PAIRS_MAX {
        return Err(DecodeError::message("not a list of pairs"));
    }
    Ok(pairs.iter().map(Pair::from_bytes).collect())
}
