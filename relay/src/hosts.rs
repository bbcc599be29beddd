//! Which hosts and origins a request may name (rule L6): against DNS rebinding and foreign pages.

use axum::http::uri::Authority;

/// The names of this relay.
pub(crate) struct Hosts {
    names: Vec<String>,
    port: u16,
    public_origin: Option<String>,
    scheme: &'static str,
    /// Reached under a public address: nothing on a visitor's own machine is part of it.
    is_public: bool,
}

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

impl Hosts {
    /// `port` is the one that the relay listens on; `public_url` and `further` come from the operator.
    /// `tls`: people reach it over HTTPS.
    pub(crate) fn new(port: u16, public_url: Option<&str>, further: &[String], tls: bool) -> Self {
        let mut names: Vec<String> = LOOPBACK.map(str::to_owned).into();
        names.extend(further.iter().map(|name| name.to_ascii_lowercase()));
        let public_origin = public_url.map(str::to_ascii_lowercase);
        let public_host = public_origin
            .as_deref()
            .and_then(|origin| authority(origin).map(|(_, a)| host(&a)));
        let is_public = public_host
            .as_deref()
            .is_some_and(|host| !LOOPBACK.contains(&host));
        names.extend(public_host);
        Self {
            names,
            port,
            public_origin,
            scheme: if tls { "https" } else { "http" },
            is_public,
        }
    }

    /// Whether a request may carry this host, given as `name` or `name:port`.
    pub(crate) fn allow_host(&self, text: &str) -> bool {
        text.parse::<Authority>().is_ok_and(|a| {
            let port = text.strip_prefix(a.host()).unwrap_or("@");
            let digits = port.strip_prefix(':').unwrap_or("0");
            let is_port = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            (port.is_empty() || port.starts_with(':')) && is_port && self.names.contains(&host(&a))
        })
    }

    /// Whether a page of this origin may act here. `to` is the host that its request was sent to. Allowed are
    /// the pages that the relay serves itself: those of the public address, of the same host, and, when there is
    /// no public address, of this machine under the relay's own port. `null` is not allowed.
    pub(crate) fn allow_origin(&self, origin: &str, to: Option<&str>) -> bool {
        let origin = origin.to_ascii_lowercase();
        if self.public_origin.as_ref() == Some(&origin) {
            return true;
        }
        let Some((scheme, from)) = authority(&origin) else {
            return false;
        };
        let is_loopback = LOOPBACK.contains(&&*host(&from));
        if scheme != self.scheme || (self.is_public && is_loopback) {
            return false;
        }
        let same_host =
            to.is_some_and(|to| to.eq_ignore_ascii_case(from.as_str()) && self.allow_host(to));
        let own_port = is_loopback && from.port_u16() == Some(self.port);
        same_host || own_port
    }
}

/// Scheme and authority of an origin.
fn authority(origin: &str) -> Option<(&str, Authority)> {
    let (scheme, rest) = origin.split_once("://")?;
    let authority = rest.parse::<Authority>().ok()?;
    let plain = ["http", "https"].contains(&scheme) && !authority.as_str().contains('@');
    plain.then_some((scheme, authority))
}

fn host(authority: &Authority) -> String {
    authority.host().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        let public = Some("https://Send.example.org");
        Hosts::new(8080, public, &["relay.lan".to_owned()], true)
    }

    fn local() -> Hosts {
        Hosts::new(8080, None, &[], false)
    }

    #[test]
    fn l6_only_the_relays_own_hosts_pass() {
        for host in [
            "localhost:8080",
            "LOCALHOST",
            "127.0.0.1:9",
            "[::1]:8080",
            "send.example.org",
            "relay.lan:1",
        ] {
            assert!(hosts().allow_host(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "localhost@evil.example",
            "192.0.2.1",
            "a b",
            "localhost:",
            "localhost:x",
            "localhost:80;",
        ] {
            assert!(!hosts().allow_host(host), "{host}");
        }
    }

    #[test]
    fn l6_only_pages_of_the_relay_itself_may_act() {
        for (origin, to) in [
            ("http://localhost:8080", "localhost:8080"),
            ("http://localhost:9000", "localhost:9000"),
            ("http://localhost:8080", "127.0.0.1:8080"),
        ] {
            assert!(local().allow_origin(origin, Some(to)), "{origin} {to}");
        }
        for (origin, to) in [
            ("https://send.example.org", "127.0.0.1:8080"),
            ("https://relay.lan", "relay.lan"),
        ] {
            assert!(hosts().allow_origin(origin, Some(to)), "{origin} {to}");
        }
        for (origin, to) in [
            ("http://send.example.org", "send.example.org"),
            ("http://relay.lan", "relay.lan"),
            ("http://localhost:8080", "localhost:8080"),
            ("https://localhost:8080", "localhost:8080"),
        ] {
            assert!(!hosts().allow_origin(origin, Some(to)), "{origin} {to}");
        }
        for (origin, to) in [
            ("null", "localhost:8080"),
            ("", "localhost:8080"),
            ("http://localhost:3000", "localhost:8080"),
            ("http://evil.example", "localhost:8080"),
            ("http://evil.example", "evil.example"),
            ("https://send.example.org.evil.example", "send.example.org"),
            ("https://send.example.org:444", "send.example.org"),
            ("file://", "localhost:8080"),
            ("http://localhost:8080@evil.example", "localhost:8080"),
        ] {
            assert!(!hosts().allow_origin(origin, Some(to)), "{origin} {to}");
            assert!(!local().allow_origin(origin, Some(to)), "{origin} {to}");
        }
    }
}
