//! What the policy that holds now forbids of what was created under an earlier one (P1).
//!
//! A package is ended for an explicit reason alone, found in the very keyring that is recorded: one of its slots opens
//! without a password or is of unknown kind where passwords are required, or its key derivation is outside the
//! limits. Everything else that keeps a package from going on, such as a user who is not configured just now or a
//! docroot that does not answer, only keeps it waiting.

use sealift_config::Policy;
use sealift_protocol::limits::KEYRING_BYTES_MAX;
use sealift_protocol::message::sha256;
use sealift_protocol::{Code, PackageId};

use super::{Storage, Store};
use crate::attempt::storage_code;
use crate::{door, names, records};

impl Store {
    /// Why the policy that holds now forbids what was created under an earlier one, if it does.
    ///
    /// # Errors
    ///
    /// Why the package has to wait.
    pub(super) async fn forbidden(&self, package: &records::Package) -> Result<Option<Code>, Code> {
        let keyring = package.keyring.ok_or(Code::Internal)?;
        let policy = self.policy()?;
        self.storage
            .forbidden(self.package, &policy, &keyring)
            .await
    }
}

impl Storage {
    /// Why a policy forbids a package with this stored keyring, if it does: asked at completion, and when policy
    /// changes.
    ///
    /// # Errors
    ///
    /// When that cannot be known, as when the docroot does not answer or holds another keyring.
    pub(crate) async fn forbidden(
        &self,
        package: PackageId,
        policy: &Policy,
        keyring: &records::Keyring,
    ) -> Result<Option<Code>, Code> {
        let name = names::keyring_of(package, keyring).map_err(|_| Code::Internal)?;
        let docroot = self.docroot_of(package).await?;
        let stored = docroot.get(&name, KEYRING_BYTES_MAX).await;
        let bytes = stored.map_err(|error| storage_code(&error))?;
        // What somebody else put there says nothing about this package.
        if sha256(&bytes) != keyring.sha256 {
            tracing::error!("the docroot holds another keyring than was recorded");
            return Err(Code::StorageFailed);
        }
        let keyring = door::Keyring {
            package,
            bytes,
            policy,
        };
        match door::pass(&self.metrics, keyring) {
            Ok(_) => Ok(None),
            Err(code @ (Code::PasswordRequired | Code::KdfTooWeak | Code::KdfTooExpensive)) => {
                Ok(Some(code))
            }
            // From a newer relay, perhaps: no policy says that, and nothing is deleted for it.
            Err(_) => Err(Code::StorageFailed),
        }
    }
}
