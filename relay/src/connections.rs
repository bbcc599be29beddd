//! TCP connections: accepted, limited, given time limits, and served as HTTP/1.1.
//!
//! `axum::serve` has no time limits, so this loop is ours. HTTP/1.1 alone is offered: it carries WebSockets
//! everywhere, and measured faster than HTTP/2 for downloads.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::HeaderMap;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use sealift_config::Settings;
use sealift_protocol::limits::{CONNECTIONS_MAX, HANDSHAKE_MAX, REQUEST_BYTES_MAX, REQUEST_MAX};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::budget::PerAddress;
use crate::stall::Stalling;

/// How long requests under way may take when the relay stops.
const GRACE: Duration = Duration::from_secs(5);
/// Pause after a failed accept, usually for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections for requests that one address may have besides those for its lanes.
const REQUESTS_PER_ADDRESS: u32 = 192;

/// The other end of a connection.
#[derive(Clone, Copy)]
pub(crate) struct Peer(SocketAddr);

impl Peer {
    /// The client's address: the connection's, or what the proxy in front reports.
    pub(crate) fn client(self, settings: &Settings, headers: &HeaderMap) -> IpAddr {
        // The last entry of the last line is the proxy's own word; all before it anybody may have written.
        let forwarded = headers.get_all("x-forwarded-for").iter().next_back();
        forwarded
            .filter(|_| settings.tls_at_proxy)
            .and_then(|value| address(value.to_str().ok()?.rsplit(',').next()?.trim()))
            .unwrap_or(self.0.ip())
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    let ip = bare.unwrap_or(text).parse().ok();
    ip.or_else(|| text.parse::<SocketAddr>().ok().map(|with| with.ip()))
}

/// How many connections there may be at once.
pub(crate) struct Limits {
    all: usize,
    /// `None` behind a proxy, where all come from one address.
    by_address: Option<PerAddress>,
}

impl Limits {
    /// As many as the system has file descriptors for, one for a connection and one for the file it reads.
    pub(crate) fn of(settings: &Settings) -> Self {
        let files = raise_files_max().map_or(CONNECTIONS_MAX, |files| {
            usize::try_from(files / 2).unwrap_or(CONNECTIONS_MAX)
        });
        let by_address = settings
            .lanes_per_address_max
            .saturating_add(REQUESTS_PER_ADDRESS);
        Self {
            all: files.clamp(1, CONNECTIONS_MAX),
            by_address: (!settings.tls_at_proxy).then(|| PerAddress::new(by_address)),
        }
    }
}

/// Lets this process open as many files as the system allows it to; `None` when there is no limit.
fn raise_files_max() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

/// Serves connections until told to stop; then waits a little for requests under way.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    app: Router,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(limits.all));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &room) => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let Some((stream, address, permit)) = accepted else {
            continue;
        };
        let seat = match &limits.by_address {
            Some(by_address) => match by_address.take(address.ip()) {
                Some(seat) => Some(seat),
                // Closed without a word; others from elsewhere are served.
                None => continue,
            },
            None => None,
        };
        let (tls, app, watcher) = (tls.clone(), app.clone(), graceful.watcher());
        tokio::spawn(async move {
            let result = async {
                match tls {
                    None => talk(stream, address, app, watcher).await,
                    Some(tls) => {
                        let stream = timeout(HANDSHAKE_MAX, tls.accept(stream)).await??;
                        talk(stream, address, app, watcher).await
                    }
                }
            };
            if let Err(error) = result.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop((permit, seat));
        });
    }
    drop(listener);
    let _ = timeout(GRACE, graceful.shutdown()).await;
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, address)) => {
            let _ = stream.set_nodelay(true);
            Some((stream, address, permit))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

async fn talk<S>(
    stream: S,
    address: SocketAddr,
    app: Router,
    watcher: hyper_util::server::graceful::Watcher,
) -> anyhow::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(address));
        app.clone().oneshot(request)
    });
    // A builder that must guess the version would wait for its first bytes without a time limit.
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_MAX)
        .max_buf_size(REQUEST_BYTES_MAX);
    let connection =
        builder.serve_connection_with_upgrades(TokioIo::new(Stalling::new(stream)), service);
    watcher
        .watch(connection.into_owned())
        .await
        .map_err(anyhow::Error::from_boxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_a_proxy_its_own_last_word_names_the_client() {
        let mut settings = Settings::local("data".into());
        let peer = Peer("10.0.0.1:5".parse().unwrap());
        let mut headers = HeaderMap::new();
        headers.append(
            "x-forwarded-for",
            "198.51.100.1, 198.51.100.2".parse().unwrap(),
        );
        headers.append(
            "x-forwarded-for",
            "198.51.100.3, 192.0.2.1:80".parse().unwrap(),
        );
        assert_eq!(peer.client(&settings, &headers).to_string(), "10.0.0.1");
        settings.tls_at_proxy = true;
        assert_eq!(peer.client(&settings, &headers).to_string(), "192.0.2.1");
        for (text, expected) in [
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:80", Some("2001:db8::1")),
            ("unknown", None),
        ] {
            let found = address(text).map(|ip| ip.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
