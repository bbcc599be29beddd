//! Where the programs under test are: named by the environment, or built once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The relay: `$SEALIFT_RELAY_BIN`, or built by cargo.
pub fn relay_binary() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| find("SEALIFT_RELAY_BIN", "sealift-relay", "sealift-relay"))
}

/// The command line: `$SEALIFT_BIN`, or built by cargo.
pub fn sealift_binary() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| find("SEALIFT_BIN", "sealift-cli", "sealift"))
}

/// Where the command line under test keeps what it remembers.
pub(crate) fn state_folder() -> PathBuf {
    own_target().0.join("tmp/state")
}

fn find(variable: &str, package: &str, binary: &str) -> PathBuf {
    if let Some(place) = std::env::var_os(variable) {
        return PathBuf::from(place);
    }
    let (target, release) = own_target();
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args([
        "build", "--quiet", "--locked", "-p", package, "--bin", binary,
    ]);
    build.arg("--target-dir").arg(&target);
    if release {
        build.arg("--release");
    }
    let built = build.status().is_ok_and(|status| status.success());
    assert!(
        built,
        "could not build {package}; run `cargo build -p {package}` and read its output"
    );
    target
        .join(if release { "release" } else { "debug" })
        .join(binary)
}

/// The target folder that this test was built into, and whether it is a release build.
fn own_target() -> (PathBuf, bool) {
    let own = std::env::current_exe().unwrap_or_default();
    let profile = own
        .ancestors()
        .find(|p| p.ends_with("debug") || p.ends_with("release"));
    let profile =
        profile.unwrap_or_else(|| panic!("{} is not below a target folder", own.display()));
    let target = profile.parent().unwrap_or(profile);
    (target.to_owned(), profile.ends_with("release"))
}
