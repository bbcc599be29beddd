//! The relay on S3, from outside: its own process, the command line, a Ceph that encrypts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use sealift_docroot::{Docroot, DocrootUrl, Name, Shape, SystemDefaults};
use sealift_s3::{Ceph, Fault, Proxy, offline};
use sealift_tests::{
    Link, Outcome, Random, Relay, RelayOptions, Sealift, relay_binary, sha256_of, write_random,
};
use tempfile::TempDir;

const PASSWORD: &str = "kestrel ember walnut 2041 drizzle";
const KMS: &str = "server-side-encryption=AWS_KMS&server-side-encryption-aws-kms-key-id=vk-1";

/// A relay whose docroot is a bucket of its own, behind a proxy.
struct Stage {
    ceph: &'static Ceph,
    proxy: Proxy,
    bucket: String,
    dir: TempDir,
}

impl Stage {
    fn new(test: &str) -> Option<Self> {
        if offline(test) {
            return None;
        }
        let (ceph, bucket) = (Ceph::shared(), format!("relay-{test}"));
        ceph.make_bucket(&bucket);
        let proxy = Proxy::to(ceph.address());
        let dir = tempfile::tempdir().unwrap();
        Some(Self {
            ceph,
            proxy,
            bucket,
            dir,
        })
    }

    /// The configuration, with credentials, which are refused on a command line.
    fn config(&self, address: SocketAddr) -> PathBuf {
        let url = self
            .ceph
            .url(address, &format!("{}/sealift", self.bucket), KMS);
        let file = self.dir.path().join("sealift.toml");
        std::fs::write(&file, format!("[docroots.default]\nurl = \"{url}\"\n")).unwrap();
        file
    }

    fn relay(&self) -> Relay {
        let config = self.config(self.proxy.address());
        Relay::with(RelayOptions {
            arguments: vec!["--config".into(), config.to_string_lossy().into_owned()],
            ..RelayOptions::default()
        })
    }

    fn file(&self, name: &str, bytes: u64) -> PathBuf {
        write_random(self.dir.path().join(name), bytes, bytes)
    }

    /// Keys of the objects of packages.
    fn objects(&self) -> Vec<String> {
        let mut objects = self.ceph.objects(&self.bucket);
        objects.retain(|name| name.starts_with("sealift/") && !name.contains("sealift-docroot/"));
        objects
    }

    /// Does something with the docroot, beside the relay.
    fn beside<T>(&self, work: impl AsyncFnOnce(Docroot) -> T) -> T {
        let place = format!("{}/sealift", self.bucket);
        let url = self.ceph.url(self.ceph.address(), &place, KMS);
        let settings = DocrootUrl::parse(&url, &SystemDefaults::default());
        let settings = settings.unwrap_or_else(|error| panic!("{error}"));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async { work(Docroot::open(&settings, 0).await.unwrap()).await })
    }

    /// Multipart uploads that nobody has ended.
    fn unfinished(&self) -> usize {
        self.beside(async |docroot| docroot.unfinished().await.unwrap().len())
    }

    /// Ends them all, as a lifecycle rule does.
    fn forget_uploads(&self) {
        self.beside(async |docroot| {
            for upload in docroot.unfinished().await.unwrap() {
                docroot.end_unfinished(&upload).await.unwrap();
            }
        });
    }
}

fn sending(relay: &str, file: &Path) -> Sealift {
    Sealift::new("send")
        .args(["--to", relay])
        .arg(file)
        .password(PASSWORD)
}

fn received(sent: &Outcome, folder: &Path) -> Outcome {
    let link = sent.field("sent", "receive_link");
    Sealift::new("receive")
        .link(&link)
        .password(PASSWORD)
        .arg("-o")
        .arg(folder)
        .succeeds()
}

#[test]
fn a_package_lies_encrypted_in_s3_and_comes_back() {
    let Some(stage) = Stage::new("exchange") else {
        return;
    };
    let relay = stage.relay();
    // One file of several parts, and one of one.
    for (name, bytes) in [("large.bin", 30_000_000), ("small.txt", 1000)] {
        let file = stage.file(name, bytes);
        let sent = sending(&relay.url(), &file).succeeds();
        let got = stage.dir.path().join(format!("got-{name}"));
        received(&sent, &got);
        assert_eq!(sha256_of(&got.join(name)), sha256_of(&file));
        let manage = sent.field("sent", "manage_link");
        assert!(!manage.is_empty());
    }
    let bodies: Vec<_> = stage
        .objects()
        .into_iter()
        .filter(|name| name.ends_with(".body"))
        .collect();
    assert!(bodies.len() >= 4, "{bodies:?}");
    assert_eq!(stage.unfinished(), 0);
    // Not a byte of ours lies on the device as it lies in S3: the keyring begins with its magic there.
    let device = stage.ceph.device_bytes("keyring");
    assert!(!device.is_empty() && device.iter().all(|bytes| !bytes.starts_with(b"SEALIFT")));
    // What the relay has verified of them.
    let log = relay.log();
    assert!(
        !log.contains("test-secret") && !log.contains("ERROR"),
        "{log}"
    );
}

#[test]
fn docroot_check_prints_a_table_and_a_relay_does_not_start_on_what_fails() {
    let Some(stage) = Stage::new("check") else {
        return;
    };
    let check = |more: &[&str]| {
        Command::new(relay_binary())
            .args(["docroot", "check", "--config"])
            .arg(stage.config(stage.proxy.address()))
            .args(more)
            .output()
            .unwrap()
    };
    let good = check(&[]);
    let text = String::from_utf8_lossy(&good.stdout).into_owned();
    assert!(
        good.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&good.stderr)
    );
    for word in [
        "docroot default",
        "aws:kms, key vk-1",
        "round trip",
        "resume",
        "abort",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(!text.contains("test-secret"));
    stage
        .proxy
        .fault("DELETE", "uploadId=", Fault::Code("AccessDenied"), 1);
    let bad = check(&["default", "--json"]);
    assert!(!bad.status.success());
    let text = String::from_utf8_lossy(&bad.stdout).into_owned();
    assert!(text.contains("\"s3:AbortMultipartUpload\""), "{text}");
    // The relay itself.
    stage
        .proxy
        .fault("PUT", "", Fault::Code("KMS.DisabledException"), 100);
    let data = stage.dir.path().join("data");
    let serve = Command::new(relay_binary())
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(&data)
        .arg("--config")
        .arg(stage.config(stage.proxy.address()))
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&serve.stderr).into_owned();
    assert!(
        !serve.status.success() && error.contains("kms_key_disabled"),
        "{error}"
    );
    assert!(!error.contains("test-secret"), "{error}");
}

#[test]
fn a_key_that_is_switched_off_says_so_and_the_upload_goes_on_when_it_is_back() {
    let Some(stage) = Stage::new("disabled") else {
        return;
    };
    let relay = stage.relay();
    let file = stage.file("a.bin", 20_000_000);
    stage.proxy.fault(
        "PUT",
        "partNumber=2",
        Fault::Code("KMS.DisabledException"),
        1,
    );
    let outcome = sending(&relay.url(), &file).run();
    assert_ne!(outcome.exit_code, 0);
    assert!(
        format!("{outcome:?}").contains("kms_key_disabled"),
        "{outcome:?}"
    );
}

#[test]
fn every_fault_on_the_way_to_s3_is_mended_without_anybody_noticing() {
    let Some(stage) = Stage::new("mended") else {
        return;
    };
    let relay = stage.relay();
    let file = stage.file("a.bin", 20_000_000);
    for (index, (method, query, fault)) in [
        ("PUT", "partNumber=2", Fault::Status(503)),
        ("PUT", "partNumber=1", Fault::Cut),
        ("PUT", "partNumber=2", Fault::WrongEtag),
        ("PUT", ".body", Fault::LostAnswer),
        ("POST", "uploadId=", Fault::OkWithErrorDone),
        ("POST", "uploadId=", Fault::LostAnswer),
        ("POST", "?uploads", Fault::Status(500)),
    ]
    .into_iter()
    .enumerate()
    {
        stage.proxy.fault(method, query, fault, 1);
        let sent = sending(&relay.url(), &file).succeeds();
        assert_eq!(stage.proxy.calm(), 0, "{fault:?} did not happen");
        let got = stage.dir.path().join(format!("got-{index}"));
        received(&sent, &got);
        assert_eq!(sha256_of(&got.join("a.bin")), sha256_of(&file), "{fault:?}");
        std::fs::remove_dir_all(&got).unwrap();
    }
    assert_eq!(stage.unfinished(), 0);
}

#[test]
fn an_upload_that_the_storage_forgot_begins_anew() {
    let Some(stage) = Stage::new("forgotten") else {
        return;
    };
    let relay = stage.relay();
    let file = stage.file("a.bin", 60_000_000);
    let link = Link::to(relay.address());
    link.throttle(8_000_000);
    let running = sending(&link.url(), &file).start();
    let began = Instant::now();
    while recorded(&relay.data()).len() < 2 {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "no part is durable"
        );
        thread::sleep(Duration::from_millis(50));
    }
    stage.forget_uploads();
    link.throttle(0);
    let outcome = running.wait();
    assert_eq!(outcome.exit_code, 0, "{outcome:?}\n{}", relay.log());
    assert!(relay.log().contains("the storage forgot an upload"));
    assert_eq!(stage.unfinished(), 0);
    let got = stage.dir.path().join("got");
    received(&outcome, &got);
    assert_eq!(sha256_of(&got.join("a.bin")), sha256_of(&file));
}

#[test]
fn a_relay_with_older_records_ends_and_deletes_nothing_that_it_does_not_know() {
    let Some(stage) = Stage::new("older") else {
        return;
    };
    let mut relay = stage.relay();
    relay.kill();
    // What a newer database would know: an upload under way, and a package.
    let (going, stored) = ("A".repeat(22), format!("{}w", "B".repeat(21)));
    let body = Name::new(&going, format!("{}.body", "0f".repeat(32))).unwrap();
    let keyring = Name::new(&stored, "keyring").unwrap();
    let shape = Shape {
        length_bytes: 20 << 20,
        part_bytes: 8 << 20,
    };
    stage.beside(async |docroot| {
        docroot.upload(&body, shape, None).await.unwrap();
        docroot.put(&keyring, "theirs".into()).await.unwrap();
    });
    relay.start_again();
    let began = Instant::now();
    while strays(&relay.data()) != 1 {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "the folder was not found"
        );
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(stage.unfinished(), 1);
    let kept = stage.beside(async |docroot| docroot.get(&keyring, 100).await.unwrap());
    assert_eq!(kept, "theirs");
}

#[test]
fn readers_that_stand_still_take_no_memory_and_read_on_later() {
    const READERS: usize = 10;
    const BYTES: u64 = 60_000_000;
    let Some(stage) = Stage::new("readers") else {
        return;
    };
    let relay = stage.relay();
    sending(&relay.url(), &stage.file("a.bin", BYTES)).succeeds();
    let objects = stage.objects();
    let mut bodies = objects.iter().filter_map(|key| key.strip_suffix(".body"));
    let get = |body: &str| {
        let (package, file) = body
            .strip_prefix("sealift/")
            .unwrap()
            .split_once('/')
            .unwrap();
        let mut stream = TcpStream::connect(relay.address()).unwrap();
        let path = format!("/api/packages/{package}/files/{file}");
        let host = relay.address();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let (mut stream, mut length) = (BufReader::with_capacity(1024, stream), 0);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            if let Some(("content-length", value)) = line.to_ascii_lowercase().split_once(':') {
                length = value.trim().parse::<u64>().unwrap();
            }
            if line.trim().is_empty() {
                return (stream, length);
            }
        }
    };
    let large = bodies
        .find(|body| get(body).1 >= BYTES)
        .expect("the file's body");
    let before = resident_kib(relay.pid());
    let mut readers: Vec<_> = (0..READERS).map(|_| get(large)).collect();
    thread::sleep(Duration::from_secs(4));
    let grown = resident_kib(relay.pid()).saturating_sub(before);
    // All of it would be 600 MB.
    assert!(
        grown < 64 << 10,
        "{grown} KiB for {READERS} readers that stand still"
    );
    for (stream, length) in readers.drain(..2) {
        let read = std::io::copy(&mut { stream }, &mut std::io::sink()).unwrap();
        assert_eq!(read, length);
    }
}

/// Memory of a process.
fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap()
}

const KILLS: u32 = 50;
const KILLED_BYTES: u64 = 1 << 30;

#[test]
fn s2_fifty_kills_send_no_durable_part_again_and_leave_no_upload() {
    let Some(stage) = Stage::new("kills") else {
        return;
    };
    let mut relay = stage.relay();
    let file = stage.file("a.bin", KILLED_BYTES);
    let link = Link::to(relay.address());
    link.throttle(8_000_000);
    let mut running = sending(&link.url(), &file).start();
    let mut random = Random::new(50);
    // At which request each part was known to be durable.
    let mut durable: HashSet<String> = HashSet::new();
    let mut sent_again = Vec::new();
    let mut seen = 0;
    for kill in 0..KILLS {
        thread::sleep(Duration::from_millis(500 + random.below(1500)));
        assert!(
            running.is_running(),
            "ended before kill {kill}: {:?}",
            running.wait()
        );
        relay.kill();
        // What went out under this relay, against what was durable before it began.
        let requests = stage.proxy.requests();
        sent_again.extend(again(&requests[seen..], &durable));
        seen = requests.len();
        durable = recorded(&relay.data());
        relay.start_again();
    }
    link.throttle(0);
    let outcome = running.wait();
    assert_eq!(outcome.exit_code, 0, "{outcome:?}\n{}", relay.log());
    sent_again.extend(again(&stage.proxy.requests()[seen..], &durable));
    assert!(
        sent_again.is_empty(),
        "durable parts were sent again: {sent_again:?}"
    );
    assert_eq!(stage.unfinished(), 0);
    let got = stage.dir.path().join("got");
    received(&outcome, &got);
    assert_eq!(sha256_of(&got.join("a.bin")), sha256_of(&file));
}

/// Parts that are recorded as durable, as `UPLOAD_ID PART`.
fn recorded(data: &Path) -> HashSet<String> {
    const SQL: &str = "select storage, part from parts join files on id = file and files.package = parts.package \
        where durable = 1 and storage is not null";
    let script = format!("for s,p in db.execute('{SQL}'): print(s.split(' ')[-1],p+1)");
    records(data, &script).lines().map(str::to_owned).collect()
}

/// Folders that no record knows of and that were found.
fn strays(data: &Path) -> u32 {
    let count = records(
        data,
        "print(db.execute('select count(*) from strays').fetchone()[0])",
    );
    count.trim().parse().unwrap()
}

/// What a line of Python prints about a relay's records.
fn records(data: &Path, line: &str) -> String {
    let output = Command::new("python3")
        .arg("-c")
        .arg(format!(
            "import sqlite3,sys\ndb=sqlite3.connect(sys.argv[1])\n{line}"
        ))
        .arg(data.join("sealift.db"))
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn again(requests: &[String], durable: &HashSet<String>) -> Vec<String> {
    let part = |request: &String| {
        let query = request.strip_prefix("PUT ")?.split_once('?')?.1;
        let field = |name: &str| {
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix(name))
                .map(decoded)
        };
        Some(format!("{} {}", field("uploadId=")?, field("partNumber=")?))
    };
    requests
        .iter()
        .filter_map(part)
        .filter(|part| durable.contains(part))
        .collect()
}

fn decoded(text: &str) -> String {
    text.replace("%7E", "~")
        .replace("%7e", "~")
        .replace("%2F", "/")
        .replace("%2B", "+")
        .replace("%3D", "=")
}
