//! What an operator sets. The doc comments are the manual: `sealift-relay serve --help` prints them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::budget::MEMORY_BYTES_MIN;

/// Settings of `sealift-relay serve`. The defaults are the strict ones.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Address and port for pages, API and lanes; WebTransport uses the same number over UDP.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Folder for records, docroot, secrets and certificates. Made when missing. Back it up as a whole.
    #[arg(long, default_value = "./data")]
    pub data: PathBuf,
    /// Lets anybody send without a grant. For your own machine.
    #[arg(long)]
    pub open_uploads: bool,
    /// PEM file with the certificate chain. Needed, with --tls-key, to listen beyond this machine.
    #[arg(long, requires = "tls_key", conflicts_with = "tls_at_proxy")]
    pub tls_cert: Option<PathBuf>,
    /// PEM file with the private key.
    #[arg(long, requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// A proxy in front ends TLS and sets X-Forwarded-For. Only the proxy may reach this port.
    #[arg(long)]
    pub tls_at_proxy: bool,
    /// Address under which people reach this relay, such as `https://send.example.org`.
    #[arg(long)]
    pub public_url: Option<String>,
    /// Further host names that requests may carry. Others are refused.
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<String>,
    /// Switches WebTransport (UDP) off.
    #[arg(long)]
    pub no_webtransport: bool,
    /// UDP port under which browsers reach WebTransport, where it differs (containers, NAT).
    #[arg(long, value_name = "PORT", conflicts_with = "no_webtransport")]
    pub webtransport_public_port: Option<u16>,
    /// Congestion control towards browsers over WebTransport.
    #[arg(long, value_enum, default_value_t = Congestion::Cubic)]
    pub congestion: Congestion,
    /// Refuse packages that any link alone opens: every key slot must need a password.
    #[arg(long)]
    pub password_required: bool,
    /// Most sealed bytes of one package.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 42)]
    pub package_bytes_max: u64,
    /// Free bytes that uploads leave on the disk.
    #[arg(long, value_name = "BYTES", default_value_t = sealift_docroot::FREE_BYTES_MIN)]
    pub free_bytes_min: u64,
    /// Lifetime of a package when its sender names none, such as `7d`.
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = duration)]
    pub lifetime_default: Duration,
    /// Longest lifetime of a package.
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = duration)]
    pub lifetime_max: Duration,
    /// How long an unfinished package is kept for its sender to come back.
    #[arg(long, value_name = "TIME", default_value = "2d", value_parser = duration)]
    pub unfinished: Duration,
    /// Memory for the data of all lanes together, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 128 << 20)]
    pub lane_memory_bytes: u64,
    /// Most lanes at once.
    #[arg(long, default_value_t = 1024)]
    pub lanes_max: u32,
    /// Most lanes at once from one address.
    #[arg(long, default_value_t = 64)]
    pub lanes_per_address_max: u32,
    /// How long a stop waits for what is under way.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration)]
    pub drain: Duration,
    /// Log as text or as JSON lines, to standard error. `RUST_LOG` sets what is logged.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// How logs look.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum LogFormat {
    /// One readable line per event.
    Text,
    /// One JSON object per event.
    Json,
}

/// Congestion control of what the relay sends over WebTransport.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Congestion {
    /// RFC 9438: the safe choice.
    Cubic,
    /// Better on long, lossy paths; experimental in the QUIC library.
    Bbr,
}

/// Why the relay does not start with these settings.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SettingsError {
    /// Plain HTTP would leave this machine.
    #[error(
        "{0} can be reached from other machines, where passwords need TLS: add --tls-cert and --tls-key, \
         or --tls-at-proxy if a proxy in front ends TLS, or listen on 127.0.0.1"
    )]
    Plain(SocketAddr),
    /// Without it no request from outside would pass the check of its host.
    #[error("listening beyond this machine needs --public-url, such as https://send.example.org")]
    PublicUrl,
    /// Not an address of ours.
    #[error("--public-url must look like https://send.example.org, without a path")]
    BadPublicUrl,
    /// Packages would be gone at once.
    #[error("{0} must be at least 1s")]
    NoTime(&'static str),
    /// Lanes could not work side by side.
    #[error("--lane-memory-bytes must be at least {MEMORY_BYTES_MIN}")]
    LaneMemory,
}

#[derive(clap::Parser)]
struct Only {
    #[command(flatten)]
    settings: Settings,
}

impl Settings {
    /// The defaults, for a relay on this machine over `data`, on a port given by the system.
    pub fn local(data: PathBuf) -> Self {
        let Only { mut settings } = <Only as clap::Parser>::parse_from(["relay"]);
        settings.data = data;
        settings.listen.set_port(0);
        settings
    }

    /// Checks what cannot be said per argument.
    ///
    /// # Errors
    ///
    /// [`SettingsError`].
    pub fn check(&self) -> Result<(), SettingsError> {
        let beyond = !self.listen.ip().is_loopback();
        if beyond && self.tls_cert.is_none() && !self.tls_at_proxy {
            return Err(SettingsError::Plain(self.listen));
        }
        if beyond && self.public_url.is_none() {
            return Err(SettingsError::PublicUrl);
        }
        if let Some(url) = &self.public_url {
            let rest = url
                .strip_prefix("https://")
                .or_else(|| url.strip_prefix("http://"));
            let plain = rest
                .is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '?', '#', '@', ' ']));
            if !plain {
                return Err(SettingsError::BadPublicUrl);
            }
        }
        for (name, time) in [
            ("--lifetime-default", self.lifetime_default),
            ("--lifetime-max", self.lifetime_max),
            ("--unfinished", self.unfinished),
        ] {
            if time.is_zero() {
                return Err(SettingsError::NoTime(name));
            }
        }
        if self.lane_memory_bytes < MEMORY_BYTES_MIN {
            return Err(SettingsError::LaneMemory);
        }
        Ok(())
    }
}

/// A time such as `90s`, `15m`, `12h`, `7d`.
///
/// # Errors
///
/// A sentence with an example.
pub fn duration(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
    units
        .iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?.parse::<u64>().ok()?, seconds)))
        .and_then(|(count, seconds)| Some(Duration::from_secs(count.checked_mul(*seconds)?)))
        .ok_or_else(|| format!("`{text}` is not a time; write 90s, 15m, 12h or 7d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_this_machine_needs_tls() {
        let mut settings = Settings::local("data".into());
        assert_eq!(settings.check(), Ok(()));
        settings.listen = "0.0.0.0:8080".parse().unwrap();
        assert!(matches!(settings.check(), Err(SettingsError::Plain(_))));
        settings.tls_at_proxy = true;
        assert_eq!(settings.check(), Err(SettingsError::PublicUrl));
        settings.public_url = Some("https://send.example.org".to_owned());
        assert_eq!(settings.check(), Ok(()));
        settings.public_url = Some("send.example.org/".to_owned());
        assert_eq!(settings.check(), Err(SettingsError::BadPublicUrl));
    }

    #[test]
    fn settings_under_which_nothing_would_work_are_refused() {
        let mut settings = Settings::local("data".into());
        settings.lifetime_max = Duration::ZERO;
        assert_eq!(
            settings.check(),
            Err(SettingsError::NoTime("--lifetime-max"))
        );
        let mut settings = Settings::local("data".into());
        settings.lane_memory_bytes = 1 << 20;
        assert_eq!(settings.check(), Err(SettingsError::LaneMemory));
    }

    #[test]
    fn times_are_read_with_their_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(604_800)));
        assert!(
            duration("7").is_err()
                && duration("d").is_err()
                && duration("99999999999999999999d").is_err()
        );
    }
}
