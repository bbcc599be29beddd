//! Records in SQLite: write-ahead log, `synchronous=FULL`, one writer that commits many changes at once.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sealift_protocol::limits::PAIR_BYTES;
use sealift_protocol::message::{PackageState, Role};
use sealift_protocol::{Attempt, ClientId, Epoch, FileId, PackageId, Pair, PartNumber, Sha256Hash};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Row, query, query_scalar};
use tokio::sync::{mpsc, oneshot};

use super::changes::{self, sql};
use super::{Change, DurablePart, File, FileState, Keyring, Package, Records, RecordsError};

/// The schema's versions, in order. A new one is added at the end; none is ever changed.
const SCHEMA: &[&str] = &[include_str!("schema-1.sql")];

/// Most changes in one transaction.
const GROUP_CHANGES: usize = 512;

/// Readers at once.
const READERS: u32 = 4;

/// Records in one SQLite file.
pub struct Sqlite {
    writer: mpsc::Sender<Request>,
    readers: SqlitePool,
}

struct Request {
    change: Change,
    done: oneshot::Sender<Result<bool, RecordsError>>,
}

impl From<sqlx::Error> for RecordsError {
    fn from(error: sqlx::Error) -> Self {
        Self(error.to_string())
    }
}

impl Sqlite {
    /// Opens the file, makes it when missing, and brings its schema up to date.
    ///
    /// # Errors
    ///
    /// [`RecordsError`], also for a schema from a newer relay.
    pub async fn open(path: &Path) -> Result<Self, RecordsError> {
        private_file(path).map_err(|error| RecordsError(error.to_string()))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10))
            .disable_statement_logging();
        let mut connection = options.connect().await?;
        migrate(&mut connection).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.read_only(true))
            .await?;
        let (writer, requests) = mpsc::channel(GROUP_CHANGES);
        tokio::spawn(write(connection, requests));
        Ok(Self { writer, readers })
    }

    /// Packages that have expired or whose deletion has begun.
    ///
    /// # Errors
    ///
    /// [`RecordsError`].
    pub async fn expired(&self, now: u64) -> Result<Vec<PackageId>, RecordsError> {
        let rows = query("SELECT id FROM packages WHERE expires_at <= ?1 OR state = 3")
            .bind(sql(now))
            .fetch_all(&self.readers)
            .await?;
        rows.iter()
            .map(|row| Ok(PackageId(bytes(row, "id")?)))
            .collect()
    }

    /// Files whose commit was under way when the relay stopped (S5).
    ///
    /// # Errors
    ///
    /// [`RecordsError`].
    pub async fn committing(&self) -> Result<Vec<(PackageId, FileId, u64)>, RecordsError> {
        let rows = query("SELECT package, id, body_bytes FROM files WHERE state = 1")
            .fetch_all(&self.readers)
            .await?;
        rows.iter()
            .map(|row| {
                Ok((
                    PackageId(bytes(row, "package")?),
                    FileId(bytes(row, "id")?),
                    number(row, "body_bytes")?,
                ))
            })
            .collect()
    }

    /// Whether the records can be read.
    ///
    /// # Errors
    ///
    /// [`RecordsError`].
    pub async fn check(&self) -> Result<(), RecordsError> {
        query_scalar::<_, i64>("SELECT count(*) FROM packages WHERE id = x''")
            .fetch_one(&self.readers)
            .await?;
        Ok(())
    }

    async fn load(&self, package: PackageId) -> Result<Option<Package>, RecordsError> {
        let id = package.0.to_vec();
        let Some(row) = query("SELECT * FROM packages WHERE id = ?1")
            .bind(id.clone())
            .fetch_optional(&self.readers)
            .await?
        else {
            return Ok(None);
        };
        let mut package = read_package(&row)?;
        let rows = query("SELECT * FROM files WHERE package = ?1 ORDER BY number").bind(id.clone());
        for row in rows.fetch_all(&self.readers).await? {
            package.files.push(read_file(&row)?);
        }
        if package
            .files
            .iter()
            .any(|file| file.state != FileState::Committed)
        {
            let index: HashMap<FileId, usize> = package
                .files
                .iter()
                .enumerate()
                .map(|(at, file)| (file.id, at))
                .collect();
            let rows =
                query("SELECT file, part FROM parts WHERE package = ?1 AND durable = 1").bind(id);
            for row in rows.fetch_all(&self.readers).await? {
                let (id, part) = (
                    FileId(bytes(&row, "file")?),
                    PartNumber(row.try_get("part")?),
                );
                if let Some(file) = index.get(&id).and_then(|at| package.files.get_mut(*at)) {
                    file.durable.push(part);
                }
            }
        }
        Ok(Some(package))
    }
}

impl Records for Sqlite {
    fn apply(&self, change: Change) -> BoxFuture<'_, Result<bool, RecordsError>> {
        Box::pin(async move {
            let stopped = || RecordsError("the writer has stopped".to_owned());
            let (done, wait) = oneshot::channel();
            self.writer
                .send(Request { change, done })
                .await
                .map_err(|_| stopped())?;
            wait.await.map_err(|_| stopped())?
        })
    }

    fn package(&self, package: PackageId) -> BoxFuture<'_, Result<Option<Package>, RecordsError>> {
        Box::pin(self.load(package))
    }

    fn pairs(
        &self,
        package: PackageId,
        file: FileId,
        part: PartNumber,
    ) -> BoxFuture<'_, Result<Option<DurablePart>, RecordsError>> {
        Box::pin(async move {
            let row = query(
                "SELECT epoch, attempt, pairs FROM parts WHERE package = ?1 AND file = ?2 AND part = ?3 AND durable = 1",
            )
            .bind(package.0.to_vec())
            .bind(file.0.to_vec())
            .bind(i64::from(part.0))
            .fetch_optional(&self.readers)
            .await?;
            row.map(|row| {
                let pairs: Vec<u8> = row.try_get("pairs")?;
                let (pairs, _) = pairs.as_chunks::<PAIR_BYTES>();
                Ok(DurablePart {
                    epoch: Epoch(number(&row, "epoch")?),
                    attempt: Attempt(row.try_get("attempt")?),
                    pairs: pairs.iter().map(Pair::from_bytes).collect(),
                })
            })
            .transpose()
        })
    }
}

/// Makes the file, for the relay's user alone; SQLite gives its other files the same mode.
fn private_file(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map(drop)
}

/// Commits everything that waits in one transaction, again and again. A failed commit fails all of its changes.
async fn write(mut connection: SqliteConnection, mut requests: mpsc::Receiver<Request>) {
    let mut group = Vec::new();
    while requests.recv_many(&mut group, GROUP_CHANGES).await > 0 {
        let (changes, waiting): (Vec<_>, Vec<_>) = group
            .drain(..)
            .map(|request| (request.change, request.done))
            .unzip();
        match commit(&mut connection, changes).await {
            Ok(held) => waiting.into_iter().zip(held).for_each(|(done, held)| {
                let _ = done.send(Ok(held));
            }),
            Err(error) => {
                let error = RecordsError::from(error);
                tracing::error!(%error, "a commit of the records failed");
                for done in waiting {
                    let _ = done.send(Err(error.clone()));
                }
            }
        }
    }
    let _ = connection.close().await;
}

async fn commit(connection: &mut SqliteConnection, group: Vec<Change>) -> sqlx::Result<Vec<bool>> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut held = Vec::with_capacity(group.len());
    for change in group {
        held.push(changes::apply(&mut transaction, change).await?);
    }
    transaction.commit().await?;
    Ok(held)
}

/// Brings the schema up to date, one version after the other.
async fn migrate(connection: &mut SqliteConnection) -> Result<(), RecordsError> {
    let version: i64 = query_scalar("PRAGMA user_version")
        .fetch_one(&mut *connection)
        .await?;
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    let Some(steps) = SCHEMA.get(done..) else {
        return Err(RecordsError(format!(
            "the records have schema {version}, made by a newer relay; this one knows up to {}",
            SCHEMA.len()
        )));
    };
    for (step, text) in steps.iter().enumerate() {
        let mut transaction = connection.begin().await?;
        sqlx::raw_sql(*text).execute(&mut *transaction).await?;
        let version = format!("PRAGMA user_version = {}", done + step + 1);
        sqlx::raw_sql(sqlx::AssertSqlSafe(version))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
    }
    Ok(())
}

fn read_package(row: &SqliteRow) -> Result<Package, RecordsError> {
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
        files: Vec::new(),
    })
}

fn read_file(row: &SqliteRow) -> Result<File, RecordsError> {
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
    })
}

fn number(row: &SqliteRow, column: &str) -> Result<u64, RecordsError> {
    let number: i64 = row.try_get(column)?;
    u64::try_from(number).map_err(|_| RecordsError(format!("{column} is negative")))
}

fn bytes<const N: usize>(row: &SqliteRow, column: &str) -> Result<[u8; N], RecordsError> {
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
