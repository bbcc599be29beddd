//! Reading a range of something committed, slice by slice.

use std::sync::Arc;

use bytes::Bytes;

use crate::{DiskDocroot, DiskFile, DocrootError, Name, disk};

/// Bytes read at once: the most a reader holds in memory.
const SLICE_BYTES: u64 = 256 << 10;

impl DiskDocroot {
    /// Opens a range of something committed for reading. What is deleted meanwhile is read to its end.
    ///
    /// # Errors
    ///
    /// [`DocrootError::Missing`] when nothing was committed under the name; [`DocrootError::OutOfRange`].
    pub async fn read(
        &self,
        name: &Name,
        offset: u64,
        length_bytes: u64,
    ) -> Result<DiskReader, DocrootError> {
        let name = name.clone();
        let here = self.disk.on_callers_thread();
        self.call(move |disk| {
            let file = disk.open(name.folder(), name.leaf(), false)?;
            match offset.checked_add(length_bytes) {
                Some(end) if end <= file.length_bytes()? => Ok(DiskReader {
                    file,
                    position: offset,
                    end,
                    here,
                }),
                _ => Err(DocrootError::OutOfRange),
            }
        })
        .await
    }
}

/// A range being read.
pub struct DiskReader {
    file: Arc<dyn DiskFile>,
    position: u64,
    end: u64,
    here: bool,
}

impl DiskReader {
    /// The next bytes, at most 256 KiB; `None` at the end of the range.
    ///
    /// # Errors
    ///
    /// [`DocrootError::Storage`], also when the file ends too early.
    pub async fn next(&mut self) -> Result<Option<Bytes>, DocrootError> {
        let length = SLICE_BYTES.min(self.end - self.position);
        if length == 0 {
            return Ok(None);
        }
        let (file, offset) = (Arc::clone(&self.file), self.position);
        let bytes = disk::run(self.here, move || {
            let mut bytes = vec![0; length as usize];
            fill(&*file, offset, &mut bytes)?;
            Ok(Bytes::from(bytes))
        })
        .await?;
        self.position += length;
        Ok(Some(bytes))
    }
}

/// Reads until `into` is full.
pub(crate) fn fill(
    file: &dyn DiskFile,
    mut offset: u64,
    mut into: &mut [u8],
) -> Result<(), DocrootError> {
    while !into.is_empty() {
        match file.read_at(offset, into) {
            Ok(0) => {
                return Err(DocrootError::Storage(
                    "the file is shorter than recorded".to_owned(),
                ));
            }
            Ok(read) => {
                offset += read as u64;
                into = into.split_at_mut(read).1;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
