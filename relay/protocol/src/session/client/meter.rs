//! Progress as a person sees it: it never goes back, and its rate and time left do not jump.

use core::time::Duration;

use crate::message::Transport;

/// How fast the rate follows: the weight of old samples falls to 37 % in this time.
const SMOOTHING: Duration = Duration::from_secs(5);
/// Samples are this long.
const SAMPLE: Duration = Duration::from_millis(500);
/// No estimate before so much was measured.
const WARM_UP: Duration = Duration::from_secs(2);

/// Measures what arrives.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// Bytes that the relay received, sent again or not.
    arrived: u64,
    /// Of these, the ones that came over WebTransport.
    by_webtransport: u64,
    sampled: u64,
    sampled_at: Duration,
    measured: Duration,
    bytes_per_second: f64,
    shown: u64,
}

impl Meter {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            sampled_at: now,
            ..Self::default()
        }
    }

    /// More bytes arrived.
    pub(super) fn add(&mut self, transport: Transport, bytes: u64) {
        self.arrived = self.arrived.saturating_add(bytes);
        if transport == Transport::WebTransport {
            self.by_webtransport = self.by_webtransport.saturating_add(bytes);
        }
    }

    /// Bytes that arrived since the start.
    pub(super) fn arrived(&self) -> u64 {
        self.arrived
    }

    /// Bytes that arrived over one transport since the start.
    pub(super) fn arrived_over(&self, transport: Transport) -> u64 {
        match transport {
            Transport::WebTransport => self.by_webtransport,
            Transport::WebSocket => self.arrived.saturating_sub(self.by_webtransport),
        }
    }

    /// Lets time pass. Time in which nothing was meant to be sent does not count.
    pub(super) fn tick(&mut self, now: Duration, sending: bool) {
        let passed = now.saturating_sub(self.sampled_at);
        if passed < SAMPLE && sending {
            return;
        }
        let fresh = self.arrived.saturating_sub(self.sampled);
        self.sampled = self.arrived;
        self.sampled_at = now;
        // A jump of the clock is no measurement.
        if !sending || passed > SMOOTHING {
            return;
        }
        let seconds = passed.as_secs_f64();
        let rate = fresh as f64 / seconds;
        // Until the window is full, all samples weigh the same: a quick and steady start.
        self.measured = self.measured.saturating_add(passed).min(SMOOTHING);
        let weight = (seconds / self.measured.as_secs_f64()).min(1.0);
        self.bytes_per_second += (rate - self.bytes_per_second) * weight;
    }

    /// When [`Meter::tick`] has something to do.
    pub(super) fn next_tick(&self) -> Duration {
        self.sampled_at.saturating_add(SAMPLE)
    }

    /// The number to show for so many bytes: never less than before.
    pub(super) fn show(&mut self, bytes_done: u64) -> u64 {
        self.shown = self.shown.max(bytes_done);
        self.shown
    }

    pub(super) fn bytes_per_second(&self) -> u64 {
        self.bytes_per_second as u64
    }

    pub(super) fn time_left(&self, bytes_left: u64) -> Option<Duration> {
        if bytes_left == 0 {
            return Some(Duration::ZERO);
        }
        let known = self.measured >= WARM_UP && self.bytes_per_second >= 1.0;
        let seconds = bytes_left as f64 / self.bytes_per_second.max(1.0);
        known.then(|| Duration::from_secs(seconds.ceil() as u64))
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    fn run(meter: &mut Meter, from_s: u64, to_s: u64, bytes_per_half: u64) {
        for half in from_s * 2 + 1..=to_s * 2 {
            meter.add(Transport::WebSocket, bytes_per_half);
            meter.tick(Duration::from_millis(half * 500), true);
        }
    }

    #[test]
    fn the_rate_is_smooth_and_follows() {
        let mut meter = Meter::new(Duration::ZERO);
        run(&mut meter, 0, 10, 500);
        assert_eq!(meter.bytes_per_second(), 1000);
        run(&mut meter, 10, 11, 0);
        assert!(
            (700..900).contains(&meter.bytes_per_second()),
            "{}",
            meter.bytes_per_second()
        );
        run(&mut meter, 11, 60, 2000);
        assert!((3900..=4000).contains(&meter.bytes_per_second()));
        assert_eq!(meter.time_left(8000), Some(Duration::from_secs(3)));
    }

    #[test]
    fn a_sleeping_computer_is_not_a_slow_network() {
        let mut meter = Meter::new(Duration::ZERO);
        run(&mut meter, 0, 10, 500);
        meter.tick(Duration::from_secs(7200), true);
        assert_eq!(meter.bytes_per_second(), 1000);
    }

    #[test]
    fn shown_progress_never_goes_back() {
        let mut meter = Meter::default();
        assert_eq!([5, 3, 9].map(|bytes| meter.show(bytes)), [5, 5, 9]);
    }
}
