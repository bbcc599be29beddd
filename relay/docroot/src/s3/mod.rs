//! S3 docroots.
//!
//! What they promise:
//! - **Nothing is in memory or on a disk here** but one piece for each part under way: a part is one streamed
//!   `UploadPart` of known length (a body of one part is one `PutObject`).
//! - **Durable means answered**: 200, with an ETag, with the encryption that was asked for.
//! - **A commit happens once**, from recorded ETags that ListParts has shown again (S3), without replacing; its
//!   doubtful ends are settled by HEAD and a random token in the object's metadata (S5).
//! - **Encryption is verified**: every answer that can show it, and a HEAD before anything becomes visible.
//!
//! | file | what |
//! |---|---|
//! | `client` | the library, set up |
//! | `cause`, `answer` | why it did not work |
//! | `asked`, `sse` | server-side encryption: asked for and found |
//! | `objects`, `lists` | small objects; lists and deletion |
//! | `way`, `body`, `upload` | parts on their way |
//! | `commit` | the end of an upload |
//! | `abandoned` | uploads that nobody goes on with |
//! | `read` | ranges |
//! | `probe`, `habits` | what `docroot check` tries, and what servers differ in |

mod abandoned;
mod answer;
mod asked;
mod body;
mod cause;
mod client;
mod commit;
mod habits;
mod lists;
mod objects;
mod probe;
mod read;
mod sse;
mod upload;
mod way;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::OnceCell;
use tokio::time::timeout;

pub use abandoned::Abandoned;
pub use cause::{Cause, S3Error};
pub(crate) use read::S3Reader;
pub use sse::Sse;
pub(crate) use upload::{S3PartWriter, S3Upload};

use crate::{DocrootError, Encryption, Name, S3Settings};
use asked::Asked;
use client::Clients;

/// An S3 docroot. Cheap to clone.
#[derive(Clone)]
pub(crate) struct S3(Arc<Inner>);

struct Inner {
    settings: S3Settings,
    clients: Clients,
    /// The key that a probe was encrypted with, for settings that name none or an alias.
    learned_key: OnceCell<Option<String>>,
    /// Whether ETags of parts were seen to be the MD5 of their bytes; then they are compared.
    etag_is_md5: AtomicBool,
    /// ETags of objects, by their keys, that an attempt stored without being recorded: the next one replaces just these.
    left_over: Mutex<HashMap<String, String>>,
}

/// Objects left over that are remembered. What is forgotten is found again.
const LEFT_OVER_MAX: usize = 1024;

impl S3 {
    /// Prepares the client. Nothing is sent yet.
    pub(crate) async fn open(settings: S3Settings) -> Result<Self, DocrootError> {
        let clients = Clients::new(&settings).await?;
        Ok(Self(Arc::new(Inner {
            settings,
            clients,
            learned_key: OnceCell::new(),
            etag_is_md5: AtomicBool::new(false),
            left_over: Mutex::default(),
        })))
    }

    fn settings(&self) -> &S3Settings {
        &self.0.settings
    }

    fn small(&self) -> &aws_sdk_s3::Client {
        &self.0.clients.small
    }

    fn bulk(&self) -> &aws_sdk_s3::Client {
        &self.0.clients.bulk
    }

    fn bucket(&self) -> &str {
        &self.0.settings.bucket
    }

    fn etag_is_md5(&self) -> bool {
        self.0.etag_is_md5.load(Ordering::Relaxed)
    }

    /// What an attempt left under a key, as the next one must name it.
    fn left_over(&self, key: &str) -> Option<String> {
        let left_over = &self.0.left_over;
        let left_over = left_over.lock().unwrap_or_else(PoisonError::into_inner);
        left_over.get(key).cloned()
    }

    fn remember_left_over(&self, key: &str, etag: Option<String>) {
        let left_over = &self.0.left_over;
        let mut left_over = left_over.lock().unwrap_or_else(PoisonError::into_inner);
        match etag {
            None => {
                left_over.remove(key);
            }
            Some(etag) => {
                if left_over.len() >= LEFT_OVER_MAX {
                    left_over.clear();
                }
                left_over.insert(key.to_owned(), etag);
            }
        }
    }

    /// Where a name lies in the bucket.
    fn key(&self, name: &Name) -> String {
        format!("{}{}/{}", self.prefix(), name.folder(), name.leaf())
    }

    /// What all keys of the docroot begin with: the path and a slash, or nothing.
    pub(crate) fn prefix(&self) -> String {
        match self.settings().path.as_str() {
            "" => String::new(),
            path => format!("{path}/"),
        }
    }

    /// The key to compare answers with, where the settings do not name it exactly. Learned once, by a probe.
    async fn learned_key(&self) -> Result<Option<&str>, DocrootError> {
        let encryption = &self.settings().encryption;
        let exact = match encryption {
            Encryption::None | Encryption::Aes256 => true,
            _ => encryption.key().is_some_and(|key| key.is("").is_some()),
        };
        if exact {
            return Ok(None);
        }
        let learn = || async { Ok::<_, DocrootError>(probe::learn_key(self).boxed().await?) };
        Ok(self.0.learned_key.get_or_try_init(learn).await?.as_deref())
    }

    /// The key that was learned, if one was.
    fn learned(&self) -> Option<&str> {
        self.0.learned_key.get().and_then(Option::as_deref)
    }

    /// The encryption that is asked for from now on, with the key as answers name it.
    async fn asked_now(&self) -> Result<Asked, DocrootError> {
        let learned = self.learned_key().await?;
        Ok(Asked::now(&self.settings().encryption, learned))
    }

    /// The same with what has been learned so far.
    fn asked(&self) -> Asked {
        Asked::now(&self.settings().encryption, self.learned())
    }
}

/// 16 random bytes in hexadecimal: whose object it is.
fn token() -> Result<String, DocrootError> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| DocrootError::Storage(error.to_string()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The name of the token in an object's metadata.
const TOKEN: &str = "sealift-token";

/// A request that must end within a time.
async fn within<T>(
    time: Duration,
    operation: &'static str,
    work: impl Future<Output = T>,
) -> Result<T, S3Error> {
    timeout(time, work)
        .await
        .map_err(|_| S3Error::new(Cause::Stalled, operation, "no answer in time"))
}
