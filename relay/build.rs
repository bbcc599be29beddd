//! Looks whether the pages are there to be embedded.
//!
//! `SEALIFT_WITHOUT_PAGES=1` builds a relay without pages, for working on the relay alone.

use std::path::Path;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(without_pages)");
    println!("cargo::rerun-if-env-changed=SEALIFT_WITHOUT_PAGES");
    println!("cargo::rerun-if-changed=../web/dist");
    if std::env::var_os("SEALIFT_WITHOUT_PAGES").is_some_and(|value| value == "1") {
        println!("cargo::rustc-cfg=without_pages");
    } else if !Path::new("../web/dist/index.html").exists() {
        println!("cargo::error=the pages are not built: run `cargo xtask build` first");
    }
}
