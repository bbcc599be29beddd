//! Trunks: a rate that all uploads of some users share. Bytes wait here before they count as arrived, in the order in
//! which they came, so that a lane that waits is simply not read.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sealift_config::Config;
use tokio::time::{Instant, sleep_until};

/// How much of a rate that nobody used may be made up for at once.
const BURST: Duration = Duration::from_millis(100);

/// When each trunk is free again.
#[derive(Default)]
pub(crate) struct Trunks(Mutex<HashMap<String, Instant>>);

impl Trunks {
    /// Waits until so many bytes of a user may pass. Users without a trunk do not wait.
    pub(crate) async fn turn(&self, config: &Config, user: Option<&str>, bytes: usize) {
        let name = user
            .and_then(|user| config.users.get(user))
            .and_then(|user| user.trunk.as_ref());
        let trunk = name.and_then(|name| Some((name, config.trunks.get(name)?)));
        if let Some((name, trunk)) = trunk.filter(|(_, trunk)| trunk.on) {
            let at = self.take(name, trunk.capacity_kbps, bytes, Instant::now());
            sleep_until(at).await;
        }
    }

    /// Takes room for some bytes; says when they may pass.
    fn take(&self, trunk: &str, capacity_kbps: u32, bytes: usize, now: Instant) -> Instant {
        let microseconds = (bytes as u64).saturating_mul(8_000) / u64::from(capacity_kbps.max(1));
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = match free.get(trunk) {
            Some(free) => (*free).max(now.checked_sub(BURST).unwrap_or(now)),
            None => now,
        };
        free.insert(
            trunk.to_owned(),
            begin + Duration::from_micros(microseconds),
        );
        begin.max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 8,000 kbit/s are a megabyte in a second.
    #[test]
    fn a_trunk_passes_its_rate_and_saves_up_no_more_than_a_burst() {
        let (trunks, start) = (Trunks::default(), Instant::now());
        let at = |now_ms: u64| start + Duration::from_millis(now_ms);
        let mut last = start;
        for _ in 0..=10 {
            last = trunks.take("office", 8_000, 100_000, start);
        }
        assert_eq!(last, at(1_000), "ten pieces of 100 kB went before");
        assert_eq!(trunks.take("other", 8_000, 1_000_000, start), start);
        // Long idle: what passes at once is a burst of 100 ms, then the rate again.
        assert_eq!(
            trunks.take("office", 8_000, 100_000, at(60_000)),
            at(60_000)
        );
        assert_eq!(
            trunks.take("office", 8_000, 100_000, at(60_000)),
            at(60_000)
        );
        assert_eq!(
            trunks.take("office", 8_000, 100_000, at(60_000)),
            at(60_100)
        );
    }
}
