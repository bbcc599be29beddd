//! A password, in the one form that reaches the key derivation: UTF-8 after Unicode NFC.
//!
//! The same password typed on a Mac and on a Windows keyboard may differ in bytes ("ä" as one
//! character or as two); NFC makes them equal. The browser has its own NFC, so the tables are only
//! in native builds.

use sealift_protocol::limits::PASSWORD_BYTES_MAX;
use zeroize::Zeroizing;

use crate::Error;

/// A password. Has no `Debug`; wiped when dropped.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// A password that is in NFC already: in the browser, `text.normalize('NFC')`.
    ///
    /// # Errors
    ///
    /// [`Error::PasswordLength`] when it is empty or longer than 1,024 bytes.
    pub fn from_normalized(text: &str) -> Result<Self, Error> {
        if (1..=PASSWORD_BYTES_MAX).contains(&text.len()) {
            Ok(Self(Zeroizing::new(text.to_owned())))
        } else {
            Err(Error::PasswordLength)
        }
    }

    /// A password as it was typed.
    ///
    /// # Errors
    ///
    /// [`Error::PasswordLength`] when it is empty or, after NFC, longer than 1,024 bytes.
    #[cfg(feature = "native")]
    pub fn new(text: &str) -> Result<Self, Error> {
        use unicode_normalization::UnicodeNormalization as _;
        // Room for the whole, so that no copy is left behind in a smaller allocation.
        let mut normalized = Zeroizing::new(String::with_capacity(text.len() * 4));
        normalized.extend(text.nfc());
        Self::from_normalized(&normalized)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}
