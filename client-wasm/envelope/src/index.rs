//! What a reader asks about a manifest for every file, answered without searching the list.

use std::collections::HashMap;

use sealift_protocol::FileId;

use crate::{Error, FileOpener, Manifest};

/// Where each sealed file stands in a manifest's list, and which entries it holds. Made once, in
/// time and memory like the list's length.
pub struct ManifestIndex {
    places: HashMap<FileId, usize>,
    /// Where each sealed file's entries start in `members`; one more at the end.
    starts: Vec<usize>,
    /// Entries, grouped by the sealed file that holds them.
    members: Vec<usize>,
}

impl ManifestIndex {
    /// The index of this list. Entries that name no sealed file of the list are left out; a checked
    /// manifest has none.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        let ids = manifest.sealed.iter().enumerate();
        let places = ids.map(|(place, sealed)| (sealed.file, place)).collect();
        let mut starts = vec![0; manifest.sealed.len() + 1];
        for file in &manifest.files {
            if let Some(count) = starts.get_mut(file.sealed.saturating_add(1)) {
                *count += 1;
            }
        }
        let mut end = 0;
        for start in &mut starts {
            end += *start;
            *start = end;
        }
        let mut next = starts.clone();
        let mut members = vec![0; end];
        for (entry, file) in manifest.files.iter().enumerate() {
            if file.sealed < manifest.sealed.len() {
                members[next[file.sealed]] = entry;
                next[file.sealed] += 1;
            }
        }
        Self {
            places,
            starts,
            members,
        }
    }

    /// The place of a sealed file in [`Manifest::sealed`].
    #[must_use]
    pub fn place(&self, file: FileId) -> Option<usize> {
        self.places.get(&file).copied()
    }

    /// The entries of [`Manifest::files`] that this sealed file holds, in order: one for a file
    /// that stands alone. Empty for a place outside the list.
    #[must_use]
    pub fn members(&self, sealed: usize) -> &[usize] {
        let start = self.starts.get(sealed);
        let end = self.starts.get(sealed.saturating_add(1));
        let (Some(start), Some(end)) = (start, end) else {
            return &[];
        };
        self.members.get(*start..*end).unwrap_or_default()
    }

    /// [`Manifest::check_head`] for the manifest that this is the index of.
    ///
    /// # Errors
    ///
    /// [`Error::ContentMismatch`].
    pub fn check_head(&self, manifest: &Manifest, opener: &FileOpener) -> Result<usize, Error> {
        let place = self.place(opener.file()).ok_or(Error::ContentMismatch)?;
        let first = self.members(place).first();
        let entry = first.and_then(|first| manifest.files.get(*first));
        manifest.check_head_at(place, entry, opener)
    }
}
