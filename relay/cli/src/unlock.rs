//! Opening a keyring: with the link's secret, a secret key, or a password that is asked for only when
//! it is needed.
//!
//! What opened it decides what may be claimed (rule L3) and done (rule K3): only a password or a
//! link's secret gives a key that seals.
//!
//! Start with [`Opening::open`].

use std::path::{Path, PathBuf};

use sealift_envelope::keyring::{self, Credential};
use sealift_envelope::{Identity, OpeningKey, Password};
use sealift_protocol::format::{KdfLimits, Keyring};
use sealift_protocol::link::LinkSecret;
use sealift_protocol::{Code, PackageId};

use crate::failure::{Failure, Result};
use crate::secret::{Given, PasswordSource, Secret};
use crate::terminal::Terminal;

/// What a person may open something with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Opening {
    /// The password, by any way.
    pub(crate) password: PasswordSource,
    /// Files of secret keys.
    pub(crate) identity_files: Vec<PathBuf>,
    /// A descriptor to read secret keys from.
    pub(crate) identity_fd: Option<u32>,
}

/// A keyring that was opened.
pub(crate) struct Unlocked {
    /// Opens everything in the package.
    pub(crate) key: OpeningKey,
    /// What opened it.
    pub(crate) by: By,
}

/// What opened a keyring.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum By {
    /// A password.
    Password,
    /// The link's secret.
    Link,
    /// A recipient's secret key, to which anybody can seal.
    Identity,
}

impl Opening {
    /// Whether something was given that needs no asking.
    pub(crate) fn is_given(&self) -> Result<bool> {
        let identity = !self.identity_files.is_empty() || self.identity_fd.is_some();
        Ok(identity || self.password.without_asking()?.is_some())
    }

    /// Opens the keyring that is exactly `bytes` and belongs to `package`.
    ///
    /// # Errors
    ///
    /// Wrong password or key, damaged keyring, or a secret that is needed and missing.
    pub(crate) fn open(
        &self,
        bytes: &[u8],
        package: PackageId,
        link_secret: Option<&LinkSecret>,
        terminal: &Terminal,
    ) -> Result<Unlocked> {
        let parsed = Keyring::parse(bytes)?;
        let needs = keyring::needs(&parsed);
        if let Some(secret) = link_secret.filter(|_| needs.link) {
            // A link that opens by itself needs no password.
            let key = keyring::open(bytes, Some(&package), Credential::Link(secret))?;
            return Ok(unlocked(&key, By::Link));
        }
        let identities = self.identities(terminal)?;
        if !identities.is_empty() {
            let limits = KdfLimits::PRODUCTION;
            let key = keyring::open_with_identities(bytes, Some(&package), &identities, limits)?;
            return Ok(unlocked(&key, By::Identity));
        }
        let by_password = needs.password || (needs.password_and_link && link_secret.is_some());
        if !by_password {
            return Err(Failure::shared(if needs.link || needs.password_and_link {
                Code::LinkNeeded
            } else if needs.identity {
                Code::IdentityNeeded
            } else {
                Code::NoSlot
            }));
        }
        // Before anybody is asked for a password that would not be tried.
        parsed.check_cost(KdfLimits::PRODUCTION)?;
        let password = Password::new(&self.password.to_open()?)?;
        let credential = Credential::Password {
            password: &password,
            link: link_secret,
        };
        let key = keyring::open(bytes, Some(&package), credential)?;
        Ok(unlocked(&key, By::Password))
    }

    fn identities(&self, terminal: &Terminal) -> Result<Vec<Identity>> {
        let mut identities = Vec::new();
        for place in &self.identity_files {
            warn_if_shared(place, terminal);
            let given = Given {
                file: Some(place.clone()),
                ..Given::default()
            };
            identities.extend(read_identities(&given, &place.display().to_string())?);
        }
        if let Some(fd) = self.identity_fd {
            let given = Given {
                fd: Some(fd),
                ..Given::default()
            };
            identities.extend(read_identities(&given, &format!("descriptor {fd}"))?);
        }
        Ok(identities)
    }
}

fn unlocked(key: &OpeningKey, by: By) -> Unlocked {
    Unlocked {
        key: key.clone(),
        by,
    }
}

/// All secret keys in one file.
pub(crate) fn read_identities(given: &Given, shown: &str) -> Result<Vec<Identity>> {
    let text: Secret = given.read_all("identity")?;
    Identity::parse_file(&text).map_err(|error| Failure::from(error).about(shown))
}

/// A secret key that others can read is not one.
fn warn_if_shared(place: &Path, terminal: &Terminal) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(place).map_or(0, |metadata| metadata.permissions().mode());
    let is_file = std::fs::metadata(place).is_ok_and(|metadata| metadata.is_file());
    if is_file && mode & 0o077 != 0 {
        terminal.notice(&format!(
            "others on this computer can open {}, which holds a secret key; `chmod 600` stops that",
            place.display()
        ));
    }
}
