//! What the relay knows of packages: states, epochs, attempts, pairs. Bytes lie in the docroot, not here.
//!
//! The records change only by [`Change`]s, each of which is conditional and atomic: it applies as a whole and
//! durably, or not at all. The order in which the relay makes changes and touches the docroot is its promise
//! (rules S1, S5); that order is tested with records in memory and a disk that loses power, and for real
//! with [`Sqlite`].
//!
//! Start with [`Records`].

mod changes;
mod sqlite;

use futures_util::future::BoxFuture;
use sealift_protocol::message::{PackageState, Role, Transport};
use sealift_protocol::{Attempt, ClientId, Epoch, FileId, PackageId, Pair, PartNumber, Sha256Hash};

pub(crate) use changes::PACKAGE_BYTES;
pub use sqlite::Sqlite;

/// The records failed. The cause is logged; nobody outside can do anything about it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the records could not be read or written: {0}")]
pub struct RecordsError(pub String);

/// A store of records.
pub trait Records: Send + Sync + 'static {
    /// Makes a change, durably. `false`: its condition did not hold and nothing changed.
    fn apply(&self, change: Change) -> BoxFuture<'_, Result<bool, RecordsError>>;
    /// Everything known of a package, but for pairs.
    fn package(&self, package: PackageId) -> BoxFuture<'_, Result<Option<Package>, RecordsError>>;
    /// How many bytes more the package's grant and its user have room for.
    fn room(
        &self,
        package: PackageId,
        quota_bytes: Option<u64>,
    ) -> BoxFuture<'_, Result<Room, RecordsError>>;
    /// How many bytes all packages of a user have together, counted as for [`Records::room`].
    fn user_bytes(&self, user: String) -> BoxFuture<'_, Result<u64, RecordsError>>;
    /// What S3 needs to end a file's upload.
    fn receipts(
        &self,
        package: PackageId,
        file: FileId,
    ) -> BoxFuture<'_, Result<Receipts, RecordsError>>;
    /// A durable part's attempt and pairs.
    fn pairs(
        &self,
        package: PackageId,
        file: FileId,
        part: PartNumber,
    ) -> BoxFuture<'_, Result<Option<DurablePart>, RecordsError>>;
}

/// A package as recorded.
#[derive(Clone, Debug)]
pub struct Package {
    /// Whether it was created and finished. [`PackageState::Absent`]: only reserved.
    pub state: PackageState,
    /// Deletion has begun: as good as gone.
    pub deleting: bool,
    /// The epoch, and the client it is bound to.
    pub epoch: Epoch,
    /// See `epoch`.
    pub client_id: ClientId,
    /// SHA-256 of the owner token.
    pub owner_sha256: Sha256Hash,
    /// When it was reserved, in seconds since 1970.
    pub created_at: u64,
    /// When it will be deleted, in seconds since 1970.
    pub expires_at: u64,
    /// How long it lives after the finish, in seconds.
    pub lifetime_s: u64,
    /// The keyring, once created.
    pub keyring: Option<Keyring>,
    /// SHA-256 of the draft, once created.
    pub draft_sha256: Option<Sha256Hash>,
    /// The manifest, once finished.
    pub manifest: Option<FileId>,
    /// The configuration's user that its grant named.
    pub user: Option<String>,
    /// Name of the docroot that keeps it, for as long as it lives.
    pub docroot: String,
    /// The client that created it, in its own words.
    pub sealed_by: Option<String>,
    /// What its durable parts came over.
    pub transports: Transports,
    /// When it was finished, in seconds since 1970.
    pub finished_at: Option<u64>,
    /// The files in the order they were added.
    pub files: Vec<File>,
}

/// A set of transports, a bit for each.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Transports(pub u64);

impl Transports {
    /// Every transport, in the order of its bit, which never changes.
    const ALL: [Transport; 2] = [Transport::WebTransport, Transport::WebSocket];

    /// One transport.
    #[must_use]
    pub fn of(transport: Transport) -> Self {
        match Self::ALL.iter().position(|known| *known == transport) {
            Some(bit) => Self(1 << bit),
            None => Self(0),
        }
    }

    /// Adds one.
    pub fn add(&mut self, transport: Transport) {
        self.0 |= Self::of(transport).0;
    }

    /// Those that are in the set.
    pub fn iter(self) -> impl Iterator<Item = Transport> {
        let known = Self::ALL.into_iter().enumerate();
        known.filter_map(move |(bit, transport)| (self.0 >> bit & 1 == 1).then_some(transport))
    }
}

/// An unfinished package, with what policy is asked about it.
#[derive(Clone, Debug)]
pub struct Unfinished {
    /// The package.
    pub package: PackageId,
    /// The configuration's user whose it is.
    pub user: Option<String>,
    /// Its keyring.
    pub keyring: Keyring,
}

/// What S3 needs to end a file's upload.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Receipts {
    /// How its bytes get there; `None` before that was recorded, and in a folder.
    pub storage: Option<String>,
    /// Of each durable part, in the order of the parts.
    pub parts: Vec<String>,
}

/// How many bytes more may be added.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Room {
    /// Under the package's grant.
    pub grant: u64,
    /// By its user.
    pub user: u64,
}

/// A keyring as recorded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Keyring {
    /// Counts the package's keyrings, from 1.
    pub generation: u64,
    /// SHA-256 of its bytes.
    pub sha256: Sha256Hash,
    /// Its length in bytes.
    pub bytes: u64,
}

/// A file as recorded.
#[derive(Clone, Debug)]
pub struct File {
    /// Its id.
    pub id: FileId,
    /// What it is for.
    pub role: Role,
    /// SHA-256 of its head.
    pub head_sha256: Sha256Hash,
    /// Length of its head.
    pub head_bytes: u64,
    /// Length of its body.
    pub body_bytes: u64,
    /// Length of its parts.
    pub part_bytes: u64,
    /// How far it is.
    pub state: FileState,
    /// The body's last 48 bytes, once durable.
    pub seal: Option<[u8; 48]>,
    /// Its durable parts; empty once committed.
    pub durable: Vec<PartNumber>,
    /// S3: how its bytes get there.
    pub storage: Option<String>,
    /// Server-side encryption as the storage showed it, as JSON.
    pub sse: Option<String>,
    /// When it did, in seconds since 1970.
    pub verified_at: Option<u64>,
}

/// How far a file is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FileState {
    /// Parts are taken.
    Receiving,
    /// All parts are durable; none is taken any more (S5).
    Committing,
    /// Whole, for good.
    Committed,
}

/// A durable part as recorded.
#[derive(Clone, Debug)]
pub struct DurablePart {
    /// Epoch of the attempt that is stored.
    pub epoch: Epoch,
    /// The attempt that is stored.
    pub attempt: Attempt,
    /// Its pairs.
    pub pairs: Vec<Pair>,
}

/// One conditional, atomic change.
#[derive(Clone, Debug)]
pub enum Change {
    /// Binds the next epoch to a client (L5).
    Claim {
        /// The package.
        package: PackageId,
        /// Condition: one more than what is recorded.
        epoch: Epoch,
        /// The client.
        client_id: ClientId,
    },
    /// Names the docroot that the records are about. Condition: none is named.
    NameDocroot {
        /// Its name in the configuration.
        name: String,
        /// Its id.
        id: [u8; 16],
    },
    /// A place is about to be marked as the docroot's next one. Condition: it is named.
    PrepareDocroot {
        /// Its name in the configuration.
        name: String,
        /// What the place is marked with.
        id: [u8; 16],
    },
    /// Docroots are in the places that were prepared. Condition, for each: it is named and no package is in it.
    MoveDocroots {
        /// Their names in the configuration.
        names: Vec<String>,
    },
    /// The clock showed this, and was believed.
    SeeClock {
        /// In seconds since 1970.
        now: u64,
    },
    /// All unfinished packages are kept at least until then: the records are old, and may be wrong about them.
    ProlongAll {
        /// In seconds since 1970.
        expires_at: u64,
    },
    /// Says where a named docroot is. Condition: it is named.
    PlaceDocroot {
        /// Its name in the configuration.
        name: String,
        /// Where it is, without credentials.
        address: String,
    },
    /// Makes the package's row, before its first byte is stored. Condition: none yet, or only reserved, and
    /// within what the grant allows.
    Reserve {
        /// The package.
        package: PackageId,
        /// The first client's epoch.
        epoch: Epoch,
        /// The first client.
        client_id: ClientId,
        /// Who may change the package.
        owner_sha256: Sha256Hash,
        /// Under which grant.
        grant: Option<GrantUse>,
        /// What all packages of the grant's user may have together.
        quota_bytes: Option<u64>,
        /// Name of the docroot that keeps it.
        docroot: String,
        /// The client, in its own words.
        sealed_by: Option<String>,
        /// Now, in seconds since 1970.
        now: u64,
        /// When an unfinished package expires.
        expires_at: u64,
    },
    /// Keyring and draft are stored: the package exists. Condition: reserved, or created with the same ones.
    Create {
        /// The package.
        package: PackageId,
        /// Its keyring.
        keyring: Keyring,
        /// SHA-256 of its draft.
        draft_sha256: Sha256Hash,
        /// How long it lives after the finish, in seconds.
        lifetime_s: u64,
    },
    /// A file is expected. Condition: open, not there yet, and within what the grant allows.
    AddFile {
        /// The package.
        package: PackageId,
        /// The file.
        file: File,
        /// What all packages of its user may have together.
        quota_bytes: Option<u64>,
    },
    /// An attempt is open (S1). Condition: epoch current, file receiving, part not durable.
    OpenAttempt(AttemptKey),
    /// A part is durable (S1). Condition: epoch current, this attempt open, part not durable.
    Durable {
        /// Which attempt.
        key: AttemptKey,
        /// Its pairs.
        pairs: Vec<Pair>,
        /// The seal, if it is the last part.
        seal: Option<[u8; 48]>,
        /// What it came over.
        transports: Transports,
        /// S3's answer about it.
        receipt: Option<String>,
    },
    /// No part is taken any more (S5). Condition: all parts durable, or already committing.
    Committing {
        /// The package.
        package: PackageId,
        /// The file.
        file: FileId,
        /// How many parts it has.
        part_count: u32,
    },
    /// S3 has begun an upload of the file. Condition: receiving, and none is recorded.
    UploadBegun {
        /// The package.
        package: PackageId,
        /// The file.
        file: FileId,
        /// How its bytes get there.
        storage: String,
    },
    /// The storage holds other parts than were recorded: these are to be sent again (S3). Condition: not committed.
    PartsLost {
        /// The package.
        package: PackageId,
        /// The file.
        file: FileId,
        /// The parts, the last one of the file among them (C3).
        parts: Vec<PartNumber>,
    },
    /// The file is whole; its parts and pairs are forgotten (S7). Condition: committing or committed.
    Committed {
        /// The package.
        package: PackageId,
        /// The file.
        file: FileId,
        /// Server-side encryption as the storage showed it, as JSON.
        sse: Option<String>,
        /// When it did, in seconds since 1970.
        verified_at: Option<u64>,
    },
    /// What could not be verified at the commit was. Condition: committed.
    Verified {
        /// The package.
        package: PackageId,
        /// The file.
        file: FileId,
        /// Server-side encryption as the storage showed it, as JSON.
        sse: Option<String>,
        /// When it did, in seconds since 1970.
        verified_at: u64,
    },
    /// The storage lost the file's bytes: all its parts are to be sent again. Condition: not committed.
    Lost {
        /// The package.
        package: PackageId,
        /// The file.
        file: FileId,
    },
    /// The package is complete. Condition: open, the manifest committed, as every other file.
    Finish {
        /// The package.
        package: PackageId,
        /// The manifest.
        manifest: FileId,
        /// Now, in seconds since 1970.
        now: u64,
        /// When it expires, in seconds since 1970.
        expires_at: u64,
    },
    /// Another keyring's object is about to be stored (K2). Condition: finished, the keyring is still `from`, and
    /// not many others are under way.
    StageKeyring {
        /// The package.
        package: PackageId,
        /// The keyring to be replaced.
        from: Keyring,
        /// The one to be stored.
        keyring: Keyring,
        /// When it is cleaned up if it is not switched to, in seconds since 1970.
        keep_until: u64,
    },
    /// The stored keyring becomes the package's, and the one before is kept for a while (K2). Condition: finished,
    /// the keyring is still `from`, and the new one was staged.
    SwitchKeyring {
        /// The package.
        package: PackageId,
        /// The keyring to be replaced.
        from: Keyring,
        /// The one to take its place.
        keyring: Keyring,
        /// When the one before is cleaned up, in seconds since 1970.
        keep_until: u64,
    },
    /// A keyring's object is about to be deleted. Condition: its time is over, or this was recorded before.
    DropKeyring {
        /// The package.
        package: PackageId,
        /// The keyring.
        keyring: Keyring,
        /// Now, in seconds since 1970.
        now: u64,
    },
    /// A keyring's object is gone: forgets it. Condition: [`Change::DropKeyring`] was recorded.
    ForgetKeyring {
        /// The package.
        package: PackageId,
        /// The keyring.
        keyring: Keyring,
    },
    /// A folder that no record knows of is there. Condition: no record, and not found before.
    FindStray {
        /// Name of the docroot.
        docroot: String,
        /// The folder.
        package: PackageId,
        /// Now, in seconds since 1970.
        now: u64,
    },
    /// A stray folder is about to be deleted; until it is, no package takes its place. Condition: no record, and found
    /// before `long_ago`.
    DropStray {
        /// Name of the docroot.
        docroot: String,
        /// The folder.
        package: PackageId,
        /// In seconds since 1970.
        long_ago: u64,
    },
    /// A stray folder is gone, or is none.
    ForgetStray {
        /// Name of the docroot.
        docroot: String,
        /// The folder.
        package: PackageId,
    },
    /// Moves the expiry of an unfinished package. Condition: unfinished, and not kept for the longest time yet.
    Prolong {
        /// The package.
        package: PackageId,
        /// When it expires, in seconds since 1970.
        expires_at: u64,
        /// How long an unfinished package is kept at most, in seconds.
        age_max_s: u64,
    },
    /// Deletion begins because its time is over. Condition: it is, or deletion has begun before.
    Expire {
        /// The package.
        package: PackageId,
        /// Now, in seconds since 1970.
        now: u64,
    },
    /// Deletion begins because a new policy forbids it. Condition: unfinished, or deletion has begun before.
    Forbid {
        /// The package.
        package: PackageId,
    },
    /// Deletion begins: from now on the package is as good as gone.
    Deleting {
        /// The package.
        package: PackageId,
    },
    /// Its bytes are gone: forgets it. Condition: deletion has begun.
    Deleted {
        /// The package.
        package: PackageId,
    },
}

/// Names one attempt at one part.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct AttemptKey {
    /// The package.
    pub package: PackageId,
    /// The file.
    pub file: FileId,
    /// The part.
    pub part: PartNumber,
    /// The epoch of its sender.
    pub epoch: Epoch,
    /// Its number.
    pub attempt: Attempt,
}

/// Under which grant a package is created.
#[derive(Clone, Debug)]
pub struct GrantUse {
    /// Names the grant.
    pub id: [u8; 16],
    /// Sealed bytes that all packages under it may have together.
    pub bytes_max: u64,
    /// Until when a package may be begun, in seconds since 1970.
    pub expires_at: u64,
    /// The configuration's user whose packages these are.
    pub user: Option<String>,
}
