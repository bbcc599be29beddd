//! `sealift delete`: deletes a package at its relay, with the manage link that `send` printed.

use data_encoding::BASE64URL_NOPAD;
use reqwest::header::AUTHORIZATION;
use sealift_protocol::link::{Fragment, Link};
use serde_json::json;
use zeroize::Zeroizing;

use crate::arguments::Delete;
use crate::failure::{Cause, Failure, Result};
use crate::network::{self, RelayAddress};
use crate::secret::link_as_argument;
use crate::send::runtime;
use crate::terminal::Terminal;

/// Runs the command.
pub(crate) fn run(arguments: &Delete, terminal: &Terminal) -> Result<()> {
    if !arguments.refused.is_empty() {
        return Err(link_as_argument());
    }
    let link = Link::parse(&arguments.link.source().read()?)?;
    let (Fragment::Manage { owner, .. }, Some(package)) = (&link.fragment, link.package) else {
        return Err(Failure::new(
            Cause::BadLink,
            "this link does not give the right to delete",
            "Use the manage link, which was printed when the package was sent.",
        ));
    };
    let relay = RelayAddress::parse(&link.relay)?;
    let tls = network::tls(arguments.network.ca.as_deref())?;
    let client = network::http(&relay, &tls)?;
    let bearer = Zeroizing::new(format!("Bearer {}", BASE64URL_NOPAD.encode(&owner.0)));
    let request = client
        .delete(relay.join(&format!("api/packages/{package}")))
        .header(AUTHORIZATION, &*bearer);
    runtime()?.block_on(async {
        let response = request
            .send()
            .await
            .map_err(|error| network::unreachable(&relay, &error))?;
        if response.status().is_success() {
            Ok(())
        } else {
            Err(network::refused(response).await)
        }
    })?;
    terminal.event("deleted", json!({}))?;
    terminal.remark("the package is deleted");
    Ok(())
}
