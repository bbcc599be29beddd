//! Lengths around segments and parts, where arithmetic goes wrong if it does.

use sealift_tests::{Relay, same_content, write_random};

use crate::support::{folder, receive, send};

/// Plaintext of a full segment.
const SEGMENT: u64 = 524_256;

#[test]
fn files_of_every_awkward_length_arrive() {
    let (relay, dir) = (Relay::start(), folder());
    let sent = dir.path().join("sent");
    let lengths = [
        0,
        1,
        4_095,
        4_096,
        4_097,
        SEGMENT - 1,
        SEGMENT,
        SEGMENT + 1,
        2 * SEGMENT,
        16 * SEGMENT - 48,
        16 * SEGMENT,
        16 * SEGMENT + 1,
        32 * SEGMENT + 7,
    ];
    for (number, length) in lengths.into_iter().enumerate() {
        write_random(sent.join(format!("{length}")), length, number as u64);
    }
    let links = send(&relay.url(), &[&sent]);
    let got = dir.path().join("got");
    receive(&links.receive, &got);
    same_content(&sent, &got.join("sent"));
}
