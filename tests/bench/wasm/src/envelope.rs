//! The envelope alone: every call of the crate that a page needs, with bytes in and bytes out.

use rand_core::UnwrapErr;
use sealift_envelope::keyring::{self, Credential, KeyringBuilder};
use sealift_envelope::{
    FileEntry, FileOpener, FileSealer, Manifest, Metadata, OpeningKey, PackageKey, Password,
    SealBuilder, SealedEntry,
};
use sealift_protocol::format::{KdfCost, Role};
use sealift_protocol::link::{LinkSecret, Pin};
use sealift_protocol::{FileId, PackageId, Pair};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// An error's stable code.
pub struct Refusal(&'static str);

type Result<T> = core::result::Result<T, Refusal>;

impl From<sealift_envelope::Error> for Refusal {
    fn from(error: sealift_envelope::Error) -> Self {
        Self(error.code())
    }
}

impl From<Refusal> for JsValue {
    fn from(Refusal(code): Refusal) -> Self {
        Self::from_str(code)
    }
}

fn rng() -> UnwrapErr<getrandom::SysRng> {
    UnwrapErr(getrandom::SysRng)
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| Refusal("misuse"))
}

/// A package that opens by password, by link secret or by both: exported key, then keyring.
///
/// # Errors
/// The envelope's.
#[wasm_bindgen]
pub fn make(package: &[u8], password: &str, secret: &[u8]) -> Result<Vec<u8>> {
    let key = PackageKey::generate(PackageId(fixed(package)?), &mut rng());
    let secret = fixed(secret).map(LinkSecret).ok();
    let builder = KeyringBuilder::new(&key);
    let builder = match (password, &secret) {
        ("", Some(secret)) => builder.link_secret(secret, &mut rng())?,
        (password, secret) => builder.password(
            &Password::from_normalized(password)?,
            KdfCost::DEFAULT,
            secret.as_ref(),
            &mut rng(),
        )?,
    };
    Ok([&key.export()[..], &builder.build()?].concat())
}

/// The exported key of a keyring.
///
/// # Errors
/// The envelope's.
#[wasm_bindgen]
pub fn open(keyring: &[u8], password: &str, secret: &[u8]) -> Result<Vec<u8>> {
    let secret = fixed(secret).map(LinkSecret).ok();
    let key = match (password, &secret) {
        ("", Some(secret)) => keyring::open(keyring, None, Credential::Link(secret)),
        (password, secret) => keyring::open(
            keyring,
            None,
            Credential::Password {
                password: &Password::from_normalized(password)?,
                link: secret.as_ref(),
            },
        ),
    };
    Ok(key?.export().to_vec())
}

/// Seals one file.
#[wasm_bindgen]
pub struct Sealer {
    sealer: FileSealer,
    head: Vec<u8>,
    pairs: SealBuilder,
}

#[wasm_bindgen]
impl Sealer {
    /// A new file.
    ///
    /// # Errors
    /// The envelope's.
    #[wasm_bindgen(constructor)]
    pub fn new(
        key: &[u8],
        file: &[u8],
        path: String,
        bytes: u64,
        modified_ms: Option<i64>,
        media_type: String,
    ) -> Result<Sealer> {
        let metadata = Metadata {
            path,
            bytes,
            modified_ms,
            media_type,
        };
        let (sealer, head) = FileSealer::new(
            &PackageKey::import(key)?,
            FileId(fixed(file)?),
            Role::File,
            &metadata,
            &mut rng(),
        )?;
        let pairs = SealBuilder::new();
        Ok(Self {
            sealer,
            head,
            pairs,
        })
    }

    /// A file's sealer in another worker.
    ///
    /// # Errors
    /// The envelope's.
    pub fn import(exported: &[u8]) -> Result<Sealer> {
        let sealer = FileSealer::import(exported)?;
        let (head, pairs) = (Vec::new(), SealBuilder::new());
        Ok(Self {
            sealer,
            head,
            pairs,
        })
    }

    /// For another worker.
    #[must_use]
    pub fn export(&self) -> Vec<u8> {
        self.sealer.export().to_vec()
    }

    /// The head.
    #[must_use]
    pub fn head(&self) -> Vec<u8> {
        self.head.clone()
    }

    /// A sealed segment.
    ///
    /// # Errors
    /// The envelope's.
    pub fn segment(&mut self, index: u64, source: &[u8]) -> Result<Vec<u8>> {
        let mut sealed = Vec::new();
        let pair = self
            .sealer
            .seal_segment(index, source, &mut rng(), &mut sealed)?;
        self.pairs.push(&pair);
        Ok(sealed)
    }

    /// For WebCrypto: key, IV, additional data and prefix of a segment.
    ///
    /// # Errors
    /// The envelope's.
    pub fn begin(&self, index: u64) -> Result<Vec<u8>> {
        let ticket = self.sealer.begin_segment(index, &mut rng())?;
        let key = self.sealer.segment_key(ticket.key_number());
        Ok([&key.bytes()[..], ticket.iv(), ticket.aad(), ticket.prefix()].concat())
    }

    /// Whether a segment was sealed as this pair.
    ///
    /// # Errors
    /// The envelope's.
    pub fn matches(&self, index: u64, pair: &[u8], source: &[u8]) -> Result<bool> {
        let pair = Pair::from_bytes(&fixed(pair)?);
        Ok(self.sealer.matches(index, &pair, source)?)
    }

    /// The seal.
    ///
    /// # Errors
    /// The envelope's.
    pub fn finish(self) -> Result<Vec<u8>> {
        Ok(self.sealer.seal(self.pairs)?.to_vec())
    }
}

/// Opens one file.
#[wasm_bindgen]
pub struct Opener {
    opener: FileOpener,
    pairs: SealBuilder,
}

#[wasm_bindgen]
impl Opener {
    /// From its head.
    ///
    /// # Errors
    /// The envelope's.
    #[wasm_bindgen(constructor)]
    pub fn new(key: &[u8], head: &[u8]) -> Result<Opener> {
        let opener = FileOpener::new(&OpeningKey::import(key)?, head)?;
        let pairs = SealBuilder::new();
        Ok(Self { opener, pairs })
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> String {
        self.opener.metadata().path.clone()
    }

    /// A segment's content.
    ///
    /// # Errors
    /// The envelope's.
    pub fn segment(&mut self, index: u64, sealed: &[u8]) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        self.pairs
            .push(&self.opener.open_segment(index, sealed, &mut out)?);
        Ok(out)
    }

    /// For WebCrypto: key, IV and additional data of a segment.
    ///
    /// # Errors
    /// The envelope's.
    pub fn begin(&self, index: u64, start: &[u8], tag: &[u8]) -> Result<Vec<u8>> {
        let ticket = self
            .opener
            .begin_open(index, &fixed(start)?, &fixed(tag)?)?;
        let key = self.opener.segment_key(ticket.key_number());
        Ok([&key.bytes()[..], ticket.iv(), ticket.aad()].concat())
    }

    /// Checks the seal.
    ///
    /// # Errors
    /// The envelope's.
    pub fn verify(self, seal: &[u8]) -> Result<()> {
        Ok(self.opener.verify_seal(self.pairs, seal)?)
    }
}

/// A package's list of files.
#[wasm_bindgen]
pub struct List(Manifest);

#[wasm_bindgen]
impl List {
    /// An empty list.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(title: String, note: String, folders: Vec<String>) -> List {
        Self(Manifest {
            title,
            note,
            folders,
            ..Manifest::default()
        })
    }

    /// Enters a file that stands alone.
    ///
    /// # Errors
    /// The envelope's.
    pub fn add(&mut self, file: &[u8], seal: &[u8], path: String, bytes: u64) -> Result<()> {
        self.0.files.push(FileEntry {
            path,
            bytes,
            modified_ms: None,
            media_type: String::new(),
            sealed: self.0.sealed.len(),
            offset: 0,
        });
        self.0.sealed.push(SealedEntry {
            file: FileId(fixed(file)?),
            role: Role::File,
            bytes,
            seal: fixed(seal)?,
        });
        Ok(())
    }

    /// Pin, head and body.
    ///
    /// # Errors
    /// The envelope's.
    pub fn seal(&self, key: &[u8], file: &[u8]) -> Result<Vec<u8>> {
        let key = PackageKey::import(key)?;
        let sealed = self.0.seal(&key, FileId(fixed(file)?), &mut rng())?;
        Ok([&sealed.pin.0[..], &sealed.head, &sealed.body].concat())
    }

    /// Opens a manifest.
    ///
    /// # Errors
    /// The envelope's.
    pub fn open(key: &[u8], head: &[u8], body: &[u8], pin: &[u8]) -> Result<List> {
        let pin = fixed(pin).map(Pin).ok();
        let list = Manifest::open(&OpeningKey::import(key)?, head, body, pin.as_ref())?;
        Ok(Self(list))
    }

    /// Paths in order.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let files = self.0.files.iter();
        files.map(|file| file.path.clone()).collect()
    }

    /// Checks a file's head and seal against the list.
    ///
    /// # Errors
    /// The envelope's.
    pub fn check(&self, opener: &Opener, seal: &[u8]) -> Result<()> {
        let place = self.0.check_head(&opener.opener)?;
        Ok(self.0.check_seal(place, seal)?)
    }
}

/// The same with public keys.
#[cfg(feature = "recipients")]
pub mod recipients {
    use super::{KeyringBuilder, PackageId, PackageKey, Result, fixed, keyring, rng, wasm_bindgen};
    use sealift_envelope::{Identity, Recipient};
    use sealift_protocol::format::KdfLimits;

    /// The text of a new identity's file.
    #[wasm_bindgen]
    #[must_use]
    pub fn identity() -> String {
        Identity::generate(&mut rng()).to_file_text().to_string()
    }

    /// A package for these public keys: exported key, then keyring.
    ///
    /// # Errors
    /// The envelope's.
    #[wasm_bindgen]
    pub fn make_for(package: &[u8], recipients: &str) -> Result<Vec<u8>> {
        let key = PackageKey::generate(PackageId(fixed(package)?), &mut rng());
        let mut builder = KeyringBuilder::new(&key);
        for recipient in Recipient::parse_file(recipients)? {
            builder = builder.recipient(&recipient, &mut rng())?;
        }
        Ok([&key.export()[..], &builder.build()?].concat())
    }

    /// The exported key of a keyring.
    ///
    /// # Errors
    /// The envelope's.
    #[wasm_bindgen]
    pub fn open_as(keyring: &[u8], identities: &str) -> Result<Vec<u8>> {
        let identities = Identity::parse_file(identities)?;
        let limits = KdfLimits::PRODUCTION;
        let key = keyring::open_with_identities(keyring, None, &identities, limits)?;
        Ok(key.export().to_vec())
    }
}
