//! Stored bytes over HTTP: several objects as one, streamed, in ranges, under a strong ETag (rule S8).

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use sealift_docroot::{Docroot, DocrootError, Name, Reader};
use sealift_protocol::{Code, PackageId};
use sha2::{Digest as _, Sha256};

use crate::api::ApiError;
use crate::attempt::storage_code;
use crate::metrics::Metrics;
use crate::records::{File, Keyring, Package};
use crate::relay::Relay;
use crate::{names, rekey};

/// Objects that are served one after the other, as one.
pub(crate) struct Served<'a> {
    package: &'a Package,
    pieces: Vec<Piece>,
    /// Over everything that decides the bytes: keyring generation and hash, file ids, heads, seals.
    tag: Sha256,
    /// Instead of `tag`.
    etag: Option<String>,
    attachment: Option<String>,
}

#[derive(Clone)]
struct Piece {
    name: Name,
    length: u64,
}

impl<'a> Served<'a> {
    pub(crate) fn new(package: &'a Package) -> Self {
        Self {
            package,
            pieces: Vec::new(),
            tag: Sha256::new(),
            etag: None,
            attachment: None,
        }
    }

    /// Adds the keyring.
    pub(crate) fn keyring(mut self, id: PackageId) -> Result<Self, ApiError> {
        let keyring = self.package.keyring.ok_or(ApiError(Code::NotFound))?;
        self.tag.update(keyring.generation.to_be_bytes());
        self.tag.update(keyring.sha256.0);
        self.push(names::keyring_of(id, &keyring), keyring.bytes)
    }

    /// A keyring alone, under the tag that a change of it must name (K2).
    pub(crate) fn only_keyring(
        mut self,
        id: PackageId,
        keyring: &Keyring,
    ) -> Result<Self, ApiError> {
        self.etag = Some(rekey::etag(keyring));
        self.push(names::keyring_of(id, keyring), keyring.bytes)
    }

    /// Adds a sealed file: head and body.
    pub(crate) fn file(mut self, id: PackageId, file: &File) -> Result<Self, ApiError> {
        self.tag.update(file.id.0);
        self.tag.update(file.head_sha256.0);
        self.tag
            .update(file.seal.ok_or(ApiError(Code::NotComplete))?);
        self.push(names::head(id, file.id), file.head_bytes)?
            .push(names::body(id, file.id), file.body_bytes)
    }

    /// Lets a browser save it under a name.
    pub(crate) fn attachment(self, name: String) -> Self {
        Self {
            attachment: Some(name),
            ..self
        }
    }

    fn push(mut self, name: Result<Name, DocrootError>, length: u64) -> Result<Self, ApiError> {
        let name = name.map_err(|_| ApiError(Code::Internal))?;
        self.pieces.push(Piece { name, length });
        Ok(self)
    }
}

/// Answers with all of it, or with the range that was asked for.
pub(crate) async fn answer(
    relay: &Arc<Relay>,
    request: &HeaderMap,
    served: Served<'_>,
) -> Result<Response, ApiError> {
    let total = served.pieces.iter().map(|piece| piece.length).sum();
    let digest = served.tag.finalize();
    let etag = served
        .etag
        .unwrap_or_else(|| format!("\"{}\"", data_encoding::HEXLOWER.encode(&digest[..16])));
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    );
    insert(&mut headers, header::ETAG, &etag)?;
    if let Some(name) = served.attachment {
        insert(
            &mut headers,
            header::CONTENT_DISPOSITION,
            &format!("attachment; filename=\"{name}\""),
        )?;
    }
    if text(request, header::IF_NONE_MATCH)
        .is_some_and(|tags| tags == "*" || tags.split(',').any(|t| t.trim() == etag))
    {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    // A range of something else than what the client has must not be joined to it: then it gets the whole.
    // Compared as bytes: a value that is no text is not ours either.
    let same = request
        .get(header::IF_RANGE)
        .is_none_or(|tag| tag.as_bytes() == etag.as_bytes());
    let (status, range) = match text(request, header::RANGE)
        .filter(|_| same)
        .map(|text| range(text, total))
    {
        Some(Wanted::Range(range)) => {
            let value = format!("bytes {}-{}/{total}", range.start, range.end - 1);
            insert(&mut headers, header::CONTENT_RANGE, &value)?;
            (StatusCode::PARTIAL_CONTENT, range)
        }
        Some(Wanted::Nothing) => {
            insert(
                &mut headers,
                header::CONTENT_RANGE,
                &format!("bytes */{total}"),
            )?;
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response());
        }
        Some(Wanted::All) | None => (StatusCode::OK, 0..total),
    };
    insert(
        &mut headers,
        header::CONTENT_LENGTH,
        &(range.end - range.start).to_string(),
    )?;
    let docroot = relay
        .storage
        .docroots
        .one(&served.package.docroot)
        .map_err(ApiError)?;
    let metrics = Arc::clone(&relay.storage.metrics);
    let mut joined = Joined::new(docroot, served.pieces, range, metrics);
    // The first slice is read before the status is sent: what is missing is an error, not a cut answer.
    let first = joined
        .next()
        .await
        .map_err(|error| ApiError(storage_code(&error)))?;
    let rest = stream::try_unfold(joined, async |mut joined| {
        Ok(joined.next().await?.map(|bytes| (bytes, joined)))
    });
    let first = stream::iter(first.map(Ok::<Bytes, DocrootError>));
    let body = Body::from_stream(futures_util::StreamExt::chain(first, rest));
    Ok((status, headers, body).into_response())
}

fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: &str) -> Result<(), ApiError> {
    headers.insert(
        name,
        HeaderValue::from_str(value).map_err(|_| ApiError(Code::Internal))?,
    );
    Ok(())
}

fn text(request: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    request.get(name)?.to_str().ok()
}

#[derive(Debug, Eq, PartialEq)]
enum Wanted {
    /// Not a range that we serve (RFC 9110 14.2 lets a server ignore it).
    All,
    Range(Range<u64>),
    /// No byte of it exists.
    Nothing,
}

/// One range of bytes; several at once are answered with the whole.
fn range(text: &str, total: u64) -> Wanted {
    let Some((first, last)) = text
        .strip_prefix("bytes=")
        .and_then(|rest| rest.split_once('-'))
    else {
        return Wanted::All;
    };
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(total),
        (Some(first), None) if last.is_empty() => first..total,
        (None, Some(count)) if first.is_empty() => total.saturating_sub(count)..total,
        _ => return Wanted::All,
    };
    if range.start < range.end {
        Wanted::Range(range)
    } else {
        Wanted::Nothing
    }
}

fn number(text: &str) -> Option<u64> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// Reads a range over several objects, one after the other, one slice at a time.
struct Joined {
    docroot: Docroot,
    /// Objects still to be read, with the range of each.
    ahead: VecDeque<(Name, Range<u64>)>,
    reader: Option<Reader>,
    metrics: Arc<Metrics>,
}

impl Joined {
    fn new(docroot: Docroot, pieces: Vec<Piece>, range: Range<u64>, metrics: Arc<Metrics>) -> Self {
        let mut start = 0;
        let mut ahead = VecDeque::new();
        for Piece { name, length } in pieces {
            let within =
                range.start.clamp(start, start + length)..range.end.clamp(start, start + length);
            if !within.is_empty() {
                ahead.push_back((name, within.start - start..within.end - start));
            }
            start += length;
        }
        Self {
            docroot,
            ahead,
            reader: None,
            metrics,
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, DocrootError> {
        loop {
            if let Some(reader) = &mut self.reader
                && let Some(bytes) = reader.next().await?
            {
                self.metrics.served_bytes.inc_by(bytes.len() as u64);
                return Ok(Some(bytes));
            }
            let Some((name, range)) = self.ahead.pop_front() else {
                return Ok(None);
            };
            self.reader = Some(
                self.docroot
                    .read(&name, range.start, range.end - range.start)
                    .await?,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        for (text, expected) in [
            ("bytes=0-0", Wanted::Range(0..1)),
            ("bytes=10-", Wanted::Range(10..100)),
            ("bytes=-10", Wanted::Range(90..100)),
            ("bytes=-1000", Wanted::Range(0..100)),
            ("bytes=50-1000", Wanted::Range(50..100)),
            ("bytes=50-18446744073709551615", Wanted::Range(50..100)),
            ("bytes=100-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=5-4", Wanted::All),
            ("bytes=0-1,5-6", Wanted::All),
            ("bytes=a-b", Wanted::All),
            ("bytes=-", Wanted::All),
            ("bytes=+1-2", Wanted::All),
            ("items=0-1", Wanted::All),
        ] {
            assert_eq!(range(text, 100), expected, "{text}");
        }
    }
}
