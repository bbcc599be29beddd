//! Puts the sources together: defaults, then the file, then the environment, then flags. The later one wins.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sealift_docroot::{Properties, SystemDefaults};
use zeroize::Zeroizing;

use crate::config::{Config, DEFAULT_DOCROOT};
use crate::error::{ConfigError, ConfigErrors, Origin};
use crate::given::{Given, Section};
use crate::keys::Keyed;
use crate::settings::Settings;
use crate::value::Secret;
use crate::{check, environment, file};

/// Where the configuration is looked for when nobody says where it is; the first that exists.
pub const FILES: [&str; 2] = ["sealift.toml", "/etc/sealift/sealift.toml"];

/// Largest `s3.properties`.
pub(crate) const PROPERTIES_BYTES_MAX: u64 = 1 << 20;

/// Largest file that holds one secret.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Where a configuration comes from.
#[derive(Clone, Default)]
pub struct Sources {
    /// The configuration file, if there is one.
    pub file: Option<PathBuf>,
    /// Variables; those without `SEALIFT_` are ignored.
    pub environment: Vec<(String, String)>,
    /// Flags of the command line.
    pub flags: Vec<Flag>,
}

/// A value given on the command line.
#[derive(Clone)]
pub struct Flag {
    /// The flag with its hyphens, for errors and `config show`.
    pub flag: String,
    /// The setting.
    pub target: Target,
    /// Its value.
    pub text: String,
}

/// What a flag sets.
#[derive(Clone)]
pub enum Target {
    /// A key at the top.
    Setting(String),
    /// The URL of the default docroot.
    DefaultDocroot,
}

impl Flag {
    fn given(&self) -> Given {
        let (section, key) = match &self.target {
            Target::Setting(key) => (Section::Top, key.as_str()),
            Target::DefaultDocroot => (Section::Docroot(DEFAULT_DOCROOT.to_owned()), "url"),
        };
        Given {
            section,
            key: key.to_owned(),
            text: Zeroizing::new(self.text.clone()),
            origin: Origin::Flag(self.flag.clone()),
        }
    }
}

/// A configuration with the origin of each value.
#[derive(Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The file that was read.
    pub file: Option<PathBuf>,
    pub(crate) origins: BTreeMap<String, Origin>,
    /// Secrets, by path, with the file that holds each.
    pub(crate) kept: Vec<KeptSecret>,
}

/// A secret that stands in a file.
#[derive(Clone)]
pub(crate) struct KeptSecret {
    /// Its setting, such as `docroots.archive.url`.
    pub(crate) path: String,
    /// The file: the configuration itself, or one that it names.
    pub(crate) file: PathBuf,
    /// Whether it is the configuration itself.
    pub(crate) inline: bool,
}

impl Sources {
    /// The sources of a program: a file that was named (or `SEALIFT_CONFIG`, or the first of [`FILES`] that exists),
    /// this process's environment, and flags.
    pub fn of_process(file: Option<PathBuf>, flags: Vec<Flag>) -> Self {
        let named = file.or_else(|| std::env::var_os("SEALIFT_CONFIG").map(PathBuf::from));
        let found = || FILES.iter().map(PathBuf::from).find(|path| path.exists());
        let text = |name: std::ffi::OsString| name.into_string().ok();
        Self {
            file: named.or_else(found),
            environment: std::env::vars_os()
                .filter_map(|(name, value)| Some((text(name)?, text(value)?)))
                .collect(),
            flags,
        }
    }

    /// Reads and checks everything.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, not only the first.
    pub fn load(&self) -> Result<Loaded, ConfigErrors> {
        let mut given = match &self.file {
            Some(path) => file::read(path)?,
            None => Vec::new(),
        };
        let (variables, errors) = environment::read(&self.environment);
        given.extend(variables);
        given.extend(self.flags.iter().map(Flag::given));
        put_together(given, errors, self.file.clone(), &BTreeMap::new())
    }
}

/// Checks a text as it would stand in a file, without flags and environment: what an edit must pass before it is kept.
/// `secrets` are files that are still to be written.
pub(crate) fn load_text(
    path: &Path,
    text: &str,
    secrets: &BTreeMap<PathBuf, Secret>,
) -> Result<Loaded, ConfigErrors> {
    let given = file::parse(path, text)?;
    put_together(given, Vec::new(), Some(path.to_owned()), secrets)
}

fn put_together(
    given: Vec<Given>,
    mut errors: Vec<ConfigError>,
    file: Option<PathBuf>,
    secrets: &BTreeMap<PathBuf, Secret>,
) -> Result<Loaded, ConfigErrors> {
    let mut loaded = Loaded {
        config: Config::from(Settings::default()),
        file,
        origins: BTreeMap::new(),
        kept: Vec::new(),
    };
    for one in given {
        if let Err(error) = loaded.apply(one, secrets) {
            errors.push(error);
        }
    }
    if let Err(error) = loaded.read_s3() {
        errors.push(error);
    }
    if errors.is_empty() {
        check::check(&loaded, &mut errors);
    }
    if errors.is_empty() {
        Ok(loaded)
    } else {
        Err(ConfigErrors(errors))
    }
}

impl Loaded {
    /// Where a value came from, by its path such as `listen` or `users.xfer.docroot`.
    pub fn origin(&self, path: &str) -> Origin {
        self.origins.get(path).cloned().unwrap_or(Origin::Default)
    }

    /// An error of the value under a path, with the place where it was set.
    pub fn error(&self, path: &str, text: impl Into<String>) -> ConfigError {
        ConfigError::new(self.origin(path), text)
    }

    /// The system-wide values of S3 docroots: from four settings, or from a file.
    fn read_s3(&mut self) -> Result<(), ConfigError> {
        let settings = &self.config.settings;
        let bucket_key = settings.bucket_key.map(|on| on.to_string());
        let given: Vec<(&str, &str, &str)> = [
            (
                "server_side_encryption",
                "server-side-encryption",
                &settings.server_side_encryption,
            ),
            (
                "server_side_encryption_aws_kms_key_id",
                "server-side-encryption-aws-kms-key-id",
                &settings.server_side_encryption_aws_kms_key_id,
            ),
            ("bucket_key", "bucket-key", &bucket_key),
            ("storage_class", "storage-class", &settings.storage_class),
        ]
        .into_iter()
        .filter_map(|(ours, theirs, value)| Some((ours, theirs, value.as_deref()?)))
        .collect();
        let Some(path) = &settings.s3_properties else {
            let pairs = given.iter().map(|(_, theirs, value)| (*theirs, *value));
            let first = given
                .first()
                .map_or("server_side_encryption", |(ours, ..)| ours);
            self.config.s3 = SystemDefaults::from_pairs(pairs)
                .map_err(|error| self.error(first, error.to_string()))?;
            return Ok(());
        };
        if let Some((ours, ..)) = given.first() {
            let text = format!("`{ours}` and `s3_properties` say the same thing twice: remove one");
            return Err(self.error(ours, text));
        }
        let text = file::read_text(path, PROPERTIES_BYTES_MAX)
            .map_err(|text| self.error("s3_properties", text))?;
        let read = Properties::parse(&text)
            .map_err(|error| self.error("s3_properties", format!("{}: {error}", path.display())))?;
        self.config.s3 = read.defaults;
        Ok(())
    }

    fn apply(
        &mut self,
        one: Given,
        secrets: &BTreeMap<PathBuf, Secret>,
    ) -> Result<(), ConfigError> {
        let Given {
            section,
            key,
            text,
            origin,
        } = one;
        let config = &mut self.config;
        let mut file = None;
        let (key, text) = match key.strip_suffix("_file").filter(|_| !known(&section, &key)) {
            Some(secret) => {
                file = Some(PathBuf::from(text.as_str()));
                let pending = secrets.get(Path::new(text.as_str()));
                let pending = pending.map(|secret| Zeroizing::new(secret.expose().to_owned()));
                let text = pending.map_or_else(|| secret_of(&text, &origin), Ok)?;
                (secret.to_owned(), text)
            }
            None => (key, text),
        };
        let path = section.path(&key);
        if let Some(earlier) = self.origins.get(&path)
            && let (Origin::File(..), Origin::File(..)) = (earlier, &origin)
        {
            let text = format!("`{key}` is given here and in {earlier}; keep one of the two");
            return Err(ConfigError::new(origin, text));
        }
        let secret = is_secret(&section, &key);
        let set = match section {
            Section::Top => set(&mut config.settings, &key, &text),
            Section::Docroot(name) => set(config.docroots.entry(name).or_default(), &key, &text),
            Section::User(name) => set(config.users.entry(name).or_default(), &key, &text),
            Section::Trunk(name) => set(config.trunks.entry(name).or_default(), &key, &text),
        };
        set.map_err(|text| ConfigError::new(origin.clone(), format!("`{key}` {text}")))?;
        self.kept.retain(|kept| kept.path != path);
        let inline = file.is_none();
        let own = match &origin {
            Origin::File(own, _) => Some(own.clone()),
            _ => None,
        };
        if let Some(file) = file.or(own).filter(|_| secret) {
            let path = path.clone();
            self.kept.push(KeptSecret { path, file, inline });
        }
        self.origins.insert(path, origin);
        Ok(())
    }
}

fn known(section: &Section, key: &str) -> bool {
    match section {
        Section::Top => Settings::key(key).is_some(),
        Section::Docroot(_) => crate::Docroot::key(key).is_some(),
        Section::User(_) => crate::User::key(key).is_some(),
        Section::Trunk(_) => crate::Trunk::key(key).is_some(),
    }
}

fn is_secret(section: &Section, key: &str) -> bool {
    match section {
        Section::Top => Settings::key(key).is_some_and(|key| key.secret),
        Section::Docroot(_) => crate::Docroot::key(key).is_some_and(|key| key.secret),
        Section::User(_) | Section::Trunk(_) => false,
    }
}

fn set<T: Keyed>(all: &mut T, name: &str, text: &str) -> Result<(), String> {
    let key = T::key(name).ok_or("is no setting")?;
    (key.set)(all, text)
}

/// The secret that a file holds, without the end of its last line.
fn secret_of(path: &str, origin: &Origin) -> Result<Zeroizing<String>, ConfigError> {
    let text = file::read_text(Path::new(path), SECRET_BYTES_MAX)
        .map_err(|text| ConfigError::new(origin.clone(), text))?;
    let line = text.trim_end_matches(['\n', '\r']);
    if line.is_empty() || line.contains('\n') {
        let text = format!("{path} must hold the value in one line");
        return Err(ConfigError::new(origin.clone(), text));
    }
    Ok(Zeroizing::new(line.to_owned()))
}
