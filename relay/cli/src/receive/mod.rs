//! `sealift receive`: fetches what a link leads to, opening it as it arrives, or keeps it encrypted.
//!
//! The password is checked before any content is fetched. Files that are there already with the same
//! size and time are left alone, and a file that was begun goes on where it stopped, so the same
//! command can simply be started again.

mod fetch;
mod keep;
mod resume;

use sealift_envelope::{FileOpener, Manifest, OpeningKey};
use sealift_protocol::format::{Keyring, Role};
use sealift_protocol::limits::{HEAD_BYTES_MAX, KEYRING_BYTES_MAX};
use sealift_protocol::link::{BareLink, Fragment, Link, LinkSecret, Pin};
use sealift_protocol::{Code, FileId, PackageId};
use serde::Deserialize;
use serde_json::json;

use crate::arguments::Receive;
use crate::contents::{Contents, Output, tell_list};
use crate::decrypt::tell_proof;
use crate::failure::{Cause, Failure, Result};
use crate::generations;
use crate::network::{self, RelayAddress};
use crate::pipeline::{Run, Workers};
use crate::progress::Progress;
use crate::secret::link_as_argument;
use crate::send::runtime;
use crate::stop::Stop;
use crate::terminal::Terminal;
use crate::unlock::Unlocked;
use fetch::Remote;

/// A relay's word about a package is short: some 200 bytes for each file.
const LISTING_BYTES_MAX: u64 = 8 << 20;
/// Largest manifest taken, with its head.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;

/// What the relay says about a package.
#[derive(Deserialize)]
struct Listing {
    files: Vec<ListedFile>,
}

/// What the relay says about a sealed file. Nothing here is believed beyond where to look.
#[derive(Deserialize)]
struct ListedFile {
    id: String,
    role: String,
    head_bytes: u64,
    body_bytes: u64,
}

/// A receive link, taken apart.
struct Address {
    relay: RelayAddress,
    package: PackageId,
    /// What the link was made for. Only a secret key opens without (rule L2).
    pin: Option<Pin>,
    secret: Option<LinkSecret>,
}

impl Address {
    /// `unpinned`: a link without a fragment will do.
    fn parse(text: &str, unpinned: bool) -> Result<Self> {
        if let Some(bare) = BareLink::parse(text).ok().filter(|_| unpinned) {
            return Ok(Self {
                relay: RelayAddress::parse(&bare.relay)?,
                package: bare.package,
                pin: None,
                secret: None,
            });
        }
        let link = Link::parse(text)?;
        let relay = RelayAddress::parse(&link.relay)?;
        match (link.fragment, link.package) {
            (Fragment::Receive { pin, secret }, Some(package)) => Ok(Self {
                relay,
                package,
                pin: Some(pin),
                secret,
            }),
            _ => Err(Failure::new(
                Cause::BadLink,
                "this is not a receive link",
                "Ask the sender for the link that was printed when the package was sent.",
            )),
        }
    }

    /// Path of something about this package at the relay.
    fn path(&self, rest: &str) -> String {
        format!("api/packages/{}{rest}", self.package)
    }
}

/// Runs the command.
pub(crate) fn run(arguments: &Receive, terminal: &Terminal) -> Result<()> {
    if !arguments.refused.is_empty() {
        return Err(link_as_argument());
    }
    let by_key = arguments.opening.by_key() && !arguments.keep_encrypted;
    let address = Address::parse(&arguments.link.source().read()?, by_key)?;
    let tls = network::tls(arguments.network.ca.as_deref())?;
    let client = network::http(&address.relay, &tls)?;
    let runtime = runtime()?;
    let quiet = Stop::never();
    let remote = Remote::new(
        client,
        address.relay.clone(),
        runtime.handle().clone(),
        quiet,
    );

    let listing: Listing =
        serde_json::from_slice(&remote.get(&address.path(""), LISTING_BYTES_MAX)?)
            .map_err(not_a_relay)?;
    let keyring = remote.get(&address.path("/keyring"), KEYRING_BYTES_MAX as u64)?;
    let parsed = Keyring::parse(&keyring)?;
    if parsed.package() != address.package {
        return Err(Failure::shared(Code::PackageMismatch));
    }
    generations::check(&parsed)?;
    let (head, body) = fetch_manifest(&remote, &address, &listing)?;
    if address
        .pin
        .is_some_and(|pin| sealift_envelope::pin(&head, &body) != pin)
    {
        return Err(Failure::shared(Code::PinMismatch));
    }
    if remote.is_outdated() {
        terminal.notice(network::OUTDATED);
    }
    if arguments.keep_encrypted {
        let remote = remote.stopped_by(Stop::install());
        return keep::run(arguments, &remote, &address, &keyring, terminal);
    }
    let opening = arguments.opening.opening();
    let secret = address.secret.as_ref();
    let Unlocked { key, by } = opening.open(&keyring, address.package, secret, terminal)?;
    generations::remember(&parsed, by, terminal);
    let manifest = Manifest::open(&key, &head, &body, address.pin.as_ref())?;
    if address.pin.is_none() {
        terminal.notice(
            "this link does not say what was sealed: anybody can have sealed this to your key. Ask the sender for the whole link, or how to know it is theirs.",
        );
    }
    if arguments.list {
        return tell_list(&manifest, terminal);
    }
    let stop = Stop::install();
    let remote = remote.stopped_by(stop.clone());
    let output = Output::open(arguments.output.as_deref(), arguments.overwrite, terminal)?;
    let bytes_total = manifest.files.iter().map(|file| file.bytes).sum();
    let listing = check_listing(&listing, &manifest)?;
    let contents = Contents::new(manifest, output, terminal)?.continuing();
    let progress = Progress::new(terminal, "Receiving", Some(bytes_total));
    let mut receiving = Receiving {
        remote,
        address,
        key,
        contents,
        workers: arguments.cores.workers(),
        progress,
        stop,
    };
    let unchecked = receiving.run(&listing)?;
    let pinned = receiving.address.pin.is_some();
    if !pinned && unchecked == 0 {
        return tell_proof(false, by, terminal);
    }
    tell_end(
        receiving.contents.manifest().files.len(),
        unchecked,
        terminal,
    )
}

/// Says what is proved, and of how much (rule L3).
fn tell_end(file_count: usize, unchecked_count: usize, terminal: &Terminal) -> Result<()> {
    let proof = if unchecked_count == 0 {
        "link"
    } else {
        "partly"
    };
    terminal.event(
        "done",
        json!({ "proof": proof, "file_count": file_count, "unchecked_count": unchecked_count }),
    )?;
    if unchecked_count == 0 {
        terminal.remark("complete, and exactly what the link was made for");
    } else {
        terminal.remark(&format!(
            "what was fetched is exactly what the link was made for; {unchecked_count} files were here already, \
             with the same size and time, and were not checked"
        ));
    }
    Ok(())
}

fn not_a_relay(_: serde_json::Error) -> Failure {
    Failure::new(
        Cause::Refused,
        "the relay's answer was not understood",
        "Check that the link is whole, and that this program is as new as the relay.",
    )
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

/// Where each sealed file of the manifest starts at the relay: bytes of its head, in the manifest's
/// order.
fn check_listing(listing: &Listing, manifest: &Manifest) -> Result<Vec<u64>> {
    let find = |file: FileId| {
        let id = file.to_string();
        let listed = listing.files.iter().find(|listed| listed.id == id);
        let listed = listed
            .filter(|listed| listed.head_bytes <= HEAD_BYTES_MAX as u64 && listed.body_bytes > 0);
        listed
            .map(|listed| listed.head_bytes)
            .ok_or_else(|| Failure::shared(Code::FileMissing))
    };
    manifest
        .sealed
        .iter()
        .map(|sealed| find(sealed.file))
        .collect()
}

/// One package on its way into a folder.
struct Receiving {
    remote: Remote,
    address: Address,
    key: OpeningKey,
    contents: Contents,
    workers: Workers,
    progress: Progress,
    stop: Stop,
}

impl Receiving {
    /// Fetches every sealed file that is not there yet. Returns how many files were left alone because
    /// they are.
    fn run(&mut self, head_bytes: &[u64]) -> Result<usize> {
        let mut needed = Vec::new();
        let mut unchecked = 0;
        for sealed in 0..head_bytes.len() {
            let members = self.contents.members(sealed);
            let (here, missing): (Vec<usize>, Vec<usize>) = members
                .iter()
                .partition(|file| self.contents.is_here(**file));
            for file in &missing {
                self.contents.check_free(*file)?;
            }
            unchecked += here.len();
            let files = &self.contents.manifest().files;
            self.progress
                .add(here.iter().map(|file| files[*file].bytes).sum());
            if missing.is_empty() && !here.is_empty() {
                self.contents.mark_written(sealed);
            } else {
                needed.push(sealed);
            }
        }
        for sealed in needed {
            self.stop.check()?;
            self.receive(sealed, head_bytes[sealed])?;
        }
        self.progress.finish();
        self.contents.check_complete()?;
        Ok(unchecked)
    }

    fn receive(&mut self, sealed: usize, head_bytes: u64) -> Result<()> {
        let entry = &self.contents.manifest().sealed[sealed];
        let (file, role) = (entry.file, entry.role);
        let path = self.address.path(&format!("/files/{file}"));
        // Going on further on needs the head alone from here.
        let resumed = self.contents.has_part(sealed);
        let mut stream = if resumed {
            self.remote.start(&path, head_bytes)
        } else {
            self.remote.stream(&path, 0)
        };
        let head = crate::unseal::read_vec(&mut stream, head_bytes)?;
        let opener = FileOpener::new(&self.key, &head)?;
        if self.contents.find(&opener)? != sealed {
            return Err(Failure::shared(Code::ContentMismatch));
        }
        let run = Run {
            workers: self.workers,
            progress: &self.progress,
            stop: &self.stop,
        };
        if role == Role::File && self.contents.target().is_some() {
            let from = |offset: u64| self.remote.stream(&path, head_bytes + offset);
            return resume::receive_file(
                &mut self.contents,
                sealed,
                &opener,
                (!resumed).then_some(stream),
                &from,
                run,
            );
        }
        self.contents
            .write_sealed(sealed, &opener, &mut stream, run)
    }
}
