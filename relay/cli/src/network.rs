//! Reaching relays: which addresses are allowed, whom TLS trusts, and one HTTP client.
//!
//! `https://` needs a certificate that Mozilla's roots or `--ca` vouch for. `http://` is for this
//! computer only, where nobody is on the way.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use sealift_protocol::error::Code;
use sealift_protocol::policy::{CLIENT_HEADER, CLIENT_OUTDATED, CLIENT_WARNING_HEADER};

use crate::failure::{Cause, Failure, Result};

/// Time for a connection to come up.
pub(crate) const CONNECT_TIME_MAX: Duration = Duration::from_secs(15);
/// A download that brings nothing for so long is taken up again.
const READ_TIME_MAX: Duration = Duration::from_secs(30);
/// Policy and refusals are a few hundred bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A relay's address: scheme, host and port, nothing else.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct RelayAddress(Url);

impl RelayAddress {
    /// Reads what the person gave as `--to`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let with_scheme = if text.contains("://") {
            text.to_owned()
        } else {
            format!("https://{text}")
        };
        let wrong = || {
            Failure::new(
                Cause::Usage,
                "this is not the address of a relay",
                "Write it like https://files.example.org.",
            )
        };
        let url = Url::parse(&with_scheme).map_err(|_| wrong())?;
        if url.fragment().is_some() {
            return Err(Failure::new(
                Cause::Usage,
                "a send link is secret and never taken as an argument, which every user of this computer can read",
                "Use --grant-file, --grant-fd or the variable SEALIFT_GRANT for it, and leave --to out.",
            ));
        }
        if url.host_str().is_none() || !url.username().is_empty() || url.password().is_some() {
            return Err(wrong());
        }
        match url.scheme() {
            "https" => {}
            "http" if is_this_computer(&url) => {}
            "http" => {
                return Err(Failure::new(
                    Cause::Usage,
                    "plain http:// is for a relay on this computer only, because it can be read and changed on the way",
                    "Use https:// for this relay.",
                ));
            }
            _ => return Err(wrong()),
        }
        let mut url = url;
        url.set_path("/");
        url.set_query(None);
        Ok(Self(url))
    }

    /// `https://host:port/` followed by `path`.
    pub(crate) fn join(&self, path: &str) -> String {
        format!("{}{}", self.0, path.trim_start_matches('/'))
    }

    /// Without the last slash, as it stands before `/p/…` in links.
    pub(crate) fn base(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    /// The address of WebSocket lanes.
    pub(crate) fn lane_url(&self) -> String {
        self.join("lane").replacen("http", "ws", 1)
    }

    /// Host and port to connect to.
    pub(crate) fn host_and_port(&self) -> (String, u16) {
        let host = self
            .0
            .host_str()
            .unwrap_or_default()
            .trim_matches(['[', ']'])
            .to_owned();
        (host, self.0.port_or_known_default().unwrap_or(443))
    }

    /// Whether bytes never leave this computer.
    pub(crate) fn is_this_computer(&self) -> bool {
        is_this_computer(&self.0)
    }
}

fn is_this_computer(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host.ends_with(".localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Whom TLS trusts: Mozilla's roots, and those in `ca`.
pub(crate) fn tls(ca: Option<&Path>) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(place) = ca {
        let unusable = |why: String| {
            Failure::new(
                Cause::LocalFile,
                format!(
                    "could not use the certificates in {}: {why}",
                    place.display()
                ),
                "--ca takes a PEM file with one or more certificates.",
            )
        };
        let mut count = 0;
        for certificate in
            CertificateDer::pem_file_iter(place).map_err(|e| unusable(e.to_string()))?
        {
            let certificate = certificate.map_err(|e| unusable(e.to_string()))?;
            roots
                .add(certificate)
                .map_err(|e| unusable(e.to_string()))?;
            count += 1;
        }
        if count == 0 {
            return Err(unusable("there are none".to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| {
            Failure::new(
                Cause::Failed,
                format!("TLS is not available: {e}"),
                "Report this.",
            )
        })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// What to say when the relay will soon take newer programs only.
pub(crate) const OUTDATED: &str =
    "this relay asks for a newer version of sealift; update it before the relay refuses this one";

/// This program as it names itself to relays: version and capabilities.
pub(crate) const CLIENT: &str = concat!("cli/", env!("CARGO_PKG_VERSION"), " (recipients,rekey)");

/// Whether the relay's answer says that this program should be updated.
pub(crate) fn is_outdated(headers: &HeaderMap) -> bool {
    headers
        .get(CLIENT_WARNING_HEADER)
        .is_some_and(|value| value == CLIENT_OUTDATED)
}

/// An HTTP client that follows no redirects: a relay has no reason to send us elsewhere.
pub(crate) fn http(relay: &RelayAddress, tls: &ClientConfig) -> Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .use_preconfigured_tls(tls.clone())
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIME_MAX)
        .read_timeout(READ_TIME_MAX)
        .tcp_nodelay(true)
        .user_agent(concat!("sealift/", env!("CARGO_PKG_VERSION")))
        .default_headers(HeaderMap::from_iter([(
            HeaderName::from_static(CLIENT_HEADER),
            HeaderValue::from_static(CLIENT),
        )]));
    if relay.is_this_computer() {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| {
        Failure::new(
            Cause::Failed,
            format!("no HTTP client: {}", plain(&error)),
            "Report this.",
        )
    })
}

/// The relay could not be reached, or went away.
pub(crate) fn unreachable(relay: &RelayAddress, error: &reqwest::Error) -> Failure {
    Failure::new(
        Cause::Network,
        format!(
            "the relay {} cannot be reached: {}",
            relay.base(),
            plain(error)
        ),
        "Check the address and the network connection, then start the same command again.",
    )
}

/// A short JSON answer; nothing when it is none, or longer than any right one.
pub(crate) async fn small_json<T: serde::de::DeserializeOwned>(
    mut response: reqwest::Response,
) -> Option<T> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > ANSWER_BYTES_MAX {
            return None;
        }
    }
    serde_json::from_slice(&bytes).ok()
}

/// What a relay's answer other than success means.
pub(crate) async fn refused(response: reqwest::Response) -> Failure {
    #[derive(serde::Deserialize)]
    struct Answer {
        code: String,
    }
    let status = response.status();
    let code = small_json(response)
        .await
        .map(|answer: Answer| Code::parse(&answer.code).from_relay());
    if let Some(code) = code.filter(|code| *code != Code::Unknown) {
        return Failure::shared(code);
    }
    match status.as_u16() {
        401 | 403 => Failure::shared(Code::Unauthorized),
        404 | 410 => Failure::shared(Code::NotFound),
        413 => Failure::shared(Code::TooLarge),
        426 => Failure::shared(Code::ClientTooOld),
        507 => Failure::shared(Code::StorageFull),
        429 | 503 => Failure::shared(Code::RelayBusy),
        _ => Failure::new(
            Cause::Refused,
            format!("the relay answered {status}"),
            "Check that the address is that of a Sealift relay, and ask its operator.",
        ),
    }
}

/// The innermost cause, without the address: a path can name a package (rule L7).
fn plain(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    if inner.is::<reqwest::Error>() {
        return if error.is_timeout() {
            "it took too long"
        } else {
            "the connection broke"
        }
        .to_owned();
    }
    inner.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_scheme_host_and_port() {
        for (given, base) in [
            ("https://a.example", "https://a.example"),
            ("a.example:8443", "https://a.example:8443"),
            ("http://localhost:8080/", "http://localhost:8080"),
            ("http://127.0.0.1:1/p/x?y", "http://127.0.0.1:1"),
            ("http://[::1]:80", "http://[::1]"),
        ] {
            assert_eq!(RelayAddress::parse(given).unwrap().base(), base);
        }
        assert_eq!(
            RelayAddress::parse("https://a").unwrap().lane_url(),
            "wss://a/lane"
        );
    }

    #[test]
    fn plain_http_leaves_this_computer_never() {
        for refused in [
            "http://a.example",
            "http://localhost.example",
            "http://10.0.0.1",
            "ftp://a",
            "https://u:p@a",
            "",
        ] {
            assert_eq!(
                RelayAddress::parse(refused).unwrap_err().cause,
                Cause::Usage,
                "{refused}"
            );
        }
    }

    #[test]
    fn a_send_link_as_an_argument_is_refused_and_not_repeated() {
        let failure = RelayAddress::parse("https://a/#secretsecret").unwrap_err();
        assert!(failure.what.contains("never taken as an argument"));
        assert!(!format!("{failure:?}").contains("secretsecret"));
    }

    #[test]
    fn an_answer_without_end_is_none() {
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let _request = connection.read(&mut [0; 4096]).unwrap();
            connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n[").unwrap();
            // Ends when the client has had enough.
            while connection.write_all(&[b'1'; 4096]).is_ok() {}
        });
        let relay = RelayAddress::parse(&url).unwrap();
        let client = http(&relay, &tls(None).unwrap()).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let answer: Option<Vec<u8>> = runtime.block_on(async {
            small_json(client.get(relay.join("api/policy")).send().await.unwrap()).await
        });
        assert!(answer.is_none());
    }
}
