//! How a package is protected: by a password, or by a random secret that stands in its link.
//!
//! A password only ever opens a slot of the keyring, which holds the random package key.

use getrandom::SysRng;
use rand_core::UnwrapErr;
use sealift_envelope::keyring::{self, Credential, KeyringBuilder};
use sealift_envelope::{PackageKey, Password};
use sealift_protocol::format::{KEYRING_FIXED_BYTES, KdfCost, KdfLimits, Keyring, SLOT_SALT_BYTES};
use sealift_protocol::link::LinkSecret;
use sealift_protocol::{Code, PackageId};

use crate::arguments::PasswordArguments;
use crate::failure::{Failure, Result};
use crate::secret::{PasswordSource, Secret};
use crate::terminal::Terminal;

/// Guesses below which a password deserves a word, as a power of two.
const STRONG_LOG2: f64 = 50.0;

/// Bytes of a slot around what is drawn for it: fields, commitment, wrapped key.
const SLOT_FRAME_BYTES: usize = 96;

/// The operating system's generator. It cannot fail on the systems we run on once they are up.
pub(crate) fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// Bytes from the operating system's generator.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand_core::Rng::fill_bytes(&mut rng(), &mut bytes);
    bytes
}

/// What the sender chose.
pub(crate) enum Protection {
    /// Whoever knows the password.
    Password(Secret),
    /// Whoever has the link.
    Link(LinkSecret),
}

impl Protection {
    /// By option, environment or prompt. A generated password is told once.
    pub(crate) fn choose(
        password: &PasswordArguments,
        generate: bool,
        none: bool,
        terminal: &Terminal,
    ) -> Result<Self> {
        if none {
            return Ok(Self::Link(LinkSecret(random())));
        }
        if generate {
            let password = sealift_strength::generate(&mut rng());
            terminal.important(&format!("Password: {}", *password));
            terminal.event("password", serde_json::json!({ "password": *password }))?;
            return Ok(Self::Password(password));
        }
        let password = password.source().to_seal()?;
        let strength = sealift_strength::strength(&password);
        if strength.guesses_log2 < STRONG_LOG2 {
            terminal.notice(
                "this password can be guessed by a determined attacker; a longer one, or --generate-password, is safer",
            );
        }
        Ok(Self::Password(password))
    }
}

/// The keys of a new package.
pub(crate) struct NewPackage {
    /// Its random id.
    pub(crate) id: PackageId,
    /// Opens and seals everything in it.
    pub(crate) key: PackageKey,
    protection: Protection,
}

impl NewPackage {
    /// Draws the keys.
    pub(crate) fn draw(protection: Protection) -> Self {
        let id = PackageId(random());
        Self {
            id,
            key: PackageKey::generate(id, &mut rng()),
            protection,
        }
    }

    /// The key in its slots. Derives a key from the password: a tenth of a second and 64 MiB.
    pub(crate) fn keyring(&self) -> Result<Vec<u8>> {
        let builder = KeyringBuilder::new(&self.key);
        let builder = match &self.protection {
            Protection::Password(password) => {
                let password = Password::new(password)?;
                builder.password(&password, KdfCost::DEFAULT, None, &mut rng())?
            }
            Protection::Link(secret) => builder.link_secret(secret, &mut rng())?,
        };
        Ok(builder.build()?)
    }

    /// How long the keyring will be.
    pub(crate) fn keyring_bytes(&self) -> u64 {
        (KEYRING_FIXED_BYTES + SLOT_FRAME_BYTES + SLOT_SALT_BYTES) as u64
    }

    /// Stands in the link when there is no password.
    pub(crate) fn link_secret(&self) -> Option<&LinkSecret> {
        match &self.protection {
            Protection::Password(_) => None,
            Protection::Link(secret) => Some(secret),
        }
    }
}

/// Opens a keyring with the link's secret, or with a password that is asked for only when needed.
///
/// # Errors
///
/// Wrong password, damaged keyring, or a secret that is needed and missing.
pub(crate) fn open_keyring(
    bytes: &[u8],
    package: Option<PackageId>,
    link_secret: Option<&LinkSecret>,
    password: &PasswordSource,
) -> Result<PackageKey> {
    let parsed = Keyring::parse(bytes)?;
    let needs = keyring::needs(&parsed);
    let package = package.unwrap_or_else(|| parsed.package());
    match link_secret {
        // A link that opens by itself needs no password.
        Some(secret) if needs.link => Ok(keyring::open(
            bytes,
            Some(&package),
            Credential::Link(secret),
        )?),
        None if !needs.password => Err(Failure::shared(Code::LinkNeeded)),
        link => {
            parsed.check_cost(KdfLimits::PRODUCTION)?;
            let password = Password::new(&password.to_open()?)?;
            Ok(keyring::open(
                bytes,
                Some(&package),
                Credential::Password {
                    password: &password,
                    link,
                },
            )?)
        }
    }
}
