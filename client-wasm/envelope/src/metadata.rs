//! What a sealed file says about itself: its own name, length, time and type (encrypted).
//!
//! ```text
//! metadata = IV (12) || AES-256-GCM(K(meta), IV, aad = core, be32(length) || CBOR || zeros) || tag
//! CBOR     = [path, bytes, modified, media type]
//! ```
//!
//! The zeros fill up to a multiple of 256 bytes. It is sealed once for each file id, never again
//! (F3): sealing it anew takes a new head, hence a new file id.

use minicbor::Decoder;
use rand_core::CryptoRng;
use sealift_protocol::format::{FormatError, Role};
use sealift_protocol::limits::{
    MEDIA_TYPE_BYTES_MAX, METADATA_BYTES_MAX, METADATA_STEP_BYTES, PADDED_BYTES_MAX,
};
use zeroize::Zeroizing;

use crate::cbor::{self, Canonical, TIME_MS_MAX, Writer, Written};
use crate::names::check_path;
use crate::{Error, gcm};

/// What a sealed file says about itself. Manifest and pack have neither path nor type nor time.
#[derive(Clone, Eq, PartialEq)]
pub struct Metadata {
    /// Relative path with `/` between components; see [`crate::names`].
    pub path: String,
    /// Exact length in bytes; 0 in the open-length form, where the content itself ends with it.
    pub bytes: u64,
    /// Last change, in milliseconds since 1970.
    pub modified_ms: Option<i64>,
    /// Media type (MIME); empty if unknown.
    pub media_type: String,
}

impl Metadata {
    /// Metadata of a manifest or pack.
    #[must_use]
    pub fn unnamed(bytes: u64) -> Self {
        Self {
            path: String::new(),
            bytes,
            modified_ms: None,
            media_type: String::new(),
        }
    }

    /// Whether it has neither path nor type nor time.
    pub(crate) fn is_unnamed(&self) -> bool {
        self.path.is_empty() && self.media_type.is_empty() && self.modified_ms.is_none()
    }

    /// Checks names and limits for a file of this role.
    pub(crate) fn check(&self, role: Role) -> Result<(), Error> {
        match role {
            Role::File => check_path(&self.path)?,
            Role::Manifest | Role::Pack => {
                if !self.is_unnamed() {
                    return Err(Error::DamagedManifest);
                }
            }
        }
        check_media_type(&self.media_type)?;
        check_time(self.modified_ms)?;
        if self.bytes > PADDED_BYTES_MAX {
            Err(Error::TooLarge)
        } else {
            Ok(())
        }
    }
}

/// Media types are short and plain: they are shown, and end up in headers.
pub(crate) fn check_media_type(text: &str) -> Result<(), Error> {
    let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if text.len() > MEDIA_TYPE_BYTES_MAX || !plain {
        Err(Error::BadName)
    } else {
        Ok(())
    }
}

pub(crate) fn check_time(time: Option<i64>) -> Result<(), Error> {
    let fits = time.is_none_or(|time| time.unsigned_abs() <= TIME_MS_MAX);
    if fits {
        Ok(())
    } else {
        Err(Error::DamagedManifest)
    }
}

impl Canonical for Metadata {
    fn write(&self, out: &mut Writer) -> Written {
        out.array(4)?.str(&self.path)?.u64(self.bytes)?;
        cbor::write_time(out, self.modified_ms)?;
        out.str(&self.media_type)?.ok()
    }

    fn read(from: &mut Decoder<'_>) -> Result<Self, Error> {
        cbor::array(from, 4)?;
        Ok(Self {
            path: cbor::text(from)?,
            bytes: from.u64()?,
            modified_ms: cbor::time(from)?,
            media_type: cbor::text(from)?,
        })
    }
}

/// Length-prefixed content, filled up with zeros to a multiple of `step`.
pub(crate) fn filled_up(content: &[u8], step: u32) -> Result<Zeroizing<Vec<u8>>, Error> {
    let length = u32::try_from(content.len()).map_err(|_| Error::TooLarge)?;
    let total = (content.len() + 4).next_multiple_of(step as usize);
    let mut filled = Zeroizing::new(Vec::with_capacity(total));
    filled.extend_from_slice(&length.to_be_bytes());
    filled.extend_from_slice(content);
    filled.resize(total, 0);
    Ok(filled)
}

/// The inverse of [`filled_up`]. `None` unless everything after the content is zero and no step
/// too many was taken.
pub(crate) fn content(filled: &[u8], step: u32) -> Option<&[u8]> {
    let (length, rest) = filled.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (content, zeros) = rest.split_at_checked(length)?;
    let zero = zeros.len() < step as usize && zeros.iter().all(|byte| *byte == 0);
    zero.then_some(content)
}

/// IV, ciphertext and tag of some filled-up content.
pub(crate) fn seal(
    key: &[u8; 32],
    aad: &[u8],
    mut filled: Zeroizing<Vec<u8>>,
    rng: &mut dyn CryptoRng,
) -> Result<Vec<u8>, Error> {
    let mut iv = [0; gcm::IV_BYTES];
    rng.fill_bytes(&mut iv);
    let tag = gcm::encrypt(key, &iv, aad, &mut filled).ok_or(Error::TooLarge)?;
    Ok([&iv[..], &filled, &tag].concat())
}

/// The inverse of [`seal`].
pub(crate) fn open(
    key: &[u8; 32],
    aad: &[u8],
    sealed: &[u8],
    damaged: FormatError,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (iv, rest) = sealed.split_first_chunk().ok_or(damaged)?;
    let (ciphertext, tag) = rest.split_last_chunk().ok_or(damaged)?;
    let mut filled = Zeroizing::new(ciphertext.to_vec());
    gcm::decrypt(key, iv, aad, &mut filled, tag).ok_or(damaged)?;
    Ok(filled)
}

/// The filled-up encoding of metadata, ready to be sealed.
pub(crate) fn encode(metadata: &Metadata, role: Role) -> Result<Zeroizing<Vec<u8>>, Error> {
    metadata.check(role)?;
    let encoded = metadata.encode()?;
    if encoded.len() > METADATA_BYTES_MAX as usize {
        return Err(Error::TooLarge);
    }
    filled_up(&encoded, METADATA_STEP_BYTES)
}

/// Reads metadata from its opened, filled-up form. All that is wrong but names is a damaged head.
pub(crate) fn decode(filled: &[u8], role: Role) -> Result<Metadata, Error> {
    let encoded = content(filled, METADATA_STEP_BYTES).ok_or(FormatError::DamagedHead)?;
    let metadata = Metadata::decode(encoded).map_err(|_| FormatError::DamagedHead)?;
    match metadata.check(role) {
        Ok(()) => Ok(metadata),
        Err(Error::BadName) => Err(Error::BadName),
        Err(_) => Err(FormatError::DamagedHead.into()),
    }
}
