//! Docroots on a server that answers as AWS does: its codes of KMS, its checksums, its conditions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use sealift_docroot::{CheckReport, Docroot, DocrootUrl, Name, SystemDefaults};
use sealift_s3::{Fault, Localstack, Proxy, offline};
use serde_json::json;
use support::{PART, content, read_all, send_part, shape, upload};

/// A bucket of its own; `None` when this is left out on purpose.
async fn aws(test: &str) -> Option<(&'static Localstack, String)> {
    if offline(test) {
        return None;
    }
    let aws = tokio::task::spawn_blocking(Localstack::shared)
        .await
        .unwrap();
    let bucket = format!("aws-{test}");
    aws.make_bucket(&bucket);
    Some((aws, bucket))
}

fn kms(key: &str) -> String {
    format!("server-side-encryption=AWS_KMS&server-side-encryption-aws-kms-key-id={key}")
}

async fn open(url: &str) -> (Docroot, CheckReport) {
    let settings = DocrootUrl::parse(url, &SystemDefaults::default());
    let settings = settings.unwrap_or_else(|error| panic!("{error}"));
    let docroot = Docroot::open(&settings, 0).await.unwrap();
    let report = docroot.check(&settings).await;
    (docroot, report)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_name_a_key_ends_in_its_arn() {
    let Some((aws, bucket)) = aws("names").await else {
        return;
    };
    let (id, arn) = aws.make_key();
    aws.kms(
        "CreateAlias",
        &json!({"AliasName": "alias/names", "TargetKeyId": id}),
    );
    let alias_arn = arn.replace(&format!("key/{id}"), "alias/names");
    for key in [arn.as_str(), id.as_str(), "alias/names", alias_arn.as_str()] {
        for more in ["", "&bucket-key=true", "&checksum-trailers=true"] {
            let (docroot, report) =
                open(&aws.url(aws.address(), &bucket, &(kms(key) + more))).await;
            assert!(report.is_ok(), "{key}{more}: {report}");
            let name = Name::new("pack", "f").unwrap();
            let bytes = content(PART + 1000);
            let stored = upload(&docroot, &name, &bytes).await.unwrap();
            let sse = stored.sse.unwrap();
            assert_eq!(sse.algorithm.as_deref(), Some("aws:kms"), "{key}{more}");
            assert_eq!(sse.bucket_key, more.contains("bucket-key"));
            assert!(read_all(&docroot, &name, 0, PART + 1000).await == bytes);
            docroot.delete(&name).await.unwrap();
        }
    }
    for query in [
        "server-side-encryption=AES256",
        "server-side-encryption=AWS_KMS",
        "",
    ] {
        let (_, report) = open(&aws.url(aws.address(), &bucket, query)).await;
        assert!(report.is_ok(), "{query}: {report}");
    }
    // It says yes to this one and forgets the key: a 200 is not believed.
    let dsse = kms(&arn).replace("AWS_KMS", "AWS_KMS_DSSE");
    let (_, report) = open(&aws.url(aws.address(), &bucket, &dsse)).await;
    assert!(
        report.cause().unwrap().starts_with("sse_not_applied"),
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_cannot_be_used_have_their_own_codes() {
    let Some((aws, bucket)) = aws("keys").await else {
        return;
    };
    let (disabled, _) = aws.make_key();
    let (pending, _) = aws.make_key();
    let (docroot, report) = open(&aws.url(aws.address(), &bucket, &kms(&disabled))).await;
    assert!(report.is_ok(), "{report}");
    let (name, bytes) = (Name::new("pack", "f").unwrap(), content(PART + 1000));
    let shape = shape(PART + 1000);
    let going = docroot.upload(&name, shape, None).await.unwrap();
    let first = send_part(&going, 0, &bytes).await.unwrap();
    aws.kms("DisableKey", &json!({"KeyId": disabled}));
    aws.kms(
        "ScheduleKeyDeletion",
        &json!({"KeyId": pending, "PendingWindowInDays": 7}),
    );
    for (key, code, who) in [
        (disabled.as_str(), "kms_key_disabled", "KMS admin"),
        (pending.as_str(), "kms_key_unusable", "KMS admin"),
        (
            "00000000-0000-0000-0000-000000000000",
            "kms_key_not_found",
            "docroot admin",
        ),
        ("alias/nobody", "kms_key_not_found", "docroot admin"),
    ] {
        let (_, report) = open(&aws.url(aws.address(), &bucket, &kms(key))).await;
        let step = report
            .steps
            .iter()
            .find_map(|step| step.error.as_ref())
            .unwrap();
        assert_eq!(
            (step.code, step.who, step.retryable),
            (code, who, false),
            "{key}: {report}"
        );
    }
    // The upload that was under way goes on when the key is back, with the part that it had.
    aws.kms("EnableKey", &json!({"KeyId": disabled}));
    let second = send_part(&going, 1, &bytes).await.unwrap();
    let state = going.state();
    let stored = docroot
        .commit(&name, shape, state.as_deref(), &[first, second])
        .await
        .unwrap();
    assert!(stored.sse.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_that_was_moved_stops_no_upload_that_had_begun() {
    let Some((aws, bucket)) = aws("alias").await else {
        return;
    };
    let (key, _) = aws.make_key();
    aws.kms(
        "CreateAlias",
        &json!({"AliasName": "alias/moves", "TargetKeyId": key}),
    );
    let proxy = Proxy::to(aws.address());
    let url = aws.url(proxy.address(), &bucket, &kms("alias/moves"));
    let (docroot, report) = open(&url).await;
    assert!(report.is_ok(), "{report}");
    let (bytes, small) = (content(PART + 1000), content(1000));
    let names = ["large", "small"].map(|leaf| Name::new("pack", leaf).unwrap());
    let shapes = [shape(PART + 1000), shape(1000)];
    let going = docroot.upload(&names[0], shapes[0], None).await.unwrap();
    let first = send_part(&going, 0, &bytes).await.unwrap();
    let sent = docroot.upload(&names[1], shapes[1], None).await.unwrap();
    let whole = send_part(&sent, 0, &small).await.unwrap();
    // A reload learns that the alias leads to another key now.
    proxy.fault("PUT", "/key", Fault::OtherKey, 1);
    let (reloaded, report) = open(&url).await;
    assert!(!report.is_ok() && proxy.calm() == 0, "{report}");
    let state = going.state();
    let large = reloaded.upload(&names[0], shapes[0], state.as_deref());
    let second = send_part(&large.await.unwrap(), 1, &bytes).await.unwrap();
    let ends = [
        (going.state(), vec![first, second], &bytes),
        (sent.state(), vec![whole], &small),
    ];
    for ((name, shape), (state, receipts, bytes)) in names.iter().zip(shapes).zip(ends) {
        let stored = reloaded
            .commit(name, shape, state.as_deref(), &receipts)
            .await;
        let stored = stored.unwrap_or_else(|error| panic!("{name:?}: {error}"));
        assert!(stored.sse.is_some());
        assert!(read_all(&docroot, name, 0, shape.length_bytes).await == *bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_on_the_way_is_seen_by_the_server_and_sent_again() {
    let Some((aws, bucket)) = aws("damage").await else {
        return;
    };
    let proxy = Proxy::to(aws.address());
    let (plain, report) = open(&aws.url(proxy.address(), &bucket, "")).await;
    assert!(report.is_ok(), "{report}");
    // What the check found out of this server.
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("checksum-trailers=true")),
        "{report}"
    );
    assert!(
        !report
            .notes
            .iter()
            .any(|note| note.contains("If-None-Match")),
        "{report}"
    );
    let (trailers, report) =
        open(&aws.url(proxy.address(), &bucket, "checksum-trailers=true")).await;
    assert!(report.is_ok() && report.notes.is_empty(), "{report}");
    let bytes = content(PART + 1000);
    for (index, docroot) in [plain, trailers].iter().enumerate() {
        for length in [PART + 1000, 1000] {
            let name = Name::new("pack", format!("f{index}-{length}")).unwrap();
            let going = docroot.upload(&name, shape(length), None).await.unwrap();
            proxy.fault("PUT", "pack/", Fault::Damage, 1);
            let error = send_part(&going, 0, &bytes[..length as usize])
                .await
                .unwrap_err();
            assert_eq!(
                error.code(),
                "checksum_mismatch",
                "{index} {length}: {error}"
            );
            assert!(error.retryable());
            assert_eq!(proxy.calm(), 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_commits_under_one_name_the_first_stays() {
    let Some((aws, bucket)) = aws("twice").await else {
        return;
    };
    let (docroot, report) = open(&aws.url(aws.address(), &bucket, "")).await;
    assert!(report.is_ok(), "{report}");
    let (name, first) = (Name::new("pack", "f").unwrap(), content(PART + 1000));
    let shape = shape(PART + 1000);
    let other: Vec<u8> = first.iter().map(|byte| byte ^ 1).collect();
    let late = docroot.upload(&name, shape, None).await.unwrap();
    let receipts = [
        send_part(&late, 0, &other).await.unwrap(),
        send_part(&late, 1, &other).await.unwrap(),
    ];
    upload(&docroot, &name, &first).await.unwrap();
    let state = late.state();
    let second = docroot
        .commit(&name, shape, state.as_deref(), &receipts)
        .await;
    assert_eq!(second.unwrap_err().code(), "object_exists");
    assert!(read_all(&docroot, &name, 0, PART + 1000).await == first);
}
