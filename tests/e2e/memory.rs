//! A file of any size passes through flat memory, on both sides.
//!
//! 300 MB by default; `SEALIFT_BIG_BYTES=4294967296` makes it the 4 GiB of the promise.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::Duration;

use sealift_tests::{Random, Relay, Running, Sealift, peak_bytes, resident_bytes, sha256_of};

use crate::support::{PASSWORD, folder, links, receiving, sending};

/// What relay and command line may each take over their idle size.
const OVER_IDLE_MAX: u64 = 150 << 20;
/// What the command line takes for Argon2, once, before any content.
const KDF_BYTES: u64 = 64 << 20;

fn big_bytes() -> u64 {
    std::env::var("SEALIFT_BIG_BYTES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(300_000_000)
}

/// The most memory a process had until it ended.
fn watch(mut running: Running) -> (u64, sealift_tests::Outcome) {
    let mut peak = 0;
    while running.is_running() {
        peak = peak.max(peak_bytes(running.pid()).unwrap_or(0));
        thread::sleep(Duration::from_millis(20));
    }
    (peak, running.wait())
}

#[test]
fn i8_memory_stays_flat_for_a_big_file_up_and_down() {
    let (relay, dir) = (Relay::start(), folder());
    // Mostly holes, with random bytes every 8 MiB: quick to make, no two parts alike.
    let place = dir.path().join("big.bin");
    let file = File::create(&place).unwrap();
    file.set_len(big_bytes()).unwrap();
    let mut random = Random::new(1);
    for offset in (0..big_bytes() - 4096).step_by(8 << 20) {
        file.write_all_at(&random.bytes(4096), offset).unwrap();
    }

    let idle = resident_bytes(relay.pid()).unwrap();
    let (sender_peak, outcome) = watch(sending(&relay.url(), &[&place]).start());
    assert_eq!(outcome.exit_code, 0, "{outcome:?}");
    let got = dir.path().join("got");
    let (receiver_peak, received) = watch(receiving(&links(&outcome).receive, &got).start());
    assert_eq!(received.exit_code, 0, "{received:?}");
    assert_eq!(sha256_of(&got.join("big.bin")), sha256_of(&place));

    let relay_peak = peak_bytes(relay.pid()).unwrap();
    assert!(
        relay_peak - idle < OVER_IDLE_MAX,
        "relay: {relay_peak} over {idle}"
    );
    for (who, peak) in [("sender", sender_peak), ("receiver", receiver_peak)] {
        assert!(peak < OVER_IDLE_MAX, "{who}: {peak}");
    }
}

#[test]
fn i8_sealing_and_opening_a_pipe_needs_little_memory() {
    let dir = folder();
    let place = dir.path().join("big.bin");
    File::create(&place).unwrap().set_len(200_000_000).unwrap();
    let sealed = dir.path().join("big.sealift");
    let encrypt = Sealift::new("encrypt")
        .arg(&place)
        .arg("-o")
        .arg(&sealed)
        .password(PASSWORD);
    let (peak, outcome) = watch(encrypt.start());
    assert_eq!(outcome.exit_code, 0, "{outcome:?}");
    assert!(peak < KDF_BYTES + (32 << 20), "sealing: {peak}");
    let decrypt = Sealift::new("decrypt")
        .arg(&sealed)
        .arg("-o")
        .arg(dir.path().join("got"))
        .password(PASSWORD);
    let (peak, outcome) = watch(decrypt.start());
    assert_eq!(outcome.exit_code, 0, "{outcome:?}");
    assert!(peak < KDF_BYTES + (32 << 20), "opening: {peak}");
}
