//! LocalStack: stores plaintext, and answers as AWS does: its error codes of KMS, strict checksums, conditions.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::ceph::free_port;
use crate::daemon::Daemon;

const REQUIREMENTS: &str = include_str!("../localstack.txt");
/// A start takes a few seconds on a quiet machine.
const START_MAX: Duration = Duration::from_secs(180);
/// The longest time that an installation may take, in seconds.
const INSTALL_MAX_S: &str = "900";
/// It takes any credentials.
const ANY: (&str, &str) = ("test", "test");

/// A running LocalStack.
pub struct Localstack {
    port: u16,
    folder: TempDir,
    _daemon: Daemon,
}

impl Localstack {
    /// The one of this process, started at the first call.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Localstack> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    fn start() -> Self {
        let python = installed();
        let folder = tempfile::Builder::new().prefix("sealift-aws-").tempdir();
        let folder = folder.unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let (port, files) = (free_port(), folder.path().display().to_string());
        let settings = [
            "SERVICES=s3,kms",
            "STRICT_SERVICE_LOADING=1",
            "EAGER_SERVICE_LOADING=1",
            "DISABLE_EVENTS=1",
            "SKIP_SSL_CERT_DOWNLOAD=1",
            "DNS_ADDRESS=0",
            "ACTIVATE_PRO=0",
            "S3_SKIP_KMS_KEY_VALIDATION=0",
            "PYTHONWARNINGS=ignore",
            // Its other server listens on every address.
            "GATEWAY_SERVER=hypercorn",
        ];
        let mut arguments: Vec<String> = settings.map(str::to_owned).to_vec();
        arguments.push(format!("GATEWAY_LISTEN=127.0.0.1:{port}"));
        arguments.push(format!("FILESYSTEM_ROOT={files}"));
        arguments.push(format!("TMPDIR={files}"));
        arguments.push(python.display().to_string());
        arguments.extend(["-m", "localstack.runtime.main"].map(str::to_owned));
        let log = folder.path().join("log");
        let localstack = Self {
            port,
            _daemon: Daemon::start("env", &arguments, folder.path(), &log),
            folder,
        };
        let began = Instant::now();
        while !localstack.is_up() {
            assert!(
                began.elapsed() < START_MAX,
                "LocalStack does not answer: {}",
                std::fs::read_to_string(localstack.folder.path().join("log")).unwrap_or_default()
            );
            thread::sleep(Duration::from_millis(200));
        }
        localstack
    }

    /// Where S3 is spoken.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Makes a bucket.
    pub fn make_bucket(&self, bucket: &str) {
        let status = crate::signed::request(self.address(), "PUT", &format!("/{bucket}"), ANY);
        assert_eq!(status, 200, "the bucket {bucket} could not be made");
    }

    /// A docroot URL over an address that may be a proxy's.
    pub fn url(&self, address: SocketAddr, bucket_and_path: &str, query: &str) -> String {
        let (id, secret) = ANY;
        format!("s3://{id}:{secret}@{address}/{bucket_and_path}?{query}")
    }

    /// Asks its KMS for something, as the AWS command line would.
    pub fn kms(&self, action: &str, body: &serde_json::Value) -> serde_json::Value {
        let head = format!(
            "X-Amz-Target: TrentService.{action}\r\nContent-Type: application/x-amz-json-1.1\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/kms/aws4_request, \
             SignedHeaders=host, Signature=0\r\n"
        );
        let answer = self.ask("POST", "/", &head, &body.to_string());
        assert!(answer.starts_with("HTTP/1.1 200"), "{action}: {answer}");
        let json = answer.find('{').zip(answer.rfind('}'));
        let json = json.and_then(|(from, to)| answer.get(from..=to));
        json.map_or(serde_json::Value::Null, |json| {
            serde_json::from_str(json).unwrap_or_else(|error| panic!("{action}: {error}: {json}"))
        })
    }

    /// Makes a key; answers with its id and its ARN.
    pub fn make_key(&self) -> (String, String) {
        let made = self.kms("CreateKey", &serde_json::json!({}));
        let field = |name: &str| {
            made["KeyMetadata"][name]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        (field("KeyId"), field("Arn"))
    }

    fn is_up(&self) -> bool {
        TcpStream::connect(self.address()).is_ok()
            && self
                .ask("GET", "/_localstack/health", "", "")
                .contains("\"s3\": \"running\"")
    }

    fn ask(&self, method: &str, path: &str, head: &str, body: &str) -> String {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address(),
            body.len()
        );
        let answer = TcpStream::connect(self.address()).and_then(|mut stream| {
            stream.write_all(request.as_bytes())?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            Ok(answer)
        });
        String::from_utf8_lossy(&answer.unwrap_or_default()).into_owned()
    }
}

/// Its Python, in a virtual environment outside the clone, made at the first run and kept.
fn installed() -> PathBuf {
    let version = output(Command::new("python3").arg("--version"));
    let wanted = Sha256::digest(format!("{version}{REQUIREMENTS}"));
    let wanted: String = wanted.iter().take(6).map(|b| format!("{b:02x}")).collect();
    let folder = cache().join(format!("localstack-{wanted}"));
    let (python, stamp) = (folder.join("bin/python"), folder.join("installed"));
    if stamp.is_file() && python.is_file() {
        return python;
    }
    let list = folder.join("localstack.txt");
    output(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder),
    );
    write(&list, REQUIREMENTS);
    output(
        Command::new("timeout")
            .arg(INSTALL_MAX_S)
            .arg(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "-r",
            ])
            .arg(&list),
    );
    write(&stamp, "");
    python
}

fn cache() -> PathBuf {
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    named.unwrap_or_else(home).join("sealift")
}

fn write(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

/// What a program prints. One that fails fails the test, with the line to be run by hand.
fn output(command: &mut Command) -> String {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "LocalStack cannot be installed; this failed: {command:?}\n{}\n(on Debian 12 it needs: apt-get install -y \
         python3 python3-venv; or set SEALIFT_TESTS=offline to leave the tests of S3 out)",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
