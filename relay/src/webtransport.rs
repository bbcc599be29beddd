//! Lanes over WebTransport: one session per QUIC connection, one bidirectional stream opened by the client.
//!
//! The accept loop is ours, because handshakes need a time limit, and an address must be proved (QUIC Retry)
//! before much is done for it. Windows grow with the measured delay, within the memory budget of all lanes.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::stream;
use quinn::congestion::BbrConfig;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{
    Connection, Endpoint, EndpointConfig, Incoming, ServerConfig, TransportConfig, VarInt,
};
use rustls::server::ResolvesServerCert;
use sealift_config::{Congestion, Settings};
use sealift_protocol::limits::{
    HANDSHAKE_MAX, HANDSHAKES_UNDER_WAY_MAX, HANDSHAKES_UNPROVED_MAX, LANE_IDLE_MAX,
    WINDOW_BYTES_MAX, WINDOW_BYTES_MIN,
};
use sealift_protocol::message::{SUB_PROTOCOL, Transport};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use web_transport_quinn::proto::ConnectResponse;
use web_transport_quinn::{RecvStream, Request, SendStream, http::StatusCode};

use crate::certificates;
use crate::lane::{self, Answers, Unsent};
use crate::relay::Relay;

/// What the kernel keeps for us, so that a burst is not dropped: 4 MiB.
const SOCKET_BYTES: usize = 4 << 20;
/// What may be under way towards a browser; lanes only carry answers.
const SEND_WINDOW_BYTES: u64 = 1 << 20;
/// Chunks taken from a stream at once; browsers send about 1,200 bytes in each.
const CHUNKS: usize = 64;
/// Window for each millisecond of delay: 80 MB/s on one lane.
const WINDOW_BYTES_PER_MS: u128 = 80_000;
/// A window that was too small for the delay is looked at again after this.
const WINDOW_CHECK: Duration = Duration::from_millis(500);
/// How long the last answers may take to reach the client before the connection is closed.
const LINGER: Duration = Duration::from_secs(2);

/// Binds UDP.
pub(crate) fn bind(
    address: SocketAddr,
    certificates: Arc<dyn ResolvesServerCert>,
    settings: &Settings,
) -> anyhow::Result<Endpoint> {
    let socket = UdpSocket::bind(address)
        .with_context(|| format!("UDP {address} cannot be used for WebTransport"))?;
    for result in [
        rustix::net::sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BYTES),
        rustix::net::sockopt::set_socket_send_buffer_size(&socket, SOCKET_BYTES),
    ] {
        if let Err(error) = result {
            tracing::warn!(%error, "the UDP socket keeps its default buffers; raise net.core.rmem_max and wmem_max");
        }
    }
    let runtime = quinn::default_runtime().context("no runtime for QUIC")?;
    Ok(Endpoint::new(
        EndpointConfig::default(),
        Some(configuration(certificates, settings)?),
        socket,
        runtime,
    )?)
}

fn configuration(
    certificates: Arc<dyn ResolvesServerCert>,
    settings: &Settings,
) -> anyhow::Result<ServerConfig> {
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(certificates::provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    tls.alpn_protocols = vec![web_transport_quinn::ALPN.as_bytes().to_vec()];
    let mut transport = TransportConfig::default();
    transport
        .stream_receive_window(WINDOW_BYTES_MAX.into())
        .receive_window(WINDOW_BYTES_MIN.into())
        .send_window(SEND_WINDOW_BYTES)
        .max_concurrent_bidi_streams(VarInt::from_u32(4))
        .max_concurrent_uni_streams(VarInt::from_u32(8))
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(LANE_IDLE_MAX.min(Duration::from_secs(30)).try_into()?))
        .keep_alive_interval(Some(Duration::from_secs(10)));
    if settings.congestion == Congestion::Bbr {
        transport.congestion_controller_factory(Arc::new(BbrConfig::default()));
    }
    let mut server = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    server.transport_config(Arc::new(transport));
    server.max_incoming(HANDSHAKES_UNDER_WAY_MAX);
    server.incoming_buffer_size_total(4 << 20);
    Ok(server)
}

/// Accepts sessions until the endpoint is closed.
pub(crate) async fn serve(relay: Arc<Relay>, endpoint: Endpoint) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_UNDER_WAY_MAX));
    while let Some(incoming) = endpoint.accept().await {
        let Ok(permit) = Arc::clone(&handshakes).try_acquire_owned() else {
            incoming.refuse();
            continue;
        };
        let under_way = HANDSHAKES_UNDER_WAY_MAX - handshakes.available_permits();
        if under_way > HANDSHAKES_UNPROVED_MAX
            && !incoming.remote_address_validated()
            && incoming.may_retry()
        {
            let _ = incoming.retry();
            continue;
        }
        let relay = Arc::clone(&relay);
        tokio::spawn(async move {
            if let Err(error) = session(relay, incoming, permit).await {
                tracing::debug!(%error, "a WebTransport session did not open or ended early");
            }
        });
    }
}

/// One session, from its handshake to its end.
async fn session(
    relay: Arc<Relay>,
    incoming: Incoming,
    handshake: OwnedSemaphorePermit,
) -> anyhow::Result<()> {
    let address = incoming.remote_address().ip();
    // An address that was proved is counted before anything is done for it; one that was not, after it is.
    let proved = incoming.remote_address_validated();
    let early = proved.then(|| relay.budget.admit(address)).flatten();
    if proved && early.is_none() {
        incoming.refuse();
        anyhow::bail!("too many lanes");
    }
    let opening = async {
        let connection = incoming.await?;
        let admission = early.or_else(|| relay.budget.admit(address));
        let request = Request::accept(connection).await?;
        let Some(admission) = admission else {
            request.reject(StatusCode::SERVICE_UNAVAILABLE).await?;
            anyhow::bail!("too many lanes");
        };
        if let Err(status) = check(&relay, &request) {
            request.reject(status).await?;
            anyhow::bail!("refused with {status}");
        }
        let Some(window) = relay.budget.window(WINDOW_BYTES_MIN) else {
            request.reject(StatusCode::SERVICE_UNAVAILABLE).await?;
            anyhow::bail!("no memory for a window");
        };
        let offered = request
            .protocols
            .iter()
            .any(|protocol| protocol == SUB_PROTOCOL);
        let answer = if offered {
            ConnectResponse::OK.with_protocol(SUB_PROTOCOL)
        } else {
            ConnectResponse::OK
        };
        let session = request.respond(answer).await?;
        drop(handshake);
        let (to, from) = session.accept_bi().await?;
        Ok((admission, window, session, to, from))
    };
    let (admission, window, session, to, from) = timeout(HANDSHAKE_MAX, opening).await??;
    let growth = tokio::spawn(grow(Arc::clone(&relay), (*session).clone(), window));
    let (output, finished) = writer(to);
    lane::serve(relay, Transport::WebTransport, chunks(from), output).await;
    let _ = timeout(LINGER, finished).await;
    session.close(0, b"");
    growth.abort();
    drop(admission);
    Ok(())
}

/// Path, host and origin of a session (rule L6).
fn check(relay: &Relay, request: &Request) -> Result<(), StatusCode> {
    let authority = request.url.authority();
    if request.url.path() != "/lane" {
        return Err(StatusCode::NOT_FOUND);
    }
    if !relay.hosts.allow_host(authority) {
        return Err(StatusCode::MISDIRECTED_REQUEST);
    }
    // Programs send no origin; they show a token in their hello.
    let Some(origin) = request.headers.get("origin") else {
        return Ok(());
    };
    let allowed = origin
        .to_str()
        .is_ok_and(|origin| relay.hosts.allow_origin(origin, Some(authority)));
    if allowed {
        Ok(())
    } else {
        Err(StatusCode::FORBIDDEN)
    }
}

/// The stream's bytes as they come, without a copy. Many chunks are taken at once: each time, the connection is
/// locked against the task that receives its packets.
fn chunks(from: RecvStream) -> impl stream::Stream<Item = Bytes> + Unpin + Send {
    let taken: VecDeque<Bytes> = VecDeque::with_capacity(CHUNKS);
    Box::pin(stream::unfold(
        (from, taken),
        async |(mut from, mut taken)| {
            if taken.is_empty() {
                let mut chunks = [const { Bytes::new() }; CHUNKS];
                let count = from.read_chunks(&mut chunks).await.ok()??;
                taken.extend(chunks.into_iter().take(count));
            }
            Some((taken.pop_front()?, (from, taken)))
        },
    ))
}

/// The relay's side of the stream. The future ends when the client has taken everything after that side was dropped.
fn writer(to: SendStream) -> (Ender, impl Future<Output = ()>) {
    let (closing, closed) = tokio::sync::oneshot::channel();
    let output = Ender {
        to: Some(to),
        closing: Some(closing),
    };
    let finished = async {
        if let Ok(mut to) = closed.await {
            let to: &mut SendStream = &mut to;
            let _ = to.finish();
            let _ = to.stopped().await;
        }
    };
    (output, finished)
}

/// Writes to the stream, and hands it over for a proper end when dropped.
struct Ender {
    to: Option<SendStream>,
    closing: Option<tokio::sync::oneshot::Sender<SendStream>>,
}

impl Answers for Ender {
    async fn send(&mut self, bytes: Bytes) -> Result<(), Unsent> {
        let to = self.to.as_mut().ok_or(Unsent)?;
        to.write_chunk(bytes).await.map_err(|_| Unsent)
    }

    async fn close(&mut self) {
        // It ends when this is dropped.
    }
}

impl Drop for Ender {
    fn drop(&mut self) {
        if let (Some(to), Some(closing)) = (self.to.take(), self.closing.take()) {
            let _ = closing.send(to);
        }
    }
}

/// Widens the connection's window to what its delay needs, as far as the budget allows. The memory is given
/// back when the session ends and this task with it.
async fn grow(relay: Arc<Relay>, connection: Connection, first: OwnedSemaphorePermit) {
    let mut held = vec![first];
    let mut window = WINDOW_BYTES_MIN;
    loop {
        tokio::time::sleep(WINDOW_CHECK).await;
        let wanted = connection
            .rtt()
            .as_millis()
            .saturating_mul(WINDOW_BYTES_PER_MS);
        let wanted = u32::try_from(wanted)
            .unwrap_or(u32::MAX)
            .min(WINDOW_BYTES_MAX);
        if wanted > window + WINDOW_BYTES_MIN
            && let Some(more) = relay.budget.window(wanted - window)
        {
            held.push(more);
            window = wanted;
            connection.set_receive_window(window.into());
        }
    }
}
