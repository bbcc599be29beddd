//! A package's keyring over HTTP: fetched under the tag that a change must name, and replaced (rule K2).

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use data_encoding::HEXLOWER;
use sealift_protocol::limits::{KEYRING_BYTES_MAX, REQUEST_MAX};
use sealift_protocol::{Code, PackageId};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::api::{ApiError, bearer, finished};
use crate::download::{self, Served};
use crate::rekey;
use crate::relay::Relay;

/// Which of a package's keyrings.
#[derive(Deserialize)]
pub(crate) struct WhichKeyring {
    /// One that was replaced, for whoever has the owner token; else the current one.
    generation: Option<u64>,
}

pub(crate) async fn get(
    State(relay): State<Arc<Relay>>,
    Path(id): Path<String>,
    Query(which): Query<WhichKeyring>,
    request: HeaderMap,
) -> Result<Response, ApiError> {
    let (id, package) = finished(&relay, &id, None).await?;
    let current = package.keyring.ok_or(ApiError(Code::NotFound))?;
    let keyring = match which.generation {
        Some(generation) if generation != current.generation => {
            let token = bearer(&request).ok_or(ApiError(Code::Unauthorized))?;
            let owned = relay.packages.owned(&relay, id, &token).await;
            owned.map_err(ApiError)?;
            let kept = relay.sqlite.kept_keyring(id, generation).await;
            kept.map_err(|_| ApiError(Code::StorageFailed))?
                .ok_or(ApiError(Code::NotFound))?
        }
        _ => current,
    };
    let served = Served::new(&package)
        .only_keyring(id, &keyring)?
        .attachment("keyring".to_owned());
    download::answer(&relay, &request, served).await
}

#[derive(Serialize)]
struct Rekeyed {
    keyring_generation: u64,
    keyring_sha256: String,
}

/// Replaces the keyring, if it is still the one that `If-Match` names (rule K2).
pub(crate) async fn put(
    State(relay): State<Arc<Relay>>,
    Path(id): Path<String>,
    request: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let id = PackageId::parse(&id).map_err(|_| ApiError(Code::NotFound))?;
    let token = bearer(&request).ok_or(ApiError(Code::Unauthorized))?;
    let Some(expected) = request
        .get(header::IF_MATCH)
        .and_then(|tag| tag.to_str().ok())
    else {
        let refusal = ApiError(Code::BadUsage).into_response();
        return Ok((StatusCode::PRECONDITION_REQUIRED, refusal).into_response());
    };
    let bytes = timeout(REQUEST_MAX, to_bytes(body, KEYRING_BYTES_MAX))
        .await
        .map_err(|_| ApiError(Code::Malformed))?
        .map_err(|_| ApiError(Code::TooLarge))?;
    let keyring = rekey::rekey(&relay, id, &token, expected, bytes)
        .await
        .map_err(ApiError)?;
    let answer = Json(Rekeyed {
        keyring_generation: keyring.generation,
        keyring_sha256: HEXLOWER.encode(&keyring.sha256.0),
    });
    Ok(([(header::ETAG, rekey::etag(&keyring))], answer).into_response())
}
