//! Makes and opens keyrings, in the worker that is kept for Argon2.
//!
//! What comes out is the package key's bytes. They are secret; the worker hands them over to the worker that uses them
//! and keeps nothing. Ending the worker cancels a derivation.

use rand_core::{CryptoRng, Rng as _};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use zeroize::{Zeroize as _, Zeroizing};

use sealift_envelope::keyring::{self, Credential, KeyringBuilder};
use sealift_envelope::{PackageKey, Password};
use sealift_protocol::format::{KdfCost, KdfLimits, Keyring, SlotKind};
use sealift_protocol::ids::PackageId;
use sealift_protocol::link::LinkSecret;

use crate::error::Result;
use crate::plain::{bytes, list, number, object};

/// What a keyring may cost. The build for test vectors has no floor.
#[cfg(not(feature = "cheap-kdf-for-tests"))]
const LIMITS: KdfLimits = KdfLimits::PRODUCTION;
#[cfg(feature = "cheap-kdf-for-tests")]
const LIMITS: KdfLimits = KdfLimits::CHEAP_FOR_TESTS;

/// A new package that a password opens, and nothing else: `{key, keyring}`. Normalised to NFC by the caller.
///
/// # Errors
/// `password_length` for an empty password or one of more than 1,024 bytes. There is no way from here to a package
/// without one: that is asked for by another name.
#[wasm_bindgen(js_name = makePasswordKeyring)]
pub fn make_password_keyring(password: String) -> Result<JsValue> {
    let password = Zeroizing::new(password);
    let password = Password::from_normalized(&password)?;
    let mut rng = crate::rng();
    let package = new_package(&mut rng);
    let keyring = KeyringBuilder::new(&package)
        .password(&password, KdfCost::DEFAULT, None, &mut rng)?
        .build()?;
    Ok(object([
        ("key", bytes(&package.export()[..])),
        ("keyring", bytes(&keyring)),
    ]))
}

/// A new package that its link opens, without a password: `{key, keyring, secret}`.
#[wasm_bindgen(js_name = makeLinkKeyring)]
pub fn make_link_keyring() -> Result<JsValue> {
    let mut rng = crate::rng();
    let package = new_package(&mut rng);
    let mut secret = LinkSecret([0; 32]);
    rng.fill_bytes(&mut secret.0);
    let keyring = KeyringBuilder::new(&package)
        .link_secret(&secret, &mut rng)?
        .build()?;
    Ok(object([
        ("key", bytes(&package.export()[..])),
        ("keyring", bytes(&keyring)),
        ("secret", bytes(&secret.0)),
    ]))
}

/// The package key's bytes, or an error that says why this credential does not open the keyring.
///
/// `password` is normalised to NFC by the caller; `secret` is the link's. With neither, nothing opens.
#[wasm_bindgen(js_name = openKeyring)]
pub fn open_keyring(
    keyring: &[u8],
    password: Option<String>,
    mut secret: Option<Vec<u8>>,
) -> Result<Vec<u8>> {
    let password = password.map(Zeroizing::new);
    let link = secret
        .as_deref()
        .and_then(|secret| <[u8; 32]>::try_from(secret).ok())
        .map(LinkSecret);
    if let Some(secret) = &mut secret {
        secret.zeroize();
    }
    let password = password
        .map(|password| Password::from_normalized(&password))
        .transpose()?;
    let credential = match (&password, &link) {
        (Some(password), link) => Credential::Password {
            password,
            link: link.as_ref(),
        },
        (None, Some(link)) => Credential::Link(link),
        (None, None) => return Err(sealift_protocol::error::Code::PasswordNeeded.into()),
    };
    Ok(keyring::open_within(keyring, None, credential, LIMITS)?
        .export()
        .to_vec())
}

/// What a keyring asks for, before anything of it was authenticated: `{package, password, secret, identity, cost,
/// generation, slots}`. The cost is in KiB times passes; a slot is `{kind, memory, passes}`, its kind one of `password`,
/// `password_and_link`, `link`, `recipient`, `unknown`, the cost of a password in KiB and passes.
#[wasm_bindgen(js_name = inspectKeyring)]
pub fn inspect_keyring(bytes: &[u8]) -> Result<JsValue> {
    let keyring = Keyring::parse(bytes)?;
    let needs = keyring::needs(&keyring);
    let slots = keyring.slots().map(|slot| {
        let (kind, cost) = match slot.kind {
            SlotKind::Password { cost, link: false } => ("password", Some(cost)),
            SlotKind::Password { cost, link: true } => ("password_and_link", Some(cost)),
            SlotKind::Link => ("link", None),
            SlotKind::Recipient => ("recipient", None),
            SlotKind::Unknown(_) => ("unknown", None),
        };
        let of = |figure: fn(KdfCost) -> u64| number(cost.map_or(0, figure));
        object([
            ("kind", kind.into()),
            ("memory", of(|cost| cost.memory_kib.into())),
            ("passes", of(|cost| cost.passes.into())),
        ])
    });
    Ok(object([
        ("package", keyring.package().to_string().into()),
        (
            "password",
            (needs.password || needs.password_and_link).into(),
        ),
        ("secret", (needs.link || needs.password_and_link).into()),
        ("identity", needs.identity.into()),
        ("cost", number(keyring.work_kib())),
        ("generation", number(keyring.generation())),
        ("slots", list(slots)),
    ]))
}

/// Runs the cheapest derivation that keyrings may ask for, and says what it cost in KiB times passes. The caller takes
/// the time, and so knows what a keyring will take here.
#[wasm_bindgen(js_name = measureKdf)]
pub fn measure_kdf() -> Result<f64> {
    const CHEAPEST: KdfCost = KdfCost {
        memory_kib: 46 << 10,
        passes: 1,
        parallelism: 1,
    };
    let mut rng = crate::rng();
    let package = PackageKey::generate(PackageId([0; 16]), &mut rng);
    let password = Password::from_normalized("measuring")?;
    KeyringBuilder::new(&package).password(&password, CHEAPEST, None, &mut rng)?;
    Ok(f64::from(CHEAPEST.memory_kib))
}

fn new_package(rng: &mut impl CryptoRng) -> PackageKey {
    let mut id = [0; 16];
    rng.fill_bytes(&mut id);
    PackageKey::generate(PackageId(id), rng)
}
