//! Lanes of the simulation: latency, bandwidth, back-pressure, standing still, and death, of
//! which each end learns in its own time.

use std::collections::VecDeque;
use std::time::Duration;

use sealift_protocol::LaneId;
use sealift_protocol::message::{ClientMessage, Negotiated, RelayMessage, Transport};
use sealift_protocol::session::{ClientEvent, LaneEnd, RelayEvent, Route};

use crate::client::{Step, Up};
use crate::storage::{HALF, SEAL_CELL};
use crate::world::{Outcome, What, World};

const BUFFER: u64 = 2 << 20;

/// One lane between a client and the relay.
pub(crate) struct Link {
    pub(crate) client: usize,
    pub(crate) lane: LaneId,
    pub(crate) transport: Transport,
    pub(crate) latency: u64,
    /// Microseconds per KiB.
    pub(crate) slowness: u64,
    pub(crate) up: VecDeque<(Duration, Up)>,
    pub(crate) up_bytes: u64,
    pub(crate) up_last: Duration,
    pub(crate) down_last: Duration,
    pub(crate) client_open: bool,
    pub(crate) relay_open: bool,
    pub(crate) greeted: bool,
    pub(crate) held: bool,
    /// A piece of news that waits because the lane stands still.
    pub(crate) frozen_until: Duration,
    pub(crate) working: bool,
    pub(crate) arriving: bool,
}

impl World {
    pub(crate) fn link(&self, client: usize, lane: LaneId) -> Option<usize> {
        self.links
            .iter()
            .rposition(|l| l.client == client && l.lane == lane && l.client_open)
    }

    pub(crate) fn udp_works(&self) -> bool {
        self.faults.udp_cut.is_none_or(|at| self.now < at)
    }

    pub(crate) fn open(&mut self, client: usize, lane: LaneId, transport: Transport) {
        self.say(|| format!("client {client} {lane:?}: open {transport:?}"));
        let (far, slow) = (self.dice.chance(200), self.dice.chance(200));
        let latency = self.dice.between(100, if far { 200_000 } else { 20_000 });
        let slowness = self.dice.between(10, if slow { 3000 } else { 200 });
        self.links.push(Link {
            client,
            lane,
            transport,
            latency,
            slowness,
            up: VecDeque::new(),
            up_bytes: 0,
            up_last: self.now,
            down_last: self.now,
            client_open: true,
            relay_open: false,
            greeted: false,
            held: false,
            frozen_until: Duration::ZERO,
            working: false,
            arriving: false,
        });
        let link = self.links.len() - 1;
        let swallowed = transport == Transport::WebTransport && !self.udp_works();
        if swallowed {
            return self.after_us(4_000_000, What::LaneFails(link));
        }
        let death = self.faults.lane_death * 10;
        if self.goes_wrong(death) {
            let later = self.dice.between(1000, 4_000_000);
            return self.after_us(later, What::LaneFails(link));
        }
        self.after_us(latency * 3, What::LaneOpens(link));
    }

    pub(crate) fn lane_opens(&mut self, link: usize) {
        if !self.links[link].client_open {
            return;
        }
        if self.relay.is_none() {
            return self.client_loses(link, LaneEnd::NotOpened);
        }
        let (client, lane) = (self.links[link].client, self.links[link].lane);
        self.links[link].relay_open = true;
        self.clients[client]
            .workers
            .insert(lane, Default::default());
        self.client(client, ClientEvent::LaneOpened { lane });
    }

    pub(crate) fn client_loses(&mut self, link: usize, end: LaneEnd) {
        let (client, lane) = (self.links[link].client, self.links[link].lane);
        if !std::mem::replace(&mut self.links[link].client_open, false) {
            return;
        }
        for event in self.clients[client].bury(lane) {
            if self.dice.chance(600) {
                self.client(client, event);
            }
        }
        self.client(client, ClientEvent::LaneClosed { lane, end });
    }

    pub(crate) fn relay_loses(&mut self, link: usize) {
        if std::mem::replace(&mut self.links[link].relay_open, false) {
            self.relay_event(RelayEvent::LaneClosed {
                lane: LaneId(link as u32),
            });
        }
    }

    /// A lane breaks: each end learns it in its own time, and some of what was on its way still
    /// arrives.
    pub(crate) fn cut(&mut self, link: usize) {
        self.counts.deaths += 1;
        let known = &mut self.links[link];
        let keep = if known.up.is_empty() {
            0
        } else {
            self.dice.between(0, known.up.len() as u64)
        };
        known.up.truncate(keep as usize);
        if keep > 0 {
            self.counts.late_data += 1;
        }
        if known.client_open {
            let later = self.dice.between(0, 20_000_000);
            self.after_us(later, What::ClientLoses(link));
        }
        if self.links[link].relay_open {
            let later = self.dice.between(100_000, 20_000_000);
            self.after_us(later, What::RelayLoses(link));
        }
        self.links[link].down_last = Duration::MAX;
    }

    pub(crate) fn push_up(&mut self, link: usize, items: Vec<Up>) {
        for item in items {
            let known = &mut self.links[link];
            if known.down_last == Duration::MAX {
                return;
            }
            let length = item.length();
            let sent =
                known.up_last.max(self.now) + Duration::from_micros(length * known.slowness / 1024);
            known.up_last = sent;
            known.up_bytes += length;
            let arrival = sent + Duration::from_micros(known.latency);
            known.up.push_back((arrival, item));
        }
        self.expect_arrival(link);
    }

    pub(crate) fn expect_arrival(&mut self, link: usize) {
        let known = &mut self.links[link];
        if known.arriving || known.held {
            return;
        }
        if let Some((at, _)) = known.up.front() {
            known.arriving = true;
            let at = (*at).max(known.frozen_until);
            self.at(at, What::Arrives(link));
        }
    }

    pub(crate) fn start_workers(&mut self, client: usize) {
        for link in 0..self.links.len() {
            if self.links[link].client == client && self.links[link].client_open {
                self.start_worker(link);
            }
        }
    }

    pub(crate) fn start_worker(&mut self, link: usize) {
        let known = &mut self.links[link];
        if !known.working && known.client_open && known.up_bytes < BUFFER {
            known.working = true;
            let later = self.dice.between(50, 3000);
            self.after_us(later, What::Work(link));
        }
    }

    pub(crate) fn work(&mut self, link: usize) {
        self.links[link].working = false;
        let (client, lane, open) = (
            self.links[link].client,
            self.links[link].lane,
            self.links[link].client_open,
        );
        if !open {
            return;
        }
        match self.clients[client].step(lane, &mut self.dice) {
            Step::Idle => {}
            Step::Sent(up) => {
                self.push_up(link, up);
                self.start_worker(link);
            }
            Step::Ended(up, event) => {
                self.push_up(link, up);
                self.client(client, event);
                self.start_worker(link);
            }
        }
    }

    pub(crate) fn arrives(&mut self, link: usize) -> Outcome {
        self.links[link].arriving = false;
        let cut_off = self.links[link].transport == Transport::WebTransport && !self.udp_works();
        if self.links[link].down_last != Duration::MAX {
            if cut_off {
                self.links[link].up.clear();
                self.cut(link);
                return Ok(());
            }
            if self.goes_wrong(self.faults.lane_death) {
                self.cut(link);
            } else if self.goes_wrong(self.faults.stall) {
                let later = self.dice.between(100_000, 15_000_000);
                self.links[link].frozen_until = self.now + Duration::from_micros(later);
                self.expect_arrival(link);
                return Ok(());
            }
        }
        let Some((_, item)) = self.links[link].up.pop_front() else {
            return Ok(());
        };
        self.links[link].up_bytes -= item.length().min(self.links[link].up_bytes);
        if self.links[link].relay_open && self.relay.is_some() {
            self.receive(link, item)?;
        }
        self.expect_arrival(link);
        self.start_worker(link);
        Ok(())
    }

    pub(crate) fn receive(&mut self, link: usize, item: Up) -> Outcome {
        let lane = LaneId(link as u32);
        match item {
            Up::Control(bytes) => {
                let message = ClientMessage::decode(&bytes).map_err(|e| e.to_string())?;
                let greeted = std::mem::replace(&mut self.links[link].greeted, true);
                if let (ClientMessage::Hello(hello), false) = (&message, greeted) {
                    let negotiated = Negotiated::from_hello(hello).map_err(|c| c.to_string())?;
                    let hello = hello.clone();
                    self.relay_event(RelayEvent::LaneOpened {
                        lane,
                        hello,
                        negotiated,
                    });
                    return Ok(());
                }
                if self.goes_wrong(self.faults.duplicate) && may_repeat(&message) {
                    let later = self.dice.between(0, 5_000_000);
                    self.after_us(later, What::Duplicate(link, bytes));
                }
                self.relay_event(RelayEvent::Message { lane, message });
            }
            Up::Data {
                length,
                cell,
                token,
                pair,
            } => {
                let now = self.now + self.relay_skew;
                let Some(relay) = &mut self.relay else {
                    return Ok(());
                };
                match relay.data(now, lane, length as usize) {
                    Route::Discard => {}
                    Route::Violation => return Err("an honest client broke the protocol".into()),
                    Route::Hold => {
                        self.counts.held += 1;
                        let again = Up::Data {
                            length,
                            cell,
                            token,
                            pair,
                        };
                        self.links[link].held = true;
                        self.links[link].up.push_front((self.now, again));
                    }
                    Route::Write {
                        file,
                        part,
                        epoch,
                        attempt,
                        offset,
                    } => {
                        let is_seal = cell == SEAL_CELL;
                        if !is_seal && offset != cell * HALF {
                            return Err("data was routed to the wrong place".into());
                        }
                        self.write((file, part, epoch, attempt), cell, token, pair);
                    }
                }
            }
        }
        Ok(())
    }

    /// A request comes a second time, over another lane of the same client.
    pub(crate) fn duplicate(&mut self, link: usize, bytes: &[u8]) {
        let client = self.links[link].client;
        let other = self
            .links
            .iter()
            .rposition(|l| l.client == client && l.relay_open && l.greeted);
        if let (Some(other), Ok(message)) = (other, ClientMessage::decode(bytes)) {
            self.relay_event(RelayEvent::Message {
                lane: LaneId(other as u32),
                message,
            });
        }
    }

    pub(crate) fn told(&mut self, link: usize, bytes: &[u8]) -> Outcome {
        let known = &self.links[link];
        if !known.client_open || known.down_last == Duration::MAX {
            return Ok(());
        }
        if self.now < known.frozen_until {
            let at = known.frozen_until;
            self.at(at, What::Told(link, bytes.to_vec()));
            return Ok(());
        }
        let (client, lane) = (known.client, known.lane);
        let message = RelayMessage::decode(bytes).map_err(|e| e.to_string())?;
        self.client(client, ClientEvent::Message { lane, message });
        Ok(())
    }
}

fn may_repeat(message: &ClientMessage) -> bool {
    !matches!(
        message,
        ClientMessage::Hello(_)
            | ClientMessage::BeginPart { .. }
            | ClientMessage::CancelPart { .. }
            | ClientMessage::Abort {}
    )
}
