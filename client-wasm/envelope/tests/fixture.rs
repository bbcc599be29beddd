//! Small packages, made from a seed.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use sealift_envelope::keyring::{Credential, KeyringBuilder};
use sealift_envelope::*;
use sealift_protocol::format::{KdfCost, KdfLimits, Role};
use sealift_protocol::link::LinkSecret;
use sealift_protocol::{FileId, PackageId, Pair};

pub(crate) const PASSWORD: &str = "Pässwort 1";
pub(crate) const CHEAP: KdfCost = KdfCost {
    memory_kib: 8,
    passes: 1,
    parallelism: 1,
};
pub(crate) const LINK: LinkSecret = LinkSecret([0x4c; 32]);

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub(crate) fn password(text: &str) -> Password {
    Password::from_normalized(text).unwrap()
}

pub(crate) fn by_password(password: &Password) -> Credential<'_> {
    Credential::Password {
        password,
        link: None,
    }
}

pub(crate) fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| (i / 251 + i * 7) as u8).collect()
}

pub(crate) fn named(path: &str, bytes: u64) -> Metadata {
    Metadata {
        path: path.into(),
        bytes,
        modified_ms: Some(1_795_000_000_000),
        media_type: "text/plain".into(),
    }
}

/// A package key and a keyring with one cheap password slot.
pub(crate) struct Package {
    pub(crate) key: PackageKey,
    pub(crate) keyring: Vec<u8>,
    pub(crate) rng: ChaCha20Rng,
}

impl Package {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = rng(seed);
        let key = PackageKey::generate(PackageId([seed as u8; 16]), &mut rng);
        let keyring = KeyringBuilder::new(&key)
            .within(KdfLimits::CHEAP_FOR_TESTS)
            .password(&password(PASSWORD), CHEAP, None, &mut rng)
            .unwrap()
            .build()
            .unwrap();
        Self { key, keyring, rng }
    }

    pub(crate) fn seal(&mut self, id: u8, path: &str, content: &[u8]) -> SealedFile {
        let metadata = named(path, content.len() as u64);
        seal(
            &self.key,
            FileId([id; 32]),
            Role::File,
            &metadata,
            content,
            &mut self.rng,
        )
    }

    /// A `.sealift` file of one file.
    pub(crate) fn sealift(&mut self, path: &str, content: &[u8]) -> Vec<u8> {
        let file = self.seal(1, path, content);
        [&self.keyring[..], &file.head, &file.body].concat()
    }
}

/// A sealed file with what is needed to seal it again.
pub(crate) struct SealedFile {
    pub(crate) sealer: FileSealer,
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
    pub(crate) pairs: Vec<Pair>,
}

impl SealedFile {
    pub(crate) fn seal_bytes(&self) -> [u8; 48] {
        self.body[self.body.len() - 48..].try_into().unwrap()
    }

    pub(crate) fn segment(&self, index: u64) -> &[u8] {
        let geometry = self.sealer.geometry();
        let start = geometry.segment_offset(index) as usize;
        &self.body[start..start + geometry.segment_sealed_bytes(index) as usize]
    }
}

pub(crate) fn seal(
    key: &PackageKey,
    file: FileId,
    role: Role,
    metadata: &Metadata,
    content: &[u8],
    rng: &mut ChaCha20Rng,
) -> SealedFile {
    let (sealer, head) = FileSealer::new(key, file, role, metadata, rng).unwrap();
    let mut body = Vec::new();
    let mut pairs = Vec::new();
    let mut builder = SealBuilder::new();
    for index in 0..sealer.geometry().segment_count() {
        let range = sealer.source_range(index);
        let source = &content[range.start as usize..range.end as usize];
        let pair = sealer.seal_segment(index, source, rng, &mut body).unwrap();
        builder.push(&pair);
        pairs.push(pair);
    }
    body.extend(sealer.seal(builder).unwrap());
    assert_eq!(body.len() as u64, sealer.geometry().body_bytes());
    SealedFile {
        sealer,
        head,
        body,
        pairs,
    }
}

/// The checksum that ends keyrings and heads, made right again after a change.
pub(crate) fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 16;
    let sum = sealift_protocol::format::checksum(&bytes[..end]);
    bytes[end..].copy_from_slice(&sum);
    bytes
}
