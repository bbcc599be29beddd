//! A network link that a test can cut, stall and slow down: a TCP proxy in front of the relay.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

const PIECE_BYTES: usize = 16 * 1024;
const RECORDED_BYTES_MAX: usize = 1 << 20;
const TICK: Duration = Duration::from_millis(5);

#[derive(Default)]
struct State {
    connections: Mutex<Vec<TcpStream>>,
    down: AtomicBool,
    stalled: AtomicBool,
    /// Only from client to relay.
    sending_stalled: AtomicBool,
    /// The beginning of what clients sent.
    requests: Mutex<Vec<u8>>,
    ended: AtomicBool,
    /// 0 is without limit.
    bytes_per_second: AtomicU64,
    carried_bytes: AtomicU64,
    accepted: AtomicU64,
}

/// A link to `target`. Ends when dropped.
pub struct Link {
    address: SocketAddr,
    state: Arc<State>,
}

impl Link {
    /// Opens a link to a relay, on a port of the system's choice.
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|e| panic!("no port: {e}"));
        let address = listener
            .local_addr()
            .unwrap_or_else(|e| panic!("no address: {e}"));
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if shared.ended.load(SeqCst) {
                    return;
                }
                if shared.down.load(SeqCst) {
                    continue; // Dropped at once: the other side sees a reset.
                }
                let Ok(onward) = TcpStream::connect(target) else {
                    continue;
                };
                shared.accepted.fetch_add(1, SeqCst);
                shared.keep(&connection);
                shared.keep(&onward);
                carry(&shared, &connection, &onward, true);
                carry(&shared, &onward, &connection, false);
            }
        });
        Self { address, state }
    }

    /// Address to give to a client instead of the relay's.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts every connection now. New ones are taken.
    pub fn cut(&self) {
        for connection in self.state.lock().drain(..) {
            let _already_closed = connection.shutdown(Shutdown::Both);
        }
    }

    /// Cuts everything and lets nothing through until [`Link::up`].
    pub fn down(&self) {
        self.state.down.store(true, SeqCst);
        self.cut();
    }

    /// Takes connections again.
    pub fn up(&self) {
        self.state.down.store(false, SeqCst);
    }

    /// Keeps connections open but carries nothing, as a sleeping router does.
    pub fn stall(&self, stalled: bool) {
        self.state.stalled.store(stalled, SeqCst);
    }

    /// Keeps connections open and carries nothing from client to relay; what the relay says, and that
    /// it closes a connection, still arrives.
    pub fn stall_sending(&self, stalled: bool) {
        self.state.sending_stalled.store(stalled, SeqCst);
    }

    /// The first megabyte of what clients sent over this link, as text.
    pub fn requests(&self) -> String {
        let requests = self.state.requests.lock();
        let requests = requests.unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&requests).into_owned()
    }

    /// Carries about so many bytes a second in each connection and direction; 0 is without limit.
    pub fn throttle(&self, bytes_per_second: u64) {
        self.state.bytes_per_second.store(bytes_per_second, SeqCst);
    }

    /// Bytes carried so far, both ways.
    pub fn carried_bytes(&self) -> u64 {
        self.state.carried_bytes.load(SeqCst)
    }

    /// Connections made so far.
    pub fn accepted(&self) -> u64 {
        self.state.accepted.load(SeqCst)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.state.ended.store(true, SeqCst);
        self.cut();
        // Wakes the listener so that its thread ends.
        let _already_gone = TcpStream::connect(self.address);
    }
}

impl State {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stalled(&self, sending: bool) -> bool {
        let stalled = self.stalled.load(SeqCst) || (sending && self.sending_stalled.load(SeqCst));
        stalled && !self.ended.load(SeqCst)
    }

    fn record(&self, sent: &[u8]) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let room = RECORDED_BYTES_MAX.saturating_sub(requests.len());
        requests.extend_from_slice(&sent[..sent.len().min(room)]);
    }

    fn keep(&self, connection: &TcpStream) {
        if let Ok(clone) = connection.try_clone() {
            self.lock().push(clone);
        }
    }
}

/// Copies one direction on a thread of its own, until either side closes.
fn carry(state: &Arc<State>, from: &TcpStream, to: &TcpStream, sending: bool) {
    let state = Arc::clone(state);
    let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else {
        return;
    };
    thread::spawn(move || {
        let mut piece = vec![0; PIECE_BYTES];
        while let Ok(count) = from.read(&mut piece) {
            while state.is_stalled(sending) {
                thread::sleep(TICK);
            }
            if sending {
                state.record(&piece[..count]);
            }
            if count == 0 || to.write_all(&piece[..count]).is_err() {
                break;
            }
            state.carried_bytes.fetch_add(count as u64, SeqCst);
            let rate = state.bytes_per_second.load(SeqCst);
            if rate > 0 {
                thread::sleep(Duration::from_secs_f64(count as f64 / rate as f64));
            }
        }
        if state.sending_stalled.load(SeqCst) && !sending {
            // The other direction is still stalled, not closed: only the end of this one is told.
            let _already_closed = to.shutdown(Shutdown::Write);
            return;
        }
        let _already_closed = to.shutdown(Shutdown::Both);
        let _already_closed = from.shutdown(Shutdown::Both);
    });
}
