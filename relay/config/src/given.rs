//! Values as they were given, before they are read: section, key, text, origin.

use std::fmt;

use zeroize::Zeroizing;

use crate::error::Origin;

/// Which part of the configuration a value belongs to.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Section {
    Top,
    Docroot(String),
    User(String),
    Trunk(String),
}

/// The tables of `sealift.toml` that hold named entries.
pub(crate) const TABLES: [&str; 3] = ["docroots", "users", "trunks"];

impl Section {
    /// An entry of one of [`TABLES`].
    pub(crate) fn entry(table: &str, name: &str) -> Option<Self> {
        let name = name.to_owned();
        match table {
            "docroots" => Some(Self::Docroot(name)),
            "users" => Some(Self::User(name)),
            "trunks" => Some(Self::Trunk(name)),
            _ => None,
        }
    }

    /// The path of a key in this section, such as `users.xfer.docroot`.
    pub(crate) fn path(&self, key: &str) -> String {
        match self {
            Self::Top => key.to_owned(),
            section => format!("{section}.{key}"),
        }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => f.write_str("sealift.toml"),
            Self::Docroot(name) => write!(f, "docroots.{name}"),
            Self::User(name) => write!(f, "users.{name}"),
            Self::Trunk(name) => write!(f, "trunks.{name}"),
        }
    }
}

/// A value as it was given.
pub(crate) struct Given {
    pub(crate) section: Section,
    pub(crate) key: String,
    pub(crate) text: Zeroizing<String>,
    pub(crate) origin: Origin,
}

/// Names of docroots, users and trunks: short, and the same in file, environment and logs.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let fine = name.len() <= NAME_BYTES_MAX
        && name
            .bytes()
            .all(|byte| plain(byte) || b"-_.".contains(&byte))
        && name.bytes().next().is_some_and(plain)
        && !name.contains("__");
    if fine {
        return Ok(());
    }
    Err(format!(
        "the name `{}` must be 1 to {NAME_BYTES_MAX} of a-z, 0-9, `-`, `_`, `.`, beginning with a letter or digit, \
         without `__`",
        name.escape_debug()
    ))
}

/// Longest name of a docroot, user or trunk.
const NAME_BYTES_MAX: usize = 64;
