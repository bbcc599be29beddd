//! `sealift keygen`: draws a key pair. The secret half goes into a file that only its owner can read,
//! the public half is printed, to be given to those who send.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use sealift_envelope::Identity;
use serde_json::json;

use crate::arguments::Keygen;
use crate::failure::{Cause, Failure, Result};
use crate::protection::rng;
use crate::secret::Given;
use crate::terminal::Terminal;
use crate::unlock::read_identities;

/// Runs the command.
pub(crate) fn run(arguments: &Keygen, terminal: &Terminal) -> Result<()> {
    if let Some(place) = &arguments.show {
        let given = Given {
            file: Some(place.clone()),
            ..Given::default()
        };
        let identities = read_identities(&given, &place.display().to_string())?;
        return identities
            .iter()
            .try_for_each(|identity| tell(identity, place, terminal));
    }
    let place = &arguments.output;
    let identity = Identity::generate(&mut rng());
    write_new(place, identity.to_file_text().as_bytes())?;
    tell(&identity, place, terminal)?;
    terminal.remark(&format!(
        "the secret key is in {}; keep it to yourself, and keep a copy: without it, what is sealed to it stays closed",
        place.display()
    ));
    Ok(())
}

/// Public key and fingerprint. Never the secret.
fn tell(identity: &Identity, place: &Path, terminal: &Terminal) -> Result<()> {
    let recipient = identity.recipient();
    let fingerprint = recipient.fingerprint();
    terminal.event(
        "identity",
        json!({
            "recipient": recipient.to_string(),
            "fingerprint": fingerprint,
            "place": place.to_string_lossy(),
        }),
    )?;
    terminal.result(&recipient.to_string())?;
    terminal.remark(&format!("fingerprint {fingerprint}"));
    Ok(())
}

/// Writes a file that was not there before, for its owner alone, down to the disk.
fn write_new(place: &Path, secret: &[u8]) -> Result<()> {
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(place);
    let written = opened.and_then(|mut file| {
        file.write_all(secret)?;
        file.sync_all()
    });
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::new(
            Cause::Exists,
            format!("there is a {} already", place.display()),
            "Secret keys are never replaced: what was sealed to the old one would stay closed. Name another file with -o.",
        ),
        _ => Failure::file("write", place, &error),
    })
}
