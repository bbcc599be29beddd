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

/// Bytes before a segment's ciphertext: prefix and IV.
pub const SEGMENT_PREFIX_BYTES: usize = 16;
/// Bytes of an AES-GCM tag.
pub const TAG_BYTES: usize = 16;
/// Largest step of the padding rule, in bytes (F1).
pub const PADDING_STEP_BYTES_MAX: u64 = 1 << 25;
/// Padding is always less than this, in bytes: two steps.
pub const PADDING_BYTES_MAX: u64 = 2 * PADDING_STEP_BYTES_MAX;
/// Largest file that goes into a pack, in bytes.
pub const PACKED_FILE_BYTES_MAX: u64 = 1 << 20;
/// Largest padded plaintext of a pack, in bytes: the largest whose body still fits one part of 8 MiB (F5).
pub const PACK_PADDED_BYTES_MAX: u64 = 8_257_536;

/// Most slots in a keyring, of all kinds.
pub const SLOT_COUNT_MAX: u16 = 32;
/// Most password slots in a keyring: each one tried costs an Argon2 run (K5).
pub const PASSWORD_SLOT_COUNT_MAX: usize = 8;
/// Largest slot, in bytes.
pub const SLOT_BYTES_MAX: u16 = 4_096;

/// Most memory of one Argon2 run, in KiB: 1 GiB.
pub const KDF_MEMORY_KIB_MAX: u32 = 1 << 20;
/// Most passes of one Argon2 run.
pub const KDF_PASSES_MAX: u16 = 16;
/// Most Argon2 lanes (called p in RFC 9106).
pub const KDF_PARALLELISM_MAX: u8 = 4;
/// Most memory times passes of one Argon2 run, in KiB: 4 GiB.
pub const KDF_WORK_KIB_MAX: u64 = 4 << 20;
/// Most memory times passes of all password slots together, in KiB: 8 GiB (K5).
pub const KDF_WORK_KIB_SUM_MAX: u64 = 8 << 20;

/// Largest encrypted metadata of a head, in plaintext bytes before padding.
pub const METADATA_BYTES_MAX: u32 = 32_768 - 4;
/// Metadata is padded to a multiple of this, in bytes.
pub const METADATA_STEP_BYTES: u32 = 256;
/// A draft's plaintext is padded to a multiple of this, in bytes.
pub const DRAFT_STEP_BYTES: u32 = 1_024;

/// Largest manifest, in plaintext bytes: 32 MiB, opened in memory.
pub const MANIFEST_BYTES_MAX: u64 = 32 << 20;
/// Most files named by one manifest.
pub const MANIFEST_FILE_COUNT_MAX: usize = 200_000;
/// Most empty folders named by one manifest.
pub const MANIFEST_FOLDER_COUNT_MAX: usize = 50_000;
/// Longest path of a file, in bytes of UTF-8.
pub const PATH_BYTES_MAX: usize = 1_024;
/// Most components of a path. Whoever keeps every folder of a manifest has at most so many per file.
pub const PATH_DEPTH_MAX: usize = 32;
/// Longest component of a path, in bytes of UTF-8: what file systems take.
pub const NAME_BYTES_MAX: usize = 255;
/// Longest title, in bytes of UTF-8.
pub const TITLE_BYTES_MAX: usize = 1_024;
/// Longest note, in bytes of UTF-8.
pub const NOTE_BYTES_MAX: usize = 16_384;
/// Longest media type (MIME), in bytes.
pub const MEDIA_TYPE_BYTES_MAX: usize = 127;
/// Longest password after NFC, in bytes of UTF-8.
pub const PASSWORD_BYTES_MAX: usize = 1_024;

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
/// Words in which a client says what it can do, in one header or hello.
pub const CAPABILITIES_MAX: usize = 32;
/// Longest name of the user that a grant names.
pub const USER_NAME_BYTES_MAX: usize = 255;
/// Longest grant.
pub const GRANT_BYTES_MAX: usize = 4096;
/// Longest fragment of a link, in characters: base64url of the longest grant and five bytes more.
pub const FRAGMENT_CHARS_MAX: usize = (GRANT_BYTES_MAX + 5).div_ceil(3) * 4;

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

// --- a relay's connections

/// A lane that has not said hello after so long is closed.
pub const HELLO_MAX: Duration = Duration::from_secs(10);
/// A client that does not take an answer for so long loses its lane.
pub const ANSWER_MAX: Duration = Duration::from_secs(30);
/// The headers of a request must arrive within this, and the next request on a kept connection.
pub const REQUEST_MAX: Duration = Duration::from_secs(10);
/// A handshake (TLS, QUIC, WebTransport) must end within this.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// A download whose reader takes nothing for so long is cut; it can be resumed by range.
pub const STALL_MAX: Duration = Duration::from_secs(300);
/// Longest head of a request, in bytes.
pub const REQUEST_BYTES_MAX: usize = 32 << 10;
/// Most TCP connections of a relay.
pub const CONNECTIONS_MAX: usize = 4096;
/// Longest WebSocket message: a data frame with its header, and room to spare.
pub const WEBSOCKET_MESSAGE_BYTES_MAX: usize = DATA_BYTES_MAX + (64 << 10);
/// Longest payload of a WebSocket control frame (RFC 6455, section 5.5).
pub const WEBSOCKET_CONTROL_BYTES_MAX: u64 = 125;
/// With more WebTransport handshakes under way, new ones must first prove their address.
pub const HANDSHAKES_UNPROVED_MAX: usize = 64;
/// With more WebTransport handshakes under way, new ones are refused.
pub const HANDSHAKES_UNDER_WAY_MAX: usize = 256;
/// Most data that one WebTransport lane may have under way towards the relay.
pub const WINDOW_BYTES_MAX: u32 = 8 << 20;
/// What one WebTransport lane may have under way before its delay is known.
pub const WINDOW_BYTES_MIN: u32 = 1 << 20;
