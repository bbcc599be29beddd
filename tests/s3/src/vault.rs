//! A stand-in for Vault's transit engine, as much as Ceph needs: every object gets a data key of its own, wrapped
//! under a named key, as with AWS KMS. Keys whose name begins with `vk-` exist. Loopback, tests only.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

/// How the service answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Mode {
    /// As it should.
    Works,
    /// 403: no permission.
    Denies,
    /// 404: there is no such key.
    Loses,
    /// Cuts the connection.
    Cuts,
    /// 500.
    Fails,
    /// As it should, after three seconds.
    Slow,
}

/// The service. Ends with the process.
pub struct Vault {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    mode: AtomicU8,
    calls: AtomicUsize,
}

impl Vault {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0");
        let listener = listener.unwrap_or_else(|error| panic!("no free port: {error}"));
        let address = listener.local_addr();
        let address = address.unwrap_or_else(|error| panic!("no address: {error}"));
        let shared = Arc::new(Shared::default());
        let for_all = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&for_all);
                thread::spawn(move || serve(&stream, &shared));
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it answers so.
    pub fn set(&self, mode: Mode) {
        self.shared.mode.store(mode as u8, Ordering::SeqCst);
    }

    /// How often it was asked.
    pub fn calls(&self) -> usize {
        self.shared.calls.load(Ordering::SeqCst)
    }
}

fn serve(stream: &TcpStream, shared: &Shared) {
    let mut reader = BufReader::new(stream);
    while let Some((path, body)) = request(&mut reader) {
        shared.calls.fetch_add(1, Ordering::SeqCst);
        let is = |mode: Mode| shared.mode.load(Ordering::SeqCst) == mode as u8;
        if is(Mode::Cuts) {
            return;
        }
        if is(Mode::Slow) {
            thread::sleep(Duration::from_secs(3));
        }
        let (status, answer) = if is(Mode::Denies) {
            (
                403,
                json!({"errors": ["1 error occurred:\n\t* permission denied\n\n"]}),
            )
        } else if is(Mode::Fails) {
            (500, json!({"errors": ["internal error"]}))
        } else if is(Mode::Loses) {
            (404, json!({"errors": ["encryption key not found"]}))
        } else {
            transit(&path, &body)
        };
        let text = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            text.len()
        );
        let mut out = stream;
        if out.write_all((head + &text).as_bytes()).is_err() {
            return;
        }
    }
}

fn request(reader: &mut BufReader<&TcpStream>) -> Option<(String, Vec<u8>)> {
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(("content-length", value)) = line.to_ascii_lowercase().split_once(':') {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((first.split(' ').nth(1)?.to_owned(), body))
}

fn transit(path: &str, body: &[u8]) -> (u16, Value) {
    let gone = (404, json!({"errors": ["encryption key not found"]}));
    let Some((operation, key)) = path
        .rsplit_once('/')
        .filter(|(_, key)| key.starts_with("vk-"))
    else {
        return gone;
    };
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let context = body["context"].as_str().unwrap_or_default();
    if operation.ends_with("datakey/plaintext") {
        let (mut plain, mut nonce) = ([0u8; 32], [0u8; 16]);
        if getrandom::fill(&mut plain).is_err() || getrandom::fill(&mut nonce).is_err() {
            return (500, json!({"errors": []}));
        }
        let sealed: Vec<u8> = plain
            .iter()
            .zip(mac(key, "pad", &nonce))
            .map(|(a, b)| a ^ b)
            .collect();
        let tag = mac(key, context, &[&nonce[..], &sealed].concat());
        let wrapped = [&nonce[..], &tag[..16], &sealed].concat();
        let wrapped = format!("vault:v1:{}", Base64::encode_string(&wrapped));
        return (
            200,
            json!({"data": {"plaintext": Base64::encode_string(&plain), "ciphertext": wrapped}}),
        );
    }
    if !operation.ends_with("/decrypt") {
        return gone;
    }
    let wrapped = body["ciphertext"].as_str().unwrap_or_default();
    let wrapped = wrapped.rsplit(':').next().unwrap_or_default();
    let wrapped = Base64::decode_vec(wrapped).unwrap_or_default();
    let (Some(nonce), Some(tag), Some(sealed)) =
        (wrapped.get(..16), wrapped.get(16..32), wrapped.get(32..))
    else {
        return (400, json!({"errors": ["no ciphertext"]}));
    };
    if mac(key, context, &[nonce, sealed].concat())[..16] != *tag {
        return (
            400,
            json!({"errors": ["cipher: message authentication failed"]}),
        );
    }
    let plain: Vec<u8> = sealed
        .iter()
        .zip(mac(key, "pad", nonce))
        .map(|(a, b)| a ^ b)
        .collect();
    (
        200,
        json!({"data": {"plaintext": Base64::encode_string(&plain)}}),
    )
}

fn mac(key: &str, context: &str, bytes: &[u8]) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(b"sealift test vault") else {
        return [0; 32];
    };
    for part in [key.as_bytes(), b"|", context.as_bytes(), b"|", bytes] {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
