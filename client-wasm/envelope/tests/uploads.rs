//! Uploads that stop, whose source changes, and that go on (C1, C2, F7), in 10,000 simulated cases.
//!
//! The client follows SPEC.md, section 16, with the crate's own functions. The relay is as hostile as
//! it likes: it loses what it acknowledged, answers with older pairs or with made up ones, and in the
//! end hands out older segments. Whatever happens: no key and IV ever cover two plaintexts, and what
//! a reader gets is one state of the source, or an error.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng as _;
use sealift_envelope::*;
use sealift_protocol::format::Role;
use sealift_protocol::limits::SEGMENT_PLAINTEXT_BYTES;
use sealift_protocol::{FileId, Pair};

use crate::fixture::*;
use crate::reader::open_body;

const CASES: u64 = 10_000;
/// One case in so many has two segments, the others one: half a megabyte takes its time.
const LARGE_EVERY: u64 = 20;

/// A file on the sender's disk.
struct Source {
    bytes: Vec<u8>,
    /// Counts changes, as its modification time does.
    changes: u64,
    /// Hash of every state it had.
    states: Vec<u64>,
}

impl Source {
    fn change(&mut self, random: &mut Random) {
        let at = random.below(self.bytes.len());
        match random.below(8) {
            0 => self.bytes.truncate(at.max(1)),
            1 => self.bytes.push(7),
            _ => self.bytes[at] ^= 1 + random.below(255) as u8,
        }
        self.changes += 1;
        self.states.push(hash(&self.bytes));
    }
}

/// What the relay has of one file id.
struct Stored {
    head: Vec<u8>,
    segments: Vec<Option<(Vec<u8>, Pair)>>,
    /// Everything it ever got, to be replayed.
    older: Vec<(usize, Vec<u8>, Pair)>,
}

/// One attempt's file: a file id, sealed from one state of the source.
struct Attempt {
    sealer: FileSealer,
    stored: Stored,
    /// Every pair that this client made, by segment (C2).
    made: Vec<Vec<Pair>>,
    /// Size and time of the source when the file id was drawn.
    bytes: usize,
    changes: u64,
}

struct Random(ChaCha20Rng);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0.next_u32() as usize % bound
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// Which plaintext each key and IV has covered, over all cases.
#[derive(Default)]
struct Covered(HashMap<(FileId, u64, [u8; 12]), u64>);

impl Covered {
    fn note(&mut self, file: FileId, index: usize, pair: &Pair, plaintext: &[u8]) {
        let key = (file, index as u64 >> 20, pair.iv);
        let text = hash(&(index, plaintext));
        let earlier = self.0.insert(key, text);
        assert!(earlier.is_none(), "a key and IV were used twice");
    }
}

fn hash(value: &(impl std::hash::Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// How an upload came out.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Outcome {
    Whole,
    RefusedByReader,
    GivenUp,
}

fn begin(key: &PackageKey, source: &Source, random: &mut Random) -> Attempt {
    let mut id = [0; 32];
    random.0.fill_bytes(&mut id);
    let metadata = named("x", source.bytes.len() as u64);
    let made = FileSealer::new(key, FileId(id), Role::File, &metadata, &mut random.0);
    let (sealer, head) = made.ok().unwrap();
    let count = sealer.geometry().segment_count() as usize;
    Attempt {
        sealer,
        stored: Stored {
            head,
            segments: vec![None; count],
            older: Vec::new(),
        },
        made: vec![Vec::new(); count],
        bytes: source.bytes.len(),
        changes: source.changes,
    }
}

/// A segment's part of the source, as it is on the disk now.
fn part<'a>(attempt: &Attempt, source: &'a Source, index: usize) -> &'a [u8] {
    let range = attempt.sealer.source_range(index as u64);
    let end = (range.end as usize).min(source.bytes.len());
    &source.bytes[(range.start as usize).min(end)..end]
}

/// Sends one segment; `false` if the source is no longer the one that was sealed before.
fn send(
    attempt: &mut Attempt,
    source: &Source,
    index: usize,
    random: &mut Random,
    covered: &mut Covered,
) -> bool {
    let own = part(attempt, source, index).to_vec();
    let matches = |pair| attempt.sealer.matches(index as u64, pair, &own) == Ok(true);
    if !attempt.made[index].iter().all(matches) {
        return false;
    }
    let mut sealed = Vec::new();
    let rng = &mut random.0;
    let pair = match attempt
        .sealer
        .seal_segment(index as u64, &own, rng, &mut sealed)
    {
        Ok(pair) => pair,
        Err(error) => {
            assert_eq!(error, Error::FileChanged);
            return false;
        }
    };
    covered.note(attempt.sealer.file(), index, &pair, &own);
    attempt.made[index].push(pair);
    attempt.stored.older.push((index, sealed.clone(), pair));
    if !random.one_in(5) {
        attempt.stored.segments[index] = Some((sealed, pair));
    }
    true
}

/// What the relay says it has of a segment: the truth, an older pair, or something made up.
fn recorded(attempt: &Attempt, index: usize, random: &mut Random) -> Option<Pair> {
    let (_, mut pair) = attempt.stored.segments[index].clone()?;
    if random.one_in(20) && !attempt.stored.older.is_empty() {
        let at = random.below(attempt.stored.older.len());
        pair = attempt.stored.older[at].2;
    }
    if random.one_in(40) {
        random.0.fill_bytes(&mut pair.tag);
    }
    Some(pair)
}

/// One client's try at the whole file, which may be cut off. `None`: go on later. `Some(false)`: the
/// source changed, so begin again. `Some(true)`: sealed.
fn try_once(
    attempt: &mut Attempt,
    source: &mut Source,
    random: &mut Random,
    covered: &mut Covered,
) -> Option<(bool, Vec<u8>)> {
    let changed = Some((false, Vec::new()));
    let mut pairs = Vec::new();
    for index in 0..attempt.made.len() {
        if random.one_in(6) {
            source.change(random);
        }
        let kept = recorded(attempt, index, random);
        if let Some(pair) = kept {
            let own = part(attempt, source, index);
            if attempt.sealer.matches(index as u64, &pair, own) != Ok(true) {
                return changed;
            }
            pairs.push(pair);
        } else if !send(attempt, source, index, random, covered) {
            return changed;
        } else {
            pairs.extend(attempt.made[index].last().copied());
        }
        if random.one_in(6) {
            return None;
        }
    }
    // The seal comes last, when everything is durable and the file is still the same (C2, C3).
    if attempt.stored.segments.iter().any(Option::is_none) {
        return None;
    }
    if source.bytes.len() != attempt.bytes || source.changes != attempt.changes {
        return changed;
    }
    let mut builder = SealBuilder::new();
    pairs.iter().for_each(|pair| builder.push(pair));
    let seal = attempt.sealer.seal(builder).ok()?;
    Some((true, seal.to_vec()))
}

fn upload(number: u64, key: &PackageKey, covered: &mut Covered) -> Outcome {
    let mut random = Random(rng(number));
    let bytes = if number.is_multiple_of(LARGE_EVERY) {
        SEGMENT_PLAINTEXT_BYTES as usize + 1 + random.below(5_000)
    } else {
        1 + random.below(5_000)
    };
    let mut source = Source {
        bytes: content(bytes),
        changes: 0,
        states: Vec::new(),
    };
    source.states.push(hash(&source.bytes));
    let mut attempt = begin(key, &source, &mut random);
    for _ in 0..5 {
        if random.one_in(3) {
            // Another worker, or another tab of the same client.
            attempt.sealer = FileSealer::import(&attempt.sealer.export()).ok().unwrap();
        }
        match try_once(&mut attempt, &mut source, &mut random, covered) {
            None => {}
            Some((false, _)) => attempt = begin(key, &source, &mut random),
            Some((true, seal)) => return read(key, attempt.stored, &seal, &source, &mut random),
        }
    }
    Outcome::GivenUp
}

/// A relay that may have exchanged segments for older ones, and a reader.
fn read(
    key: &PackageKey,
    mut stored: Stored,
    seal: &[u8],
    source: &Source,
    random: &mut Random,
) -> Outcome {
    if random.one_in(3) {
        let at = random.below(stored.older.len());
        let (index, sealed, pair) = stored.older[at].clone();
        stored.segments[index] = Some((sealed, pair));
    }
    let mut body = Vec::new();
    for (sealed, _) in stored.segments.iter().flatten() {
        body.extend_from_slice(sealed);
    }
    body.extend_from_slice(seal);
    let opener = FileOpener::new(key, &stored.head).ok().unwrap();
    match open_body(&opener, &body) {
        Ok((content, _)) => {
            assert!(
                source.states.contains(&hash(&content)),
                "a mixture of two states"
            );
            Outcome::Whole
        }
        Err(error) => {
            assert!(matches!(
                error,
                Error::SealMismatch | Error::DamagedContent { .. }
            ));
            Outcome::RefusedByReader
        }
    }
}

#[test]
fn c2_ten_thousand_uploads_give_one_state_of_the_source_or_a_refusal() {
    let key = Package::new(1).key;
    let mut covered = Covered::default();
    let mut outcomes: HashMap<Outcome, u64> = HashMap::new();
    for number in 0..CASES {
        *outcomes
            .entry(upload(number, &key, &mut covered))
            .or_default() += 1;
    }
    // All of it happens, and often: a simulation in which nothing goes wrong proves nothing.
    for outcome in [Outcome::Whole, Outcome::RefusedByReader, Outcome::GivenUp] {
        let count = outcomes.get(&outcome).copied().unwrap_or_default();
        assert!(count >= 50, "{outcomes:?}");
    }
    assert!(outcomes[&Outcome::Whole] > CASES / 2, "{outcomes:?}");
    assert!(covered.0.len() as u64 > CASES, "{}", covered.0.len());
}
