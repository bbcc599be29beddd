//! Invariant 3: transport code carries sealed bytes and has no key in scope.
//!
//! In TypeScript: nothing in `web/src/transport` imports, over any number of steps, a module that
//! can touch keys (the bindings, the sealing workers, the SDK), nor names a key. In Rust: the
//! command line's lanes do not name the envelope.

use super::Violation;
use super::rust_source::Source;
use crate::fingerprint::files_below;
use anyhow::Result;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const TRANSPORT: &str = "web/src/transport";
/// Folders whose modules hold keys or make them.
const HOLDS_KEYS: [&str; 3] = ["web/src/wasm", "web/src/worker", "web/src/sdk"];
/// Words that only code with a key in scope needs.
const KEY_WORDS: [&str; 10] = [
    "PackageKey",
    "FileSealer",
    "FileOpener",
    "SealTicket",
    "OpenTicket",
    "LinkSecret",
    "Credential",
    "CryptoKey",
    "password",
    "subtle",
];
const RUST_LANES: [&str; 2] = ["relay/cli/src/lane", "relay/cli/src/transport"];

/// Invariant 3.
pub(super) fn no_key_in_scope(root: &Path) -> Result<Vec<Violation>> {
    let mut found = Vec::new();
    let folder = root.join(TRANSPORT);
    let starts = if folder.is_dir() {
        files_below(&folder, &[])?
    } else {
        Vec::new()
    };
    let mut seen = BTreeSet::new();
    for start in starts
        .into_iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "ts"))
    {
        follow(root, &start, &mut seen, &mut found)?;
    }
    for source in Source::below(root, "relay/cli/src")? {
        let a_lane = RUST_LANES
            .iter()
            .any(|start| source.path.starts_with(start));
        if a_lane && source.code.contains("sealift_envelope") {
            found.push(format!("{} uses sealift_envelope", source.path));
        }
    }
    Ok(found)
}

fn follow(
    root: &Path,
    file: &Path,
    seen: &mut BTreeSet<PathBuf>,
    found: &mut Vec<Violation>,
) -> Result<()> {
    if !seen.insert(file.to_owned()) {
        return Ok(());
    }
    let shown = file
        .strip_prefix(root)
        .unwrap_or(file)
        .display()
        .to_string();
    let code = without_comments(&fs::read_to_string(file)?);
    for word in KEY_WORDS.iter().filter(|word| has_word(&code, word)) {
        found.push(format!("{shown} names {word}"));
    }
    for import in imports(&code) {
        let Some(target) = resolved(file, import) else {
            continue;
        };
        let target_shown = target
            .strip_prefix(root)
            .unwrap_or(&target)
            .display()
            .to_string();
        if HOLDS_KEYS
            .iter()
            .any(|folder| target_shown.starts_with(folder))
        {
            found.push(format!("{shown} imports {target_shown}"));
        } else {
            follow(root, &target, seen, found)?;
        }
    }
    Ok(())
}

/// What stands behind `from`, `import` and `import(` in quotes.
fn imports(code: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for quote in ['"', '\''] {
        let mut pieces = code.split(quote);
        let mut before = pieces.next().unwrap_or_default();
        for (at, piece) in pieces.enumerate() {
            let lead = before.trim_end().trim_end_matches('(').trim_end();
            if at % 2 == 0 && (lead.ends_with("from") || lead.ends_with("import")) {
                found.push(piece);
            }
            before = piece;
        }
    }
    found
}

fn resolved(file: &Path, import: &str) -> Option<PathBuf> {
    let import = import
        .split('?')
        .next()
        .filter(|path| path.starts_with('.'))?;
    let mut path = file.parent()?.to_owned();
    for piece in import.split('/') {
        match piece {
            "." => {}
            ".." => path = path.parent()?.to_owned(),
            name => path.push(name),
        }
    }
    let stem = path.with_extension("");
    [
        path.clone(),
        path.with_added_extension("ts"),
        stem.with_added_extension("ts"),
        path.join("index.ts"),
    ]
    .into_iter()
    .find(|candidate| candidate.is_file())
    .or(Some(path))
    .filter(|path| {
        path.is_file()
            || HOLDS_KEYS
                .iter()
                .any(|folder| path.to_string_lossy().contains(folder))
    })
}

fn without_comments(code: &str) -> String {
    let mut out = String::new();
    let mut rest = code;
    while let Some(at) = rest.find("/*") {
        out.push_str(rest.get(..at).unwrap_or_default());
        rest = rest
            .get(at..)
            .and_then(|rest| rest.find("*/").and_then(|end| rest.get(end + 2..)))
            .unwrap_or_default();
    }
    out.push_str(rest);
    out.lines()
        .map(|line| line.split(" //").next().unwrap_or_default())
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn has_word(code: &str, word: &str) -> bool {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|found| found == word)
}

#[cfg(test)]
mod tests {
    use super::super::planted;
    use super::*;

    #[test]
    fn a_key_in_transport_code_is_caught_over_two_steps() {
        let root = planted(&[
            (
                "web/src/transport/websocket.ts",
                "import { wait } from '../wait';\n// a password is not needed here\n",
            ),
            (
                "web/src/wait.ts",
                "import init from \"./wasm/sealift_client_wasm.js\";",
            ),
            (
                "web/src/transport/webtransport.ts",
                "export function send(key: CryptoKey) {}",
            ),
            (
                "relay/cli/src/lanes.rs",
                "use sealift_envelope::FileSealer;",
            ),
        ]);
        let found = no_key_in_scope(root.path()).unwrap();
        assert_eq!(
            found,
            [
                "web/src/wait.ts imports web/src/wasm/sealift_client_wasm.js",
                "web/src/transport/webtransport.ts names CryptoKey",
                "relay/cli/src/lanes.rs uses sealift_envelope",
            ]
        );
    }
}
