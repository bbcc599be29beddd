//! What is wrong with a configuration: each error is one line with its place and what to write instead.

use std::fmt;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of a file, counted from 1.
    File(PathBuf, usize),
    /// A variable of the environment.
    Environment(String),
    /// A flag of the command line, with its hyphens.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError {
    /// Where it stands.
    pub origin: Origin,
    /// What is wrong and what to write instead.
    pub text: String,
}

impl ConfigError {
    /// An error at a place.
    pub fn new(origin: Origin, text: impl Into<String>) -> Self {
        Self {
            origin,
            text: text.into(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Default => f.write_str(&self.text),
            origin => write!(f, "{origin}: {}", self.text),
        }
    }
}

/// Everything that is wrong with a configuration, one line each; none of it was applied.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, error) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

/// `; did you mean …?` when a known word is near, nothing otherwise.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let far = (word.len() / 3).max(2);
    nearest(word, known, far).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

/// The known word that is nearest to a misspelt one, if one is no further than `far` edits.
pub(crate) fn nearest<'a>(
    word: &str,
    known: impl Iterator<Item = &'a str>,
    far: usize,
) -> Option<&'a str> {
    let word: String = word.chars().take(64).collect();
    known
        .map(|known| (strsim::damerau_levenshtein(&word, known), known))
        .filter(|(distance, _)| *distance <= far)
        .min()
        .map(|(_, known)| known)
}
