//! The protection report of a package at its relay, in two columns that never mix: what this program
//! checked itself, and what the relay says.

use std::time::Duration;

use sealift_envelope::Manifest;
use sealift_protocol::format::Keyring;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{slot_json, slot_words};
use crate::arguments::Inspect;
use crate::failure::{Cause, Result};
use crate::generations;
use crate::listing::tell_list;
use crate::network;
use crate::receive::fetch::Remote;
use crate::receive::stored::{Address, Stored};
use crate::send::runtime;
use crate::stop::Stop;
use crate::terminal::{Terminal, printable};
use crate::unlock::By;

/// A report is a few hundred bytes.
const REPORT_BYTES_MAX: u64 = 64 * 1024;
/// Gap between the columns.
const GAP: usize = 3;

/// One line of a column: what, and its value.
type Row = (&'static str, String);

/// Tells about the package that a receive or manage link names.
pub(super) fn run(arguments: &Inspect, terminal: &Terminal) -> Result<()> {
    let address = Address::to_look_at(&arguments.link.source().read()?)?;
    let tls = network::tls(arguments.network.ca.as_deref())?;
    let client = network::http(&address.relay, &tls)?;
    let runtime = runtime()?;
    let (relay, handle) = (address.relay.clone(), runtime.handle().clone());
    let remote = Remote::new(client, relay, handle, Stop::never());
    let stored = Stored::fetch(&remote, &address)?;
    if remote.is_outdated() {
        terminal.notice(network::OUTDATED);
    }
    let said = match remote.get(&address.path("/report"), REPORT_BYTES_MAX) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
        // A relay without reports says nothing.
        Err(failure) if failure.cause == Cause::NotFound => Said::default(),
        Err(failure) => return Err(failure),
    };
    let opening = arguments.opening.opening();
    let secret = address.secret.as_ref();
    let parsed = Keyring::parse(&stored.keyring)?;
    let opened = if arguments.unlock || secret.is_some() || opening.is_given()? {
        let unlocked = opening.open(&stored.keyring, address.package, secret, terminal)?;
        generations::remember(&parsed, unlocked.by, terminal);
        let pin = address.pin.as_ref();
        let manifest = Manifest::open(&unlocked.key, &stored.head, &stored.body, pin)?;
        Some((unlocked.by, manifest))
    } else {
        None
    };
    let checked = Checked {
        address: &address,
        keyring: parsed,
        opened: opened.as_ref().map(|(by, manifest)| (*by, manifest)),
    };
    tell(&checked, &said, terminal)?;
    match &opened {
        Some((_, manifest)) => {
            terminal.result("")?;
            tell_list(manifest, terminal)
        }
        None => Ok(()),
    }
}

fn tell(checked: &Checked<'_>, said: &Said, terminal: &Terminal) -> Result<()> {
    if terminal.json() {
        let report = json!({ "checked": checked.json(), "said": said.json() });
        return terminal.event("report", report);
    }
    let (left, right) = (checked.rows(), said.rows());
    for line in side_by_side(&left, &right) {
        terminal.result(&line)?;
    }
    if let Some(differs) = checked.contradiction(said) {
        terminal.notice(differs);
    }
    Ok(())
}

/// What this program found out from the bytes themselves.
struct Checked<'a> {
    address: &'a Address,
    keyring: Keyring<'a>,
    opened: Option<(By, &'a Manifest)>,
}

impl Checked<'_> {
    fn rows(&self) -> Vec<Row> {
        let mut rows = vec![
            ("package", self.address.package.to_string()),
            (
                "suite",
                "1: AES-256-GCM in segments of 512 KiB, SHA-384".to_owned(),
            ),
            (
                "keyring",
                format!(
                    "number {}, {}",
                    self.keyring.generation(),
                    self.keyring_words()
                ),
            ),
        ];
        for (number, slot) in self.keyring.slots().enumerate() {
            rows.push((
                "opens with",
                format!("{}  {}", number + 1, slot_words(slot.kind)),
            ));
        }
        let list = match (self.address.pin, self.opened) {
            (Some(_), _) => "exactly the one that the link was made for",
            (None, Some(_)) => "genuine; this link does not say which one it must be",
            (None, None) => "not checked: this link does not say which one it must be",
        };
        rows.push(("list of files", list.to_owned()));
        rows.push((
            "content",
            "not fetched; every byte is checked when it is received".to_owned(),
        ));
        rows
    }

    fn keyring_words(&self) -> &'static str {
        match self.opened {
            Some((By::Password, _)) => "whole, opened by the password",
            Some((By::Link, _)) => "whole, opened by the link",
            Some((By::Identity, _)) => "whole, opened by a secret key",
            None => "in the right form; give a password or key to check that it is genuine",
        }
    }

    fn json(&self) -> Value {
        let slots: Vec<Value> = self
            .keyring
            .slots()
            .map(|slot| slot_json(slot.kind))
            .collect();
        json!({
            "package": self.address.package.to_string(),
            "suite": 1,
            "keyring_generation": self.keyring.generation(),
            "keyring_opened": self.opened.is_some(),
            "slots": slots,
            "pinned": self.address.pin.is_some(),
        })
    }

    /// Where the relay says something that its own bytes contradict.
    fn contradiction(&self, said: &Said) -> Option<&'static str> {
        let generation = said.keyring_generation;
        let count = self.keyring.slots().count();
        let differs = generation.is_some_and(|said| said != self.keyring.generation())
            || (!said.slots.is_empty() && said.slots.len() != count);
        differs.then_some(
            "the relay says something else of the keyring than the keyring itself; ask its operator why",
        )
    }
}

/// The relay's word. Everything may be missing, and nothing is proved.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    sealed_by: Option<String>,
    transports: Vec<String>,
    docroot: Option<String>,
    storage: Storage,
    keyring_generation: Option<u64>,
    slots: Vec<String>,
    created_at: Option<u64>,
    finished_at: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Storage {
    kind: Option<String>,
    sse: Option<Sse>,
}

/// Encryption by the storage itself, under a key that the storage knows.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Sse {
    algorithm: String,
    key: Option<String>,
    verified_at: Option<u64>,
}

impl Said {
    fn rows(&self) -> Vec<Row> {
        let nothing = || "it does not say".to_owned();
        let text = |text: &Option<String>| text.as_deref().map_or_else(nothing, printable);
        let place = match &self.storage.kind {
            Some(kind) => format!("{} ({})", text(&self.docroot), printable(kind)),
            None => text(&self.docroot),
        };
        let transports = if self.transports.is_empty() {
            nothing()
        } else {
            printable(&self.transports.join(", "))
        };
        vec![
            ("sealed by", text(&self.sealed_by)),
            ("came over", transports),
            ("docroot", place),
            ("storage adds", self.storage.words()),
            (
                "keyring",
                self.keyring_generation
                    .map_or_else(nothing, |number| format!("number {number}")),
            ),
            ("begun", self.created_at.map_or_else(nothing, date)),
            ("complete", self.finished_at.map_or_else(nothing, date)),
        ]
    }

    fn json(&self) -> Value {
        let sse = self.storage.sse.as_ref().map(|sse| {
            json!({ "algorithm": sse.algorithm, "key": sse.key, "verified_at": sse.verified_at })
        });
        json!({
            "sealed_by": self.sealed_by,
            "transports": self.transports,
            "docroot": self.docroot,
            "storage": { "kind": self.storage.kind, "sse": sse },
            "keyring_generation": self.keyring_generation,
            "slots": self.slots,
            "created_at": self.created_at,
            "finished_at": self.finished_at,
        })
    }
}

impl Storage {
    fn words(&self) -> String {
        let Some(sse) = &self.sse else {
            return "no encryption of its own".to_owned();
        };
        let key = sse.key.as_deref().map_or(String::new(), |key| {
            format!(" with the key {}", printable(key))
        });
        let verified = sse.verified_at.map_or_else(
            || ", not verified".to_owned(),
            |at| format!(", verified {}", date(at)),
        );
        format!("{}{key}{verified}", printable(&sse.algorithm))
    }
}

/// Two columns under their titles, each as wide as its longest line.
fn side_by_side(left: &[Row], right: &[Row]) -> Vec<String> {
    let column = |title: &str, rows: &[Row]| {
        let named = rows
            .iter()
            .map(|(name, value)| format!("{name:<14}{value}"));
        std::iter::once(title.to_owned())
            .chain(named)
            .collect::<Vec<_>>()
    };
    let left = column("Checked by your client", left);
    let right = column("Said by the relay", right);
    let width = left
        .iter()
        .map(|line| line.chars().count())
        .max()
        .unwrap_or(0)
        + GAP;
    let lines = left.len().max(right.len());
    let line = |lines: &[String], number: usize| lines.get(number).cloned().unwrap_or_default();
    (0..lines)
        .map(|number| {
            let text = format!("{:<width$}{}", line(&left, number), line(&right, number));
            text.trim_end().to_owned()
        })
        .collect()
}

/// `2026-11-25 00:30 UTC`.
fn date(seconds: u64) -> String {
    let at = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds.min(LAST_SECOND));
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, _) = at.to_hms();
    format!(
        "{year:04}-{:02}-{day:02} {hour:02}:{minute:02} UTC",
        u8::from(month)
    )
}

/// The end of the year 9999, beyond which dates are not written.
const LAST_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_beside_each_other_whatever_their_length() {
        let left = vec![("a", "1".to_owned())];
        let right = vec![("b", "2".to_owned()), ("c", "3".to_owned())];
        assert_eq!(
            side_by_side(&left, &right),
            [
                "Checked by your client   Said by the relay",
                "a             1          b             2",
                "                         c             3",
            ]
        );
    }

    #[test]
    fn dates_are_read_by_people() {
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(1_795_566_600), "2026-11-25 00:30 UTC");
        assert!(date(u64::MAX).starts_with("9999-12-31"));
    }

    #[test]
    fn a_relay_cannot_steer_the_terminal_with_its_report() {
        let said: Said = serde_json::from_value(json!({
            "sealed_by": "cli\u{1b}[2J", "docroot": "x\u{202e}", "transports": ["\u{7}"],
        }))
        .unwrap();
        let text = format!("{:?}", side_by_side(&[], &said.rows()));
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
    }
}
