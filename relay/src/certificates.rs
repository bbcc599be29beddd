//! Certificates: from files, or made here for WebTransport on this machine.
//!
//! A browser accepts a self-signed certificate by its SHA-256 only if it is ECDSA P-256 and valid for less than
//! two weeks (W3C WebTransport, `serverCertificateHashes`). So time is cut into slots of six days, and each slot
//! has a certificate of 13 days, kept over restarts: a page knows the current one and the next one, and can
//! open a session whichever of the two is being served when it tries.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use data_encoding::BASE64URL_NOPAD;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};

const DAY_S: u64 = 24 * 60 * 60;
/// How long a certificate is the current one.
const SLOT_S: u64 = 6 * DAY_S;
/// How long it is valid.
const VALID_S: u64 = 13 * DAY_S;
/// How long before its slot it becomes valid, for clocks that are behind.
const EARLY_S: u64 = DAY_S;

/// Reads a certificate chain and its key from PEM files.
///
/// # Errors
///
/// When a file cannot be read or does not hold what it should.
pub(crate) fn from_files(certificate: &Path, key: &Path) -> anyhow::Result<Arc<CertifiedKey>> {
    use anyhow::Context as _;
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("{} does not hold PEM certificates", certificate.display()))?;
    if chain.is_empty() {
        anyhow::bail!("{} does not hold PEM certificates", certificate.display());
    }
    let secret = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("{} does not hold a PEM private key", key.display()))?;
    let pair = CertifiedKey::from_der(chain, secret, &provider()).with_context(|| {
        format!(
            "{} and {} do not belong together",
            certificate.display(),
            key.display()
        )
    })?;
    Ok(Arc::new(pair))
}

/// The cryptography under TLS.
pub(crate) fn provider() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}

/// Serves one certificate to everybody, until a reload replaces it.
#[derive(Debug)]
pub(crate) struct FromFiles(RwLock<Arc<CertifiedKey>>);

impl FromFiles {
    pub(crate) fn new(key: Arc<CertifiedKey>) -> Self {
        Self(RwLock::new(key))
    }

    /// Serves another one from now on; connections that stand keep theirs.
    pub(crate) fn replace(&self, key: Arc<CertifiedKey>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = key;
    }
}

impl ResolvesServerCert for FromFiles {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let key = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&key))
    }
}

/// The self-signed certificates of this machine.
#[derive(Debug)]
pub(crate) struct Local {
    folder: PathBuf,
    served: RwLock<Served>,
}

#[derive(Debug)]
struct Served {
    slot: u64,
    current: Arc<CertifiedKey>,
    hashes: [String; 2],
}

impl Local {
    /// Reads the certificates of the present slot and the next one; makes those that are missing.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read or written.
    pub(crate) fn open(folder: &Path, now: u64) -> anyhow::Result<Self> {
        let served = RwLock::new(serve(folder, now / SLOT_S)?);
        Ok(Self {
            folder: folder.to_owned(),
            served,
        })
    }

    /// Moves on to the present slot. Call it now and then.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read or written; then the old certificate is served on.
    pub(crate) fn renew(&self, now: u64) -> anyhow::Result<()> {
        let slot = now / SLOT_S;
        if self
            .served
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .slot
            != slot
        {
            let served = serve(&self.folder, slot)?;
            *self.served.write().unwrap_or_else(PoisonError::into_inner) = served;
        }
        Ok(())
    }

    /// SHA-256 of the current and of the next certificate, base64url.
    pub(crate) fn hashes(&self) -> [String; 2] {
        self.served
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .hashes
            .clone()
    }
}

impl ResolvesServerCert for Local {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(
            &self
                .served
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .current,
        ))
    }
}

fn serve(folder: &Path, slot: u64) -> anyhow::Result<Served> {
    let (current, next) = (read_or_make(folder, slot)?, read_or_make(folder, slot + 1)?);
    remove_before(folder, slot);
    let hashes = [&current, &next].map(|(chain, _)| hash(chain));
    let (chain, key) = current;
    Ok(Served {
        slot,
        current: Arc::new(CertifiedKey::from_der(chain, key, &provider())?),
        hashes,
    })
}

fn hash(chain: &[CertificateDer<'_>]) -> String {
    chain
        .first()
        .map(|der| BASE64URL_NOPAD.encode(&Sha256::digest(der)))
        .unwrap_or_default()
}

type ChainAndKey = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn path(folder: &Path, slot: u64) -> PathBuf {
    folder.join(format!("local-{slot}.pem"))
}

fn read_or_make(folder: &Path, slot: u64) -> anyhow::Result<ChainAndKey> {
    let path = path(folder, slot);
    let pem = match std::fs::read(&path) {
        Ok(pem) => pem,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let pem = make(slot)?.into_bytes();
            // Written aside first: a crash must not leave half a certificate under the name.
            let aside = path.with_extension("pem.next");
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&aside)?;
            file.write_all(&pem)?;
            file.sync_all()?;
            std::fs::rename(&aside, &path)?;
            pem
        }
        Err(error) => return Err(error.into()),
    };
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>()?;
    Ok((chain, PrivateKeyDer::from_pem_slice(&pem)?))
}

/// A certificate and its key, as PEM.
fn make(slot: u64) -> anyhow::Result<String> {
    let start = (slot * SLOT_S).saturating_sub(EARLY_S);
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut parameters = rcgen::CertificateParams::new(names)?;
    parameters
        .distinguished_name
        .push(rcgen::DnType::CommonName, "Sealift relay on this machine");
    parameters.not_before = time::OffsetDateTime::from_unix_timestamp(i64::try_from(start)?)?;
    parameters.not_after =
        time::OffsetDateTime::from_unix_timestamp(i64::try_from(start + VALID_S)?)?;
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let certificate = parameters.self_signed(&key)?;
    Ok(format!("{}{}", certificate.pem(), key.serialize_pem()))
}

/// Old keys are of no use to anybody.
fn remove_before(folder: &Path, slot: u64) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let of = name.to_str().and_then(|name| {
            name.strip_prefix("local-")?
                .strip_suffix(".pem")?
                .parse()
                .ok()
        });
        if of.is_some_and(|of: u64| of < slot) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn certificates_outlive_a_restart_and_the_next_one_is_known_before_it_is_served() {
        let dir = tempfile::TempDir::new().unwrap();
        let first = Local::open(dir.path(), NOW).unwrap();
        let [current, next] = first.hashes();
        assert_eq!(
            Local::open(dir.path(), NOW + 60).unwrap().hashes(),
            [current.clone(), next.clone()]
        );
        first.renew(NOW + SLOT_S).unwrap();
        assert_eq!(first.hashes()[0], next);
        assert_ne!(first.hashes()[1], current);
        assert_eq!(
            std::fs::read_dir(dir.path()).unwrap().count(),
            2,
            "old keys are removed"
        );
    }

    #[test]
    fn a_certificate_is_valid_for_13_days_and_longer_than_it_is_served() {
        let slot = NOW / SLOT_S;
        assert!(make(slot).unwrap().contains("BEGIN PRIVATE KEY"));
        let (start, end) = (slot * SLOT_S - EARLY_S, slot * SLOT_S - EARLY_S + VALID_S);
        assert_eq!(end - start, 13 * DAY_S);
        assert!(start < slot * SLOT_S && (slot + 1) * SLOT_S + DAY_S <= end);
    }
}
