//! Replacing a package's keyring: compare and swap, one winner, undo, and no way around what policy asks (K1, K2,
//! P1, S8).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test stops at the first surprise

mod support;

use futures_util::future::join_all;
use reqwest::Method;
use sealift_protocol::format::KdfCost;
use sealift_protocol::message::sha256;
use support::client::{Client, send_package};
use support::sealed::{Sealed, SealedFile};
use support::{TestRelay, bearer, code};

/// A finished package, with its file.
async fn sent(relay: &TestRelay, seed: u64) -> (Sealed, SealedFile) {
    let mut sealed = Sealed::new(seed);
    let mut client = Client::welcome(relay, &sealed).await;
    let (file, _) = send_package(&mut client, &mut sealed, 8192).await;
    (sealed, file)
}

fn tag(keyring: &[u8]) -> String {
    let generation = u64::from_be_bytes(keyring[32..40].try_into().unwrap());
    let hash = data_encoding::HEXLOWER.encode(&sha256(keyring).0);
    format!("\"{generation}-{hash}\"")
}

/// What lies in the package's folder under a name that starts with `keyring`.
fn keyring_objects(relay: &TestRelay, sealed: &Sealed) -> usize {
    let folder = relay.data().join(format!("docroot/{}", sealed.package));
    let names = std::fs::read_dir(folder).unwrap().flatten();
    names
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("keyring"))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn k2_a_keyring_is_replaced_by_compare_and_swap_and_the_one_before_is_kept() {
    let relay = TestRelay::open().await;
    let (mut sealed, file) = sent(&relay, 1).await;
    let path = format!("/api/packages/{}/keyring", sealed.package);
    let (status, headers, body) = relay.get(&path).await;
    assert_eq!((status, &body), (200, &sealed.keyring));
    assert_eq!(headers["etag"], tag(&sealed.keyring).as_str());
    let whole = format!("/api/packages/{}/package.sealift", sealed.package);
    let before = relay.get(&whole).await;

    let next = sealed.next_keyring();
    for stale in [
        "\"1-00\"",
        "*",
        "",
        &tag(&next),
        &format!("W/{}", tag(&sealed.keyring)),
    ] {
        let (status, _, body) = relay.rekey(&sealed, stale, next.clone()).await;
        assert_eq!((status, &*code(&body)), (412, "keyring_changed"), "{stale}");
    }
    let owner = bearer(&sealed.owner.0);
    let unconditional = relay
        .request(Method::PUT, &path, &[("authorization", &owner)])
        .await;
    assert_eq!(unconditional.0, 428);
    let stranger = [
        ("authorization", bearer(&[7; 32])),
        ("if-match", tag(&sealed.keyring)),
    ];
    let stranger = stranger
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    assert_eq!(relay.request(Method::PUT, &path, &stranger).await.0, 401);
    assert_eq!(
        relay.request(Method::PUT, &path, &stranger[1..]).await.0,
        401
    );
    assert_eq!(relay.get(&path).await.2, sealed.keyring, "nothing changed");

    for _ in 0..2 {
        // The second time as if the answer to the first was lost.
        let (status, headers, body) = relay
            .rekey(&sealed, &tag(&sealed.keyring), next.clone())
            .await;
        let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(status, 200);
        assert_eq!(headers["etag"], tag(&next).as_str());
        assert_eq!(answer["keyring_generation"], 2);
        let hash = data_encoding::HEXLOWER.encode(&sha256(&next).0);
        assert_eq!(answer["keyring_sha256"], hash.as_str());
    }
    assert_eq!(relay.get(&path).await.2, next);

    // The one before: for the owner alone, for some days.
    let old = format!("{path}?generation=1");
    assert_eq!(relay.get(&old).await.0, 401);
    assert_eq!(relay.get_with(&old, &stranger[..1]).await.0, 401);
    let (status, headers, body) = relay.get_with(&old, &[("authorization", &owner)]).await;
    assert_eq!((status, body), (200, sealed.keyring.clone()));
    assert_eq!(headers["etag"], tag(&sealed.keyring).as_str());
    for generation in ["0", "3"] {
        let other = format!("{path}?generation={generation}");
        assert_eq!(
            relay.get_with(&other, &[("authorization", &owner)]).await.0,
            404
        );
    }

    // What is served carries the new one, under another tag; bodies are the same bytes.
    let after = relay.get(&whole).await;
    assert_ne!(before.1["etag"], after.1["etag"]);
    assert_eq!(before.2[sealed.keyring.len()..], after.2[next.len()..]);
    assert!(after.2.starts_with(&next));
    let one = format!("/api/packages/{}/files/{}.sealift", sealed.package, file.id);
    assert!(relay.get(&one).await.2.starts_with(&next));
    // S8: a download that began under the old keyring is never joined to the new one.
    let range = [
        ("range", "bytes=10-20"),
        ("if-range", before.1["etag"].to_str().unwrap()),
    ];
    let (status, _, body) = relay.get_with(&whole, &range).await;
    assert_eq!((status, body), (200, after.2));
}

#[tokio::test(flavor = "multi_thread")]
async fn k2_of_many_rekeys_at_once_exactly_one_wins() {
    let mut relay = TestRelay::open().await;
    let (mut sealed, _) = sent(&relay, 2).await;
    for round in 1..4 {
        let tag = tag(&sealed.keyring);
        let tries: Vec<_> = (0..12).map(|_| sealed.next_keyring()).collect();
        let answers = join_all(
            tries
                .iter()
                .map(|next| relay.rekey(&sealed, &tag, next.clone())),
        )
        .await;
        let mut won = Vec::new();
        for ((status, _, body), next) in answers.iter().zip(tries) {
            match status {
                200 => won.push(next),
                412 => assert_eq!(code(body), "keyring_changed"),
                other => panic!("{other}"),
            }
        }
        assert_eq!(won.len(), 1, "round {round}");
        sealed.keyring = won.remove(0);
        let path = format!("/api/packages/{}/keyring", sealed.package);
        assert_eq!(relay.get(&path).await.2, sealed.keyring);
    }
    // The losers' objects and those whose days are over go; the current one stays.
    relay.stop().await;
    assert_eq!(
        relay
            .number("SELECT count(*) FROM keyrings WHERE state = 1")
            .await,
        3
    );
    relay.sql("UPDATE keyrings SET keep_until = 1").await;
    relay.start().await;
    relay.becomes("SELECT count(*) FROM keyrings", 0).await;
    assert_eq!(keyring_objects(&relay, &sealed), 1);
    let path = format!("/api/packages/{}/keyring", sealed.package);
    assert_eq!(relay.get(&path).await.2, sealed.keyring);
    let owner = bearer(&sealed.owner.0);
    let old = format!("{path}?generation=1");
    let old = relay.get_with(&old, &[("authorization", &owner)]).await;
    assert_eq!(old.0, 404);
    // Deleting the package takes all its keyrings along.
    let next = sealed.next_keyring();
    assert_eq!(
        relay.rekey(&sealed, &tag(&sealed.keyring), next).await.0,
        200
    );
    let package = format!("/api/packages/{}", sealed.package);
    let deleted = relay
        .request(Method::DELETE, &package, &[("authorization", &owner)])
        .await;
    assert_eq!(deleted.0, 204);
    assert_eq!(relay.number("SELECT count(*) FROM keyrings").await, 0);
    assert_eq!(
        relay
            .rekey(&sealed, "\"1-0\"", sealed.keyring.clone())
            .await
            .0,
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn k1_k2_p1_a_keyring_that_is_wrong_or_against_policy_does_not_take_the_place() {
    let relay = TestRelay::with(|config| {
        let settings = &mut config.settings;
        settings.open_uploads = true;
        settings.protection = sealift_config::ProtectionMode::Required;
    })
    .await;
    let (mut sealed, _) = sent(&relay, 3).await;
    let before = sealed.keyring.clone();
    let password = sealed.password_slot(KdfCost::DEFAULT);
    let weak = sealed.password_slot(KdfCost {
        memory_kib: 8 << 10,
        ..KdfCost::DEFAULT
    });
    let (link, unknown) = (sealed.link_slot(), sealed.unknown_slot());
    let good = sealed.next_keyring();
    let mut damaged = good.clone();
    damaged[100] ^= 1;
    let other_package = Sealed::new(4).keyring_after(&before, std::slice::from_ref(&password));
    for (keyring, refusal) in [
        (
            sealed.keyring_after(&before, std::slice::from_ref(&link)),
            (422, "password_required"),
        ),
        (
            sealed.keyring_after(&before, &[password.clone(), link]),
            (422, "password_required"),
        ),
        (
            sealed.keyring_after(&before, &[password.clone(), unknown]),
            (422, "password_required"),
        ),
        (
            sealed.keyring_after(&before, &[weak]),
            (422, "kdf_too_weak"),
        ),
        (other_package, (422, "package_mismatch")),
        (damaged, (422, "content_protection_required")),
        (
            b"plain text, which is longer than sixteen bytes".to_vec(),
            (422, "content_protection_required"),
        ),
        (
            good[..good.len() - 1].to_vec(),
            (422, "content_protection_required"),
        ),
        (
            [&good[..], b"x"].concat(),
            (422, "content_protection_required"),
        ),
        (vec![0; 100_000], (413, "too_large")),
        // Not the next one after what is stored.
        (
            sealed.keyring_with(3, sha256(&before).0, std::slice::from_ref(&password)),
            (412, "keyring_changed"),
        ),
        (
            sealed.keyring_with(2, [9; 32], std::slice::from_ref(&password)),
            (412, "keyring_changed"),
        ),
        (
            sealed.keyring_with(1, [0; 32], &[password]),
            (412, "keyring_changed"),
        ),
    ] {
        let (status, _, body) = relay.rekey(&sealed, &tag(&before), keyring).await;
        assert_eq!((status, &*code(&body)), refusal);
    }
    assert_eq!(keyring_objects(&relay, &sealed), 1, "nothing was stored");
    assert_eq!(relay.rekey(&sealed, &tag(&before), good).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn k2_an_unfinished_package_keeps_its_keyring() {
    let relay = TestRelay::open().await;
    let mut sealed = Sealed::new(5);
    let mut client = Client::welcome(&relay, &sealed).await;
    client.create(&sealed).await;
    let next = sealed.next_keyring();
    let (status, _, body) = relay.rekey(&sealed, &tag(&sealed.keyring), next).await;
    assert_eq!((status, &*code(&body)), (409, "not_complete"));
}
