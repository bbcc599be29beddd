//! Public keys of the people who shall open a package, and the identities that belong to them.
//!
//! A recipient comes from the person who sends: pasted, out of a file of theirs, or from the page's own code. Nothing
//! that a relay says is ever read here (rule K4).

use js_sys::Array;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use zeroize::Zeroizing;

use sealift_envelope::{Identity, Recipient};

use crate::error::Result;
use crate::object;

/// The public keys in a text: one on each line, comments after `#`. Gives `[{text, fingerprint}]`.
///
/// # Errors
/// `bad_recipient` when a line is none, or when there is none at all.
#[wasm_bindgen(js_name = readRecipients)]
pub fn read_recipients(text: &str) -> Result<Array> {
    Ok(Recipient::parse_file(text)?.iter().map(show).collect())
}

/// A new key pair: `{file, text, fingerprint}`, the file's text secret, the rest for whoever shall send.
#[wasm_bindgen(js_name = makeIdentity)]
pub fn make_identity() -> JsValue {
    let identity = Identity::generate(&mut crate::rng());
    let recipient = identity.recipient();
    object([
        ("file", identity.to_file_text().as_str().into()),
        ("text", recipient.to_string().into()),
        ("fingerprint", recipient.fingerprint().into()),
    ])
}

/// Checks the text of an identity file, before anything is asked of it: the public keys that belong to it.
///
/// # Errors
/// `bad_identity`.
#[wasm_bindgen(js_name = readIdentities)]
pub fn read_identities(text: String) -> Result<Array> {
    let text = Zeroizing::new(text);
    let identities = Identity::parse_file(&text)?;
    Ok(identities
        .iter()
        .map(|identity| show(&identity.recipient()))
        .collect())
}

fn show(recipient: &Recipient) -> JsValue {
    object([
        ("text", recipient.to_string().into()),
        ("fingerprint", recipient.fingerprint().into()),
    ])
}
