//! Pause, cancel and takeover, and how a session ends: once.

use core::time::Duration;

use super::state::{Phase, Request};
use super::{ClientSession, UserEvent};
use crate::error::Code;
use crate::ids::{FileId, LaneId};
use crate::message::ClientMessage;

/// How long the deletion of a cancelled or failed package may take before it is left to expire.
const ABORT_WITHIN: Duration = Duration::from_secs(10);

impl ClientSession {
    pub(super) fn pause(&mut self) {
        if matches!(self.phase, Phase::Running) {
            self.phase = Phase::Paused;
            self.close_all_lanes();
        }
    }

    pub(super) fn resume(&mut self) {
        if matches!(self.phase, Phase::Paused) {
            self.phase = Phase::Running;
            self.ladder.retry_now(self.now);
        }
    }

    pub(super) fn take_over(&mut self) {
        if matches!(self.phase, Phase::Busy) {
            self.phase = Phase::Running;
            self.takeover = true;
            self.ladder.retry_now(self.now);
        }
    }

    pub(super) fn cancel(&mut self) {
        match self.phase {
            // Another client's package is not ours to delete.
            Phase::Busy => self.end(UserEvent::Cancelled { confirmed: false }),
            Phase::Running | Phase::Paused => {
                let confirmed = !self.create_sent;
                self.abort(UserEvent::Cancelled { confirmed });
            }
            Phase::Aborting { .. } | Phase::Ended => {}
        }
    }

    pub(super) fn go_offline(&mut self) {
        // A browser may be wrong about it, so look again now and then.
        self.offline_until = Some(self.now.saturating_add(Duration::from_secs(30)));
    }

    /// Ends with an error; what was stored of the package is deleted where that is possible.
    pub(super) fn fail(&mut self, code: Code, file: Option<FileId>) {
        if matches!(self.phase, Phase::Aborting { .. } | Phase::Ended) {
            return;
        }
        let outcome = UserEvent::Failed { code, file };
        if self.create == Request::Answered && self.asking_lane().is_some() {
            self.abort(outcome);
        } else {
            self.end(outcome);
        }
    }

    fn abort(&mut self, outcome: UserEvent) {
        if matches!(self.phase, Phase::Ended | Phase::Aborting { .. }) {
            return;
        }
        if !self.create_sent {
            return self.end(outcome);
        }
        self.ladder.retry_now(self.now);
        self.stop_all_parts();
        let until = self.now.saturating_add(ABORT_WITHIN);
        self.phase = Phase::Aborting {
            outcome,
            asked: None,
            finished: false,
            until,
        };
    }

    /// The relay does not delete the package.
    pub(super) fn abort_refused(&mut self, lane: LaneId, code: Code) {
        let create_known = self.create == Request::Answered;
        let Phase::Aborting {
            outcome, finished, ..
        } = &mut self.phase
        else {
            return;
        };
        let cancelled = matches!(outcome, UserEvent::Cancelled { .. });
        match (code, self.manifest) {
            // It was complete before it could be cancelled: that is how it ends.
            (Code::AlreadyFinished, Some(manifest))
                if cancelled && self.finish_sent && !*finished =>
            {
                *finished = true;
                self.send(lane, ClientMessage::Finish { manifest });
            }
            // A request to create it may still be on its way when nobody answered one.
            (Code::NotFound, _) => self.aborted(create_known),
            _ if code.retryable() => {}
            _ => self.aborted(false),
        }
    }

    pub(super) fn go_on_aborting(&mut self) {
        self.tend_lanes();
        let Phase::Aborting { asked, until, .. } = &self.phase else {
            return;
        };
        let (asked, late) = (*asked, self.now >= *until);
        if late {
            return self.aborted(false);
        }
        if asked.is_none_or(|lane| !self.lanes.contains_key(&lane))
            && let Some(lane) = self.asking_lane()
        {
            self.send(lane, ClientMessage::Abort {});
            if let Phase::Aborting {
                asked, finished, ..
            } = &mut self.phase
            {
                (*asked, *finished) = (Some(lane), false);
            }
        }
    }

    /// The package was deleted, or that was given up.
    pub(super) fn aborted(&mut self, confirmed: bool) {
        match core::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Aborting {
                outcome: UserEvent::Cancelled { .. },
                ..
            } => self.end(UserEvent::Cancelled { confirmed }),
            Phase::Aborting { outcome, .. } => self.end(outcome),
            // Somebody with the owner token deleted the package.
            _ => self.end(UserEvent::Failed {
                code: Code::NotFound,
                file: None,
            }),
        }
    }

    /// The end, told once.
    pub(super) fn end(&mut self, outcome: UserEvent) {
        self.show_progress();
        self.phase = Phase::Ended;
        self.close_all_lanes();
        self.tell(outcome);
    }
}
