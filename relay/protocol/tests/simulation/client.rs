//! A simulated client: the session, the sources of its files, and a worker for each lane.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use sealift_protocol::message::{ClientMessage, Role, Transport};
use sealift_protocol::part_plan::body_bytes;
use sealift_protocol::session::{
    ClientAction, ClientConfig, ClientEvent, ClientSession, PartFailure, SendPart, UserEvent,
    Verdict,
};
use sealift_protocol::{
    Attempt, ClientId, FileId, LaneId, OwnerToken, PackageId, Pair, PartNumber,
};

use crate::dice::{Dice, cell, file_seal, matches, seal};
use crate::storage::{HALF, SEAL_CELL, SEGMENT};

/// A file as the person has it.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) file: FileId,
    pub(crate) role: Role,
    pub(crate) body_bytes: u64,
    /// Which content it has now.
    pub(crate) version: u32,
    /// Which content it had when it was added.
    pub(crate) added: u32,
    /// The manifest is sealed once; these are its pairs.
    pub(crate) sealed: Vec<Pair>,
}

impl Source {
    pub(crate) fn new(dice: &mut Dice, role: Role, padded_bytes: u64) -> Self {
        let body_bytes = body_bytes(padded_bytes).unwrap();
        Self {
            file: FileId(dice.bytes()),
            role,
            body_bytes,
            version: 0,
            added: 0,
            sealed: Vec::new(),
        }
    }

    pub(crate) fn manifest(dice: &mut Dice) -> Self {
        let mut manifest = Self::new(dice, Role::Manifest, 4096);
        manifest.sealed = vec![seal(dice, manifest.file, 0, 0)];
        manifest
    }

    pub(crate) fn head(&self) -> Vec<u8> {
        self.file.0.to_vec()
    }
}

/// Bytes on their way to the relay.
#[derive(Clone)]
pub(crate) enum Up {
    Control(Vec<u8>),
    /// One cell: its length, where it belongs and what it holds; with a segment's last cell
    /// comes its pair.
    Data {
        length: u64,
        cell: u64,
        token: u64,
        pair: Option<Pair>,
    },
}

impl Up {
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Control(bytes) => bytes.len() as u64 + 8,
            Self::Data { length, .. } => length + 8,
        }
    }
}

/// A part in a worker's hands.
struct Job {
    send: SendPart,
    pairs: Vec<Pair>,
    begun: bool,
}

/// Reads, seals and sends the parts of one lane.
#[derive(Default)]
pub(crate) struct Worker {
    jobs: VecDeque<Job>,
}

pub(crate) struct Client {
    pub(crate) session: ClientSession,
    /// What this client's clock shows beyond the true time.
    pub(crate) skew: Duration,
    pub(crate) sources: BTreeMap<FileId, Source>,
    pub(crate) workers: BTreeMap<LaneId, Worker>,
    pub(crate) outcome: Option<UserEvent>,
    pub(crate) busy: bool,
    /// When the next wake is due, by the true time.
    pub(crate) wake: Option<Duration>,
    pub(crate) transport: Option<Transport>,
    pub(crate) shown: u64,
}

pub(crate) fn config(
    client_id: ClientId,
    package: PackageId,
    jitter_seed: u64,
    transports: Vec<Transport>,
    give_up_after: Option<Duration>,
) -> ClientConfig {
    ClientConfig {
        package,
        owner_token: OwnerToken([1; 32]),
        client_id,
        client_version: "simulation".into(),
        grant: None,
        keyring: vec![1; 100],
        draft: vec![2; 100],
        expires_in_s: None,
        transports,
        lanes_max: 4,
        jitter_seed,
        give_up_after,
    }
}

/// What one step of a worker leads to.
pub(crate) enum Step {
    Idle,
    Sent(Vec<Up>),
    Ended(Vec<Up>, ClientEvent),
}

impl Client {
    pub(crate) fn add_files(&mut self, now: Duration) {
        let files: Vec<Source> = self.sources.values().cloned().collect();
        for source in files {
            let (file, role, head) = (source.file, source.role, source.head());
            let sealed_body_bytes = source.body_bytes;
            self.handle(
                now,
                ClientEvent::AddFile {
                    file,
                    role,
                    head,
                    sealed_body_bytes,
                    pairs: Vec::new(),
                },
            );
        }
        self.handle(now, ClientEvent::NoMoreFiles);
    }

    pub(crate) fn handle(&mut self, now: Duration, event: ClientEvent) {
        self.session.handle(now + self.skew, event);
    }

    /// Takes the actions that concern nobody but the client; returns the others.
    pub(crate) fn poll(&mut self) -> Result<Option<ClientAction>, String> {
        while let Some(action) = self.session.poll() {
            match action {
                ClientAction::Tell(event) => self.told(event)?,
                ClientAction::SendPart(send) => {
                    if self.outcome.is_some() {
                        return Err("a part was dealt after the end".into());
                    }
                    // A lane may have died since.
                    if let Some(worker) = self.workers.get_mut(&send.lane) {
                        worker.jobs.push_back(Job {
                            send,
                            pairs: Vec::new(),
                            begun: false,
                        });
                    }
                }
                other => return Ok(Some(other)),
            }
        }
        Ok(None)
    }

    fn told(&mut self, event: UserEvent) -> Result<(), String> {
        if let Some(outcome) = &self.outcome {
            return Err(format!("{event:?} was told after the end, {outcome:?}"));
        }
        match event {
            UserEvent::Progress(progress) => {
                if progress.bytes_done < self.shown {
                    return Err(format!(
                        "progress went back: {} to {}",
                        self.shown, progress.bytes_done
                    ));
                }
                if progress.bytes_done > progress.bytes_total {
                    return Err("progress passed its end".into());
                }
                self.shown = progress.bytes_done;
            }
            UserEvent::Transport { transport, .. } => self.transport = Some(transport),
            UserEvent::SessionBusy => self.busy = true,
            UserEvent::FileCommitted { file, pairs, .. } => {
                let source = &self.sources[&file];
                let of = |version| {
                    pairs
                        .iter()
                        .enumerate()
                        .all(|(i, p)| matches(p, file, i as u64, version))
                };
                if !of(source.added) {
                    return Err("a file was committed that is not the one that was added".into());
                }
            }
            UserEvent::State(_) => {}
            UserEvent::Finished { .. }
            | UserEvent::Failed { .. }
            | UserEvent::Cancelled { .. }
            | UserEvent::Superseded => self.outcome = Some(event),
        }
        Ok(())
    }

    /// Compares a part with recorded pairs, as [`ClientAction::VerifyPart`] asks.
    pub(crate) fn verify(&self, file: FileId, offset: u64, pairs: &[Pair]) -> Verdict {
        let version = self.sources[&file].version;
        let first = offset / SEGMENT;
        let same = |(i, pair): (usize, &Pair)| matches(pair, file, first + i as u64, version);
        if pairs.iter().enumerate().all(same) {
            Verdict::Same
        } else {
            Verdict::Changed
        }
    }

    /// A lane's worker stops a part.
    pub(crate) fn stop(
        &mut self,
        lane: LaneId,
        part: (FileId, PartNumber, Attempt),
    ) -> Option<(Vec<Up>, ClientEvent)> {
        let worker = self.workers.get_mut(&lane)?;
        let is = |job: &Job| (job.send.file, job.send.part, job.send.attempt) == part;
        let index = worker.jobs.iter().position(is)?;
        let job = worker.jobs.remove(index)?;
        Some(job.fail(lane, PartFailure::Stopped))
    }

    /// A lane has died: what its worker may still report.
    pub(crate) fn bury(&mut self, lane: LaneId) -> Vec<ClientEvent> {
        let worker = self.workers.remove(&lane).unwrap_or_default();
        worker
            .jobs
            .into_iter()
            .map(|job| job.fail(lane, PartFailure::Lane).1)
            .collect()
    }

    /// Reads and seals one segment.
    pub(crate) fn step(&mut self, lane: LaneId, dice: &mut Dice) -> Step {
        let Some(worker) = self.workers.get_mut(&lane) else {
            return Step::Idle;
        };
        let Some(job) = worker.jobs.front_mut() else {
            return Step::Idle;
        };
        let source = &self.sources[&job.send.file];
        let mut up = Vec::new();
        if !job.begun {
            job.begun = true;
            up.push(Up::Control(job.send.begin.encode()));
        }
        match job.seal_next(source, dice, &mut up) {
            Ok(false) => Step::Sent(up),
            Ok(true) => {
                let job = worker.jobs.pop_front().unwrap();
                Step::Ended(up, job.sealed(lane))
            }
            Err(failure) => {
                let job = worker.jobs.pop_front().unwrap();
                let (cancel, event) = job.fail(lane, failure);
                up.extend(cancel);
                Step::Ended(up, event)
            }
        }
    }
}

impl Job {
    /// Seals the next segment, or the file; `true` when the part is complete.
    fn seal_next(
        &mut self,
        source: &Source,
        dice: &mut Dice,
        up: &mut Vec<Up>,
    ) -> Result<bool, PartFailure> {
        let send = &self.send;
        let index = self.pairs.len();
        let segment = send.offset / SEGMENT + index as u64;
        let segments_end = send.offset + send.length - if send.is_last { 48 } else { 0 };
        let start = segment * SEGMENT;
        if start < segments_end {
            let earlier = send.earlier.get(index);
            if earlier.is_some_and(|pair| !matches(pair, send.file, segment, source.version)) {
                return Err(PartFailure::SourceChanged);
            }
            let pair = match source.sealed.get(segment as usize) {
                Some(sealed) => *sealed,
                None => seal(dice, send.file, segment, source.version),
            };
            self.pairs.push(pair);
            let end = segments_end.min(start + SEGMENT);
            push_cells(up, &pair, start, end);
            return Ok(end == segments_end && !send.is_last);
        }
        // Size and time are looked at before the seal.
        if source.version != source.added {
            return Err(PartFailure::SourceChanged);
        }
        let mut pairs = send.file_pairs.clone();
        pairs.extend(&self.pairs);
        let token = file_seal(send.file, &pairs);
        up.push(Up::Data {
            length: 48,
            cell: SEAL_CELL,
            token,
            pair: None,
        });
        Ok(true)
    }

    fn sealed(self, lane: LaneId) -> ClientEvent {
        let SendPart {
            file,
            part,
            attempt,
            ..
        } = self.send;
        ClientEvent::PartSealed {
            lane,
            file,
            part,
            attempt,
            pairs: self.pairs,
        }
    }

    fn fail(self, lane: LaneId, failure: PartFailure) -> (Vec<Up>, ClientEvent) {
        let SendPart {
            file,
            part,
            attempt,
            ..
        } = self.send;
        let cancel = ClientMessage::CancelPart {
            file,
            part,
            attempt,
        };
        let up = if self.begun {
            vec![Up::Control(cancel.encode())]
        } else {
            Vec::new()
        };
        (
            up,
            ClientEvent::PartFailed {
                lane,
                file,
                part,
                attempt,
                failure,
                pairs: self.pairs,
            },
        )
    }
}

fn push_cells(up: &mut Vec<Up>, pair: &Pair, start: u64, end: u64) {
    let middle = (start + HALF).min(end);
    let has_second = middle < end;
    let first_pair = (!has_second).then_some(*pair);
    up.push(Up::Data {
        length: middle - start,
        cell: start / HALF,
        token: cell(pair, 0),
        pair: first_pair,
    });
    if has_second {
        let token = cell(pair, 1);
        up.push(Up::Data {
            length: end - middle,
            cell: start / HALF + 1,
            token,
            pair: Some(*pair),
        });
    }
}
