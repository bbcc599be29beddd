//! Reading fixed-size big-endian fields from a slice, without a way to panic.

use super::FormatError;

/// A slice that is read from front to back. Every read says which error its absence is.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    missing: FormatError,
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8], missing: FormatError) -> Self {
        Self {
            rest: bytes,
            missing,
        }
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], FormatError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(self.missing)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(self.missing)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, FormatError> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, FormatError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, FormatError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, FormatError> {
        self.array().map(u64::from_be_bytes)
    }

    /// Bytes that this version does not use. They must be zero, so that a later one may.
    pub(super) fn zeros(&mut self, count: usize) -> Result<(), FormatError> {
        if self.bytes(count)?.iter().all(|byte| *byte == 0) {
            Ok(())
        } else {
            Err(FormatError::UnknownVersion)
        }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// Splits `bytes` into what the checksum covers and checks it.
pub(super) fn checked(bytes: &[u8], damaged: FormatError) -> Result<&[u8], FormatError> {
    let (covered, checksum) = bytes
        .split_last_chunk::<{ super::CHECKSUM_BYTES }>()
        .ok_or(damaged)?;
    if super::checksum(covered) == *checksum {
        Ok(covered)
    } else {
        Err(damaged)
    }
}

/// Magic, version and suite, which open keyring, head and draft alike.
pub(super) fn opening(fields: &mut Fields<'_>, magic: [u8; 8]) -> Result<(), FormatError> {
    if fields.array::<8>()? != magic {
        return Err(FormatError::NotSealed);
    }
    if (fields.u8()?, fields.u8()?) != (super::VERSION, super::SUITE) {
        return Err(FormatError::UnknownVersion);
    }
    Ok(())
}

/// Compares the length that a header announces with the bytes that are there.
pub(super) fn exact(bytes: &[u8], announced: u32) -> Result<(), FormatError> {
    match (bytes.len() as u64).cmp(&u64::from(announced)) {
        std::cmp::Ordering::Less => Err(FormatError::CutShort),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(FormatError::TrailingBytes),
    }
}
