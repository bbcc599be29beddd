//! Which protocol the two sides speak: the newest version both know, and the capabilities both
//! have.

use minicbor::{Decode, Encode};

use super::Hello;
use crate::error::Code;

/// The version that this crate speaks.
pub const PROTOCOL_VERSION: u32 = 1;
/// The oldest version that this crate still speaks.
pub const PROTOCOL_VERSION_MIN: u32 = 1;
/// The sub-protocol named when a WebSocket or WebTransport session is opened.
pub const SUB_PROTOCOL: &str = "sealift-1";

/// What a side can do beyond its version: a set of bits. Unknown bits are ignored.
#[derive(Clone, Copy, Debug, Decode, Default, Encode, Eq, PartialEq)]
#[cbor(transparent)]
pub struct Capabilities(#[n(0)] pub u64);

impl Capabilities {
    /// Understands [`super::RelayMessage::PartLost`]. Without it a relay refuses the commit.
    pub const PART_LOST: Self = Self(1);
    /// Everything that this crate can do.
    pub const OURS: Self = Self::PART_LOST;

    /// Whether all of `other` are among these.
    #[must_use]
    pub fn contain(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What both sides can do.
    #[must_use]
    pub fn shared(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// What the two sides agreed on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Negotiated {
    /// The version.
    pub protocol_version: u32,
    /// The capabilities.
    pub capabilities: Capabilities,
}

impl Negotiated {
    /// The relay's choice.
    ///
    /// # Errors
    /// [`Code::ClientTooOld`] or [`Code::RelayTooOld`] when no version is common.
    pub fn from_hello(hello: &Hello) -> Result<Self, Code> {
        if hello.protocol_version < PROTOCOL_VERSION_MIN {
            return Err(Code::ClientTooOld);
        }
        if hello.protocol_version_min > PROTOCOL_VERSION {
            return Err(Code::RelayTooOld);
        }
        Ok(Self {
            protocol_version: hello.protocol_version.min(PROTOCOL_VERSION),
            capabilities: hello.capabilities.shared(Capabilities::OURS),
        })
    }
}
