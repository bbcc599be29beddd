//! The docroots of the configuration, by name: opened, tried and recognised before anything is stored in them.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use anyhow::{Context as _, bail};
use sealift_config::Config;
use sealift_docroot::{CheckReport, Docroot, DocrootSettings};
use sealift_protocol::Code;

use crate::identity;
use crate::records::Sqlite;

/// Docroots by name. A package stays in the one that is recorded with it.
pub(crate) struct Docroots(RwLock<BTreeMap<String, Open>>);

#[derive(Clone)]
struct Open {
    settings: Option<DocrootSettings>,
    docroot: Docroot,
}

impl Docroots {
    /// Opens all, and tries each as `docroot check` does. With `degraded` those that fail are left out.
    ///
    /// # Errors
    ///
    /// One line that says which one cannot be used, why, and who can mend it.
    pub(crate) async fn open(config: &Config, records: &Sqlite) -> anyhow::Result<Self> {
        let mut open = BTreeMap::new();
        for name in config.docroots.keys() {
            match open_one(config, name, records).await {
                Ok(docroot) => {
                    open.insert(name.clone(), docroot);
                }
                Err(error) if config.settings.degraded => {
                    tracing::error!(docroot = name, error = format!("{error:#}"), "left out");
                }
                Err(error) => return Err(error),
            }
        }
        if open.is_empty() {
            bail!("no docroot can be used");
        }
        Ok(Self(RwLock::new(open)))
    }

    /// One docroot, under the name of the default one.
    #[cfg(test)]
    pub(crate) fn only(docroot: Docroot) -> Self {
        let open = Open {
            settings: None,
            docroot,
        };
        let name = sealift_config::DEFAULT_DOCROOT.to_owned();
        Self(RwLock::new(BTreeMap::from([(name, open)])))
    }

    /// The docroot with this name.
    ///
    /// # Errors
    ///
    /// [`Code::DocrootUnavailable`] when it was left out at the start, or is not configured any more.
    pub(crate) fn one(&self, name: &str) -> Result<Docroot, Code> {
        let open = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match open.get(name) {
            Some(open) => Ok(open.docroot.clone()),
            None => {
                tracing::error!(docroot = name, "a docroot that is needed is not in use");
                Err(Code::DocrootUnavailable)
            }
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<(String, Docroot)> {
        let open = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let docroots = open.iter();
        docroots
            .map(|(name, open)| (name.clone(), open.docroot.clone()))
            .collect()
    }

    /// What a new configuration adds or changes, opened and tried. Docroots that it does not name any more are
    /// kept until the relay ends, for the packages in them; an alias of a key is looked up again.
    ///
    /// # Errors
    ///
    /// As [`Self::open`]; then nothing has changed.
    pub(crate) async fn reload(&self, config: &Config, records: &Sqlite) -> anyhow::Result<()> {
        let mut new = BTreeMap::new();
        for name in config.docroots.keys() {
            let settings = config.docroot(name)?;
            let known = {
                let open = self.0.read().unwrap_or_else(PoisonError::into_inner);
                open.get(name).cloned()
            };
            // A folder is locked by this very process; it cannot be opened twice.
            let same = known.is_some_and(|known| known.settings.as_ref() == Some(&settings));
            if same && matches!(settings, DocrootSettings::Folder(_)) {
                continue;
            }
            new.insert(name.clone(), open_one(config, name, records).await?);
        }
        let mut open = self.0.write().unwrap_or_else(PoisonError::into_inner);
        open.extend(new);
        Ok(())
    }
}

async fn open_one(config: &Config, name: &str, records: &Sqlite) -> anyhow::Result<Open> {
    let settings = config.docroot(name)?;
    let (docroot, report) = open_and_check(&settings, config.settings.free_bytes_min).await;
    let cannot = || format!("the docroot `{name}` ({settings}) cannot be used");
    let docroot = match (docroot, report.cause()) {
        (Some(docroot), None) => docroot,
        // What is in it can be fetched and deleted; senders are told to wait.
        (Some(docroot), Some(cause)) if is_full(&report) => {
            tracing::error!(docroot = name, "a docroot takes nothing new: {cause}");
            docroot
        }
        (_, cause) => bail!("{}: {}", cannot(), cause.unwrap_or_default()),
    };
    for note in &report.notes {
        tracing::warn!(docroot = name, "{note}");
    }
    identity::check(name, &settings, &docroot, records)
        .await
        .with_context(cannot)?;
    Ok(Open {
        settings: Some(settings),
        docroot,
    })
}

/// Whether the first thing that failed is that there is no room.
fn is_full(report: &CheckReport) -> bool {
    let first = report.steps.iter().find_map(|step| step.error.as_ref());
    first.is_some_and(|error| error.code == Code::StorageFull.as_str())
}

/// Opens a docroot and tries everything.
pub(crate) async fn open_and_check(
    settings: &DocrootSettings,
    free_bytes_min: u64,
) -> (Option<Docroot>, CheckReport) {
    match Docroot::open(settings, free_bytes_min).await {
        Ok(docroot) => {
            let report = docroot.check(settings).await;
            (Some(docroot), report)
        }
        Err(error) => (None, CheckReport::unopened(settings, &error)),
    }
}
