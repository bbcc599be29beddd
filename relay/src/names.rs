//! Where a package's objects lie in the docroot: `PACKAGE/keyring`, `PACKAGE/FILE.head`, `PACKAGE/FILE.body`.
//! `cat keyring FILE.head FILE.body` is the `.sealift` file.

use sealift_docroot::{DocrootError, Name};
use sealift_protocol::{FileId, PackageId};

pub(crate) fn keyring(package: PackageId) -> Result<Name, DocrootError> {
    Name::new(package.to_string(), "keyring")
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
