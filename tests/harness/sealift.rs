//! The command line, run as a person or a script would.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::binaries::{sealift_binary, state_folder};

/// One call of `sealift`, with `--json` unless said otherwise.
pub struct Sealift {
    command: Command,
    stdin: Option<Vec<u8>>,
    held: bool,
}

impl Sealift {
    /// `sealift SUBCOMMAND --json --no-progress`, in an environment without Sealift's variables.
    pub fn new(subcommand: &str) -> Self {
        let mut sealift = Self::plain(subcommand);
        sealift.command.args(["--json", "--no-progress"]);
        sealift
    }

    /// `sealift SUBCOMMAND`, as for a person.
    pub fn plain(subcommand: &str) -> Self {
        let mut command = Command::new(sealift_binary());
        command.arg(subcommand);
        for variable in [
            "SEALIFT_PASSWORD",
            "SEALIFT_NEW_PASSWORD",
            "ASPERA_SCP_FILEPASS",
            "SEALIFT_LINK",
            "SEALIFT_GRANT",
        ] {
            command.env_remove(variable);
        }
        // What it remembers of packages is not for the home of whoever runs the tests.
        command.env("XDG_STATE_HOME", state_folder());
        Self {
            command,
            stdin: None,
            held: false,
        }
    }

    /// More arguments.
    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, arguments: I) -> Self {
        self.command.args(arguments);
        self
    }

    /// One more argument.
    pub fn arg(self, argument: impl AsRef<OsStr>) -> Self {
        self.args([argument])
    }

    /// The password, by environment.
    pub fn password(self, password: &str) -> Self {
        self.env("SEALIFT_PASSWORD", password)
    }

    /// The password that takes the present one's place, by environment.
    pub fn new_password(self, password: &str) -> Self {
        self.arg("--new-password")
            .env("SEALIFT_NEW_PASSWORD", password)
    }

    /// The link, by environment.
    pub fn link(self, link: &str) -> Self {
        self.env("SEALIFT_LINK", link)
    }

    /// One variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Working folder.
    pub fn inside(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// What it reads from standard input.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// What it reads from a pipe that then says nothing more, and does not end either.
    pub fn held_stdin(self, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            held: true,
            ..self.stdin(bytes)
        }
    }

    /// The call itself, for what a test does with its pipes.
    pub fn command(self) -> Command {
        self.command
    }

    /// Runs it to its end.
    pub fn run(self) -> Outcome {
        self.start().wait()
    }

    /// Runs it and fails the test unless it succeeds.
    #[track_caller]
    pub fn succeeds(self) -> Outcome {
        let outcome = self.run();
        assert_eq!(outcome.exit_code, 0, "{outcome:?}");
        outcome
    }

    /// Runs it and fails the test unless it ends with this exit code.
    #[track_caller]
    pub fn fails_with(self, exit_code: i32) -> Outcome {
        let outcome = self.run();
        assert_eq!(outcome.exit_code, exit_code, "{outcome:?}");
        outcome
    }

    /// Starts it and lets it run.
    pub fn start(mut self) -> Running {
        self.command.stdin(if self.stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self
            .command
            .spawn()
            .unwrap_or_else(|e| panic!("could not start sealift: {e}"));
        let (held, kept) = std::sync::mpsc::channel::<()>();
        if let (Some(bytes), Some(mut stdin)) = (self.stdin, child.stdin.take()) {
            let hold = self.held;
            std::thread::spawn(move || {
                // A command that needs no more input closes it early.
                let _closed = stdin.write_all(&bytes);
                if hold {
                    let _ended = kept.recv();
                }
            });
        }
        let stdout = child.stdout.take().map(Collected::from);
        Running {
            child,
            stdout,
            _held: held,
        }
    }
}

/// A `sealift` that is running.
pub struct Running {
    child: Child,
    stdout: Option<Collected>,
    /// Ends what is held of its standard input.
    _held: std::sync::mpsc::Sender<()>,
}

/// Standard output, read as it comes.
struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl From<ChildStdout> for Collected {
    fn from(mut stdout: ChildStdout) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            let mut piece = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = stdout.read(&mut piece) {
                locked(&shared).extend_from_slice(&piece[..count]);
            }
        });
        Self { bytes, reader }
    }
}

fn locked(bytes: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Running {
    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }

    /// Waits until it has printed `text`; false when it ended or a minute passed before.
    pub fn prints(&mut self, text: &str) -> bool {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let running = self.is_running();
            let printed = self.stdout.as_ref().is_some_and(|stdout| {
                locked(&stdout.bytes)
                    .windows(text.len())
                    .any(|window| window == text.as_bytes())
            });
            if printed || !running || Instant::now() > deadline {
                return printed;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends a signal such as `INT`.
    pub fn signal(&self, name: &str) {
        let _sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.pid().to_string())
            .status();
    }

    /// Waits for its end.
    pub fn wait(self) -> Outcome {
        let output = self
            .child
            .wait_with_output()
            .unwrap_or_else(|e| panic!("sealift: {e}"));
        let stdout = self.stdout.map_or(Vec::new(), |stdout| {
            let _panicked = stdout.reader.join();
            std::mem::take(&mut *locked(&stdout.bytes))
        });
        Outcome {
            exit_code: output.status.code().unwrap_or(-1),
            stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// How a call ended.
pub struct Outcome {
    /// Exit code; -1 when killed by a signal.
    pub exit_code: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

impl Outcome {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The JSON objects of one kind, in order.
    pub fn events(&self, event: &str) -> Vec<Value> {
        self.text()
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|object| object["event"] == event)
            .collect()
    }

    /// A text field of the last object of one kind; the test fails without it.
    #[track_caller]
    pub fn field(&self, event: &str, name: &str) -> String {
        let events = self.events(event);
        let text = events
            .last()
            .and_then(|object| object[name].as_str())
            .map(str::to_owned);
        text.unwrap_or_else(|| panic!("no {event}.{name} in {self:?}"))
    }

    /// The code word of the error, or nothing.
    pub fn error_code(&self) -> String {
        let errors = self.events("error");
        errors
            .last()
            .and_then(|error| error["code"].as_str())
            .unwrap_or_default()
            .to_owned()
    }
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.text();
        let end = text.len().saturating_sub(2000);
        let end = (end..text.len())
            .find(|i| text.is_char_boundary(*i))
            .unwrap_or(text.len());
        write!(
            f,
            "exit code {}\nstdout: {}\nstderr: {}",
            self.exit_code,
            &text[end..],
            self.stderr
        )
    }
}
