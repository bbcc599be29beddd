//! Reads the original's command strings: `set_user_data;user_name,xfer;absolute,s3://…`.

use zeroize::Zeroizing;

use super::Scope;
use super::setting::{Meaning, meaning, settings};
use crate::error::did_you_mean;

/// Longest command.
const COMMAND_BYTES_MAX: usize = 64 << 10;

/// The word for "back to the default".
const NULL: &str = "AS_NULL";

/// A command string that was understood.
pub struct Command {
    pub(super) verb: Verb,
    /// The user, group or number that the command is about.
    pub(super) name: String,
    pub(super) parameters: Vec<Parameter>,
}

/// One `name,value`.
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) meaning: Meaning,
    /// `None` is `AS_NULL`.
    pub(super) value: Option<Zeroizing<String>>,
}

/// What a command does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verb {
    Set(Scope),
    DeleteUser,
    DeleteTrunk,
}

/// Commands, with what their first parameter must be.
const COMMANDS: [(&str, Verb, &[&str]); 7] = [
    ("set_user_data", Verb::Set(Scope::User), &["user_name"]),
    ("set_node_data", Verb::Set(Scope::Default), &[]),
    ("set_http_server_data", Verb::Set(Scope::HttpServer), &[]),
    ("set_server_data", Verb::Set(Scope::Server), &[]),
    (
        "set_trunk_data",
        Verb::Set(Scope::Trunk),
        &["id", "trunk_id"],
    ),
    ("delete_user", Verb::DeleteUser, &["user_name"]),
    ("delete_trunk", Verb::DeleteTrunk, &["id", "trunk_id"]),
];

/// Commands of the original that have no counterpart, and why.
const OTHERS: [(&str, &str); 7] = [
    (
        "set_group_data",
        "there are no groups: use set_user_data for each user, or set_node_data for all",
    ),
    ("delete_group", "there are no groups"),
    ("set_central_server_data", "there is no Aspera Central"),
    (
        "set_database_data",
        "there is no database server: records are in the data folder",
    ),
    (
        "set_client_data",
        "clients are told what they may do by the relay, and sealing is not a choice",
    ),
    (
        "reset_node_data",
        "set each parameter to AS_NULL with set_node_data",
    ),
    (
        "reset_user_data",
        "set each parameter to AS_NULL with set_user_data, or use delete_user",
    ),
];

impl Command {
    /// Reads a command.
    ///
    /// # Errors
    ///
    /// One line that says what to write instead. It shows no value, since values may be secret.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() > COMMAND_BYTES_MAX || text.contains(char::is_control) {
            return Err("a command is one line of at most 64 KiB".to_owned());
        }
        let mut parts = text.split(';').map(str::trim);
        let word = parts.next().unwrap_or_default();
        let (verb, first) = COMMANDS
            .iter()
            .find(|(known, ..)| *known == word)
            .map(|(_, verb, first)| (*verb, *first))
            .ok_or_else(|| unknown(word))?;
        let pairs = parts
            .filter(|part| !part.is_empty())
            .map(pair)
            .collect::<Result<Vec<_>, _>>()?;
        let (name, rest) = match (first, pairs.as_slice()) {
            ([], all) => (String::new(), all),
            (names, [(key, value), rest @ ..])
                if names.contains(&key.to_ascii_lowercase().as_str()) =>
            {
                ((*value).to_owned(), rest)
            }
            (names, _) => {
                return Err(format!(
                    "the first parameter of {word} must be `{}`: write \"{word};{},NAME;…\"",
                    names[0], names[0]
                ));
            }
        };
        if !first.is_empty() && (name.is_empty() || name == NULL) {
            return Err(format!("`{}` of {word} must not be empty", first[0]));
        }
        let parameters = match verb {
            Verb::Set(scope) => parameters(word, scope, rest)?,
            _ if rest.is_empty() => Vec::new(),
            _ => return Err(format!("{word} takes `{}` and nothing else", first[0])),
        };
        Ok(Self {
            verb,
            name,
            parameters,
        })
    }
}

fn unknown(word: &str) -> String {
    if let Some((_, why)) = OTHERS.iter().find(|(known, _)| *known == word) {
        return format!("{word} has no counterpart: {why}");
    }
    let known = COMMANDS.iter().map(|(known, ..)| *known);
    let near = did_you_mean(word, known.clone());
    let word: String = word.chars().take(40).collect();
    if near.is_empty() {
        let known: Vec<&str> = known.collect();
        return format!(
            "there is no command `{word}`; known are {}",
            known.join(", ")
        );
    }
    format!("there is no command `{word}`{near}")
}

fn pair(part: &str) -> Result<(&str, &str), String> {
    let (name, value) = part.split_once(',').ok_or_else(|| {
        let name: String = part.chars().take(40).collect();
        format!("`{name}` has no value: write `NAME,VALUE`, with {NULL} for the default")
    })?;
    Ok((name.trim(), value.trim()))
}

fn parameters(word: &str, scope: Scope, pairs: &[(&str, &str)]) -> Result<Vec<Parameter>, String> {
    if pairs.is_empty() {
        return Err(format!(
            "{word} sets nothing: write at least one more `NAME,VALUE`"
        ));
    }
    let mut parameters: Vec<Parameter> = Vec::new();
    for (name, value) in pairs {
        let meaning = meaning(scope, name).ok_or_else(|| {
            let known = settings(scope).iter().map(|(known, _)| *known);
            let near = did_you_mean(name, known.filter(|known| !known.ends_with('_')));
            let name: String = name.chars().take(80).collect();
            format!("{word} has no parameter `{name}`{near}")
        })?;
        if parameters
            .iter()
            .any(|other| other.meaning == meaning && is_ours(meaning))
        {
            return Err(match meaning {
                Meaning::Docroot => {
                    format!("`{name}` is given twice: a user has exactly one docroot")
                }
                _ => format!("`{name}` is given twice"),
            });
        }
        if value.is_empty() {
            return Err(format!(
                "`{name}` has no value: {NULL} is the word for the default"
            ));
        }
        parameters.push(Parameter {
            name: (*name).to_owned(),
            meaning,
            value: (*value != NULL).then(|| Zeroizing::new((*value).to_owned())),
        });
    }
    Ok(parameters)
}

/// Whether a meaning is one setting, not a kind of settings that are all ignored.
fn is_ours(meaning: Meaning) -> bool {
    !matches!(
        meaning,
        Meaning::Ignored(_) | Meaning::Missing(_) | Meaning::AlwaysTrue(_)
    )
}
