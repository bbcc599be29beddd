//! What every request meets before anything else: host and origin (rule L6), and the client's version.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sealift_config::Settings;
use sealift_protocol::Code;
use sealift_protocol::message::Hello;
use sealift_protocol::policy::{
    CLIENT_HEADER, CLIENT_OUTDATED, CLIENT_WARNING_HEADER, Client, ClientVersion, ClientVersions,
    Standing,
};

use crate::api::ApiError;
use crate::relay::Relay;

/// Host on every request; origin on every upgrade and every change (rule L6).
pub(crate) async fn names(
    State(relay): State<Arc<Relay>>,
    request: Request,
    next: Next,
) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    if !host.is_some_and(|host| relay.hosts.allow_host(host)) {
        return (
            StatusCode::MISDIRECTED_REQUEST,
            ApiError(Code::OriginRefused),
        )
            .into_response();
    }
    let changes = !request.method().is_safe() || request.headers().contains_key(header::UPGRADE);
    let origin = request.headers().get(header::ORIGIN);
    // Programs send no origin; what they change needs a token.
    let allowed = origin.is_none_or(|origin| {
        origin
            .to_str()
            .is_ok_and(|origin| relay.hosts.allow_origin(origin, host))
    });
    if changes && !allowed {
        return ApiError(Code::OriginRefused).into_response();
    }
    next.run(request).await
}

/// The client's version: below the minimum it may neither send nor receive, below another one its user is warned.
///
/// A browser that saves a file sends no header of ours, so a request that only reads and says nothing is let
/// through: what it gets is sealed, and what opens it has asked for the policy. The policy itself is told to everybody.
pub(crate) async fn client(
    State(relay): State<Arc<Relay>>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    if !path.starts_with("/api/") || path == "/api/policy" {
        return next.run(request).await;
    }
    let versions = versions(&relay.config.current().settings);
    let standing = match request.headers().get(CLIENT_HEADER) {
        None if request.method().is_safe() => Standing::Current,
        _ => versions.standing(said(request.headers())),
    };
    if standing == Standing::TooOld {
        relay
            .storage
            .metrics
            .client_refused(Code::ClientTooOld.as_str());
        return ApiError(Code::ClientTooOld).into_response();
    }
    let mut response = next.run(request).await;
    if standing == Standing::Outdated {
        let outdated = HeaderValue::from_static(CLIENT_OUTDATED);
        response
            .headers_mut()
            .insert(CLIENT_WARNING_HEADER, outdated);
    }
    response
}

/// The same for a lane, whose client says its version in its hello.
///
/// # Errors
///
/// [`Code::ClientTooOld`].
pub(crate) fn lane(relay: &Relay, hello: &Hello) -> Result<(), Code> {
    let said = Client::parse(&hello.client_version).map(|client| client.version);
    match versions(&relay.config.current().settings).standing(said) {
        Standing::TooOld => {
            relay
                .storage
                .metrics
                .client_refused(Code::ClientTooOld.as_str());
            Err(Code::ClientTooOld)
        }
        Standing::Outdated | Standing::Current => Ok(()),
    }
}

/// The version that a request says its client has.
fn said(headers: &HeaderMap) -> Option<ClientVersion> {
    let text = headers.get(CLIENT_HEADER)?.to_str().ok()?;
    Client::parse(text).map(|client| client.version)
}

/// The versions that the configuration names.
pub(crate) fn versions(settings: &Settings) -> ClientVersions {
    ClientVersions {
        min: settings
            .client_version_min
            .map(|version| ClientVersion(version.0)),
        warn_below: settings
            .client_version_warn_below
            .map(|version| ClientVersion(version.0)),
    }
}
