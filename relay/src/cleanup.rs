//! What happens by itself: expired packages and old keyrings go, idle sessions are forgotten, certificates are
//! renewed.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::Instant;

use crate::relay::Relay;
use crate::{clock, rekey, strays, sweep};

/// How often it is looked at. A package may outlive its time by this; it is not served any more.
const EVERY: Duration = Duration::from_secs(30);

/// A wall clock that jumps by more than this is not believed at first.
const JUMP_S: u64 = 24 * 60 * 60;
/// For so long nothing expires after a jump. An operator can put the clock right meanwhile.
const DOUBT: Duration = Duration::from_secs(60 * 60);

/// Runs until the relay is dropped. Begins with what a relay before this one has left undone.
pub(crate) async fn run(relay: Arc<Relay>) {
    let mut ticks = tokio::time::interval(EVERY);
    let mut doubt = Doubt::new(clock::unix_seconds());
    let mut swept = Instant::now();
    sweep::uploads(&relay, Duration::ZERO).await;
    strays::look(&relay, clock::unix_seconds(), true).await;
    loop {
        ticks.tick().await;
        let now = clock::unix_seconds();
        let expire = doubt.believes(now);
        if swept.elapsed() >= sweep::AGE_MIN {
            swept = Instant::now();
            sweep::uploads(&relay, sweep::AGE_MIN).await;
            strays::look(&relay, now, expire).await;
        }
        let round = AssertUnwindSafe(round(&relay, now, expire)).catch_unwind();
        if round.await.is_err() {
            tracing::error!("the clean-up failed; this is a mistake in the program");
        }
    }
}

/// Compares the wall clock with the monotonic one.
struct Doubt {
    last: (Instant, u64),
    since: Option<Instant>,
}

impl Doubt {
    fn new(unix_s: u64) -> Self {
        Self {
            last: (Instant::now(), unix_s),
            since: None,
        }
    }

    /// Whether packages may expire by this wall clock.
    fn believes(&mut self, unix_s: u64) -> bool {
        let (at, then) = self.last;
        let expected = then.saturating_add(at.elapsed().as_secs());
        self.last = (Instant::now(), unix_s);
        if unix_s.abs_diff(expected) > JUMP_S {
            tracing::warn!(
                "the system's clock jumped by more than a day; nothing expires for an hour"
            );
            self.since = Some(Instant::now());
        }
        self.since.is_none_or(|since| since.elapsed() >= DOUBT)
    }
}

/// One round. Everything it does can be repeated.
async fn round(relay: &Relay, now: u64, expire: bool) {
    relay.packages.forget_idle(relay).await;
    if expire {
        expire_packages(relay, now).await;
        rekey::clean_up(relay, now).await;
    }
    sweep::unverified(relay).await;
    if let Some(local) = relay
        .webtransport
        .as_ref()
        .and_then(|webtransport| webtransport.local.as_ref())
        && let Err(error) = local.renew(now)
    {
        tracing::error!(%error, "the certificate for WebTransport could not be renewed");
    }
}

async fn expire_packages(relay: &Relay, now: u64) {
    match relay.sqlite.expired(now).await {
        Ok(expired) => {
            for package in expired {
                match relay.packages.expire(relay, package, now).await {
                    Ok(()) => {
                        tracing::debug!("a package whose time was over was deleted or prolonged")
                    }
                    Err(code) => tracing::error!(
                        code = code.as_str(),
                        "an expired package could not be deleted"
                    ),
                }
            }
        }
        Err(error) => tracing::error!(%error, "expired packages could not be looked up"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_jumps_makes_nothing_expire_at_once() {
        let mut doubt = Doubt::new(1000);
        tokio::time::advance(EVERY).await;
        assert!(doubt.believes(1030));
        tokio::time::advance(EVERY).await;
        assert!(!doubt.believes(1060 + 2 * JUMP_S));
        tokio::time::advance(EVERY).await;
        assert!(!doubt.believes(1090 + 2 * JUMP_S));
        tokio::time::advance(DOUBT).await;
        assert!(doubt.believes(1090 + 3600 + 2 * JUMP_S));
    }
}
