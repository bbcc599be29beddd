//! The relay of the simulation: the session's actions carried out on the modelled storage, each
//! after some time; a crash forgets whatever is under way.

use sealift_protocol::message::{RelayMessage, sha256};
use sealift_protocol::part_plan::PartPlan;
use sealift_protocol::session::{
    RelayAction, RelayPolicy, RelaySession, StorageAnswer, StorageError, StorageRequest, Ticket,
};
use sealift_protocol::{Code, Epoch, FileId, Pair, PartNumber};
use std::time::Duration;

use crate::storage::{Bug, Key, PART_BYTES, StoredFile, Write};
use crate::world::{Outcome, What, World, short};

impl World {
    pub(crate) fn start_relay(&mut self) {
        self.say(|| "relay starts".into());
        let policy = RelayPolicy {
            lanes_max: 8,
            files_max: 100,
        };
        let now = self.now + self.relay_skew;
        self.relay = Some(RelaySession::new(self.storage.snapshot(), policy, now));
    }

    pub(crate) fn crash(&mut self) -> Outcome {
        self.say(|| "relay crashes".into());
        self.counts.crashes += 1;
        self.generation += 1;
        self.relay = None;
        self.relay_wake = None;
        self.waiting.clear();
        for link in 0..self.links.len() {
            if self.links[link].relay_open {
                self.links[link].relay_open = false;
                self.links[link].up.clear();
                self.cut(link);
            }
        }
        let later = self.dice.between(10_000, 20_000_000);
        self.after_us(later, What::Restart);
        self.storage.crash(&mut self.dice)
    }

    pub(crate) fn relay_action(&mut self, action: RelayAction) -> Outcome {
        match action {
            RelayAction::Send { lane, message } => return self.tell(lane.0 as usize, &message),
            RelayAction::CloseLane { lane } => {
                let link = lane.0 as usize;
                self.links[link].relay_open = false;
                // After what was sent on it.
                let later = self.links[link].down_last;
                if later != Duration::MAX {
                    self.at(later + Duration::from_micros(1), What::ClientLoses(link));
                }
            }
            RelayAction::LaneReady { lane } => {
                let link = lane.0 as usize;
                self.links[link].held = false;
                self.expect_arrival(link);
            }
            RelayAction::Storage { ticket, request } => self.ask_storage(ticket, request),
        }
        Ok(())
    }

    pub(crate) fn tell(&mut self, link: usize, message: &RelayMessage) -> Outcome {
        self.say(|| {
            format!(
                "relay to client {} {:?}: {message:?}",
                self.links[link].client, self.links[link].lane
            )
        });
        match message {
            RelayMessage::Durable { file, part, .. } => self.storage.promise(*file, *part)?,
            RelayMessage::Welcome(welcome) => self.check_epoch(link, welcome.epoch)?,
            RelayMessage::FileCommitted { file } => {
                let stored = self.storage.records.files.get(file);
                if stored.is_some_and(|stored| !stored.committed) {
                    return Err("a file was called committed that is not".into());
                }
            }
            _ => {}
        }
        let known = &mut self.links[link];
        if known.down_last == Duration::MAX || !known.relay_open {
            return Ok(());
        }
        let at = known
            .down_last
            .max(self.now + Duration::from_micros(known.latency));
        known.down_last = at;
        self.at(at, What::Told(link, message.encode()));
        Ok(())
    }

    /// An epoch belongs to one client, and an older one never comes back (rule L5).
    pub(crate) fn check_epoch(&mut self, link: usize, epoch: Epoch) -> Outcome {
        if self.storage.records.finished {
            // A finished package never changes, whoever looks at it.
            return Ok(());
        }
        if self.storage.records.created.is_none() {
            // Nothing is stored: an epoch that was only promised may be given anew.
            self.epochs.clear();
        }
        let id = self.client_ids[self.links[link].client];
        let newest = self.epochs.last_key_value().map(|(epoch, _)| *epoch);
        if newest.is_some_and(|newest| epoch < newest)
            || *self.epochs.entry(epoch).or_insert(id) != id
        {
            return Err(format!("{epoch:?} was given to a superseded client"));
        }
        Ok(())
    }

    // --- storage

    pub(crate) fn write(&mut self, key: Key, cell: u64, token: u64, pair: Option<Pair>) {
        let running = self.storage.running.entry(key).or_default();
        running.writes += 1;
        running.pairs.extend(pair);
        let late = self.goes_wrong(self.faults.late_write);
        let later = if late {
            self.dice.between(100_000, 8_000_000)
        } else {
            self.dice.between(50, 2000)
        };
        let lost = self.dice.chance(500);
        self.after_us(
            later,
            What::Lands(self.generation, Write { key, cell, token }, lost),
        );
    }

    pub(crate) fn lands(&mut self, write: Write, lost: bool) -> Outcome {
        let running = self.storage.running.get(&write.key);
        let cancelled = running.is_some_and(|running| running.cancelled);
        if !(cancelled && lost) {
            self.storage.land(write)?;
        }
        if let Some(running) = self.storage.running.get_mut(&write.key) {
            running.writes -= 1;
        }
        let waiting = std::mem::take(&mut self.waiting);
        for (ticket, request) in waiting {
            self.ask_storage(ticket, request);
        }
        Ok(())
    }

    pub(crate) fn answer(&mut self, ticket: Ticket, result: Result<StorageAnswer, StorageError>) {
        let later = self.dice.between(10, 500);
        self.after_us(later, What::Answered(self.generation, ticket, result));
    }

    /// Storage begins to work on a request; the two that wait for writes wait for them first.
    pub(crate) fn ask_storage(&mut self, ticket: Ticket, request: StorageRequest) {
        let key = match &request {
            StorageRequest::MakeDurable {
                file,
                part,
                epoch,
                attempt,
            }
            | StorageRequest::EndAttempt {
                file,
                part,
                epoch,
                attempt,
            } => Some((*file, *part, *epoch, *attempt)),
            _ => None,
        };
        let writes = key
            .and_then(|key| self.storage.running.get(&key))
            .map_or(0, |r| r.writes);
        let bug = self.storage.bug;
        match (&request, key) {
            (StorageRequest::EndAttempt { .. }, Some(key)) => {
                if let Some(running) = self.storage.running.get_mut(&key) {
                    running.cancelled = true;
                }
                if writes > 0 && bug != Bug::EndsAttemptsEarly {
                    return self.waiting.push((ticket, request));
                }
            }
            (StorageRequest::MakeDurable { file, .. }, Some(key)) => {
                if bug == Bug::AcknowledgesEarly {
                    return self.after_us(500, What::Recorded(self.generation, ticket, key));
                }
                if writes > 0 {
                    return self.waiting.push((ticket, request));
                }
                let cells = self.storage.dirty_of(*file);
                let ok = !self.goes_wrong(self.faults.sync);
                let later = self.dice.between(500, 30_000);
                return self.after_us(later, What::Synced(self.generation, ticket, key, cells, ok));
            }
            _ => {}
        }
        let later = self.dice.between(50, 5000);
        self.after_us(later, What::Stored(self.generation, ticket, request));
    }

    pub(crate) fn synced(
        &mut self,
        ticket: Ticket,
        key: Key,
        cells: &[(u64, u64)],
        ok: bool,
    ) -> Outcome {
        let poisoned = self
            .storage
            .running
            .get(&key)
            .is_some_and(|running| running.poisoned);
        if ok {
            self.storage.synced(key.0, cells);
        } else {
            self.storage.sync_failed(key.0);
        }
        if (!ok || poisoned) && self.storage.bug != Bug::IgnoresFailedSync {
            self.storage.running.remove(&key);
            self.answer(ticket, Err(StorageError::Code(Code::StorageFailed)));
            return Ok(());
        }
        let later = self.dice.between(100, 5000);
        self.after_us(later, What::Recorded(self.generation, ticket, key));
        Ok(())
    }

    pub(crate) fn recorded(&mut self, ticket: Ticket, key: Key) -> Outcome {
        let answer = if self.storage.record_durable(key)? {
            let pairs = &self.storage.records.files[&key.0].durable[&key.1].2;
            let pairs_sha256 = sealift_protocol::message::pairs_sha256(pairs);
            Ok(StorageAnswer::Durable { pairs_sha256 })
        } else {
            Err(StorageError::NotMine)
        };
        self.answer(ticket, answer);
        Ok(())
    }

    /// The moment at which a request takes effect in the records.
    pub(crate) fn stored(&mut self, ticket: Ticket, request: StorageRequest) -> Outcome {
        self.say(|| format!("storage: {ticket:?} {}", short(&request)));
        let may_fail = !matches!(
            request,
            StorageRequest::EndAttempt { .. } | StorageRequest::Abort
        );
        if may_fail && self.goes_wrong(self.faults.storage) {
            self.answer(ticket, Err(StorageError::Code(Code::StorageFull)));
            return Ok(());
        }
        let result = self.execute(request)?;
        self.answer(ticket, result);
        Ok(())
    }

    pub(crate) fn execute(
        &mut self,
        request: StorageRequest,
    ) -> Result<Result<StorageAnswer, StorageError>, String> {
        let records = &mut self.storage.records;
        let done = Ok(StorageAnswer::Done);
        Ok(match request {
            StorageRequest::ClaimEpoch { epoch, client_id } => {
                if self.storage.bug != Bug::ForgetsEpoch && Epoch(records.epoch.0 + 1) != epoch {
                    return Ok(Err(StorageError::NotMine));
                }
                (records.epoch, records.client) = (epoch, Some(client_id));
                done
            }
            StorageRequest::Create {
                create,
                epoch,
                client_id,
            } => {
                if records.created.is_some() {
                    return Err("a package was created twice".into());
                }
                records.created = Some((sha256(&create.keyring), sha256(&create.draft)));
                (records.epoch, records.client) = (epoch, Some(client_id));
                done
            }
            StorageRequest::AddFile { file, role, head } => {
                if records.files.contains_key(&file) {
                    return Err("a file was added twice".into());
                }
                let known = self
                    .clients
                    .iter()
                    .find_map(|client| client.sources.get(&file));
                let body = known.ok_or("a file from nowhere")?.body_bytes;
                let plan = PartPlan::from_record(body, PART_BYTES).map_err(|e| e.to_string())?;
                let head_sha256 = sha256(&head);
                let (durable, open, disk) = Default::default();
                let stored = StoredFile {
                    role,
                    head_sha256,
                    plan,
                    committed: false,
                    durable,
                    open,
                    disk,
                };
                records.files.insert(file, stored);
                Ok(StorageAnswer::FileAdded(self.storage.record(file)))
            }
            StorageRequest::OpenAttempt {
                file,
                part,
                epoch,
                attempt,
            } => {
                if epoch != records.epoch && self.storage.bug != Bug::ForgetsEpoch {
                    return Ok(Err(StorageError::NotMine));
                }
                let Some(stored) = records.files.get_mut(&file) else {
                    return Ok(Err(StorageError::NotMine));
                };
                let others = stored.open.iter().any(|(open, ..)| *open == part);
                if others {
                    return Err("two attempts of one part are open at once".into());
                }
                stored.open.insert((part, epoch, attempt));
                done
            }
            StorageRequest::EndAttempt {
                file,
                part,
                epoch,
                attempt,
            } => {
                if let Some(stored) = records.files.get_mut(&file) {
                    stored.open.remove(&(part, epoch, attempt));
                }
                if self.storage.bug != Bug::EndsAttemptsEarly {
                    self.storage.running.remove(&(file, part, epoch, attempt));
                }
                done
            }
            StorageRequest::ReadPairs { file, part } => {
                let durable = records
                    .files
                    .get(&file)
                    .and_then(|file| file.durable.get(&part));
                durable.map_or(Err(StorageError::NotMine), |(epoch, attempt, pairs)| {
                    Ok(StorageAnswer::Pairs {
                        epoch: *epoch,
                        attempt: *attempt,
                        pairs: pairs.clone(),
                    })
                })
            }
            StorageRequest::CommitFile { file } => return self.commit(file),
            StorageRequest::Finish { .. } => {
                if records.files.values().any(|file| !file.committed) {
                    return Err("a package was finished before its files".into());
                }
                records.finished = true;
                Ok(StorageAnswer::Finished { expires_at: 1 })
            }
            StorageRequest::Abort => {
                self.storage.forget_package();
                done
            }
            StorageRequest::MakeDurable { .. } => return Err("not here".into()),
        })
    }

    pub(crate) fn commit(
        &mut self,
        file: FileId,
    ) -> Result<Result<StorageAnswer, StorageError>, String> {
        let Some(stored) = self.storage.records.files.get(&file) else {
            return Ok(Err(StorageError::Code(Code::NotFound)));
        };
        let last = stored.plan.last();
        if last.0 > 0 && self.goes_wrong(self.faults.lost_part) {
            self.counts.lost_parts += 1;
            let lost = PartNumber(self.dice.between(0, u64::from(last.0) - 1) as u32);
            self.storage.lose(file, lost);
            return Ok(Err(StorageError::PartsLost(vec![lost])));
        }
        self.storage.check_file(file)?;
        if let Some(stored) = self.storage.records.files.get_mut(&file) {
            stored.committed = true;
        }
        Ok(Ok(StorageAnswer::Done))
    }
}
