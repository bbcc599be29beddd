//! What an import did with each of the original's settings.

use std::fmt;

/// What became of a setting.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It is now this.
    Taken(String),
    /// It is not needed, and why.
    Ignored(String),
    /// There is nothing like it, and what to do.
    Missing(String),
}

/// One setting of the original.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// Where it stands: file and line.
    pub place: String,
    /// What it says. Secrets are left out.
    pub what: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// Every setting that was found, in the order of the files.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report(pub Vec<Finding>);

impl Report {
    pub(crate) fn add(&mut self, place: String, what: String, outcome: Outcome) {
        self.0.push(Finding {
            place,
            what,
            outcome,
        });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        type Which = fn(&Outcome) -> Option<&str>;
        let parts: [(&str, &str, Which); 3] = [
            ("taken", "is now", |outcome| match outcome {
                Outcome::Taken(text) => Some(text),
                _ => None,
            }),
            ("ignored", "is not needed:", |outcome| match outcome {
                Outcome::Ignored(text) => Some(text),
                _ => None,
            }),
            (
                "without a counterpart",
                "has none:",
                |outcome| match outcome {
                    Outcome::Missing(text) => Some(text),
                    _ => None,
                },
            ),
        ];
        for (title, verb, which) in parts {
            let lines: Vec<String> = self
                .0
                .iter()
                .filter_map(|one| {
                    let text = which(&one.outcome)?;
                    Some(format!("  {}: {} {verb} {text}\n", one.place, one.what))
                })
                .collect();
            write!(f, "{title} ({}):\n{}", lines.len(), lines.concat())?;
        }
        Ok(())
    }
}
