use sealift_protocol::message::Role;
use sealift_protocol::{ClientId, Sha256Hash};

use super::writer::PROBE;
use super::*;
use crate::records::{AttemptKey, File, Keyring, Transports};

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
    assert_eq!(
        records.expired(100).await.unwrap(),
        [(package, "default".to_owned())]
    );
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
