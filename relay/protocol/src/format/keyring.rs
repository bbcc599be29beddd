//! The keyring without keys: which slots it has and what they cost.
//!
//! ```text
//!  0   8  magic 89 53 4C 4B 0D 0A 1A 0A          80  ..  slots
//!  8   1  version = 1                          R-48  32  MAC, under a key from the package key (K1)
//!  9   1  suite = 1                            R-16  16  checksum of everything before it
//! 10   2  number of slots, 1 to 32
//! 12   4  R, bytes of the whole keyring        slot: type (1) | flags (1) | length (2) | ...
//! 16  16  package id
//! 32   8  generation, from 1 (K2)
//! 40  32  SHA-256 of the previous keyring, zeros for the first
//! 72   8  zeros
//! ```
//!
//! Slots of an unknown type are kept, so that an older client can open a keyring by the slots it
//! knows; policy may refuse them (P1).

use super::read::{Fields, checked, exact, opening};
use super::{CHECKSUM_BYTES, FormatError};
use crate::ids::PackageId;
use crate::limits::{
    KDF_MEMORY_KIB_MAX, KDF_PARALLELISM_MAX, KDF_PASSES_MAX, KDF_WORK_KIB_MAX,
    KDF_WORK_KIB_SUM_MAX, KEYRING_BYTES_MAX, PASSWORD_SLOT_COUNT_MAX, SLOT_BYTES_MAX,
    SLOT_COUNT_MAX,
};

/// Opens a keyring: PNG's trick, so that a file mangled by a text transfer shows at once.
pub(super) const MAGIC: [u8; 8] = *b"\x89SLK\r\n\x1a\n";
/// Bytes of a keyring without its slots: header, MAC and checksum.
pub const KEYRING_FIXED_BYTES: usize = HEADER_BYTES + MAC_BYTES + CHECKSUM_BYTES;
const HEADER_BYTES: usize = 80;
const MAC_BYTES: usize = 32;

/// Type byte of a slot that a password opens.
pub const PASSWORD_SLOT_TYPE: u8 = 1;
/// Type byte of a slot that the link's secret opens alone.
pub const LINK_SLOT_TYPE: u8 = 2;
/// Bytes of a slot of either type.
pub const WRAP_SLOT_BYTES: usize = 128;
/// Leading bytes of such a slot that enter its key derivation: type, flags, cost and salt.
pub const SLOT_BOUND_BYTES: usize = 48;
/// The only key derivation: Argon2id, version 0x13.
const KDF_ARGON2ID: u8 = 1;
/// Flag of a password slot: the link's secret is needed as well.
const FLAG_LINK: u8 = 1;

/// A parsed keyring. Its form is right; nothing is known yet about who made it.
#[derive(Clone, Copy)]
pub struct Keyring<'a> {
    bytes: &'a [u8],
    package: PackageId,
    generation: u64,
    previous_sha256: [u8; 32],
    slots: &'a [u8],
}

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

/// The cost of one Argon2id run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KdfCost {
    /// Memory in KiB (m).
    pub memory_kib: u32,
    /// Passes over it (t).
    pub passes: u16,
    /// Lanes (p).
    pub parallelism: u8,
}

impl KdfCost {
    /// What writers use unless told otherwise: 64 MiB, 3 passes, 1 lane. About 0.3 s in a browser.
    pub const DEFAULT: Self = Self {
        memory_kib: 64 << 10,
        passes: 3,
        parallelism: 1,
    };
    /// For those who wait longer: 256 MiB, 3 passes. Phones may lack the memory.
    pub const STRONG: Self = Self {
        memory_kib: 256 << 10,
        passes: 3,
        parallelism: 1,
    };

    /// Memory times passes, in KiB: what an estimate of time scales with.
    #[must_use]
    pub fn work_kib(&self) -> u64 {
        u64::from(self.memory_kib) * u64::from(self.passes)
    }
}

/// Which costs a reader accepts. The ceilings are the same for everybody; production code has one
/// floor and no way to lower it.
#[derive(Clone, Copy, Debug)]
pub struct KdfLimits {
    floor: bool,
}

impl KdfLimits {
    /// At least 46 MiB with one pass, or 64 MiB with two or more.
    pub const PRODUCTION: Self = Self { floor: true };

    /// No floor, so that tests need not spend a second on each password.
    #[cfg(any(test, feature = "cheap-kdf-for-tests"))]
    pub const CHEAP_FOR_TESTS: Self = Self { floor: false };

    /// Checks one slot's cost.
    ///
    /// # Errors
    ///
    /// [`FormatError::KdfTooExpensive`] over a ceiling, [`FormatError::KdfTooWeak`] under the floor.
    pub fn check(&self, cost: KdfCost) -> Result<(), FormatError> {
        let KdfCost {
            memory_kib,
            passes,
            parallelism,
        } = cost;
        if memory_kib > KDF_MEMORY_KIB_MAX
            || passes > KDF_PASSES_MAX
            || parallelism > KDF_PARALLELISM_MAX
            || cost.work_kib() > KDF_WORK_KIB_MAX
        {
            return Err(FormatError::KdfTooExpensive);
        }
        let memory_kib_min = match (self.floor, passes) {
            (_, 0) => return Err(FormatError::KdfTooWeak),
            (true, 1) => 46 << 10,
            (true, _) => 64 << 10,
            (false, _) => 8 * u32::from(parallelism),
        };
        if parallelism == 0 || memory_kib < memory_kib_min {
            return Err(FormatError::KdfTooWeak);
        }
        Ok(())
    }
}

/// What a relay demands of a keyring (P1).
#[derive(Clone, Copy, Debug)]
pub struct KeyringPolicy {
    /// Refuse keyrings in which any slot opens without a password or is of unknown kind.
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
    /// password (P1).
    ///
    /// # Errors
    ///
    /// [`FormatError::PasswordRequired`], or those of [`Keyring::check_cost`].
    pub fn check_policy(&self, policy: KeyringPolicy) -> Result<(), FormatError> {
        self.check_cost(policy.kdf)?;
        let mut kinds = self.slots().map(|slot| slot.kind);
        if policy.password_required && !kinds.all(|kind| matches!(kind, SlotKind::Password { .. }))
        {
            return Err(FormatError::PasswordRequired);
        }
        Ok(())
    }
}

fn read_slot(bytes: &[u8]) -> Result<(Slot<'_>, &[u8]), FormatError> {
    let damaged = FormatError::DamagedKeyring;
    let mut fields = Fields::new(bytes, damaged);
    let slot_type = fields.u8()?;
    let flags = fields.u8()?;
    let length = fields.u16()?;
    if !(4..=SLOT_BYTES_MAX).contains(&length) {
        return Err(damaged);
    }
    let (slot, rest) = bytes.split_at_checked(usize::from(length)).ok_or(damaged)?;
    let known = matches!(slot_type, PASSWORD_SLOT_TYPE | LINK_SLOT_TYPE);
    if known && slot.len() != WRAP_SLOT_BYTES {
        return Err(damaged);
    }
    let kind = match slot_type {
        PASSWORD_SLOT_TYPE => password_kind(&mut fields, flags)?,
        LINK_SLOT_TYPE => {
            if flags != 0 {
                return Err(FormatError::UnknownVersion);
            }
            fields.zeros(12)?;
            SlotKind::Link
        }
        other => SlotKind::Unknown(other),
    };
    Ok((Slot { kind, bytes: slot }, rest))
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

impl SlotKind {
    /// The first 48 bytes of a new slot: what enters its key derivation. `None` for unknown kinds.
    #[must_use]
    pub fn write(&self, salt: &[u8; 32]) -> Option<[u8; SLOT_BOUND_BYTES]> {
        let length = (WRAP_SLOT_BYTES as u16).to_be_bytes();
        let mut slot = [0; SLOT_BOUND_BYTES];
        let (fields, end) = slot.split_first_chunk_mut::<16>()?;
        end.copy_from_slice(salt);
        *fields = match *self {
            Self::Password { cost, link } => {
                let [m0, m1, m2, m3] = cost.memory_kib.to_be_bytes();
                let [t0, t1] = cost.passes.to_be_bytes();
                let flags = if link { FLAG_LINK } else { 0 };
                let p = cost.parallelism;
                [
                    PASSWORD_SLOT_TYPE,
                    flags,
                    length[0],
                    length[1],
                    KDF_ARGON2ID,
                    p,
                    t0,
                    t1,
                    m0,
                    m1,
                    m2,
                    m3,
                    0,
                    0,
                    0,
                    0,
                ]
            }
            Self::Link => {
                let mut fields = [0; 16];
                fields[0] = LINK_SLOT_TYPE;
                fields[2..4].copy_from_slice(&length);
                fields
            }
            Self::Unknown(_) => return None,
        };
        Some(slot)
    }
}

#[cfg(all(feature = "cheap-kdf-for-tests", not(debug_assertions)))]
compile_error!("the feature cheap-kdf-for-tests is for tests; a release build must not have it");
