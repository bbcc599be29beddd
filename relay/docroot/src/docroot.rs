//! One interface over both kinds of docroot: what the relay calls.
//!
//! An upload has a [`Shape`], made once and recorded. What storage needs to go on with it after a restart is its
//! *state*, and what it needs to end it is one [`Receipt`] for each part: both are recorded by the caller, the
//! state before the first part, a receipt with the part. A folder needs neither.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::s3::{Abandoned, S3, S3PartWriter, S3Reader, S3Upload, Sse};
use crate::{
    Disk, DiskDocroot, DiskPart, DiskReader, DiskUpload, DocrootError, DocrootSettings, Name, Stat,
};

/// The exact length of an upload and its cut: all parts but the last have one length.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shape {
    /// All bytes.
    pub length_bytes: u64,
    /// Bytes of every part but the last.
    pub part_bytes: u64,
}

impl Shape {
    /// Offset and length of a part, counted from 0; `None` past the last one.
    #[must_use]
    pub fn part(&self, number: u32) -> Option<(u64, u64)> {
        let offset = u64::from(number).checked_mul(self.part_bytes)?;
        let left = self.length_bytes.checked_sub(offset)?;
        (left > 0 || number == 0).then_some((offset, left.min(self.part_bytes)))
    }
}

/// What S3 answered about one part: with it the upload is ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Receipt {
    pub(crate) etag: String,
    pub(crate) crc32: Option<String>,
    pub(crate) token: Option<String>,
}

impl Receipt {
    /// As it is recorded.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = self.etag.clone();
        for (key, value) in [("crc32", &self.crc32), ("token", &self.token)] {
            if let Some(value) = value {
                text = format!("{text} {key}={value}");
            }
        }
        text
    }

    /// Reads what was recorded.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let mut words = text.split(' ');
        let etag = words.next().unwrap_or_default().to_owned();
        let mut receipt = Self {
            etag,
            crc32: None,
            token: None,
        };
        for word in words {
            match word.split_once('=') {
                Some(("crc32", value)) => receipt.crc32 = Some(value.to_owned()),
                Some(("token", value)) => receipt.token = Some(value.to_owned()),
                _ => {}
            }
        }
        receipt
    }
}

/// How something committed is stored.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Stored {
    /// The encryption that the server showed; `None` in a folder, and when it could not be verified.
    pub sse: Option<Sse>,
    /// Why it could not be verified now: the key management service is gone. To be looked at again.
    pub unverified: Option<String>,
}

/// A storage destination. Cheap to clone; clones are the same docroot.
#[derive(Clone)]
pub struct Docroot(Kind);

#[derive(Clone)]
enum Kind {
    Disk(DiskDocroot),
    S3(S3),
}

impl Docroot {
    /// Opens a docroot: a folder is made and locked for this process (S4); S3 is not spoken to yet, see
    /// [`Self::check`]. An upload into a folder leaves `free_bytes_min` free.
    ///
    /// # Errors
    ///
    /// [`DocrootError`].
    pub async fn open(
        settings: &DocrootSettings,
        free_bytes_min: u64,
    ) -> Result<Self, DocrootError> {
        match settings {
            DocrootSettings::Folder(path) => Self::open_folder(path, free_bytes_min),
            DocrootSettings::S3(settings) => {
                Ok(Self(Kind::S3(S3::open((**settings).clone()).await?)))
            }
        }
    }

    /// Opens a folder.
    ///
    /// # Errors
    ///
    /// [`DocrootError::Locked`] when another process holds it (S4); [`DocrootError::Storage`] otherwise.
    pub fn open_folder(path: &Path, free_bytes_min: u64) -> Result<Self, DocrootError> {
        Ok(Self(Kind::Disk(DiskDocroot::open(path, free_bytes_min)?)))
    }

    /// A docroot on any disk.
    pub fn on(disk: Arc<dyn Disk>, free_bytes_min: u64) -> Self {
        Self(Kind::Disk(DiskDocroot::on(disk, free_bytes_min)))
    }

    /// `folder` or `s3`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.0 {
            Kind::Disk(_) => "folder",
            Kind::S3(_) => "s3",
        }
    }

    pub(crate) fn as_s3(&self) -> Option<&S3> {
        match &self.0 {
            Kind::S3(s3) => Some(s3),
            Kind::Disk(_) => None,
        }
    }

    /// Starts an upload, or goes on with the one that was recorded under `state`. Its new state, when it has
    /// one, is to be recorded before its first part. One [`Upload`] per name at a time.
    ///
    /// # Errors
    ///
    /// [`DocrootError::DiskFull`]; [`DocrootError::Exists`]; [`DocrootError::S3`]; [`DocrootError::Storage`].
    pub async fn upload(
        &self,
        name: &Name,
        shape: Shape,
        state: Option<&str>,
    ) -> Result<Upload, DocrootError> {
        let kind = match (&self.0, state) {
            (Kind::Disk(disk), _) => UploadKind::Disk(disk.create(name, shape.length_bytes).await?),
            (Kind::S3(s3), Some(state)) => {
                UploadKind::S3(s3.resume(name, shape.length_bytes, state)?)
            }
            (Kind::S3(s3), None) => UploadKind::S3(
                s3.create(name, shape.length_bytes, shape.part_bytes)
                    .await?,
            ),
        };
        Ok(Upload { kind, shape })
    }

    /// Ends an upload: it appears under its name, whole, once, and verified (S3, S5). Doing it again is the
    /// same as once, also after a crash in the middle. `receipts` are those of all parts, in order.
    ///
    /// # Errors
    ///
    /// [`DocrootError::Missing`] when nothing is left of it; [`DocrootError::PartsDiffer`] when parts are to be
    /// sent again; [`DocrootError::Length`]; [`DocrootError::Exists`]; [`DocrootError::S3`].
    pub async fn commit(
        &self,
        name: &Name,
        shape: Shape,
        state: Option<&str>,
        receipts: &[Receipt],
    ) -> Result<Stored, DocrootError> {
        match (&self.0, state) {
            (Kind::Disk(disk), _) => {
                disk.commit(name, shape.length_bytes).await?;
                Ok(Stored::default())
            }
            (Kind::S3(_), None) => Err(DocrootError::Missing),
            (Kind::S3(s3), Some(state)) => {
                let Shape {
                    length_bytes,
                    part_bytes,
                } = shape;
                s3.commit(name, length_bytes, part_bytes, state, receipts)
                    .await
            }
        }
    }

    /// Looks again at something that could not be verified at its commit, against what was asked for when it began.
    ///
    /// # Errors
    ///
    /// [`DocrootError::Missing`] when it is gone; [`DocrootError`]; a KMS that is still gone is no error.
    pub async fn verify(
        &self,
        name: &Name,
        length_bytes: u64,
        state: Option<&str>,
    ) -> Result<Stored, DocrootError> {
        match &self.0 {
            Kind::Disk(_) => Ok(Stored::default()),
            Kind::S3(s3) => s3.verify(name, length_bytes, state).await,
        }
    }

    /// Ends an upload without keeping anything of it.
    ///
    /// # Errors
    ///
    /// [`DocrootError`].
    pub async fn abort(&self, name: &Name, state: Option<&str>) -> Result<(), DocrootError> {
        match (&self.0, state) {
            (Kind::Disk(disk), _) => disk.abort(name).await,
            (Kind::S3(s3), Some(state)) => s3.abort(name, state).await,
            (Kind::S3(_), None) => Ok(()),
        }
    }

    /// Unfinished uploads in the storage, of this docroot or of one under the same path. A folder has none
    /// that the records do not know.
    ///
    /// # Errors
    ///
    /// [`DocrootError::S3`].
    pub async fn unfinished(&self) -> Result<Vec<Abandoned>, DocrootError> {
        match &self.0 {
            Kind::Disk(_) => Ok(Vec::new()),
            Kind::S3(s3) => s3.unfinished().await,
        }
    }

    /// What follows the docroot's own path in a bucket's key; `None` outside of it, and in a folder.
    pub fn below<'k>(&self, key: &'k str) -> Option<&'k str> {
        match &self.0 {
            Kind::Disk(_) => None,
            Kind::S3(s3) => key.strip_prefix(s3.prefix().as_str()),
        }
    }

    /// Ends an unfinished upload that nobody goes on with.
    ///
    /// # Errors
    ///
    /// [`DocrootError::S3`].
    pub async fn end_unfinished(&self, upload: &Abandoned) -> Result<(), DocrootError> {
        match &self.0 {
            Kind::Disk(_) => Ok(()),
            Kind::S3(s3) => Ok(s3.abort_upload(&upload.key, &upload.upload_id).await?),
        }
    }

    /// What [`Self::set_identity`] stored; `None` before. Only S3 keeps it here.
    ///
    /// # Errors
    ///
    /// [`DocrootError`].
    pub async fn identity(&self) -> Result<Option<Bytes>, DocrootError> {
        match self.get(&Name::new("sealift-docroot", "id")?, 1024).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(DocrootError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Stores by what this docroot is recognised: another one under the same address is not taken for it.
    ///
    /// # Errors
    ///
    /// [`DocrootError`].
    pub async fn set_identity(&self, id: Bytes) -> Result<(), DocrootError> {
        self.put(&Name::new("sealift-docroot", "id")?, id).await
    }

    /// Stores a small object, replacing the one before in one step. Durable when this returns.
    ///
    /// # Errors
    ///
    /// [`DocrootError`]; then the object before is still there, whole.
    pub async fn put(&self, name: &Name, bytes: Bytes) -> Result<(), DocrootError> {
        match &self.0 {
            Kind::Disk(disk) => disk.put(name, bytes).await,
            Kind::S3(s3) => s3.put(name, bytes).await,
        }
    }

    /// Reads a small object as a whole.
    ///
    /// # Errors
    ///
    /// [`DocrootError::Missing`]; [`DocrootError::OutOfRange`] when it is longer than `bytes_max`.
    pub async fn get(&self, name: &Name, bytes_max: usize) -> Result<Bytes, DocrootError> {
        match &self.0 {
            Kind::Disk(disk) => disk.get(name, bytes_max).await,
            Kind::S3(s3) => s3.get(name, bytes_max).await,
        }
    }

    /// Opens a range of something committed for reading.
    ///
    /// # Errors
    ///
    /// [`DocrootError::Missing`]; [`DocrootError::OutOfRange`].
    pub async fn read(
        &self,
        name: &Name,
        offset: u64,
        length_bytes: u64,
    ) -> Result<Reader, DocrootError> {
        Ok(Reader(match &self.0 {
            Kind::Disk(disk) => ReaderKind::Disk(disk.read(name, offset, length_bytes).await?),
            Kind::S3(s3) => ReaderKind::S3(Box::new(s3.read(name, offset, length_bytes).await?)),
        }))
    }

    /// What lies under a name; `None` when nothing does.
    ///
    /// # Errors
    ///
    /// [`DocrootError`].
    pub async fn stat(&self, name: &Name) -> Result<Option<Stat>, DocrootError> {
        match &self.0 {
            Kind::Disk(disk) => disk.stat(name).await,
            Kind::S3(s3) => s3.stat(name).await,
        }
    }

    /// The folders, in no particular order.
    ///
    /// # Errors
    ///
    /// [`DocrootError`].
    pub async fn folders(&self) -> Result<Vec<String>, DocrootError> {
        match &self.0 {
            Kind::Disk(disk) => disk.folders().await,
            Kind::S3(s3) => s3.folders().await,
        }
    }

    /// The names in a folder, in no particular order.
    ///
    /// # Errors
    ///
    /// [`DocrootError`].
    pub async fn list(&self, folder: &str) -> Result<Vec<String>, DocrootError> {
        match &self.0 {
            Kind::Disk(disk) => disk.list(folder).await,
            Kind::S3(s3) => s3.list(folder).await,
        }
    }

    /// Whether everything below a folder, unfinished uploads too, has a leaf of this kind: in S3 another program may use
    /// the same bucket. A folder on a disk belongs to the relay.
    ///
    /// # Errors
    ///
    /// [`DocrootError`].
    pub async fn holds_only(
        &self,
        folder: &str,
        is: impl Fn(&str) -> bool,
    ) -> Result<bool, DocrootError> {
        match &self.0 {
            Kind::Disk(_) => Ok(true),
            Kind::S3(s3) => s3.holds_only(folder, is).await,
        }
    }

    /// Deletes what lies under a name. Deleting nothing is no error.
    ///
    /// # Errors
    ///
    /// [`DocrootError`].
    pub async fn delete(&self, name: &Name) -> Result<(), DocrootError> {
        match &self.0 {
            Kind::Disk(disk) => disk.delete(name).await,
            Kind::S3(s3) => s3.delete(name).await,
        }
    }

    /// Deletes a folder with everything in it, uploads that are under way too. Deleting nothing is no error.
    ///
    /// # Errors
    ///
    /// [`DocrootError`].
    pub async fn delete_folder(&self, folder: &str) -> Result<(), DocrootError> {
        match &self.0 {
            Kind::Disk(disk) => disk.delete_folder(folder).await,
            Kind::S3(s3) => s3.delete_folder(folder).await,
        }
    }

    /// Free space in bytes that uploads may still take; `None` where nobody knows.
    ///
    /// # Errors
    ///
    /// [`DocrootError::Storage`].
    pub async fn free_bytes(&self) -> Result<Option<u64>, DocrootError> {
        match &self.0 {
            Kind::Disk(disk) => disk.free_bytes().await.map(Some),
            Kind::S3(_) => Ok(None),
        }
    }
}

/// An upload in progress. Cheap to clone.
#[derive(Clone)]
pub struct Upload {
    kind: UploadKind,
    shape: Shape,
}

#[derive(Clone)]
enum UploadKind {
    Disk(DiskUpload),
    S3(S3Upload),
}

impl Upload {
    /// What is to be recorded, so that the upload can go on after a restart.
    #[must_use]
    pub fn state(&self) -> Option<String> {
        match &self.kind {
            UploadKind::Disk(_) => None,
            UploadKind::S3(upload) => Some(upload.state()),
        }
    }

    /// Whether a clone of it or a part of it is in use elsewhere.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        match &self.kind {
            UploadKind::Disk(upload) => upload.is_shared(),
            UploadKind::S3(upload) => upload.is_shared(),
        }
    }

    /// Whether the storage was seen to have forgotten the upload, as after a lifecycle rule: whatever was durable of it
    /// is lost, and it can only begin anew.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        match &self.kind {
            UploadKind::Disk(_) => false,
            UploadKind::S3(upload) => upload.is_gone(),
        }
    }

    /// Starts one part, counted from 0. Parts may come in any order, several at once.
    ///
    /// # Errors
    ///
    /// [`DocrootError::OutOfRange`].
    pub fn part(&self, number: u32) -> Result<PartWriter, DocrootError> {
        let (offset, length) = self.shape.part(number).ok_or(DocrootError::OutOfRange)?;
        Ok(PartWriter(match &self.kind {
            UploadKind::Disk(upload) => PartKind::Disk(upload.part(offset, length)?),
            UploadKind::S3(upload) => PartKind::S3(Box::new(upload.part(number, offset, length)?)),
        }))
    }
}

/// Takes one part as it arrives. It holds two slices at most: the one being written and the one that the caller
/// fills.
pub struct PartWriter(PartKind);

enum PartKind {
    Disk(DiskPart),
    S3(Box<S3PartWriter>),
}

impl PartWriter {
    /// Takes the next bytes of the part. Returns when the ones before are out of its hands.
    ///
    /// # Errors
    ///
    /// Why the part has failed; it is to be sent again.
    pub async fn write(&mut self, slices: Vec<Bytes>) -> Result<(), DocrootError> {
        self.write_holding(slices, ()).await
    }

    /// Like [`Self::write`]; `hold` is dropped when these bytes are out of its hands.
    ///
    /// # Errors
    ///
    /// As [`Self::write`].
    pub async fn write_holding(
        &mut self,
        slices: Vec<Bytes>,
        hold: impl Send + 'static,
    ) -> Result<(), DocrootError> {
        match &mut self.0 {
            PartKind::Disk(part) => part.write_holding(slices, hold).await,
            PartKind::S3(part) => part.write(slices, hold).await,
        }
    }

    /// Returns once everything written is durable, with what is to be recorded of it.
    ///
    /// # Errors
    ///
    /// [`DocrootError::OutOfRange`] when bytes are missing; else why the part has failed: it is to be sent again.
    pub async fn durable(self) -> Result<Option<Receipt>, DocrootError> {
        match self.0 {
            PartKind::Disk(part) => part.durable().await.map(|()| None),
            PartKind::S3(part) => part.durable().await.map(Some),
        }
    }

    /// Gives the part up. Returns when its last write has ended, so that a newer attempt may begin (S2).
    pub async fn stop(self) {
        match self.0 {
            PartKind::Disk(part) => part.stop().await,
            PartKind::S3(part) => part.stop().await,
        }
    }
}

/// A range being read.
pub struct Reader(ReaderKind);

enum ReaderKind {
    Disk(DiskReader),
    S3(Box<S3Reader>),
}

impl Reader {
    /// The next bytes, as many as are at hand; `None` at the end of the range.
    ///
    /// # Errors
    ///
    /// [`DocrootError`], also when there is less than there should be.
    pub async fn next(&mut self) -> Result<Option<Bytes>, DocrootError> {
        match &mut self.0 {
            ReaderKind::Disk(reader) => reader.next().await,
            ReaderKind::S3(reader) => reader.next().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_tile_a_shape() {
        let shape = Shape {
            length_bytes: 25,
            part_bytes: 10,
        };
        let parts: Vec<_> = (0..4).map(|number| shape.part(number)).collect();
        assert_eq!(parts, [Some((0, 10)), Some((10, 10)), Some((20, 5)), None]);
        let shape = Shape {
            length_bytes: 20,
            part_bytes: 10,
        };
        assert_eq!(shape.part(2), None);
    }

    #[test]
    fn receipts_read_back() {
        for (crc32, token) in [
            (None, None),
            (Some("a="), None),
            (None, Some("ff")),
            (Some("+/=="), Some("00")),
        ] {
            let receipt = Receipt {
                etag: "\"0a-1\"".to_owned(),
                crc32: crc32.map(str::to_owned),
                token: token.map(str::to_owned),
            };
            assert_eq!(Receipt::from_text(&receipt.to_text()), receipt);
        }
    }
}
