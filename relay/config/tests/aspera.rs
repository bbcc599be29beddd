//! The way over from Aspera: imports and `asconfigurator` commands, good and bad.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test stops at the first surprise

mod support;

use std::os::unix::fs::PermissionsExt as _;

use sealift_config::aspera::{Command, ImportSources, import};
use sealift_config::{Config, ProtectionMode, Sources};
use support::Folder;

fn config(folder: &Folder) -> Config {
    let sources = Sources {
        file: Some(folder.path("sealift.toml")),
        ..Sources::default()
    };
    folder
        .of(&sources)
        .unwrap_or_else(|said| panic!("{said}"))
        .config
}

/// Imports a text; the report, or what is wrong.
fn imported(folder: &Folder, text: &str) -> Result<String, String> {
    let sources = ImportSources {
        aspera_conf: folder.write("aspera.conf", text),
        s3_properties: None,
    };
    import(&sources, &folder.path("sealift.toml"))
        .map(|report| folder.short(&report.to_string()))
        .map_err(|errors| folder.short(&errors.to_string()))
}

fn applied(folder: &Folder, command: &str) -> Result<String, String> {
    let done = Command::parse(command)?.apply(&folder.path("sealift.toml"));
    done.map(|lines| folder.short(&lines.join("\n")))
        .map_err(|said| folder.short(&said))
}

/// The block that administrators were told to edit by hand, as they were shown it.
const ENCRYPTION: &str = "\
<transfer>
 <encryption>
    <content_protection_strong_pass_required>  <!--Strong Password Required for Content Protection-->
       true
    </content_protection_strong_pass_required>
    <content_protection_required>              <!--Content Protection Required-->
       true
    </content_protection_required>
 </encryption>
</transfer>
";

#[test]
fn the_encryption_block_gives_required_and_strong() {
    for text in [
        ENCRYPTION.to_owned(),
        format!(
            "<?xml version='1.0' encoding='UTF-8'?>\n<CONF version=\"2\"><default>{ENCRYPTION}</default></CONF>"
        ),
    ] {
        let folder = Folder::new();
        let report = imported(&folder, &text).unwrap();
        assert!(report.starts_with("taken (2):\n  aspera.conf:"), "{report}");
        let policy = config(&folder).policy_for(None).unwrap();
        assert_eq!(policy.protection.mode, ProtectionMode::Required);
        assert!(policy.protection.strong_password_required);
    }
}

const WHOLE: &str = r#"<?xml version='1.0' encoding='UTF-8'?>
<CONF version="2">
  <server><server_name>send.example.org</server_name><ssh_port>33001</ssh_port></server>
  <central_server><address>127.0.0.1</address></central_server>
  <http_server>
    <enable_https>true</enable_https><https_port>8443</https_port>
    <enable_http>false</enable_http>
    <cert_file>/opt/aspera/etc/cert.pem</cert_file><key_file>/opt/aspera/etc/key.pem</key_file>
    <restartable_transfers>true</restartable_transfers>
  </http_server>
  <trunks>
    <trunk><id>108</id><name>office</name><capacity><schedule format="ranges">50000</schedule></capacity><on>true</on></trunk>
    <trunk><id>109</id><capacity><schedule>start=08 end=19 days=mon,tue capacity=900000;1000000</schedule></capacity></trunk>
  </trunks>
  <default>
    <file_system>
      <access><paths><path><absolute>/srv/aspera</absolute><read_allowed>true</read_allowed></path></paths></access>
      <resume_suffix>.aspx</resume_suffix>
    </file_system>
    <transfer>
      <encryption>
        <content_protection_required>false</content_protection_required>
        <content_protection_secret>hunter2secret</content_protection_secret>
        <allowed_cipher>aes-128</allowed_cipher>
      </encryption>
      <in><bandwidth><flow><target_rate><cap>100000</cap></target_rate></flow></bandwidth></in>
    </transfer>
  </default>
  <aaa><realms><realm>
    <users>
      <user><name>xfer</name>
        <file_system><access><paths><path>
          <absolute>s3://AKIAEXAMPLE:hunter2secret@s3.amazonaws.com/my_bucket/my_path?storage-class=REDUCED_REDUNDANCY&amp;server-side-encryption=AES256</absolute>
          <show_as>/</show_as><write_allowed>false</write_allowed>
        </path></paths></access></file_system>
        <transfer><encryption><content_protection_required>true</content_protection_required></encryption>
        <in><bandwidth><aggregate><trunk_id>108</trunk_id></aggregate></bandwidth></in></transfer>
      </user>
      <user><name>plain</name></user>
    </users>
    <groups><group><name>staff</name><precedence>0</precedence>
      <transfer><encryption><content_protection_required>true</content_protection_required></encryption></transfer>
    </group></groups>
  </realm></realms></aaa>
  <frobnicator><level>9</level></frobnicator>
</CONF>
"#;

#[test]
fn a_whole_configuration_is_imported_with_a_report() {
    let folder = Folder::new();
    let report = imported(&folder, WHOLE).unwrap();
    let config = config(&folder);
    assert_eq!(config.settings.listen.to_string(), "0.0.0.0:8443");
    let url = config.settings.public_url.as_deref();
    assert_eq!(url, Some("https://send.example.org:8443"));
    assert_eq!(
        config.docroot("default").unwrap().to_string(),
        "file:///srv/aspera"
    );
    let xfer = config.policy_for(Some("xfer")).unwrap();
    assert_eq!(xfer.protection.mode, ProtectionMode::Required);
    let place = config.docroot(&xfer.docroot).unwrap().to_string();
    assert!(place.contains("my_bucket/my_path"), "{place}");
    assert_eq!(config.users["xfer"].trunk.as_deref(), Some("office"));
    assert_eq!(config.trunks["office"].capacity_kbps, 50_000);
    // In the original a trunk is off unless it is turned on.
    assert!(config.trunks["office"].on && !config.trunks["trunk-109"].on);
    assert_eq!(config.users["plain"].docroot, "default");
    let plain = config.policy_for(Some("plain")).unwrap();
    assert_eq!(plain.protection.mode, ProtectionMode::Optional);
    // The secret is in a file of its own, readable by its owner alone, and nowhere else.
    let secret = folder.path("docroot-xfer-1.url");
    let mode = secret.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(folder.read("docroot-xfer-1.url").contains("hunter2secret"));
    assert!(!folder.read("sealift.toml").contains("hunter2secret"));
    assert!(!report.contains("hunter2secret"), "{report}");
    for line in [
        "aspera.conf:23: transfer_encryption_content_protection_secret = (secret) has none: a passphrase that the \
         server knows would let it open content; senders choose their own",
        "aspera.conf:24: transfer_encryption_allowed_cipher = aes-128 is not needed: content is always sealed",
        "aspera.conf:34: user xfer: file_system_access_paths_path_write_allowed = false has none: it can only be true",
        "aspera.conf:42: group staff: transfer_encryption_content_protection_required has none: there are no groups",
        "aspera.conf:13: trunk 109: capacity_schedule = start=08 end=19 days=mon,tue capacity=900000;1000000 has none",
        "<frobnicator> is not needed",
    ] {
        assert!(report.contains(line), "{line}\n{report}");
    }
}

#[test]
fn of_http_fallback_what_can_be_is_taken_and_what_is_missing_is_said() {
    let on = "<enable_https>true</enable_https><https_port>443</https_port>";
    let pair = "<cert_file>/etc/c.pem</cert_file><key_file>/etc/k.pem</key_file>";
    let name = "<server><server_name>send.example.org</server_name></server>";
    for (http, server, taken, said) in [
        (
            format!("{on}{pair}"),
            "",
            ["tls_cert", "tls_key"].as_slice(),
            "https_port = 443 has none: it needs server_name beside it, which aspera.conf does not say: write public_url \
             and listen = \"0.0.0.0:443\" into sealift.toml",
        ),
        (
            on.to_owned(),
            name,
            &["public_url"],
            "enable_https = true has none: it needs cert_file and key_file beside it, which aspera.conf does not say: \
             write tls_cert and tls_key and listen = \"0.0.0.0:443\" into sealift.toml",
        ),
        (
            format!("{on}<cert_file>/etc/c.pem</cert_file>"),
            name,
            &["public_url"],
            "cert_file = /etc/c.pem has none: it needs key_file beside it",
        ),
        (
            format!("{on}{pair}"),
            name,
            &["tls_cert", "tls_key", "public_url", "listen"],
            "https_port = 443 is now listen = \"0.0.0.0:443\"",
        ),
        (
            format!("<enable_https>false</enable_https>{pair}"),
            name,
            &["public_url"],
            "http_server_cert_file = /etc/c.pem is not needed: enable_https is not true",
        ),
    ] {
        let folder = Folder::new();
        let text = format!("<CONF>{server}<http_server>{http}</http_server></CONF>");
        let report = imported(&folder, &text).unwrap();
        assert!(report.contains(said), "{said}\n{report}");
        let _checked = config(&folder);
        let written = folder.read("sealift.toml");
        let keys: Vec<&str> = written
            .lines()
            .filter_map(|line| line.split(' ').next())
            .collect();
        assert_eq!(keys, taken, "{report}");
    }
    let path =
        "<CONF>\n<server><server_name>https://send.example.org/</server_name></server></CONF>";
    let said = imported(&Folder::new(), path).err().unwrap();
    assert_eq!(
        said,
        "aspera.conf:2: `server_name` must be a host name alone, such as send.example.org"
    );
    let folder = Folder::new();
    std::fs::write(folder.path("aspera.conf"), b"<CONF>\xe4</CONF>").unwrap();
    let sources = ImportSources {
        aspera_conf: folder.path("aspera.conf"),
        s3_properties: None,
    };
    let said = import(&sources, &folder.path("sealift.toml"))
        .err()
        .unwrap();
    assert!(
        folder
            .short(&said.to_string())
            .starts_with("aspera.conf is not UTF-8: `iconv"),
        "{said}"
    );
    let maybe = "<CONF>\n<http_server><enable_https>maybe</enable_https></http_server></CONF>";
    let said = imported(&Folder::new(), maybe).err().unwrap();
    assert_eq!(said, "aspera.conf:2: `enable_https` must be true or false");
}

#[test]
fn an_import_leaves_nothing_behind_when_something_is_wrong() {
    let user = |body: &str| {
        format!(
            "<CONF>\n<aaa><realms><realm><users>\n<user><name>xfer</name>\n{body}\n</user>\n</users></realm></realms></aaa></CONF>"
        )
    };
    let path = |url: &str| {
        format!(
            "<file_system><access><paths><path><absolute>{url}</absolute></path></paths></access></file_system>"
        )
    };
    let two = format!(
        "{}\n{}",
        path("s3://A:hunter2@s3.amazonaws.com/bucket/c"),
        path("/srv/b")
    );
    let laughs = "<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\">]>\n<CONF>&b;</CONF>";
    for (text, expected) in [
        (
            "<config/>".to_owned(),
            "aspera.conf:1: the root element must be <CONF>, as in aspera.conf, not <config>",
        ),
        (
            laughs.to_owned(),
            "aspera.conf:1: a DTD is not read: remove <!DOCTYPE …>, and write what its entities stand for",
        ),
        (
            "<CONF>\n<default>".to_owned(),
            "aspera.conf:1: this is not XML: ",
        ),
        ("".to_owned(), "aspera.conf:1: this is not XML: "),
        (
            user(&two),
            "aspera.conf:5: user xfer: a second docroot; the first is in line 4: a user has exactly one",
        ),
        (
            format!(
                "<CONF><default>{}</default>\n\n\n{}",
                path("/srv"),
                &user(&path("/srv/b"))["<CONF>".len()..]
            ),
            "aspera.conf:7: file:///srv/b and file:///srv, another user's or the default docroot, lie in one another",
        ),
        (
            user(&path("azu://account:hunter2@blob/container")),
            "aspera.conf:4: docroots on azu:// have no counterpart",
        ),
        (
            user(&path("S3://s3.amazonaws.com/bucket/c")),
            "aspera.conf:4: ",
        ),
        (
            user(&path(
                "s3://s3.amazonaws.com/bucket/c?server-side-encription=AWS_KMS",
            )),
            "aspera.conf:4: ",
        ),
        (
            user(
                "<transfer><encryption><content_protection_required>maybe</content_protection_required></encryption></transfer>",
            ),
            "aspera.conf:4: `transfer_encryption_content_protection_required` must be true or false",
        ),
        (
            user(
                "<transfer><in><bandwidth><aggregate><trunk_id>7</trunk_id></aggregate></bandwidth></in></transfer>",
            ),
            "aspera.conf:4: there is no <trunk> with the id 7",
        ),
        (
            user("</user><user><name>XFER</name>"),
            "aspera.conf:4: there are two users `xfer`: keep one",
        ),
        (
            user("</user><user>"),
            "aspera.conf:4: <user> needs a <name>",
        ),
    ] {
        let folder = Folder::new();
        let Err(said) = imported(&folder, &text) else {
            panic!("this was taken: {text}");
        };
        assert!(said.starts_with(expected), "{said}\n{text}");
        assert!(!said.contains("hunter2"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert_eq!(folder.names(), ["aspera.conf"], "{text}");
    }
}

#[test]
fn a_file_of_a_gigabyte_or_of_nothing_but_depth_is_refused() {
    let folder = Folder::new();
    let huge = folder.path("aspera.conf");
    std::fs::File::create(&huge)
        .unwrap()
        .set_len(1 << 30)
        .unwrap();
    let sources = ImportSources {
        aspera_conf: huge,
        s3_properties: None,
    };
    let said = import(&sources, &folder.path("sealift.toml"))
        .err()
        .unwrap();
    let said = folder.short(&said.to_string());
    assert_eq!(
        said,
        "aspera.conf is larger than 16 MiB; is it the right file?"
    );
    let many = format!("<CONF>{}</CONF>", "<a/>".repeat(1_100_000));
    let said = imported(&folder, &many).err().unwrap();
    assert!(said.contains("more than 1000000 elements"), "{said}");
    let deep = 100_000;
    let deep = format!(
        "<CONF><default>{}{}</default></CONF>",
        "<a>".repeat(deep),
        "</a>".repeat(deep)
    );
    let _either = imported(&folder, &deep);
}

#[test]
fn a_thousand_users_are_imported_each_with_a_docroot() {
    let folder = Folder::new();
    let user = |number: u32| {
        format!(
            "<user><name>u{number}</name><file_system><access><paths><path><absolute>/srv/u{number}</absolute>\
             </path></paths></access></file_system></user>\n"
        )
    };
    let users: String = (0..1_000).map(user).collect();
    let text =
        format!("<CONF><aaa><realms><realm><users>{users}</users></realm></realms></aaa></CONF>");
    imported(&folder, &text).unwrap();
    let config = config(&folder);
    assert_eq!((config.users.len(), config.docroots.len()), (1_000, 1_001));
    assert_eq!(
        config.docroot("u999").unwrap().to_string(),
        "file:///srv/u999"
    );
}

#[test]
fn what_is_there_is_not_overwritten() {
    let folder = Folder::new();
    folder.write("sealift.toml", "lanes_max = 7\n");
    let said = imported(&folder, ENCRYPTION).err().unwrap();
    assert!(said.starts_with("sealift.toml is there already"), "{said}");
    assert_eq!(folder.read("sealift.toml"), "lanes_max = 7\n");
}

#[test]
fn system_wide_encryption_comes_from_s3_properties() {
    let folder = Folder::new();
    let sources = ImportSources {
        aspera_conf: folder.write("aspera.conf", "<CONF/>"),
        s3_properties: Some(folder.write(
            "s3.properties",
            "server-side-encryption=AWS_KMS\nserver-side-encryption-aws-kms-key-id = alias/sealift\ns3service.https-only=false\n",
        )),
    };
    let report = import(&sources, &folder.path("sealift.toml")).unwrap();
    let report = folder.short(&report.to_string());
    assert!(
        report.contains("s3.properties:3: s3service.https-only is not needed"),
        "{report}"
    );
    let settings = config(&folder).settings;
    assert_eq!(settings.server_side_encryption.as_deref(), Some("AWS_KMS"));
    assert_eq!(
        settings.server_side_encryption_aws_kms_key_id.as_deref(),
        Some("alias/sealift")
    );
}

const COMMENTED: &str = "\
# Ours since 2024.
protection = \"optional\"  # until everybody knows

[docroots.default]
url = \"file:///srv/sealift\" # the big disk
";

#[test]
fn commands_edit_in_place_and_keep_every_comment() {
    let folder = Folder::new();
    folder.write("sealift.toml", COMMENTED);
    let kms = "s3://s3.amazonaws.com/my_bucket/my_path?server-side-encryption=AWS_KMS";
    let done = applied(
        &folder,
        &format!("set_user_data;user_name,xfer;absolute,{kms}"),
    )
    .unwrap();
    assert!(
        done.contains(&format!("docroots.xfer.url = \"{kms}\"")),
        "{done}"
    );
    applied(
        &folder,
        "set_node_data;transfer_encryption_content_protection_required,true",
    )
    .unwrap();
    applied(
        &folder,
        "set_node_data;transfer_encryption_content_protection_strong_pass_required,true",
    )
    .unwrap();
    let expected = format!(
        "# Ours since 2024.\nprotection = \"required\"  # until everybody knows\nstrong_password_required = true\n\n\
         [docroots.default]\nurl = \"file:///srv/sealift\" # the big disk\n\n\
         [docroots.xfer]\nurl = \"{kms}\"\n\n[users.xfer]\ndocroot = \"xfer\"\n"
    );
    assert_eq!(folder.read("sealift.toml"), expected);
    // Back to the default, and the user gone.
    applied(
        &folder,
        "set_node_data;transfer_encryption_content_protection_strong_pass_required,AS_NULL",
    )
    .unwrap();
    applied(&folder, "set_user_data;user_name,xfer;absolute,AS_NULL").unwrap();
    assert_eq!(config(&folder).users["xfer"].docroot, "default");
    applied(&folder, "delete_user;user_name,xfer").unwrap();
    assert!(config(&folder).users.is_empty());
    assert!(
        folder
            .read("sealift.toml")
            .starts_with("# Ours since 2024.\nprotection = \"required\"  # until")
    );
}

#[test]
fn credentials_move_to_a_file_of_their_own_and_none_is_ever_deleted() {
    let folder = Folder::new();
    let set = |secret: &str| {
        let url = format!("s3://AKIAEXAMPLE:{secret}@s3.amazonaws.com/bucket/path");
        applied(
            &folder,
            &format!("set_user_data;user_name,xfer;absolute,{url}"),
        )
        .unwrap()
    };
    let said = set("hunter2one");
    assert!(!said.contains("hunter2"), "{said}");
    let said = set("hunter2two");
    // A relay that runs may still need the former ones.
    let former =
        "docroot-xfer-1.url is not named any more; delete it when the relay runs without it";
    assert!(said.contains(former), "{said}");
    assert!(folder.read("docroot-xfer-1.url").contains("hunter2one"));
    assert!(folder.read("docroot-xfer-2.url").contains("hunter2two"));
    assert!(!folder.read("sealift.toml").contains("hunter2"));
    let mode = folder
        .path("docroot-xfer-2.url")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let shown = config(&folder).docroots["xfer"].url.expose().to_owned();
    assert!(shown.contains("hunter2two"));
}

#[test]
fn a_docroot_that_has_a_name_keeps_its_place() {
    let folder = Folder::new();
    let set = |user: &str, url: &str| {
        applied(
            &folder,
            &format!("set_user_data;user_name,{user};absolute,{url}"),
        )
    };
    let of = |user: &str| {
        let config = config(&folder);
        let docroot = config.users[user].docroot.clone();
        let place = config.docroot(&docroot).unwrap().to_string();
        (docroot, place)
    };
    // Alone or not: what lies in the former place is still found under its name.
    set("xfer", "s3://A:hunter2@s3.amazonaws.com/bucket/one").unwrap();
    set("xfer", "s3://s3.amazonaws.com/bucket/two").unwrap();
    assert_eq!(
        of("xfer"),
        ("xfer-2".to_owned(), "s3://bucket/two".to_owned())
    );
    let first = config(&folder).docroot("xfer").unwrap().to_string();
    assert_eq!(first, "s3://bucket/one");
    assert!(folder.read("docroot-xfer-1.url").contains("hunter2"));
    // Back again, and with another setting: the same name.
    set(
        "xfer",
        "s3://s3.amazonaws.com/bucket/one?server-side-encryption=AES256",
    )
    .unwrap();
    assert_eq!(of("xfer").0, "xfer");
    assert!(folder.read("docroot-xfer-1.url").contains("hunter2"));
    // However a path is written, it is one place.
    set("three", "/srv/a").unwrap();
    for (user, path) in [("four", "/srv/a/"), ("five", "file:////srv//a")] {
        set(user, path).unwrap();
        assert_eq!(of(user).0, "three", "{path}");
    }
    let said = set("six", "/srv/a/six").err().unwrap();
    assert!(
        said.contains("the docroot `six` lies in the docroot `three`"),
        "{said}"
    );
    // What others use is not changed by a command about one user.
    set(
        "second",
        "s3://s3.amazonaws.com/bucket/one?server-side-encryption=AES256",
    )
    .unwrap();
    assert_eq!(of("second").0, "xfer");
    let before = folder.read("sealift.toml");
    let said = set("second", "s3://s3.amazonaws.com/bucket/one")
        .err()
        .unwrap();
    assert_eq!(
        said,
        "`absolute` is [docroots.xfer] with another URL, and xfer use that docroot too: change its URL in sealift.toml \
         for all of them, or name another path for `second`"
    );
    assert_eq!(folder.read("sealift.toml"), before);
}

#[test]
fn the_default_docroot_keeps_its_settings_when_its_place_goes_back_to_the_default() {
    let folder = Folder::new();
    folder.write(
        "sealift.toml",
        "protection_may_differ = \"yes\"\n[docroots.default]\nurl = \"file:///srv/a\"\nprotection = \"required\"\n",
    );
    let said = applied(&folder, "set_node_data;absolute,AS_NULL").unwrap();
    assert!(said.contains("packages in the former place"), "{said}");
    let now = config(&folder);
    assert!(now.docroots["default"].url.expose().is_empty());
    assert_eq!(
        now.docroots["default"].protection,
        Some(ProtectionMode::Required)
    );
    applied(
        &folder,
        "set_node_data;absolute,s3://A:hunter2@s3.amazonaws.com/bucket/a",
    )
    .unwrap();
    let said = applied(&folder, "set_node_data;absolute,AS_NULL").unwrap();
    assert!(said.contains("docroot-default-1.url"), "{said}");
    assert!(!folder.read("sealift.toml").contains("url"));
    assert!(folder.read("docroot-default-1.url").contains("hunter2"));
}

#[test]
fn the_file_keeps_its_mode_and_a_symlink_stays_one() {
    let folder = Folder::new();
    let real = folder.write("real.toml", COMMENTED);
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink(&real, folder.path("sealift.toml")).unwrap();
    applied(
        &folder,
        "set_node_data;transfer_encryption_content_protection_required,true",
    )
    .unwrap();
    assert!(folder.path("sealift.toml").is_symlink());
    assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(folder.read("real.toml").contains("\"required\""));
}

#[test]
fn an_edit_by_root_leaves_the_file_and_its_secrets_to_their_owner() {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let folder = Folder::new();
    let file = folder.write("sealift.toml", COMMENTED);
    // As anybody else nothing can be given away, and the owner is oneself.
    let _root = chown(&file, Some(12_345), Some(12_346));
    let owner = |name: &str| {
        let found = folder.path(name).metadata().unwrap();
        (found.uid(), found.gid())
    };
    let before = owner("sealift.toml");
    applied(
        &folder,
        "set_user_data;user_name,xfer;absolute,s3://A:hunter2@s3.amazonaws.com/bucket/a",
    )
    .unwrap();
    assert_eq!(owner("sealift.toml"), before);
    assert_eq!(owner("docroot-xfer-1.url"), before);
}

#[test]
fn trunks_and_http_have_counterparts() {
    let folder = Folder::new();
    applied(
        &folder,
        "set_trunk_data;id,108;trunk_name,office;trunk_capacity,50000;trunk_on,true",
    )
    .unwrap();
    applied(&folder, "set_trunk_data;id,108;trunk_capacity,70000").unwrap();
    applied(
        &folder,
        "set_user_data;user_name,xfer;transfer_in_bandwidth_aggregate_trunk_id,108",
    )
    .unwrap();
    let now = config(&folder);
    assert_eq!(now.trunks["office"].capacity_kbps, 70_000);
    assert_eq!(now.users["xfer"].trunk.as_deref(), Some("office"));
    let said = applied(&folder, "delete_trunk;id,108").err().unwrap();
    assert!(said.contains("there is no trunk `office`"), "{said}");
    applied(
        &folder,
        "set_user_data;user_name,xfer;transfer_in_bandwidth_aggregate_trunk_id,AS_NULL",
    )
    .unwrap();
    applied(&folder, "delete_trunk;id,108").unwrap();
    let said = applied(&folder, "set_trunk_data;id,7;trunk_capacity,70000").unwrap();
    assert!(
        said.contains("it holds nothing back until trunk_on,true"),
        "{said}"
    );
    applied(&folder, "set_trunk_data;id,7;trunk_on,true").unwrap();
    applied(&folder, "set_trunk_data;id,7;trunk_capacity,80000").unwrap();
    assert!(config(&folder).trunks["trunk-7"].on);
    applied(&folder, "set_trunk_data;id,7;trunk_on,AS_NULL").unwrap();
    assert!(!config(&folder).trunks["trunk-7"].on);
    applied(
        &folder,
        "set_http_server_data;enable_https,true;https_port,8443;cert_file,/etc/c.pem;key_file,/etc/k.pem",
    )
    .unwrap();
    assert_eq!(
        config(&folder).settings.listen.to_string(),
        "127.0.0.1:8443"
    );
    applied(&folder, "set_server_data;server_name,send.example.org").unwrap();
    applied(&folder, "set_http_server_data;bind_address,0.0.0.0").unwrap();
    assert_eq!(config(&folder).settings.listen.to_string(), "0.0.0.0:8443");
}

#[test]
fn a_command_that_is_wrong_changes_nothing_and_says_what_to_write() {
    let folder = Folder::new();
    folder.write("sealift.toml", COMMENTED);
    for (command, expected) in [
        (
            "set_usr_data;user_name,x;absolute,/a",
            "there is no command `set_usr_data`; did you mean `set_user_data`?",
        ),
        ("", "there is no command ``; known are set_user_data,"),
        (
            "frobnicate;a,b",
            "there is no command `frobnicate`; known are",
        ),
        (
            "set_group_data;group_name,g;absolute,/a",
            "set_group_data has no counterpart: there are no groups",
        ),
        (
            "set_user_data;absolute,/a",
            "the first parameter of set_user_data must be `user_name`: write \"set_user_data;user_name,NAME;…\"",
        ),
        (
            "set_user_data;absolute,/a;user_name,x",
            "the first parameter of set_user_data must be `user_name`",
        ),
        (
            "set_user_data",
            "the first parameter of set_user_data must be `user_name`",
        ),
        ("set_user_data;user_name,x", "set_user_data sets nothing"),
        (
            "set_user_data;user_name,;absolute,/a",
            "`user_name` of set_user_data must not be empty",
        ),
        (
            "set_user_data;user_name,x;absolute",
            "`absolute` has no value: write `NAME,VALUE`",
        ),
        (
            "set_user_data;user_name,x;absolute,/a;absolute,/b",
            "`absolute` is given twice: a user has exactly one docroot",
        ),
        (
            "set_user_data;user_name,x;absolut,/a",
            "set_user_data has no parameter `absolut`; did you mean `absolute`?",
        ),
        (
            "set_user_data;user_name,x;absolute,S3://b/c",
            "`absolute`: ",
        ),
        (
            "set_user_data;user_name,x;absolute,azu://a/b",
            "docroots on azu:// have no counterpart",
        ),
        (
            "set_user_data;user_name,x;absolute,s3://s3.amazonaws.com/bucket/c?server-side-encription=AWS_KMS",
            "`absolute`: ",
        ),
        (
            "set_user_data;user_name,x;write_allowed,false",
            "`write_allowed` can only be true here",
        ),
        (
            "set_user_data;user_name,x;transfer_encryption_content_protection_secret,hunter2",
            "`transfer_encryption_content_protection_secret` has no counterpart",
        ),
        (
            "set_user_data;user_name,x;transfer_encryption_content_protection_required,true",
            "sealift.toml:9: `protection` required of [users.x] contradicts optional",
        ),
        (
            "set_node_data;transfer_encryption_content_protection_required,maybe",
            "`transfer_encryption_content_protection_required` must be true or false",
        ),
        (
            "set_http_server_data;enable_https,true;https_port,8443",
            "enable_https needs `cert_file` and `key_file` in the same command",
        ),
        (
            "set_http_server_data;enable_http,true;http_port,0",
            "a port must be from 1 to 65535",
        ),
        (
            "set_http_server_data;bind_address,0.0.0.0",
            "sealift.toml:3: 0.0.0.0:8080 can be reached from other machines",
        ),
        (
            "set_trunk_data;id,256;trunk_capacity,1",
            "a trunk's number must be from 1 to 255",
        ),
        (
            "set_trunk_data;id,1;trunk_capacity,start=08 end=19",
            "`trunk_capacity` must be one rate of at least 100 kbit/s",
        ),
        (
            "set_trunk_data;id,1;trunk_capacity,99",
            "`trunk_capacity` must be one rate of at least 100 kbit/s",
        ),
        ("delete_user;user_name,nobody", "there is no user `nobody`"),
        (
            "delete_user;user_name,x;absolute,/a",
            "delete_user takes `user_name` and nothing else",
        ),
        ("set_node_data;absolute,/a\nrm -rf", "a command is one line"),
    ] {
        let Err(said) = applied(&folder, command) else {
            panic!("this was taken: {command}");
        };
        assert!(said.starts_with(expected), "{command}\n{said}");
        assert!(!said.contains("hunter2"), "{said}");
        assert_eq!(folder.read("sealift.toml"), COMMENTED, "{command}");
        assert_eq!(folder.names(), ["sealift.toml"], "{command}");
    }
}

#[test]
fn a_file_that_is_wrong_already_is_mended_first() {
    let folder = Folder::new();
    folder.write("sealift.toml", "protektion = \"off\"\n");
    let said = applied(
        &folder,
        "set_node_data;transfer_encryption_content_protection_required,true",
    );
    let said = said.err().unwrap();
    assert_eq!(
        said,
        "sealift.toml:1: sealift.toml has no key `protektion`; did you mean `protection`?\n\
         nothing was changed: mend this first"
    );
}
