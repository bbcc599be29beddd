//! What the session asks for, as objects of bytes, numbers and strings.

use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use zeroize::Zeroize as _;

use sealift_envelope::SealBuilder;
use sealift_protocol::frame;
use sealift_protocol::ids::{FileId, Pair};
use sealift_protocol::limits::{SEAL_BYTES, SEGMENT_BYTES};
use sealift_protocol::message::{ClientMessage, Role, Transport};
use sealift_protocol::session::{ClientAction, ClientEvent, SendPart, UserEvent, UserState};

use super::{Order, SendSession, random};
use crate::error::Result;
use crate::plain::{bytes, number, object, pairs_to_bytes};

impl SendSession {
    pub(super) fn show(&mut self, now_ms: f64, action: ClientAction) -> Result<JsValue> {
        let kind = |name: &str| ("type", JsValue::from(name));
        Ok(match action {
            ClientAction::OpenLane { lane, transport } => object([
                kind("open"),
                ("lane", lane.0.into()),
                ("transport", transport_name(transport).into()),
            ]),
            ClientAction::CloseLane { lane } => {
                self.decoders.remove(&lane);
                object([kind("close"), ("lane", lane.0.into())])
            }
            ClientAction::Send { lane, message } => object([
                kind("send"),
                ("lane", lane.0.into()),
                ("frame", control(&message)),
            ]),
            ClientAction::SendPart(part) => self.show_part(part),
            ClientAction::StopPart {
                lane,
                file,
                part,
                attempt,
            } => {
                let wanted = Order {
                    lane,
                    file,
                    part,
                    attempt,
                };
                let order = self
                    .orders
                    .open
                    .iter()
                    .find(|(_, order)| **order == wanted)
                    .map(|(number, _)| *number);
                object([
                    kind("stop"),
                    ("lane", lane.0.into()),
                    ("order", order.map_or(JsValue::NULL, JsValue::from)),
                ])
            }
            ClientAction::VerifyPart {
                file,
                part,
                offset,
                pairs,
                ..
            } => object([
                kind("verify"),
                ("file", file.to_string().into()),
                ("part", part.0.into()),
                ("firstSegment", number(offset / u64::from(SEGMENT_BYTES))),
                ("pairs", bytes(&pairs_to_bytes(&pairs))),
            ]),
            ClientAction::SealManifest => self.seal_manifest(now_ms)?,
            ClientAction::Tell(event) => self.tell(event)?,
        })
    }

    fn show_part(&mut self, part: SendPart) -> JsValue {
        let order = self.orders.add(Order {
            lane: part.lane,
            file: part.file,
            part: part.part,
            attempt: part.attempt,
        });
        let seal_bytes = if part.is_last {
            u64::from(SEAL_BYTES)
        } else {
            0
        };
        let cancel = ClientMessage::CancelPart {
            file: part.file,
            part: part.part,
            attempt: part.attempt,
        };
        let sealed_bytes = part.length.saturating_sub(seal_bytes);
        object([
            ("type", "part".into()),
            ("lane", part.lane.0.into()),
            ("order", order.into()),
            ("file", part.file.to_string().into()),
            ("begin", control(&part.begin)),
            ("cancel", control(&cancel)),
            (
                "firstSegment",
                number(part.offset / u64::from(SEGMENT_BYTES)),
            ),
            (
                "segmentCount",
                number(sealed_bytes.div_ceil(u64::from(SEGMENT_BYTES))),
            ),
            ("earlier", bytes(&pairs_to_bytes(&part.earlier))),
            (
                "pairsBefore",
                if part.is_last {
                    bytes(&pairs_to_bytes(&part.file_pairs))
                } else {
                    JsValue::NULL
                },
            ),
        ])
    }

    /// Seals the manifest, once, and hands it to the session. Its bytes go to the lanes as they are.
    fn seal_manifest(&mut self, now_ms: f64) -> Result<JsValue> {
        let file = FileId(random());
        let sealed = self.manifest.seal(&self.key, file, &mut crate::rng())?;
        self.pin = Some(sealed.pin);
        let pairs = pairs_to_bytes(&sealed.pairs);
        let event = ClientEvent::AddFile {
            file,
            role: Role::Manifest,
            head: sealed.head,
            sealed_body_bytes: sealed.body.len() as u64,
            pairs: sealed.pairs,
        };
        self.handle(now_ms, event);
        Ok(object([
            ("type", "manifest".into()),
            ("file", file.to_string().into()),
            ("body", bytes(&sealed.body)),
            ("pairs", bytes(&pairs)),
        ]))
    }

    fn tell(&mut self, event: UserEvent) -> Result<JsValue> {
        let kind = |name: &str| ("type", JsValue::from(name));
        Ok(match event {
            UserEvent::State(state) => object([kind("state"), ("state", state_name(state).into())]),
            UserEvent::Transport { transport, reason } => object([
                kind("transport"),
                ("transport", transport_name(transport).into()),
                ("reason", reason.into()),
            ]),
            UserEvent::Progress(progress) => object([
                kind("progress"),
                ("bytesDone", number(progress.bytes_done)),
                ("bytesTotal", number(progress.bytes_total)),
                ("bytesPerSecond", number(progress.bytes_per_second)),
                (
                    "secondsLeft",
                    progress
                        .time_left
                        .map_or(JsValue::NULL, |left| left.as_secs_f64().into()),
                ),
                (
                    "transport",
                    progress
                        .transport
                        .map_or(JsValue::NULL, |transport| transport_name(transport).into()),
                ),
                ("lanes", progress.lanes.into()),
            ]),
            UserEvent::FileCommitted { file, pairs, .. } => self.committed(file, &pairs)?,
            UserEvent::SessionBusy => object([kind("busy")]),
            UserEvent::Finished { expires_at } => {
                object([kind("finished"), ("expiresAt", number(expires_at))])
            }
            UserEvent::Failed { code, file } => object([
                kind("failed"),
                ("code", code.as_str().into()),
                (
                    "path",
                    file.and_then(|file| self.path_of(file))
                        .map_or(JsValue::NULL, JsValue::from),
                ),
            ]),
            UserEvent::Cancelled { confirmed } => {
                object([kind("cancelled"), ("confirmed", confirmed.into())])
            }
            UserEvent::Superseded => object([kind("superseded")]),
        })
    }

    /// Notes the seal of what is stored, for the manifest. A pack or file is not sent again after this.
    fn committed(&mut self, file: FileId, pairs: &[Pair]) -> Result<JsValue> {
        let mut file_count = 0; // the manifest counts for nothing
        let contents = self.contents.iter().zip(&mut self.manifest.sealed);
        for (content, sealed) in contents.filter(|(content, _)| content.file == file) {
            let mut builder = SealBuilder::new();
            pairs.iter().for_each(|pair| builder.push(pair));
            sealed.seal = content.sealer.seal(builder)?;
            file_count = content.file_count;
        }
        Ok(object([
            ("type", "committed".into()),
            ("file", file.to_string().into()),
            ("fileCount", file_count.into()),
        ]))
    }

    /// The path of the file, or of the first one in a pack.
    fn path_of(&self, file: FileId) -> Option<String> {
        let sealed = self
            .contents
            .iter()
            .position(|content| content.file == file)?;
        self.manifest
            .files
            .iter()
            .find(|entry| entry.sealed == sealed)
            .map(|entry| entry.path.clone())
    }
}

fn control(message: &ClientMessage) -> JsValue {
    let mut payload = message.encode();
    let frame = Uint8Array::from(&frame::control_frame(&payload)[..]);
    payload.zeroize(); // a Hello carries the owner token
    frame.into()
}

fn transport_name(transport: Transport) -> &'static str {
    match transport {
        Transport::WebTransport => "webtransport",
        Transport::WebSocket => "websocket",
    }
}

fn state_name(state: UserState) -> &'static str {
    match state {
        UserState::Connecting | UserState::Sending => "sending",
        UserState::Paused => "paused",
        UserState::Waiting => "waiting",
        UserState::Finishing => "finishing",
    }
}
