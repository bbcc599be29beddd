//! Stands between a client and S3, request by request, and breaks the ones it is told to.
//!
//! One server connection for each client connection. A request's head is read whole; its body is streamed.
//! The signature covers the Host header, which is passed on as it is.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// What happens to a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The body is read, then this status with `SlowDown` or `InternalError`.
    Status(u16),
    /// 503 before the body is read.
    Early,
    /// The client's connection is cut after half of its body.
    Cut,
    /// Everything is passed on, the answer is dropped with the connection.
    LostAnswer,
    /// The body is not read and nothing is answered for so many seconds, then the connection is cut.
    Stall(u64),
    /// 200 with `<Error>` inside, instead of passing it on.
    OkWithError,
    /// 200 with `<Error>` inside, after it was carried out.
    OkWithErrorDone,
    /// The ETag of the answer is another one.
    WrongEtag,
    /// The answer shows no server-side encryption.
    NoSse,
    /// The answer shows another key.
    OtherKey,
    /// One bit of the body's middle is another one.
    Damage,
    /// 307 to another host.
    Redirect,
    /// 400 with this code.
    Code(&'static str),
}

/// Which requests.
#[derive(Clone, Debug)]
struct Rule {
    method: &'static str,
    query: &'static str,
    fault: Fault,
    left: usize,
}

/// A running proxy. Ends with the process.
#[derive(Clone)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<String>>,
}

impl Proxy {
    /// Starts one in front of a server.
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0");
        let listener = listener.unwrap_or_else(|error| panic!("no free port: {error}"));
        let address = listener.local_addr();
        let address = address.unwrap_or_else(|error| panic!("no address: {error}"));
        let shared = Arc::new(Shared {
            server,
            rules: Mutex::default(),
            seen: Mutex::default(),
        });
        let for_all = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&for_all);
                thread::spawn(move || {
                    let _cut = serve(&client, &shared);
                    let _gone = client.shutdown(Shutdown::Both);
                });
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next `count` requests with this method, whose path and query contain this text, get this fault.
    pub fn fault(&self, method: &'static str, query: &'static str, fault: Fault, count: usize) {
        let rule = Rule {
            method,
            query,
            fault,
            left: count,
        };
        locked(&self.shared.rules).push(rule);
    }

    /// Faults that were not used up, which are dropped.
    pub fn calm(&self) -> usize {
        locked(&self.shared.rules)
            .drain(..)
            .map(|rule| rule.left)
            .sum()
    }

    /// Requests so far, as `METHOD PATH?QUERY`.
    pub fn requests(&self) -> Vec<String> {
        locked(&self.shared.seen).clone()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// First line, header lines, length of the body.
struct Head {
    lines: Vec<String>,
    length: u64,
}

impl Head {
    fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let (mut lines, mut length) = (Vec::new(), 0);
        loop {
            let mut line = String::new();
            if from.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                return Ok(Some(Self { lines, length }));
            }
            if let Some(("content-length", value)) = line.to_ascii_lowercase().split_once(':') {
                length = value.trim().parse().unwrap_or(0);
            }
            lines.push(line);
        }
    }

    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(format!("{}\r\n\r\n", self.lines.join("\r\n")).as_bytes())
    }

    fn has(&self, header: &str, value: &str) -> bool {
        self.lines.iter().any(|line| {
            let line = line.to_ascii_lowercase();
            line.split_once(':')
                .is_some_and(|(name, text)| name == header && text.contains(value))
        })
    }
}

fn serve(client: &TcpStream, shared: &Shared) -> io::Result<()> {
    client.set_nodelay(true)?;
    let server = TcpStream::connect(shared.server)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut from_server) = (BufReader::new(client), BufReader::new(&server));
    let (mut to_client, mut to_server) = (client, &server);
    while let Some(request) = Head::read(&mut from_client)? {
        let line = request.lines.first().cloned().unwrap_or_default();
        let mut words = line.split(' ');
        let (method, target) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        locked(&shared.seen).push(format!("{method} {target}"));
        let fault = take(shared, method, target);
        let body = &mut (&mut from_client).take(request.length);
        match fault {
            Some(Fault::Early) => {
                answer(&mut to_client, 503, "SlowDown")?;
                return Ok(());
            }
            Some(Fault::Stall(seconds)) => {
                thread::sleep(Duration::from_secs(seconds));
                return Ok(());
            }
            Some(Fault::Status(status)) => {
                io::copy(body, &mut io::sink())?;
                let code = if status == 503 {
                    "SlowDown"
                } else {
                    "InternalError"
                };
                answer_to(method, &mut to_client, status, code)?;
                continue;
            }
            Some(Fault::Code(code)) => {
                io::copy(body, &mut io::sink())?;
                answer(&mut to_client, 400, code)?;
                continue;
            }
            Some(Fault::OkWithError) => {
                io::copy(body, &mut io::sink())?;
                answer(&mut to_client, 200, "InternalError")?;
                continue;
            }
            Some(Fault::Redirect) => {
                io::copy(body, &mut io::sink())?;
                let head = "HTTP/1.1 307 X\r\nLocation: http://127.0.0.2:9/elsewhere\r\nContent-Length: 0\r\n\r\n";
                to_client.write_all(head.as_bytes())?;
                continue;
            }
            _ => {}
        }
        request.write(&mut to_server)?;
        if fault == Some(Fault::Cut) {
            io::copy(&mut body.take(request.length / 2), &mut to_server)?;
            return server.shutdown(Shutdown::Both);
        }
        if request.has("expect", "100-continue") {
            to_client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        if fault == Some(Fault::Damage) {
            let mut byte = [0];
            io::copy(&mut (&mut *body).take(request.length / 2), &mut to_server)?;
            body.read_exact(&mut byte)?;
            to_server.write_all(&[byte[0] ^ 1])?;
        }
        io::copy(body, &mut to_server)?;
        let Some(mut reply) = real_answer(&mut from_server)? else {
            return Ok(());
        };
        match fault {
            Some(Fault::LostAnswer) => {
                io::copy(&mut (&mut from_server).take(reply.length), &mut io::sink())?;
                return Ok(());
            }
            Some(Fault::OkWithErrorDone) => {
                io::copy(&mut (&mut from_server).take(reply.length), &mut io::sink())?;
                answer(&mut to_client, 200, "InternalError")?;
                return Ok(());
            }
            Some(fault) => lie(&mut reply, fault),
            None => {}
        }
        reply.write(&mut to_client)?;
        if method == "HEAD" {
            continue;
        }
        if reply.has("transfer-encoding", "chunked") {
            chunks(&mut from_server, &mut to_client)?;
        } else {
            io::copy(&mut (&mut from_server).take(reply.length), &mut to_client)?;
        }
    }
    Ok(())
}

/// Passes a body in chunks on, to its end.
fn chunks(from: &mut impl BufRead, to: &mut impl Write) -> io::Result<()> {
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        to.write_all(line.as_bytes())?;
        let size = line.trim().split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
        // The bytes and the line end behind them.
        io::copy(&mut from.take(size + 2), to)?;
        if size == 0 {
            return Ok(());
        }
    }
}

/// The answer after any `100 Continue`.
fn real_answer(from: &mut impl BufRead) -> io::Result<Option<Head>> {
    loop {
        match Head::read(from)? {
            Some(head)
                if head
                    .lines
                    .first()
                    .is_some_and(|line| line.contains(" 100 ")) => {}
            other => return Ok(other),
        }
    }
}

fn take(shared: &Shared, method: &str, target: &str) -> Option<Fault> {
    let mut rules = locked(&shared.rules);
    let rule = rules
        .iter_mut()
        .find(|rule| rule.left > 0 && rule.method == method && target.contains(rule.query))?;
    rule.left -= 1;
    Some(rule.fault)
}

/// As [`answer`], but without a body to a HEAD.
fn answer_to(method: &str, to: &mut impl Write, status: u16, code: &str) -> io::Result<()> {
    if method == "HEAD" {
        return to
            .write_all(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").as_bytes());
    }
    answer(to, status, code)
}

fn answer(to: &mut impl Write, status: u16, code: &str) -> io::Result<()> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>made by the proxy</Message></Error>"
    );
    let length = body.len();
    to.write_all(
        format!("HTTP/1.1 {status} X\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\n\r\n{body}")
            .as_bytes(),
    )
}

/// Changes an answer's head.
fn lie(reply: &mut Head, fault: Fault) {
    const SSE: &str = "x-amz-server-side-encryption";
    let is = |line: &str, name: &str| line.to_ascii_lowercase().starts_with(name);
    match fault {
        Fault::NoSse => reply.lines.retain(|line| !is(line, SSE)),
        Fault::OtherKey => {
            for line in &mut reply.lines {
                if is(line, "x-amz-server-side-encryption-aws-kms-key-id") {
                    "x-amz-server-side-encryption-aws-kms-key-id: another-key".clone_into(line);
                }
            }
        }
        Fault::WrongEtag => {
            for line in &mut reply.lines {
                if is(line, "etag") {
                    "ETag: \"00000000000000000000000000000000\"".clone_into(line);
                }
            }
        }
        _ => {}
    }
}
