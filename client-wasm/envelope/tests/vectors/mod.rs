//! The published vectors (`tests/vectors`): made here, judged here, and judged again by the decoder
//! in Python, which shares no code with this crate.
//!
//! `SEALIFT_WRITE_VECTORS=1 cargo test -p sealift-envelope vectors` writes them anew. Without it the
//! files must be the very bytes that this code makes.

mod attacks;
mod file;
mod list;
mod recipients;
mod replaced;

use std::path::PathBuf;

use sealift_envelope::keyring::{Credential, check_not_older, open_with_identities, open_within};
use sealift_envelope::{Error, Identity, OpeningKey, Password, Recipient};
use sealift_protocol::PackageId;
use sealift_protocol::format::{KdfLimits, Keyring};
use sealift_protocol::link::{Fragment, LinkSecret, Pin};
use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization as _;

use crate::reader::{Opened, open_with};
use file::Given;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors")
}

#[test]
fn vectors_are_what_this_code_makes() {
    let vectors = list::all();
    assert!(vectors.len() >= 150, "{}", vectors.len());
    let write = std::env::var_os("SEALIFT_WRITE_VECTORS").is_some();
    let mut stored = stored_names();
    for vector in &vectors {
        let path = folder().join(format!("{}.vector", vector.name));
        if write {
            std::fs::write(&path, vector.to_bytes()).unwrap();
        }
        let found = std::fs::read(&path).unwrap_or_default();
        assert!(
            found == vector.to_bytes(),
            "{} differs from what is stored",
            vector.name
        );
        stored.retain(|name| *name != vector.name);
    }
    assert!(
        stored.is_empty(),
        "nothing makes these any more: {stored:?}"
    );
}

fn stored_names() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter_map(|name| name.strip_suffix(".vector").map(str::to_owned))
        .collect()
}

#[test]
fn vectors_get_their_verdicts() {
    let vectors = list::all();
    let mut wrong = Vec::new();
    for vector in &vectors {
        let data = vector.data(&vectors);
        let verdict = match vector.given.kind {
            "fragment" => judge_fragment(&vector.given, &data),
            "recipient" | "identity" => judge_key(vector.given.kind, &data),
            _ => judge_sealift(&vector.given, &data),
        };
        if verdict != vector.expect {
            wrong.push(format!(
                "{}: {verdict:?}, not {:?}",
                vector.name, vector.expect
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The lines of the header that say what comes out.
fn judge_sealift(given: &Given, data: &[u8]) -> Vec<String> {
    match open(given, data) {
        Ok(opened) => describe(&opened),
        Err(error) => {
            let mut lines = vec![format!("expect: {}", error.code())];
            if let Error::DamagedContent { segment, position } = error {
                lines.push(format!("at: segment {segment} byte {position}"));
            }
            lines
        }
    }
}

fn open(given: &Given, data: &[u8]) -> Result<Opened, Error> {
    open_with(data, given.pin.map(Pin).as_ref(), |keyring| {
        unlock(given, keyring)
    })
}

fn unlock(given: &Given, keyring: &[u8]) -> Result<OpeningKey, Error> {
    let limits = if given.production {
        KdfLimits::PRODUCTION
    } else {
        KdfLimits::CHEAP_FOR_TESTS
    };
    let package = given.package.map(PackageId);
    if let Some(seen) = given.seen {
        check_not_older(&Keyring::parse(keyring)?, seen)?;
    }
    if let Some(texts) = &given.identities {
        let identities: Result<Vec<_>, _> = texts.split(' ').map(Identity::parse).collect();
        return open_with_identities(keyring, package.as_ref(), &identities?, limits);
    }
    let normalized: String = given.password.unwrap_or_default().nfc().collect();
    let password = Password::from_normalized(&normalized);
    let link = given.link.map(LinkSecret);
    let credential = match (&password, &link) {
        (Ok(password), link) => Credential::Password {
            password,
            link: link.as_ref(),
        },
        (Err(_), Some(link)) => Credential::Link(link),
        (Err(error), None) => return Err(*error),
    };
    open_within(keyring, package.as_ref(), credential, limits).map(|key| (*key).clone())
}

/// The text of a public or secret key; what opens is shown by the fingerprint.
fn judge_key(kind: &str, data: &[u8]) -> Vec<String> {
    let text = String::from_utf8(data.to_vec()).unwrap();
    let recipient = match kind {
        "recipient" => text.parse::<Recipient>(),
        _ => Identity::parse(&text).map(|identity| identity.recipient()),
    };
    match recipient {
        Err(error) => vec![format!("expect: {}", error.code())],
        Ok(recipient) => vec![
            "expect: success".to_owned(),
            format!("opened: {}", recipient.fingerprint()),
        ],
    }
}

fn describe(opened: &Opened) -> Vec<String> {
    let mut lines = vec!["expect: success".to_owned()];
    let mut add = |key: &str, value: &str| lines.push(format!("{key}: {value}"));
    if !opened.title.is_empty() {
        add("title", &opened.title);
    }
    if !opened.note.is_empty() {
        add("note", &sha256(opened.note.as_bytes()));
    }
    for folder in &opened.folders {
        add("folder", folder);
    }
    for (path, content) in &opened.files {
        add(
            "file",
            &format!("{} {} {path}", sha256(content), content.len()),
        );
    }
    for path in &opened.missing {
        add("missing", path);
    }
    lines
}

fn judge_fragment(given: &Given, data: &[u8]) -> Vec<String> {
    let package = given.package.map(PackageId);
    let text = String::from_utf8(data.to_vec()).unwrap();
    let secret = |secret: &Option<LinkSecret>| {
        secret
            .as_ref()
            .map_or(String::new(), |secret| hex(&secret.0))
    };
    let opened = match Fragment::decode(&text, package.as_ref()) {
        Err(error) => return vec![format!("expect: {}", error.code())],
        Ok(Fragment::Receive { pin, secret: s }) => {
            format!("receive {}{}", hex(&pin.0), secret(&s))
        }
        Ok(Fragment::Manage { owner, secret: s }) => {
            format!("manage {}{}", hex(&owner.0), secret(&s))
        }
        Ok(Fragment::Send { grant }) => format!("send {}", hex(grant.as_bytes())),
    };
    vec!["expect: success".to_owned(), format!("opened: {opened}")]
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
