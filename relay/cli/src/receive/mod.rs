//! `sealift receive`: fetches what a link leads to, opening it as it arrives, or keeps it encrypted.
//!
//! The password is checked before any content is fetched. Files that are there already with the same
//! size and time are left alone, and a file that was begun goes on where it stopped, so the same
//! command can simply be started again.

pub(crate) mod fetch;
mod keep;
mod resume;
pub(crate) mod stored;

use sealift_envelope::{FileOpener, Manifest, OpeningKey};
use sealift_protocol::Code;
use sealift_protocol::format::{Keyring, Role};
use serde_json::json;

use crate::arguments::Receive;
use crate::contents::{Contents, Output};
use crate::decrypt::tell_proof;
use crate::failure::{Failure, Result};
use crate::generations;
use crate::listing::tell_list;
use crate::network;
use crate::pipeline::{Run, Workers};
use crate::progress::Progress;
use crate::secret::link_as_argument;
use crate::send::runtime;
use crate::stop::Stop;
use crate::terminal::Terminal;
use crate::unlock::Unlocked;
use fetch::Remote;
use stored::{Address, Stored};

/// Runs the command.
pub(crate) fn run(arguments: &Receive, terminal: &Terminal) -> Result<()> {
    if !arguments.refused.is_empty() {
        return Err(link_as_argument());
    }
    let by_key = arguments.opening.by_key() && !arguments.keep_encrypted;
    let address = Address::to_receive(&arguments.link.source().read()?, by_key)?;
    let tls = network::tls(arguments.network.ca.as_deref())?;
    let client = network::http(&address.relay, &tls)?;
    let runtime = runtime()?;
    let (relay, handle) = (address.relay.clone(), runtime.handle().clone());
    let remote = Remote::new(client, relay, handle, Stop::never());
    let Stored {
        listing,
        keyring,
        head,
        body,
    } = Stored::fetch(&remote, &address)?;
    let parsed = Keyring::parse(&keyring)?;
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
    let listing = listing.head_bytes(&manifest)?;
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
