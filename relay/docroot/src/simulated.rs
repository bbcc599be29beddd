//! A disk in memory that behaves like a bad day: at a power cut, bytes and names that were not synced are kept,
//! lost or torn at random. Only for tests (feature `simulation`).
//!
//! Everything is decided by a seed. [`SimulatedDisk::cut_after`] sets the moment of the cut, counted in disk
//! calls; from then on every call fails. [`SimulatedDisk::restart`] decides what survived and goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::{Disk, DiskFile};

/// Writes tear at multiples of this.
const SECTOR_BYTES: usize = 512;

/// How a planted bug lies about the disk. Each must be caught by the tests that use this disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Plant {
    /// An honest disk.
    Nothing,
    /// `fdatasync` does nothing.
    NoSync,
    /// Syncing a folder does nothing.
    NoFolderSync,
    /// A write is answered first and done a little later, after the sync that should have covered it.
    AnswerBeforeWrite,
    /// A file is replaced by writing over the old one in place.
    OverwriteInPlace,
}

/// The disk. Clones are the same disk.
#[derive(Clone)]
pub struct SimulatedDisk(Arc<Mutex<State>>);

struct State {
    random: Random,
    plant: Plant,
    calls_left: u64,
    syncs_to_fail: u32,
    capacity_bytes: u64,
    inodes: BTreeMap<u64, Inode>,
    root: Names,
    folders: BTreeMap<u64, Names>,
    next: u64,
}

/// Names as they are and as they would be after a power cut that loses everything not synced.
#[derive(Default)]
struct Names {
    now: BTreeMap<String, u64>,
    synced: BTreeMap<String, u64>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Link(String, u64),
    Unlink(String),
    Rename(String, String, u64),
}

#[derive(Default)]
struct Inode {
    now: Vec<u8>,
    synced: Vec<u8>,
    pending: Vec<Write>,
    late: Vec<Write>,
}

#[derive(Clone)]
enum Write {
    Bytes(usize, Vec<u8>),
    Length(usize),
}

impl SimulatedDisk {
    /// An empty disk of 1 GiB with the power on.
    pub fn new(seed: u64, plant: Plant) -> Self {
        Self(Arc::new(Mutex::new(State {
            random: Random(seed),
            plant,
            calls_left: u64::MAX,
            syncs_to_fail: 0,
            capacity_bytes: 1 << 30,
            inodes: BTreeMap::new(),
            root: Names::default(),
            folders: BTreeMap::new(),
            next: 1,
        })))
    }

    /// Cuts the power after that many more calls.
    pub fn cut_after(&self, calls: u64) {
        self.state().calls_left = calls;
    }

    /// Whether the power is off.
    pub fn is_off(&self) -> bool {
        self.state().calls_left == 0
    }

    /// Counts one call of another device on the same power, such as the disk of the records.
    ///
    /// # Errors
    ///
    /// When the power is off.
    pub fn tick(&self) -> io::Result<()> {
        self.call().map(drop)
    }

    /// Lets the next syncs of files fail and, like Linux, forget what they should have written.
    pub fn fail_syncs(&self, count: u32) {
        self.state().syncs_to_fail = count;
    }

    /// Sets how much the disk holds.
    pub fn set_capacity(&self, bytes: u64) {
        self.state().capacity_bytes = bytes;
    }

    /// Power on again: decides at random what of the unsynced survived.
    pub fn restart(&self) {
        let mut guard = self.state();
        let state = &mut *guard;
        state.calls_left = u64::MAX;
        state.syncs_to_fail = 0;
        state.root.settle(&mut state.random);
        for names in state.folders.values_mut() {
            names.settle(&mut state.random);
        }
        for inode in state.inodes.values_mut() {
            inode.settle(&mut state.random);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one call; fails when the power is off.
    fn call(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        if state.calls_left == 0 {
            return Err(io::Error::other("the power is off"));
        }
        state.calls_left -= 1;
        Ok(state)
    }
}

impl State {
    fn folder(&mut self, folder: &str) -> io::Result<&mut Names> {
        let id = *self.root.now.get(folder).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.folders.entry(id).or_default())
    }

    fn inode(&mut self, folder: &str, leaf: &str) -> io::Result<u64> {
        Ok(*self
            .folder(folder)?
            .now
            .get(leaf)
            .ok_or(io::ErrorKind::NotFound)?)
    }

    fn used_bytes(&self) -> u64 {
        let named: BTreeSet<u64> = self
            .folders
            .values()
            .flat_map(|names| names.now.values().copied())
            .collect();
        named
            .iter()
            .filter_map(|id| self.inodes.get(id))
            .map(|inode| inode.now.len() as u64)
            .sum()
    }
}

impl Names {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.now);
        self.pending.push(change);
    }

    fn sync(&mut self) {
        self.synced = self.now.clone();
        self.pending.clear();
    }

    fn settle(&mut self, random: &mut Random) {
        for change in self.pending.drain(..) {
            if random.below(2) == 0 {
                change.apply(&mut self.synced);
            }
        }
        self.now = self.synced.clone();
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Link(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            Self::Unlink(name) => {
                names.remove(name);
            }
            Self::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
        }
    }
}

impl Inode {
    fn write(&mut self, write: Write) {
        write.apply(&mut self.now);
        self.pending.push(write);
    }

    fn sync(&mut self) {
        for write in self.pending.drain(..) {
            write.apply(&mut self.synced);
        }
    }

    /// What was answered but not done yet: done now, too late for the sync before.
    fn catch_up(&mut self) {
        for write in std::mem::take(&mut self.late) {
            self.write(write);
        }
    }

    fn settle(&mut self, random: &mut Random) {
        self.late.clear();
        for write in self.pending.drain(..) {
            match (random.below(3), write) {
                (0, _) => {}
                (1, write) => write.apply(&mut self.synced),
                (_, Write::Length(length)) => Write::Length(length).apply(&mut self.synced),
                (_, Write::Bytes(offset, bytes)) => {
                    for (index, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
                        if random.below(2) == 0 {
                            let at = offset + index * SECTOR_BYTES;
                            Write::Bytes(at, sector.to_vec()).apply(&mut self.synced);
                        }
                    }
                }
            }
        }
        self.now = self.synced.clone();
    }
}

impl Write {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Length(length) => bytes.resize(*length, 0),
            Self::Bytes(offset, new) => {
                let end = offset + new.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*offset..end].copy_from_slice(new);
            }
        }
    }
}

impl Disk for SimulatedDisk {
    fn make_folder(&self, folder: &str) -> io::Result<()> {
        let mut state = self.call()?;
        if !state.root.now.contains_key(folder) {
            let id = state.next;
            state.next += 1;
            state.root.change(Change::Link(folder.to_owned(), id));
        }
        Ok(())
    }

    fn remove_folder(&self, folder: &str) -> io::Result<()> {
        let mut state = self.call()?;
        if !state.folder(folder)?.now.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        state.root.change(Change::Unlink(folder.to_owned()));
        Ok(())
    }

    fn folders(&self) -> io::Result<Vec<String>> {
        Ok(self.call()?.root.now.keys().cloned().collect())
    }

    fn leaves(&self, folder: &str) -> io::Result<Vec<String>> {
        Ok(self.call()?.folder(folder)?.now.keys().cloned().collect())
    }

    fn open(&self, folder: &str, leaf: &str, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.call()?;
        let id = match state.inode(folder, leaf) {
            Ok(id) => id,
            Err(error) if !create => return Err(error),
            Err(_) => {
                let id = state.next;
                state.next += 1;
                state
                    .folder(folder)?
                    .change(Change::Link(leaf.to_owned(), id));
                state.inodes.insert(id, Inode::default());
                id
            }
        };
        Ok(Arc::new(SimulatedFile {
            disk: self.clone(),
            id,
        }))
    }

    fn rename(&self, folder: &str, from: &str, to: &str, replace: bool) -> io::Result<()> {
        let mut state = self.call()?;
        let source = state.inode(folder, from)?;
        match state.inode(folder, to) {
            Ok(_) if !replace => return Err(io::ErrorKind::AlreadyExists.into()),
            Ok(target) if state.plant == Plant::OverwriteInPlace => {
                let bytes = state
                    .inodes
                    .get(&source)
                    .map(|inode| inode.now.clone())
                    .unwrap_or_default();
                if let Some(inode) = state.inodes.get_mut(&target) {
                    inode.write(Write::Length(bytes.len()));
                    inode.write(Write::Bytes(0, bytes));
                }
                state
                    .folder(folder)?
                    .change(Change::Unlink(from.to_owned()));
            }
            _ => {
                state
                    .folder(folder)?
                    .change(Change::Rename(from.to_owned(), to.to_owned(), source))
            }
        }
        Ok(())
    }

    fn remove(&self, folder: &str, leaf: &str) -> io::Result<()> {
        let mut state = self.call()?;
        state.inode(folder, leaf)?;
        state
            .folder(folder)?
            .change(Change::Unlink(leaf.to_owned()));
        Ok(())
    }

    fn sync_folder(&self, folder: Option<&str>) -> io::Result<()> {
        let mut state = self.call()?;
        if state.plant == Plant::NoFolderSync {
            return Ok(());
        }
        match folder {
            Some(folder) => state.folder(folder)?.sync(),
            None => state.root.sync(),
        }
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let state = self.call()?;
        Ok(state.capacity_bytes.saturating_sub(state.used_bytes()))
    }

    fn on_callers_thread(&self) -> bool {
        true
    }
}

struct SimulatedFile {
    disk: SimulatedDisk,
    id: u64,
}

impl SimulatedFile {
    fn with<T>(&self, work: impl FnOnce(&mut Inode, Plant) -> T) -> io::Result<T> {
        let mut state = self.disk.call()?;
        let plant = state.plant;
        let inode = state
            .inodes
            .get_mut(&self.id)
            .ok_or(io::ErrorKind::NotFound)?;
        Ok(work(inode, plant))
    }
}

impl DiskFile for SimulatedFile {
    fn write_at(&self, offset: u64, slices: &[Bytes]) -> io::Result<()> {
        let write = Write::Bytes(offset as usize, slices.concat());
        self.with(|inode, plant| {
            inode.catch_up();
            match plant {
                Plant::AnswerBeforeWrite => inode.late.push(write),
                _ => inode.write(write),
            }
        })
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.with(|inode, _| {
            inode.catch_up();
            let from = (offset as usize).min(inode.now.len());
            let length = into.len().min(inode.now.len() - from);
            into[..length].copy_from_slice(&inode.now[from..from + length]);
            length
        })
    }

    fn reserve(&self, length_bytes: u64) -> io::Result<()> {
        self.with(|inode, _| {
            if inode.now.len() < length_bytes as usize {
                inode.write(Write::Length(length_bytes as usize));
            }
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        let fail = {
            let mut state = self.disk.state();
            let fail = state.syncs_to_fail > 0;
            state.syncs_to_fail = state.syncs_to_fail.saturating_sub(1);
            fail
        };
        self.with(|inode, plant| match plant {
            _ if fail => {
                inode.pending.clear();
                Err(io::Error::other("input/output error"))
            }
            Plant::NoSync => Ok(()),
            _ => {
                inode.sync();
                Ok(())
            }
        })?
    }

    fn length_bytes(&self) -> io::Result<u64> {
        self.with(|inode, _| {
            inode.catch_up();
            inode.now.len() as u64
        })
    }
}

/// SplitMix64 (Steele, Lea, Flood, 2014): small, seeded, good enough to choose what a power cut keeps.
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.draw() % limit
    }
}
