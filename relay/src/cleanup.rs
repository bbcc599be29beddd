//! What happens by itself: expired packages and old keyrings go, idle sessions are forgotten, certificates are
//! renewed.
//!
//! Nothing is deleted by a clock that is in doubt: one that jumped, or that at the start is far from what the records
//! last saw. Every chore has a time limit, and one that fails or hangs does not keep the others from being done.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{Instant, timeout};

use crate::records::{Change, Records as _};
use crate::relay::Relay;
use crate::{clock, rekey, strays, sweep};

/// How often it is looked at. A package may outlive its time by this; it is not served any more.
const EVERY: Duration = Duration::from_secs(30);

/// A wall clock that jumps by more than this is not believed at first.
const JUMP_S: u64 = 24 * 60 * 60;
/// For so long nothing expires after a jump. An operator can put the clock right meanwhile.
const DOUBT: Duration = Duration::from_secs(60 * 60);

/// Longest time for one chore, and for the deletion of one package within it. All of them can be repeated at any point.
const CHORE_MAX: Duration = Duration::from_secs(10 * 60);
const DELETION_MAX: Duration = Duration::from_secs(60);

/// What old records name as unfinished is kept for so long at least: it may have been finished since.
const OLD_RECORDS: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Runs until the relay is dropped. Begins with what a relay before this one has left undone.
pub(crate) async fn run(relay: Arc<Relay>) {
    let mut ticks = tokio::time::interval(EVERY);
    let now = clock::unix_seconds();
    let mut doubt = Doubt::new(now, relay.sqlite.last_seen().await.ok());
    if !doubt.believes(now) {
        chore("unfinished packages", spare(&relay, now)).await;
    }
    let mut looked: Option<Instant> = None;
    loop {
        ticks.tick().await;
        let now = clock::unix_seconds();
        let believed = doubt.believes(now);
        round(&relay, now, believed).await;
        if looked.is_none_or(|looked| looked.elapsed() >= sweep::AGE_MIN) {
            looked = Some(Instant::now());
            if believed {
                chore("the clock", see_clock(&relay, now)).await;
                chore("abandoned uploads", sweep::uploads(&relay, sweep::AGE_MIN)).await;
            }
            chore(
                "folders without a record",
                strays::look(&relay, now, believed),
            )
            .await;
        }
    }
}

/// Keeps what old records take for unfinished until an operator had time to bring the right ones.
async fn spare(relay: &Relay, now: u64) {
    let unfinished = relay.config.current().settings.unfinished;
    let expires_at = now.saturating_add(unfinished.max(OLD_RECORDS).as_secs());
    let prolong = Change::ProlongAll { expires_at };
    if let Err(error) = relay.sqlite.apply(prolong).await {
        tracing::error!(%error, "unfinished packages could not be prolonged");
    }
}

/// Records a time that was right, for the next start.
async fn see_clock(relay: &Relay, now: u64) {
    if let Err(error) = relay.sqlite.apply(Change::SeeClock { now }).await {
        tracing::error!(%error, "the time could not be recorded");
    }
}

/// Does one thing, for a bounded time, whatever happens in it.
async fn chore(what: &'static str, work: impl Future<Output = ()>) {
    within(CHORE_MAX, what, work).await;
}

/// Whether it came to its end.
pub(crate) async fn within(
    limit: Duration,
    what: &'static str,
    work: impl Future<Output = ()>,
) -> bool {
    match timeout(limit, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(())) => return true,
        Ok(Err(_)) => tracing::error!(what, "a chore failed; this is a mistake in the program"),
        Err(_) => tracing::error!(
            what,
            seconds = limit.as_secs(),
            "a chore took too long and is tried again later; does the storage answer?"
        ),
    }
    false
}

/// Compares the wall clock with the monotonic one, and at the start with what the records last saw.
struct Doubt {
    last: (Instant, u64),
    since: Option<Instant>,
}

impl Doubt {
    /// `last_seen`: a time that was right before the start, if one is known; 0 when there is nothing that could expire.
    fn new(unix_s: u64, last_seen: Option<u64>) -> Self {
        let is_far = last_seen.is_none_or(|seen| seen > 0 && unix_s.abs_diff(seen) > JUMP_S);
        if is_far {
            tracing::info!(
                "nothing expires for an hour: the records are older than a day, or the system's clock is wrong"
            );
        }
        Self {
            last: (Instant::now(), unix_s),
            since: is_far.then(Instant::now),
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

/// One round. Everything it does can be repeated; what may take long comes last.
async fn round(relay: &Relay, now: u64, believed: bool) {
    chore("certificates", async { renew(relay, now) }).await;
    chore("idle sessions", relay.packages.forget_idle(relay)).await;
    if believed {
        chore("old keyrings", rekey::clean_up(relay, now)).await;
        chore("expired packages", expire_packages(relay, now)).await;
    }
    chore("encryption to be verified", sweep::unverified(relay)).await;
}

fn renew(relay: &Relay, now: u64) {
    let local = relay.webtransport.as_ref();
    if let Some(local) = local.and_then(|webtransport| webtransport.local.as_ref())
        && let Err(error) = local.renew(now)
    {
        tracing::error!(%error, "the certificate for WebTransport could not be renewed");
    }
}

async fn expire_packages(relay: &Relay, now: u64) {
    let expired = match relay.sqlite.expired(now).await {
        Ok(expired) => expired,
        Err(error) => {
            tracing::error!(%error, "expired packages could not be looked up");
            return;
        }
    };
    // A docroot that is unwell does not keep the packages of the others.
    let mut unwell: HashSet<String> = HashSet::new();
    for (package, docroot) in expired {
        if unwell.contains(&docroot) {
            continue;
        }
        let mut deleted = false;
        let expire = async {
            match relay.packages.expire(relay, package, now).await {
                Ok(()) => {
                    tracing::debug!("a package whose time was over was deleted or prolonged");
                    deleted = true;
                }
                Err(code) => tracing::error!(
                    code = code.as_str(),
                    "an expired package could not be deleted"
                ),
            }
        };
        within(DELETION_MAX, "an expired package", expire).await;
        if !deleted {
            unwell.insert(docroot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_jumps_makes_nothing_expire_at_once() {
        let mut doubt = Doubt::new(1000, Some(1000));
        tokio::time::advance(EVERY).await;
        assert!(doubt.believes(1030));
        tokio::time::advance(EVERY).await;
        assert!(!doubt.believes(1060 + 2 * JUMP_S));
        tokio::time::advance(EVERY).await;
        assert!(!doubt.believes(1090 + 2 * JUMP_S));
        tokio::time::advance(DOUBT).await;
        assert!(doubt.believes(1090 + 3600 + 2 * JUMP_S));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_wrong_at_the_start_makes_nothing_expire_at_once() {
        let seen = 1_000_000_000;
        assert!(Doubt::new(seen + 60, Some(seen)).believes(seen + 60));
        for wrong in [0, seen - 2 * JUMP_S, seen + 2 * JUMP_S, u64::MAX] {
            assert!(!Doubt::new(wrong, Some(seen)).believes(wrong), "{wrong}");
        }
        assert!(Doubt::new(seen, Some(0)).believes(seen));
        let mut unknown = Doubt::new(seen, None);
        assert!(!unknown.believes(seen));
        tokio::time::advance(DOUBT).await;
        assert!(unknown.believes(seen + DOUBT.as_secs()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_chore_that_hangs_or_fails_does_not_end_the_clean_up() {
        assert!(within(CHORE_MAX, "fine", async {}).await);
        assert!(!within(CHORE_MAX, "hangs", std::future::pending()).await);
        assert!(!within(CHORE_MAX, "fails", async { panic!("a mistake") }).await);
    }
}
