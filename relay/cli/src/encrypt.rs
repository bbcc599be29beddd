//! `sealift encrypt`: one file to `NAME.sealift`, several files or folders to one package, or a pipe
//! to a pipe. The output appears under its name only when it is whole.
//!
//! A package starts with its manifest, which holds every file's seal. Its length depends on names
//! and counts alone, so room is left for it and it is written last.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sealift_envelope::{Metadata, OpenLengthSealer};
use sealift_protocol::format::Role;
use sealift_protocol::{Code, FileId};
use serde_json::json;

use crate::arguments::Encrypt;
use crate::failure::{Cause, Failure, Result};
use crate::names::random_part_name;
use crate::package::{Plan, PlannedFile};
use crate::part::{PartFile, write_at};
use crate::pipe::Pipe;
use crate::pipeline::Run;
use crate::progress::Progress;
use crate::protection::{NewPackage, Protection, random, rng};
use crate::seal::{seal_body, unwritable};
use crate::source::{SourceFile, Sources};
use crate::stop::Stop;
use crate::stream::seal_stream;
use crate::terminal::Terminal;

/// Ending of sealed files.
const ENDING: &str = "sealift";

/// Runs the command.
pub(crate) fn run(arguments: &Encrypt, terminal: &Terminal) -> Result<()> {
    let from_pipe = arguments.files.iter().any(|file| is_dash(file));
    check(arguments, from_pipe)?;
    if from_pipe {
        return seal_pipe(arguments, terminal);
    }
    let sources = Sources::find(&arguments.files)?;
    for remark in &sources.remarks {
        terminal.notice(remark);
    }
    let plain = arguments.words.title.is_empty() && arguments.words.note.is_empty();
    match &sources.files[..] {
        [file] if plain && sources.empty_folders.is_empty() && !file.path.contains('/') => {
            let file = file.clone();
            seal_single(arguments, file, terminal)
        }
        _ => seal_package(arguments, sources, terminal),
    }
}

fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// What clap cannot see.
fn check(arguments: &Encrypt, from_pipe: bool) -> Result<()> {
    let wrong = |what: &str, advice: &str| Err(Failure::new(Cause::Usage, what, advice));
    if from_pipe && arguments.files.len() > 1 {
        return wrong(
            "standard input cannot be sealed together with files",
            "Seal it alone, or save it as a file first.",
        );
    }
    if from_pipe && arguments.protection.password.password_stdin {
        return wrong(
            "standard input cannot hold both the content and the password",
            "Use --password-file, --password-fd or the variable SEALIFT_PASSWORD.",
        );
    }
    if from_pipe && !(arguments.words.title.is_empty() && arguments.words.note.is_empty()) {
        return wrong(
            "a pipe is sealed without title and note",
            "Save it as a file first.",
        );
    }
    Ok(())
}

/// Refuses before a password is asked for what would be refused after it.
fn check_output(place: &Path, overwrite: bool, terminal: &Terminal) -> Result<()> {
    if is_dash(place) {
        return terminal.check_stdout_free();
    }
    if !overwrite && place.symlink_metadata().is_ok() {
        return Err(Failure::file(
            "create",
            place,
            &io::ErrorKind::AlreadyExists.into(),
        ));
    }
    Ok(())
}

/// Where the sealed bytes go: a file that gets its name at the end, or standard output.
enum Sealed {
    File(PartFile),
    Stdout,
}

impl Sealed {
    fn open(place: &Path, overwrite: bool) -> Result<Self> {
        if is_dash(place) {
            Ok(Self::Stdout)
        } else {
            Ok(Self::File(PartFile::for_output(
                place,
                &random_part_name(),
                overwrite,
                false,
            )?))
        }
    }

    /// Writes the keyring, and after it what `write` makes.
    fn write(
        &self,
        package: &NewPackage,
        mut write: impl FnMut(&mut (dyn Write + Send)) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::File(part) => beside_keyring(part, package, || write(&mut part.file())),
            Self::Stdout => {
                let mut stdout = io::stdout();
                put(&mut stdout, &package.keyring()?)?;
                write(&mut stdout)?;
                stdout.flush().map_err(|error| Failure::stdout(&error))
            }
        }
    }

    fn finish(self, terminal: &Terminal) -> Result<()> {
        match self {
            Self::File(part) => {
                let bytes = part.file().metadata().map_or(0, |metadata| metadata.len());
                let place = part.finish(None)?;
                terminal.event(
                    "done",
                    json!({ "place": place.to_string_lossy(), "bytes": bytes }),
                )?;
                terminal.result(&place.to_string_lossy())
            }
            Self::Stdout => Ok(()),
        }
    }
}

/// Derives the keyring from the password, which takes a moment and all of a core, while `write` seals
/// the content behind its place.
fn beside_keyring(
    part: &PartFile,
    package: &NewPackage,
    write: impl FnOnce() -> Result<()>,
) -> Result<()> {
    seek(part.file(), package.keyring_bytes())?;
    std::thread::scope(|scope| {
        let deriving = scope.spawn(|| package.keyring());
        write()?;
        let misuse = || Failure::shared(Code::Misuse);
        let keyring = deriving.join().map_err(|_| misuse())??;
        if keyring.len() as u64 != package.keyring_bytes() {
            return Err(misuse());
        }
        write_at(part.file(), &keyring, 0).map_err(|error| unwritable(&error))
    })
}

/// One file, without a manifest: keyring, head, body.
fn seal_single(arguments: &Encrypt, file: SourceFile, terminal: &Terminal) -> Result<()> {
    let place = arguments
        .output
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("{}.{ENDING}", file.path)));
    check_output(&place, arguments.overwrite, terminal)?;
    let package = protect(arguments, terminal)?;
    let sealed = Sealed::open(&place, arguments.overwrite)?;
    let planned = PlannedFile::new(&package.key, Role::File, vec![file])?;
    let stop = Stop::install();
    let progress = Progress::new(terminal, "Sealing", Some(planned.bytes()));
    let run = Run {
        workers: arguments.cores.workers(),
        progress: &progress,
        stop: &stop,
    };
    sealed.write(&package, |sink| {
        put(sink, &planned.head)?;
        let (mut source, shown) = (planned.open(), planned.place());
        seal_body(&planned.sealer, &mut source, &shown, sink, run).map(drop)
    })?;
    progress.finish();
    sealed.finish(terminal)
}

/// Several files and folders, or one with words: keyring, manifest, then all the others.
fn seal_package(arguments: &Encrypt, sources: Sources, terminal: &Terminal) -> Result<()> {
    let place = arguments
        .output
        .clone()
        .unwrap_or_else(|| package_name(&arguments.files));
    if is_dash(&place) {
        return Err(Failure::new(
            Cause::Usage,
            "several files cannot be sealed to standard output, because the list of them comes first and is known last",
            "Name a file with -o.",
        ));
    }
    check_output(&place, arguments.overwrite, terminal)?;
    let package = protect(arguments, terminal)?;
    let part = PartFile::for_output(&place, &random_part_name(), arguments.overwrite, false)?;
    let bytes_total = sources.bytes_total();
    let mut plan = Plan::new(&package.key, sources, &arguments.words)?;
    // Only its length is needed: what is sealed here is thrown away, and so is its file id (F3).
    let room = plan
        .manifest
        .seal(&package.key, FileId(random()), &mut rng())?;
    let manifest_offset = package.keyring_bytes();
    let manifest_bytes = (room.head.len() + room.body.len()) as u64;

    let stop = Stop::install();
    let progress = Progress::new(terminal, "Sealing", Some(bytes_total));
    let run = Run {
        workers: arguments.cores.workers(),
        progress: &progress,
        stop: &stop,
    };
    beside_keyring(&part, &package, || {
        let mut sink = part.file();
        seek(sink, manifest_offset + manifest_bytes)?;
        for (index, planned) in plan.files.iter().enumerate() {
            put(&mut sink, &planned.head)?;
            let (mut source, shown) = (planned.open(), planned.place());
            let seal = seal_body(&planned.sealer, &mut source, &shown, &mut sink, run)?;
            plan.manifest.sealed[index].seal = seal;
        }
        let manifest = plan
            .manifest
            .seal(&package.key, FileId(random()), &mut rng())?;
        if (manifest.head.len() + manifest.body.len()) as u64 != manifest_bytes {
            return Err(Failure::shared(Code::Misuse));
        }
        seek(sink, manifest_offset)?;
        put(&mut sink, &manifest.head)?;
        put(&mut sink, &manifest.body)
    })?;
    progress.finish();
    Sealed::File(part).finish(terminal)
}

/// Standard input, whose length is not known: the open-length form (rule F6).
fn seal_pipe(arguments: &Encrypt, terminal: &Terminal) -> Result<()> {
    let place = arguments
        .output
        .clone()
        .unwrap_or_else(|| PathBuf::from("-"));
    check_output(&place, arguments.overwrite, terminal)?;
    let package = protect(arguments, terminal)?;
    let sealed = Sealed::open(&place, arguments.overwrite)?;
    let name = arguments.name.clone().unwrap_or_else(|| "stdin".to_owned());
    let metadata = Metadata {
        path: name,
        ..Metadata::unnamed(0)
    };
    let stop = Stop::install();
    let progress = Progress::new(terminal, "Sealing", None);
    let run = Run {
        workers: arguments.cores.workers(),
        progress: &progress,
        stop: &stop,
    };
    let mut source = Pipe::stdin();
    source.until(&stop);
    sealed.write(&package, |sink| {
        let (sealer, head) =
            OpenLengthSealer::new(&package.key, FileId(random()), &metadata, &mut rng())?;
        put(sink, &head)?;
        seal_stream(sealer, &mut source, sink, run)
    })?;
    progress.finish();
    sealed.finish(terminal)
}

fn protect(arguments: &Encrypt, terminal: &Terminal) -> Result<NewPackage> {
    let protection = Protection::choose(&arguments.protection, false, terminal)?;
    if protection.recipients_alone() {
        terminal.notice(
            "only the recipients can open this: you cannot, unless one of the keys is yours, and nobody can change that later. \
             Give a password as well (--ask-password) to keep a way in.",
        );
    }
    Ok(NewPackage::draw(protection))
}

/// `NAME.sealift` for one folder, `files.sealift` for several things.
fn package_name(files: &[PathBuf]) -> PathBuf {
    let name = match files {
        [only] => only
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("files"),
        _ => "files",
    };
    PathBuf::from(format!("{name}.{ENDING}"))
}

fn put(sink: &mut dyn Write, bytes: &[u8]) -> Result<()> {
    sink.write_all(bytes).map_err(|error| unwritable(&error))
}

fn seek(mut file: &File, offset: u64) -> Result<()> {
    file.seek(SeekFrom::Start(offset))
        .map(drop)
        .map_err(|error| unwritable(&error))
}
