//! What people read: help pages and the sentences of common mistakes, word for word.
//!
//! After a wanted change: `TRYCMD=overwrite cargo test -p sealift-cli --test snapshots`.

#[test]
fn help_and_errors_read_as_they_did() {
    trycmd::TestCases::new()
        .env("COLUMNS", "100")
        .env("NO_COLOR", "1")
        .env("SEALIFT_PASSWORD", "kestrel ember walnut 2041 drizzle")
        .case("tests/snapshots/*.trycmd");
}
