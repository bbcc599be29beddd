//! The client's half of a session: which part goes over which lane, and when.
//!
//! What the caller does for it: open and close lanes ([`ClientAction::OpenLane`]), write
//! messages, read and seal parts ([`ClientAction::SendPart`]), and report what happened.
//! One event, [`UserEvent`], carries all that a person gets to see. It ends exactly once, with
//! `Finished`, `Failed`, `Cancelled` or `Superseded`; nothing is asked for afterwards but
//! closing lanes. Who cancels when the package is already complete is told `Finished`.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use core::time::Duration;

use crate::error::Code;
use crate::ids::{Attempt, ClientId, FileId, LaneId, OwnerToken, PackageId, Pair, PartNumber};
use crate::message::{ClientMessage, RelayMessage, Role, Transport};

mod choice;
mod deal;
mod ending;
mod files;
mod ladder;
mod lanes;
mod meter;
mod package;
mod parts;
mod scale;
mod scaler;
mod sealed;
mod show;
mod state;
mod stored;

pub use state::ClientSession;

/// What a client session needs to know from the start.
#[derive(Clone)]
pub struct ClientConfig {
    /// The package's id, drawn by the client.
    pub package: PackageId,
    /// The owner token, drawn by the client.
    pub owner_token: OwnerToken,
    /// Drawn by the client once per page or process.
    pub client_id: ClientId,
    /// Name and version of the program.
    pub client_version: String,
    /// The grant from the send link, if there is one.
    pub grant: Option<String>,
    /// The keyring's bytes.
    pub keyring: Vec<u8>,
    /// The sealed draft of title, note and tree.
    pub draft: Vec<u8>,
    /// Wanted lifetime of the package after it was sent, in seconds.
    pub expires_in_s: Option<u32>,
    /// Transports that may be used; the order does not matter.
    pub transports: Vec<Transport>,
    /// Most lanes; cut to [`crate::limits::CLIENT_LANES_MAX`]. One more is open while two transports
    /// are compared.
    pub lanes_max: usize,
    /// Any random number; spreads the back-off of many clients.
    pub jitter_seed: u64,
    /// Fail with [`Code::NetworkLost`] after so long without a lane or any progress while
    /// sending (neither paused nor waiting for the application); `None`: never.
    pub give_up_after: Option<Duration>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum ClientEvent {
    /// Nothing but the time.
    Wake,
    /// A sealed file is to be sent. Content files come in any number at any time before
    /// [`ClientEvent::NoMoreFiles`]; the manifest comes as the answer to
    /// [`ClientAction::SealManifest`].
    AddFile {
        /// Its id, drawn by the client.
        file: FileId,
        /// What it is for.
        role: Role,
        /// Its head.
        head: Vec<u8>,
        /// Exact length of its body, seal included.
        sealed_body_bytes: u64,
        /// For the manifest, which is sealed before it is added: the pairs of all its segments.
        /// With them a lost answer is settled here (rule C3). Empty for content.
        pairs: Vec<Pair>,
    },
    /// All content files were added.
    NoMoreFiles,
    /// A lane asked for is open.
    LaneOpened {
        /// The lane.
        lane: LaneId,
    },
    /// A lane could not be opened, or ended. Report its parts with
    /// [`ClientEvent::PartFailed`] before, where their pairs are known.
    LaneClosed {
        /// The lane.
        lane: LaneId,
        /// How.
        end: LaneEnd,
    },
    /// A message arrived.
    Message {
        /// The lane.
        lane: LaneId,
        /// The message.
        message: RelayMessage,
    },
    /// A whole part was sealed and handed to the transport.
    PartSealed {
        /// The lane.
        lane: LaneId,
        /// The file.
        file: FileId,
        /// The part.
        part: PartNumber,
        /// Which attempt.
        attempt: Attempt,
        /// The pairs of all its segments, in order.
        pairs: Vec<Pair>,
    },
    /// A part was not handed over whole.
    PartFailed {
        /// The lane.
        lane: LaneId,
        /// The file.
        file: FileId,
        /// The part.
        part: PartNumber,
        /// Which attempt.
        attempt: Attempt,
        /// Why.
        failure: PartFailure,
        /// The pairs of the segments that were sealed, from the part's first one on.
        pairs: Vec<Pair>,
    },
    /// The answer to [`ClientAction::VerifyPart`].
    PartVerified {
        /// The file.
        file: FileId,
        /// The part.
        part: PartNumber,
        /// One verdict for all its pairs. What becomes known of it is one verdict for all parts of
        /// the file that are in question.
        verdict: Verdict,
    },
    /// A person paused.
    Pause,
    /// A person resumed.
    Resume,
    /// A person cancelled: the package is deleted from the relay.
    Cancel,
    /// A person answered [`UserEvent::SessionBusy`] with yes (rule L5).
    TakeOver,
    /// The page was frozen or the computer slept: whatever lanes there were are dead.
    Thawed,
    /// The network is said to be there (again): try at once.
    Online,
    /// The network is said to be gone.
    Offline,
}

/// How a lane ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LaneEnd {
    /// It never opened.
    NotOpened,
    /// This transport does not exist here, or never will (no API, a proxy): do not try again.
    Unsupported,
    /// It was open and ended.
    Closed,
}

/// Why a part was not handed over whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PartFailure {
    /// Size, modification time or content is not what it was (rule C2).
    SourceChanged,
    /// The source cannot be read.
    SourceUnreadable,
    /// [`ClientAction::StopPart`] asked for it; a `CancelPart` was written if it had begun.
    Stopped,
    /// The lane failed.
    Lane,
    /// Sealing failed; a bug or no memory.
    Sealing,
}

/// Whether recorded pairs belong to the source as it is now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// All of them do.
    Same,
    /// At least one does not.
    Changed,
    /// The source cannot be read.
    Unreadable,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum ClientAction {
    /// Open a lane; answered by `LaneOpened` or `LaneClosed`. Lane ids are never used again.
    OpenLane {
        /// The lane's new id.
        lane: LaneId,
        /// How.
        transport: Transport,
    },
    /// Close a lane, or stop opening it. Report the pairs of its parts with
    /// [`ClientEvent::PartFailed`] and then [`ClientEvent::LaneClosed`] at once: these parts are
    /// not dealt again before, or a second later (rule C2).
    CloseLane {
        /// The lane.
        lane: LaneId,
    },
    /// Write a message. May be written between two data frames of a part.
    Send {
        /// The lane.
        lane: LaneId,
        /// The message.
        message: ClientMessage,
    },
    /// Seal and send a part, after the lane's earlier ones.
    SendPart(SendPart),
    /// Stop a part that was given to a lane, begun or not; answered by `PartFailed`.
    StopPart {
        /// The lane.
        lane: LaneId,
        /// The file.
        file: FileId,
        /// The part.
        part: PartNumber,
        /// Which attempt.
        attempt: Attempt,
    },
    /// Read a part of a content file and compare it with recorded pairs (rule C1); answered by
    /// `PartVerified`.
    VerifyPart {
        /// The file.
        file: FileId,
        /// The part.
        part: PartNumber,
        /// Where it lies in the body.
        offset: u64,
        /// Its length.
        length: u64,
        /// The recorded pairs of all its segments.
        pairs: Vec<Pair>,
    },
    /// All content is committed: seal the manifest, once, and add it.
    SealManifest,
    /// Show this.
    Tell(UserEvent),
}

/// A part for a lane: write [`SendPart::begin`] as a control frame, then the part's sealed bytes
/// in data frames.
#[derive(Clone, Debug)]
pub struct SendPart {
    /// The lane.
    pub lane: LaneId,
    /// The `BeginPart` message that goes before the data.
    pub begin: ClientMessage,
    /// The file.
    pub file: FileId,
    /// The part.
    pub part: PartNumber,
    /// Which attempt.
    pub attempt: Attempt,
    /// Where the part starts in the body.
    pub offset: u64,
    /// Its length, the seal included.
    pub length: u64,
    /// Whether it ends with the seal.
    pub is_last: bool,
    /// Pairs of earlier attempts, from the part's first segment on: check each with `matches`
    /// before the same segment is sealed again (rule C2).
    pub earlier: Vec<Pair>,
    /// Only for the last part: the pairs of all earlier parts in order, for the seal.
    pub file_pairs: Vec<Pair>,
}

/// What a person gets to see.
#[derive(Clone, Debug, PartialEq)]
pub enum UserEvent {
    /// The session's state changed.
    State(UserState),
    /// Another transport is in use, and why.
    Transport {
        /// The transport.
        transport: Transport,
        /// Why it changed: a short plain sentence.
        reason: &'static str,
    },
    /// How far it has come; at most about ten times a second.
    Progress(Progress),
    /// A file is whole on the relay.
    FileCommitted {
        /// The file.
        file: FileId,
        /// The attempt of the last part that is stored, as this session counts them: the seal
        /// that was made for it is the stored one. 0 when another client stored it.
        last_attempt: Attempt,
        /// The pairs of all segments in order. They determine the seal, whoever stored it.
        pairs: Vec<Pair>,
    },
    /// Another client is sending this package. A person may take over.
    SessionBusy,
    /// The end: the package is complete.
    Finished {
        /// When it will be deleted, in seconds since 1970.
        expires_at: u64,
    },
    /// The end: it did not work.
    Failed {
        /// Why.
        code: Code,
        /// The file it is about, if it is about one.
        file: Option<FileId>,
    },
    /// The end: as asked.
    Cancelled {
        /// The relay said that it has deleted the package, or it never heard of it. Otherwise it
        /// may still be there, until it expires.
        confirmed: bool,
    },
    /// The end: another client took over (rule L5).
    Superseded,
}

/// What the session is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UserState {
    /// Opening the first lane.
    Connecting,
    /// Sending.
    Sending,
    /// Paused by a person.
    Paused,
    /// No lane at the moment, or the relay asked to wait: it goes on by itself.
    Waiting,
    /// All content is stored; the manifest and the completion are left.
    Finishing,
}

/// How far an upload has come.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Sealed bytes of content that arrived. Never goes back.
    pub bytes_done: u64,
    /// Sealed bytes of content in all the files added so far.
    pub bytes_total: u64,
    /// Smoothed rate.
    pub bytes_per_second: u64,
    /// Smoothed estimate.
    pub time_left: Option<Duration>,
    /// The transport in use.
    pub transport: Option<Transport>,
    /// Open lanes.
    pub lanes: u32,
    /// Content files that are whole on the relay.
    pub files_done: u32,
    /// Content files added so far.
    pub files_total: u32,
}
