//! HTTP fallback was an extra server; here it is the relay itself. Its settings are taken as far as they go, and what is
//! missing for listening beyond this machine is said.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use roxmltree::Node;

use super::Scope;
use super::apply::listen;
use super::import::Importing;
use super::report::Outcome;
use super::setting::{Meaning, meaning, truth};
use super::xml::{self, Leaf};
use crate::given::Section;

/// Where the original's HTTPS fallback listened when nothing else was said.
const HTTPS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 8443);

/// Settings that are ours only together.
#[derive(Default)]
struct Found<'a>(BTreeMap<&'static str, Leaf<'a>>);

impl Found<'_> {
    fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|leaf| leaf.text.as_str())
    }

    fn missing(&self, keys: &[&'static str]) -> Vec<&'static str> {
        let missing = keys.iter().filter(|key| self.text(key).is_none());
        missing.copied().collect()
    }
}

impl Importing<'_> {
    pub(super) fn http_server(&mut self, root: Node<'_, '_>) {
        let mut found = Found::default();
        for (scope, place) in [
            (Scope::HttpServer, "http_server"),
            (Scope::Server, "server"),
        ] {
            for element in xml::at(root, &[place]) {
                for leaf in xml::leaves(element, &|_| false) {
                    let known = meaning(scope, &leaf.name);
                    match known.and_then(together) {
                        Some(key) if !leaf.text.is_empty() => {
                            found.0.insert(key, leaf);
                        }
                        _ => self.apart(place, &leaf, known),
                    }
                }
            }
        }
        let on = match found
            .0
            .get("enable_https")
            .map(|leaf| (truth(&leaf.text), leaf.node))
        {
            Some((Err(text), node)) => return self.error(node, format!("`enable_https` {text}")),
            Some((Ok(on), _)) => on,
            None => false,
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        let name = found
            .0
            .get("server_name")
            .filter(|leaf| !leaf.text.bytes().all(plain));
        if let Some(node) = name.map(|leaf| leaf.node) {
            let text = "`server_name` must be a host name alone, such as send.example.org";
            return self.error(node, text.to_owned());
        }
        if on {
            self.https(&found);
        } else {
            self.without_https(&found);
        }
    }

    /// One that stands alone.
    fn apart(&mut self, place: &str, leaf: &Leaf<'_>, known: Option<Meaning>) {
        let name = format!("{place}_{}", leaf.name);
        let known = match known {
            Some(Meaning::EnableHttp) if truth(&leaf.text) == Ok(false) => {
                Some(Meaning::Ignored("plain HTTP is only for this machine"))
            }
            Some(Meaning::EnableHttp) => Some(Meaning::Missing(
                "plain HTTP is only for this machine; passwords need TLS",
            )),
            Some(Meaning::HttpPort) => {
                Some(Meaning::Ignored("plain HTTP is only for this machine"))
            }
            None => Some(Meaning::Missing("there is nothing like it")),
            known => known,
        };
        self.setting(leaf, &name, known, &Section::Top, "");
    }

    fn https(&mut self, found: &Found<'_>) {
        let listening = match listen(HTTPS, found.text("bind_address"), found.text("https_port")) {
            Ok(listening) => listening,
            Err(text) => {
                let keys = ["https_port", "bind_address", "enable_https"];
                let Some(leaf) = keys.iter().find_map(|key| found.0.get(key)) else {
                    return;
                };
                return self.error(leaf.node, text);
            }
        };
        let pair = found.missing(&["cert_file", "key_file"]);
        for (key, ours) in [("cert_file", "tls_cert"), ("key_file", "tls_key")] {
            match pair[..] {
                [] => self.take_one(found, key, ours, found.text(key)),
                _ => self.miss(found, key, &pair, listening),
            }
        }
        let url = found
            .text("server_name")
            .map(|name| match listening.port() {
                443 => format!("https://{name}"),
                port => format!("https://{name}:{port}"),
            });
        self.take_one(found, "server_name", "public_url", url.as_deref());
        let missing = found.missing(&["cert_file", "key_file", "server_name"]);
        for key in ["enable_https", "https_port", "bind_address"] {
            match missing[..] {
                [] => self.take_one(found, key, "listen", Some(&listening.to_string())),
                _ => self.miss(found, key, &missing, listening),
            }
        }
    }

    /// The address under which people know the server is taken; nobody was served over HTTPS.
    fn without_https(&mut self, found: &Found<'_>) {
        let url = found
            .text("server_name")
            .map(|name| format!("https://{name}"));
        self.take_one(found, "server_name", "public_url", url.as_deref());
        for (key, leaf) in &found.0 {
            if *key != "server_name" {
                let what = format!("http_server_{key} = {}", leaf.text);
                let why = "enable_https is not true; the relay listens on this machine until listen, tls_cert, tls_key \
                           and public_url are set";
                self.add(leaf.node, what, Outcome::Ignored(why.to_owned()));
            }
        }
    }

    fn take_one(&mut self, found: &Found<'_>, key: &str, ours: &str, value: Option<&str>) {
        if let (Some(leaf), Some(value)) = (found.0.get(key), value) {
            let done = self.edit.set(&Section::Top, ours, Some(value));
            self.take(leaf.node, format!("{key} = {}", leaf.text), done);
        }
    }

    fn miss(&mut self, found: &Found<'_>, key: &str, missing: &[&str], listening: SocketAddr) {
        if let Some(leaf) = found.0.get(key) {
            let ours = missing.iter().map(|key| match *key {
                "cert_file" => "tls_cert",
                "key_file" => "tls_key",
                _ => "public_url",
            });
            let text = format!(
                "it needs {} beside it, which aspera.conf does not say: write {} and listen = \"{listening}\" into sealift.toml",
                missing.join(" and "),
                ours.collect::<Vec<_>>().join(" and "),
            );
            self.add(
                leaf.node,
                format!("{key} = {}", leaf.text),
                Outcome::Missing(text),
            );
        }
    }
}

/// The name of a setting that means something only beside others.
fn together(known: Meaning) -> Option<&'static str> {
    Some(match known {
        Meaning::EnableHttps => "enable_https",
        Meaning::HttpsPort => "https_port",
        Meaning::BindAddress => "bind_address",
        Meaning::Certificate => "cert_file",
        Meaning::CertificateKey => "key_file",
        Meaning::ServerName => "server_name",
        _ => return None,
    })
}
