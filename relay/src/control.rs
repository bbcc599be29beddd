//! Reloading a running relay: by SIGHUP, or over a Unix socket in the data folder (mode 0600) that says what came of
//! it. There is no port for this, which a web page could reach.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use sealift_config::{ConfigError, ConfigErrors, Origin, Sources};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use crate::reload::{self, Reloaded};
use crate::serve::Reloader;

/// The one thing that can be asked for.
const RELOAD: &[u8] = b"reload\n";
/// How long the other end may take.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// Longest answer: thousands of changed entries.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// What came of a reload.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Answer {
    /// What holds from now on.
    pub applied: Vec<String>,
    /// What needs a restart.
    pub restart: Vec<String>,
    /// Docroots that could not be checked and are used as before.
    #[serde(default)]
    pub unchecked: Vec<String>,
    /// What is wrong; then nothing was applied and the old configuration holds.
    pub errors: Vec<String>,
}

/// Where the socket of a data folder is.
fn socket(data: &Path) -> PathBuf {
    data.join("control.sock")
}

/// Listens for both. From the moment that it is made, no request for a reload is lost.
pub struct Control {
    hangup: Signal,
    listener: Option<UnixListener>,
}

impl Control {
    /// Starts to listen on the data folder of a relay that runs.
    ///
    /// # Errors
    ///
    /// When the signal cannot be had. Without the socket there is a warning, and SIGHUP alone.
    pub fn open(data: &Path) -> io::Result<Self> {
        let path = socket(data);
        let listener = listen(&path).inspect_err(|error| {
            let path = path.display();
            tracing::warn!(%error, %path, "this socket cannot be listened on; only SIGHUP reloads");
        });
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            listener: listener.ok(),
        })
    }

    /// Reloads when asked, for as long as it is polled.
    pub async fn run(mut self, reloader: Reloader, sources: Sources) {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => {
                    reload(&reloader, &sources).await;
                }
                connection = accept(self.listener.as_ref()) => match connection {
                    Ok(stream) => {
                        let answered = timeout(ANSWER_MAX, answer(stream, &reloader, &sources));
                        if answered.await.is_err() {
                            tracing::debug!("a request for a reload was cut off");
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the control socket failed; SIGHUP still reloads");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                },
            }
        }
    }
}

/// The next connection; none ever without a socket.
async fn accept(listener: Option<&UnixListener>) -> io::Result<UnixStream> {
    match listener {
        Some(listener) => Ok(listener.accept().await?.0),
        None => std::future::pending().await,
    }
}

/// The data folder is locked by its relay, so a socket that is there was left by one that is gone.
fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // The folder admits the relay's user alone, so nobody is quicker than the change of mode.
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn answer(mut stream: UnixStream, reloader: &Reloader, sources: &Sources) -> io::Result<()> {
    let mut asked = [0; RELOAD.len()];
    stream.read_exact(&mut asked).await?;
    let answer = if asked == RELOAD {
        reload(reloader, sources).await
    } else {
        Answer {
            errors: vec!["only `reload` can be asked for".to_owned()],
            ..Answer::default()
        }
    };
    stream.write_all(&serde_json::to_vec(&answer)?).await?;
    stream.shutdown().await
}

/// Reads everything again and applies it, or says why not and leaves what holds.
async fn reload(reloader: &Reloader, sources: &Sources) -> Answer {
    match reload_or(reloader, sources).await {
        Ok(Reloaded { changes, unchecked }) => {
            tracing::info!(
                applied = changes.applied.len(),
                restart = changes.restart.len(),
                "the configuration was reloaded"
            );
            for key in &changes.restart {
                tracing::warn!(
                    key,
                    "this change needs a restart; the old value holds until then"
                );
            }
            for docroot in &unchecked {
                tracing::warn!("{docroot}");
            }
            Answer {
                applied: changes.applied,
                restart: changes.restart,
                unchecked,
                errors: Vec::new(),
            }
        }
        Err(errors) => {
            let errors: Vec<String> = errors.0.iter().map(ToString::to_string).collect();
            for error in &errors {
                tracing::error!(error, "the new configuration is wrong; the old one holds");
            }
            Answer {
                errors,
                ..Answer::default()
            }
        }
    }
}

async fn reload_or(reloader: &Reloader, sources: &Sources) -> Result<Reloaded, ConfigErrors> {
    let loaded = sources.load()?;
    reload::check(&loaded)?;
    let other = |error: anyhow::Error| ConfigError::new(Origin::Default, format!("{error:#}"));
    Ok(reloader.reload(&loaded.config).await.map_err(other)?)
}

/// Asks the relay that runs on a data folder to reload.
///
/// # Errors
///
/// When none does, or it does not answer.
pub async fn ask(data: &Path) -> anyhow::Result<Answer> {
    let path = socket(data);
    let mut stream = UnixStream::connect(&path).await.with_context(|| {
        format!(
            "no relay answers at {}; does one run on this data folder (--data), under your user?",
            path.display()
        )
    })?;
    stream.write_all(RELOAD).await?;
    let mut bytes = Vec::new();
    timeout(
        ANSWER_MAX,
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes),
    )
    .await
    .context("the relay does not answer; its log may say why")??;
    if bytes.is_empty() {
        bail!("the relay closed the connection; its log may say why");
    }
    Ok(serde_json::from_slice(&bytes)?)
}
