//! How a package is protected: by a password, by a random secret that stands in its link, by
//! recipients' keys.
//!
//! Each only ever opens a slot of the keyring, which holds the random package key.

use getrandom::SysRng;
use rand_core::UnwrapErr;
use sealift_envelope::keyring::KeyringBuilder;
use sealift_envelope::{PackageKey, Password, Recipient};
use sealift_protocol::PackageId;
use sealift_protocol::format::{KEYRING_FIXED_BYTES, KdfCost, RECIPIENT_SLOT_BYTES, SlotKind};
use sealift_protocol::limits::SLOT_COUNT_MAX;
use sealift_protocol::link::LinkSecret;
use serde_json::json;

use crate::arguments::ProtectionArguments;
use crate::failure::{Cause, Failure, Result};
use crate::recipients;
use crate::secret::Secret;
use crate::terminal::Terminal;

/// Guesses below which a password deserves a word, as a power of two.
const STRONG_LOG2: f64 = 50.0;

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

/// Who shall be able to open what is sealed.
pub(crate) struct Protection {
    /// A way in that the sender has too.
    own: Own,
    /// Public keys.
    recipients: Vec<Recipient>,
}

/// A way in that the sender has too. Without one, nothing can be changed later (rule K3).
enum Own {
    /// Whoever knows the password.
    Password(Secret),
    /// Whoever has the link.
    Link(LinkSecret),
    /// Recipients alone.
    Nobody,
}

impl Protection {
    /// By option, environment or prompt. A generated password is told once, recipients with their
    /// fingerprints. With `no_password` whoever has the link can open it.
    pub(crate) fn choose(
        arguments: &ProtectionArguments,
        no_password: bool,
        terminal: &Terminal,
    ) -> Result<Self> {
        let recipients = recipients::read(&arguments.recipients)?;
        // One slot is left for a way in of the sender's own.
        if recipients.len() >= usize::from(SLOT_COUNT_MAX) {
            return Err(Failure::new(
                Cause::TooLarge,
                format!(
                    "these are {} recipients, and {} is the most",
                    recipients.len(),
                    SLOT_COUNT_MAX - 1
                ),
                "Seal it several times, or to a key that they share.",
            ));
        }
        let own = own(arguments, no_password, !recipients.is_empty(), terminal)?;
        recipients::tell(&recipients, terminal)?;
        Ok(Self { own, recipients })
    }

    /// The password, if there is one.
    pub(crate) fn password(&self) -> Option<&str> {
        match &self.own {
            Own::Password(password) => Some(password),
            Own::Link(_) | Own::Nobody => None,
        }
    }

    /// Whether the link alone opens it.
    pub(crate) fn opens_by_link(&self) -> bool {
        matches!(self.own, Own::Link(_))
    }

    /// Whether only recipients can open it.
    pub(crate) fn recipients_alone(&self) -> bool {
        matches!(self.own, Own::Nobody)
    }

    fn slot_bytes(&self) -> usize {
        let link = SlotKind::Link.slot_bytes();
        let own = match self.own {
            Own::Password(_) | Own::Link(_) => link.unwrap_or_default(),
            Own::Nobody => 0,
        };
        own + self.recipients.len() * RECIPIENT_SLOT_BYTES
    }
}

/// Makes a strong password and tells it, once.
pub(crate) fn generated_password(terminal: &Terminal) -> Result<Secret> {
    let password = sealift_strength::generate(&mut rng());
    terminal.important(&format!("Password: {}", *password));
    terminal.event("password", json!({ "password": *password }))?;
    Ok(password)
}

fn own(
    arguments: &ProtectionArguments,
    no_password: bool,
    has_recipients: bool,
    terminal: &Terminal,
) -> Result<Own> {
    if no_password {
        return Ok(Own::Link(LinkSecret(random())));
    }
    if arguments.generate_password {
        return generated_password(terminal).map(Own::Password);
    }
    let source = arguments.password.source();
    let given = source.without_asking()?;
    if given.is_none() && has_recipients && !arguments.ask_password {
        return Ok(Own::Nobody);
    }
    let password = given.map_or_else(|| source.to_seal(), Ok)?;
    // One that is too long is refused now, not after hours of sealing.
    Password::new(&password)?;
    if sealift_strength::strength(&password).guesses_log2 < STRONG_LOG2 {
        terminal.notice(
            "this password can be guessed by a determined attacker; a longer one, or --generate-password, is safer",
        );
    }
    Ok(Own::Password(password))
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
        let mut builder = KeyringBuilder::new(&self.key);
        builder = match &self.protection.own {
            Own::Password(password) => {
                let password = Password::new(password)?;
                builder.password(&password, KdfCost::DEFAULT, None, &mut rng())?
            }
            Own::Link(secret) => builder.link_secret(secret, &mut rng())?,
            Own::Nobody => builder,
        };
        for recipient in &self.protection.recipients {
            builder = builder.recipient(recipient, &mut rng())?;
        }
        Ok(builder.build()?)
    }

    /// How long the keyring will be.
    pub(crate) fn keyring_bytes(&self) -> u64 {
        (KEYRING_FIXED_BYTES + self.protection.slot_bytes()) as u64
    }

    /// Stands in the link when the link opens it.
    pub(crate) fn link_secret(&self) -> Option<&LinkSecret> {
        match &self.protection.own {
            Own::Link(secret) => Some(secret),
            Own::Password(_) | Own::Nobody => None,
        }
    }
}
