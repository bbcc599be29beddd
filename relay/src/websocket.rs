//! Lanes over WebSocket: `GET /lane`, sub-protocol `sealift-1`, binary messages whose boundaries mean nothing.
//!
//! [`frames`] takes what a client sends apart, [`incoming`] reads it; a message is never put together, so that bytes go
//! from the connection to the docroot in the memory that they were read into.

mod frames;
mod incoming;

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use sealift_protocol::Code;
use sealift_protocol::message::{SUB_PROTOCOL, Transport};
use tokio::io::{AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::Mutex;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::api::ApiError;
use crate::connections::Peer;
use crate::lane::{self, Answers, Unsent};
use crate::relay::Relay;
use frames::{Piece, Violation};
use incoming::Incoming;

type Connection = TokioIo<Upgraded>;

/// Upgrades to a lane, if there is room. Host and origin were checked before.
pub(crate) async fn upgrade(
    State(relay): State<Arc<Relay>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let Ok(mut response) = create_response_with_body(&request, Body::empty) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let client = peer.client(&relay.settings, request.headers());
    let Some(admission) = relay.budget.admit(client) else {
        return ApiError(Code::RelayBusy).into_response();
    };
    if offers_protocol(request.headers()) {
        let ours = HeaderValue::from_static(SUB_PROTOCOL);
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, ours);
    }
    tokio::spawn(async move {
        if let Ok(connection) = hyper::upgrade::on(request).await {
            serve(relay, TokioIo::new(connection)).await;
        }
        drop(admission);
    });
    response
}

fn offers_protocol(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|name| name.trim() == SUB_PROTOCOL)
}

async fn serve(relay: Arc<Relay>, connection: Connection) {
    let (from, to) = tokio::io::split(connection);
    let output = Output(Arc::new(Mutex::new(Sending { to, whole: true })));
    let incoming = Incoming::new(from, relay.budget.windows());
    let input = content(incoming, Output(Arc::clone(&output.0)));
    lane::serve(relay, Transport::WebSocket, Box::pin(input), output).await;
}

/// The bytes of the client's messages. Pings are answered on the way.
fn content(
    incoming: Incoming<ReadHalf<Connection>>,
    output: Output,
) -> impl Stream<Item = Bytes> + Send {
    unfold((incoming, output), |(mut incoming, mut output)| async {
        loop {
            match incoming.next().await {
                Ok(Some(Piece::Data(bytes))) => return Some((bytes, (incoming, output))),
                Ok(Some(Piece::Ping(bytes))) => output.write(Frame::pong(bytes)).await.ok()?,
                Ok(None | Some(Piece::Close)) => return None,
                Err(Violation) => {
                    tracing::debug!("a lane broke the WebSocket protocol");
                    return None;
                }
            }
        }
    })
}

/// The relay's side: answers, and pongs between them.
struct Output(Arc<Mutex<Sending>>);

struct Sending {
    to: WriteHalf<Connection>,
    /// Every frame so far was written to its end.
    whole: bool,
}

impl Output {
    async fn write(&mut self, frame: Frame) -> Result<(), Unsent> {
        let mut bytes = Vec::with_capacity(frame.len());
        frame.format(&mut bytes).map_err(|_| Unsent)?;
        let mut sending = self.0.lock().await;
        if !std::mem::replace(&mut sending.whole, false) {
            return Err(Unsent);
        }
        sending.to.write_all(&bytes).await.map_err(|_| Unsent)?;
        sending.to.flush().await.map_err(|_| Unsent)?;
        sending.whole = true;
        Ok(())
    }
}

impl Answers for Output {
    async fn send(&mut self, bytes: Bytes) -> Result<(), Unsent> {
        self.write(Frame::message(bytes, OpCode::Data(Data::Binary), true))
            .await
    }

    async fn close(&mut self) {
        let _ = self.write(Frame::close(None)).await;
        let _ = self.0.lock().await.to.shutdown().await;
    }
}
