//! Aspera's settings, each with what it is here. Names as in `asconfigurator`: the path in `aspera.conf` joined by `_`.

use super::Scope;

/// What a setting of the original is here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Meaning {
    /// Content protection required.
    Required,
    /// Strong content protection passwords required.
    StrongPassword,
    /// Where files are.
    Docroot,
    /// The trunk whose capacity uploads share.
    TrunkId,
    /// Allowed is the only thing that we have: `true` says nothing, anything else has no counterpart.
    AlwaysTrue(&'static str),
    /// HTTP fallback over TLS, and its parts.
    EnableHttps,
    /// See [`Meaning::EnableHttps`].
    HttpsPort,
    /// HTTP fallback without TLS.
    EnableHttp,
    /// See [`Meaning::EnableHttp`].
    HttpPort,
    /// Where HTTP listens.
    BindAddress,
    /// The certificate of HTTPS.
    Certificate,
    /// The key of HTTPS.
    CertificateKey,
    /// The name of the server.
    ServerName,
    /// A trunk's number.
    TrunkNumber,
    /// A trunk's name.
    TrunkName,
    /// A trunk's rate.
    TrunkCapacity,
    /// Whether a trunk holds.
    TrunkOn,
    /// Not needed here, with the reason.
    Ignored(&'static str),
    /// Not there, with what to do instead.
    Missing(&'static str),
}

const GRANTS: &str = "who may send is decided by grants: `sealift-relay grant`";
const SEALED: &str =
    "content is always sealed with AES-256-GCM before it leaves the sender, on every transport";
const RATE: &str = "rates are found by measurement; a trunk caps what its users have together";
const SERVER_KEY: &str =
    "a passphrase that the server knows would let it open content; senders choose their own";
const TRUNK_MULTICAST: &str =
    "a trunk holds within one relay; relays do not talk to each other by multicast";

/// Settings under `transfer` and `file_system`, for nodes, groups and users.
const OF_USERS: &[(&str, Meaning)] = &[
    (
        "transfer_encryption_content_protection_required",
        Meaning::Required,
    ),
    (
        "transfer_encryption_content_protection_strong_pass_required",
        Meaning::StrongPassword,
    ),
    (
        "transfer_encryption_content_protection_secret",
        Meaning::Missing(SERVER_KEY),
    ),
    (
        "transfer_encryption_extension",
        Meaning::Ignored("sealed files end in .sealift"),
    ),
    (
        "transfer_encryption_content_protection_extension",
        Meaning::Ignored("sealed files end in .sealift"),
    ),
    (
        "transfer_encryption_allowed_cipher",
        Meaning::Ignored(SEALED),
    ),
    (
        "transfer_encryption_strict_allowed_cipher",
        Meaning::Ignored(SEALED),
    ),
    (
        "transfer_encryption_fips_mode",
        Meaning::Missing("there is no FIPS build"),
    ),
    (
        "transfer_encryption_byok_enabled",
        Meaning::Ignored("every sender brings the key; the server has none"),
    ),
    ("file_system_access_paths_path_absolute", Meaning::Docroot),
    ("absolute", Meaning::Docroot),
    (
        "file_system_access_paths_path_show_as",
        Meaning::Ignored("senders never see paths of the docroot"),
    ),
    (
        "file_system_access_paths_path_read_allowed",
        Meaning::AlwaysTrue("who has a package's link may read it"),
    ),
    (
        "file_system_access_paths_path_write_allowed",
        Meaning::AlwaysTrue(GRANTS),
    ),
    (
        "file_system_access_paths_path_dir_allowed",
        Meaning::AlwaysTrue("nobody can list a docroot"),
    ),
    (
        "file_system_access_paths_path_restrictions",
        Meaning::Missing("a docroot is confined by itself; give each user one"),
    ),
    (
        "file_system_",
        Meaning::Ignored(
            "files are stored sealed, under random names; names and attributes are the sealed manifest's",
        ),
    ),
    (
        "read_allowed",
        Meaning::AlwaysTrue("who has a package's link may read it"),
    ),
    ("write_allowed", Meaning::AlwaysTrue(GRANTS)),
    (
        "dir_allowed",
        Meaning::AlwaysTrue("nobody can list a docroot"),
    ),
    (
        "show_as",
        Meaning::Ignored("senders never see paths of the docroot"),
    ),
    ("transfer_in_bandwidth_aggregate_trunk_id", Meaning::TrunkId),
    (
        "transfer_out_bandwidth_aggregate_trunk_id",
        Meaning::Missing("trunks hold for uploads alone"),
    ),
    ("transfer_in_bandwidth_", Meaning::Ignored(RATE)),
    ("transfer_out_bandwidth_", Meaning::Ignored(RATE)),
    (
        "transfer_protocol_options_",
        Meaning::Ignored("QUIC, WebSocket and HTTPS set these themselves"),
    ),
    ("authorization_", Meaning::Ignored(GRANTS)),
    ("precedence", Meaning::Ignored("there are no groups")),
    ("web_", Meaning::Ignored("the relay serves its own pages")),
    (
        "session_",
        Meaning::Ignored("time-outs are fixed; see relay/protocol/src/limits.rs"),
    ),
    ("transfer_", Meaning::Missing("there is nothing like it")),
];

const OF_HTTP: &[(&str, Meaning)] = &[
    ("enable_https", Meaning::EnableHttps),
    ("https_port", Meaning::HttpsPort),
    ("enable_http", Meaning::EnableHttp),
    ("http_port", Meaning::HttpPort),
    ("bind_address", Meaning::BindAddress),
    ("cert_file", Meaning::Certificate),
    ("key_file", Meaning::CertificateKey),
    (
        "restartable_transfers",
        Meaning::AlwaysTrue("every transfer can be resumed"),
    ),
    (
        "session_activity_timeout",
        Meaning::Ignored("a silent lane ends after 60 s, and the upload goes on over another"),
    ),
    (
        "persistent_connection",
        Meaning::Ignored("connections are kept open"),
    ),
    (
        "listen_backlog",
        Meaning::Ignored("the system's value is used"),
    ),
];

const OF_SERVER: &[(&str, Meaning)] = &[
    ("server_name", Meaning::ServerName),
    ("ssh_port", Meaning::Ignored("there is no SSH")),
    (
        "",
        Meaning::Ignored("the node API's services are not needed"),
    ),
];

const OF_TRUNKS: &[(&str, Meaning)] = &[
    ("id", Meaning::TrunkNumber),
    ("trunk_id", Meaning::TrunkNumber),
    ("name", Meaning::TrunkName),
    ("trunk_name", Meaning::TrunkName),
    ("capacity", Meaning::TrunkCapacity),
    ("capacity_schedule", Meaning::TrunkCapacity),
    ("trunk_capacity", Meaning::TrunkCapacity),
    ("on", Meaning::TrunkOn),
    ("trunk_on", Meaning::TrunkOn),
    ("mcast_", Meaning::Missing(TRUNK_MULTICAST)),
    ("trunk_mcast_", Meaning::Missing(TRUNK_MULTICAST)),
];

/// The settings of a scope. A name that ends in `_`, or is empty, stands for all that begin so.
pub(crate) fn settings(scope: Scope) -> &'static [(&'static str, Meaning)] {
    match scope {
        Scope::Default | Scope::User | Scope::Group => OF_USERS,
        Scope::HttpServer => OF_HTTP,
        Scope::Server => OF_SERVER,
        Scope::Trunk => OF_TRUNKS,
    }
}

/// What a setting is here; `None` for a name that nobody knows.
pub(crate) fn meaning(scope: Scope, name: &str) -> Option<Meaning> {
    let name = name.to_ascii_lowercase();
    let is = |known: &str| {
        known == name || ((known.ends_with('_') || known.is_empty()) && name.starts_with(known))
    };
    settings(scope)
        .iter()
        .find(|(known, _)| is(known))
        .map(|(_, meaning)| *meaning)
}

/// The original's spellings of a truth value.
pub(crate) fn truth(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "enabled" | "1" => Ok(true),
        "false" | "no" | "disabled" | "0" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}
