//! Every [`Change`] as SQL. A change that does not hold touches no row.

use sealift_protocol::Pair;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Sqlite, query};

use super::{AttemptKey, Change, File, FileState, GrantUse, Keyring};
use sealift_protocol::PackageId;
use sealift_protocol::limits::CONTROL_BYTES_MAX;
use sealift_protocol::message::Role;

/// What a package counts under its grant besides its files: keyring, draft and the work of keeping it.
pub(crate) const PACKAGE_BYTES: u64 = CONTROL_BYTES_MAX as u64;
const _: () = assert!(PACKAGE_BYTES == 163_840, "as in the SQL below");

/// What all packages under a grant have already.
macro_rules! used {
    ($grant:literal) => {
        concat!(
            "(SELECT 163840 * count(*) FROM packages g WHERE g.grant_id = ",
            $grant,
            ") + (SELECT coalesce(sum(f.head_bytes + f.body_bytes), 0) FROM packages g JOIN files f \
             ON f.package = g.id WHERE g.grant_id = ",
            $grant,
            ")"
        )
    };
}

/// What all packages of a user have already.
macro_rules! used_by {
    ($user:literal) => {
        concat!(
            "(SELECT 163840 * count(*) FROM packages u WHERE u.user = ",
            $user,
            ") + (SELECT coalesce(sum(f.head_bytes + f.body_bytes), 0) FROM packages u JOIN files f \
             ON f.package = u.id WHERE u.user = ",
            $user,
            ")"
        )
    };
}

/// What a package's grant allows, and what was used of it and by the package's user.
pub(super) const ROOM: &str = concat!(
    "SELECT grant_bytes_max, ",
    used!("packages.grant_id"),
    " AS by_grant, ",
    used_by!("packages.user"),
    " AS by_user FROM packages WHERE id = ?1"
);

/// What all packages of a user have.
pub(super) const USER_BYTES: &str = concat!("SELECT ", used_by!("?1"));

type Query = sqlx::query::Query<'static, Sqlite, SqliteArguments>;

/// A number as SQLite stores it. Lengths are limited far below 2^63 before they come here.
pub(super) fn sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn role_number(role: Role) -> i64 {
    match role {
        Role::Content => 0,
        Role::Manifest => 1,
    }
}

pub(super) fn state_number(state: FileState) -> i64 {
    match state {
        FileState::Receiving => 0,
        FileState::Committing => 1,
        FileState::Committed => 2,
    }
}

/// Applies one change within the transaction that is open. Returns whether its condition held.
pub(super) async fn apply(connection: &mut SqliteConnection, change: Change) -> sqlx::Result<bool> {
    let mut held = false;
    for statement in statements(change) {
        held |= statement.execute(&mut *connection).await?.rows_affected() > 0;
    }
    Ok(held)
}

/// The statements of a change. All of them share its condition; at least one touches a row when it holds.
fn statements(change: Change) -> Vec<Query> {
    match change {
        Change::NameDocroot { name, id } => vec![
            query("INSERT INTO docroots (name, id) VALUES (?1, ?2) ON CONFLICT DO NOTHING").bind(name).bind(id.to_vec()),
        ],
        Change::PrepareDocroot { name, id } => vec![
            query("UPDATE docroots SET id_next = ?2 WHERE name = ?1").bind(name).bind(id.to_vec()),
        ],
        Change::MoveDocroots { names } => names
            .into_iter()
            .map(|name| {
                query(
                    "UPDATE docroots SET id_before = id, id = id_next, id_next = NULL WHERE name = ?1 \
                     AND id_next IS NOT NULL AND NOT EXISTS (SELECT 1 FROM packages WHERE docroot = ?1)",
                )
                .bind(name)
            })
            .collect(),
        Change::SeeClock { now } => vec![
            query("INSERT INTO clock (only, seen) VALUES (1, ?1) ON CONFLICT DO UPDATE SET seen = ?1").bind(sql(now)),
        ],
        Change::ProlongAll { expires_at } => vec![
            query("UPDATE packages SET expires_at = max(expires_at, ?1) WHERE state < 2").bind(sql(expires_at)),
        ],
        Change::PlaceDocroot { name, address } => vec![
            query("UPDATE docroots SET address = ?2 WHERE name = ?1").bind(name).bind(address),
        ],
        Change::Claim { package, epoch, client_id } => vec![
            query("UPDATE packages SET epoch = ?2, client_id = ?3 WHERE id = ?1 AND epoch = ?2 - 1 AND state < 3")
                .bind(package.0.to_vec())
                .bind(sql(epoch.0))
                .bind(client_id.0.to_vec()),
        ],
        Change::Reserve {
            package,
            epoch,
            client_id,
            owner_sha256,
            grant,
            quota_bytes,
            docroot,
            sealed_by,
            now,
            expires_at,
        } => {
            let user = grant.as_ref().and_then(|grant| grant.user.clone());
            let (id, bytes_max) = grant.map(|GrantUse { id, bytes_max, .. }| (id.to_vec(), sql(bytes_max))).unzip();
            vec![
                query(concat!(
                    "INSERT INTO packages (id, state, epoch, client_id, owner_sha256, grant_id, grant_bytes_max, \
                     created_at, expires_at, user, docroot, sealed_by) \
                     SELECT ?1, 0, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?10, ?11, ?12 \
                     WHERE EXISTS (SELECT 1 FROM packages WHERE id = ?1) OR ((?5 IS NULL OR ?9 + ",
                    used!("?5"),
                    " <= ?6) AND (?13 IS NULL OR ?9 + ",
                    used_by!("?10"),
                    " <= ?13) AND NOT EXISTS (SELECT 1 FROM strays WHERE package = ?1 AND deleting = 1)) \
                     ON CONFLICT (id) DO UPDATE \
                     SET epoch = ?2, client_id = ?3 WHERE state = 0 AND epoch <= ?2 AND owner_sha256 = ?4",
                ))
                .bind(package.0.to_vec())
                .bind(sql(epoch.0))
                .bind(client_id.0.to_vec())
                .bind(owner_sha256.0.to_vec())
                .bind(id)
                .bind(bytes_max)
                .bind(sql(now))
                .bind(sql(expires_at))
                .bind(sql(PACKAGE_BYTES))
                .bind(user)
                .bind(docroot)
                .bind(sealed_by)
                .bind(quota_bytes.map(sql)),
            ]
        }
        Change::Create { package, keyring, draft_sha256, lifetime_s } => vec![
            query(
                "UPDATE packages SET state = max(state, 1), keyring_generation = ?2, keyring_sha256 = ?3, \
                 keyring_bytes = ?4, draft_sha256 = ?5, lifetime_s = ?6 WHERE id = ?1 AND (state = 0 OR \
                 (state = 1 AND keyring_sha256 = ?3 AND draft_sha256 = ?5))",
            )
            .bind(package.0.to_vec())
            .bind(sql(keyring.generation))
            .bind(keyring.sha256.0.to_vec())
            .bind(sql(keyring.bytes))
            .bind(draft_sha256.0.to_vec())
            .bind(sql(lifetime_s)),
        ],
        Change::AddFile { package, file, quota_bytes } => vec![add_file(package, &file, quota_bytes)],
        Change::OpenAttempt(key) => vec![bind_key(
            query(
                "INSERT INTO parts (package, file, part, epoch, attempt, durable) SELECT ?1, ?2, ?3, ?4, ?5, 0 \
                 WHERE EXISTS (SELECT 1 FROM packages WHERE id = ?1 AND state = 1 AND epoch = ?4) \
                 AND EXISTS (SELECT 1 FROM files WHERE package = ?1 AND id = ?2 AND state = 0) \
                 ON CONFLICT (package, file, part) DO UPDATE SET epoch = ?4, attempt = ?5 \
                 WHERE durable = 0 AND (epoch < ?4 OR (epoch = ?4 AND attempt <= ?5))",
            ),
            key,
        )],
        Change::Durable { key, pairs, seal, transports, receipt } => {
            let pairs: Vec<u8> = pairs.iter().flat_map(|pair: &Pair| pair.to_bytes()).collect();
            // Seal and transport first: their condition is that the part is not durable yet.
            let keep_seal = bind_key(
                query(
                    "UPDATE files SET seal = ?6 WHERE package = ?1 AND id = ?2 AND ?6 IS NOT NULL AND EXISTS \
                     (SELECT 1 FROM parts WHERE package = ?1 AND file = ?2 AND part = ?3 AND epoch = ?4 \
                     AND attempt = ?5 AND durable = 0) \
                     AND EXISTS (SELECT 1 FROM packages WHERE id = ?1 AND state = 1 AND epoch = ?4)",
                ),
                key,
            )
            .bind(seal.map(|seal| seal.to_vec()));
            let durable = bind_key(
                query(
                    "UPDATE parts SET durable = 1, pairs = ?6, receipt = ?7 WHERE package = ?1 AND file = ?2 AND part = ?3 \
                     AND epoch = ?4 AND attempt = ?5 AND durable = 0 \
                     AND EXISTS (SELECT 1 FROM packages WHERE id = ?1 AND state = 1 AND epoch = ?4)",
                ),
                key,
            )
            .bind(pairs)
            .bind(receipt);
            let came = bind_key(
                query(
                    "UPDATE packages SET transports = transports | ?6 WHERE id = ?1 AND state = 1 AND epoch = ?4 \
                     AND transports | ?6 <> transports AND EXISTS (SELECT 1 FROM parts WHERE package = ?1 \
                     AND file = ?2 AND part = ?3 AND epoch = ?4 AND attempt = ?5 AND durable = 0)",
                ),
                key,
            )
            .bind(sql(transports.0));
            vec![keep_seal, came, durable]
        }
        Change::Committing { package, file, part_count } => vec![
            query(
                "UPDATE files SET state = 1 WHERE package = ?1 AND id = ?2 AND (state = 1 OR (state = 0 AND ?3 = \
                 (SELECT count(*) FROM parts WHERE package = ?1 AND file = ?2 AND durable = 1)))",
            )
            .bind(package.0.to_vec())
            .bind(file.0.to_vec())
            .bind(i64::from(part_count)),
        ],
        Change::UploadBegun { package, file, storage } => vec![
            query("UPDATE files SET storage = ?3 WHERE package = ?1 AND id = ?2 AND state = 0 AND storage IS NULL")
                .bind(package.0.to_vec())
                .bind(file.0.to_vec())
                .bind(storage),
        ],
        Change::PartsLost { package, file, parts } => {
            let receiving =
                query("UPDATE files SET state = 0, seal = NULL WHERE package = ?1 AND id = ?2 AND state IN (0, 1)")
                    .bind(package.0.to_vec())
                    .bind(file.0.to_vec());
            let lost = parts.into_iter().map(|part| {
                query(
                    "DELETE FROM parts WHERE package = ?1 AND file = ?2 AND part = ?3 AND EXISTS \
                     (SELECT 1 FROM files WHERE package = ?1 AND id = ?2 AND state = 0)",
                )
                .bind(package.0.to_vec())
                .bind(file.0.to_vec())
                .bind(i64::from(part.0))
            });
            std::iter::once(receiving).chain(lost).collect()
        }
        Change::Verified { package, file, sse, verified_at } => vec![
            query("UPDATE files SET sse = ?3, verified_at = ?4 WHERE package = ?1 AND id = ?2 AND state = 2")
                .bind(package.0.to_vec())
                .bind(file.0.to_vec())
                .bind(sse)
                .bind(sql(verified_at)),
        ],
        Change::Committed { package, file, sse, verified_at } => vec![
            query(
                "UPDATE files SET state = 2, sse = coalesce(?3, sse), verified_at = coalesce(?4, verified_at) \
                 WHERE package = ?1 AND id = ?2 AND state IN (1, 2)",
            )
            .bind(package.0.to_vec())
            .bind(file.0.to_vec())
            .bind(sse)
            .bind(verified_at.map(sql)),
            query(
                "DELETE FROM parts WHERE package = ?1 AND file = ?2 AND EXISTS \
                 (SELECT 1 FROM files WHERE package = ?1 AND id = ?2 AND state = 2)",
            )
            .bind(package.0.to_vec())
            .bind(file.0.to_vec()),
        ],
        Change::Lost { package, file } => vec![
            query("UPDATE files SET state = 0, seal = NULL, storage = NULL WHERE package = ?1 AND id = ?2 AND state IN (0, 1)")
                .bind(package.0.to_vec())
                .bind(file.0.to_vec()),
            query(
                "DELETE FROM parts WHERE package = ?1 AND file = ?2 AND EXISTS \
                 (SELECT 1 FROM files WHERE package = ?1 AND id = ?2 AND state = 0)",
            )
            .bind(package.0.to_vec())
            .bind(file.0.to_vec()),
        ],
        Change::Finish { package, manifest, now, expires_at } => vec![
            query(
                "UPDATE packages SET state = 2, manifest = ?2, expires_at = ?3, finished_at = ?4 \
                 WHERE id = ?1 AND state = 1 \
                 AND EXISTS (SELECT 1 FROM files WHERE package = ?1 AND id = ?2 AND role = 1 AND state = 2) \
                 AND NOT EXISTS (SELECT 1 FROM files WHERE package = ?1 AND state < 2)",
            )
            .bind(package.0.to_vec())
            .bind(manifest.0.to_vec())
            .bind(sql(expires_at))
            .bind(sql(now)),
        ],
        Change::StageKeyring { package, from, keyring, keep_until } => vec![
            bind_keyrings(
                query(
                    "INSERT INTO keyrings (package, generation, sha256, bytes, state, keep_until) \
                     SELECT id, ?4, ?5, ?6, 0, ?7 FROM packages WHERE id = ?1 AND state = 2 \
                     AND keyring_generation = ?2 AND keyring_sha256 = ?3 \
                     AND (SELECT count(*) FROM keyrings WHERE package = ?1 AND state <> 1 AND sha256 <> ?5) < 32 \
                     ON CONFLICT DO UPDATE SET keep_until = ?7 WHERE state = 0",
                ),
                package,
                from,
                keyring,
            )
            .bind(sql(keep_until)),
        ],
        Change::SwitchKeyring { package, from, keyring, keep_until } => vec![
            bind_keyrings(
                query(
                    "INSERT INTO keyrings (package, generation, sha256, bytes, state, keep_until) \
                     SELECT id, keyring_generation, keyring_sha256, keyring_bytes, 1, ?7 \
                     FROM packages WHERE id = ?1 AND state = 2 AND keyring_generation = ?2 AND keyring_sha256 = ?3 \
                     AND EXISTS (SELECT 1 FROM keyrings WHERE package = ?1 AND generation = ?4 AND sha256 = ?5 \
                     AND bytes = ?6 AND state = 0)",
                ),
                package,
                from,
                keyring,
            )
            .bind(sql(keep_until)),
            bind_keyrings(
                query(
                    "UPDATE packages SET keyring_generation = ?4, keyring_sha256 = ?5, keyring_bytes = ?6 \
                     WHERE id = ?1 AND state = 2 AND keyring_generation = ?2 AND keyring_sha256 = ?3 \
                     AND EXISTS (SELECT 1 FROM keyrings WHERE package = ?1 AND generation = ?4 AND sha256 = ?5 \
                     AND bytes = ?6 AND state = 0)",
                ),
                package,
                from,
                keyring,
            ),
            // What is current is neither staged nor kept.
            query(
                "DELETE FROM keyrings WHERE package = ?1 AND EXISTS (SELECT 1 FROM packages WHERE id = ?1 \
                 AND keyring_generation = keyrings.generation AND keyring_sha256 = keyrings.sha256)",
            )
            .bind(package.0.to_vec()),
        ],
        Change::DropKeyring { package, keyring, now } => vec![
            bind_keyring(
                query(
                    "UPDATE keyrings SET state = 2 WHERE package = ?1 AND generation = ?2 AND sha256 = ?3 \
                     AND (state = 2 OR keep_until <= ?4)",
                ),
                package,
                keyring,
            )
            .bind(sql(now)),
        ],
        Change::ForgetKeyring { package, keyring } => vec![bind_keyring(
            query("DELETE FROM keyrings WHERE package = ?1 AND generation = ?2 AND sha256 = ?3 AND state = 2"),
            package,
            keyring,
        )],
        Change::FindStray { docroot, package, now } => vec![
            query(
                "INSERT INTO strays (docroot, package, since) SELECT ?2, ?1, ?3 \
                 WHERE NOT EXISTS (SELECT 1 FROM packages WHERE id = ?1) ON CONFLICT DO NOTHING",
            )
            .bind(package.0.to_vec())
            .bind(docroot)
            .bind(sql(now)),
        ],
        Change::DropStray { docroot, package, long_ago } => vec![
            query(
                "UPDATE strays SET deleting = 1 WHERE package = ?1 AND docroot = ?2 AND since <= ?3 \
                 AND NOT EXISTS (SELECT 1 FROM packages WHERE id = ?1)",
            )
            .bind(package.0.to_vec())
            .bind(docroot)
            .bind(sql(long_ago)),
        ],
        Change::ForgetStray { docroot, package } => vec![
            query("DELETE FROM strays WHERE package = ?1 AND docroot = ?2")
                .bind(package.0.to_vec())
                .bind(docroot),
        ],
        Change::Prolong { package, expires_at, age_max_s } => vec![
            query(
                "UPDATE packages SET expires_at = max(expires_at, min(?2, created_at + ?3)) \
                 WHERE id = ?1 AND state < 2 AND expires_at < created_at + ?3",
            )
            .bind(package.0.to_vec())
            .bind(sql(expires_at))
            .bind(sql(age_max_s)),
        ],
        Change::Expire { package, now } => vec![
            query("UPDATE packages SET state = 3 WHERE id = ?1 AND (state = 3 OR expires_at <= ?2)")
                .bind(package.0.to_vec())
                .bind(sql(now)),
        ],
        Change::Forbid { package } => vec![
            query("UPDATE packages SET state = 3 WHERE id = ?1 AND state <> 2").bind(package.0.to_vec()),
        ],
        Change::Deleting { package } => {
            vec![query("UPDATE packages SET state = 3 WHERE id = ?1").bind(package.0.to_vec())]
        }
        Change::Deleted { package } => [
            "DELETE FROM parts WHERE package = ?1 AND EXISTS (SELECT 1 FROM packages WHERE id = ?1 AND state = 3)",
            "DELETE FROM files WHERE package = ?1 AND EXISTS (SELECT 1 FROM packages WHERE id = ?1 AND state = 3)",
            "DELETE FROM keyrings WHERE package = ?1 AND EXISTS (SELECT 1 FROM packages WHERE id = ?1 AND state = 3)",
            "DELETE FROM packages WHERE id = ?1 AND state = 3",
        ]
        .map(|text| query(text).bind(package.0.to_vec()))
        .into(),
    }
}

fn add_file(package: PackageId, file: &File, quota_bytes: Option<u64>) -> Query {
    query(concat!(
        "INSERT INTO files (package, id, number, role, head_sha256, head_bytes, body_bytes, part_bytes, state, storage) \
         SELECT ?1, ?2, (SELECT count(*) FROM files WHERE package = ?1), ?3, ?4, ?5, ?6, ?7, ?8, ?10 \
         FROM packages WHERE id = ?1 AND state = 1 AND (grant_bytes_max IS NULL OR ?5 + ?6 + ",
        used!("packages.grant_id"),
        " <= grant_bytes_max) AND (?9 IS NULL OR ?5 + ?6 + ",
        used_by!("packages.user"),
        " <= ?9) ON CONFLICT DO NOTHING",
    ))
    .bind(package.0.to_vec())
    .bind(file.id.0.to_vec())
    .bind(role_number(file.role))
    .bind(file.head_sha256.0.to_vec())
    .bind(sql(file.head_bytes))
    .bind(sql(file.body_bytes))
    .bind(sql(file.part_bytes))
    .bind(state_number(file.state))
    .bind(quota_bytes.map(sql))
    .bind(file.storage.clone())
}

fn bind_keyring(query: Query, package: PackageId, keyring: Keyring) -> Query {
    query
        .bind(package.0.to_vec())
        .bind(sql(keyring.generation))
        .bind(keyring.sha256.0.to_vec())
}

/// Binds ?1 to ?6.
fn bind_keyrings(query: Query, package: PackageId, from: Keyring, to: Keyring) -> Query {
    bind_keyring(query, package, from)
        .bind(sql(to.generation))
        .bind(to.sha256.0.to_vec())
        .bind(sql(to.bytes))
}

fn bind_key(query: Query, key: AttemptKey) -> Query {
    query
        .bind(key.package.0.to_vec())
        .bind(key.file.0.to_vec())
        .bind(i64::from(key.part.0))
        .bind(sql(key.epoch.0))
        .bind(i64::from(key.attempt.0))
}
