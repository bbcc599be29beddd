//! `SPEC.md` and the code change together: the page records a hash of the files it describes.

use sealift_protocol::limits;
use sealift_protocol::message::sha256;

const DESCRIBED: [&str; 5] = [
    include_str!("../src/message.rs"),
    include_str!("../src/message/pairs.rs"),
    include_str!("../src/message/version.rs"),
    include_str!("../src/frame.rs"),
    include_str!("../src/part_plan.rs"),
];
const SPEC: &str = include_str!("../SPEC.md");

/// The code without comments' and layout's influence: what stands before the tests, line by line.
fn code(file: &str) -> String {
    let before_tests = file.split("#[cfg(test)]").next().unwrap_or(file);
    let lines = before_tests.lines().map(str::trim);
    lines
        .filter(|line| !line.starts_with("//"))
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn spec_was_read_against_the_code() {
    let described: String = DESCRIBED.into_iter().map(code).collect();
    let hash = format!(
        "{:?}",
        sha256(described.split_whitespace().collect::<String>().as_bytes())
    );
    assert!(
        SPEC.contains(&format!("Drift check: `{hash}`")),
        "messages, frames or the part plan changed. Read SPEC.md against the change, then write\nDrift check: `{hash}`"
    );
}

#[test]
fn spec_names_the_limits_that_hold() {
    let kib = |bytes: usize| bytes / 1024;
    for row in [
        format!(
            "{} KiB / {} MiB",
            kib(limits::CONTROL_BYTES_MAX),
            kib(limits::DATA_BYTES_MAX) / 1024
        ),
        format!(
            "{} KiB / {} KiB / {} KiB",
            kib(limits::KEYRING_BYTES_MAX),
            kib(limits::DRAFT_BYTES_MAX),
            kib(limits::HEAD_BYTES_MAX)
        ),
        format!(
            "{} bytes / {} KiB",
            limits::TEXT_BYTES_MAX,
            kib(limits::GRANT_BYTES_MAX)
        ),
        format!(
            "| {} at the relay, {} opened",
            limits::RELAY_LANES_MAX,
            limits::CLIENT_LANES_MAX
        ),
        format!("wait for storage | {} |", limits::LANE_REQUESTS_MAX),
        format!(
            "a sender cuts what is longer) | 1,{:03} KiB |",
            kib(limits::WEBSOCKET_MESSAGE_BYTES_MAX) - 1000
        ),
    ] {
        assert!(SPEC.contains(&row), "SPEC.md section 8 does not say: {row}");
    }
    assert_eq!(limits::PART_PAIRS_MAX, 2048);
    assert_eq!(
        (
            limits::PART_COUNT_MAX,
            limits::FILES_MAX,
            limits::ATTEMPTS_MAX
        ),
        (131_072, 10_000, 1000)
    );
    assert_eq!(limits::SESSION_IDLE, limits::LANE_IDLE_MAX);
}
