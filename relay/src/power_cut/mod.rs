//! Power cuts while packages arrive: docroot, records and the order of acknowledgements together, on a disk
//! that loses at random what was not synced. Whatever a client was told holds after every cut.

pub(crate) mod records;
#[path = "../../tests/support/sealed.rs"]
#[allow(dead_code, unreachable_pub)]
pub(crate) mod sealed;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sealift_config::{Live, Settings};
use sealift_docroot::simulated::{Plant, Random, SimulatedDisk};
use sealift_docroot::{Disk as _, Docroot};
use sealift_protocol::format::Role;
use sealift_protocol::message::{
    Capabilities, ClientMessage, Create, Hello, Negotiated, PROTOCOL_VERSION, PackageState,
    RelayMessage, Transport, sha256,
};
use sealift_protocol::{Attempt, ClientId, Epoch, FileId, PartNumber, message};
use tokio::sync::Notify;
use tokio::sync::mpsc::Receiver;

use crate::budget::Budget;
use crate::docroots::Docroots;
use crate::package::{Lane, Package};
use crate::power_cut::records::InMemory;
use crate::records::FileState;
use crate::store::Storage;
use sealed::{Sealed, SealedFile};

const CONTENT_FILES: usize = 3;
const LIVES: u64 = 8;

/// A client that remembers what it was told.
struct Sender {
    sealed: Sealed,
    /// The content files, then the manifest.
    files: Vec<SealedFile>,
    /// Every attempt is sealed anew, as in life.
    bodies: BTreeMap<(FileId, Attempt), Vec<u8>>,
    attempt: u32,
    created: bool,
    added: BTreeSet<FileId>,
    durable: BTreeMap<FileId, Attempt>,
    committed: BTreeSet<FileId>,
    finished: bool,
    /// Whether the manifest was announced in this life.
    manifest_added: bool,
}

impl Sender {
    fn new(seed: u64) -> Self {
        let mut sealed = Sealed::new(seed);
        let mut files: Vec<_> = (0..CONTENT_FILES)
            .map(|_| sealed.file(Role::File, 4096))
            .collect();
        files.push(sealed.file(Role::Manifest, 4096));
        Self {
            sealed,
            files,
            bodies: BTreeMap::new(),
            attempt: 0,
            created: false,
            added: BTreeSet::new(),
            durable: BTreeMap::new(),
            committed: BTreeSet::new(),
            finished: false,
            manifest_added: false,
        }
    }

    fn hello(&self) -> Hello {
        Hello {
            protocol_version: PROTOCOL_VERSION,
            protocol_version_min: PROTOCOL_VERSION,
            capabilities: Capabilities::OURS,
            client_version: String::new(),
            client_id: ClientId([1; 16]),
            package: self.sealed.package,
            owner_token: self.sealed.owner.clone(),
            grant: None,
            takeover: false,
            epoch: None,
            transport: Transport::WebSocket,
        }
    }

    fn add(&self, file: &SealedFile) -> ClientMessage {
        let role = if file.role == Role::Manifest {
            message::Role::Manifest
        } else {
            message::Role::Content
        };
        ClientMessage::AddFile {
            file: file.id,
            role,
            head: file.head.clone(),
        }
    }

    /// Sends the only part of a file, in slices of random length.
    async fn part(
        &mut self,
        lane: &mut Lane,
        epoch: Epoch,
        id: FileId,
        random: &mut Random,
    ) -> Option<()> {
        let file = self.files.iter().find(|file| file.id == id)?.clone();
        self.attempt += 1;
        let attempt = Attempt(self.attempt);
        let body = self.sealed.reseal(&file);
        let length = body.len() as u64;
        lane.message(ClientMessage::BeginPart {
            file: id,
            part: PartNumber(0),
            attempt,
            epoch,
            length,
        });
        let cut = 1 + random.below(length) as usize;
        let (budget, ended) = (Budget::new(0, 1, 1), Notify::new());
        for slice in body.chunks(cut) {
            let slices = vec![Bytes::copy_from_slice(slice)];
            lane.data(slices, &budget, &ended).await.ok()?;
        }
        self.bodies.insert((id, attempt), body);
        Some(())
    }

    /// Talks to the relay until the package is finished or nothing more comes.
    async fn talk(
        &mut self,
        lane: &mut Lane,
        inbox: &mut Receiver<RelayMessage>,
        random: &mut Random,
    ) -> Option<()> {
        let mut epoch = Epoch(0);
        loop {
            match inbox.recv().await? {
                RelayMessage::Welcome(welcome) => {
                    epoch = welcome.epoch;
                    self.manifest_added = false;
                    let (keyring, draft) = (self.sealed.keyring.clone(), self.sealed.draft.clone());
                    lane.message(ClientMessage::Create(Create {
                        keyring,
                        draft,
                        expires_in_s: None,
                    }));
                }
                RelayMessage::Created { .. } => {
                    self.created = true;
                    for file in &self.files[..CONTENT_FILES] {
                        lane.message(self.add(file));
                    }
                }
                RelayMessage::FileAdded {
                    file,
                    durable_count,
                    committed,
                    ..
                } => {
                    self.added.insert(file);
                    match (committed, durable_count) {
                        (true, _) => self.when_committed(lane, file),
                        (false, 1) => lane.message(ClientMessage::CommitFile { file }),
                        (false, _) => self.part(lane, epoch, file, random).await?,
                    }
                }
                RelayMessage::Durable { file, attempt, .. } => {
                    self.durable.insert(file, attempt);
                    lane.message(ClientMessage::CommitFile { file });
                }
                RelayMessage::FileCommitted { file, .. } => self.when_committed(lane, file),
                RelayMessage::Finished { .. } => {
                    self.finished = true;
                    return Some(());
                }
                RelayMessage::Received { .. } | RelayMessage::Pong {} => {}
                RelayMessage::Refused { .. } | RelayMessage::StopPart { .. } => return None,
                other => panic!("not expected here: {other:?}"),
            }
        }
    }

    fn when_committed(&mut self, lane: &mut Lane, file: FileId) {
        self.committed.insert(file);
        let manifest = &self.files[CONTENT_FILES];
        let content = &self.files[..CONTENT_FILES];
        if file == manifest.id {
            lane.message(ClientMessage::Finish { manifest: file });
        } else if !self.manifest_added
            && content.iter().all(|file| self.committed.contains(&file.id))
        {
            lane.message(self.add(manifest));
            self.manifest_added = true;
        }
    }

    /// Everything that this client was told must hold.
    async fn check(&self, storage: &Storage, disk: &SimulatedDisk) {
        let id = self.sealed.package;
        let known = storage.records.package(id).await.unwrap();
        assert!(
            known.is_some() || !self.created,
            "a created package is not known any more"
        );
        let Some(known) = known else { return };
        if self.created {
            assert_eq!(
                stored(disk, &id.to_string(), "keyring"),
                Some(self.sealed.keyring.clone()),
                "keyring"
            );
            assert_eq!(
                stored(disk, &id.to_string(), "draft"),
                Some(self.sealed.draft.clone()),
                "draft"
            );
        }
        for file in self
            .files
            .iter()
            .filter(|file| self.added.contains(&file.id))
        {
            assert!(
                known.files.iter().any(|f| f.id == file.id),
                "an added file is not known any more"
            );
            let head = stored(disk, &id.to_string(), &format!("{}.head", file.id));
            assert_eq!(head, Some(file.head.clone()), "head");
        }
        for (file, attempt) in &self.durable {
            let record = known
                .files
                .iter()
                .find(|f| f.id == *file)
                .expect("its record");
            let whole = record.state == FileState::Committed;
            assert!(
                whole || record.durable == [PartNumber(0)],
                "a durable part is not known any more"
            );
            assert!(
                whole || !self.committed.contains(file),
                "a committed file is not whole any more"
            );
            let leaf = if whole {
                format!("{file}.body")
            } else {
                format!("{file}.body.partial")
            };
            let bytes = stored(disk, &id.to_string(), &leaf);
            assert!(
                bytes.as_ref() == self.bodies.get(&(*file, *attempt)),
                "durable bytes are not there any more"
            );
            let body = bytes.unwrap();
            assert_eq!(
                record.seal.unwrap(),
                body[body.len() - 48..],
                "the recorded seal"
            );
        }
        assert!(
            !self.finished || known.state == PackageState::Finished,
            "a finished package is open again"
        );
    }
}

/// What the disk holds under a name.
fn stored(disk: &SimulatedDisk, folder: &str, leaf: &str) -> Option<Vec<u8>> {
    let file = disk.open(folder, leaf, false).ok()?;
    let mut bytes = vec![0; file.length_bytes().ok()? as usize];
    file.read_at(0, &mut bytes).ok()?;
    Some(bytes)
}

/// One life of a relay, from its start to its end or the power's.
async fn life(
    disk: &SimulatedDisk,
    records: &Arc<InMemory>,
    sender: &mut Sender,
    random: &mut Random,
    calls: u64,
) {
    let storage = Arc::new(Storage {
        docroots: Docroots::only(Docroot::on(Arc::new(disk.clone()), 0)),
        records: Arc::clone(records) as _,
        config: Live::new(Settings::default().into()),
        metrics: Arc::default(),
        trunks: Default::default(),
    });
    storage.recover(records.committing()).await;
    sender.check(&storage, disk).await;
    disk.cut_after(calls);
    let known = storage
        .records
        .package(sender.sealed.package)
        .await
        .ok()
        .flatten();
    let hello = sender.hello();
    let owner = sha256(&hello.owner_token.0);
    let package = Package::new(
        storage,
        sender.sealed.package,
        known.as_ref(),
        owner,
        None,
        false,
    );
    let negotiated = Negotiated::from_hello(&hello).unwrap();
    let (mut lane, mut inbox) = package.open(hello, negotiated).unwrap();
    let talk = sender.talk(&mut lane, &mut inbox, random);
    let _ = tokio::time::timeout(Duration::from_secs(10), talk).await;
}

/// Some lives of one relay, each but the last ended by a power cut. Panics when something told is not so.
fn schedule(seed: u64, plant: Plant, answer_first: bool) {
    let mut random = Random(seed);
    let disk = SimulatedDisk::new(seed, plant);
    let records = Arc::new(InMemory::new(disk.clone(), answer_first));
    let mut sender = Sender::new(seed);
    for lives_left in (0..LIVES).rev() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let calls = if lives_left == 0 {
            u64::MAX
        } else {
            1 + random.below(150)
        };
        runtime.block_on(life(&disk, &records, &mut sender, &mut random, calls));
        drop(runtime);
        disk.restart();
        records.restart();
    }
    assert!(sender.finished, "with the power on it must end well");
}

#[test]
fn s1_s5_s6_power_cuts_lose_nothing_that_a_client_was_told() {
    for seed in 0..1000 {
        let result = std::panic::catch_unwind(|| schedule(seed, Plant::Nothing, false));
        assert!(result.is_ok(), "seed {seed}");
    }
}

#[test]
fn power_cuts_catch_planted_bugs() {
    for (plant, answer_first) in [
        (Plant::NoSync, false),
        (Plant::NoFolderSync, false),
        (Plant::AnswerBeforeWrite, false),
        (Plant::Nothing, true),
    ] {
        let caught = (0..50)
            .any(|seed| std::panic::catch_unwind(|| schedule(seed, plant, answer_first)).is_err());
        assert!(caught, "not caught: {plant:?}, answer first {answer_first}");
    }
}
