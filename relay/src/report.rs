//! The protection report: what the relay can say of how a package is protected. A client shows it beside what it
//! has checked itself; nothing here is proof of anything to it.
//!
//! Sender and receiver both see which docroot keeps a package and how the storage showed that it is encrypted. Whoever
//! has only the package's id does not learn the number of the operator's account from it: in the key's ARN that is
//! shown to whoever has the owner token.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use sealift_protocol::Code;
use sealift_protocol::format::{Keyring, SlotKind};
use sealift_protocol::limits::KEYRING_BYTES_MAX;
use sealift_protocol::message::sha256;
use serde::Serialize;

use crate::api::{ApiError, bearer, known};
use crate::attempt::storage_code;
use crate::packages::same;
use crate::records::File;
use crate::relay::Relay;
use crate::{metrics, names};

/// The report. Times are seconds since 1970.
#[derive(Serialize)]
pub(crate) struct Report {
    /// The client that created the package, in its own words.
    sealed_by: Option<String>,
    /// What its parts came over.
    transports: Vec<&'static str>,
    /// Name of the docroot that keeps it.
    docroot: String,
    storage: Storage,
    keyring_generation: u64,
    /// What opens each slot of the current keyring.
    slots: Vec<String>,
    /// What a try costs at each slot with a password.
    kdf: Vec<Kdf>,
    created_at: u64,
    finished_at: Option<u64>,
}

#[derive(Serialize)]
struct Storage {
    /// `folder` or `s3`.
    kind: &'static str,
    /// Server-side encryption as the storage showed it; null where there is none or nothing was verified.
    sse: Option<Sse>,
}

#[derive(Serialize)]
struct Sse {
    algorithm: String,
    key: Option<String>,
    verified_at: u64,
}

#[derive(Serialize)]
struct Kdf {
    algorithm: &'static str,
    memory_kib: u32,
    passes: u16,
    parallelism: u8,
}

/// The report of a package.
pub(crate) async fn get(
    State(relay): State<Arc<Relay>>,
    Path(id): Path<String>,
    request: HeaderMap,
) -> Result<Json<Report>, ApiError> {
    let (id, package) = known(&relay, &id, None).await?;
    let for_owner = match request.contains_key(header::AUTHORIZATION) {
        false => false,
        true => {
            let token = bearer(&request).ok_or(ApiError(Code::Unauthorized))?;
            same(package.owner_sha256, sha256(&token.0)).map_err(ApiError)?;
            true
        }
    };
    let record = package.keyring.ok_or(ApiError(Code::NotComplete))?;
    let name = names::keyring_of(id, &record).map_err(|_| ApiError(Code::Internal))?;
    let docroot = relay
        .storage
        .docroots
        .one(&package.docroot)
        .map_err(ApiError)?;
    let bytes = docroot.get(&name, KEYRING_BYTES_MAX).await;
    let bytes = bytes.map_err(|error| ApiError(storage_code(&error)))?;
    let keyring = Keyring::parse(&bytes).map_err(|_| ApiError(Code::StorageFailed))?;
    let kinds: Vec<SlotKind> = keyring.slots().map(|slot| slot.kind).collect();
    Ok(Json(Report {
        sealed_by: package.sealed_by,
        transports: package.transports.iter().map(metrics::word).collect(),
        docroot: package.docroot,
        storage: Storage {
            kind: docroot.kind(),
            sse: sse(&package.files, for_owner),
        },
        keyring_generation: record.generation,
        slots: kinds.iter().copied().map(slot).collect(),
        kdf: kinds.into_iter().filter_map(kdf).collect(),
        created_at: package.created_at,
        finished_at: package.finished_at,
    }))
}

/// What was verified of the files, when all of them were and agree; the time is that of the last one.
fn sse(files: &[File], for_owner: bool) -> Option<Sse> {
    let shown = files.first()?.sse.as_deref()?;
    let same = files.iter().all(|file| file.sse.as_deref() == Some(shown));
    let times: Option<Vec<u64>> = files.iter().map(|file| file.verified_at).collect();
    let shown: sealift_docroot::Sse = serde_json::from_str(shown).ok().filter(|_| same)?;
    Some(Sse {
        algorithm: shown.algorithm?,
        key: match for_owner {
            true => shown.key,
            false => shown.key.as_deref().map(without_account),
        },
        verified_at: times?.into_iter().max()?,
    })
}

/// `arn:aws:kms:REGION:ACCOUNT:key/ID` without the number of the account; another text as it is.
fn without_account(key: &str) -> String {
    let mut words: Vec<&str> = key.splitn(6, ':').collect();
    if let ["arn", _, _, _, account, _] = &mut words[..] {
        *account = "*";
    }
    words.join(":")
}

fn slot(kind: SlotKind) -> String {
    match kind {
        SlotKind::Password { link: false, .. } => "password".to_owned(),
        SlotKind::Password { link: true, .. } => "password+link".to_owned(),
        SlotKind::Link => "link".to_owned(),
        SlotKind::Recipient => "recipient".to_owned(),
        SlotKind::Unknown(number) => format!("unknown:{number}"),
    }
}

fn kdf(kind: SlotKind) -> Option<Kdf> {
    let SlotKind::Password { cost, .. } = kind else {
        return None;
    };
    Some(Kdf {
        algorithm: "argon2id",
        memory_kib: cost.memory_kib,
        passes: cost.passes,
        parallelism: cost.parallelism,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_of_a_key_is_for_the_owner_alone() {
        for (key, shown) in [
            (
                "arn:aws:kms:eu-central-1:123456789012:key/0a-1",
                "arn:aws:kms:eu-central-1:*:key/0a-1",
            ),
            (
                "arn:aws-cn:kms:cn-north-1:123456789012:alias/a:b",
                "arn:aws-cn:kms:cn-north-1:*:alias/a:b",
            ),
            ("alias/sealift", "alias/sealift"),
            ("", ""),
        ] {
            assert_eq!(without_account(key), shown);
        }
    }
}
