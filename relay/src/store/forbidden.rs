//! What the policy that holds now forbids of what was created under an earlier one (P1).

use sealift_protocol::limits::KEYRING_BYTES_MAX;
use sealift_protocol::{Code, PackageId};

use super::{Storage, Store};
use crate::attempt::storage_code;
use crate::{door, names, records};

impl Store {
    /// Why the policy that holds now forbids what was created under an earlier one, if it does.
    pub(super) async fn forbidden(&self, package: &records::Package) -> Result<Option<Code>, Code> {
        let keyring = package.keyring.ok_or(Code::Internal)?;
        let user = package.user.as_deref();
        self.storage.forbidden(self.package, user, &keyring).await
    }
}

impl Storage {
    /// Why what holds now forbids a package with this stored keyring, if it does: asked at completion, and when
    /// policy changes.
    ///
    /// # Errors
    ///
    /// When that cannot be known, as when the docroot does not answer.
    pub(crate) async fn forbidden(
        &self,
        package: PackageId,
        user: Option<&str>,
        keyring: &records::Keyring,
    ) -> Result<Option<Code>, Code> {
        let policy = match self.policy(user) {
            Ok(policy) => policy,
            Err(code) => return Ok(Some(code)),
        };
        let name = names::keyring_of(package, keyring).map_err(|_| Code::Internal)?;
        let docroot = self.docroot_of(package).await?;
        let stored = docroot.get(&name, KEYRING_BYTES_MAX).await;
        let keyring = door::Keyring {
            package,
            bytes: stored.map_err(|error| storage_code(&error))?,
            policy: &policy,
        };
        match door::pass(&self.metrics, keyring) {
            Ok(_) => Ok(None),
            Err(code @ (Code::PasswordRequired | Code::KdfTooWeak | Code::KdfTooExpensive)) => {
                Ok(Some(code))
            }
            // Damaged in the docroot, or from a newer relay: no policy says that, and nothing is deleted for it.
            Err(_) => Err(Code::StorageFailed),
        }
    }
}
