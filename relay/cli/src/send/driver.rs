//! Drives a [`ClientSession`] to its end, exactly as the browser's control worker does: executes its
//! actions, tells it what happened, and keeps its clock.
//!
//! It holds no key. Sealing is behind [`Sealing`]; lanes carry ciphertext.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sealift_protocol::error::Code;
use sealift_protocol::message::{RelayMessage, Role, Transport};
use sealift_protocol::session::{
    ClientAction, ClientConfig, ClientEvent, ClientSession, UserEvent, UserState, Verdict,
};
use sealift_protocol::{FileId, LaneId, Pair, PartNumber};
use tokio::sync::mpsc;

use super::lane::{Lane, SealPart};
use crate::failure::{Cause, Failure, Result};
use crate::network::RelayAddress;
use crate::progress::Progress;
use crate::stop::Stop;

/// After Ctrl-C the relay is asked to delete what it has; no longer than this.
const CANCEL_TIME_MAX: Duration = Duration::from_secs(5);

/// A sealed file, ready to be announced.
pub(crate) struct Announced {
    /// Its id.
    pub(crate) file: FileId,
    /// Its head.
    pub(crate) head: Vec<u8>,
    /// Exact length of its body.
    pub(crate) body_bytes: u64,
    /// Of a file that is sealed already (the manifest): the pairs of all its segments (rule C3).
    pub(crate) pairs: Vec<Pair>,
}

/// Everything that needs keys or reads files.
pub(crate) trait Sealing: SealPart {
    /// Compares a part of the source with recorded pairs (rule C1). Blocking.
    fn verify_part(&self, file: FileId, part: PartNumber, offset: u64, pairs: &[Pair]) -> Verdict;

    /// A file is stored, with these segments: their pairs determine its seal.
    fn committed(&self, file: FileId, pairs: &[Pair]) -> Result<()>;

    /// All content is stored: seals the manifest, once.
    fn seal_manifest(&self) -> Result<Announced>;

    /// Name of a file, for messages.
    fn name_of(&self, file: FileId) -> Option<String>;
}

/// Where and how to send.
pub(crate) struct Route {
    /// The relay.
    pub(crate) relay: RelayAddress,
    /// Whom TLS trusts.
    pub(crate) tls: Arc<rustls::ClientConfig>,
}

/// What becomes of one call of [`drive`].
struct Driver<S: Sealing> {
    session: ClientSession,
    sealing: Arc<S>,
    route: Route,
    lanes: HashMap<LaneId, Lane>,
    events: mpsc::UnboundedSender<ClientEvent>,
    origin: Instant,
    state: Option<UserState>,
    /// The relay's last refusal: why it waits, when it waits.
    reason: Option<Code>,
}

/// Sends `content` and the manifest. Returns when the package will be deleted, in seconds since 1970.
///
/// # Errors
///
/// Whatever ended the session: the relay's refusal, a changed file, a lost network, Ctrl-C.
pub(crate) async fn drive<S: Sealing>(
    config: ClientConfig,
    content: Vec<Announced>,
    sealing: Arc<S>,
    route: Route,
    progress: &Progress,
    stop: &Stop,
) -> Result<u64> {
    let (events, mut happened) = mpsc::unbounded_channel();
    let origin = Instant::now();
    let session = ClientSession::new(config, origin.elapsed());
    let mut driver = Driver {
        session,
        sealing,
        route,
        lanes: HashMap::new(),
        events,
        origin,
        state: None,
        reason: None,
    };
    for file in content {
        driver.add(file, Role::Content);
    }
    driver.handle(ClientEvent::NoMoreFiles);

    let mut cancelled_at: Option<Instant> = None;
    loop {
        if let Some(ended) = driver.act(progress) {
            let ended = match ended {
                Err(failure) if cancelled_at.is_some() && failure.cause != Cause::Cancelled => {
                    Err(unconfirmed())
                }
                // Whoever cancels when all is done has sent it: the links must not be lost.
                ended => ended,
            };
            driver.close().await;
            return ended;
        }
        let wake = driver
            .session
            .next_wake()
            .map(|wake| wake.saturating_sub(origin.elapsed()));
        let patience = cancelled_at.map(|at| CANCEL_TIME_MAX.saturating_sub(at.elapsed()));
        tokio::select! {
            event = happened.recv() => {
                if let Some(event) = event {
                    driver.handle(event);
                    // What is there already belongs to the same moment.
                    while let Ok(event) = happened.try_recv() {
                        driver.handle(event);
                    }
                }
            }
            () = sleep(wake) => driver.handle(ClientEvent::Wake),
            () = stop.wait(), if cancelled_at.is_none() => {
                cancelled_at = Some(Instant::now());
                driver.handle(ClientEvent::Cancel);
            }
            () = sleep(patience), if patience.is_some() => return Err(unconfirmed()),
        }
    }
}

/// Stopped, but the relay did not say that it deleted what it has.
fn unconfirmed() -> Failure {
    Failure::new(
        Cause::Cancelled,
        "it was cancelled, but the relay did not confirm that it deleted what had arrived",
        "It will go by itself in some days; `sealift delete` with the manage link deletes it now.",
    )
}

/// Sleeps for so long, or for ever.
async fn sleep(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

impl<S: Sealing> Driver<S> {
    fn handle(&mut self, event: ClientEvent) {
        match &event {
            ClientEvent::LaneClosed { lane, .. } => {
                self.lanes.remove(lane);
            }
            ClientEvent::Message {
                message: RelayMessage::Refused { code, .. },
                ..
            }
            | ClientEvent::Message {
                message: RelayMessage::StopPart { code, .. },
                ..
            } => {
                self.reason = Some(*code);
            }
            _ => {}
        }
        self.session.handle(self.origin.elapsed(), event);
    }

    fn add(&mut self, announced: Announced, role: Role) {
        let Announced {
            file,
            head,
            body_bytes,
            pairs,
        } = announced;
        self.handle(ClientEvent::AddFile {
            file,
            role,
            head,
            sealed_body_bytes: body_bytes,
            pairs,
        });
    }

    /// Executes what the session wants now. Returns the end, once it has come.
    fn act(&mut self, progress: &Progress) -> Option<Result<u64>> {
        while let Some(action) = self.session.poll() {
            match action {
                ClientAction::OpenLane { lane, transport } => self.open_lane(lane, transport),
                ClientAction::CloseLane { lane } => {
                    if let Some(lane) = self.lanes.remove(&lane) {
                        tokio::spawn(lane.close());
                    }
                }
                ClientAction::Send { lane, message } => {
                    if let Some(lane) = self.lanes.get(&lane) {
                        lane.message(message);
                    }
                }
                ClientAction::SendPart(part) => {
                    if let Some(lane) = self.lanes.get(&part.lane) {
                        lane.part(part);
                    }
                }
                ClientAction::StopPart {
                    lane,
                    file,
                    part,
                    attempt,
                } => {
                    if let Some(lane) = self.lanes.get(&lane) {
                        lane.stop_part(file, part, attempt);
                    }
                }
                ClientAction::VerifyPart {
                    file,
                    part,
                    offset,
                    pairs,
                    ..
                } => {
                    self.verify_part(file, part, offset, pairs);
                }
                ClientAction::SealManifest => match self.sealing.seal_manifest() {
                    Ok(manifest) => self.add(manifest, Role::Manifest),
                    Err(failure) => return Some(Err(failure)),
                },
                ClientAction::Tell(event) => {
                    if let Some(end) = self.tell(event, progress) {
                        return Some(end);
                    }
                }
            }
        }
        None
    }

    fn open_lane(&mut self, lane: LaneId, transport: Transport) {
        if transport != Transport::WebSocket {
            return; // The configuration names WebSocket alone.
        }
        let opened = Lane::open(
            lane,
            self.route.relay.clone(),
            Arc::clone(&self.route.tls),
            Arc::clone(&self.sealing) as Arc<dyn SealPart>,
            self.events.clone(),
        );
        self.lanes.insert(lane, opened);
    }

    fn verify_part(&self, file: FileId, part: PartNumber, offset: u64, pairs: Vec<Pair>) {
        let (sealing, events) = (Arc::clone(&self.sealing), self.events.clone());
        tokio::task::spawn_blocking(move || {
            let verdict = sealing.verify_part(file, part, offset, &pairs);
            let _ended = events.send(ClientEvent::PartVerified {
                file,
                part,
                verdict,
            });
        });
    }

    fn tell(&mut self, event: UserEvent, progress: &Progress) -> Option<Result<u64>> {
        match event {
            UserEvent::State(state) => self.tell_state(state, progress),
            UserEvent::Progress(now) => {
                progress.total(now.bytes_total);
                progress.at_least(now.bytes_done);
            }
            UserEvent::FileCommitted { file, pairs, .. } => {
                return self.sealing.committed(file, &pairs).err().map(Err);
            }
            UserEvent::Transport { .. } => {}
            UserEvent::SessionBusy => {
                return Some(Err(Failure::shared(Code::SessionBusy)));
            }
            UserEvent::Finished { expires_at } => return Some(Ok(expires_at)),
            UserEvent::Failed { code, file } => {
                let failure = Failure::shared(code);
                let name = file.and_then(|file| self.sealing.name_of(file));
                return Some(Err(match name {
                    Some(name) => failure.about(&name),
                    None => failure,
                }));
            }
            UserEvent::Cancelled { confirmed: true } => {
                return Some(Err(Failure::shared(Code::Cancelled)));
            }
            UserEvent::Cancelled { confirmed: false } => return Some(Err(unconfirmed())),
            UserEvent::Superseded => return Some(Err(Failure::shared(Code::Superseded))),
        }
        None
    }

    fn tell_state(&mut self, state: UserState, progress: &Progress) {
        if state == UserState::Waiting {
            progress.notice(match self.reason.take() {
                Some(
                    code @ (Code::StorageFull
                    | Code::StorageFailed
                    | Code::RelayBusy
                    | Code::Draining),
                ) => code.sentence(),
                _ => "The connection was lost. Sending goes on by itself when it is back.",
            });
        }
        progress.doing(match state {
            UserState::Connecting => "Connecting",
            UserState::Sending => "Sending",
            UserState::Paused => "Paused",
            UserState::Waiting => "Waiting",
            UserState::Finishing => "Finishing",
        });
        self.state = Some(state);
    }

    /// Closes all lanes; each may say goodbye.
    async fn close(self) {
        let closing: Vec<_> = self
            .lanes
            .into_values()
            .map(|lane| tokio::spawn(lane.close()))
            .collect();
        for lane in closing {
            // A lane that panicked has nothing left to close.
            let _gone = lane.await;
        }
    }
}

/// The command line has WebSocket alone.
pub(crate) const TRANSPORTS: &[Transport] = &[Transport::WebSocket];

/// Without any lane or progress for so long, sending ends with a word instead of waiting for ever.
pub(crate) const GIVE_UP_AFTER: Duration = Duration::from_secs(10 * 60);
