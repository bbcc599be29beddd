//! Whom the sender seals to: public keys from the command line and from local files, and from nowhere
//! else (rule K4).

use std::path::Path;

use sealift_envelope::Recipient;
use sealift_protocol::Code;
use serde_json::json;

use crate::arguments::RecipientArguments;
use crate::failure::{Cause, Failure, Result};
use crate::terminal::Terminal;

/// A file of recipients is short: 2 KB for each.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// What secret keys start with, whatever the case.
const SECRET_PREFIX: &str = "sealift-secret-key-";

/// Reads all recipients that were named. Each counts once.
pub(crate) fn read(arguments: &RecipientArguments) -> Result<Vec<Recipient>> {
    let mut recipients: Vec<Recipient> = Vec::new();
    let mut add = |found: Recipient| {
        if !recipients.contains(&found) {
            recipients.push(found);
        }
    };
    for text in &arguments.recipients {
        if text.trim().to_lowercase().starts_with(SECRET_PREFIX) {
            return Err(secret_as_argument());
        }
        add(text.parse().map_err(Failure::from)?);
    }
    for place in &arguments.recipients_files {
        let text = read_file(place)?;
        let shown = place.display().to_string();
        if text.to_lowercase().contains(SECRET_PREFIX) {
            return Err(Failure::new(
                Cause::Usage,
                format!("there is a secret key in {shown}, where public keys should be"),
                "List the lines that start with sealift1; `sealift keygen --show FILE` prints the public key to a secret one.",
            ));
        }
        let found = Recipient::parse_file(&text);
        found
            .map_err(|error| Failure::from(error).about(&shown))?
            .into_iter()
            .for_each(&mut add);
    }
    Ok(recipients)
}

/// Shows each recipient's fingerprint, so that it can be compared over another channel.
pub(crate) fn tell(recipients: &[Recipient], terminal: &Terminal) -> Result<()> {
    for recipient in recipients {
        let fingerprint = recipient.fingerprint();
        terminal.event(
            "recipient",
            json!({ "recipient": recipient.to_string(), "fingerprint": fingerprint }),
        )?;
        terminal.remark(&format!(
            "sealed to the key with the fingerprint {fingerprint}"
        ));
    }
    Ok(())
}

fn read_file(place: &Path) -> Result<String> {
    let cannot = |error| Failure::file("read", place, &error);
    if std::fs::metadata(place).map_err(cannot)?.len() > FILE_BYTES_MAX {
        return Err(Failure::shared(Code::BadRecipient).about(&place.display().to_string()));
    }
    std::fs::read_to_string(place).map_err(cannot)
}

fn secret_as_argument() -> Failure {
    Failure::new(
        Cause::Usage,
        "this is a secret key, and every user of this computer can read arguments",
        "Give the public key, which starts with sealift1, and make a new secret key if others use this computer.",
    )
}
