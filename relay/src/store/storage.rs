//! What all packages share, and what is done to packages that have no session.

use std::sync::Arc;

use sealift_config::{Live, Policy};
use sealift_docroot::Docroot;
use sealift_protocol::{Code, PackageId};

use super::Failure;
use crate::docroots::Docroots;
use crate::metrics::Metrics;
use crate::records::{self, Change, Records};
use crate::trunk::Trunks;

/// Docroots, records and configuration: all that a package's storage needs.
pub(crate) struct Storage {
    /// Where bytes lie.
    pub(crate) docroots: Docroots,
    /// What is known of them.
    pub(crate) records: Arc<dyn Records>,
    /// What holds now.
    pub(crate) config: Live,
    /// What is counted.
    pub(crate) metrics: Arc<Metrics>,
    /// Rates that users share.
    pub(crate) trunks: Trunks,
}

impl Storage {
    /// What holds for a user now, or for senders without one.
    ///
    /// # Errors
    ///
    /// [`Code::GrantInvalid`] when the configuration has no such user any more.
    pub(crate) fn policy(&self, user: Option<&str>) -> Result<Policy, Code> {
        let config = self.config.current();
        config.policy_for(user).ok_or(Code::GrantInvalid)
    }

    /// What holds for a finished package's keyring. When its user was removed, what holds for the docroot that keeps it,
    /// or without that one for the server: its sender can still change the password.
    ///
    /// # Errors
    ///
    /// [`Code::Internal`] when the configuration has no default docroot, which loading excludes.
    pub(crate) fn policy_for_finished(&self, package: &records::Package) -> Result<Policy, Code> {
        let config = self.config.current();
        if let Some(policy) = config.policy_for(package.user.as_deref()) {
            return Ok(policy);
        }
        let mut policy = config.policy_for(None).ok_or(Code::Internal)?;
        let own = config.docroots.get(&package.docroot);
        policy.protection = match own {
            Some(docroot) => config.protection().with(docroot.own()),
            None => config.protection(),
        };
        Ok(policy)
    }

    /// The docroot that keeps a package.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`]; [`Code::DocrootUnavailable`]; [`Code::StorageFailed`].
    pub(crate) async fn docroot_of(&self, package: PackageId) -> Result<Docroot, Code> {
        let known = self.records.package(package).await;
        let known = known.map_err(|error| {
            tracing::error!(%error, "the records failed");
            Code::StorageFailed
        })?;
        self.docroots.one(&known.ok_or(Code::NotFound)?.docroot)
    }

    /// Deletes a package that has no live session.
    ///
    /// # Errors
    ///
    /// [`Code::StorageFailed`]; deletion goes on at the next clean-up.
    pub(crate) async fn delete(&self, package: PackageId) -> Result<(), Code> {
        delete(self, package).await.map_err(|_| Code::StorageFailed)
    }
}

pub(super) async fn delete(storage: &Storage, package: PackageId) -> Result<(), Failure> {
    storage.records.apply(Change::Deleting { package }).await?;
    // Without a row nothing of it was ever stored.
    if let Some(known) = storage.records.package(package).await? {
        let docroot = storage.docroots.one(&known.docroot)?;
        docroot.delete_folder(&package.to_string()).await?;
    }
    storage.records.apply(Change::Deleted { package }).await?;
    Ok(())
}
