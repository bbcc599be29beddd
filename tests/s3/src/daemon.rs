//! A process that ends with the test that started it, however the test ends.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Starts a program; when standard input ends, kills it and removes its folder.
const SCRIPT: &str = r#"
folder=$1; shift
"$@" & daemon=$!
cat >/dev/null
kill -9 $daemon; wait $daemon
rm -rf "$folder"; sleep 0.5; rm -rf "$folder"
"#;

/// Runs a program behind a shell that ends it when this process closes its end of a pipe, or is gone.
pub(crate) struct Daemon(Child);

impl Daemon {
    pub(crate) fn start(program: &str, arguments: &[String], folder: &Path, log: &Path) -> Self {
        let file = || {
            File::options()
                .create(true)
                .append(true)
                .open(log)
                .unwrap_or_else(|error| panic!("{}: {error}", log.display()))
        };
        let child = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .args([folder, Path::new(program)])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(file())
            .stderr(file())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        Self(child)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ended = self.0.wait();
    }
}
