//! What cannot be said of one value alone: settings that belong together, names that must exist, policies that
//! contradict each other.

use std::collections::BTreeMap;

use crate::config::{Config, DEFAULT_DOCROOT};
use crate::error::{ConfigError, ConfigErrors, Origin, did_you_mean};
use crate::load::Loaded;
use crate::protection::{MayDiffer, Own, Protection};

/// Less memory than this does not let lanes work side by side.
pub const LANE_MEMORY_BYTES_MIN: u64 = 16 << 20;

/// At a lower rate a piece of 512 KiB takes longer than connections stand still.
pub const CAPACITY_KBPS_MIN: u32 = 100;

impl Config {
    /// Checks a configuration that did not come from [`crate::Sources`].
    ///
    /// # Errors
    ///
    /// Everything that is wrong, without places.
    pub fn check(&self) -> Result<(), ConfigErrors> {
        let loaded = Loaded {
            config: self.clone(),
            file: None,
            origins: BTreeMap::new(),
            kept: Vec::new(),
        };
        let mut errors = Vec::new();
        check(&loaded, &mut errors);
        if errors.is_empty() {
            Ok(())
        } else {
            Err(ConfigErrors(errors))
        }
    }
}

/// Adds everything that is wrong.
pub(crate) fn check(loaded: &Loaded, errors: &mut Vec<ConfigError>) {
    listening(loaded, errors);
    limits(loaded, errors);
    clients(loaded, errors);
    docroots(loaded, errors);
    users(loaded, errors);
}

fn listening(loaded: &Loaded, errors: &mut Vec<ConfigError>) {
    let settings = &loaded.config.settings;
    let mut wrong = |key: &str, text: String| errors.push(loaded.error(key, text));
    match (&settings.tls_cert, &settings.tls_key) {
        (Some(_), None) => wrong(
            "tls_cert",
            "`tls_cert` needs `tls_key` beside it".to_owned(),
        ),
        (None, Some(_)) => wrong("tls_key", "`tls_key` needs `tls_cert` beside it".to_owned()),
        (Some(_), Some(_)) if settings.tls_at_proxy => wrong(
            "tls_at_proxy",
            "either a proxy ends TLS, or the relay does with `tls_cert`: remove one".to_owned(),
        ),
        _ => {}
    }
    if settings.webtransport_public_port.is_some() && !settings.webtransport {
        let text = "`webtransport_public_port` is of no use with `webtransport = false`: remove it";
        wrong("webtransport_public_port", text.to_owned());
    }
    if let Some(address) = settings
        .metrics_listen
        .filter(|address| !address.ip().is_loopback())
    {
        let text = format!(
            "metrics are for this machine: {address} can be reached from others; write 127.0.0.1:{}, or set \
             metrics_token and read /metrics of the main address",
            address.port()
        );
        wrong("metrics_listen", text);
    }
    let beyond = !settings.listen.ip().is_loopback();
    if beyond && settings.tls_cert.is_none() && !settings.tls_at_proxy {
        wrong(
            "listen",
            format!(
                "{} can be reached from other machines, where passwords need TLS: set tls_cert and tls_key \
                 (--tls-cert, --tls-key), or tls_at_proxy if a proxy in front ends TLS, or listen on 127.0.0.1",
                settings.listen
            ),
        );
    }
    if beyond && settings.public_url.is_none() {
        let text = "listening beyond this machine needs public_url (--public-url), such as https://send.example.org";
        wrong("listen", text.to_owned());
    }
    if let Some(url) = &settings.public_url {
        let rest = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"));
        let plain =
            rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '?', '#', '@', ' ']));
        if !plain {
            let text =
                "public_url (--public-url) must look like https://send.example.org, without a path";
            wrong("public_url", text.to_owned());
        }
    }
}

fn limits(loaded: &Loaded, errors: &mut Vec<ConfigError>) {
    let settings = &loaded.config.settings;
    for (key, time) in [
        ("lifetime_default", settings.lifetime_default),
        ("lifetime_max", settings.lifetime_max),
        ("unfinished", settings.unfinished),
    ] {
        if time.is_zero() {
            errors.push(loaded.error(key, format!("`{key}` must be at least 1s")));
        }
    }
    if settings.lane_memory_bytes < LANE_MEMORY_BYTES_MIN {
        let text = "`lane_memory_bytes` (--lane-memory-bytes) must be at least 16MiB";
        errors.push(loaded.error("lane_memory_bytes", text));
    }
    for (name, trunk) in &loaded.config.trunks {
        if trunk.id.is_some_and(|id| id > 255) {
            let path = format!("trunks.{name}.id");
            errors.push(loaded.error(&path, "`id` must be from 1 to 255"));
        }
        if trunk.capacity_kbps < CAPACITY_KBPS_MIN {
            let path = format!("trunks.{name}.capacity_kbps");
            let text = format!(
                "`capacity_kbps` must be at least {CAPACITY_KBPS_MIN}: at less, connections die of waiting"
            );
            errors.push(loaded.error(&path, text));
        }
    }
}

fn clients(loaded: &Loaded, errors: &mut Vec<ConfigError>) {
    let settings = &loaded.config.settings;
    if let (Some(warn), Some(min)) = (
        settings.client_version_warn_below,
        settings.client_version_min,
    ) && warn < min
    {
        errors.push(loaded.error(
            "client_version_warn_below",
            format!(
                "`client_version_warn_below` {warn} warns nobody, since `client_version_min` {min} refuses those \
                 clients: write {min} or more"
            ),
        ));
    }
}

fn docroots(loaded: &Loaded, errors: &mut Vec<ConfigError>) {
    let config = &loaded.config;
    let mut places: BTreeMap<String, &str> = BTreeMap::new();
    for (name, docroot) in &config.docroots {
        let path = format!("docroots.{name}");
        let url = format!("{path}.url");
        if docroot.url.expose().is_empty() && name != DEFAULT_DOCROOT {
            let text = format!(
                "[{path}] needs `url`, such as \"file:///srv/sealift\" or \"s3://s3.amazonaws.com/bucket/path\""
            );
            errors.push(loaded.error(&loaded.first_of(&path), text));
            continue;
        }
        match config.docroot(name).map(|place| place.to_string()) {
            Err(error) => errors.push(loaded.error(&url, error.to_string())),
            Ok(place) => {
                if let Some(other) = places.insert(as_folder(&place), name) {
                    let text =
                        format!("docroots `{other}` and `{name}` are one place: give each its own");
                    errors.push(loaded.error(&url, text));
                }
            }
        }
        own(loaded, &path, config.protection(), docroot.own(), errors);
    }
    nested(loaded, &places, errors);
}

/// A place with one slash at its end, so that what lies in it begins with it.
pub(crate) fn as_folder(place: &str) -> String {
    format!("{}/", place.trim_end_matches('/'))
}

/// What is cleaned up in a docroot must not be another's.
fn nested(loaded: &Loaded, places: &BTreeMap<String, &str>, errors: &mut Vec<ConfigError>) {
    let mut outer: Option<(&String, &str)> = None;
    // In order, so what lies in a place comes right after it.
    for (place, name) in places {
        let Some((_, other)) = outer.filter(|(outer, _)| place.starts_with(*outer)) else {
            outer = Some((place, name));
            continue;
        };
        let own = format!("docroots.{name}.url");
        let path = match loaded.origin(&own) {
            Origin::Default => format!("docroots.{other}.url"),
            _ => own,
        };
        let text = format!(
            "the docroot `{name}` lies in the docroot `{other}`: give each a place of its own, side by side"
        );
        errors.push(loaded.error(&path, text));
    }
}

fn users(loaded: &Loaded, errors: &mut Vec<ConfigError>) {
    let config = &loaded.config;
    for (name, user) in &config.users {
        let path = format!("users.{name}");
        let docroot = config.docroots.get(&user.docroot);
        if user.docroot.is_empty() {
            let text = format!("[{path}] needs exactly one docroot: write `docroot = \"NAME\"`");
            errors.push(loaded.error(&loaded.first_of(&path), text));
        } else if docroot.is_none() {
            let near = did_you_mean(&user.docroot, config.docroots.keys().map(String::as_str));
            let text = format!(
                "there is no docroot `{}`{near}",
                user.docroot.escape_debug()
            );
            errors.push(loaded.error(&format!("{path}.docroot"), text));
        }
        if let Some(trunk) = user
            .trunk
            .as_ref()
            .filter(|name| !config.trunks.contains_key(*name))
        {
            let near = did_you_mean(trunk, config.trunks.keys().map(String::as_str));
            let text = format!("there is no trunk `{}`{near}", trunk.escape_debug());
            errors.push(loaded.error(&format!("{path}.trunk"), text));
        }
        let above = docroot.map_or(config.protection(), |docroot| {
            config.protection().with(docroot.own())
        });
        own(loaded, &path, above, user.own(), errors);
    }
}

/// Own values of a docroot or user against what stands above them.
fn own(loaded: &Loaded, path: &str, above: Protection, own: Own, errors: &mut Vec<ConfigError>) {
    let may = loaded.config.settings.protection_may_differ;
    let mine = above.with(own);
    let mode = (above.mode.as_str(), mine.mode.as_str());
    let strong = (
        bool_word(above.strong_password_required),
        bool_word(mine.strong_password_required),
    );
    let rule = (above.password_rule.as_str(), mine.password_rule.as_str());
    for (key, (theirs, ours), weaker) in [
        ("protection", mode, mine.mode < above.mode),
        (
            "strong_password_required",
            strong,
            above.strong_password_required && !mine.strong_password_required,
        ),
        (
            "password_rule",
            rule,
            mine.password_rule < above.password_rule,
        ),
    ] {
        let refused = theirs != ours
            && match may {
                MayDiffer::No => true,
                MayDiffer::Stricter => weaker,
                MayDiffer::Yes => false,
            };
        if refused {
            let may = may.word();
            errors.push(loaded.error(
                &format!("{path}.{key}"),
                format!(
                    "`{key}` {ours} of [{path}] contradicts {theirs}, which stands above it, while \
                     protection_may_differ is \"{may}\": remove it, or allow it there"
                ),
            ));
        }
    }
}

fn bool_word(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

impl Loaded {
    /// The first value of a section, to have a line for what is missing in it.
    fn first_of(&self, section: &str) -> String {
        let prefix = format!("{section}.");
        let first = self
            .origins
            .iter()
            .filter(|(path, _)| path.starts_with(&prefix));
        first
            .min_by(|(_, a), (_, b)| a.cmp(b))
            .map_or(prefix.clone(), |(path, _)| path.clone())
    }
}
