//! Words that all promises share: send this, receive that.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sealift_tests::{Outcome, Sealift};

/// Long enough that no strength notice is printed.
pub(crate) const PASSWORD: &str = "kestrel ember walnut 2041 drizzle";

/// What the sender was told.
pub(crate) struct Sent {
    pub(crate) receive: String,
    pub(crate) manage: String,
}

/// `sealift send FILES --to RELAY` with the usual password.
pub(crate) fn sending(relay: &str, files: &[&Path]) -> Sealift {
    Sealift::new("send")
        .args(["--to", relay])
        .args(files)
        .password(PASSWORD)
}

/// Sends and expects success.
#[track_caller]
pub(crate) fn send(relay: &str, files: &[&Path]) -> Sent {
    links(&sending(relay, files).succeeds())
}

/// The links of a successful sending.
#[track_caller]
pub(crate) fn links(outcome: &Outcome) -> Sent {
    Sent {
        receive: outcome.field("sent", "receive_link"),
        manage: outcome.field("sent", "manage_link"),
    }
}

/// `sealift receive` into a folder with the usual password.
pub(crate) fn receiving(link: &str, folder: &Path) -> Sealift {
    Sealift::new("receive")
        .link(link)
        .password(PASSWORD)
        .arg("-o")
        .arg(folder)
}

/// Receives and expects success.
#[track_caller]
pub(crate) fn receive(link: &str, folder: &Path) -> Outcome {
    receiving(link, folder).succeeds()
}

/// A folder for one test.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// The file that is growing in a folder, under its temporary name.
pub(crate) fn growing(folder: &Path) -> Option<PathBuf> {
    let names = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path());
    names.into_iter().find(|place| {
        let name = place
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        name.starts_with(".sealift-") && name.ends_with(".part")
    })
}

/// Waits until a file in a folder has grown so far.
#[track_caller]
pub(crate) fn wait_until_grown(folder: &Path, bytes: u64) -> PathBuf {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        if let Some(place) = growing(folder)
            && std::fs::metadata(&place).map_or(0, |metadata| metadata.len()) >= bytes
        {
            return place;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("nothing in {} grew to {bytes} bytes", folder.display());
}
