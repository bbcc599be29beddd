//! `GET /api/policy`: what holds for a sender, told before anything is sealed. A client takes it as a restriction
//! only (rule K4); what counts is the door.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use sealift_config::ProtectionMode;
use sealift_protocol::Code;
use sealift_protocol::limits::{FILES_MAX, PART_BYTES_DEFAULT, RELAY_LANES_MAX};
use sealift_protocol::message::{PROTOCOL_VERSION, PROTOCOL_VERSION_MIN};
use sealift_protocol::policy::GRANT_HEADER;
use serde::Serialize;

use crate::api::ApiError;
use crate::relay::Relay;
use crate::{clock, guard};

/// Lifetimes that pages offer, in seconds, as far as the operator allows them.
const LIFETIMES_S: [u64; 5] = [3600, 86_400, 3 * 86_400, 7 * 86_400, 30 * 86_400];

/// The answer.
#[derive(Serialize)]
pub(crate) struct Answer {
    uploads_open: bool,
    protection: Protection,
    /// As `protection.mode`, for those who only look at this.
    password_required: bool,
    part_bytes: u64,
    package_bytes_max: u64,
    files_max: usize,
    lanes_max: usize,
    expiry_choices_s: Vec<u64>,
    expiry_default_s: u64,
    /// `X.Y.Z`: clients below may neither send nor receive.
    client_version_min: Option<String>,
    /// `X.Y.Z`: clients below tell their user to update.
    client_version_warn_below: Option<String>,
    protocol_version: u32,
    protocol_version_min: u32,
    relay_version: &'static str,
}

#[derive(Serialize)]
struct Protection {
    mode: &'static str,
    strong_password_required: bool,
    password_rule: &'static str,
}

/// What holds for whoever sends with the grant in the header, or without one.
pub(crate) async fn get(
    State(relay): State<Arc<Relay>>,
    request: HeaderMap,
) -> Result<Json<Answer>, ApiError> {
    let user = match request.get(GRANT_HEADER) {
        None => None,
        Some(grant) => {
            let grant = grant.to_str().map_err(|_| ApiError(Code::GrantInvalid))?;
            let granted = relay.grants.check(grant, clock::unix_seconds());
            granted.map_err(ApiError)?.user
        }
    };
    let policy = relay.storage.policy(user.as_deref()).map_err(ApiError)?;
    let config = relay.config.current();
    let versions = guard::versions(&config.settings);
    let lifetime_max_s = policy.lifetime_max.as_secs();
    Ok(Json(Answer {
        uploads_open: config.settings.open_uploads,
        password_required: policy.protection.mode == ProtectionMode::Required,
        protection: Protection {
            mode: policy.protection.mode.as_str(),
            strong_password_required: policy.protection.strong_password_required,
            password_rule: policy.protection.password_rule.as_str(),
        },
        part_bytes: PART_BYTES_DEFAULT,
        package_bytes_max: policy
            .quota_bytes
            .map_or(policy.package_bytes_max, |quota| {
                quota.min(policy.package_bytes_max)
            }),
        files_max: FILES_MAX,
        lanes_max: RELAY_LANES_MAX,
        expiry_choices_s: LIFETIMES_S
            .into_iter()
            .filter(|s| *s <= lifetime_max_s)
            .collect(),
        expiry_default_s: policy.lifetime_default.as_secs(),
        client_version_min: versions.min.map(|version| version.to_string()),
        client_version_warn_below: versions.warn_below.map(|version| version.to_string()),
        protocol_version: PROTOCOL_VERSION,
        protocol_version_min: PROTOCOL_VERSION_MIN,
        relay_version: env!("CARGO_PKG_VERSION"),
    }))
}
