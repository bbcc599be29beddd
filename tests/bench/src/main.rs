//! A bare axum server, the least that can take and give bytes: what sealing, resuming and
//! durability of the relay are compared with.
//!
//! `PUT /drop` reads a body and drops it; `PUT /file` writes it to a file, without asking the disk
//! to keep it; `PUT /synced` answers when the disk has it, as the relay does; `GET /file` gives that
//! file; `GET /` is an empty page. Run by `cargo xtask bench`.

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, put};
use futures_util::StreamExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;

#[tokio::main]
async fn main() -> Result<()> {
    let file = std::env::args_os()
        .nth(1)
        .context("usage: bare-server FILE")?;
    let routes = Router::new()
        .route(
            "/",
            get(|| async { Html("<!doctype html><title>bench</title>") }),
        )
        .route("/drop", put(drop_body))
        .route("/file", put(write_file).get(give_file))
        .route("/synced", put(write_file_and_sync))
        .layer(DefaultBodyLimit::disable())
        .with_state(Arc::new(PathBuf::from(file)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, routes).await?;
    Ok(())
}

async fn drop_body(request: Request) -> StatusCode {
    let mut body = request.into_body().into_data_stream();
    while let Some(Ok(_)) = body.next().await {}
    StatusCode::OK
}

async fn write_file(
    State(path): State<Arc<PathBuf>>,
    request: Request,
) -> Result<StatusCode, StatusCode> {
    write(&path, request).await?;
    Ok(StatusCode::OK)
}

/// The file and its name in the folder are on the disk before the answer.
async fn write_file_and_sync(
    State(path): State<Arc<PathBuf>>,
    request: Request,
) -> Result<StatusCode, StatusCode> {
    let lost = |_| StatusCode::INTERNAL_SERVER_ERROR;
    write(&path, request)
        .await?
        .sync_all()
        .await
        .map_err(lost)?;
    let folder = path.parent().ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
    let folder = File::open(folder).await.map_err(lost)?;
    folder.sync_all().await.map_err(lost)?;
    Ok(StatusCode::OK)
}

async fn write(path: &Path, request: Request) -> Result<File, StatusCode> {
    let lost = |_| StatusCode::INTERNAL_SERVER_ERROR;
    let mut file = File::create(path).await.map_err(lost)?;
    let mut body = request.into_body().into_data_stream();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|_| StatusCode::BAD_REQUEST)?;
        file.write_all(&piece).await.map_err(lost)?;
    }
    file.flush().await.map_err(lost)?;
    Ok(file)
}

async fn give_file(State(path): State<Arc<PathBuf>>) -> Response {
    match File::open(&*path).await {
        Ok(file) => Body::from_stream(ReaderStream::with_capacity(file, 1 << 18)).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}
