//! The credentials that AWS users expect to be found: environment, profile, web identity, container, instance. Each is
//! served on loopback and must arrive in the signature of what the relay sends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::Command;

use sealift_s3::{Answer, Stub};
use sealift_tests::relay_binary;
use tempfile::TempDir;

/// In every answer that has a secret.
const SECRET: &str = "hidden-secret-of-the-chain";

/// S3 that refuses, and every service that hands out credentials: each hands out an id of its own.
fn services() -> Stub {
    Stub::answering(|request| {
        let line = request.lines().next().unwrap_or_default();
        let keys = |id: &str| {
            format!(
                "{{\"Code\":\"Success\",\"Type\":\"AWS-HMAC\",\"AccessKeyId\":\"{id}\",\"SecretAccessKey\":\"{SECRET}\",\
                 \"Token\":\"token-{id}\",\"Expiration\":\"2099-01-01T00:00:00Z\",\
                 \"LastUpdated\":\"2026-01-01T00:00:00Z\"}}"
            )
        };
        let body = if line.starts_with("PUT /latest/api/token") {
            "metadata-session".to_owned()
        } else if line.contains("/security-credentials/relay-role")
            || line.contains("/security-credentials-extended/relay-role")
        {
            keys("INSTANCE")
        } else if line.contains("/security-credentials") {
            "relay-role".to_owned()
        } else if line.contains("/container") {
            keys("CONTAINER")
        } else if request.contains("AssumeRoleWithWebIdentity") {
            format!(
                "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                 <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>WEBIDENTITY</AccessKeyId>\
                 <SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>token-WEBIDENTITY</SessionToken>\
                 <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
                 </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
            )
        } else {
            return Answer {
                status: 403,
                body: "<Error><Code>AccessDenied</Code><Message>no</Message></Error>".to_owned(),
            };
        };
        Answer { status: 200, body }
    })
}

/// What `docroot check` prints under an environment that has nothing but these.
fn check(stub: &Stub, dir: &Path, variables: &[(&str, &str)]) -> String {
    let config = dir.join("sealift.toml");
    let url = format!("s3://{}/bucket", stub.address());
    std::fs::write(&config, format!("[docroots.default]\nurl = \"{url}\"\n")).unwrap();
    let nowhere = dir.join("none");
    let output = Command::new(relay_binary())
        .args(["docroot", "check", "--json", "--config"])
        .arg(&config)
        .env_clear()
        .env("HOME", dir)
        .env("AWS_CONFIG_FILE", &nowhere)
        .env("AWS_SHARED_CREDENTIALS_FILE", &nowhere)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_REGION", "us-east-1")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The request to S3 must be signed with this id, and the secret stands nowhere.
fn arrives(id: &str, variables: &[(&str, &str)], prepare: impl FnOnce(&Path)) {
    let (stub, dir) = (services(), TempDir::new().unwrap());
    prepare(dir.path());
    let here = format!("http://{}", stub.address());
    let folder = dir.path().display().to_string();
    let variables: Vec<(&str, String)> = variables
        .iter()
        .map(|(name, value)| (*name, value.replace("HERE", &here).replace("DIR", &folder)))
        .collect();
    let variables: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let text = check(&stub, dir.path(), &variables);
    let signed = format!("Credential={id}/");
    let seen = stub.seen();
    assert!(
        seen.iter().any(|request| request.contains(&signed)),
        "{id}: {text}\n{seen:#?}"
    );
    // It was S3 that refused, not the chain.
    assert!(text.contains("storage_access_denied"), "{id}: {text}");
    assert!(!text.contains(SECRET), "{id}: {text}");
}

#[test]
fn from_the_environment() {
    let variables = [
        ("AWS_ACCESS_KEY_ID", "ENVIRONMENT"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
    ];
    arrives("ENVIRONMENT", &variables, |_| {});
}

#[test]
fn from_a_profile() {
    let variables = [
        ("AWS_SHARED_CREDENTIALS_FILE", "DIR/credentials"),
        ("AWS_PROFILE", "relay"),
    ];
    arrives("PROFILE", &variables, |dir| {
        let text =
            format!("[relay]\naws_access_key_id = PROFILE\naws_secret_access_key = {SECRET}\n");
        std::fs::write(dir.join("credentials"), text).unwrap();
    });
}

#[test]
fn from_web_identity() {
    let variables = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "DIR/token"),
        (
            "AWS_ROLE_ARN",
            "arn:aws:iam::111122223333:role/sealift-relay",
        ),
        ("AWS_ROLE_SESSION_NAME", "relay"),
        ("AWS_ENDPOINT_URL_STS", "HERE"),
    ];
    arrives("WEBIDENTITY", &variables, |dir| {
        std::fs::write(dir.join("token"), "a.b.c").unwrap();
    });
}

#[test]
fn from_a_container() {
    let variables = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "HERE/container")];
    arrives("CONTAINER", &variables, |_| {});
}

#[test]
fn from_an_instance() {
    let variables = [
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "HERE"),
    ];
    arrives("INSTANCE", &variables, |_| {});
}

#[test]
fn from_nowhere_has_its_own_code() {
    let (stub, dir) = (services(), TempDir::new().unwrap());
    let text = check(&stub, dir.path(), &[]);
    assert!(text.contains("\"storage_credentials_missing\""), "{text}");
    assert!(stub.seen().is_empty());
}
