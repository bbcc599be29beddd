//! A running relay takes a new configuration as a whole or not at all, and says which.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use sealift_tests::{Link, Relay, RelayOptions, Sealift, relay_binary, write_random};

use crate::support::folder;

/// A relay with a configuration file, and what is said to it.
struct Configured {
    relay: Relay,
    file: PathBuf,
    folder: tempfile::TempDir,
}

impl Configured {
    fn with(text: &str) -> Self {
        let folder = folder();
        let file = folder.path().join("sealift.toml");
        fs::write(&file, text).unwrap();
        let relay = Relay::with(RelayOptions {
            arguments: vec!["--config".to_owned(), file.display().to_string()],
            ..RelayOptions::default()
        });
        Self {
            relay,
            file,
            folder,
        }
    }

    /// Writes a new file and asks for a reload over the socket. What was said, and whether it went well.
    fn reload(&self, text: &str) -> (bool, String) {
        fs::write(&self.file, text).unwrap();
        let data = self.relay.data().display().to_string();
        run(&["reload", "--data", &data])
    }

    /// Whether a package without a password is refused.
    fn asks_for_a_password(&self) -> bool {
        let file = write_random(self.folder.path().join("a"), 1_000, 1);
        let outcome = Sealift::new("send")
            .args(["--to", &self.relay.url(), "--no-password"])
            .arg(&file)
            .run();
        match outcome.exit_code {
            0 => false,
            _ => {
                assert_eq!(outcome.error_code(), "password_required");
                true
            }
        }
    }
}

/// Runs the relay's program in an environment without settings.
fn run(arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(relay_binary());
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("SEALIFT_"))
        {
            command.env_remove(name);
        }
    }
    let output = command.args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

#[test]
fn a_new_policy_holds_at_once_and_what_needs_a_restart_is_said() {
    let relay = Configured::with("protection = \"optional\"\n");
    assert!(!relay.asks_for_a_password());
    let (fine, said) = relay.reload("protection = \"required\"\nlanes_max = 7\n");
    assert!(fine, "{said}");
    assert_eq!(said, "applied: protection\nneeds a restart: lanes_max\n");
    assert!(relay.asks_for_a_password());
}

#[test]
fn a_wrong_configuration_leaves_the_old_one_running_and_says_why() {
    let relay = Configured::with("protection = \"required\"\n");
    let missing = "[docroots.other]\nurl = \"file:///proc/nothing/here\"\n";
    for (text, expected) in [
        (
            "protektion = \"off\"\n",
            "sealift.toml:1: sealift.toml has no key `protektion`; did you mean",
        ),
        (
            "protection = \"off\"\n[users.x]\ndocroot = \"nowhere\"\n",
            "sealift.toml:3: there is no docroot `nowhere`",
        ),
        (
            "protection = \"off\"\n[users.x]\n",
            "sealift.toml:2: [users.x] is empty",
        ),
        (&format!("protection = \"off\"\n{missing}"), "other"),
    ] {
        let (fine, said) = relay.reload(text);
        assert!(!fine, "{text}");
        assert!(said.contains(expected), "{said}");
        assert!(
            said.contains("nothing was changed; the old configuration holds"),
            "{said}"
        );
        assert!(relay.asks_for_a_password(), "{text}");
    }
}

#[test]
fn a_hangup_reloads_too() {
    let relay = Configured::with("protection = \"optional\"\n");
    fs::write(&relay.file, "protection = \"required\"\n").unwrap();
    let pid = relay.relay.pid().to_string();
    assert!(
        Command::new("kill")
            .args(["-HUP", &pid])
            .status()
            .unwrap()
            .success()
    );
    let deadline = Instant::now() + Duration::from_secs(30);
    while !relay.asks_for_a_password() {
        assert!(Instant::now() < deadline, "the relay did not reload");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_socket_is_for_the_relays_user_alone() {
    let relay = Configured::with("");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&relay.relay.data().join("control.sock")), 0o600);
    assert_eq!(mode(&relay.relay.data()), 0o700);
    let nobody = folder();
    let (fine, said) = run(&["reload", "--data", &nobody.path().display().to_string()]);
    assert!(!fine && said.contains("no relay answers at"), "{said}");
}

#[test]
fn the_certificate_that_is_served_is_the_one_in_the_file() {
    let folder = folder();
    let (cert, key) = (
        folder.path().join("chain.pem"),
        folder.path().join("key.pem"),
    );
    let issue = || {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(&cert, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        made.cert.der().to_vec()
    };
    let first = issue();
    let text = format!(
        "tls_cert = \"{}\"\ntls_key = \"{}\"\n",
        cert.display(),
        key.display()
    );
    let relay = Configured::with(&text);
    let served = || {
        let address = relay.relay.address().to_string();
        let shown = Command::new("sh")
            .args([
                "-c",
                "openssl s_client -connect $0 </dev/null 2>/dev/null | openssl x509 -outform DER",
                &address,
            ])
            .output()
            .unwrap();
        shown.stdout
    };
    assert!(served() == first, "the certificate of the file is served");
    let second = issue();
    let (fine, said) = relay.reload(&text);
    assert!(
        fine && said.contains("certificates were read again"),
        "{said}"
    );
    assert!(served() == second, "the new one is served after a reload");
    fs::write(&cert, "not a certificate").unwrap();
    let (fine, said) = relay.reload(&text);
    assert!(!fine && said.contains("sealift.toml:1: "), "{said}");
    assert!(
        said.contains("chain.pem does not hold PEM certificates"),
        "{said}"
    );
    assert!(served() == second, "the old one is served on");
}

#[test]
fn a_relay_does_not_start_on_a_wrong_configuration() {
    let folder = folder();
    let file = folder.path().join("sealift.toml");
    fs::write(
        &file,
        "# ours\ntls_cert = \"/nowhere/chain.pem\"\ntls_key = \"/nowhere/key.pem\"\n",
    )
    .unwrap();
    let named = file.display().to_string();
    for command in [
        &["serve", "--config", &named][..],
        &["config", "check", "--config", &named][..],
    ] {
        let (fine, said) = run(command);
        assert!(
            !fine && said.contains("sealift.toml:2: /nowhere/chain.pem does not hold"),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_holds_is_shown_with_its_origin_and_without_secrets() {
    let folder = folder();
    let file = folder.path().join("sealift.toml");
    let url = "s3://AKIAEXAMPLE:hunter2secret@s3.amazonaws.com/my_bucket/my_path";
    fs::write(
        &file,
        format!("lanes_max = 7\n[docroots.a]\nurl = \"{url}\"\n"),
    )
    .unwrap();
    let named = file.display().to_string();
    let (fine, said) = run(&[
        "config",
        "show",
        "--json",
        "--config",
        &named,
        "--protection",
        "required",
    ]);
    assert!(fine && !said.contains("hunter2"), "{said}");
    let shown: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(shown["lanes_max"]["value"], 7);
    assert_eq!(shown["lanes_max"]["origin"], format!("{named}:1"));
    assert_eq!(shown["protection"]["value"], "required");
    assert_eq!(shown["protection"]["origin"], "--protection");
    assert_eq!(shown["drain"]["origin"], "default");
    assert_eq!(
        shown["docroots.a.url"]["value"],
        "s3://(secret)@s3.amazonaws.com/my_bucket/my_path"
    );
}

#[test]
fn credentials_that_everybody_can_read_are_said_by_check_and_at_the_start() {
    let folder = folder();
    let file = folder.path().join("sealift.toml");
    fs::write(&file, "metrics_token = \"hunter2secret\"\n").unwrap();
    let named = file.display().to_string();
    let check = |mode| {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        run(&["config", "check", "--config", &named])
    };
    let (fine, said) = check(0o644);
    let warning =
        "sealift.toml:1: `metrics_token` holds a secret, and every user of this machine can read";
    assert!(fine && said.contains(warning), "{said}");
    assert!(
        said.ends_with("sealift.toml: fine\n") && !said.contains("hunter2"),
        "{said}"
    );
    let relay = Relay::with(RelayOptions {
        arguments: vec!["--config".to_owned(), named.clone()],
        ..RelayOptions::default()
    });
    let log = relay.log();
    assert!(log.contains(warning) && !log.contains("hunter2"), "{log}");
    let (fine, said) = check(0o640);
    assert!(fine && !said.contains("warning"), "{said}");
}

#[test]
fn every_way_in_is_listed() {
    let (fine, said) = run(&["routes"]);
    assert!(fine, "{said}");
    for row in [
        "websocket",
        "webtransport",
        "/api/packages/{package}/keyring",
    ] {
        assert!(said.contains(row), "{row}\n{said}");
    }
}

#[test]
fn an_upload_that_a_new_policy_forbids_ends_with_the_policys_reason_also_when_it_was_away() {
    for away in [false, true] {
        let relay = Configured::with("protection = \"optional\"\n");
        let file = write_random(relay.folder.path().join("a"), 30_000_000, 1);
        let link = Link::to(relay.relay.address());
        link.throttle(2_000_000);
        let running = Sealift::new("send")
            .args(["--to", &link.url(), "--no-password"])
            .arg(&file)
            .start();
        let deadline = Instant::now() + Duration::from_secs(60);
        while link.carried_bytes() < 3_000_000 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        if away {
            link.down();
        }
        let (fine, said) = relay.reload("protection = \"required\"\n");
        assert!(fine, "{said}");
        link.up();
        let outcome = running.wait();
        assert_eq!(
            outcome.error_code(),
            "password_required",
            "{away}: {outcome:?}"
        );
        assert_eq!(outcome.exit_code, 27);
    }
}

#[test]
fn a_trunk_holds_back_the_uploads_of_its_users() {
    // 8,000 kbit/s are a megabyte in a second.
    let relay = Configured::with(
        "[users.x]\ndocroot = \"default\"\ntrunk = \"office\"\n[trunks.office]\ncapacity_kbps = 8000\n",
    );
    let file = write_random(relay.folder.path().join("a"), 3_000_000, 1);
    let grant = relay.relay.grant(&["--user", "x"]);
    let begin = Instant::now();
    Sealift::new("send")
        .arg(&file)
        .env("SEALIFT_GRANT", &grant)
        .arg("--no-password")
        .succeeds();
    assert!(
        begin.elapsed() > Duration::from_millis(2_500),
        "{:?}",
        begin.elapsed()
    );
}
