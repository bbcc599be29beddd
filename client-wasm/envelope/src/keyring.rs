//! Making and opening keyrings: slots that wrap the package key.
//!
//! ```text
//! password slot:  A = Argon2id(password, salt, m, t, p, 32)
//!                 KEK || commitment = HKDF(salt = link secret or empty, A, info, 64)
//! link slot:      KEK || commitment = HKDF(salt = empty, link secret, info, 64)
//! info = "sealift/v1 password-slot" or "sealift/v1 link-slot" || package id || slot[0..48]
//! slot = kind, cost, salt (48) || commitment (32) || AES-256-GCM(KEK, IV = 0, aad, package key) (48)
//! aad  = slot[0..80] || package id
//! ```
//!
//! A KEK encrypts one thing once: its salt is drawn with it. The commitment is compared before
//! anything is decrypted, so no slot opens under two passwords; the MAC over the whole keyring (K1)
//! is compared before the key is given out, so no slot can be added, removed or made cheaper.
//!
//! Opening costs one Argon2 run for each password slot tried, at most 8 (K5). Start with [`open`].

use argon2::{Algorithm, Argon2, Params, Version};
use rand_core::CryptoRng;
use sealift_protocol::PackageId;
use sealift_protocol::format::{
    FormatError, KdfCost, KdfLimits, Keyring, KeyringHeader, SLOT_BOUND_BYTES, Slot, SlotKind,
    WRAP_SLOT_BYTES, checksum,
};
use sealift_protocol::link::LinkSecret;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::kdf::{expand, extract, hmac};
use crate::{Error, PackageKey, Password, gcm};

const COMMITMENT_END: usize = SLOT_BOUND_BYTES + 32;
const MAC_BYTES: usize = 32;

/// What somebody has to open a keyring with.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// A password, and the link's secret if there is one: it is used where a slot asks for both.
    Password {
        /// The password.
        password: &'a Password,
        /// The secret from the link's fragment.
        link: Option<&'a LinkSecret>,
    },
    /// The link's secret alone.
    Link(&'a LinkSecret),
}

/// Ways in which a keyring opens, so that a page knows what to ask for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Needs {
    /// Some slot opens by a password alone.
    pub password: bool,
    /// Some slot opens by password and link secret together.
    pub password_and_link: bool,
    /// Some slot opens by the link's secret alone.
    pub link: bool,
}

/// What opens `keyring`, from its slots. Nothing is authenticated yet.
#[must_use]
pub fn needs(keyring: &Keyring<'_>) -> Needs {
    let mut needs = Needs::default();
    for slot in keyring.slots() {
        match slot.kind {
            SlotKind::Password { link: false, .. } => needs.password = true,
            SlotKind::Password { link: true, .. } => needs.password_and_link = true,
            SlotKind::Link => needs.link = true,
            SlotKind::Unknown(_) => {}
        }
    }
    needs
}

/// Opens the keyring that is exactly `bytes` and belongs to `package` (any, if `None`).
///
/// Costs up to [`Keyring::work_kib`] of Argon2 work, and its memory; run it in a worker.
///
/// # Errors
///
/// Those of [`Keyring::parse`] and [`Keyring::check_cost`], all before any work;
/// [`FormatError::PackageMismatch`]; [`Error::WrongPassword`], [`Error::WrongLink`];
/// [`Error::PasswordNeeded`], [`Error::LinkNeeded`], [`Error::NoSlot`] when no slot takes what was
/// given; [`FormatError::DamagedKeyring`] when a slot opened but the keyring is not the one that
/// was sealed; [`Error::OutOfMemory`].
pub fn open(
    bytes: &[u8],
    package: Option<&PackageId>,
    credential: Credential<'_>,
) -> Result<PackageKey, Error> {
    open_within(bytes, package, credential, KdfLimits::PRODUCTION)
}

/// [`open`] with other limits of cost. Only tests have any.
///
/// # Errors
///
/// Those of [`open`].
pub fn open_within(
    bytes: &[u8],
    package: Option<&PackageId>,
    credential: Credential<'_>,
    limits: KdfLimits,
) -> Result<PackageKey, Error> {
    let keyring = Keyring::parse(bytes)?;
    if package.is_some_and(|package| *package != keyring.package()) {
        return Err(FormatError::PackageMismatch.into());
    }
    keyring.check_cost(limits)?;
    let mut tried = false;
    for slot in keyring.slots() {
        let Some(secret) = slot_secret(&slot, credential)? else {
            continue;
        };
        tried = true;
        if let Some(key) = open_slot(&keyring.package(), slot.bytes, &secret)? {
            let key = PackageKey::from_slot(keyring.package(), key);
            let (covered, mac) = keyring.authenticated();
            if !bool::from(mac_of(&key, covered).ct_eq(mac)) {
                return Err(FormatError::DamagedKeyring.into());
            }
            return Ok(key);
        }
    }
    Err(refusal(&keyring, credential, tried))
}

/// Refuses a keyring that is older than one seen before for the same package (K2).
///
/// # Errors
///
/// [`Error::OldKeyring`].
pub fn check_not_older(keyring: &Keyring<'_>, seen_generation: u64) -> Result<(), Error> {
    if keyring.generation() < seen_generation {
        Err(Error::OldKeyring)
    } else {
        Ok(())
    }
}

/// Why nothing opened, as exactly as it can be said.
fn refusal(keyring: &Keyring<'_>, credential: Credential<'_>, tried: bool) -> Error {
    let needs = needs(keyring);
    match credential {
        Credential::Password { .. } if tried => Error::WrongPassword,
        Credential::Link(_) if tried => Error::WrongLink,
        Credential::Password { .. } if needs.link || needs.password_and_link => Error::LinkNeeded,
        Credential::Link(_) if needs.password || needs.password_and_link => Error::PasswordNeeded,
        _ => Error::NoSlot,
    }
}

/// A slot's KEK and commitment under what was given; `None` if the slot takes something else.
fn slot_secret(slot: &Slot<'_>, credential: Credential<'_>) -> Result<Option<SlotSecret>, Error> {
    let salt = slot.bytes.get(16..SLOT_BOUND_BYTES).unwrap_or_default();
    match (slot.kind, credential) {
        (SlotKind::Password { cost, link: false }, Credential::Password { password, .. }) => {
            SlotSecret::from_password(password, salt, cost, None).map(Some)
        }
        (
            SlotKind::Password { cost, link: true },
            Credential::Password {
                password,
                link: Some(link),
            },
        ) => SlotSecret::from_password(password, salt, cost, Some(link)).map(Some),
        (SlotKind::Link, Credential::Link(link)) => Ok(Some(SlotSecret::from_link(link))),
        _ => Ok(None),
    }
}

/// What a slot's keys expand from.
pub(crate) struct SlotSecret {
    pub(crate) root: Zeroizing<[u8; 48]>,
    label: &'static [u8],
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

    fn from_link(link: &LinkSecret) -> Self {
        Self {
            root: extract(&[], &link.0),
            label: b"sealift/v1 link-slot",
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

pub(crate) struct SlotKeys {
    pub(crate) kek: Zeroizing<[u8; 32]>,
    commitment: [u8; 32],
}

/// Opens a slot. `None` when the commitment is another one: the wrong password or link.
fn open_slot(
    package: &PackageId,
    slot: &[u8],
    secret: &SlotSecret,
) -> Result<Option<Zeroizing<[u8; 32]>>, Error> {
    let damaged = Error::Format(FormatError::DamagedKeyring);
    let slot: &[u8; WRAP_SLOT_BYTES] = slot.try_into().map_err(|_| damaged)?;
    let (head, wrapped) = slot.split_at(COMMITMENT_END);
    let (bound, commitment) = head.split_at(SLOT_BOUND_BYTES);
    let keys = secret.keys(package, bound);
    if !bool::from(keys.commitment.ct_eq(commitment)) {
        return Ok(None);
    }
    let (sealed, tag) = wrapped.split_first_chunk::<32>().ok_or(damaged)?;
    let tag = tag.try_into().map_err(|_| damaged)?;
    let mut key = Zeroizing::new(*sealed);
    let aad = [head, &package.0].concat();
    gcm::decrypt(&keys.kek, &[0; gcm::IV_BYTES], &aad, &mut *key, &tag).ok_or(damaged)?;
    Ok(Some(key))
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

fn mac_of(key: &PackageKey, covered: &[u8]) -> [u8; MAC_BYTES] {
    let mac_key: Zeroizing<[u8; 48]> = key.package_key("keyring-mac");
    let mut mac = [0; MAC_BYTES];
    for (to, from) in mac.iter_mut().zip(hmac(&*mac_key, &[covered])) {
        *to = from;
    }
    mac
}

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

    /// A keyring that replaces the one that is exactly `previous` (K2).
    ///
    /// # Errors
    ///
    /// Those of [`Keyring::parse`]; [`FormatError::PackageMismatch`];
    /// [`FormatError::DamagedKeyring`] if it was not made with this key.
    pub fn replacing(key: &'a PackageKey, previous: &[u8]) -> Result<Self, Error> {
        let old = Keyring::parse(previous)?;
        if old.package() != key.package() {
            return Err(FormatError::PackageMismatch.into());
        }
        let (covered, mac) = old.authenticated();
        if !bool::from(mac_of(key, covered).ct_eq(mac)) {
            return Err(FormatError::DamagedKeyring.into());
        }
        let mut builder = Self::new(key);
        builder.header.generation = old.generation().checked_add(1).ok_or(Error::TooLarge)?;
        builder.header.previous_sha256 = Sha256::digest(previous).into();
        Ok(builder)
    }

    /// Other limits of cost. Only tests have any.
    #[must_use]
    pub fn within(mut self, limits: KdfLimits) -> Self {
        self.limits = limits;
        self
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
        self.add(
            SlotKind::Password {
                cost,
                link: link.is_some(),
            },
            &salt,
            &secret,
        )
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

    fn add(mut self, kind: SlotKind, salt: &[u8; 32], secret: &SlotSecret) -> Result<Self, Error> {
        let misuse = Error::Misuse("this kind of slot cannot be made");
        let bound = kind.write(salt).ok_or(misuse)?;
        let keys = secret.keys(&self.header.package, &bound);
        let head = [&bound[..], &keys.commitment].concat();
        let aad = [&head[..], &self.header.package.0].concat();
        let mut wrapped = Zeroizing::new(*self.key.bytes());
        let tag = gcm::encrypt(&keys.kek, &[0; gcm::IV_BYTES], &aad, &mut *wrapped);
        self.slots
            .push([&head[..], &*wrapped, &tag.ok_or(misuse)?].concat());
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

fn draw_salt(rng: &mut dyn CryptoRng) -> [u8; 32] {
    let mut salt = [0; 32];
    rng.fill_bytes(&mut salt);
    salt
}
