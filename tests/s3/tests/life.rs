//! What may happen to an upload between its first part and its end: the storage forgets it, the settings change, an
//! attempt comes late, an answer lies.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use bytes::Bytes;
use sealift_docroot::{Docroot, DocrootError, Name};
use sealift_s3::Fault;
use support::{KMS, PART, Place, content, read_all, send_part, settings, shape, upload};

const OTHER_KMS: &str = "server-side-encryption=AWS_KMS&server-side-encryption-aws-kms-key-id=vk-2";

/// The same place under other settings, as after a reload.
async fn reloaded(place: &Place, query: &str) -> Docroot {
    let path = format!("{}/some/path", place.bucket);
    let settings = settings(place.ceph, place.proxy.address(), &path, query);
    Docroot::open(&settings, 0).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_the_storage_forgot_is_known_to_be_gone() {
    let Some(place) = Place::kms("forgotten").await else {
        return;
    };
    let (bytes, name) = (content(PART + 1000), Name::new("pack", "f").unwrap());
    let shape = shape(bytes.len() as u64);
    let going = place.docroot.upload(&name, shape, None).await.unwrap();
    let first = send_part(&going, 0, &bytes).await.unwrap();
    assert!(!going.is_gone());
    // A single wrong word is not believed.
    place
        .proxy
        .fault("PUT", "partNumber=2", Fault::Code("NoSuchUpload"), 1);
    let error = send_part(&going, 1, &bytes).await.unwrap_err();
    assert!(error.retryable() && !going.is_gone(), "{error}");
    for upload in place.docroot.unfinished().await.unwrap() {
        place.docroot.end_unfinished(&upload).await.unwrap();
    }
    let error = send_part(&going, 1, &bytes).await.unwrap_err();
    assert_eq!(error.code(), "upload_gone", "{error}");
    assert!(error.retryable() && going.is_gone());
    let state = going.state();
    let committed = place
        .docroot
        .commit(&name, shape, state.as_deref(), &[first.clone(), first])
        .await;
    assert!(matches!(committed, Err(DocrootError::Missing)));
    upload(&place.docroot, &name, &bytes).await.unwrap();
    assert!(read_all(&place.docroot, &name, 0, bytes.len() as u64).await == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_change_meanwhile_delete_nothing_and_stop_no_part() {
    let Some(place) = Place::kms("changed").await else {
        return;
    };
    for (index, (query, length)) in [
        (OTHER_KMS, PART + 1000),
        ("", PART + 1000),
        (OTHER_KMS, 1000),
        ("", 1000),
    ]
    .into_iter()
    .enumerate()
    {
        let (bytes, name) = (
            content(length),
            Name::new("pack", format!("f{index}")).unwrap(),
        );
        let shape = shape(length);
        let going = place.docroot.upload(&name, shape, None).await.unwrap();
        let state = going.state();
        let mut receipts = vec![send_part(&going, 0, &bytes).await.unwrap()];
        // The operator reloads with another key, or none.
        let after = reloaded(&place, query).await;
        let going = after.upload(&name, shape, state.as_deref()).await.unwrap();
        if length > PART {
            receipts.push(send_part(&going, 1, &bytes).await.unwrap());
        }
        let stored = after
            .commit(&name, shape, state.as_deref(), &receipts)
            .await
            .unwrap_or_else(|error| panic!("{query} {length}: {error}"));
        assert_eq!(stored.sse.unwrap().key.as_deref(), Some("vk-1"));
        let again = after.verify(&name, length, state.as_deref()).await.unwrap();
        assert_eq!(again.sse.unwrap().key.as_deref(), Some("vk-1"));
        assert!(read_all(&after, &name, 0, length).await == bytes);
    }
    // A record from before encryption was recorded: held against the settings, but never deleted for them.
    let (bytes, name) = (content(1000), Name::new("pack", "old").unwrap());
    let going = place
        .docroot
        .upload(&name, shape(1000), Some("single"))
        .await
        .unwrap();
    let receipt = send_part(&going, 0, &bytes).await.unwrap();
    let after = reloaded(&place, OTHER_KMS).await;
    let error = after
        .commit(&name, shape(1000), Some("single"), &[receipt])
        .await
        .unwrap_err();
    assert_eq!(error.code(), "sse_not_applied", "{error}");
    assert!(read_all(&place.docroot, &name, 0, 1000).await == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_one_part_is_replaced_by_the_next_attempt_and_never_deleted() {
    let Some(place) = Place::kms("late").await else {
        return;
    };
    let (bytes, name) = (content(1000), Name::new("pack", "f").unwrap());
    let going = place
        .docroot
        .upload(&name, shape(1000), None)
        .await
        .unwrap();
    place.proxy.fault("PUT", "pack/f", Fault::LostAnswer, 1);
    send_part(&going, 0, &content(1000)).await.unwrap_err();
    // It was stored all the same: the next one finds it, and one after that replaces just that.
    let mut tries = 0;
    let receipt = loop {
        match send_part(&going, 0, &bytes).await {
            Ok(receipt) => break receipt,
            Err(met) => assert!(met.code() == "write_conflict" && met.retryable(), "{met}"),
        }
        tries += 1;
        assert!(tries < 4);
    };
    assert!(tries > 0);
    // An attempt that comes late replaces nothing.
    let other: Vec<u8> = bytes.iter().map(|byte| byte ^ 1).collect();
    let error = send_part(&going, 0, &other).await.unwrap_err();
    assert_eq!(error.code(), "write_conflict", "{error}");
    let stored = place
        .docroot
        .commit(&name, shape(1000), going.state().as_deref(), &[receipt])
        .await
        .unwrap();
    assert!(stored.sse.is_some());
    assert!(read_all(&place.docroot, &name, 0, 1000).await == bytes);
    let requests = place.proxy.requests();
    assert!(
        !requests.iter().any(|request| request.starts_with("DELETE")),
        "{requests:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_under_the_name_and_is_not_ours_is_left_alone() {
    let Some(place) = Place::kms("foreign").await else {
        return;
    };
    let name = Name::new("pack", "f").unwrap();
    let theirs = Bytes::from_static(b"another program's");
    place.docroot.put(&name, theirs.clone()).await.unwrap();
    let going = place
        .docroot
        .upload(&name, shape(1000), None)
        .await
        .unwrap();
    for _ in 0..3 {
        let error = send_part(&going, 0, &content(1000)).await.unwrap_err();
        assert_eq!(error.code(), "object_exists", "{error}");
        assert!(!error.retryable());
    }
    assert_eq!(place.docroot.get(&name, 100).await.unwrap(), theirs);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_object_is_never_deleted_for_what_an_answer_shows() {
    let Some(place) = Place::kms("keyring").await else {
        return;
    };
    let (name, bytes) = (
        Name::new("pack", "keyring").unwrap(),
        Bytes::from_static(b"the only one"),
    );
    place.docroot.put(&name, bytes.clone()).await.unwrap();
    for fault in [Fault::NoSse, Fault::OtherKey] {
        place.proxy.fault("PUT", "pack/keyring", fault, 1);
        place.proxy.fault("HEAD", "pack/keyring", fault, 1);
        let put = place.docroot.put(&name, bytes.clone()).await;
        place.proxy.calm();
        assert_eq!(put.unwrap_err().code(), "sse_not_applied", "{fault:?}");
        assert_eq!(place.docroot.get(&name, 100).await.unwrap(), bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_object_that_is_gone_is_told_from_one_whose_key_is() {
    let Some(place) = Place::kms("vanished").await else {
        return;
    };
    let (bytes, name) = (content(PART + 1000), Name::new("pack", "f").unwrap());
    upload(&place.docroot, &name, &bytes).await.unwrap();
    place.docroot.delete(&name).await.unwrap();
    let gone = place.docroot.verify(&name, PART + 1000, None).await;
    assert!(matches!(gone, Err(DocrootError::Missing)), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_ends_what_else_was_begun_under_its_name() {
    let Some(place) = Place::kms("others").await else {
        return;
    };
    let (bytes, name) = (content(PART + 1000), Name::new("pack", "f").unwrap());
    let shape = shape(bytes.len() as u64);
    // A relay was killed before it could record these.
    place.docroot.upload(&name, shape, None).await.unwrap();
    let beside = Name::new("pack", "f2").unwrap();
    place.docroot.upload(&beside, shape, None).await.unwrap();
    upload(&place.docroot, &name, &bytes).await.unwrap();
    let left = place.docroot.unfinished().await.unwrap();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].key.ends_with("/f2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_holds_another_programs_objects_is_told() {
    let Some(place) = Place::with("shared", KMS).await else {
        return;
    };
    let put = async |leaf: &str| {
        let name = Name::new("pack", leaf).unwrap();
        place.docroot.put(&name, Bytes::new()).await.unwrap();
    };
    let ours = |leaf: &str| leaf == "keyring" || leaf == "body";
    put("keyring").await;
    assert!(place.docroot.holds_only("pack", ours).await.unwrap());
    let body = Name::new("pack", "body").unwrap();
    let upload = place.docroot.upload(&body, shape(PART + 1), None).await;
    drop(upload.unwrap());
    assert!(place.docroot.holds_only("pack", ours).await.unwrap());
    put("photo.jpg").await;
    assert!(!place.docroot.holds_only("pack", ours).await.unwrap());
}
