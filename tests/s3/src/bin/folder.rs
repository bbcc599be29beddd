//! Writes a file into a folder docroot as the relay does, for `cargo xtask bench s3`: `folder FILE FOLDER PARTS_AT_ONCE`.
//! Every part is durable before the next one in its place begins. Prints the seconds it took.

#![allow(clippy::panic)]

use std::error::Error;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use sealift_docroot::{Docroot, Name, Shape, Upload};

const PART_BYTES: u64 = 8 << 20;
/// What the relay hands over at once: a segment.
const SLICE_BYTES: u64 = 512 << 10;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, file, folder, at_once] = arguments.as_slice() else {
        return Err("folder FILE FOLDER PARTS_AT_ONCE".into());
    };
    let file = Arc::new(File::open(file)?);
    let docroot = Docroot::open_folder(Path::new(folder), 0)?;
    let (name, length_bytes) = (Name::new("bench", "body")?, file.metadata()?.len());
    let shape = Shape {
        length_bytes,
        part_bytes: PART_BYTES,
    };
    let began = Instant::now();
    let upload = docroot.upload(&name, shape, None).await?;
    let next = Arc::new(AtomicU32::new(0));
    let lanes: Vec<_> = (0..at_once.parse()?)
        .map(|_| {
            tokio::spawn(lane(
                upload.clone(),
                shape,
                Arc::clone(&file),
                Arc::clone(&next),
            ))
        })
        .collect();
    for lane in lanes {
        lane.await??;
    }
    docroot.commit(&name, shape, None, &[]).await?;
    println!("{}", began.elapsed().as_secs_f64());
    Ok(docroot.delete(&name).await?)
}

async fn lane(upload: Upload, shape: Shape, file: Arc<File>, next: Arc<AtomicU32>) -> Result<()> {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some((offset, length)) = shape.part(number) else {
            return Ok(());
        };
        let mut part = upload.part(number)?;
        let (mut position, end) = (offset, offset + length);
        while position < end {
            let slice = read(&file, position, SLICE_BYTES.min(end - position))?;
            position += slice.len() as u64;
            part.write(vec![slice]).await?;
        }
        part.durable().await?;
    }
}

fn read(file: &File, offset: u64, length: u64) -> Result<Bytes> {
    let mut bytes = BytesMut::zeroed(usize::try_from(length)?);
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes.freeze())
}
