//! What a person sees of a session.

use core::time::Duration;

use super::lanes::Lane;
use super::state::{Phase, Request};
use super::{ClientAction, ClientSession, Progress, UserEvent, UserState};
use crate::message::Role;

/// Progress is shown at most so often.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

impl ClientSession {
    pub(super) fn show(&mut self) {
        let state = match self.phase {
            Phase::Ended => return,
            Phase::Paused => UserState::Paused,
            Phase::Busy | Phase::Aborting { .. } => UserState::Waiting,
            Phase::Running if !self.has_ready_lane() && self.epoch.is_none() => {
                UserState::Connecting
            }
            Phase::Running if !self.has_ready_lane() || self.hold_until > self.now => {
                UserState::Waiting
            }
            Phase::Running if self.manifest_asked => UserState::Finishing,
            Phase::Running => UserState::Sending,
        };
        let changed = self.state != Some(state);
        if changed {
            self.state = Some(state);
            self.tell(UserEvent::State(state));
        }
        self.tell_transport();
        if changed || self.now.saturating_sub(self.progress_at) >= PROGRESS_EVERY {
            self.show_progress();
        }
    }

    pub(super) fn show_progress(&mut self) {
        let arriving: u64 = self
            .lanes
            .values()
            .map(|lane| lane.bytes_received(&self.files))
            .sum();
        let bytes = self
            .bytes_durable
            .saturating_add(arriving)
            .min(self.bytes_total);
        let bytes_done = self.meter.show(bytes);
        let progress = Progress {
            bytes_done,
            bytes_total: self.bytes_total,
            bytes_per_second: self.meter.bytes_per_second(),
            time_left: self
                .meter
                .time_left(self.bytes_total.saturating_sub(bytes_done)),
            transport: self.transport(),
            lanes: u32::try_from(self.ready_lanes().count()).unwrap_or(u32::MAX),
            files_done: self.files_done,
            files_total: self.files_total,
        };
        if progress != self.progress {
            self.progress = progress;
            self.progress_at = self.now;
            self.tell(UserEvent::Progress(progress));
        }
    }

    pub(super) fn tell(&mut self, event: UserEvent) {
        self.actions.push_back(ClientAction::Tell(event));
    }

    /// Whether it goes on: neither paused, nor waiting for a person, nor ending.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }

    /// Whether bytes are meant to flow.
    pub(super) fn is_sending(&self) -> bool {
        self.is_running()
            && self.hold_until <= self.now
            && self.has_ready_lane()
            && self.lanes.values().any(Lane::has_parts)
    }

    /// Whether it is the application's turn: to add files, or to seal the manifest.
    pub(super) fn waits_for_application(&self) -> bool {
        let idle =
            self.coming.is_empty() && self.active.is_empty() && self.create == Request::Answered;
        idle && (!self.no_more_files || (self.manifest_asked && self.manifest.is_none()))
    }

    /// Counts a file that was added.
    pub(super) fn count_file(&mut self, role: Role, body_bytes: u64) {
        if role == Role::Content {
            self.bytes_total = self.bytes_total.saturating_add(body_bytes);
            self.files_total = self.files_total.saturating_add(1);
        }
    }
}
