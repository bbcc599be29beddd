//! A server on loopback that answers every request as it is told: S3 with one error, a metadata service, STS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A running server. Ends with the process.
#[derive(Clone)]
pub struct Stub {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

/// What is answered.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Stub {
    /// Starts one. The function gets a request's line, headers and body as one text.
    pub fn answering(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0");
        let listener = listener.unwrap_or_else(|error| panic!("no free port: {error}"));
        let address = listener.local_addr();
        let address = address.unwrap_or_else(|error| panic!("no address: {error}"));
        let (seen, answer) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(answer));
        let stub = Self {
            address,
            seen: Arc::clone(&seen),
        };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                thread::spawn(move || serve(&stream, &seen, &*answer));
            }
        });
        stub
    }

    /// An S3 server that answers everything with one error.
    pub fn refusing(status: u16, code: &'static str, message: &'static str) -> Self {
        Self::answering(move |_| Answer {
            status,
            body: format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests so far, each as one text.
    pub fn seen(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }
}

fn serve(stream: &TcpStream, seen: &Mutex<Vec<String>>, answer: &dyn Fn(&str) -> Answer) {
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    while let Some(request) = request(&mut reader) {
        let Answer { status, body } = answer(&request);
        let body = if request.starts_with("HEAD ") {
            String::new()
        } else {
            body
        };
        seen.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(request);
        let text = format!(
            "HTTP/1.1 {status} X\r\nx-aws-ec2-metadata-token-ttl-seconds: 21600\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if writer.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

fn request(reader: &mut BufReader<&TcpStream>) -> Option<String> {
    let (mut text, mut length) = (String::new(), 0);
    loop {
        let from = text.len();
        reader.read_line(&mut text).ok().filter(|read| *read > 0)?;
        let line = text.get(from..)?.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(("content-length", value)) = line.split_once(':') {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    text.push_str(&String::from_utf8_lossy(&body));
    Some(text)
}
