//! Docroot URLs, in the original's syntax: `s3://[ACCESS_ID:SECRET@][ENDPOINT/]BUCKET[/PATH][?KEY=VALUE&…]`.
//!
//! A first word is the endpoint when it has a dot or a port, or is `localhost`; else it is the bucket, on AWS.
//! The slash between bucket and path may be raw or `%2F`; a key's ARN may be raw or encoded. What the query says
//! wins over the system's settings. Everything unknown is refused: a misspelt key must not mean "not encrypted".
//!
//! Start with [`DocrootUrl::parse`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Component, Path, PathBuf};

use crate::settings::{boolean, once, printable};
use crate::{
    Credentials, DocrootError, DocrootSettings, Endpoint, S3Settings, SettingsError, SystemDefaults,
};

/// Longest URL, in bytes.
const URL_BYTES_MAX: usize = 4096;

/// Longest path in a bucket, in bytes: S3 takes 1,024 for a whole key.
const PATH_BYTES_MAX: usize = 512;

/// Reads docroot URLs.
pub struct DocrootUrl;

impl DocrootUrl {
    /// Reads `s3://…`, `file:///…` or an absolute path.
    ///
    /// # Errors
    ///
    /// [`DocrootError::Settings`]; no text of it shows a secret.
    pub fn parse(text: &str, defaults: &SystemDefaults) -> Result<DocrootSettings, DocrootError> {
        Ok(parse(text, defaults)?)
    }
}

fn parse(text: &str, defaults: &SystemDefaults) -> Result<DocrootSettings, SettingsError> {
    if text.len() > URL_BYTES_MAX {
        return Err(SettingsError::TooLong);
    }
    if text.starts_with('/') {
        return folder(text);
    }
    let (scheme, rest) = text.split_once("://").ok_or(SettingsError::Scheme)?;
    match scheme {
        "s3" => {}
        "file" => return folder(&decode(rest)?),
        _ if ["s3", "file"].contains(&scheme.to_ascii_lowercase().as_str()) => {
            return Err(SettingsError::Capitals);
        }
        _ => return Err(SettingsError::Scheme),
    }
    if rest.contains(|c: char| c.is_control() || c.is_whitespace() || c == '#') {
        return Err(SettingsError::Characters);
    }
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (credentials, place) = credentials(place)?;
    let (host, path) = host(place)?;
    let (bucket, path) = bucket(path)?;
    let Query {
        own,
        region,
        path_style,
        allow_http,
        trailers,
    } = Query::read(query)?;
    let (endpoint, host_region) = match host {
        None => (None, None),
        Some(host) => endpoint(host, allow_http)?,
    };
    let aws = endpoint.is_none();
    Ok(DocrootSettings::S3(Box::new(S3Settings {
        region: region.or(host_region),
        bucket,
        path,
        credentials,
        encryption: defaults.resolve(&own)?,
        storage_class: own.storage_class.or(defaults.storage_class),
        path_style: path_style.unwrap_or(!aws),
        trailers: trailers.unwrap_or(aws),
        endpoint,
    })))
}

fn folder(path: &str) -> Result<DocrootSettings, SettingsError> {
    let plain = Path::new(path)
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let dotted = path.split('/').any(|part| part == "." || part == "..");
    if !path.starts_with('/')
        || !plain
        || dotted
        || path.contains(char::is_control)
        || path.contains('?')
    {
        return Err(SettingsError::FolderPath);
    }
    Ok(DocrootSettings::Folder(PathBuf::from(path)))
}

/// Splits `ACCESS_ID:SECRET@` off. A raw slash in the secret would make part of it look like a host, so an `@`
/// anywhere else is refused without a word of what stands there.
fn credentials(place: &str) -> Result<(Option<Credentials>, &str), SettingsError> {
    let Some((user, rest)) = place.split_once('@') else {
        return Ok((None, place));
    };
    let (id, secret) = user.split_once(':').ok_or(SettingsError::Credentials)?;
    let raw = |text: &str| text.contains(['/', ':', '@']);
    if raw(id) || raw(secret) || rest.contains('@') {
        return Err(SettingsError::Credentials);
    }
    let read = |text| decode(text).map_err(|_| SettingsError::Credentials);
    let (id, secret) = (read(id)?, read(secret)?);
    let graphic = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    if !graphic(&id) || !graphic(&secret) {
        return Err(SettingsError::Credentials);
    }
    Ok((Some(Credentials::new(id, secret)), rest))
}

/// Splits an endpoint off, if the first word is one.
fn host(place: &str) -> Result<(Option<&str>, &str), SettingsError> {
    let end = if place.starts_with('[') {
        place.find(']').ok_or(SettingsError::Host)? + 1
    } else {
        0
    };
    let after = place.get(end..).ok_or(SettingsError::Host)?;
    let slash = after
        .find(['/', '%'])
        .map_or(place.len(), |slash| end + slash);
    let (first, rest) = place.split_at(slash);
    let is_host = end > 0 || first == "localhost" || first.contains(['.', ':']);
    match (is_host, rest.strip_prefix('/')) {
        (false, _) => Ok((None, place)),
        (true, Some(rest)) => Ok((Some(first), rest)),
        (true, None) => Err(SettingsError::Bucket),
    }
}

/// Reads an endpoint and the region in its name. `None` is AWS itself.
fn endpoint(
    text: &str,
    allow_http: Option<bool>,
) -> Result<(Option<Endpoint>, Option<String>), SettingsError> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            let digits = port.bytes().all(|b| b.is_ascii_digit());
            let port = port.parse().ok().filter(|port| digits && *port != 0);
            (host, Some(port.ok_or(SettingsError::Host)?))
        }
        _ => (text, None),
    };
    let host = host.to_ascii_lowercase();
    let address = address(&host)?;
    if address.is_some_and(is_metadata) || METADATA_NAMES.contains(&host.as_str()) {
        return Err(SettingsError::MetadataAddress);
    }
    if let (Some(region), None) = (aws_region(&host), port) {
        return Ok((None, region));
    }
    let loopback = host == "localhost" || address.is_some_and(|address| address.is_loopback());
    let https = !allow_http.unwrap_or(loopback);
    Ok((Some(Endpoint { host, port, https }), None))
}

/// Names under which clouds serve credentials.
const METADATA_NAMES: [&str; 3] = [
    "metadata.google.internal",
    "metadata.goog",
    "instance-data.ec2.internal",
];

/// An address, if the host is one; checks that it is a name otherwise. A host that ends in a number can be read
/// as an IPv4 address in several ways, so only the usual one is taken.
fn address(host: &str) -> Result<Option<IpAddr>, SettingsError> {
    if let Some(inner) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        let address: Ipv6Addr = inner.parse().map_err(|_| SettingsError::Host)?;
        return Ok(Some(
            address
                .to_ipv4_mapped()
                .map_or(IpAddr::V6(address), IpAddr::V4),
        ));
    }
    let label = |l: &str| {
        let plain = l
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        !l.is_empty() && l.len() <= 63 && plain && !l.starts_with('-') && !l.ends_with('-')
    };
    if host.len() > 253 || !host.split('.').all(label) {
        return Err(SettingsError::Host);
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    let number = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    if !number {
        return Ok(None);
    }
    let address: Ipv4Addr = host.parse().map_err(|_| SettingsError::Host)?;
    Ok(Some(IpAddr::V4(address)))
}

/// Whether clouds hand out credentials at an address: link-local ones, and those of some clouds.
pub(crate) fn is_metadata(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4 == Ipv4Addr::new(100, 100, 100, 200),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_metadata(IpAddr::V4(v4)),
            None => {
                v6.is_unicast_link_local()
                    || v6 == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
            }
        },
    }
}

/// The region in a name of AWS' own S3 endpoints; `Some(None)` for those without one, `None` for other names.
fn aws_region(host: &str) -> Option<Option<String>> {
    let name = host
        .strip_suffix(".amazonaws.com")
        .or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    match name {
        "s3" | "s3-external-1" => return Some(None),
        _ => {}
    }
    let region = name
        .strip_prefix("s3.dualstack.")
        .or_else(|| name.strip_prefix("s3."))
        .or_else(|| name.strip_prefix("s3-"))?;
    (!region.contains('.')).then(|| Some(region.to_owned()))
}

/// Decodes and checks bucket and path.
fn bucket(text: &str) -> Result<(String, String), SettingsError> {
    let text = decode(text)?;
    let (bucket, path) = text.split_once('/').unwrap_or((&text, ""));
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(plain) || bucket.contains("..") {
        return Err(SettingsError::Bucket);
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    let piece = |piece: &str| !matches!(piece, "" | "." | "..");
    if !path.is_empty() && !path.split('/').all(piece)
        || path.len() > PATH_BYTES_MAX
        || path.chars().any(char::is_control)
    {
        return Err(SettingsError::Path);
    }
    Ok((bucket.to_owned(), path.to_owned()))
}

/// What the query of a URL says.
#[derive(Default)]
struct Query {
    own: SystemDefaults,
    region: Option<String>,
    path_style: Option<bool>,
    allow_http: Option<bool>,
    trailers: Option<bool>,
}

impl Query {
    fn read(text: &str) -> Result<Self, SettingsError> {
        let mut query = Self::default();
        if text.is_empty() {
            return Ok(query);
        }
        for pair in text.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (key, value) = (decode(key)?, decode(value)?);
            if query.own.take(&key, &value)? {
                continue;
            }
            match key.as_str() {
                "region" => once(&mut query.region, &key, region(&value)?)?,
                "path-style" => once(&mut query.path_style, &key, boolean(&key, &value)?)?,
                "allow-http" => once(&mut query.allow_http, &key, boolean(&key, &value)?)?,
                "checksum-trailers" => once(&mut query.trailers, &key, boolean(&key, &value)?)?,
                _ => return Err(SettingsError::UnknownKey(printable(&key))),
            }
        }
        Ok(query)
    }
}

fn region(value: &str) -> Result<String, SettingsError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !(1..=40).contains(&value.len()) || !value.bytes().all(plain) {
        return Err(SettingsError::Value {
            key: "region".to_owned(),
            expected: "a region's name, such as eu-central-1",
        });
    }
    Ok(value.to_owned())
}

/// Percent-decodes. A plus is a plus.
fn decode(text: &str) -> Result<String, SettingsError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first != b'%' {
            bytes.push(*first);
            rest = after;
            continue;
        }
        let digit = |at: usize| {
            let digit = char::from(*after.get(at)?).to_digit(16)?;
            u8::try_from(digit).ok()
        };
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            return Err(SettingsError::Encoding);
        };
        bytes.push(high << 4 | low);
        rest = after.get(2..).unwrap_or_default();
    }
    String::from_utf8(bytes).map_err(|_| SettingsError::Encoding)
}
