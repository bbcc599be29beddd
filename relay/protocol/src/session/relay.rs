//! The relay's half of a session: what may be stored, and when it may be called durable.
//!
//! One [`RelaySession`] per package. The caller authenticates a `Hello` (owner token, grant),
//! negotiates the version, loads the package's [`Snapshot`] when no session exists yet, and
//! reports the lane. From then on it feeds messages and the answers of storage, executes
//! [`RelayAction`]s, and asks [`RelaySession::data`] where each chunk of data belongs.
//!
//! What the caller must keep:
//! - Chunks routed to [`Route::Write`] are written in the order of their lane. The caller checks
//!   the segments' framing on the way and collects their pairs; a violation is reported as
//!   [`RelayEvent::AttemptFailed`].
//! - [`StorageRequest::MakeDurable`] waits until every write of that attempt has ended, then
//!   syncs, then commits one conditional record with the pairs (rules S1, S6).
//! - [`StorageRequest::EndAttempt`] is answered only when the attempt's last write has ended;
//!   the session opens no newer attempt for the part before (rule S2).
//! - Requests are answered in any order, each exactly once. A request that fails changed nothing.
//! - When the process starts again, no write of an earlier process is alive any more (rule S4).

#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use crate::error::Code;
use crate::ids::{Attempt, ClientId, Epoch, FileId, LaneId, Pair, PartNumber, Sha256Hash};
use crate::message::{ClientMessage, Create, Hello, Negotiated, PackageState, RelayMessage, Role};

mod lanes;
mod package;
mod parts;
mod state;

pub use state::RelaySession;

/// What storage knows of a package when its session starts.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Whether it exists, and whether it is complete.
    pub state: PackageState,
    /// The recorded epoch; 0 before the first client.
    pub epoch: Epoch,
    /// The client that the epoch is bound to.
    pub client_id: Option<ClientId>,
    /// SHA-256 of the stored keyring, once created.
    pub keyring_sha256: Option<Sha256Hash>,
    /// SHA-256 of the stored draft, once created.
    pub draft_sha256: Option<Sha256Hash>,
    /// When it will be deleted, in seconds since 1970, once finished.
    pub expires_at: Option<u64>,
    /// Its files.
    pub files: Vec<FileRecord>,
}

/// What storage knows of a file.
#[derive(Clone, Debug)]
pub struct FileRecord {
    /// The file.
    pub file: FileId,
    /// What it is for.
    pub role: Role,
    /// SHA-256 of its head.
    pub head_sha256: Sha256Hash,
    /// Length of its body.
    pub body_bytes: u64,
    /// Length of its parts, as planned when it was added.
    pub part_bytes: u64,
    /// Whether it is committed.
    pub committed: bool,
    /// The durable parts; need not be listed once committed.
    pub durable: Vec<PartNumber>,
}

/// What the operator allows, and how often things are said.
#[derive(Clone, Copy, Debug)]
pub struct RelayPolicy {
    /// Most lanes of this package; cut to [`crate::limits::RELAY_LANES_MAX`].
    pub lanes_max: usize,
    /// Most files of this package; cut to [`crate::limits::FILES_MAX`].
    pub files_max: usize,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum RelayEvent {
    /// Nothing but the time.
    Wake,
    /// A lane said hello, and the caller found it authorised.
    LaneOpened {
        /// The lane; an id that this session has not seen.
        lane: LaneId,
        /// Its hello.
        hello: Hello,
        /// What was negotiated.
        negotiated: Negotiated,
    },
    /// A lane ended. Its unfinished part is ended too.
    LaneClosed {
        /// The lane.
        lane: LaneId,
    },
    /// A message arrived, in the order of its lane.
    Message {
        /// The lane.
        lane: LaneId,
        /// The message.
        message: ClientMessage,
    },
    /// Storage answered.
    Stored {
        /// The request.
        ticket: Ticket,
        /// Its answer.
        result: Result<StorageAnswer, StorageError>,
    },
    /// Data of an attempt was not sealed data, or could not be written.
    AttemptFailed {
        /// The file.
        file: FileId,
        /// The part.
        part: PartNumber,
        /// Its epoch.
        epoch: Epoch,
        /// Which attempt.
        attempt: Attempt,
        /// Why.
        code: Code,
    },
    /// The relay is stopping: nothing new is begun.
    Drain,
}

/// Names a request to storage until it is answered.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ticket(pub u64);

/// What to do.
#[derive(Clone, Debug)]
pub enum RelayAction {
    /// Write a message to a lane.
    Send {
        /// The lane.
        lane: LaneId,
        /// The message.
        message: RelayMessage,
    },
    /// Close a lane after what was sent on it. `LaneClosed` need not follow.
    CloseLane {
        /// The lane.
        lane: LaneId,
    },
    /// The lane's data may be offered to [`RelaySession::data`] again after [`Route::Hold`].
    LaneReady {
        /// The lane.
        lane: LaneId,
    },
    /// Ask storage; answered by [`RelayEvent::Stored`].
    Storage {
        /// Names the request.
        ticket: Ticket,
        /// The request.
        request: StorageRequest,
    },
}

/// Work for storage and records.
#[derive(Clone, Debug, PartialEq)]
pub enum StorageRequest {
    /// Bind the next epoch to a client, if the recorded epoch is still `epoch - 1` (rule L5).
    /// Asked only for a package that exists.
    ClaimEpoch {
        /// The new epoch.
        epoch: Epoch,
        /// The client.
        client_id: ClientId,
    },
    /// Check and store the keyring and the draft, and create the package's record, bound to the
    /// client that sends it.
    Create {
        /// Keyring, draft and lifetime.
        create: Create,
        /// The client's epoch.
        epoch: Epoch,
        /// The client.
        client_id: ClientId,
    },
    /// Check and store a head, plan its parts, and create the file's record.
    AddFile {
        /// The file.
        file: FileId,
        /// What it is for.
        role: Role,
        /// Its head.
        head: Vec<u8>,
    },
    /// Record an attempt as open (rule S1). No data is routed to it before the answer.
    OpenAttempt {
        /// The file.
        file: FileId,
        /// The part.
        part: PartNumber,
        /// Its epoch.
        epoch: Epoch,
        /// Which attempt.
        attempt: Attempt,
    },
    /// All bytes of the attempt were routed: wait for its writes, sync, and record it durable if
    /// the epoch is still current, the attempt open and the part not durable (rules S1, S6).
    MakeDurable {
        /// The file.
        file: FileId,
        /// The part.
        part: PartNumber,
        /// Its epoch.
        epoch: Epoch,
        /// Which attempt.
        attempt: Attempt,
    },
    /// The attempt is over: cancel its writes, and answer when the last one has ended (S2).
    EndAttempt {
        /// The file.
        file: FileId,
        /// The part.
        part: PartNumber,
        /// Its epoch.
        epoch: Epoch,
        /// Which attempt.
        attempt: Attempt,
    },
    /// Look up a durable part's attempt and pairs; [`StorageError::NotMine`] if it is not durable
    /// (any more).
    ReadPairs {
        /// The file.
        file: FileId,
        /// The part.
        part: PartNumber,
    },
    /// All parts are durable: make the file whole (rule S5).
    CommitFile {
        /// The file.
        file: FileId,
    },
    /// All files are committed: make the package visible.
    Finish {
        /// The manifest.
        manifest: FileId,
    },
    /// Delete the package and everything in it, as soon as its writes have ended.
    Abort,
}

/// Storage's good answers, one for each kind of request.
#[derive(Clone, Debug)]
pub enum StorageAnswer {
    /// To `ClaimEpoch`, `Create`, `OpenAttempt`, `EndAttempt`, `CommitFile` and `Abort`.
    Done,
    /// To `AddFile`.
    FileAdded(FileRecord),
    /// To `MakeDurable`.
    Durable {
        /// SHA-256 of the recorded pairs.
        pairs_sha256: Sha256Hash,
    },
    /// To `ReadPairs`.
    Pairs {
        /// The epoch of the durable attempt.
        epoch: Epoch,
        /// The durable attempt.
        attempt: Attempt,
        /// Its pairs.
        pairs: Vec<Pair>,
    },
    /// To `Finish`.
    Finished {
        /// When it will be deleted, in seconds since 1970.
        expires_at: u64,
    },
}

/// Why storage did not do what it was asked.
///
/// [`Code::StorageFull`], [`Code::StorageFailed`], [`Code::RelayBusy`] and [`Code::Internal`]
/// make the client wait and send again; other codes end its session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StorageError {
    /// A condition did not hold: another epoch, the attempt is not open, the part not durable.
    NotMine,
    /// These parts are not what was recorded; they are not durable any more (rules S3, C3).
    PartsLost(Vec<PartNumber>),
    /// Policy, format, or storage itself.
    Code(Code),
}

/// Where a chunk of data belongs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Route {
    /// Write it.
    Write {
        /// The file.
        file: FileId,
        /// The part.
        part: PartNumber,
        /// The attempt's epoch.
        epoch: Epoch,
        /// Which attempt.
        attempt: Attempt,
        /// Where in the body.
        offset: u64,
    },
    /// Drop it: the attempt was stopped.
    Discard,
    /// Keep it, read no more from this lane, and ask again after [`RelayAction::LaneReady`].
    Hold,
    /// The client broke the protocol: close the lane.
    Violation,
}
