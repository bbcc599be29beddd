//! Finding the pieces of a `.sealift` file: one keyring, then heads and bodies.
//!
//! A scanner that does no I/O: it says which bytes it needs next, the caller brings them. It reads
//! keyring and heads and skips the bodies, so a file of any size is scanned in a few small reads.
//!
//! With one sealed file anything goes; with several the manifest comes first, all belong to one
//! package, no file comes twice, and none is of the open-length form (F6).

use std::collections::HashSet;
use std::ops::Range;

use super::head::HEAD_MAGIC;
use super::{FormatError, Geometry, Head, Keyring, Role, head_bytes, keyring_bytes};
use crate::ids::{FileId, PackageId};

/// Bytes that tell what follows and how long it is.
const PEEK_BYTES: u64 = 16;

/// Where the pieces of a `.sealift` file stand.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The keyring.
    pub keyring: Range<u64>,
    /// The package that all pieces belong to.
    pub package: PackageId,
    /// The sealed files, in their order.
    pub files: Vec<FileSection>,
}

/// Where one sealed file stands.
#[derive(Clone, Debug)]
pub struct FileSection {
    /// Its id.
    pub file: FileId,
    /// What it holds.
    pub role: Role,
    /// Its head.
    pub head: Range<u64>,
    /// Its body, seal included.
    pub body: Range<u64>,
    /// Shape of the body; `None` in the open-length form.
    pub geometry: Option<Geometry>,
}

/// Scans a `.sealift` file. Start with [`LayoutScanner::next_read`].
pub struct LayoutScanner {
    total_bytes: u64,
    position: u64,
    state: State,
    layout: Option<Layout>,
    seen: HashSet<FileId>,
}

enum State {
    PeekKeyring,
    Keyring(u64),
    PeekHead,
    Head(u64),
}

impl LayoutScanner {
    /// A scanner for a file of `total_bytes`.
    #[must_use]
    pub fn new(total_bytes: u64) -> Self {
        Self {
            total_bytes,
            position: 0,
            state: State::PeekKeyring,
            layout: None,
            seen: HashSet::new(),
        }
    }

    /// The bytes to bring next, at most 64 KiB; `None` when all is found.
    #[must_use]
    pub fn next_read(&self) -> Option<Range<u64>> {
        let length = match self.state {
            State::PeekHead if self.position == self.total_bytes => return None,
            State::PeekKeyring | State::PeekHead => PEEK_BYTES,
            State::Keyring(length) | State::Head(length) => length,
        };
        let end = self.position.saturating_add(length).min(self.total_bytes);
        Some(self.position..end)
    }

    /// Takes the bytes that [`LayoutScanner::next_read`] asked for.
    ///
    /// # Errors
    ///
    /// Those of [`Keyring::parse`] and [`Head::parse`]; [`FormatError::CutShort`] when a piece is
    /// longer than the file; [`FormatError::PackageMismatch`]; [`FormatError::ContentMismatch`] for
    /// a wrong order or a file that comes twice; [`FormatError::OpenLengthRefused`];
    /// [`FormatError::TrailingBytes`] when something else than a head follows a sealed file.
    pub fn supply(&mut self, bytes: &[u8]) -> Result<(), FormatError> {
        match self.state {
            State::PeekKeyring => {
                self.state = State::Keyring(u64::from(keyring_bytes(bytes)?));
            }
            State::Keyring(_) => {
                let package = Keyring::parse(bytes)?.package();
                let keyring = 0..bytes.len() as u64;
                self.position = keyring.end;
                self.layout = Some(Layout {
                    keyring,
                    package,
                    files: Vec::new(),
                });
                self.state = State::PeekHead;
            }
            State::PeekHead => {
                if self.follows_a_file() && !bytes.iter().zip(&HEAD_MAGIC).all(|(a, b)| a == b) {
                    return Err(FormatError::TrailingBytes);
                }
                self.state = State::Head(u64::from(head_bytes(bytes)?));
            }
            State::Head(_) => {
                let section = self.section(&Head::parse(bytes)?)?;
                self.seen.insert(section.file);
                self.position = section.body.end;
                let layout = self.layout.as_mut().ok_or(FormatError::CutShort)?;
                layout.files.push(section);
                self.state = State::PeekHead;
            }
        }
        Ok(())
    }

    /// The whole layout, once [`LayoutScanner::next_read`] gave `None`.
    ///
    /// # Errors
    ///
    /// [`FormatError::CutShort`] without any sealed file.
    pub fn finish(self) -> Result<Layout, FormatError> {
        let done = self.next_read().is_none();
        let layout = self
            .layout
            .filter(|layout| done && !layout.files.is_empty());
        layout.ok_or(FormatError::CutShort)
    }

    fn follows_a_file(&self) -> bool {
        self.layout
            .as_ref()
            .is_some_and(|layout| !layout.files.is_empty())
    }

    fn section(&self, head: &Head<'_>) -> Result<FileSection, FormatError> {
        let layout = self.layout.as_ref().ok_or(FormatError::CutShort)?;
        if head.package() != layout.package {
            return Err(FormatError::PackageMismatch);
        }
        if let Some(first) = layout.files.first() {
            let twice = self.seen.contains(&head.file());
            if first.role != Role::Manifest || head.role() == Role::Manifest || twice {
                return Err(FormatError::ContentMismatch);
            }
            if head.geometry().is_none() {
                return Err(FormatError::OpenLengthRefused);
            }
        }
        let head_end = self.position.saturating_add(head.bytes().len() as u64);
        let body_end = match head.geometry() {
            Some(geometry) => head_end.saturating_add(geometry.body_bytes()),
            None => self.total_bytes,
        };
        if body_end > self.total_bytes {
            return Err(FormatError::CutShort);
        }
        Ok(FileSection {
            file: head.file(),
            role: head.role(),
            head: self.position..head_end,
            body: head_end..body_end,
            geometry: head.geometry(),
        })
    }
}
