//! The relay as a process of its own, which can be killed and started again like a real one.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::binaries::relay_binary;

/// A start on a busy machine takes seconds, never this long.
const START_TIME_MAX: Duration = Duration::from_secs(30);
/// A graceful stop waits for lanes that are being drained.
const STOP_TIME_MAX: Duration = Duration::from_secs(20);

/// How a relay is started.
#[derive(Clone, Debug)]
pub struct RelayOptions {
    /// Anybody may send. Otherwise only with a grant.
    pub open_uploads: bool,
    /// `RUST_LOG`.
    pub log: String,
    /// Folder for data; a temporary one by default.
    pub data: Option<PathBuf>,
    /// More arguments of `serve`.
    pub arguments: Vec<String>,
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self {
            open_uploads: true,
            log: "info".to_owned(),
            data: None,
            arguments: Vec::new(),
        }
    }
}

/// A running relay. Ends, with its data, when dropped.
pub struct Relay {
    options: RelayOptions,
    folder: TempDir,
    child: Option<Child>,
    address: SocketAddr,
}

impl Relay {
    /// Starts one with open uploads and waits until it listens.
    pub fn start() -> Self {
        Self::with(RelayOptions::default())
    }

    /// Starts one as told and waits until it listens.
    pub fn with(options: RelayOptions) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("no temporary folder: {e}"));
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut relay = Self {
            options,
            folder,
            child: None,
            address,
        };
        relay.start_again();
        relay
    }

    /// Starts it again on the same port and data, after [`Relay::kill`] or [`Relay::stop`].
    pub fn start_again(&mut self) {
        // The port of a killed relay can be busy for a moment.
        let deadline = Instant::now() + START_TIME_MAX;
        loop {
            match self.try_start() {
                Ok(()) => return,
                Err(reason) => {
                    assert!(
                        Instant::now() < deadline,
                        "the relay did not start: {reason}\n{}",
                        self.log_end()
                    );
                    thread::sleep(Duration::from_millis(50));
                }
            }
        }
    }

    fn try_start(&mut self) -> Result<(), String> {
        let mut command = Command::new(relay_binary());
        command
            .arg("serve")
            .arg("--listen")
            .arg(self.address.to_string());
        command.arg("--data").arg(self.data());
        if self.options.open_uploads {
            command.arg("--open-uploads");
        }
        command.args(&self.options.arguments);
        command.env("RUST_LOG", &self.options.log);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(self.log_file()?);
        let mut child = command.spawn().map_err(|e| e.to_string())?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let (told, listening) = mpsc::channel();
        let mut log = self.log_file()?;
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(address) = line
                    .split("listening on ")
                    .nth(1)
                    .and_then(|url| url.split("://").nth(1))
                {
                    let _nobody_waits = told.send(address.trim().to_owned());
                }
                let _full = writeln!(log, "{line}");
            }
        });
        // A relay that ends drops the channel, so this does not wait in vain.
        match listening
            .recv_timeout(START_TIME_MAX)
            .map_err(|e| e.to_string())
            .and_then(|address| {
                address
                    .trim_end_matches('/')
                    .replace("localhost", "127.0.0.1")
                    .parse()
                    .map_err(|_| address)
            }) {
            Ok(address) => {
                self.address = address;
                self.child = Some(child);
                Ok(())
            }
            Err(reason) => {
                let _ended = child.kill();
                let _ended = child.wait();
                Err(reason)
            }
        }
    }

    /// SIGKILL: no goodbye, nothing flushed.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ended = child.kill();
            let _ended = child.wait();
        }
    }

    /// SIGTERM, then waits for a graceful end; panics when it takes too long.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let _sent = Command::new("kill")
            .arg("-TERM")
            .arg(child.id().to_string())
            .status();
        let deadline = Instant::now() + STOP_TIME_MAX;
        while child.try_wait().is_ok_and(|status| status.is_none()) {
            if Instant::now() > deadline {
                let _ended = child.kill();
                let _ended = child.wait();
                panic!("the relay did not stop on SIGTERM within {STOP_TIME_MAX:?}");
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address for clients.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Folder that holds database, docroot and secrets.
    pub fn data(&self) -> PathBuf {
        self.options
            .data
            .clone()
            .unwrap_or_else(|| self.folder.path().join("data"))
    }

    /// Files stored in the docroot that are larger than `bytes_min`, largest first.
    pub fn stored_files(&self, bytes_min: u64) -> Vec<PathBuf> {
        let mut found = Vec::new();
        files_below(&self.data().join("docroot"), &mut found);
        found.retain(|(bytes, _)| *bytes >= bytes_min);
        found.sort_by(|a, b| b.cmp(a));
        found.into_iter().map(|(_, place)| place).collect()
    }

    /// Everything that this relay has printed or logged.
    pub fn log(&self) -> String {
        std::fs::read(self.log_path())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// A send link that carries a grant, from `sealift-relay grant`.
    pub fn grant(&self, arguments: &[&str]) -> String {
        let output = Command::new(relay_binary())
            .args(["grant", "--url", &self.url(), "--data"])
            .arg(self.data())
            .args(arguments)
            .output()
            .unwrap_or_else(|e| panic!("sealift-relay grant: {e}"));
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("relay.log")
    }

    fn log_file(&self) -> Result<File, String> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_path())
            .map_err(|e| e.to_string())
    }

    fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.kill();
    }
}

fn files_below(folder: &Path, found: &mut Vec<(u64, PathBuf)>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => files_below(&entry.path(), found),
            Ok(metadata) => found.push((metadata.len(), entry.path())),
            Err(_) => {}
        }
    }
}
