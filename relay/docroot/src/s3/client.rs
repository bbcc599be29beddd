//! The client library, set up so that what was measured to work is what happens.
//!
//! - No read or attempt timeout on bodies: they would kill a healthy upload. Bodies have clocks of our own.
//! - No watch over a pausing sender, and a generous one over the answer.
//! - Checksums behind the body only where the server can check them.
//! - No redirect is followed, and no name that resolves to an address with credentials is connected to.

use std::net::IpAddr;
use std::time::Duration;

use aws_config::meta::region::RegionProviderChain;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    Builder, Credentials, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};

use crate::{DocrootError, S3Settings, SettingsError, url};

/// Connections kept for the next request.
const IDLE_CONNECTIONS: usize = 64;
/// The longest wait for an answer of a small request, each try, and in all.
const TRY_MAX: Duration = Duration::from_secs(20);
const CALL_MAX: Duration = Duration::from_secs(60);
/// Tries of a request that can be repeated, with waits that double up to the last.
const TRIES: u32 = 5;
const BACKOFF_FIRST: Duration = Duration::from_millis(500);
const BACKOFF_MAX: Duration = Duration::from_secs(20);
/// How long an answer's body may stand still.
const GRACE: Duration = Duration::from_secs(60);

/// Two clients over one pool of connections.
#[derive(Clone)]
pub(super) struct Clients {
    /// For small requests: tried again, each within a time.
    pub(super) small: Client,
    /// For bodies and for what takes long.
    pub(super) bulk: Client,
}

impl Clients {
    pub(super) async fn new(settings: &S3Settings) -> Result<Self, DocrootError> {
        refuse_other_endpoints(settings)?;
        let retry = RetryConfig::standard()
            .with_max_attempts(TRIES)
            .with_initial_backoff(BACKOFF_FIRST)
            .with_max_backoff(BACKOFF_MAX);
        let stalls = StalledStreamProtectionConfig::enabled()
            .upload_enabled(false)
            .grace_period(GRACE)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(http())
            .retry_config(retry)
            .stalled_stream_protection(stalls)
            .region(region(settings));
        if let Some(credentials) = &settings.credentials {
            let (id, secret) = credentials.expose();
            loader = loader.credentials_provider(Credentials::new(
                id,
                secret,
                None,
                None,
                "docroot URL",
            ));
        }
        let shared = loader.load().await;
        let mut builder = Builder::from(&shared).force_path_style(settings.path_style);
        if let Some(endpoint) = &settings.endpoint {
            builder = builder.endpoint_url(endpoint.to_string());
        }
        builder = if settings.trailers {
            builder
                .request_checksum_calculation(RequestChecksumCalculation::WhenSupported)
                .response_checksum_validation(ResponseChecksumValidation::WhenSupported)
        } else {
            builder
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        };
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(10))
            .build();
        let small_timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(10))
            .operation_attempt_timeout(TRY_MAX)
            .operation_timeout(CALL_MAX)
            .build();
        Ok(Self {
            small: Client::from_conf(builder.clone().timeout_config(small_timeouts).build()),
            bulk: Client::from_conf(builder.timeout_config(timeouts).build()),
        })
    }
}

/// The docroot URL alone says where bytes go; the library would also listen to these.
fn refuse_other_endpoints(settings: &S3Settings) -> Result<(), DocrootError> {
    let named = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    if settings.endpoint.is_none() && named {
        return Err(SettingsError::EndpointInEnvironment.into());
    }
    Ok(())
}

/// The region of the URL; else that of the environment, which a server that is not AWS hardly cares about.
fn region(settings: &S3Settings) -> RegionProviderChain {
    let named = settings.region.clone().map(Region::new);
    if settings.endpoint.is_some() {
        let environment = ["AWS_REGION", "AWS_DEFAULT_REGION"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|region| !region.is_empty()))
            .map(Region::new);
        return RegionProviderChain::first_try(named)
            .or_else(environment)
            .or_else("us-east-1");
    }
    RegionProviderChain::first_try(named)
        .or_default_provider()
        .or_else("us-east-1")
}

fn http() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_with_resolver(Resolver)
}

/// The system's resolver, without addresses at which clouds hand out credentials.
#[derive(Clone, Debug)]
struct Resolver;

impl ResolveDns for Resolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        let name = name.to_owned();
        DnsFuture::new(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0))
                .await
                .map_err(ResolveDnsError::new)?;
            let addresses: Vec<IpAddr> = found
                .map(|address| address.ip())
                .filter(|address| !url::is_metadata(*address))
                .collect();
            if addresses.is_empty() {
                return Err(ResolveDnsError::new(format!(
                    "`{name}` has no address that may be used"
                )));
            }
            Ok(addresses)
        })
    }
}
