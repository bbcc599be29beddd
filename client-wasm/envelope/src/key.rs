//! The package key, and the right to seal with it.
//!
//! ```text
//! package key                    32 random bytes; slots carry it, nothing else derives from a password
//! package root = HKDF-Extract(salt = package id, package key)
//!   K(keyring-mac, 48), K(draft, 32)
//! file root    = HKDF-Extract(salt = file id, package key)
//!   K(floe, 32), K(meta, 32), K(seal, 48)
//! K(label, n)  = HKDF-Expand(root, "sealift/v1 " || label || package id, n)
//! ```
//!
//! Two types keep rule K3: an [`OpeningKey`] opens, a [`PackageKey`] seals as well. Whoever makes a
//! package, or opens its keyring by password or link, gets the second; a public-key slot, to which
//! anybody can seal a key of their own, gives the first only.

use std::ops::Deref;

use rand_core::CryptoRng;
use sealift_protocol::{FileId, PackageId};
use zeroize::Zeroizing;

use crate::Error;
use crate::kdf::{expand, extract};

const LABEL: &[u8] = b"sealift/v1 ";
/// An exported key: what it may do (1), package id (16), key (32).
const EXPORT_BYTES: usize = 49;
const OPENS: u8 = 1;
const SEALS: u8 = 2;
const NO_EXPORT: Error = Error::Misuse("these bytes are not an exported key that may do this");

/// Opens everything in a package. Has no `Debug`; wiped when dropped.
///
/// It does not seal (K3):
///
/// ```compile_fail,E0308
/// # use sealift_envelope::*;
/// # use sealift_protocol::{FileId, format::Role};
/// fn seal(key: &OpeningKey, rng: &mut dyn rand_core::CryptoRng) {
///     FileSealer::new(key, FileId([0; 32]), Role::File, &Metadata::unnamed(0), rng);
/// }
/// ```
#[derive(Clone)]
pub struct OpeningKey {
    package: PackageId,
    key: Zeroizing<[u8; 32]>,
}

/// Seals and opens everything in a package. Has no `Debug`; wiped when dropped.
#[derive(Clone)]
pub struct PackageKey(OpeningKey);

impl Deref for PackageKey {
    type Target = OpeningKey;

    fn deref(&self) -> &OpeningKey {
        &self.0
    }
}

impl PackageKey {
    /// Draws the key of a new package.
    #[must_use]
    pub fn generate(package: PackageId, rng: &mut dyn CryptoRng) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *key);
        Self(OpeningKey { package, key })
    }

    pub(crate) fn from_slot(package: PackageId, key: Zeroizing<[u8; 32]>) -> Self {
        Self(OpeningKey::from_slot(package, key))
    }

    /// Package id and key, to be handed to another worker of the same client. Secret.
    #[must_use]
    pub fn export(&self) -> Zeroizing<Vec<u8>> {
        self.0.export_as(SEALS)
    }

    /// The inverse of [`PackageKey::export`].
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for other bytes than an export, and for that of a key that only opens (K3).
    pub fn import(bytes: &[u8]) -> Result<Self, Error> {
        match OpeningKey::read(bytes)? {
            (SEALS, key) => Ok(Self(key)),
            _ => Err(NO_EXPORT),
        }
    }
}

impl OpeningKey {
    pub(crate) fn from_slot(package: PackageId, key: Zeroizing<[u8; 32]>) -> Self {
        Self { package, key }
    }

    /// Package id and key, to be handed to another worker of the same client. Secret. Does not become
    /// a [`PackageKey`] again (K3).
    #[must_use]
    pub fn export(&self) -> Zeroizing<Vec<u8>> {
        self.export_as(OPENS)
    }

    /// The inverse of [`OpeningKey::export`] and of [`PackageKey::export`].
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for other bytes.
    pub fn import(bytes: &[u8]) -> Result<Self, Error> {
        Self::read(bytes).map(|(_, key)| key)
    }

    fn export_as(&self, right: u8) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(EXPORT_BYTES));
        bytes.push(right);
        bytes.extend_from_slice(&self.package.0);
        bytes.extend_from_slice(&*self.key);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<(u8, Self), Error> {
        let bytes: &[u8; EXPORT_BYTES] = bytes.try_into().map_err(|_| NO_EXPORT)?;
        let (right, rest) = bytes.split_first().ok_or(NO_EXPORT)?;
        let (package, key) = rest.split_first_chunk().ok_or(NO_EXPORT)?;
        let key = Zeroizing::new(key.try_into().map_err(|_| NO_EXPORT)?);
        match *right {
            SEALS | OPENS => Ok((*right, Self::from_slot(PackageId(*package), key))),
            _ => Err(NO_EXPORT),
        }
    }

    /// The package that this key opens.
    #[must_use]
    pub fn package(&self) -> PackageId {
        self.package
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.key
    }

    /// A key for something of the package as a whole.
    pub(crate) fn package_key<const N: usize>(&self, label: &str) -> Zeroizing<[u8; N]> {
        self.derive(&self.package.0, label)
    }

    /// A key for something of one file.
    pub(crate) fn file_key<const N: usize>(
        &self,
        file: &FileId,
        label: &str,
    ) -> Zeroizing<[u8; N]> {
        self.derive(&file.0, label)
    }

    fn derive<const N: usize>(&self, salt: &[u8], label: &str) -> Zeroizing<[u8; N]> {
        let root = extract(salt, &*self.key);
        expand(&*root, &[LABEL, label.as_bytes(), &self.package.0])
    }
}
