//! Vectors that open, and the list of all of them.

use sealift_envelope::keyring::KeyringBuilder;
use sealift_envelope::*;
use sealift_protocol::format::{KdfCost, KdfLimits, Role};
use sealift_protocol::{FileId, PackageId};

use super::file::{Given, Piece, Vector};
use super::{attacks, hex, recipients, replaced, sha256};
use crate::fixture::*;
use crate::manifests::Whole;

/// Every vector, always the same.
pub(super) fn all() -> Vec<Vector> {
    let mut made = Made::default();
    good_files(&mut made);
    good_keyrings(&mut made);
    good_packages(&mut made);
    good_pipes(&mut made);
    attacks::on_files(&mut made);
    attacks::on_keyrings(&mut made);
    attacks::on_packages(&mut made);
    attacks::on_pipes(&mut made);
    attacks::on_fragments(&mut made);
    recipients::good(&mut made);
    recipients::attacked(&mut made);
    recipients::texts(&mut made);
    replaced::good(&mut made);
    replaced::attacked(&mut made);
    made.vectors
}

/// Vectors made so far.
#[derive(Default)]
pub(super) struct Made {
    pub(super) vectors: Vec<Vector>,
}

/// What most vectors are opened with.
pub(super) fn with_password() -> Given {
    Given {
        password: Some(PASSWORD),
        ..Given::default()
    }
}

pub(super) fn file_line(path: &str, content: &[u8]) -> String {
    format!("file: {} {} {path}", sha256(content), content.len())
}

impl Made {
    /// A vector with bytes of its own that opens to one file.
    pub(super) fn opens(
        &mut self,
        name: &'static str,
        about: &'static str,
        given: Given,
        bytes: Vec<u8>,
        lines: Vec<String>,
    ) {
        let mut expect = vec!["expect: success".to_owned()];
        expect.extend(lines);
        self.vectors.push(Vector {
            name,
            about,
            expect,
            given,
            pieces: Vec::new(),
            bytes,
        });
    }

    /// A vector with bytes of its own that is refused.
    pub(super) fn fails(
        &mut self,
        name: &'static str,
        about: &'static str,
        code: &str,
        given: Given,
        bytes: Vec<u8>,
    ) {
        let expect = expect_lines(code);
        self.vectors.push(Vector {
            name,
            about,
            expect,
            given,
            pieces: Vec::new(),
            bytes,
        });
    }

    /// A vector put together from pieces that is refused. `code` may name a segment after a blank.
    pub(super) fn pieced(
        &mut self,
        name: &'static str,
        about: &'static str,
        code: &str,
        given: Given,
        pieces: Vec<Piece>,
    ) {
        let expect = expect_lines(code);
        self.vectors.push(Vector {
            name,
            about,
            expect,
            given,
            pieces,
            bytes: Vec::new(),
        });
    }

    pub(super) fn bytes(&self, name: &str) -> &Vec<u8> {
        &self
            .vectors
            .iter()
            .find(|vector| vector.name == name)
            .unwrap()
            .bytes
    }
}

/// "damaged_content 1" names the segment.
fn expect_lines(code: &str) -> Vec<String> {
    match code.split_once(' ') {
        None => vec![format!("expect: {code}")],
        Some((code, segment)) => {
            let position = segment.parse::<u64>().unwrap() << 19;
            vec![
                format!("expect: {code}"),
                format!("at: segment {segment} byte {position}"),
            ]
        }
    }
}

fn good_files(made: &mut Made) {
    let mut one = |name, about, path: &str, content: Vec<u8>| {
        let bytes = Package::new(1).sealift(path, &content);
        made.opens(
            name,
            about,
            with_password(),
            bytes,
            vec![file_line(path, &content)],
        );
    };
    one(
        "hello",
        "a small file",
        "hello.txt",
        b"attack at dawn".to_vec(),
    );
    one(
        "empty_file",
        "a file without content is padded like any other",
        "empty",
        Vec::new(),
    );
    one(
        "exactly_the_smallest_padded_length",
        "no padding at all",
        "x",
        content(4_096),
    );
    one(
        "one_byte_over_a_step",
        "4,097 bytes become 4,352",
        "x",
        content(4_097),
    );
    one(
        "two_segments",
        "the second segment holds 32 bytes, all padding",
        "x",
        content(520_000),
    );
    one(
        "unicode_name",
        "names in any script, and marks that do not deceive",
        "日本語/שלום\u{200f} 👩\u{200d}🚀 é.txt",
        b"x".to_vec(),
    );
    one(
        "names_that_some_systems_refuse",
        "carried as they are, saved under another name",
        "CON/a:b\\c*?. ",
        b"x".to_vec(),
    );
    let long = format!("{}/{}", "folder name ".repeat(20), "é".repeat(120));
    one(
        "long_name",
        "metadata of several steps makes a longer head",
        &long,
        b"x".to_vec(),
    );
}

fn good_keyrings(made: &mut Made) {
    let mut package = Package::new(3);
    let file = package.seal(1, "a.txt", b"same file, other keyrings");
    let lines = vec![file_line("a.txt", b"same file, other keyrings")];
    let key = package.key.clone();
    let mut add = |name, about, given: Given, keyring: &[u8]| {
        let bytes = [keyring, &file.head, &file.body].concat();
        made.opens(name, about, given, bytes, lines.clone());
    };
    let rng = &mut package.rng;
    let new = || KeyringBuilder::new(&key).within(KdfLimits::CHEAP_FOR_TESTS);
    let (one, two) = (password("one"), password("two"));
    let link = LINK;
    let given = |password| Given {
        password: Some(password),
        ..Given::default()
    };

    let composed = password("P\u{e4}sswort 1");
    let keyring = new()
        .password(&composed, CHEAP, None, rng)
        .unwrap()
        .build()
        .unwrap();
    add(
        "password_typed_in_decomposed_form",
        "NFC makes it the same password",
        given("Pa\u{308}sswort 1"),
        &keyring,
    );

    let both = new().password(&one, CHEAP, None, rng).unwrap();
    let both = both
        .password(&two, CHEAP, None, rng)
        .unwrap()
        .build()
        .unwrap();
    add(
        "second_of_two_passwords",
        "slots are tried in order",
        given("two"),
        &both,
    );

    let keyring = new().link_secret(&link, rng).unwrap().build().unwrap();
    let only_link = Given {
        link: Some(link.0),
        ..Given::default()
    };
    add(
        "link_secret_alone",
        "no password, no Argon2",
        only_link,
        &keyring,
    );

    let keyring = new()
        .password(&one, CHEAP, Some(&link), rng)
        .unwrap()
        .build()
        .unwrap();
    add(
        "password_and_link_secret",
        "one slot that needs both",
        Given {
            link: Some(link.0),
            ..given("one")
        },
        &keyring,
    );

    let cost = KdfCost {
        memory_kib: 16,
        passes: 2,
        parallelism: 2,
    };
    let keyring = new()
        .password(&one, cost, None, rng)
        .unwrap()
        .build()
        .unwrap();
    add("two_argon2_lanes", "p = 2", given("one"), &keyring);

    let keyring = KeyringBuilder::new(&key)
        .password(&one, KdfCost::DEFAULT, None, rng)
        .unwrap()
        .build();
    add(
        "default_cost",
        "64 MiB, three passes, with the floor of production",
        Given {
            production: true,
            ..given("one")
        },
        &keyring.unwrap(),
    );

    let keyring = attacks::with_unknown_slot(&key, &both);
    add(
        "unknown_slot_under_the_mac",
        "a later version's slot is stepped over",
        given("one"),
        &keyring,
    );

    let keyring = new()
        .password(&one, CHEAP, None, rng)
        .unwrap()
        .build()
        .unwrap();
    add(
        "password_slot_with_a_link_secret_at_hand",
        "the slot does not ask for it, so it plays no part",
        Given {
            link: Some(link.0),
            ..given("one")
        },
        &keyring,
    );
}

fn good_packages(made: &mut Made) {
    let whole = Whole::new(4);
    let pin = Given {
        pin: Some(whole.sealed.pin.0),
        package: Some(whole.package.key.package().0),
        ..with_password()
    };
    let note = format!("note: {}", sha256(whole.manifest.note.as_bytes()));
    let start = [
        "title: Holiday".to_owned(),
        note,
        "folder: empty/inner".to_owned(),
    ];
    let (first, second, pack) = (content(3_001), content(3_002), content(510));
    let files = [
        file_line("a.txt", &first),
        file_line("b/b.txt", &second),
        file_line("p/1", &pack[..10]),
        file_line("p/2", b""),
        file_line("p/3", &pack[10..]),
    ];
    let with = |lines: &[String]| [&start[..], lines].concat();
    made.opens(
        "package",
        "manifest, two files and a pack of three, with the link's pin",
        pin.clone(),
        whole.sealift(&[0, 1, 2]),
        with(&files),
    );
    made.opens(
        "package_in_another_order",
        "after the manifest any order will do",
        pin.clone(),
        whole.sealift(&[2, 1, 0]),
        with(&files),
    );
    let missing = [
        "missing: b/b.txt".to_owned(),
        "missing: p/1".to_owned(),
        "missing: p/2".to_owned(),
        "missing: p/3".to_owned(),
    ];
    made.opens(
        "package_with_missing_files",
        "the files that are there are good",
        pin.clone(),
        whole.sealift(&[0]),
        with(&[&files[..1], &missing].concat()),
    );
    let all_missing = [&["missing: a.txt".to_owned()][..], &missing].concat();
    made.opens(
        "manifest_alone",
        "names without content",
        pin,
        whole.sealift(&[]),
        with(&all_missing),
    );

    let mut package = Package::new(5);
    let manifest = Manifest {
        title: "nothing".into(),
        ..Manifest::default()
    };
    let sealed = manifest
        .seal(&package.key, FileId([9; 32]), &mut package.rng)
        .ok()
        .unwrap();
    let bytes = [&package.keyring[..], &sealed.head, &sealed.body].concat();
    made.opens(
        "package_without_files",
        "a title alone",
        with_password(),
        bytes,
        vec!["title: nothing".to_owned()],
    );
}

fn good_pipes(made: &mut Made) {
    let ends_in_zeros = [&b"data that ends in zeros"[..], &[0; 5_000]].concat();
    for (name, about, data) in [
        ("open_length", "from a pipe", b"from a pipe".to_vec()),
        (
            "open_length_empty",
            "nothing came through the pipe",
            Vec::new(),
        ),
        (
            "open_length_fills_the_step",
            "data and length are 4,096 bytes",
            content(4_088),
        ),
        (
            "open_length_ends_in_zeros",
            "zeros are data, too",
            ends_in_zeros,
        ),
    ] {
        let bytes = attacks::pipe(&mut Package::new(6), &data);
        made.opens(
            name,
            about,
            with_password(),
            bytes,
            vec![file_line("pipe", &data)],
        );
    }
}

/// The fixed ids of a package made from a seed, for the header.
pub(super) fn package_id(seed: u8) -> PackageId {
    PackageId([seed; 16])
}

/// A sealed file of any content and role, as its bytes.
pub(super) fn sealed(package: &mut Package, id: u8, role: Role, bytes: &[u8]) -> SealedFile {
    let metadata = Metadata::unnamed(bytes.len() as u64);
    seal(
        &package.key,
        FileId([id; 32]),
        role,
        &metadata,
        bytes,
        &mut package.rng,
    )
}

#[test]
fn hexadecimal_is_lower_case() {
    assert_eq!(hex(&[0xab, 0x01]), "ab01");
}
