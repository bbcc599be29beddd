//! `s3.properties` as the original's operators edit it: the system-wide settings of S3 docroots.
//!
//! The format of Java's property files: `KEY=VALUE`, `KEY = VALUE`, `KEY: VALUE`, `KEY VALUE`, comments with `#`
//! or `!`, a backslash at the end of a line continues it. Keys of the original that have no meaning here are
//! ignored and reported; whatever looks like one of ours but is not is refused.

use crate::settings::printable;
use crate::{SettingsError, SystemDefaults};

/// Keys of the original without a meaning here, with what does their work.
const KNOWN: &[(&str, &str)] = &[
    (
        "s3service.https-only",
        "S3 is always spoken to over TLS; allow-http=true in a docroot URL is the exception",
    ),
    (
        "aspera.transfer.upload.part-size",
        "parts are 8 MiB, and longer for files above 78 GiB",
    ),
    ("aspera.transfer.gathering-policy", "one file is one object"),
];

/// What a properties file says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Properties {
    /// The system-wide settings.
    pub defaults: SystemDefaults,
    /// What was ignored.
    pub ignored: Vec<Ignored>,
}

/// A line that has no meaning here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ignored {
    /// Its number, from 1.
    pub line: usize,
    /// Its key.
    pub key: String,
    /// Why it is ignored.
    pub reason: &'static str,
}

impl Properties {
    /// Reads the text of a file.
    ///
    /// # Errors
    ///
    /// [`SettingsError::Line`] with the line's number; [`SettingsError::KeyWithoutKms`] and the like for the
    /// whole.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let mut properties = Self::default();
        for (line, logical) in logical_lines(text) {
            let taken = split(&logical).and_then(|(key, value)| properties.take(line, key, value));
            taken.map_err(|error| SettingsError::Line {
                line,
                error: Box::new(error),
            })?;
        }
        properties.defaults.check()?;
        Ok(properties)
    }

    fn take(&mut self, line: usize, key: &str, value: &str) -> Result<(), SettingsError> {
        if self.defaults.take(key, value)? {
            return Ok(());
        }
        let reason = match KNOWN.iter().find(|(known, _)| *known == key) {
            Some((_, reason)) => reason,
            None if looks_like_ours(key) => {
                return Err(SettingsError::Misspelt(printable(key)));
            }
            None => "it is not known",
        };
        self.ignored.push(Ignored {
            line,
            key: printable(key),
            reason,
        });
        Ok(())
    }
}

/// A key about encryption that is not understood must not be ignored.
fn looks_like_ours(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    [
        "encr",
        "kms",
        "server-side",
        "sse",
        "bucket-key",
        "storage-class",
    ]
    .iter()
    .any(|word| key.contains(word))
}

/// Lines with their continuations joined, without comments and empty ones.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start_matches([' ', '\t', '\u{c}']);
        if open.is_none() && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        let (number, mut joined) = open.take().unwrap_or((index + 1, String::new()));
        let slashes = line.len() - line.trim_end_matches('\\').len();
        if slashes % 2 == 1 {
            joined.push_str(&line[..line.len() - 1]);
            open = Some((number, joined));
        } else {
            joined.push_str(line);
            lines.push((number, joined));
        }
    }
    lines.extend(open);
    lines
}

/// Key and value. Blanks at the end of a value are dropped: no value of ours ends in one.
fn split(line: &str) -> Result<(&str, &str), SettingsError> {
    let end = line
        .find(['=', ':', ' ', '\t'])
        .ok_or(SettingsError::NoValue)?;
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start_matches([' ', '\t']);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim();
    if key.is_empty() || value.is_empty() {
        return Err(SettingsError::NoValue);
    }
    Ok((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_as_the_source_text_edits_it() {
        let before = "# server-side-encryption=NONE\n# server-side-encryption-aws-kms-key-id\n";
        assert_eq!(Properties::parse(before), Ok(Properties::default()));
        let after = "server-side-encryption=AWS_KMS\r\n\
             server-side-encryption-aws-kms-key-id = arn:aws:kms:us-west-2:289669785124:key/9120a367-8204-4752-8b0f-1ca9d90j8ec3\r\n\
             s3service.https-only: false\n! note\nsome.other.key value\n";
        let read = Properties::parse(after).unwrap();
        let key = "arn:aws:kms:us-west-2:289669785124:key/9120a367-8204-4752-8b0f-1ca9d90j8ec3";
        let expected = SystemDefaults::from_pairs([
            ("server-side-encryption", "AWS_KMS"),
            ("server-side-encryption-aws-kms-key-id", key),
        ]);
        assert_eq!(Ok(read.defaults), expected);
        let ignored: Vec<_> = read
            .ignored
            .iter()
            .map(|i| (i.line, i.key.as_str()))
            .collect();
        assert_eq!(
            ignored,
            [(3, "s3service.https-only"), (5, "some.other.key")]
        );
    }

    #[test]
    fn lines_that_go_on_are_joined() {
        let read = Properties::parse("server-side-\\\n   encryption = \\\n AES256").unwrap();
        let expected = SystemDefaults::from_pairs([("server-side-encryption", "AES256")]);
        assert_eq!(Ok(read.defaults), expected);
    }

    #[test]
    fn nothing_about_encryption_is_ignored() {
        for bad in [
            "server-side-encription=AWS_KMS",
            "Server-Side-Encryption=AWS_KMS",
            "server-side-encryption=aws_kms",
            "server-side-encryption=",
            "server-side-encryption",
            "server-side-encryption=AES256\nserver-side-encryption=AES256",
            "server-side-encryption-aws-kms-key-id=abc",
            "server-side-encryption=AES256\nserver-side-encryption-aws-kms-key-id=abc",
            "server-side-encryption=AWS_KMS\nserver-side-encryption-aws-kms-key-id=a b",
            "server-side-encryption=AWS_KMS_DSSE\nbucket-key=true",
            "bucket-key=true",
            "storage-class=COLD",
        ] {
            assert!(Properties::parse(bad).is_err(), "{bad}");
        }
        let error = Properties::parse("#\n\nserver-side-encryption=KMS").unwrap_err();
        assert!(error.to_string().starts_with("line 3 of s3.properties"));
    }
}
