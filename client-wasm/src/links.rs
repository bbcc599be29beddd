//! Reads links.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use sealift_protocol::link::{Fragment, Link, LinkError, LinkSecret};

use crate::error::Result;
use crate::plain::{bytes, object};

/// A receive link: `{relay, package, pin, secret}`, the last one undefined when there is none.
#[wasm_bindgen(js_name = readReceiveLink)]
pub fn read_receive_link(text: &str) -> Result<JsValue> {
    let (relay, package, fragment) = read(text)?;
    let Fragment::Receive { pin, secret } = fragment else {
        return Err(LinkError::NotALink.into());
    };
    Ok(object([
        ("relay", relay.into()),
        ("package", package.into()),
        ("pin", bytes(&pin.0)),
        ("secret", optional(secret)),
    ]))
}

/// A manage link: `{relay, package, token, secret}`, the token as it goes into the Authorization header, the secret
/// undefined when there is none.
#[wasm_bindgen(js_name = readManageLink)]
pub fn read_manage_link(text: &str) -> Result<JsValue> {
    let (relay, package, fragment) = read(text)?;
    let Fragment::Manage { owner, secret } = fragment else {
        return Err(LinkError::NotALink.into());
    };
    let token = Base64UrlUnpadded::encode_string(&owner.0);
    Ok(object([
        ("relay", relay.into()),
        ("package", package.into()),
        ("token", token.into()),
        ("secret", optional(secret)),
    ]))
}

/// The grant in a send link.
#[wasm_bindgen(js_name = readSendLink)]
pub fn read_send_link(text: &str) -> Result<String> {
    match read(text)?.2 {
        Fragment::Send { mut grant } => Ok(core::mem::take(&mut *grant)),
        _ => Err(LinkError::NotALink.into()),
    }
}

/// Relay, package (empty in a send link) and fragment.
fn read(text: &str) -> Result<(String, String, Fragment)> {
    let link = Link::parse(text)?;
    let package = link
        .package
        .map(|package| package.to_string())
        .unwrap_or_default();
    Ok((link.relay, package, link.fragment))
}

fn optional(secret: Option<LinkSecret>) -> JsValue {
    secret.map_or(JsValue::UNDEFINED, |secret| bytes(&secret.0))
}
