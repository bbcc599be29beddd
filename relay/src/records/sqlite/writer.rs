//! The one who writes: everything that waits in one transaction, again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::schema::SCHEMA;
use crate::records::{Change, RecordsError, changes};

/// Most changes in one transaction.
pub(super) const GROUP_CHANGES: usize = 512;

/// After a failed commit it is tried this often whether the records can be written again.
pub(super) const PROBE: Duration = Duration::from_secs(1);

pub(super) struct Request {
    pub(super) change: Change,
    pub(super) done: oneshot::Sender<Result<bool, RecordsError>>,
}

/// The one who writes.
pub(super) struct Writer {
    pub(super) options: SqliteConnectOptions,
    /// `None` after a failure: a connection whose commit failed may still be inside its transaction.
    pub(super) connection: Option<SqliteConnection>,
    pub(super) writable: Arc<AtomicBool>,
}

impl Writer {
    /// Commits everything that waits in one transaction, again and again. A failed commit fails all of its
    /// changes, and those that come after it have a new connection.
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
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
