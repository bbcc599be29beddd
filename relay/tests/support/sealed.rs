//! Packages in the right form, made of random bytes.

use sealift_docroot::simulated::Random;
use sealift_protocol::format::{
    DraftHeader, FLOE_PARAMETERS, Geometry, KdfCost, KeyringHeader, Role, SlotKind, checksum,
    head_bytes_for, write_core,
};
use sealift_protocol::message::sha256;
use sealift_protocol::{FileId, OwnerToken, PackageId, Pair};

/// A package: its ids, secrets and small objects.
pub struct Sealed {
    pub package: PackageId,
    pub owner: OwnerToken,
    pub keyring: Vec<u8>,
    pub draft: Vec<u8>,
    random: Random,
}

/// A sealed file.
#[derive(Clone)]
pub struct SealedFile {
    pub id: FileId,
    pub role: Role,
    pub head: Vec<u8>,
    pub body: Vec<u8>,
    pub geometry: Geometry,
}

impl Sealed {
    pub fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let package = PackageId(array(&mut random));
        let owner = OwnerToken(array(&mut random));
        let slot = SlotKind::Password {
            cost: KdfCost::DEFAULT,
            link: false,
        };
        Self {
            package,
            owner,
            keyring: keyring(package, slot, &mut random),
            draft: draft(package, &mut random),
            random,
        }
    }

    /// The keyring after the one that the package has, with a password slot. The package's own stays as it is.
    pub fn next_keyring(&mut self) -> Vec<u8> {
        let slot = password_slot(KdfCost::DEFAULT, &mut self.random);
        self.keyring_after(&self.keyring.clone(), &[slot])
    }

    /// A keyring that follows another one, with any slots.
    pub fn keyring_after(&mut self, before: &[u8], slots: &[Vec<u8>]) -> Vec<u8> {
        let generation = u64::from_be_bytes(before[32..40].try_into().unwrap()) + 1;
        self.keyring_with(generation, sha256(before).0, slots)
    }

    /// A keyring of any generation, with any slots, in the right form.
    pub fn keyring_with(
        &mut self,
        generation: u64,
        previous_sha256: [u8; 32],
        slots: &[Vec<u8>],
    ) -> Vec<u8> {
        let header = KeyringHeader {
            package: self.package,
            generation,
            previous_sha256,
        };
        let mut keyring = header.write(slots).unwrap();
        keyring.extend(bytes(&mut self.random, 32));
        keyring.extend(checksum(&keyring));
        keyring
    }

    /// A slot that a password of this cost opens.
    pub fn password_slot(&mut self, cost: KdfCost) -> Vec<u8> {
        password_slot(cost, &mut self.random)
    }

    /// A slot that the link alone opens.
    pub fn link_slot(&mut self) -> Vec<u8> {
        wrap_slot(SlotKind::Link, &mut self.random)
    }

    /// A slot of a kind that nobody knows yet.
    pub fn unknown_slot(&mut self) -> Vec<u8> {
        let mut slot = vec![0xee, 0, 0, 64];
        slot.extend(bytes(&mut self.random, 60));
        slot
    }

    /// A keyring that the link alone opens.
    pub fn link_keyring(&mut self) -> Vec<u8> {
        keyring(self.package, SlotKind::Link, &mut self.random)
    }

    /// A file whose plaintext is `padded_bytes` long.
    pub fn file(&mut self, role: Role, padded_bytes: u64) -> SealedFile {
        let geometry = Geometry::new(padded_bytes).unwrap();
        let id = FileId(array(&mut self.random));
        let head = self.head(role, Some(geometry), id, self.package);
        let body = body(geometry, &mut self.random);
        SealedFile {
            id,
            role,
            head,
            body,
            geometry,
        }
    }

    pub fn head(
        &mut self,
        role: Role,
        geometry: Option<Geometry>,
        id: FileId,
        package: PackageId,
    ) -> Vec<u8> {
        let mut head = write_core(role, geometry, head_bytes_for(256), id, package).to_vec();
        head.extend(bytes(&mut self.random, 28 + 256));
        head.extend(FLOE_PARAMETERS);
        head.extend(bytes(&mut self.random, 64));
        head.extend(checksum(&head));
        head
    }

    /// The same file, sealed again: every segment differs.
    pub fn reseal(&mut self, file: &SealedFile) -> Vec<u8> {
        body(file.geometry, &mut self.random)
    }
}

impl SealedFile {
    pub fn sealed_file(&self) -> Vec<u8> {
        [&self.head[..], &self.body].concat()
    }

    /// The pairs of some segments, as the relay should have picked them up.
    pub fn pairs(&self, segments: std::ops::Range<u64>) -> Vec<Pair> {
        segments
            .map(|index| {
                let start = self.geometry.segment_offset(index) as usize;
                let end = start + self.geometry.segment_sealed_bytes(index) as usize;
                Pair {
                    iv: self.body[start + 4..start + 16].try_into().unwrap(),
                    tag: self.body[end - 16..end].try_into().unwrap(),
                }
            })
            .collect()
    }
}

fn password_slot(cost: KdfCost, random: &mut Random) -> Vec<u8> {
    wrap_slot(SlotKind::Password { cost, link: false }, random)
}

fn wrap_slot(kind: SlotKind, random: &mut Random) -> Vec<u8> {
    let mut slot = kind.write(&bytes(random, 32)).unwrap();
    slot.extend(bytes(random, 128 - slot.len()));
    slot
}

fn keyring(package: PackageId, slot: SlotKind, random: &mut Random) -> Vec<u8> {
    let slot = wrap_slot(slot, random);
    let header = KeyringHeader {
        package,
        generation: 1,
        previous_sha256: [0; 32],
    };
    let mut keyring = header.write(&[slot]).unwrap();
    keyring.extend(bytes(random, 32));
    keyring.extend(checksum(&keyring));
    keyring
}

fn draft(package: PackageId, random: &mut Random) -> Vec<u8> {
    let mut draft = DraftHeader::write(package, 1024).to_vec();
    draft.extend(bytes(random, 28 + 1024));
    draft
}

fn body(geometry: Geometry, random: &mut Random) -> Vec<u8> {
    let mut body = bytes(random, geometry.body_bytes() as usize);
    for index in 0..geometry.segment_count() {
        let start = geometry.segment_offset(index) as usize;
        body[start..start + 4].copy_from_slice(&geometry.segment_prefix(index));
    }
    let seal = geometry.seal_offset() as usize;
    body[seal..seal + 16].copy_from_slice(&geometry.seal_prefix());
    body
}

pub fn bytes(random: &mut Random, count: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        bytes.extend(random.draw().to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}

fn array<const N: usize>(random: &mut Random) -> [u8; N] {
    bytes(random, N).try_into().unwrap()
}
