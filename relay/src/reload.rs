//! Puts a new configuration in place of the old one while the relay runs: all of it, or nothing.

use std::sync::Arc;

use sealift_config::{Changes, Config, ConfigErrors, Loaded};

use crate::certificates;
use crate::relay::Relay;

/// Checks what only the relay can check: that the certificate files hold a certificate and its key.
///
/// # Errors
///
/// With the line that names the file.
pub fn check(loaded: &Loaded) -> Result<(), ConfigErrors> {
    let settings = &loaded.config.settings;
    if let (Some(certificate), Some(key)) = (&settings.tls_cert, &settings.tls_key) {
        certificates::from_files(certificate, key)
            .map_err(|error| loaded.error("tls_cert", format!("{error:#}")))?;
    }
    Ok(())
}

/// What a reload did.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reloaded {
    /// What holds from now on, and what needs a restart.
    pub changes: Changes,
    /// Docroots that are used as before although they could not be checked: a line for each.
    pub unchecked: Vec<String>,
}

/// Applies what can be applied, and says what needs a restart. A docroot that is unwell does not keep a policy from
/// being tightened.
///
/// # Errors
///
/// When a file that the configuration names cannot be used; then nothing has changed.
pub(crate) async fn apply(relay: &Arc<Relay>, new: &Config) -> anyhow::Result<Reloaded> {
    let (next, changes) = relay.config.current().reloaded(new);
    // Everything that can fail comes before anything that changes.
    let settings = &next.settings;
    let certificate = match (&settings.tls_cert, &settings.tls_key, &relay.certificate) {
        (Some(certificate), Some(key), Some(served)) => {
            Some((served, certificates::from_files(certificate, key)?))
        }
        _ => None,
    };
    let docroots = &relay.storage.docroots;
    let unchecked = docroots.reload(&next, &relay.sqlite).await?;
    if let Some((served, new)) = certificate {
        served.replace(new);
    }
    relay.config.replace(next);
    Ok(Reloaded { changes, unchecked })
}
