//! Who may send and who may delete.

use sealift_tests::{Relay, RelayOptions, Sealift, write_random};

use crate::support::{PASSWORD, folder, links, receive, receiving, send, sending};

fn closed_relay() -> Relay {
    Relay::with(RelayOptions {
        open_uploads: false,
        ..RelayOptions::default()
    })
}

#[test]
fn sending_needs_a_grant() {
    let (relay, dir) = (closed_relay(), folder());
    let file = write_random(dir.path().join("a"), 100_000, 1);
    let refused = sending(&relay.url(), &[&file]).fails_with(21);
    assert_eq!(refused.error_code(), "grant_required");

    // The send link says where to send, too.
    let link = relay.grant(&[]);
    let sent = Sealift::new("send")
        .arg(&file)
        .env("SEALIFT_GRANT", &link)
        .password(PASSWORD)
        .succeeds();
    let got = dir.path().join("got");
    receive(&links(&sent).receive, &got);
}

#[test]
fn a_cut_or_changed_grant_is_refused() {
    let (relay, dir) = (closed_relay(), folder());
    let file = write_random(dir.path().join("a"), 10, 1);
    let link = relay.grant(&[]);
    let with = |grant: &str| {
        Sealift::new("send")
            .arg(&file)
            .env("SEALIFT_GRANT", grant)
            .password(PASSWORD)
    };
    assert_eq!(
        with(&link[..link.len() - 2]).fails_with(13).error_code(),
        "cut_link"
    );
    let made_up = with("AAAA").args(["--to", &relay.url()]).fails_with(21);
    assert_eq!(made_up.error_code(), "grant_invalid");
}

#[test]
fn l4_only_the_manage_link_deletes() {
    let (relay, dir) = (Relay::start(), folder());
    let file = write_random(dir.path().join("a"), 1_000_000, 1);
    let (one, other) = (send(&relay.url(), &[&file]), send(&relay.url(), &[&file]));
    assert_eq!(
        Sealift::new("delete")
            .link(&one.receive)
            .fails_with(13)
            .error_code(),
        "bad_link"
    );

    Sealift::new("delete").link(&one.manage).succeeds();
    let gone = receiving(&one.receive, dir.path()).fails_with(22);
    assert!(matches!(&gone.error_code()[..], "not_found" | "expired"));
    receive(&other.receive, &dir.path().join("got"));
    assert_eq!(
        relay.stored_files(1_000_000).len(),
        1,
        "its bytes are gone from the disk"
    );
}
