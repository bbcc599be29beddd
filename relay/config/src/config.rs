//! The configuration as a whole.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::protection::{Own, Protection};
use crate::settings::{Docroot, Settings, User};
use crate::value::Secret;

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
}

impl From<Settings> for Config {
    /// Settings without users, and with the one docroot in the data folder.
    fn from(settings: Settings) -> Self {
        let mut config = Self {
            settings,
            docroots: BTreeMap::new(),
            users: BTreeMap::new(),
        };
        config.add_default_docroot();
        config
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

    pub(crate) fn add_default_docroot(&mut self) {
        let folder = self.settings.data.join("docroot");
        self.docroots
            .entry(DEFAULT_DOCROOT.to_owned())
            .or_insert_with(|| Docroot {
                url: Secret::new(format!("file://{}", folder.display())),
                ..Docroot::default()
            });
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
