//! The smallest Ceph that serves S3 with SSE-KMS: one monitor, one store in memory, one gateway.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::daemon::Daemon;
use crate::vault::Vault;

/// What has to be installed.
const PACKAGES: &str = "ceph-mon ceph-osd radosgw ceph-common";
/// A start takes two seconds on a quiet machine, never this long.
const START_MAX: Duration = Duration::from_secs(120);

/// Access id of the one user; its secret is [`SECRET`].
pub const ACCESS_ID: &str = "SEALIFTTESTACCESSKEY";
/// See [`ACCESS_ID`].
pub const SECRET: &str = "sealift-test-secret/key+0000000000000000";

/// A running Ceph.
pub struct Ceph {
    folder: TempDir,
    port: u16,
    vault: Vault,
    _daemons: Vec<Daemon>,
}

impl Ceph {
    /// The one of this process, started at the first call; its keys are those of [`Self::vault`].
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Ceph> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(2048))
    }

    /// Starts one with a store of so many MiB of memory.
    pub fn start(store_mib: u64) -> Self {
        check_installed();
        let folder = tempfile::Builder::new().prefix("sealift-ceph-").tempdir();
        let folder = folder.unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let vault = Vault::start();
        let mut ceph = Self {
            port: free_port(),
            folder,
            vault,
            _daemons: Vec::new(),
        };
        let began = Instant::now();
        ceph.run(store_mib);
        while TcpStream::connect(ceph.address()).is_err() {
            assert!(
                began.elapsed() < START_MAX,
                "radosgw does not listen; {}",
                ceph.logs()
            );
            thread::sleep(Duration::from_millis(50));
        }
        ceph.admin(&[
            "user",
            "create",
            "--uid=sealift",
            "--display-name=sealift",
            &format!("--access-key={ACCESS_ID}"),
            &format!("--secret-key={SECRET}"),
        ]);
        ceph
    }

    /// Where S3 is spoken.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The key management service.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Makes a bucket.
    pub fn make_bucket(&self, bucket: &str) {
        let status = crate::signed::request(
            self.address(),
            "PUT",
            &format!("/{bucket}"),
            (ACCESS_ID, SECRET),
        );
        assert!(
            status == 200,
            "the bucket {bucket} could not be made: status {status}"
        );
    }

    /// A docroot URL: `s3://ID:SECRET@ADDRESS/BUCKET/PATH?QUERY`, over an address that may be a proxy's.
    pub fn url(&self, address: SocketAddr, bucket_and_path: &str, query: &str) -> String {
        let secret: String = SECRET.bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("s3://{ACCESS_ID}:{secret}@{address}/{bucket_and_path}?{query}")
    }

    /// Keys and lengths of all objects of a bucket, and keys of its unfinished uploads.
    pub fn objects(&self, bucket: &str) -> Vec<String> {
        let listed = self.admin(&[
            "bucket",
            "list",
            &format!("--bucket={bucket}"),
            "--max-entries=100000",
        ]);
        let listed: serde_json::Value = serde_json::from_slice(&listed).unwrap_or_default();
        let entries = listed.as_array().cloned().unwrap_or_default();
        entries
            .iter()
            .filter_map(|entry| Some(entry.get("name")?.as_str()?.to_owned()))
            .collect()
    }

    /// The bytes of every stored object of the gateway's data pool whose name contains a text: what really lies
    /// on the storage device.
    pub fn device_bytes(&self, name_part: &str) -> Vec<Vec<u8>> {
        let pool = "default.rgw.buckets.data";
        let list = self.rados(&["-p", pool, "ls"]);
        let names = String::from_utf8_lossy(&list).into_owned();
        let file = self.folder.path().join("device");
        let text = file.to_string_lossy().into_owned();
        names
            .lines()
            .filter(|name| name.contains(name_part))
            .map(|name| {
                self.rados(&["-p", pool, "get", name, &text]);
                std::fs::read(&file).unwrap_or_default()
            })
            .collect()
    }

    /// Frees what was deleted: Ceph does so only when told.
    pub fn collect_garbage(&self) {
        self.admin(&["gc", "process", "--include-all"]);
    }

    fn rados(&self, arguments: &[&str]) -> Vec<u8> {
        self.command("rados", &[], arguments)
    }

    fn admin(&self, arguments: &[&str]) -> Vec<u8> {
        self.command(
            "radosgw-admin",
            &["-n", "client.rgw", "--no-mon-config"],
            arguments,
        )
    }

    fn command(&self, program: &str, more: &[&str], arguments: &[&str]) -> Vec<u8> {
        let output = Command::new(program)
            .arg("-c")
            .arg(self.conf())
            .args(more)
            .args(arguments)
            .output()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {}\n{}",
            String::from_utf8_lossy(&output.stderr),
            self.logs()
        );
        output.stdout
    }

    /// Its configuration, for its own tools.
    pub fn conf(&self) -> PathBuf {
        self.folder.path().join("ceph.conf")
    }

    fn run(&mut self, store_mib: u64) {
        let at = |name: &str| self.folder.path().join(name);
        for name in ["mon", "osd", "rgw", "run", "log"] {
            make(&at(name));
        }
        let (cluster, store) = (uuid(), uuid());
        let mon_port = free_port();
        write(&at("vault.token"), "test-token");
        restrict(&at("vault.token"));
        write(&at("rgw/keyring"), "");
        let conf = include_str!("ceph.conf")
            .replace("{FOLDER}", &self.folder.path().to_string_lossy())
            .replace("{CLUSTER}", &cluster)
            .replace("{MON_PORT}", &mon_port.to_string())
            .replace("{S3_PORT}", &self.port.to_string())
            .replace("{VAULT}", &self.vault.address().to_string())
            .replace("{STORE_BYTES}", &(store_mib << 20).to_string());
        write(&self.conf(), &conf);
        let monmap = at("monmap").to_string_lossy().into_owned();
        let mon = format!("[v2:127.0.0.1:{mon_port}]");
        let made = Command::new("monmaptool")
            .args([
                "--create",
                "--clobber",
                "--fsid",
                &cluster,
                "--addv",
                "a",
                &mon,
                &monmap,
            ])
            .output();
        assert!(
            made.is_ok_and(|output| output.status.success()),
            "monmaptool failed"
        );
        self.command(
            "ceph-mon",
            &["-i", "a", "--no-mon-config"],
            &["--mkfs", "--monmap", &monmap],
        );
        self.daemon("ceph-mon", &["-i", "a", "-f"]);
        self.command(
            "ceph",
            &["--connect-timeout", "60"],
            &["osd", "new", &store],
        );
        self.command("ceph-osd", &["-i", "0"], &["--mkfs", "--osd-uuid", &store]);
        self.daemon("ceph-osd", &["-i", "0", "-f"]);
        self.daemon("radosgw", &["-n", "client.rgw", "--no-mon-config", "-f"]);
    }

    fn daemon(&mut self, program: &str, arguments: &[&str]) {
        let conf = self.conf().to_string_lossy().into_owned();
        let mut all = vec!["-c".to_owned(), conf];
        all.extend(arguments.iter().map(|&argument| argument.to_owned()));
        let log = self
            .folder
            .path()
            .join("log")
            .join(format!("{program}.out"));
        self._daemons
            .push(Daemon::start(program, &all, self.folder.path(), &log));
    }

    fn logs(&self) -> String {
        let entries = std::fs::read_dir(self.folder.path().join("log"));
        let mut text = String::new();
        for entry in entries.into_iter().flatten().flatten() {
            let log = std::fs::read(entry.path()).unwrap_or_default();
            let log = String::from_utf8_lossy(&log).into_owned();
            let lines: Vec<_> = log.lines().collect();
            let end = lines[lines.len().saturating_sub(5)..].join("\n");
            text += &format!("--- {}\n{end}\n", entry.file_name().to_string_lossy());
        }
        text
    }
}

fn check_installed() {
    for program in [
        "ceph-mon",
        "ceph-osd",
        "radosgw",
        "monmaptool",
        "ceph",
        "radosgw-admin",
        "rados",
    ] {
        let found = Command::new(program).arg("--version").output();
        assert!(
            found.is_ok_and(|output| output.status.success()),
            "{program} is not installed; on Debian 12: apt-get install -y --no-install-recommends {PACKAGES} \
             (or set SEALIFT_TESTS=offline to leave the tests of S3 out)"
        );
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.map_or_else(
        |error| panic!("no free port: {error}"),
        |address| address.port(),
    )
}

fn uuid() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/uuid");
    text.unwrap_or_else(|error| panic!("no uuid: {error}"))
        .trim()
        .to_owned()
}

fn make(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
}

fn write(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

/// The gateway takes a token only from a file that others cannot read.
fn restrict(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let only_owner = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(file, only_owner)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}
