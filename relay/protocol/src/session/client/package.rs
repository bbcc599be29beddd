//! The package's own requests, the way messages take, and refusals.

use core::time::Duration;

use super::files::File;
use super::state::{Phase, Request};
use super::{ClientAction, ClientSession, UserEvent};
use crate::error::Code;
use crate::ids::{FileId, LaneId};
use crate::message::{ClientMessage, RelayMessage};

impl ClientSession {
    pub(super) fn ask_for_package(&mut self) {
        let Some(lane) = self.asking_lane().filter(|_| self.create == Request::Open) else {
            return;
        };
        self.create = Request::Asked(lane);
        self.create_sent = true;
        let create = crate::message::Create {
            keyring: self.config.keyring.clone(),
            draft: self.config.draft.clone(),
            expires_in_s: self.config.expires_in_s,
        };
        self.send(lane, ClientMessage::Create(create));
    }

    pub(super) fn complete_package(&mut self) {
        let content_done = self.no_more_files && self.files_done == self.files_total;
        if content_done && !self.manifest_asked && self.create == Request::Answered {
            self.manifest_asked = true;
            self.actions.push_back(ClientAction::SealManifest);
        }
        let manifest = self
            .manifest
            .filter(|id| self.files.get(id).is_some_and(File::is_committed));
        if let (Some(manifest), Request::Open) = (manifest, self.finish)
            && let Some(lane) = self.asking_lane()
        {
            self.finish = Request::Asked(lane);
            self.finish_sent = true;
            self.send(lane, ClientMessage::Finish { manifest });
        }
    }

    pub(super) fn message(&mut self, lane: LaneId, message: RelayMessage) {
        if !self.lane_heard(lane) {
            return;
        }
        match message {
            RelayMessage::Welcome(welcome) => self.welcomed(lane, &welcome),
            RelayMessage::Created { keyring_sha256 } => self.created(keyring_sha256),
            RelayMessage::FileAdded {
                file,
                head_sha256,
                part_bytes,
                durable_count,
                committed,
                ..
            } => {
                self.file_added(file, head_sha256, part_bytes, durable_count, committed);
            }
            RelayMessage::Received {
                file,
                part,
                attempt,
                bytes,
            } => {
                self.part_received(lane, file, part, attempt, bytes);
            }
            RelayMessage::Durable {
                file,
                part,
                epoch,
                attempt,
                pairs_sha256,
            } => {
                self.part_durable(file, part, (epoch, attempt), pairs_sha256);
            }
            RelayMessage::StopPart {
                file,
                part,
                attempt,
                code,
            } => {
                self.part_stopped(lane, file, part, attempt, code.from_relay());
            }
            RelayMessage::Pairs(pairs) => self.pairs_told(lane, pairs),
            RelayMessage::PartLost { file, part } => self.part_lost(file, part),
            RelayMessage::FileCommitted { file } => self.file_committed(file),
            RelayMessage::Finished { expires_at } => self.finished(expires_at),
            RelayMessage::Aborted {} => self.aborted(true),
            RelayMessage::Superseded {} => self.end(UserEvent::Superseded),
            RelayMessage::Refused { code, about, .. } => {
                self.refused(lane, code.from_relay(), about);
            }
            RelayMessage::Draining {} => self.lane_drains(lane),
            RelayMessage::Pong {} => {}
        }
    }

    fn created(&mut self, keyring_sha256: crate::Sha256Hash) {
        if keyring_sha256 != crate::message::sha256(&self.config.keyring) {
            return self.fail(Code::StoredDiffers, None);
        }
        if self.create != Request::Answered {
            self.create = Request::Answered;
            self.progressed();
        }
    }

    pub(super) fn finished(&mut self, expires_at: u64) {
        let failing = matches!(
            self.phase,
            Phase::Aborting {
                outcome: UserEvent::Failed { .. },
                ..
            }
        );
        if self.finish_sent && !failing {
            self.meter.show(self.bytes_total);
            self.end(UserEvent::Finished { expires_at });
        }
    }

    fn refused(&mut self, lane: LaneId, code: Code, about: Option<FileId>) {
        if matches!(self.phase, Phase::Aborting { .. }) {
            if about.is_none() {
                self.abort_refused(lane, code);
            }
            return;
        }
        match code {
            Code::SessionBusy if self.epoch.is_some() => self.end(UserEvent::Superseded),
            Code::SessionBusy => self.busy(),
            Code::NotComplete => self.look_again(lane, about),
            _ if code.retryable() && self.refused_at_the_door(lane, code) => self.trouble = code,
            _ if code.retryable() => {
                self.forget_requests(lane);
                self.be_patient(code);
            }
            _ => self.fail(code, about),
        }
    }

    /// The relay cannot go on at the moment: wait, longer each time.
    pub(super) fn be_patient(&mut self, code: Code) {
        self.trouble = code;
        let seconds = 1_u64.checked_shl(self.holds).unwrap_or(u64::MAX).min(30);
        self.holds = self.holds.saturating_add(1).min(5);
        self.hold_until = self.now.saturating_add(Duration::from_secs(seconds));
    }

    fn busy(&mut self) {
        self.phase = Phase::Busy;
        self.close_all_lanes();
        self.tell(UserEvent::SessionBusy);
    }
}
