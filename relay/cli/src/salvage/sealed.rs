//! The damaged file itself: read piece by piece, and searched for the next head where one is damaged.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use sealift_protocol::PackageId;
use sealift_protocol::format::{Head, Keyring, head_bytes, keyring_bytes};
use sealift_protocol::limits::HEAD_BYTES_MAX;

use crate::failure::{Failure, Result};
use crate::stop::Stop;

/// First bytes that tell what follows and how long it is.
const START_BYTES: usize = 16;
/// Searched at once.
const WINDOW_BYTES: usize = 1 << 20;

/// The damaged file. What cannot be read counts as lost, like what cannot be opened.
pub(super) struct Sealed {
    file: File,
    /// Its length.
    pub(super) bytes: u64,
    /// The package that its keyring names.
    package: PackageId,
}

impl Sealed {
    /// Opens it, and reads its keyring, without which nothing can be salvaged.
    pub(super) fn open(place: &Path) -> Result<(Self, Vec<u8>)> {
        let cannot = |error| Failure::file("read", place, &error);
        let file = File::open(place).map_err(cannot)?;
        let bytes = file.metadata().map_err(cannot)?.len();
        let mut sealed = Self {
            file,
            bytes,
            package: PackageId([0; 16]),
        };
        let length = keyring_bytes(&sealed.read(0, START_BYTES))?;
        let keyring = sealed.read(0, length as usize);
        sealed.package = Keyring::parse(&keyring)?.package();
        Ok((sealed, keyring))
    }

    /// At most `count` bytes: fewer at the end, none where the disk gives none.
    pub(super) fn read(&self, offset: u64, count: usize) -> Vec<u8> {
        let left = self.bytes.saturating_sub(offset);
        let count = count.min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut bytes = vec![0; count];
        match self.file.read_exact_at(&mut bytes, offset) {
            Ok(()) => bytes,
            Err(_) => Vec::new(),
        }
    }

    /// A head of this package that is whole, if one starts here.
    pub(super) fn head_at(&self, offset: u64) -> Option<Vec<u8>> {
        let length = head_bytes(&self.read(offset, START_BYTES)).ok()?;
        if length as usize > HEAD_BYTES_MAX {
            return None;
        }
        let head = self.read(offset, length as usize);
        let parsed = Head::parse(&head).ok()?;
        (parsed.package() == self.package).then_some(head)
    }

    /// Where the next head starts, or the end.
    pub(super) fn next_head(&self, from: u64, stop: &Stop) -> Result<u64> {
        let mut start = from;
        while start < self.bytes {
            stop.check()?;
            let window = self.read(start, WINDOW_BYTES + START_BYTES - 1);
            let found = window
                .windows(START_BYTES)
                .enumerate()
                .filter(|(_, bytes)| head_bytes(bytes).is_ok())
                .map(|(place, _)| start + place as u64)
                .find(|offset| self.head_at(*offset).is_some());
            if let Some(offset) = found {
                return Ok(offset);
            }
            start += WINDOW_BYTES as u64;
        }
        Ok(self.bytes)
    }
}
