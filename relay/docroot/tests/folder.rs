//! The docroot on a real folder: locked, confined, resumable, whole or not at all.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test stops at the first surprise

use bytes::Bytes;
use sealift_docroot::simulated::{Plant, SimulatedDisk};
use sealift_docroot::{DiskDocroot, DocrootError, Name};
use std::sync::Arc;
use tempfile::TempDir;

fn docroot(dir: &TempDir) -> DiskDocroot {
    DiskDocroot::open(&dir.path().join("docroot"), 0).unwrap()
}

fn body() -> Name {
    Name::new("package", "file.body").unwrap()
}

async fn all(docroot: &DiskDocroot, offset: u64, length: u64) -> Vec<u8> {
    let mut reader = docroot.read(&body(), offset, length).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(slice) = reader.next().await.unwrap() {
        bytes.extend_from_slice(&slice);
    }
    bytes
}

#[tokio::test]
async fn parts_in_any_order_and_slices_make_the_file() {
    let dir = TempDir::new().unwrap();
    let docroot = docroot(&dir);
    let content: Vec<u8> = (0..700_001u32).map(|i| (i % 251) as u8).collect();
    let upload = docroot.create(&body(), content.len() as u64).await.unwrap();
    let half = 300_000;
    let mut second = upload
        .part(half as u64, (content.len() - half) as u64)
        .unwrap();
    let mut first = upload.part(0, half as u64).unwrap();
    for slices in content[half..].chunks(70_000) {
        second
            .write(slices.chunks(9).map(Bytes::copy_from_slice).collect())
            .await
            .unwrap();
    }
    first
        .write(vec![Bytes::new(), Bytes::copy_from_slice(&content[..half])])
        .await
        .unwrap();
    let (a, b) = tokio::join!(first.durable(), second.durable());
    a.unwrap();
    b.unwrap();
    assert!(!docroot.stat(&body()).await.unwrap().unwrap().committed);
    assert!(
        matches!(
            docroot.read(&body(), 0, 1).await,
            Err(DocrootError::Missing)
        ),
        "nothing unfinished is served"
    );
    docroot.commit(&body(), content.len() as u64).await.unwrap();
    assert_eq!(all(&docroot, 0, content.len() as u64).await, content);
    assert_eq!(
        all(&docroot, 299_990, 300_000).await,
        &content[299_990..599_990]
    );
    assert!(matches!(
        docroot.read(&body(), 1, content.len() as u64).await,
        Err(DocrootError::OutOfRange)
    ));
}

#[tokio::test]
async fn s4_a_docroot_belongs_to_one_process_until_its_last_write_ended() {
    let dir = TempDir::new().unwrap();
    let first = docroot(&dir);
    let refused = DiskDocroot::open(&dir.path().join("docroot"), 0);
    assert!(matches!(refused, Err(DocrootError::Locked)));
    let upload = first.create(&body(), 10).await.unwrap();
    drop(first);
    assert!(
        DiskDocroot::open(&dir.path().join("docroot"), 0).is_err(),
        "an open upload keeps the lock"
    );
    drop(upload);
    assert!(DiskDocroot::open(&dir.path().join("docroot"), 0).is_ok());
}

#[tokio::test]
async fn s5_commit_twice_is_the_same_as_once_and_never_replaces() {
    let dir = TempDir::new().unwrap();
    let docroot = docroot(&dir);
    let upload = docroot.create(&body(), 3).await.unwrap();
    let mut part = upload.part(0, 3).unwrap();
    part.write(vec![Bytes::from_static(b"abc")]).await.unwrap();
    part.durable().await.unwrap();
    docroot.commit(&body(), 3).await.unwrap();
    docroot.commit(&body(), 3).await.unwrap();
    assert!(matches!(
        docroot.create(&body(), 3).await,
        Err(DocrootError::Exists)
    ));
    assert!(matches!(
        docroot.commit(&body(), 4).await,
        Err(DocrootError::Length {
            expected: 4,
            found: 3
        })
    ));
    std::fs::write(dir.path().join("docroot/package/file.body.partial"), b"xyz").unwrap();
    assert!(matches!(
        docroot.commit(&body(), 3).await,
        Err(DocrootError::Exists)
    ));
    assert_eq!(all(&docroot, 0, 3).await, b"abc");
}

#[tokio::test]
async fn a_partial_left_behind_goes_on() {
    let dir = TempDir::new().unwrap();
    let first = docroot(&dir);
    let upload = first.create(&body(), 6).await.unwrap();
    let mut part = upload.part(0, 3).unwrap();
    part.write(vec![Bytes::from_static(b"abc")]).await.unwrap();
    part.durable().await.unwrap();
    drop((upload, first));
    let second = docroot(&dir);
    let upload = second.create(&body(), 6).await.unwrap();
    let mut part = upload.part(3, 3).unwrap();
    part.write(vec![Bytes::from_static(b"def")]).await.unwrap();
    part.durable().await.unwrap();
    second.commit(&body(), 6).await.unwrap();
    assert_eq!(all(&second, 0, 6).await, b"abcdef");
}

#[tokio::test]
async fn room_is_checked_and_reserved_at_create() {
    let dir = TempDir::new().unwrap();
    let open = docroot(&dir);
    let free = open.free_bytes().await.unwrap();
    assert!(matches!(
        open.create(&body(), u64::MAX).await,
        Err(DocrootError::DiskFull)
    ));
    drop(open);
    let strict = DiskDocroot::open(&dir.path().join("docroot"), free + (1 << 40)).unwrap();
    assert!(matches!(
        strict.create(&body(), 1).await,
        Err(DocrootError::DiskFull)
    ));
    assert!(matches!(
        strict.put(&body(), Bytes::from_static(b"x")).await,
        Err(DocrootError::DiskFull)
    ));
    assert_eq!(
        strict.stat(&body()).await.unwrap(),
        None,
        "a refused create leaves nothing behind"
    );
}

#[tokio::test]
async fn a_part_stays_in_its_range() {
    let dir = TempDir::new().unwrap();
    let upload = docroot(&dir).create(&body(), 10).await.unwrap();
    assert!(matches!(upload.part(5, 6), Err(DocrootError::OutOfRange)));
    assert!(matches!(
        upload.part(u64::MAX, 2),
        Err(DocrootError::OutOfRange)
    ));
    let mut part = upload.part(5, 2).unwrap();
    assert!(matches!(
        part.write(vec![Bytes::from_static(b"abc")]).await,
        Err(DocrootError::OutOfRange)
    ));
    part.write(vec![Bytes::from_static(b"a")]).await.unwrap();
    assert!(
        matches!(part.durable().await, Err(DocrootError::OutOfRange)),
        "a part that is short is never durable"
    );
}

#[tokio::test]
async fn nothing_follows_a_symlink_out() {
    let dir = TempDir::new().unwrap();
    let open = docroot(&dir);
    std::fs::write(dir.path().join("secret"), b"secret").unwrap();
    std::os::unix::fs::symlink(dir.path(), dir.path().join("docroot/package")).unwrap();
    let out = Name::new("package", "secret").unwrap();
    assert!(open.get(&out, 100).await.is_err());
    assert!(open.put(&out, Bytes::from_static(b"x")).await.is_err());
    std::fs::remove_file(dir.path().join("docroot/package")).unwrap();
    std::fs::create_dir(dir.path().join("docroot/package")).unwrap();
    std::os::unix::fs::symlink("../../secret", dir.path().join("docroot/package/secret")).unwrap();
    assert!(open.get(&out, 100).await.is_err());
    assert_eq!(std::fs::read(dir.path().join("secret")).unwrap(), b"secret");
}

#[tokio::test]
async fn small_objects_are_replaced_whole_and_folders_deleted() {
    let dir = TempDir::new().unwrap();
    let docroot = docroot(&dir);
    let keyring = Name::new("package", "keyring").unwrap();
    docroot
        .put(&keyring, Bytes::from_static(b"one"))
        .await
        .unwrap();
    docroot
        .put(&keyring, Bytes::from_static(b"three"))
        .await
        .unwrap();
    assert_eq!(docroot.get(&keyring, 5).await.unwrap(), "three");
    assert!(matches!(
        docroot.get(&keyring, 4).await,
        Err(DocrootError::OutOfRange)
    ));
    assert_eq!(docroot.list("package").await.unwrap(), ["keyring"]);
    assert_eq!(docroot.folders().await.unwrap(), ["package"]);
    docroot.delete(&keyring).await.unwrap();
    docroot.delete(&keyring).await.unwrap();
    assert!(matches!(
        docroot.get(&keyring, 5).await,
        Err(DocrootError::Missing)
    ));
    docroot.create(&body(), 5).await.unwrap();
    docroot.delete_folder("package").await.unwrap();
    docroot.delete_folder("package").await.unwrap();
    assert!(docroot.folders().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_begin_at_once_share_the_room_that_there_is() {
    let disk = SimulatedDisk::new(1, Plant::Nothing);
    let docroot = DiskDocroot::on(Arc::new(disk.clone()), 100);
    disk.set_capacity(1100);
    let tasks: Vec<_> = (0..50)
        .map(|index| {
            let docroot = docroot.clone();
            tokio::spawn(async move {
                let name = Name::new("package", format!("{index}.body")).unwrap();
                docroot.create(&name, 100).await.is_ok()
            })
        })
        .collect();
    let mut begun = 0;
    for task in tasks {
        begun += usize::from(task.await.unwrap());
    }
    assert_eq!(begun, 10, "and the minimum stays free");
}
