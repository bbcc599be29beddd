//! Which transport carries the parts: the one that was measured to be faster.
//!
//! The race of [`super::ladder`] finds one that works, quickly. Which is better shows only when
//! bytes flow: on a fast line WebTransport is limited by one thread of the browser, on a lossy one
//! a WebSocket is by TCP. So, when enough is left for it to pay:
//!
//! ```text
//! watching ── measured, worth it ──> opening the other ── welcomed ──> trying it alone
//!    ^  ^                                  └── failed ──┐                 │
//!    │  └───────────────────────────────────────────────┴── not better ───┤
//!    └──────────── the other is preferred from now on <──── better ───────┘
//! ```
//!
//! Both are measured alone and with as many lanes, since side by side they would only show which
//! one pushes the other away. One lane of the preferred transport stays open meanwhile, so that
//! the way back is short. Nothing that was sent is sent again. After each trial the next one waits,
//! twice as long each time, and a transport must be better by [`GAIN_MIN`]: it does not flap.

use core::time::Duration;

use crate::limits::CLIENT_LANES_MAX;
use crate::message::Transport;

/// How long lanes may take to get up to speed before they are measured.
const SETTLE: Duration = Duration::from_millis(500);
/// How long the preferred transport is measured.
const MEASURE: Duration = Duration::from_secs(1);
/// How long the other one is, unless it shows sooner …
const MEASURE_OTHER: Duration = Duration::from_millis(1500);
/// … that it is much better or much worse.
const MEASURE_CLEAR: Duration = Duration::from_millis(600);
/// A longer measurement is begun again.
const WINDOW_MAX: Duration = Duration::from_secs(3);
const MUCH_BETTER: f64 = 1.6;
const MUCH_WORSE: f64 = 0.5;
/// The other transport is better when its rate is this multiple.
const GAIN_MIN: f64 = 1.15;
/// A trial is worth it when sending the rest would take so long as it is.
pub(super) const WORTH: Duration = Duration::from_secs(4);
/// A trial that could not be measured within this is given up.
const TRY_WITHIN: Duration = Duration::from_secs(60);
/// The first pause after a trial.
const PAUSE_MIN: Duration = Duration::from_secs(60);
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// Decides which transport gets the parts, and how many lanes each one has.
#[derive(Debug)]
pub(super) struct Choice {
    preferred: Option<Transport>,
    /// It was measured to be the better one, not just the one that worked.
    measured: bool,
    step: Step,
    not_before: Duration,
    /// How long the next trial waits after one …
    pause: Duration,
    /// … and after the preferred transport was left because it died.
    away: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Watching(Window),
    /// The first lane of the other transport is on its way; this is what the preferred one gave.
    Opening {
        other: Transport,
        before: f64,
    },
    Trying {
        other: Transport,
        before: f64,
        since: Duration,
        window: Window,
        /// What the window measures: the other transport alone, or beside what is still being sent.
        alone: bool,
    },
}

/// A measurement under way: since when, and how much had arrived then.
#[derive(Clone, Copy, Debug, Default)]
struct Window(Option<(Duration, u64)>);

/// What the choice is made from.
pub(super) struct Sight {
    pub(super) now: Duration,
    /// A lane of the transport that is being measured is busy.
    pub(super) busy: bool,
    /// All its lanes are there and busy, and nothing else is being sent.
    pub(super) alone: bool,
    /// Bytes that arrived over that transport since the start.
    pub(super) arrived: u64,
    /// Bytes that are left to send.
    pub(super) bytes_left: u64,
    /// The other transport, if trying it now is wise.
    pub(super) other: Option<Transport>,
}

/// What a step of the choice came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// Nothing changed.
    Open,
    /// The preferred transport is the better one.
    Stays,
    /// From now on the other one is preferred.
    Moves,
}

impl Window {
    /// Lets time pass; returns since when and how fast, after [`SETTLE`].
    fn measure(&mut self, now: Duration, counts: bool, arrived: u64) -> Option<(Duration, f64)> {
        if !counts {
            self.0 = None;
            return None;
        }
        let (since, before) = *self.0.get_or_insert((now.saturating_add(SETTLE), arrived));
        if now <= since {
            self.0 = Some((since, arrived));
            return None;
        }
        let passed = now.saturating_sub(since);
        if passed > WINDOW_MAX {
            // Nobody looked for a long time, or it has shown nothing.
            self.0 = None;
            return None;
        }
        let rate = arrived.saturating_sub(before) as f64 / passed.as_secs_f64();
        Some((passed, rate))
    }
}

impl Choice {
    pub(super) fn new() -> Self {
        Self {
            preferred: None,
            measured: false,
            step: Step::Watching(Window::default()),
            not_before: Duration::ZERO,
            pause: PAUSE_MIN,
            away: PAUSE_MIN,
        }
    }

    /// The transport that new lanes are opened by.
    pub(super) fn preferred(&self) -> Option<Transport> {
        self.preferred
    }

    /// Whether the preferred transport was measured to be the faster one.
    pub(super) fn is_measured(&self) -> bool {
        self.measured
    }

    /// Whether two transports are being compared.
    pub(super) fn is_comparing(&self) -> bool {
        !matches!(self.step, Step::Watching(_))
    }

    /// The transport that is being measured: at the moment, only its lanes get parts if two are
    /// being compared.
    pub(super) fn tried(&self) -> Option<Transport> {
        match self.step {
            Step::Trying { other, .. } => Some(other),
            Step::Watching(_) | Step::Opening { .. } => None,
        }
    }

    /// How many lanes a transport should have, when `wanted` are wanted in all. While two are
    /// compared there is one more than that: the one that keeps the way back open.
    pub(super) fn lanes(&self, transport: Transport, wanted: usize) -> usize {
        let is_preferred = self.preferred == Some(transport);
        match self.step {
            Step::Watching(_) if is_preferred => wanted,
            Step::Watching(_) => 0,
            Step::Opening { other, .. } if other == transport => 1,
            Step::Opening { .. } => wanted,
            Step::Trying { other, .. } if other == transport => {
                wanted.min(CLIENT_LANES_MAX.saturating_sub(1)).max(1)
            }
            Step::Trying { .. } => 1,
        }
    }

    /// A lane may be used.
    pub(super) fn welcomed(&mut self, now: Duration, transport: Transport) {
        if self.preferred.is_none() {
            self.preferred = Some(transport);
        }
        if let Step::Opening { other, before } = self.step
            && other == transport
        {
            let (since, window, alone) = (now, Window::default(), false);
            self.step = Step::Trying {
                other,
                before,
                since,
                window,
                alone,
            };
        }
    }

    /// A lane was lost, or did not open: a comparison that it was part of ends without a verdict.
    pub(super) fn disturbed(&mut self, now: Duration, transport: Transport) {
        match self.step {
            Step::Watching(_) => self.step = Step::Watching(Window::default()),
            // The preferred transport goes on as it can.
            Step::Opening { other, .. } if other != transport => {}
            Step::Opening { .. } | Step::Trying { .. } => self.rest(now),
        }
    }

    /// The preferred transport does not work any more, or another one has to do.
    pub(super) fn leave_for(&mut self, now: Duration, transport: Transport) {
        if self.preferred != Some(transport) {
            self.preferred = Some(transport);
            self.measured = false;
            self.step = Step::Watching(Window::default());
            self.not_before = now.saturating_add(self.away);
            self.away = self.away.saturating_mul(2).min(PAUSE_MAX);
        }
    }

    /// All lanes are gone: the next one that works is preferred.
    pub(super) fn start_over(&mut self, now: Duration) {
        if self.preferred.take().is_some() {
            self.measured = false;
            self.rest(now);
            // Where the network is another one, what was measured means little.
            self.not_before = now;
        }
    }

    /// Lets time pass.
    pub(super) fn tick(&mut self, sight: &Sight) -> Verdict {
        let (now, arrived) = (sight.now, sight.arrived);
        match &mut self.step {
            Step::Watching(window) => {
                let Some((passed, rate)) = window.measure(now, sight.alone, arrived) else {
                    return Verdict::Open;
                };
                if passed < MEASURE {
                    return Verdict::Open;
                }
                *window = Window::default();
                if let Some(other) = sight.other
                    && now >= self.not_before
                    && rate > 0.0
                    && sight.bytes_left as f64 >= rate * WORTH.as_secs_f64()
                {
                    let before = rate;
                    self.step = Step::Opening { other, before };
                }
                Verdict::Open
            }
            Step::Opening { .. } => Verdict::Open,
            Step::Trying {
                before,
                since,
                window,
                alone,
                ..
            } => {
                let (before, late) = (*before, now.saturating_sub(*since) >= TRY_WITHIN);
                if *alone != sight.alone {
                    (*window, *alone) = (Window::default(), sight.alone);
                }
                let verdict = window
                    .measure(now, sight.busy, arrived)
                    .and_then(|(passed, rate)| judge(passed, rate / before))
                    // Beside others it may be slower than alone, but not faster.
                    .filter(|better| *better || sight.alone);
                match verdict {
                    Some(better) => self.decide(now, better),
                    None if late => self.decide(now, false),
                    None => Verdict::Open,
                }
            }
        }
    }

    fn decide(&mut self, now: Duration, better: bool) -> Verdict {
        if let Step::Trying { other, .. } = self.step
            && better
        {
            self.preferred = Some(other);
        }
        self.measured = true;
        self.rest(now);
        if better {
            Verdict::Moves
        } else {
            Verdict::Stays
        }
    }

    /// No trial for a while, longer each time.
    fn rest(&mut self, now: Duration) {
        self.step = Step::Watching(Window::default());
        self.not_before = now.saturating_add(self.pause);
        self.pause = self.pause.saturating_mul(2).min(PAUSE_MAX);
    }
}

/// Whether the other transport is better, once that shows.
fn judge(passed: Duration, gain: f64) -> Option<bool> {
    if passed >= MEASURE_OTHER {
        return Some(gain >= GAIN_MIN);
    }
    let clear = passed >= MEASURE_CLEAR && !(MUCH_WORSE..MUCH_BETTER).contains(&gain);
    clear.then_some(gain >= MUCH_BETTER)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use Transport::{WebSocket, WebTransport};

    use super::*;

    /// Lets a choice run for so many seconds on a network that gives these rates, in bytes a
    /// second. Returns when it moved.
    fn run(choice: &mut Choice, seconds: u64, rate: impl Fn(Transport) -> u64) -> Vec<Duration> {
        let mut arrived = [0_u64; 2];
        let mut moves = Vec::new();
        for tick in 0..seconds * 20 {
            let now = Duration::from_millis(tick * 50);
            let measured = choice.tried().or(choice.preferred()).unwrap();
            let index = usize::from(measured == WebSocket);
            arrived[index] += rate(measured) / 20;
            let preferred = choice.preferred().unwrap();
            let other = if preferred == WebSocket {
                WebTransport
            } else {
                WebSocket
            };
            let verdict = choice.tick(&Sight {
                now,
                busy: true,
                alone: true,
                arrived: arrived[index],
                bytes_left: u64::MAX,
                other: Some(other),
            });
            if verdict == Verdict::Moves {
                moves.push(now);
            }
            if choice.is_comparing() && choice.tried().is_none() {
                choice.welcomed(now, other);
            }
        }
        moves
    }

    fn started() -> Choice {
        let mut choice = Choice::new();
        choice.welcomed(Duration::ZERO, WebTransport);
        choice
    }

    #[test]
    fn it_moves_once_to_the_better_transport_within_seconds() {
        let mut choice = started();
        let moves = run(&mut choice, 3600, |transport| match transport {
            WebTransport => 84_000_000,
            WebSocket => 217_000_000,
        });
        assert_eq!(choice.preferred(), Some(WebSocket));
        assert!(
            moves.len() == 1 && moves[0] < Duration::from_secs(4),
            "{moves:?}"
        );
    }

    #[test]
    fn it_stays_where_the_other_is_not_better_by_much() {
        for websocket in [100, 900, 1000, 1100] {
            let mut choice = started();
            let moves = run(&mut choice, 3600, |transport| match transport {
                WebTransport => 1_000_000,
                WebSocket => websocket * 1000,
            });
            assert!(moves.is_empty(), "{websocket}: {moves:?}");
        }
    }

    #[test]
    fn trials_become_rare() {
        let mut choice = started();
        let trials = core::cell::Cell::new(0_u64);
        run(&mut choice, 3600, |transport| {
            trials.set(trials.get() + u64::from(transport == WebSocket));
            100_000
        });
        // At most two seconds of twenty ticks each, 13 times in an hour.
        assert!(trials.get() <= 13 * 45, "{}", trials.get());
    }

    #[test]
    fn a_lost_lane_ends_a_comparison_without_a_verdict() {
        let mut choice = started();
        run(&mut choice, 3, |_| 1_000_000);
        let mut choice = started();
        choice.step = Step::Opening {
            other: WebSocket,
            before: 1.0,
        };
        choice.disturbed(Duration::ZERO, WebTransport);
        assert!(choice.is_comparing(), "the other may open yet");
        choice.disturbed(Duration::ZERO, WebSocket);
        assert!(!choice.is_comparing() && choice.preferred() == Some(WebTransport));
    }
}
