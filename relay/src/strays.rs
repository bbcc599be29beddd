//! Folders in a docroot that no record knows of: left by a crash, or all that there is after old records were restored.
//!
//! They are counted in the log. One that has been there for as long as any package may live is deleted: had it been a
//! package, it would be over. Until then an operator can restore the right records, or look at it. A bucket may be
//! shared with other programs: there only a folder that holds nothing but a package's objects is one.

use std::collections::HashSet;
use std::time::Duration;

use sealift_docroot::Docroot;
use sealift_protocol::{FileId, PackageId};

use crate::records::{Change, Records as _, RecordsError};
use crate::relay::Relay;

/// However short packages live, strays are kept for so long.
const GRACE_MIN: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Looks at all folders. `may_delete`: the system's clock is believed.
pub(crate) async fn look(relay: &Relay, now: u64, may_delete: bool) {
    let mut strays = 0;
    for (name, docroot) in relay.storage.docroots.all() {
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

/// How long what no record knows of is kept: longer than any package may live.
pub(crate) fn grace(relay: &Relay) -> Duration {
    relay.config.current().settings.lifetime_max.max(GRACE_MIN)
}

/// Whether a leaf is one that a package has.
fn is_packages(leaf: &str) -> bool {
    let file = leaf
        .strip_suffix(".body")
        .or_else(|| leaf.strip_suffix(".head"));
    match file {
        Some(file) => FileId::parse(file).is_ok(),
        None => matches!(leaf, "keyring" | "draft") || leaf.starts_with("keyring-"),
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
    let long_ago = now.saturating_sub(grace(relay).as_secs());
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
    // By a clock in doubt nothing is found either: what it says of when would be believed later.
    for &package in folders.difference(&known) {
        let found = Change::FindStray {
            docroot: docroot_name(),
            package,
            now,
        };
        if !may_delete {
            left += 1;
            continue;
        }
        apply(relay, found).await?;
        let drop = Change::DropStray {
            docroot: docroot_name(),
            package,
            long_ago,
        };
        if docroot
            .holds_only(&package.to_string(), is_packages)
            .await?
            && apply(relay, drop).await?
        {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_objects_of_packages_are_a_packages() {
        let file = FileId([9; 32]);
        for ours in ["keyring", "draft", "keyring-2-00ff"] {
            assert!(is_packages(ours), "{ours}");
        }
        assert!(is_packages(&format!("{file}.body")) && is_packages(&format!("{file}.head")));
        for foreign in ["", "a.body", "photo.jpg", "deeper/keyring", "keyrings"] {
            assert!(!is_packages(foreign), "{foreign}");
        }
    }
}
