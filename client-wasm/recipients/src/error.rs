//! Errors, as JavaScript sees them: an `Error` with a stable `code`, and the code's own sentence.

use js_sys::{Error, Reflect};
use wasm_bindgen::JsValue;

use sealift_protocol::error::Code;

/// Something that ends as a thrown JavaScript error.
pub struct JsError(Code);

/// What the bindings return.
pub type Result<T> = core::result::Result<T, JsError>;

impl From<Code> for JsError {
    fn from(code: Code) -> Self {
        Self(code)
    }
}

impl From<sealift_envelope::Error> for JsError {
    fn from(error: sealift_envelope::Error) -> Self {
        Self(Code::parse(error.code()))
    }
}

impl From<sealift_protocol::format::FormatError> for JsError {
    fn from(error: sealift_protocol::format::FormatError) -> Self {
        Self(Code::parse(error.code()))
    }
}

impl From<JsError> for JsValue {
    fn from(JsError(code): JsError) -> Self {
        let error = Error::new(code.sentence());
        // Setting a property of a new object cannot fail.
        let _ = Reflect::set(&error, &"code".into(), &code.as_str().into());
        error.into()
    }
}
