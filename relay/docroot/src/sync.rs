//! Group `fdatasync`: many parts of one file become durable by one call (S6).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::{DiskFile, DocrootError, disk};

/// The syncs of one file.
pub(crate) struct GroupSync {
    file: Arc<dyn DiskFile>,
    here: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Counts failed syncs. A part remembers the era it began in; another era now means its bytes may be lost.
    era: u64,
    running: bool,
    waiting: Vec<(u64, oneshot::Sender<Result<(), DocrootError>>)>,
}

impl GroupSync {
    pub(crate) fn new(file: Arc<dyn DiskFile>, here: bool) -> Arc<Self> {
        Arc::new(Self {
            file,
            here,
            state: Mutex::default(),
        })
    }

    pub(crate) fn era(&self) -> u64 {
        self.state().era
    }

    /// Returns once a sync that began after this call has ended well. Call it when the part's writes have ended.
    pub(crate) async fn durable(self: &Arc<Self>, era: u64) -> Result<(), DocrootError> {
        let (done, wait) = oneshot::channel();
        let start = {
            let mut state = self.state();
            state.waiting.push((era, done));
            !std::mem::replace(&mut state.running, true)
        };
        if start {
            tokio::spawn(Arc::clone(self).rounds());
        }
        wait.await.unwrap_or(Err(DocrootError::SyncFailed))
    }

    /// One sync after another until nobody waits. Each covers exactly those who waited before it began.
    async fn rounds(self: Arc<Self>) {
        loop {
            let (era, group) = {
                let mut state = self.state();
                if state.waiting.is_empty() {
                    state.running = false;
                    return;
                }
                (state.era, std::mem::take(&mut state.waiting))
            };
            let (live, lost): (Vec<_>, Vec<_>) =
                group.into_iter().partition(|(began, _)| *began == era);
            for (_, done) in lost {
                let _ = done.send(Err(DocrootError::SyncFailed));
            }
            if live.is_empty() {
                continue;
            }
            let file = Arc::clone(&self.file);
            let result = disk::run(self.here, move || Ok(file.sync_data()?)).await;
            if result.is_err() {
                self.state().era += 1;
            }
            for (_, done) in live {
                let _ = done.send(result.clone().map_err(|_| DocrootError::SyncFailed));
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
