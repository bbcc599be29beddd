//! The Sealift envelope: files sealed before they leave, opened after they arrive.
//!
//! This is the only crate that can decrypt. `SPEC.md`, next to its manifest, is the normative text;
//! when the two disagree the spec is right and this crate has a bug. What can be read without keys
//! is parsed by `sealift_protocol::format`, which the relay shares.
//!
//! ```text
//! .sealift    = keyring || sealed file || ...     keyring: slots that wrap the package key
//! sealed file = head || body                      head: which file, its encrypted metadata
//! body        = segments || seal                  segment: 512 KiB of AES-256-GCM (FLOE)
//! ```
//!
//! It performs no I/O, reads no clock and draws no randomness of its own: bytes and a generator are
//! arguments. What it promises:
//!
//! - nothing is handed out before its tag was checked, and on error no plaintext is left behind;
//! - no key and IV ever cover two plaintexts: every sealing draws its IV, and the one function that
//!   takes an IV ([`FileSealer::matches`]) answers yes or no;
//! - costs and lengths that a file asks for are checked before they are paid;
//! - secrets have no `Debug`, are wiped when dropped and are compared in constant time.
//!
//! To send: [`PackageKey::generate`], [`keyring::KeyringBuilder`], one [`FileSealer`] for each file,
//! [`Manifest::seal`] last. To receive: [`keyring::open`], [`Manifest::open`], [`FileOpener`]. From
//! and to pipes: [`StreamSealer`], [`StreamOpener`].
//!
//! Features: `recipients` adds public-key slots; `native` adds `ring` as the cipher and NFC of
//! passwords. `cheap-kdf-for-tests` adds nothing but a constant that lets tests open cheap keyrings;
//! release builds refuse it.

mod body;
mod cbor;
mod draft;
pub mod engine;
mod error;
mod floe;
mod gcm;
mod index;
mod kdf;
mod key;
pub mod keyring;
mod manifest;
mod metadata;
#[cfg(doctest)]
mod misuse;
pub mod names;
mod open_length;
mod opener;
pub mod pack;
mod password;
#[cfg(feature = "recipients")]
mod recipient;
mod salvage;
mod seal;
mod sealer;
#[cfg(test)]
mod spec_example;
mod stream;
#[cfg(test)]
mod wycheproof;

pub use draft::{Draft, DraftEntry};
pub use error::Error;
pub use index::ManifestIndex;
pub use key::{OpeningKey, PackageKey};
pub use manifest::{FileEntry, Manifest, SealedEntry, SealedManifest, pin};
pub use metadata::Metadata;
pub use open_length::{OpenLengthSalvage, OpenLengthSalvaged, OpenLengthSealer};
pub use opener::FileOpener;
pub use password::Password;
#[cfg(feature = "recipients")]
pub use recipient::{Identity, Recipient};
pub use salvage::{Salvage, Salvaged};
pub use seal::{GROUP_SEGMENTS, GroupDigest, SealBuilder};
pub use sealer::FileSealer;
pub use stream::{StreamOpener, StreamSealer};
