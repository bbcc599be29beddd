//! What browsers are told about every answer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::relay::Relay;

const EVERYWHERE: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// One year, as OWASP asks for.
const HSTS: &str = "max-age=31536000";

/// Security headers of every answer. Those that a handler has set stay.
pub(crate) async fn everywhere(
    State(relay): State<Arc<Relay>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in EVERYWHERE {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'; sandbox",
        ));
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    if relay.settings.tls_cert.is_some() || relay.settings.tls_at_proxy {
        headers
            .entry(header::STRICT_TRANSPORT_SECURITY)
            .or_insert(HeaderValue::from_static(HSTS));
    }
    response
}

/// The policy of pages, scripts and workers. A worker that is started from a URL obeys only the policy of its
/// own answer, so every script carries it.
///
/// `host` was checked against the relay's own names.
pub(crate) fn content_security_policy(relay: &Relay, host: &str) -> String {
    let name = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
        .map_or(host, |(n, _)| n);
    let mut connect = format!("'self' ws://{host} wss://{host}");
    if let Some(webtransport) = &relay.webtransport {
        connect.push_str(&format!(" https://{name}:{}", webtransport.port));
        if name == "localhost" {
            // Browsers try only the first address of a name, so pages use this one.
            connect.push_str(&format!(" https://127.0.0.1:{}", webtransport.port));
        }
    }
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; \
         font-src 'self'; connect-src {connect}; worker-src 'self' blob:; manifest-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types sealift"
    )
}
