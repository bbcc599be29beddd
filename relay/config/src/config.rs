//! The configuration as a whole.

use std::collections::BTreeMap;
use std::path::PathBuf;

use sealift_docroot::{DocrootError, DocrootSettings, DocrootUrl, SystemDefaults};

use crate::protection::{Own, Protection};
use crate::settings::{Docroot, Settings, Trunk, User};

/// The docroot of senders without a user.
pub const DEFAULT_DOCROOT: &str = "default";

/// Everything that an operator sets, checked as a whole.
#[derive(Clone, Eq, PartialEq)]
pub struct Config {
    /// What stands at the top of the file.
    pub settings: Settings,
    /// Docroots by name. `default` is always there.
    pub docroots: BTreeMap<String, Docroot>,
    /// Users by name.
    pub users: BTreeMap<String, User>,
    /// Trunks by name.
    pub trunks: BTreeMap<String, Trunk>,
    /// System-wide values of S3 docroots, from the settings or from `s3.properties`.
    pub s3: SystemDefaults,
}

impl From<Settings> for Config {
    /// Settings without users, and with the one docroot in the data folder.
    fn from(settings: Settings) -> Self {
        Self {
            settings,
            docroots: BTreeMap::from([(DEFAULT_DOCROOT.to_owned(), Docroot::default())]),
            users: BTreeMap::new(),
            trunks: BTreeMap::new(),
            s3: SystemDefaults::default(),
        }
    }
}

impl Settings {
    /// The defaults, for a relay on this machine over `data`, on a port given by the system.
    pub fn local(data: PathBuf) -> Self {
        let mut settings = Self {
            data,
            ..Self::default()
        };
        settings.listen.set_port(0);
        settings
    }
}

impl Config {
    /// The server's content protection, before docroots and users.
    pub fn protection(&self) -> Protection {
        Protection {
            mode: self.settings.protection,
            strong_password_required: self.settings.strong_password_required,
            password_rule: self.settings.password_rule,
        }
    }

    /// Where a docroot is and how it stores, with the system-wide values where its URL is silent.
    ///
    /// # Errors
    ///
    /// [`DocrootError::Settings`]; not for a configuration that was loaded, since loading checks it.
    pub fn docroot(&self, name: &str) -> Result<DocrootSettings, DocrootError> {
        let url = self.docroots.get(name).map(|docroot| docroot.url.expose());
        match url {
            None | Some("") => Ok(DocrootSettings::Folder(self.settings.data.join("docroot"))),
            Some(url) => DocrootUrl::parse(url, &self.s3),
        }
    }
}

impl Docroot {
    /// Its own content protection.
    pub fn own(&self) -> Own {
        Own {
            mode: self.protection,
            strong_password_required: self.strong_password_required,
            password_rule: self.password_rule,
        }
    }
}

impl User {
    /// The user's own content protection.
    pub fn own(&self) -> Own {
        Own {
            mode: self.protection,
            strong_password_required: self.strong_password_required,
            password_rule: self.password_rule,
        }
    }
}
