//! A new policy holds at once: an upload under way that it forbids ends with that error and its parts are removed,
//! and lanes of clients that have become too old are closed.
//!
//! Asked are the stored keyrings of all unfinished packages, at the start and whenever the configuration changes.
//! What slips through between two looks meets the same question at its completion. Finished packages stay as they are.
//!
//! A package whose user the configuration does not name any more is not ended: nobody may go on with it, and when the
//! user does not come back in its time, it expires as others do.

use std::sync::Arc;
use std::time::Duration;

use sealift_protocol::PackageId;

use crate::cleanup::within;
use crate::guard;
use crate::records::Unfinished;
use crate::relay::Relay;

/// Longest time for one package: the others are asked too.
const ASK_MAX: Duration = Duration::from_secs(60);

/// Runs until the relay is dropped.
pub(crate) async fn run(relay: Arc<Relay>) {
    let mut changed = relay.config.watch();
    loop {
        changed.mark_unchanged();
        sweep(&relay).await;
        if changed.changed().await.is_err() {
            return;
        }
    }
}

async fn sweep(relay: &Relay) {
    let versions = guard::versions(&relay.config.current().settings);
    relay.packages.end_older(versions).await;
    let unfinished = match relay.sqlite.unfinished().await {
        Ok(unfinished) => unfinished,
        Err(error) => {
            tracing::error!(%error, "unfinished packages could not be looked up; they are asked at their completion");
            return;
        }
    };
    for one in unfinished {
        within(ASK_MAX, "what a policy forbids", ask(relay, one)).await;
    }
}

async fn ask(relay: &Relay, unfinished: Unfinished) {
    let Unfinished {
        package,
        user,
        keyring,
    } = unfinished;
    let storage = &relay.storage;
    let policy = match storage.policy(user.as_deref()) {
        Ok(policy) => policy,
        Err(code) => {
            tracing::warn!(
                "the user of an unfinished package is not configured; it waits for that until it expires"
            );
            return relay.packages.suspend(package, code).await;
        }
    };
    match storage.forbidden(package, &policy, &keyring).await {
        Ok(None) => {}
        Ok(Some(code)) => end(relay, package, code).await,
        Err(code) => tracing::warn!(
            code = code.as_str(),
            "a keyring could not be read; its package is asked again at its completion"
        ),
    }
}

async fn end(relay: &Relay, package: PackageId, code: sealift_protocol::Code) {
    match relay.packages.forbid(relay, package, code).await {
        Ok(()) => tracing::info!(
            code = code.as_str(),
            "an unfinished package was ended by a new policy"
        ),
        Err(code) => tracing::error!(
            code = code.as_str(),
            "a package that a new policy forbids could not be deleted; the clean-up tries again"
        ),
    }
}

#[cfg(test)]
mod tests {
    use sealift_config::{Config, Live, ProtectionMode, Settings};
    use sealift_docroot::Docroot;
    use sealift_docroot::simulated::{Plant, SimulatedDisk};
    use sealift_protocol::message::{Create, sha256};
    use sealift_protocol::session::{StorageAnswer, StorageError, StorageRequest};
    use sealift_protocol::{ClientId, Code, Epoch, FileId};

    use super::*;
    use crate::power_cut::sealed::Sealed;
    use crate::records::{Records as _, Sqlite};
    use crate::store::{Storage, Store};

    /// No sweep runs here: the completion asks by itself.
    #[tokio::test]
    async fn p1_a_completion_asks_the_policy_that_holds_then() {
        let dir = tempfile::TempDir::new().unwrap();
        let records = Arc::new(Sqlite::open(&dir.path().join("sealift.db")).await.unwrap());
        let disk = SimulatedDisk::new(1, Plant::Nothing);
        let mut config = Config::from(Settings::default());
        let live = Live::new(config.clone());
        let storage = Arc::new(Storage {
            docroots: crate::docroots::Docroots::only(Docroot::on(Arc::new(disk.clone()), 0)),
            records: Arc::clone(&records) as _,
            config: live.clone(),
            metrics: Arc::default(),
            trunks: Default::default(),
        });
        let mut sealed = Sealed::new(1);
        let owner = sha256(&sealed.owner.0);
        let store = Store::new(storage, sealed.package, owner, None, None);
        let create = StorageRequest::Create {
            create: Create {
                keyring: sealed.link_keyring(),
                draft: sealed.draft.clone(),
                expires_in_s: None,
            },
            epoch: Epoch(1),
            client_id: ClientId([1; 16]),
        };
        assert!(matches!(
            store.execute(create).await,
            Ok(StorageAnswer::Done)
        ));
        config.settings.protection = ProtectionMode::Required;
        live.replace(config);
        let finish = StorageRequest::Finish {
            manifest: FileId([1; 32]),
        };
        let refused = store.execute(finish).await.unwrap_err();
        assert_eq!(refused, StorageError::Code(Code::PasswordRequired));
        assert!(records.package(sealed.package).await.unwrap().is_none());
    }
}
