//! `sealift decrypt`: opens a `.sealift` file, or one that comes through a pipe.
//!
//! The file is read once, from front to end: keyring, then sealed files, the manifest first when
//! there are several. Files get their names one by one, each after its own seal was verified.

use std::fs::File;
use std::io::{self, BufReader, Read};

use sealift_envelope::{FileOpener, Manifest, OpeningKey, StreamOpener};
use sealift_protocol::format::{
    FormatError, HEAD_MAGIC, Head, Keyring, Role, head_bytes, keyring_bytes,
};
use sealift_protocol::link::{Fragment, Link, LinkSecret, Pin};
use sealift_protocol::{Code, PackageId};
use serde_json::json;

use crate::arguments::{Decrypt, LinkArguments};
use crate::contents::{Contents, Output};
use crate::failure::{Cause, Failure, Result};
use crate::pipe::Pipe;
use crate::pipeline::Run;
use crate::progress::Progress;
use crate::secret::link_as_argument;
use crate::stop::Stop;
use crate::terminal::Terminal;
use crate::unlock::{By, Unlocked};
use crate::unseal::{Source, read_vec, unreadable};

/// First bytes that tell what follows and how long it is.
const PEEK_BYTES: usize = 16;
/// Read at once where segments are not counted.
const PIECE_BYTES: usize = 256 * 1024;

/// Damage of which something may be left.
const SALVAGEABLE: &[&str] = &[
    "damaged_content",
    "damaged_head",
    "damaged_manifest",
    "seal_mismatch",
    "cut_short",
    "file_missing",
];

/// Runs the command.
pub(crate) fn run(arguments: &Decrypt, terminal: &Terminal) -> Result<()> {
    open(arguments, terminal).map_err(|failure| {
        let from_file = arguments.file.as_os_str() != "-" && !arguments.salvage;
        if from_file && SALVAGEABLE.contains(&failure.code) {
            let advice = format!(
                "{} To keep what is good of it, add --salvage.",
                failure.advice
            );
            return Failure { advice, ..failure };
        }
        failure
    })
}

fn open(arguments: &Decrypt, terminal: &Terminal) -> Result<()> {
    if arguments.file.to_string_lossy().contains('#') && !arguments.file.exists() {
        return Err(link_as_argument());
    }
    let from_pipe = arguments.file.as_os_str() == "-";
    if from_pipe && arguments.opening.password.password_stdin {
        return Err(Failure::new(
            Cause::Usage,
            "standard input cannot hold both the file and the password",
            "Use --password-file, --password-fd or the variable SEALIFT_PASSWORD.",
        ));
    }
    if arguments.salvage {
        if from_pipe {
            return Err(Failure::new(
                Cause::Usage,
                "a pipe cannot be salvaged, because what is damaged has to be read twice",
                "Save it as a file first.",
            ));
        }
        return crate::salvage::run(arguments, terminal);
    }
    let (mut input, bytes) = if from_pipe {
        (Input::Pipe(Pipe::stdin()), None)
    } else {
        let cannot = |error| Failure::file("read", &arguments.file, &error);
        let file = File::open(&arguments.file).map_err(cannot)?;
        let metadata = file.metadata().map_err(cannot)?;
        if metadata.is_dir() {
            return Err(cannot(io::ErrorKind::IsADirectory.into()));
        }
        let bytes = metadata.len();
        let file = BufReader::with_capacity(64 * 1024, file);
        (Input::File(file), Some(bytes))
    };
    let source: &mut dyn Source = &mut input;

    let keyring =
        read_piece(source, keyring_bytes)?.ok_or_else(|| Failure::shared(Code::NotSealed))?;
    let (Unlocked { key, by }, link) = unlock(arguments, &keyring, terminal)?;
    let output = Output::open(arguments.output.as_deref(), arguments.overwrite, terminal)?;
    let stop = Stop::install();
    input.until(&stop);
    let source: &mut dyn Source = &mut input;
    let progress = Progress::new(terminal, "Opening", bytes);
    let run = Run {
        workers: arguments.cores.workers(),
        progress: &progress,
        stop: &stop,
    };

    let head = read_piece(source, head_bytes)?.ok_or_else(|| Failure::shared(Code::CutShort))?;
    let parsed = Head::parse(&head)?;
    if parsed.package() != key.package() {
        return Err(Failure::shared(Code::PackageMismatch));
    }
    let pin = link.as_ref().and_then(pin_of);
    if pin.is_some() && parsed.role() != Role::Manifest {
        // A link stands for a manifest; what has none is not what it was made for.
        return Err(Failure::shared(Code::PinMismatch));
    }
    let proof = match (parsed.role(), parsed.geometry()) {
        (Role::Manifest, Some(geometry)) => {
            let body = read_vec(source, geometry.body_bytes())?;
            let manifest = Manifest::open(&key, &head, &body, pin)?;
            let mut contents = Contents::new(manifest, output, terminal)?;
            open_files(&mut contents, &key, source, run)?;
            pin.is_some()
        }
        (Role::File, Some(_)) => {
            let opener = FileOpener::new(&key, &head)?;
            let mut contents = Contents::single(&opener, output, terminal)?;
            progress.total(opener.metadata().bytes);
            contents.check_free(0)?;
            contents.write_sealed(0, &opener, source, run)?;
            check_end(source)?;
            false
        }
        (Role::File, None) => {
            open_stream(
                StreamOpener::new(&key, &head)?,
                output,
                source,
                terminal,
                run,
            )?;
            false
        }
        _ => return Err(Failure::shared(Code::FileMissing)),
    };
    progress.finish();
    tell_proof(proof, by, terminal)
}

/// Where the sealed bytes come from.
enum Input {
    Pipe(Pipe),
    File(BufReader<File>),
}

impl Input {
    fn until(&mut self, stop: &Stop) {
        if let Self::Pipe(pipe) = self {
            pipe.until(stop);
        }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Pipe(pipe) => pipe.read(buffer),
            Self::File(file) => file.read(buffer),
        }
    }
}

/// Opens the keyring with what was given or is asked for. A link that is given must be of this package.
pub(crate) fn unlock(
    arguments: &Decrypt,
    keyring: &[u8],
    terminal: &Terminal,
) -> Result<(Unlocked, Option<Link>)> {
    let package = Keyring::parse(keyring)?.package();
    let link = local_link(&arguments.link, package)?;
    let secret = link.as_ref().and_then(secret_of);
    let opening = arguments.opening.opening();
    Ok((opening.open(keyring, package, secret, terminal)?, link))
}

/// All files of a package, in the order of the file.
fn open_files(
    contents: &mut Contents,
    key: &OpeningKey,
    source: &mut dyn Source,
    run: Run<'_>,
) -> Result<()> {
    run.progress.total(
        contents
            .manifest()
            .files
            .iter()
            .map(|file| file.bytes)
            .sum(),
    );
    for file in 0..contents.manifest().files.len() {
        contents.check_free(file)?;
    }
    while let Some(head) = read_piece(source, next_head_bytes)? {
        let opener = FileOpener::new(key, &head)?;
        let sealed = contents.find(&opener)?;
        contents.write_sealed(sealed, &opener, source, run)?;
    }
    contents.check_complete()
}

/// A file whose length was not known when it was sealed: opened front to back on one core.
fn open_stream(
    mut opener: StreamOpener,
    output: Output,
    source: &mut dyn Source,
    terminal: &Terminal,
    run: Run<'_>,
) -> Result<()> {
    let contents = Contents::of_stream(&opener, output, terminal)?;
    contents.check_free(0)?;
    contents.write_stream(|write| {
        let mut sealed = vec![0; PIECE_BYTES];
        let mut failed = None;
        loop {
            run.stop.check()?;
            let count = match source.read(&mut sealed) {
                Ok(0) => return Ok(opener.finish()?),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(&error)),
            };
            let pushed = opener.push(&sealed[..count], &mut |plain| {
                write(plain).map_err(|e| failed = Some(e)).is_ok()
            });
            match (pushed, failed.take()) {
                (_, Some(failure)) => return Err(failure),
                (pushed, None) => pushed?,
            }
            run.progress.add(count as u64);
        }
    })
}

/// Length of a head that follows a whole sealed file: what does not begin like one, as far as it goes,
/// is not the beginning of something that was cut.
fn next_head_bytes(first: &[u8]) -> Result<u32, FormatError> {
    if first
        .iter()
        .zip(HEAD_MAGIC)
        .all(|(byte, magic)| *byte == magic)
    {
        head_bytes(first)
    } else {
        Err(FormatError::TrailingBytes)
    }
}

/// Nothing may follow the last piece.
fn check_end(source: &mut dyn Source) -> Result<()> {
    match source.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(Failure::shared(Code::TrailingBytes)),
        Err(error) => Err(unreadable(&error)),
    }
}

/// Reads a keyring or a head: its first bytes say how long it is. `None` at the end of the source.
pub(crate) fn read_piece(
    source: &mut dyn Source,
    length_of: impl Fn(&[u8]) -> Result<u32, FormatError>,
) -> Result<Option<Vec<u8>>> {
    let mut piece = vec![0; PEEK_BYTES];
    let mut filled = 0;
    while filled < PEEK_BYTES {
        match source.read(&mut piece[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(&error)),
        }
    }
    let length = length_of(&piece[..filled])?;
    let rest = read_vec(source, u64::from(length).saturating_sub(PEEK_BYTES as u64))?;
    piece.extend_from_slice(&rest);
    Ok(Some(piece))
}

/// A link for a file at hand: proves which package it is, and may hold the secret that opens it.
pub(crate) fn local_link(arguments: &LinkArguments, package: PackageId) -> Result<Option<Link>> {
    let Some(text) = arguments.source().without_asking()? else {
        return Ok(None);
    };
    let link = Link::parse(&text)?;
    match (&link.fragment, link.package) {
        (Fragment::Send { .. }, _) => Err(Failure::shared(Code::BadLink)),
        (_, Some(named)) if named != package => Err(Failure::shared(Code::PinMismatch)),
        _ => Ok(Some(link)),
    }
}

/// The link's share of the key.
pub(crate) fn secret_of(link: &Link) -> Option<&LinkSecret> {
    match &link.fragment {
        Fragment::Receive { secret, .. } | Fragment::Manage { secret, .. } => secret.as_ref(),
        Fragment::Send { .. } => None,
    }
}

/// The content that the link stands for.
pub(crate) fn pin_of(link: &Link) -> Option<&Pin> {
    match &link.fragment {
        Fragment::Receive { pin, .. } => Some(pin),
        _ => None,
    }
}

/// Says what is proved, and no more (rule L3).
pub(crate) fn tell_proof(compared_with_link: bool, by: By, terminal: &Terminal) -> Result<()> {
    let (proof, words) = match (compared_with_link, by) {
        (true, _) => ("link", "complete, and exactly what the link was made for"),
        (false, By::Password) => (
            "password",
            "complete and unchanged since someone with the password sealed it; not compared with a link",
        ),
        (false, By::Link) => (
            "link_secret",
            "complete and unchanged since someone with the link's secret sealed it; not compared with what the sender sealed",
        ),
        (false, By::Identity) => (
            "recipient",
            "complete and unchanged since someone sealed it to your key, which anybody can; not compared with a link",
        ),
    };
    terminal.event("done", json!({ "proof": proof }))?;
    terminal.remark(words);
    Ok(())
}
