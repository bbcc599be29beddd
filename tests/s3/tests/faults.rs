//! Every fault of the proxy and of the key management service, many uploads: no false "complete", nothing left
//! behind, one correct object each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use sealift_docroot::{Cause, DocrootError, Name, Receipt, Stored};
use sealift_s3::{Fault, Mode};
use support::{KMS, PART, Place, content, read_all, send_part, settings, shape, upload};

/// Tries of one upload. What is broken is broken once or twice.
const TRIES: usize = 40;

/// Sends and commits as the relay does: what fails and can be tried again is, until it is done.
async fn insist(place: &Place, name: &Name, bytes: &[u8]) -> Result<Stored, DocrootError> {
    let shape = shape(bytes.len() as u64);
    let parts = (0u32..)
        .take_while(|number| shape.part(*number).is_some())
        .count();
    let mut receipts: Vec<Option<Receipt>> = vec![None; parts];
    let mut state = None;
    let mut last = None;
    for _ in 0..TRIES {
        let step = async {
            let upload = place.docroot.upload(name, shape, state.as_deref()).await?;
            state = upload.state();
            for (number, receipt) in (0u32..).zip(&mut receipts) {
                if receipt.is_none() {
                    *receipt = Some(send_part(&upload, number, bytes).await?);
                }
            }
            let all: Vec<Receipt> = receipts.iter().flatten().cloned().collect();
            place
                .docroot
                .commit(name, shape, state.as_deref(), &all)
                .await
        };
        match step.await {
            Ok(stored) => return Ok(stored),
            Err(DocrootError::PartsDiffer(differ)) => {
                differ
                    .into_iter()
                    .for_each(|number| receipts[number as usize] = None);
            }
            Err(DocrootError::Missing) => {
                receipts.fill(None);
                state = None;
            }
            Err(error) if error.retryable() => {
                last = Some(error);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(error),
        }
    }
    panic!("not done after {TRIES} tries; the last: {last:?}");
}

/// Uploads under way at once.
const AT_ONCE: usize = 10;

/// One upload that must end well, verified, with the right bytes.
async fn one_upload(place: &Place, number: usize, bytes: &[u8]) {
    let name = Name::new("pack", format!("f{number:03}")).unwrap();
    let stored = insist(place, &name, bytes).await;
    let mut stored = stored.unwrap_or_else(|error| panic!("upload {number}: {error}"));
    for _ in 0..TRIES {
        if stored.sse.is_some() {
            break;
        }
        // Kept, and looked at again, as the relay does.
        stored = place
            .docroot
            .verify(&name, bytes.len() as u64, None)
            .await
            .unwrap();
    }
    assert_eq!(
        stored.sse.unwrap().key.as_deref(),
        Some("vk-1"),
        "upload {number}"
    );
    let read = read_all(&place.docroot, &name, 0, bytes.len() as u64).await;
    assert!(read == bytes, "upload {number}: other bytes");
}

/// Ends what nobody goes on with, as the relay's sweep does, and looks at what is left.
async fn nothing_left(place: &Place, count: usize) {
    place.proxy.calm();
    for upload in place.docroot.unfinished().await.unwrap() {
        place.docroot.end_unfinished(&upload).await.unwrap();
    }
    assert!(place.docroot.unfinished().await.unwrap().is_empty());
    let objects = place.docroot.list("pack").await.unwrap();
    assert_eq!(objects.len(), count, "{objects:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_uploads_through_every_fault_end_as_one_correct_object_each() {
    let Some(place) = Place::kms("faults").await else {
        return;
    };
    assert!(place.docroot.check(&place.settings).await.is_ok());
    let part = ("PUT", "partNumber=");
    let begin = ("POST", "?uploads");
    let end = ("POST", "uploadId=");
    let whole = ("PUT", "pack/");
    let head = ("HEAD", "pack/");
    let list = ("GET", "uploadId=");
    let mut faults = Vec::new();
    for at in [part, begin, end, whole] {
        for fault in [
            Fault::Status(500),
            Fault::Status(503),
            Fault::Early,
            Fault::Cut,
            Fault::LostAnswer,
        ] {
            faults.push((at, fault));
        }
    }
    for at in [head, list] {
        for fault in [Fault::Status(500), Fault::Status(503), Fault::LostAnswer] {
            faults.push((at, fault));
        }
    }
    faults.extend([
        (part, Fault::WrongEtag),
        (whole, Fault::WrongEtag),
        (end, Fault::OkWithError),
        (end, Fault::OkWithErrorDone),
        (part, Fault::Code("RequestTimeout")),
        (begin, Fault::Code("OperationAborted")),
        (end, Fault::Code("InvalidPart")),
    ]);
    let bytes = content(PART + 1000);
    // Ten at once, each with a fault of its own; which of them meets it does not matter.
    for start in (0..200).step_by(AT_ONCE) {
        let uploads = (start..start + AT_ONCE).map(|number| {
            let ((method, query), fault) = faults[number % faults.len()];
            // A body of one part every third time, and always where the fault is about those.
            let one_part = (method, query) == whole || number.is_multiple_of(3);
            let bytes = if one_part {
                &bytes[..50_000]
            } else {
                &bytes[..]
            };
            place
                .proxy
                .fault(method, query, fault, 1 + number / faults.len() % 2);
            one_upload(&place, number, bytes)
        });
        futures_util::future::join_all(uploads).await;
        place.proxy.calm();
    }
    nothing_left(&place, 200).await;
    place.docroot.delete_folder("pack").await.unwrap();
    place.ceph.collect_garbage();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_the_encryption_that_was_asked_for_fails_the_upload() {
    let Some(place) = Place::kms("lies").await else {
        return;
    };
    assert!(place.docroot.check(&place.settings).await.is_ok());
    for (index, (method, query, fault, one_part)) in [
        ("POST", "?uploads", Fault::NoSse, false),
        ("POST", "?uploads", Fault::OtherKey, false),
        ("PUT", "partNumber=", Fault::NoSse, false),
        ("PUT", "partNumber=", Fault::OtherKey, false),
        ("HEAD", "pack/", Fault::NoSse, true),
        ("HEAD", "pack/", Fault::OtherKey, true),
    ]
    .into_iter()
    .enumerate()
    {
        let bytes = content(if one_part { 1000 } else { PART + 1000 });
        let name = Name::new("pack", format!("f{index}")).unwrap();
        place.proxy.fault(method, query, fault, 1);
        let error = upload(&place.docroot, &name, &bytes).await.unwrap_err();
        assert_eq!(
            error.code(),
            "sse_not_applied",
            "{method} {query} {fault:?}: {error}"
        );
        assert!(
            error
                .to_string()
                .contains("asked for aws:kms with key vk-1, found"),
            "{error}"
        );
        assert!(!error.retryable());
        place.proxy.calm();
        // Nothing of it is readable, and it can be sent again.
        assert!(place.docroot.stat(&name).await.unwrap().is_none());
        insist(&place, &name, &bytes).await.unwrap();
    }
    nothing_left(&place, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_redirect_is_followed_and_errors_have_their_codes() {
    let Some(place) = Place::kms("codes").await else {
        return;
    };
    assert!(place.docroot.check(&place.settings).await.is_ok());
    for (index, (fault, code)) in [
        (Fault::Redirect, "wrong_region"),
        (Fault::Code("KMS.DisabledException"), "kms_key_disabled"),
        (
            Fault::Code("KMS.KMSInvalidStateException"),
            "kms_key_unusable",
        ),
        (Fault::Code("KMS.NotFoundException"), "kms_key_not_found"),
        (Fault::Code("ExpiredToken"), "storage_credentials_expired"),
        (Fault::Code("RequestTimeTooSkewed"), "clock_skew"),
        (Fault::Code("AccessDenied"), "storage_access_denied"),
        (Fault::Code("NoSuchBucket"), "bucket_not_found"),
        (Fault::Code("QuotaExceeded"), "storage_full"),
        (Fault::Code("BadDigest"), "checksum_mismatch"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = Name::new("pack", format!("f{index}")).unwrap();
        place.proxy.fault("POST", "?uploads", fault, 100);
        let error = upload(&place.docroot, &name, &content(PART + 1))
            .await
            .unwrap_err();
        assert_eq!(error.code(), code, "{fault:?}: {error}");
        place.proxy.calm();
    }
    nothing_left(&place, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_server_and_a_silent_sender_lose_the_part_and_nothing_else() {
    let Some(place) = Place::kms("stalls").await else {
        return;
    };
    assert!(place.docroot.check(&place.settings).await.is_ok());
    let (bytes, name) = (content(PART + 1000), Name::new("pack", "f").unwrap());
    let shape = shape(bytes.len() as u64);
    let going = place.docroot.upload(&name, shape, None).await.unwrap();
    // The server takes nothing and then goes away.
    place.proxy.fault("PUT", "partNumber=1", Fault::Stall(3), 1);
    let error = send_part(&going, 0, &bytes).await.unwrap_err();
    assert!(error.retryable(), "{error}");
    // The sender stops in mid-part for longer than S3 waits.
    let mut part = going.part(0).unwrap();
    part.write(vec![bytes::Bytes::from(bytes[..1000].to_vec())])
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(12)).await;
    let rest = vec![bytes::Bytes::from(bytes[1000..2000].to_vec())];
    let mut error = part.write(rest.clone()).await;
    if error.is_ok() {
        error = part.write(rest).await;
    }
    assert_eq!(error.unwrap_err().code(), "storage_stalled");
    part.stop().await;
    // The same upload goes on.
    let first = send_part(&going, 0, &bytes).await.unwrap();
    let second = send_part(&going, 1, &bytes).await.unwrap();
    let state = going.state();
    place
        .docroot
        .commit(&name, shape, state.as_deref(), &[first, second])
        .await
        .unwrap();
    assert!(read_all(&place.docroot, &name, 0, bytes.len() as u64).await == bytes);
}

/// Each on its own Ceph: the key management service is that of the whole server.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_management_service_that_fails_in_mid_upload_loses_nothing_durable() {
    let Some(place) = Place::own("kms").await else {
        return;
    };
    assert!(place.docroot.check(&place.settings).await.is_ok());
    let (bytes, vault) = (content(PART + 1000), place.ceph.vault());
    for (mode, code) in [
        (Mode::Denies, "kms_access_denied"),
        (Mode::Loses, "kms_key_not_found"),
        (Mode::Fails, "storage_busy"),
        (Mode::Cuts, "storage_busy"),
    ] {
        let name = Name::new("pack", format!("{mode:?}")).unwrap();
        let shape = shape(bytes.len() as u64);
        let going = place.docroot.upload(&name, shape, None).await.unwrap();
        let first = send_part(&going, 0, &bytes).await.unwrap();
        vault.set(mode);
        let error = send_part(&going, 1, &bytes).await.unwrap_err();
        vault.set(Mode::Works);
        assert_eq!(error.code(), code, "{mode:?}: {error}");
        let second = send_part(&going, 1, &bytes).await.unwrap();
        // Gone after the parts: it is committed, and verified when it is back.
        vault.set(mode);
        let state = going.state();
        let stored = place
            .docroot
            .commit(&name, shape, state.as_deref(), &[first, second])
            .await
            .unwrap();
        assert!(
            stored.sse.is_none() && stored.unverified.is_some(),
            "{mode:?}: {stored:?}"
        );
        let again = place
            .docroot
            .verify(&name, bytes.len() as u64, None)
            .await
            .unwrap();
        assert!(again.unverified.is_some());
        vault.set(Mode::Works);
        let again = place
            .docroot
            .verify(&name, bytes.len() as u64, None)
            .await
            .unwrap();
        assert_eq!(again.sse.unwrap().key.as_deref(), Some("vk-1"));
        assert!(read_all(&place.docroot, &name, 0, bytes.len() as u64).await == bytes);
    }
    nothing_left(&place, 4).await;
    vault.set(Mode::Slow);
    let name = Name::new("pack", "slow").unwrap();
    insist(&place, &name, &bytes).await.unwrap();
    vault.set(Mode::Works);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_what_is_wrong_and_who_can_mend_it() {
    let Some(place) = Place::kms("wrong").await else {
        return;
    };
    let address = place.proxy.address();
    let nobody = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    for (bucket, query, at, code) in [
        ("bucket-nowhere", KMS, address, "bucket_not_found"),
        (
            "bucket-wrong",
            "server-side-encryption=AWS_KMS&server-side-encryption-aws-kms-key-id=gone",
            address,
            "kms_key_not_found",
        ),
        (
            "bucket-wrong",
            "server-side-encryption=AES256",
            address,
            "sse_not_applied",
        ),
        (
            "bucket-wrong",
            "server-side-encryption=AWS_KMS_DSSE&server-side-encryption-aws-kms-key-id=vk-1",
            address,
            "sse_not_supported",
        ),
        (
            "bucket-wrong",
            "server-side-encryption=AWS_KMS&server-side-encryption-aws-kms-key-id=vk-1&bucket-key=true",
            address,
            "sse_not_applied",
        ),
        ("bucket-wrong", KMS, nobody, "storage_unreachable"),
    ] {
        let settings = settings(place.ceph, at, bucket, query);
        let docroot = sealift_docroot::Docroot::open(&settings, 0).await.unwrap();
        let report = docroot.check(&settings).await;
        let error = report.steps.iter().find_map(|step| step.error.as_ref());
        let error = error.unwrap_or_else(|| panic!("{query}: {report}"));
        assert_eq!(error.code, code, "{query}: {report}");
        assert!(!report.is_ok() && report.cause().unwrap().contains(code));
        assert!(!report.to_string().contains("test-secret"));
    }
    // A wrong secret.
    let url = format!("s3://SEALIFTTESTACCESSKEY:wrong@{address}/bucket-wrong?{KMS}");
    let defaults = sealift_docroot::SystemDefaults::default();
    let Ok(settings) = sealift_docroot::DocrootUrl::parse(&url, &defaults) else {
        panic!()
    };
    let docroot = sealift_docroot::Docroot::open(&settings, 0).await.unwrap();
    let report = docroot.check(&settings).await;
    assert!(
        report
            .cause()
            .unwrap()
            .starts_with(Cause::CredentialsInvalid.code()),
        "{report}"
    );
    // A missing permission is named as in IAM.
    place
        .proxy
        .fault("GET", "uploadId=", Fault::Code("AccessDenied"), 1);
    let report = place.docroot.check(&place.settings).await;
    assert!(
        report.to_string().contains("s3:ListMultipartUploadParts"),
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_another_part_than_recorded_is_sent_again_and_two_commits_are_one() {
    let Some(place) = Place::kms("differ").await else {
        return;
    };
    let (bytes, name) = (content(PART + 1000), Name::new("pack", "f").unwrap());
    let shape = shape(bytes.len() as u64);
    let going = place.docroot.upload(&name, shape, None).await.unwrap();
    let state = going.state();
    let first = send_part(&going, 0, &bytes).await.unwrap();
    let second = send_part(&going, 1, &bytes).await.unwrap();
    // A late write of an attempt that had been given up.
    let other: Vec<u8> = bytes.iter().map(|byte| byte ^ 1).collect();
    send_part(&going, 0, &other).await.unwrap();
    let differs = place
        .docroot
        .commit(&name, shape, state.as_deref(), &[first, second.clone()])
        .await;
    assert!(matches!(differs, Err(DocrootError::PartsDiffer(parts)) if parts == [0]));
    let first = send_part(&going, 0, &bytes).await.unwrap();
    // Another process goes on, and both commit.
    let resumed = place
        .docroot
        .upload(&name, shape, state.as_deref())
        .await
        .unwrap();
    let second = {
        let _ = second;
        send_part(&resumed, 1, &bytes).await.unwrap()
    };
    let receipts = [first, second];
    for _ in 0..2 {
        let stored = place
            .docroot
            .commit(&name, shape, state.as_deref(), &receipts)
            .await
            .unwrap();
        assert!(stored.sse.is_some());
    }
    assert!(read_all(&place.docroot, &name, 0, bytes.len() as u64).await == bytes);
    nothing_left(&place, 1).await;
}
