//! What bad input gets: each its own code, a cause in words, who can mend it, and whether waiting helps. One table for
//! docroot URLs, one for folders, one for what S3 answers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use sealift_docroot::{
    CheckReport, Docroot, DocrootError, DocrootSettings, DocrootUrl, Name, Shape, SystemDefaults,
};
use sealift_s3::Stub;

fn settings(url: &str) -> Result<DocrootSettings, DocrootError> {
    DocrootUrl::parse(url, &SystemDefaults::default())
}

#[test]
fn each_mistake_in_a_docroot_url_has_its_own_code_and_says_what_to_write() {
    const KMS: &str = "server-side-encryption=AWS_KMS";
    const KEY: &str = "server-side-encryption-aws-kms-key-id";
    for (url, code, says) in [
        (
            "s3://bucket?server-side-encription=AES256".to_owned(),
            "docroot_setting_unknown",
            "`server-side-encription`",
        ),
        (
            format!("s3://bucket?{KMS}&{KMS}"),
            "docroot_setting_twice",
            "set twice",
        ),
        (
            "S3://bucket".to_owned(),
            "docroot_url_capitals",
            "small letters",
        ),
        (
            format!("s3://bucket?{KEY}=k"),
            "kms_key_without_kms",
            "server-side-encryption=AWS_KMS",
        ),
        (
            format!("s3://bucket?{KMS}&{KEY}=a%0d%0ab"),
            "kms_key_malformed",
            "line break",
        ),
        (
            format!("s3://bucket?{KMS}&{KEY}=a%00b"),
            "kms_key_malformed",
            "control character",
        ),
        (
            "s3://bucket?server-side-encryption=kms".to_owned(),
            "docroot_setting_value",
            "AWS_KMS",
        ),
        (
            format!("s3://bucket?{KMS}_DSSE&bucket-key=true"),
            "bucket_key_with_dsse",
            "remove bucket-key",
        ),
        (
            "s3://169.254.169.254/bucket".to_owned(),
            "endpoint_is_metadata",
            "credentials",
        ),
        (
            "s3://[fd00:ec2::254]/bucket".to_owned(),
            "endpoint_is_metadata",
            "credentials",
        ),
        (
            "s3://metadata.google.internal/bucket".to_owned(),
            "endpoint_is_metadata",
            "credentials",
        ),
        (
            "s3://id:se/cret@host.example/bucket".to_owned(),
            "credentials_malformed",
            "percent-encoded",
        ),
        (
            "ftp://host.example/bucket".to_owned(),
            "docroot_url_scheme",
            "s3://",
        ),
        (
            "file://relative".to_owned(),
            "docroot_folder_path",
            "absolute",
        ),
        (
            "s3://bucket?storage-class=GLACIER".to_owned(),
            "storage_class_cold",
            "GLACIER_IR",
        ),
        ("s3://bu".to_owned(), "bucket_name", "3 to 63"),
        ("s3://bucket/a/../b".to_owned(), "docroot_path", "`..`"),
        (
            "s3://bucket?region=%zz".to_owned(),
            "docroot_url_encoding",
            "hexadecimal",
        ),
    ] {
        let Err(error) = settings(&url) else {
            panic!("{url} was taken");
        };
        assert_eq!(error.code(), code, "{url}: {error}");
        let text = error.to_string();
        assert!(
            text.contains(says) && !text.contains("cret"),
            "{url}: {text}"
        );
        assert_eq!(
            (error.who(), error.retryable()),
            ("docroot admin", false),
            "{url}"
        );
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_and_a_full_one_say_so() {
    // A file system that nobody can write.
    let settings =
        settings("file:///sys/sealift-docroot").unwrap_or_else(|error| panic!("{error}"));
    let Err(error) = Docroot::open(&settings, 0).await else {
        panic!("a folder was made in /sys");
    };
    let report = CheckReport::unopened(&settings, &error);
    let step = report.steps[0].error.as_ref().unwrap();
    assert_eq!(
        (step.code, step.who, step.retryable),
        ("docroot_read_only", "host admin", false),
        "{report}"
    );
    // A full disk: what was acknowledged stays, and the same upload ends when there is room.
    let dir = tempfile::tempdir().unwrap();
    let (name, other) = (
        Name::new("pack", "body").unwrap(),
        Name::new("pack", "other").unwrap(),
    );
    let shape = Shape {
        length_bytes: 8,
        part_bytes: 4,
    };
    let send = async |docroot: &Docroot, number: u32| {
        let mut part = docroot.upload(&name, shape, None).await?.part(number)?;
        part.write(vec!["abcd".into()]).await?;
        part.durable().await
    };
    let roomy = Docroot::open_folder(dir.path(), 0).unwrap();
    send(&roomy, 0).await.unwrap();
    drop(roomy);
    let full = Docroot::open_folder(dir.path(), u64::MAX / 2).unwrap();
    let error = full.upload(&other, shape, None).await.err().unwrap();
    assert_eq!(
        (error.code(), error.who(), error.retryable()),
        ("storage_full", "storage admin", true)
    );
    // What has its room already goes on also there.
    send(&full, 1).await.unwrap();
    full.commit(&name, shape, None, &[]).await.unwrap();
    assert_eq!(full.get(&name, 8).await.unwrap(), "abcdabcd");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_of_s3_has_its_own_code_and_says_who_can_mend_it() {
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    for (status, said, message, code, who, retryable) in [
        (
            404,
            "NoSuchBucket",
            "",
            "bucket_not_found",
            "docroot admin",
            false,
        ),
        (
            400,
            "KMS.DisabledException",
            "",
            "kms_key_disabled",
            "KMS admin",
            false,
        ),
        (
            400,
            "KMS.KMSInvalidStateException",
            "",
            "kms_key_unusable",
            "KMS admin",
            false,
        ),
        (
            400,
            "KMS.NotFoundException",
            "",
            "kms_key_not_found",
            "docroot admin",
            false,
        ),
        (
            403,
            "AccessDenied",
            "not authorized to perform: kms:GenerateDataKey",
            "kms_access_denied",
            "IAM admin",
            false,
        ),
        (
            403,
            "AccessDenied",
            "not authorized to perform: kms:Decrypt",
            "kms_access_denied",
            "IAM admin",
            false,
        ),
        (
            403,
            "AccessDenied",
            "Access Denied",
            "storage_access_denied",
            "IAM admin",
            false,
        ),
        (
            403,
            "RequestTimeTooSkewed",
            "",
            "clock_skew",
            "host admin",
            false,
        ),
        (
            400,
            "ExpiredToken",
            "",
            "storage_credentials_expired",
            "docroot admin",
            false,
        ),
        (
            403,
            "InvalidAccessKeyId",
            "",
            "storage_credentials_invalid",
            "docroot admin",
            false,
        ),
        (
            301,
            "PermanentRedirect",
            "",
            "wrong_region",
            "docroot admin",
            false,
        ),
        (
            507,
            "QuotaExceeded",
            "",
            "storage_full",
            "storage admin",
            true,
        ),
        (
            400,
            "InvalidArgument",
            "must be made over a secure connection",
            "kms_needs_tls",
            "docroot admin",
            false,
        ),
    ] {
        let stub = Stub::refusing(status, said, message);
        let kms = "server-side-encryption=AWS_KMS&server-side-encryption-aws-kms-key-id=k";
        let url = format!("s3://id:hidden-secret@{}/bucket?{kms}", stub.address());
        let settings = settings(&url).unwrap_or_else(|error| panic!("{error}"));
        let docroot = Docroot::open(&settings, 0).await.unwrap();
        let report = docroot.check(&settings).await;
        let step = report.steps.iter().find_map(|step| step.error.as_ref());
        let step = step.unwrap_or_else(|| panic!("{said}: {report}"));
        assert_eq!(
            (step.code, step.who, step.retryable),
            (code, who, retryable),
            "{said}: {report}"
        );
        assert!(!report.to_string().contains("hidden-secret"), "{report}");
        let text = serde_json::to_string(&report).unwrap();
        assert!(!text.contains("hidden-secret"), "{text}");
        if let Some(permission) = message
            .rsplit(' ')
            .next()
            .filter(|word| word.starts_with("kms:"))
        {
            let missing = &step.missing_permissions;
            assert!(
                missing.iter().all(|one| one.starts_with("kms:")) && !missing.is_empty(),
                "{permission}: {missing:?}"
            );
        }
        // One sentence for one code.
        let sentence = step.text.split(" (").next().unwrap();
        let before = known
            .entry(code)
            .or_insert_with(|| Box::leak(sentence.to_owned().into_boxed_str()));
        assert_eq!(*before, sentence);
    }
}
