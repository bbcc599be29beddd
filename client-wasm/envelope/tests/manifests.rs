//! Manifests, drafts, packs and whole packages: rules C4, F2, F5, L1 and L3.

use sealift_envelope::*;
use sealift_protocol::FileId;
use sealift_protocol::format::{KdfLimits, Role};
use sealift_protocol::link::Pin;

use crate::fixture::*;
use crate::reader::{Opened, open_sealift};

/// A package of two files and a pack of three, with its pieces.
pub(crate) struct Whole {
    pub(crate) package: Package,
    pub(crate) manifest: Manifest,
    pub(crate) sealed: SealedManifest,
    pub(crate) files: Vec<SealedFile>,
}

impl Whole {
    pub(crate) fn new(seed: u64) -> Self {
        let mut package = Package::new(seed);
        let mut manifest = Manifest {
            title: "Holiday".into(),
            note: "Zwei Bilder.\nViel Spaß!".into(),
            folders: vec!["empty/inner".into()],
            ..Manifest::default()
        };
        let mut files = Vec::new();
        for (id, path) in [(1, "a.txt"), (2, "b/b.txt")] {
            let content = content(3_000 + usize::from(id));
            let file = package.seal(id, path, &content);
            add_entry(
                &mut manifest,
                &file,
                id,
                Role::File,
                &[(path, content.len() as u64)],
            );
            files.push(file);
        }
        let members = [("p/1", 10), ("p/2", 0), ("p/3", 500)];
        let bytes = members.iter().map(|(_, bytes)| bytes).sum::<u64>();
        let file = seal(
            &package.key,
            FileId([3; 32]),
            Role::Pack,
            &Metadata::unnamed(bytes),
            &content(bytes as usize),
            &mut package.rng,
        );
        add_entry(&mut manifest, &file, 3, Role::Pack, &members);
        files.push(file);
        let sealed = manifest
            .seal(&package.key, FileId([9; 32]), &mut package.rng)
            .ok()
            .unwrap();
        Self {
            package,
            manifest,
            sealed,
            files,
        }
    }

    /// A `.sealift` file of the manifest and these files.
    pub(crate) fn sealift(&self, files: &[usize]) -> Vec<u8> {
        let mut bytes = self.package.keyring.clone();
        bytes.extend(&self.sealed.head);
        bytes.extend(&self.sealed.body);
        for index in files {
            bytes.extend(&self.files[*index].head);
            bytes.extend(&self.files[*index].body);
        }
        bytes
    }
}

fn add_entry(
    manifest: &mut Manifest,
    file: &SealedFile,
    id: u8,
    role: Role,
    members: &[(&str, u64)],
) {
    let bytes = members.iter().map(|(_, bytes)| bytes).sum();
    let sealed = manifest.sealed.len();
    let entry = SealedEntry {
        file: FileId([id; 32]),
        role,
        bytes,
        seal: file.seal_bytes(),
    };
    manifest.sealed.push(entry);
    let mut offset = 0;
    for (path, bytes) in members {
        let Metadata {
            path,
            modified_ms,
            media_type,
            ..
        } = named(path, *bytes);
        manifest.files.push(FileEntry {
            path,
            bytes: *bytes,
            modified_ms,
            media_type,
            sealed,
            offset,
        });
        offset += bytes;
    }
}

fn open(bytes: &[u8], pin: Option<&Pin>) -> Result<Opened, Error> {
    let password = password(PASSWORD);
    open_sealift(
        bytes,
        None,
        by_password(&password),
        pin,
        KdfLimits::CHEAP_FOR_TESTS,
    )
}

fn code(bytes: &[u8]) -> &'static str {
    open(bytes, None).expect_err("refused").code()
}

#[test]
fn a_whole_package_in_one_file_opens_as_a_tree() {
    let whole = Whole::new(1);
    let opened = open(&whole.sealift(&[0, 1, 2]), Some(&whole.sealed.pin)).unwrap();
    assert_eq!(
        (&opened.title[..], &opened.folders[..]),
        ("Holiday", &["empty/inner".into()][..])
    );
    let paths: Vec<&str> = opened.files.iter().map(|(path, _)| &path[..]).collect();
    assert_eq!(paths, ["a.txt", "b/b.txt", "p/1", "p/2", "p/3"]);
    assert_eq!(opened.files[1].1, content(3_002));
    assert_eq!(opened.files[4].1, content(510)[10..]);
    assert!(opened.missing.is_empty());
    // The order of the files after the manifest does not matter.
    assert_eq!(open(&whole.sealift(&[2, 0, 1]), None).unwrap(), opened);
}

#[test]
fn a_single_file_opens_alone_with_its_own_name() {
    let sealift = Package::new(1).sealift("folder/name.txt", b"hello");
    let opened = open(&sealift, None).unwrap();
    assert_eq!(
        opened.files,
        [("folder/name.txt".to_owned(), b"hello".to_vec())]
    );
}

#[test]
fn l1_another_or_older_manifest_than_the_link_pins_is_refused() {
    let mut whole = Whole::new(1);
    let pin = whole.sealed.pin;
    let again = whole
        .manifest
        .seal(&whole.package.key, FileId([9; 32]), &mut whole.package.rng)
        .ok()
        .unwrap();
    assert_ne!(again.pin, pin, "sealed twice is another manifest");
    whole.sealed = again;
    assert_eq!(
        open(&whole.sealift(&[0, 1, 2]), Some(&pin)).err(),
        Some(Error::PinMismatch)
    );
    // A relay that leaves the manifest out.
    let alone = Package::new(1).sealift("a.txt", b"x");
    assert_eq!(open(&alone, Some(&pin)).err(), Some(Error::PinMismatch));
}

#[test]
fn l3_missing_files_are_named_and_the_others_open() {
    let whole = Whole::new(1);
    let opened = open(&whole.sealift(&[1]), Some(&whole.sealed.pin)).unwrap();
    assert_eq!(opened.files.len(), 1);
    assert_eq!(opened.missing, ["a.txt", "p/1", "p/2", "p/3"]);
}

#[test]
fn l3_unlisted_double_and_changed_files_are_refused() {
    let mut whole = Whole::new(1);
    let good = whole.sealift(&[0, 1, 2]);
    let append = |file: &SealedFile| [&good[..], &file.head, &file.body].concat();

    let unlisted = whole.package.seal(7, "extra.txt", b"extra");
    assert_eq!(code(&append(&unlisted)), "content_mismatch");
    assert_eq!(code(&append(&whole.files[0])), "content_mismatch");

    // Sealed again under the same id, by someone who has the key: another seal.
    let mut changed = Whole::new(1);
    changed.files[0] = changed.package.seal(1, "a.txt", &content(3_001));
    assert_eq!(code(&changed.sealift(&[0, 1, 2])), "content_mismatch");

    // A file of another package.
    let mut other = Package::new(2);
    assert_eq!(code(&append(&other.seal(8, "x", b"x"))), "package_mismatch");
}

#[test]
fn l3_the_manifest_comes_first_and_once() {
    let whole = Whole::new(1);
    let piece = |head: &[u8], body: &[u8]| [head, body].concat();
    let manifest = piece(&whole.sealed.head, &whole.sealed.body);
    let file = piece(&whole.files[0].head, &whole.files[0].body);
    let pack = piece(&whole.files[2].head, &whole.files[2].body);
    let keyring = &whole.package.keyring;
    let join = |pieces: &[&Vec<u8>]| pieces.iter().flat_map(|piece| (*piece).clone()).collect();
    let second: Vec<u8> = join(&[keyring, &file, &manifest]);
    let twice: Vec<u8> = join(&[keyring, &manifest, &manifest]);
    let without: Vec<u8> = join(&[keyring, &file, &pack]);
    let pack_alone: Vec<u8> = join(&[keyring, &pack]);
    for bytes in [second, twice, without, pack_alone] {
        assert_eq!(code(&bytes), "content_mismatch");
    }
    assert_eq!(code(keyring), "cut_short");
}

#[test]
fn f2_the_reader_compares_a_heads_metadata_with_the_manifest() {
    let mut whole = Whole::new(1);
    whole.manifest.files[0].path = "renamed.txt".into();
    whole.sealed = whole
        .manifest
        .seal(&whole.package.key, FileId([9; 32]), &mut whole.package.rng)
        .ok()
        .unwrap();
    assert_eq!(code(&whole.sealift(&[0, 1, 2])), "content_mismatch");
}

#[test]
fn f2_manifests_and_files_are_not_taken_for_each_other() {
    let mut package = Package::new(1);
    let manifest = Manifest {
        title: "x".into(),
        ..Manifest::default()
    };
    let bytes = manifest.to_bytes().ok().unwrap();
    let file = package.seal(1, "manifest", &bytes);
    let opened = Manifest::open(&package.key, &file.head, &file.body, None);
    assert_eq!(opened.err(), Some(Error::ContentMismatch));
}

#[test]
fn an_index_tells_what_a_sealed_file_holds() {
    let whole = Whole::new(46);
    let index = ManifestIndex::of(&whole.manifest);
    for (place, sealed) in whole.manifest.sealed.iter().enumerate() {
        assert_eq!(index.place(sealed.file), Some(place));
    }
    assert_eq!(index.place(FileId([77; 32])), None);
    assert_eq!(index.members(1), [1]);
    assert_eq!(index.members(2), [2, 3, 4]);
    assert!(index.members(3).is_empty() && index.members(usize::MAX).is_empty());
}

#[test]
fn c3_a_sealed_manifest_tells_its_pairs() {
    let whole = Whole::new(47);
    let SealedManifest { body, pairs, .. } = &whole.sealed;
    let geometry = sealift_protocol::format::Geometry::from_body_bytes(body.len() as u64).unwrap();
    let mut reader =
        sealift_protocol::format::PartReader::new(geometry, 0, body.len() as u64).unwrap();
    reader.feed(body).unwrap();
    assert!(reader.finish().unwrap() == *pairs && pairs.len() == 1);
}

#[test]
fn f5_a_list_has_one_meaning() {
    let whole = Whole::new(1);
    let refused = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = whole.manifest.clone();
        change(&mut manifest);
        manifest.to_bytes().err().map(|error| error.code())
    };
    assert_eq!(refused(&|_| {}), None);
    let damaged = Some("damaged_manifest");
    assert_eq!(
        refused(&|m| m.files[3].offset += 1),
        damaged,
        "a gap or overlap"
    );
    assert_eq!(refused(&|m| m.files[4].bytes -= 1), damaged, "a rest");
    assert_eq!(
        refused(&|m| m.files[4].bytes = u64::MAX),
        damaged,
        "past the end"
    );
    assert_eq!(
        refused(&|m| m.files[0].sealed = 99),
        damaged,
        "nothing there"
    );
    assert_eq!(
        refused(&|m| m.files[0].sealed = 1),
        damaged,
        "one place twice"
    );
    assert_eq!(refused(&|m| drop(m.files.pop())), damaged, "not all used");
    assert_eq!(
        refused(&|m| m.sealed[1].file = m.sealed[0].file),
        damaged,
        "an id twice"
    );
    assert_eq!(refused(&|m| m.sealed[0].role = Role::Manifest), damaged);
    assert_eq!(
        refused(&|m| m.files.swap(2, 4)),
        damaged,
        "a pack in disorder"
    );
    assert_eq!(
        refused(&|m| m.sealed[2].bytes = 8_257_537),
        Some("too_large")
    );
    assert_eq!(refused(&|m| m.title = "x".repeat(1_025)), Some("too_large"));
    assert_eq!(refused(&|m| m.note = "x".repeat(16_385)), Some("too_large"));
    assert_eq!(
        refused(&|m| m.files[0].path = "../x".into()),
        Some("bad_name")
    );
    assert_eq!(refused(&|m| m.folders.push("/x".into())), Some("bad_name"));
    assert_eq!(
        refused(&|m| m.folders = vec!["x".into(); 50_001]),
        Some("too_many_files")
    );
}

#[test]
fn a_manifest_has_one_encoding() {
    let manifest = Manifest {
        title: "t".into(),
        ..Manifest::default()
    };
    let bytes = manifest.to_bytes().ok().unwrap();
    assert_eq!(*bytes, [0x86, 1, 0x61, b't', 0x60, 0x80, 0x80, 0x80]);
    for (other, code) in [
        (
            &[0x86, 1, 0x78, 1, b't', 0x60, 0x80, 0x80, 0x80][..],
            "damaged_manifest",
        ),
        (
            &[0x86, 1, 0x61, b't', 0x60, 0x80, 0x80, 0x80, 0],
            "damaged_manifest",
        ),
        (&[0x86, 1, 0x61, b't', 0x60, 0x80, 0x80], "damaged_manifest"),
        (
            &[0x9f, 1, 0x61, b't', 0x60, 0x80, 0x80, 0x80, 0xff],
            "damaged_manifest",
        ),
        (
            &[0x87, 1, 0x61, b't', 0x60, 0x80, 0x80, 0x80, 0x80],
            "damaged_manifest",
        ),
        (
            &[0x86, 2, 0x61, b't', 0x60, 0x80, 0x80, 0x80],
            "unknown_version",
        ),
        (
            &[0x86, 1, 0x61, 0xff, 0x60, 0x80, 0x80, 0x80],
            "damaged_manifest",
        ),
        (
            &[0x86, 1, 0x61, b't', 0x60, 0x9a, 0xff, 0xff, 0xff, 0xff],
            "too_many_files",
        ),
        (&[], "damaged_manifest"),
    ] {
        assert_eq!(
            Manifest::from_bytes(other).err().map(|e| e.code()),
            Some(code),
            "{other:x?}"
        );
    }
}

#[test]
fn a_manifest_of_many_files_needs_several_segments() {
    let mut package = Package::new(1);
    let mut manifest = Manifest::default();
    for index in 0..10_000usize {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&index.to_be_bytes());
        let entry = SealedEntry {
            file: FileId(id),
            role: Role::File,
            bytes: 5,
            seal: [1; 48],
        };
        manifest.sealed.push(entry);
        manifest.files.push(FileEntry {
            path: format!("folder {}/file {index}.txt", index % 100),
            bytes: 5,
            modified_ms: None,
            media_type: String::new(),
            sealed: index,
            offset: 0,
        });
    }
    let sealed = manifest
        .seal(&package.key, FileId([1; 32]), &mut package.rng)
        .ok()
        .unwrap();
    assert!(sealed.body.len() > 2 << 19);
    let opened = Manifest::open(&package.key, &sealed.head, &sealed.body, Some(&sealed.pin));
    assert!(opened.is_ok_and(|opened| opened == manifest));
}
