//! Sealed to a public key, opened with the secret one: no password changes hands, and what is claimed
//! about it is no more than that proves.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sealift_tests::{Relay, Sealift, same_content, sha256_of, write_random};

use crate::support::{PASSWORD, folder, links};

/// A key pair: where the secret is, and the public text.
struct Pair {
    place: PathBuf,
    recipient: String,
}

fn keygen(folder: &Path, name: &str) -> Pair {
    let place = folder.join(name);
    let made = Sealift::new("keygen").arg("-o").arg(&place).succeeds();
    Pair {
        place,
        recipient: made.field("identity", "recipient"),
    }
}

fn secret_of(pair: &Pair) -> String {
    let text = fs::read_to_string(&pair.place).unwrap();
    let secret = text.lines().find(|line| !line.starts_with('#')).unwrap();
    assert!(secret.starts_with("SEALIFT-SECRET-KEY-1"), "{secret}");
    secret.to_owned()
}

#[test]
fn a_new_key_is_its_owners_alone_and_never_printed_or_replaced() {
    let dir = folder();
    let pair = keygen(dir.path(), "me.txt");
    let mode = fs::metadata(&pair.place).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = fs::read(&pair.place).unwrap();
    let again = Sealift::new("keygen").arg("-o").arg(&pair.place);
    assert_eq!(again.fails_with(4).error_code(), "exists");
    assert_eq!(fs::read(&pair.place).unwrap(), before);

    let shown = Sealift::plain("keygen")
        .arg("--show")
        .arg(&pair.place)
        .succeeds();
    assert_eq!(shown.text().trim(), pair.recipient);
    assert!(shown.stderr.contains("fingerprint"), "{shown:?}");
    let other = Sealift::plain("keygen")
        .arg("-o")
        .arg(dir.path().join("other.txt"))
        .succeeds();
    for told in [&shown, &other] {
        assert!(!format!("{told:?}").to_uppercase().contains("SECRET-KEY-1"));
    }
}

#[test]
fn a_file_sealed_to_a_key_opens_with_its_secret_half_alone() {
    let dir = folder();
    let (mine, yours) = (keygen(dir.path(), "mine"), keygen(dir.path(), "yours"));
    let file = write_random(dir.path().join("a.bin"), 1_500_000, 1);
    let sealed = dir.path().join("a.sealift");
    let made = Sealift::new("encrypt")
        .arg(&file)
        .args(["--recipient", &mine.recipient, "-o"])
        .arg(&sealed)
        .succeeds();
    // Compared by people: the same words at both ends.
    let shown = Sealift::new("keygen")
        .arg("--show")
        .arg(&mine.place)
        .succeeds();
    assert_eq!(
        made.field("recipient", "fingerprint"),
        shown.field("identity", "fingerprint")
    );

    let open = |to: &str| {
        let decrypt = Sealift::new("decrypt").arg(&sealed).arg("-o");
        decrypt.arg(dir.path().join(to))
    };
    let opened = open("got").arg("--identity").arg(&mine.place).succeeds();
    assert_eq!(opened.field("done", "proof"), "recipient");
    assert_eq!(sha256_of(&dir.path().join("got/a.bin")), sha256_of(&file));
    open("fd")
        .args(["--identity-fd", "0"])
        .stdin(fs::read(&mine.place).unwrap())
        .succeeds();

    let wrong = open("wrong").arg("--identity").arg(&yours.place);
    assert_eq!(wrong.fails_with(10).error_code(), "wrong_identity");
    assert_eq!(open("none").fails_with(5).error_code(), "identity_needed");
    let password = open("password").password(PASSWORD).fails_with(5);
    assert_eq!(password.error_code(), "identity_needed");
    assert!(!dir.path().join("wrong").exists());

    let inspected = Sealift::new("inspect").arg(&sealed).succeeds();
    assert_eq!(
        inspected.events("sealed")[0]["slots"][0]["kind"],
        "recipient"
    );
}

#[test]
fn a_password_beside_the_keys_opens_too() {
    let dir = folder();
    let pair = keygen(dir.path(), "me");
    let list = dir.path().join("team.txt");
    fs::write(&list, format!("# the team\n\n{}\n", pair.recipient)).unwrap();
    write_random(dir.path().join("a.bin"), 10_000, 1);
    let encrypt = Sealift::new("encrypt")
        .args(["a.bin", "--recipients-file", "team.txt"])
        .inside(dir.path())
        .password(PASSWORD);
    let made = encrypt.succeeds();
    assert!(made.events("notice").is_empty(), "{made:?}");
    let open = || {
        Sealift::new("decrypt")
            .args(["a.bin.sealift", "--overwrite", "-o", "got"])
            .inside(dir.path())
    };
    assert_eq!(
        open().password(PASSWORD).succeeds().field("done", "proof"),
        "password"
    );
    let identity = open().args(["--identity", "me"]).succeeds();
    assert_eq!(identity.field("done", "proof"), "recipient");
}

#[test]
fn a_package_is_sent_to_a_key_and_received_with_it() {
    let (relay, dir) = (Relay::start(), folder());
    let pair = keygen(dir.path(), "me");
    let sent = dir.path().join("sent");
    for number in 0..5 {
        write_random(sent.join(format!("{number}")), 1_000_000, number);
    }
    let outcome = Sealift::new("send")
        .args(["--to", &relay.url(), "--recipient", &pair.recipient])
        .arg(&sent)
        .succeeds();
    // K3 in plain words: what cannot be done later.
    let notice = outcome.field("notice", "text");
    assert!(
        notice.contains("resumed") && notice.contains("change"),
        "{notice}"
    );
    let link = links(&outcome).receive;
    let receive = |link: &str, to: &str| {
        let receive = Sealift::new("receive").link(link).arg("-o");
        receive.arg(dir.path().join(to))
    };
    let got = receive(&link, "got").arg("--identity").arg(&pair.place);
    assert_eq!(got.succeeds().field("done", "proof"), "link");
    same_content(&sent, &dir.path().join("got/sent"));

    // L2: only with a key, and with a word about it, does a link without its fragment open.
    let bare = link.split('#').next().unwrap();
    assert_eq!(receive(bare, "cut").fails_with(13).error_code(), "cut_link");
    let unpinned = receive(bare, "bare").arg("--identity").arg(&pair.place);
    let unpinned = unpinned.succeeds();
    assert_eq!(unpinned.field("done", "proof"), "recipient");
    assert!(unpinned.field("notice", "text").contains("anybody"));
    let keep = receive(bare, "kept")
        .args(["--keep-encrypted", "--identity"])
        .arg(&pair.place);
    assert_eq!(keep.fails_with(13).error_code(), "cut_link");
}

#[test]
fn k3_what_only_recipients_open_cannot_be_rekeyed() {
    let dir = folder();
    let pair = keygen(dir.path(), "me");
    write_random(dir.path().join("a.bin"), 1_000, 1);
    Sealift::new("encrypt")
        .args(["a.bin", "--recipient", &pair.recipient])
        .inside(dir.path())
        .succeeds();
    let before = fs::read(dir.path().join("a.bin.sealift")).unwrap();
    let refused = Sealift::new("rekey")
        .args(["a.bin.sealift", "--recipient", &pair.recipient])
        .inside(dir.path())
        .password(PASSWORD)
        .fails_with(2);
    let why = refused.field("error", "message");
    assert!(why.contains("secret key proves nothing"), "{why}");
    assert_eq!(fs::read(dir.path().join("a.bin.sealift")).unwrap(), before);
}

#[test]
fn keys_that_are_none_and_secret_ones_in_the_wrong_place_are_refused() {
    let dir = folder();
    let pair = keygen(dir.path(), "me");
    write_random(dir.path().join("a.bin"), 10, 1);
    let encrypt = |key: &str| {
        Sealift::new("encrypt")
            .args(["a.bin", "--recipient", key])
            .inside(dir.path())
    };
    let cut = &pair.recipient[..pair.recipient.len() - 1];
    for wrong in [cut, "sealift1", "age1qyqszqgpqyqszqgp"] {
        assert_eq!(encrypt(wrong).fails_with(2).error_code(), "bad_recipient");
    }
    let secret = secret_of(&pair);
    let refused = encrypt(&secret).fails_with(2);
    assert!(
        !format!("{refused:?}").contains(&secret[30..]),
        "{refused:?}"
    );
    let file = Sealift::new("encrypt")
        .args(["a.bin", "--recipients-file", "me"])
        .inside(dir.path())
        .fails_with(2);
    assert!(file.field("error", "message").contains("secret key"));
    assert!(!dir.path().join("a.bin.sealift").exists());
}
