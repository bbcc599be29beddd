//! Recipients: sealing to a public key, opening with the secret one.
//!
//! The key encapsulation is X-Wing (ML-KEM-768 and X25519 together, draft-connolly-cfrg-xwing-kem):
//! whoever wants to read what was recorded has to break both. Keys travel as text, like age's:
//!
//! ```text
//! recipient   sealift1…                1,216 bytes, public: given to whoever sends
//! identity    SEALIFT-SECRET-KEY-1…    32 bytes, secret: X-Wing's seed
//! ```
//!
//! in Bech32m (BIP 350) without its limit of 90 characters. A recipient comes from the person who
//! sends, from their own files or their own page, never from a relay (K4): compare its
//! [`Recipient::fingerprint`] over another channel.

use core::fmt;
use core::str::FromStr;

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32m, Checksum, Hrp};
use rand_core::CryptoRng;
use sealift_protocol::format::KEM_CIPHERTEXT_BYTES;
use sha2::{Digest as _, Sha384};
use x_wing::{
    Ciphertext, DecapsulationKeyRejectNonContrib, Decapsulator as _, Encapsulate as _,
    EncapsulationKey, KeyExport as _, TryDecapsulate as _,
};
use zeroize::{Zeroize as _, Zeroizing};

use crate::Error;

const RECIPIENT_PREFIX: &str = "sealift";
const IDENTITY_PREFIX: &str = "sealift-secret-key-";
const IDENTITY_BYTES: usize = x_wing::DECAPSULATION_KEY_SIZE;
const FINGERPRINT_BYTES: usize = 16;

/// Bech32m for as many characters as a recipient has.
#[derive(Clone, Copy, Eq, PartialEq)]
enum LongBech32m {}

impl Checksum for LongBech32m {
    type MidstateRepr = <Bech32m as Checksum>::MidstateRepr;
    type CorrectionField = <Bech32m as Checksum>::CorrectionField;
    const ROOT_GENERATOR: Self::CorrectionField = Bech32m::ROOT_GENERATOR;
    const ROOT_EXPONENTS: core::ops::RangeInclusive<usize> = Bech32m::ROOT_EXPONENTS;
    const CODE_LENGTH: usize = 2_048;
    const CHECKSUM_LENGTH: usize = Bech32m::CHECKSUM_LENGTH;
    const GENERATOR_SH: [u32; 5] = Bech32m::GENERATOR_SH;
    const TARGET_RESIDUE: u32 = Bech32m::TARGET_RESIDUE;
}

/// Somebody's public key. Not secret.
#[derive(Clone, PartialEq)]
pub struct Recipient(EncapsulationKey);

impl Recipient {
    /// Reads a file of recipients: one on each line; empty lines and lines that start with `#` do not
    /// matter.
    ///
    /// # Errors
    ///
    /// [`Error::BadRecipient`] for any other line, and for a file without one.
    pub fn parse_file(text: &str) -> Result<Vec<Self>, Error> {
        let recipients: Vec<Self> = key_lines(text).map(str::parse).collect::<Result<_, _>>()?;
        if recipients.is_empty() {
            return Err(Error::BadRecipient);
        }
        Ok(recipients)
    }

    /// What people compare: eight groups of four hex digits, 16 bytes of a hash of the public key.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha384::new_with_prefix(b"sealift/v1 recipient");
        hash.update(self.0.to_bytes());
        let hash = hash.finalize();
        let bytes = hash.iter().take(FINGERPRINT_BYTES);
        let mut text = String::with_capacity(FINGERPRINT_BYTES * 5 / 2);
        for (place, byte) in bytes.enumerate() {
            if place > 0 && place % 2 == 0 {
                text.push(' ');
            }
            for nibble in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(nibble.into(), 16));
            }
        }
        text
    }

    /// A ciphertext for this recipient, and the secret in it. Both new on every call.
    pub(crate) fn encapsulate(
        &self,
        rng: &mut dyn CryptoRng,
    ) -> ([u8; KEM_CIPHERTEXT_BYTES], Zeroizing<[u8; 32]>) {
        let (ciphertext, mut shared) = self.0.encapsulate_with_rng(rng);
        let secret = Zeroizing::new(shared.into());
        shared.zeroize();
        (ciphertext.into(), secret)
    }
}

impl FromStr for Recipient {
    type Err = Error;

    /// Reads `sealift1…`, with blanks around it if need be.
    ///
    /// # Errors
    ///
    /// [`Error::BadRecipient`].
    fn from_str(text: &str) -> Result<Self, Error> {
        let bytes = decode(text, RECIPIENT_PREFIX).ok_or(Error::BadRecipient)?;
        let key = EncapsulationKey::try_from(&bytes[..]).map_err(|_| Error::BadRecipient)?;
        Ok(Self(key))
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = Hrp::parse(RECIPIENT_PREFIX).map_err(|_| fmt::Error)?;
        bech32::encode_lower_to_fmt::<LongBech32m, _>(f, prefix, &self.0.to_bytes())
            .map_err(|_| fmt::Error)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({})", self.fingerprint())
    }
}

/// Somebody's secret key. Has no `Debug`; wiped when dropped.
///
/// ```compile_fail,E0277
/// # fn show(identity: &sealift_envelope::Identity) {
/// println!("{identity:?}");
/// # }
/// ```
#[derive(Clone)]
pub struct Identity(Zeroizing<[u8; IDENTITY_BYTES]>);

impl Identity {
    /// Draws a new secret key.
    #[must_use]
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; IDENTITY_BYTES]);
        rng.fill_bytes(&mut *seed);
        Self(seed)
    }

    /// Reads `SEALIFT-SECRET-KEY-1…`, with blanks around it if need be.
    ///
    /// # Errors
    ///
    /// [`Error::BadIdentity`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bytes = decode(text, IDENTITY_PREFIX).ok_or(Error::BadIdentity)?;
        let seed: &[u8; IDENTITY_BYTES] = bytes[..].try_into().map_err(|_| Error::BadIdentity)?;
        Ok(Self(Zeroizing::new(*seed)))
    }

    /// Reads a file of identities: one on each line; empty lines and lines that start with `#` do
    /// not matter.
    ///
    /// # Errors
    ///
    /// [`Error::BadIdentity`] for any other line, and for a file without one.
    pub fn parse_file(text: &str) -> Result<Vec<Self>, Error> {
        let identities: Vec<Self> = key_lines(text).map(Self::parse).collect::<Result<_, _>>()?;
        if identities.is_empty() {
            return Err(Error::BadIdentity);
        }
        Ok(identities)
    }

    /// A whole file: the recipient as a comment, then the secret key. Secret.
    #[must_use]
    pub fn to_file_text(&self) -> Zeroizing<String> {
        let recipient = self.recipient().to_string();
        let secret = self.to_secret_text();
        let mut text = Zeroizing::new(String::with_capacity(recipient.len() + secret.len() + 64));
        for piece in ["# public key: ", &recipient, "\n", &secret, "\n"] {
            text.push_str(piece);
        }
        text
    }

    /// The secret key as one line of text. Secret.
    #[must_use]
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(128));
        if let Ok(prefix) = Hrp::parse(IDENTITY_PREFIX) {
            // A fixed prefix and length, so there is nothing that could fail.
            let _ = bech32::encode_upper_to_fmt::<LongBech32m, _>(&mut *text, prefix, &*self.0);
        }
        text
    }

    /// The public key to it.
    #[must_use]
    pub fn recipient(&self) -> Recipient {
        Recipient(self.opener().0.encapsulation_key().clone())
    }

    pub(crate) fn opener(&self) -> IdentityOpener {
        IdentityOpener((*self.0).into())
    }
}

/// An identity whose keys are expanded.
pub(crate) struct IdentityOpener(DecapsulationKeyRejectNonContrib);

impl IdentityOpener {
    /// The secret in a slot's ciphertext. Another one, that opens nothing, if it is for somebody
    /// else; `None` if it is for nobody.
    pub(crate) fn shared_secret(&self, ciphertext: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
        let ciphertext = Ciphertext::try_from(ciphertext).ok()?;
        let mut shared = self.0.try_decapsulate(&ciphertext).ok()?;
        let secret = Zeroizing::new(shared.into());
        shared.zeroize();
        Some(secret)
    }
}

/// The lines of a file that are keys.
fn key_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The bytes of a text with this prefix and an intact checksum.
fn decode(text: &str, prefix: &str) -> Option<Zeroizing<Vec<u8>>> {
    let checked = CheckedHrpstring::new::<LongBech32m>(text.trim()).ok()?;
    if checked.hrp() != Hrp::parse(prefix).ok()? {
        return None;
    }
    // Bits that fill up the last character are zero, so that a key has one text.
    let digits = checked.fe32_iter();
    let surplus_bits = digits.len() * 5 % 8;
    let last = digits.last().map_or(0, |digit| digit.to_u8());
    if surplus_bits >= 5 || last & ((1 << surplus_bits) - 1) != 0 {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(x_wing::ENCAPSULATION_KEY_SIZE));
    bytes.extend(checked.byte_iter());
    Some(bytes)
}
