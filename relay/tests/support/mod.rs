//! A real relay on a port of the system's choice, and a small client that speaks frames to it over real
//! WebSockets and real WebTransport sessions. What it sends has the form of sealed files, but no key made it.

#![allow(dead_code, unreachable_pub)] // each test program uses its own part of this

pub mod client;
pub mod sealed;

use std::path::PathBuf;

use sealift_config::{Config, Settings};
use sealift_relay::{Running, start};
use tempfile::TempDir;

/// A relay with a folder of its own.
pub struct TestRelay {
    pub dir: TempDir,
    pub running: Option<Running>,
    pub change: fn(&mut Config),
}

impl TestRelay {
    /// One that anybody may send to.
    pub async fn open() -> Self {
        Self::with(|config| config.settings.open_uploads = true).await
    }

    /// One with docroots, users and settings.
    pub async fn with(change: fn(&mut Config)) -> Self {
        let mut relay = Self {
            dir: TempDir::new().unwrap(),
            running: None,
            change,
        };
        relay.start().await;
        relay
    }

    pub async fn start(&mut self) {
        self.running = Some(start(self.config()).await.unwrap());
    }

    pub fn config(&self) -> Config {
        let mut settings = Settings::local(self.data());
        settings.free_bytes_min = 0;
        settings.drain = std::time::Duration::from_secs(2);
        let mut config = Config::from(settings);
        (self.change)(&mut config);
        config
    }

    pub fn settings(&self) -> Settings {
        self.config().settings
    }

    /// Changes the configuration of the running relay.
    pub async fn reload(&self, change: impl FnOnce(&mut Config)) {
        let mut config = self.config();
        change(&mut config);
        let reloader = self.running.as_ref().unwrap().reloader();
        reloader.reload(&config).await.unwrap();
    }

    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn address(&self) -> std::net::SocketAddr {
        self.running.as_ref().unwrap().address()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// GET, answered as status, headers and body.
    pub async fn get(&self, path: &str) -> (u16, reqwest::header::HeaderMap, Vec<u8>) {
        self.get_with(path, &[]).await
    }

    pub async fn get_with(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (u16, reqwest::header::HeaderMap, Vec<u8>) {
        self.request(reqwest::Method::GET, path, headers).await
    }

    pub async fn request(
        &self,
        method: reqwest::Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (u16, reqwest::header::HeaderMap, Vec<u8>) {
        self.request_with(method, path, headers, &[]).await
    }

    /// The same with a body.
    pub async fn request_with(
        &self,
        method: reqwest::Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, reqwest::header::HeaderMap, Vec<u8>) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut request = reqwest::Client::new().request(method, format!("{}{path}", self.url()));
        if !body.is_empty() {
            request = request.body(body.to_vec());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        (status, headers, response.bytes().await.unwrap().to_vec())
    }

    /// PUT of a keyring for whoever has the owner token; `if_match` names the one to replace.
    pub async fn rekey(
        &self,
        sealed: &sealed::Sealed,
        if_match: &str,
        keyring: Vec<u8>,
    ) -> (u16, reqwest::header::HeaderMap, Vec<u8>) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = format!("{}/api/packages/{}/keyring", self.url(), sealed.package);
        let request = reqwest::Client::new()
            .put(url)
            .header("authorization", bearer(&sealed.owner.0))
            .header("if-match", if_match)
            .body(keyring);
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        (status, headers, response.bytes().await.unwrap().to_vec())
    }

    /// Waits until a number in the records is what it should become.
    pub async fn becomes(&self, statement: &'static str, wanted: i64) {
        for _ in 0..500 {
            if self.number(statement).await == wanted {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{statement} did not become {wanted}");
    }

    /// A statement on the records of a relay that is stopped.
    pub async fn sql(&self, statement: &'static str) -> u64 {
        use sqlx::ConnectOptions as _;
        let options =
            sqlx::sqlite::SqliteConnectOptions::new().filename(self.data().join("sealift.db"));
        let mut connection = options.connect().await.unwrap();
        sqlx::query(statement)
            .execute(&mut connection)
            .await
            .unwrap()
            .rows_affected()
    }

    /// One number out of the records.
    pub async fn number(&self, statement: &'static str) -> i64 {
        use sqlx::ConnectOptions as _;
        let options =
            sqlx::sqlite::SqliteConnectOptions::new().filename(self.data().join("sealift.db"));
        let mut connection = options.connect().await.unwrap();
        sqlx::query_scalar(statement)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }
}

/// The header that carries an owner token.
pub fn bearer(token: &[u8]) -> String {
    format!("Bearer {}", data_encoding::BASE64URL_NOPAD.encode(token))
}

/// The code of a refusal.
pub fn code(body: &[u8]) -> String {
    let refusal: serde_json::Value = serde_json::from_slice(body).unwrap();
    refusal["code"].as_str().unwrap().to_owned()
}
