//! The table of settings: one list gives struct, default, manual, and how each is read from anywhere.

use crate::value::Shape;

/// A setting of `T`, which is everything at the top of `sealift.toml` or one entry of a table in it.
pub struct Key<T: 'static> {
    /// Its name in `sealift.toml`. `SEALIFT_` and the name in capitals is its variable, the name with hyphens its flag.
    pub name: &'static str,
    /// The manual, one line of text each.
    pub help: &'static [&'static str],
    /// Whether a reload applies it; otherwise it needs a restart.
    pub live: bool,
    /// How it is written.
    pub shape: Shape,
    /// Whether its value is never printed. Secrets have a second key, `NAME_file`, with a path.
    pub secret: bool,
    /// A value to show where there is no default.
    pub like: &'static str,
    /// Reads it.
    pub set: fn(&mut T, &str) -> Result<(), String>,
    /// Writes it; `None` when it is not set.
    pub get: fn(&T) -> Option<String>,
}

/// A struct whose fields are settings.
pub trait Keyed: Default + 'static {
    /// All of them, in the order of the manual.
    const KEYS: &'static [Key<Self>];

    /// One of them.
    fn key(name: &str) -> Option<&'static Key<Self>> {
        Self::KEYS.iter().find(|key| key.name == name)
    }
}

/// Defines a struct of settings: `live` or `restart`, name, type, default, and `like` a value to show.
macro_rules! keys {
    (
        $(#[$meta:meta])* pub struct $name:ident;
        $($(#[doc = $doc:literal])+ $when:ident $field:ident: $type:ty = $default:expr $(, like $like:literal)?;)+
    ) => {
        $(#[$meta])*
        #[derive(Clone, Eq, PartialEq)]
        pub struct $name { $($(#[doc = $doc])+ pub $field: $type,)+ }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl $crate::keys::Keyed for $name {
            const KEYS: &'static [$crate::keys::Key<Self>] = &[$($crate::keys::Key {
                name: stringify!($field),
                help: &[$($doc),+],
                live: $crate::keys::when!($when),
                shape: <$type as $crate::value::Value>::SHAPE,
                secret: <$type as $crate::value::Value>::SECRET,
                like: concat!($($like)?),
                set: |all, text| {
                    all.$field = <$type as $crate::value::Value>::read(text)?;
                    Ok(())
                },
                get: |all| $crate::value::Value::write(&all.$field),
            },)+];
        }
    };
}

macro_rules! when {
    (live) => {
        true
    };
    (restart) => {
        false
    };
}

pub(crate) use {keys, when};
