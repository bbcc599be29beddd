//! Remembers the highest keyring generation seen of each package (rule K2), so that a relay cannot
//! serve an older keyring, whose password was given up, unnoticed.
//!
//! One small file for each package in the state folder, named by a hash of the package's id; nothing
//! in it is secret. Only a keyring that was opened by password or link is remembered: one that anybody
//! can make proves nothing.

use std::io::Write;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sealift_envelope::keyring;
use sealift_protocol::PackageId;
use sealift_protocol::format::Keyring;
use sha2::{Digest, Sha256};

use crate::failure::Result;
use crate::protection::random;
use crate::terminal::Terminal;
use crate::unlock::By;

/// Refuses a keyring that is older than one seen before.
///
/// # Errors
///
/// `old_keyring`.
pub(crate) fn check(parsed: &Keyring<'_>) -> Result<()> {
    let seen = place_of(parsed.package()).and_then(|place| read(&place));
    Ok(keyring::check_not_older(parsed, seen.unwrap_or(0))?)
}

/// Remembers a keyring that was opened.
pub(crate) fn remember(parsed: &Keyring<'_>, by: By, terminal: &Terminal) {
    let Some(place) = place_of(parsed.package()).filter(|_| by != By::Identity) else {
        return;
    };
    let generation = parsed.generation();
    if read(&place).is_some_and(|seen| seen >= generation) {
        return;
    }
    if let Err(error) = write(&place, generation) {
        terminal.notice(&format!(
            "could not remember this package's keyring in {}: {error}. A relay that serves an older one later will not be noticed.",
            place.display()
        ));
    }
}

/// `$XDG_STATE_HOME/sealift/keyrings/HASH`, by default below `~/.local/state`. Nowhere without a home.
fn place_of(package: PackageId) -> Option<PathBuf> {
    let given = |name: &str| {
        let place = PathBuf::from(std::env::var_os(name)?);
        place.is_absolute().then_some(place)
    };
    let state = given("XDG_STATE_HOME").or_else(|| Some(given("HOME")?.join(".local/state")))?;
    let mut hash = Sha256::new_with_prefix(b"sealift/v1 keyring generation");
    hash.update(package.0);
    let name = HEXLOWER.encode(&hash.finalize());
    Some(state.join("sealift/keyrings").join(name.get(..32)?))
}

fn read(place: &Path) -> Option<u64> {
    std::fs::read_to_string(place).ok()?.trim().parse().ok()
}

/// Never leaves half a number: a new file takes the old one's place.
fn write(place: &Path, generation: u64) -> std::io::Result<()> {
    let folder = place.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let new = folder.join(format!(".{}", HEXLOWER.encode(&random::<8>())));
    let written = std::fs::File::create_new(&new).and_then(|mut file| {
        file.write_all(format!("{generation}\n").as_bytes())?;
        file.sync_data()?;
        std::fs::rename(&new, place)
    });
    if written.is_err() {
        let _left = std::fs::remove_file(&new);
    }
    written
}
