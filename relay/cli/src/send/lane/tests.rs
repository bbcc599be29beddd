//! A relay that takes nothing more must not hold a lane that was closed.

// The WebSocket library's own type of refusal.
#![allow(clippy::result_large_err)]

use std::time::Instant;

use tokio::net::TcpListener;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use super::*;

/// Seals without end, until its frames are no longer taken.
struct Endless;

impl SealPart for Endless {
    fn seal_part(
        &self,
        _part: &SendPart,
        stopped: &AtomicBool,
        out: &mut dyn FnMut(Bytes) -> Result<(), PartFailure>,
    ) -> (Vec<Pair>, Result<(), PartFailure>) {
        let mut pairs = Vec::new();
        while !stopped.load(Ordering::Relaxed) {
            let (iv, tag) = ([1; 12], [2; 16]);
            pairs.push(Pair { iv, tag });
            if let Err(failure) = out(Bytes::from(vec![0; 256 * 1024])) {
                return (pairs, Err(failure));
            }
        }
        (pairs, Err(PartFailure::Stopped))
    }
}

/// Answers the upgrade and then never reads.
async fn deaf_relay() -> RelayAddress {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let answer = |_: &Request, mut response: Response| {
            let protocol = HeaderValue::from_static(SUB_PROTOCOL);
            response
                .headers_mut()
                .insert(SEC_WEBSOCKET_PROTOCOL, protocol);
            Ok(response)
        };
        let _socket = accept_hdr_async(stream, answer).await.unwrap();
        std::future::pending::<()>().await;
    });
    RelayAddress::parse(&format!("http://{address}")).unwrap()
}

fn a_part(lane: LaneId) -> Box<SendPart> {
    let (file, part, attempt) = (FileId([7; 32]), PartNumber(0), Attempt(1));
    Box::new(SendPart {
        lane,
        begin: ClientMessage::CancelPart {
            file,
            part,
            attempt,
        },
        file,
        part,
        attempt,
        offset: 0,
        length: 1 << 40,
        is_last: false,
        earlier: Vec::new(),
        file_pairs: Vec::new(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_a_lane_that_is_closed_while_its_write_waits_reports_what_was_sealed() {
    let (events, mut told) = mpsc::unbounded_channel();
    let id = LaneId(1);
    let tls = crate::network::tls(None).unwrap();
    let lane = Lane::open(id, deaf_relay().await, tls, Arc::new(Endless), events);
    assert!(matches!(
        told.recv().await,
        Some(ClientEvent::LaneOpened { .. })
    ));
    lane.part(*a_part(id));
    // Until every buffer on the way is full.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(told.try_recv().is_err(), "the part is still under way");

    let closed_at = Instant::now();
    tokio::spawn(lane.close());
    let Some(ClientEvent::PartFailed { pairs, failure, .. }) = told.recv().await else {
        panic!("the part is reported first");
    };
    assert_eq!(failure, PartFailure::Lane);
    assert!(!pairs.is_empty(), "with the pairs of everything sealed");
    assert!(matches!(
        told.recv().await,
        Some(ClientEvent::LaneClosed { .. })
    ));
    assert!(closed_at.elapsed() < Duration::from_secs(10));
}
