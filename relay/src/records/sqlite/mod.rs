//! Records in SQLite: write-ahead log, `synchronous=FULL`, one writer that commits many changes at once.
//!
//! | file | what stands there |
//! |---|---|
//! | `mod.rs` | opening, and what the relay asks while packages arrive |
//! | `schema.rs` | the schema's versions |
//! | `writer.rs` | the one who writes |
//! | `lists.rs` | what the clean-up and the operator's side ask for |
//! | `rows.rs` | rows as what they mean |

mod lists;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use sealift_protocol::limits::PAIR_BYTES;
use sealift_protocol::{Attempt, Epoch, FileId, PackageId, Pair, PartNumber};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Row, query, query_scalar};
use tokio::sync::{mpsc, oneshot};

use super::changes::{self, sql};
use super::{Change, DurablePart, FileState, Package, Receipts, Records, RecordsError, Room};
use rows::{bytes, number, read_file, read_package};
use writer::{GROUP_CHANGES, Request, Writer};

/// Readers at once.
const READERS: u32 = 4;

/// Records in one SQLite file.
pub struct Sqlite {
    writer: mpsc::Sender<Request>,
    readers: SqlitePool,
    /// Whether the last commit succeeded.
    writable: Arc<AtomicBool>,
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
        schema::migrate(&mut connection).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.clone().read_only(true))
            .await?;
        let (writer, requests) = mpsc::channel(GROUP_CHANGES);
        let writable = Arc::new(AtomicBool::new(true));
        let one = Writer {
            options,
            connection: Some(connection),
            writable: Arc::clone(&writable),
        };
        tokio::spawn(one.run(requests));
        Ok(Self {
            writer,
            readers,
            writable,
        })
    }

    /// A package and its files, or the manifest and one file alone; without what is durable of them.
    ///
    /// # Errors
    ///
    /// [`RecordsError`].
    pub(crate) async fn outline(
        &self,
        package: PackageId,
        only: Option<FileId>,
    ) -> Result<Option<Package>, RecordsError> {
        let id = package.0.to_vec();
        let row = query("SELECT * FROM packages WHERE id = ?1").bind(id.clone());
        let Some(row) = row.fetch_optional(&self.readers).await? else {
            return Ok(None);
        };
        let mut package = read_package(&row)?;
        let rows = query(
            "SELECT * FROM files WHERE package = ?1 AND (?2 IS NULL OR id = ?2 OR role = 1) ORDER BY number",
        )
        .bind(id)
        .bind(only.map(|file| file.0.to_vec()));
        for row in rows.fetch_all(&self.readers).await? {
            package.files.push(read_file(&row)?);
        }
        Ok(Some(package))
    }

    /// Whether the records can be read, and the last commit succeeded.
    ///
    /// # Errors
    ///
    /// [`RecordsError`].
    pub async fn check(&self) -> Result<(), RecordsError> {
        if self.writer.is_closed() || !self.writable.load(Ordering::Relaxed) {
            return Err(RecordsError("the last commit failed".to_owned()));
        }
        query_scalar::<_, i64>("SELECT count(*) FROM packages WHERE id = x''")
            .fetch_one(&self.readers)
            .await?;
        Ok(())
    }

    async fn load(&self, id: PackageId) -> Result<Option<Package>, RecordsError> {
        let Some(mut package) = self.outline(id, None).await? else {
            return Ok(None);
        };
        let files = package.files.iter();
        if files.clone().all(|file| file.state == FileState::Committed) {
            return Ok(Some(package));
        }
        let index: HashMap<FileId, usize> =
            files.enumerate().map(|(at, file)| (file.id, at)).collect();
        let rows = query("SELECT file, part FROM parts WHERE package = ?1 AND durable = 1")
            .bind(id.0.to_vec());
        for row in rows.fetch_all(&self.readers).await? {
            let file = FileId(bytes(&row, "file")?);
            let part = PartNumber(row.try_get("part")?);
            if let Some(file) = index.get(&file).and_then(|at| package.files.get_mut(*at)) {
                file.durable.push(part);
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

    fn room(
        &self,
        package: PackageId,
        quota_bytes: Option<u64>,
    ) -> BoxFuture<'_, Result<Room, RecordsError>> {
        Box::pin(async move {
            let row = query(changes::ROOM)
                .bind(package.0.to_vec())
                .fetch_optional(&self.readers)
                .await?;
            let left = |limit: Option<i64>, used: i64| {
                limit.map_or(u64::MAX, |limit| {
                    u64::try_from(limit.saturating_sub(used)).unwrap_or(0)
                })
            };
            let Some(row) = row else {
                return Ok(Room { grant: 0, user: 0 });
            };
            Ok(Room {
                grant: left(row.try_get("grant_bytes_max")?, row.try_get("by_grant")?),
                user: left(quota_bytes.map(sql), row.try_get("by_user")?),
            })
        })
    }

    fn user_bytes(&self, user: String) -> BoxFuture<'_, Result<u64, RecordsError>> {
        Box::pin(async move {
            let bytes: i64 = query_scalar(changes::USER_BYTES)
                .bind(user)
                .fetch_one(&self.readers)
                .await?;
            Ok(u64::try_from(bytes).unwrap_or(0))
        })
    }

    fn receipts(
        &self,
        package: PackageId,
        file: FileId,
    ) -> BoxFuture<'_, Result<Receipts, RecordsError>> {
        Box::pin(async move {
            let storage = query_scalar("SELECT storage FROM files WHERE package = ?1 AND id = ?2")
                .bind(package.0.to_vec())
                .bind(file.0.to_vec());
            let storage: Option<Option<String>> = storage.fetch_optional(&self.readers).await?;
            let parts = query_scalar(
                "SELECT coalesce(receipt, '') FROM parts WHERE package = ?1 AND file = ?2 AND durable = 1 ORDER BY part",
            )
            .bind(package.0.to_vec())
            .bind(file.0.to_vec());
            Ok(Receipts {
                storage: storage.flatten(),
                parts: parts.fetch_all(&self.readers).await?,
            })
        })
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
