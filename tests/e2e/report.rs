//! The protection report of a package: what this program checked beside what the relay says, and no
//! mixing of the two.

use sealift_tests::{Relay, Sealift, write_random};

use crate::support::{PASSWORD, folder, send};

#[test]
fn a_report_tells_what_was_checked_and_what_was_said() {
    let (relay, dir) = (Relay::start(), folder());
    let links = send(
        &relay.url(),
        &[&write_random(
            dir.path().join("secret name.pdf"),
            700_000,
            1,
        )],
    );
    for link in [&links.receive, &links.manage] {
        let closed = Sealift::new("inspect").link(link).succeeds();
        let report = &closed.events("report")[0];
        let (checked, said) = (&report["checked"], &report["said"]);
        assert_eq!(checked["suite"], 1);
        assert_eq!(checked["keyring_generation"], 1);
        assert_eq!(checked["slots"][0]["kind"], "password");
        assert_eq!(checked["slots"][0]["memory_kib"], 65_536);
        assert_eq!(checked["keyring_opened"], false);
        assert_eq!(checked["pinned"], link == &links.receive);
        let sealed_by = said["sealed_by"].as_str().unwrap();
        assert!(sealed_by.contains(env!("CARGO_PKG_VERSION")), "{said}");
        assert_eq!(said["transports"][0], "websocket");
        assert!(said["storage"]["kind"].is_string(), "{said}");
        assert_eq!(said["keyring_generation"], 1);
        assert!(said["finished_at"].as_u64() >= said["created_at"].as_u64());
        assert!(!closed.text().contains("secret name"), "names need a key");
    }
    let told = Sealift::plain("inspect")
        .link(&links.receive)
        .password(PASSWORD)
        .succeeds()
        .text();
    let title = told.lines().next().unwrap();
    assert!(title.contains("Checked by your client") && title.contains("Said by the relay"));
    for words in [
        "opened by the password",
        "the link was made for",
        "secret name.pdf",
    ] {
        assert!(told.contains(words), "{words} in {told}");
    }
    let wrong = Sealift::new("inspect")
        .link(&links.receive)
        .password("not it");
    assert_eq!(wrong.fails_with(10).error_code(), "wrong_password");
}
