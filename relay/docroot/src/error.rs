//! Why a docroot did not do what it was asked.

use std::io;

use crate::{Cause, S3Error, SettingsError};

/// Why a docroot did not do what it was asked. The text says what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocrootError {
    /// The disk has too little room. Retry when the operator has made some; nothing durable is lost.
    #[error("the storage has no room for this; try again later or ask the operator to make room")]
    DiskFull,
    /// Another process holds the docroot (S4).
    #[error(
        "another process uses this docroot; stop it first, or give this relay a docroot of its own"
    )]
    Locked,
    /// The name is already taken by something else.
    #[error("the name is already taken in the docroot")]
    Exists,
    /// Nothing lies under that name.
    #[error("nothing is stored under that name")]
    Missing,
    /// Folder or leaf is empty, too long or has a character outside `A-Z a-z 0-9 . _ -`.
    #[error("`{0}` is not a name that a docroot takes")]
    Name(String),
    /// A write lies outside the length that was announced.
    #[error("the bytes lie outside the length that was announced")]
    OutOfRange,
    /// What is stored has another length than was announced.
    #[error("stored length {found} differs from the announced {expected}")]
    Length {
        /// Bytes announced.
        expected: u64,
        /// Bytes stored.
        found: u64,
    },
    /// An `fdatasync` failed since this part began: what it wrote may be lost, it must be sent again (S6).
    #[error("the disk failed to store this part; it must be sent again")]
    SyncFailed,
    /// The docroot's settings are wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The storage holds other parts than were recorded, or lacks these, counted from 0: they are to be sent
    /// again (S3).
    #[error("the storage holds {} parts that are not as recorded; they are sent again", .0.len())]
    PartsDiffer(Vec<u32>),
    /// S3 refused or failed.
    #[error(transparent)]
    S3(#[from] S3Error),
    /// The folder cannot be written.
    #[error("the docroot cannot be written: it is read-only, or belongs to another user")]
    ReadOnly,
    /// The operating system refused.
    #[error("the storage failed: {0}")]
    Storage(String),
}

impl From<io::Error> for DocrootError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::DiskFull,
            io::ErrorKind::NotFound => Self::Missing,
            io::ErrorKind::AlreadyExists => Self::Exists,
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Self::ReadOnly,
            _ => Self::Storage(error.to_string()),
        }
    }
}

impl DocrootError {
    /// The stable name of the cause: snake_case, the same in logs, answers and documentation.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::DiskFull => "storage_full",
            Self::Locked => "docroot_locked",
            Self::ReadOnly => "docroot_read_only",
            Self::Settings(error) => error.code(),
            Self::PartsDiffer(_) => Cause::PartsMismatch.code(),
            Self::S3(error) => error.cause.code(),
            _ => "storage_failed",
        }
    }

    /// Who can mend it.
    #[must_use]
    pub fn who(&self) -> &'static str {
        match self {
            Self::S3(error) => error.cause.who(),
            Self::DiskFull => "storage admin",
            Self::Locked | Self::Settings(_) => "docroot admin",
            _ => "host admin",
        }
    }

    /// Whether the same thing can work later by itself.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::S3(error) => error.cause.retryable(),
            Self::Settings(_) | Self::ReadOnly | Self::Name(_) | Self::OutOfRange => false,
            _ => true,
        }
    }
}
