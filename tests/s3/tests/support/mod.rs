//! A docroot on Ceph for one test.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::net::SocketAddr;

use bytes::Bytes;
use sealift_docroot::{
    Docroot, DocrootError, DocrootSettings, DocrootUrl, Name, Receipt, Shape, Stored,
    SystemDefaults,
};
use sealift_s3::{Ceph, Proxy};

pub(crate) const KMS: &str =
    "server-side-encryption=AWS_KMS&server-side-encryption-aws-kms-key-id=vk-1";
pub(crate) const PART: u64 = 5 << 20;

pub(crate) struct Place {
    pub(crate) ceph: &'static Ceph,
    pub(crate) proxy: Proxy,
    pub(crate) settings: DocrootSettings,
    pub(crate) docroot: Docroot,
    pub(crate) bucket: String,
}

impl Place {
    /// A bucket of its own, encrypted with `vk-1`, behind a proxy that does nothing yet.
    pub(crate) async fn kms(test: &str) -> Option<Self> {
        Self::with(test, KMS).await
    }

    /// The same on a Ceph that no other test uses.
    pub(crate) async fn own(test: &str) -> Option<Self> {
        if sealift_s3::offline(test) {
            return None;
        }
        let ceph = tokio::task::spawn_blocking(|| Box::leak(Box::new(Ceph::start(512))))
            .await
            .unwrap();
        Some(Self::on(ceph, test, KMS).await)
    }

    pub(crate) async fn with(test: &str, query: &str) -> Option<Self> {
        if sealift_s3::offline(test) {
            return None;
        }
        let ceph = tokio::task::spawn_blocking(Ceph::shared).await.unwrap();
        Some(Self::on(ceph, test, query).await)
    }

    async fn on(ceph: &'static Ceph, test: &str, query: &str) -> Self {
        let bucket = format!("bucket-{test}");
        ceph.make_bucket(&bucket);
        let proxy = Proxy::to(ceph.address());
        let settings = settings(ceph, proxy.address(), &format!("{bucket}/some/path"), query);
        let docroot = Docroot::open(&settings, 0).await.unwrap();
        Self {
            ceph,
            proxy,
            settings,
            docroot,
            bucket,
        }
    }
}

pub(crate) fn settings(
    ceph: &Ceph,
    address: SocketAddr,
    place: &str,
    query: &str,
) -> DocrootSettings {
    let url = ceph.url(address, place, query);
    DocrootUrl::parse(&url, &SystemDefaults::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// Text that repeats, so that encryption shows.
pub(crate) fn content(length: u64) -> Vec<u8> {
    let line = b"All work and no play makes Jack a dull boy. ";
    line.iter().copied().cycle().take(length as usize).collect()
}

pub(crate) fn shape(length: u64) -> Shape {
    Shape {
        length_bytes: length,
        part_bytes: PART,
    }
}

/// Sends one part in slices.
pub(crate) async fn send_part(
    upload: &sealift_docroot::Upload,
    number: u32,
    bytes: &[u8],
) -> Result<Receipt, DocrootError> {
    let mut part = upload.part(number)?;
    let (offset, length) = shape(bytes.len() as u64).part(number).unwrap();
    let bytes = &bytes[offset as usize..(offset + length) as usize];
    for slice in bytes.chunks(100_000) {
        if let Err(error) = part.write(vec![Bytes::copy_from_slice(slice)]).await {
            part.stop().await;
            return Err(error);
        }
    }
    Ok(part.durable().await?.unwrap())
}

/// Sends everything, each part again until it is stored, and commits.
pub(crate) async fn upload(
    docroot: &Docroot,
    name: &Name,
    bytes: &[u8],
) -> Result<Stored, DocrootError> {
    let shape = shape(bytes.len() as u64);
    let upload = docroot.upload(name, shape, None).await?;
    let mut receipts = Vec::new();
    for number in (0..).take_while(|number| shape.part(*number).is_some()) {
        receipts.push(send_part(&upload, number, bytes).await?);
    }
    docroot
        .commit(name, shape, upload.state().as_deref(), &receipts)
        .await
}

pub(crate) async fn read_all(docroot: &Docroot, name: &Name, offset: u64, length: u64) -> Vec<u8> {
    let mut reader = docroot.read(name, offset, length).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(more) = reader.next().await.unwrap() {
        bytes.extend_from_slice(&more);
    }
    bytes
}
