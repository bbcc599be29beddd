//! How many lanes: two at the start, one more as long as that raises the total goodput.
//!
//! An added lane is an experiment: measure, add, let it settle, measure again. It stays when the
//! total rose by [`GAIN_MIN`]; otherwise it goes, and the next experiment waits, each time longer.

use core::time::Duration;

const LANES_START: usize = 2;
/// How long a rate is measured.
const MEASURE: Duration = Duration::from_secs(2);
/// How long a new lane may take to get up to speed.
const SETTLE: Duration = Duration::from_secs(1);
/// An experiment succeeded when the rate rose to this multiple.
const GAIN_MIN: f64 = 1.08;
/// The first pause after a failed experiment.
const PAUSE_MIN: Duration = Duration::from_secs(20);
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// Decides how many lanes are wanted.
#[derive(Debug)]
pub(super) struct Scaler {
    wanted: usize,
    lanes_max: usize,
    step: Step,
    /// The measurement under way: since when, and how much had arrived then.
    since: Option<(Duration, u64)>,
    not_before: Duration,
    pause: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Measuring what the lanes give now.
    Baseline,
    /// A lane was added; it gave this before.
    Trying { before: f64 },
}

impl Scaler {
    pub(super) fn new(lanes_max: usize) -> Self {
        let lanes_max = lanes_max.max(1);
        Self {
            wanted: LANES_START.min(lanes_max),
            lanes_max,
            step: Step::Baseline,
            since: None,
            not_before: Duration::ZERO,
            pause: PAUSE_MIN,
        }
    }

    /// How many lanes there should be.
    pub(super) fn wanted(&self) -> usize {
        self.wanted
    }

    /// Whether an added lane has yet to show what it brings.
    pub(super) fn is_trying(&self) -> bool {
        matches!(self.step, Step::Trying { .. })
    }

    /// The relay takes no more than these.
    pub(super) fn limit(&mut self, lanes_max: usize) {
        self.lanes_max = self.lanes_max.min(lanes_max.max(1));
        self.wanted = self.wanted.min(self.lanes_max);
    }

    /// Lets time pass. `steady`: all wanted lanes are open and busy, and there is much left to
    /// send; only then a measurement means anything. `arrived`: bytes since the start.
    pub(super) fn tick(&mut self, now: Duration, steady: bool, arrived: u64) {
        if !steady {
            self.since = None;
            return;
        }
        let settle = if matches!(self.step, Step::Trying { .. }) {
            SETTLE
        } else {
            Duration::ZERO
        };
        let (since, before) = *self
            .since
            .get_or_insert((now.saturating_add(settle), arrived));
        if now <= since {
            self.since = Some((since, arrived));
            return;
        }
        let passed = now.saturating_sub(since);
        if passed < MEASURE {
            return;
        }
        self.since = None;
        if passed < MEASURE.saturating_mul(2) {
            let rate = arrived.saturating_sub(before) as f64 / passed.as_secs_f64();
            self.measured(now, rate);
        }
    }

    fn measured(&mut self, now: Duration, rate: f64) {
        match self.step {
            Step::Trying { before } if rate < before * GAIN_MIN => {
                self.wanted = self.wanted.saturating_sub(1).max(1);
                self.not_before = now.saturating_add(self.pause);
                self.pause = self.pause.saturating_mul(2).min(PAUSE_MAX);
                self.step = Step::Baseline;
            }
            Step::Trying { .. } | Step::Baseline => {
                let more = self.wanted < self.lanes_max && now >= self.not_before && rate > 0.0;
                self.step = if more {
                    Step::Trying { before: rate }
                } else {
                    Step::Baseline
                };
                self.wanted = self.wanted.saturating_add(usize::from(more));
            }
        }
    }

    /// The lanes changed by themselves: what was measured means nothing any more.
    pub(super) fn disturbed(&mut self) {
        if matches!(self.step, Step::Trying { .. }) {
            self.wanted = self.wanted.saturating_sub(1).max(1);
        }
        self.step = Step::Baseline;
        self.since = None;
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    /// Runs against a network that gives `rate(lanes)` bytes a second.
    fn settle(scaler: &mut Scaler, rate: impl Fn(usize) -> u64) -> usize {
        let mut arrived = 0;
        for tenth in 0..600 {
            arrived += rate(scaler.wanted()) / 10;
            scaler.tick(Duration::from_millis(tenth * 100), true, arrived);
        }
        scaler.wanted()
    }

    #[test]
    fn lanes_are_added_while_goodput_rises() {
        assert_eq!(
            settle(&mut Scaler::new(8), |lanes| 1_000_000 * lanes as u64),
            8
        );
        let limited = |lanes: usize| 1_000_000 * lanes.min(4) as u64;
        assert_eq!(settle(&mut Scaler::new(8), limited), 4);
    }

    #[test]
    fn a_lane_that_brings_nothing_goes() {
        assert_eq!(settle(&mut Scaler::new(8), |_| 1_000_000), 2);
    }

    #[test]
    fn limits_hold() {
        assert_eq!(Scaler::new(1).wanted(), 1);
        assert_eq!(
            settle(&mut Scaler::new(3), |lanes| 1_000_000 * lanes as u64),
            3
        );
    }
}
