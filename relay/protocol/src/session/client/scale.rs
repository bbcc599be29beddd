//! How many lanes there are, by which transport: what [`super::scaler`] and [`super::choice`]
//! want, carried out.

use super::choice::{Sight, Verdict};
use super::lanes::{Lane, Stage};
use super::{ClientAction, ClientSession};
use crate::ids::LaneId;
use crate::limits::CLIENT_LANES_MAX;
use crate::message::Transport;

fn other_than(transport: Transport) -> Transport {
    match transport {
        Transport::WebTransport => Transport::WebSocket,
        Transport::WebSocket => Transport::WebTransport,
    }
}

impl ClientSession {
    /// Opens or closes lanes beside the first one, as the goodput wants it.
    pub(super) fn scale(&mut self) {
        let Some(preferred) = self.choice.preferred() else {
            return;
        };
        self.compare_transports(preferred);
        let wanted = self.scaler.wanted();
        let ready = self.ready_lanes().count();
        let steady = !self.choice.is_comparing() && self.is_steady(preferred, wanted);
        self.scaler.tick(
            self.now,
            steady && self.much_is_left(),
            self.meter.arrived(),
        );
        if self.choice.is_comparing() {
            return self.scale_for_comparison(preferred);
        }
        let wanted = self.scaler.wanted();
        let preferred = self.choice.preferred().unwrap_or(preferred);
        if ready > wanted {
            self.drain_one(preferred);
        } else if !self.all_is_dealt() {
            self.open_another_lane(preferred, wanted);
        }
    }

    /// Opens what a comparison of two transports needs, and lets go of what it does not.
    fn scale_for_comparison(&mut self, preferred: Transport) {
        let wanted = self.scaler.wanted();
        let all_max = wanted.saturating_add(1).min(CLIENT_LANES_MAX);
        let other = other_than(preferred);
        let have = self.count(other, |lane| lane.is_ready() || lane.is_new());
        if have < self.choice.lanes(other, wanted) && self.lanes.len() < all_max {
            if self.ladder.may_climb(self.now, other) {
                self.open_lane(other);
            } else if have == 0 {
                self.choice.disturbed(self.now, other);
            }
        }
        let ready = self.count(preferred, Lane::is_ready);
        if ready > self.choice.lanes(preferred, wanted) {
            self.drain_last(|lane| lane.transport == preferred);
        }
    }

    fn compare_transports(&mut self, preferred: Transport) {
        let wanted = self.scaler.wanted();
        let other = other_than(preferred);
        let measured = self.choice.tried().unwrap_or(preferred);
        let alone = match self.choice.tried() {
            None => self.is_steady(preferred, wanted) && !self.scaler.is_trying(),
            Some(tried) => self.is_tried_alone(tried, wanted),
        };
        let busy = self.count(measured, |lane| lane.is_ready() && lane.has_parts()) > 0;
        let verdict = self.choice.tick(&Sight {
            now: self.now,
            busy,
            alone,
            arrived: self.meter.arrived_over(measured),
            bytes_left: self.bytes_total.saturating_sub(self.bytes_durable),
            other: Some(other).filter(|other| self.ladder.may_climb(self.now, *other)),
        });
        if verdict != Verdict::Open {
            self.scaler.disturbed();
            if let Some(faster) = self.choice.preferred() {
                self.ladder.faster(self.now, faster);
            }
        }
    }

    /// All lanes are open, of one transport and busy: what arrives says how fast that is.
    fn is_steady(&self, transport: Transport, wanted: usize) -> bool {
        self.lanes.len() == wanted
            && self
                .lanes
                .values()
                .all(|lane| lane.transport == transport && lane.is_ready() && lane.has_parts())
    }

    /// The lanes of the transport on trial are open and busy, and the others have nothing to send.
    fn is_tried_alone(&self, tried: Transport, wanted: usize) -> bool {
        let target = self.choice.lanes(tried, wanted);
        let busy = self.count(tried, |lane| lane.is_ready() && lane.has_parts());
        let others = self.lanes.values().filter(|lane| lane.transport != tried);
        busy == target && others.map(Lane::unsealed_count).sum::<usize>() == 0
    }

    fn count(&self, transport: Transport, which: impl Fn(&Lane) -> bool) -> usize {
        let lanes = self.lanes.values();
        lanes
            .filter(|lane| lane.transport == transport && which(lane))
            .count()
    }

    fn open_another_lane(&mut self, preferred: Transport, wanted: usize) {
        let Some(transport) = self.ladder.choose_another(self.now, preferred) else {
            return;
        };
        let usable = |lane: &Lane| lane.is_ready() || lane.is_new();
        let all = self.lanes.values().filter(|lane| usable(lane)).count();
        // One lane more than wanted may be there while lanes of the preferred transport replace others.
        let (have, most) = if transport == preferred {
            (self.count(transport, usable), wanted.saturating_add(1))
        } else {
            (all, wanted)
        };
        if have < wanted && all < most {
            self.open_lane(transport);
        }
    }

    /// Lets a lane go: one of another transport, if there is one.
    fn drain_one(&mut self, preferred: Transport) {
        if !self.drain_last(|lane| lane.transport != preferred) {
            self.drain_last(|_| true);
        }
    }

    fn drain_last(&mut self, which: impl Fn(&Lane) -> bool) -> bool {
        let mut lanes = self.lanes.values_mut().rev();
        let Some(lane) = lanes.find(|lane| lane.is_ready() && which(lane)) else {
            return false;
        };
        lane.stage = Stage::Draining;
        true
    }

    pub(super) fn open_lane(&mut self, transport: Transport) {
        let lane = LaneId(self.next_lane);
        self.next_lane = self.next_lane.saturating_add(1);
        self.lanes.insert(lane, Lane::new(transport, self.now));
        self.actions
            .push_back(ClientAction::OpenLane { lane, transport });
    }
}
