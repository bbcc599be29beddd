//! Folders in a docroot that no record knows of: left by a crash, or all that there is after old records were restored.
//!
//! They are counted in the log. One that has been there for as long as any package may live is deleted: had it been a
//! package, it would be over. Until then an operator can restore the right records, or look at it.

use std::collections::HashSet;
use std::time::Duration;

use sealift_docroot::Docroot;
use sealift_protocol::PackageId;

use crate::records::{Change, Records as _, RecordsError};
use crate::relay::Relay;

/// However short packages live, strays are kept for so long.
const GRACE_MIN: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Looks at all folders. `may_delete`: the system's clock is believed.
pub(crate) async fn look(relay: &Relay, now: u64, may_delete: bool) {
    let mut strays = 0;
    for (name, docroot) in relay.storage.docroots.all() {
        // A bucket may hold millions of objects, and every listing costs; its lifecycle rules do this.
        if docroot.kind() == "s3" {
            continue;
        }
        match look_at(relay, &name, &docroot, now, may_delete).await {
            Ok(found) => strays += found,
            Err(error) => tracing::error!(
                docroot = name,
                error = format!("{error:#}"),
                "folders that no record knows of could not be looked for"
            ),
        }
    }
    if strays > 0 {
        tracing::warn!(
            strays,
            "the docroots have folders that no record knows of; they are deleted when they are older than any package"
        );
    }
}

/// How many are left.
async fn look_at(
    relay: &Relay,
    name: &str,
    docroot: &Docroot,
    now: u64,
    may_delete: bool,
) -> anyhow::Result<usize> {
    // The folders first: what is begun after this is in neither list or in both.
    let folders = docroot.folders().await?;
    let folders: HashSet<PackageId> = folders
        .iter()
        .filter_map(|folder| PackageId::parse(folder).ok())
        .collect();
    let known = relay.sqlite.packages().await?;
    let grace = relay.config.current().settings.lifetime_max.max(GRACE_MIN);
    let long_ago = now.saturating_sub(grace.as_secs());
    let docroot_name = || name.to_owned();
    for package in relay.sqlite.strays(name).await? {
        if !folders.contains(&package) || known.contains(&package) {
            apply(
                relay,
                Change::ForgetStray {
                    docroot: docroot_name(),
                    package,
                },
            )
            .await?;
        }
    }
    let mut left = 0;
    for &package in folders.difference(&known) {
        let found = Change::FindStray {
            docroot: docroot_name(),
            package,
            now,
        };
        apply(relay, found).await?;
        let drop = Change::DropStray {
            docroot: docroot_name(),
            package,
            long_ago,
        };
        if may_delete && apply(relay, drop).await? {
            docroot.delete_folder(&package.to_string()).await?;
            apply(
                relay,
                Change::ForgetStray {
                    docroot: docroot_name(),
                    package,
                },
            )
            .await?;
            tracing::info!(
                "a folder that no record knew of for longer than packages live was deleted"
            );
        } else {
            left += 1;
        }
    }
    Ok(left)
}

async fn apply(relay: &Relay, change: Change) -> Result<bool, RecordsError> {
    relay.sqlite.apply(change).await
}
