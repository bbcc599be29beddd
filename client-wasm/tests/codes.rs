//! The browser knows every code by the same name and the same sentence as relay and command line.
#![cfg(not(target_arch = "wasm32"))]

use std::fmt::Write as _;
use std::path::Path;

use sealift_protocol::error::Code;

/// The list as TypeScript. `SEALIFT_WRITE=1 cargo test -p sealift-client-wasm` writes it.
#[test]
fn the_browsers_list_of_codes_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/src/generated/codes.ts");
    let mut text = String::from(
        "/** Every code: whether trying again can help, and its sentences. Written from `relay/protocol/src/error.rs` by a test. */\n\
         export const CODES: Record<string, readonly [retryable: boolean, sentence: string]> = {\n",
    );
    for code in Code::ALL {
        writeln!(
            text,
            "  {}: [{}, {:?}],",
            code.as_str(),
            code.retryable(),
            code.sentence()
        )
        .unwrap();
    }
    text.push_str("};\n");
    if std::env::var_os("SEALIFT_WRITE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        found, text,
        "run: SEALIFT_WRITE=1 cargo test -p sealift-client-wasm"
    );
}
