//! Which transport to try, and when.
//!
//! WebTransport goes first; a WebSocket is started 500 ms later by a timer, not by waiting for
//! an error (a firewall that swallows UDP shows itself after 4 s in Chromium and 30 s in
//! Firefox). The first to answer a `Hello` wins. After a WebTransport death the WebSocket goes
//! first. Chromium delays and then refuses WebTransport after repeated failures within five
//! minutes, so at most [`FAILURES_MAX`] are risked in that time. Which of two that work is better
//! is another question: see [`super::choice`].

use core::time::Duration;
use std::collections::VecDeque;

use crate::message::Transport;

/// How long WebTransport is alone in the race.
const HEAD_START: Duration = Duration::from_millis(500);
/// When to start the WebSocket again that failed while WebTransport is still opening.
const RACE_AGAIN: Duration = Duration::from_secs(2);
/// How long a browser holds a failed WebTransport against us.
const MEMORY: Duration = Duration::from_secs(300);
/// WebTransport failures risked in that time.
const FAILURES_MAX: usize = 2;
/// After a death WebTransport is tried again, beside a WebSocket that works, no sooner than this.
const CLIMB_AFTER: Duration = Duration::from_secs(60);
/// Failures of the WebSocket after which WebTransport is tried although it died before.
const WEBSOCKET_FAILURES_MAX: u32 = 2;
const BACK_OFF_MIN: Duration = Duration::from_millis(250);
const BACK_OFF_MAX: Duration = Duration::from_secs(30);

/// Decides about opening lanes while there is none, and remembers what it learned.
#[derive(Debug)]
pub(super) struct Ladder {
    usable: Vec<Transport>,
    /// When WebTransport failed or was given up before it opened.
    failures: VecDeque<Duration>,
    /// When a working WebTransport lane last died.
    death: Option<Duration>,
    /// When the WebSocket was last measured to be the faster one.
    websocket_was_faster: Option<Duration>,
    websocket_failures: u32,
    /// Failed tries in a row, of any kind.
    tries: u32,
    retry_at: Duration,
    websocket_at: Option<Duration>,
    /// WebTransport has just failed: it is the WebSocket's turn.
    websocket_next: bool,
    jitter: u64,
}

impl Ladder {
    pub(super) fn new(transports: &[Transport], jitter_seed: u64, now: Duration) -> Self {
        Self {
            usable: transports.to_vec(),
            failures: VecDeque::new(),
            death: None,
            websocket_was_faster: None,
            websocket_failures: 0,
            tries: 0,
            retry_at: now,
            websocket_at: None,
            websocket_next: false,
            jitter: jitter_seed | 1,
        }
    }

    /// What to open now, when no lane is open and these are being opened.
    pub(super) fn choose(&mut self, now: Duration, opening: &[Transport]) -> Option<Transport> {
        if now < self.retry_at {
            return None;
        }
        if opening.is_empty() {
            let first = self.first(now)?;
            self.websocket_at =
                (first == Transport::WebTransport).then(|| now.saturating_add(HEAD_START));
            return Some(first);
        }
        let late = self.websocket_at.is_some_and(|at| now >= at);
        let racing = opening.contains(&Transport::WebSocket) || !self.can(Transport::WebSocket);
        (late && !racing).then_some(Transport::WebSocket)
    }

    fn first(&self, now: Duration) -> Option<Transport> {
        let websocket = self.can(Transport::WebSocket);
        let faster = self
            .websocket_was_faster
            .is_some_and(|at| now.saturating_sub(at) < MEMORY && self.websocket_failures == 0);
        let its_turn = (self.websocket_next || faster) && websocket;
        if self.can(Transport::WebTransport) && !its_turn && self.webtransport_is_wise(now) {
            return Some(Transport::WebTransport);
        }
        // Without a WebSocket there is nothing wiser to wait for than the back-off.
        if websocket {
            Some(Transport::WebSocket)
        } else {
            self.usable.first().copied()
        }
    }

    fn webtransport_is_wise(&self, now: Duration) -> bool {
        let died = self.death.is_some_and(|at| now.saturating_sub(at) < MEMORY);
        let stuck = self.websocket_failures >= WEBSOCKET_FAILURES_MAX;
        self.may_risk_webtransport(now) && (!died || stuck)
    }

    /// What to open beside lanes that are open, most of them by `most`.
    pub(super) fn choose_another(&self, now: Duration, most: Transport) -> Option<Transport> {
        if now < self.retry_at {
            return None;
        }
        let web = most == Transport::WebTransport;
        let unwise = web && self.can(Transport::WebSocket) && !self.webtransport_is_wise(now);
        Some(if unwise { Transport::WebSocket } else { most })
    }

    /// Whether this transport may be tried now beside another one that works.
    pub(super) fn may_climb(&self, now: Duration, transport: Transport) -> bool {
        let died = self.death.filter(|_| transport == Transport::WebTransport);
        now >= self.retry_at
            && self.can(transport)
            && died.is_none_or(|at| now.saturating_sub(at) >= CLIMB_AFTER)
            && (transport == Transport::WebSocket || self.may_risk_webtransport(now))
    }

    /// This transport was measured to be the faster one.
    pub(super) fn faster(&mut self, now: Duration, transport: Transport) {
        self.websocket_was_faster = (transport == Transport::WebSocket).then_some(now);
        if transport == Transport::WebTransport {
            self.death = None;
        }
    }

    /// Whether another WebTransport failure now would be tolerable.
    fn may_risk_webtransport(&self, now: Duration) -> bool {
        let recent = self
            .failures
            .iter()
            .filter(|at| now.saturating_sub(**at) < MEMORY)
            .count();
        recent < FAILURES_MAX || !self.can(Transport::WebSocket)
    }

    pub(super) fn can(&self, transport: Transport) -> bool {
        self.usable.contains(&transport)
    }

    /// A lane never opened, or never answered.
    pub(super) fn failed(&mut self, now: Duration, transport: Transport, others_opening: bool) {
        match transport {
            Transport::WebTransport => {
                self.failures.push_back(now);
                if self.failures.len() > FAILURES_MAX {
                    self.failures.pop_front();
                }
                // Do not wait out the head start of one that has lost.
                self.websocket_at = self.websocket_at.map(|_| now);
                if self.can(Transport::WebSocket) && !others_opening && !self.websocket_next {
                    self.websocket_next = true;
                    return;
                }
            }
            Transport::WebSocket => {
                self.websocket_next = false;
                self.websocket_failures = self.websocket_failures.saturating_add(1);
                self.websocket_at = self.websocket_at.map(|_| now.saturating_add(RACE_AGAIN));
            }
        }
        if !others_opening {
            self.back_off(now);
        }
    }

    /// This transport does not exist here.
    pub(super) fn unsupported(&mut self, now: Duration, transport: Transport) {
        self.usable.retain(|usable| *usable != transport);
        self.websocket_at = self.websocket_at.map(|_| now);
    }

    /// Whether any transport is left.
    pub(super) fn is_exhausted(&self) -> bool {
        self.usable.is_empty()
    }

    /// A lane was opened and welcomed.
    pub(super) fn won(&mut self, transport: Transport) {
        self.websocket_at = None;
        self.websocket_next = false;
        if transport == Transport::WebSocket {
            self.websocket_failures = 0;
        }
    }

    /// Work got done: the next failure is a first one again.
    pub(super) fn progressed(&mut self) {
        self.tries = 0;
    }

    /// A lane that had worked died.
    pub(super) fn died(&mut self, now: Duration, transport: Transport, last: bool) {
        if transport == Transport::WebTransport {
            self.death = Some(now);
            // Its siblings that are still opening travel the same way: race them at once.
            self.websocket_at = Some(now);
        }
        if last {
            // At once for the first time; a relay that is restarting is given time afterwards.
            if self.tries > 0 {
                self.back_off(now);
            }
            self.tries = self.tries.saturating_add(1);
        }
    }

    /// Waits, longer each time, with jitter of half up or down.
    pub(super) fn back_off(&mut self, now: Duration) {
        let doubled = BACK_OFF_MIN
            .saturating_mul(1 << self.tries.min(10))
            .min(BACK_OFF_MAX);
        self.tries = self.tries.saturating_add(1);
        self.jitter ^= self.jitter << 13;
        self.jitter ^= self.jitter >> 7;
        self.jitter ^= self.jitter << 17;
        let percent = u32::try_from(self.jitter % 101)
            .unwrap_or(0)
            .saturating_add(50);
        let delay = doubled
            .saturating_mul(percent)
            .checked_div(100)
            .unwrap_or(doubled);
        self.retry_at = now.saturating_add(delay);
    }

    /// Something changed for the better: try at once.
    pub(super) fn retry_now(&mut self, now: Duration) {
        self.retry_at = self.retry_at.min(now);
        self.tries = 0;
    }

    /// When [`Ladder::choose`] may decide otherwise.
    pub(super) fn next_wake(&self, now: Duration, opening: bool) -> Option<Duration> {
        if opening {
            self.websocket_at.filter(|at| *at > now)
        } else {
            Some(self.retry_at)
        }
    }
}

#[cfg(test)]
mod tests {
    use Transport::{WebSocket, WebTransport};

    use super::*;

    const BOTH: [Transport; 2] = [WebTransport, WebSocket];

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_websocket_starts_by_a_timer() {
        let mut ladder = Ladder::new(&BOTH, 7, ms(0));
        assert_eq!(ladder.choose(ms(0), &[]), Some(WebTransport));
        assert_eq!(ladder.next_wake(ms(0), true), Some(ms(500)));
        assert_eq!(ladder.choose(ms(499), &[WebTransport]), None);
        assert_eq!(ladder.choose(ms(500), &[WebTransport]), Some(WebSocket));
        assert_eq!(ladder.choose(ms(600), &BOTH), None);
    }

    #[test]
    fn the_websocket_starts_at_once_when_webtransport_has_failed() {
        let mut ladder = Ladder::new(&BOTH, 7, ms(0));
        assert_eq!(ladder.choose(ms(0), &[]), Some(WebTransport));
        ladder.failed(ms(20), WebTransport, false);
        assert_eq!(ladder.choose(ms(20), &[]), Some(WebSocket));
    }

    #[test]
    fn the_websocket_goes_first_after_a_webtransport_death() {
        let mut ladder = Ladder::new(&BOTH, 7, ms(0));
        ladder.died(ms(1000), WebTransport, true);
        assert_eq!(ladder.choose(ms(1000), &[]), Some(WebSocket));
        assert_eq!(ladder.choose(ms(301_000), &[]), Some(WebTransport));
    }

    #[test]
    fn webtransport_is_tried_again_a_minute_after_its_death_and_twice_in_five() {
        let mut ladder = Ladder::new(&BOTH, 7, ms(0));
        ladder.died(ms(1000), WebTransport, false);
        ladder.won(WebSocket);
        assert!(!ladder.may_climb(ms(60_000), WebTransport));
        assert!(ladder.may_climb(ms(61_000), WebTransport));
        ladder.failed(ms(65_000), WebTransport, true);
        ladder.failed(ms(130_000), WebTransport, true);
        assert!(!ladder.may_climb(ms(300_000), WebTransport));
        assert!(ladder.may_climb(ms(366_000), WebTransport));
    }

    #[test]
    fn the_faster_websocket_goes_first_when_all_lanes_are_gone() {
        let mut ladder = Ladder::new(&BOTH, 7, ms(0));
        ladder.faster(ms(1000), WebSocket);
        assert_eq!(ladder.choose(ms(2000), &[]), Some(WebSocket));
        ladder.failed(ms(2000), WebSocket, false);
        assert_eq!(ladder.choose(ms(30_000), &[]), Some(WebTransport));
    }

    #[test]
    fn webtransport_is_risked_twice_in_five_minutes() {
        let mut ladder = Ladder::new(&BOTH, 7, ms(0));
        let mut tried = 0;
        let mut now = ms(0);
        while now < ms(290_000) {
            match ladder.choose(now, &[]) {
                Some(WebTransport) => {
                    tried += 1;
                    ladder.failed(now, WebTransport, false);
                }
                Some(WebSocket) => ladder.failed(now, WebSocket, false),
                None => now += ms(250),
            }
        }
        assert_eq!(tried, FAILURES_MAX);
    }

    #[test]
    fn back_off_grows_to_its_limit_and_starts_over_after_progress() {
        let mut ladder = Ladder::new(&[WebSocket], 7, ms(0));
        for _ in 0..20 {
            ladder.back_off(ms(0));
        }
        assert!(ladder.retry_at >= BACK_OFF_MAX / 2 && ladder.retry_at <= BACK_OFF_MAX * 3 / 2);
        ladder.progressed();
        ladder.back_off(ms(0));
        assert!(ladder.retry_at <= BACK_OFF_MIN * 3 / 2);
    }
}
