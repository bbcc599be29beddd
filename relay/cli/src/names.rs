//! A path below the target folder, made of plain names only.
//!
//! The rules for names are the envelope's (`sealift_envelope::names`), the same as in the browser;
//! this type makes it impossible to open anything that has not been through them.

use data_encoding::HEXLOWER;
use sealift_envelope::Manifest;
use sealift_envelope::names::{safe_path, safe_paths};
use sealift_protocol::{FileId, PackageId};

use crate::protection::random;

/// Added to the name of what is not whole.
const SALVAGED_ENDING: &str = ".salvaged";
/// The longest name that disks take, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// A path of plain names. Cannot be built from a string that escapes.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct SafePath {
    folders: Vec<String>,
    name: String,
}

impl SafePath {
    /// Where to save the files of one package: safe, and all different.
    pub(crate) fn of_all(manifest: &Manifest) -> Vec<Self> {
        let files: Vec<String> = manifest
            .files
            .iter()
            .map(|file| apart(&file.path))
            .collect();
        let folders: Vec<String> = manifest
            .folders
            .iter()
            .map(|folder| apart(folder))
            .collect();
        let safe = safe_paths(
            files.iter().map(String::as_str),
            folders.iter().map(String::as_str),
        );
        safe.iter().map(|path| Self::split(path)).collect()
    }

    /// Where to save one file or folder.
    pub(crate) fn of(path: &str) -> Self {
        Self::split(&safe_path(&apart(path)))
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

    /// The same with `.salvaged` at its end: the name of what is not whole.
    pub(crate) fn salvaged(&self) -> Self {
        let mut stem = self.name.clone();
        while stem.len() + SALVAGED_ENDING.len() > NAME_BYTES_MAX {
            stem.pop();
        }
        Self {
            folders: self.folders.clone(),
            name: stem + SALVAGED_ENDING,
        }
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

/// `path` with every component out of the way of temporary names, which are ours alone.
fn apart(path: &str) -> String {
    let step = |name: &str| {
        let ours = name.to_lowercase().starts_with(PART_PREFIX);
        if ours {
            format!("_{name}")
        } else {
            name.to_owned()
        }
    };
    path.split('/').map(step).collect::<Vec<_>>().join("/")
}

/// What all temporary names start with, and no name of a package.
const PART_PREFIX: &str = ".sealift-";

/// Temporary name of one file while it is not whole: it carries the id of the sealed file, so that
/// no other package, and no other file of this one, has the same.
pub(crate) fn part_name(file: FileId, member: usize) -> String {
    format!(
        "{PART_PREFIX}{}-{member}.part",
        HEXLOWER.encode(&file.0[..8])
    )
}

/// Temporary name of a whole package that is kept encrypted.
pub(crate) fn package_part_name(package: PackageId) -> String {
    format!("{PART_PREFIX}{}.part", HEXLOWER.encode(&package.0[..8]))
}

/// A temporary name that nobody has.
pub(crate) fn random_part_name() -> String {
    format!("{PART_PREFIX}{}.part", HEXLOWER.encode(&random::<8>()))
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
    fn no_package_can_name_a_temporary_file() {
        let part = part_name(FileId([0xab; 32]), 3);
        assert_eq!(part, ".sealift-abababababababab-3.part");
        for name in [
            part.clone(),
            part.to_uppercase(),
            format!("{part}.pairs"),
            random_part_name(),
        ] {
            assert!(!SafePath::of(&name).name().starts_with('.'), "{name}");
        }
        assert_eq!(SafePath::of(".sealift").name(), ".sealift");
    }
}
