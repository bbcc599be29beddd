//! The schema's versions, and how records come up to date.

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, query_scalar};

use crate::records::RecordsError;

/// The schema's versions, in order. A new one is added at the end; none is ever changed.
pub(super) const SCHEMA: &[&str] = &[
    include_str!("../schema-1.sql"),
    include_str!("../schema-2.sql"),
    include_str!("../schema-3.sql"),
    include_str!("../schema-4.sql"),
    include_str!("../schema-5.sql"),
    include_str!("../schema-6.sql"),
    include_str!("../schema-7.sql"),
    include_str!("../schema-8.sql"),
];

/// Brings the schema up to date, one version after the other.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), RecordsError> {
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
