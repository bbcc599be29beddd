//! Strict CBOR (RFC 8949): a text has one encoding, and every other one is refused.
//!
//! Reading is done by hand into types with limits; afterwards the value is written again and must
//! give the very bytes that were read. So unknown fields, double fields, long forms of short
//! numbers and anything after the end are refused without a rule for each.

use minicbor::{Decoder, Encoder};
use zeroize::Zeroizing;

use crate::Error;

/// A value that is written and read as CBOR.
pub(crate) trait Canonical: Sized {
    /// Writes the value.
    fn write(&self, out: &mut Writer) -> Written;
    /// Reads the value, within its limits.
    fn read(from: &mut Decoder<'_>) -> Result<Self, Error>;

    /// The value's bytes. They may be secret.
    fn encode(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut out = Encoder::new(Vec::new());
        // Writing to memory does not fail.
        self.write(&mut out)
            .map_err(|_| Error::Misuse("a value cannot be written"))?;
        Ok(Zeroizing::new(out.into_writer()))
    }

    /// Reads a value that is exactly `bytes`, in its one encoding.
    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let value = Self::read(&mut Decoder::new(bytes))?;
        if *value.encode()? == bytes {
            Ok(value)
        } else {
            Err(Error::DamagedManifest)
        }
    }
}

pub(crate) type Writer = Encoder<Vec<u8>>;
pub(crate) type Written = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

/// Reads an array's length and refuses one that is not exactly `count`.
pub(crate) fn array(from: &mut Decoder<'_>, count: u64) -> Result<(), Error> {
    if from.array()? == Some(count) {
        Ok(())
    } else {
        Err(Error::DamagedManifest)
    }
}

/// Reads an array of at most `count_max` values.
pub(crate) fn list<T>(
    from: &mut Decoder<'_>,
    count_max: usize,
    mut read: impl FnMut(&mut Decoder<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let count = from.array()?.ok_or(Error::DamagedManifest)?;
    if count > count_max as u64 {
        return Err(Error::TooManyFiles);
    }
    // Each value takes at least one byte, so the bytes that are there bound the memory.
    let mut values = Vec::new();
    for _ in 0..count {
        values.push(read(from)?);
    }
    Ok(values)
}

/// Reads a text. The bytes that are there bound its memory; its limit is checked afterwards.
pub(crate) fn text(from: &mut Decoder<'_>) -> Result<String, Error> {
    Ok(from.str()?.to_owned())
}

/// Reads exactly `N` bytes.
pub(crate) fn bytes<const N: usize>(from: &mut Decoder<'_>) -> Result<[u8; N], Error> {
    from.bytes()?.try_into().map_err(|_| Error::DamagedManifest)
}

/// Reads a time in milliseconds since 1970, or its absence.
pub(crate) fn time(from: &mut Decoder<'_>) -> Result<Option<i64>, Error> {
    if from.input().get(from.position()) == Some(&NULL) {
        from.set_position(from.position() + 1);
        return Ok(None);
    }
    let time = from.i64()?;
    if time.unsigned_abs() > TIME_MS_MAX {
        Err(Error::DamagedManifest)
    } else {
        Ok(Some(time))
    }
}

/// Writes a time or its absence.
pub(crate) fn write_time(out: &mut Writer, time: Option<i64>) -> Written {
    match time {
        Some(time) => out.i64(time)?.ok(),
        None => out.null()?.ok(),
    }
}

/// The one byte that says that there is none.
const NULL: u8 = 0xf6;

/// What a browser's `Date` can hold, either side of 1970.
pub(crate) const TIME_MS_MAX: u64 = 8_640_000_000_000_000;

impl From<minicbor::decode::Error> for Error {
    fn from(_: minicbor::decode::Error) -> Self {
        Error::DamagedManifest
    }
}
