//! One schedule: clients, lanes, a relay and its storage, in virtual time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use sealift_protocol::message::Role;
use sealift_protocol::session::{
    ClientAction, ClientEvent, LaneEnd, RelayEvent, RelaySession, StorageAnswer, StorageError,
    StorageRequest, Ticket, UserEvent,
};
use sealift_protocol::{ClientId, Epoch};

use crate::client::{Client, Source, Up};
use crate::dice::Dice;
use crate::network::Link;
use crate::storage::{Bug, Key, Storage, Write};

/// What may go wrong in a schedule, and how often.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// Lanes die, per mille and delivery.
    pub(crate) lane_death: u64,
    /// Lanes stand still, per mille and delivery.
    pub(crate) stall: u64,
    /// Requests arrive twice, per mille.
    pub(crate) duplicate: u64,
    /// Writes land late, per mille.
    pub(crate) late_write: u64,
    /// Storage refuses, per mille.
    pub(crate) storage: u64,
    /// Syncs fail, per mille.
    pub(crate) sync: u64,
    /// A commit finds a part lost, per mille.
    pub(crate) lost_part: u64,
    /// The relay dies and starts again: at these times.
    pub(crate) crashes: Vec<Duration>,
    /// UDP is cut at this time.
    pub(crate) udp_cut: Option<Duration>,
}

pub(crate) enum What {
    Wake(usize),
    /// A person does something to a client.
    Person(usize, Deed),
    LaneOpens(usize),
    LaneFails(usize),
    /// A lane's worker does one segment.
    Work(usize),
    /// Something arrives at the relay.
    Arrives(usize),
    /// Something arrives at the client.
    Told(usize, Vec<u8>),
    /// An end of a lane learns that it is dead.
    ClientLoses(usize),
    RelayLoses(usize),
    Duplicate(usize, Vec<u8>),
    RelayWake(u64),
    Crash,
    Restart,
    Lands(u64, Write, bool),
    /// A sync ends: its ticket, its part, the cells it covers, how it ends.
    Synced(u64, Ticket, Key, Vec<(u64, u64)>, bool),
    Recorded(u64, Ticket, Key),
    Stored(u64, Ticket, StorageRequest),
    Answered(u64, Ticket, Result<StorageAnswer, StorageError>),
    Verified(usize, ClientEvent),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed {
    Start,
    Pause,
    Resume,
    Cancel,
    TakeOver,
    Thaw,
    /// The source of a file changes.
    Change,
    /// The clock jumps.
    ClockJump(Duration),
    Offline,
    Online,
}

pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) now: Duration,
    pub(crate) queue: BinaryHeap<Reverse<(Duration, u64)>>,
    pub(crate) events: BTreeMap<u64, What>,
    pub(crate) sequence: u64,
    pub(crate) clients: Vec<Client>,
    pub(crate) client_ids: Vec<ClientId>,
    pub(crate) links: Vec<Link>,
    pub(crate) relay: Option<RelaySession>,
    pub(crate) relay_skew: Duration,
    pub(crate) generation: u64,
    pub(crate) relay_wake: Option<Duration>,
    pub(crate) storage: Storage,
    pub(crate) faults: Faults,
    pub(crate) calm_at: Duration,
    pub(crate) waiting: Vec<(Ticket, StorageRequest)>,
    /// Which client each epoch belongs to.
    pub(crate) epochs: BTreeMap<Epoch, ClientId>,
    pub(crate) counts: Counts,
    pub(crate) log: bool,
}

/// What a schedule came across.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) deaths: u64,
    pub(crate) crashes: u64,
    pub(crate) lost_parts: u64,
    pub(crate) verified: u64,
    pub(crate) held: u64,
    pub(crate) late_data: u64,
}

pub(crate) type Outcome = Result<(), String>;

impl World {
    pub(crate) fn new(seed: u64, bug: Bug, faults: Faults, calm_at: Duration, log: bool) -> Self {
        Self {
            dice: Dice::new(seed),
            now: Duration::ZERO,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            sequence: 0,
            clients: Vec::new(),
            client_ids: Vec::new(),
            links: Vec::new(),
            relay: None,
            relay_skew: Duration::from_secs(seed % 1000),
            generation: 0,
            relay_wake: None,
            storage: Storage::new(bug),
            faults,
            calm_at,
            waiting: Vec::new(),
            epochs: BTreeMap::new(),
            counts: Counts::default(),
            log,
        }
    }

    pub(crate) fn add_client(&mut self, client: Client, id: ClientId) -> usize {
        self.clients.push(client);
        self.client_ids.push(id);
        self.clients.len() - 1
    }

    pub(crate) fn at(&mut self, at: Duration, what: What) {
        self.sequence += 1;
        self.queue.push(Reverse((at.max(self.now), self.sequence)));
        self.events.insert(self.sequence, what);
    }

    pub(crate) fn after_us(&mut self, us: u64, what: What) {
        self.at(self.now + Duration::from_micros(us), what);
    }

    pub(crate) fn calm(&self) -> bool {
        self.now >= self.calm_at
    }

    pub(crate) fn goes_wrong(&mut self, per_mille: u64) -> bool {
        !self.calm() && self.dice.chance(per_mille)
    }

    pub(crate) fn say(&self, text: impl FnOnce() -> String) {
        if self.log {
            eprintln!("{:>12.6} {}", self.now.as_secs_f64(), text());
        }
    }

    /// Runs to the end.
    pub(crate) fn run(&mut self) -> Outcome {
        self.start_relay();
        for at in self.faults.crashes.clone() {
            self.at(at, What::Crash);
        }
        let mut events = 0;
        while let Some(Reverse((at, id))) = self.queue.pop() {
            let what = self.events.remove(&id).ok_or("an event was lost")?;
            self.now = at;
            self.happen(what)?;
            self.pump()?;
            if self.clients.iter().all(|client| client.outcome.is_some()) {
                return self.storage.check_promises();
            }
            events += 1;
            if events > 400_000 || self.now > Duration::from_secs(200_000) {
                return Err(format!("it does not end ({events} events, {:?})", self.now));
            }
        }
        Err("nothing is left to happen, and it has not ended".into())
    }

    pub(crate) fn happen(&mut self, what: What) -> Outcome {
        match what {
            What::Wake(client) => {
                self.clients[client].wake = None;
                self.client(client, ClientEvent::Wake);
            }
            What::Person(client, deed) => self.deed(client, deed),
            What::LaneOpens(link) => self.lane_opens(link),
            What::LaneFails(link) => self.client_loses(link, LaneEnd::NotOpened),
            What::Work(link) => self.work(link),
            What::Arrives(link) => return self.arrives(link),
            What::Told(link, bytes) => return self.told(link, &bytes),
            What::ClientLoses(link) => self.client_loses(link, LaneEnd::Closed),
            What::RelayLoses(link) => self.relay_loses(link),
            What::Duplicate(link, bytes) => self.duplicate(link, &bytes),
            What::RelayWake(generation) => {
                if generation == self.generation {
                    self.relay_wake = None;
                    self.relay_event(RelayEvent::Wake);
                }
            }
            What::Crash => return self.crash(),
            What::Restart if self.relay.is_some() => {}
            What::Restart => self.start_relay(),
            What::Verified(client, event) => self.client(client, event),
            What::Lands(generation, write, cancelled) if generation == self.generation => {
                return self.lands(write, cancelled);
            }
            What::Synced(generation, ticket, key, cells, ok) if generation == self.generation => {
                return self.synced(ticket, key, &cells, ok);
            }
            What::Recorded(generation, ticket, key) if generation == self.generation => {
                return self.recorded(ticket, key);
            }
            What::Stored(generation, ticket, request) if generation == self.generation => {
                return self.stored(ticket, request);
            }
            What::Answered(generation, ticket, result) if generation == self.generation => {
                self.relay_event(RelayEvent::Stored { ticket, result });
            }
            // Of a process that is dead.
            What::Lands(..)
            | What::Synced(..)
            | What::Recorded(..)
            | What::Stored(..)
            | What::Answered(..) => {}
        }
        Ok(())
    }

    // --- persons

    pub(crate) fn deed(&mut self, client: usize, deed: Deed) {
        self.say(|| format!("client {client}: {deed:?}"));
        let event = match deed {
            Deed::Start => {
                let now = self.now;
                return self.clients[client].add_files(now);
            }
            Deed::ClockJump(by) => {
                self.clients[client].skew += by;
                self.relay_skew += by / 3;
                ClientEvent::Wake
            }
            Deed::Change => {
                let count = self.clients[client].sources.len() as u64;
                let which = self.dice.between(0, count - 1) as usize;
                let source = self.clients[client]
                    .sources
                    .values_mut()
                    .nth(which)
                    .unwrap();
                if source.role == Role::Content {
                    source.version += 1;
                }
                return;
            }
            Deed::Pause => ClientEvent::Pause,
            Deed::Resume => ClientEvent::Resume,
            Deed::Cancel => ClientEvent::Cancel,
            Deed::TakeOver => ClientEvent::TakeOver,
            Deed::Thaw => ClientEvent::Thawed,
            Deed::Offline => ClientEvent::Offline,
            Deed::Online => ClientEvent::Online,
        };
        self.client(client, event);
    }

    pub(crate) fn client(&mut self, client: usize, event: ClientEvent) {
        let now = self.now;
        self.clients[client].handle(now, event);
    }

    pub(crate) fn relay_event(&mut self, event: RelayEvent) {
        let now = self.now + self.relay_skew;
        if let Some(relay) = &mut self.relay {
            relay.handle(now, event);
        }
    }

    /// Executes what the sessions ask for.
    pub(crate) fn pump(&mut self) -> Outcome {
        loop {
            let mut idle = true;
            for client in 0..self.clients.len() {
                while let Some(action) = self.clients[client].poll()? {
                    idle = false;
                    self.client_action(client, action)?;
                }
                self.schedule_wake(client);
                if std::mem::take(&mut self.clients[client].busy) {
                    let later = self.dice.between(1, 20_000_000);
                    let deed = if self.dice.chance(900) {
                        Deed::TakeOver
                    } else {
                        Deed::Cancel
                    };
                    self.after_us(later, What::Person(client, deed));
                }
            }
            while let Some(action) = self.relay.as_mut().and_then(RelaySession::poll) {
                idle = false;
                self.relay_action(action)?;
            }
            if idle {
                break;
            }
        }
        let wake = self.relay.as_ref().and_then(RelaySession::next_wake);
        if let Some(wake) = wake.map(|wake| wake.saturating_sub(self.relay_skew).max(self.now))
            && self.relay_wake.is_none_or(|known| wake < known)
        {
            self.relay_wake = Some(wake);
            self.at(wake, What::RelayWake(self.generation));
        }
        Ok(())
    }

    pub(crate) fn schedule_wake(&mut self, client: usize) {
        let known = &mut self.clients[client];
        let Some(wake) = known.session.next_wake() else {
            return;
        };
        let wake = wake.saturating_sub(known.skew).max(self.now);
        if known.wake.is_none_or(|at| wake < at) {
            known.wake = Some(wake);
            self.at(wake, What::Wake(client));
        }
    }

    pub(crate) fn client_action(&mut self, client: usize, action: ClientAction) -> Outcome {
        match action {
            ClientAction::OpenLane { lane, transport } => self.open(client, lane, transport),
            ClientAction::CloseLane { lane } => {
                if let Some(link) = self.link(client, lane) {
                    self.links[link].client_open = false;
                    // What the worker knew may come late, or never.
                    if self.dice.chance(500) {
                        for event in self.clients[client].bury(lane) {
                            self.client(client, event);
                        }
                    }
                    self.clients[client].workers.remove(&lane);
                    self.cut(link);
                }
            }
            ClientAction::Send { lane, message } => {
                self.say(|| format!("client {client} {lane:?}: {}", short(&message)));
                if let Some(link) = self.link(client, lane) {
                    self.push_up(link, vec![Up::Control(message.encode())]);
                }
            }
            ClientAction::StopPart {
                lane,
                file,
                part,
                attempt,
            } => {
                let stopped = self.clients[client].stop(lane, (file, part, attempt));
                if let Some((up, event)) = stopped {
                    if let Some(link) = self.link(client, lane) {
                        self.push_up(link, up);
                    }
                    self.client(client, event);
                }
            }
            ClientAction::VerifyPart {
                file,
                part,
                offset,
                pairs,
                ..
            } => {
                if self.clients[client].sources[&file].role == Role::Manifest {
                    return Err("C3: the manifest was to be read and compared".into());
                }
                self.counts.verified += 1;
                let verdict = self.clients[client].verify(file, offset, &pairs);
                let later = self.dice.between(100, 50_000);
                self.after_us(
                    later,
                    What::Verified(
                        client,
                        ClientEvent::PartVerified {
                            file,
                            part,
                            verdict,
                        },
                    ),
                );
            }
            ClientAction::SealManifest => {
                let manifest = Source::manifest(&mut self.dice);
                let (file, head) = (manifest.file, manifest.head());
                let sealed_body_bytes = manifest.body_bytes;
                let pairs = manifest.sealed.clone();
                self.clients[client].sources.insert(file, manifest);
                let event = ClientEvent::AddFile {
                    file,
                    role: Role::Manifest,
                    head,
                    sealed_body_bytes,
                    pairs,
                };
                self.after_us(20_000, What::Verified(client, event));
            }
            ClientAction::SendPart(_) | ClientAction::Tell(_) => return Err("not taken".into()),
        }
        self.start_workers(client);
        Ok(())
    }

    /// What a client says it finished is there.
    pub(crate) fn check_finished(&self) -> Outcome {
        let finished = |client: &Client| matches!(client.outcome, Some(UserEvent::Finished { .. }));
        for client in self.clients.iter().filter(|client| finished(client)) {
            if !self.storage.records.finished {
                return Err("a client finished, and the package did not".into());
            }
            for file in client.sources.keys() {
                self.storage.check_file(*file)?;
            }
        }
        Ok(())
    }
}

pub(crate) fn short(thing: &impl std::fmt::Debug) -> String {
    format!("{thing:?}").chars().take(120).collect()
}
