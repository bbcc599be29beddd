//! What is counted, in the text form that Prometheus reads. No package, file, user, token or address is in it.
//!
//! Served on its own address, which is loopback, or behind a token (see `sealift.toml`); without either, not at all.

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use sealift_protocol::message::Transport;

/// The media type of the text form.
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    refusals: Family<Refused, Counter>,
    clients_refused: Family<Why, Counter>,
    received_bytes: Family<Over, Counter>,
    lanes: Family<Over, Gauge>,
    pub(crate) served_bytes: Counter,
    pub(crate) parts_durable: Counter,
    pub(crate) files_committed: Counter,
    pub(crate) packages_finished: Counter,
    pub(crate) packages_forbidden: Counter,
    pub(crate) keyrings_replaced: Counter,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Refused {
    what: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Why {
    reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Over {
    transport: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("sealift"),
            refusals: Family::default(),
            clients_refused: Family::default(),
            received_bytes: Family::default(),
            lanes: Family::default(),
            served_bytes: Counter::default(),
            parts_durable: Counter::default(),
            files_committed: Counter::default(),
            packages_finished: Counter::default(),
            packages_forbidden: Counter::default(),
            keyrings_replaced: Counter::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "door_refusals",
            "What was refused because it is not sealed as policy asks",
            self.refusals.clone(),
        );
        registry.register(
            "clients_refused",
            "Requests and lanes that were refused before anything was looked at",
            self.clients_refused.clone(),
        );
        registry.register(
            "received_bytes",
            "Sealed bytes that lanes brought",
            self.received_bytes.clone(),
        );
        registry.register("lanes", "Lanes that are open", self.lanes.clone());
        for (name, help, counter) in [
            (
                "served_bytes",
                "Sealed bytes read for downloads",
                &self.served_bytes,
            ),
            (
                "parts_durable",
                "Parts acknowledged as stored",
                &self.parts_durable,
            ),
            (
                "files_committed",
                "Files that became whole",
                &self.files_committed,
            ),
            (
                "packages_finished",
                "Packages that became complete",
                &self.packages_finished,
            ),
            (
                "packages_forbidden",
                "Unfinished packages that a new policy ended",
                &self.packages_forbidden,
            ),
            (
                "keyrings_replaced",
                "Changes of a package's passwords",
                &self.keyrings_replaced,
            ),
        ] {
            registry.register(name, help, counter.clone());
        }
    }

    /// Counts what the door refused.
    pub(crate) fn refused(&self, what: &'static str, reason: &'static str) {
        self.refusals.get_or_create(&Refused { what, reason }).inc();
    }

    /// Counts a client that was sent away.
    pub(crate) fn client_refused(&self, reason: &'static str) {
        self.clients_refused.get_or_create(&Why { reason }).inc();
    }

    /// Counts bytes that arrived.
    pub(crate) fn received(&self, transport: Transport, bytes: usize) {
        let over = Over {
            transport: word(transport),
        };
        self.received_bytes
            .get_or_create(&over)
            .inc_by(bytes as u64);
    }

    /// Counts a lane until what is returned is dropped.
    pub(crate) fn lane(&self, transport: Transport) -> OpenLane {
        let over = Over {
            transport: word(transport),
        };
        let gauge = self.lanes.get_or_create_owned(&over);
        gauge.inc();
        OpenLane(gauge)
    }

    /// All of it as text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// A lane that is counted as open.
pub(crate) struct OpenLane(Gauge);

impl Drop for OpenLane {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A transport's word.
pub(crate) fn word(transport: Transport) -> &'static str {
    match transport {
        Transport::WebTransport => "webtransport",
        Transport::WebSocket => "websocket",
    }
}
