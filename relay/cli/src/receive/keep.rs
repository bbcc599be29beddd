//! `receive --keep-encrypted`: the whole package as one `.sealift`, byte for byte as the relay serves
//! it. Opened later with `decrypt`; no password is needed to keep it.
//!
//! Before it gets its name, the manifest in it must be the one that the link pins, and every piece
//! must stand where it belongs. The seals inside are checked when it is opened.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use sealift_protocol::Code;
use sealift_protocol::format::{LayoutScanner, Role};
use serde_json::json;

use super::fetch::Remote;
use super::stored::Address;
use crate::arguments::Receive;
use crate::failure::{Cause, Failure, Result};
use crate::names::package_part_name;
use crate::part::{PartFile, write_at};
use crate::progress::Progress;
use crate::terminal::Terminal;
use crate::unseal::unreadable;

const PIECE_BYTES: usize = 256 * 1024;

/// Fetches the package into the folder or file that `-o` names.
pub(super) fn run(
    arguments: &Receive,
    remote: &Remote,
    address: &Address,
    keyring: &[u8],
    terminal: &Terminal,
) -> Result<()> {
    let place = place_for(arguments.output.as_deref(), address);
    let part = PartFile::for_output(
        &place,
        &package_part_name(address.package),
        arguments.overwrite,
        true,
    )?;
    let mut offset = usable_bytes(part.file(), keyring);
    part.file()
        .set_len(offset)
        .map_err(|error| Failure::file("write", part.shown(), &error))?;
    let progress = Progress::new(terminal, "Receiving", None);
    progress.add(offset);
    let mut stream = remote.stream(&address.path("/package.sealift"), offset);
    let mut piece = vec![0; PIECE_BYTES];
    let fetched = loop {
        match stream.read(&mut piece) {
            Ok(0) => break Ok(()),
            Ok(count) => {
                write_at(part.file(), &piece[..count], offset)
                    .map_err(|error| Failure::file("write", part.shown(), &error))?;
                offset += count as u64;
                progress.add(count as u64);
            }
            Err(error) => break Err(unreadable(&error)),
        }
    };
    if let Err(failure) = fetched {
        if matches!(failure.cause, Cause::Network | Cause::Cancelled) {
            part.keep();
        }
        return Err(failure);
    }
    check(part.file(), offset, address)?;
    progress.finish();
    let place = part.finish(None)?;
    terminal.event(
        "done",
        json!({ "place": place.to_string_lossy(), "bytes": offset, "proof": "manifest" }),
    )?;
    terminal.result(&place.to_string_lossy())
}

/// `PACKAGE.sealift` in the folder that was named, or here; or the very file.
fn place_for(output: Option<&Path>, address: &Address) -> PathBuf {
    let name = format!("{}.sealift", address.package);
    match output {
        None => PathBuf::from(name),
        Some(place) if place.is_dir() => place.join(name),
        Some(place) => place.to_owned(),
    }
}

/// How much of an earlier run can be kept: all of it, if it starts with the keyring as it is now. A
/// finished package never changes but for its keyring.
fn usable_bytes(part: &File, keyring: &[u8]) -> u64 {
    let mut start = vec![0; keyring.len()];
    let same = part.read_exact_at(&mut start, 0).is_ok() && start == keyring;
    if same {
        part.metadata().map_or(0, |metadata| metadata.len())
    } else {
        0
    }
}

/// The layout must be whole, and its manifest the one of the link.
fn check(mut file: &File, bytes_total: u64, address: &Address) -> Result<()> {
    let mut read = |range: std::ops::Range<u64>| -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap_or(usize::MAX)];
        file.seek(SeekFrom::Start(range.start))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|error| unreadable(&error))?;
        Ok(bytes)
    };
    let mut scanner = LayoutScanner::new(bytes_total);
    while let Some(range) = scanner.next_read() {
        scanner.supply(&read(range)?)?;
    }
    let layout = scanner.finish()?;
    let manifest = layout
        .files
        .first()
        .filter(|section| section.role == Role::Manifest);
    let manifest = manifest.ok_or_else(|| Failure::shared(Code::FileMissing))?;
    let (head, body) = (read(manifest.head.clone())?, read(manifest.body.clone())?);
    if Some(sealift_envelope::pin(&head, &body)) == address.pin {
        Ok(())
    } else {
        Err(Failure::shared(Code::PinMismatch))
    }
}
