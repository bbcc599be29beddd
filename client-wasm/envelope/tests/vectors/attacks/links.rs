//! Fragments of links: whole, cut and exchanged.

use sealift_protocol::ids::OwnerToken;
use sealift_protocol::link::{Fragment, Pin};
use zeroize::Zeroizing;

use super::super::file::{Given, Vector};
use super::super::list::{Made, package_id};
use crate::fixture::*;

pub(in super::super) fn on_fragments(made: &mut Made) {
    let package = package_id(1);
    let receive = |secret| Fragment::Receive {
        pin: Pin([7; 16]),
        secret,
    };
    let manage = Fragment::Manage {
        owner: OwnerToken([8; 32]),
        secret: Some(LINK),
    };
    let grant = Zeroizing::new("grant.text-1".to_owned());
    let send = Fragment::Send { grant };
    let mut add = |name, about, lines: &[&str], package: Option<[u8; 16]>, text: &str| {
        made.vectors.push(Vector {
            name,
            about,
            expect: lines.iter().map(|line| (*line).to_owned()).collect(),
            given: Given {
                kind: "fragment",
                package,
                ..Given::default()
            },
            pieces: Vec::new(),
            bytes: text.as_bytes().to_vec(),
        });
    };
    let of = Some(package.0);
    let pin = "07".repeat(16);
    let secret = "4c".repeat(32);
    let owner = "08".repeat(32);
    let ok = "expect: success";
    let cut = ["expect: cut_link"];
    let with_secret = receive(Some(LINK)).encode(Some(&package));
    add(
        "link_receive",
        "a pin",
        &[ok, &format!("opened: receive {pin}")],
        of,
        &receive(None).encode(Some(&package)),
    );
    add(
        "link_receive_with_secret",
        "pin and link secret",
        &[ok, &format!("opened: receive {pin}{secret}")],
        of,
        &with_secret,
    );
    add(
        "link_manage",
        "owner token and link secret",
        &[ok, &format!("opened: manage {owner}{secret}")],
        of,
        &manage.encode(Some(&package)),
    );
    add(
        "link_send",
        "the text of a grant",
        &[ok, "opened: send 6772616e742e746578742d31"],
        None,
        &send.encode(None),
    );
    add(
        "link_cut_by_one_character",
        "",
        &cut,
        of,
        &with_secret[..with_secret.len() - 1],
    );
    add("link_cut_in_the_middle", "", &cut, of, &with_secret[..30]);
    add("link_without_fragment", "", &cut, of, "");
    add(
        "link_of_another_package",
        "path and fragment come from two links",
        &cut,
        Some(package_id(2).0),
        &with_secret,
    );
    let mut changed = with_secret.to_string();
    changed.replace_range(10..11, if &changed[10..11] == "A" { "B" } else { "A" });
    add("link_with_a_changed_character", "", &cut, of, &changed);
    add(
        "link_with_a_foreign_character",
        "",
        &cut,
        of,
        &with_secret.replacen('E', "+", 1),
    );
}
