//! Reading Rust sources: without comments, strings and test modules, word by word.
//!
//! And the second half of invariant 2: the standard library's own I/O, clock and threads, which
//! no dependency list shows.

use super::Violation;
use crate::fingerprint::files_below;
use anyhow::Result;
use std::fs;
use std::path::Path;

const LEAF_SOURCES: [&str; 2] = ["relay/protocol/src", "client-wasm/envelope/src"];
const IO_IN_STD: [&str; 8] = [
    "std::net",
    "std::fs",
    "std::thread",
    "std::process",
    "std::env",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::io::std",
];

/// A source file of a crate: the path from the root, and the code that ships.
pub(super) struct Source {
    pub(super) path: String,
    pub(super) code: String,
}

impl Source {
    /// All Rust files below a folder that exists. Files of tests are left out.
    pub(super) fn below(root: &Path, folder: &str) -> Result<Vec<Self>> {
        if !root.join(folder).is_dir() {
            return Ok(Vec::new());
        }
        files_below(&root.join(folder), &["target", "tests", "benches"])?
            .into_iter()
            .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
            .filter(|file| {
                !file
                    .file_stem()
                    .is_some_and(|stem| stem == "tests" || stem == "test")
            })
            .map(|file| {
                let path = file.strip_prefix(root)?.to_string_lossy().into_owned();
                Ok(Self {
                    path,
                    code: shipped(&fs::read_to_string(&file)?),
                })
            })
            .collect()
    }
}

/// Invariant 2, in the sources.
pub(super) fn leaves_name_no_io(root: &Path) -> Result<Vec<Violation>> {
    let mut found = Vec::new();
    for folder in LEAF_SOURCES {
        for source in Source::below(root, folder)? {
            for name in IO_IN_STD.iter().filter(|name| source.code.contains(**name)) {
                found.push(format!("{} uses {name}", source.path));
            }
        }
    }
    Ok(found)
}

/// The code of a file with comments and string contents blanked, cut at its test module.
fn shipped(text: &str) -> String {
    let code = blanked(text);
    match code.find("#[cfg(test)]") {
        Some(at)
            if code.get(at..).is_some_and(|rest| {
                rest.lines()
                    .take(4)
                    .any(|line| line.trim_start().starts_with("mod "))
            }) =>
        {
            code.get(..at).unwrap_or_default().to_owned()
        }
        _ => code,
    }
}

/// Comments and the insides of string literals become spaces; lines stay where they are.
fn blanked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(hashes) = raw_string(rest) {
            let close = format!("\"{}", "#".repeat(hashes));
            let open = hashes + 2;
            rest.get(open..)
                .and_then(|inner| inner.find(&close))
                .map_or(rest.len(), |end| open + end + close.len())
        } else if first == '"' {
            string_end(rest)
        } else {
            out.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            continue;
        };
        out.extend(
            rest.get(..length)
                .unwrap_or_default()
                .chars()
                .map(|c| if c == '\n' { '\n' } else { ' ' }),
        );
        rest = rest.get(length..).unwrap_or_default();
    }
    out
}

/// How many `#` open a raw string here, if one opens.
fn raw_string(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let hashes = after.chars().take_while(|c| *c == '#').count();
    after.get(hashes..)?.starts_with('"').then_some(hashes)
}

fn string_end(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::super::planted;
    use super::*;

    #[test]
    fn a_clock_in_a_leaf_is_caught_but_not_in_its_comments_or_tests() {
        let root = planted(&[
            (
                "relay/protocol/src/a.rs",
                "//! std::fs is not used.\nfn now() { std::time::Instant::now(); }\n",
            ),
            (
                "relay/protocol/src/b.rs",
                "const S: &str = \"std::net\";\n#[cfg(test)]\nmod tests { use std::fs; }\n",
            ),
        ]);
        assert_eq!(
            leaves_name_no_io(root.path()).unwrap(),
            ["relay/protocol/src/a.rs uses std::time::Instant"]
        );
    }

    #[test]
    fn raw_strings_and_escapes_end_where_they_end() {
        assert_eq!(
            blanked(r##"a r#"x"y"# b "c\"d" e"##)
                .split_whitespace()
                .collect::<Vec<_>>(),
            ["a", "b", "e"]
        );
    }
}
