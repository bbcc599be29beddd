//! Documents that stay true: every relative link leads to a file or a heading, every
//! `cargo xtask` command and every test group named exists.

use crate::fingerprint::files_below;
use crate::repo::Repo;
use crate::tally::Tally;
use crate::test::GROUPS;
use anyhow::Result;
use std::fs;
use std::path::Path;

const COMMANDS: [&str; 8] = [
    "run", "build", "test", "layers", "fmt", "fuzz", "bench", "help",
];
const SKIP: [&str; 6] = ["target", "node_modules", "dist", ".git", "data", "wasm"];

/// Checks every Markdown file of the clone.
pub(crate) fn check(repo: &Repo) -> Result<Tally> {
    let mut tally = Tally::default();
    for file in files_below(&repo.root, &SKIP)? {
        if file.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let faults = faults(&repo.root, &file)?;
        for fault in &faults {
            println!("{}: {fault}", file.strip_prefix(&repo.root)?.display());
        }
        tally.count(faults.is_empty());
    }
    Ok(tally)
}

fn faults(root: &Path, file: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(file)?;
    let mut faults = Vec::new();
    for link in links(&text) {
        let (path, heading) = link.split_once('#').unwrap_or((link, ""));
        let target = match path {
            "" => file.to_owned(),
            path => file.parent().unwrap_or(root).join(path),
        };
        if !target.exists() {
            faults.push(format!("the link {link} leads nowhere"));
        } else if !heading.is_empty()
            && !headings(&fs::read_to_string(&target)?).any(|anchor| anchor == heading)
        {
            faults.push(format!("the link {link} names a heading that is not there"));
        }
    }
    for words in text.split("cargo xtask ").skip(1) {
        let mut words = words
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != ' ')
            .next()
            .unwrap_or_default()
            .split(' ');
        let command = words.next().unwrap_or_default();
        if !command.is_empty() && !COMMANDS.contains(&command) {
            faults.push(format!("`cargo xtask {command}` is not a command"));
        }
        let group = words.next().unwrap_or_default();
        let named = command == "test"
            && group
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let in_code = text.contains(&format!("`cargo xtask test {group}`"));
        if named && in_code && !group.is_empty() && GROUPS.iter().all(|known| known.name != group) {
            faults.push(format!("`cargo xtask test {group}` is not a group"));
        }
    }
    Ok(faults)
}

/// Relative links outside of code blocks.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("```")
        .step_by(2)
        .flat_map(|prose| prose.split("](").skip(1))
        .filter_map(|rest| rest.split([')', ' ']).next())
        .filter(|link| !link.contains("://") && !link.starts_with("mailto:"))
}

/// The anchors of a document's headings, as GitHub makes them.
fn headings(text: &str) -> impl Iterator<Item = String> {
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter_map(|c| match c {
                    ' ' => Some('-'),
                    c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                    _ => None,
                })
                .collect()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_links_and_unknown_commands_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("README.md");
        let text = "# A title\n[here](#a-title) [there](#b) [gone](gone.md) [web](https://a.example/x)\n\
                    `cargo xtask run` `cargo xtask fly` `cargo xtask test nothing`\n```\n[code](no.md)\n```\n";
        fs::write(&file, text).unwrap();
        assert_eq!(
            faults(folder.path(), &file).unwrap(),
            [
                "the link #b names a heading that is not there",
                "the link gone.md leads nowhere",
                "`cargo xtask fly` is not a command",
                "`cargo xtask test nothing` is not a group",
            ]
        );
    }
}
