//! Where sealed files are kept: a *docroot*, a folder (`file://`) or S3 (`s3://`), behind one interface.
//!
//! What a folder promises (what S3 does stands in its own module):
//! - **Durable means durable.** [`PartWriter::durable`] returns only after an `fdatasync` that began when the
//!   part's last write had ended. A failed `fdatasync` fails every part since the last good one (S6).
//! - **A name appears whole or not at all.** Bytes arrive in `NAME.partial`; [`DiskDocroot::commit`] syncs, renames
//!   without replacing and syncs the folder. A crash leaves a `.partial` that goes on where it was.
//! - **Nothing is buffered.** Any slice of a part is written where it belongs as it arrives.
//! - **Nothing escapes.** Every path is resolved under one directory handle; no `..`, no symlink out of it.
//! - **One relay.** The folder is locked until the last write to it has ended (S4).
//! - **Room is reserved at create**, so a nearly full disk refuses early instead of filling up.
//!
//! Every disk call goes through the small trait [`Disk`], so that the same code runs on a simulated disk whose
//! power fails. The crate knows nothing of packages, files or keys.
//!
//! Start with [`Docroot`]; its settings come from [`DocrootUrl`].

mod check;
mod disk;
mod docroot;
mod error;
mod folder;
mod name;
mod object;
mod on_disk;
mod properties;
mod read;
mod s3;
mod settings;
mod settings_error;
#[cfg(feature = "simulation")]
pub mod simulated;
mod sync;
mod upload;
mod url;

pub use check::{CheckError, CheckReport, CheckStep};
pub use disk::{Disk, DiskFile};
pub use docroot::{Docroot, PartWriter, Reader, Receipt, Shape, Stored, Upload};
pub use error::DocrootError;
pub use folder::Folder;
pub use name::Name;
pub use on_disk::DiskDocroot;
pub use properties::{Ignored, Properties};
pub use read::DiskReader;
pub use s3::{Abandoned, Cause, S3Error, Sse};
pub use settings::{
    Credentials, DocrootSettings, Encryption, Endpoint, KmsKey, S3Settings, StorageClass,
    SystemDefaults,
};
pub use settings_error::SettingsError;
pub use upload::{DiskPart, DiskUpload};
pub use url::DocrootUrl;

/// Free space that an upload must leave on the disk unless the operator says otherwise: 256 MiB.
pub const FREE_BYTES_MIN: u64 = 256 << 20;

/// What lies under a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stat {
    /// Length in bytes; of a partial one, the length reserved for it.
    pub length_bytes: u64,
    /// Whether it was committed (or put), and so appears under its own name.
    pub committed: bool,
}
