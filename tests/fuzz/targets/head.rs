//! See `sealift_fuzz::head`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sealift_fuzz::head(data));
