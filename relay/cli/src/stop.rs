//! Ctrl-C: the first asks the command to stop cleanly, the second ends the process at once.
//!
//! Work asks [`Stop::check`] between segments, so a clean stop takes milliseconds. Installed only
//! after passwords have been asked for, so that Ctrl-C at a prompt simply ends the process.

use tokio::sync::watch;

use crate::failure::{Cause, Failure, Result};

/// Whether the person asked to stop. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Starts to listen for SIGINT and SIGTERM on a thread of its own.
    pub(crate) fn install() -> Self {
        let (asked, stop) = watch::channel(false);
        std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .build()
            else {
                return; // No clean stop then; the default action of the signal still works.
            };
            runtime.block_on(listen(&asked));
        });
        Self(stop)
    }

    /// Whether to stop now.
    pub(crate) fn requested(&self) -> bool {
        *self.0.borrow()
    }

    /// An error once the person asked to stop.
    pub(crate) fn check(&self) -> Result<()> {
        if self.requested() {
            Err(Failure::cancelled())
        } else {
            Ok(())
        }
    }

    /// Waits until the person asks to stop.
    pub(crate) async fn wait(&self) {
        let mut stop = self.0.clone();
        if stop.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// One that never stops: before passwords were asked for, and in tests.
    pub(crate) fn never() -> Self {
        let (_asked, stop) = watch::channel(false);
        Self(stop)
    }
}

/// Passes the first signal on and ends the process at the second.
#[cfg(unix)]
async fn listen(asked: &watch::Sender<bool>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        // Keeps the channel open: a closed one would look like a request to stop.
        return std::future::pending().await;
    };
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        request(asked);
    }
}

/// Passes the first Ctrl-C on and ends the process at the second.
#[cfg(not(unix))]
async fn listen(asked: &watch::Sender<bool>) {
    while tokio::signal::ctrl_c().await.is_ok() {
        request(asked);
    }
    std::future::pending().await
}

fn request(asked: &watch::Sender<bool>) {
    if asked.send_replace(true) {
        std::process::exit(i32::from(Cause::Cancelled.exit_code()));
    }
}
