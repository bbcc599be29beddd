//! Metrics over HTTP: on an address of their own, which is loopback, or for whoever has the token.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use sealift_protocol::Code;
use subtle::ConstantTimeEq as _;
use tokio::net::TcpListener;

use crate::api::ApiError;
use crate::metrics::MEDIA_TYPE;
use crate::relay::Relay;
use crate::{guard, headers};

/// On the relay's main address: for the token alone, and not there at all when none is set.
pub(crate) async fn with_token(
    State(relay): State<Arc<Relay>>,
    request: HeaderMap,
) -> Result<Response, ApiError> {
    let config = relay.config.current();
    let token = config.settings.metrics_token.expose();
    if token.is_empty() {
        return Err(ApiError(Code::NotFound));
    }
    let shown = request
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
        .unwrap_or_default();
    if !bool::from(shown.ct_eq(token.as_bytes())) {
        return Err(ApiError(Code::Unauthorized));
    }
    Ok(text(&relay))
}

/// Listens for those who read metrics.
///
/// # Errors
///
/// When the address is not loopback, or cannot be listened on.
pub(crate) async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    anyhow::ensure!(
        address.ip().is_loopback(),
        "metrics_listen must be an address of this machine, such as 127.0.0.1:9100; others read /metrics of the \
         main address with metrics_token"
    );
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("metrics_listen: {address} cannot be listened on"))
}

/// On an address of their own. Hosts are checked there too, against pages that rebind a name.
pub(crate) fn app(relay: Arc<Relay>) -> Router {
    let with = |relay: &Arc<Relay>| Arc::clone(relay);
    Router::new()
        .route(
            "/metrics",
            get(async |State(relay): State<Arc<Relay>>| text(&relay)),
        )
        .layer(middleware::from_fn_with_state(with(&relay), guard::names))
        .layer(middleware::from_fn_with_state(
            with(&relay),
            headers::everywhere,
        ))
        .with_state(relay)
}

fn text(relay: &Relay) -> Response {
    let media_type = HeaderValue::from_static(MEDIA_TYPE);
    (
        [(header::CONTENT_TYPE, media_type)],
        relay.storage.metrics.text(),
    )
        .into_response()
}
