//! One WebSocket lane: connects, writes messages and parts, reads answers.
//!
//! A lane is two streams of bytes cut into binary messages anywhere. Parts are sealed by a blocking
//! task that is never more than two segments ahead of the socket; control messages go out between
//! two of its frames. When the lane ends, whatever was sealed is reported with its pairs (rule C2)
//! before the end itself.
//!
//! Start with [`Lane::open`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use sealift_protocol::frame::{Decoder, Frame, control_frame};
use sealift_protocol::message::{ClientMessage, MessageError, RelayMessage, SUB_PROTOCOL};
use sealift_protocol::session::{ClientEvent, LaneEnd, PartFailure, SendPart};
use sealift_protocol::{Attempt, FileId, LaneId, Pair, PartNumber};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

use crate::network::{CONNECT_TIME_MAX, RelayAddress};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Frames that may wait between sealing and the socket.
const FRAMES_AHEAD: usize = 2;
/// A relay says little; anything longer is none.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// The socket's own buffers; data goes past them in larger pieces.
const BUFFER_BYTES: usize = 32 * 1024;

/// What the control task asks of a lane.
enum Order {
    Message(ClientMessage),
    Part(Box<SendPart>),
    StopPart(FileId, PartNumber, Attempt),
}

/// Reads, seals and hands over one part. Runs on a blocking thread.
pub(crate) trait SealPart: Send + Sync + 'static {
    /// Seals the segments (and the seal, if it is the last part) in order and gives each as one data
    /// frame to `out`; an error of `out` means that the lane has gone. Returns the pairs of everything
    /// that was sealed, also when it fails. Returns early once `stopped` is set.
    fn seal_part(
        &self,
        part: &SendPart,
        stopped: &AtomicBool,
        out: &mut dyn FnMut(Bytes) -> Result<(), PartFailure>,
    ) -> (Vec<Pair>, Result<(), PartFailure>);
}

/// Time for the last words of a lane that is closed; after it, a write that waits is given up.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A lane that is open or opening. Dropping it closes the connection.
pub(crate) struct Lane {
    orders: mpsc::UnboundedSender<Order>,
    /// Tells by its end that the lane is closed, also while a write waits and takes no orders.
    open: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Lane {
    /// Starts to connect; `LaneOpened` or `LaneClosed` follows.
    pub(crate) fn open(
        id: LaneId,
        relay: RelayAddress,
        tls: Arc<rustls::ClientConfig>,
        sealer: Arc<dyn SealPart>,
        events: mpsc::UnboundedSender<ClientEvent>,
    ) -> Self {
        let (orders, taken) = mpsc::unbounded_channel();
        let (open, closing) = oneshot::channel();
        let task = tokio::spawn(async move {
            let end = match tokio::time::timeout(CONNECT_TIME_MAX, connect(&relay, tls)).await {
                Ok(Some(socket)) => {
                    // An error of a channel means that the control task has ended.
                    let _ended = events.send(ClientEvent::LaneOpened { lane: id });
                    Running {
                        id,
                        sealer,
                        events: events.clone(),
                    }
                    .run(socket, taken, closing)
                    .await;
                    LaneEnd::Closed
                }
                _ => LaneEnd::NotOpened,
            };
            let _ended = events.send(ClientEvent::LaneClosed { lane: id, end });
        });
        Self { orders, open, task }
    }

    /// Writes a message, before any part that has not begun.
    pub(crate) fn message(&self, message: ClientMessage) {
        let _closed = self.orders.send(Order::Message(message));
    }

    /// Sends a part after the earlier ones.
    pub(crate) fn part(&self, part: SendPart) {
        let _closed = self.orders.send(Order::Part(Box::new(part)));
    }

    /// Gives a part up, begun or not.
    pub(crate) fn stop_part(&self, file: FileId, part: PartNumber, attempt: Attempt) {
        let _closed = self.orders.send(Order::StopPart(file, part, attempt));
    }

    /// Closes the connection after what was ordered; for the end of a session.
    pub(crate) async fn close(self) {
        drop((self.orders, self.open));
        // Sealing that is under way ends with its segment.
        let _late = tokio::time::timeout(Duration::from_secs(2), self.task).await;
    }
}

async fn connect(relay: &RelayAddress, tls: Arc<rustls::ClientConfig>) -> Option<Socket> {
    let (host, port) = relay.host_and_port();
    let stream = TcpStream::connect((host.as_str(), port)).await.ok()?;
    stream.set_nodelay(true).ok()?;
    let mut request = relay.lane_url().into_client_request().ok()?;
    request.headers_mut().insert(
        SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static(SUB_PROTOCOL),
    );
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let connector = Some(Connector::Rustls(tls));
    let (socket, _) = client_async_tls_with_config(request, stream, Some(config), connector)
        .await
        .ok()?;
    Some(socket)
}

/// The part that is being sealed.
struct Current {
    part: Box<SendPart>,
    frames: mpsc::Receiver<Bytes>,
    stopped: Arc<AtomicBool>,
    sealing: tokio::task::JoinHandle<(Vec<Pair>, Result<(), PartFailure>)>,
}

struct Running {
    id: LaneId,
    sealer: Arc<dyn SealPart>,
    events: mpsc::UnboundedSender<ClientEvent>,
}

impl Running {
    async fn run(
        self,
        socket: Socket,
        orders: mpsc::UnboundedReceiver<Order>,
        closing: oneshot::Receiver<()>,
    ) {
        let (sink, stream) = socket.split();
        let mut waiting = VecDeque::new();
        let mut current = None;
        tokio::select! {
            () = self.read(stream) => {}
            () = self.write(sink, orders, &mut waiting, &mut current) => {}
            () = last_words_over(closing) => {}
        }
        self.end_part(&mut current, Some(PartFailure::Lane)).await;
        for part in waiting {
            self.report(&part, Vec::new(), Err(PartFailure::Lane));
        }
    }

    /// Passes messages on until the connection or the protocol breaks.
    async fn read(&self, mut stream: SplitStream<Socket>) {
        let mut decoder = Decoder::new();
        while let Some(Ok(message)) = stream.next().await {
            let Message::Binary(chunk) = message else {
                if message.is_close() || message.is_text() {
                    return;
                }
                continue;
            };
            decoder.push(chunk);
            loop {
                match decoder.next() {
                    Ok(Some(Frame::Control(payload))) => match RelayMessage::decode(&payload) {
                        Ok(message) => self.tell(ClientEvent::Message {
                            lane: self.id,
                            message,
                        }),
                        Err(MessageError::UnknownKind) => {}
                        Err(_) => return,
                    },
                    Ok(None) => break,
                    Ok(Some(Frame::Data(_))) | Err(_) => return,
                }
            }
        }
    }

    /// Writes orders and frames until told to close or the connection breaks.
    ///
    /// May be dropped at any `await`: a part leaves `waiting` and `current` only when it has been
    /// passed on or reported.
    async fn write(
        &self,
        mut sink: SplitSink<Socket, Message>,
        mut orders: mpsc::UnboundedReceiver<Order>,
        waiting: &mut VecDeque<Box<SendPart>>,
        current: &mut Option<Current>,
    ) {
        loop {
            if current.is_none()
                && let Some(part) = waiting.front()
            {
                if write_message(&mut sink, &part.begin).await.is_err() {
                    return;
                }
                *current = waiting.pop_front().map(|part| self.begin(part));
            }
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    None => {
                        let _gone = sink.close().await;
                        return;
                    }
                    Some(Order::Message(message)) => {
                        if write_message(&mut sink, &message).await.is_err() {
                            return;
                        }
                    }
                    Some(Order::Part(part)) => waiting.push_back(part),
                    Some(Order::StopPart(file, part, attempt)) => {
                        let is_it = |p: &SendPart| p.file == file && p.part == part && p.attempt == attempt;
                        if current.as_ref().is_some_and(|current| is_it(&current.part)) {
                            if let Some(cancel) = self.end_part(current, Some(PartFailure::Stopped)).await
                                && write_message(&mut sink, &cancel).await.is_err()
                            {
                                return;
                            }
                        } else if let Some(place) = waiting.iter().position(|p| is_it(p))
                            && let Some(stopped) = waiting.remove(place)
                        {
                            self.report(&stopped, Vec::new(), Err(PartFailure::Stopped));
                        }
                    }
                },
                frame = next_frame(current) => match frame {
                    Some(frame) => {
                        if sink.send(Message::Binary(frame)).await.is_err() {
                            return;
                        }
                    }
                    None => {
                        if let Some(cancel) = self.end_part(current, None).await
                            && write_message(&mut sink, &cancel).await.is_err()
                        {
                            return;
                        }
                    }
                },
            }
        }
    }

    fn begin(&self, part: Box<SendPart>) -> Current {
        let (out, frames) = mpsc::channel(FRAMES_AHEAD);
        let stopped = Arc::new(AtomicBool::new(false));
        let (sealer, task_part, task_stopped) =
            (Arc::clone(&self.sealer), part.clone(), Arc::clone(&stopped));
        let sealing = tokio::task::spawn_blocking(move || {
            sealer.seal_part(&task_part, &task_stopped, &mut |frame| {
                out.blocking_send(frame).map_err(|_| PartFailure::Lane)
            })
        });
        Current {
            part,
            frames,
            stopped,
            sealing,
        }
    }

    /// Waits for the sealing task and reports how the current part ended. Returns what tells the relay
    /// so when the part did not go out whole.
    async fn end_part(
        &self,
        current: &mut Option<Current>,
        failure: Option<PartFailure>,
    ) -> Option<ClientMessage> {
        let ending = current.as_mut()?;
        ending.stopped.store(failure.is_some(), Ordering::Relaxed);
        ending.frames.close();
        let ended = (&mut ending.sealing).await;
        let part = current.take()?.part;
        let (pairs, sealed) = ended.unwrap_or_else(|_| (Vec::new(), Err(PartFailure::Sealing)));
        // A changed source matters more than the lane it was meant for.
        let outcome = match (sealed, failure) {
            (Err(own @ (PartFailure::SourceChanged | PartFailure::SourceUnreadable)), _) => {
                Err(own)
            }
            (_, Some(failure)) => Err(failure),
            (sealed, None) => sealed,
        };
        self.report(&part, pairs, outcome);
        let (file, number, attempt) = (part.file, part.part, part.attempt);
        outcome.is_err().then_some(ClientMessage::CancelPart {
            file,
            part: number,
            attempt,
        })
    }

    fn report(&self, part: &SendPart, pairs: Vec<Pair>, outcome: Result<(), PartFailure>) {
        let (lane, file, number, attempt) = (self.id, part.file, part.part, part.attempt);
        self.tell(match outcome {
            Ok(()) => ClientEvent::PartSealed {
                lane,
                file,
                part: number,
                attempt,
                pairs,
            },
            Err(failure) => ClientEvent::PartFailed {
                lane,
                file,
                part: number,
                attempt,
                failure,
                pairs,
            },
        });
    }

    fn tell(&self, event: ClientEvent) {
        let _ended = self.events.send(event);
    }
}

/// Waits until the lane is closed, and a moment more.
async fn last_words_over(closing: oneshot::Receiver<()>) {
    let _closed = closing.await;
    tokio::time::sleep(LAST_WORDS).await;
}

/// The next frame of the current part; waits for ever when there is none.
async fn next_frame(current: &mut Option<Current>) -> Option<Bytes> {
    match current {
        Some(current) => current.frames.recv().await,
        None => std::future::pending().await,
    }
}

async fn write_message(
    sink: &mut SplitSink<Socket, Message>,
    message: &ClientMessage,
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    sink.send(Message::Binary(control_frame(&message.encode()).into()))
        .await
}

#[cfg(test)]
mod tests;
