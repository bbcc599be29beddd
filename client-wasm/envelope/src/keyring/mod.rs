//! Making and opening keyrings: slots that wrap the package key.
//!
//! ```text
//! password slot:   A = Argon2id(password, salt, m, t, p, 32)
//!                  KEK || commitment = HKDF(salt = link secret or empty, A, info, 64)
//! link slot:       KEK || commitment = HKDF(salt = empty, link secret, info, 64)
//! recipient slot:  KEK || commitment = HKDF(salt = empty, X-Wing's shared secret, info, 64)
//! info = "sealift/v1 password-slot", "… link-slot" or "… recipient-slot" || package id || bound
//! slot = bound: fields, salt or ciphertext || commitment (32) || AES-256-GCM(KEK, IV = 0, aad, package key) (48)
//! aad  = bound || commitment || package id
//! ```
//!
//! A KEK encrypts one thing once: its salt or ciphertext is drawn with it. The commitment is
//! compared before anything is decrypted, so no slot opens under two passwords; the MAC over the
//! whole keyring (K1) is compared before the key is given out, so no slot can be added, removed or
//! made cheaper.
//!
//! Opening costs one Argon2 run for each password slot tried, at most 8 (K5). What opens says what
//! may be done (K3): [`open`] takes a password or link and gives a [`PackageKey`], which seals;
//! `open_with_identities` takes secret keys and gives an `OpeningKey`, which does not. To replace a
//! keyring: [`unlock`], then [`KeyringBuilder::replacing`].

mod builder;
mod slot;

use sealift_protocol::PackageId;
use sealift_protocol::format::{FormatError, KdfLimits, Keyring, Slot, SlotKind};
use sealift_protocol::link::LinkSecret;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

pub use builder::KeyringBuilder;
pub(crate) use slot::SlotSecret;
#[cfg(test)]
pub(crate) use slot::argon2id;

#[cfg(feature = "recipients")]
use crate::Identity;
use crate::kdf::hmac;
use crate::{Error, OpeningKey, PackageKey, Password};

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
    /// Some slot opens by a recipient's secret key.
    pub identity: bool,
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
            SlotKind::Recipient => needs.identity = true,
            SlotKind::Unknown(_) => {}
        }
    }
    needs
}

/// A keyring that was opened by password or link.
pub struct Opened {
    /// Seals and opens everything in the package.
    pub key: PackageKey,
    /// Which slot opened, counted from 0: the one to leave out when its password changes.
    pub slot: usize,
}

/// Opens the keyring that is exactly `bytes` and belongs to `package` (any, if `None`).
///
/// Costs up to [`Keyring::work_kib`] of Argon2 work, and its memory; run it in a worker.
///
/// # Errors
///
/// Those of [`Keyring::parse`] and [`Keyring::check_cost`], all before any work;
/// [`FormatError::PackageMismatch`]; [`Error::WrongPassword`], [`Error::WrongLink`];
/// [`Error::PasswordNeeded`], [`Error::LinkNeeded`], [`Error::IdentityNeeded`], [`Error::NoSlot`]
/// when no slot takes what was given; [`FormatError::DamagedKeyring`] when a slot opened but the
/// keyring is not the one that was sealed; [`Error::OutOfMemory`].
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
    unlock(bytes, package, credential, limits).map(|opened| opened.key)
}

/// [`open_within`] that says which slot it was, for those who will replace the keyring.
///
/// # Errors
///
/// Those of [`open`].
pub fn unlock(
    bytes: &[u8],
    package: Option<&PackageId>,
    credential: Credential<'_>,
    limits: KdfLimits,
) -> Result<Opened, Error> {
    let keyring = parse(bytes, package, limits)?;
    let mut tried = false;
    for (number, slot) in keyring.slots().enumerate() {
        let Some(secret) = slot_secret(&slot, credential)? else {
            continue;
        };
        tried = true;
        if let Some(key) = slot::open(&keyring.package(), &slot, &secret)? {
            let key = PackageKey::from_slot(keyring.package(), key);
            check_mac(&key, &keyring)?;
            return Ok(Opened { key, slot: number });
        }
    }
    Err(refusal(&keyring, credential, tried))
}

/// Opens the keyring that is exactly `bytes` with the first of `identities` that one of its slots
/// is for.
///
/// What comes out does not seal (K3): anybody can make a keyring for a public key, so it proves
/// nothing about who made the package.
///
/// # Errors
///
/// Those of [`open`], but [`Error::WrongIdentity`] when no slot is for any of these, and
/// [`Error::PasswordNeeded`] or [`Error::LinkNeeded`] when none is for a recipient at all.
#[cfg(feature = "recipients")]
pub fn open_with_identities(
    bytes: &[u8],
    package: Option<&PackageId>,
    identities: &[Identity],
    limits: KdfLimits,
) -> Result<OpeningKey, Error> {
    let keyring = parse(bytes, package, limits)?;
    let recipients = || {
        keyring
            .slots()
            .filter(|slot| slot.kind == SlotKind::Recipient)
    };
    for identity in identities {
        let opener = identity.opener();
        for slot in recipients() {
            let Some(shared) = opener.shared_secret(slot.drawn()) else {
                continue;
            };
            let secret = SlotSecret::from_shared(&shared);
            if let Some(key) = slot::open(&keyring.package(), &slot, &secret)? {
                let key = OpeningKey::from_slot(keyring.package(), key);
                check_mac(&key, &keyring)?;
                return Ok(key);
            }
        }
    }
    let needs = needs(&keyring);
    Err(if needs.identity {
        Error::WrongIdentity
    } else if needs.password {
        Error::PasswordNeeded
    } else if needs.link || needs.password_and_link {
        Error::LinkNeeded
    } else {
        Error::NoSlot
    })
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

/// Everything that is checked before any secret is used.
fn parse<'a>(
    bytes: &'a [u8],
    package: Option<&PackageId>,
    limits: KdfLimits,
) -> Result<Keyring<'a>, Error> {
    let keyring = Keyring::parse(bytes)?;
    if package.is_some_and(|package| *package != keyring.package()) {
        return Err(FormatError::PackageMismatch.into());
    }
    keyring.check_cost(limits)?;
    Ok(keyring)
}

/// Why nothing opened, as exactly as it can be said.
fn refusal(keyring: &Keyring<'_>, credential: Credential<'_>, tried: bool) -> Error {
    let needs = needs(keyring);
    match credential {
        Credential::Password { .. } if tried => Error::WrongPassword,
        Credential::Link(_) if tried => Error::WrongLink,
        Credential::Password { .. } if needs.link || needs.password_and_link => Error::LinkNeeded,
        Credential::Link(_) if needs.password || needs.password_and_link => Error::PasswordNeeded,
        _ if needs.identity => Error::IdentityNeeded,
        _ => Error::NoSlot,
    }
}

/// A slot's secret under what was given; `None` if the slot takes something else.
fn slot_secret(slot: &Slot<'_>, credential: Credential<'_>) -> Result<Option<SlotSecret>, Error> {
    match (slot.kind, credential) {
        (SlotKind::Password { cost, link: false }, Credential::Password { password, .. }) => {
            SlotSecret::from_password(password, slot.drawn(), cost, None).map(Some)
        }
        (
            SlotKind::Password { cost, link: true },
            Credential::Password {
                password,
                link: Some(link),
            },
        ) => SlotSecret::from_password(password, slot.drawn(), cost, Some(link)).map(Some),
        (SlotKind::Link, Credential::Link(link)) => Ok(Some(SlotSecret::from_link(link))),
        _ => Ok(None),
    }
}

/// Checks that the whole keyring was made by somebody who holds the package key (K1).
fn check_mac(key: &OpeningKey, keyring: &Keyring<'_>) -> Result<(), Error> {
    let (covered, mac) = keyring.authenticated();
    if mac_of(key, covered).ct_eq(mac).into() {
        Ok(())
    } else {
        Err(FormatError::DamagedKeyring.into())
    }
}

fn mac_of(key: &OpeningKey, covered: &[u8]) -> [u8; MAC_BYTES] {
    let mac_key: Zeroizing<[u8; 48]> = key.package_key("keyring-mac");
    let mut mac = [0; MAC_BYTES];
    for (to, from) in mac.iter_mut().zip(hmac(&*mac_key, &[covered])) {
        *to = from;
    }
    mac
}
