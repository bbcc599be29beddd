//! Reads `sealift.toml`: every value with its line, or every error with its line.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use toml_edit::{Document, Item, Table, TableLike, Value};
use zeroize::Zeroizing;

use crate::error::{ConfigError, ConfigErrors, Origin, did_you_mean};
use crate::given::{Given, Section, TABLES, check_name};
use crate::keys::Keyed;
use crate::settings::{Docroot, Settings, Trunk, User};
use crate::value::Shape;

/// Largest configuration file. One with 10,000 users is far smaller.
pub(crate) const FILE_BYTES_MAX: u64 = 4 << 20;

/// Reads a text file of bounded size.
///
/// # Errors
///
/// A sentence that names the file.
pub(crate) fn read_text(path: &Path, bytes_max: u64) -> Result<Zeroizing<String>, String> {
    let cannot = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let file = File::open(path).map_err(cannot)?;
    let mut text = Zeroizing::new(String::new());
    let read = file.take(bytes_max + 1).read_to_string(&mut text);
    match read {
        Ok(length) if length as u64 > bytes_max => Err(too_large(path, bytes_max)),
        // A limit may cut a character in two; the size says more than that.
        Err(_) if path.metadata().is_ok_and(|file| file.len() > bytes_max) => {
            Err(too_large(path, bytes_max))
        }
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Err(format!(
            "{} is not UTF-8: `iconv -f LATIN1 -t UTF-8` (or from whatever it is) makes it so",
            path.display()
        )),
        Err(error) => Err(cannot(error)),
        Ok(_) => Ok(text),
    }
}

fn too_large(path: &Path, bytes_max: u64) -> String {
    format!(
        "{} is larger than {} MiB; is it the right file?",
        path.display(),
        bytes_max >> 20
    )
}

/// Every value of a configuration file.
pub(crate) fn read(path: &Path) -> Result<Vec<Given>, ConfigErrors> {
    let text =
        read_text(path, FILE_BYTES_MAX).map_err(|text| ConfigError::new(Origin::Default, text))?;
    parse(path, &text)
}

/// Every value of a text that stands in the file `path`.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Vec<Given>, ConfigErrors> {
    let document = Document::parse(text).map_err(|error| {
        let line = line_of(text, error.span().map_or(0, |span| span.start));
        let message = error.message().trim().replace('\n', ", ");
        ConfigError::new(Origin::File(path.to_owned(), line), message)
    })?;
    let mut reader = Reader {
        path,
        ends: line_ends(text),
        given: Vec::new(),
        errors: Vec::new(),
    };
    reader.top(document.as_table());
    if reader.errors.is_empty() {
        Ok(reader.given)
    } else {
        Err(ConfigErrors(reader.errors))
    }
}

/// Where the lines of a text end, for finding the lines of many places.
pub(crate) fn line_ends(text: &str) -> Vec<usize> {
    let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
    ends.map(|(at, _)| at).collect()
}

/// The line, from 1, that a byte stands on.
fn line_of(text: &str, byte: usize) -> usize {
    1 + text
        .bytes()
        .take(byte)
        .filter(|byte| *byte == b'\n')
        .count()
}

struct Reader<'a> {
    path: &'a Path,
    /// Where lines end.
    ends: Vec<usize>,
    given: Vec<Given>,
    errors: Vec<ConfigError>,
}

impl Reader<'_> {
    fn top(&mut self, table: &Table) {
        for (name, item) in table {
            if TABLES.contains(&name) {
                self.entries(table, name, item);
            } else {
                self.value::<Settings>(&Section::Top, table, name, item, &TABLES);
            }
        }
    }

    /// `[docroots.…]`, `[users.…]` or `[trunks.…]`.
    fn entries(&mut self, top: &Table, table: &str, item: &Item) {
        let Some(entries) = item.as_table_like() else {
            let text = format!("`{table}` is a table: write [{table}.NAME]");
            return self.error(top, table, text);
        };
        for (name, entry) in entries.iter() {
            if let Err(text) = check_name(name) {
                self.error(entries, name, text);
                continue;
            }
            let (Some(keys), Some(section)) = (entry.as_table_like(), Section::entry(table, name))
            else {
                let text = format!("`{name}` is an entry: write [{table}.{name}]");
                self.error(entries, name, text);
                continue;
            };
            if keys.is_empty() {
                let text = format!("[{section}] is empty");
                self.error(entries, name, text);
            }
            for (key, item) in keys.iter() {
                match &section {
                    Section::Docroot(_) => self.value::<Docroot>(&section, keys, key, item, &[]),
                    Section::User(_) => self.value::<User>(&section, keys, key, item, &[]),
                    _ => self.value::<Trunk>(&section, keys, key, item, &[]),
                }
            }
        }
    }

    fn value<T: Keyed>(
        &mut self,
        section: &Section,
        table: &dyn TableLike,
        name: &str,
        item: &Item,
        more: &[&str],
    ) {
        let Some(shape) = shape_of::<T>(name) else {
            let text = unknown::<T>(section, name, more);
            return self.error(table, name, text);
        };
        match text_of(item, shape) {
            Ok(text) => {
                let origin = self.origin(table, name);
                self.given.push(Given {
                    section: section.clone(),
                    key: name.to_owned(),
                    text: Zeroizing::new(text),
                    origin,
                });
            }
            Err(text) => {
                let text = match (section, name) {
                    (Section::User(_), "docroot") => {
                        format!("a user has exactly one docroot: `docroot` {text}")
                    }
                    _ => format!("`{name}` {text}"),
                };
                self.error(table, name, text);
            }
        }
    }

    fn origin(&self, table: &dyn TableLike, name: &str) -> Origin {
        let key = table.get_key_value(name);
        let span = key.and_then(|(key, item)| key.span().or_else(|| item.span()));
        let start = span.map_or(0, |span| span.start);
        let line = 1 + self.ends.partition_point(|end| *end < start);
        Origin::File(self.path.to_owned(), line)
    }

    fn error(&mut self, table: &dyn TableLike, name: &str, text: String) {
        let origin = self.origin(table, name);
        self.errors.push(ConfigError::new(origin, text));
    }
}

/// How a key is written; keys of secrets also exist as `NAME_file`.
pub(crate) fn shape_of<T: Keyed>(name: &str) -> Option<Shape> {
    let secret = name.strip_suffix("_file").and_then(T::key);
    T::key(name)
        .map(|key| key.shape)
        .or_else(|| secret.filter(|key| key.secret).map(|_| Shape::Text))
}

/// What to say of a key that nobody knows.
pub(crate) fn unknown<T: Keyed>(section: &Section, name: &str, more: &[&str]) -> String {
    let known = T::KEYS.iter().map(|key| key.name);
    let other = match name {
        "no_webtransport" => "; write `webtransport = false`".to_owned(),
        "password_required" | "content_protection_required" => {
            "; write `protection = \"required\"`".to_owned()
        }
        "content_protection_strong_pass_required" => {
            "; write `strong_password_required = true`".to_owned()
        }
        "host" => "; write `hosts = [\"NAME\"]`".to_owned(),
        _ => did_you_mean(name, known.chain(more.iter().copied())),
    };
    format!("{section} has no key `{}`{other}", name.escape_debug())
}

fn text_of(item: &Item, shape: Shape) -> Result<String, String> {
    match (shape, item) {
        (Shape::Text | Shape::Choice(_) | Shape::Time, Item::Value(Value::String(text))) => {
            Ok(text.value().clone())
        }
        (Shape::Bytes, Item::Value(Value::String(text))) => Ok(text.value().clone()),
        (Shape::Count | Shape::Bytes, Item::Value(Value::Integer(number))) => {
            Ok(number.value().to_string())
        }
        (Shape::Switch, Item::Value(Value::Boolean(switch))) => Ok(switch.value().to_string()),
        (Shape::List, Item::Value(Value::Array(items))) => {
            let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            let texts = texts.filter(|texts| texts.iter().all(|text| !text.contains(',')));
            Ok(texts.ok_or(WRITE_LIST)?.join(","))
        }
        (Shape::Text, _) => Err("must be a text in quotes".to_owned()),
        (Shape::Choice(words), _) => Err(format!("must be one of \"{}\"", words.join("\", \""))),
        (Shape::Time, _) => Err("must be a time in quotes, such as \"15m\"".to_owned()),
        (Shape::Switch, _) => Err("must be true or false, without quotes".to_owned()),
        (Shape::Count, _) => Err("must be a whole number, without quotes".to_owned()),
        (Shape::Bytes, _) => Err("must be bytes, such as 1000000 or \"10GB\"".to_owned()),
        (Shape::List, _) => Err(WRITE_LIST.to_owned()),
    }
}

const WRITE_LIST: &str = "must be a list of texts, such as [\"one\", \"two\"]";
