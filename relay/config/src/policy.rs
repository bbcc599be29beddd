//! What holds for one sender: the server's values with those of the user's docroot and of the user.

use std::time::Duration;

use crate::config::Config;
use crate::protection::Protection;
use crate::value::Version;

/// What holds for one sender. Read at package creation, at each keyring and at completion.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    /// Content protection.
    pub protection: Protection,
    /// Name of the docroot, a key of [`Config::docroots`].
    pub docroot: String,
    /// Most sealed bytes of all packages of this user together.
    pub quota_bytes: Option<u64>,
    /// Most sealed bytes of one package.
    pub package_bytes_max: u64,
    /// Lifetime of a package when its sender names none; never above the longest.
    pub lifetime_default: Duration,
    /// Longest lifetime of a package.
    pub lifetime_max: Duration,
    /// How long an unfinished package is kept.
    pub unfinished: Duration,
    /// How long a replaced keyring is kept.
    pub keyring_undo: Duration,
    /// Clients below may neither send nor receive.
    pub client_version_min: Option<Version>,
    /// Clients below warn their user.
    pub client_version_warn_below: Option<Version>,
}

impl Config {
    /// What holds for a user; for no user (open uploads, grants without one) what holds for the default docroot.
    /// `None` when there is no such user: what a removed user's grants send is refused.
    pub fn policy_for(&self, user: Option<&str>) -> Option<Policy> {
        let user = match user {
            Some(name) => Some(self.users.get(name)?),
            None => None,
        };
        let name = user.map_or(crate::DEFAULT_DOCROOT, |user| &user.docroot);
        let docroot = self.docroots.get(name)?;
        let mut protection = self.protection().with(docroot.own());
        if let Some(user) = user {
            protection = protection.with(user.own());
        }
        let settings = &self.settings;
        Some(Policy {
            protection,
            docroot: name.to_owned(),
            quota_bytes: user.and_then(|user| user.quota_bytes),
            package_bytes_max: settings.package_bytes_max,
            lifetime_default: settings.lifetime_default.min(settings.lifetime_max),
            lifetime_max: settings.lifetime_max,
            unfinished: settings.unfinished,
            keyring_undo: settings.keyring_undo,
            client_version_min: settings.client_version_min,
            client_version_warn_below: settings.client_version_warn_below,
        })
    }
}
