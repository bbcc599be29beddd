//! Where a package's objects lie in the docroot: `PACKAGE/keyring`, `PACKAGE/FILE.head`, `PACKAGE/FILE.body`.
//! `cat keyring FILE.head FILE.body` is the `.sealift` file.
//!
//! A keyring that replaced another one lies under a name of its own, `PACKAGE/keyring-GENERATION-HASH`, so that no
//! object is ever overwritten and the records alone say which one is current (K2).

use sealift_docroot::{DocrootError, Name};
use sealift_protocol::{FileId, PackageId};

use crate::records::Keyring;

/// Where a package's first keyring lies.
pub(crate) fn keyring(package: PackageId) -> Result<Name, DocrootError> {
    Name::new(package.to_string(), "keyring")
}

/// Where a keyring lies, whichever it is.
pub(crate) fn keyring_of(package: PackageId, of: &Keyring) -> Result<Name, DocrootError> {
    if of.generation == 1 {
        return keyring(package);
    }
    let hash = data_encoding::HEXLOWER.encode(&of.sha256.0[..16]);
    Name::new(
        package.to_string(),
        format!("keyring-{}-{hash}", of.generation),
    )
}

pub(crate) fn draft(package: PackageId) -> Result<Name, DocrootError> {
    Name::new(package.to_string(), "draft")
}

pub(crate) fn head(package: PackageId, file: FileId) -> Result<Name, DocrootError> {
    Name::new(package.to_string(), format!("{file}.head"))
}

pub(crate) fn body(package: PackageId, file: FileId) -> Result<Name, DocrootError> {
    Name::new(package.to_string(), format!("{file}.body"))
}
