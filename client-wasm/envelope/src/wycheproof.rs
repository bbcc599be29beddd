//! Google's Wycheproof and RFC 9106: known answers and hostile inputs for the primitives, as this
//! crate calls them.

use argon2::{Algorithm, Argon2, AssociatedData, ParamsBuilder, Version};
use data_encoding::HEXLOWER;
use ml_kem::kem::{Decapsulate as _, KeyExport as _, TryKeyInit as _};
use ml_kem::{FromSeed as _, MlKem768, ml_kem_768};
use wycheproof::{TestResult, aead, hkdf, mlkem, xdh};

use crate::gcm::{self, portable};
use crate::kdf::{HASH_BYTES, expand, extract};

/// HKDF gives no more than 255 blocks.
const HKDF_OUTPUT_BYTES: usize = 255 * HASH_BYTES;

#[test]
fn aes_256_gcm() {
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let groups = set.test_groups.iter();
    let groups =
        groups.filter(|group| (group.key_size, group.nonce_size, group.tag_size) == (256, 96, 128));
    let mut count = 0;
    for test in groups.flat_map(|group| &group.tests) {
        let key = test.key[..].try_into().unwrap();
        let iv = test.nonce[..].try_into().unwrap();
        let tag = test.tag[..].try_into().unwrap();
        for (encrypt, decrypt) in [
            // The one that this build uses: ring, except in WebAssembly.
            (gcm::encrypt as Encrypt, gcm::decrypt as Decrypt),
            (portable::encrypt, portable::decrypt),
        ] {
            let mut buffer = test.ct.to_vec();
            let opened = decrypt(&key, &iv, &test.aad, &mut buffer, &tag).is_some();
            assert_eq!(opened, test.result != TestResult::Invalid, "{}", test.tc_id);
            if opened {
                assert_eq!(buffer, test.pt[..], "{}", test.tc_id);
                assert_eq!(encrypt(&key, &iv, &test.aad, &mut buffer), Some(tag));
                assert_eq!(buffer, test.ct[..], "{}", test.tc_id);
            }
        }
        count += 1;
    }
    assert!(count >= 60, "{count}");
}

type Encrypt =
    fn(&[u8; gcm::KEY_BYTES], &[u8; gcm::IV_BYTES], &[u8], &mut [u8]) -> Option<[u8; 16]>;
type Decrypt =
    fn(&[u8; gcm::KEY_BYTES], &[u8; gcm::IV_BYTES], &[u8], &mut [u8], &[u8; 16]) -> Option<()>;

#[test]
fn hkdf_sha_384() {
    let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha384).unwrap();
    let mut count = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        if test.size > HKDF_OUTPUT_BYTES {
            assert_eq!(test.result, TestResult::Invalid);
            continue;
        }
        // A shorter output is the beginning of a longer one.
        let root = extract(&test.salt, &test.ikm);
        let out = expand::<HKDF_OUTPUT_BYTES>(&*root, &[&test.info]);
        assert_eq!(out[..test.size], test.okm[..], "{}", test.tc_id);
        count += 1;
    }
    assert!(count >= 70, "{count}");
}

#[test]
fn x25519() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
    let tests = set.test_groups.iter().flat_map(|group| &group.tests);
    let mut count = 0;
    for test in tests {
        let (Ok(secret), Ok(public)) = (
            <[u8; 32]>::try_from(&test.private_key[..]),
            <[u8; 32]>::try_from(&test.public_key[..]),
        ) else {
            continue;
        };
        let secret = x25519_dalek::StaticSecret::from(secret);
        let shared = secret.diffie_hellman(&x25519_dalek::PublicKey::from(public));
        assert_eq!(
            shared.as_bytes()[..],
            test.shared_secret[..],
            "{}",
            test.tc_id
        );
        count += 1;
    }
    assert!(count >= 500, "{count}");
}

#[test]
fn ml_kem_768_opens() {
    let set = mlkem::TestSet::load(mlkem::TestName::MlKem768).unwrap();
    let mut count = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let seed = test.seed.as_ref().unwrap();
        let ciphertext = ml_kem_768::Ciphertext::try_from(&test.ct.as_ref().unwrap()[..]);
        let (Ok(seed), Ok(ciphertext)) = (seed[..].try_into(), ciphertext) else {
            assert_eq!(test.result, TestResult::Invalid, "{}", test.tc_id);
            continue;
        };
        let (secret, public) = MlKem768::from_seed(&seed);
        if let Some(expected) = &test.encaps_key {
            assert_eq!(public.to_bytes()[..], expected[..], "{}", test.tc_id);
        }
        let shared = secret.decapsulate(&ciphertext);
        let expected = test.shared_secret.as_ref().unwrap();
        assert_eq!(shared[..], expected[..], "{}", test.tc_id);
        count += 1;
    }
    assert!(count >= 50, "{count}");
}

#[test]
fn ml_kem_768_seals_to_reduced_keys_only() {
    let set = mlkem::TestSet::load(mlkem::TestName::MlKem768Encaps).unwrap();
    let (mut sealed, mut refused) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let key = &test.encaps_key.as_ref().unwrap()[..];
        let Ok(public) = ml_kem_768::EncapsulationKey::new_from_slice(key) else {
            assert_eq!(test.result, TestResult::Invalid, "{}", test.tc_id);
            refused += 1;
            continue;
        };
        assert_ne!(test.result, TestResult::Invalid, "{}", test.tc_id);
        let drawn = test.msg.as_ref().unwrap()[..].try_into().unwrap();
        let (ciphertext, shared) = public.encapsulate_deterministic(&drawn);
        assert_eq!(ciphertext[..], test.ct.as_ref().unwrap()[..]);
        assert_eq!(shared[..], test.shared_secret.as_ref().unwrap()[..]);
        sealed += 1;
    }
    assert!(sealed >= 10 && refused >= 3, "{sealed} {refused}");
}

/// RFC 9106, section 5.3.
#[test]
fn argon2id() {
    let data = AssociatedData::new(&[4; 12]).unwrap();
    let params = ParamsBuilder::new()
        .m_cost(32)
        .t_cost(3)
        .p_cost(4)
        .data(data)
        .output_len(32)
        .build()
        .unwrap();
    let secret = [3; 8];
    let argon2 =
        Argon2::new_with_secret(&secret, Algorithm::Argon2id, Version::V0x13, params).unwrap();
    let mut tag = [0; 32];
    argon2
        .hash_password_into(&[1; 32], &[2; 16], &mut tag)
        .unwrap();
    assert_eq!(
        HEXLOWER.encode(&tag),
        "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"
    );
}
