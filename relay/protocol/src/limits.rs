//! Every size and every count that comes from a peer has its limit here, and nowhere else.
//!
//! `_BYTES` are fixed sizes, `_MAX` and `_MIN` are bounds that are checked before anything is
//! allocated. Policy (what an operator allows) may only be tighter than this page.

use core::time::Duration;

// --- the sealed format, as far as it is visible without keys

/// One sealed segment: framing, IV, ciphertext and tag (suite 1, rule F1).
pub const SEGMENT_BYTES: u32 = 1 << 19;
/// What sealing adds to a segment: 4 framing, 12 IV, 16 tag.
pub const SEGMENT_OVERHEAD_BYTES: u32 = 32;
/// Plaintext bytes of a full segment.
pub const SEGMENT_PLAINTEXT_BYTES: u32 = SEGMENT_BYTES - SEGMENT_OVERHEAD_BYTES;
/// The seal that ends every body.
pub const SEAL_BYTES: u32 = 48;
/// One (IV, tag) pair.
pub const PAIR_BYTES: usize = 28;
/// Longest keyring. 32 hybrid slots of about 1.3 KiB fit.
pub const KEYRING_BYTES_MAX: usize = 48 * 1024;
/// Longest sealed draft (title, note, tree) in the create message.
pub const DRAFT_BYTES_MAX: usize = 96 * 1024;
/// Longest head of a sealed file.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Smallest plaintext length after padding (rule F1).
pub const PADDED_BYTES_MIN: u64 = 4096;
/// Largest plaintext length after padding.
pub const PADDED_BYTES_MAX: u64 = 1 << 56;

// --- parts

/// Usual length of a part: 16 segments.
pub const PART_BYTES_DEFAULT: u64 = 8 << 20;
/// Largest part (rule S7); an operator may set less.
pub const PART_BYTES_MAX: u64 = 1 << 30;
/// Most parts of one file.
pub const PART_COUNT_MAX: u32 = 1 << 17;
/// Most segments of one part, hence most pairs in one message.
pub const PART_PAIRS_MAX: usize = (PART_BYTES_MAX / SEGMENT_BYTES as u64) as usize;
/// Most attempts that a client makes for one part before it gives the file up.
pub const ATTEMPTS_MAX: u32 = 1000;

// --- frames and messages

/// Frame header: type, three zero bytes, length.
pub const FRAME_HEADER_BYTES: usize = 8;
/// Longest payload of a control frame.
pub const CONTROL_BYTES_MAX: usize = 160 * 1024;
/// Longest payload of a data frame.
pub const DATA_BYTES_MAX: usize = 1 << 20;
/// Longest text (client version, sentence of a refusal) in a message.
pub const TEXT_BYTES_MAX: usize = 512;
/// Longest grant.
pub const GRANT_BYTES_MAX: usize = 4096;

// --- counts

/// Most files (packs count as one) of one package, the manifest included.
pub const FILES_MAX: usize = 10_000;
/// Most lanes of one package at one relay.
pub const RELAY_LANES_MAX: usize = 16;
/// Most lanes a client opens.
pub const CLIENT_LANES_MAX: usize = 8;
/// Most requests of one lane that wait for storage; a client that sends more is cut off.
pub const LANE_REQUESTS_MAX: usize = 256;

// --- times

/// A client without lanes keeps its session for so long before another may have it for nothing.
pub const SESSION_IDLE: Duration = Duration::from_secs(60);
/// A relay closes a lane that said nothing for so long. Clients ping long before.
pub const LANE_IDLE_MAX: Duration = Duration::from_secs(60);
