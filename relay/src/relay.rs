//! Everything a running relay shares: storage, live packages, limits, grants.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use sealift_config::{Live, Settings};

use crate::budget::Budget;
use crate::certificates::{FromFiles, Local};
use crate::grants::Grants;
use crate::hosts::Hosts;
use crate::packages::Packages;
use crate::records::Sqlite;
use crate::store::Storage;

/// The state behind every request and lane.
pub(crate) struct Relay {
    /// Held for as long as anything may be written.
    pub(crate) _lock: std::fs::File,
    /// As they were at the start: for what only a restart changes.
    pub(crate) settings: Settings,
    /// What holds now.
    pub(crate) config: Live,
    /// The certificate from files, which a reload replaces.
    pub(crate) certificate: Option<Arc<FromFiles>>,
    pub(crate) storage: Arc<Storage>,
    pub(crate) sqlite: Arc<Sqlite>,
    pub(crate) packages: Packages,
    pub(crate) budget: Budget,
    pub(crate) grants: Grants,
    pub(crate) hosts: Hosts,
    /// Where WebTransport listens, if it does.
    pub(crate) webtransport: Option<Webtransport>,
    pub(crate) draining: AtomicBool,
    pub(crate) started: Instant,
}

/// How a page reaches WebTransport.
pub(crate) struct Webtransport {
    pub(crate) port: u16,
    /// Self-signed certificates, which a page must know by hash. `None` with certificates from files.
    pub(crate) local: Option<Arc<Local>>,
}

impl Relay {
    /// Whether the relay is stopping.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
