//! Limits for all lanes together: how many there may be, and how much memory their data may take.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Less memory than this does not let lanes work side by side.
pub(crate) const MEMORY_BYTES_MIN: u64 = 16 << 20;
/// The unit of the memory budget: semaphores count to 2^32 only on some machines.
const UNIT_BYTES: u32 = 1 << 10;

/// The limits.
pub(crate) struct Budget {
    /// For data that is being written. Whoever holds some waits for the disk alone, so it always comes back.
    data: Arc<Semaphore>,
    /// For what WebTransport may have under way, kept while a lane lasts, and for fast reading of WebSockets.
    windows: Windows,
    lanes: Arc<Semaphore>,
    by_address: PerAddress,
}

/// The part of the memory that is for what lanes receive.
#[derive(Clone)]
pub(crate) struct Windows(Arc<Semaphore>);

impl Windows {
    /// So much of it, if there is any just now.
    pub(crate) fn take(&self, bytes: u32) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0)
            .try_acquire_many_owned(bytes.div_ceil(UNIT_BYTES))
            .ok()
    }
}

/// Room for one lane, given back when dropped.
pub(crate) struct Admission {
    _seat: Seat,
    _lane: OwnedSemaphorePermit,
}

/// Counts what each address has, and stops at a limit.
#[derive(Clone)]
pub(crate) struct PerAddress {
    max: u32,
    counts: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

/// One of what an address may have, given back when dropped.
pub(crate) struct Seat {
    address: IpAddr,
    counts: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

impl PerAddress {
    pub(crate) fn new(max: u32) -> Self {
        Self {
            max,
            counts: Arc::default(),
        }
    }

    /// One more for an address; `None` when it has all it may have.
    pub(crate) fn take(&self, address: IpAddr) -> Option<Seat> {
        let address = network(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(Seat {
            address,
            counts: Arc::clone(&self.counts),
        })
    }
}

impl Budget {
    pub(crate) fn new(memory_bytes: u64, lanes_max: u32, lanes_per_address_max: u32) -> Self {
        let units = memory_bytes.max(MEMORY_BYTES_MIN) / u64::from(UNIT_BYTES);
        let data = (units / 4).min(1 << 28);
        let windows = (units - data).min(1 << 28);
        Self {
            data: Arc::new(Semaphore::new(data as usize)),
            windows: Windows(Arc::new(Semaphore::new(windows as usize))),
            lanes: Arc::new(Semaphore::new(lanes_max as usize)),
            by_address: PerAddress::new(lanes_per_address_max),
        }
    }

    /// Room for one more lane from an address; `None` when there is none.
    pub(crate) fn admit(&self, address: IpAddr) -> Option<Admission> {
        let lane = Arc::clone(&self.lanes).try_acquire_owned().ok()?;
        Some(Admission {
            _seat: self.by_address.take(address)?,
            _lane: lane,
        })
    }

    /// Memory for bytes that are to be written; waits for it. They were received, so a lane has little of them.
    pub(crate) async fn data(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let most = MEMORY_BYTES_MIN as usize / 4;
        let units = bytes.min(most).div_ceil(UNIT_BYTES as usize);
        Arc::clone(&self.data)
            .acquire_many_owned(u32::try_from(units).ok()?)
            .await
            .ok()
    }

    /// Memory for a receive window, if there is any just now.
    pub(crate) fn window(&self, bytes: u32) -> Option<OwnedSemaphorePermit> {
        self.windows.take(bytes)
    }

    /// The memory for what lanes receive.
    pub(crate) fn windows(&self) -> Windows {
        self.windows.clone()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// One household: an IPv4 address, or the /64 network of an IPv6 one.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_all_lanes() {
        let budget = Budget::new(1 << 20, 3, 2);
        let (a, b): (IpAddr, IpAddr) = (
            "2001:db8::1".parse().unwrap(),
            "2001:db8::2".parse().unwrap(),
        );
        let first = budget.admit(a);
        let second = budget.admit(b);
        assert!(first.is_some() && second.is_some() && budget.admit(a).is_none());
        let other = budget.admit("192.0.2.1".parse().unwrap());
        assert!(other.is_some() && budget.admit("192.0.2.2".parse().unwrap()).is_none());
        drop(first);
        assert!(budget.admit(b).is_some());
    }
}
