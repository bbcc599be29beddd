//! A path below the target folder, made of plain names only.
//!
//! The rules for names are the envelope's (`sealift_envelope::names`), the same as in the browser;
//! this type makes it impossible to open anything that has not been through them.

use sealift_envelope::Manifest;
use sealift_envelope::names::{safe_path, safe_paths};

/// Longest file name on common file systems, in bytes.
const NAME_BYTES_MAX: usize = 255;
/// Room for notes beside a part, such as `.pairs`.
const NOTES_BYTES: usize = 8;

/// A path of plain names. Cannot be built from a string that escapes.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct SafePath {
    folders: Vec<String>,
    name: String,
}

impl SafePath {
    /// Where to save the files of one package: safe, and all different.
    pub(crate) fn of_all(manifest: &Manifest) -> Vec<Self> {
        let files = manifest.files.iter().map(|file| &file.path[..]);
        let folders = manifest.folders.iter().map(|folder| &folder[..]);
        safe_paths(files, folders)
            .iter()
            .map(|path| Self::split(path))
            .collect()
    }

    /// Where to save one file or folder.
    pub(crate) fn of(path: &str) -> Self {
        Self::split(&safe_path(path))
    }

    /// Splits a safe path. What is left after the envelope's rules holds no step that climbs; one
    /// that did would become a plain name here.
    fn split(path: &str) -> Self {
        let plain = |name: &str| match name {
            "" | "." | ".." => "_".to_owned(),
            name => name.replace(['\0', '\\'], "_"),
        };
        let mut folders: Vec<String> = path.split('/').map(plain).collect();
        let name = folders.pop().unwrap_or_else(|| "_".to_owned());
        Self { folders, name }
    }

    /// Folders on the way, outermost first.
    pub(crate) fn folders(&self) -> &[String] {
        &self.folders
    }

    /// The last component.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The name while the file is not whole yet.
    pub(crate) fn part_name(&self) -> String {
        part_name(&self.name)
    }

    /// Slash-separated, for messages.
    pub(crate) fn joined(&self) -> String {
        self.folders
            .iter()
            .chain([&self.name])
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("/")
    }
}

/// `NAME.part`, cut where the disk would not take it.
pub(crate) fn part_name(name: &str) -> String {
    const ENDING: &str = ".part";
    let mut room = name.len().min(NAME_BYTES_MAX - ENDING.len() - NOTES_BYTES);
    while !name.is_char_boundary(room) {
        room -= 1;
    }
    format!("{}{ENDING}", &name[..room])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_paths_become_plain_names() {
        for hostile in [
            "../x",
            "/etc/passwd",
            "a/../../b",
            "..",
            "",
            "a//b",
            "a\\..\\b",
            "nul\0",
        ] {
            let path = SafePath::of(hostile);
            for name in path
                .folders()
                .iter()
                .map(String::as_str)
                .chain([path.name()])
            {
                assert!(!matches!(name, "" | "." | ".."), "{hostile:?} -> {path:?}");
                assert!(!name.contains(['/', '\\', '\0']), "{hostile:?} -> {path:?}");
            }
        }
    }

    #[test]
    fn the_name_of_a_part_fits_every_disk() {
        assert_eq!(part_name("a.txt"), "a.txt.part");
        assert!(part_name(&"é".repeat(127)).len() <= NAME_BYTES_MAX);
    }
}
