//! Every size, count and cost that a stored file may ask of a reader.
//!
//! A reader parses, compares with these, and only then allocates. `SPEC.md` of the envelope gives
//! the reasons; rules K5, F1, F5 of the design.

pub use crate::limits::{
    DRAFT_BYTES_MAX, HEAD_BYTES_MAX, KEYRING_BYTES_MAX, PADDED_BYTES_MAX, PADDED_BYTES_MIN,
    SEGMENT_BYTES, SEGMENT_OVERHEAD_BYTES,
};

/// Plaintext bytes in a full segment.
pub const SEGMENT_PLAIN_BYTES: u32 = crate::limits::SEGMENT_PLAINTEXT_BYTES;
/// Bytes before a segment's ciphertext: prefix and IV.
pub const SEGMENT_PREFIX_BYTES: usize = 16;
/// Bytes of an AES-GCM tag.
pub const TAG_BYTES: usize = 16;
/// Bytes of the seal that ends a body.
pub const SEAL_BYTES: usize = crate::limits::SEAL_BYTES as usize;

/// Largest step of the padding rule, in bytes (F1).
pub const PADDING_STEP_BYTES_MAX: u64 = 1 << 25;
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

#[cfg(all(feature = "cheap-kdf-for-tests", not(debug_assertions)))]
compile_error!("the feature cheap-kdf-for-tests is for tests; a release build must not have it");
