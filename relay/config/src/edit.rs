//! Edits `sealift.toml` in place: comments stay, and the file changes as a whole or not at all.
//!
//! URLs with credentials never get into it: they go to a file of their own, readable by its owner alone, which the
//! configuration names (`url_file`).

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item, Table, TableLike, Value};

use crate::file::{self, FILE_BYTES_MAX};
use crate::given::{Section, check_name};
use crate::keys::Keyed;
use crate::load::{self, Loaded};
use crate::settings::{Docroot, Settings, Trunk, User};
use crate::show::{redacted, toml};
use crate::value::{Secret, Shape};

/// A file that is being edited. Nothing is written before [`Edit::save`].
pub(crate) struct Edit {
    path: PathBuf,
    document: DocumentMut,
    /// Secrets that go to files of their own.
    secrets: BTreeMap<PathBuf, Secret>,
    /// Kept until the end, so that two edits do not lose one of the two.
    _lock: File,
}

/// Why an edit is not made. Each is one line.
pub(crate) type Refusal = String;

impl Edit {
    /// Opens a file for editing; a new one if there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, Refusal> {
        // The real file: an edit must not replace a symlink.
        let path = fs::canonicalize(path).or_else(|_| std::path::absolute(path));
        let path = path.map_err(|error| error.to_string())?;
        let lock = lock(&path)?;
        let text = match file::read_text(&path, FILE_BYTES_MAX) {
            Ok(text) => text.to_string(),
            Err(_) if !path.exists() => String::new(),
            Err(text) => return Err(text),
        };
        if !text.is_empty() {
            load::load_text(&path, &text, &BTreeMap::new())
                .map_err(|errors| format!("{errors}\nnothing was changed: mend this first"))?;
        }
        let document = text
            .parse()
            .map_err(|_| format!("{} is not TOML", path.display()))?;
        Ok(Self {
            path,
            document,
            secrets: BTreeMap::new(),
            _lock: lock,
        })
    }

    /// The configuration as it stands now.
    pub(crate) fn loaded(&self) -> Result<Loaded, Refusal> {
        load::load_text(&self.path, &self.text(), &self.secrets)
            .map_err(|errors| errors.to_string())
    }

    /// The text as it stands now.
    pub(crate) fn text(&self) -> String {
        self.document.to_string()
    }

    /// Sets a value, or with `None` takes it out, so that the default holds. Says what it did.
    pub(crate) fn set(
        &mut self,
        section: &Section,
        key: &str,
        text: Option<&str>,
    ) -> Result<String, Refusal> {
        let shape = match section {
            Section::Top => checked::<Settings>(key, text),
            Section::Docroot(_) => checked::<Docroot>(key, text),
            Section::User(_) => checked::<User>(key, text),
            Section::Trunk(_) => checked::<Trunk>(key, text),
        }?;
        let path = section.path(key);
        let Some(text) = text else {
            self.take_out(section, key)?;
            return Ok(format!("{path} has its default"));
        };
        let written = toml(text, shape);
        let value: Value = written
            .parse()
            .map_err(|_| format!("`{key}` cannot be written"))?;
        let table = self
            .table(section, true)?
            .ok_or_else(|| format!("there is no place for {path}"))?;
        put(table, key, value);
        Ok(format!("{path} = {written}"))
    }

    /// Sets the URL of a docroot; one with credentials goes to a file of its own. Files of former credentials stay:
    /// a running relay may need them until it takes the new ones.
    pub(crate) fn set_url(&mut self, docroot: &str, url: &str) -> Result<String, Refusal> {
        let section = Section::Docroot(docroot.to_owned());
        check_name(docroot)?;
        let former = self.former(&section)?;
        let done = if redacted(url) == url {
            self.take_out(&section, "url_file")?;
            self.set(&section, "url", Some(url))?
        } else {
            self.set_secret_url(docroot, &section, url)?
        };
        Ok(done + &former)
    }

    /// Takes the URL of a docroot out, so that the default holds.
    pub(crate) fn unset_url(&mut self, docroot: &str) -> Result<String, Refusal> {
        let section = Section::Docroot(docroot.to_owned());
        let former = self.former(&section)?;
        self.take_out(&section, "url_file")?;
        let done = self.set(&section, "url", None)? + &former;
        if self
            .table(&section, false)?
            .is_some_and(|table| table.is_empty())
        {
            self.remove("docroots", docroot);
        }
        Ok(done)
    }

    /// What to say of the file of credentials that a docroot has so far.
    fn former(&mut self, section: &Section) -> Result<String, Refusal> {
        let table = self.table(section, false)?;
        let file = table.and_then(|table| table.get("url_file")?.as_str().map(str::to_owned));
        Ok(file.map_or_else(String::new, |file| {
            format!("\n{file} is not named any more; delete it when the relay runs without it")
        }))
    }

    fn take_out(&mut self, section: &Section, key: &str) -> Result<(), Refusal> {
        if let Some(table) = self.table(section, false)? {
            table.remove(key);
        }
        Ok(())
    }

    fn set_secret_url(
        &mut self,
        docroot: &str,
        section: &Section,
        url: &str,
    ) -> Result<String, Refusal> {
        let path = self.secret_path(docroot);
        let named = path
            .to_str()
            .ok_or("the folder's name is not text; move the configuration")?
            .to_owned();
        let table = self
            .table(section, true)?
            .ok_or("there is no place for it")?;
        table.remove("url");
        put(table, "url_file", Value::from(named.as_str()));
        self.secrets.insert(path, Secret::new(url));
        Ok(format!(
            "docroots.{docroot}.url_file = \"{named}\", which holds {} with its credentials (mode 0600)",
            redacted(url)
        ))
    }

    /// Whether a key stands at the top.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.document.contains_key(key)
    }

    /// Takes an entry out with all of its values; `false` when there is none.
    pub(crate) fn remove(&mut self, table: &str, name: &str) -> bool {
        let entries = self
            .document
            .get_mut(table)
            .and_then(Item::as_table_like_mut);
        entries.is_some_and(|entries| entries.remove(name).is_some())
    }

    /// Writes secrets and file, if the result is a configuration without errors.
    pub(crate) fn save(self) -> Result<(), Refusal> {
        let text = self.text();
        let mut written = Vec::new();
        let result = self.write(&text, &mut written);
        if result.is_err() {
            for path in &written {
                let _ = fs::remove_file(path);
            }
        }
        result
    }

    fn write(&self, text: &str, written: &mut Vec<PathBuf>) -> Result<(), Refusal> {
        let cannot = |path: &Path, error: io::Error| {
            format!(
                "{} cannot be written: {error}; nothing was changed",
                path.display()
            )
        };
        load::load_text(&self.path, text, &self.secrets)
            .map_err(|errors| format!("{errors}\nnothing was changed"))?;
        for (path, secret) in &self.secrets {
            let mut file = new_file(path, 0o600).map_err(|error| cannot(path, error))?;
            written.push(path.clone());
            give(&file, &self.path)?;
            file.write_all(secret.expose().as_bytes())
                .and_then(|()| file.write_all(b"\n"))
                .and_then(|()| file.sync_all())
                .map_err(|error| cannot(path, error))?;
        }
        let new = self.path.with_extension("toml.new");
        let _ = fs::remove_file(&new);
        let mode = fs::metadata(&self.path).map_or(0o640, |file| file.permissions().mode() & 0o777);
        let mut file = new_file(&new, mode).map_err(|error| cannot(&new, error))?;
        written.push(new.clone());
        give(&file, &self.path)?;
        file.set_permissions(fs::Permissions::from_mode(mode))
            .and_then(|()| file.write_all(text.as_bytes()))
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&new, &self.path))
            .map_err(|error| cannot(&self.path, error))?;
        // The new file holds from here on; a folder that does not sync loses nothing but the change.
        if let Some(folder) = self.path.parent() {
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }

    /// A name that no file has: the old secret stays valid until the new configuration names the new one.
    fn secret_path(&self, docroot: &str) -> PathBuf {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let taken = |path: &PathBuf| path.exists() || self.secrets.contains_key(path);
        let mut number = 1;
        loop {
            let path = folder.join(format!("docroot-{docroot}-{number}{SECRET_SUFFIX}"));
            if !taken(&path) {
                return path;
            }
            number += 1;
        }
    }

    /// The table of a section; made when `make`.
    fn table(
        &mut self,
        section: &Section,
        make: bool,
    ) -> Result<Option<&mut dyn TableLike>, Refusal> {
        let (table, name) = match section {
            Section::Top => return Ok(Some(self.document.as_table_mut())),
            Section::Docroot(name) => ("docroots", name),
            Section::User(name) => ("users", name),
            Section::Trunk(name) => ("trunks", name),
        };
        check_name(name)?;
        if !make {
            let entries = self
                .document
                .get_mut(table)
                .and_then(Item::as_table_like_mut);
            let entry = entries.and_then(|entries| entries.get_mut(name));
            return Ok(entry.and_then(Item::as_table_like_mut));
        }
        let mut implicit = Table::new();
        implicit.set_implicit(true);
        let entries = self.document.entry(table).or_insert(Item::Table(implicit));
        let entries = entries
            .as_table_like_mut()
            .ok_or_else(|| format!("`{table}` is not a table"))?;
        let entry = entries.entry(name).or_insert(Item::Table(Table::new()));
        Ok(entry.as_table_like_mut())
    }
}

const SECRET_SUFFIX: &str = ".url";

/// Gives what is written to whoever owned the file before, or owns the folder of a new one. Otherwise an edit by root
/// would leave a relay that runs as somebody else without its configuration.
fn give(file: &File, configuration: &Path) -> Result<(), Refusal> {
    let before = fs::metadata(configuration).ok();
    let must = before.is_some();
    let folder = || fs::metadata(configuration.parent()?).ok();
    let (Some(owner), Ok(now)) = (before.or_else(folder), file.metadata()) else {
        return Ok(());
    };
    if (owner.uid(), owner.gid()) == (now.uid(), now.gid()) {
        return Ok(());
    }
    match fchown(file, Some(owner.uid()), Some(owner.gid())) {
        Err(error) if must => Err(format!(
            "{} belongs to another user, and would not after this change ({error}): run it as that user, or as root; \
             nothing was changed",
            configuration.display()
        )),
        _ => Ok(()),
    }
}

/// Checks a value as the file's reader would.
fn checked<T: Keyed>(name: &str, text: Option<&str>) -> Result<Shape, Refusal> {
    let key = T::key(name).ok_or_else(|| format!("there is no setting `{name}`"))?;
    if let Some(text) = text {
        (key.set)(&mut T::default(), text).map_err(|text| format!("`{name}` {text}"))?;
    }
    Ok(key.shape)
}

/// Puts a value in the place of another, whose comments stay.
fn put(table: &mut dyn TableLike, key: &str, mut value: Value) {
    match table.get_mut(key) {
        Some(Item::Value(old)) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        _ => {
            table.insert(key, Item::Value(value));
        }
    }
}

fn new_file(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode).open(path)
}

/// Locks the folder of a file for this process.
fn lock(path: &Path) -> Result<File, Refusal> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let lock = File::open(folder).and_then(|folder| folder.lock().map(|()| folder));
    lock.map_err(|error| format!("{} cannot be used: {error}", folder.display()))
}
