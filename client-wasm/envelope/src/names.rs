//! Paths of files: which ones a manifest may carry, and under which names they are saved.
//!
//! Two lines are drawn:
//!
//! - **Never in a manifest**: what could deceive a person or escape a folder. Empty, `.` and `..`
//!   components, absolute paths, control characters (line breaks and terminal escapes among them),
//!   line separators, bidirectional embeddings, overrides and isolates, more than 255 bytes in a
//!   component, 32 components or 1,024 bytes in a path. A reader refuses the manifest. An honest sender calls
//!   [`clean_path`] first, which replaces such characters by `_`; only a name that is too long, or
//!   that says nothing, is left to be refused with a sentence.
//! - **Carried, but not saved as it is**: what some system forbids or reads as something else:
//!   `\ : * ? " < > |` (a colon opens a drive or an alternate stream on Windows, and is usual on
//!   Linux), names such as `CON` or `nul.txt`, a dot or space at the end. [`safe_path`] gives the
//!   name to save under, the same on every system, and [`safe_paths`] keeps two of them apart.
//!
//! A file system that takes "é" as one and as two characters for the same name can still bring two
//! paths together: create files so that an existing one is never overwritten.

use std::collections::{HashMap, HashSet};

use sealift_protocol::limits::{
    MANIFEST_FILE_COUNT_MAX, NAME_BYTES_MAX, PATH_BYTES_MAX, PATH_DEPTH_MAX,
};

use crate::Error;

/// Checks that a manifest may carry `path`: relative, `/` between components.
///
/// # Errors
///
/// [`Error::BadName`].
pub fn check_path(path: &str) -> Result<(), Error> {
    let long = path.len() > PATH_BYTES_MAX;
    let deep = path.split('/').count() > PATH_DEPTH_MAX;
    if long || deep || path.chars().any(deceives) || !path.split('/').all(is_component) {
        return Err(Error::BadName);
    }
    Ok(())
}

/// `path` with `_` in place of every character that no manifest may carry.
///
/// Backslashes stay: on the sender's system they are part of a name.
#[must_use]
pub fn clean_path(path: &str) -> String {
    path.chars()
        .map(|c| if deceives(c) { '_' } else { c })
        .collect()
}

/// The path to save a file under, safe on every system. Only for paths that passed [`check_path`].
#[must_use]
pub fn safe_path(path: &str) -> String {
    let parts: Vec<String> = path.split('/').map(safe_name).collect();
    parts.join("/")
}

/// The paths to save these files under: safe, all different, also where upper and lower case are
/// the same, and different from every folder, listed in `folders` or needed by another path. The
/// order is kept.
#[must_use]
pub fn safe_paths<'a>(
    files: impl IntoIterator<Item = &'a str>,
    folders: impl IntoIterator<Item = &'a str>,
) -> Vec<String> {
    let files: Vec<String> = files.into_iter().map(safe_path).collect();
    let listed = folders.into_iter().map(|folder| lower(&safe_path(folder)));
    let needed = files.iter().filter_map(|path| path.rsplit_once('/'));
    let needed = needed.map(|(folder, _)| lower(folder));
    let mut taken = Taken::with_folders(listed.chain(needed).collect());
    files.into_iter().map(|path| taken.give(path)).collect()
}

/// Names in use, without regard to case. Memory grows with what is listed, not with its depth.
struct Taken {
    /// Sorted. The folders above these are in use as well, and not listed.
    folders: Vec<String>,
    files: HashSet<String>,
    /// The next number to try, for each series of numbered names.
    next: HashMap<String, u64>,
}

impl Taken {
    fn with_folders(mut folders: Vec<String>) -> Self {
        folders.sort_unstable();
        folders.dedup();
        let (files, next) = (HashSet::new(), HashMap::new());
        Self {
            folders,
            files,
            next,
        }
    }

    fn has(&self, lower: &str) -> bool {
        self.files.contains(lower) || self.is_folder(lower)
    }

    /// Whether it is a folder, or stands above one.
    fn is_folder(&self, lower: &str) -> bool {
        let first_from = |text: &str| {
            self.folders
                .partition_point(|folder| folder.as_str() < text)
        };
        let starts = |at: usize, text: &str| {
            let folder = self.folders.get(at);
            folder.is_some_and(|folder| folder.starts_with(text))
        };
        let inside = format!("{lower}/");
        let same = self.folders.get(first_from(lower));
        same.is_some_and(|folder| folder == lower) || starts(first_from(&inside), &inside)
    }

    /// The first of "name.ext", "name (2).ext", "name (3).ext" that is free.
    fn give(&mut self, path: String) -> String {
        if !self.has(&lower(&path)) {
            self.files.insert(lower(&path));
            return path;
        }
        let series = Series::of(&path);
        let key = lower(&series.numbered(0));
        let mut number = self.next.get(&key).copied().unwrap_or(2);
        loop {
            let other = series.numbered(number);
            number += 1;
            if !self.has(&lower(&other)) {
                self.files.insert(lower(&other));
                self.next.insert(key, number);
                return other;
            }
        }
    }
}

/// Equal for names that a file system without regard to case takes for the same. A sigma at the end
/// of a word is one like any other there.
fn lower(path: &str) -> String {
    let lower = path.chars().flat_map(char::to_lowercase);
    lower.map(|c| if c == 'ς' { 'σ' } else { c }).collect()
}

/// "folder/name.ext", to be told apart by numbers.
struct Series<'a> {
    folder: &'a str,
    stem: &'a str,
    extension: &'a str,
}

/// What follows a dot is a name's own text when it is longer than this; it is cut like any other.
const EXTENSION_BYTES: usize = 32;

/// Room for " (200001)".
const NUMBER_BYTES: usize = MANIFEST_FILE_COUNT_MAX.ilog10() as usize + 4;

impl<'a> Series<'a> {
    /// Names that are cut to the same stem make one series, so that its numbers are tried once.
    fn of(path: &'a str) -> Self {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let (stem, extension) = match name.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() && extension.len() <= EXTENSION_BYTES => {
                (stem, extension)
            }
            _ => (name, ""),
        };
        let others = NUMBER_BYTES + 1 + extension.len();
        let stem = shorten(stem, NAME_BYTES_MAX.saturating_sub(others));
        Self {
            folder,
            stem,
            extension,
        }
    }

    fn numbered(&self, number: u64) -> String {
        let Self {
            folder,
            stem,
            extension,
        } = self;
        let slash = if folder.is_empty() { "" } else { "/" };
        let dot = if extension.is_empty() { "" } else { "." };
        format!("{folder}{slash}{stem} ({number}){dot}{extension}")
    }
}

fn is_component(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && name.len() <= NAME_BYTES_MAX
}

/// Characters that change how the text around them is read or shown.
fn deceives(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn safe_name(name: &str) -> String {
    let replaced: String = name
        .chars()
        .map(|c| {
            if deceives(c) || r#"\:*?"<>|/"#.contains(c) {
                '_'
            } else {
                c
            }
        })
        .collect();
    let trimmed = trim(&replaced);
    if trimmed.is_empty() || is_device(trimmed) {
        // Cut first: a dot could stand at the end of what is left.
        ["_", trim(shorten(trimmed, NAME_BYTES_MAX - 1))].concat()
    } else {
        trimmed.to_owned()
    }
}

/// Without the dots and blanks at the end, which Windows drops.
fn trim(name: &str) -> &str {
    name.trim_end_matches(['.', ' '])
}

/// Names that open a device on Windows, whatever extension follows.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let upper = stem.to_ascii_uppercase();
    if matches!(
        &upper[..],
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$"
    ) {
        return true;
    }
    let number = upper
        .strip_prefix("COM")
        .or_else(|| upper.strip_prefix("LPT"));
    number.is_some_and(|n| {
        matches!(n, "¹" | "²" | "³") || matches!(n.as_bytes(), [digit] if digit.is_ascii_digit())
    })
}

/// The start of `text` that fits `bytes_max`, never half a character.
fn shorten(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_paths_are_refused() {
        let long = "x".repeat(256);
        let longer = "abc/".repeat(256) + "x";
        let deep = "a/".repeat(PATH_DEPTH_MAX) + "x";
        for path in [
            "",
            "/",
            "/etc/passwd",
            "a//b",
            "a/",
            "./a",
            "../x",
            "a/../b",
            "a/..",
            "a\0b",
            "a\nb",
            "a\x1b[2Jb",
            "a\x7fb",
            "a\u{85}b",
            "a\u{9b}b",
            "exe\u{202e}gpj.scr",
            "\u{2066}a",
            "a\u{2028}b",
            "\u{feff}a",
            &long,
            &longer,
            &deep,
        ] {
            assert_eq!(check_path(path), Err(Error::BadName), "{path:?}");
        }
    }

    #[test]
    fn usual_and_unusual_names_are_carried() {
        let long = "é".repeat(127);
        let deep = "a/".repeat(PATH_DEPTH_MAX - 1) + "x";
        for path in [
            "a",
            "a/b c/d.txt",
            "日本語/ファイル.txt",
            "2024-01-01T12:00.log",
            "CON",
            "a\\b",
            "...",
            "שלום\u{200f}.txt",
            "👩\u{200d}🚀.png",
            " a",
            "a ",
            "-rf",
            "~",
            &long,
            &deep,
        ] {
            assert_eq!(check_path(path), Ok(()), "{path:?}");
            assert_eq!(clean_path(path), path);
        }
    }

    #[test]
    fn an_honest_sender_can_clean_a_name() {
        assert_eq!(clean_path("a\nb\u{202e}c"), "a_b_c");
        assert_eq!(check_path(&clean_path("line\nbreak")), Ok(()));
        assert_eq!(check_path(&clean_path("../x")), Err(Error::BadName));
    }

    #[test]
    fn names_to_save_under_are_safe_on_every_system() {
        for (path, safe) in [
            ("a/b.txt", "a/b.txt"),
            ("C:\\x", "C__x"),
            ("a:stream", "a_stream"),
            ("..\\..\\x", ".._.._x"),
            ("CON", "_CON"),
            ("con.txt/nul", "_con.txt/_nul"),
            ("aux .txt", "_aux .txt"),
            ("COM1", "_COM1"),
            ("com¹.log", "_com¹.log"),
            ("COM10", "COM10"),
            ("Console", "Console"),
            ("a. . ", "a"),
            ("...", "_"),
            ("<b>\"?*|", "_b_____"),
        ] {
            assert_eq!(safe_path(path), safe, "{path}");
            assert_eq!(check_path(&safe_path(path)), Ok(()));
        }
        let long = "CON.".to_owned() + &"é".repeat(125);
        assert!(safe_path(&long).len() <= NAME_BYTES_MAX);
        // Cut to make room for the `_`, a name still ends in no dot or blank.
        for end in [".b", " b", "..b", ". b"] {
            let stem = "CON.".to_owned() + &"a".repeat(NAME_BYTES_MAX - 4 - end.len());
            assert_eq!(check_path(&(stem.clone() + end)), Ok(()));
            assert_eq!(safe_path(&(stem.clone() + end)), "_".to_owned() + &stem);
        }
    }

    #[test]
    fn names_to_save_under_are_all_different() {
        let paths = [
            "a.txt", "A.TXT", "a.txt", "x", "x/y", "x/Y", "a:b", "a?b", ".hid", ".hid", "empty",
        ];
        assert_eq!(
            safe_paths(paths, ["Empty/Inner"]),
            [
                "a.txt",
                "A (2).TXT",
                "a (3).txt",
                "x (2)",
                "x/y",
                "x/Y (2)",
                "a_b",
                "a_b (2)",
                ".hid",
                ".hid (2)",
                "empty (2)"
            ]
        );
    }

    #[test]
    fn one_letter_has_one_lower_case_wherever_it_stands() {
        let safe = safe_paths(["ΟΔΟΣ", "οδος", "οδοσ"], []);
        assert_eq!(safe, ["ΟΔΟΣ", "οδος (2)", "οδοσ (3)"]);
    }

    #[test]
    fn a_number_fits_however_long_the_end_of_a_name_is() {
        for extension in [0, 3, 32, 33, 200, 252] {
            let name = format!("a.{}", "e".repeat(extension));
            for given in safe_paths([&*name, &*name, &*name], []) {
                assert!(given.len() <= NAME_BYTES_MAX, "{given}");
            }
        }
    }

    #[test]
    fn a_folder_above_another_one_is_in_use() {
        let safe = safe_paths(
            ["a", "a b", "a/b", "A/B/c", "a/b/c/d/e", "a/b/c/d"],
            ["a-b/x"],
        );
        let told = [
            "a (2)",
            "a b",
            "a/b (2)",
            "A/B/c (2)",
            "a/b/c/d/e",
            "a/b/c/d (2)",
        ];
        assert_eq!(safe, told);
        assert_eq!(
            safe_paths(["a-b", "a"], ["a-b/x", "a/y"]),
            ["a-b (2)", "a (2)"]
        );
    }

    /// As many deep paths as the longest manifest holds take memory and time like their length.
    #[test]
    fn many_deep_paths_are_named_quickly() {
        let paths: Vec<String> = (0..50_000)
            .map(|n| {
                format!(
                    "{n:06}{}/{}x",
                    "y".repeat(240),
                    "a/".repeat(PATH_DEPTH_MAX - 2)
                )
            })
            .collect();
        let safe = safe_paths(paths.iter().map(String::as_str), []);
        assert!(safe == paths);
    }

    #[test]
    fn long_names_that_end_differently_are_named_quickly() {
        let names: Vec<String> = (0..20_000)
            .map(|n| format!("{}{n:06}", "x".repeat(NAME_BYTES_MAX - 6)))
            .collect();
        let twice = names.iter().chain(&names).map(String::as_str);
        let safe: HashSet<String> = safe_paths(twice, []).into_iter().collect();
        assert_eq!(safe.len(), 40_000);
        assert!(safe.iter().all(|name| check_path(name).is_ok()));
    }

    #[test]
    fn many_files_of_one_name_are_named_quickly() {
        let safe = safe_paths(vec!["same.txt"; 100_000], []);
        assert_eq!(safe[99_999], "same (100000).txt");
    }
}
