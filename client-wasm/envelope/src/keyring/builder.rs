//! Making a keyring: a package's first, or one that replaces another (K2).
//!
//! ```
//! # use sealift_envelope::{*, keyring::*};
//! # use sealift_protocol::{PackageId, format::{KdfCost, KdfLimits}, link::LinkSecret};
//! # fn main() -> Result<(), Error> {
//! # let mut rng = rand::rng();
//! # let key = PackageKey::generate(PackageId([1; 16]), &mut rng);
//! # let (link, new) = (LinkSecret([7; 32]), LinkSecret([8; 32]));
//! let first = KeyringBuilder::new(&key).link_secret(&link, &mut rng)?.build()?;
//!
//! // Another secret instead of the one that opened it; all other slots stay.
//! let opened = unlock(&first, None, Credential::Link(&link), KdfLimits::PRODUCTION)?;
//! let second = KeyringBuilder::replacing(&opened.key, &first)?
//!     .keep(&first, |number, _| number != opened.slot)?
//!     .link_secret(&new, &mut rng)?
//!     .build()?;
//! assert!(open(&second, None, Credential::Link(&link)).is_err());
//!
//! // Undo: the slots of the keyring before, under the next number.
//! let third = KeyringBuilder::undoing(&opened.key, &second, &first)?.build()?;
//! assert!(open(&third, None, Credential::Link(&link)).is_ok());
//! # Ok(()) }
//! ```

use rand_core::CryptoRng;
use sealift_protocol::format::{
    FormatError, KdfCost, KdfLimits, Keyring, KeyringHeader, SLOT_SALT_BYTES, SlotKind, checksum,
};
use sealift_protocol::link::LinkSecret;
use sha2::{Digest as _, Sha256};

use super::slot::{self, SlotSecret};
use super::{check_mac, mac_of};
#[cfg(feature = "recipients")]
use crate::Recipient;
use crate::{Error, PackageKey, Password};

/// Makes a keyring: a new one, or one that replaces another.
pub struct KeyringBuilder<'a> {
    key: &'a PackageKey,
    header: KeyringHeader,
    slots: Vec<Vec<u8>>,
    limits: KdfLimits,
}

impl<'a> KeyringBuilder<'a> {
    /// The first keyring of a package.
    #[must_use]
    pub fn new(key: &'a PackageKey) -> Self {
        let header = KeyringHeader {
            package: key.package(),
            generation: 1,
            previous_sha256: [0; 32],
        };
        Self {
            key,
            header,
            slots: Vec::new(),
            limits: KdfLimits::PRODUCTION,
        }
    }

    /// A keyring that replaces the one that is exactly `current`: its number is the next one, and it
    /// names the hash of what it replaces. It has no slots yet.
    ///
    /// # Errors
    ///
    /// Those of [`Keyring::parse`]; [`FormatError::PackageMismatch`];
    /// [`FormatError::DamagedKeyring`] if it was not made with this key.
    pub fn replacing(key: &'a PackageKey, current: &[u8]) -> Result<Self, Error> {
        let old = of_package(key, current)?;
        let mut builder = Self::new(key);
        builder.header.generation = old.generation().checked_add(1).ok_or(Error::TooLarge)?;
        builder.header.previous_sha256 = Sha256::digest(current).into();
        Ok(builder)
    }

    /// A keyring that takes back the step from `previous` to `current`: it has all slots of
    /// `previous`, under the next number.
    ///
    /// # Errors
    ///
    /// [`Error::OldKeyring`] if `current` names another keyring as the one before it, or a relay
    /// could choose which password comes back; those of [`KeyringBuilder::replacing`].
    pub fn undoing(key: &'a PackageKey, current: &[u8], previous: &[u8]) -> Result<Self, Error> {
        let builder = Self::replacing(key, current)?;
        let named = Keyring::parse(current)?.previous_sha256();
        if <[u8; 32]>::from(Sha256::digest(previous)) != named {
            return Err(Error::OldKeyring);
        }
        builder.keep(previous, |_, _| true)
    }

    /// Other limits of cost. Only tests have any.
    #[must_use]
    pub fn within(mut self, limits: KdfLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Takes over slots of another keyring of this package, as they are: those for which `which`
    /// says yes, given their number from 0 and their kind. From the keyring that is replaced; to undo
    /// that, see [`KeyringBuilder::undoing`]. Nobody's password is needed for it.
    ///
    /// # Errors
    ///
    /// Those of [`KeyringBuilder::replacing`].
    pub fn keep(
        mut self,
        keyring: &[u8],
        which: impl Fn(usize, SlotKind) -> bool,
    ) -> Result<Self, Error> {
        let other = of_package(self.key, keyring)?;
        let kept = other.slots().enumerate();
        let kept = kept.filter(|(number, slot)| which(*number, slot.kind));
        self.slots.extend(kept.map(|(_, slot)| slot.bytes.to_vec()));
        Ok(self)
    }

    /// Adds a slot for a password, and the link's secret as well if one is given.
    ///
    /// # Errors
    ///
    /// [`FormatError::KdfTooExpensive`], [`FormatError::KdfTooWeak`], [`Error::OutOfMemory`].
    pub fn password(
        self,
        password: &Password,
        cost: KdfCost,
        link: Option<&LinkSecret>,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, Error> {
        self.limits.check(cost)?;
        let salt = draw_salt(rng);
        let secret = SlotSecret::from_password(password, &salt, cost, link)?;
        let link = link.is_some();
        self.add(SlotKind::Password { cost, link }, &salt, &secret)
    }

    /// Adds a slot for the link's secret alone.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] only, and that cannot happen.
    pub fn link_secret(self, link: &LinkSecret, rng: &mut dyn CryptoRng) -> Result<Self, Error> {
        let salt = draw_salt(rng);
        self.add(SlotKind::Link, &salt, &SlotSecret::from_link(link))
    }

    /// Adds a slot for whoever has the secret key of `recipient`. The slot does not say whose it is
    /// (K5).
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] only, and that cannot happen.
    #[cfg(feature = "recipients")]
    pub fn recipient(self, recipient: &Recipient, rng: &mut dyn CryptoRng) -> Result<Self, Error> {
        let (ciphertext, shared) = recipient.encapsulate(rng);
        let secret = SlotSecret::from_shared(&shared);
        self.add(SlotKind::Recipient, &ciphertext, &secret)
    }

    fn add(mut self, kind: SlotKind, drawn: &[u8], secret: &SlotSecret) -> Result<Self, Error> {
        self.slots.push(slot::seal(self.key, kind, drawn, secret)?);
        Ok(self)
    }

    /// The finished keyring.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] with too many slots, [`FormatError::KdfTooExpensive`] when the password
    /// slots together cost more than a reader spends (K5), [`Error::Misuse`] without any slot.
    pub fn build(self) -> Result<Vec<u8>, Error> {
        if self.slots.is_empty() {
            return Err(Error::Misuse("a keyring needs a slot"));
        }
        let mut bytes = self.header.write(&self.slots).ok_or(Error::TooLarge)?;
        let mac = mac_of(self.key, &bytes);
        bytes.extend_from_slice(&mac);
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        Keyring::parse(&bytes)?.check_cost(self.limits)?;
        Ok(bytes)
    }
}

/// Reads a keyring that must have been made with this very key.
fn of_package<'a>(key: &PackageKey, bytes: &'a [u8]) -> Result<Keyring<'a>, Error> {
    let keyring = Keyring::parse(bytes)?;
    if keyring.package() != key.package() {
        return Err(FormatError::PackageMismatch.into());
    }
    check_mac(key, &keyring)?;
    Ok(keyring)
}

fn draw_salt(rng: &mut dyn CryptoRng) -> [u8; SLOT_SALT_BYTES] {
    let mut salt = [0; SLOT_SALT_BYTES];
    rng.fill_bytes(&mut salt);
    salt
}
