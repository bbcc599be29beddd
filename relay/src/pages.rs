//! The pages, from inside the binary: `cargo xtask build` makes `web/dist`, and this crate embeds it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use include_dir::Dir;

use crate::headers;
use crate::relay::Relay;

#[cfg(not(without_pages))]
static PAGES: Dir<'static> = include_dir::include_dir!("$CARGO_MANIFEST_DIR/../web/dist");
#[cfg(without_pages)]
static PAGES: Dir<'static> = Dir::new("", &[]);

/// What `/` answers in a relay that was built without pages.
const WITHOUT: &str =
    "This relay was built without its pages. Run `cargo xtask build`, then build it again.\n";

/// Where files are sent.
pub(crate) async fn send(relay: Shared, request: HeaderMap) -> Response {
    page(relay, &request, "index.html", StatusCode::OK)
}

/// Where a package's link leads.
pub(crate) async fn receive(relay: Shared, request: HeaderMap) -> Response {
    page(relay, &request, "receive.html", StatusCode::OK)
}

/// Where files are opened that are on this computer.
pub(crate) async fn open(relay: Shared, request: HeaderMap) -> Response {
    page(relay, &request, "open.html", StatusCode::OK)
}

/// Where a package's manage link leads.
pub(crate) async fn manage(relay: Shared, request: HeaderMap) -> Response {
    page(relay, &request, "manage.html", StatusCode::OK)
}

type Shared = State<Arc<Relay>>;

/// A page. Never stored by anybody, because its address names a package.
fn page(State(relay): Shared, request: &HeaderMap, name: &str, status: StatusCode) -> Response {
    let Some(mut response) = embedded(&relay, request, name) else {
        let without = PAGES.get_file("index.html").is_none();
        let (status, text) = if without {
            (StatusCode::SERVICE_UNAVAILABLE, WITHOUT)
        } else {
            (StatusCode::NOT_FOUND, "Not found.\n")
        };
        return (status, text).into_response();
    };
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        "integrity-policy",
        HeaderValue::from_static("blocked-destinations=(script)"),
    );
    response
}

/// The page that opens files without a network, to be saved.
pub(crate) async fn offline(State(relay): Shared, request: HeaderMap) -> Response {
    let Some(mut response) = embedded(&relay, &request, "sealift-open.html") else {
        return page(
            State(relay),
            &request,
            "unknown.html",
            StatusCode::NOT_FOUND,
        );
    };
    let name = HeaderValue::from_static("attachment; filename=\"sealift-open.html\"");
    response
        .headers_mut()
        .insert(header::CONTENT_DISPOSITION, name);
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Something with a hash in its name, which never changes.
pub(crate) async fn asset(
    State(relay): Shared,
    Path(path): Path<String>,
    request: HeaderMap,
) -> Response {
    let Some(mut response) = embedded(&relay, &request, &format!("assets/{path}")) else {
        return page(
            State(relay),
            &request,
            "unknown.html",
            StatusCode::NOT_FOUND,
        );
    };
    let immutable = HeaderValue::from_static("public, max-age=31536000, immutable");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, immutable);
    response
}

/// What lies at the root beside the pages (icons, a service worker), or nothing.
pub(crate) async fn other(
    State(relay): Shared,
    uri: axum::http::Uri,
    request: HeaderMap,
) -> Response {
    let name = uri.path().trim_start_matches('/');
    let plain = !name.contains('/') && !name.ends_with(".html") && !name.ends_with(".br");
    match embedded(&relay, &request, name).filter(|_| plain) {
        Some(mut response) => {
            response
                .headers_mut()
                .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            response
        }
        None => page(
            State(relay),
            &request,
            "unknown.html",
            StatusCode::NOT_FOUND,
        ),
    }
}

/// An embedded file, compressed if the browser takes it, under the policy of pages.
fn embedded(relay: &Relay, request: &HeaderMap, name: &str) -> Option<Response> {
    let plain = PAGES.get_file(name)?;
    let brotli = PAGES
        .get_file(format!("{name}.br"))
        .filter(|_| takes_brotli(request));
    let mut response = brotli.unwrap_or(plain).contents().into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(content_type(name)),
    );
    headers.insert(
        header::VARY,
        HeaderValue::from_static("accept-encoding, host"),
    );
    if brotli.is_some() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
    }
    let host = request
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let policy = headers::content_security_policy(relay, host);
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_str(&policy).ok()?,
    );
    Some(response)
}

fn takes_brotli(request: &HeaderMap) -> bool {
    let accepted = request
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    accepted.split(',').any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim() == "br" && weight.trim() != "q=0"
    })
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "json" | "webmanifest" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
