//! The HTTP API: what there is, its state, its bytes, its deletion. JSON unless it is ciphertext.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64URL_NOPAD;
use sealift_protocol::message::{PackageState, Role};
use sealift_protocol::{Code, FileId, OwnerToken, PackageId};
use serde::Serialize;

use crate::clock;
use crate::download::{self, Served};
use crate::records::{FileState, Package};
use crate::relay::Relay;

/// A refusal as JSON: a stable code, and a sentence that says what to do.
pub(crate) struct ApiError(pub(crate) Code);

#[derive(Serialize)]
struct Refusal {
    code: &'static str,
    message: &'static str,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self(code) = self;
        let status = match code {
            Code::Unauthorized => StatusCode::UNAUTHORIZED,
            Code::OriginRefused | Code::GrantRequired | Code::GrantInvalid | Code::GrantExpired => {
                StatusCode::FORBIDDEN
            }
            Code::ClientTooOld => StatusCode::UPGRADE_REQUIRED,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::Expired => StatusCode::GONE,
            Code::NotComplete | Code::Conflict => StatusCode::CONFLICT,
            Code::KeyringChanged => StatusCode::PRECONDITION_FAILED,
            Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Code::ContentProtectionRequired
            | Code::PasswordRequired
            | Code::KdfTooWeak
            | Code::KdfTooExpensive
            | Code::RelayTooOld
            | Code::PackageMismatch => StatusCode::UNPROCESSABLE_ENTITY,
            Code::RelayBusy | Code::Draining => StatusCode::SERVICE_UNAVAILABLE,
            Code::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
            Code::BadUsage | Code::Malformed => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let refusal = Json(Refusal {
            code: code.as_str(),
            message: code.sentence(),
        });
        let mut response = (status, refusal).into_response();
        if status == StatusCode::UPGRADE_REQUIRED {
            // RFC 9110 15.5.22 wants to know to what: a newer version of the same program.
            let newer = HeaderValue::from_static("sealift");
            response.headers_mut().insert(header::UPGRADE, newer);
        }
        response
    }
}

pub(crate) async fn ready(State(relay): State<Arc<Relay>>) -> Response {
    let problem = if relay.is_draining() {
        Some("stopping")
    } else if relay.sqlite.check().await.is_err() {
        Some("the records cannot be read or written")
    } else if all_have_room(&relay).await {
        None
    } else {
        Some("a docroot is full or cannot be read")
    };
    match problem {
        None => "ready\n".into_response(),
        Some(problem) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {problem}\n"),
        )
            .into_response(),
    }
}

async fn all_have_room(relay: &Relay) -> bool {
    for (_, docroot) in relay.storage.docroots.all() {
        let free = docroot.free_bytes().await;
        if !free.is_ok_and(|free| free.is_none_or(|free| free > 0)) {
            return false;
        }
    }
    true
}

#[derive(Serialize)]
pub(crate) struct WebtransportInfo {
    port: u16,
    /// SHA-256 of the current and the next self-signed certificate; null with one from an authority.
    hashes: Option<[String; 2]>,
}

pub(crate) async fn webtransport(
    State(relay): State<Arc<Relay>>,
) -> Result<Json<WebtransportInfo>, ApiError> {
    let webtransport = relay
        .webtransport
        .as_ref()
        .ok_or(ApiError(Code::NotFound))?;
    let hashes = webtransport.local.as_ref().map(|local| local.hashes());
    Ok(Json(WebtransportInfo {
        port: webtransport.port,
        hashes,
    }))
}

#[derive(Serialize)]
pub(crate) struct PackageInfo {
    state: &'static str,
    /// Seconds since 1970.
    created_at: u64,
    /// Seconds since 1970.
    expires_at: u64,
    keyring_generation: u64,
    files: Vec<FileInfo>,
}

#[derive(Serialize)]
struct FileInfo {
    id: String,
    role: &'static str,
    head_bytes: u64,
    body_bytes: u64,
}

pub(crate) async fn package(
    State(relay): State<Arc<Relay>>,
    Path(id): Path<String>,
) -> Result<Json<PackageInfo>, ApiError> {
    let package = known(&relay, &id, None).await?.1;
    let files = package
        .files
        .iter()
        .filter(|file| file.state == FileState::Committed);
    Ok(Json(PackageInfo {
        state: if package.state == PackageState::Finished {
            "finished"
        } else {
            "open"
        },
        created_at: package.created_at,
        expires_at: package.expires_at,
        keyring_generation: package.keyring.map_or(0, |keyring| keyring.generation),
        files: files
            .map(|file| FileInfo {
                id: file.id.to_string(),
                role: if file.role == Role::Manifest {
                    "manifest"
                } else {
                    "content"
                },
                head_bytes: file.head_bytes,
                body_bytes: file.body_bytes,
            })
            .collect(),
    }))
}

/// `FILE`: the sealed file. `FILE.sealift`: keyring, manifest, and that file, which opens anywhere (rule L3).
pub(crate) async fn file(
    State(relay): State<Arc<Relay>>,
    Path((id, name)): Path<(String, String)>,
    request: HeaderMap,
) -> Result<Response, ApiError> {
    let (text, whole) = name
        .strip_suffix(".sealift")
        .map_or((&*name, false), |text| (text, true));
    let wanted = FileId::parse(text).map_err(|_| ApiError(Code::NotFound))?;
    let (id, package) = finished(&relay, &id, Some(wanted)).await?;
    let file = package
        .files
        .iter()
        .find(|file| file.id == wanted)
        .ok_or(ApiError(Code::NotFound))?;
    let mut served = Served::new(&package);
    if whole {
        served = served.keyring(id)?;
        let manifest = package
            .files
            .iter()
            .find(|file| Some(file.id) == package.manifest);
        if let Some(manifest) = manifest.filter(|manifest| manifest.id != wanted) {
            served = served.file(id, manifest)?;
        }
    }
    served = served.attachment(name.clone());
    download::answer(&relay, &request, served.file(id, file)?).await
}

/// The whole package as one `.sealift` file, the manifest first.
pub(crate) async fn whole(
    State(relay): State<Arc<Relay>>,
    Path(id): Path<String>,
    request: HeaderMap,
) -> Result<Response, ApiError> {
    let (id, package) = finished(&relay, &id, None).await?;
    let mut served = Served::new(&package)
        .keyring(id)?
        .attachment(format!("{id}.sealift"));
    let (first, rest): (Vec<_>, Vec<_>) = package
        .files
        .iter()
        .partition(|file| Some(file.id) == package.manifest);
    for file in first.into_iter().chain(rest) {
        served = served.file(id, file)?;
    }
    download::answer(&relay, &request, served).await
}

pub(crate) async fn delete(
    State(relay): State<Arc<Relay>>,
    Path(id): Path<String>,
    request: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let id = PackageId::parse(&id).map_err(|_| ApiError(Code::NotFound))?;
    let token = bearer(&request).ok_or(ApiError(Code::Unauthorized))?;
    relay
        .packages
        .delete(&relay, id, &token)
        .await
        .map_err(ApiError)?;
    tracing::info!("a package was deleted by its sender");
    Ok(StatusCode::NO_CONTENT)
}

/// The owner token that a request carries.
pub(crate) fn bearer(request: &HeaderMap) -> Option<OwnerToken> {
    let text = request
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")?;
    let bytes = zeroize::Zeroizing::new(BASE64URL_NOPAD.decode(text.as_bytes()).ok()?);
    Some(OwnerToken(bytes.as_slice().try_into().ok()?))
}

/// A package that exists, with all its files or with its manifest and one of them.
pub(crate) async fn known(
    relay: &Relay,
    id: &str,
    only: Option<FileId>,
) -> Result<(PackageId, Package), ApiError> {
    let id = PackageId::parse(id).map_err(|_| ApiError(Code::NotFound))?;
    let package = relay
        .sqlite
        .outline(id, only)
        .await
        .map_err(|_| ApiError(Code::StorageFailed))?;
    match package {
        Some(package) if package.deleting || package.state == PackageState::Absent => {
            Err(ApiError(Code::NotFound))
        }
        Some(package) if package.expires_at <= clock::unix_seconds() => {
            Err(ApiError(Code::Expired))
        }
        Some(package) => Ok((id, package)),
        None => Err(ApiError(Code::NotFound)),
    }
}

/// A package that is complete, and so may be fetched.
pub(crate) async fn finished(
    relay: &Relay,
    id: &str,
    only: Option<FileId>,
) -> Result<(PackageId, Package), ApiError> {
    match known(relay, id, only).await? {
        (id, package) if package.state == PackageState::Finished => Ok((id, package)),
        _ => Err(ApiError(Code::NotComplete)),
    }
}
