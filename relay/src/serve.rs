//! Starting and stopping a relay.

use std::fs::File;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::fs::FlockOperation;
use rustls::server::ResolvesServerCert;
use sealift_config::{Config, Live};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::budget::Budget;
use crate::certificates::{self, FromFiles, Local};
use crate::docroots::Docroots;
use crate::grants::Grants;
use crate::hosts::Hosts;
use crate::packages::Packages;
use crate::records::Sqlite;
use crate::relay::{Relay, Webtransport};
use crate::reload::Reloaded;
use crate::store::Storage;
use crate::{cleanup, clock, connections, enforce, exporter, reload, routes, webtransport};

/// How often a draining relay looks whether everything is done.
const DRAIN_CHECK: Duration = Duration::from_millis(50);

/// How long a stop waits for the last lanes and connections to let go.
const RELEASE: Duration = Duration::from_secs(5);
const RELEASE_CHECK: Duration = Duration::from_millis(5);

/// A running relay. Dropping it does not stop it; [`Running::stop`] does.
pub struct Running {
    relay: Arc<Relay>,
    address: std::net::SocketAddr,
    metrics_address: Option<std::net::SocketAddr>,
    endpoint: Option<quinn::Endpoint>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    /// What runs by itself until it is stopped.
    background: Vec<JoinHandle<()>>,
}

/// Opens everything, ends what a crash left half done, and serves.
///
/// # Errors
///
/// With a sentence that says what to do.
pub async fn start(config: impl Into<Config>) -> anyhow::Result<Running> {
    let config = config.into();
    config.check()?;
    let settings = config.settings.clone();
    let data = &settings.data;
    for folder in [
        data.clone(),
        data.join("secrets"),
        data.join("certificates"),
    ] {
        private_folder(&folder)?;
    }
    let lock = lock(data)?;
    let sqlite = Arc::new(Sqlite::open(&data.join("sealift.db")).await?);
    let docroots = Box::pin(Docroots::open(&config, &sqlite)).await?;
    let grants =
        Grants::open(&data.join("secrets")).context("the key for grants cannot be used")?;
    let storage = Arc::new(Storage {
        docroots,
        records: Arc::clone(&sqlite) as _,
        config: Live::new(config),
        metrics: Arc::default(),
        trunks: Default::default(),
    });
    let committing = sqlite.committing().await?;
    storage.recover(committing).await;

    let files = match (&settings.tls_cert, &settings.tls_key) {
        (Some(certificate), Some(key)) => {
            let key = certificates::from_files(certificate, key)?;
            Some(Arc::new(FromFiles::new(key)))
        }
        _ => None,
    };
    let listener = TcpListener::bind(settings.listen).await.with_context(|| {
        format!(
            "{} cannot be listened on; is another relay running?",
            settings.listen
        )
    })?;
    let address = listener.local_addr()?;
    let exporter = match settings.metrics_listen {
        Some(address) => Some(exporter::listen(address).await?),
        None => None,
    };
    let metrics_address = match &exporter {
        Some(listener) => Some(listener.local_addr()?),
        None => None,
    };
    let local = match (&files, settings.webtransport) {
        (None, true) => Some(Arc::new(Local::open(
            &data.join("certificates"),
            clock::unix_seconds(),
        )?)),
        _ => None,
    };
    let resolver: Option<Arc<dyn ResolvesServerCert>> = match (&files, &local) {
        (Some(files), _) => Some(Arc::clone(files) as _),
        (None, Some(local)) => Some(Arc::clone(local) as _),
        (None, None) => None,
    };
    let endpoint = match resolver.clone().filter(|_| settings.webtransport) {
        Some(resolver) => Some(webtransport::bind(address, resolver, &settings)?),
        None => None,
    };
    let tls = files
        .is_some()
        .then_some(resolver)
        .flatten()
        .map(acceptor)
        .transpose()?;
    let port = settings.webtransport_public_port.unwrap_or(address.port());
    let relay = Arc::new(Relay {
        _lock: lock,
        hosts: Hosts::new(
            address.port(),
            settings.public_url.as_deref(),
            &settings.hosts,
            settings.tls_cert.is_some() || settings.tls_at_proxy,
        ),
        budget: Budget::new(
            settings.lane_memory_bytes,
            settings.lanes_max,
            settings.lanes_per_address_max,
        ),
        webtransport: endpoint.is_some().then_some(Webtransport { port, local }),
        packages: Packages::default(),
        draining: AtomicBool::new(false),
        started: Instant::now(),
        config: storage.config.clone(),
        storage,
        sqlite,
        grants,
        settings,
        certificate: files,
    });
    let (stop, stopped) = watch::channel(false);
    let mut tasks = vec![tokio::spawn(connections::serve(
        listener,
        tls,
        routes::app(Arc::clone(&relay)),
        connections::Limits::of(&relay.settings),
        stopped.clone(),
    ))];
    if let Some(listener) = exporter {
        tasks.push(tokio::spawn(connections::serve(
            listener,
            None,
            exporter::app(Arc::clone(&relay)),
            connections::Limits::of(&relay.settings),
            stopped,
        )));
    }
    if let Some(endpoint) = endpoint.clone() {
        tasks.push(tokio::spawn(webtransport::serve(
            Arc::clone(&relay),
            endpoint,
        )));
    }
    let background = vec![
        tokio::spawn(cleanup::run(Arc::clone(&relay))),
        tokio::spawn(enforce::run(Arc::clone(&relay))),
    ];
    Ok(Running {
        relay,
        address,
        metrics_address,
        endpoint,
        stop,
        tasks,
        background,
    })
}

impl Running {
    /// Where it listens: TCP for pages, API and WebSocket, UDP for WebTransport.
    pub fn address(&self) -> std::net::SocketAddr {
        self.address
    }

    /// Where metrics are served, if on an address of their own.
    pub fn metrics_address(&self) -> Option<std::net::SocketAddr> {
        self.metrics_address
    }

    /// Where it listens, as a URL.
    pub fn url(&self) -> String {
        let scheme = if self.relay.settings.tls_cert.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.address)
    }

    /// What reloads it while it runs.
    pub fn reloader(&self) -> Reloader {
        Reloader(Arc::downgrade(&self.relay))
    }

    /// Stops: tells every client, lets parts under way become durable for a bounded time, then closes
    /// everything. What was acknowledged is durable already; what is cut off is sent again later.
    pub async fn stop(self) {
        self.relay.draining.store(true, Ordering::Relaxed);
        self.relay.packages.drain().await;
        let _ = tokio::time::timeout(self.relay.settings.drain, async {
            while !self.relay.packages.all_quiet().await {
                tokio::time::sleep(DRAIN_CHECK).await;
            }
        })
        .await;
        // A disk that does not answer must not keep the relay from stopping.
        let _ = tokio::time::timeout(self.relay.settings.drain, self.relay.packages.shut()).await;
        let _ = self.stop.send(true);
        if let Some(endpoint) = &self.endpoint {
            endpoint.close(0u32.into(), b"stopping");
            let _ = tokio::time::timeout(DRAIN_CHECK * 10, endpoint.wait_idle()).await;
        }
        for task in self.tasks {
            let _ = task.await;
        }
        for task in self.background {
            task.abort();
            let _ = task.await;
        }
        // The docroot's lock goes with its last user; another relay may start at once after this.
        let _ = tokio::time::timeout(RELEASE, async {
            while Arc::strong_count(&self.relay) > 1 || Arc::strong_count(&self.relay.storage) > 1 {
                tokio::time::sleep(RELEASE_CHECK).await;
            }
        })
        .await;
    }
}

/// Reloads a running relay. It does not keep the relay from stopping.
#[derive(Clone)]
pub struct Reloader(Weak<Relay>);

impl Reloader {
    /// Applies a configuration that was loaded and checked.
    ///
    /// # Errors
    ///
    /// When something that it names cannot be used; then the old one holds as it was.
    pub async fn reload(&self, config: &Config) -> anyhow::Result<Reloaded> {
        let relay = self.0.upgrade().context("the relay is stopping")?;
        let config = config.clone();
        // On its own task: an answer that is cut off does not leave it half done.
        tokio::spawn(async move { reload::apply(&relay, &config).await })
            .await
            .context("the reload failed; this is a mistake in the program")?
    }
}

fn acceptor(resolver: Arc<dyn ResolvesServerCert>) -> anyhow::Result<TlsAcceptor> {
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(certificates::provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(tls)))
}

/// The records belong to one relay at a time, also when no docroot is a folder with a lock of its own.
fn lock(data: &Path) -> anyhow::Result<File> {
    let path = data.join("sealift.lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("{} cannot be made", path.display()))?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)
        .with_context(|| format!("another relay runs on the data in {}", data.display()))?;
    Ok(file)
}

/// A folder that only the relay's user may enter.
fn private_folder(path: &Path) -> anyhow::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("{} cannot be made", path.display()))
}
