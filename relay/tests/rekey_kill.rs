//! A relay that is killed while a keyring is being replaced: after every start the package has a keyring that was
//! sent, whole, never an older one than was acknowledged (K2).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test stops at the first surprise

mod support;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sealift_docroot::simulated::Random;
use sealift_protocol::message::sha256;
use support::client::{Client, send_package};
use support::sealed::Sealed;
use support::{TestRelay, bearer};

const KILLS: u32 = 15;

/// The real program on a data folder; killed when dropped.
struct Program {
    child: Child,
    url: String,
}

impl Program {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sealift-relay"))
            .args(["serve", "--listen", "127.0.0.1:0", "--free-bytes-min", "0"])
            .arg("--data")
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let url = line
            .trim()
            .strip_prefix("listening on ")
            .expect("it starts");
        Self {
            child,
            url: url.to_owned(),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tag(keyring: &[u8]) -> String {
    let generation = u64::from_be_bytes(keyring[32..40].try_into().unwrap());
    let hash = data_encoding::HEXLOWER.encode(&sha256(keyring).0);
    format!("\"{generation}-{hash}\"")
}

#[tokio::test(flavor = "multi_thread")]
async fn k2_a_relay_killed_at_any_moment_has_the_old_keyring_or_the_new_one() {
    let mut relay = TestRelay::open().await;
    let mut sealed = Sealed::new(1);
    let mut client = Client::welcome(&relay, &sealed).await;
    send_package(&mut client, &mut sealed, 8192).await;
    relay.stop().await;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (http, mut random) = (reqwest::Client::new(), Random(7));
    let owner = bearer(&sealed.owner.0);
    let mut replaced = 0;
    for kill in 0..KILLS {
        let program = Program::start(&relay.data());
        let url = format!("{}/api/packages/{}/keyring", program.url, sealed.package);
        let stored = http.get(&url).send().await.unwrap();
        let etag = stored.headers()["etag"].to_str().unwrap().to_owned();
        let stored = stored.bytes().await.unwrap().to_vec();
        assert_eq!(
            etag,
            tag(&stored),
            "whole, and what the records say: kill {kill}"
        );
        // Acknowledged or not before the kill, it is what was sent last or the one before.
        if stored != sealed.keyring {
            assert_eq!(stored[40..72], sha256(&sealed.keyring).0, "kill {kill}");
            sealed.keyring = stored;
        }
        let moment = tokio::time::sleep(Duration::from_micros(random.below(40_000)));
        tokio::pin!(moment);
        loop {
            let next = sealed.next_keyring();
            let put = http
                .put(&url)
                .header("authorization", &owner)
                .header("if-match", tag(&sealed.keyring))
                .body(next.clone())
                .send();
            tokio::select! {
                answer = put => {
                    assert_eq!(answer.unwrap().status(), 200);
                    sealed.keyring = next;
                    replaced += 1;
                }
                () = &mut moment => break,
            }
        }
        drop(program);
    }
    assert!(replaced > KILLS / 3, "only {replaced} were acknowledged");
    // Everything else is as it was, and the one before is still there for undo.
    relay.start().await;
    let generation = u64::from_be_bytes(sealed.keyring[32..40].try_into().unwrap());
    let before = format!(
        "/api/packages/{}/keyring?generation={}",
        sealed.package,
        generation - 1
    );
    let (status, ..) = relay.get_with(&before, &[("authorization", &owner)]).await;
    assert_eq!(status, 200);
    let whole = format!("/api/packages/{}/package.sealift", sealed.package);
    assert_eq!(relay.get(&whole).await.0, 200);
}
