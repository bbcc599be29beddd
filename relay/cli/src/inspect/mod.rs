//! `sealift inspect`: what anybody can see in a `.sealift` file without a key, and with the password,
//! link or key what is inside. For a package at its relay, the protection report ([`package`]).
//!
//! Only the keyring, the heads and, unlocked, the manifest are read: a file of any size is inspected
//! in a few small reads.

mod package;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use sealift_envelope::{FileEntry, Manifest, OpeningKey, StreamOpener};
use sealift_protocol::Code;
use sealift_protocol::format::{FileSection, Keyring, Layout, LayoutScanner, Role, SlotKind};
use serde_json::{Value, json};

use crate::arguments::Inspect;
use crate::decrypt::{local_link, pin_of, secret_of};
use crate::failure::{Failure, Result};
use crate::listing::tell_list;
use crate::secret::link_as_argument;
use crate::terminal::Terminal;
use crate::unseal::unreadable;

/// Runs the command.
pub(crate) fn run(arguments: &Inspect, terminal: &Terminal) -> Result<()> {
    let Some(place) = &arguments.file else {
        return package::run(arguments, terminal);
    };
    let shown = place.to_string_lossy();
    if shown.contains('#') && !place.exists() {
        return Err(link_as_argument());
    }
    let cannot = |error| Failure::file("read", place, &error);
    let mut file = File::open(place).map_err(cannot)?;
    let bytes_total = file.metadata().map_err(cannot)?.len();
    let layout = scan(&mut file, bytes_total)?;
    let keyring = read(&mut file, layout.keyring.clone())?;
    tell_outside(&layout, &Keyring::parse(&keyring)?, bytes_total, terminal)?;

    let link = local_link(&arguments.link, layout.package)?;
    let opening = arguments.opening.opening();
    let secret = link.as_ref().and_then(secret_of);
    if !arguments.unlock && secret.is_none() && !opening.is_given()? {
        return Ok(());
    }
    let key = opening
        .open(&keyring, layout.package, secret, terminal)?
        .key;
    let manifest = inside(&mut file, &layout, &key, link.as_ref().and_then(pin_of))?;
    terminal.result("")?;
    tell_list(&manifest, terminal)
}

fn scan(file: &mut File, bytes_total: u64) -> Result<Layout> {
    let mut scanner = LayoutScanner::new(bytes_total);
    while let Some(range) = scanner.next_read() {
        let bytes = read(file, range)?;
        scanner.supply(&bytes)?;
    }
    Ok(scanner.finish()?)
}

fn read(file: &mut File, range: Range<u64>) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap_or(usize::MAX)];
    file.seek(SeekFrom::Start(range.start))
        .and_then(|_| file.read_exact(&mut bytes))
        .map_err(|error| unreadable(&error))?;
    Ok(bytes)
}

/// The list of files: from the manifest, or from the only head.
fn inside(
    file: &mut File,
    layout: &Layout,
    key: &OpeningKey,
    pin: Option<&sealift_protocol::link::Pin>,
) -> Result<Manifest> {
    let first = layout
        .files
        .first()
        .ok_or_else(|| Failure::shared(Code::CutShort))?;
    let head = read(file, first.head.clone())?;
    if first.role == Role::Manifest {
        let body = read(file, first.body.clone())?;
        return Ok(Manifest::open(key, &head, &body, pin)?);
    }
    if pin.is_some() {
        // A link stands for a manifest; what has none is not what it was made for.
        return Err(Failure::shared(Code::PinMismatch));
    }
    let opener = StreamOpener::new(key, &head)?; // Takes both forms.
    let metadata = opener.metadata();
    let file = FileEntry {
        path: metadata.path.clone(),
        bytes: metadata.bytes,
        modified_ms: metadata.modified_ms,
        media_type: metadata.media_type.clone(),
        sealed: 0,
        offset: 0,
    };
    Ok(Manifest {
        title: String::new(),
        note: String::new(),
        folders: Vec::new(),
        sealed: Vec::new(),
        files: vec![file],
    })
}

/// What a relay, or anybody, sees.
fn tell_outside(
    layout: &Layout,
    keyring: &Keyring<'_>,
    bytes_total: u64,
    terminal: &Terminal,
) -> Result<()> {
    let slots: Vec<Value> = keyring.slots().map(|slot| slot_json(slot.kind)).collect();
    let files: Vec<Value> = layout.files.iter().map(section_json).collect();
    if terminal.json() {
        return terminal.event(
            "sealed",
            json!({
                "package": layout.package.to_string(),
                "keyring_generation": keyring.generation(),
                "bytes": bytes_total,
                "slots": slots,
                "files": files,
            }),
        );
    }
    let mut lines = vec![
        format!("package     {}", layout.package),
        format!("bytes       {bytes_total}"),
    ];
    lines.extend(
        keyring
            .slots()
            .enumerate()
            .map(|(number, slot)| format!("opens with  {}  {}", number + 1, slot_words(slot.kind))),
    );
    lines.extend(layout.files.iter().map(|section| {
        format!(
            "{:<11} {} sealed bytes",
            role_word(section),
            section.body.end - section.head.start
        )
    }));
    lines.iter().try_for_each(|line| terminal.result(line))
}

/// What opens a slot, for a person.
pub(crate) fn slot_words(kind: SlotKind) -> String {
    match kind {
        SlotKind::Password { cost, link } => format!(
            "a password{} (Argon2id, {} MiB, {} passes)",
            if link { " and the link" } else { "" },
            cost.memory_kib / 1024,
            cost.passes
        ),
        SlotKind::Link => "the link".to_owned(),
        SlotKind::Recipient => "a recipient's secret key".to_owned(),
        SlotKind::Unknown(number) => format!("something of a newer version (type {number})"),
    }
}

/// The same, for a program.
pub(crate) fn slot_json(kind: SlotKind) -> Value {
    match kind {
        SlotKind::Password { cost, link } => json!({
            "kind": "password", "link_needed": link, "memory_kib": cost.memory_kib,
            "passes": cost.passes, "parallelism": cost.parallelism,
        }),
        SlotKind::Link => json!({ "kind": "link" }),
        SlotKind::Recipient => json!({ "kind": "recipient" }),
        SlotKind::Unknown(number) => json!({ "kind": "unknown", "type": number }),
    }
}

fn role_word(section: &FileSection) -> &'static str {
    match (section.role, section.geometry) {
        (Role::Manifest, _) => "list",
        (Role::Pack, _) => "pack",
        (Role::File, Some(_)) => "file",
        (Role::File, None) => "pipe",
    }
}

fn section_json(section: &FileSection) -> Value {
    json!({
        "file": section.file.to_string(),
        "kind": role_word(section),
        "head_bytes": section.head.end - section.head.start,
        "body_bytes": section.body.end - section.body.start,
    })
}
