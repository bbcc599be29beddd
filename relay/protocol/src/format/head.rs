//! A sealed file's head without keys: which file it is and how long its body must be.
//!
//! ```text
//!  0   8  magic 89 53 4C 48 0D 0A 1A 0A          96    M  encrypted metadata, M = 28 + 256k
//!  8   1  version = 1                          H-90   74  FLOE header: parameters (10), IV (32), tag (32)
//!  9   1  suite = 1                            H-16   16  checksum of everything before it
//! 10   2  flags: 1 manifest, 2 pack, 4 open length
//! 12   4  H, bytes of the whole head
//! 16   4  bytes of a segment = 524,288
//! 20   4  zeros
//! 24   8  B, padded plaintext bytes (0 in the open-length form)
//! 32  32  file id
//! 64  16  package id
//! 80  16  zeros                                the first 96 bytes are the core
//! ```
//!
//! The core enters every key of the file, so none of it can be changed without the package key.

use super::read::{Fields, checked, exact, opening};
use super::{CHECKSUM_BYTES, FormatError, Geometry};
use crate::ids::{FileId, PackageId};
use crate::limits::{
    HEAD_BYTES_MAX, MANIFEST_BYTES_MAX, METADATA_STEP_BYTES, PACK_PADDED_BYTES_MAX,
    PADDED_BYTES_MAX, SEGMENT_BYTES,
};

/// Opens a head. Who looks for what is left of a damaged file looks for this.
pub const HEAD_MAGIC: [u8; 8] = *b"\x89SLH\r\n\x1a\n";
/// Bytes of the core.
pub const CORE_BYTES: usize = 96;
/// Bytes of the FLOE header.
pub const FLOE_HEADER_BYTES: usize = 74;
/// What opens the FLOE header: AES-256-GCM, SHA-384, segment bytes, IV bytes.
pub const FLOE_PARAMETERS: [u8; 10] = [0, 0, 0, 8, 0, 0, 0, 0, 0, 32];
/// IV and tag around the metadata.
const METADATA_OVERHEAD_BYTES: usize = 28;
const FIXED_BYTES: usize =
    CORE_BYTES + METADATA_OVERHEAD_BYTES + FLOE_HEADER_BYTES + CHECKSUM_BYTES;

const FLAG_MANIFEST: u16 = 1;
const FLAG_PACK: u16 = 2;
const FLAG_OPEN_LENGTH: u16 = 4;

/// What a sealed file holds.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Role {
    /// One file.
    File,
    /// The list of a package's files.
    Manifest,
    /// Several small files.
    Pack,
}

/// A parsed head. Its form is right; nothing is known yet about who made it.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    bytes: &'a [u8],
    role: Role,
    geometry: Option<Geometry>,
    file: FileId,
    package: PackageId,
}

/// How long the head is that starts with `first`, from its first 16 bytes.
///
/// # Errors
///
/// [`FormatError::NotSealed`], [`FormatError::UnknownVersion`], [`FormatError::CutShort`] with
/// fewer than 16 bytes, [`FormatError::DamagedHead`] for an impossible length.
pub fn head_bytes(first: &[u8]) -> Result<u32, FormatError> {
    let mut fields = Fields::new(first, FormatError::CutShort);
    opening(&mut fields, HEAD_MAGIC)?;
    fields.u16()?;
    let announced = fields.u32()?;
    let metadata = (announced as usize)
        .checked_sub(FIXED_BYTES)
        .filter(|bytes| *bytes > 0);
    let whole = metadata.is_some_and(|bytes| bytes.is_multiple_of(METADATA_STEP_BYTES as usize));
    if !whole || announced as usize > HEAD_BYTES_MAX {
        return Err(FormatError::DamagedHead);
    }
    Ok(announced)
}

impl<'a> Head<'a> {
    /// Reads a head that is exactly `bytes`.
    ///
    /// # Errors
    ///
    /// Those of [`head_bytes`]; [`FormatError::CutShort`] or [`FormatError::TrailingBytes`] when it
    /// is not exactly as long as it says; [`FormatError::DamagedHead`];
    /// [`FormatError::NotPadded`] for a length that the padding rule does not produce (F1);
    /// [`FormatError::TooLarge`] for a pack of more than one part (F5) or a manifest over its limit.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        exact(bytes, head_bytes(bytes)?)?;
        let covered = checked(bytes, FormatError::DamagedHead)?;
        let mut fields = Fields::new(covered, FormatError::DamagedHead);
        fields.bytes(10)?;
        let (role, open_length) = read_flags(fields.u16()?)?;
        fields.u32()?;
        if fields.u32()? != SEGMENT_BYTES {
            return Err(FormatError::UnknownVersion);
        }
        fields.zeros(4)?;
        let padded_bytes = fields.u64()?;
        let file = FileId(fields.array()?);
        let package = PackageId(fields.array()?);
        fields.zeros(16)?;
        let geometry = match (open_length, padded_bytes) {
            (true, 0) => None,
            (true, _) => return Err(FormatError::DamagedHead),
            (false, _) => Some(Geometry::new(padded_bytes)?),
        };
        check_role(role, geometry)?;
        let head = Self {
            bytes,
            role,
            geometry,
            file,
            package,
        };
        if !head.floe_header().starts_with(&FLOE_PARAMETERS) {
            return Err(FormatError::UnknownVersion);
        }
        Ok(head)
    }

    /// What the file holds.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The file's id.
    #[must_use]
    pub fn file(&self) -> FileId {
        self.file
    }

    /// The package it belongs to.
    #[must_use]
    pub fn package(&self) -> PackageId {
        self.package
    }

    /// The exact shape of the body; `None` in the open-length form.
    #[must_use]
    pub fn geometry(&self) -> Option<Geometry> {
        self.geometry
    }

    /// All bytes of the head.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The core: what enters every key.
    #[must_use]
    pub fn core(&self) -> &'a [u8] {
        self.bytes.get(..CORE_BYTES).unwrap_or_default()
    }

    /// The encrypted metadata: IV, ciphertext, tag.
    #[must_use]
    pub fn metadata(&self) -> &'a [u8] {
        let end = self
            .bytes
            .len()
            .saturating_sub(FLOE_HEADER_BYTES + CHECKSUM_BYTES);
        self.bytes.get(CORE_BYTES..end).unwrap_or_default()
    }

    /// The FLOE header: parameters, IV, tag.
    #[must_use]
    pub fn floe_header(&self) -> &'a [u8] {
        let end = self.bytes.len().saturating_sub(CHECKSUM_BYTES);
        self.bytes
            .get(end.saturating_sub(FLOE_HEADER_BYTES)..end)
            .unwrap_or_default()
    }

    /// Checks what a relay demands: the ids it was announced under, and a known length (F6).
    /// Returns the exact shape that the body must have.
    ///
    /// # Errors
    ///
    /// [`FormatError::PackageMismatch`] or [`FormatError::OpenLengthRefused`].
    pub fn check_for_relay(
        &self,
        package: PackageId,
        file: FileId,
    ) -> Result<Geometry, FormatError> {
        if self.package != package || self.file != file {
            return Err(FormatError::PackageMismatch);
        }
        self.geometry.ok_or(FormatError::OpenLengthRefused)
    }
}

/// A pack fits one part (F5), a manifest fits memory.
fn check_role(role: Role, geometry: Option<Geometry>) -> Result<(), FormatError> {
    let bytes_max = match role {
        Role::File => PADDED_BYTES_MAX,
        Role::Manifest => MANIFEST_BYTES_MAX,
        Role::Pack => PACK_PADDED_BYTES_MAX,
    };
    match geometry {
        Some(geometry) if geometry.padded_bytes() > bytes_max => Err(FormatError::TooLarge),
        _ => Ok(()),
    }
}

fn read_flags(flags: u16) -> Result<(Role, bool), FormatError> {
    match flags {
        0 => Ok((Role::File, false)),
        FLAG_MANIFEST => Ok((Role::Manifest, false)),
        FLAG_PACK => Ok((Role::Pack, false)),
        FLAG_OPEN_LENGTH => Ok((Role::File, true)),
        _ => Err(FormatError::UnknownVersion),
    }
}

/// The core of a new head that will be `head_bytes` long. `geometry` is `None` for open length.
#[must_use]
pub fn write_core(
    role: Role,
    geometry: Option<Geometry>,
    head_bytes: u32,
    file: FileId,
    package: PackageId,
) -> [u8; CORE_BYTES] {
    let flags = match role {
        Role::File if geometry.is_none() => FLAG_OPEN_LENGTH,
        Role::File => 0,
        Role::Manifest => FLAG_MANIFEST,
        Role::Pack => FLAG_PACK,
    };
    let padded_bytes = geometry.map_or(0, |geometry| geometry.padded_bytes());
    let fields: [&[u8]; 10] = [
        &HEAD_MAGIC,
        &[super::VERSION, super::SUITE],
        &flags.to_be_bytes(),
        &head_bytes.to_be_bytes(),
        &SEGMENT_BYTES.to_be_bytes(),
        &[0; 4],
        &padded_bytes.to_be_bytes(),
        &file.0,
        &package.0,
        &[0; 16],
    ];
    let mut core = [0; CORE_BYTES];
    for (to, from) in core.iter_mut().zip(fields.into_iter().flatten()) {
        *to = *from;
    }
    core
}

/// Length of a head around `metadata_bytes` of padded metadata.
#[must_use]
pub fn head_bytes_for(metadata_bytes: usize) -> u32 {
    u32::try_from(FIXED_BYTES + metadata_bytes).unwrap_or(u32::MAX)
}
