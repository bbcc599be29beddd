//! What the clean-up, the sweeps and the start ask for.

use std::collections::HashSet;

use sealift_protocol::{FileId, PackageId};
use sqlx::{Row, query, query_scalar};

use super::Sqlite;
use super::rows::{bytes, read_file, read_keyring, read_package};
use crate::records::changes::sql;
use crate::records::{Change, File, Keyring, Records as _, RecordsError, Unfinished};

/// What a docroot is recognised by.
pub(crate) struct DocrootIds {
    /// What the place where it is is marked with.
    pub(crate) id: Vec<u8>,
    /// What the place that it is about to move to is marked with.
    pub(crate) next: Option<Vec<u8>>,
    /// What the place where it was is marked with.
    pub(crate) before: Option<Vec<u8>>,
}

impl Sqlite {
    /// Packages that have expired or whose deletion has begun, with the docroot of each.
    ///
    /// # Errors
    ///
    /// [`RecordsError`].
    pub(crate) async fn expired(&self, now: u64) -> Result<Vec<(PackageId, String)>, RecordsError> {
        let rows = query("SELECT id, docroot FROM packages WHERE expires_at <= ?1 OR state = 3")
            .bind(sql(now))
            .fetch_all(&self.readers)
            .await?;
        rows.iter()
            .map(|row| Ok((PackageId(bytes(row, "id")?), row.try_get("docroot")?)))
            .collect()
    }

    /// A time that was right before, in seconds since 1970: what a believed clock showed last, or with records that never
    /// saw one, when a package was last begun or finished. 0 without either.
    ///
    /// # Errors
    ///
    /// [`RecordsError`].
    pub(crate) async fn last_seen(&self) -> Result<u64, RecordsError> {
        let seen: i64 = query_scalar(
            "SELECT coalesce((SELECT seen FROM clock), \
             (SELECT max(max(created_at, coalesce(finished_at, 0))) FROM packages), 0)",
        )
        .fetch_one(&self.readers)
        .await?;
        Ok(u64::try_from(seen).unwrap_or(0))
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

    /// What a docroot is recognised by, once it was named.
    ///
    /// # Errors
    ///
    /// [`RecordsError`].
    pub(crate) async fn docroot_ids(&self, name: &str) -> Result<Option<DocrootIds>, RecordsError> {
        let ids = query("SELECT id, id_next, id_before FROM docroots WHERE name = ?1");
        let row = ids.bind(name.to_owned()).fetch_optional(&self.readers);
        row.await?
            .map(|row| {
                Ok(DocrootIds {
                    id: row.try_get("id")?,
                    next: row.try_get("id_next")?,
                    before: row.try_get("id_before")?,
                })
            })
            .transpose()
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

    /// Says where a docroot is; written only when that is new.
    ///
    /// # Errors
    ///
    /// [`RecordsError`].
    pub(crate) async fn set_docroot_address(
        &self,
        name: &str,
        address: &str,
    ) -> Result<(), RecordsError> {
        let known = query_scalar("SELECT address FROM docroots WHERE name = ?1");
        let known: Option<Option<String>> = known
            .bind(name.to_owned())
            .fetch_optional(&self.readers)
            .await?;
        if known.flatten().as_deref() == Some(address) {
            return Ok(());
        }
        let (name, address) = (name.to_owned(), address.to_owned());
        let place = Change::PlaceDocroot { name, address };
        self.apply(place).await.map(drop)
    }

    /// Docroots that keep packages: name, where each was last, and how many packages.
    ///
    /// # Errors
    ///
    /// [`RecordsError`].
    pub(crate) async fn docroots_in_use(
        &self,
    ) -> Result<Vec<(String, Option<String>, i64)>, RecordsError> {
        let rows = query(
            "SELECT p.docroot, max(d.address) AS address, count(*) AS packages FROM packages p \
             LEFT JOIN docroots d ON d.name = p.docroot GROUP BY p.docroot",
        );
        let rows = rows.fetch_all(&self.readers).await?;
        rows.iter()
            .map(|row| {
                Ok((
                    row.try_get("docroot")?,
                    row.try_get("address")?,
                    row.try_get("packages")?,
                ))
            })
            .collect()
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

    /// Whether a file is committed: no upload of it has any use then.
    ///
    /// # Errors
    ///
    /// [`RecordsError`].
    pub(crate) async fn is_committed(
        &self,
        package: PackageId,
        file: FileId,
    ) -> Result<bool, RecordsError> {
        let any: i64 = query_scalar(
            "SELECT EXISTS (SELECT 1 FROM files WHERE package = ?1 AND id = ?2 AND state = 2)",
        )
        .bind(package.0.to_vec())
        .bind(file.0.to_vec())
        .fetch_one(&self.readers)
        .await?;
        Ok(any != 0)
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
}
