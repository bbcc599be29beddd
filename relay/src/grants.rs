//! Grants: short-lived permission to send, signed by the relay and checked by it alone.
//!
//! ```text
//! grant = base64url( 2 ‖ id (16) ‖ expires_at (8) ‖ bytes_max (8) ‖ user ‖ HMAC-SHA-256 of all bytes before (32) )
//! ```
//! `user` is the name of one in the configuration, or nothing. What holds for it is looked up when the grant is used,
//! not written into it.
//!
//! The key lies in `secrets/grants.key`, readable by the relay's user alone. Whoever has it can make grants.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sealift_protocol::Code;
use sealift_protocol::limits::USER_NAME_BYTES_MAX;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::records::GrantUse;

const VERSION: u8 = 2;
/// Before the name of the user.
const CLAIMS_BYTES: usize = 33;
const MAC_BYTES: usize = 32;

/// Signs and checks grants.
pub struct Grants {
    key: Zeroizing<[u8; 32]>,
}

impl Grants {
    /// Reads the key from the folder for secrets; makes it when there is none.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written, or does not hold 32 bytes.
    pub fn open(secrets: &Path) -> io::Result<Self> {
        let path = secrets.join("grants.key");
        match read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make(secrets, &path)?;
                read(&path)
            }
            result => result,
        }
    }

    /// A new grant that allows `bytes_max` bytes of sealed bodies until `expires_at`, in seconds since 1970, as a
    /// user of the configuration or as nobody in particular.
    ///
    /// # Errors
    ///
    /// When the system has no randomness, or the user's name is empty or longer than 255 bytes.
    pub fn issue(&self, expires_at: u64, bytes_max: u64, user: Option<&str>) -> io::Result<String> {
        if user.is_some_and(|user| user.is_empty() || user.len() > USER_NAME_BYTES_MAX) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the name of a user has 1 to 255 bytes",
            ));
        }
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(io::Error::other)?;
        let mut grant = vec![VERSION];
        grant.extend(id);
        grant.extend(expires_at.to_be_bytes());
        grant.extend(bytes_max.to_be_bytes());
        grant.extend(user.unwrap_or_default().as_bytes());
        let mac = self.mac(&grant).finalize().into_bytes();
        grant.extend(mac);
        Ok(BASE64URL_NOPAD.encode(&grant))
    }

    /// What a grant allows, if it is one of ours and not over.
    ///
    /// # Errors
    ///
    /// [`Code::GrantInvalid`] or [`Code::GrantExpired`].
    pub fn check(&self, grant: &str, now: u64) -> Result<GrantUse, Code> {
        let bytes = BASE64URL_NOPAD
            .decode(grant.as_bytes())
            .map_err(|_| Code::GrantInvalid)?;
        let (signed, mac) = bytes
            .split_last_chunk::<MAC_BYTES>()
            .ok_or(Code::GrantInvalid)?;
        if self.mac(signed).verify_slice(mac).is_err() {
            return Err(Code::GrantInvalid);
        }
        let (claims, user) = signed
            .split_first_chunk::<CLAIMS_BYTES>()
            .ok_or(Code::GrantInvalid)?;
        let user = str::from_utf8(user).map_err(|_| Code::GrantInvalid)?;
        let [version, fields @ ..] = claims;
        let (id, fields) = fields.split_first_chunk::<16>().ok_or(Code::GrantInvalid)?;
        let (expires_at, bytes_max) = fields.split_first_chunk::<8>().ok_or(Code::GrantInvalid)?;
        let bytes_max: [u8; 8] = bytes_max.try_into().map_err(|_| Code::GrantInvalid)?;
        if *version != VERSION {
            return Err(Code::GrantInvalid);
        }
        if u64::from_be_bytes(*expires_at) <= now {
            return Err(Code::GrantExpired);
        }
        Ok(GrantUse {
            id: *id,
            bytes_max: u64::from_be_bytes(bytes_max),
            expires_at: u64::from_be_bytes(*expires_at),
            user: (!user.is_empty()).then(|| user.to_owned()),
        })
    }

    #[allow(clippy::expect_used)] // HMAC takes keys of any length (RFC 2104).
    fn mac(&self, claims: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::new_from_slice(&*self.key).expect("a key of any length");
        mac.update(claims);
        mac
    }
}

fn read(path: &Path) -> io::Result<Grants> {
    let bytes = Zeroizing::new(std::fs::read(path)?);
    let wrong = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "grants.key does not hold 32 bytes",
        )
    };
    let key = bytes.as_slice().try_into().map_err(|_| wrong())?;
    Ok(Grants {
        key: Zeroizing::new(key),
    })
}

/// Makes a key, whole or not at all. When another process was quicker, its key stays.
fn make(secrets: &Path, path: &Path) -> io::Result<()> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *key).map_err(io::Error::other)?;
    let aside = secrets.join(format!("grants.key.next-{}", std::process::id()));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&aside)?;
    file.write_all(&*key)?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&aside, path);
    std::fs::remove_file(&aside)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    std::fs::File::open(secrets)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_short_lived_signed_and_of_this_relay() {
        let dir = tempfile::TempDir::new().unwrap();
        let grants = Grants::open(dir.path()).unwrap();
        let grant = grants.issue(1000, 5, Some("xfer")).unwrap();
        let again = Grants::open(dir.path()).unwrap();
        let granted = again.check(&grant, 999).unwrap();
        assert_eq!(
            (granted.bytes_max, granted.user.as_deref()),
            (5, Some("xfer"))
        );
        let nobody = again.issue(1000, 5, None).unwrap();
        assert_eq!(again.check(&nobody, 999).unwrap().user, None);
        assert!(again.issue(1000, 5, Some("")).is_err());
        assert_eq!(again.check(&grant, 1000).unwrap_err(), Code::GrantExpired);
        assert_eq!(again.check("", 1).unwrap_err(), Code::GrantInvalid);
        let mut bytes = BASE64URL_NOPAD.decode(grant.as_bytes()).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            assert_eq!(
                again.check(&BASE64URL_NOPAD.encode(&bytes), 1).unwrap_err(),
                Code::GrantInvalid
            );
            bytes[at] ^= 1;
        }
        let other = tempfile::TempDir::new().unwrap();
        assert_eq!(
            Grants::open(other.path())
                .unwrap()
                .check(&grant, 1)
                .unwrap_err(),
            Code::GrantInvalid
        );
    }

    #[test]
    fn the_key_is_for_the_relay_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::TempDir::new().unwrap();
        Grants::open(dir.path()).unwrap();
        let mode = std::fs::metadata(dir.path().join("grants.key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            std::fs::read_dir(dir.path()).unwrap().count(),
            1,
            "nothing is left aside"
        );
    }
}
