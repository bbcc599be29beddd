//! `sealift-relay grant`: prints a send link.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use sealift_config::value::Value as _;
use sealift_protocol::link::{Fragment, Link};

use crate::clock;
use crate::grants::Grants;

/// What a send link allows.
#[derive(Args, Debug)]
pub struct GrantArguments {
    /// The relay's data folder, which holds the key that signs grants.
    #[arg(long, default_value = "./data")]
    pub data: PathBuf,
    /// How long the link can be used to begin sending.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = Duration::read)]
    pub expires: Duration,
    /// Most sealed bytes that all packages sent with this link may have together.
    #[arg(long = "max-bytes", value_name = "BYTES", default_value_t = 1 << 40)]
    pub bytes_max: u64,
    /// The user of the configuration whose docroot, protection and quota hold for what is sent.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Address under which people reach the relay.
    #[arg(long)]
    pub url: String,
}

/// A new send link.
///
/// # Errors
///
/// When the key cannot be read or made.
pub fn grant(arguments: &GrantArguments) -> anyhow::Result<zeroize::Zeroizing<String>> {
    let secrets = arguments.data.join("secrets");
    let grants = Grants::open(&secrets).with_context(|| {
        format!(
            "there is no key for grants in {}; start the relay once on this data folder",
            secrets.display()
        )
    })?;
    let expires_at = clock::unix_seconds().saturating_add(arguments.expires.as_secs());
    let grant = grants.issue(expires_at, arguments.bytes_max, arguments.user.as_deref())?;
    let relay = arguments.url.trim_end_matches('/').to_owned();
    Ok(Link {
        relay,
        package: None,
        fragment: Fragment::Send {
            grant: grant.into(),
        },
    }
    .to_url())
}
