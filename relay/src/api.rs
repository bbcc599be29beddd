//! The HTTP API: what there is, its state, its bytes, its deletion. JSON unless it is ciphertext.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use sealift_protocol::limits::{
    FILES_MAX, KEYRING_BYTES_MAX, PART_BYTES_DEFAULT, RELAY_LANES_MAX, REQUEST_MAX,
};
use sealift_protocol::message::{PROTOCOL_VERSION, PROTOCOL_VERSION_MIN, PackageState, Role};
use sealift_protocol::{Code, FileId, OwnerToken, PackageId};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::download::{self, Served};
use crate::records::{FileState, Package};
use crate::relay::Relay;
use crate::{clock, headers, pages, rekey, websocket};

/// Lifetimes that pages offer, in seconds, as far as the operator allows them.
const LIFETIMES_S: [u64; 5] = [3600, 86_400, 3 * 86_400, 7 * 86_400, 30 * 86_400];

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
            Code::OriginRefused => StatusCode::FORBIDDEN,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::Expired => StatusCode::GONE,
            Code::NotComplete | Code::Conflict => StatusCode::CONFLICT,
            Code::KeyringChanged => StatusCode::PRECONDITION_FAILED,
            Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Code::ContentProtectionRequired
            | Code::PasswordRequired
            | Code::KdfTooWeak
            | Code::KdfTooExpensive
            | Code::UnknownVersion
            | Code::DamagedKeyring
            | Code::CutShort
            | Code::TrailingBytes
            | Code::PackageMismatch => StatusCode::UNPROCESSABLE_ENTITY,
            Code::RelayBusy | Code::Draining => StatusCode::SERVICE_UNAVAILABLE,
            Code::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
            Code::BadUsage | Code::Malformed => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (
            status,
            Json(Refusal {
                code: code.as_str(),
                message: code.sentence(),
            }),
        )
            .into_response()
    }
}

/// Everything that the relay answers over HTTP.
pub(crate) fn app(relay: Arc<Relay>) -> Router {
    let api = Router::new()
        .route("/policy", get(policy))
        .route("/webtransport", get(webtransport))
        .route("/packages/{package}", get(package).delete(delete))
        .route(
            "/packages/{package}/keyring",
            get(keyring).put(replace_keyring),
        )
        .route("/packages/{package}/package.sealift", get(whole))
        .route("/packages/{package}/files/{file}", get(file))
        .fallback(async || ApiError(Code::NotFound));
    Router::new()
        .nest("/api", api)
        .route("/lane", get(websocket::upgrade))
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .merge(pages::routes())
        .layer(middleware::from_fn_with_state(Arc::clone(&relay), guard))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&relay),
            headers::everywhere,
        ))
        .with_state(relay)
}

/// Host on every request; origin on every upgrade and every change (rule L6).
async fn guard(State(relay): State<Arc<Relay>>, request: Request, next: Next) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    if !host.is_some_and(|host| relay.hosts.allow_host(host)) {
        return (
            StatusCode::MISDIRECTED_REQUEST,
            ApiError(Code::OriginRefused),
        )
            .into_response();
    }
    let changes = !request.method().is_safe() || request.headers().contains_key(header::UPGRADE);
    let origin = request.headers().get(header::ORIGIN);
    // Programs send no origin; what they change needs a token.
    let allowed = origin.is_none_or(|origin| {
        origin
            .to_str()
            .is_ok_and(|origin| relay.hosts.allow_origin(origin, host))
    });
    if changes && !allowed {
        return ApiError(Code::OriginRefused).into_response();
    }
    next.run(request).await
}

async fn ready(State(relay): State<Arc<Relay>>) -> Response {
    let problem = if relay.is_draining() {
        Some("stopping")
    } else if relay.sqlite.check().await.is_err() {
        Some("the records cannot be read or written")
    } else if relay
        .storage
        .docroot
        .free_bytes()
        .await
        .is_ok_and(|free| free.is_none_or(|free| free > 0))
    {
        None
    } else {
        Some("the docroot is full or cannot be read")
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

#[derive(Serialize)]
struct Policy {
    uploads_open: bool,
    password_required: bool,
    part_bytes: u64,
    package_bytes_max: u64,
    files_max: usize,
    lanes_max: usize,
    expiry_choices_s: Vec<u64>,
    expiry_default_s: u64,
    protocol_version: u32,
    protocol_version_min: u32,
    relay_version: &'static str,
}

async fn policy(State(relay): State<Arc<Relay>>) -> Json<Policy> {
    let policy = &relay.storage.policy;
    Json(Policy {
        uploads_open: relay.settings.open_uploads,
        password_required: policy.keyring.password_required,
        part_bytes: PART_BYTES_DEFAULT,
        package_bytes_max: policy.package_bytes_max,
        files_max: FILES_MAX,
        lanes_max: RELAY_LANES_MAX,
        expiry_choices_s: LIFETIMES_S
            .into_iter()
            .filter(|s| *s <= policy.lifetime_max_s)
            .collect(),
        expiry_default_s: policy.lifetime_default_s,
        protocol_version: PROTOCOL_VERSION,
        protocol_version_min: PROTOCOL_VERSION_MIN,
        relay_version: env!("CARGO_PKG_VERSION"),
    })
}

#[derive(Serialize)]
struct WebtransportInfo {
    port: u16,
    /// SHA-256 of the current and the next self-signed certificate; null with one from an authority.
    hashes: Option<[String; 2]>,
}

async fn webtransport(State(relay): State<Arc<Relay>>) -> Result<Json<WebtransportInfo>, ApiError> {
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
struct PackageInfo {
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

async fn package(
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

/// Which of a package's keyrings.
#[derive(Deserialize)]
struct WhichKeyring {
    /// One that was replaced, for whoever has the owner token; else the current one.
    generation: Option<u64>,
}

async fn keyring(
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
async fn replace_keyring(
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

/// `FILE`: the sealed file. `FILE.sealift`: keyring, manifest, and that file, which opens anywhere (rule L3).
async fn file(
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
async fn whole(
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

async fn delete(
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

fn bearer(request: &HeaderMap) -> Option<OwnerToken> {
    let text = request
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")?;
    let bytes = zeroize::Zeroizing::new(BASE64URL_NOPAD.decode(text.as_bytes()).ok()?);
    Some(OwnerToken(bytes.as_slice().try_into().ok()?))
}

/// A package that exists, with all its files or with its manifest and one of them.
async fn known(
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
async fn finished(
    relay: &Relay,
    id: &str,
    only: Option<FileId>,
) -> Result<(PackageId, Package), ApiError> {
    match known(relay, id, only).await? {
        (id, package) if package.state == PackageState::Finished => Ok((id, package)),
        _ => Err(ApiError(Code::NotComplete)),
    }
}
