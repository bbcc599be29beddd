//! Replacing a package's keyring (rule K2): compare and swap on generation and hash, whole or not at all.
//!
//! ```text
//! 1. record   the new keyring is staged, if the current one is the one that the client names
//! 2. docroot  its object is put, under a name of its own; nothing is overwritten
//! 3. record   it becomes the current one, if the current one is still the same (one update)
//! 4. later    the one before is deleted after some days, what was staged in vain after an hour
//! ```
//! After a crash at any point the package has the old keyring or the new one, whole. Bodies and heads are not
//! touched. It is not revocation: whoever kept the old keyring and its password still opens what they fetched.
//!
//! Start with [`rekey`].

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use sealift_protocol::format;
use sealift_protocol::message::{PackageState, sha256};
use sealift_protocol::{Code, OwnerToken, PackageId};

use crate::attempt::storage_code;
use crate::records::{Change, Keyring, RecordsError};
use crate::relay::Relay;
use crate::store::Storage;
use crate::{clock, names};

/// How long the keyring before is kept for undo.
pub(crate) const UNDO: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// When an object that was staged and never switched to may be deleted. Far longer than storing it takes.
const STAGED: Duration = Duration::from_secs(60 * 60);

/// Makes `bytes` the package's keyring, for whoever shows its owner token, if the current one is `expected`.
/// Doing it twice is the same as once.
///
/// # Errors
///
/// [`Code::KeyringChanged`] when the current keyring is another one, or `bytes` does not follow it; the code of
/// the check that `bytes` did not pass; [`Code::Unauthorized`]; [`Code::NotFound`]; [`Code::NotComplete`] before
/// the package is finished; [`Code::Expired`]; [`Code::RelayBusy`], [`Code::StorageFull`], [`Code::StorageFailed`].
pub(crate) async fn rekey(
    relay: &Arc<Relay>,
    id: PackageId,
    token: &OwnerToken,
    expected: &str,
    bytes: Bytes,
) -> Result<Keyring, Code> {
    let package = relay.packages.owned(relay, id, token).await?;
    if package.expires_at <= clock::unix_seconds() {
        return Err(Code::Expired);
    }
    if package.state != PackageState::Finished {
        return Err(Code::NotComplete);
    }
    let current = package.keyring.ok_or(Code::Internal)?;
    let new = checked(relay, id, &bytes)?;
    if new.keyring == current {
        // The answer to the first time was lost.
        return Ok(current);
    }
    if etag(&current) != expected || !new.follows(&current) {
        return Err(Code::KeyringChanged);
    }
    // On its own task: a caller that goes away does not leave it half done.
    let storage = Arc::clone(&relay.storage);
    tokio::spawn(async move { replace(&storage, id, current, new.keyring, bytes).await })
        .await
        .unwrap_or(Err(Code::Internal))
}

/// How an answer, and a condition, names a keyring.
pub(crate) fn etag(keyring: &Keyring) -> String {
    let hash = data_encoding::HEXLOWER.encode(&keyring.sha256.0);
    format!("\"{}-{hash}\"", keyring.generation)
}

/// A keyring that may be stored.
struct New {
    keyring: Keyring,
    previous_sha256: [u8; 32],
}

impl New {
    fn follows(&self, current: &Keyring) -> bool {
        current.generation.checked_add(1) == Some(self.keyring.generation)
            && self.previous_sha256 == current.sha256.0
    }
}

/// All that can be checked without a key: its form, its package (K1), and what policy asks of it (P1).
fn checked(relay: &Relay, id: PackageId, bytes: &[u8]) -> Result<New, Code> {
    let code = |error: format::FormatError| match error {
        format::FormatError::NotSealed => Code::ContentProtectionRequired,
        other => Code::parse(other.code()),
    };
    let keyring = format::Keyring::parse(bytes).map_err(code)?;
    if keyring.package() != id {
        return Err(Code::PackageMismatch);
    }
    keyring
        .check_policy(relay.storage.policy.keyring)
        .map_err(code)?;
    Ok(New {
        keyring: Keyring {
            generation: keyring.generation(),
            sha256: sha256(bytes),
            bytes: bytes.len() as u64,
        },
        previous_sha256: keyring.previous_sha256(),
    })
}

async fn replace(
    storage: &Storage,
    package: PackageId,
    from: Keyring,
    keyring: Keyring,
    bytes: Bytes,
) -> Result<Keyring, Code> {
    let now = clock::unix_seconds();
    let apply = async |change| storage.records.apply(change).await.map_err(failed);
    let keep_until = now.saturating_add(STAGED.as_secs());
    let stage = Change::StageKeyring {
        package,
        from,
        keyring,
        keep_until,
    };
    if !apply(stage).await? {
        return Err(lost(storage, package, from, keyring).await?);
    }
    let name = names::keyring_of(package, &keyring).map_err(|_| Code::Internal)?;
    let put = storage.docroot.put(&name, bytes).await;
    put.map_err(|error| storage_code(&error))?;
    let switch = Change::SwitchKeyring {
        package,
        from,
        keyring,
        keep_until: now.saturating_add(UNDO.as_secs()),
    };
    if apply(switch).await? {
        tracing::info!("a package's keyring was replaced by its sender");
        return Ok(keyring);
    }
    match lost(storage, package, from, keyring).await? {
        // The same bytes, sent twice at once: the other one was quicker.
        Code::Conflict => Ok(keyring),
        code => {
            // It can never be switched to any more. What cannot be deleted now, the clean-up deletes.
            let _ = delete(storage, package, keyring, keep_until).await;
            Err(code)
        }
    }
}

/// Why a change did not hold. [`Code::Conflict`]: because just this keyring is the current one.
async fn lost(
    storage: &Storage,
    package: PackageId,
    from: Keyring,
    keyring: Keyring,
) -> Result<Code, Code> {
    let known = storage.records.package(package).await;
    let known = known.map_err(failed)?.filter(|package| !package.deleting);
    let Some(known) = known else {
        // It was deleted meanwhile. What was put after that must not stay.
        let folder = package.to_string();
        let _ = storage.docroot.delete_folder(&folder).await;
        return Ok(Code::NotFound);
    };
    Ok(match known.keyring {
        Some(current) if current == keyring => Code::Conflict,
        Some(current) if current == from => Code::RelayBusy,
        _ => Code::KeyringChanged,
    })
}

/// Deletes keyrings that are kept no longer. Safe to repeat at any point.
pub(crate) async fn clean_up(relay: &Relay, now: u64) {
    let old = match relay.sqlite.old_keyrings(now).await {
        Ok(old) => old,
        Err(error) => {
            tracing::error!(%error, "old keyrings could not be looked up");
            return;
        }
    };
    for (package, keyring) in old {
        if delete(&relay.storage, package, keyring, now).await.is_err() {
            tracing::error!("an old keyring could not be deleted; it is tried again");
        }
    }
}

/// `DropKeyring` first: from then on nobody can switch to it.
async fn delete(
    storage: &Storage,
    package: PackageId,
    keyring: Keyring,
    now: u64,
) -> Result<(), Code> {
    let apply = async |change| storage.records.apply(change).await.map_err(failed);
    let drop = Change::DropKeyring {
        package,
        keyring,
        now,
    };
    if apply(drop).await? {
        let name = names::keyring_of(package, &keyring).map_err(|_| Code::Internal)?;
        let deleted = storage.docroot.delete(&name).await;
        deleted.map_err(|error| storage_code(&error))?;
        apply(Change::ForgetKeyring { package, keyring }).await?;
    }
    Ok(())
}

fn failed(error: RecordsError) -> Code {
    tracing::error!(%error, "the records failed");
    Code::StorageFailed
}

#[cfg(test)]
mod tests {
    use sealift_docroot::Docroot;
    use sealift_docroot::simulated::{Plant, SimulatedDisk};
    use sealift_protocol::format::{KdfLimits, KeyringPolicy};
    use sealift_protocol::message::Role;
    use sealift_protocol::{ClientId, Epoch, FileId, Sha256Hash};

    use super::*;
    use crate::records::{File, FileState, Records as _, Sqlite};
    use crate::store::Policy;

    const OLD: &[u8] = b"the keyring before";
    const NEW: &[u8] = b"the keyring after it";

    fn recorded(generation: u64, bytes: &[u8]) -> Keyring {
        Keyring {
            generation,
            sha256: sha256(bytes),
            bytes: bytes.len() as u64,
        }
    }

    /// A finished package with the old keyring.
    async fn finished(records: &Sqlite, docroot: &Docroot, package: PackageId) {
        let manifest = FileId([1; 32]);
        let name = names::keyring(package).unwrap();
        docroot.put(&name, Bytes::from_static(OLD)).await.unwrap();
        for change in [
            Change::Reserve {
                package,
                epoch: Epoch(1),
                client_id: ClientId([1; 16]),
                owner_sha256: Sha256Hash([1; 32]),
                grant: None,
                now: 1,
                expires_at: 100,
            },
            Change::Create {
                package,
                keyring: recorded(1, OLD),
                draft_sha256: Sha256Hash([1; 32]),
                lifetime_s: 1,
            },
            Change::AddFile {
                package,
                file: File {
                    id: manifest,
                    role: Role::Manifest,
                    head_sha256: Sha256Hash([1; 32]),
                    head_bytes: 1,
                    body_bytes: 1,
                    part_bytes: 1,
                    state: FileState::Committed,
                    seal: Some([1; 48]),
                    durable: Vec::new(),
                },
            },
            Change::Finish {
                package,
                manifest,
                expires_at: u64::MAX >> 1,
            },
        ] {
            assert!(records.apply(change).await.unwrap());
        }
    }

    /// The power goes at every call of the disk, one after the other.
    #[tokio::test]
    async fn k2_after_a_power_cut_the_package_has_the_old_keyring_or_the_new_one() {
        let dir = tempfile::TempDir::new().unwrap();
        let records = Arc::new(Sqlite::open(&dir.path().join("sealift.db")).await.unwrap());
        let mut cut = 0;
        for calls in 0..20 {
            let disk = SimulatedDisk::new(calls, Plant::Nothing);
            let storage = Storage {
                docroot: Docroot::on(Arc::new(disk.clone()), 0),
                records: Arc::clone(&records) as _,
                policy: Policy {
                    keyring: KeyringPolicy {
                        password_required: false,
                        kdf: KdfLimits::PRODUCTION,
                    },
                    package_bytes_max: 1,
                    lifetime_default_s: 1,
                    lifetime_max_s: 1,
                    unfinished_s: 1,
                },
            };
            let package = PackageId([u8::try_from(calls).unwrap(); 16]);
            finished(&records, &storage.docroot, package).await;
            let (old, new) = (recorded(1, OLD), recorded(2, NEW));
            disk.cut_after(calls);
            let answer = replace(&storage, package, old, new, Bytes::from_static(NEW)).await;
            disk.restart();
            let known = records.package(package).await.unwrap().unwrap();
            let current = known.keyring.unwrap();
            assert_eq!(current, if answer.is_ok() { new } else { old }, "{calls}");
            for (keyring, bytes) in [
                (old, OLD),
                (current, if answer.is_ok() { NEW } else { OLD }),
            ] {
                let name = names::keyring_of(package, &keyring).unwrap();
                let stored = storage.docroot.get(&name, 100).await.unwrap();
                assert_eq!(stored, bytes, "after {calls} calls");
            }
            // With the power on it goes through, and what was staged is staged no more.
            if answer.is_err() {
                let again = replace(&storage, package, old, new, Bytes::from_static(NEW)).await;
                assert_eq!(again, Ok(new), "{calls}");
            }
            let kept = records.kept_keyring(package, 1).await.unwrap();
            assert_eq!(kept, Some(old));
            let others = records.old_keyrings(u64::MAX >> 1).await.unwrap();
            assert_eq!(others.len() as u64, calls + 1);
            cut += usize::from(answer.is_err());
        }
        assert!((5..20).contains(&cut), "cut {cut} times");
    }
}
