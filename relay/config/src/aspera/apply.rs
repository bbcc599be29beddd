//! Does in `sealift.toml` what a command of the original did in `aspera.conf`.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use sealift_docroot::{DocrootSettings, DocrootUrl};

use super::Scope;
use super::command::{Command, Parameter, Verb};
use super::setting::{Meaning, truth};
use crate::check::{CAPACITY_KBPS_MIN, as_folder};
use crate::config::{Config, DEFAULT_DOCROOT};
use crate::edit::{Edit, Refusal};
use crate::error::did_you_mean;
use crate::given::{Section, check_name};

impl Command {
    /// Edits a configuration file, which is made when missing. Says what it changed, a line each.
    ///
    /// # Errors
    ///
    /// Why nothing was changed.
    pub fn apply(&self, path: &Path) -> Result<Vec<String>, String> {
        let mut edit = Edit::open(path)?;
        let done = match self.verb {
            Verb::DeleteUser => delete_user(&mut edit, &self.name)?,
            Verb::DeleteTrunk => delete_trunk(&mut edit, &self.name)?,
            Verb::Set(Scope::HttpServer) => self.http_server(&mut edit)?,
            Verb::Set(scope) => self.set(&mut edit, scope)?,
        };
        edit.save()?;
        Ok(done)
    }

    fn set(&self, edit: &mut Edit, scope: Scope) -> Result<Vec<String>, Refusal> {
        let mut done = Vec::new();
        let section = match scope {
            Scope::User => {
                check_name(&self.name)?;
                let has_docroot = self
                    .parameters
                    .iter()
                    .any(|one| one.meaning == Meaning::Docroot);
                if !has_docroot && !edit.loaded()?.config.users.contains_key(&self.name) {
                    done.push(set_user_docroot(edit, &self.name, DEFAULT_DOCROOT)?);
                }
                Section::User(self.name.clone())
            }
            Scope::Trunk => self.trunk(edit, &mut done)?,
            _ => Section::Top,
        };
        for parameter in &self.parameters {
            done.push(one(edit, &section, parameter)?);
        }
        Ok(done)
    }

    /// The trunk of a number: the one that has it, or a new one.
    fn trunk(&self, edit: &mut Edit, done: &mut Vec<String>) -> Result<Section, Refusal> {
        let id = trunk_number(&self.name)?;
        let known = trunk_with(edit, id)?;
        let says_on = self
            .parameters
            .iter()
            .any(|one| one.meaning == Meaning::TrunkOn);
        let off = known.is_none() && !says_on;
        let given = self
            .parameters
            .iter()
            .find(|one| one.meaning == Meaning::TrunkName);
        let given = given.and_then(|one| one.value.as_deref().map(String::as_str));
        let name = match (known, given) {
            (Some(known), Some(given)) if known != given => {
                return Err(format!(
                    "trunk {id} is [trunks.{known}]: rename it in sealift.toml, where users name it"
                ));
            }
            (Some(known), _) => known,
            (None, given) => given.map_or_else(|| format!("trunk-{id}"), str::to_owned),
        };
        let section = Section::Trunk(name);
        done.push(edit.set(&section, "id", Some(&id.to_string()))?);
        if off {
            done.push(edit.set(&section, "on", Some("false"))?);
            done.push("it holds nothing back until trunk_on,true".to_owned());
        }
        Ok(section)
    }

    /// `enable_https`, ports and address together are our `listen`.
    fn http_server(&self, edit: &mut Edit) -> Result<Vec<String>, Refusal> {
        let value = |meaning: Meaning| {
            let one = self.parameters.iter().find(|one| one.meaning == meaning);
            one.and_then(|one| one.value.as_deref().map(String::as_str))
        };
        let mut done = Vec::new();
        for (meaning, key) in [
            (Meaning::Certificate, "tls_cert"),
            (Meaning::CertificateKey, "tls_key"),
        ] {
            if self.parameters.iter().any(|one| one.meaning == meaning) {
                done.push(edit.set(&Section::Top, key, value(meaning))?);
            }
        }
        let on = |meaning| value(meaning).map(truth).transpose();
        let tls = edit.has("tls_cert") || edit.has("tls_at_proxy");
        let (https, http) = (on(Meaning::EnableHttps)?, on(Meaning::EnableHttp)?);
        match (https, http) {
            (Some(false), Some(false)) => {
                return Err("the relay is all HTTP; to stop it, stop the service".to_owned());
            }
            (Some(true), _) if !tls => {
                return Err(
                    "enable_https needs `cert_file` and `key_file` in the same command, \
                            or tls_at_proxy in sealift.toml"
                        .to_owned(),
                );
            }
            (_, Some(true)) if tls => {
                return Err("HTTP beside HTTPS is not offered: passwords need TLS".to_owned());
            }
            _ => {}
        }
        let port = value(if https == Some(true) || (tls && http != Some(true)) {
            Meaning::HttpsPort
        } else {
            Meaning::HttpPort
        });
        let address = value(Meaning::BindAddress);
        if port.is_some() || address.is_some() {
            // The rest of the configuration is checked when it is saved.
            let now = edit.loaded().map_or_else(
                |_| SocketAddr::from(([127, 0, 0, 1], 8080)),
                |loaded| loaded.config.settings.listen,
            );
            let listen = listen(now, address, port)?;
            done.push(edit.set(&Section::Top, "listen", Some(&listen.to_string()))?);
        }
        for parameter in &self.parameters {
            if let Some(text) = passed_over(parameter)? {
                done.push(text);
            }
        }
        if done.is_empty() {
            done.push("nothing differs: that is so already".to_owned());
        }
        Ok(done)
    }
}

/// One parameter that is one setting of ours.
fn one(edit: &mut Edit, section: &Section, parameter: &Parameter) -> Result<String, Refusal> {
    if let Some(text) = passed_over(parameter)? {
        return Ok(text);
    }
    let value = parameter.value.as_deref().map(String::as_str);
    let named = |text: String| format!("`{}` {text}", parameter.name);
    match (parameter.meaning, value) {
        (Meaning::Docroot, _) => docroot(edit, section, value),
        (Meaning::Required, value) => {
            let mode = value.map(|text| mode(text).map_err(named)).transpose()?;
            edit.set(section, "protection", mode)
        }
        (Meaning::StrongPassword, value) => {
            let strong = value.map(truth).transpose().map_err(named)?;
            let strong = strong.map(|strong| strong.to_string());
            edit.set(section, "strong_password_required", strong.as_deref())
        }
        (Meaning::TrunkId, None | Some("0")) => edit.set(section, "trunk", None),
        (Meaning::TrunkId, Some(id)) => {
            let id = trunk_number(id)?;
            let name = trunk_with(edit, id)?.ok_or_else(|| {
                format!(
                    "there is no trunk {id}: begin with \"set_trunk_data;id,{id};trunk_capacity,…\""
                )
            })?;
            edit.set(section, "trunk", Some(&name))
        }
        (Meaning::TrunkName, _) => Ok(format!("{section} is its name")),
        (Meaning::TrunkCapacity, value) => {
            let rate = value.map(capacity).transpose().map_err(named)?;
            edit.set(section, "capacity_kbps", rate.as_deref())
        }
        (Meaning::TrunkOn, value) => {
            // In the original a trunk is off by default.
            let on = value.map_or(Ok(false), truth).map_err(named)?;
            edit.set(section, "on", Some(&on.to_string()))
        }
        (Meaning::ServerName, value) => {
            let url = value.map(|name| format!("https://{name}"));
            edit.set(section, "public_url", url.as_deref())
        }
        _ => Err(format!("`{}` belongs to another command", parameter.name)),
    }
}

/// What is said of a parameter that changes nothing; an error when that would deceive.
fn passed_over(parameter: &Parameter) -> Result<Option<String>, Refusal> {
    let name = &parameter.name;
    match parameter.meaning {
        Meaning::Ignored(why) => Ok(Some(format!("{name} is not needed: {why}"))),
        Meaning::Missing(why) => Err(format!("`{name}` has no counterpart: {why}")),
        Meaning::AlwaysTrue(why) => match parameter.value.as_deref().map(|text| truth(text)) {
            None | Some(Ok(true)) => Ok(Some(format!("{name} is not needed: {why}"))),
            _ => Err(format!("`{name}` can only be true here: {why}")),
        },
        _ => Ok(None),
    }
}

/// `true` is `required`; `false` leaves the choice to the sender.
pub(super) fn mode(text: &str) -> Result<&'static str, String> {
    Ok(if truth(text)? { "required" } else { "optional" })
}

/// A rate in kilobits a second; schedules have no counterpart.
pub(super) fn capacity(text: &str) -> Result<String, String> {
    text.parse::<u32>()
        .ok()
        .filter(|rate| *rate >= CAPACITY_KBPS_MIN)
        .map(|rate| rate.to_string())
        .ok_or_else(|| {
            format!(
                "must be one rate of at least {CAPACITY_KBPS_MIN} kbit/s, such as 50000; schedules have no counterpart"
            )
        })
}

/// A trunk's number.
pub(super) fn trunk_number(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|id| (1..=255).contains(id))
        .ok_or_else(|| "a trunk's number must be from 1 to 255".to_owned())
}

fn trunk_with(edit: &Edit, id: u32) -> Result<Option<String>, Refusal> {
    let loaded = edit.loaded()?;
    let found = loaded
        .config
        .trunks
        .iter()
        .find(|(_, trunk)| trunk.id == Some(id));
    Ok(found.map(|(name, _)| name.clone()))
}

pub(super) fn listen(
    now: SocketAddr,
    address: Option<&str>,
    port: Option<&str>,
) -> Result<SocketAddr, Refusal> {
    let ip: IpAddr = match address {
        Some(text) => text
            .parse()
            .map_err(|_| "`bind_address` must be an IP address, such as 0.0.0.0".to_owned())?,
        None => now.ip(),
    };
    let port = match port {
        Some(text) => text
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or("a port must be from 1 to 65535")?,
        None => now.port(),
    };
    Ok(SocketAddr::new(ip, port))
}

fn docroot(edit: &mut Edit, section: &Section, value: Option<&str>) -> Result<String, Refusal> {
    match (section, value) {
        (Section::User(user), Some(text)) => set_user_url(edit, user, text),
        (Section::User(user), None) => set_user_docroot(edit, user, DEFAULT_DOCROOT),
        _ => set_default_url(edit, value),
    }
}

/// Gives the default docroot, whose name cannot change, another URL; `None`: its place in the data folder.
fn set_default_url(edit: &mut Edit, value: Option<&str>) -> Result<String, Refusal> {
    let place = |edit: &Edit| -> Result<Option<String>, Refusal> {
        let place = edit.loaded()?.config.docroot(DEFAULT_DOCROOT).ok();
        Ok(place.map(|place| place.to_string()))
    };
    let former = place(edit)?;
    let mut done = match value {
        Some(text) => {
            let url = url_of(edit, text)?.0;
            edit.set_url(DEFAULT_DOCROOT, &url)?
        }
        None => edit.unset_url(DEFAULT_DOCROOT)?,
    };
    if place(edit)? != former {
        done += "\na relay that has packages in the former place refuses this: let them expire first, or give users \
                 docroots of their own (set_user_data)";
    }
    Ok(done)
}

fn set_user_docroot(edit: &mut Edit, user: &str, docroot: &str) -> Result<String, Refusal> {
    edit.set(&Section::User(user.to_owned()), "docroot", Some(docroot))
}

/// Gives a user the docroot of a URL: the one that is this place already, or a new one. No docroot that has a name gets
/// another place: the packages begun in it are looked for where the name leads.
fn set_user_url(edit: &mut Edit, user: &str, text: &str) -> Result<String, Refusal> {
    let (url, place) = url_of(edit, text)?;
    let config = edit.loaded()?.config;
    let known = config.docroots.keys().find_map(|name| {
        let known = config.docroot(name).ok()?;
        is_place(&known, &place).then_some((name, known))
    });
    let mut done = Vec::new();
    let name = match known {
        Some((name, settings)) => {
            if settings != place {
                check_alone(&config, user, name)?;
                done.push(edit.set_url(name, &url)?);
            }
            name.clone()
        }
        None => {
            let name = free_name(&config, user);
            done.push(edit.set_url(&name, &url)?);
            name
        }
    };
    done.push(set_user_docroot(edit, user, &name)?);
    Ok(done.join("\n"))
}

/// Whether two docroots are in one place, however their paths are written and whatever their settings.
fn is_place(one: &DocrootSettings, other: &DocrootSettings) -> bool {
    one == other || as_folder(&one.to_string()) == as_folder(&other.to_string())
}

/// A docroot has one URL: what others use is not changed by a command about one user.
fn check_alone(config: &Config, user: &str, docroot: &str) -> Result<(), Refusal> {
    let mut others: Vec<&str> = config
        .users
        .iter()
        .filter(|(other, entry)| *other != user && entry.docroot == docroot)
        .map(|(other, _)| other.as_str())
        .collect();
    if docroot == DEFAULT_DOCROOT {
        others.push("senders without a user");
    }
    if others.is_empty() {
        return Ok(());
    }
    Err(format!(
        "`absolute` is [docroots.{docroot}] with another URL, and {} use that docroot too: change its URL in \
         sealift.toml for all of them, or name another path for `{user}`",
        others.join(", ")
    ))
}

/// A name for a new docroot of a user.
fn free_name(config: &Config, user: &str) -> String {
    std::iter::once(user.to_owned())
        .chain((2..).map(|number| format!("{user}-{number}")))
        .find(|name| !config.docroots.contains_key(name))
        .unwrap_or_default()
}

/// A docroot's URL from the original's text, checked.
fn url_of(edit: &Edit, text: &str) -> Result<(String, DocrootSettings), Refusal> {
    let url = docroot_url(text)?;
    let place = DocrootUrl::parse(&url, &edit.loaded()?.config.s3)
        .map_err(|error| format!("`absolute`: {error}"))?;
    Ok((url, place))
}

/// The original's docroot as a URL of ours.
pub(super) fn docroot_url(text: &str) -> Result<String, String> {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    match scheme {
        None if text.starts_with('/') => Ok(text.to_owned()),
        // `file:////path` is the original's form; ours has three slashes.
        Some("file") => Ok(format!(
            "file:///{}",
            text.trim_start_matches("file:").trim_start_matches('/')
        )),
        Some(scheme) if ["azu", "azure", "gs", "oss", "swift", "hdfs"].contains(&scheme) => Err(
            format!("docroots on {scheme}:// have no counterpart: there are file:// and s3://"),
        ),
        _ => Ok(text.to_owned()),
    }
}

fn delete_user(edit: &mut Edit, user: &str) -> Result<Vec<String>, Refusal> {
    let users = edit.loaded()?.config.users;
    if !edit.remove("users", user) {
        let near = did_you_mean(user, users.keys().map(String::as_str));
        return Err(format!("there is no user `{}`{near}", user.escape_debug()));
    }
    Ok(vec![format!(
        "users.{user} is gone; what the user's grants would send is refused, what was sent stays"
    )])
}

fn delete_trunk(edit: &mut Edit, id: &str) -> Result<Vec<String>, Refusal> {
    let id = trunk_number(id)?;
    let name = trunk_with(edit, id)?.ok_or_else(|| format!("there is no trunk {id}"))?;
    edit.remove("trunks", &name);
    Ok(vec![format!("trunks.{name} is gone")])
}
