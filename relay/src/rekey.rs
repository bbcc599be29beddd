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
use sealift_docroot::{Docroot, Name};
use sealift_protocol::message::PackageState;
use sealift_protocol::{Code, OwnerToken, PackageId};

use crate::attempt::storage_code;
use crate::door::{self, PassedKeyring};
use crate::records::{Change, Keyring, RecordsError};
use crate::relay::Relay;
use crate::store::Storage;
use crate::{clock, names};

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
    let policy = relay.storage.policy_for_finished(&package)?;
    let offered = door::Keyring {
        package: id,
        bytes,
        policy: &policy,
    };
    let new = door::pass(&relay.storage.metrics, offered)?;
    if new.record == current {
        // The answer to the first time was lost.
        return Ok(current);
    }
    if etag(&current) != expected || !follows(&new, &current) {
        return Err(Code::KeyringChanged);
    }
    // On its own task: a caller that goes away does not leave it half done.
    let (storage, undo) = (Arc::clone(&relay.storage), policy.keyring_undo);
    tokio::spawn(async move { replace(&storage, id, current, new, undo).await })
        .await
        .unwrap_or(Err(Code::Internal))
}

/// How an answer, and a condition, names a keyring.
pub(crate) fn etag(keyring: &Keyring) -> String {
    let hash = data_encoding::HEXLOWER.encode(&keyring.sha256.0);
    format!("\"{}-{hash}\"", keyring.generation)
}

fn follows(new: &PassedKeyring, current: &Keyring) -> bool {
    current.generation.checked_add(1) == Some(new.record.generation)
        && new.previous_sha256 == current.sha256.0
}

async fn replace(
    storage: &Storage,
    package: PackageId,
    from: Keyring,
    new: PassedKeyring,
    undo: Duration,
) -> Result<Keyring, Code> {
    let keyring = new.record;
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
    let docroot = storage.docroot_of(package).await?;
    let put = door::put(&docroot, &name, new.bytes).await;
    put.map_err(|error| storage_code(&error))?;
    let switch = Change::SwitchKeyring {
        package,
        from,
        keyring,
        keep_until: now.saturating_add(undo.as_secs()),
    };
    if apply(switch).await? {
        storage.metrics.keyrings_replaced.inc();
        tracing::info!("a package's keyring was replaced by its sender");
        return Ok(keyring);
    }
    match lost(storage, package, from, keyring).await? {
        // The same bytes, sent twice at once: the other one was quicker.
        Code::Conflict => Ok(keyring),
        Code::NotFound => {
            take_back(storage, package, &docroot, &name).await;
            Err(Code::NotFound)
        }
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
        return Ok(Code::NotFound);
    };
    Ok(match known.keyring {
        Some(current) if current == keyring => Code::Conflict,
        Some(current) if current == from => Code::RelayBusy,
        _ => Code::KeyringChanged,
    })
}

/// The package was deleted while its keyring was put: what was put after that must not stay. Nothing else of the folder
/// is touched: its sender may have begun the package anew, and under that no object has this name.
async fn take_back(storage: &Storage, package: PackageId, docroot: &Docroot, name: &Name) {
    let known = storage.records.package(package).await;
    if known.is_ok_and(|known| known.is_none_or(|package| package.deleting)) {
        let _ = docroot.delete(name).await;
    }
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
        let docroot = storage.docroot_of(package).await?;
        let deleted = docroot.delete(&name).await;
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
mod tests;
