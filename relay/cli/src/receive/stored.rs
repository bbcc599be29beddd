//! A package at its relay: where a link says it is, and those pieces of it that are small enough to be
//! fetched whole. Nothing that the relay says is believed beyond where to look.
//!
//! Start with [`Address`] and [`Stored::fetch`].

use sealift_envelope::Manifest;
use sealift_protocol::format::Keyring;
use sealift_protocol::limits::{HEAD_BYTES_MAX, KEYRING_BYTES_MAX};
use sealift_protocol::link::{BareLink, Fragment, Link, LinkSecret, Pin};
use sealift_protocol::{Code, FileId, PackageId};
use serde::Deserialize;

use super::fetch::Remote;
use crate::failure::{Cause, Failure, Result};
use crate::generations;
use crate::network::RelayAddress;

/// A relay's word about a package is short: some 200 bytes for each file.
const LISTING_BYTES_MAX: u64 = 8 << 20;
/// Largest manifest taken, with its head.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;

/// What a link says: where a package is, what it must be, and what opens it.
pub(crate) struct Address {
    /// The relay.
    pub(crate) relay: RelayAddress,
    /// The package.
    pub(crate) package: PackageId,
    /// What the link was made for. Missing in a manage link, and in a link without a fragment, which
    /// only a secret key opens (rule L2).
    pub(crate) pin: Option<Pin>,
    /// The link's share of the key.
    pub(crate) secret: Option<LinkSecret>,
}

impl Address {
    /// Of a receive link. `unpinned`: one without a fragment will do.
    pub(crate) fn to_receive(text: &str, unpinned: bool) -> Result<Self> {
        if let Some(bare) = BareLink::parse(text).ok().filter(|_| unpinned) {
            return Ok(Self {
                relay: RelayAddress::parse(&bare.relay)?,
                package: bare.package,
                pin: None,
                secret: None,
            });
        }
        let address = Self::to_look_at(text)?;
        if address.pin.is_some() {
            Ok(address)
        } else {
            Err(Failure::new(
                Cause::BadLink,
                "this is not a receive link",
                "Ask the sender for the link that was printed when the package was sent.",
            ))
        }
    }

    /// Of a receive or manage link.
    pub(crate) fn to_look_at(text: &str) -> Result<Self> {
        let link = Link::parse(text)?;
        let (pin, secret) = match link.fragment {
            Fragment::Receive { pin, secret } => (Some(pin), secret),
            Fragment::Manage { secret, .. } => (None, secret),
            Fragment::Send { .. } => return Err(Failure::shared(Code::BadLink)),
        };
        Ok(Self {
            relay: RelayAddress::parse(&link.relay)?,
            package: link.package.ok_or_else(|| Failure::shared(Code::BadLink))?,
            pin,
            secret,
        })
    }

    /// Path of something about this package at the relay.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("api/packages/{}{rest}", self.package)
    }
}

/// What the relay says about a package.
#[derive(Deserialize)]
pub(crate) struct Listing {
    files: Vec<ListedFile>,
}

/// What the relay says about a sealed file.
#[derive(Deserialize)]
struct ListedFile {
    id: String,
    role: String,
    head_bytes: u64,
    body_bytes: u64,
}

impl Listing {
    /// Bytes of the head of each sealed file, in the manifest's order.
    ///
    /// # Errors
    ///
    /// [`Code::FileMissing`].
    pub(crate) fn head_bytes(&self, manifest: &Manifest) -> Result<Vec<u64>> {
        let find = |file: FileId| {
            let id = file.to_string();
            let listed = self.files.iter().find(|listed| listed.id == id);
            let listed = listed.filter(|listed| {
                listed.head_bytes <= HEAD_BYTES_MAX as u64 && listed.body_bytes > 0
            });
            listed
                .map(|listed| listed.head_bytes)
                .ok_or_else(|| Failure::shared(Code::FileMissing))
        };
        let sealed = manifest.sealed.iter();
        sealed.map(|sealed| find(sealed.file)).collect()
    }
}

/// The small pieces of a package, as they are stored.
pub(crate) struct Stored {
    /// What the relay says it has.
    pub(crate) listing: Listing,
    /// The keyring, of the right package and no older than one seen before.
    pub(crate) keyring: Vec<u8>,
    /// The manifest's head.
    pub(crate) head: Vec<u8>,
    /// The manifest's body. With the head it is the one that the link was made for.
    pub(crate) body: Vec<u8>,
}

impl Stored {
    /// Fetches them.
    ///
    /// # Errors
    ///
    /// [`Code::PackageMismatch`], [`Code::OldKeyring`], [`Code::PinMismatch`], or what the relay said.
    pub(crate) fn fetch(remote: &Remote, address: &Address) -> Result<Self> {
        let listing = remote.get(&address.path(""), LISTING_BYTES_MAX)?;
        let listing: Listing = serde_json::from_slice(&listing).map_err(not_a_relay)?;
        let keyring = remote.get(&address.path("/keyring"), KEYRING_BYTES_MAX as u64)?;
        let parsed = Keyring::parse(&keyring)?;
        if parsed.package() != address.package {
            return Err(Failure::shared(Code::PackageMismatch));
        }
        generations::check(&parsed)?;
        let (head, body) = fetch_manifest(remote, address, &listing)?;
        let pin = sealift_envelope::pin(&head, &body);
        if address.pin.is_some_and(|expected| expected != pin) {
            return Err(Failure::shared(Code::PinMismatch));
        }
        Ok(Self {
            listing,
            keyring,
            head,
            body,
        })
    }
}

/// The manifest as stored: head and body.
fn fetch_manifest(
    remote: &Remote,
    address: &Address,
    listing: &Listing,
) -> Result<(Vec<u8>, Vec<u8>)> {
    let listed = listing.files.iter().find(|file| file.role == "manifest");
    let listed = listed.ok_or_else(|| Failure::shared(Code::FileMissing))?;
    let id = FileId::parse(&listed.id).map_err(|_| Failure::shared(Code::Damaged))?;
    let mut head = remote.get(&address.path(&format!("/files/{id}")), MANIFEST_BYTES_MAX)?;
    let head_bytes = usize::try_from(listed.head_bytes).unwrap_or(usize::MAX);
    if head_bytes > HEAD_BYTES_MAX || head_bytes > head.len() {
        return Err(Failure::shared(Code::CutShort));
    }
    let body = head.split_off(head_bytes);
    Ok((head, body))
}

fn not_a_relay(_: serde_json::Error) -> Failure {
    Failure::new(
        Cause::Refused,
        "the relay's answer was not understood",
        "Check that the link is whole, and that this program is as new as the relay.",
    )
}
