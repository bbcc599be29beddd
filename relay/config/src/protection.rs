//! Content protection: what a server, a docroot or a user asks of senders, and which of them decides.

pub use sealift_protocol::policy::{PasswordRule, ProtectionMode};

use crate::value::{Shape, Value, words};

/// Makes settings of words that clients know too.
macro_rules! shared_words {
    ($name:ident: $($variant:ident),+) => {
        impl Value for $name {
            const SHAPE: Shape = Shape::Choice(&[$(Self::$variant.as_str()),+]);

            fn read(text: &str) -> Result<Self, String> {
                let all = [$(Self::$variant),+];
                let words: Vec<&str> = all.iter().map(|one| one.as_str()).collect();
                all.into_iter()
                    .find(|one| one.as_str() == text)
                    .ok_or_else(|| format!("must be one of: {}", words.join(", ")))
            }

            fn write(&self) -> Option<String> {
                Some(self.as_str().to_owned())
            }
        }
    };
}
shared_words!(ProtectionMode: Off, Optional, Required);
shared_words!(PasswordRule: Aspera, Sealift);

words! {
    /// Whether docroots and users may have their own protection.
    pub enum MayDiffer {
        /// The server's values hold everywhere.
        No = "no",
        /// They may ask for more, never for less.
        Stricter = "stricter",
        /// They may ask for anything.
        Yes = "yes",
    }
}

/// What is asked of a sender. More is stricter, field by field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Protection {
    /// Whether there must be a password.
    pub mode: ProtectionMode,
    /// Whether a password must be strong.
    pub strong_password_required: bool,
    /// What strong means.
    pub password_rule: PasswordRule,
}

/// Own values of a docroot or user; what is `None` is taken from what stands above.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Own {
    /// See [`Protection::mode`].
    pub mode: Option<ProtectionMode>,
    /// See [`Protection::strong_password_required`].
    pub strong_password_required: Option<bool>,
    /// See [`Protection::password_rule`].
    pub password_rule: Option<PasswordRule>,
}

impl Protection {
    /// These values with own ones in their place.
    #[must_use]
    pub fn with(self, own: Own) -> Self {
        Self {
            mode: own.mode.unwrap_or(self.mode),
            strong_password_required: own
                .strong_password_required
                .unwrap_or(self.strong_password_required),
            password_rule: own.password_rule.unwrap_or(self.password_rule),
        }
    }
}
