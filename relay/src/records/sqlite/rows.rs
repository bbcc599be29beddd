//! Rows as what they mean.

use sealift_protocol::message::{PackageState, Role};
use sealift_protocol::{ClientId, Epoch, FileId, Sha256Hash};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::records::{File, FileState, Keyring, Package, RecordsError, Transports, changes};

pub(super) fn read_package(row: &SqliteRow) -> Result<Package, RecordsError> {
    let state: i64 = row.try_get("state")?;
    let keyring = match optional(row, "keyring_sha256")? {
        None => None,
        Some(sha256) => Some(Keyring {
            generation: number(row, "keyring_generation")?,
            sha256: Sha256Hash(sha256),
            bytes: number(row, "keyring_bytes")?,
        }),
    };
    Ok(Package {
        state: match state {
            0 => PackageState::Absent,
            1 => PackageState::Open,
            _ => PackageState::Finished,
        },
        deleting: state == 3,
        epoch: Epoch(number(row, "epoch")?),
        client_id: ClientId(bytes(row, "client_id")?),
        owner_sha256: Sha256Hash(bytes(row, "owner_sha256")?),
        created_at: number(row, "created_at")?,
        expires_at: number(row, "expires_at")?,
        lifetime_s: row
            .try_get::<Option<i64>, _>("lifetime_s")?
            .and_then(|s| u64::try_from(s).ok())
            .unwrap_or(0),
        keyring,
        draft_sha256: optional(row, "draft_sha256")?.map(Sha256Hash),
        manifest: optional(row, "manifest")?.map(FileId),
        user: row.try_get("user")?,
        docroot: row.try_get("docroot")?,
        sealed_by: row.try_get("sealed_by")?,
        transports: Transports(number(row, "transports")?),
        finished_at: row
            .try_get::<Option<i64>, _>("finished_at")?
            .and_then(|at| u64::try_from(at).ok()),
        files: Vec::new(),
    })
}

pub(super) fn read_keyring(row: &SqliteRow) -> Result<Keyring, RecordsError> {
    Ok(Keyring {
        generation: number(row, "generation")?,
        sha256: Sha256Hash(bytes(row, "sha256")?),
        bytes: number(row, "bytes")?,
    })
}

pub(super) fn read_file(row: &SqliteRow) -> Result<File, RecordsError> {
    Ok(File {
        id: FileId(bytes(row, "id")?),
        role: if row.try_get::<i64, _>("role")? == changes::role_number(Role::Manifest) {
            Role::Manifest
        } else {
            Role::Content
        },
        head_sha256: Sha256Hash(bytes(row, "head_sha256")?),
        head_bytes: number(row, "head_bytes")?,
        body_bytes: number(row, "body_bytes")?,
        part_bytes: number(row, "part_bytes")?,
        state: match row.try_get::<i64, _>("state")? {
            0 => FileState::Receiving,
            1 => FileState::Committing,
            _ => FileState::Committed,
        },
        seal: optional(row, "seal")?,
        durable: Vec::new(),
        storage: row.try_get("storage")?,
        sse: row.try_get("sse")?,
        verified_at: row
            .try_get::<Option<i64>, _>("verified_at")?
            .and_then(|at| u64::try_from(at).ok()),
    })
}

pub(super) fn number(row: &SqliteRow, column: &str) -> Result<u64, RecordsError> {
    let number: i64 = row.try_get(column)?;
    u64::try_from(number).map_err(|_| RecordsError(format!("{column} is negative")))
}

pub(super) fn bytes<const N: usize>(
    row: &SqliteRow,
    column: &str,
) -> Result<[u8; N], RecordsError> {
    optional(row, column)?.ok_or_else(|| RecordsError(format!("{column} is missing")))
}

fn optional<const N: usize>(
    row: &SqliteRow,
    column: &str,
) -> Result<Option<[u8; N]>, RecordsError> {
    let bytes: Option<Vec<u8>> = row.try_get(column)?;
    bytes
        .map(|bytes| {
            bytes
                .try_into()
                .map_err(|_| RecordsError(format!("{column} has the wrong length")))
        })
        .transpose()
}
