//! Which hosts and origins a request may name (rule L6): against DNS rebinding and foreign pages.

use axum::http::uri::Authority;

/// The names of this relay.
pub(crate) struct Hosts {
    names: Vec<String>,
    port: u16,
    public_origin: Option<String>,
}

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

impl Hosts {
    /// `port` is the one that the relay listens on; `public_url` and `further` come from the operator.
    pub(crate) fn new(port: u16, public_url: Option<&str>, further: &[String]) -> Self {
        let mut names: Vec<String> = LOOPBACK.map(str::to_owned).into();
        names.extend(further.iter().map(|name| name.to_ascii_lowercase()));
        let public_origin = public_url.map(str::to_ascii_lowercase);
        names.extend(
            public_origin
                .as_deref()
                .and_then(authority)
                .map(|a| host(&a)),
        );
        Self {
            names,
            port,
            public_origin,
        }
    }

    /// Whether a request may carry this host, given as `name` or `name:port`.
    pub(crate) fn allow_host(&self, text: &str) -> bool {
        text.parse::<Authority>()
            .is_ok_and(|a| !text.contains('@') && self.names.contains(&host(&a)))
    }

    /// Whether a page of this origin may act here. `to` is the host that its request was sent to. Allowed are
    /// the pages that the relay serves itself: those of the same host, of the public address, and of this
    /// machine under the relay's own port. `null` is not allowed.
    pub(crate) fn allow_origin(&self, origin: &str, to: Option<&str>) -> bool {
        let origin = origin.to_ascii_lowercase();
        if self.public_origin.as_ref() == Some(&origin) {
            return true;
        }
        let Some(from) = authority(&origin) else {
            return false;
        };
        let same_host =
            to.is_some_and(|to| to.eq_ignore_ascii_case(from.as_str()) && self.allow_host(to));
        let own_port = LOOPBACK.contains(&&*host(&from)) && from.port_u16() == Some(self.port);
        same_host || own_port
    }
}

/// The authority of an origin.
fn authority(origin: &str) -> Option<Authority> {
    let rest = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"))?;
    rest.parse::<Authority>()
        .ok()
        .filter(|authority| !authority.as_str().contains('@'))
}

fn host(authority: &Authority) -> String {
    authority.host().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        Hosts::new(
            8080,
            Some("https://Send.example.org"),
            &["relay.lan".to_owned()],
        )
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
            ("https://send.example.org", "127.0.0.1:8080"),
            ("https://relay.lan", "relay.lan"),
        ] {
            assert!(hosts().allow_origin(origin, Some(to)), "{origin} {to}");
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
        }
    }
}
