//! Reads `SEALIFT_…` variables. `SEALIFT_LISTEN` is `listen`; `SEALIFT_USERS__XFER__DOCROOT` is `docroot` of
//! `[users.xfer]`; a secret's variable with `_FILE` behind it names a file that holds the value.

use zeroize::Zeroizing;

use crate::error::{ConfigError, Origin, nearest};
use crate::file::{self, shape_of};
use crate::given::{Given, Section, check_name};
use crate::keys::Keyed;
use crate::settings::{Docroot, Settings, Trunk, User};

const PREFIX: &str = "SEALIFT_";

/// The variables that are settings; errors for those that nearly are.
pub(crate) fn read(variables: &[(String, String)]) -> (Vec<Given>, Vec<ConfigError>) {
    let (mut given, mut errors) = (Vec::new(), Vec::new());
    for (variable, text) in variables {
        let Some(rest) = variable.strip_prefix(PREFIX) else {
            continue;
        };
        match one(rest) {
            Ok(Some((section, key))) => given.push(Given {
                section,
                key,
                text: Zeroizing::new(text.clone()),
                origin: Origin::Environment(variable.clone()),
            }),
            Ok(None) => {}
            Err(text) => {
                errors.push(ConfigError::new(
                    Origin::Environment(variable.clone()),
                    text,
                ));
            }
        }
    }
    (given, errors)
}

fn one(rest: &str) -> Result<Option<(Section, String)>, String> {
    let name = rest.to_ascii_lowercase();
    let parts: Vec<&str> = name.split("__").collect();
    let (section, key) = match *parts {
        [key] => (Section::Top, key),
        [table, entry, key] => {
            check_name(entry)?;
            let section = Section::entry(table, entry).ok_or(
                "there is no such table; write SEALIFT_DOCROOTS__NAME__KEY or SEALIFT_USERS__NAME__KEY",
            )?;
            (section, key)
        }
        _ => return Err("write SEALIFT_KEY or SEALIFT_TABLE__NAME__KEY".to_owned()),
    };
    let known = match section {
        Section::Top => shape_of::<Settings>(key),
        Section::Docroot(_) => shape_of::<Docroot>(key),
        Section::User(_) => shape_of::<User>(key),
        Section::Trunk(_) => shape_of::<Trunk>(key),
    };
    if known.is_some() {
        return Ok(Some((section, key.to_owned())));
    }
    match section {
        Section::Top => unknown::<Settings>(key).map_or(Ok(None), Err),
        Section::Docroot(_) => Err(file::unknown::<Docroot>(&section, key, &[])),
        Section::User(_) => Err(file::unknown::<User>(&section, key, &[])),
        Section::Trunk(_) => Err(file::unknown::<Trunk>(&section, key, &[])),
    }
}

/// A misspelt setting is an error. A name far from all of them is another program's, such as `SEALIFT_GRANT` of the
/// command line or `SEALIFT_SERVICE_HOST` of Kubernetes.
fn unknown<T: Keyed>(key: &str) -> Option<String> {
    let known = T::KEYS.iter().map(|key| key.name);
    let near = nearest(key, known, (key.len() / 4).max(1))?;
    Some(format!(
        "no setting has this name; did you mean `{PREFIX}{}`?",
        near.to_ascii_uppercase()
    ))
}
