//! Sends a package: what is sealed, and the session that says which part goes over which lane.
//!
//! The control worker registers files and folders, calls [`SendSession::prepare`] and [`SendSession::begin`], reports
//! what happens, and after every report carries out what [`SendSession::poll`] asks for until it asks for nothing.
//! Times are milliseconds of one monotonic clock.

mod actions;
mod prepare;

use core::time::Duration;
use std::collections::HashMap;

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use zeroize::Zeroize as _;

use sealift_envelope::{FileEntry, FileSealer, Manifest, PackageKey, names, pack};
use sealift_protocol::error::Code;
use sealift_protocol::frame::{Decoder, Frame};
use sealift_protocol::ids::{Attempt, ClientId, FileId, LaneId, OwnerToken, PartNumber};
use sealift_protocol::link::{Fragment, Link, LinkSecret, Pin};
use sealift_protocol::message::{MessageError, RelayMessage, Role, Transport};
use sealift_protocol::session::{
    ClientConfig, ClientEvent, ClientSession, LaneEnd, PartFailure, Verdict,
};

use crate::error::{JsError, Result};
use crate::plain::{list, pairs_from_bytes, whole};

/// A package on its way.
#[wasm_bindgen]
pub struct SendSession {
    key: PackageKey,
    keyring: Vec<u8>,
    secret: Option<LinkSecret>,
    owner: OwnerToken,
    manifest: Manifest,
    /// Sealed content files, in the order of the manifest.
    contents: Vec<Content>,
    session: Option<ClientSession>,
    pin: Option<Pin>,
    decoders: HashMap<LaneId, Decoder>,
    orders: Orders,
}

/// One sealed content file: a file, or a pack of small ones.
struct Content {
    file: FileId,
    head: Vec<u8>,
    body_bytes: u64,
    /// Files in it.
    file_count: u32,
    /// Makes the seal that the manifest names, from the pairs that are stored.
    sealer: FileSealer,
}

/// Parts given to lanes, under a number each.
#[derive(Default)]
struct Orders {
    next: u32,
    open: HashMap<u32, Order>,
}

#[derive(Clone, Copy, PartialEq)]
struct Order {
    lane: LaneId,
    file: FileId,
    part: PartNumber,
    attempt: Attempt,
}

#[wasm_bindgen]
impl SendSession {
    /// A package with this key and keyring, as `makeKeyring` gave them. The caller wipes `key` and `secret`.
    #[wasm_bindgen(constructor)]
    pub fn new(
        mut key: Vec<u8>,
        keyring: Vec<u8>,
        mut secret: Option<Vec<u8>>,
        title: String,
        note: String,
    ) -> Result<SendSession> {
        let imported = PackageKey::import(&key);
        key.zeroize();
        let link = secret
            .as_deref()
            .and_then(|secret| <[u8; 32]>::try_from(secret).ok())
            .map(LinkSecret);
        if let Some(secret) = &mut secret {
            secret.zeroize();
        }
        Ok(Self {
            key: imported?,
            keyring,
            secret: link,
            owner: OwnerToken(random()),
            manifest: Manifest {
                title,
                note,
                folders: Vec::new(),
                sealed: Vec::new(),
                files: Vec::new(),
            },
            contents: Vec::new(),
            session: None,
            pin: None,
            decoders: HashMap::new(),
            orders: Orders::default(),
        })
    }

    /// Registers a file. `modified_ms` counts from 1970.
    #[wasm_bindgen(js_name = addFile)]
    #[allow(clippy::cast_possible_truncation)]
    pub fn add_file(&mut self, path: String, bytes: f64, modified_ms: f64, media_type: String) {
        let modified_ms = modified_ms.is_finite().then_some(modified_ms as i64);
        let path = names::clean_path(&path);
        self.manifest.files.push(FileEntry {
            path,
            bytes: whole(bytes),
            modified_ms,
            media_type,
            sealed: 0,
            offset: 0,
        });
    }

    /// Registers a folder without files.
    #[wasm_bindgen(js_name = addFolder)]
    pub fn add_folder(&mut self, path: String) {
        self.manifest.folders.push(names::clean_path(&path));
    }

    /// Decides what is sealed together and draws all keys.
    ///
    /// Gives `[{file, sealer, bytes, members: [[index, offset], …]}]`: `members` are the registered files by their
    /// order, `sealer` is secret and goes to the lanes' workers.
    ///
    /// # Errors
    /// `bad_name`, `too_many_files`, `too_large`, `nothing_to_send`.
    pub fn prepare(&mut self) -> Result<JsValue> {
        if self.manifest.files.is_empty() && self.manifest.folders.is_empty() {
            return Err(Code::NothingToSend.into());
        }
        for path in self
            .manifest
            .folders
            .iter()
            .chain(self.manifest.files.iter().map(|file| &file.path))
        {
            names::check_path(path).map_err(|_| prepare::bad_name(path))?;
        }
        let sizes: Vec<u64> = self.manifest.files.iter().map(|file| file.bytes).collect();
        let batches = pack::plan(&sizes);
        let prepared: Result<Vec<JsValue>> = batches
            .iter()
            .map(|batch| self.prepare_one(batch))
            .collect();
        self.manifest.to_bytes()?; // all limits of a manifest, before anything is sent
        Ok(list(prepared?))
    }

    /// Starts the session. `client` says which program this is, in the words of the `Sealift-Client` header; `transports`
    /// is a comma-separated list of `webtransport` and `websocket`.
    #[wasm_bindgen]
    pub fn begin(
        &mut self,
        now_ms: f64,
        client: String,
        grant: Option<String>,
        expires_in_s: Option<u32>,
        transports: &str,
        lanes_max: u32,
    ) -> Result<()> {
        let draft = self.draft().seal(&self.key, &mut crate::rng())?;
        let config = ClientConfig {
            package: self.key.package(),
            owner_token: self.owner.clone(),
            client_id: ClientId(random()),
            client_version: client,
            grant,
            keyring: self.keyring.clone(),
            draft,
            expires_in_s,
            transports: transports.split(',').filter_map(transport_named).collect(),
            lanes_max: lanes_max as usize,
            jitter_seed: u64::from_le_bytes(random()),
            give_up_after: None,
        };
        let now = time(now_ms);
        let mut session = ClientSession::new(config, now);
        for content in &mut self.contents {
            let head = core::mem::take(&mut content.head);
            let (file, sealed_body_bytes) = (content.file, content.body_bytes);
            session.handle(
                now,
                ClientEvent::AddFile {
                    file,
                    role: Role::Content,
                    head,
                    sealed_body_bytes,
                    pairs: Vec::new(),
                },
            );
        }
        session.handle(now, ClientEvent::NoMoreFiles);
        self.session = Some(session);
        Ok(())
    }

    /// Nothing happened but that time went by.
    pub fn wake(&mut self, now_ms: f64) {
        self.handle(now_ms, ClientEvent::Wake);
    }

    /// Something that a person or the browser said: `pause`, `resume`, `cancel`, `takeOver`, `thawed`, `online`, `offline`.
    pub fn say(&mut self, now_ms: f64, what: &str) {
        let event = match what {
            "pause" => ClientEvent::Pause,
            "resume" => ClientEvent::Resume,
            "cancel" => ClientEvent::Cancel,
            "takeOver" => ClientEvent::TakeOver,
            "thawed" => ClientEvent::Thawed,
            "online" => ClientEvent::Online,
            "offline" => ClientEvent::Offline,
            _ => ClientEvent::Wake,
        };
        self.handle(now_ms, event);
    }

    /// A lane is open.
    #[wasm_bindgen(js_name = laneOpened)]
    pub fn lane_opened(&mut self, now_ms: f64, lane: u32) {
        self.handle(now_ms, ClientEvent::LaneOpened { lane: LaneId(lane) });
    }

    /// A lane ended: `not_opened`, `unsupported` or `closed`.
    #[wasm_bindgen(js_name = laneClosed)]
    pub fn lane_closed(&mut self, now_ms: f64, lane: u32, end: &str) {
        let lane = LaneId(lane);
        let end = match end {
            "not_opened" => LaneEnd::NotOpened,
            "unsupported" => LaneEnd::Unsupported,
            _ => LaneEnd::Closed,
        };
        self.decoders.remove(&lane);
        self.orders.open.retain(|_, order| order.lane != lane);
        self.handle(now_ms, ClientEvent::LaneClosed { lane, end });
    }

    /// Bytes arrived on a lane.
    ///
    /// # Errors
    /// `malformed`: the lane is to be closed.
    pub fn received(&mut self, now_ms: f64, lane: u32, bytes: &[u8]) -> Result<()> {
        let lane = LaneId(lane);
        let decoder = self.decoders.entry(lane).or_default();
        decoder.push(bytes.to_vec().into());
        let mut messages = Vec::new();
        while let Some(frame) = decoder.next().map_err(|_| JsError::code(Code::Malformed))? {
            let Frame::Control(payload) = frame else {
                return Err(Code::Malformed.into());
            };
            match RelayMessage::decode(&payload) {
                Ok(message) => messages.push(message),
                // A kind from a newer relay means nothing to this version.
                Err(MessageError::UnknownKind) => {}
                Err(_) => return Err(Code::Malformed.into()),
            }
        }
        for message in messages {
            self.handle(now_ms, ClientEvent::Message { lane, message });
        }
        Ok(())
    }

    /// A part was handed to the transport whole.
    #[wasm_bindgen(js_name = partSealed)]
    pub fn part_sealed(&mut self, now_ms: f64, order: u32, pairs: &[u8]) {
        let Some(Order {
            lane,
            file,
            part,
            attempt,
        }) = self.orders.open.remove(&order)
        else {
            return;
        };
        let pairs = pairs_from_bytes(pairs);
        self.handle(
            now_ms,
            ClientEvent::PartSealed {
                lane,
                file,
                part,
                attempt,
                pairs,
            },
        );
    }

    /// A part was not handed over whole: `file_changed`, `file_unreadable`, `stopped`, `sealing` or `lane`.
    #[wasm_bindgen(js_name = partFailed)]
    pub fn part_failed(&mut self, now_ms: f64, order: u32, code: &str, pairs: &[u8]) {
        let Some(Order {
            lane,
            file,
            part,
            attempt,
        }) = self.orders.open.remove(&order)
        else {
            return;
        };
        let failure = match code {
            "file_changed" => PartFailure::SourceChanged,
            "file_unreadable" => PartFailure::SourceUnreadable,
            "stopped" => PartFailure::Stopped,
            "sealing" => PartFailure::Sealing,
            _ => PartFailure::Lane,
        };
        let pairs = pairs_from_bytes(pairs);
        self.handle(
            now_ms,
            ClientEvent::PartFailed {
                lane,
                file,
                part,
                attempt,
                failure,
                pairs,
            },
        );
    }

    /// The verdict on recorded pairs: `same`, `changed` or `unreadable`.
    #[wasm_bindgen(js_name = partVerified)]
    pub fn part_verified(&mut self, now_ms: f64, file: &str, part: u32, verdict: &str) {
        let Ok(file) = FileId::parse(file) else {
            return;
        };
        let verdict = match verdict {
            "same" => Verdict::Same,
            "changed" => Verdict::Changed,
            _ => Verdict::Unreadable,
        };
        self.handle(
            now_ms,
            ClientEvent::PartVerified {
                file,
                part: PartNumber(part),
                verdict,
            },
        );
    }

    /// Milliseconds of the clock at which [`SendSession::wake`] is due; undefined: never.
    #[wasm_bindgen(js_name = nextWake)]
    pub fn next_wake(&self) -> Option<f64> {
        self.session
            .as_ref()?
            .next_wake()
            .map(|at| at.as_secs_f64() * 1000.0)
    }

    /// The next thing to do, an object with a `type`; undefined when there is none.
    pub fn poll(&mut self, now_ms: f64) -> Result<JsValue> {
        let Some(action) = self.session.as_mut().and_then(ClientSession::poll) else {
            return Ok(JsValue::UNDEFINED);
        };
        self.show(now_ms, action)
    }

    /// The link for those who shall open the package; once the manifest is sealed.
    #[wasm_bindgen(js_name = receiveLink)]
    pub fn receive_link(&self, relay: String) -> Option<String> {
        let fragment = Fragment::Receive {
            pin: self.pin?,
            secret: self.secret.clone(),
        };
        Some(self.link(relay, fragment))
    }

    /// The link that may read, change and delete the package (rule L4).
    #[wasm_bindgen(js_name = manageLink)]
    pub fn manage_link(&self, relay: String) -> String {
        let fragment = Fragment::Manage {
            owner: self.owner.clone(),
            secret: self.secret.clone(),
        };
        self.link(relay, fragment)
    }

    /// The package's id, as it stands in links.
    #[wasm_bindgen(getter, js_name = packageId)]
    pub fn package_id(&self) -> String {
        self.key.package().to_string()
    }
}

impl SendSession {
    fn handle(&mut self, now_ms: f64, event: ClientEvent) {
        if let Some(session) = &mut self.session {
            session.handle(time(now_ms), event);
        }
    }

    fn link(&self, relay: String, fragment: Fragment) -> String {
        let mut url = Link {
            relay,
            package: Some(self.key.package()),
            fragment,
        }
        .to_url();
        core::mem::take(&mut *url)
    }
}

impl Orders {
    fn add(&mut self, order: Order) -> u32 {
        self.next = self.next.wrapping_add(1);
        self.open.insert(self.next, order);
        self.next
    }
}

fn transport_named(name: &str) -> Option<Transport> {
    match name {
        "webtransport" => Some(Transport::WebTransport),
        "websocket" => Some(Transport::WebSocket),
        _ => None,
    }
}

fn time(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default()
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand_core::Rng::fill_bytes(&mut crate::rng(), &mut bytes);
    bytes
}
