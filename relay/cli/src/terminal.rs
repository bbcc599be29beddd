//! What the command line prints, and for whom: a person at a terminal, or a program (`--json`).
//!
//! Results go to standard output, everything else to standard error. With `--json` every line on
//! standard output is one object with an `event`, errors included. No name or note from a package
//! reaches a terminal unescaped.
//!
//! Start with [`Terminal`].

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::failure::{Cause, Failure, Result};

/// How much is said, and in which form.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Voice {
    /// One JSON object a line instead of text.
    pub(crate) json: bool,
    /// Results and errors only.
    pub(crate) quiet: bool,
    /// No progress bar.
    pub(crate) no_progress: bool,
}

/// Where a command says things. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Terminal {
    voice: Arc<Voice>,
    stderr_is_terminal: bool,
}

impl Terminal {
    /// Looks once whether a person is watching.
    pub(crate) fn new(voice: Voice) -> Self {
        Self {
            voice: Arc::new(voice),
            stderr_is_terminal: io::stderr().is_terminal(),
        }
    }

    /// Whether results are JSON objects.
    pub(crate) fn json(&self) -> bool {
        self.voice.json
    }

    /// Whether a progress bar may be drawn on standard error.
    pub(crate) fn draws_progress(&self) -> bool {
        self.stderr_is_terminal && !self.voice.json && !self.voice.quiet && !self.voice.no_progress
    }

    /// Whether progress is told as JSON events.
    pub(crate) fn tells_progress(&self) -> bool {
        self.voice.json && !self.voice.quiet && !self.voice.no_progress
    }

    /// A result line for people: standard output, text mode only.
    pub(crate) fn result(&self, line: &str) -> Result<()> {
        if self.voice.json {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{}", printable(line))
            .and_then(|()| stdout.flush())
            .map_err(|error| Failure::stdout(&error))
    }

    /// Refuses to mix a file with JSON on standard output.
    pub(crate) fn check_stdout_free(&self) -> Result<()> {
        if self.voice.json {
            return Err(Failure::new(
                Cause::Usage,
                "standard output cannot hold both a file and --json",
                "Name a file or folder with -o, or leave --json out.",
            ));
        }
        Ok(())
    }

    /// Bytes as they are, whatever the mode: for scripts and files on standard output.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Result<()> {
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(bytes)
            .and_then(|()| stdout.flush())
            .map_err(|error| Failure::stdout(&error))
    }

    /// An object for programs: standard output, `--json` only.
    pub(crate) fn event(&self, event: &str, mut fields: Value) -> Result<()> {
        if !self.voice.json {
            return Ok(());
        }
        if let Some(object) = fields.as_object_mut() {
            object.insert("event".to_owned(), json!(event));
        }
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{}", json_line(&fields))
            .and_then(|()| stdout.flush())
            .map_err(|error| Failure::stdout(&error))
    }

    /// Something worth knowing that does not end the command. Standard error; an event with `--json`.
    pub(crate) fn notice(&self, text: &str) {
        if self.voice.json {
            // A reader that has gone away shows at the next result, where it can end the command.
            let _gone = self.event("notice", json!({ "text": text }));
        } else if !self.voice.quiet {
            let _closed = writeln!(io::stderr(), "sealift: {}", printable(text));
        }
    }

    /// A remark that a program gets in another form.
    pub(crate) fn remark(&self, text: &str) {
        if !self.voice.json {
            self.notice(text);
        }
    }

    /// Says something on standard error that must not be lost, even with `--quiet`.
    pub(crate) fn important(&self, text: &str) {
        if !self.voice.json {
            let _closed = writeln!(io::stderr(), "{}", printable(text));
        }
    }

    /// Tells why the command ended early.
    pub(crate) fn failure(&self, failure: &Failure) {
        if failure.cause == Cause::BrokenPipe {
            return;
        }
        if self.voice.json {
            let mut fields = json!({
                "code": failure.code,
                "exit_code": failure.cause.exit_code(),
                "message": failure.what,
                "advice": failure.advice,
            });
            if let Some((segment, position)) = failure.damage {
                fields["segment"] = json!(segment);
                fields["body_position"] = json!(position);
            }
            let _gone = self.event("error", fields);
            return;
        }
        // `write`, not `eprintln`: a closed standard error must not turn one failure into a panic.
        let mut stderr = io::stderr().lock();
        let _closed = writeln!(stderr, "sealift: {}", failure.what);
        if !failure.advice.is_empty() {
            let _closed = writeln!(stderr, "         {}", failure.advice);
        }
    }
}

/// `text` with everything escaped that could move a cursor, hide or reorder words.
///
/// Line breaks and tabs are escaped too: a name must not look like a second line of output.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unprintable(c) {
            out.extend(c.escape_unicode())
        } else {
            out.push(c)
        }
    }
    out
}

/// Like [`printable`], for a note of several lines.
pub(crate) fn printable_lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

/// Control characters (C0, DEL, C1), line and paragraph separators, and the bidirectional and
/// invisible format characters that make one name look like another.
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// One line of JSON in which a terminal finds nothing to obey either.
fn json_line(value: &Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        if is_unprintable(c) {
            // Outside ASCII such a character can only stand inside a JSON string.
            let mut units = [0u16; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_reordering_are_shown_not_obeyed() {
        assert_eq!(
            printable("a\x1b]0;x\x07\u{9b}2J\u{202e}gpj.exe\n"),
            "a\\u{1b}]0;x\\u{7}\\u{9b}2J\\u{202e}gpj.exe\\u{a}"
        );
        assert_eq!(printable("Grüße 漢字 🎉"), "Grüße 漢字 🎉");
    }

    #[test]
    fn json_stays_json_and_holds_no_control_characters() {
        let line = json_line(&json!({ "name": "x\u{9b}2J\u{202e}\u{e0001}\u{7f}" }));
        assert!(!line.chars().any(is_unprintable), "{line}");
        let back: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(back["name"], "x\u{9b}2J\u{202e}\u{e0001}\u{7f}");
    }
}
