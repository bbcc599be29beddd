//! Errors, as JavaScript sees them: an `Error` with a stable `code`.

use js_sys::{Error, Reflect};
use wasm_bindgen::JsValue;

use sealift_protocol::error::Code;

/// Something that ends as a thrown JavaScript error.
pub struct JsError(JsValue);

/// What the bindings return.
pub type Result<T, E = JsError> = core::result::Result<T, E>;

impl JsError {
    /// An error with this code and sentence.
    pub fn new(code: &str, sentence: &str) -> Self {
        let error = Error::new(sentence);
        // Setting a property of a new object cannot fail.
        let _ = Reflect::set(&error, &"code".into(), &code.into());
        Self(error.into())
    }

    /// An error whose sentence is the code's own, which the page has too: here it would be carried twice.
    pub fn code(code: Code) -> Self {
        Self::new(code.as_str(), "")
    }
}

impl From<Code> for JsError {
    fn from(code: Code) -> Self {
        Self::code(code)
    }
}

impl From<sealift_envelope::Error> for JsError {
    fn from(error: sealift_envelope::Error) -> Self {
        match error {
            // The one whose sentence says more than its code: where.
            sealift_envelope::Error::DamagedContent { segment, position } => Self::new(
                error.code(),
                &format!(
                    "Segment {segment} (byte {position} of the body) was damaged or changed; fetch it again."
                ),
            ),
            _ => Self::code(Code::parse(error.code())),
        }
    }
}

impl From<sealift_protocol::format::FormatError> for JsError {
    fn from(error: sealift_protocol::format::FormatError) -> Self {
        Self::code(Code::parse(error.code()))
    }
}

impl From<sealift_protocol::link::LinkError> for JsError {
    fn from(error: sealift_protocol::link::LinkError) -> Self {
        Self::code(Code::parse(error.code()))
    }
}

/// An exception that the browser itself threw, such as WebCrypto's.
impl From<JsValue> for JsError {
    fn from(thrown: JsValue) -> Self {
        Self(thrown)
    }
}

impl From<JsError> for JsValue {
    fn from(error: JsError) -> Self {
        error.0
    }
}
