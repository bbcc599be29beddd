//! Uploads in S3 that nobody goes on with, and files whose encryption could not be verified at their commit.
//!
//! A relay that was killed between the storage's answer and its own record leaves an upload that no list of objects
//! shows and that costs room for ever. At the start nobody else can be at work in these docroots, so that
//! everything unknown is ended; later only what is older than an hour, which no request under way is.

use std::time::Duration;

use sealift_docroot::Docroot;
use sealift_protocol::{FileId, PackageId};

use crate::records::{Change, File, Records as _};
use crate::relay::Relay;
use crate::{clock, names};

/// How old an unknown upload must be while the relay runs.
pub(crate) const AGE_MIN: Duration = Duration::from_secs(60 * 60);

/// Ends unknown uploads that are at least so old.
pub(crate) async fn uploads(relay: &Relay, age_min: Duration) {
    for (name, docroot) in relay.storage.docroots.all() {
        match end_unknown(relay, &docroot, age_min).await {
            Ok(0) => {}
            Ok(ended) => tracing::info!(docroot = name, ended, "abandoned uploads were ended"),
            Err(error) => {
                tracing::error!(docroot = name, %error, "abandoned uploads are still there")
            }
        }
    }
}

async fn end_unknown(relay: &Relay, docroot: &Docroot, age_min: Duration) -> anyhow::Result<u32> {
    if docroot.kind() != "s3" {
        return Ok(0);
    }
    // The storage first: what begins after this list is not in it.
    let unfinished = docroot.unfinished().await?;
    let known = relay.sqlite.uploads().await?;
    let mut ended = 0;
    for upload in unfinished {
        if ours(docroot, &upload.key)
            && upload.age() >= age_min
            && !known.iter().any(|state| upload.is(state))
        {
            docroot.end_unfinished(&upload).await?;
            ended += 1;
        }
    }
    Ok(ended)
}

/// Whether a relay with just this docroot began it. A bucket may be shared with other programs, and a docroot may lie
/// above another relay's: what they have under way is none of our business.
fn ours(docroot: &Docroot, key: &str) -> bool {
    docroot.below(key).is_some_and(is_body)
}

fn is_body(place: &str) -> bool {
    place
        .split_once('/')
        .and_then(|(package, leaf)| Some((package, leaf.strip_suffix(".body")?)))
        .is_some_and(|(package, file)| {
            PackageId::parse(package).is_ok() && FileId::parse(file).is_ok()
        })
}

/// Looks again at what could not be verified.
pub(crate) async fn unverified(relay: &Relay) {
    let files = match relay.sqlite.unverified().await {
        Ok(files) => files,
        Err(error) => {
            tracing::error!(%error, "files to be verified could not be looked up");
            return;
        }
    };
    for (package, docroot, file) in files {
        let Ok(docroot) = relay.storage.docroots.one(&docroot) else {
            continue;
        };
        if let Err(error) = verify(relay, &docroot, package, &file).await {
            tracing::error!(
                error = format!("{error:#}"),
                "a stored file is not encrypted as it should be, or cannot be looked at; its package should be sent again"
            );
        }
    }
}

async fn verify(
    relay: &Relay,
    docroot: &Docroot,
    package: PackageId,
    file: &File,
) -> anyhow::Result<()> {
    let name = names::body(package, file.id)?;
    let stored = docroot.verify(&name, file.body_bytes).await?;
    if let Some(reason) = stored.unverified {
        tracing::warn!(reason, "a stored file cannot be verified yet");
        return Ok(());
    }
    let change = verified(package, file.id, stored.sse.as_ref());
    relay.sqlite.apply(change).await?;
    Ok(())
}

fn verified(package: PackageId, file: FileId, sse: Option<&sealift_docroot::Sse>) -> Change {
    Change::Verified {
        package,
        file,
        sse: sse.and_then(|sse| serde_json::to_string(sse).ok()),
        verified_at: clock::unix_seconds(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bodies_of_packages_are_ended() {
        let (package, file) = (PackageId([7; 16]), FileId([9; 32]));
        let body = format!("{package}/{file}.body");
        assert!(is_body(&body), "{body}");
        for foreign in [
            "backup/monday.tar".to_owned(),
            "monday.body".to_owned(),
            format!("other-relay/{body}"),
            format!("{package}/{file}.head"),
            format!("{package}/short.body"),
            String::new(),
        ] {
            assert!(!is_body(&foreign), "{foreign}");
        }
    }
}
