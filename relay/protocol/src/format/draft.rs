//! The draft without keys: title, note and tree of a package that is still being sent (C4).
//!
//! ```text
//!  0   8  magic 89 53 4C 44 0D 0A 1A 0A     32  12  IV
//!  8   2  version = 1, suite = 1            44  ..  ciphertext (a multiple of 1,024)
//! 10   2  zeros                            D-16  16  tag
//! 12   4  D, bytes of the whole draft
//! 16  16  package id                        the first 32 bytes are the additional data
//! ```

use super::read::{Fields, exact, opening};
use super::{FormatError, SUITE, VERSION};
use crate::ids::PackageId;
use crate::limits::{DRAFT_BYTES_MAX, DRAFT_STEP_BYTES};

const MAGIC: [u8; 8] = *b"\x89SLD\r\n\x1a\n";
/// Bytes of a draft before its IV.
pub const DRAFT_HEADER_BYTES: usize = 32;
/// IV and tag.
const OVERHEAD_BYTES: usize = 28;

/// A draft of the right form.
#[derive(Clone, Copy)]
pub struct DraftHeader<'a> {
    /// The package it belongs to.
    pub package: PackageId,
    /// The first 32 bytes.
    pub header: &'a [u8],
    /// IV, ciphertext and tag.
    pub sealed: &'a [u8],
}

impl<'a> DraftHeader<'a> {
    /// Reads a draft that is exactly `bytes`.
    ///
    /// # Errors
    ///
    /// [`FormatError::NotSealed`], [`FormatError::UnknownVersion`], [`FormatError::CutShort`],
    /// [`FormatError::TrailingBytes`], [`FormatError::DamagedDraft`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let mut fields = Fields::new(bytes, FormatError::CutShort);
        opening(&mut fields, MAGIC)?;
        fields.zeros(2)?;
        let announced = fields.u32()?;
        let content = (announced as usize).checked_sub(DRAFT_HEADER_BYTES + OVERHEAD_BYTES);
        let whole = content.is_some_and(|n| n > 0 && n.is_multiple_of(DRAFT_STEP_BYTES as usize));
        if !whole || announced as usize > DRAFT_BYTES_MAX {
            return Err(FormatError::DamagedDraft);
        }
        exact(bytes, announced)?;
        let package = PackageId(fields.array()?);
        let (header, sealed) = bytes.split_at(DRAFT_HEADER_BYTES);
        Ok(Self {
            package,
            header,
            sealed,
        })
    }

    /// The header of a new draft around `content_bytes` of padded plaintext.
    #[must_use]
    pub fn write(package: PackageId, content_bytes: usize) -> [u8; DRAFT_HEADER_BYTES] {
        let total = DRAFT_HEADER_BYTES + OVERHEAD_BYTES + content_bytes;
        let total = u32::try_from(total).unwrap_or(u32::MAX);
        let fields: [&[u8]; 5] = [
            &MAGIC,
            &[VERSION, SUITE],
            &[0; 2],
            &total.to_be_bytes(),
            &package.0,
        ];
        let mut header = [0; DRAFT_HEADER_BYTES];
        for (to, from) in header.iter_mut().zip(fields.into_iter().flatten()) {
            *to = *from;
        }
        header
    }
}
