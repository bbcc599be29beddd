//! The configuration of a running server, which a reload replaces as a whole.

use std::sync::Arc;

use tokio::sync::watch;

use crate::config::Config;

/// The configuration that holds now. Clones are the same one.
#[derive(Clone)]
pub struct Live(Arc<watch::Sender<Arc<Config>>>);

impl Live {
    /// Starts with a configuration.
    pub fn new(config: Config) -> Self {
        Self(Arc::new(watch::Sender::new(Arc::new(config))))
    }

    /// The configuration that holds now. Take it once for each decision: a reload between two calls may change it.
    pub fn current(&self) -> Arc<Config> {
        Arc::clone(&self.0.borrow())
    }

    /// For those who must act when it changes, such as uploads under way.
    pub fn watch(&self) -> watch::Receiver<Arc<Config>> {
        self.0.subscribe()
    }

    /// Puts another one in its place, at once for everybody.
    pub fn replace(&self, config: Config) {
        self.0.send_replace(Arc::new(config));
    }
}
