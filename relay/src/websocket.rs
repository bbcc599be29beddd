//! Lanes over WebSocket: `GET /lane`, sub-protocol `sealift-1`, binary messages whose boundaries mean nothing.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use axum::{Extension, http::HeaderMap};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use sealift_protocol::Code;
use sealift_protocol::limits::{WEBSOCKET_MESSAGE_BYTES_MAX, WEBSOCKET_WAITING_BYTES_MAX};
use sealift_protocol::message::{SUB_PROTOCOL, Transport};

use crate::api::ApiError;
use crate::connections::Peer;
use crate::lane;
use crate::relay::Relay;

/// Read from the connection at once, which is what an idle WebSocket keeps for reading: 1,000 of them cost 16 MiB.
/// (64 KiB saved a lane at full speed an eighth of the relay's time.)
const READ_BYTES: usize = 16 << 10;
/// Gathered before an answer is written: answers are short.
const WRITE_BYTES: usize = 8 << 10;

/// Upgrades to a lane, if there is room. Host and origin were checked before.
pub(crate) async fn upgrade(
    State(relay): State<Arc<Relay>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let Some(admission) = relay.budget.admit(peer.client(&relay.settings, &headers)) else {
        return ApiError(Code::RelayBusy).into_response();
    };
    upgrade
        .protocols([SUB_PROTOCOL])
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(WRITE_BYTES)
        .max_write_buffer_size(WEBSOCKET_WAITING_BYTES_MAX)
        .max_message_size(WEBSOCKET_MESSAGE_BYTES_MAX)
        .max_frame_size(WEBSOCKET_MESSAGE_BYTES_MAX)
        .on_upgrade(move |socket| async move {
            serve(relay, socket).await;
            drop(admission);
        })
}

async fn serve(relay: Arc<Relay>, socket: WebSocket) {
    let (to, from) = socket.split();
    let input = from
        .take_while(|message| {
            std::future::ready(
                matches!(message, Ok(m) if !matches!(m, Message::Close(_) | Message::Text(_))),
            )
        })
        .filter_map(|message| {
            std::future::ready(match message {
                Ok(Message::Binary(bytes)) => Some(bytes),
                _ => None,
            })
        });
    let output =
        to.with(|bytes: Bytes| std::future::ready(Ok::<_, axum::Error>(Message::Binary(bytes))));
    lane::serve(relay, Transport::WebSocket, input, output).await;
}
