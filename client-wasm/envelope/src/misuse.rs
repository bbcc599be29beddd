//! Five mistakes that do not compile. Each stands beside the right way, which differs from it in the
//! mistake only, so that it is refused for that and for nothing else.
//!
//! # Sealing after the end
//!
//! ```
//! # use {sealift_envelope::*, rand_core::CryptoRng};
//! fn seal(mut stream: StreamSealer, rng: &mut dyn CryptoRng, out: &mut Vec<u8>) -> Result<(), Error> {
//!     stream.push(b"more", rng, out)?;
//!     stream.finish(rng, out)?;
//!     Ok(())
//! }
//! ```
//! ```compile_fail,E0382
//! # use {sealift_envelope::*, rand_core::CryptoRng};
//! fn seal(mut stream: StreamSealer, rng: &mut dyn CryptoRng, out: &mut Vec<u8>) -> Result<(), Error> {
//!     stream.finish(rng, out)?;
//!     stream.push(b"more", rng, out)?;
//!     Ok(())
//! }
//! ```
//!
//! Nor are pairs added to a seal that was made:
//!
//! ```
//! # use {sealift_envelope::*, sealift_protocol::Pair};
//! fn seal(sealer: &FileSealer, mut pairs: SealBuilder, pair: &Pair) -> Result<(), Error> {
//!     pairs.push(pair);
//!     sealer.seal(pairs)?;
//!     Ok(())
//! }
//! ```
//! ```compile_fail,E0382
//! # use {sealift_envelope::*, sealift_protocol::Pair};
//! fn seal(sealer: &FileSealer, mut pairs: SealBuilder, pair: &Pair) -> Result<(), Error> {
//!     sealer.seal(pairs)?;
//!     pairs.push(pair);
//!     Ok(())
//! }
//! ```
//!
//! # A file's key without its commitment checked
//!
//! The only ways to a file's keys are to draw them and to open a head, which compares FLOE's tag.
//!
//! ```
//! # use sealift_envelope::*;
//! fn key(package: &OpeningKey, head: &[u8]) -> Result<engine::SegmentKey, Error> {
//!     Ok(FileOpener::new(package, head)?.segment_key(0))
//! }
//! ```
//! ```compile_fail,E0603
//! # use sealift_envelope::*;
//! fn key(package: &OpeningKey, head: &[u8]) -> Result<engine::SegmentKey, Error> {
//!     Ok(engine::SegmentKey(Default::default()))
//! }
//! ```
//! ```compile_fail,E0624
//! # use {sealift_envelope::*, sealift_protocol::FileId};
//! fn key(package: &OpeningKey, file: &FileId) {
//!     package.file_key::<32>(file, "floe");
//! }
//! ```
//!
//! # Sealing under a keyring that a public key opened (K3)
//!
//! ```
//! # use {sealift_envelope::*, sealift_envelope::keyring::*, sealift_protocol::format::KdfLimits};
//! fn rekey(current: &[u8], credential: Credential<'_>) -> Result<Vec<u8>, Error> {
//!     let opened = unlock(current, None, credential, KdfLimits::PRODUCTION)?;
//!     KeyringBuilder::replacing(&opened.key, current)?.keep(current, |_, _| true)?.build()
//! }
//! ```
//! ```compile_fail,E0308
//! # use {sealift_envelope::*, sealift_envelope::keyring::*, sealift_protocol::format::KdfLimits};
//! fn rekey(current: &[u8], identities: &[Identity]) -> Result<Vec<u8>, Error> {
//!     let key = open_with_identities(current, None, identities, KdfLimits::PRODUCTION)?;
//!     KeyringBuilder::replacing(&key, current)?.keep(current, |_, _| true)?.build()
//! }
//! ```
//! ```
//! # use {sealift_envelope::*, rand_core::CryptoRng, sealift_protocol::{FileId, format::Role}};
//! fn add(key: &PackageKey, metadata: &Metadata, rng: &mut dyn CryptoRng) -> Result<(), Error> {
//!     FileSealer::new(key, FileId([1; 32]), Role::File, metadata, rng)?;
//!     Ok(())
//! }
//! ```
//! ```compile_fail,E0308
//! # use {sealift_envelope::*, rand_core::CryptoRng, sealift_protocol::{FileId, format::Role}};
//! fn add(key: &OpeningKey, metadata: &Metadata, rng: &mut dyn CryptoRng) -> Result<(), Error> {
//!     FileSealer::new(key, FileId([1; 32]), Role::File, metadata, rng)?;
//!     Ok(())
//! }
//! ```
//!
//! # A nonce that the caller chose (F7)
//!
//! ```
//! # use {sealift_envelope::*, rand_core::CryptoRng};
//! fn seal(sealer: &FileSealer, rng: &mut dyn CryptoRng, out: &mut Vec<u8>) -> Result<(), Error> {
//!     sealer.seal_segment(0, b"source", rng, out)?;
//!     Ok(())
//! }
//! ```
//! ```compile_fail,E0277
//! # use {sealift_envelope::*, rand_core::CryptoRng};
//! fn seal(sealer: &FileSealer, iv: &mut [u8; 12], out: &mut Vec<u8>) -> Result<(), Error> {
//!     sealer.seal_segment(0, b"source", iv, out)?;
//!     Ok(())
//! }
//! ```
//!
//! A ticket for another engine has an IV that was drawn, and is good for one sealing:
//!
//! ```
//! # use sealift_envelope::{*, engine::SealTicket};
//! fn end(ticket: SealTicket, tag: [u8; 16]) {
//!     ticket.finish(tag);
//! }
//! ```
//! ```compile_fail,E0382
//! # use sealift_envelope::{*, engine::SealTicket};
//! fn end(ticket: SealTicket, tag: [u8; 16]) {
//!     ticket.finish(tag);
//!     ticket.finish(tag);
//! }
//! ```
//! ```compile_fail,E0616
//! # use sealift_envelope::{*, engine::SealTicket};
//! fn end(mut ticket: SealTicket, tag: [u8; 16]) {
//!     ticket.iv = [0; 12];
//!     ticket.finish(tag);
//! }
//! ```
//!
//! # Decrypted bytes before their tag was checked
//!
//! Which bytes are plaintext is known only once the tag was right:
//!
//! ```
//! # use sealift_envelope::*;
//! fn read<'a>(opener: &FileOpener, sealed: &'a mut [u8]) -> Result<&'a [u8], Error> {
//!     let (_, range) = opener.open_segment_in_place(0, sealed)?;
//!     Ok(&sealed[range])
//! }
//! ```
//! ```compile_fail,E0308
//! # use sealift_envelope::*;
//! fn read<'a>(opener: &FileOpener, sealed: &'a mut [u8]) -> Result<&'a [u8], Error> {
//!     let (_, range) = opener.open_segment_in_place(0, sealed);
//!     Ok(&sealed[range])
//! }
//! ```
//!
//! What a stream holds back until its seal is verified cannot be reached:
//!
//! ```
//! # use sealift_envelope::*;
//! fn read(stream: StreamOpener) -> Result<(), Error> {
//!     stream.finish()
//! }
//! ```
//! ```compile_fail,E0616
//! # use sealift_envelope::*;
//! fn read(stream: StreamOpener) -> Result<(), Error> {
//!     stream.release;
//!     stream.finish()
//! }
//! ```
