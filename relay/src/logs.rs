//! Logs: to standard error, as text or JSON lines. No package, file, token or address stands in them.

use std::io::{self, Write};

use sealift_config::LogFormat;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// What is logged unless `RUST_LOG` says otherwise.
const DEFAULT: &str = "info,quinn=warn,web_transport_quinn=warn,sqlx=warn";

/// These libraries would write addresses and paths with package ids at their most talkative.
const NEVER: [&str; 11] = [
    "hyper=off",
    "h2=off",
    "tungstenite=off",
    "tokio_tungstenite=off",
    "web_transport_proto=off",
    "web_transport_quinn=warn",
    "quinn=warn",
    "quinn_proto=warn",
    "rustls=warn",
    "sqlx::query=off",
    "tower_http=off",
];

/// Starts logging. Later calls do nothing.
pub fn start(format: LogFormat) {
    let mut filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    for directive in NEVER.iter().filter_map(|text| text.parse().ok()) {
        filter = filter.add_directive(directive);
    }
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Forgiving);
    let _ = match format {
        LogFormat::Text => subscriber.with_target(false).try_init(),
        LogFormat::Json => subscriber.json().try_init(),
    };
}

/// Standard error that may be closed or full: the relay serves on.
struct Forgiving;

impl Write for Forgiving {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Forgiving {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}
