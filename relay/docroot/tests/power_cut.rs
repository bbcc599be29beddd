//! Power cuts on a simulated disk: what was acknowledged is there afterwards, and planted bugs are caught.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test stops at the first surprise

use std::collections::BTreeMap;

use bytes::Bytes;
use sealift_docroot::simulated::{Plant, Random, SimulatedDisk};
use sealift_docroot::{DiskDocroot, DocrootError, Name};
use std::sync::Arc;

const PART_BYTES: u64 = 1500;
const PARTS: u64 = 5;
const LENGTH: u64 = PARTS * PART_BYTES - 700;

/// What this side was told, and so may count on.
#[derive(Default)]
struct Told {
    durable: BTreeMap<u64, Vec<u8>>,
    committed: bool,
    /// The object's last acknowledged version, and one that was on its way when the power went.
    object: Option<u64>,
    object_tried: Option<u64>,
}

fn range(part: u64) -> (u64, u64) {
    (
        part * PART_BYTES,
        PART_BYTES.min(LENGTH - part * PART_BYTES),
    )
}

fn object(version: u64) -> Vec<u8> {
    (0..3000u64).map(|i| (i * 7 + version * 31) as u8).collect()
}

async fn one_life(
    disk: &SimulatedDisk,
    told: &mut Told,
    random: &mut Random,
) -> Result<(), DocrootError> {
    let docroot = DiskDocroot::on(Arc::new(disk.clone()), 0);
    let (body, keyring) = (Name::new("p", "f.body")?, Name::new("p", "keyring")?);
    if let Some(version) = told.object {
        let found = docroot
            .get(&keyring, 4000)
            .await
            .map(|bytes| bytes.to_vec());
        let on_its_way = told.object_tried.map(object);
        match found {
            Ok(found) if found == object(version) => {}
            Ok(found) if Some(&found) == on_its_way.as_ref() => told.object = told.object_tried,
            _ if disk.is_off() => return Ok(()),
            other => panic!(
                "the object is neither the old nor the new one: {:?}",
                other.map(|b| b.len())
            ),
        }
    }
    if told.committed {
        let mut reader = docroot.read(&body, 0, LENGTH).await?;
        let mut found = Vec::new();
        while let Some(slice) = reader.next().await? {
            found.extend_from_slice(&slice);
        }
        let expected: Vec<u8> = told.durable.values().flatten().copied().collect();
        assert!(found == expected, "a committed file changed");
        return Ok(());
    }
    let next = told.object.unwrap_or(0) + 1;
    told.object_tried = Some(next);
    docroot.put(&keyring, object(next).into()).await?;
    if !disk.is_off() {
        told.object = Some(next);
    }
    let upload = match docroot.create(&body, LENGTH).await {
        // Committed just before the power went; nobody was told.
        Err(DocrootError::Exists) => None,
        other => Some(other?),
    };
    if let Some(upload) = upload {
        let missing: Vec<u64> = (0..PARTS)
            .filter(|part| !told.durable.contains_key(part))
            .collect();
        for pair in missing.chunks(2) {
            let mut parts = Vec::new();
            for part in pair {
                let (offset, length) = range(*part);
                let bytes: Vec<u8> = (0..length).map(|_| random.draw() as u8).collect();
                let mut writer = upload.part(offset, length)?;
                for slice in bytes.chunks(600) {
                    writer.write(vec![Bytes::copy_from_slice(slice)]).await?;
                }
                parts.push((*part, bytes, tokio::spawn(writer.durable())));
            }
            for (part, bytes, durable) in parts {
                if durable.await.unwrap().is_ok() && !disk.is_off() {
                    told.durable.insert(part, bytes);
                }
            }
        }
    }
    if told.durable.len() as u64 == PARTS {
        docroot.commit(&body, LENGTH).await?;
        told.committed = !disk.is_off();
    }
    Ok(())
}

/// Up to eight lives of one docroot, each ended by a power cut. Panics when something acknowledged is gone.
fn schedule(seed: u64, plant: Plant) -> bool {
    let mut random = Random(seed);
    let disk = SimulatedDisk::new(seed, plant);
    let mut told = Told::default();
    for life in 0..8 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        if life < 7 {
            disk.cut_after(1 + random.below(60));
        }
        let result = runtime.block_on(one_life(&disk, &mut told, &mut random));
        let off = disk.is_off();
        drop(runtime);
        assert!(
            off || result.is_ok(),
            "with the power on: {:?}",
            result.err()
        );
        disk.restart();
    }
    told.committed
}

#[test]
fn s6_power_cuts_lose_nothing_acknowledged() {
    for seed in 0..1000 {
        let finished = std::panic::catch_unwind(|| schedule(seed, Plant::Nothing));
        assert!(finished.unwrap_or(false), "seed {seed}");
    }
}

#[test]
fn power_cuts_catch_every_planted_bug() {
    let missed: Vec<_> = [
        Plant::NoSync,
        Plant::NoFolderSync,
        Plant::AnswerBeforeWrite,
        Plant::OverwriteInPlace,
    ]
    .into_iter()
    .filter(|plant| (0..50).all(|seed| std::panic::catch_unwind(|| schedule(seed, *plant)).is_ok()))
    .collect();
    assert!(missed.is_empty(), "not caught: {missed:?}");
}

#[test]
fn s6_a_failed_sync_fails_every_part_since_the_last_good_one() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let disk = SimulatedDisk::new(1, Plant::Nothing);
        let docroot = DiskDocroot::on(Arc::new(disk.clone()), 0);
        let upload = docroot
            .create(&Name::new("p", "f.body").unwrap(), 40)
            .await
            .unwrap();
        let write = async |offset, byte| {
            let mut part = upload.part(offset, 10).unwrap();
            part.write(vec![Bytes::from(vec![byte; 10])]).await.unwrap();
            part
        };
        write(0, 1).await.durable().await.unwrap();
        let (first, second, mut third) = (
            write(10, 2).await,
            write(20, 3).await,
            upload.part(30, 10).unwrap(),
        );
        third
            .write(vec![Bytes::from_static(b"half")])
            .await
            .unwrap();
        disk.fail_syncs(1);
        assert!(matches!(
            first.durable().await,
            Err(DocrootError::SyncFailed)
        ));
        // The disk would now answer well, but the bytes of these parts are gone.
        assert!(matches!(
            second.durable().await,
            Err(DocrootError::SyncFailed)
        ));
        assert!(matches!(
            third.write(vec![Bytes::from_static(b"half")]).await,
            Err(DocrootError::SyncFailed)
        ));
        third.stop().await;
        for (offset, byte) in [(10, 2), (20, 3), (30, 4)] {
            write(offset, byte).await.durable().await.unwrap();
        }
        disk.cut_after(0);
        disk.restart();
        let docroot = DiskDocroot::on(Arc::new(disk), 0);
        docroot
            .commit(&Name::new("p", "f.body").unwrap(), 40)
            .await
            .unwrap();
        let bytes = docroot
            .get(&Name::new("p", "f.body").unwrap(), 40)
            .await
            .unwrap();
        let expected: Vec<u8> = [1u8, 2, 3, 4].iter().flat_map(|byte| [*byte; 10]).collect();
        assert_eq!(bytes, expected);
    });
}

#[test]
fn a_full_disk_is_retryable_and_the_same_upload_completes_later() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let disk = SimulatedDisk::new(1, Plant::Nothing);
        let docroot = DiskDocroot::on(Arc::new(disk.clone()), 100);
        let name = Name::new("p", "f.body").unwrap();
        disk.set_capacity(1000);
        assert!(matches!(
            docroot.create(&name, 950).await,
            Err(DocrootError::DiskFull)
        ));
        disk.set_capacity(1050);
        let upload = docroot.create(&name, 950).await.unwrap();
        let mut part = upload.part(0, 950).unwrap();
        part.write(vec![Bytes::from(vec![7; 950])]).await.unwrap();
        part.durable().await.unwrap();
        // Its room is its own, also when there is none left for others.
        disk.set_capacity(1000);
        drop(docroot.create(&name, 950).await.unwrap());
        docroot.commit(&name, 950).await.unwrap();
    });
}
