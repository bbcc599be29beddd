//! Uploads in S3 that nobody goes on with, and files whose encryption could not be verified at their commit.
//!
//! A relay that was killed between the storage's answer and its own record leaves an upload that no list of objects
//! shows and that costs room. One whose file is committed has no use and is ended. Any other that the records do not
//! know is kept for as long as any package may last: they may be old ones that were restored, and somebody may be
//! about to bring the right ones.

use std::time::Duration;

use sealift_docroot::{Abandoned, Docroot, DocrootError};
use sealift_protocol::{FileId, PackageId};

use crate::records::{Change, File, Records as _};
use crate::relay::Relay;
use crate::{clock, names, strays};

/// How often it is looked at, and how old an upload of a committed file must be by then.
pub(crate) const AGE_MIN: Duration = Duration::from_secs(60 * 60);

/// Ends uploads without use that are at least so old, and unknown ones that are older than any package.
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
    let grace = strays::grace(relay);
    // The storage first: what begins after this list is not in it.
    let unfinished = docroot.unfinished().await?;
    let known = relay.sqlite.uploads().await?;
    let mut ended = 0;
    for upload in unfinished {
        let Some((package, file)) = ours(docroot, &upload.key) else {
            continue;
        };
        if known.iter().any(|state| upload.is(state)) {
            continue;
        }
        let committed = relay.sqlite.is_committed(package, file).await?;
        if may_end(&upload, committed, age_min, grace) {
            docroot.end_unfinished(&upload).await?;
            ended += 1;
        }
    }
    Ok(ended)
}

fn may_end(unknown: &Abandoned, committed: bool, age_min: Duration, grace: Duration) -> bool {
    unknown.age()
        >= if committed {
            age_min
        } else {
            grace.max(age_min)
        }
}

/// Which file's upload it is, if a relay with just this docroot began it. A bucket may be shared with other programs,
/// and a docroot may lie above another relay's: what they have under way is none of our business.
fn ours(docroot: &Docroot, key: &str) -> Option<(PackageId, FileId)> {
    docroot.below(key).and_then(body)
}

fn body(place: &str) -> Option<(PackageId, FileId)> {
    let (package, leaf) = place.split_once('/')?;
    let file = leaf.strip_suffix(".body")?;
    Some((PackageId::parse(package).ok()?, FileId::parse(file).ok()?))
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
    let state = file.storage.as_deref();
    let stored = match docroot.verify(&name, file.body_bytes, state).await {
        Err(DocrootError::Missing) => {
            tracing::error!(
                "a stored file is gone from its docroot; its package should be sent again"
            );
            // There is nothing to be looked at any more: said once, and reported as not verified.
            relay.sqlite.apply(verified(package, file.id, None)).await?;
            return Ok(());
        }
        stored => stored?,
    };
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
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn only_bodies_of_packages_are_ended() {
        let ids = (PackageId([7; 16]), FileId([9; 32]));
        let place = format!("{}/{}.body", ids.0, ids.1);
        assert_eq!(body(&place), Some(ids));
        for foreign in [
            "backup/monday.tar".to_owned(),
            "monday.body".to_owned(),
            format!("other-relay/{place}"),
            format!("{}/{}.head", ids.0, ids.1),
            format!("{}/short.body", ids.0),
            String::new(),
        ] {
            assert!(body(&foreign).is_none(), "{foreign}");
        }
    }

    #[test]
    fn an_unknown_upload_is_kept_for_as_long_as_any_package_lasts() {
        let day = Duration::from_secs(24 * 60 * 60);
        let of_age = |age: Duration| Abandoned {
            key: String::new(),
            upload_id: String::new(),
            began: SystemTime::now() - age,
        };
        // At the start, with records from an older backup.
        assert!(!may_end(&of_age(day), false, Duration::ZERO, 7 * day));
        assert!(!may_end(&of_age(6 * day), false, AGE_MIN, 7 * day));
        assert!(may_end(&of_age(8 * day), false, Duration::ZERO, 7 * day));
        // Of a committed file nobody needs one.
        assert!(may_end(&of_age(day), true, AGE_MIN, 7 * day));
        assert!(!may_end(&of_age(Duration::ZERO), true, AGE_MIN, 7 * day));
    }
}
