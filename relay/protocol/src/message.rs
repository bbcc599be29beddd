//! What client and relay say to each other, on every transport alike.
//!
//! A message is one control frame: CBOR (RFC 8949), maps with numbered fields, so that a field
//! from a newer version is ignored and a missing optional one is `None`. A whole message of an
//! unknown kind is ignored by a client and refused by a relay.
//!
//! Every request may be repeated, on any lane, with the same effect as once (rule F3). Start
//! with [`ClientMessage`], which lists everything a client may say.

use core::fmt;

use minicbor::{Decode, Encode};

use crate::error::Code;
use crate::ids::{Attempt, ClientId, Epoch, FileId, OwnerToken, PackageId, PartNumber, Sha256Hash};
use crate::limits::{
    CONTROL_BYTES_MAX, DRAFT_BYTES_MAX, GRANT_BYTES_MAX, HEAD_BYTES_MAX, KEYRING_BYTES_MAX,
    PART_PAIRS_MAX, TEXT_BYTES_MAX,
};

mod pairs;
mod version;

pub use pairs::{Pairs, Stored, pairs_sha256, sha256};
pub use version::{Capabilities, Negotiated, PROTOCOL_VERSION, PROTOCOL_VERSION_MIN, SUB_PROTOCOL};

/// How a lane's bytes travel. Nothing but speed may depend on it.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, Hash, PartialEq)]
#[cbor(index_only)]
pub enum Transport {
    /// A WebTransport session with one bidirectional stream.
    #[n(0)]
    WebTransport,
    /// A WebSocket.
    #[n(1)]
    WebSocket,
}

/// What a sealed file is for.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, Hash, PartialEq)]
#[cbor(index_only)]
pub enum Role {
    /// A file or a pack.
    #[n(0)]
    Content,
    /// The sealed list of all files, added last and once.
    #[n(1)]
    Manifest,
}

/// Everything a client may say.
#[derive(Clone, Debug, Decode, Encode, PartialEq)]
#[cbor(map)]
#[allow(clippy::large_enum_variant)] // A message lives for one call.
pub enum ClientMessage {
    /// Always first on a lane, and only first.
    #[n(0)]
    Hello(#[n(0)] Hello),
    /// Creates the package. Same bytes, same answer; other bytes are a conflict.
    #[n(1)]
    Create(#[n(0)] Create),
    /// Announces a sealed file by its head. Same bytes, same answer; other bytes are a conflict.
    #[n(2)]
    AddFile {
        /// The file.
        #[n(0)]
        file: FileId,
        /// What it is for.
        #[n(1)]
        role: Role,
        /// Its head, immutable from now on.
        #[cbor(n(2), with = "minicbor::bytes")]
        head: Vec<u8>,
    },
    /// A part's data follows in this lane's data frames, `length` bytes in all.
    #[n(3)]
    BeginPart {
        /// The file.
        #[n(0)]
        file: FileId,
        /// The part.
        #[n(1)]
        part: PartNumber,
        /// Which attempt; higher than any before in this epoch.
        #[n(2)]
        attempt: Attempt,
        /// The sender's epoch, as [`Welcome`] gave it.
        #[n(3)]
        epoch: Epoch,
        /// Length of the part in bytes, as planned.
        #[n(4)]
        length: u64,
    },
    /// No more data of this part will follow on this lane.
    #[n(4)]
    CancelPart {
        /// The file.
        #[n(0)]
        file: FileId,
        /// The part.
        #[n(1)]
        part: PartNumber,
        /// Which attempt.
        #[n(2)]
        attempt: Attempt,
    },
    /// Asks whether a part is durable, and for its pairs if it is.
    #[n(5)]
    GetPairs {
        /// The file.
        #[n(0)]
        file: FileId,
        /// The part.
        #[n(1)]
        part: PartNumber,
    },
    /// All parts are durable: make the file whole.
    #[n(6)]
    CommitFile {
        /// The file.
        #[n(0)]
        file: FileId,
    },
    /// All files are committed: the package is complete.
    #[n(7)]
    Finish {
        /// The manifest's file id.
        #[n(0)]
        manifest: FileId,
    },
    /// Deletes the unfinished package and everything in it.
    #[n(8)]
    Abort {},
    /// Asks for a [`RelayMessage::Pong`].
    #[n(9)]
    Ping {},
}

/// Who speaks, and about which package.
#[derive(Clone, Decode, Encode)]
#[cbor(map)]
pub struct Hello {
    /// Newest protocol version that the client speaks.
    #[n(0)]
    pub protocol_version: u32,
    /// Oldest protocol version that the client speaks.
    #[n(1)]
    pub protocol_version_min: u32,
    /// What the client can do beyond the version.
    #[n(2)]
    pub capabilities: Capabilities,
    /// Name and version of the program, for the operator's statistics.
    #[n(3)]
    pub client_version: String,
    /// Which running client this is.
    #[n(4)]
    pub client_id: ClientId,
    /// The package.
    #[n(5)]
    pub package: PackageId,
    /// The right to send into it. At creation: the token that will be.
    #[n(6)]
    pub owner_token: OwnerToken,
    /// The right to create a package.
    #[n(7)]
    pub grant: Option<String>,
    /// A person wants to take the session over from another client (rule L5).
    #[n(8)]
    pub takeover: bool,
    /// The epoch this client had before, so that it learns when it was superseded meanwhile.
    #[n(9)]
    pub epoch: Option<Epoch>,
    /// How this lane travels.
    #[n(10)]
    pub transport: Transport,
}

/// A new package.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
#[cbor(map)]
pub struct Create {
    /// The keyring's bytes.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub keyring: Vec<u8>,
    /// Title, note and tree, sealed as a draft (rule C4).
    #[cbor(n(1), with = "minicbor::bytes")]
    pub draft: Vec<u8>,
    /// Wanted lifetime in seconds, counted from the finish; the relay may shorten it.
    #[n(2)]
    pub expires_in_s: Option<u32>,
}

/// Everything a relay may say.
#[derive(Clone, Debug, Decode, Encode, PartialEq)]
#[cbor(map)]
pub enum RelayMessage {
    /// The lane is open for use.
    #[n(0)]
    Welcome(#[n(0)] Welcome),
    /// The package exists.
    #[n(1)]
    Created {
        /// SHA-256 of the stored keyring; the client compares it with its own (rule F3).
        #[n(0)]
        keyring_sha256: Sha256Hash,
    },
    /// The file is known.
    #[n(2)]
    FileAdded {
        /// The file.
        #[n(0)]
        file: FileId,
        /// SHA-256 of the stored head; the client compares it with its own (rule F3).
        #[n(1)]
        head_sha256: Sha256Hash,
        /// Length of its parts; see [`crate::part_plan`].
        #[n(2)]
        part_bytes: u64,
        /// Number of its parts.
        #[n(3)]
        part_count: u32,
        /// How many of them are durable already.
        #[n(4)]
        durable_count: u32,
        /// Whether the file is committed already.
        #[n(5)]
        committed: bool,
    },
    /// So many bytes of an attempt arrived. Nothing is promised; for showing progress.
    #[n(3)]
    Received {
        /// The file.
        #[n(0)]
        file: FileId,
        /// The part.
        #[n(1)]
        part: PartNumber,
        /// Which attempt.
        #[n(2)]
        attempt: Attempt,
        /// Bytes of this attempt so far.
        #[n(3)]
        bytes: u64,
    },
    /// The part is stored for good.
    #[n(4)]
    Durable {
        /// The file.
        #[n(0)]
        file: FileId,
        /// The part.
        #[n(1)]
        part: PartNumber,
        /// The epoch of the attempt that is stored.
        #[n(2)]
        epoch: Epoch,
        /// The attempt that is stored.
        #[n(3)]
        attempt: Attempt,
        /// SHA-256 of its pairs; see [`pairs_sha256`].
        #[n(4)]
        pairs_sha256: Sha256Hash,
    },
    /// The relay ended an attempt: it discards the rest of its data.
    #[n(5)]
    StopPart {
        /// The file.
        #[n(0)]
        file: FileId,
        /// The part.
        #[n(1)]
        part: PartNumber,
        /// Which attempt.
        #[n(2)]
        attempt: Attempt,
        /// Why.
        #[n(3)]
        code: Code,
    },
    /// Answer to [`ClientMessage::GetPairs`].
    #[n(6)]
    Pairs(#[n(0)] Pairs),
    /// The storage found that a part is not what was recorded: it must be sent again, and with
    /// it the last part (rule C3).
    #[n(7)]
    PartLost {
        /// The file.
        #[n(0)]
        file: FileId,
        /// The part.
        #[n(1)]
        part: PartNumber,
    },
    /// The file is whole.
    #[n(8)]
    FileCommitted {
        /// The file.
        #[n(0)]
        file: FileId,
    },
    /// The package is complete and visible.
    #[n(9)]
    Finished {
        /// When it will be deleted, in seconds since 1970.
        #[n(0)]
        expires_at: u64,
    },
    /// The package was deleted, as asked.
    #[n(10)]
    Aborted {},
    /// Another client took the session over; this one must stop (rule L5).
    #[n(11)]
    Superseded {},
    /// A request, or the whole lane when `about` is `None`, was refused.
    #[n(12)]
    Refused {
        /// Why.
        #[n(0)]
        code: Code,
        /// The relay's own sentence; shown, never interpreted.
        #[n(1)]
        text: String,
        /// The file that the refused request was about.
        #[n(2)]
        about: Option<FileId>,
    },
    /// The relay is stopping: parts under way may end, no new ones.
    #[n(13)]
    Draining {},
    /// Answer to [`ClientMessage::Ping`].
    #[n(14)]
    Pong {},
}

/// The answer to [`Hello`].
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
#[cbor(map)]
pub struct Welcome {
    /// The version that both speak from now on.
    #[n(0)]
    pub protocol_version: u32,
    /// What both can do.
    #[n(1)]
    pub capabilities: Capabilities,
    /// The client's epoch.
    #[n(2)]
    pub epoch: Epoch,
    /// What the relay knows of the package.
    #[n(3)]
    pub state: PackageState,
    /// When it will be deleted, in seconds since 1970, once finished.
    #[n(4)]
    pub expires_at: Option<u64>,
    /// Most lanes that this package may have.
    #[n(5)]
    pub lanes_max: u32,
}

/// What a relay knows of a package.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, PartialEq)]
#[cbor(index_only)]
pub enum PackageState {
    /// Nothing: it can be created.
    #[n(0)]
    Absent,
    /// Created, and being sent.
    #[n(1)]
    Open,
    /// Complete. It never changes.
    #[n(2)]
    Finished,
}

/// Why bytes were not a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Not CBOR, not the right fields, or something behind the end.
    #[error("a control frame was not a message; the two sides speak different protocols")]
    Malformed,
    /// A kind of message from a newer version.
    #[error("a control frame held a message from a newer version")]
    UnknownKind,
    /// A field is longer than its limit.
    #[error("a field of a message is longer than allowed")]
    TooLong,
}

impl ClientMessage {
    /// Reads a control frame's payload.
    ///
    /// # Errors
    /// [`MessageError`] when it is not a message within the limits.
    pub fn decode(payload: &[u8]) -> Result<Self, MessageError> {
        let message: Self = decode(payload)?;
        let fits = match &message {
            Self::Hello(hello) => {
                hello.client_version.len() <= TEXT_BYTES_MAX
                    && hello
                        .grant
                        .as_ref()
                        .is_none_or(|g| g.len() <= GRANT_BYTES_MAX)
            }
            Self::Create(create) => {
                create.keyring.len() <= KEYRING_BYTES_MAX && create.draft.len() <= DRAFT_BYTES_MAX
            }
            Self::AddFile { head, .. } => head.len() <= HEAD_BYTES_MAX,
            _ => true,
        };
        if fits {
            Ok(message)
        } else {
            Err(MessageError::TooLong)
        }
    }

    /// Writes a control frame's payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }
}

impl RelayMessage {
    /// Reads a control frame's payload.
    ///
    /// # Errors
    /// [`MessageError`] when it is not a message within the limits. A client ignores
    /// [`MessageError::UnknownKind`].
    pub fn decode(payload: &[u8]) -> Result<Self, MessageError> {
        let message: Self = decode(payload)?;
        let fits = match &message {
            Self::Refused { text, .. } => text.len() <= TEXT_BYTES_MAX,
            Self::Pairs(pairs) => pairs.pairs.len() <= PART_PAIRS_MAX,
            _ => true,
        };
        if fits {
            Ok(message)
        } else {
            Err(MessageError::TooLong)
        }
    }

    /// Writes a control frame's payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// A refusal with the code's own sentence.
    #[must_use]
    pub fn refused(code: Code, about: Option<FileId>) -> Self {
        Self::Refused {
            code,
            text: code.sentence().to_owned(),
            about,
        }
    }
}

fn decode<'b, T: Decode<'b, ()>>(payload: &'b [u8]) -> Result<T, MessageError> {
    if payload.len() > CONTROL_BYTES_MAX {
        return Err(MessageError::TooLong);
    }
    let mut decoder = minicbor::Decoder::new(payload);
    let message = decoder.decode().map_err(|error| {
        if error.is_unknown_variant() {
            MessageError::UnknownKind
        } else {
            MessageError::Malformed
        }
    })?;
    if decoder.position() == payload.len() {
        Ok(message)
    } else {
        Err(MessageError::Malformed)
    }
}

fn encode<T: Encode<()>>(message: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    let mut encoder = minicbor::Encoder::new(&mut bytes);
    // Writing into a vector cannot fail, and no field's encoder refuses anything.
    let written = encoder.encode(message).is_ok();
    debug_assert!(written, "a message could not be encoded");
    bytes
}

impl PartialEq for Hello {
    fn eq(&self, other: &Self) -> bool {
        self.protocol_version == other.protocol_version
            && self.protocol_version_min == other.protocol_version_min
            && self.capabilities == other.capabilities
            && self.client_version == other.client_version
            && self.client_id == other.client_id
            && self.package == other.package
            && self.owner_token.matches(&other.owner_token)
            && self.grant == other.grant
            && self.takeover == other.takeover
            && self.epoch == other.epoch
            && self.transport == other.transport
    }
}

impl fmt::Debug for Hello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither token nor grant nor package id may reach a log.
        f.debug_struct("Hello")
            .field("protocol_version", &self.protocol_version)
            .field("client_version", &self.client_version)
            .field("takeover", &self.takeover)
            .field("epoch", &self.epoch)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
