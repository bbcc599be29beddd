//! Turns an `aspera.conf`, with an `s3.properties` if there is one, into a `sealift.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use roxmltree::Node;
use sealift_docroot::{DocrootSettings, DocrootUrl, Properties, SystemDefaults};

use super::Scope;
use super::apply::{capacity, docroot_url, mode, trunk_number};
use super::report::{Outcome, Report};
use super::setting::{Meaning, meaning, truth};
use super::xml::{self, Leaf, Lines};
use crate::check::as_folder;
use crate::config::DEFAULT_DOCROOT;
use crate::edit::Edit;
use crate::error::{ConfigError, ConfigErrors, Origin};
use crate::file::read_text;
use crate::given::{Section, check_name};
use crate::load::PROPERTIES_BYTES_MAX;
use crate::show::redacted;

/// Files of the original.
pub struct ImportSources {
    /// `aspera.conf`.
    pub aspera_conf: PathBuf,
    /// `s3.properties`, if S3 docroots are encrypted system-wide.
    pub s3_properties: Option<PathBuf>,
}

/// Writes a new configuration file, and says what became of every setting.
///
/// # Errors
///
/// Everything that is wrong, with its line; then nothing was written.
pub fn import(sources: &ImportSources, output: &Path) -> Result<Report, ConfigErrors> {
    let plain = |text: String| ConfigErrors::from(ConfigError::new(Origin::Default, text));
    if output.exists() {
        let text =
            "is there already: name another file, or change it with `sealift-relay asconfigurator`";
        return Err(plain(format!("{} {text}", output.display())));
    }
    let text = xml::text(&sources.aspera_conf)?;
    let document = xml::parse(&sources.aspera_conf, &text)?;
    let mut importing = Importing {
        path: &sources.aspera_conf,
        lines: Lines::of(&text),
        edit: Edit::open(output).map_err(plain)?,
        users: BTreeSet::new(),
        trunks: BTreeMap::new(),
        docroots: Vec::new(),
        s3: SystemDefaults::default(),
        report: Report::default(),
        errors: Vec::new(),
        required: false,
        strong: false,
        differing: Differing::No,
    };
    if let Some(properties) = &sources.s3_properties {
        importing.properties(properties);
    }
    importing.root(document.root_element());
    let Importing {
        edit,
        report,
        errors,
        ..
    } = importing;
    if !errors.is_empty() {
        return Err(ConfigErrors(errors));
    }
    edit.save().map_err(plain)?;
    Ok(report)
}

/// How users' protection differs from the server's.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Differing {
    No,
    Stricter,
    Weaker,
}

pub(super) struct Importing<'a> {
    path: &'a Path,
    lines: Lines,
    pub(super) edit: Edit,
    /// Users, trunks by number, and docroots with their names, so far.
    users: BTreeSet<String>,
    trunks: BTreeMap<u32, String>,
    docroots: Vec<(String, DocrootSettings)>,
    s3: SystemDefaults,
    report: Report,
    errors: Vec<ConfigError>,
    /// The server's protection, to which users' is compared.
    required: bool,
    strong: bool,
    differing: Differing,
}

impl Importing<'_> {
    fn root(&mut self, root: Node<'_, '_>) {
        let defaults = match root.tag_name().name() {
            "CONF" => xml::at(root, &["default"]),
            // A part of the file, as guides show it.
            "default" => vec![root],
            "transfer" | "file_system" => vec![root],
            other => {
                let other: String = other.chars().take(40).collect();
                let text =
                    format!("the root element must be <CONF>, as in aspera.conf, not <{other}>");
                return self.error(root, text);
            }
        };
        for trunk in xml::at(root, &["trunks", "trunk"]) {
            self.trunk(trunk);
        }
        for default in defaults {
            let part = ["transfer", "file_system"]
                .into_iter()
                .find(|part| default.has_tag_name(*part));
            self.settings(default, part, Scope::Default, &Section::Top, "");
        }
        self.http_server(root);
        let realm = ["aaa", "realms", "realm"];
        for user in xml::at(root, &[&realm[..], &["users", "user"]].concat()) {
            self.user(user);
        }
        for group in xml::at(root, &[&realm[..], &["groups", "group"]].concat()) {
            self.group(group);
        }
        let known = ["default", "trunks", "aaa", "http_server", "server"];
        let others = root.children().filter(Node::is_element);
        for other in others.filter(|_| root.has_tag_name("CONF")) {
            let name = other.tag_name().name();
            if !known.contains(&name) {
                let why = "it belongs to a service that is not needed here";
                self.add(other, format!("<{name}>"), Outcome::Ignored(why.to_owned()));
            }
        }
        let may = match self.differing {
            Differing::No => return,
            Differing::Stricter => "stricter",
            Differing::Weaker => "yes",
        };
        let done = self
            .edit
            .set(&Section::Top, "protection_may_differ", Some(may));
        self.take(
            root,
            "users with content protection of their own".to_owned(),
            done,
        );
    }

    fn settings(
        &mut self,
        element: Node<'_, '_>,
        prefix: Option<&str>,
        scope: Scope,
        section: &Section,
        whose: &str,
    ) {
        let mut docroots: Vec<usize> = Vec::new();
        for leaf in xml::leaves(element, &|name| name == "name") {
            let name = prefix.map_or(leaf.name.clone(), |part| format!("{part}_{}", leaf.name));
            let known = meaning(scope, &name);
            if known == Some(Meaning::Docroot) && !leaf.text.is_empty() {
                docroots.push(self.lines.line(leaf.node));
                if let [first, _] = docroots[..] {
                    let text = format!(
                        "{whose}a second docroot; the first is in line {first}: a user has exactly one, keep one <path>"
                    );
                    self.error(leaf.node, text);
                }
                if docroots.len() > 1 {
                    continue;
                }
            }
            self.setting(&leaf, &name, known, section, whose);
        }
    }

    pub(super) fn setting(
        &mut self,
        leaf: &Leaf<'_>,
        name: &str,
        known: Option<Meaning>,
        section: &Section,
        whose: &str,
    ) {
        let text = leaf.text.as_str();
        let shown = if known == Some(Meaning::Docroot) {
            redacted(text)
        } else if name.contains("secret") || name.contains("pass") && text.parse::<bool>().is_err()
        {
            "(secret)".to_owned()
        } else {
            text.chars().take(80).collect()
        };
        let what = format!("{whose}{name} = {shown}");
        let node = leaf.node;
        let ignored = |why: &str| Outcome::Ignored(why.to_owned());
        match known {
            _ if text.is_empty() => self.add(node, what, ignored("it is empty")),
            None => {
                let why = "nothing here has this name".to_owned();
                self.add(node, what, Outcome::Missing(why));
            }
            Some(Meaning::Ignored(why)) => self.add(node, what, ignored(why)),
            Some(Meaning::Missing(why)) => self.add(node, what, Outcome::Missing(why.to_owned())),
            Some(Meaning::AlwaysTrue(why)) if truth(text) == Ok(true) => {
                self.add(node, what, ignored(why));
            }
            Some(Meaning::AlwaysTrue(why)) => {
                let text = format!("it can only be true: {why}");
                self.add(node, what, Outcome::Missing(text));
            }
            Some(Meaning::Required | Meaning::StrongPassword) => {
                self.protection(leaf, known == Some(Meaning::Required), section, what);
            }
            Some(Meaning::Docroot) => self.docroot(leaf, section, what),
            Some(Meaning::TrunkId) if *section == Section::Top => {
                let why = "name the trunk in each [users.NAME]".to_owned();
                self.add(node, what, Outcome::Missing(why));
            }
            Some(Meaning::TrunkId) => self.trunk_id(leaf, section, what),
            Some(_) => self.add(node, what, ignored("it stands in another place")),
        }
    }

    fn protection(&mut self, leaf: &Leaf<'_>, mode_key: bool, section: &Section, what: String) {
        let on = match truth(&leaf.text) {
            Ok(on) => on,
            Err(text) => return self.error(leaf.node, format!("`{}` {text}", leaf.name)),
        };
        let server = if mode_key {
            &mut self.required
        } else {
            &mut self.strong
        };
        if *section == Section::Top {
            *server = on;
        } else if *server == on {
            let text = "it is the server's too".to_owned();
            return self.add(leaf.node, what, Outcome::Ignored(text));
        } else {
            let this = if on {
                Differing::Stricter
            } else {
                Differing::Weaker
            };
            self.differing = self.differing.max(this);
            // The edit must be right at each step.
            let may = if self.differing == Differing::Weaker {
                "yes"
            } else {
                "stricter"
            };
            let _ = self
                .edit
                .set(&Section::Top, "protection_may_differ", Some(may));
        }
        let done = if mode_key {
            mode(&leaf.text).and_then(|mode| self.edit.set(section, "protection", Some(mode)))
        } else {
            let text = on.to_string();
            self.edit
                .set(section, "strong_password_required", Some(&text))
        };
        self.take(leaf.node, what, done);
    }

    fn docroot(&mut self, leaf: &Leaf<'_>, section: &Section, what: String) {
        if leaf.node.has_attribute("peer_ip") {
            let text = "a docroot for one client's address has no counterpart: give its users docroots of their own";
            return self.add(leaf.node, what, Outcome::Missing(text.to_owned()));
        }
        let url = match docroot_url(&leaf.text) {
            Ok(url) => url,
            Err(text) => return self.error(leaf.node, text),
        };
        // Errors in the URL are said here, where its line is known.
        let place = match DocrootUrl::parse(&url, &self.s3) {
            Ok(place) => place,
            Err(error) => return self.error(leaf.node, format!("`absolute`: {error}")),
        };
        let name = match section {
            // The default docroot is everybody's, not this user's.
            Section::User(user) if user == DEFAULT_DOCROOT => "default-2",
            Section::User(user) => user.as_str(),
            _ => DEFAULT_DOCROOT,
        };
        let known = self.docroots.iter().find(|(_, known)| *known == place);
        let known = known.map(|(name, _)| name.clone());
        if known.is_none()
            && let Some(other) = self.overlapping(&place)
        {
            let text = format!(
                "{place} and {other}, another user's or the default docroot, lie in one another or differ in settings \
                 only: give each a place of its own, side by side"
            );
            return self.error(leaf.node, text);
        }
        let made = match &known {
            Some(_) => Ok(None),
            None => self.edit.set_url(name, &url).map(Some),
        };
        let name = known.unwrap_or_else(|| {
            self.docroots.push((name.to_owned(), place));
            name.to_owned()
        });
        let done = made.and_then(|made| {
            let user = match section {
                Section::User(_) => Some(self.edit.set(section, "docroot", Some(&name))?),
                _ => None,
            };
            let done: Vec<String> = made.into_iter().chain(user).collect();
            Ok(done.join(", "))
        });
        self.take(leaf.node, what, done);
    }

    /// A docroot so far that lies in a place, or that the place lies in.
    fn overlapping(&self, place: &DocrootSettings) -> Option<String> {
        let folder = as_folder(&place.to_string());
        let places = self.docroots.iter().map(|(_, known)| known.to_string());
        places.into_iter().find(|known| {
            let known = as_folder(known);
            known.starts_with(&folder) || folder.starts_with(&known)
        })
    }

    fn trunk_id(&mut self, leaf: &Leaf<'_>, section: &Section, what: String) {
        if leaf.text == "0" {
            return self.add(
                leaf.node,
                what,
                Outcome::Ignored("it means none".to_owned()),
            );
        }
        let done = trunk_number(&leaf.text).and_then(|id| {
            let name = self.trunks.get(&id);
            let name = name.ok_or_else(|| format!("there is no <trunk> with the id {id}"))?;
            self.edit.set(section, "trunk", Some(name))
        });
        self.take(leaf.node, what, done);
    }

    fn user(&mut self, user: Node<'_, '_>) {
        let given = xml::at(user, &["name"])
            .first()
            .map(|name| xml::text_of(*name));
        let Some(given) = given.filter(|name| !name.is_empty()) else {
            return self.error(user, "<user> needs a <name>".to_owned());
        };
        let name = given.to_ascii_lowercase();
        if let Err(text) = check_name(&name) {
            return self.error(user, format!("{text}; rename the user before the import"));
        }
        if !self.users.insert(name.clone()) {
            return self.error(user, format!("there are two users `{name}`: keep one"));
        }
        let section = Section::User(name.clone());
        let done = self.edit.set(&section, "docroot", Some(DEFAULT_DOCROOT));
        self.take(
            user,
            format!("user {given}"),
            done.map(|_| format!("[users.{name}]")),
        );
        self.settings(
            user,
            None,
            Scope::User,
            &section,
            &format!("user {given}: "),
        );
    }

    /// A group's settings are not taken in silence by nobody.
    fn group(&mut self, group: Node<'_, '_>) {
        let name = xml::at(group, &["name"])
            .first()
            .map(|name| xml::text_of(*name));
        let name = name.unwrap_or_default();
        for leaf in xml::leaves(group, &|name| name == "name") {
            let what = format!("group {name}: {}", leaf.name);
            let outcome = match meaning(Scope::Group, &leaf.name) {
                Some(Meaning::Ignored(why)) => Outcome::Ignored(why.to_owned()),
                _ => Outcome::Missing(
                    "there are no groups: set it for each of the group's users, or for all"
                        .to_owned(),
                ),
            };
            self.add(leaf.node, what, outcome);
        }
    }

    fn trunk(&mut self, trunk: Node<'_, '_>) {
        let leaves = xml::leaves(trunk, &|_| false);
        let of = |wanted: Meaning| {
            leaves
                .iter()
                .find(|leaf| meaning(Scope::Trunk, &leaf.name) == Some(wanted))
        };
        let id = of(Meaning::TrunkNumber).map_or(Err("<trunk> needs an <id>".to_owned()), |leaf| {
            trunk_number(&leaf.text)
        });
        let id = match id {
            Ok(id) => id,
            Err(text) => return self.error(trunk, text),
        };
        let name = of(Meaning::TrunkName).map(|leaf| leaf.text.to_ascii_lowercase());
        let name = name.filter(|name| check_name(name).is_ok());
        let name = name.unwrap_or_else(|| format!("trunk-{id}"));
        let section = Section::Trunk(name.clone());
        if self.trunks.insert(id, name).is_some() {
            return self.error(trunk, format!("there are two trunks {id}: keep one"));
        }
        let done = self.edit.set(&section, "id", Some(&id.to_string()));
        self.take(trunk, format!("trunk {id}"), done);
        if of(Meaning::TrunkOn).is_none() {
            let done = self.edit.set(&section, "on", Some("false"));
            self.take(trunk, format!("trunk {id}: without <on>"), done);
        }
        for leaf in &leaves {
            let what = format!("trunk {id}: {} = {}", leaf.name, leaf.text);
            let done = match meaning(Scope::Trunk, &leaf.name) {
                Some(Meaning::TrunkNumber | Meaning::TrunkName) => continue,
                Some(Meaning::TrunkCapacity) => match capacity(&leaf.text) {
                    Ok(rate) => self.edit.set(&section, "capacity_kbps", Some(&rate)),
                    Err(text) => {
                        let text = format!("it {text}; until capacity_kbps is set, 50000 holds");
                        self.add(leaf.node, what, Outcome::Missing(text));
                        continue;
                    }
                },
                Some(Meaning::TrunkOn) => {
                    let on = truth(&leaf.text).map(|on| on.to_string());
                    on.and_then(|on| self.edit.set(&section, "on", Some(&on)))
                }
                Some(Meaning::Missing(why)) => {
                    self.add(leaf.node, what, Outcome::Missing(why.to_owned()));
                    continue;
                }
                _ => {
                    self.add(
                        leaf.node,
                        what,
                        Outcome::Missing("there is nothing like it".to_owned()),
                    );
                    continue;
                }
            };
            self.take(leaf.node, what, done);
        }
    }

    fn properties(&mut self, path: &Path) {
        let read = read_text(path, PROPERTIES_BYTES_MAX).and_then(|text| {
            Properties::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
        });
        let read = match read {
            Ok(read) => read,
            Err(text) => return self.errors.push(ConfigError::new(Origin::Default, text)),
        };
        self.s3 = read.defaults.clone();
        for (key, value) in read.defaults.pairs() {
            let ours = key.replace('-', "_");
            let done = self.edit.set(&Section::Top, &ours, Some(&value));
            let place = path.display().to_string();
            match done {
                Ok(done) => self.report.add(place, key.to_owned(), Outcome::Taken(done)),
                Err(text) => self.errors.push(ConfigError::new(Origin::Default, text)),
            }
        }
        for line in read.ignored {
            let place = format!("{}:{}", path.display(), line.line);
            self.report
                .add(place, line.key, Outcome::Ignored(line.reason.to_owned()));
        }
    }

    pub(super) fn take(&mut self, node: Node<'_, '_>, what: String, done: Result<String, String>) {
        match done {
            Ok(done) => self.add(node, what, Outcome::Taken(done.replace('\n', ", "))),
            Err(text) => self.error(node, text),
        }
    }

    pub(super) fn add(&mut self, node: Node<'_, '_>, what: String, outcome: Outcome) {
        let place = format!("{}:{}", self.path.display(), self.lines.line(node));
        self.report.add(place, what, outcome);
    }

    pub(super) fn error(&mut self, node: Node<'_, '_>, text: String) {
        let origin = Origin::File(self.path.to_owned(), self.lines.line(node));
        self.errors.push(ConfigError::new(origin, text));
    }
}
