//! Trunks: a rate that all uploads of some users share. Bytes wait here before they count as arrived, in the order in
//! which they came, so that a lane that waits is simply not read.
//!
//! Storage cuts a part off that is silent for some seconds, so at a low rate not all parts can go on at once: as many
//! do as get a small piece each within [`ROUND`], and the others wait for one of these to end or to rest.
//!
//! Start with [`Trunks::seat`].

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use sealift_config::{Config, Live};
use tokio::time::{Instant, sleep_until};

/// How much of a rate that nobody used may be made up for at once.
const BURST: Duration = Duration::from_millis(100);
/// Every part that has begun passes something at least so often: half of what S3 waits for.
const ROUND: Duration = Duration::from_secs(5);
/// A part that passed nothing for so long leaves its place to another.
const REST: Duration = Duration::from_secs(5);
/// What passes at once: the rate of this time, but not less than [`PIECE_BYTES_MIN`].
const PIECE: Duration = Duration::from_millis(60);
const PIECE_BYTES_MIN: usize = 16 << 10;
/// How often a part that waits for a place asks, and how often one that waits for its turn looks at the configuration.
const ASK: Duration = Duration::from_millis(250);
/// Who did not ask for so long has gone.
const ASKED: Duration = Duration::from_secs(2);

/// All trunks, by name.
#[derive(Clone, Default)]
pub(crate) struct Trunks(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    trunks: HashMap<String, Trunk>,
    seats: u64,
}

/// One trunk while it is used.
struct Trunk {
    kbps: u32,
    /// When it is free again.
    free: Instant,
    /// Parts on their way, and when each passed something last.
    parts: HashMap<u64, Instant>,
    /// Parts that wait for a place, in order, and when each asked last.
    waiting: VecDeque<(u64, Instant)>,
}

/// A lane's place among the parts of its trunk. It ends with the part: dropped, it leaves the place to another.
pub(crate) struct Seat {
    trunks: Trunks,
    number: u64,
    trunk: Option<String>,
}

impl Trunks {
    /// For one part of one lane. It is taken when its first bytes pass.
    pub(crate) fn seat(&self) -> Seat {
        let mut known = self.known();
        known.seats += 1;
        Seat {
            trunks: self.clone(),
            number: known.seats,
            trunk: None,
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Waits until so many bytes of a user may pass. Users without a trunk do not wait. What waits for a trunk whose
    /// rate is changed does not wait for the old one.
    pub(crate) async fn turn(&mut self, config: &Live, user: Option<&str>, bytes: usize) {
        let mut promised: Option<((String, u32), Instant)> = None;
        loop {
            let Some(pace) = pace(&config.current(), user) else {
                return self.leave();
            };
            let now = Instant::now();
            if promised.as_ref().is_none_or(|(at, _)| *at != pace) {
                let passes = self.take(&pace.0, pace.1, bytes, now);
                promised = passes.map(|passes| (pace, passes));
            }
            match &promised {
                Some((_, passes)) if *passes <= now => return,
                Some((_, passes)) => sleep_until((*passes).min(now + ASK)).await,
                None => sleep_until(now + ASK).await,
            }
        }
    }

    /// Most bytes that may pass at once.
    pub(crate) fn piece_bytes(config: &Config, user: Option<&str>) -> usize {
        pace(config, user).map_or(usize::MAX, |(_, kbps)| piece_bytes(kbps))
    }

    /// Takes room for some bytes; says when they may pass. `None`: there is no place for another part just now.
    fn take(&mut self, name: &str, kbps: u32, bytes: usize, now: Instant) -> Option<Instant> {
        if self.trunk.as_deref() != Some(name) {
            self.leave();
            self.trunk = Some(name.to_owned());
        }
        let mut known = self.trunks.known();
        let fresh = || Trunk::new(kbps, now);
        let trunk = known.trunks.entry(name.to_owned()).or_insert_with(fresh);
        if trunk.kbps != kbps {
            // What was promised at another rate holds no more.
            (trunk.kbps, trunk.free) = (kbps, now);
        }
        trunk.take(self.number, bytes, now)
    }

    fn leave(&mut self) {
        if let Some(name) = self.trunk.take() {
            let mut known = self.trunks.known();
            if let Some(trunk) = known.trunks.get_mut(&name) {
                trunk.parts.remove(&self.number);
                trunk.waiting.retain(|(number, _)| *number != self.number);
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Trunk {
    fn new(kbps: u32, now: Instant) -> Self {
        Self {
            kbps,
            free: now,
            parts: HashMap::new(),
            waiting: VecDeque::new(),
        }
    }

    fn take(&mut self, part: u64, bytes: usize, now: Instant) -> Option<Instant> {
        self.parts.retain(|_, passed| now < *passed + REST);
        if !self.parts.contains_key(&part) {
            self.waiting.retain(|(_, asked)| now < *asked + ASKED);
            let place = match self.waiting.iter().position(|(number, _)| *number == part) {
                Some(place) => place,
                None => {
                    self.waiting.push_back((part, now));
                    self.waiting.len() - 1
                }
            };
            if self.parts.len() + place >= parts_max(self.kbps) {
                if let Some((_, asked)) = self.waiting.get_mut(place) {
                    *asked = now;
                }
                return None;
            }
            self.waiting.remove(place);
        }
        let microseconds = (bytes as u64).saturating_mul(8_000) / u64::from(self.kbps.max(1));
        let begin = self.free.max(now.checked_sub(BURST).unwrap_or(now));
        self.free = begin + Duration::from_micros(microseconds);
        let passes = begin.max(now);
        self.parts.insert(part, passes);
        Some(passes)
    }
}

/// The trunk of a user and its rate, if it holds.
fn pace(config: &Config, user: Option<&str>) -> Option<(String, u32)> {
    let name = config.users.get(user?)?.trunk.as_ref()?;
    let trunk = config.trunks.get(name).filter(|trunk| trunk.on)?;
    Some((name.clone(), trunk.capacity_kbps))
}

/// What passes at once.
fn piece_bytes(kbps: u32) -> usize {
    let bytes = u128::from(kbps) * PIECE.as_millis() / 8;
    usize::try_from(bytes)
        .unwrap_or(usize::MAX)
        .max(PIECE_BYTES_MIN)
}

/// How many parts may be on their way: each passes a piece within a round.
fn parts_max(kbps: u32) -> usize {
    let round = u128::from(kbps) * ROUND.as_millis() / 8;
    usize::try_from(round)
        .unwrap_or(usize::MAX)
        .checked_div(piece_bytes(kbps))
        .unwrap_or(1)
        .max(1)
}

/// Takes the next bytes off the front: at most so many.
pub(crate) fn cut(slices: &mut VecDeque<Bytes>, bytes_max: usize) -> Vec<Bytes> {
    let mut left = bytes_max;
    let mut piece = Vec::new();
    while let Some(first) = slices.front_mut() {
        if first.len() > left {
            if left > 0 {
                piece.push(first.split_to(left));
            }
            break;
        }
        left -= first.len();
        piece.extend(slices.pop_front());
    }
    piece
}

#[cfg(test)]
mod tests;
