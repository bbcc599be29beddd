//! A reader of `.sealift` files, as the specification tells it: the order of its checks is the
//! normative one, and the second decoder (`tests/vectors/decode.py`) is judged against it.

use sealift_envelope::keyring::{self, Credential};
use sealift_envelope::*;
use sealift_protocol::PackageId;
use sealift_protocol::format::{FileSection, FormatError, KdfLimits, LayoutScanner, Role};
use sealift_protocol::link::Pin;

/// What was opened.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Opened {
    pub(crate) title: String,
    pub(crate) note: String,
    pub(crate) folders: Vec<String>,
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// Paths that the manifest lists and the file does not contain.
    pub(crate) missing: Vec<String>,
}

/// Opens a whole `.sealift` file by password or link.
pub(crate) fn open_sealift(
    bytes: &[u8],
    package: Option<&PackageId>,
    credential: Credential<'_>,
    pin: Option<&Pin>,
    limits: KdfLimits,
) -> Result<Opened, Error> {
    open_with(bytes, pin, |keyring| {
        keyring::open_within(keyring, package, credential, limits).map(|key| (*key).clone())
    })
}

/// Opens a whole `.sealift` file, its keyring by `unlock`.
pub(crate) fn open_with(
    bytes: &[u8],
    pin: Option<&Pin>,
    unlock: impl FnOnce(&[u8]) -> Result<OpeningKey, Error>,
) -> Result<Opened, Error> {
    let mut scanner = LayoutScanner::new(bytes.len() as u64);
    while let Some(range) = scanner.next_read() {
        scanner.supply(&bytes[range.start as usize..range.end as usize])?;
    }
    let layout = scanner.finish()?;
    let keyring = &bytes[..layout.keyring.end as usize];
    let key = unlock(keyring)?;
    let (first, rest) = layout.files.split_first().ok_or(FormatError::CutShort)?;
    if first.role == Role::Manifest {
        let manifest = Manifest::open(
            &key,
            part(bytes, &first.head),
            part(bytes, &first.body),
            pin,
        )?;
        return open_listed(bytes, &key, &manifest, rest);
    }
    if pin.is_some() {
        return Err(Error::PinMismatch);
    }
    open_alone(bytes, &key, first)
}

fn open_alone(bytes: &[u8], key: &OpeningKey, section: &FileSection) -> Result<Opened, Error> {
    if section.role == Role::Pack {
        return Err(Error::ContentMismatch);
    }
    let (head, body) = (part(bytes, &section.head), part(bytes, &section.body));
    let (path, content) = if section.geometry.is_some() {
        let opener = FileOpener::new(key, head)?;
        let (content, _) = open_body(&opener, body)?;
        (opener.metadata().path.clone(), content)
    } else {
        let mut opener = StreamOpener::new(key, head)?;
        let mut content = Vec::new();
        opener.push(body, &mut |plain| {
            content.extend_from_slice(plain);
            true
        })?;
        let path = opener.metadata().path.clone();
        opener.finish()?;
        (path, content)
    };
    Ok(Opened {
        files: vec![(path, content)],
        ..Opened::default()
    })
}

fn open_listed(
    bytes: &[u8],
    key: &OpeningKey,
    manifest: &Manifest,
    sections: &[FileSection],
) -> Result<Opened, Error> {
    let mut contents = Vec::new();
    let listed = ManifestIndex::of(manifest);
    for (index, place) in manifest.locate(sections)?.into_iter().enumerate() {
        let Some(place) = place else {
            contents.push(None);
            continue;
        };
        let section = &sections[place];
        let opener = FileOpener::new(key, part(bytes, &section.head))?;
        let found = listed.check_head(manifest, &opener);
        assert_eq!(found, manifest.check_head(&opener));
        if found? != index {
            return Err(Error::ContentMismatch);
        }
        let (content, seal) = open_body(&opener, part(bytes, &section.body))?;
        manifest.check_seal(index, seal)?;
        contents.push(Some(content));
    }
    let mut opened = Opened {
        title: manifest.title.clone(),
        note: manifest.note.clone(),
        folders: manifest.folders.clone(),
        ..Opened::default()
    };
    for file in &manifest.files {
        match &contents[file.sealed] {
            Some(content) => {
                let start = file.offset as usize;
                let own = content[start..start + file.bytes as usize].to_vec();
                opened.files.push((file.path.clone(), own));
            }
            None => opened.missing.push(file.path.clone()),
        }
    }
    Ok(opened)
}

/// Opens a whole body; returns its content and its seal.
pub(crate) fn open_body<'a>(
    opener: &FileOpener,
    body: &'a [u8],
) -> Result<(Vec<u8>, &'a [u8]), Error> {
    let geometry = opener.geometry();
    if (body.len() as u64) < geometry.body_bytes() {
        return Err(FormatError::CutShort.into());
    }
    let mut content = Vec::new();
    let mut pairs = SealBuilder::new();
    for index in 0..geometry.segment_count() {
        let start = geometry.segment_offset(index) as usize;
        let end = start + geometry.segment_sealed_bytes(index) as usize;
        pairs.push(&opener.open_segment(index, &body[start..end], &mut content)?);
    }
    let seal = &body[geometry.seal_offset() as usize..];
    opener.verify_seal(pairs, seal)?;
    Ok((content, seal))
}

fn part<'a>(bytes: &'a [u8], range: &std::ops::Range<u64>) -> &'a [u8] {
    &bytes[range.start as usize..range.end as usize]
}
