//! Names of things: small types, so that no two of them can be mixed up.
//!
//! Ids are random and drawn by the client (rule F3). In text a [`FileId`] is lower-case hex and
//! a [`PackageId`] is base64url without padding. The [`OwnerToken`] is a secret: it has no
//! `Debug`, is wiped when dropped and is compared in constant time.

use core::fmt;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use minicbor::{Decode, Encode};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::limits::PAIR_BYTES;

/// A text was not the name of what it should name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("this is not a valid {0}")]
pub struct IdError(&'static str);

/// Names a package: 16 random bytes.
#[derive(Clone, Copy, Decode, Encode, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cbor(transparent)]
pub struct PackageId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

/// Names a sealed file: 32 random bytes.
#[derive(Clone, Copy, Decode, Encode, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cbor(transparent)]
pub struct FileId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

/// Names one running client (a page, a process), so that its lanes are known to be its own.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, Hash, PartialEq)]
#[cbor(transparent)]
pub struct ClientId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

/// A SHA-256 value.
#[derive(Clone, Copy, Decode, Encode, Eq, Hash, PartialEq)]
#[cbor(transparent)]
pub struct Sha256Hash(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

/// The sender's right to resume, abort, delete or rekey one package. Secret.
#[derive(Clone, Decode, Encode, Zeroize, ZeroizeOnDrop)]
#[cbor(transparent)]
pub struct OwnerToken(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

/// Number of a part in its file, from 0.
#[derive(Clone, Copy, Debug, Decode, Default, Encode, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cbor(transparent)]
pub struct PartNumber(#[n(0)] pub u32);

/// Number of an attempt to store a part, from 1, within one epoch.
#[derive(Clone, Copy, Debug, Decode, Default, Encode, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cbor(transparent)]
pub struct Attempt(#[n(0)] pub u32);

/// Counts the clients a session has had. Persistent, and only grows (rule L5).
#[derive(Clone, Copy, Debug, Decode, Default, Encode, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cbor(transparent)]
pub struct Epoch(#[n(0)] pub u64);

/// One lane, as its own side counts them. Never travels.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LaneId(pub u32);

/// What identifies a sealed segment: the IV that was drawn for it and its GCM tag.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Pair {
    /// The 12-byte IV.
    pub iv: [u8; 12],
    /// The 16-byte tag.
    pub tag: [u8; 16],
}

impl PackageId {
    /// The id in a link or a path.
    ///
    /// # Errors
    /// [`IdError`] when the text is not 22 base64url characters.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let bytes = Base64UrlUnpadded::decode_vec(text).ok();
        bytes
            .and_then(|b| b.try_into().ok())
            .map(Self)
            .ok_or(IdError("package id"))
    }
}

impl FileId {
    /// The id in a path.
    ///
    /// # Errors
    /// [`IdError`] when the text is not 64 lower-case hex digits.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let bytes = base16ct::lower::decode_vec(text).ok();
        bytes
            .and_then(|b| b.try_into().ok())
            .map(Self)
            .ok_or(IdError("file id"))
    }
}

impl OwnerToken {
    /// Whether `other` is the same token, in constant time.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Pair {
    /// IV, then tag.
    #[must_use]
    pub fn to_bytes(self) -> [u8; PAIR_BYTES] {
        let mut bytes = [0; PAIR_BYTES];
        let (iv, tag) = bytes.split_at_mut(12);
        iv.copy_from_slice(&self.iv);
        tag.copy_from_slice(&self.tag);
        bytes
    }

    /// The inverse of [`Pair::to_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8; PAIR_BYTES]) -> Self {
        let mut pair = Self {
            iv: [0; 12],
            tag: [0; 16],
        };
        let (iv, tag) = bytes.split_at(12);
        pair.iv.copy_from_slice(iv);
        pair.tag.copy_from_slice(tag);
        pair
    }
}

impl fmt::Display for PackageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Base64UrlUnpadded::encode_string(&self.0))
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base16ct::lower::encode_string(&self.0))
    }
}

impl fmt::Debug for PackageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Package ids stand in no log: whoever knows one can fetch the ciphertext (rule L7).
        f.write_str("PackageId(..)")
    }
}

impl fmt::Debug for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileId(..)")
    }
}

impl fmt::Debug for Sha256Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base16ct::lower::encode_string(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_from_their_text() {
        let package = PackageId([0xfb; 16]);
        assert_eq!(package.to_string(), "-_v7-_v7-_v7-_v7-_v7-w");
        assert_eq!(PackageId::parse(&package.to_string()), Ok(package));
        let file = FileId([0xa5; 32]);
        assert_eq!(file.to_string(), "a5".repeat(32));
        assert_eq!(FileId::parse(&file.to_string()), Ok(file));
    }

    #[test]
    fn an_id_has_one_text_only() {
        for text in [
            "",
            "-_v7-_v7-_v7-_v7-_v7-w==",
            "-_v7-_v7-_v7-_v7-_v7-x",
            "+/v7-_v7-_v7-_v7-_v7-w",
        ] {
            assert!(PackageId::parse(text).is_err(), "{text}");
        }
        assert!(FileId::parse(&"A5".repeat(32)).is_err());
        assert!(FileId::parse(&"a5".repeat(31)).is_err());
    }

    #[test]
    fn a_pair_is_its_bytes() {
        let pair = Pair {
            iv: [1; 12],
            tag: [2; 16],
        };
        assert_eq!(Pair::from_bytes(&pair.to_bytes()), pair);
    }

    #[test]
    fn package_ids_do_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", PackageId([7; 16])), "PackageId(..)");
    }
}
