//! Every single-bit flip and every truncation of a small envelope is refused, with no byte released.

use sealift_envelope::*;
use sealift_protocol::format::KdfLimits;

use crate::fixture::*;
use crate::manifests::Whole;
use crate::reader::{Opened, open_sealift};

fn open(bytes: &[u8], password: &Password) -> Result<Opened, Error> {
    open_sealift(
        bytes,
        None,
        by_password(password),
        None,
        KdfLimits::CHEAP_FOR_TESTS,
    )
}

#[test]
fn every_single_bit_flip_is_refused() {
    let sealift = Package::new(1).sealift("a.txt", b"attack at dawn");
    let password = password(PASSWORD);
    assert!(open(&sealift, &password).is_ok());
    let mut changed = sealift.clone();
    for bit in 0..sealift.len() * 8 {
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(
            open(&changed, &password).is_err(),
            "bit {bit} of {}",
            sealift.len() * 8
        );
        changed[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn every_truncation_and_extension_is_refused() {
    let sealift = Package::new(1).sealift("a.txt", b"attack at dawn");
    let password = password(PASSWORD);
    for end in 0..sealift.len() {
        let code = open(&sealift[..end], &password)
            .err()
            .map(|error| error.code());
        assert_eq!(code, Some("cut_short"), "cut at {end}");
    }
    for more in [1, 15, 16, 17, 100] {
        let longer = [&sealift[..], &vec![0; more]].concat();
        let code = open(&longer, &password).err().map(|error| error.code());
        assert_eq!(code, Some("trailing_bytes"));
    }
    // The start of another head is an end that is missing.
    let longer = [&sealift[..], b"\x89SLH\r\n"].concat();
    let code = open(&longer, &password).err().map(|error| error.code());
    assert_eq!(code, Some("cut_short"));
}

#[test]
fn one_flip_in_every_byte_of_a_package_is_refused() {
    let sealift = Whole::new(1).sealift(&[0, 1, 2]);
    let password = password(PASSWORD);
    assert!(open(&sealift, &password).is_ok());
    let mut changed = sealift.clone();
    for at in 0..sealift.len() {
        changed[at] ^= 1 << (at % 8);
        assert!(open(&changed, &password).is_err(), "byte {at}");
        changed[at] = sealift[at];
    }
}

#[test]
fn codes_are_the_ones_that_everybody_uses() {
    use sealift_protocol::Code;
    use sealift_protocol::format::FormatError as F;
    let format = [
        F::NotSealed,
        F::UnknownVersion,
        F::DamagedKeyring,
        F::DamagedHead,
        F::DamagedDraft,
        F::DamagedContent { position: 0 },
        F::CutShort,
        F::TrailingBytes,
        F::KdfTooExpensive,
        F::KdfTooWeak,
        F::PackageMismatch,
        F::ContentMismatch,
        F::NotPadded,
        F::OpenLengthRefused,
        F::PasswordRequired,
        F::TooLarge,
    ];
    let own = [
        Error::WrongPassword,
        Error::WrongLink,
        Error::PasswordNeeded,
        Error::LinkNeeded,
        Error::IdentityNeeded,
        Error::WrongIdentity,
        Error::BadRecipient,
        Error::BadIdentity,
        Error::NoSlot,
        Error::PasswordLength,
        Error::OldKeyring,
        Error::OutOfMemory,
        Error::DamagedContent {
            segment: 0,
            position: 0,
        },
        Error::SealMismatch,
        Error::DamagedManifest,
        Error::ContentMismatch,
        Error::PinMismatch,
        Error::BadName,
        Error::TooLarge,
        Error::TooManyFiles,
        Error::FileChanged,
        Error::WriteFailed,
        Error::Misuse(""),
    ];
    for error in format.into_iter().map(Error::Format).chain(own) {
        assert_ne!(Code::parse(error.code()), Code::Unknown, "{}", error.code());
    }
}
