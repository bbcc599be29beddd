//! The docroot crate against Ceph: everything that it promises of S3, without a relay.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use sealift_docroot::{DocrootError, Name};
use support::{Place, content, read_all, upload};

#[tokio::test(flavor = "multi_thread")]
async fn a_check_finds_everything_in_order_and_leaves_nothing_behind() {
    let Some(place) = Place::kms("check").await else {
        return;
    };
    let report = place.docroot.check(&place.settings).await;
    eprintln!("{report}");
    assert!(report.is_ok(), "{report}");
    let found = report.found.clone().unwrap();
    assert_eq!(found.algorithm.as_deref(), Some("aws:kms"), "{report}");
    assert_eq!(found.key.as_deref(), Some("vk-1"));
    assert_eq!(place.docroot.folders().await.unwrap(), Vec::<String>::new());
    assert!(place.docroot.unfinished().await.unwrap().is_empty());
    assert!(!report.to_string().contains("test-secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_in_parts_comes_back_and_lies_encrypted_on_the_device() {
    let Some(place) = Place::kms("parts").await else {
        return;
    };
    let report = place.docroot.check(&place.settings).await;
    assert!(report.is_ok(), "{report}");
    for (leaf, length) in [
        ("small", 100_000),
        ("exact", 5 << 20),
        ("large", (12 << 20) + 7),
    ] {
        let (name, bytes) = (Name::new("pack", leaf).unwrap(), content(length));
        let stored = upload(&place.docroot, &name, &bytes).await.unwrap();
        let sse = stored.sse.unwrap();
        assert_eq!(
            (sse.algorithm.as_deref(), sse.key.as_deref()),
            (Some("aws:kms"), Some("vk-1"))
        );
        assert!(read_all(&place.docroot, &name, 0, length).await == bytes);
        let middle = read_all(&place.docroot, &name, 4321, 70_000).await;
        assert!(middle == bytes[4321..74_321]);
        let device = place.ceph.device_bytes(&format!("pack/{leaf}"));
        assert!(!device.is_empty());
        // What repeats in the content would repeat on the device, were it not encrypted.
        for piece in device.iter().filter(|piece| piece.len() > 1000) {
            let start = &piece[..64];
            assert!(bytes.windows(64).step_by(16).all(|window| window != start));
        }
    }
    place.docroot.delete_folder("pack").await.unwrap();
    assert_eq!(
        place.docroot.list("pack").await.unwrap(),
        Vec::<String>::new()
    );
    let gone = place
        .docroot
        .read(&Name::new("pack", "large").unwrap(), 0, 10)
        .await;
    let gone = gone.err().unwrap();
    assert!(matches!(gone, DocrootError::Missing), "{gone}");
}
