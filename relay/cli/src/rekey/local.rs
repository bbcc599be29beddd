//! A `.sealift` file on this computer: a new file is written beside it, keyring first, and takes its
//! place when it is whole. The content is copied as it is, by the disk itself where it can.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use sealift_protocol::Code;
use sealift_protocol::format::{Keyring, keyring_bytes};

use super::{Change, Proof, check_opens, tell};
use crate::arguments::Rekey;
use crate::decrypt::{local_link, read_piece, secret_of};
use crate::failure::{Failure, Result};
use crate::names::random_part_name;
use crate::part::{PartFile, write_at};
use crate::progress::Progress;
use crate::stop::Stop;
use crate::terminal::Terminal;

/// Copied between two looks at whether to stop.
const STEP_BYTES: u64 = 64 << 20;

/// Replaces the keyring in `file`.
pub(super) fn run(arguments: &Rekey, file: &Path, terminal: &Terminal) -> Result<()> {
    let cannot = |error| Failure::file("read", file, &error);
    // A symbolic link to the file stays one.
    let place = file.canonicalize().map_err(cannot)?;
    let source = File::open(&place).map_err(cannot)?;
    let current = read_keyring(&source)?;
    let parsed = Keyring::parse(&current)?;
    let link = local_link(&arguments.link, parsed.package())?;
    let link = link.as_ref().and_then(secret_of);
    let proof = Proof::choose(&parsed, link, arguments)?;
    let opened = proof.unlock(&current, parsed.package(), link)?;
    let change = Change::ask(arguments, terminal)?;
    let next = change.apply(&current, &opened)?;

    let part = PartFile::for_output(&place, &random_part_name(), true, false)?;
    let unwritable = |error| Failure::file("write", part.shown(), &error);
    write_at(part.file(), &next, 0).map_err(unwritable)?;
    let stop = Stop::install();
    let bytes = source.metadata().map_err(cannot)?.len();
    let progress = Progress::new(terminal, "Copying", Some(bytes));
    seek_both(&source, current.len(), part.file(), next.len()).map_err(unwritable)?;
    loop {
        stop.check()?;
        let copied = io::copy(&mut (&source).take(STEP_BYTES), &mut part.file());
        match copied.map_err(unwritable)? {
            0 => break,
            count => progress.add(count),
        }
    }
    let permissions = source.metadata().map_err(cannot)?.permissions();
    part.file()
        .set_permissions(permissions)
        .map_err(unwritable)?;
    progress.finish();
    let written = read_keyring(part.file())?;
    check_opens(&written, &opened, &change, &proof, link)?;
    part.finish(None)?;
    tell(&written, None, terminal)
}

/// The keyring at the start of a file.
fn read_keyring(mut file: &File) -> Result<Vec<u8>> {
    file.seek(SeekFrom::Start(0))
        .map_err(|error| crate::unseal::unreadable(&error))?;
    read_piece(&mut file, keyring_bytes)?.ok_or_else(|| Failure::shared(Code::NotSealed))
}

/// Goes behind the keyring in both files.
fn seek_both(mut source: &File, from: usize, mut target: &File, to: usize) -> io::Result<()> {
    source.seek(SeekFrom::Start(from as u64))?;
    target.seek(SeekFrom::Start(to as u64)).map(drop)
}
