//! What a reload changes: live settings take effect at once, others keep their value until the restart.

use std::collections::BTreeMap;

use crate::config::Config;
use crate::keys::{Key, Keyed};
use crate::settings::Settings;

/// What a reload did.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Changes {
    /// Paths of values that hold from now on, such as `protection` or `users.xfer.docroot`.
    pub applied: Vec<String>,
    /// Keys whose new value needs a restart; the old one holds until then.
    pub restart: Vec<String>,
}

impl Changes {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.applied.is_empty() && self.restart.is_empty()
    }
}

impl Config {
    /// What this running configuration becomes with a newly loaded one: all of its live values, but this one's values of
    /// settings that need a restart.
    #[must_use]
    pub fn reloaded(&self, new: &Self) -> (Self, Changes) {
        let mut next = new.clone();
        let mut changes = Changes::default();
        for key in Settings::KEYS {
            let (old, wanted) = ((key.get)(&self.settings), (key.get)(&new.settings));
            if old == wanted {
                continue;
            }
            // Whether there is TLS at all is decided once; which certificate, at each reload.
            let turned = key.name.starts_with("tls_") && old.is_some() != wanted.is_some();
            if key.live && !turned {
                changes.applied.push(key.name.to_owned());
            } else {
                changes.restart.push(key.name.to_owned());
            }
        }
        next.settings = self.settings.with_live_of(&new.settings);
        if self.s3 != next.s3 {
            changes
                .applied
                .push("system-wide values of S3 docroots".to_owned());
        }
        entries("docroots", &self.docroots, &next.docroots, &mut changes);
        entries("users", &self.users, &next.users, &mut changes);
        entries("trunks", &self.trunks, &next.trunks, &mut changes);
        (next, changes)
    }
}

impl Settings {
    /// These settings with another's values where a reload applies them.
    fn with_live_of(&self, new: &Self) -> Self {
        let mut next = new.clone();
        let tls = self.tls_cert.is_some() == new.tls_cert.is_some();
        let kept = |key: &Key<Self>| !key.live || (!tls && key.name.starts_with("tls_"));
        for key in Self::KEYS.iter().filter(|key| kept(key)) {
            // What `get` wrote, `set` reads; the empty text of what is not set included.
            let _ = (key.set)(&mut next, &(key.get)(self).unwrap_or_default());
        }
        next
    }
}

/// What differs between the entries of a table, by path.
fn entries<T: Keyed + PartialEq>(
    table: &str,
    old: &BTreeMap<String, T>,
    new: &BTreeMap<String, T>,
    changes: &mut Changes,
) {
    for name in old
        .keys()
        .chain(new.keys().filter(|name| !old.contains_key(*name)))
    {
        match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) => {
                let differing = T::KEYS
                    .iter()
                    .filter(|key| (key.get)(old) != (key.get)(new));
                changes
                    .applied
                    .extend(differing.map(|key| format!("{table}.{name}.{}", key.name)));
            }
            (Some(_), None) => changes.applied.push(format!("{table}.{name} (removed)")),
            _ => changes.applied.push(format!("{table}.{name} (added)")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protection::ProtectionMode;
    use crate::settings::User;

    #[test]
    fn a_reload_applies_what_is_live_and_keeps_the_rest_until_a_restart() {
        let old = Config::from(Settings::default());
        let mut new = old.clone();
        new.settings.protection = ProtectionMode::Required;
        new.settings.lanes_max = 7;
        new.settings.public_url = Some("https://send.example.org".to_owned());
        let user = User {
            docroot: "default".to_owned(),
            ..User::default()
        };
        new.users.insert("xfer".to_owned(), user);
        let (next, changes) = old.reloaded(&new);
        assert_eq!(changes.applied, ["protection", "users.xfer (added)"]);
        assert_eq!(changes.restart, ["public_url", "lanes_max"]);
        assert_eq!(next.settings.protection, ProtectionMode::Required);
        assert_eq!(next.settings.lanes_max, old.settings.lanes_max);
        assert_eq!(next.settings.public_url, None);
        let (_, again) = next.reloaded(&next);
        assert!(again.is_empty());
    }

    #[test]
    fn the_default_docroot_stays_while_the_data_folder_waits_for_a_restart() {
        let old = Config::from(Settings::default());
        let new = Config::from(Settings {
            data: "/elsewhere".into(),
            ..Settings::default()
        });
        let (next, changes) = old.reloaded(&new);
        assert_eq!(changes.restart, ["data"]);
        assert!(changes.applied.is_empty() && next == old);
    }

    #[test]
    fn a_certificate_is_changed_live_but_tls_is_not_switched_on() {
        let with = |path: Option<&str>| {
            Config::from(Settings {
                tls_cert: path.map(Into::into),
                tls_key: path.map(Into::into),
                ..Settings::default()
            })
        };
        let (next, changes) = with(Some("a")).reloaded(&with(Some("b")));
        assert_eq!(changes.applied, ["tls_cert", "tls_key"]);
        assert!(next == with(Some("b")));
        let (next, changes) = with(None).reloaded(&with(Some("b")));
        assert_eq!(changes.restart, ["tls_cert", "tls_key"]);
        assert!(next == with(None));
    }

    #[test]
    fn whatever_is_kept_until_a_restart_survives_being_written_and_read() {
        let all = Settings::default();
        assert!(all.with_live_of(&all) == all);
    }
}
