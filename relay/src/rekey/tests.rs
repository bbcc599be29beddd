//! A power cut at every call of the disk.

use sealift_config::{Config, Live, Settings};
use sealift_docroot::Docroot;
use sealift_docroot::simulated::{Plant, SimulatedDisk};
use sealift_protocol::message::Role;
use sealift_protocol::{ClientId, Epoch, FileId, Sha256Hash};

use super::*;
use crate::docroots::Docroots;
use crate::metrics::Metrics;
use crate::power_cut::sealed::Sealed;

const UNDO: Duration = Duration::from_secs(60);
use crate::records::{File, FileState, Records as _, Sqlite};

/// A keyring that passes the door.
fn passed(package: PackageId, bytes: &[u8]) -> PassedKeyring {
    let policy = Config::from(Settings::default()).policy_for(None).unwrap();
    let offered = door::Keyring {
        package,
        bytes: Bytes::copy_from_slice(bytes),
        policy: &policy,
    };
    door::pass(&Metrics::default(), offered).unwrap()
}

/// A finished package with the old keyring.
async fn finished(records: &Sqlite, docroot: &Docroot, package: PackageId, old: &[u8]) {
    let manifest = FileId([1; 32]);
    let name = names::keyring(package).unwrap();
    let keyring = passed(package, old);
    door::put(docroot, &name, keyring.bytes).await.unwrap();
    for change in [
        Change::Reserve {
            package,
            epoch: Epoch(1),
            client_id: ClientId([1; 16]),
            owner_sha256: Sha256Hash([1; 32]),
            grant: None,
            quota_bytes: None,
            docroot: "default".to_owned(),
            sealed_by: None,
            now: 1,
            expires_at: 100,
        },
        Change::Create {
            package,
            keyring: keyring.record,
            draft_sha256: Sha256Hash([1; 32]),
            lifetime_s: 1,
        },
        Change::AddFile {
            package,
            file: File {
                id: manifest,
                role: Role::Manifest,
                head_sha256: Sha256Hash([1; 32]),
                head_bytes: 1,
                body_bytes: 1,
                part_bytes: 1,
                state: FileState::Committed,
                seal: Some([1; 48]),
                durable: Vec::new(),
                storage: None,
                sse: None,
                verified_at: None,
            },
            quota_bytes: None,
        },
        Change::Finish {
            package,
            manifest,
            now: 1,
            expires_at: u64::MAX >> 1,
        },
    ] {
        assert!(records.apply(change).await.unwrap());
    }
}

/// The power goes at every call of the disk, one after the other.
#[tokio::test]
async fn k2_after_a_power_cut_the_package_has_the_old_keyring_or_the_new_one() {
    let dir = tempfile::TempDir::new().unwrap();
    let records = Arc::new(Sqlite::open(&dir.path().join("sealift.db")).await.unwrap());
    let mut cut = 0;
    for calls in 0..20 {
        let disk = SimulatedDisk::new(calls, Plant::Nothing);
        let storage = Storage {
            docroots: Docroots::only(Docroot::on(Arc::new(disk.clone()), 0)),
            records: Arc::clone(&records) as _,
            config: Live::new(Settings::default().into()),
            metrics: Arc::default(),
            trunks: Default::default(),
        };
        let mut sealed = Sealed::new(calls);
        let (package, before, after) = (
            sealed.package,
            sealed.keyring.clone(),
            sealed.next_keyring(),
        );
        let docroot = storage.docroots.one("default").unwrap();
        finished(&records, &docroot, package, &before).await;
        let (old, new) = (
            passed(package, &before).record,
            passed(package, &after).record,
        );
        disk.cut_after(calls);
        let answer = replace(&storage, package, old, passed(package, &after), UNDO).await;
        disk.restart();
        let known = records.package(package).await.unwrap().unwrap();
        let current = known.keyring.unwrap();
        assert_eq!(current, if answer.is_ok() { new } else { old }, "{calls}");
        let now = if answer.is_ok() { &after } else { &before };
        for (keyring, bytes) in [(old, &before), (current, now)] {
            let name = names::keyring_of(package, &keyring).unwrap();
            let stored = docroot.get(&name, 10_000).await.unwrap();
            assert_eq!(stored, bytes, "after {calls} calls");
        }
        // With the power on it goes through, and what was staged is staged no more.
        if answer.is_err() {
            let again = replace(&storage, package, old, passed(package, &after), UNDO).await;
            assert_eq!(again, Ok(new), "{calls}");
        }
        let kept = records.kept_keyring(package, 1).await.unwrap();
        assert_eq!(kept, Some(old));
        let others = records.old_keyrings(u64::MAX >> 1).await.unwrap();
        assert_eq!(others.len() as u64, calls + 1);
        cut += usize::from(answer.is_err());
    }
    assert!((5..20).contains(&cut), "cut {cut} times");
}

#[tokio::test]
async fn what_was_put_for_a_deleted_package_is_taken_back_and_nothing_else() {
    let dir = tempfile::TempDir::new().unwrap();
    let records = Arc::new(Sqlite::open(&dir.path().join("sealift.db")).await.unwrap());
    let disk = SimulatedDisk::new(1, Plant::Nothing);
    let storage = Storage {
        docroots: Docroots::only(Docroot::on(Arc::new(disk.clone()), 0)),
        records: Arc::clone(&records) as _,
        config: Live::new(Settings::default().into()),
        metrics: Arc::default(),
        trunks: Default::default(),
    };
    let mut sealed = Sealed::new(1);
    let (package, before, after) = (
        sealed.package,
        sealed.keyring.clone(),
        sealed.next_keyring(),
    );
    let docroot = storage.docroots.one("default").unwrap();
    let (first, next) = (passed(package, &before), passed(package, &after));
    let (name, late) = (
        names::keyring(package).unwrap(),
        names::keyring_of(package, &next.record).unwrap(),
    );
    let put = async |name, keyring: PassedKeyring| {
        door::put(&docroot, name, keyring.bytes).await.unwrap();
    };
    let is_there = async |name| docroot.stat(name).await.unwrap().is_some();
    // Its sender begins it anew: the first keyring lies there before there is a record of it, or after.
    put(&name, first).await;
    put(&late, next).await;
    take_back(&storage, package, &docroot, &late).await;
    assert!(is_there(&name).await && !is_there(&late).await);
    // What belongs to a package that is there stays.
    finished(&records, &docroot, package, &before).await;
    put(&late, passed(package, &after)).await;
    take_back(&storage, package, &docroot, &late).await;
    assert!(is_there(&name).await && is_there(&late).await);
    let (from, keyring) = (
        passed(package, &before).record,
        passed(package, &after).record,
    );
    let other = Keyring {
        generation: 9,
        ..from
    };
    let code = lost(&storage, package, other, keyring).await;
    assert_eq!(code, Ok(Code::KeyringChanged));
    let deleting = Change::Deleting { package };
    assert!(records.apply(deleting).await.unwrap());
    assert_eq!(
        lost(&storage, package, from, keyring).await,
        Ok(Code::NotFound)
    );
    assert!(
        is_there(&name).await && is_there(&late).await,
        "only looked at"
    );
}
