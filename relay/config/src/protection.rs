//! Content protection: what a server, a docroot or a user asks of senders, and which of them decides.

use crate::value::words;

words! {
    /// Whether senders protect content by password.
    pub enum ProtectionMode {
        /// Pages ask for no password; one that is given is used.
        Off = "off",
        /// The sender chooses: a password, or the link alone.
        Optional = "optional",
        /// Every key slot must need a password or a recipient's secret key; anything else is refused.
        Required = "required",
    }
}

words! {
    /// What a strong password is.
    pub enum PasswordRule {
        /// At least 6 characters with a letter, a digit and a symbol.
        Aspera = "aspera",
        /// At least 12 characters and 2^50 guesses; long pass phrases need no symbols.
        Sealift = "sealift",
    }
}

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
