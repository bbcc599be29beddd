//! A client of one lane: says what a test wants, however wrong, and hears the answers.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use sealift_protocol::frame::{Decoder, Frame, control_frame, data_header};
use sealift_protocol::message::{
    Capabilities, ClientMessage, Create, Hello, PROTOCOL_VERSION, PROTOCOL_VERSION_MIN,
    RelayMessage, SUB_PROTOCOL, Transport, Welcome,
};
use sealift_protocol::part_plan::PartPlan;
use sealift_protocol::{Attempt, ClientId, Code, Epoch, PartNumber, format, message};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};

use super::TestRelay;
use super::sealed::{Sealed, SealedFile};

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

enum Wire {
    WebSocket(Box<Socket>),
    WebTransport(Box<Session>),
}

struct Session {
    _session: web_transport_quinn::Session,
    to: web_transport_quinn::SendStream,
    from: web_transport_quinn::RecvStream,
}

/// One lane.
pub struct Client {
    wire: Wire,
    decoder: Decoder,
    /// Answers that were passed over while waiting for another.
    pub passed: VecDeque<RelayMessage>,
    pub epoch: Epoch,
}

/// Opens a WebSocket; `headers` replace those that a program would send.
pub async fn websocket(
    relay: &TestRelay,
    headers: &[(&'static str, &str)],
) -> Result<Client, tungstenite::Error> {
    let mut request = format!("ws://{}/lane", relay.address()).into_client_request()?;
    request
        .headers_mut()
        .insert("sec-websocket-protocol", SUB_PROTOCOL.parse().unwrap());
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let (socket, response) = tokio_tungstenite::connect_async(request).await?;
    assert_eq!(response.headers()["sec-websocket-protocol"], SUB_PROTOCOL);
    Ok(Client::new(Wire::WebSocket(Box::new(socket))))
}

/// Opens a WebTransport session by the hash that the relay tells, as a page does.
pub async fn webtransport(relay: &TestRelay, origin: Option<&str>) -> Result<Client, String> {
    let (_, _, body) = relay.get("/api/webtransport").await;
    let info: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let hash = info["hashes"][0].as_str().unwrap();
    let hash = data_encoding::BASE64URL_NOPAD
        .decode(hash.as_bytes())
        .unwrap();
    let client = web_transport_quinn::ClientBuilder::new()
        .with_server_certificate_hashes(vec![hash])
        .map_err(|error| error.to_string())?;
    let url = format!("https://127.0.0.1:{}/lane", info["port"])
        .parse::<reqwest::Url>()
        .unwrap();
    let mut request =
        web_transport_quinn::proto::ConnectRequest::new(url).with_protocol(SUB_PROTOCOL);
    if let Some(origin) = origin {
        request = request.with_header("origin".parse().unwrap(), origin.parse().unwrap());
    }
    let session = client
        .connect(request)
        .await
        .map_err(|error| error.to_string())?;
    assert_eq!(session.protocol(), Some(SUB_PROTOCOL));
    let (to, from) = session.open_bi().await.map_err(|error| error.to_string())?;
    Ok(Client::new(Wire::WebTransport(Box::new(Session {
        _session: session,
        to,
        from,
    }))))
}

/// A hello of the package's owner.
pub fn hello(sealed: &Sealed, client: u8) -> Hello {
    Hello {
        protocol_version: PROTOCOL_VERSION,
        protocol_version_min: PROTOCOL_VERSION_MIN,
        capabilities: Capabilities::OURS,
        client_version: "test".to_owned(),
        client_id: ClientId([client; 16]),
        package: sealed.package,
        owner_token: sealed.owner.clone(),
        grant: None,
        takeover: false,
        epoch: None,
        transport: Transport::WebSocket,
    }
}

impl Client {
    fn new(wire: Wire) -> Self {
        Self {
            wire,
            decoder: Decoder::new(),
            passed: VecDeque::new(),
            epoch: Epoch(0),
        }
    }

    /// Opens a WebSocket and says hello.
    pub async fn welcome(relay: &TestRelay, sealed: &Sealed) -> Self {
        let mut client = websocket(relay, &[]).await.unwrap();
        client.enter(hello(sealed, 1)).await.unwrap();
        client
    }

    /// Says hello; the refusal's code otherwise.
    pub async fn enter(&mut self, hello: Hello) -> Result<Welcome, Code> {
        self.send(ClientMessage::Hello(hello)).await;
        match self.next().await {
            Some(RelayMessage::Welcome(welcome)) => {
                self.epoch = welcome.epoch;
                Ok(welcome)
            }
            Some(RelayMessage::Refused { code, .. }) => Err(code),
            other => panic!("neither welcome nor refused: {other:?}"),
        }
    }

    pub async fn raw(&mut self, bytes: Vec<u8>) -> bool {
        match &mut self.wire {
            Wire::WebSocket(socket) => socket.send(Message::Binary(bytes.into())).await.is_ok(),
            Wire::WebTransport(session) => session.to.write_all(&bytes).await.is_ok(),
        }
    }

    pub async fn send(&mut self, message: ClientMessage) -> bool {
        self.raw(control_frame(&message.encode())).await
    }

    /// Sends data in frames of 64 KiB.
    pub async fn data(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(64 << 10) {
            let mut frame = data_header(piece.len() as u32).to_vec();
            frame.extend_from_slice(piece);
            if !self.raw(frame).await {
                return;
            }
        }
    }

    /// The next answer that is no progress and no heartbeat; `None` when the lane has ended.
    pub async fn next(&mut self) -> Option<RelayMessage> {
        loop {
            match self.any().await? {
                RelayMessage::Received { .. } | RelayMessage::Pong {} => {}
                message => return Some(message),
            }
        }
    }

    /// The next answer of any kind.
    pub async fn any(&mut self) -> Option<RelayMessage> {
        loop {
            match self.decoder.next().unwrap() {
                Some(Frame::Control(payload)) => {
                    return Some(RelayMessage::decode(&payload).unwrap());
                }
                Some(Frame::Data(_)) => panic!("a relay sends no data"),
                None => {}
            }
            let waited = tokio::time::timeout(Duration::from_secs(20), self.chunk()).await;
            self.decoder.push(waited.expect("no answer within 20 s")?);
        }
    }

    async fn chunk(&mut self) -> Option<Bytes> {
        match &mut self.wire {
            Wire::WebSocket(socket) => loop {
                match socket.next().await {
                    Some(Ok(Message::Binary(bytes))) => return Some(bytes),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                    Some(Ok(_)) => {}
                }
            },
            Wire::WebTransport(session) => {
                Some(session.from.read_chunk(1 << 20, true).await.ok()??.bytes)
            }
        }
    }

    /// Waits for an answer of one kind; keeps what it passes over.
    pub async fn wait<T>(&mut self, mut wanted: impl FnMut(&RelayMessage) -> Option<T>) -> T {
        for at in 0..self.passed.len() {
            if let Some(found) = wanted(&self.passed[at]) {
                self.passed.remove(at);
                return found;
            }
        }
        loop {
            let message = self.next().await.expect("the lane ended");
            match wanted(&message) {
                Some(found) => return found,
                None => self.passed.push_back(message),
            }
        }
    }

    /// The code of the next refusal.
    pub async fn refusal(&mut self) -> Code {
        self.wait(|message| match message {
            RelayMessage::Refused { code, .. } => Some(*code),
            _ => None,
        })
        .await
    }

    pub async fn create(&mut self, sealed: &Sealed) {
        let create = Create {
            keyring: sealed.keyring.clone(),
            draft: sealed.draft.clone(),
            expires_in_s: None,
        };
        self.send(ClientMessage::Create(create)).await;
        let stored = self
            .wait(|message| match message {
                RelayMessage::Created { keyring_sha256 } => Some(*keyring_sha256),
                RelayMessage::Refused { code, .. } => panic!("create was refused: {code}"),
                _ => None,
            })
            .await;
        assert_eq!(stored, message::sha256(&sealed.keyring));
    }

    /// Announces a file; answers its plan.
    pub async fn add(&mut self, file: &SealedFile) -> Result<PartPlan, Code> {
        let role = match file.role {
            format::Role::Manifest => message::Role::Manifest,
            _ => message::Role::Content,
        };
        self.send(ClientMessage::AddFile {
            file: file.id,
            role,
            head: file.head.clone(),
        })
        .await;
        let part_bytes = self
            .wait(|message| match message {
                RelayMessage::FileAdded {
                    file: id,
                    head_sha256,
                    part_bytes,
                    ..
                } if *id == file.id => {
                    assert_eq!(*head_sha256, message::sha256(&file.head));
                    Some(Ok(*part_bytes))
                }
                RelayMessage::Refused { code, .. } => Some(Err(*code)),
                _ => None,
            })
            .await?;
        Ok(PartPlan::from_record(file.geometry.body_bytes(), part_bytes).unwrap())
    }

    pub async fn begin(&mut self, file: &SealedFile, plan: PartPlan, part: u32, attempt: u32) {
        let length = plan.range(PartNumber(part)).unwrap().length;
        let epoch = self.epoch;
        let (part, attempt) = (PartNumber(part), Attempt(attempt));
        self.send(ClientMessage::BeginPart {
            file: file.id,
            part,
            attempt,
            epoch,
            length,
        })
        .await;
    }

    /// Sends a whole part.
    pub async fn part(&mut self, file: &SealedFile, plan: PartPlan, part: u32, attempt: u32) {
        let range = plan.range(PartNumber(part)).unwrap();
        self.begin(file, plan, part, attempt).await;
        let start = range.offset as usize;
        self.data(&file.body[start..start + range.length as usize])
            .await;
    }

    /// Waits until a part is durable; `Err` when it was stopped.
    pub async fn durable(&mut self, file: &SealedFile, number: u32) -> Result<Attempt, Code> {
        self.wait(|message| match message {
            RelayMessage::Durable {
                file: id,
                part,
                attempt,
                ..
            } if (*id, part.0) == (file.id, number) => Some(Ok(*attempt)),
            RelayMessage::StopPart {
                file: id,
                part,
                code,
                ..
            } if (*id, part.0) == (file.id, number) => Some(Err(*code)),
            _ => None,
        })
        .await
    }

    /// Why an attempt was stopped.
    pub async fn stopped(&mut self, number: u32) -> Code {
        self.wait(|message| match message {
            RelayMessage::StopPart { attempt, code, .. } => (attempt.0 == number).then_some(*code),
            _ => None,
        })
        .await
    }

    /// Sends a whole file and commits it.
    pub async fn store(&mut self, file: &SealedFile) {
        let plan = self.add(file).await.unwrap();
        for part in 0..plan.part_count() - 1 {
            self.part(file, plan, part, 1).await;
        }
        for part in 0..plan.part_count() - 1 {
            self.durable(file, part).await.unwrap();
        }
        self.part(file, plan, plan.last().0, 1).await;
        self.durable(file, plan.last().0).await.unwrap();
        self.commit(file).await;
    }

    pub async fn commit(&mut self, file: &SealedFile) {
        self.send(ClientMessage::CommitFile { file: file.id }).await;
        self.wait(|message| match message {
            RelayMessage::FileCommitted { file: id } => (*id == file.id).then_some(()),
            RelayMessage::Refused { code, .. } => panic!("commit was refused: {code}"),
            _ => None,
        })
        .await;
    }

    pub async fn finish(&mut self, manifest: &SealedFile) -> u64 {
        self.send(ClientMessage::Finish {
            manifest: manifest.id,
        })
        .await;
        self.wait(|message| match message {
            RelayMessage::Finished { expires_at } => Some(*expires_at),
            RelayMessage::Refused { code, .. } => panic!("finish was refused: {code}"),
            _ => None,
        })
        .await
    }
}

/// Sends a whole package of one file over one lane; answers the file and the manifest.
pub async fn send_package(
    client: &mut Client,
    sealed: &mut Sealed,
    padded_bytes: u64,
) -> (SealedFile, SealedFile) {
    let file = sealed.file(format::Role::File, padded_bytes);
    let manifest = sealed.file(format::Role::Manifest, 4096);
    client.create(sealed).await;
    client.store(&file).await;
    client.store(&manifest).await;
    client.finish(&manifest).await;
    (file, manifest)
}
