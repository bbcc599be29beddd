//! Whatever is wrong with a configuration is said in one line, with file, line and what to write instead.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test stops at the first surprise

mod support;

use sealift_config::{Origin, ProtectionMode, Sources};
use support::Folder;

/// Texts of a file, each with exactly what is said of it.
const WRONG: &[(&str, &str)] = &[
    (
        "protektion = \"required\"\n",
        "sealift.toml:1: sealift.toml has no key `protektion`; did you mean `protection`?",
    ),
    (
        "# ours\n\ncontent_protection_required = true\n",
        "sealift.toml:3: sealift.toml has no key `content_protection_required`; write `protection = \"required\"`",
    ),
    (
        "[user.xfer]\ndocroot = \"default\"\n",
        "sealift.toml:1: sealift.toml has no key `user`; did you mean `users`?",
    ),
    (
        "[users.xfer]\ndocrot = \"default\"\n",
        "sealift.toml:2: users.xfer has no key `docrot`; did you mean `docroot`?",
    ),
    (
        "protection = \"always\"\n",
        "sealift.toml:1: `protection` must be one of: off, optional, required",
    ),
    (
        "protection = true\n",
        "sealift.toml:1: `protection` must be one of \"off\", \"optional\", \"required\"",
    ),
    (
        "open_uploads = \"true\"\n",
        "sealift.toml:1: `open_uploads` must be true or false, without quotes",
    ),
    (
        "lanes_max = 0\n",
        "sealift.toml:1: `lanes_max` must be a whole number from 1 to 4294967295",
    ),
    (
        "lifetime_max = 7\n",
        "sealift.toml:1: `lifetime_max` must be a time in quotes, such as \"15m\"",
    ),
    (
        "lifetime_max = \"0s\"\n",
        "sealift.toml:1: `lifetime_max` must be at least 1s",
    ),
    (
        "package_bytes_max = -1\n",
        "sealift.toml:1: `package_bytes_max` must be bytes, such as 1000000, 10GB or 4TiB",
    ),
    (
        "client_version_min = \"2.2\"\n",
        "sealift.toml:1: `client_version_min` must be a version of three numbers, such as 1.4.0",
    ),
    (
        "client_version_min = \"2.2.0\"\nclient_version_warn_below = \"2.1.9\"\n",
        "sealift.toml:2: `client_version_warn_below` 2.1.9 warns nobody, since `client_version_min` 2.2.0 refuses \
         those clients: write 2.2.0 or more",
    ),
    (
        "[users.xfer]\ndocroot = [\"one\", \"two\"]\n",
        "sealift.toml:2: a user has exactly one docroot: `docroot` must be a text in quotes",
    ),
    (
        "[users.xfer]\ndocroot = \"default\"\ndocroot = \"default\"\n",
        "sealift.toml:3: duplicate key",
    ),
    (
        "[users.xfer]\nquota_bytes = \"1TiB\"\n",
        "sealift.toml:2: [users.xfer] needs exactly one docroot: write `docroot = \"NAME\"`",
    ),
    (
        "[docroots.archive]\nurl = \"file:///srv/a\"\n[users.xfer]\ndocroot = \"archiv\"\n",
        "sealift.toml:4: there is no docroot `archiv`; did you mean `archive`?",
    ),
    (
        "[docroots.a]\nurl = \"file:///srv/a\"\n[docroots.b]\nurl = \"file:///srv/a\"\n",
        "sealift.toml:4: docroots `a` and `b` are one place: give each its own",
    ),
    (
        "[docroots.a]\nurl = \"s3://my_bucket/one\"\n[docroots.b]\nurl = \"s3://my_bucket/one-two\"\n\
         [docroots.c]\nurl = \"s3://my_bucket/one/two\"\n",
        "sealift.toml:6: the docroot `c` lies in the docroot `a`: give each a place of its own, side by side",
    ),
    (
        "data = \"/srv/data\"\n[docroots.a]\nurl = \"file:///srv\"\n",
        "sealift.toml:3: the docroot `default` lies in the docroot `a`: give each a place of its own, side by side",
    ),
    (
        "[docroots.a]\nprotection = \"required\"\n",
        "sealift.toml:2: [docroots.a] needs `url`, such as \"file:///srv/sealift\" or \
         \"s3://s3.amazonaws.com/bucket/path\"",
    ),
    (
        "[docroots.a]\nurl = \"file:///srv/a\"\nprotection = \"required\"\n",
        "sealift.toml:3: `protection` required of [docroots.a] contradicts optional, which stands above it, while \
         protection_may_differ is \"no\": remove it, or allow it there",
    ),
    (
        "protection = \"required\"\nprotection_may_differ = \"stricter\"\n[docroots.a]\nurl = \"file:///srv/a\"\n\
         protection = \"optional\"\n",
        "sealift.toml:5: `protection` optional of [docroots.a] contradicts required, which stands above it, while \
         protection_may_differ is \"stricter\": remove it, or allow it there",
    ),
    (
        "protection_may_differ = \"stricter\"\n[docroots.a]\nurl = \"file:///srv/a\"\nprotection = \"required\"\n\
         [users.x]\ndocroot = \"a\"\nprotection = \"optional\"\n",
        "sealift.toml:7: `protection` optional of [users.x] contradicts required, which stands above it, while \
         protection_may_differ is \"stricter\": remove it, or allow it there",
    ),
    (
        "[users.\"Big Boss\"]\ndocroot = \"default\"\n",
        "sealift.toml:1: the name `Big Boss` must be 1 to 64 of a-z, 0-9, `-`, `_`, `.`, beginning with a letter or \
         digit, without `__`",
    ),
    (
        "[users]\nxfer = \"default\"\n",
        "sealift.toml:2: `xfer` is an entry: write [users.xfer]",
    ),
    ("[users.xfer]\n", "sealift.toml:1: [users.xfer] is empty"),
    (
        "listen = \"0.0.0.0:443\"\npublic_url = \"https://send.example.org\"\n",
        "sealift.toml:1: 0.0.0.0:443 can be reached from other machines, where passwords need TLS: set tls_cert and \
         tls_key (--tls-cert, --tls-key), or tls_at_proxy if a proxy in front ends TLS, or listen on 127.0.0.1",
    ),
    (
        "listen = \"0.0.0.0:443\"\ntls_at_proxy = true\n",
        "sealift.toml:1: listening beyond this machine needs public_url (--public-url), such as \
         https://send.example.org",
    ),
    (
        "public_url = \"send.example.org/\"\n",
        "sealift.toml:1: public_url (--public-url) must look like https://send.example.org, without a path",
    ),
    (
        "tls_cert = \"/a\"\n",
        "sealift.toml:1: `tls_cert` needs `tls_key` beside it",
    ),
    (
        "lane_memory_bytes = \"1MiB\"\n",
        "sealift.toml:1: `lane_memory_bytes` (--lane-memory-bytes) must be at least 16MiB",
    ),
    (
        "webtransport = false\nwebtransport_public_port = 4433\n",
        "sealift.toml:2: `webtransport_public_port` is of no use with `webtransport = false`: remove it",
    ),
    (
        "metrics_listen = \"0.0.0.0:9100\"\n",
        "sealift.toml:1: metrics are for this machine: 0.0.0.0:9100 can be reached from others; write \
         127.0.0.1:9100, or set metrics_token and read /metrics of the main address",
    ),
    (
        "[trunks.office]\ncapacity_kbps = 99\n",
        "sealift.toml:2: `capacity_kbps` must be at least 100: at less, connections die of waiting",
    ),
    (
        "hosts = \"one.example\"\n",
        "sealift.toml:1: `hosts` must be a list of texts, such as [\"one\", \"two\"]",
    ),
    (
        "storage_class = \"STANDARD\"\ns3_properties = \"/etc/s3.properties\"\n",
        "sealift.toml:1: `storage_class` and `s3_properties` say the same thing twice: remove one",
    ),
    (
        "[docroots.a]\nurl = \"file:///srv/a\"\nurl_file = \"/srv/b\"\n",
        "sealift.toml:3: /srv/b cannot be read: No such file or directory (os error 2)",
    ),
    (
        "[users.x]\ndocroot = \"default\"\ntrunk = \"offise\"\n[trunks.office]\nid = 256\n",
        "sealift.toml:5: `id` must be from 1 to 255\nsealift.toml:3: there is no trunk `offise`; did you mean `office`?",
    ),
];

#[test]
fn each_mistake_is_one_line_with_its_place_and_what_to_write() {
    let folder = Folder::new();
    for (text, expected) in WRONG {
        let Err(said) = folder.load(text) else {
            panic!("this was taken:\n{text}");
        };
        assert_eq!(said, *expected, "\n{text}");
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let folder = Folder::new();
    let said = folder.load("lanes_mx = 1\nprotection = 1\n[users.x]\ndocrot = \"a\"\n");
    assert_eq!(said.err().unwrap().lines().count(), 3);
}

#[test]
fn docroot_urls_are_checked_with_the_configuration() {
    let folder = Folder::new();
    for url in [
        "s3://s3.amazonaws.com/bucket/path?server-side-encription=AWS_KMS",
        "S3://bucket/path",
        "s3://s3.amazonaws.com/bucket/path?server-side-encryption-aws-kms-key-id=alias/x",
        "ftp://host/path",
        "relative/path",
    ] {
        let said = folder.load(&format!("# one\n[docroots.a]\nurl = \"{url}\"\n"));
        let said = said.err().unwrap_or_else(|| panic!("{url} was taken"));
        assert!(said.starts_with("sealift.toml:3: "), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn no_error_shows_a_secret() {
    let folder = Folder::new();
    for url in [
        "s3://AKIAEXAMPLE:hunter2secret@s3.amazonaws.com/bucket?server-side-encription=AWS_KMS",
        "s3://AKIAEXAMPLE:hunter2secret",
        "AKIAEXAMPLE:hunter2secret",
        "s3://AKIAEXAMPLE:hunter2/secret@host/bucket",
    ] {
        let said = folder.load(&format!("[docroots.a]\nurl = \"{url}\"\n"));
        let said = said.err().unwrap_or_else(|| panic!("{url} was taken"));
        assert!(!said.contains("hunter2"), "{said}");
    }
    let good =
        "[docroots.a]\nurl = \"s3://AKIAEXAMPLE:hunter2secret@s3.amazonaws.com/bucket/path\"\n";
    let loaded = folder.load(good).unwrap();
    for shown in [loaded.to_text(), loaded.to_json().to_string()] {
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(
            shown.contains("s3://(secret)@s3.amazonaws.com/bucket/path"),
            "{shown}"
        );
    }
    // However much a token looks like a place.
    for token in [
        "/hunter2hunter2hunter2hunter2",
        "a://hunter2hunter2hunter2hunter2",
    ] {
        let loaded = folder
            .load(&format!("metrics_token = \"{token}\"\n"))
            .unwrap();
        for shown in [loaded.to_text(), loaded.to_json().to_string()] {
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}

#[test]
fn a_file_that_is_no_configuration_is_refused_quickly() {
    let folder = Folder::new();
    // 1 GiB, of which nothing is read.
    let huge = folder.path("huge.toml");
    std::fs::File::create(&huge)
        .unwrap()
        .set_len(1 << 30)
        .unwrap();
    for (name, expected) in [
        (
            "huge.toml",
            "huge.toml is larger than 4 MiB; is it the right file?",
        ),
        (
            "missing.toml",
            "missing.toml cannot be read: No such file or directory (os error 2)",
        ),
    ] {
        let sources = Sources {
            file: Some(folder.path(name)),
            ..Sources::default()
        };
        assert_eq!(folder.of(&sources).err().unwrap(), expected);
    }
    std::fs::write(folder.path("sealift.toml"), [0xff, 0xfe]).unwrap();
    let sources = Sources {
        file: Some(folder.path("sealift.toml")),
        ..Sources::default()
    };
    assert!(
        folder
            .of(&sources)
            .err()
            .unwrap()
            .starts_with("sealift.toml is not UTF-8: `iconv")
    );
    let said = folder
        .load(&format!("a = {}", "[".repeat(100_000)))
        .err()
        .unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn variables_are_settings_misspelt_ones_are_errors_and_others_are_left_alone() {
    let folder = Folder::new();
    let with = |variables: &[(&str, &str)]| {
        let sources = Sources {
            file: Some(folder.write("sealift.toml", "protection = \"off\"\nlanes_max = 7\n")),
            environment: variables
                .iter()
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
                .collect(),
            ..Sources::default()
        };
        folder.of(&sources)
    };
    let secret = folder.write("url", "s3://ID:KEY@s3.amazonaws.com/bucket/path\n");
    let loaded = with(&[
        ("SEALIFT_PROTECTION", "required"),
        ("SEALIFT_HOSTS", "one.example, two.example"),
        ("SEALIFT_USERS__XFER__DOCROOT", "archive"),
        (
            "SEALIFT_DOCROOTS__ARCHIVE__URL_FILE",
            secret.to_str().unwrap(),
        ),
        ("SEALIFT_SERVICE_HOST", "10.0.0.1"),
        ("SEALIFT_PORT", "tcp://10.0.0.1:8080"),
        ("SEALIFT_GRANT", "abc"),
        ("SEALIFT_TESTS", "offline"),
        ("PATH", "/bin"),
    ])
    .unwrap();
    assert_eq!(loaded.config.settings.protection, ProtectionMode::Required);
    assert_eq!(loaded.config.settings.hosts, ["one.example", "two.example"]);
    assert_eq!(loaded.config.users["xfer"].docroot, "archive");
    let origin = Origin::Environment("SEALIFT_PROTECTION".to_owned());
    assert_eq!(loaded.origin("protection"), origin);
    assert_eq!(
        loaded.origin("lanes_max"),
        Origin::File(folder.path("sealift.toml"), 2)
    );
    for (name, text, expected) in [
        (
            "SEALIFT_PROTECTON",
            "off",
            "SEALIFT_PROTECTON: no setting has this name; did you mean `SEALIFT_PROTECTION`?",
        ),
        (
            "SEALIFT_LANES_MAX",
            "many",
            "SEALIFT_LANES_MAX: `lanes_max` must be a whole number from 1 to 4294967295",
        ),
        (
            "SEALIFT_USERS__XFER__DOCROT",
            "a",
            "SEALIFT_USERS__XFER__DOCROT: users.xfer has no key `docrot`; did you mean `docroot`?",
        ),
        (
            "SEALIFT_USER__XFER__DOCROOT",
            "a",
            "SEALIFT_USER__XFER__DOCROOT: there is no such table; write SEALIFT_DOCROOTS__NAME__KEY or \
             SEALIFT_USERS__NAME__KEY",
        ),
    ] {
        assert_eq!(with(&[(name, text)]).err().unwrap(), expected);
    }
}

#[test]
fn policy_is_resolved_from_server_docroot_and_user() {
    let folder = Folder::new();
    let text = "protection_may_differ = \"stricter\"\n[docroots.a]\nurl = \"file:///srv/a\"\n\
                strong_password_required = true\n[users.x]\ndocroot = \"a\"\nprotection = \"required\"\n\
                quota_bytes = 10\n[users.y]\ndocroot = \"default\"\n";
    let config = folder.load(text).unwrap().config;
    let x = config.policy_for(Some("x")).unwrap();
    assert_eq!(x.protection.mode, ProtectionMode::Required);
    assert!(x.protection.strong_password_required);
    assert_eq!((x.docroot.as_str(), x.quota_bytes), ("a", Some(10)));
    let nobody = config.policy_for(None).unwrap();
    assert_eq!(config.policy_for(Some("y")), Some(nobody.clone()));
    assert_eq!(nobody.protection.mode, ProtectionMode::Optional);
    assert_eq!(nobody.docroot, "default");
    assert_eq!(config.policy_for(Some("z")), None);
}

#[test]
fn secrets_that_everybody_can_read_are_said_but_hinder_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let mode = |name: &str, mode: u32| {
        std::fs::set_permissions(folder.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    folder.write("secret.url", "s3://A:hunter2@s3.amazonaws.com/bucket/b\n");
    let text = format!(
        "metrics_token = \"hunter2\"\n[docroots.a]\nurl = \"s3://A:hunter2@s3.amazonaws.com/bucket/a\"\n\
         [docroots.b]\nurl_file = \"{}\"\n[docroots.c]\nurl = \"s3://s3.amazonaws.com/bucket/c\"\n",
        folder.path("secret.url").display()
    );
    let warnings = |toml: u32, url: u32| {
        folder.write("sealift.toml", &text);
        mode("sealift.toml", toml);
        mode("secret.url", url);
        let loaded = folder.load(&text).unwrap();
        let said = loaded.warnings().into_iter();
        said.map(|warning| folder.short(&warning.to_string()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        warnings(0o644, 0o604),
        [
            "sealift.toml:1: `metrics_token` holds a secret, and every user of this machine can read sealift.toml \
             (mode 644): write it to a file of its own with mode 600 and name that as `metrics_token_file`, or \
             `chmod o-r sealift.toml`",
            "sealift.toml:3: `url` holds a secret, and every user of this machine can read sealift.toml (mode 644): \
             write it to a file of its own with mode 600 and name that as `url_file`, or `chmod o-r sealift.toml`",
            "sealift.toml:5: every user of this machine can read the secret in secret.url (mode 604): `chmod 600 \
             secret.url`",
        ]
    );
    assert!(warnings(0o640, 0o600).is_empty());
}
