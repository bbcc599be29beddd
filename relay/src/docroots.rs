//! The docroots of the configuration, by name: opened, tried and recognised before anything is stored in them.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use futures_util::future::join_all;
use sealift_config::Config;
use sealift_docroot::{CheckReport, Docroot, DocrootSettings, DocrootUrl};
use sealift_protocol::Code;
use tokio::time::timeout;

use crate::identity;
use crate::records::{Change, Records as _, Sqlite};

/// How long a docroot may take to answer when the configuration is read again.
const CHECK_MAX: Duration = Duration::from_secs(20);

/// Docroots by name. A package stays in the one that is recorded with it.
pub(crate) struct Docroots {
    open: RwLock<BTreeMap<String, Open>>,
    /// Written while a docroot may move to another place, which it does only when it is empty.
    moving: tokio::sync::RwLock<()>,
}

#[derive(Clone)]
struct Open {
    settings: Option<DocrootSettings>,
    /// Where it is and how, without credentials: as it is recorded.
    address: String,
    docroot: Docroot,
}

impl Docroots {
    /// Opens all, and tries each as `docroot check` does. With `degraded` those that fail are left out. Docroots that
    /// are not configured any more but keep packages are opened where they were last, as far as they can be.
    ///
    /// # Errors
    ///
    /// One line that says which one cannot be used, why, and who can mend it.
    pub(crate) async fn open(config: &Config, records: &Sqlite) -> anyhow::Result<Self> {
        refuse_overlaps(config)?;
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
        open.extend(removed(config, records).await?);
        Ok(Self::of(open))
    }

    fn of(open: BTreeMap<String, Open>) -> Self {
        Self {
            open: RwLock::new(open),
            moving: tokio::sync::RwLock::default(),
        }
    }

    /// One docroot, under the name of the default one.
    #[cfg(test)]
    pub(crate) fn only(docroot: Docroot) -> Self {
        let open = Open {
            settings: None,
            address: String::new(),
            docroot,
        };
        let name = sealift_config::DEFAULT_DOCROOT.to_owned();
        Self::of(BTreeMap::from([(name, open)]))
    }

    /// For as long as this is held, every docroot stays where it is, also an empty one. Whoever records the first
    /// package of a docroot holds it.
    pub(crate) async fn steady(&self) -> impl Drop + '_ {
        self.moving.read().await
    }

    /// The docroot with this name.
    ///
    /// # Errors
    ///
    /// [`Code::DocrootUnavailable`] when it was left out at the start.
    pub(crate) fn one(&self, name: &str) -> Result<Docroot, Code> {
        match self.known(name) {
            Some(open) => Ok(open.docroot),
            None => {
                tracing::error!(docroot = name, "a docroot that is needed is not in use");
                Err(Code::DocrootUnavailable)
            }
        }
    }

    fn known(&self, name: &str) -> Option<Open> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.get(name).cloned()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<(String, Docroot)> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let docroots = open.iter();
        docroots
            .map(|(name, open)| (name.clone(), open.docroot.clone()))
            .collect()
    }

    /// What a new configuration adds or changes, opened and tried. Docroots that it does not name any more are
    /// kept for the packages in them; an alias of a key is looked up again. One that is used as before and is unwell
    /// does not keep the rest of a configuration from holding: what could not be checked is answered, one line each.
    ///
    /// # Errors
    ///
    /// As [`Self::open`]; then nothing has changed.
    pub(crate) async fn reload(
        &self,
        config: &Config,
        records: &Sqlite,
    ) -> anyhow::Result<Vec<String>> {
        refuse_overlaps(config)?;
        let mut wanted = Vec::new();
        for name in config.docroots.keys() {
            let settings = config.docroot(name)?;
            let known = self.known(name);
            // A folder is locked by this very process; it cannot be opened twice.
            let same = known
                .as_ref()
                .is_some_and(|known| known.settings.as_ref() == Some(&settings));
            if !same || matches!(settings, DocrootSettings::S3(_)) {
                let as_before = same || (known.is_none() && config.settings.degraded);
                wanted.push((name.as_str(), as_before));
            }
        }
        // At once: several that do not answer take no longer than one.
        let tries = wanted
            .iter()
            .map(|(name, _)| in_time(name, try_one(config, name)));
        let tries = join_all(tries).await;
        let (mut tried, mut unchecked) = (Vec::new(), Vec::new());
        for ((name, as_before), result) in wanted.into_iter().zip(tries) {
            match result {
                Ok(open) => tried.push((name, open, as_before)),
                Err(error) if as_before => unchecked.push(not_checked(name, &error)),
                Err(error) => return Err(error),
            }
        }
        // From here on nothing is begun in a docroot that may move.
        let _alone = self.moving.write().await;
        let mut new = BTreeMap::new();
        let mut moved = Vec::new();
        for (name, open, as_before) in tried {
            match in_time(name, prepare(name, &open, records)).await {
                Ok(moves) => {
                    moved.extend(moves.then(|| name.to_owned()));
                    new.insert(name.to_owned(), open);
                }
                Err(error) if as_before => unchecked.push(not_checked(name, &error)),
                // What was prepared in other places is known, and nothing is there yet.
                Err(error) => return Err(error),
            }
        }
        move_to(moved, &new, records).await?;
        self.open
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(new);
        Ok(unchecked)
    }
}

fn not_checked(name: &str, error: &anyhow::Error) -> String {
    format!(
        "the docroot `{name}` could not be checked and is used as before, or left out: {error:#}"
    )
}

/// Two docroots of one configuration must not lie one in the other: what one deletes would be the other's.
fn refuse_overlaps(config: &Config) -> anyhow::Result<()> {
    let mut before: Vec<(&str, DocrootSettings)> = Vec::new();
    for name in config.docroots.keys() {
        let settings = config.docroot(name)?;
        if let Some((other, _)) = before.iter().find(|(_, other)| other.overlaps(&settings)) {
            bail!(
                "the docroots `{other}` and `{name}` lie one in the other; give each a place of its own"
            );
        }
        before.push((name, settings));
    }
    Ok(())
}

async fn in_time<T>(
    name: &str,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    timeout(CHECK_MAX, work).await.unwrap_or_else(|_| {
        Err(anyhow!(
            "the docroot `{name}` did not answer within {} seconds",
            CHECK_MAX.as_secs()
        ))
    })
}

async fn open_one(config: &Config, name: &str, records: &Sqlite) -> anyhow::Result<Open> {
    let open = try_one(config, name).await?;
    let moves = prepare(name, &open, records).await?;
    let moved = moves.then(|| name.to_owned()).into_iter().collect();
    let new = BTreeMap::from([(name.to_owned(), open.clone())]);
    move_to(moved, &new, records).await?;
    Ok(open)
}

/// Opens one of the configuration and tries everything.
async fn try_one(config: &Config, name: &str) -> anyhow::Result<Open> {
    let settings = config.docroot(name)?;
    let (docroot, report) = open_and_check(&settings, config.settings.free_bytes_min).await;
    let docroot = match (docroot, report.cause()) {
        (Some(docroot), None) => docroot,
        // What is in it can be fetched and deleted; senders are told to wait.
        (Some(docroot), Some(cause)) if is_full(&report) => {
            tracing::error!(docroot = name, "a docroot takes nothing new: {cause}");
            docroot
        }
        (_, cause) => bail!(
            "the docroot `{name}` ({settings}) cannot be used: {}",
            cause.unwrap_or_default()
        ),
    };
    for note in &report.notes {
        tracing::warn!(docroot = name, "{note}");
    }
    Ok(Open {
        address: address(config, name, &settings),
        settings: Some(settings),
        docroot,
    })
}

/// A docroot's URL without credentials.
fn address(config: &Config, name: &str, settings: &DocrootSettings) -> String {
    if let DocrootSettings::Folder(path) = settings {
        return path.display().to_string();
    }
    let url = config
        .docroots
        .get(name)
        .map_or("", |docroot| docroot.url.expose());
    let place = url.strip_prefix("s3://").unwrap_or_default();
    let (place, query) = place.split_once('?').unwrap_or((place, ""));
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    format!("s3://{place}?{query}")
        .trim_end_matches('?')
        .to_owned()
}

/// Makes sure that it is the one that the records are about, and marks its place when it is new. Whether it is about to
/// move there; until [`move_to`] it is where it was.
async fn prepare(name: &str, open: &Open, records: &Sqlite) -> anyhow::Result<bool> {
    let Some(settings) = &open.settings else {
        return Ok(false);
    };
    let cannot = || format!("the docroot `{name}` ({settings}) cannot be used");
    let mark = identity::check(name, settings, &open.docroot, records).await;
    let Some(mark) = mark.with_context(cannot)? else {
        return Ok(false);
    };
    identity::mark(name, settings, &open.docroot, records, &mark)
        .await
        .with_context(cannot)?;
    Ok(mark.moves)
}

/// Records that docroots are where they were prepared, all of them at once, and the addresses of new ones.
async fn move_to(
    names: Vec<String>,
    new: &BTreeMap<String, Open>,
    records: &Sqlite,
) -> anyhow::Result<()> {
    if !names.is_empty() {
        records.apply(Change::MoveDocroots { names }).await?;
    }
    for (name, open) in new {
        records.set_docroot_address(name, &open.address).await?;
    }
    Ok(())
}

/// Docroots that the configuration does not name any more, for as long as packages lie in them: fetched and ended where
/// they are. What cannot be opened is kept as it is, and said.
async fn removed(config: &Config, records: &Sqlite) -> anyhow::Result<BTreeMap<String, Open>> {
    let mut open = BTreeMap::new();
    for (name, address, packages) in records.docroots_in_use().await? {
        if config.docroots.contains_key(&name) {
            continue;
        }
        let again = reopen(config, &name, address.as_deref(), records);
        match in_time(&name, again).await {
            Ok(docroot) => {
                tracing::warn!(
                    docroot = name,
                    packages,
                    "a docroot is not configured any more; its packages are served until their time is over"
                );
                open.insert(name, docroot);
            }
            Err(error) => tracing::error!(
                docroot = name,
                packages,
                place = address,
                error = format!("{error:#}"),
                "a docroot is not configured any more and cannot be opened; its packages are kept but cannot be \
                 fetched or deleted until it is configured again"
            ),
        }
    }
    Ok(open)
}

/// Opens a docroot where it was last, with the credentials of the environment. Nothing is tried by writing.
async fn reopen(
    config: &Config,
    name: &str,
    address: Option<&str>,
    records: &Sqlite,
) -> anyhow::Result<Open> {
    let address = address.context("where it was is not recorded")?;
    let settings = DocrootUrl::parse(address, &config.s3)?;
    // An unmounted disk must not leave a folder behind that looks like an empty docroot.
    if let DocrootSettings::Folder(path) = &settings
        && !path.is_dir()
    {
        bail!("{} is not there", path.display());
    }
    let docroot = Docroot::open(&settings, config.settings.free_bytes_min).await?;
    if identity::check(name, &settings, &docroot, records)
        .await?
        .is_some()
    {
        bail!("nothing of it is left in {settings}");
    }
    Ok(Open {
        settings: Some(settings),
        address: address.to_owned(),
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use sealift_config::{Secret, Settings};
    use sealift_protocol::{ClientId, Epoch, PackageId, Sha256Hash};
    use tempfile::TempDir;

    use super::*;
    /// A configuration with the docroot `other` at a URL.
    fn config(dir: &Path, other: Option<&str>) -> Config {
        let mut config = Config::from(Settings::local(dir.join("data")));
        config.settings.free_bytes_min = 0;
        if let Some(url) = other {
            let url = Secret::new(url);
            let other = sealift_config::Docroot {
                url,
                ..Default::default()
            };
            config.docroots.insert("other".to_owned(), other);
        }
        config
    }

    fn at(dir: &Path, folder: &str) -> Config {
        let url = format!("file://{}", dir.join(folder).display());
        config(dir, Some(&url))
    }

    async fn records(dir: &Path) -> Arc<Sqlite> {
        Arc::new(Sqlite::open(&dir.join("sealift.db")).await.unwrap())
    }

    async fn begin(records: &Sqlite, docroot: &str) {
        let reserve = Change::Reserve {
            package: PackageId([1; 16]),
            epoch: Epoch(1),
            client_id: ClientId([1; 16]),
            owner_sha256: Sha256Hash([1; 32]),
            grant: None,
            quota_bytes: None,
            docroot: docroot.to_owned(),
            sealed_by: None,
            now: 1,
            expires_at: 100,
        };
        assert!(records.apply(reserve).await.unwrap());
    }

    #[tokio::test]
    async fn an_empty_docroot_moves_and_one_in_which_a_package_is_begun_does_not() {
        let dir = TempDir::new().unwrap();
        let records = records(dir.path()).await;
        let docroots = Docroots::open(&at(dir.path(), "a"), &records)
            .await
            .unwrap();
        let docroots = Arc::new(docroots);
        docroots
            .reload(&at(dir.path(), "b"), &records)
            .await
            .unwrap();
        let mark = |folder: &str| std::fs::read(dir.path().join(folder).join(".sealift-id"));
        assert_ne!(mark("a").unwrap(), mark("b").unwrap());

        // A package is begun while a reload has looked already and found none.
        let steady = docroots.steady().await;
        let reload = tokio::spawn({
            let (docroots, records) = (Arc::clone(&docroots), Arc::clone(&records));
            let to = at(dir.path(), "c");
            async move { docroots.reload(&to, &records).await }
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!reload.is_finished());
        begin(&records, "other").await;
        drop(steady);
        let error = format!("{:#}", reload.await.unwrap().unwrap_err());
        assert!(
            error.contains("not the one that the records are about"),
            "{error}"
        );
        assert!(mark("c").is_err());
        // The place before is not taken for it any more, by a restart either.
        let error = docroots.reload(&at(dir.path(), "a"), &records).await;
        assert!(error.is_err());
        drop(docroots);
        assert!(
            Docroots::open(&at(dir.path(), "a"), &records)
                .await
                .is_err()
        );
        let docroots = Docroots::open(&at(dir.path(), "b"), &records)
            .await
            .unwrap();
        let id = docroots.known("other").unwrap().address;
        assert_eq!(id, dir.path().join("b").display().to_string());
    }

    #[tokio::test]
    async fn a_docroot_that_is_unwell_does_not_keep_a_reload_from_holding() {
        let dir = TempDir::new().unwrap();
        let records = records(dir.path()).await;
        let url = "s3://A:B@127.0.0.1:1/bucket?allow-http=true";
        let config = config(dir.path(), Some(url));
        let docroots = Docroots::open(&at(dir.path(), "a"), &records)
            .await
            .unwrap();
        let before = Docroot::open_folder(&dir.path().join("stands-for-s3"), 0).unwrap();
        let open = Open {
            settings: Some(config.docroot("other").unwrap()),
            address: address(&config, "other", &config.docroot("other").unwrap()),
            docroot: before,
        };
        assert_eq!(open.address, "s3://127.0.0.1:1/bucket?allow-http=true");
        docroots
            .open
            .write()
            .unwrap()
            .insert("other".to_owned(), open);
        let unchecked = docroots.reload(&config, &records).await.unwrap();
        let [said] = &unchecked[..] else {
            panic!("{unchecked:?}");
        };
        assert!(said.contains("`other` could not be checked"), "{said}");
        assert_eq!(docroots.one("other").unwrap().kind(), "folder");
        // One that is new has to work.
        let elsewhere = "s3://A:B@127.0.0.1:1/elsewhere?allow-http=true";
        let new = super::tests::config(dir.path(), Some(elsewhere));
        docroots.reload(&new, &records).await.unwrap_err();
    }

    #[tokio::test]
    async fn a_reload_that_fails_has_moved_nothing() {
        let dir = TempDir::new().unwrap();
        let records = records(dir.path()).await;
        let docroots = Docroots::open(&at(dir.path(), "a"), &records)
            .await
            .unwrap();
        // `other` may move to b; `zeta` is marked by another relay.
        let foreign = dir.path().join("z");
        std::fs::create_dir(&foreign).unwrap();
        std::fs::write(foreign.join(".sealift-id"), [7; 16]).unwrap();
        let mut next = at(dir.path(), "b");
        let zeta = sealift_config::Docroot {
            url: Secret::new(format!("file://{}", foreign.display())),
            ..Default::default()
        };
        next.docroots.insert("zeta".to_owned(), zeta);
        docroots.reload(&next, &records).await.unwrap_err();
        let at_a = dir.path().join("a").display().to_string();
        assert_eq!(docroots.known("other").unwrap().address, at_a);
        // A package is begun where the docroot still is: from now on it is nowhere else.
        begin(&records, "other").await;
        next.docroots.remove("zeta");
        docroots.reload(&next, &records).await.unwrap_err();
        drop(docroots);
        assert!(Docroots::open(&next, &records).await.is_err());
        Docroots::open(&at(dir.path(), "a"), &records)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn an_empty_docroot_goes_back_to_where_it_was() {
        let dir = TempDir::new().unwrap();
        let records = records(dir.path()).await;
        for place in ["a", "b", "a", "b"] {
            drop(
                Docroots::open(&at(dir.path(), place), &records)
                    .await
                    .unwrap(),
            );
        }
    }

    #[tokio::test]
    async fn docroots_do_not_lie_one_in_the_other() {
        let dir = TempDir::new().unwrap();
        let records = records(dir.path()).await;
        let nested = at(dir.path(), "data/docroot/inner");
        let error = Docroots::open(&nested, &records).await.err().unwrap();
        let error = format!("{error:#}");
        assert!(error.contains("`default` and `other`"), "{error}");
    }

    #[tokio::test]
    async fn a_docroot_that_was_removed_is_found_again_after_a_restart_while_packages_lie_in_it() {
        let dir = TempDir::new().unwrap();
        let records = records(dir.path()).await;
        drop(
            Docroots::open(&at(dir.path(), "a"), &records)
                .await
                .unwrap(),
        );
        let without = config(dir.path(), None);
        let names = async || -> Vec<String> {
            let docroots = Docroots::open(&without, &records).await.unwrap();
            docroots.all().into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(names().await, ["default"]);
        begin(&records, "other").await;
        assert_eq!(names().await, ["default", "other"]);
        // What is not there now is left alone, and not made.
        std::fs::rename(dir.path().join("a"), dir.path().join("unmounted")).unwrap();
        assert_eq!(names().await, ["default"]);
        assert!(!dir.path().join("a").exists());
        std::fs::rename(dir.path().join("unmounted"), dir.path().join("a")).unwrap();
        assert_eq!(names().await, ["default", "other"]);
    }
}
