//! One slot of a keyring, without keys: what opens it.
//!
//! ```text
//! every slot       type (1) | flags (1) | length (2) | ...
//! 1 password       kdf (1) | p (1) | t (2) | m (4) | zeros (4) | salt (32) | commitment (32) | key (48)
//! 2 link secret    zeros (12)                                  | salt (32) | commitment (32) | key (48)
//! 3 recipient      zeros (12)                | X-Wing ciphertext (1,120)   | commitment (32) | key (48)
//! ```
//!
//! A recipient's slot says nothing about whose it is (K5). Slots of an unknown type are kept, so
//! that an older client can open a keyring by the slots it knows; policy may refuse them (P1).

use super::read::Fields;
use super::{FormatError, KdfCost};
use crate::limits::SLOT_BYTES_MAX;

const PASSWORD_TYPE: u8 = 1;
const LINK_TYPE: u8 = 2;
const RECIPIENT_TYPE: u8 = 3;
/// The only key derivation: Argon2id, version 0x13.
const KDF_ARGON2ID: u8 = 1;
/// Flag of a password slot: the link's secret is needed as well.
const FLAG_LINK: u8 = 1;

/// Type, flags, length and what the kind has to say; zeros where it says nothing.
const FIELDS_BYTES: usize = 16;
/// Bytes of the salt of a password or link slot.
pub const SLOT_SALT_BYTES: usize = 32;
/// Bytes of an X-Wing ciphertext: ML-KEM-768's (1,088), then X25519's (32).
pub const KEM_CIPHERTEXT_BYTES: usize = 1_120;
const COMMITMENT_BYTES: usize = 32;
const WRAPPED_KEY_BYTES: usize = 48;
/// Bytes of a password or link slot.
pub const WRAP_SLOT_BYTES: usize =
    FIELDS_BYTES + SLOT_SALT_BYTES + COMMITMENT_BYTES + WRAPPED_KEY_BYTES;
/// Bytes of a recipient's slot.
pub const RECIPIENT_SLOT_BYTES: usize =
    FIELDS_BYTES + KEM_CIPHERTEXT_BYTES + COMMITMENT_BYTES + WRAPPED_KEY_BYTES;

/// What opens a slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SlotKind {
    /// A password, and with `link` the link's secret as well.
    Password {
        /// What a try costs.
        cost: KdfCost,
        /// Whether the link's secret is needed too.
        link: bool,
    },
    /// The link's secret alone.
    Link,
    /// A recipient's secret key.
    Recipient,
    /// A type of a later version, by its number.
    Unknown(u8),
}

/// One slot of a keyring.
#[derive(Clone, Copy)]
pub struct Slot<'a> {
    /// What opens it.
    pub kind: SlotKind,
    /// All its bytes.
    pub bytes: &'a [u8],
}

/// A slot of a known kind in its three parts, which are all of it.
#[derive(Clone, Copy)]
pub struct SlotParts<'a> {
    /// What enters its key derivation: fields, then salt or ciphertext.
    pub bound: &'a [u8],
    /// Fields, and what the wrapped key is decrypted with as additional data: all before it.
    pub before_key: &'a [u8],
    /// Compared before anything is decrypted.
    pub commitment: &'a [u8; COMMITMENT_BYTES],
    /// The encrypted package key and its tag.
    pub wrapped_key: &'a [u8; WRAPPED_KEY_BYTES],
}

impl<'a> Slot<'a> {
    /// The slot's parts; `None` for an unknown kind.
    #[must_use]
    pub fn parts(&self) -> Option<SlotParts<'a>> {
        if self.kind.slot_bytes()? != self.bytes.len() {
            return None;
        }
        let (before_key, wrapped_key) = self.bytes.split_last_chunk()?;
        let (bound, commitment) = before_key.split_last_chunk()?;
        Some(SlotParts {
            bound,
            before_key,
            commitment,
            wrapped_key,
        })
    }

    /// What the sender drew for this slot: its salt, or a recipient's ciphertext. Empty for an
    /// unknown kind.
    #[must_use]
    pub fn drawn(&self) -> &'a [u8] {
        self.parts()
            .and_then(|parts| parts.bound.get(FIELDS_BYTES..))
            .unwrap_or_default()
    }
}

impl SlotKind {
    /// Bytes of a slot of this kind; `None` for an unknown one.
    #[must_use]
    pub fn slot_bytes(self) -> Option<usize> {
        match self {
            Self::Password { .. } | Self::Link => Some(WRAP_SLOT_BYTES),
            Self::Recipient => Some(RECIPIENT_SLOT_BYTES),
            Self::Unknown(_) => None,
        }
    }

    /// What enters the key derivation of a new slot: its fields, then the salt or ciphertext that
    /// was drawn for it. `None` for an unknown kind or a wrong length.
    #[must_use]
    pub fn write(self, drawn: &[u8]) -> Option<Vec<u8>> {
        let slot_bytes = self.slot_bytes()?;
        if FIELDS_BYTES + drawn.len() + COMMITMENT_BYTES + WRAPPED_KEY_BYTES != slot_bytes {
            return None;
        }
        let mut bound = Vec::with_capacity(slot_bytes);
        let (slot_type, flags) = match self {
            Self::Password { link, .. } => (PASSWORD_TYPE, if link { FLAG_LINK } else { 0 }),
            Self::Link => (LINK_TYPE, 0),
            Self::Recipient => (RECIPIENT_TYPE, 0),
            Self::Unknown(_) => return None,
        };
        bound.extend_from_slice(&[slot_type, flags]);
        bound.extend_from_slice(&u16::try_from(slot_bytes).ok()?.to_be_bytes());
        if let Self::Password { cost, .. } = self {
            bound.extend_from_slice(&[KDF_ARGON2ID, cost.parallelism]);
            bound.extend_from_slice(&cost.passes.to_be_bytes());
            bound.extend_from_slice(&cost.memory_kib.to_be_bytes());
        }
        bound.resize(FIELDS_BYTES, 0);
        bound.extend_from_slice(drawn);
        Some(bound)
    }
}

/// Reads the slot at the start of `bytes`, and gives what follows it.
pub(super) fn read_slot(bytes: &[u8]) -> Result<(Slot<'_>, &[u8]), FormatError> {
    let damaged = FormatError::DamagedKeyring;
    let mut fields = Fields::new(bytes, damaged);
    let slot_type = fields.u8()?;
    let flags = fields.u8()?;
    let length = fields.u16()?;
    if !(4..=SLOT_BYTES_MAX).contains(&length) {
        return Err(damaged);
    }
    let (slot, rest) = bytes.split_at_checked(usize::from(length)).ok_or(damaged)?;
    let right_length = match slot_type {
        PASSWORD_TYPE | LINK_TYPE => slot.len() == WRAP_SLOT_BYTES,
        RECIPIENT_TYPE => slot.len() == RECIPIENT_SLOT_BYTES,
        _ => true,
    };
    if !right_length {
        return Err(damaged);
    }
    let kind = match slot_type {
        PASSWORD_TYPE => password_kind(&mut fields, flags)?,
        LINK_TYPE => plain_kind(&mut fields, flags, SlotKind::Link)?,
        RECIPIENT_TYPE => plain_kind(&mut fields, flags, SlotKind::Recipient)?,
        other => SlotKind::Unknown(other),
    };
    Ok((Slot { kind, bytes: slot }, rest))
}

/// A kind without flags or fields of its own: zeros after type, flags and length (K5).
fn plain_kind(fields: &mut Fields<'_>, flags: u8, kind: SlotKind) -> Result<SlotKind, FormatError> {
    if flags != 0 {
        return Err(FormatError::UnknownVersion);
    }
    fields.zeros(FIELDS_BYTES - 4)?;
    Ok(kind)
}

/// `kdf (1) | p (1) | t (2) | m (4) | zeros (4)` after type, flags and length.
fn password_kind(fields: &mut Fields<'_>, flags: u8) -> Result<SlotKind, FormatError> {
    if flags & !FLAG_LINK != 0 || fields.u8()? != KDF_ARGON2ID {
        return Err(FormatError::UnknownVersion);
    }
    let parallelism = fields.u8()?;
    let passes = fields.u16()?;
    let memory_kib = fields.u32()?;
    fields.zeros(4)?;
    let cost = KdfCost {
        memory_kib,
        passes,
        parallelism,
    };
    Ok(SlotKind::Password {
        cost,
        link: flags & FLAG_LINK != 0,
    })
}
