//! The effective values with the place each came from, as text or JSON; secrets redacted.

use serde_json::{Map, Value, json};

use crate::keys::{Key, Keyed};
use crate::load::Loaded;
use crate::value::Shape;

/// Stands for a secret.
const SECRET: &str = "(secret)";

/// One effective value.
struct Shown {
    path: String,
    text: Option<String>,
    shape: Shape,
    origin: String,
}

impl Loaded {
    /// One line for each setting: `key = value`, and where it came from.
    pub fn to_text(&self) -> String {
        let lines: Vec<(String, String)> = self
            .shown()
            .into_iter()
            .map(|one| {
                let value = one
                    .text
                    .map_or("(not set)".to_owned(), |text| toml(&text, one.shape));
                (format!("{} = {value}", one.path), one.origin)
            })
            .collect();
        let width = lines
            .iter()
            .map(|(line, _)| line.chars().count().min(60))
            .max();
        let width = width.unwrap_or_default();
        lines
            .into_iter()
            .map(|(line, origin)| format!("{line:width$}  # {origin}\n"))
            .collect()
    }

    /// The same as JSON: `{"listen": {"value": …, "origin": …}, …}`.
    pub fn to_json(&self) -> Value {
        let mut all = Map::new();
        for one in self.shown() {
            let value = one
                .text
                .map_or(Value::Null, |text| json_of(text, one.shape));
            all.insert(one.path, json!({ "value": value, "origin": one.origin }));
        }
        Value::Object(all)
    }

    fn shown(&self) -> Vec<Shown> {
        let config = &self.config;
        let mut shown = self.of(String::new(), &config.settings);
        for (name, docroot) in &config.docroots {
            shown.extend(self.of(format!("docroots.{name}."), docroot));
        }
        for (name, user) in &config.users {
            shown.extend(self.of(format!("users.{name}."), user));
        }
        for (name, trunk) in &config.trunks {
            shown.extend(self.of(format!("trunks.{name}."), trunk));
        }
        shown
    }

    fn of<T: Keyed>(&self, prefix: String, all: &T) -> Vec<Shown> {
        let one = |key: &Key<T>| {
            let path = format!("{prefix}{}", key.name);
            let text = (key.get)(all);
            Shown {
                origin: self.origin(&path).to_string(),
                text: text.map(|text| match (key.secret, key.name) {
                    (false, _) => text,
                    (true, "url") => redacted(&text),
                    (true, _) => SECRET.to_owned(),
                }),
                shape: key.shape,
                path,
            }
        };
        T::KEYS.iter().map(one).collect()
    }
}

/// A docroot's URL without its credentials. Other secrets are not shown at all.
pub(crate) fn redacted(secret: &str) -> String {
    if secret.starts_with('/') {
        return secret.to_owned();
    }
    let Some((scheme, rest)) = secret.split_once("://") else {
        return SECRET.to_owned();
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    // A secret key with a raw slash in it must not slip through: everything before the last `@` goes.
    let path = &rest[..rest.find('?').unwrap_or(rest.len())];
    match path.rfind('@') {
        Some(at) => format!("{scheme}://{SECRET}@{}", &rest[at + 1..]),
        None if rest[..end].contains(':') && scheme != "file" && !port(&rest[..end]) => {
            format!("{scheme}://{SECRET}")
        }
        None => secret.to_owned(),
    }
}

/// Whether what follows the colon is a port, not half of a credential.
fn port(host: &str) -> bool {
    host.rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

/// A value as it stands in `sealift.toml`.
pub(crate) fn toml(text: &str, shape: Shape) -> String {
    let quoted = |text: &str| toml_edit::Value::from(text).to_string();
    match shape {
        Shape::Switch | Shape::Count => text.to_owned(),
        Shape::Bytes if text.bytes().all(|byte| byte.is_ascii_digit()) => text.to_owned(),
        Shape::List => {
            let items: Vec<String> = text
                .split(',')
                .filter(|item| !item.is_empty())
                .map(quoted)
                .collect();
            format!("[{}]", items.join(", "))
        }
        _ => quoted(text),
    }
}

fn json_of(text: String, shape: Shape) -> Value {
    match shape {
        Shape::Switch => Value::Bool(text == "true"),
        Shape::Count => text.parse::<u64>().map_or(Value::Null, Value::from),
        Shape::Bytes => <u64 as crate::value::Value>::read(&text).map_or(Value::Null, Value::from),
        Shape::List => text.split(',').map(str::to_owned).collect(),
        Shape::Text | Shape::Choice(_) | Shape::Time => Value::String(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_docroot_is_shown_without_its_credentials() {
        for (url, shown) in [
            (
                "s3://s3.amazonaws.com/bucket/path",
                "s3://s3.amazonaws.com/bucket/path",
            ),
            (
                "s3://AKIA:abc%2Fd@host:9000/b?x=y",
                "s3://(secret)@host:9000/b?x=y",
            ),
            ("s3://AKIA:ab/c+d@host/b", "s3://(secret)@host/b"),
            ("s3://AKIA:abc", "s3://(secret)"),
            ("s3://127.0.0.1:9000/b", "s3://127.0.0.1:9000/b"),
            ("file:///srv/sealift", "file:///srv/sealift"),
            ("/srv/sealift", "/srv/sealift"),
            ("wJalrXUtnFEMI", "(secret)"),
        ] {
            assert_eq!(redacted(url), shown);
        }
    }
}
