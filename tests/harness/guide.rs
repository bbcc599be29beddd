//! The guide for those who come from Aspera, replayed: the commands in its code blocks are run in their order, and
//! what it shows below them is what they must print.
//!
//! Blocks of the kind `sh` are run, of the kind `sh fails` must fail; a `text` block after one shows its output, in
//! which `[..]` is anything in a line, and alone in a line any lines. A block below `<!-- needs storage -->` needs S3.
//! Only places differ: the usual folders lie in a temporary one, the relay's address is a port of this machine, and
//! `systemctl` starts the relay under test.
//!
//! Start with [`Sandbox::replay`].

#![allow(
    clippy::unwrap_used,
    reason = "linked into tests alone, which stop at the first surprise"
)]

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::binaries::{relay_binary, sealift_binary};

/// The guide.
const GUIDE: &str = include_str!("../../web/docs/from-aspera.md");

/// What an administrator has before the first step: the block that the manual shows, among other settings.
const ASPERA_CONF: &str = r#"<?xml version='1.0' encoding='UTF-8'?>
<CONF version="2">
  <default>
    <transfer>
      <encryption>
        <content_protection_strong_pass_required>  <!--Strong Password Required for Content Protection-->
           true
        </content_protection_strong_pass_required>
        <content_protection_required>              <!--Content Protection Required-->
           true
        </content_protection_required>
        <allowed_cipher>aes-128</allowed_cipher>
      </encryption>
    </transfer>
  </default>
  <aaa><realms><realm><users><user><name>xfer</name></user></users></realm></realms></aaa>
</CONF>
"#;

/// The file as it is installed.
const S3_PROPERTIES: &str = "\
# server-side-encryption=NONE
# server-side-encryption-aws-kms-key-id
s3service.https-only=false
";

/// Starts, reloads and stops the relay in the place of the system's services.
const SYSTEMCTL: &str = r#"#!/bin/sh
set -eu
case "$1" in
  start)
    sealift-relay serve > "$SANDBOX/listening" 2> "$SANDBOX/log" &
    echo $! > "$SANDBOX/pid"
    for _ in $(seq 300); do
      grep -q listening "$SANDBOX/listening" && exit 0
      kill -0 $! || break
      sleep 0.1
    done
    cat "$SANDBOX/log" >&2
    exit 1 ;;
  stop) kill "$(cat "$SANDBOX/pid")" ;;
  *) echo "systemctl $1 is not known here" >&2; exit 1 ;;
esac
"#;

/// A block of commands, with what the guide shows below it.
struct Step {
    line: usize,
    commands: String,
    fails: bool,
    needs_storage: bool,
    shows: Option<String>,
}

/// A machine in a folder, on which the guide is followed.
pub struct Sandbox {
    folder: tempfile::TempDir,
    address: String,
    places: Vec<(String, String)>,
    variables: Vec<(String, String)>,
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Ok(pid) = fs::read_to_string(self.path("pid")) {
            let _ended = Command::new("kill").arg(pid.trim()).status();
        }
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Sandbox {
    /// A machine as it is before the first step.
    pub fn new() -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let sandbox = Self {
            folder: tempfile::tempdir().unwrap(),
            address: format!("127.0.0.1:{port}"),
            places: Vec::new(),
            variables: Vec::new(),
        };
        for name in [
            "work",
            "bin",
            "etc/sealift",
            "var/lib",
            "opt/aspera/etc/trapd",
        ] {
            fs::create_dir_all(sandbox.path(name)).unwrap();
        }
        fs::write(sandbox.path("opt/aspera/etc/aspera.conf"), ASPERA_CONF).unwrap();
        fs::write(
            sandbox.path("opt/aspera/etc/trapd/s3.properties"),
            S3_PROPERTIES,
        )
        .unwrap();
        fs::write(sandbox.path("work/report.pdf"), vec![7; 300_000]).unwrap();
        let systemctl = sandbox.path("bin/systemctl");
        fs::write(&systemctl, SYSTEMCTL).unwrap();
        fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755)).unwrap();
        for (name, binary) in [
            ("sealift-relay", relay_binary()),
            ("sealift", sealift_binary()),
        ] {
            std::os::unix::fs::symlink(binary, sandbox.path("bin").join(name)).unwrap();
        }
        sandbox
    }

    /// Follows the guide with something else in the place of a text.
    #[must_use]
    pub fn place(mut self, text: &str, here: &str) -> Self {
        self.places.push((text.to_owned(), here.to_owned()));
        self
    }

    /// Follows it with a variable of the environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Follows the guide from its first step to its last; those that need S3 only where there is one.
    pub fn replay(&self, with_storage: bool) {
        let steps = steps(GUIDE);
        assert!(steps.len() > 15, "the guide's commands were not found");
        for step in steps
            .iter()
            .filter(|step| with_storage || !step.needs_storage)
        {
            self.check(step);
        }
    }

    /// Where a file of the sandbox is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A text of the guide with this sandbox's places.
    fn placed(&self, text: &str) -> String {
        let root = self.folder.path().display();
        let usual = ["/opt/aspera", "/etc/sealift", "/var/lib/sealift"]
            .iter()
            .fold(text.to_owned(), |text, usual| {
                text.replace(usual, &format!("{root}{usual}"))
            })
            .replace(
                "https://send.example.org",
                &format!("http://{}", self.address),
            );
        self.places
            .iter()
            .fold(usual, |text, (there, here)| text.replace(there, here))
    }

    fn run(&self, commands: &str) -> Output {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("bash");
        for (name, _) in std::env::vars_os() {
            let ours = name
                .to_str()
                .is_some_and(|name| name.starts_with("SEALIFT_"));
            if ours {
                shell.env_remove(name);
            }
        }
        shell
            .args(["-eu", "-o", "pipefail", "-c", commands])
            .current_dir(self.path("work"))
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("SANDBOX", self.folder.path())
            .env("XDG_STATE_HOME", self.path("state"))
            .env("SEALIFT_CONFIG", self.path("etc/sealift/sealift.toml"))
            .env("SEALIFT_LISTEN", &self.address)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .output()
            .unwrap()
    }

    fn check(&self, step: &Step) {
        let output = self.run(&self.placed(&step.commands));
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        let place = format!("from-aspera.md:{}\n{}\n{said}", step.line, step.commands);
        assert_eq!(output.status.success(), !step.fails, "{place}");
        if let Some(shows) = &step.shows {
            let shows = self.placed(shows);
            let (text, pattern): (Vec<&str>, Vec<&str>) =
                (said.lines().collect(), shows.lines().collect());
            assert!(
                is_shown(&text, &pattern),
                "this is shown:\n{shows}\n{place}"
            );
        }
    }
}

/// The guide's steps, in their order.
fn steps(guide: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut needs_storage = false;
    let mut block: Option<(String, String)> = None;
    for (index, line) in guide.lines().enumerate() {
        match (&mut block, line.strip_prefix("```")) {
            (None, Some(kind)) => {
                if kind.starts_with("sh") {
                    steps.push(Step {
                        line: index + 1,
                        commands: String::new(),
                        fails: kind == "sh fails",
                        needs_storage: std::mem::take(&mut needs_storage),
                        shows: None,
                    });
                }
                block = Some((kind.to_owned(), String::new()));
            }
            (Some((kind, text)), Some("")) => {
                if let Some(step) = steps.last_mut() {
                    match kind.as_str() {
                        "sh" | "sh fails" => step.commands = std::mem::take(text),
                        "text" => step.shows = Some(std::mem::take(text)),
                        _ => {}
                    }
                }
                block = None;
            }
            (Some((_, text)), _) => {
                let _ = writeln!(text, "{line}");
            }
            (None, None) => needs_storage |= line == "<!-- needs storage -->",
        }
    }
    steps
}

/// Whether a text is what a pattern shows: `[..]` is anything in a line, and alone in a line any lines.
fn is_shown(text: &[&str], pattern: &[&str]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (["[..]", rest @ ..], _) => {
            is_shown(text, rest) || (!text.is_empty() && is_shown(&text[1..], pattern))
        }
        ([first, patterns @ ..], [line, lines @ ..]) => {
            line_is_shown(line, first) && is_shown(lines, patterns)
        }
        _ => false,
    }
}

fn line_is_shown(line: &str, pattern: &str) -> bool {
    let mut pieces = pattern.split("[..]");
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else {
        return rest.is_empty();
    };
    for piece in middle {
        let Some(at) = rest.find(piece) else {
            return false;
        };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_guide_shows_is_compared_line_by_line() {
        let shown = |text: &str, pattern: &str| {
            let (text, pattern): (Vec<&str>, Vec<&str>) =
                (text.lines().collect(), pattern.lines().collect());
            is_shown(&text, &pattern)
        };
        assert!(shown("a 1 b\nc", "a [..] b\nc"));
        assert!(shown("x\ny\nz", "[..]\nz"));
        assert!(shown("x", "x\n[..]"));
        assert!(!shown("a 1 c\nc", "a [..] b\nc"));
        assert!(!shown("x\ny", "x"));
        assert!(!shown("", "x"));
    }
}
