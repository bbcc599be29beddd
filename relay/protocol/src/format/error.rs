//! Why bytes are not a keyring, a head, a body or a `.sealift` file.

/// What is wrong with sealed bytes, as far as it can be seen without keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The magic number is missing.
    #[error("this is not a Sealift file")]
    NotSealed,
    /// Version, suite or a field that another version may define.
    #[error("this was made by a newer version of Sealift; update to open it")]
    UnknownVersion,
    /// The keyring's checksum or a field of it is wrong.
    #[error("the keyring at the start is damaged; fetch it again")]
    DamagedKeyring,
    /// A head's checksum or a field of it is wrong.
    #[error("a file's head is damaged; fetch it again")]
    DamagedHead,
    /// The draft is damaged.
    #[error("the draft of the package is damaged")]
    DamagedDraft,
    /// A segment or the seal does not stand where it must.
    #[error("the content is damaged at byte {position} of its body; fetch it again")]
    DamagedContent {
        /// First byte of the segment or seal concerned, counted from the start of the body.
        position: u64,
    },
    /// The end is missing.
    #[error("the end is missing; fetch it again")]
    CutShort,
    /// There is something after the end.
    #[error("there is something after the end that does not belong there")]
    TrailingBytes,
    /// More memory or time than any reader spends (K5).
    #[error("the keyring asks for more memory or time than allowed; do not open it")]
    KdfTooExpensive,
    /// A cost below the floor: no honest client makes one.
    #[error("the password is protected less than allowed; ask the sender to seal it again")]
    KdfTooWeak,
    /// Keyring, head and path name different packages or files.
    #[error("these pieces belong to different packages")]
    PackageMismatch,
    /// The same file twice, a file without its manifest, or a manifest that is not first.
    #[error("the pieces of this file do not belong together")]
    ContentMismatch,
    /// A length that the padding rule does not produce (F1).
    #[error("a length is not padded by the rule")]
    NotPadded,
    /// The open-length form, where only known lengths are taken (F6).
    #[error("this was sealed from a pipe; only files of known length are taken here")]
    OpenLengthRefused,
    /// Policy demands that every slot needs a password (P1).
    #[error("this relay takes only packages that a password protects")]
    PasswordRequired,
    /// A size over its limit.
    #[error("this is larger than the format allows")]
    TooLarge,
}

impl FormatError {
    /// The stable name of this error, as listed in `error.rs` of this crate.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotSealed => "not_sealed",
            Self::UnknownVersion => "unknown_version",
            Self::DamagedKeyring => "damaged_keyring",
            Self::DamagedHead => "damaged_head",
            Self::DamagedDraft => "damaged_manifest",
            Self::DamagedContent { .. } => "damaged_content",
            Self::CutShort => "cut_short",
            Self::TrailingBytes => "trailing_bytes",
            Self::KdfTooExpensive => "kdf_too_expensive",
            Self::KdfTooWeak => "kdf_too_weak",
            Self::PackageMismatch => "package_mismatch",
            Self::ContentMismatch => "content_mismatch",
            Self::NotPadded => "bad_padding",
            Self::OpenLengthRefused => "open_length_refused",
            Self::PasswordRequired => "password_required",
            Self::TooLarge => "too_large",
        }
    }
}
