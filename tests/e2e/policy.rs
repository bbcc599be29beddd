//! What a relay asks of protection and of versions is told before anything is sent, and only ever
//! restricts.

use sealift_tests::{Outcome, Relay, RelayOptions, Sealift, write_random};

use crate::support::{PASSWORD, folder, receiving, send, sending};

fn relay(arguments: &[&str]) -> Relay {
    Relay::with(RelayOptions {
        arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
        ..RelayOptions::default()
    })
}

/// Refused with this code and exit code, before a package was created.
#[track_caller]
fn refused_before_sending(outcome: &Outcome, exit_code: i32, code: &str, relay: &Relay) {
    assert_eq!(outcome.exit_code, exit_code, "{outcome:?}");
    assert_eq!(outcome.error_code(), code);
    assert!(outcome.events("started").is_empty(), "{outcome:?}");
    assert!(
        relay
            .stored_files(0)
            .iter()
            .all(|place| !place.to_string_lossy().contains("packages"))
    );
}

#[test]
fn p1_where_a_password_is_required_a_link_alone_is_not_sent() {
    let (relay, dir) = (relay(&["--protection", "required"]), folder());
    let file = write_random(dir.path().join("a"), 1_000, 1);
    let without = Sealift::new("send")
        .args(["--to", &relay.url(), "--no-password"])
        .arg(&file)
        .run();
    refused_before_sending(&without, 27, "password_required", &relay);
    send(&relay.url(), &[&file]);
}

#[test]
fn p1_off_only_hides_the_field() {
    let (relay, dir) = (relay(&["--protection", "off"]), folder());
    let file = write_random(dir.path().join("a"), 1_000, 1);
    let links = send(&relay.url(), &[&file]);
    let got = dir.path().join("got");
    let wrong = receiving(&links.receive, &got).password("not it");
    assert_eq!(wrong.fails_with(10).error_code(), "wrong_password");
    receiving(&links.receive, &got).succeeds();
}

#[test]
fn a_weak_password_is_refused_before_anything_is_sent() {
    let strong = relay(&["--strong-password-required"]);
    let dir = folder();
    let file = write_random(dir.path().join("a"), 1_000, 1);
    for weak in ["ab123!", "password1234", "Summer2026!!"] {
        let outcome = sending(&strong.url(), &[&file]).password(weak).run();
        refused_before_sending(&outcome, 27, "weak_password", &strong);
        assert_eq!(
            outcome.field("error", "message"),
            "Server requires stronger content protection passphrase"
        );
    }
    let links = send(&strong.url(), &[&file]);
    let generated = Sealift::new("send")
        .args(["--to", &strong.url(), "--generate-password"])
        .arg(&file);
    generated.succeeds();
    // The same holds for a password that takes another one's place.
    let rekey = Sealift::new("rekey").link(&links.manage).password(PASSWORD);
    let weak = rekey.new_password("password1234").fails_with(27);
    assert_eq!(weak.error_code(), "weak_password");

    let aspera = relay(&["--strong-password-required", "--password-rule", "aspera"]);
    sending(&aspera.url(), &[&file])
        .password("ab123!")
        .succeeds();
    let outcome = sending(&aspera.url(), &[&file]).password("abcdefgh").run();
    refused_before_sending(&outcome, 27, "weak_password", &aspera);
    // ASPERA_SCP_FILEPASS is understood.
    let alias = Sealift::new("send")
        .args(["--to", &aspera.url()])
        .arg(&file);
    alias.env("ASPERA_SCP_FILEPASS", "ab123!").succeeds();
}

#[test]
fn p1_a_rekey_to_the_link_alone_is_refused_where_a_password_is_required() {
    let dir = folder();
    let data = dir.path().join("data");
    let with = |arguments: &[&str]| {
        Relay::with(RelayOptions {
            data: Some(data.clone()),
            arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
            ..RelayOptions::default()
        })
    };
    let open = with(&[]);
    let file = write_random(dir.path().join("a"), 1_000, 1);
    let send = Sealift::new("send")
        .args(["--to", &open.url(), "--no-password"])
        .arg(&file);
    let links = crate::support::links(&send.succeeds());
    let old_address = open.url();
    drop(open);
    let strict = with(&["--protection", "required"]);
    let manage = links.manage.replace(&old_address, &strict.url());
    let rekey = || Sealift::new("rekey").link(&manage);
    // The link's slot would stay beside the new password's.
    let refused = rekey().new_password(PASSWORD).fails_with(27);
    assert_eq!(refused.error_code(), "password_required");
    rekey()
        .args(["--remove", "1"])
        .new_password(PASSWORD)
        .succeeds();
}

#[test]
fn a_relay_for_newer_versions_refuses_this_one_with_a_code_of_its_own() {
    let dir = folder();
    let data = dir.path().join("data");
    let with = |arguments: &[&str]| {
        Relay::with(RelayOptions {
            data: Some(data.clone()),
            arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
            ..RelayOptions::default()
        })
    };
    let current = with(&[]);
    let file = write_random(dir.path().join("a"), 1_000, 1);
    let links = send(&current.url(), &[&file]);
    let old_address = current.url();
    drop(current);

    let newer = with(&["--client-version-min", "99.0.0"]);
    let here = |link: &str| link.replace(&old_address, &newer.url());
    let outcomes = [
        sending(&newer.url(), &[&file]).run(),
        receiving(&here(&links.receive), dir.path()).run(),
        Sealift::new("rekey")
            .link(&here(&links.manage))
            .password(PASSWORD)
            .new_password("x y z 4711 and more")
            .run(),
    ];
    for outcome in outcomes {
        assert_eq!(outcome.exit_code, 26, "{outcome:?}");
        assert_eq!(outcome.error_code(), "client_too_old");
        assert!(
            outcome.field("error", "advice").contains("newer version"),
            "{outcome:?}"
        );
    }
}

#[test]
fn a_version_that_will_soon_be_refused_is_told_so_and_works() {
    let (relay, dir) = (relay(&["--client-version-warn-below", "99.0.0"]), folder());
    let file = write_random(dir.path().join("a"), 1_000, 1);
    let sent = sending(&relay.url(), &[&file]).succeeds();
    let link = sent.field("sent", "receive_link");
    let received = receiving(&link, &dir.path().join("got")).succeeds();
    for outcome in [sent, received] {
        let notices = outcome.events("notice");
        let told = notices
            .iter()
            .any(|notice| notice["text"].to_string().contains("newer version"));
        assert!(told, "{outcome:?}");
    }
}
