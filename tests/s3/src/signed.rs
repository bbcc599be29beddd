//! One signed S3 request without a body (AWS Signature Version 4), for what the tests must do besides the relay.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Sends it; answers with the status, 0 when there was no answer.
pub(crate) fn request(
    server: SocketAddr,
    method: &str,
    path: &str,
    credentials: (&str, &str),
) -> u16 {
    let (id, secret) = credentials;
    let Some(now) = utc() else { return 0 };
    let (day, empty) = (now.get(..8).unwrap_or_default(), hex(&Sha256::digest(b"")));
    let headers = format!("host:{server}\nx-amz-content-sha256:{empty}\nx-amz-date:{now}\n");
    let names = "host;x-amz-content-sha256;x-amz-date";
    let canonical = format!("{method}\n{path}\n\n{headers}\n{names}\n{empty}");
    let scope = format!("{day}/us-east-1/s3/aws4_request");
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{now}\n{scope}\n{}",
        hex(&Sha256::digest(canonical))
    );
    let key = ["us-east-1", "s3", "aws4_request"]
        .iter()
        .fold(mac(format!("AWS4{secret}").as_bytes(), day), |key, word| {
            mac(&key, word)
        });
    let signature = hex(&mac(&key, &to_sign));
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {server}\r\nx-amz-content-sha256: {empty}\r\nx-amz-date: {now}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let answer = TcpStream::connect(server).and_then(|mut stream| {
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    });
    let answer = answer.unwrap_or_default();
    answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0)
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `20260131T235959Z`, from the system's own calendar.
fn utc() -> Option<String> {
    let output = Command::new("date")
        .args(["-u", "+%Y%m%dT%H%M%SZ"])
        .output()
        .ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
