//! Invariant 4: what a peer may make us accept stands in one file, and is looked at.
//!
//! Three questions, none of which a person has to answer by reading everything: does another file
//! of the server, the format or the session declare a limit of its own; does a limit exist that
//! no code uses, so that nobody keeps it; is a library's size limit set to a bare number.

use super::Violation;
use super::rust_source::Source;
use anyhow::Result;
use std::path::Path;

const LIMITS: &str = "relay/protocol/src/limits.rs";
/// Sources that read what a peer sent. The docroot gets names and bytes from the relay, which
/// has checked them.
const READS_PEERS: [&str; 4] = [
    "relay/src",
    "relay/protocol/src",
    "client-wasm/envelope/src",
    "client-wasm/src",
];
/// What a client decides about its own sending, what only tests read, and what an operator says to
/// their own relay: no peers.
const NO_PEER: [&str; 4] = [
    "relay/protocol/src/session/client/",
    "client-wasm/envelope/src/wycheproof.rs",
    "relay/src/asconfigurator.rs",
    "relay/src/control.rs",
];
const USES_LIMITS: [&str; 3] = ["relay", "client-wasm", "tests/harness"];
const LIBRARY_LIMITS: [&str; 8] = [
    "max_message_size(",
    "max_frame_size(",
    "max_write_buffer_size(",
    "DefaultBodyLimit::max(",
    "RequestBodyLimitLayer::new(",
    "Limited::new(",
    "max_concurrent_bidi_streams(",
    "max_buf_size(",
];

/// Invariant 4.
pub(super) fn in_one_file(root: &Path) -> Result<Vec<Violation>> {
    let mut found = Vec::new();
    let mut limits = Vec::new();
    for folder in READS_PEERS {
        for source in Source::below(root, folder)? {
            if source.path == LIMITS {
                limits = declared(&source.code);
                continue;
            }
            let no_peer = NO_PEER.iter().any(|path| source.path.starts_with(path));
            for name in declared(&source.code)
                .into_iter()
                .filter(|name| is_limit(name) && !no_peer)
            {
                found.push(format!(
                    "{} declares {name}; limits stand in {LIMITS}",
                    source.path
                ));
            }
            for call in bare_numbers(&source.code) {
                found.push(format!(
                    "{} sets {call} to a bare number; name it in {LIMITS}",
                    source.path
                ));
            }
        }
    }
    let mut users = String::new();
    for folder in USES_LIMITS {
        for source in Source::below(root, folder)?
            .into_iter()
            .filter(|source| source.path != LIMITS)
        {
            users += &source.code;
        }
    }
    let limits_code = std::fs::read_to_string(root.join(LIMITS))?;
    for name in limits {
        if !users.contains(&name) && limits_code.matches(&name).count() < 2 {
            found.push(format!("{LIMITS} declares {name}, which nothing looks at"));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Names of the constants that a file declares.
fn declared(code: &str) -> Vec<String> {
    code.lines()
        .filter_map(|line| {
            let line = line.trim_start();
            let line = line
                .strip_prefix("pub const ")
                .or_else(|| line.strip_prefix("pub(crate) const "))
                .or_else(|| line.strip_prefix("const "))?;
            Some(line.split(':').next()?.trim().to_owned())
        })
        .filter(|name| {
            name.chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
                && name != "_"
        })
        .collect()
}

/// The most of a size or a count. How a client paces itself has a `_MAX` too, but bounds no peer.
fn is_limit(name: &str) -> bool {
    let words: Vec<_> = name.split('_').collect();
    let most = words.iter().any(|word| matches!(*word, "MAX" | "LIMIT"));
    most && words
        .iter()
        .any(|word| matches!(*word, "BYTES" | "KIB" | "CHARS" | "COUNT"))
}

fn bare_numbers(code: &str) -> Vec<&'static str> {
    let bare = |call: &&str| {
        code.split(*call).skip(1).any(|rest| {
            let argument = rest
                .split(')')
                .next()
                .unwrap_or_default()
                .trim_start_matches("Some(")
                .trim();
            argument.starts_with(|c: char| c.is_ascii_digit())
        })
    };
    LIBRARY_LIMITS
        .into_iter()
        .filter(|call| bare(call))
        .map(|call| call.trim_end_matches('('))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::planted;
    use super::*;

    #[test]
    fn stray_unused_and_bare_limits_are_caught() {
        let root = planted(&[
            (
                "relay/protocol/src/limits.rs",
                "pub const FRAME_BYTES_MAX: u32 = 1;\npub const NAMES_MAX: u32 = 2;\n",
            ),
            (
                "relay/protocol/src/frame.rs",
                "use crate::limits::FRAME_BYTES_MAX;\nfn f() { g(FRAME_BYTES_MAX); }\n",
            ),
            (
                "relay/src/api.rs",
                "const TITLE_BYTES_MAX: usize = 9;\nfn r() { ws.max_message_size(1 << 20); }\n",
            ),
        ]);
        let found = in_one_file(root.path()).unwrap();
        assert_eq!(
            found,
            [
                "relay/protocol/src/limits.rs declares NAMES_MAX, which nothing looks at",
                "relay/src/api.rs declares TITLE_BYTES_MAX; limits stand in relay/protocol/src/limits.rs",
                "relay/src/api.rs sets max_message_size to a bare number; name it in relay/protocol/src/limits.rs",
            ]
        );
    }
}
