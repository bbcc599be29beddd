//! The sender's keys and files behind the lanes: reads a part's segments with `pread`, checks what
//! earlier attempts recorded, and seals each segment anew, never twice under one IV.
//!
//! A part that was begun before is compared first, segment by segment (rule C2): a difference is
//! "the file changed", and nothing more of it is sent.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use bytes::{Bytes, BytesMut};
use sealift_envelope::{FileSealer, PackageKey, SealBuilder};
use sealift_protocol::format::{Geometry, PartReader, Role};
use sealift_protocol::frame::data_header;
use sealift_protocol::limits::FRAME_HEADER_BYTES;
use sealift_protocol::limits::{SEGMENT_BYTES, SEGMENT_PREFIX_BYTES};
use sealift_protocol::link::Pin;
use sealift_protocol::session::{PartFailure, SendPart, Verdict};
use sealift_protocol::{Code, FileId, Pair, PartNumber};

use super::driver::{Announced, Sealing};
use super::lane::SealPart;
use crate::failure::{Failure, Result};
use crate::package::{Plan, PlannedFile};
use crate::protection::{random, rng};
use crate::seal::{Seal, length};

/// Everything that one sending needs to seal.
pub(crate) struct Sender {
    key: PackageKey,
    plan: Plan,
    by_id: HashMap<FileId, usize>,
    /// The seal of every file that is stored, for the manifest.
    seals: Mutex<HashMap<FileId, Seal>>,
    manifest: OnceLock<Manifest>,
}

/// The manifest, sealed once; its bytes are small and kept.
struct Manifest {
    file: FileId,
    geometry: Geometry,
    body: Vec<u8>,
    pin: Pin,
}

impl Sender {
    /// Takes over a plan.
    pub(crate) fn new(key: PackageKey, plan: Plan) -> Self {
        let by_id = plan
            .files
            .iter()
            .enumerate()
            .map(|(index, planned)| (planned.file, index))
            .collect();
        Self {
            key,
            plan,
            by_id,
            seals: Mutex::default(),
            manifest: OnceLock::new(),
        }
    }

    /// What is announced to the relay: all content.
    pub(crate) fn content(&self) -> Vec<Announced> {
        let files = self.plan.files.iter();
        files
            .map(|planned| Announced {
                file: planned.file,
                head: planned.head.clone(),
                body_bytes: planned.sealer.geometry().body_bytes(),
                pairs: Vec::new(),
            })
            .collect()
    }

    /// The pin for the link, once the manifest is sealed.
    pub(crate) fn pin(&self) -> Option<Pin> {
        self.manifest.get().map(|manifest| manifest.pin)
    }

    fn planned(&self, file: FileId) -> Option<&PlannedFile> {
        self.by_id
            .get(&file)
            .and_then(|index| self.plan.files.get(*index))
    }
}

impl SealPart for Sender {
    fn seal_part(
        &self,
        part: &SendPart,
        stopped: &AtomicBool,
        out: &mut dyn FnMut(Bytes) -> Result<(), PartFailure>,
    ) -> (Vec<Pair>, Result<(), PartFailure>) {
        let mut pairs = Vec::new();
        let done = match (self.planned(part.file), self.manifest.get()) {
            (Some(planned), _) => self.seal_content(planned, part, stopped, out, &mut pairs),
            (None, Some(manifest)) if manifest.file == part.file => {
                send_manifest(manifest, part, out, &mut pairs)
            }
            _ => Err(PartFailure::Sealing),
        };
        (pairs, done)
    }
}

impl Sender {
    fn seal_content(
        &self,
        planned: &PlannedFile,
        part: &SendPart,
        stopped: &AtomicBool,
        out: &mut dyn FnMut(Bytes) -> Result<(), PartFailure>,
        pairs: &mut Vec<Pair>,
    ) -> Result<(), PartFailure> {
        let sealer = &planned.sealer;
        let source = Content::open(planned)?;
        let segments = segments_of(part, &sealer.geometry());
        for (number, index) in segments.enumerate() {
            if stopped.load(Ordering::Relaxed) {
                return Err(PartFailure::Stopped);
            }
            let sealed_bytes = sealer.geometry().segment_sealed_bytes(index);
            let mut frame = frame_for(sealed_bytes);
            let place = &mut frame[FRAME_HEADER_BYTES..];
            let plain = &mut place[SEGMENT_PREFIX_BYTES..][..length(sealer.source_range(index))];
            source.read(sealer, index, plain)?;
            if let Some(earlier) = part.earlier.get(number)
                && !sealer.matches(index, earlier, plain).unwrap_or(false)
            {
                return Err(PartFailure::SourceChanged);
            }
            pairs.push(
                sealer
                    .seal_segment_in_place(index, place, &mut rng())
                    .map_err(|_| PartFailure::Sealing)?,
            );
            out(frame.freeze())?;
        }
        source.check(planned)?;
        if part.is_last {
            let all = part.file_pairs.iter().chain(pairs.iter());
            let seal = seal_of(sealer, all).map_err(|_| PartFailure::Sealing)?;
            out(data_frame(&seal))?;
        }
        Ok(())
    }
}

impl Sealing for Sender {
    fn verify_part(&self, file: FileId, _part: PartNumber, offset: u64, pairs: &[Pair]) -> Verdict {
        let Some(planned) = self.planned(file) else {
            return Verdict::Unreadable;
        };
        let first = offset / u64::from(SEGMENT_BYTES);
        let compare = || -> Result<bool, PartFailure> {
            let source = Content::open(planned)?;
            let mut plain = Vec::new();
            let mut same = true;
            for (index, pair) in (first..).zip(pairs) {
                plain.resize(length(planned.sealer.source_range(index)), 0);
                source.read(&planned.sealer, index, &mut plain)?;
                // One verdict, after all segments (rule C1).
                same &= planned.sealer.matches(index, pair, &plain).unwrap_or(false);
            }
            Ok(same)
        };
        match compare() {
            Ok(true) => Verdict::Same,
            Ok(false) | Err(PartFailure::SourceChanged) => Verdict::Changed,
            Err(_) => Verdict::Unreadable,
        }
    }

    fn committed(&self, file: FileId, pairs: &[Pair]) -> Result<()> {
        let planned = self
            .planned(file)
            .ok_or_else(|| Failure::shared(Code::Misuse))?;
        let seal = seal_of(&planned.sealer, pairs)?;
        self.seals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(file, seal);
        Ok(())
    }

    fn seal_manifest(&self) -> Result<Announced> {
        let mut manifest = self.plan.manifest.clone();
        let seals = self.seals.lock().unwrap_or_else(PoisonError::into_inner);
        for sealed in &mut manifest.sealed {
            let seal = seals.get(&sealed.file);
            sealed.seal = *seal.ok_or_else(|| Failure::shared(Code::Misuse))?;
        }
        let file = FileId(random());
        let sealed = manifest.seal(&self.key, file, &mut rng())?;
        let head = sealed.head.clone();
        let geometry = Geometry::from_body_bytes(sealed.body.len() as u64)?;
        let announced = Announced {
            file,
            head,
            body_bytes: geometry.body_bytes(),
            pairs: pairs_of(geometry, 0, &sealed.body)?,
        };
        let kept = Manifest {
            file,
            geometry,
            body: sealed.body,
            pin: sealed.pin,
        };
        if self.manifest.set(kept).is_err() {
            return Err(Failure::shared(Code::Misuse));
        }
        Ok(announced)
    }

    fn name_of(&self, file: FileId) -> Option<String> {
        self.planned(file)
            .map(|planned| planned.place().display().to_string())
    }
}

/// The seal over all segments of a file.
fn seal_of<'a>(sealer: &FileSealer, pairs: impl IntoIterator<Item = &'a Pair>) -> Result<Seal> {
    let mut builder = SealBuilder::new();
    pairs.into_iter().for_each(|pair| builder.push(pair));
    Ok(sealer.seal(builder)?)
}

/// Sends a part of the manifest: the bytes that were sealed, as often as need be.
fn send_manifest(
    manifest: &Manifest,
    part: &SendPart,
    out: &mut dyn FnMut(Bytes) -> Result<(), PartFailure>,
    pairs: &mut Vec<Pair>,
) -> Result<(), PartFailure> {
    let start = usize::try_from(part.offset).unwrap_or(usize::MAX);
    let end = usize::try_from(part.offset.saturating_add(part.length)).unwrap_or(usize::MAX);
    let body = manifest.body.get(start..end).ok_or(PartFailure::Sealing)?;
    let sealed = pairs_of(manifest.geometry, part.offset, body);
    pairs.extend(sealed.map_err(|_| PartFailure::Sealing)?);
    for piece in body.chunks(SEGMENT_BYTES as usize) {
        out(data_frame(piece))?;
    }
    Ok(())
}

/// The pairs of the segments in `sealed`, which stands at `offset` in its body.
fn pairs_of(geometry: Geometry, offset: u64, sealed: &[u8]) -> Result<Vec<Pair>> {
    let mut reader = PartReader::new(geometry, offset, sealed.len() as u64)?;
    reader.feed(sealed)?;
    Ok(reader.finish()?)
}

/// The segments of a part, by their number in the file.
fn segments_of(part: &SendPart, geometry: &Geometry) -> std::ops::Range<u64> {
    let first = part.offset / u64::from(SEGMENT_BYTES);
    let end = (part.offset + part.length).div_ceil(u64::from(SEGMENT_BYTES));
    first..end.min(geometry.segment_count())
}

/// The source of one sealed file, open.
enum Content {
    /// A file, read where it lies.
    File(File),
    /// A pack's members, read before sealing (design point 3).
    Pack(Vec<u8>),
}

impl Content {
    fn open(planned: &PlannedFile) -> Result<Self, PartFailure> {
        if planned.role == Role::Pack {
            let mut bytes = Vec::new();
            planned
                .open()
                .read_to_end(&mut bytes)
                .map_err(|error| kind_of(&crate::unseal::unreadable(&error)))?;
            return Ok(Self::Pack(bytes));
        }
        let source = planned.members.first().ok_or(PartFailure::Sealing)?;
        source
            .open()
            .map(Self::File)
            .map_err(|failure| kind_of(&failure))
    }

    /// The bytes of one segment; `plain` is as long as they are.
    fn read(&self, sealer: &FileSealer, index: u64, plain: &mut [u8]) -> Result<(), PartFailure> {
        let range = sealer.source_range(index);
        match self {
            Self::File(file) => file
                .read_exact_at(plain, range.start)
                .map_err(|error| match error.kind() {
                    std::io::ErrorKind::UnexpectedEof => PartFailure::SourceChanged,
                    _ => PartFailure::SourceUnreadable,
                }),
            Self::Pack(bytes) => {
                let start = usize::try_from(range.start).unwrap_or(usize::MAX);
                let piece = bytes.get(start..).and_then(|rest| rest.get(..plain.len()));
                plain.copy_from_slice(piece.ok_or(PartFailure::SourceChanged)?);
                Ok(())
            }
        }
    }

    /// Size and time once more, after reading.
    fn check(&self, planned: &PlannedFile) -> Result<(), PartFailure> {
        match (self, planned.members.first()) {
            (Self::File(file), Some(source)) => {
                source.check(file).map_err(|failure| kind_of(&failure))
            }
            _ => Ok(()),
        }
    }
}

fn kind_of(failure: &Failure) -> PartFailure {
    match failure.cause {
        crate::failure::Cause::SourceChanged => PartFailure::SourceChanged,
        _ => PartFailure::SourceUnreadable,
    }
}

/// A data frame with room for `payload_bytes`.
fn frame_for(payload_bytes: u32) -> BytesMut {
    let mut frame = BytesMut::zeroed(FRAME_HEADER_BYTES + payload_bytes as usize);
    frame[..FRAME_HEADER_BYTES].copy_from_slice(&data_header(payload_bytes));
    frame
}

/// A data frame around bytes that are sealed already.
fn data_frame(payload: &[u8]) -> Bytes {
    let mut frame = frame_for(u32::try_from(payload.len()).unwrap_or(u32::MAX));
    frame[FRAME_HEADER_BYTES..].copy_from_slice(payload);
    frame.freeze()
}
