//! Makes keyrings with public keys, opens them with identities, and replaces keyrings.
//!
//! What may be done follows from how a keyring was opened (rule K3): [`OpenedKeyring`], which replaces it, comes from a
//! password or a link only; an identity gives the bytes of a key that opens and never seals.

use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use zeroize::{Zeroize as _, Zeroizing};

use rand_core::Rng as _;
use sealift_envelope::keyring::{self, Credential, KeyringBuilder};
use sealift_envelope::{Identity, PackageKey, Password, Recipient};
use sealift_protocol::error::Code;
use sealift_protocol::format::{KdfCost, KdfLimits};
use sealift_protocol::ids::PackageId;
use sealift_protocol::link::LinkSecret;

use crate::error::Result;
use crate::{bytes, object};

/// What a keyring may cost. The build for test vectors has no floor.
#[cfg(not(feature = "cheap-kdf-for-tests"))]
const LIMITS: KdfLimits = KdfLimits::PRODUCTION;
#[cfg(feature = "cheap-kdf-for-tests")]
const LIMITS: KdfLimits = KdfLimits::CHEAP_FOR_TESTS;

/// A new package that these recipients open, and the sender's own password if there is one: `{key, keyring}`.
///
/// # Errors
/// `bad_recipient`, also for an empty list: a package is never made with less protection than was asked for.
/// `password_length`.
#[wasm_bindgen(js_name = makeKeyring)]
pub fn make_keyring(recipients: &str, password: Option<String>) -> Result<JsValue> {
    let mut rng = crate::rng();
    let mut id = [0; 16];
    rng.fill_bytes(&mut id);
    let package = PackageKey::generate(PackageId(id), &mut rng);
    let builder = add(
        KeyringBuilder::new(&package),
        Recipient::parse_file(recipients)?,
        password,
    )?;
    Ok(object([
        ("key", bytes(&package.export()[..])),
        ("keyring", bytes(&builder.build()?)),
    ]))
}

/// The bytes of the key that opens a package, by one of the identities in this file's text.
///
/// # Errors
/// `bad_identity`, `wrong_identity`, `password_needed`, `link_needed`, `damaged_keyring`.
#[wasm_bindgen(js_name = openWithIdentities)]
pub fn open_with_identities(keyring: &[u8], file: String) -> Result<Uint8Array> {
    let file = Zeroizing::new(file);
    let identities = Identity::parse_file(&file)?;
    let key = keyring::open_with_identities(keyring, None, &identities, LIMITS)?;
    Ok(Uint8Array::from(&key.export()[..])) // no copy of it stays in the module's memory
}

/// A keyring that was opened by password or link, by somebody who may therefore replace it.
#[wasm_bindgen]
pub struct OpenedKeyring {
    key: PackageKey,
    bytes: Vec<u8>,
    /// The slot that opened it.
    slot: usize,
}

#[wasm_bindgen]
impl OpenedKeyring {
    /// Opens it. The caller normalises the password to NFC.
    ///
    /// # Errors
    /// `wrong_password`, `wrong_link`, `password_needed`, `link_needed`, `identity_needed`, `damaged_keyring`.
    #[wasm_bindgen(constructor)]
    pub fn new(
        keyring: Vec<u8>,
        password: Option<String>,
        secret: Option<Vec<u8>>,
    ) -> Result<OpenedKeyring> {
        let password = password.map(Zeroizing::new);
        let secret = secret.map(Zeroizing::new);
        let link = secret
            .as_deref()
            .and_then(|secret| <[u8; 32]>::try_from(&secret[..]).ok())
            .map(LinkSecret);
        let password = password
            .map(|password| Password::from_normalized(&password))
            .transpose()?;
        let credential = match (&password, &link) {
            (Some(password), link) => Credential::Password {
                password,
                link: link.as_ref(),
            },
            (None, Some(link)) => Credential::Link(link),
            (None, None) => return Err(Code::PasswordNeeded.into()),
        };
        let opened = keyring::unlock(&keyring, None, credential, LIMITS)?;
        Ok(Self {
            key: opened.key,
            bytes: keyring,
            slot: opened.slot,
        })
    }

    /// Which slot opened it, counted from 0.
    #[wasm_bindgen(getter)]
    pub fn slot(&self) -> usize {
        self.slot
    }

    /// The next keyring: the slots of this one with these numbers, these recipients, and this password.
    ///
    /// # Errors
    /// `bad_recipient`, `password_length`, `kdf_too_expensive` with too many passwords, `too_large` with too many slots,
    /// `misuse` without any.
    pub fn replace(
        &self,
        keep: Vec<u32>,
        recipients: &str,
        password: Option<String>,
    ) -> Result<Vec<u8>> {
        let kept = |number: usize| u32::try_from(number).is_ok_and(|number| keep.contains(&number));
        let builder = KeyringBuilder::replacing(&self.key, &self.bytes)?
            .keep(&self.bytes, |number, _| kept(number))?;
        let recipients = match recipients.trim() {
            "" => Vec::new(),
            some => Recipient::parse_file(some)?,
        };
        Ok(add(builder, recipients, password)?.build()?)
    }

    /// The next keyring with all slots of the one before this: undoes what came between.
    ///
    /// # Errors
    /// `old_keyring` when `previous` is not the one that this keyring replaced; `damaged_keyring`, `package_mismatch`.
    pub fn restore(&self, previous: &[u8]) -> Result<Vec<u8>> {
        Ok(KeyringBuilder::undoing(&self.key, &self.bytes, previous)?.build()?)
    }

    /// Checks that `stored` is byte for byte the keyring that [`OpenedKeyring::replace`] made, and that it was made with
    /// this package's key. The caller then opens it as somebody would who comes back tomorrow; only after that a change
    /// is done (rule K2).
    ///
    /// # Errors
    /// `stored_differs`.
    #[wasm_bindgen(js_name = checkStored)]
    pub fn check_stored(&self, made: &[u8], stored: &[u8]) -> Result<()> {
        if made != stored {
            return Err(Code::StoredDiffers.into());
        }
        KeyringBuilder::replacing(&self.key, stored)?;
        Ok(())
    }
}

fn add<'a>(
    mut builder: KeyringBuilder<'a>,
    recipients: Vec<Recipient>,
    password: Option<String>,
) -> Result<KeyringBuilder<'a>> {
    let mut rng = crate::rng();
    if let Some(mut password) = password {
        let normalized = Password::from_normalized(&password);
        password.zeroize();
        builder =
            builder
                .within(LIMITS)
                .password(&normalized?, KdfCost::DEFAULT, None, &mut rng)?;
    }
    for recipient in recipients {
        builder = builder.recipient(&recipient, &mut rng)?;
    }
    Ok(builder)
}
