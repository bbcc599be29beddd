//! One slot: the keys that open it, and the package key wrapped in it.

use argon2::{Algorithm, Argon2, Params, Version};
use sealift_protocol::PackageId;
use sealift_protocol::format::{FormatError, KdfCost, Slot, SlotKind};
use sealift_protocol::link::LinkSecret;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::kdf::{expand, extract};
use crate::{Error, PackageKey, Password, gcm};

/// A KEK encrypts one package key, so one IV is enough.
const IV: [u8; gcm::IV_BYTES] = [0; gcm::IV_BYTES];

/// What a slot's keys expand from.
pub(crate) struct SlotSecret {
    pub(crate) root: Zeroizing<[u8; 48]>,
    label: &'static [u8],
}

pub(crate) struct SlotKeys {
    pub(crate) kek: Zeroizing<[u8; 32]>,
    commitment: [u8; 32],
}

impl SlotSecret {
    pub(crate) fn from_password(
        password: &Password,
        salt: &[u8],
        cost: KdfCost,
        link: Option<&LinkSecret>,
    ) -> Result<Self, Error> {
        let stretched = argon2id(password, salt, cost)?;
        let link = link.map_or(&[][..], |link| &link.0);
        Ok(Self {
            root: extract(link, &*stretched),
            label: b"sealift/v1 password-slot",
        })
    }

    pub(super) fn from_link(link: &LinkSecret) -> Self {
        Self {
            root: extract(&[], &link.0),
            label: b"sealift/v1 link-slot",
        }
    }

    #[cfg(feature = "recipients")]
    pub(crate) fn from_shared(shared: &[u8; 32]) -> Self {
        Self {
            root: extract(&[], shared),
            label: b"sealift/v1 recipient-slot",
        }
    }

    pub(crate) fn keys(&self, package: &PackageId, bound: &[u8]) -> SlotKeys {
        let both: Zeroizing<[u8; 64]> = expand(&*self.root, &[self.label, &package.0, bound]);
        let mut keys = SlotKeys {
            kek: Zeroizing::new([0; 32]),
            commitment: [0; 32],
        };
        let (kek, commitment) = both.split_at(32);
        keys.kek.copy_from_slice(kek);
        keys.commitment.copy_from_slice(commitment);
        keys
    }
}

/// Opens a slot. `None` when the commitment is another one: the wrong password, link or identity.
pub(super) fn open(
    package: &PackageId,
    slot: &Slot<'_>,
    secret: &SlotSecret,
) -> Result<Option<Zeroizing<[u8; 32]>>, Error> {
    let damaged = Error::Format(FormatError::DamagedKeyring);
    let parts = slot.parts().ok_or(damaged)?;
    let keys = secret.keys(package, parts.bound);
    if !bool::from(keys.commitment.ct_eq(parts.commitment)) {
        return Ok(None);
    }
    let (sealed, tag) = parts.wrapped_key.split_first_chunk::<32>().ok_or(damaged)?;
    let tag = tag.try_into().map_err(|_| damaged)?;
    let mut key = Zeroizing::new(*sealed);
    let aad = [parts.before_key, &package.0].concat();
    gcm::decrypt(&keys.kek, &IV, &aad, &mut *key, &tag).ok_or(damaged)?;
    Ok(Some(key))
}

/// Makes a slot around `key`, with the salt or ciphertext that was `drawn` for it.
pub(super) fn seal(
    key: &PackageKey,
    kind: SlotKind,
    drawn: &[u8],
    secret: &SlotSecret,
) -> Result<Vec<u8>, Error> {
    let misuse = Error::Misuse("this kind of slot cannot be made");
    let package = key.package();
    let mut slot = kind.write(drawn).ok_or(misuse)?;
    let keys = secret.keys(&package, &slot);
    slot.extend_from_slice(&keys.commitment);
    let aad = [&slot[..], &package.0].concat();
    let mut wrapped = Zeroizing::new(*key.bytes());
    let tag = gcm::encrypt(&keys.kek, &IV, &aad, &mut *wrapped).ok_or(misuse)?;
    slot.extend_from_slice(&*wrapped);
    slot.extend_from_slice(&tag);
    Ok(slot)
}

pub(crate) fn argon2id(
    password: &Password,
    salt: &[u8],
    cost: KdfCost,
) -> Result<Zeroizing<[u8; 32]>, Error> {
    let KdfCost {
        memory_kib,
        passes,
        parallelism,
    } = cost;
    let params = Params::new(memory_kib, passes.into(), parallelism.into(), Some(32))
        .map_err(|_| FormatError::KdfTooWeak)?;
    let mut out = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.bytes(), salt, &mut *out)
        .map_err(|_| Error::OutOfMemory)?;
    Ok(out)
}
