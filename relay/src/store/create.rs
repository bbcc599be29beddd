//! Creating a package: its row, then keyring and draft, then the record that it exists.

use sealift_config::Policy;
use sealift_protocol::message::{Create, PackageState, sha256};
use sealift_protocol::session::{StorageAnswer, StorageError};
use sealift_protocol::{ClientId, Code, Epoch};

use super::{Failure, Store};
use crate::records::{Change, GrantUse, PACKAGE_BYTES};
use crate::{clock, door, names};

impl Store {
    pub(super) async fn create(
        &self,
        create: Create,
        epoch: Epoch,
        client_id: ClientId,
    ) -> Result<StorageAnswer, Failure> {
        let _one = self.changing.write().await;
        // Until the package is recorded its docroot must not move, although nothing is in it.
        let steady = self.storage.docroots.steady().await;
        let (package, metrics) = (self.package, &*self.storage.metrics);
        let policy = self.policy()?;
        let keyring = door::Keyring {
            package,
            bytes: create.keyring.into(),
            policy: &policy,
        };
        let keyring = door::pass(metrics, keyring)?;
        let recorded = keyring.record;
        if recorded.generation != 1 {
            return Err(Code::BadKeyring.into());
        }
        let bytes = create.draft.into();
        let draft = door::pass(metrics, door::Draft { package, bytes })?;
        let draft_sha256 = sha256(draft.get());
        match self.record().await? {
            Some(package) if package.state != PackageState::Absent => {
                let same = package
                    .keyring
                    .is_some_and(|keyring| keyring.sha256 == recorded.sha256)
                    && package.draft_sha256 == Some(draft_sha256);
                return if same {
                    Ok(StorageAnswer::Done)
                } else {
                    Err(Code::Conflict.into())
                };
            }
            _ => {}
        }
        self.check_not_gone()?;
        let now = clock::unix_seconds();
        let is_over = |grant: &GrantUse| grant.expires_at <= now;
        if self.grant.as_ref().is_some_and(is_over) && !self.exists() {
            return Err(Code::GrantExpired.into());
        }
        let sealed_by = self.open().sealed_by.clone();
        let reserve = Change::Reserve {
            package: self.package,
            epoch,
            client_id,
            owner_sha256: self.owner_sha256,
            grant: self.grant.clone(),
            quota_bytes: policy.quota_bytes,
            docroot: policy.docroot.clone(),
            sealed_by,
            now,
            expires_at: now.saturating_add(policy.unfinished.as_secs()),
        };
        if !self.storage.records.apply(reserve).await? {
            let full = self.grant.is_some() && self.record().await?.is_none();
            return Err(match full {
                true => self.no_room(&policy).await?.into(),
                false => Failure(StorageError::NotMine),
            });
        }
        drop(steady);
        self.open().exists = true;
        let wanted = create
            .expires_in_s
            .map_or(policy.lifetime_default.as_secs(), u64::from);
        let docroot = self.docroot().await?;
        door::put(&docroot, &names::keyring(package)?, keyring.bytes).await?;
        door::put(&docroot, &names::draft(package)?, draft).await?;
        self.mine(Change::Create {
            package: self.package,
            keyring: recorded,
            draft_sha256,
            lifetime_s: wanted.min(policy.lifetime_max.as_secs()).max(1),
        })
        .await
    }

    /// Why a new package has no room.
    async fn no_room(&self, policy: &Policy) -> Result<Code, Failure> {
        if let (Some(user), Some(quota_bytes)) = (&self.user, policy.quota_bytes) {
            let used = self.storage.records.user_bytes(user.clone()).await?;
            if used.saturating_add(PACKAGE_BYTES) > quota_bytes {
                return Ok(Code::QuotaExceeded);
            }
        }
        Ok(Code::TooLarge)
    }
}
