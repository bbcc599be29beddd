//! The guide for those who come from Aspera does what it says. Commands that need S3 itself are replayed where there
//! is one, in `tests/s3`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sealift_tests::Sandbox;

#[test]
fn the_guide_does_what_it_says() {
    let sandbox = Sandbox::new();
    sandbox.replay(false);
    // What was sent lies sealed where the relay keeps it, and is nowhere readable.
    assert!(sandbox.path("var/lib/sealift/docroot").is_dir());
    assert!(holds_nowhere(&sandbox.path("var/lib/sealift"), &[7; 64]));
    let secret = sandbox.path("etc/sealift/docroot-other-1.url");
    assert_eq!(
        secret.metadata().unwrap().permissions().mode() & 0o777,
        0o600
    );
}

/// Whether no file below a folder holds these bytes.
fn holds_nowhere(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().all(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds_nowhere(&path, bytes);
        }
        let text = fs::read(&path).unwrap_or_default();
        text.windows(bytes.len()).all(|window| window != bytes)
    })
}
