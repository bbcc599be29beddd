//! Every way into the relay, as one table: the router is made from it, `sealift-relay routes` prints it, and a test
//! throws what is not sealed at each row that writes.
//!
//! Lanes are rows too, one for each transport. All of them end in the same [`crate::lane::serve`], and what they write
//! goes through the [`crate::door`].

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, delete, get, put};
use sealift_protocol::Code;

use crate::api::ApiError;
use crate::relay::Relay;
use crate::{api, exporter, guard, headers, keyrings, pages, policy, report, websocket};

/// One way in.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// What it travels on: `http`, `websocket` or `webtransport`.
    pub over: &'static str,
    /// The method of the request.
    pub method: &'static str,
    /// The path, with names in braces for what varies.
    pub path: &'static str,
    /// What a client must show.
    pub needs: &'static str,
    /// What it can store, all of it through the door; empty for those that store nothing.
    pub writes: &'static [&'static str],
    /// What it is for.
    pub about: &'static str,
}

/// A route with what serves it; `None` for what does not arrive as an HTTP request.
struct Row {
    route: Route,
    serve: Option<fn() -> MethodRouter<Arc<Relay>>>,
}

/// What a lane stores.
const LANE: &[&str] = &["keyring", "draft", "head", "content"];

const fn row(
    method: &'static str,
    path: &'static str,
    needs: &'static str,
    about: &'static str,
    serve: fn() -> MethodRouter<Arc<Relay>>,
) -> Row {
    let route = Route {
        over: "http",
        method,
        path,
        needs,
        writes: &[],
        about,
    };
    Row {
        route,
        serve: Some(serve),
    }
}

impl Row {
    const fn writes(mut self, what: &'static [&'static str]) -> Self {
        self.route.writes = what;
        self
    }

    const fn over(mut self, transport: &'static str) -> Self {
        self.route.over = transport;
        self
    }
}

/// The table.
const TABLE: &[Row] = &[
    row("GET", "/api/policy", "-", "what holds for senders", || {
        get(policy::get)
    }),
    row(
        "GET",
        "/api/webtransport",
        "-",
        "where WebTransport is",
        || get(api::webtransport),
    ),
    row(
        "GET",
        "/api/packages/{package}",
        "-",
        "state, times, files",
        || get(api::package),
    ),
    row(
        "DELETE",
        "/api/packages/{package}",
        "owner token",
        "deletes the package",
        || delete(api::delete),
    ),
    row(
        "GET",
        "/api/packages/{package}/report",
        "-",
        "the protection report",
        || get(report::get),
    ),
    row(
        "GET",
        "/api/packages/{package}/keyring",
        "- (older ones: owner token)",
        "the keyring",
        || get(keyrings::get),
    ),
    row(
        "PUT",
        "/api/packages/{package}/keyring",
        "owner token",
        "replaces the keyring",
        || put(keyrings::put),
    )
    .writes(&["keyring"]),
    row(
        "GET",
        "/api/packages/{package}/package.sealift",
        "-",
        "the whole package",
        || get(api::whole),
    ),
    row(
        "GET",
        "/api/packages/{package}/files/{file}",
        "-",
        "a sealed file",
        || get(api::file),
    ),
    row("GET", "/lane", "grant or owner token", "a lane", || {
        get(websocket::upgrade)
    })
    .writes(LANE)
    .over("websocket"),
    Row {
        route: Route {
            over: "webtransport",
            method: "CONNECT",
            path: "/lane",
            needs: "grant or owner token",
            writes: LANE,
            about: "a lane",
        },
        serve: None,
    },
    row(
        "GET",
        "/metrics",
        "metrics token",
        "what is counted",
        || get(exporter::with_token),
    ),
    row("GET", "/healthz", "-", "the process lives", || {
        get(async || "alive\n")
    }),
    row("GET", "/readyz", "-", "it can take requests", || {
        get(api::ready)
    }),
    row("GET", "/", "-", "page: send", || get(pages::send)),
    row("GET", "/p/{package}", "-", "page: receive", || {
        get(pages::receive)
    }),
    row("GET", "/manage/{package}", "-", "page: manage", || {
        get(pages::manage)
    }),
    row("GET", "/open", "-", "page: open a file", || {
        get(pages::open)
    }),
    row(
        "GET",
        "/open.html",
        "-",
        "the same page, to be saved",
        || get(pages::offline),
    ),
    row(
        "GET",
        "/assets/{*path}",
        "-",
        "scripts, styles, WebAssembly",
        || get(pages::asset),
    ),
];

/// Every way into the relay, those of WebTransport too.
#[must_use]
pub fn routes() -> Vec<Route> {
    TABLE.iter().map(|row| row.route).collect()
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let writes = match self.writes {
            [] => "-".to_owned(),
            writes => writes.join(","),
        };
        write!(
            f,
            "{:<12} {:<7} {:<42} {:<28} {:<27} {}",
            self.over, self.method, self.path, self.needs, writes, self.about
        )
    }
}

/// The router made of the table. Whatever is not in it is a page's icon, or not found.
pub(crate) fn app(relay: Arc<Relay>) -> Router {
    let mut router = Router::new();
    for Row { route, serve } in TABLE {
        if let Some(serve) = serve {
            router = router.route(route.path, serve());
        }
    }
    let with = |state: &Arc<Relay>| Arc::clone(state);
    router
        .fallback(other)
        .layer(middleware::from_fn_with_state(with(&relay), guard::client))
        .layer(middleware::from_fn_with_state(with(&relay), guard::names))
        .layer(middleware::from_fn_with_state(
            with(&relay),
            headers::everywhere,
        ))
        .with_state(relay)
}

async fn other(relay: State<Arc<Relay>>, uri: Uri, request: HeaderMap) -> Response {
    if uri.path().starts_with("/api/") {
        return ApiError(Code::NotFound).into_response();
    }
    pages::other(relay, uri, request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_that_changes_something_says_what_it_stores_or_only_deletes() {
        for route in routes() {
            let is_lane = route.path == "/lane";
            let reads = route.method == "GET" && !is_lane;
            assert!(
                reads != (route.method == "DELETE" || !route.writes.is_empty()),
                "{route}"
            );
            assert!(
                !route.writes.is_empty() || route.needs == "owner token" || reads,
                "{route}"
            );
        }
    }

    #[test]
    fn no_two_rows_are_the_same() {
        let routes = routes();
        for (at, route) in routes.iter().enumerate() {
            let same = |other: &&Route| {
                (other.over, other.method, other.path) == (route.over, route.method, route.path)
            };
            assert!(
                !routes[at + 1..].iter().any(|other| same(&other)),
                "{route}"
            );
        }
    }
}
