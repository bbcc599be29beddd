//! What an operator says about one docroot, checked: where it is, how it is encrypted, who may enter.
//!
//! Made by [`crate::DocrootUrl::parse`] only, so that whatever reaches [`crate::Docroot`] has been checked.

use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::SettingsError;

/// A docroot's settings. No `Debug`: there may be a secret inside. `Display` leaves it out.
#[derive(Clone, Eq, PartialEq)]
pub enum DocrootSettings {
    /// A folder on this machine.
    Folder(PathBuf),
    /// A bucket, or a path in one.
    S3(Box<S3Settings>),
}

/// Where an S3 docroot is and how objects are stored there.
#[derive(Clone, Eq, PartialEq)]
pub struct S3Settings {
    /// The server; `None` is AWS, in the region of the settings or of the environment.
    pub endpoint: Option<Endpoint>,
    /// The region, when the URL says one.
    pub region: Option<String>,
    /// The bucket.
    pub bucket: String,
    /// The path in the bucket, without slashes at its ends; may be empty.
    pub path: String,
    /// Credentials in the URL; `None` takes the provider chain.
    pub credentials: Option<Credentials>,
    /// How objects are encrypted by the server.
    pub encryption: Encryption,
    /// Which storage class objects get; `None` leaves it to the bucket.
    pub storage_class: Option<StorageClass>,
    /// `endpoint/bucket` instead of `bucket.endpoint`.
    pub path_style: bool,
    /// Uploads carry a checksum behind their bytes, which the server checks. Not every server can.
    pub trailers: bool,
}

/// An S3 server that is not AWS.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// Host name, IPv4 or bracketed IPv6 address.
    pub host: String,
    /// The port, when it is not the scheme's own.
    pub port: Option<u16>,
    /// Whether TLS is spoken.
    pub https: bool,
}

/// An access id and its secret. No `Debug`, no `Display`; wiped when dropped.
#[derive(Clone, Eq, PartialEq)]
pub struct Credentials {
    access_id: Zeroizing<String>,
    secret: Zeroizing<String>,
}

/// Server-side encryption of an S3 docroot.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Encryption {
    /// None is asked for; the bucket may still encrypt by itself. `NONE`.
    #[default]
    None,
    /// With keys of the storage. `AES256`.
    Aes256,
    /// With a key of a key management service. `AWS_KMS`.
    Kms {
        /// Which one; `None` is the account's own.
        key: Option<KmsKey>,
        /// One key of the bucket instead of a call to the service for every request.
        bucket_key: bool,
    },
    /// Twice, with a key of a key management service. `AWS_KMS_DSSE`.
    KmsDsse {
        /// Which one; `None` is the account's own.
        key: Option<KmsKey>,
    },
}

/// Names a key: key ARN, alias ARN, key id or `alias/NAME`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KmsKey(String);

/// Where S3 keeps objects. The original's spellings and today's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StorageClass {
    /// `STANDARD`.
    Standard,
    /// `REDUCED_REDUNDANCY`.
    ReducedRedundancy,
    /// `STANDARD_IA`, in the original `INFREQUENT_ACCESS`.
    StandardIa,
    /// `ONEZONE_IA`.
    OnezoneIa,
    /// `INTELLIGENT_TIERING`.
    IntelligentTiering,
    /// `GLACIER_IR`: cold, but readable at once.
    GlacierIr,
}

/// The system-wide settings: what holds for S3 docroots whose URL does not say otherwise.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SystemDefaults {
    pub(crate) encryption: Option<EncryptionKind>,
    pub(crate) key: Option<KmsKey>,
    pub(crate) bucket_key: Option<bool>,
    pub(crate) storage_class: Option<StorageClass>,
}

/// The words of `server-side-encryption`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum EncryptionKind {
    None,
    Aes256,
    Kms,
    KmsDsse,
}

impl EncryptionKind {
    fn is_kms(self) -> bool {
        matches!(self, Self::Kms | Self::KmsDsse)
    }
}

impl SystemDefaults {
    /// The system-wide settings from the keys of `s3.properties` (the same as in a docroot URL):
    /// `server-side-encryption`, `server-side-encryption-aws-kms-key-id`, `bucket-key`, `storage-class`.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] for a key or value that is not known, a key twice, or a KMS key without KMS.
    pub fn from_pairs<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, SettingsError> {
        let mut defaults = Self::default();
        for (key, value) in pairs {
            if !defaults.take(key, value)? {
                return Err(SettingsError::UnknownKey(printable(key)));
            }
        }
        defaults.check()?;
        Ok(defaults)
    }

    /// What [`SystemDefaults::from_pairs`] would take to make these.
    #[must_use]
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let pairs = [
            (
                "server-side-encryption",
                self.encryption.map(|kind| kind.as_str().to_owned()),
            ),
            (
                "server-side-encryption-aws-kms-key-id",
                self.key.as_ref().map(|key| key.0.clone()),
            ),
            ("bucket-key", self.bucket_key.map(|on| on.to_string())),
            (
                "storage-class",
                self.storage_class.map(|class| class.as_str().to_owned()),
            ),
        ];
        pairs
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect()
    }

    /// Takes one setting; `false` when its key is none of these.
    pub(crate) fn take(&mut self, key: &str, value: &str) -> Result<bool, SettingsError> {
        match key {
            "server-side-encryption" => {
                once(&mut self.encryption, key, EncryptionKind::parse(value)?)?;
            }
            "server-side-encryption-aws-kms-key-id" => {
                once(&mut self.key, key, KmsKey::parse(value)?)?;
            }
            "bucket-key" => once(&mut self.bucket_key, key, boolean(key, value)?)?,
            "storage-class" => once(&mut self.storage_class, key, StorageClass::parse(value)?)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A KMS key or a bucket key beside an encryption that has none would leave somebody believing in it.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let kind = self.encryption.unwrap_or(EncryptionKind::None);
        if self.key.is_some() && !kind.is_kms() {
            return Err(SettingsError::KeyWithoutKms);
        }
        match (self.bucket_key, kind) {
            (Some(true), EncryptionKind::KmsDsse) => Err(SettingsError::BucketKeyWithDsse),
            (Some(true), kind) if kind != EncryptionKind::Kms => {
                Err(SettingsError::BucketKeyWithoutKms)
            }
            _ => Ok(()),
        }
    }

    /// What holds for one docroot: each value of its own wins; a key of the system's goes only with KMS.
    pub(crate) fn resolve(&self, own: &Self) -> Result<Encryption, SettingsError> {
        let kind = own
            .encryption
            .or(self.encryption)
            .unwrap_or(EncryptionKind::None);
        Self {
            encryption: Some(kind),
            ..own.clone()
        }
        .check()?;
        let key = own.key.clone().or_else(|| self.key.clone());
        Ok(match kind {
            EncryptionKind::None => Encryption::None,
            EncryptionKind::Aes256 => Encryption::Aes256,
            EncryptionKind::Kms => Encryption::Kms {
                key,
                bucket_key: own.bucket_key.or(self.bucket_key).unwrap_or(false),
            },
            EncryptionKind::KmsDsse => Encryption::KmsDsse { key },
        })
    }
}

/// Keeps a value that may be said once.
pub(crate) fn once<T>(slot: &mut Option<T>, key: &str, value: T) -> Result<(), SettingsError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(SettingsError::Twice(printable(key))),
    }
}

pub(crate) fn boolean(key: &str, value: &str) -> Result<bool, SettingsError> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(SettingsError::Value {
            key: printable(key),
            expected: "true or false",
        }),
    }
}

/// A short text that can be shown: no control characters, at most 60 characters.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .take(60)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

impl EncryptionKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Aes256 => "AES256",
            Self::Kms => "AWS_KMS",
            Self::KmsDsse => "AWS_KMS_DSSE",
        }
    }

    fn parse(value: &str) -> Result<Self, SettingsError> {
        match value {
            "NONE" => Ok(Self::None),
            "AES256" => Ok(Self::Aes256),
            "AWS_KMS" => Ok(Self::Kms),
            "AWS_KMS_DSSE" => Ok(Self::KmsDsse),
            _ => Err(SettingsError::Value {
                key: "server-side-encryption".to_owned(),
                expected: "NONE, AES256, AWS_KMS or AWS_KMS_DSSE, in capitals",
            }),
        }
    }
}

impl KmsKey {
    /// Longest name of a key, in bytes. AWS takes 2,048.
    const BYTES_MAX: usize = 2048;

    /// Checks a key's name: key ARN, alias ARN, key id or `alias/NAME`.
    ///
    /// # Errors
    ///
    /// [`SettingsError::KmsKey`].
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let bad = |why| Err(SettingsError::KmsKey(why));
        if text.is_empty() {
            return bad("it is empty");
        }
        if text.len() > Self::BYTES_MAX {
            return bad("it is longer than 2,048 bytes");
        }
        if text.chars().any(char::is_control) {
            return bad("it has a control character or a line break in it");
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b":/_-.+=@".contains(&b);
        if !text.bytes().all(plain) {
            return bad("it has a character that no key id or ARN has");
        }
        if let Some(rest) = text.strip_prefix("arn:") {
            let fields: Vec<&str> = rest.splitn(5, ':').collect();
            let [
                "aws" | "aws-cn" | "aws-us-gov" | "aws-iso" | "aws-iso-b" | "aws-eusc",
                "kms",
                region,
                account,
                resource,
            ] = fields[..]
            else {
                return bad("an ARN of a key looks like arn:aws:kms:REGION:ACCOUNT:key/ID");
            };
            let name = resource
                .strip_prefix("key/")
                .or_else(|| resource.strip_prefix("alias/"));
            if region.is_empty() || account.is_empty() || name.is_none_or(str::is_empty) {
                return bad(
                    "an ARN of a key looks like arn:aws:kms:REGION:ACCOUNT:key/ID or …:alias/NAME",
                );
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether storage that answers with `found` uses this key: the same text, or the ARN that ends in this id.
    /// `None`: it is an alias, which only a probe can tell.
    pub(crate) fn is(&self, found: &str) -> Option<bool> {
        if self.0 == found {
            return Some(true);
        }
        if self.0.starts_with("alias/") || self.0.contains(":alias/") {
            return None;
        }
        let ends = found
            .rsplit_once(":key/")
            .is_some_and(|(_, id)| id == self.0);
        Some(ends)
    }
}

impl fmt::Display for KmsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StorageClass {
    fn parse(value: &str) -> Result<Self, SettingsError> {
        Ok(match value {
            "STANDARD" => Self::Standard,
            "REDUCED_REDUNDANCY" => Self::ReducedRedundancy,
            "INFREQUENT_ACCESS" | "STANDARD_IA" => Self::StandardIa,
            "ONEZONE_IA" => Self::OnezoneIa,
            "INTELLIGENT_TIERING" => Self::IntelligentTiering,
            "GLACIER_IR" => Self::GlacierIr,
            "GLACIER" | "DEEP_ARCHIVE" => return Err(SettingsError::ColdStorage),
            _ => {
                return Err(SettingsError::Value {
                    key: "storage-class".to_owned(),
                    expected: "STANDARD, REDUCED_REDUNDANCY, INFREQUENT_ACCESS (or STANDARD_IA), ONEZONE_IA, \
                               INTELLIGENT_TIERING or GLACIER_IR, in capitals",
                });
            }
        })
    }

    /// The name that S3 uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::ReducedRedundancy => "REDUCED_REDUNDANCY",
            Self::StandardIa => "STANDARD_IA",
            Self::OnezoneIa => "ONEZONE_IA",
            Self::IntelligentTiering => "INTELLIGENT_TIERING",
            Self::GlacierIr => "GLACIER_IR",
        }
    }
}

impl Credentials {
    pub(crate) fn new(access_id: String, secret: String) -> Self {
        Self {
            access_id: Zeroizing::new(access_id),
            secret: Zeroizing::new(secret),
        }
    }

    /// For the client library alone.
    pub(crate) fn expose(&self) -> (&str, &str) {
        (&self.access_id, &self.secret)
    }
}

impl Encryption {
    /// The word of `server-side-encryption`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Aes256 => "AES256",
            Self::Kms { .. } => "AWS_KMS",
            Self::KmsDsse { .. } => "AWS_KMS_DSSE",
        }
    }

    /// The key that was asked for.
    #[must_use]
    pub fn key(&self) -> Option<&KmsKey> {
        match self {
            Self::Kms { key, .. } | Self::KmsDsse { key } => key.as_ref(),
            Self::None | Self::Aes256 => None,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.host)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl DocrootSettings {
    /// Whether one of two docroots is the other, or lies in it: what one relay cleans up there would be the other
    /// docroot's. Addresses that name one server in two ways are not seen through.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Folder(one), Self::Folder(two)) => {
                let (one, two) = (real(one), real(two));
                one.starts_with(&two) || two.starts_with(&one)
            }
            (Self::S3(one), Self::S3(two)) => {
                let place = |s3: &S3Settings| {
                    let server = s3.endpoint.as_ref().map(|at| (at.host.clone(), at.port));
                    (server, s3.bucket.clone())
                };
                place(one) == place(two)
                    && (below(&one.path, &two.path) || below(&two.path, &one.path))
            }
            _ => false,
        }
    }
}

/// A folder without symbolic links, as far as it exists.
fn real(folder: &Path) -> PathBuf {
    folder
        .ancestors()
        .find_map(|known| {
            let real = known.canonicalize().ok()?;
            Some(real.join(folder.strip_prefix(known).ok()?))
        })
        .unwrap_or_else(|| folder.to_owned())
}

/// Whether a path in a bucket is another one, or lies in it.
fn below(path: &str, folder: &str) -> bool {
    let rest = path.strip_prefix(folder);
    folder.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The place, without credentials and query: for logs, reports and tables.
impl fmt::Display for DocrootSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "file://{}", path.display()),
            Self::S3(s3) => {
                f.write_str("s3://")?;
                if let Some(endpoint) = &s3.endpoint {
                    write!(f, "{}", endpoint.host)?;
                    if let Some(port) = endpoint.port {
                        write!(f, ":{port}")?;
                    }
                    f.write_str("/")?;
                }
                f.write_str(&s3.bucket)?;
                if !s3.path.is_empty() {
                    write!(f, "/{}", s3.path)?;
                }
                Ok(())
            }
        }
    }
}
