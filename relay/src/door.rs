//! The door: the one function through which everything goes that a client wants stored, whatever it came over.
//!
//! [`pass`] refuses what is not a well-formed envelope that policy allows: keyrings with slots that policy forbids
//! (P1) or too cheap a key derivation, heads without an exact and padded length (F1, F6), content whose framing is
//! not that of sealed segments. It needs no key, so it cannot tell a well-formed forgery from the real thing; what
//! it makes sure of is that nothing is stored by mistake that anybody could read.
//!
//! Nothing gets around it: the docroot's writing calls stand in this file alone ([`put`], [`write`]), and they take
//! only what has passed ([`Admitted`]). A test reads the sources for that, another one throws unsealed data at every
//! writing row of the route table.

use bytes::Bytes;
use sealift_config::{Policy, ProtectionMode};
use sealift_docroot::{Docroot, DocrootError, Name, PartWriter};
use sealift_protocol::format::{self, FormatError, Geometry, KdfLimits, KeyringPolicy, PartReader};
use sealift_protocol::message::{Role, sha256};
use sealift_protocol::{Code, FileId, PackageId, Pair};

use crate::metrics::Metrics;
use crate::records;

/// Lets in what is sealed as policy asks, and says why not otherwise. Refusals are counted by reason.
///
/// # Errors
///
/// The code for the client: [`Code::ContentProtectionRequired`] for what is no envelope at all,
/// [`Code::BadFraming`] for content, a more exact one where the client can do something about it.
pub(crate) fn pass<O: Offered>(metrics: &Metrics, offered: O) -> Result<O::Passed, Code> {
    offered.check().map_err(|refusal| {
        metrics.refused(O::WHAT, refusal.reason);
        tracing::debug!(
            what = O::WHAT,
            reason = refusal.reason,
            "refused at the door"
        );
        refusal.code
    })
}

/// Something that a client wants stored.
pub(crate) trait Offered {
    /// What it is, for the count of refusals.
    const WHAT: &'static str;
    /// What is known of it once it is in.
    type Passed;
    /// Checks it.
    fn check(self) -> Result<Self::Passed, Refusal>;
}

/// Why something was refused.
pub(crate) struct Refusal {
    /// A fixed word, for the count.
    reason: &'static str,
    code: Code,
}

/// Bytes that have passed.
pub(crate) struct Admitted<T>(T);

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self {
            reason: code.as_str(),
            code,
        }
    }
}

impl From<FormatError> for Refusal {
    fn from(error: FormatError) -> Self {
        let code = match error {
            FormatError::NotSealed
            | FormatError::DamagedKeyring
            | FormatError::DamagedHead
            | FormatError::DamagedDraft
            | FormatError::CutShort
            | FormatError::TrailingBytes => Code::ContentProtectionRequired,
            FormatError::UnknownVersion => Code::RelayTooOld,
            FormatError::DamagedContent { .. } => Code::BadFraming,
            other => Code::parse(other.code()),
        };
        Self {
            reason: error.code(),
            code,
        }
    }
}

/// A keyring, at creation or in place of another one (K1, P1).
pub(crate) struct Keyring<'a> {
    pub(crate) package: PackageId,
    pub(crate) bytes: Bytes,
    pub(crate) policy: &'a Policy,
}

/// A keyring that has passed.
pub(crate) struct PassedKeyring {
    pub(crate) record: records::Keyring,
    pub(crate) previous_sha256: [u8; 32],
    pub(crate) bytes: Admitted<Bytes>,
}

impl Offered for Keyring<'_> {
    const WHAT: &'static str = "keyring";
    type Passed = PassedKeyring;

    fn check(self) -> Result<PassedKeyring, Refusal> {
        let keyring = format::Keyring::parse(&self.bytes)?;
        if keyring.package() != self.package {
            return Err(FormatError::PackageMismatch.into());
        }
        keyring.check_policy(KeyringPolicy {
            password_required: self.policy.protection.mode == ProtectionMode::Required,
            kdf: KdfLimits::PRODUCTION,
        })?;
        Ok(PassedKeyring {
            record: records::Keyring {
                generation: keyring.generation(),
                sha256: sha256(&self.bytes),
                bytes: self.bytes.len() as u64,
            },
            previous_sha256: keyring.previous_sha256(),
            bytes: Admitted(self.bytes),
        })
    }
}

/// Title, note and tree of a package, sealed as a draft (C4).
pub(crate) struct Draft {
    pub(crate) package: PackageId,
    pub(crate) bytes: Bytes,
}

impl Offered for Draft {
    const WHAT: &'static str = "draft";
    type Passed = Admitted<Bytes>;

    fn check(self) -> Result<Admitted<Bytes>, Refusal> {
        if format::DraftHeader::parse(&self.bytes)?.package != self.package {
            return Err(FormatError::PackageMismatch.into());
        }
        Ok(Admitted(self.bytes))
    }
}

/// A file's head.
pub(crate) struct Head {
    pub(crate) package: PackageId,
    pub(crate) file: FileId,
    pub(crate) role: Role,
    pub(crate) bytes: Bytes,
}

impl Offered for Head {
    const WHAT: &'static str = "head";
    /// The exact shape of the body that may follow.
    type Passed = (Geometry, Admitted<Bytes>);

    fn check(self) -> Result<Self::Passed, Refusal> {
        let head = format::Head::parse(&self.bytes)?;
        let geometry = head.check_for_relay(self.package, self.file)?;
        if (head.role() == format::Role::Manifest) != (self.role == Role::Manifest) {
            return Err(Code::BadHead.into());
        }
        Ok((geometry, Admitted(self.bytes)))
    }
}

/// The next bytes of a part.
pub(crate) struct Content<'a> {
    pub(crate) reader: &'a mut PartReader,
    pub(crate) slices: Vec<Bytes>,
}

impl Offered for Content<'_> {
    const WHAT: &'static str = "content";
    type Passed = Admitted<Vec<Bytes>>;

    fn check(self) -> Result<Self::Passed, Refusal> {
        for slice in &self.slices {
            self.reader.feed(slice).map_err(framing)?;
        }
        Ok(Admitted(self.slices))
    }
}

/// The end of a part.
pub(crate) struct End(pub(crate) PartReader);

impl Offered for End {
    const WHAT: &'static str = "content";
    /// The pairs of its segments.
    type Passed = Vec<Pair>;

    fn check(self) -> Result<Vec<Pair>, Refusal> {
        self.0.finish().map_err(framing)
    }
}

fn framing(error: FormatError) -> Refusal {
    Refusal {
        reason: error.code(),
        code: Code::BadFraming,
    }
}

impl<T> Admitted<T> {
    /// The bytes, to look at.
    pub(crate) fn get(&self) -> &T {
        &self.0
    }
}

/// Stores a small object that has passed.
///
/// # Errors
///
/// As [`Docroot::put`].
pub(crate) async fn put(
    docroot: &Docroot,
    name: &Name,
    bytes: Admitted<Bytes>,
) -> Result<(), DocrootError> {
    docroot.put(name, bytes.0).await
}

/// Writes content that has passed; `hold` is dropped when it is written.
///
/// # Errors
///
/// As [`PartWriter::write_holding`].
pub(crate) async fn write(
    writer: &mut PartWriter,
    slices: Admitted<Vec<Bytes>>,
    hold: impl Send + 'static,
) -> Result<(), DocrootError> {
    writer.write_holding(slices.0, hold).await
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// What writes to a docroot; nothing but the door may call it with what a client sent.
    const WRITING: [&str; 3] = [".put(", ".write_holding(", ".write("];

    #[test]
    fn nothing_but_the_door_writes_to_a_docroot() {
        let mut looked_at = 0;
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut folders = vec![sources];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                if path.extension().is_none_or(|ext| ext != "rs") || path.ends_with("door.rs") {
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap();
                for line in code
                    .lines()
                    .filter(|line| line.contains("docroot") || line.contains("writer"))
                {
                    let writes = WRITING.iter().any(|call| line.contains(call));
                    assert!(!writes, "{}: {line}", path.display());
                }
                looked_at += 1;
            }
        }
        assert!(looked_at > 20);
    }
}
