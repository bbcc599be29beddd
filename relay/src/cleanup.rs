//! What happens by itself: expired packages go, idle sessions are forgotten, certificates are renewed.

use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::relay::Relay;

/// How often it is looked at. A package may outlive its time by this; it is not served any more.
const EVERY: Duration = Duration::from_secs(30);

/// Runs until the relay is dropped. Begins with what a relay before this one has left undone.
pub(crate) async fn run(relay: Arc<Relay>) {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        round(&relay).await;
    }
}

/// One round. Everything it does can be repeated.
pub(crate) async fn round(relay: &Relay) {
    let now = clock::unix_seconds();
    relay.packages.forget_idle(relay).await;
    match relay.sqlite.expired(now).await {
        Ok(expired) => {
            for package in expired {
                match relay.packages.expire(relay, package, now).await {
                    Ok(()) => {
                        tracing::debug!("a package whose time was over was deleted or prolonged")
                    }
                    Err(code) => tracing::error!(
                        code = code.as_str(),
                        "an expired package could not be deleted"
                    ),
                }
            }
        }
        Err(error) => tracing::error!(%error, "expired packages could not be looked up"),
    }
    if let Some(local) = relay
        .webtransport
        .as_ref()
        .and_then(|webtransport| webtransport.local.as_ref())
        && let Err(error) = local.renew(now)
    {
        tracing::error!(%error, "the certificate for WebTransport could not be renewed");
    }
}
