//! Docroot URLs: every form of the original, everything that must be refused, the table of system and docroot.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use sealift_docroot::{
    DocrootError, DocrootSettings, DocrootUrl, Encryption, S3Settings, SettingsError, StorageClass,
    SystemDefaults,
};

const ARN: &str = "arn:aws:kms:us-west-2:111122223333:key/9120a367-8204-4752-8b0f-1ca9d90f8ec3";

fn parse(url: &str) -> Result<S3Settings, SettingsError> {
    match DocrootUrl::parse(url, &SystemDefaults::default()) {
        Ok(DocrootSettings::S3(s3)) => Ok(*s3),
        Ok(DocrootSettings::Folder(_)) => panic!("{url} is a folder"),
        Err(DocrootError::Settings(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

fn s3(url: &str) -> S3Settings {
    parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn refusal(url: &str) -> SettingsError {
    parse(url)
        .err()
        .unwrap_or_else(|| panic!("{url} was taken"))
}

fn kms(key: Option<&str>) -> Encryption {
    let key = key.map(|key| sealift_docroot::KmsKey::parse(key).unwrap());
    Encryption::Kms {
        key,
        bucket_key: false,
    }
}

#[test]
fn every_form_of_the_original_is_read() {
    let encoded = ARN.replace(':', "%3A").replace('/', "%2F");
    for place in [
        "s3.amazonaws.com/my_bucket/my_path",
        "s3.amazonaws.com/my_bucket%2Fmy_path",
        "s3.amazonaws.com/my_bucket%2fmy_path/",
        "my_bucket/my_path",
        "my_bucket%2Fmy_path",
    ] {
        for (query, encryption) in [
            (String::new(), Encryption::None),
            ("?server-side-encryption=NONE".into(), Encryption::None),
            ("?server-side-encryption=AES256".into(), Encryption::Aes256),
            ("?server-side-encryption=AWS_KMS".into(), kms(None)),
            (
                format!(
                    "?server-side-encryption=AWS_KMS&server-side-encryption-aws-kms-key-id={ARN}"
                ),
                kms(Some(ARN)),
            ),
            (
                format!(
                    "?server-side-encryption-aws-kms-key-id={encoded}&server-side-encryption=AWS_KMS"
                ),
                kms(Some(ARN)),
            ),
        ] {
            let read = s3(&format!("s3://{place}{query}"));
            assert_eq!(read.bucket, "my_bucket");
            assert_eq!(read.path, "my_path");
            assert!(read.endpoint.is_none() && read.credentials.is_none());
            assert_eq!(read.encryption, encryption, "{place}{query}");
            assert!(read.trailers && !read.path_style);
        }
    }
}

#[test]
fn endpoints_regions_and_styles() {
    let read = s3("s3://s3.eu-central-1.amazonaws.com/my.bucket");
    assert_eq!(read.region.as_deref(), Some("eu-central-1"));
    assert_eq!(
        (read.bucket.as_str(), read.path.as_str()),
        ("my.bucket", "")
    );
    let read = s3("s3://s3-us-west-2.amazonaws.com/bucket?region=us-east-2");
    assert_eq!(read.region.as_deref(), Some("us-east-2"));
    for (url, endpoint) in [
        ("s3://store.example.org/bucket", "https://store.example.org"),
        ("s3://store:9000/bucket", "https://store:9000"),
        (
            "s3://store.example.org/bucket?allow-http=true",
            "http://store.example.org",
        ),
        ("s3://127.0.0.1:7480/bucket", "http://127.0.0.1:7480"),
        (
            "s3://127.0.0.1:7480/bucket?allow-http=false",
            "https://127.0.0.1:7480",
        ),
        ("s3://localhost/bucket", "http://localhost"),
        ("s3://[::1]:9000/bucket", "http://[::1]:9000"),
        (
            "s3://vpce-1.s3.us-east-1.vpce.amazonaws.com/bucket",
            "https://vpce-1.s3.us-east-1.vpce.amazonaws.com",
        ),
    ] {
        let read = s3(url);
        assert_eq!(read.endpoint.unwrap().to_string(), endpoint, "{url}");
        assert!(read.path_style && !read.trailers);
    }
    assert!(!s3("s3://store.example.org/bucket?path-style=false").path_style);
    assert!(s3("s3://bucket?path-style=true").path_style);
}

#[test]
fn storage_classes_in_both_spellings() {
    for (word, class) in [
        ("STANDARD", StorageClass::Standard),
        ("REDUCED_REDUNDANCY", StorageClass::ReducedRedundancy),
        ("INFREQUENT_ACCESS", StorageClass::StandardIa),
        ("STANDARD_IA", StorageClass::StandardIa),
        ("ONEZONE_IA", StorageClass::OnezoneIa),
        ("INTELLIGENT_TIERING", StorageClass::IntelligentTiering),
        ("GLACIER_IR", StorageClass::GlacierIr),
    ] {
        let url = format!(
            "s3://s3.amazonaws.com/bucket?storage-class={word}&server-side-encryption=AES256"
        );
        assert_eq!(s3(&url).storage_class, Some(class));
    }
    assert_eq!(
        refusal("s3://bucket?storage-class=DEEP_ARCHIVE"),
        SettingsError::ColdStorage
    );
}

#[test]
fn credentials_in_the_url_are_decoded_and_never_shown() {
    let settings = DocrootUrl::parse(
        "s3://AKIDEXAMPLE:wJalr%2FXUtn%2BFEMI%40K7@s3.amazonaws.com/bucket/path",
        &SystemDefaults::default(),
    );
    let Ok(settings) = settings else {
        panic!("refused")
    };
    assert_eq!(settings.to_string(), "s3://bucket/path");
    let DocrootSettings::S3(read) = settings else {
        panic!()
    };
    assert!(read.credentials.is_some());
    for bad in [
        "s3://AKID:SECRETPIECE/WITH/SLASH@s3.amazonaws.com/bucket",
        "s3://AKID:SECRETPIECE@x@s3.amazonaws.com/bucket",
        "s3://SECRETPIECE@s3.amazonaws.com/bucket",
        "s3://:SECRETPIECE@s3.amazonaws.com/bucket",
        "s3://AKID:@s3.amazonaws.com/bucket",
        "s3://AKID:SECRETPIECE%zz@s3.amazonaws.com/bucket",
        "s3://AKID:SECRETPIECE%0a@s3.amazonaws.com/bucket",
        "s3://AKID:SECRETPIECE:x@s3.amazonaws.com/bucket",
    ] {
        let error = refusal(bad);
        assert_eq!(error, SettingsError::Credentials, "{bad}");
        assert!(
            !error.to_string().contains("SECRETPIECE")
                && !format!("{error:?}").contains("SECRETPIECE")
        );
    }
}

#[test]
fn what_is_wrong_is_refused_with_its_own_reason() {
    let metadata = [
        "s3://169.254.169.254/bucket",
        "s3://169.254.170.2:80/bucket?allow-http=true",
        "s3://[fd00:ec2::254]/bucket",
        "s3://[fe80::1]/bucket",
        "s3://[::ffff:169.254.169.254]/bucket",
        "s3://100.100.100.200/bucket",
        "s3://metadata.google.internal/bucket",
    ];
    for url in metadata {
        assert_eq!(refusal(url), SettingsError::MetadataAddress, "{url}");
    }
    let key = "server-side-encryption=AWS_KMS&server-side-encryption-aws-kms-key-id";
    fn value(key: &'static str) -> impl Fn(&SettingsError) -> bool {
        move |error| matches!(error, SettingsError::Value { key: k, .. } if k == key)
    }
    assert!(value("server-side-encryption")(&refusal(
        "s3://bucket?server-side-encryption=aws_kms"
    )));
    assert!(value("server-side-encryption")(&refusal(
        "s3://bucket?server-side-encryption="
    )));
    assert!(value("bucket-key")(&refusal(
        "s3://bucket?server-side-encryption=AWS_KMS&bucket-key=yes"
    )));
    assert!(value("storage-class")(&refusal(
        "s3://bucket?storage-class=standard"
    )));
    assert!(value("region")(&refusal("s3://bucket?region=eu%0d%0a")));
    for (url, expected) in [
        ("S3://bucket", SettingsError::Capitals),
        ("s3:/bucket", SettingsError::Scheme),
        ("azu://bucket", SettingsError::Scheme),
        ("bucket", SettingsError::Scheme),
        ("", SettingsError::Scheme),
        ("s3://", SettingsError::Bucket),
        ("s3://ab", SettingsError::Bucket),
        ("s3://my.bucket", SettingsError::Bucket),
        ("s3://s3.amazonaws.com/", SettingsError::Bucket),
        ("s3://bucket%20name", SettingsError::Bucket),
        ("s3://bucket//path", SettingsError::Path),
        ("s3://bucket/../path", SettingsError::Path),
        ("s3://bucket/a%2F..%2Fb", SettingsError::Path),
        ("s3://bucket/a%00b", SettingsError::Path),
        ("s3://bucket/a%zz", SettingsError::Encoding),
        ("s3://bucket/a%f", SettingsError::Encoding),
        ("s3://bucket/a%ff", SettingsError::Encoding),
        ("s3://bucket/a b", SettingsError::Characters),
        ("s3://bucket#x", SettingsError::Characters),
        ("s3://host:0/bucket", SettingsError::Host),
        ("s3://host:66000/bucket", SettingsError::Host),
        ("s3://host:+1/bucket", SettingsError::Host),
        ("s3://[::1/bucket", SettingsError::Host),
        ("s3://127.1/bucket", SettingsError::Host),
        ("s3://0x7f.0x1/bucket", SettingsError::Host),
        ("s3://2852039166:80/bucket", SettingsError::Host),
        ("s3://-bad.example/bucket", SettingsError::Host),
        (
            "s3://bucket?server-side-encryption=AES256&server-side-encryption=AES256",
            SettingsError::Twice("server-side-encryption".into()),
        ),
        (
            "s3://bucket?region=a&region=a",
            SettingsError::Twice("region".into()),
        ),
        (
            "s3://bucket?server-side-encryption-aws-kms-key-id=x",
            SettingsError::KeyWithoutKms,
        ),
        (
            "s3://bucket?server-side-encryption=AES256&server-side-encryption-aws-kms-key-id=x",
            SettingsError::KeyWithoutKms,
        ),
        (
            "s3://bucket?server-side-encryption=NONE&bucket-key=true",
            SettingsError::BucketKeyWithoutKms,
        ),
        (
            "s3://bucket?server-side-encryption=AWS_KMS_DSSE&bucket-key=true",
            SettingsError::BucketKeyWithDsse,
        ),
    ] {
        assert_eq!(refusal(url), expected, "{url}");
    }
    for unknown in [
        "server-side-encription=AWS_KMS",
        "Server-Side-Encryption=AWS_KMS",
        "server_side_encryption=AWS_KMS",
        "amp;server-side-encryption=AWS_KMS",
        "=AWS_KMS",
        "&",
        "region=a&",
    ] {
        assert!(
            matches!(
                refusal(&format!("s3://bucket?{unknown}")),
                SettingsError::UnknownKey(_)
            ),
            "{unknown}"
        );
    }
    for bad in [
        "",
        "%0d%0aX-Evil:1",
        "a%00",
        "a%20b",
        "a%22b",
        "arn:aws:s3:::bucket",
        "arn:aws:kms:::key/",
        "a%C3%A9",
    ] {
        let error = refusal(&format!("s3://bucket?{key}={bad}"));
        assert!(matches!(error, SettingsError::KmsKey(_)), "{bad}");
        assert!(!error.to_string().contains(['\r', '\n']));
    }
    assert_eq!(
        refusal(&format!("s3://bucket/{}", "x".repeat(5000))),
        SettingsError::TooLong
    );
}

#[test]
fn keys_in_every_form() {
    for key in [
        ARN,
        "arn:aws:kms:eu-central-1:111122223333:alias/sealift",
        "9120a367-8204-4752-8b0f-1ca9d90f8ec3",
        "mrk-0123456789abcdef",
        "alias/sealift",
        "testkey-1",
    ] {
        let url = format!(
            "s3://bucket?server-side-encryption=AWS_KMS&server-side-encryption-aws-kms-key-id={key}"
        );
        assert_eq!(s3(&url).encryption, kms(Some(key)));
    }
    let url = format!(
        "s3://bucket?server-side-encryption=AWS_KMS_DSSE&server-side-encryption-aws-kms-key-id={ARN}"
    );
    assert!(matches!(
        s3(&url).encryption,
        Encryption::KmsDsse { key: Some(_) }
    ));
    let url = "s3://bucket?server-side-encryption=AWS_KMS&bucket-key=true";
    assert!(matches!(
        s3(url).encryption,
        Encryption::Kms {
            key: None,
            bucket_key: true
        }
    ));
}

#[test]
fn folders() {
    let folder = |text: &str| match DocrootUrl::parse(text, &SystemDefaults::default()) {
        Ok(DocrootSettings::Folder(path)) => Some(path),
        _ => None,
    };
    assert_eq!(
        folder("file:///srv/sea%20lift").unwrap().to_str(),
        Some("/srv/sea lift")
    );
    assert_eq!(folder("/srv/a b").unwrap().to_str(), Some("/srv/a b"));
    for bad in [
        "file://srv",
        "file:///srv/../etc",
        "file:///srv/./x",
        "file:///srv?x=1",
        "srv",
        "File:///srv",
        "/srv/..",
        "file:///a%00",
    ] {
        assert!(folder(bad).is_none(), "{bad}");
    }
}

/// System-wide and per docroot: no value, NONE, AES256, AWS_KMS and AWS_KMS_DSSE, each with and without a key.
#[test]
fn the_docroot_wins_over_the_system_in_every_cell() {
    const KINDS: [Option<&str>; 5] = [
        None,
        Some("NONE"),
        Some("AES256"),
        Some("AWS_KMS"),
        Some("AWS_KMS_DSSE"),
    ];
    let is_kms = |kind: Option<&str>| matches!(kind, Some("AWS_KMS" | "AWS_KMS_DSSE"));
    let mut cells = 0;
    for system_kind in KINDS {
        for system_key in [None, Some("system-key")] {
            let mut pairs = Vec::new();
            pairs.extend(system_kind.map(|kind| ("server-side-encryption", kind)));
            pairs.extend(system_key.map(|key| ("server-side-encryption-aws-kms-key-id", key)));
            let defaults = SystemDefaults::from_pairs(pairs);
            let Ok(defaults) = defaults else {
                assert_eq!(defaults, Err(SettingsError::KeyWithoutKms));
                assert!(system_key.is_some() && !is_kms(system_kind));
                continue;
            };
            assert!(system_key.is_none() || is_kms(system_kind));
            for own_kind in KINDS {
                for own_key in [None, Some("own-key")] {
                    cells += 1;
                    let mut query = Vec::new();
                    query.extend(own_kind.map(|kind| format!("server-side-encryption={kind}")));
                    query.extend(
                        own_key.map(|key| format!("server-side-encryption-aws-kms-key-id={key}")),
                    );
                    let url = format!("s3://bucket?{}", query.join("&"));
                    let url = url.trim_end_matches('?');
                    let kind = own_kind.or(system_kind);
                    let read = match DocrootUrl::parse(url, &defaults) {
                        Ok(DocrootSettings::S3(read)) => read.encryption,
                        Err(DocrootError::Settings(SettingsError::KeyWithoutKms)) => {
                            assert!(own_key.is_some() && !is_kms(kind), "{url}");
                            continue;
                        }
                        _ => panic!("{url}"),
                    };
                    assert!(own_key.is_none() || is_kms(kind), "{url}");
                    assert_eq!(read.as_str(), kind.unwrap_or("NONE"), "{url}");
                    let key = if is_kms(kind) {
                        own_key.or(system_key)
                    } else {
                        None
                    };
                    assert_eq!(
                        read.key().map(|key| key.as_str()),
                        key,
                        "{url} under {system_kind:?}"
                    );
                }
            }
        }
    }
    assert_eq!(cells, 7 * 10);
}

#[test]
fn bucket_key_and_storage_class_are_inherited_too() {
    let defaults = SystemDefaults::from_pairs([
        ("server-side-encryption", "AWS_KMS"),
        ("bucket-key", "true"),
        ("storage-class", "INFREQUENT_ACCESS"),
    ])
    .unwrap();
    let read = |url: &str| match DocrootUrl::parse(url, &defaults) {
        Ok(DocrootSettings::S3(read)) => *read,
        _ => panic!("{url}"),
    };
    assert!(matches!(
        read("s3://bucket").encryption,
        Encryption::Kms {
            bucket_key: true,
            ..
        }
    ));
    assert!(matches!(
        read("s3://bucket?bucket-key=false").encryption,
        Encryption::Kms {
            bucket_key: false,
            ..
        }
    ));
    assert_eq!(
        read("s3://bucket?server-side-encryption=AES256").encryption,
        Encryption::Aes256
    );
    assert_eq!(
        read("s3://bucket").storage_class,
        Some(StorageClass::StandardIa)
    );
    assert_eq!(
        read("s3://bucket?storage-class=STANDARD").storage_class,
        Some(StorageClass::Standard)
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*", query in "[a-z0-9%&=:/@.-]{0,60}") {
        let _ = DocrootUrl::parse(&text, &SystemDefaults::default());
        let _ = DocrootUrl::parse(&format!("s3://{query}"), &SystemDefaults::default());
        let _ = DocrootUrl::parse(&format!("s3://bucket?{query}"), &SystemDefaults::default());
    }

    #[test]
    fn a_secret_survives_its_encoding_and_stays_out_of_every_text(
        secret in "[!-~]{12,40}", path in "[a-zA-Z0-9 é~!$'()+,;=@-]{0,20}",
    ) {
        prop_assume!(!secret.contains("bucket"));
        let encode = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
        let url = format!("s3://ID:{}@s3.amazonaws.com/bucket%2F{}", encode(&secret), encode(&path));
        let Ok(settings) = DocrootUrl::parse(&url, &SystemDefaults::default()) else {
            return Err(TestCaseError::fail("refused"));
        };
        prop_assert!(!settings.to_string().contains(&secret));
        let DocrootSettings::S3(read) = settings else { return Err(TestCaseError::fail("folder")) };
        prop_assert_eq!(&read.path, &path);
        let wrong = DocrootUrl::parse(&format!("{url}?oops=1"), &SystemDefaults::default());
        let text = wrong.err().map(|error| format!("{error}{error:?}")).unwrap_or_default();
        prop_assert!(!text.contains(&secret));
    }

    #[test]
    fn a_key_reads_the_same_raw_and_encoded(key in "[A-Za-z0-9/_.:-]{1,80}") {
        prop_assume!(!key.starts_with("arn:"));
        let query = "s3://bucket?server-side-encryption=AWS_KMS&server-side-encryption-aws-kms-key-id=";
        let encoded: String = key.bytes().map(|b| format!("%{b:02x}")).collect();
        prop_assert_eq!(s3(&format!("{query}{key}")).encryption, s3(&format!("{query}{encoded}")).encryption);
    }
}

#[test]
fn docroots_that_lie_in_one_another_are_seen() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(dir.path(), dir.path().join("same")).unwrap();
    let folder = |path: &str| format!("file://{}{path}", dir.path().display());
    let settings = |url: &str| {
        DocrootUrl::parse(url, &SystemDefaults::default())
            .unwrap_or_else(|error| panic!("{url}: {error}"))
    };
    for (one, two, overlap) in [
        ("s3://bucket/a", "s3://bucket/a", true),
        ("s3://bucket", "s3://bucket/a", true),
        (
            "s3://bucket/a",
            "s3://s3.amazonaws.com/bucket/a/b?region=eu-west-1",
            true,
        ),
        ("s3://bucket/a", "s3://bucket/ab", false),
        ("s3://bucket/a", "s3://other/a", false),
        ("s3://bucket/a", "s3://127.0.0.1:9000/bucket/a", false),
        (
            "s3://127.0.0.1:9000/bucket/a",
            "s3://127.0.0.1:9000/bucket?storage-class=STANDARD",
            true,
        ),
        (&folder("/a"), &folder("/a/b"), true),
        (&folder("/a"), &folder("/ab"), false),
        (&folder("/a/b"), &folder("/same/a"), true),
        (&folder("/a"), "s3://bucket/a", false),
    ] {
        let (first, second) = (settings(one), settings(two));
        assert_eq!(first.overlaps(&second), overlap, "{one} {two}");
        assert_eq!(second.overlaps(&first), overlap, "{two} {one}");
    }
}
