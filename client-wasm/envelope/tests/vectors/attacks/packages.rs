//! Attacks on packages: files exchanged, lists that no honest sender writes.

use sealift_protocol::FileId;
use sealift_protocol::format::Role;

use super::super::file::{Given, Piece};
use super::super::list::{Made, sealed, with_password};
use super::*;
use crate::fixture::*;
use crate::manifests::Whole;

pub(in super::super) fn on_packages(made: &mut Made) {
    let given = with_password();
    let mut whole = Whole::new(4);
    let pin = Given {
        pin: Some(whole.sealed.pin.0),
        ..given.clone()
    };
    let total = made.bytes("package").len();
    let good = || Piece::Of("package", 0..total);
    let joined = |file: &SealedFile| Piece::Hex([&file.head[..], &file.body].concat());

    let unlisted = whole.package.seal(7, "extra.txt", b"extra");
    made.pieced(
        "file_not_listed",
        "sealed under the same key",
        "content_mismatch",
        given.clone(),
        vec![good(), joined(&unlisted)],
    );
    made.pieced(
        "file_twice",
        "",
        "content_mismatch",
        given.clone(),
        vec![good(), joined(&whole.files[0])],
    );
    let foreign = Package::new(2).seal(8, "x", b"x");
    made.pieced(
        "file_of_another_package_added",
        "",
        "package_mismatch",
        given.clone(),
        vec![good(), joined(&foreign)],
    );

    let mut changed = Whole::new(4);
    changed.files[0] = changed.package.seal(1, "a.txt", &content(3_001));
    made.fails(
        "file_sealed_again",
        "same id, same content, another seal than listed",
        "content_mismatch",
        given.clone(),
        changed.sealift(&[0, 1]),
    );
    let mut renamed = Whole::new(4);
    renamed.manifest.files[0].path = "renamed.txt".into();
    reseal(&mut renamed);
    made.fails(
        "file_under_another_name",
        "its own metadata and the list differ",
        "content_mismatch",
        given.clone(),
        renamed.sealift(&[0]),
    );
    made.fails(
        "another_manifest_than_the_link_pins",
        "",
        "pin_mismatch",
        pin.clone(),
        renamed.sealift(&[]),
    );
    made.pieced(
        "file_alone_under_a_link_with_pin",
        "the manifest was left out",
        "pin_mismatch",
        pin,
        vec![hello(0..BODY_END)],
    );

    let mut listed = Whole::new(4);
    listed.manifest.sealed[0].role = Role::Pack;
    reseal(&mut listed);
    made.fails(
        "file_listed_as_a_pack",
        "the list and the head name different roles",
        "content_mismatch",
        given.clone(),
        listed.sealift(&[0]),
    );
    let mut longer = Whole::new(4);
    longer.manifest.sealed[2].bytes += 1;
    longer.manifest.files[4].bytes += 1;
    reseal(&mut longer);
    made.fails(
        "pack_of_another_length_than_listed",
        "",
        "content_mismatch",
        given.clone(),
        longer.sealift(&[2]),
    );

    let manifest = [&whole.sealed.head[..], &whole.sealed.body].concat();
    let file = [&whole.files[0].head[..], &whole.files[0].body].concat();
    let pack = [&whole.files[2].head[..], &whole.files[2].body].concat();
    for (name, about, pieces) in [
        ("manifest_second", "", vec![&file, &manifest]),
        ("manifest_twice", "", vec![&manifest, &manifest]),
        ("two_files_without_manifest", "", vec![&file, &pack]),
        (
            "pack_alone",
            "without the list nobody knows what is in it",
            vec![&pack],
        ),
    ] {
        let mut bytes = whole.package.keyring.clone();
        pieces.into_iter().for_each(|piece| bytes.extend(piece));
        made.fails(name, about, "content_mismatch", given.clone(), bytes);
    }
    on_manifests(made);
}

fn reseal(whole: &mut Whole) {
    let (key, rng) = (&whole.package.key, &mut whole.package.rng);
    whole.sealed = whole.manifest.seal(key, FileId([9; 32]), rng).ok().unwrap();
}

/// Manifests that no honest sender writes, sealed by somebody with the key.
fn on_manifests(made: &mut Made) {
    let empty_lists = [0x80, 0x80, 0x80];
    let start = |title: &[u8]| [&[0x86, 1][..], title, &[0x60]].concat();
    let id = [&[0x58, 32][..], &[5; 32]].concat();
    let seal = [&[0x58, 48][..], &[6; 48]].concat();
    let entry = |role: u8, bytes: u8| [&[0x84][..], &id, &[role, bytes], &seal].concat();
    let path = |path: &[u8]| [&[0x78, path.len() as u8][..], path].concat();
    let file = |p: &[u8], bytes: u8, offset: u8| {
        let p = if p.len() < 24 {
            [&[0x60 + p.len() as u8][..], p].concat()
        } else {
            path(p)
        };
        [&[0x86][..], &p, &[bytes, 0xf6, 0x60, 0, offset]].concat()
    };
    let listed = |role, bytes, files: &[Vec<u8>]| {
        let mut all = start(&[0x60]);
        all.extend([0x80, 0x81]);
        all.extend(entry(role, bytes));
        all.push(0x80 + files.len() as u8);
        files.iter().for_each(|file| all.extend(file));
        all
    };
    let one = |p: &[u8]| listed(0, 5, &[file(p, 5, 0)]);
    let plain = [&start(&[0x61, b't'])[..], &empty_lists].concat();
    let mut version = plain.clone();
    version[1] = 2;
    let long_form = [&start(&[0x78, 1, b't'])[..], &empty_lists].concat();
    let title = [&[0x79, 4, 1][..], &[b't'; 1_025]].concat();
    for (name, about, code, bytes) in [
        ("manifest_of_version_2", "", "unknown_version", version),
        (
            "manifest_in_another_encoding",
            "a length in a longer form",
            "damaged_manifest",
            long_form,
        ),
        (
            "manifest_with_trailing_bytes",
            "",
            "damaged_manifest",
            [&plain[..], &[0]].concat(),
        ),
        (
            "manifest_that_ends_early",
            "",
            "damaged_manifest",
            plain[..plain.len() - 1].to_vec(),
        ),
        (
            "manifest_that_is_no_list",
            "",
            "damaged_manifest",
            b"\x61t".to_vec(),
        ),
        (
            "manifest_with_a_long_title",
            "1,025 bytes",
            "too_large",
            [&start(&title)[..], &empty_lists].concat(),
        ),
        (
            "manifest_of_two_to_the_32_files",
            "a count that nothing backs",
            "too_many_files",
            [
                &start(&[0x60])[..],
                &[0x80, 0x80, 0x9a, 0xff, 0xff, 0xff, 0xff],
            ]
            .concat(),
        ),
        (
            "manifest_names_a_parent_folder",
            "../x",
            "bad_name",
            one(b"../x"),
        ),
        (
            "manifest_names_a_root",
            "/x",
            "bad_name",
            one(b"/etc/passwd"),
        ),
        (
            "manifest_names_a_folder_inside_out",
            "a/../../x",
            "bad_name",
            one(b"a/../../x"),
        ),
        ("manifest_names_nothing", "", "bad_name", one(b"")),
        (
            "manifest_name_with_terminal_escape",
            "",
            "bad_name",
            one(b"a\x1b[2Jb"),
        ),
        (
            "manifest_name_with_line_break",
            "",
            "bad_name",
            one(b"a\r\nb"),
        ),
        ("manifest_name_with_nul", "", "bad_name", one(b"a\0b")),
        (
            "manifest_name_right_to_left",
            "photo with the end .gpj.exe shown backwards",
            "bad_name",
            one("a\u{202e}gpj.exe".as_bytes()),
        ),
        ("manifest_name_of_256_bytes", "", "bad_name", {
            let long = [&[0x79, 1, 0][..], &[b'x'; 256]].concat();
            listed(
                0,
                5,
                &[[&[0x86][..], &long, &[5, 0xf6, 0x60, 0, 0]].concat()],
            )
        }),
        (
            "manifest_names_a_folder_too_deep",
            "33 components",
            "bad_name",
            {
                let deep = [&[0x78, 65][..], "a/".repeat(32).as_bytes(), b"x"].concat();
                listed(
                    0,
                    5,
                    &[[&[0x86][..], &deep, &[5, 0xf6, 0x60, 0, 0]].concat()],
                )
            },
        ),
        (
            "manifest_name_with_c1_control",
            "a terminal reads it as an escape",
            "bad_name",
            one("a\u{9b}2Jb".as_bytes()),
        ),
        (
            "manifest_name_with_line_separator",
            "",
            "bad_name",
            one("a\u{2028}b".as_bytes()),
        ),
        (
            "manifest_name_with_isolate",
            "",
            "bad_name",
            one("a\u{2066}b".as_bytes()),
        ),
        (
            "manifest_name_with_byte_order_mark",
            "",
            "bad_name",
            one("\u{feff}a".as_bytes()),
        ),
        ("manifest_path_of_1025_bytes", "", "bad_name", {
            let long = [&[0x79, 4, 1][..], "abc/".repeat(256).as_bytes(), b"x"].concat();
            let long = [&[0x86][..], &long, &[5, 0xf6, 0x60, 0, 0]].concat();
            listed(0, 5, &[long])
        }),
        (
            "manifest_names_a_hostile_folder",
            "one without files",
            "bad_name",
            [&start(&[0x60])[..], &[0x81, 0x62, b'.', b'.', 0x80, 0x80]].concat(),
        ),
        ("manifest_with_a_long_note", "16,385 bytes", "too_large", {
            let note = [&[0x79, 0x40, 1][..], &[b'n'; 16_385]].concat();
            [&[0x86, 1, 0x60][..], &note, &empty_lists].concat()
        }),
        (
            "manifest_with_a_file_id_twice",
            "",
            "damaged_manifest",
            [
                &start(&[0x60])[..],
                &[0x80, 0x82],
                &entry(0, 5),
                &entry(0, 5),
                &[0x82],
                &file(b"a", 5, 0),
                &[&[0x86, 0x61, b'b'][..], &[5, 0xf6, 0x60, 1, 0]].concat(),
            ]
            .concat(),
        ),
        (
            "manifest_with_a_pack_of_more_than_one_part",
            "8,257,537 bytes",
            "too_large",
            [
                &start(&[0x60])[..],
                &[0x80, 0x81, 0x84],
                &id,
                &[2, 0x1a, 0, 0x7e, 0, 1],
                &seal,
                &[
                    0x81, 0x86, 0x61, b'a', 0x1a, 0, 0x7e, 0, 1, 0xf6, 0x60, 0, 0,
                ],
            ]
            .concat(),
        ),
        (
            "manifest_name_not_utf8",
            "",
            "damaged_manifest",
            one(b"a\xff"),
        ),
        (
            "manifest_with_unused_file",
            "listed as stored, in nobody's list",
            "damaged_manifest",
            listed(0, 5, &[]),
        ),
        (
            "manifest_with_one_place_twice",
            "two names for one file",
            "damaged_manifest",
            listed(0, 5, &[file(b"a", 5, 0), file(b"b", 0, 5)]),
        ),
        (
            "manifest_with_other_length",
            "",
            "damaged_manifest",
            listed(0, 5, &[file(b"a", 4, 0)]),
        ),
        (
            "manifest_pack_with_a_gap",
            "",
            "damaged_manifest",
            listed(2, 5, &[file(b"a", 2, 0), file(b"b", 2, 3)]),
        ),
        (
            "manifest_pack_with_overlap",
            "",
            "damaged_manifest",
            listed(2, 5, &[file(b"a", 3, 0), file(b"b", 3, 2)]),
        ),
        (
            "manifest_pack_past_its_end",
            "",
            "damaged_manifest",
            listed(2, 5, &[file(b"a", 2, 0), file(b"b", 4, 2)]),
        ),
        (
            "manifest_in_a_manifest",
            "",
            "damaged_manifest",
            listed(1, 5, &[file(b"a", 5, 0)]),
        ),
    ] {
        let mut package = Package::new(5);
        let manifest = sealed(&mut package, 9, Role::Manifest, &bytes);
        let all = [&package.keyring[..], &manifest.head, &manifest.body].concat();
        made.fails(name, about, code, with_password(), all);
    }
}
