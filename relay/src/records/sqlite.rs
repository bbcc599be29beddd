//! Records in SQLite: write-ahead log, `synchronous=FULL`, one writer that commits many changes at once.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
use tokio::time::timeout;

use super::changes::{self, sql};
use super::{
    Change, DurablePart, File, FileState, Keyring, Package, Receipts, Records, RecordsError, Room,
    Transports, Unfinished,
};

/// The schema's versions, in order. A new one is added at the end; none is ever changed.
const SCHEMA: &[&str] = &[
    include_str!("schema-1.sql"),
    include_str!("schema-2.sql"),
    include_str!("schema-3.sql"),
    include_str!("schema-4.sql"),
    include_str!("schema-5.sql"),
    include_str!("schema-6.sql"),
];

/// Most changes in one transaction.
const GROUP_CHANGES: usize = 512;

/// Readers at once.
const READERS: u32 = 4;

/// After a failed commit it is tried this often whether the records can be written again.
const PROBE: Duration = Duration::from_secs(1);

/// Records in one SQLite file.
pub struct Sqlite {
    writer: mpsc::Sender<Request>,
    readers: SqlitePool,
    /// Whether the last commit succeeded.
    writable: Arc<AtomicBool>,
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
    pub async fn committing(&self) -> Result<Vec<(PackageId, File)>, RecordsError> {
        let rows = query("SELECT * FROM files WHERE state = 1")
            .fetch_all(&self.readers)
            .await?;
        rows.iter()
            .map(|row| Ok((PackageId(bytes(row, "package")?), read_file(row)?)))
            .collect()
    }

    /// A keyring that was replaced and is kept for undo.
    ///
    /// # Errors
    ///
    /// [`RecordsError`].
    pub(crate) async fn kept_keyring(
        &self,
        package: PackageId,
        generation: u64,
    ) -> Result<Option<Keyring>, RecordsError> {
        let row =
            query("SELECT * FROM keyrings WHERE package = ?1 AND generation = ?2 AND state = 1")
                .bind(package.0.to_vec())
                .bind(sql(generation));
        let row = row.fetch_optional(&self.readers).await?;
        row.as_ref().map(read_keyring).transpose()
    }

    /// Keyrings that nobody needs any more: replaced long ago, or staged and never switched to.
    ///
    /// # Errors
    ///
    /// [`RecordsError`].
    pub(crate) async fn old_keyrings(
        &self,
        now: u64,
    ) -> Result<Vec<(PackageId, Keyring)>, RecordsError> {
        let rows = query("SELECT * FROM keyrings WHERE keep_until <= ?1 OR state = 2")
            .bind(sql(now))
            .fetch_all(&self.readers)
            .await?;
        rows.iter()
            .map(|row| Ok((PackageId(bytes(row, "package")?), read_keyring(row)?)))
            .collect()
    }

    /// Folders of a docroot that were found without a record.
    ///
    /// # Errors
    ///
    /// [`RecordsError`].
    pub(crate) async fn strays(&self, docroot: &str) -> Result<Vec<PackageId>, RecordsError> {
        let rows = query("SELECT package FROM strays WHERE docroot = ?1").bind(docroot.to_owned());
        let rows = rows.fetch_all(&self.readers).await?;
        rows.iter()
            .map(|row| Ok(PackageId(bytes(row, "package")?)))
            .collect()
    }

    /// Packages that were created and are not finished.
    ///
    /// # Errors
    ///
    /// [`RecordsError`].
    pub(crate) async fn unfinished(&self) -> Result<Vec<Unfinished>, RecordsError> {
        let rows = query("SELECT * FROM packages WHERE state = 1").fetch_all(&self.readers);
        let mut unfinished = Vec::new();
        for row in rows.await? {
            let known = read_package(&row)?;
            if let Some(keyring) = known.keyring {
                unfinished.push(Unfinished {
                    package: PackageId(bytes(&row, "id")?),
                    user: known.user,
                    keyring,
                });
            }
        }
        Ok(unfinished)
    }

    /// The docroot that the records are about, once it was named.
    ///
    /// # Errors
    ///
    /// [`RecordsError`].
    pub(crate) async fn docroot_id(&self, name: &str) -> Result<Option<Vec<u8>>, RecordsError> {
        let id = query_scalar("SELECT id FROM docroots WHERE name = ?1").bind(name.to_owned());
        Ok(id.fetch_optional(&self.readers).await?)
    }

    /// Names the docroot.
    ///
    /// # Errors
    ///
    /// [`RecordsError`].
    pub(crate) async fn set_docroot_id(
        &self,
        name: &str,
        id: &[u8; 16],
    ) -> Result<(), RecordsError> {
        let (name, id) = (name.to_owned(), *id);
        self.apply(Change::NameDocroot { name, id }).await.map(drop)
    }

    /// Whether no package is recorded as kept in a docroot.
    ///
    /// # Errors
    ///
    /// [`RecordsError`].
    pub(crate) async fn is_empty(&self, docroot: &str) -> Result<bool, RecordsError> {
        let any: i64 = query_scalar("SELECT EXISTS (SELECT 1 FROM packages WHERE docroot = ?1)")
            .bind(docroot.to_owned())
            .fetch_one(&self.readers)
            .await?;
        Ok(any == 0)
    }

    /// How the bytes of every file that S3 has not committed get there: uploads that somebody may go on with.
    ///
    /// # Errors
    ///
    /// [`RecordsError`].
    pub(crate) async fn uploads(&self) -> Result<Vec<String>, RecordsError> {
        let storage =
            query_scalar("SELECT storage FROM files WHERE storage IS NOT NULL AND state < 2");
        Ok(storage.fetch_all(&self.readers).await?)
    }

    /// Committed files whose encryption could not be verified yet, with the docroot of each.
    ///
    /// # Errors
    ///
    /// [`RecordsError`].
    pub(crate) async fn unverified(&self) -> Result<Vec<(PackageId, String, File)>, RecordsError> {
        let rows = query(
            "SELECT f.*, p.docroot FROM files f JOIN packages p ON p.id = f.package WHERE f.storage IS NOT NULL \
             AND f.verified_at IS NULL AND f.state = 2 AND p.state < 3 LIMIT 1000",
        );
        let rows = rows.fetch_all(&self.readers).await?;
        rows.iter()
            .map(|row| {
                let package = PackageId(bytes(row, "package")?);
                Ok((package, row.try_get("docroot")?, read_file(row)?))
            })
            .collect()
    }

    /// The ids of all packages.
    ///
    /// # Errors
    ///
    /// [`RecordsError`].
    pub(crate) async fn packages(&self) -> Result<HashSet<PackageId>, RecordsError> {
        let rows = query("SELECT id FROM packages").fetch_all(&self.readers);
        rows.await?
            .iter()
            .map(|row| Ok(PackageId(bytes(row, "id")?)))
            .collect()
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

/// The one who writes.
struct Writer {
    options: SqliteConnectOptions,
    /// `None` after a failure: a connection whose commit failed may still be inside its transaction.
    connection: Option<SqliteConnection>,
    writable: Arc<AtomicBool>,
}

impl Writer {
    /// Commits everything that waits in one transaction, again and again. A failed commit fails all of its
    /// changes, and those that come after it have a new connection.
    async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut group = Vec::new();
        loop {
            let received = requests.recv_many(&mut group, GROUP_CHANGES);
            let received = match self.connection {
                Some(_) => received.await,
                None => match timeout(PROBE, received).await {
                    Ok(received) => received,
                    Err(_) => {
                        let _ = self.commit(Vec::new()).await;
                        continue;
                    }
                },
            };
            if received == 0 {
                break;
            }
            let (changes, waiting): (Vec<_>, Vec<_>) = group
                .drain(..)
                .map(|request| (request.change, request.done))
                .unzip();
            match self.commit(changes).await {
                Ok(held) => waiting.into_iter().zip(held).for_each(|(done, held)| {
                    let _ = done.send(Ok(held));
                }),
                Err(error) => {
                    let error = RecordsError::from(error);
                    for done in waiting {
                        let _ = done.send(Err(error.clone()));
                    }
                }
            }
        }
        if let Some(connection) = self.connection {
            let _ = connection.close().await;
        }
    }

    async fn commit(&mut self, group: Vec<Change>) -> sqlx::Result<Vec<bool>> {
        let result = self.try_commit(group).await;
        let was = self.writable.swap(result.is_ok(), Ordering::Relaxed);
        match &result {
            Ok(_) if !was => tracing::info!("the records can be written again"),
            Err(error) => tracing::error!(%error, "a commit of the records failed"),
            Ok(_) => {}
        }
        result
    }

    /// The connection is kept only when everything went well: SQLite may leave a failed transaction open, and
    /// then takes no other on that connection.
    async fn try_commit(&mut self, group: Vec<Change>) -> sqlx::Result<Vec<bool>> {
        let fresh = self.connection.is_none();
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        if fresh {
            // Writes a page even when no change does, so that a full disk shows.
            let version = format!("PRAGMA user_version = {}", SCHEMA.len());
            sqlx::raw_sql(sqlx::AssertSqlSafe(version))
                .execute(&mut *transaction)
                .await?;
        }
        let mut held = Vec::with_capacity(group.len());
        for change in group {
            held.push(changes::apply(&mut transaction, change).await?);
        }
        transaction.commit().await?;
        self.connection = Some(connection);
        Ok(held)
    }
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

fn read_keyring(row: &SqliteRow) -> Result<Keyring, RecordsError> {
    Ok(Keyring {
        generation: number(row, "generation")?,
        sha256: Sha256Hash(bytes(row, "sha256")?),
        bytes: number(row, "bytes")?,
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
        storage: row.try_get("storage")?,
        sse: row.try_get("sse")?,
        verified_at: row
            .try_get::<Option<i64>, _>("verified_at")?
            .and_then(|at| u64::try_from(at).ok()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::AttemptKey;

    fn reserve(id: u8) -> Change {
        Change::Reserve {
            package: PackageId([id; 16]),
            epoch: Epoch(1),
            client_id: ClientId([1; 16]),
            owner_sha256: Sha256Hash([1; 32]),
            grant: None,
            quota_bytes: None,
            docroot: "default".to_owned(),
            sealed_by: None,
            now: 1,
            expires_at: 100,
        }
    }

    #[tokio::test]
    async fn after_a_failed_commit_the_records_are_written_again_and_the_check_tells() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("sealift.db");
        drop(Sqlite::open(&path).await.unwrap());
        let options = SqliteConnectOptions::new().filename(&path);
        let mut other = options.connect().await.unwrap();
        // What is wrong shows only at the commit, as with a full disk, and leaves the transaction open.
        sqlx::raw_sql(
            "CREATE TABLE loose (id BLOB REFERENCES packages (id) DEFERRABLE INITIALLY DEFERRED); \
             CREATE TRIGGER breaks AFTER INSERT ON packages BEGIN INSERT INTO loose VALUES (x'00'); END",
        )
        .execute(&mut other)
        .await
        .unwrap();
        let records = Sqlite::open(&path).await.unwrap();
        records.check().await.unwrap();
        for _ in 0..2 {
            records.apply(reserve(1)).await.unwrap_err();
            records.check().await.unwrap_err();
        }
        sqlx::raw_sql("DROP TRIGGER breaks")
            .execute(&mut other)
            .await
            .unwrap();
        assert!(records.apply(reserve(1)).await.unwrap());
        records.check().await.unwrap();
        assert!(records.package(PackageId([1; 16])).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn s3_what_ends_an_upload_is_recorded_with_the_file_and_its_parts() {
        let dir = tempfile::TempDir::new().unwrap();
        let records = Sqlite::open(&dir.path().join("sealift.db")).await.unwrap();
        let (package, id) = (PackageId([1; 16]), FileId([2; 32]));
        let hash = Sha256Hash([1; 32]);
        let file = File {
            id,
            role: Role::Content,
            head_sha256: hash,
            head_bytes: 1,
            body_bytes: 2,
            part_bytes: 1,
            state: FileState::Receiving,
            seal: None,
            durable: Vec::new(),
            storage: Some("multipart token upload".to_owned()),
            sse: None,
            verified_at: None,
        };
        let keyring = Keyring {
            generation: 1,
            sha256: hash,
            bytes: 1,
        };
        let mut changes = vec![
            reserve(1),
            Change::Create {
                package,
                keyring,
                draft_sha256: hash,
                lifetime_s: 1,
            },
            Change::AddFile {
                package,
                file,
                quota_bytes: None,
            },
        ];
        for part in [1, 0] {
            let key = AttemptKey {
                package,
                file: id,
                part: PartNumber(part),
                epoch: Epoch(1),
                attempt: Attempt(1),
            };
            changes.push(Change::OpenAttempt(key));
            changes.push(Change::Durable {
                key,
                pairs: Vec::new(),
                seal: None,
                transports: Transports(1),
                receipt: Some(format!("etag-{part}")),
            });
        }
        for change in changes {
            assert!(records.apply(change).await.unwrap());
        }
        let receipts = records.receipts(package, id).await.unwrap();
        assert_eq!(receipts.storage.as_deref(), Some("multipart token upload"));
        assert_eq!(receipts.parts, ["etag-0", "etag-1"]);
        assert_eq!(records.uploads().await.unwrap(), ["multipart token upload"]);
        // Another upload of the same file is not taken for it.
        let begun = |storage: &str| Change::UploadBegun {
            package,
            file: id,
            storage: storage.to_owned(),
        };
        assert!(!records.apply(begun("multipart other other")).await.unwrap());
        let parts = vec![PartNumber(1)];
        let lost = Change::PartsLost {
            package,
            file: id,
            parts,
        };
        assert!(records.apply(lost).await.unwrap());
        let known = records.package(package).await.unwrap().unwrap();
        assert_eq!(known.files[0].durable, [PartNumber(0)]);
        // When all is lost, the upload is forgotten too.
        assert!(
            records
                .apply(Change::Lost { package, file: id })
                .await
                .unwrap()
        );
        assert!(records.apply(begun("multipart new new")).await.unwrap());
    }

    #[tokio::test]
    async fn a_failed_commit_is_probed_without_anybody_asking() {
        let dir = tempfile::TempDir::new().unwrap();
        let records = Sqlite::open(&dir.path().join("sealift.db")).await.unwrap();
        let mut other = SqliteConnectOptions::new()
            .filename(dir.path().join("sealift.db"))
            .connect()
            .await
            .unwrap();
        let breaks =
            "CREATE TRIGGER breaks AFTER INSERT ON packages BEGIN SELECT raise(ABORT, 'full'); END";
        sqlx::raw_sql(breaks).execute(&mut other).await.unwrap();
        records.apply(reserve(1)).await.unwrap_err();
        records.check().await.unwrap_err();
        tokio::time::sleep(PROBE * 3).await;
        records.check().await.unwrap();
    }

    #[tokio::test]
    async fn what_was_finished_or_prolonged_meanwhile_does_not_expire() {
        let dir = tempfile::TempDir::new().unwrap();
        let records = Sqlite::open(&dir.path().join("sealift.db")).await.unwrap();
        let package = PackageId([1; 16]);
        records.apply(reserve(1)).await.unwrap();
        assert_eq!(records.expired(100).await.unwrap(), [package]);
        let prolong = |expires_at| Change::Prolong {
            package,
            expires_at,
            age_max_s: 199,
        };
        assert!(records.apply(prolong(1000)).await.unwrap());
        assert!(
            !records.apply(prolong(2000)).await.unwrap(),
            "it was kept for the longest time"
        );
        let expire = |now| Change::Expire { package, now };
        assert!(!records.apply(expire(100)).await.unwrap());
        assert!(records.apply(expire(200)).await.unwrap());
        assert!(records.apply(expire(0)).await.unwrap(), "deletion goes on");
    }
}
