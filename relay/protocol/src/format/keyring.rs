//! The keyring without keys: which slots it has and what they cost.
//!
//! ```text
//!  0   8  magic 89 53 4C 4B 0D 0A 1A 0A          80  ..  slots
//!  8   1  version = 1                          R-48  32  MAC, under a key from the package key (K1)
//!  9   1  suite = 1                            R-16  16  checksum of everything before it
//! 10   2  number of slots, 1 to 32
//! 12   4  R, bytes of the whole keyring
//! 16  16  package id
//! 32   8  generation, from 1 (K2)
//! 40  32  SHA-256 of the previous keyring, zeros for the first
//! 72   8  zeros
//! ```
//!
//! Slots are read in `slot.rs`.

use super::read::{Fields, checked, exact, opening};
use super::slot::read_slot;
use super::{CHECKSUM_BYTES, FormatError, KdfLimits, Slot, SlotKind};
use crate::ids::PackageId;
use crate::limits::{
    KDF_WORK_KIB_SUM_MAX, KEYRING_BYTES_MAX, PASSWORD_SLOT_COUNT_MAX, SLOT_COUNT_MAX,
};

/// Opens a keyring: PNG's trick, so that a file mangled by a text transfer shows at once.
pub(super) const MAGIC: [u8; 8] = *b"\x89SLK\r\n\x1a\n";
/// Bytes of a keyring without its slots: header, MAC and checksum.
pub const KEYRING_FIXED_BYTES: usize = HEADER_BYTES + MAC_BYTES + CHECKSUM_BYTES;
const HEADER_BYTES: usize = 80;
const MAC_BYTES: usize = 32;

/// A parsed keyring. Its form is right; nothing is known yet about who made it.
#[derive(Clone, Copy)]
pub struct Keyring<'a> {
    bytes: &'a [u8],
    package: PackageId,
    generation: u64,
    previous_sha256: [u8; 32],
    slots: &'a [u8],
}

/// What a relay demands of a keyring (P1).
#[derive(Clone, Copy, Debug)]
pub struct KeyringPolicy {
    /// Refuse keyrings in which any slot opens by the link alone or is of unknown kind. A
    /// recipient's key protects as a password does.
    pub password_required: bool,
    /// Accepted costs.
    pub kdf: KdfLimits,
}

/// How long the keyring is that starts with `first`, from its first 16 bytes.
///
/// # Errors
///
/// [`FormatError::NotSealed`], [`FormatError::UnknownVersion`], [`FormatError::CutShort`] with
/// fewer than 16 bytes, [`FormatError::DamagedKeyring`] for an impossible length.
pub fn keyring_bytes(first: &[u8]) -> Result<u32, FormatError> {
    let mut fields = Fields::new(first, FormatError::CutShort);
    opening(&mut fields, MAGIC)?;
    fields.u16()?;
    let announced = fields.u32()?;
    if !(KEYRING_FIXED_BYTES..=KEYRING_BYTES_MAX).contains(&(announced as usize)) {
        return Err(FormatError::DamagedKeyring);
    }
    Ok(announced)
}

impl<'a> Keyring<'a> {
    /// Reads a keyring that is exactly `bytes`.
    ///
    /// # Errors
    ///
    /// Those of [`keyring_bytes`]; [`FormatError::CutShort`] or [`FormatError::TrailingBytes`] when
    /// it is not exactly as long as it says; [`FormatError::DamagedKeyring`];
    /// [`FormatError::KdfTooExpensive`] with more than 8 password slots (K5).
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        exact(bytes, keyring_bytes(bytes)?)?;
        let covered = checked(bytes, FormatError::DamagedKeyring)?;
        let mut fields = Fields::new(covered, FormatError::DamagedKeyring);
        fields.bytes(10)?;
        let slot_count = fields.u16()?;
        fields.u32()?;
        let package = PackageId(fields.array()?);
        let generation = fields.u64()?;
        let previous_sha256 = fields.array()?;
        fields.zeros(8)?;
        let slots = fields.rest();
        let slots = slots
            .get(..slots.len().saturating_sub(MAC_BYTES))
            .ok_or(FormatError::DamagedKeyring)?;
        let keyring = Self {
            bytes,
            package,
            generation,
            previous_sha256,
            slots,
        };
        keyring.check_form(slot_count)?;
        Ok(keyring)
    }

    /// Generations start at 1 with no previous keyring; the slots fill their place exactly.
    fn check_form(&self, slot_count: u16) -> Result<(), FormatError> {
        let first = self.previous_sha256 == [0; 32];
        if self.generation == 0 || (self.generation == 1) != first {
            return Err(FormatError::DamagedKeyring);
        }
        if !(1..=SLOT_COUNT_MAX).contains(&slot_count) {
            return Err(FormatError::DamagedKeyring);
        }
        let mut rest = self.slots;
        let mut passwords = 0;
        for _ in 0..slot_count {
            let (slot, after) = read_slot(rest)?;
            rest = after;
            passwords += usize::from(matches!(slot.kind, SlotKind::Password { .. }));
        }
        if !rest.is_empty() {
            return Err(FormatError::DamagedKeyring);
        }
        if passwords > PASSWORD_SLOT_COUNT_MAX {
            return Err(FormatError::KdfTooExpensive);
        }
        Ok(())
    }

    /// The package it opens.
    #[must_use]
    pub fn package(&self) -> PackageId {
        self.package
    }

    /// Counts the keyrings of a package, from 1.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// SHA-256 of the keyring that this one replaced; zeros for the first.
    #[must_use]
    pub fn previous_sha256(&self) -> [u8; 32] {
        self.previous_sha256
    }

    /// The slots, in their order.
    pub fn slots(&self) -> impl Iterator<Item = Slot<'a>> + use<'a> {
        let mut rest = self.slots;
        std::iter::from_fn(move || {
            let (slot, after) = read_slot(rest).ok()?;
            rest = after;
            Some(slot)
        })
    }

    /// The bytes under the MAC, and the MAC.
    #[must_use]
    pub fn authenticated(&self) -> (&'a [u8], &'a [u8]) {
        let covered = self.bytes.len().saturating_sub(MAC_BYTES + CHECKSUM_BYTES);
        let (bytes, end) = self.bytes.split_at(covered.min(self.bytes.len()));
        (bytes, end.get(..MAC_BYTES).unwrap_or_default())
    }

    /// Memory times passes of all password slots together, in KiB: the most that opening may cost.
    #[must_use]
    pub fn work_kib(&self) -> u64 {
        self.slots()
            .map(|slot| match slot.kind {
                SlotKind::Password { cost, .. } => cost.work_kib(),
                _ => 0,
            })
            .sum()
    }

    /// Checks every password slot's cost, and their sum (K5). Do this before any key derivation.
    ///
    /// # Errors
    ///
    /// [`FormatError::KdfTooExpensive`] or [`FormatError::KdfTooWeak`].
    pub fn check_cost(&self, limits: KdfLimits) -> Result<(), FormatError> {
        for slot in self.slots() {
            if let SlotKind::Password { cost, .. } = slot.kind {
                limits.check(cost)?;
            }
        }
        if self.work_kib() > KDF_WORK_KIB_SUM_MAX {
            return Err(FormatError::KdfTooExpensive);
        }
        Ok(())
    }

    /// Checks what a relay demands: costs, and with protection required that every slot needs a
    /// password or a recipient's key (P1).
    ///
    /// # Errors
    ///
    /// [`FormatError::PasswordRequired`], or those of [`Keyring::check_cost`].
    pub fn check_policy(&self, policy: KeyringPolicy) -> Result<(), FormatError> {
        self.check_cost(policy.kdf)?;
        let mut kinds = self.slots().map(|slot| slot.kind);
        let protects = |kind| matches!(kind, SlotKind::Password { .. } | SlotKind::Recipient);
        if policy.password_required && !kinds.all(protects) {
            return Err(FormatError::PasswordRequired);
        }
        Ok(())
    }
}

/// What opens a new keyring.
#[derive(Clone, Copy)]
pub struct KeyringHeader {
    /// The package.
    pub package: PackageId,
    /// Number of this keyring, from 1.
    pub generation: u64,
    /// SHA-256 of the previous keyring; zeros for the first.
    pub previous_sha256: [u8; 32],
}

impl KeyringHeader {
    /// Header and slots: everything that the MAC covers. `None` with too many or too large slots.
    #[must_use]
    pub fn write(&self, slots: &[Vec<u8>]) -> Option<Vec<u8>> {
        let total = KEYRING_FIXED_BYTES + slots.iter().map(Vec::len).sum::<usize>();
        let count = u16::try_from(slots.len()).ok()?;
        if total > KEYRING_BYTES_MAX || !(1..=SLOT_COUNT_MAX).contains(&count) {
            return None;
        }
        let mut bytes = Vec::with_capacity(total);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[super::VERSION, super::SUITE]);
        bytes.extend_from_slice(&count.to_be_bytes());
        bytes.extend_from_slice(&u32::try_from(total).ok()?.to_be_bytes());
        bytes.extend_from_slice(&self.package.0);
        bytes.extend_from_slice(&self.generation.to_be_bytes());
        bytes.extend_from_slice(&self.previous_sha256);
        bytes.extend_from_slice(&[0; 8]);
        for slot in slots {
            bytes.extend_from_slice(slot);
        }
        Some(bytes)
    }
}
