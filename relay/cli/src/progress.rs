//! One number that grows: a bar with rate and time left on a terminal, events with `--json`.
//!
//! Bytes are those of the files themselves, except when sending, where the session counts what it
//! seals (slightly more).

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::terminal::Terminal;

/// Two events a second are plenty for a program that draws its own bar.
const EVENT_EVERY: Duration = Duration::from_millis(500);

/// A bar towards a known end.
const KNOWN: &str = "{msg} {wide_bar} {percent:>3}%  {decimal_bytes:>10} of {decimal_total_bytes}  {decimal_bytes_per_sec:>12}  {eta:>4} left";
/// A count without an end.
const UNKNOWN: &str = "{msg} {spinner} {decimal_bytes:>10}  {decimal_bytes_per_sec:>12}";

/// Progress of one command. Shared by all its threads.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    terminal: Terminal,
    told: Mutex<Instant>,
}

impl Progress {
    /// `bytes_total` is unknown when the source is a pipe.
    pub(crate) fn new(terminal: &Terminal, doing: &str, bytes_total: Option<u64>) -> Self {
        let target = if terminal.draws_progress() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let shape = if bytes_total.is_some() {
            KNOWN
        } else {
            UNKNOWN
        };
        let bar = ProgressBar::with_draw_target(bytes_total, target)
            .with_style(style(shape))
            .with_message(doing.to_owned());
        Self {
            bar,
            terminal: terminal.clone(),
            told: Mutex::new(Instant::now()),
        }
    }

    /// `bytes` more are done.
    pub(crate) fn add(&self, bytes: u64) {
        self.bar.inc(bytes);
        self.tell();
    }

    /// `bytes` are done in all; never goes back.
    pub(crate) fn at_least(&self, bytes: u64) {
        if bytes > self.bar.position() {
            self.bar.set_position(bytes);
            self.tell();
        }
    }

    /// Sets the total, once it is known better.
    pub(crate) fn total(&self, bytes_total: u64) {
        if self.bar.length() != Some(bytes_total) {
            self.bar.set_length(bytes_total);
        }
    }

    /// Says what is happening now.
    pub(crate) fn doing(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    /// Prints a line above the bar.
    pub(crate) fn notice(&self, text: &str) {
        self.bar.suspend(|| self.terminal.notice(text));
    }

    /// Removes the bar. Dropping does the same.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn tell(&self) {
        if !self.terminal.tells_progress() {
            return;
        }
        let Ok(mut told) = self.told.try_lock() else {
            return;
        };
        if told.elapsed() >= EVENT_EVERY {
            *told = Instant::now();
            let fields =
                json!({ "bytes_done": self.bar.position(), "bytes_total": self.bar.length() });
            // A reader that has gone away shows at the next result, where it can end the command.
            let _gone = self.terminal.event("progress", fields);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
