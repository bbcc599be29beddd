//! Every setting of the relay. The doc comments are the manual: the example file and `--help` print them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::keys::keys;
use crate::protection::{MayDiffer, PasswordRule, ProtectionMode};
use crate::value::{Secret, Version, words};

words! {
    /// How logs look.
    pub enum LogFormat {
        /// One readable line per event.
        Text = "text",
        /// One JSON object per event.
        Json = "json",
    }
}

words! {
    /// Congestion control of what the relay sends over WebTransport.
    pub enum Congestion {
        /// RFC 9438: the safe choice.
        Cubic = "cubic",
        /// Better on long, lossy paths; experimental in the QUIC library.
        Bbr = "bbr",
    }
}

keys! {
    /// What stands at the top of `sealift.toml`. The defaults are the strict ones.
    pub struct Settings;

    /// Address and port for pages, API and lanes; WebTransport uses the same number over UDP.
    restart listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8080));
    /// Folder for records, docroot, secrets and certificates. Made when missing. Back it up as a whole.
    restart data: PathBuf = PathBuf::from("./data");
    /// Lets anybody send without a grant. For your own machine.
    live open_uploads: bool = false;
    /// PEM file with the certificate chain. Needed, with tls_key, to listen beyond this machine.
    /// A reload reads the file again.
    live tls_cert: Option<PathBuf> = None, like "/etc/sealift/chain.pem";
    /// PEM file with the private key. A reload reads the file again.
    live tls_key: Option<PathBuf> = None, like "/etc/sealift/key.pem";
    /// A proxy in front ends TLS and sets X-Forwarded-For. Only the proxy may reach this port.
    restart tls_at_proxy: bool = false;
    /// Address under which people reach this relay.
    restart public_url: Option<String> = None, like "https://send.example.org";
    /// Further host names that requests may carry. Others are refused.
    restart hosts: Vec<String> = Vec::new(), like "send.example.net";
    /// Whether WebTransport (UDP) is offered.
    restart webtransport: bool = true;
    /// UDP port under which browsers reach WebTransport, where it differs (containers, NAT).
    restart webtransport_public_port: Option<u16> = None, like "443";
    /// Congestion control towards browsers over WebTransport.
    restart congestion: Congestion = Congestion::Cubic;
    /// Content protection by password. `required`: a link alone opens no package.
    /// `optional`: the sender chooses a password or the link alone. `off`: pages ask for no password.
    /// Whatever this says, content is sealed before it leaves the sender, and the relay cannot open it.
    live protection: ProtectionMode = ProtectionMode::Optional;
    /// Whether senders' programs refuse weak passwords. A modified program can lie about strength.
    live strong_password_required: bool = false;
    /// What a strong password is. `sealift`: at least 12 characters and 2^50 guesses.
    /// `aspera`: at least 6 characters with a letter, a digit and a symbol.
    live password_rule: PasswordRule = PasswordRule::Sealift;
    /// Whether docroots and users may have their own protection: `no`, `stricter` only, or `yes`.
    live protection_may_differ: MayDiffer = MayDiffer::No;
    /// Clients below this version may neither send nor receive.
    live client_version_min: Option<Version> = None, like "0.1.0";
    /// Clients below this version tell their user to update.
    live client_version_warn_below: Option<Version> = None, like "0.1.0";
    /// Most sealed bytes of one package.
    live package_bytes_max: u64 = 1 << 42;
    /// Free bytes that uploads leave on the disk.
    restart free_bytes_min: u64 = sealift_docroot::FREE_BYTES_MIN;
    /// Lifetime of a package when its sender names none.
    live lifetime_default: Duration = Duration::from_hours(7 * 24);
    /// Longest lifetime of a package.
    live lifetime_max: Duration = Duration::from_hours(30 * 24);
    /// How long an unfinished package is kept for its sender to come back.
    live unfinished: Duration = Duration::from_hours(2 * 24);
    /// How long the keyring before a change of password is kept, for undoing the change.
    live keyring_undo: Duration = Duration::from_hours(7 * 24);
    /// Memory for the data of all lanes together.
    restart lane_memory_bytes: u64 = 128 << 20;
    /// Most lanes at once.
    restart lanes_max: u32 = 1024;
    /// Most lanes at once from one address.
    restart lanes_per_address_max: u32 = 64;
    /// How long a stop waits for what is under way.
    live drain: Duration = Duration::from_secs(20);
    /// Log as text or as JSON lines, to standard error. `RUST_LOG` sets what is logged.
    restart log_format: LogFormat = LogFormat::Text;
    /// Address on this machine where metrics are served, in Prometheus' text form, to whoever can reach it.
    restart metrics_listen: Option<SocketAddr> = None, like "127.0.0.1:9100";
    /// With this token in `Authorization: Bearer`, metrics are served at /metrics of the main address too.
    live metrics_token: Secret = Secret::default(), like "a long random text";
    /// Start although a docroot cannot be used, and serve the others.
    restart degraded: bool = false;
    /// Server-side encryption of S3 docroots whose URL names none: NONE, AES256, AWS_KMS or AWS_KMS_DSSE.
    live server_side_encryption: Option<String> = None, like "AWS_KMS";
    /// The KMS key of S3 docroots whose URL names no encryption: key ARN, key id, alias or alias ARN.
    live server_side_encryption_aws_kms_key_id: Option<String> = None, like "alias/sealift";
    /// Whether S3 makes one KMS key of the bucket instead of asking the service at every request.
    live bucket_key: Option<bool> = None, like "true";
    /// Storage class of S3 docroots whose URL names none.
    live storage_class: Option<String> = None, like "STANDARD";
    /// A file in the form of Aspera's s3.properties, instead of the four settings above.
    live s3_properties: Option<PathBuf> = None, like "/etc/sealift/s3.properties";
}

keys! {
    /// A docroot: `[docroots.NAME]`. The one named `default` is always there; without `url` it is in the data folder.
    pub struct Docroot;

    /// Where it is: file:///PATH or s3://HOST/BUCKET/PATH?server-side-encryption=AWS_KMS.
    live url: Secret = Secret::default(), like "s3://s3.eu-central-1.amazonaws.com/my-bucket/my-path?server-side-encryption=AWS_KMS";
    /// Its own content protection, where protection_may_differ allows it.
    live protection: Option<ProtectionMode> = None, like "required";
    /// Its own answer to whether passwords must be strong.
    live strong_password_required: Option<bool> = None, like "true";
    /// Its own rule for strong passwords.
    live password_rule: Option<PasswordRule> = None, like "sealift";
}

keys! {
    /// A user: `[users.NAME]`, which a grant names. Each has exactly one docroot.
    pub struct User;

    /// Name of the docroot that keeps what this user's grants send.
    live docroot: String = String::new(), like "archive";
    /// Name of the trunk whose capacity the user's uploads share.
    live trunk: Option<String> = None, like "office";
    /// Most sealed bytes that all packages of this user may have together.
    live quota_bytes: Option<u64> = None, like "1TiB";
    /// The user's own content protection, where protection_may_differ allows it.
    live protection: Option<ProtectionMode> = None, like "required";
    /// The user's own answer to whether passwords must be strong.
    live strong_password_required: Option<bool> = None, like "true";
    /// The user's own rule for strong passwords.
    live password_rule: Option<PasswordRule> = None, like "sealift";
}

keys! {
    /// A trunk: `[trunks.NAME]`, a rate that all uploads of its users share.
    pub struct Trunk;

    /// Its number where the configuration came from Aspera: 1 to 255.
    live id: Option<u32> = None, like "108";
    /// Kilobits in a second that all its users' uploads have together: at least 100.
    live capacity_kbps: u32 = 50_000;
    /// Whether it holds.
    live on: bool = true;
}
