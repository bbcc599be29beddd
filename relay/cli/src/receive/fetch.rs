//! Fetches from a relay: small answers whole, sealed files as a stream that takes itself up again.
//!
//! A stream that breaks is continued with `Range` and `If-Range` under the ETag of its first answer
//! (rule S8), so two states of a package are never joined. It gives up when nothing has come for a
//! minute.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use reqwest::StatusCode;
use reqwest::header::{ETAG, HeaderValue, IF_RANGE, RANGE};
use sealift_protocol::Code;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::failure::{Cause, Failure, Result};
use crate::network::{self, RelayAddress};
use crate::stop::Stop;

/// Without a byte for so long a stream of content gives up. Small answers are not waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// A relay that answers but brings nothing new, so many times in a row, has no more.
const EMPTY_ANSWERS_MAX: u32 = 3;
const BACK_OFF_MIN: Duration = Duration::from_millis(200);
const BACK_OFF_MAX: Duration = Duration::from_secs(5);
/// Chunks that wait between network and unsealing; some megabytes at most.
const CHUNKS_AHEAD: usize = 32;

/// One relay, reached over one client.
#[derive(Clone)]
pub(crate) struct Remote {
    client: reqwest::Client,
    relay: RelayAddress,
    runtime: Handle,
    stop: Stop,
    outdated: Arc<AtomicBool>,
}

impl Remote {
    /// `runtime` must outlive every stream.
    pub(crate) fn new(
        client: reqwest::Client,
        relay: RelayAddress,
        runtime: Handle,
        stop: Stop,
    ) -> Self {
        Self {
            client,
            relay,
            runtime,
            stop,
            outdated: Arc::default(),
        }
    }

    /// Whether an answer so far said that this program should be updated.
    pub(crate) fn is_outdated(&self) -> bool {
        self.outdated.load(Ordering::Relaxed)
    }

    /// The same, ended by Ctrl-C.
    pub(crate) fn stopped_by(self, stop: Stop) -> Self {
        Self { stop, ..self }
    }

    /// An answer of at most `bytes_max`.
    pub(crate) fn get(&self, path: &str, bytes_max: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let count = self
            .open(path, 0, None, Duration::ZERO)
            .take(bytes_max + 1)
            .read_to_end(&mut bytes);
        count.map_err(|error| crate::unseal::unreadable(&error))?;
        if bytes.len() as u64 > bytes_max {
            return Err(Failure::new(
                Cause::Refused,
                "the relay's answer is longer than any right one",
                "Check that the address is that of a Sealift relay.",
            ));
        }
        Ok(bytes)
    }

    /// The bytes at `path`, from `offset` on.
    pub(crate) fn stream(&self, path: &str, offset: u64) -> Stream {
        self.open(path, offset, None, PATIENCE)
    }

    /// The first `count` bytes at `path`.
    pub(crate) fn start(&self, path: &str, count: u64) -> Stream {
        self.open(path, 0, Some(count), PATIENCE)
    }

    fn open(&self, path: &str, offset: u64, end: Option<u64>, patience: Duration) -> Stream {
        let (chunks, taken) = mpsc::channel(CHUNKS_AHEAD);
        let fetching = Fetching {
            remote: self.clone(),
            url: self.relay.join(path),
            offset,
            end,
            patience,
            etag: None,
            length: None,
        };
        self.runtime.spawn(async move {
            let stop = fetching.remote.stop.clone();
            let ended = tokio::select! {
                ended = fetching.run(&chunks) => ended,
                () = stop.wait() => Err(Failure::cancelled()),
            };
            if let Err(failure) = ended {
                // An error of the channel means that nobody reads any more.
                let _dropped = chunks.send(Err(failure)).await;
            }
        });
        Stream {
            chunks: taken,
            current: Bytes::new(),
        }
    }
}

/// A blocking reader over what is being fetched. Not to be read on a runtime's thread.
pub(crate) struct Stream {
    chunks: mpsc::Receiver<Result<Bytes>>,
    current: Bytes,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.chunks.blocking_recv() {
                None => return Ok(0),
                Some(Ok(chunk)) => self.current = chunk,
                Some(Err(failure)) => return Err(io::Error::other(failure)),
            }
        }
        let count = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// The state of one stream over several requests.
struct Fetching {
    remote: Remote,
    url: String,
    /// What was handed on so far ends here; the next request starts here.
    offset: u64,
    /// Where to stop; `None` is the end of the whole.
    end: Option<u64>,
    patience: Duration,
    etag: Option<HeaderValue>,
    /// Offset of the last byte and one, once an answer has said it.
    length: Option<u64>,
}

/// How one request ended.
enum Attempt {
    Complete,
    Gone,
    /// No answer.
    Unanswered(Failure),
    /// An answer that ended before its end.
    Broken(Failure),
}

impl Fetching {
    async fn run(mut self, chunks: &mpsc::Sender<Result<Bytes>>) -> Result<()> {
        let mut back_off = BACK_OFF_MIN;
        let mut since = Instant::now();
        let mut empty_answers = 0;
        loop {
            let before = self.offset;
            let failure = match self.attempt(chunks).await? {
                Attempt::Complete | Attempt::Gone => return Ok(()),
                Attempt::Unanswered(failure) => failure,
                Attempt::Broken(failure) => {
                    empty_answers += 1;
                    failure
                }
            };
            if self.offset > before {
                (since, back_off, empty_answers) = (Instant::now(), BACK_OFF_MIN, 0);
            }
            if empty_answers == EMPTY_ANSWERS_MAX {
                return Err(Failure::shared(Code::CutShort));
            }
            if since.elapsed() >= self.patience {
                return Err(failure);
            }
            tokio::time::sleep(back_off).await;
            back_off = (back_off * 2).min(BACK_OFF_MAX);
        }
    }

    /// One request, from the current offset on. An error ends the stream.
    async fn attempt(&mut self, chunks: &mpsc::Sender<Result<Bytes>>) -> Result<Attempt> {
        if self.length == Some(self.offset) {
            return Ok(Attempt::Complete);
        }
        let mut request = self.remote.client.get(&self.url);
        if self.offset > 0 || self.end.is_some() {
            let last = self
                .end
                .map_or(String::new(), |end| end.saturating_sub(1).to_string());
            request = request.header(RANGE, format!("bytes={}-{last}", self.offset));
            if let Some(etag) = &self.etag {
                request = request.header(IF_RANGE, etag);
            }
        }
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                return Ok(Attempt::Unanswered(network::unreachable(
                    &self.remote.relay,
                    &error,
                )));
            }
        };
        if network::is_outdated(response.headers()) {
            self.remote.outdated.store(true, Ordering::Relaxed);
        }
        // A relay that sends the whole again sends first what was handed on already.
        let mut skip = match response.status() {
            StatusCode::OK => self.offset,
            StatusCode::PARTIAL_CONTENT => 0,
            // The whole was asked from its end on: there is nothing left.
            StatusCode::RANGE_NOT_SATISFIABLE => return Ok(Attempt::Complete),
            StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY => {
                return Ok(Attempt::Unanswered(network::refused(response).await));
            }
            _ => return Err(network::refused(response).await),
        };
        let etag = response.headers().get(ETAG);
        if self.etag.is_some() && self.etag.as_ref() != etag {
            return Err(Failure::new(
                Cause::Damaged,
                "the package changed at the relay while it was fetched",
                "Start the same command again.",
            ));
        }
        self.etag = etag.cloned();
        if let Some(length) = response.content_length() {
            self.length = Some(self.offset - skip + length);
        }
        loop {
            match response.chunk().await {
                Ok(Some(mut chunk)) => {
                    let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
                    chunk.advance(skipped);
                    skip -= skipped as u64;
                    self.offset += chunk.len() as u64;
                    if !chunk.is_empty() && chunks.send(Ok(chunk)).await.is_err() {
                        return Ok(Attempt::Gone);
                    }
                }
                Ok(None) if skip == 0 && self.length.is_none_or(|length| self.offset == length) => {
                    return Ok(Attempt::Complete);
                }
                Ok(None) => return Ok(Attempt::Broken(Failure::shared(Code::CutShort))),
                Err(error) => {
                    return Ok(Attempt::Broken(network::unreachable(
                        &self.remote.relay,
                        &error,
                    )));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    /// A relay that knows no ranges: it sends the whole each time, and closes after so many bytes.
    fn relay_without_ranges(whole: &[u8], closes_after: &'static [usize]) -> RelayAddress {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = RelayAddress::parse(&format!("http://{}", listener.local_addr().unwrap()));
        let whole = whole.to_vec();
        std::thread::spawn(move || {
            for (count, connection) in closes_after.iter().zip(listener.incoming()) {
                let mut connection = connection.unwrap();
                let mut request = [0; 4096];
                let _request = connection.read(&mut request).unwrap();
                let head = format!(
                    "HTTP/1.1 200 OK\r\netag: \"one\"\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    whole.len()
                );
                connection.write_all(head.as_bytes()).unwrap();
                connection
                    .write_all(&whole[..whole.len().min(*count)])
                    .unwrap();
            }
        });
        address.unwrap()
    }

    fn fetch(relay: RelayAddress, bytes_max: u64) -> Result<Vec<u8>> {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let client = network::http(&relay, &network::tls(None).unwrap()).unwrap();
        let remote = Remote::new(client, relay, runtime.handle().clone(), Stop::never());
        let mut bytes = Vec::new();
        let mut stream = remote.stream("x", 0).take(bytes_max);
        stream
            .read_to_end(&mut bytes)
            .map_err(|error| crate::unseal::unreadable(&error))?;
        Ok(bytes)
    }

    #[test]
    fn no_byte_is_delivered_twice_where_ranges_are_not_known() {
        let whole: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
        // The second answer ends before the place where the first one did.
        let relay = relay_without_ranges(&whole, &[500_000, 300_000, 600_000, usize::MAX]);
        assert!(fetch(relay, u64::MAX).unwrap() == whole);
    }

    #[test]
    fn a_relay_that_never_gets_further_is_called_cut_short() {
        let relay = relay_without_ranges(&[7; 1000], &[10, 10, 10, 10, 10]);
        assert_eq!(fetch(relay, u64::MAX).unwrap_err().cause, Cause::CutShort);
    }
}
