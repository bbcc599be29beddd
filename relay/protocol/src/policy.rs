//! What a relay asks of senders and of client versions: the words that policy answers, headers and hellos carry.
//!
//! A client treats every such word as a restriction only (rule K4): none of them makes it seal with less than it
//! would by itself. So a word that is not known counts as the strictest one.

use core::fmt;

use crate::limits::{CAPABILITIES_MAX, TEXT_BYTES_MAX};

/// The header in which every request to `/api` says which client it comes from: [`Client`].
pub const CLIENT_HEADER: &str = "sealift-client";
/// The header in which a relay says that a client should be updated. Its value is [`CLIENT_OUTDATED`].
pub const CLIENT_WARNING_HEADER: &str = "sealift-client-warning";
/// The only value of [`CLIENT_WARNING_HEADER`].
pub const CLIENT_OUTDATED: &str = "client_outdated";
/// The header in which a request for the policy may name a grant, to learn what holds for its user.
pub const GRANT_HEADER: &str = "sealift-grant";

/// Whether senders protect content by password. Stricter is greater.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum ProtectionMode {
    /// Pages ask for no password; one that is given is used (rule P1).
    Off,
    /// The sender chooses: a password, or the link alone.
    Optional,
    /// No slot may open by the link alone, or be of unknown kind (rule P1).
    Required,
}

impl ProtectionMode {
    /// The mode's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }

    /// The mode with this word; [`ProtectionMode::Required`] for one that is not known.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        match word {
            "off" => Self::Off,
            "optional" => Self::Optional,
            _ => Self::Required,
        }
    }
}

/// What a strong password is. Stricter is greater. The rules themselves are in the crate that estimates strength.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum PasswordRule {
    /// At least 6 characters with a letter, a digit and a symbol.
    Aspera,
    /// At least 12 characters and 2^50 guesses; long pass phrases need no symbols.
    Sealift,
}

impl PasswordRule {
    /// The rule's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aspera => "aspera",
            Self::Sealift => "sealift",
        }
    }

    /// The rule with this word; [`PasswordRule::Sealift`] for one that is not known.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        match word {
            "aspera" => Self::Aspera,
            _ => Self::Sealift,
        }
    }
}

/// A client's version, `X.Y.Z`. Ordered.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ClientVersion(pub [u32; 3]);

impl ClientVersion {
    /// Reads `X.Y.Z`, three plain numbers; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(|number| {
            let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| number.parse().ok()).flatten()
        });
        let mut next = || numbers.next().flatten();
        let version = Self([next()?, next()?, next()?]);
        numbers.next().is_none().then_some(version)
    }
}

impl fmt::Display for ClientVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([major, minor, patch]) = self;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// A program as it names itself: `web/0.1.0 (cap,cap)`, in [`CLIENT_HEADER`] and in a hello. It may lie.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Client<'a> {
    /// Which program, such as `web` or `cli`.
    pub name: &'a str,
    /// Its version.
    pub version: ClientVersion,
    /// What it can do, in its own words. Those that are not known mean nothing.
    pub capabilities: Vec<&'a str>,
}

impl<'a> Client<'a> {
    /// Reads a client's word about itself. `None`: it is not of this form, or longer than allowed.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (program, rest) = text.split_once(' ').unwrap_or((text, "()"));
        let (name, version) = program.split_once('/')?;
        let words = rest.strip_prefix('(')?.strip_suffix(')')?;
        let capabilities: Vec<_> = words
            .split(',')
            .filter(|word| !word.is_empty())
            .take(CAPABILITIES_MAX + 1)
            .collect();
        let is_word = |word: &&str| {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b);
            !word.is_empty() && word.bytes().all(plain)
        };
        let fits = capabilities.len() <= CAPABILITIES_MAX;
        let plain = is_word(&name) && capabilities.iter().all(is_word);
        (fits && plain).then_some(Self {
            name,
            version: ClientVersion::parse(version)?,
            capabilities,
        })
    }
}

impl fmt::Display for Client<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let capabilities = self.capabilities.join(",");
        write!(f, "{}/{} ({capabilities})", self.name, self.version)
    }
}

/// Which versions of clients a relay takes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ClientVersions {
    /// Those below may neither send nor receive.
    pub min: Option<ClientVersion>,
    /// Those below tell their user to update.
    pub warn_below: Option<ClientVersion>,
}

/// How a client's version stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It may be used.
    Current,
    /// It may be used; its user is told to update.
    Outdated,
    /// It may neither send nor receive.
    TooOld,
}

impl ClientVersions {
    /// How a client stands that says this about itself. One that says nothing that can be read is too old
    /// wherever there is a minimum.
    #[must_use]
    pub fn standing(&self, said: Option<ClientVersion>) -> Standing {
        let below = |limit: Option<ClientVersion>| limit.is_some_and(|limit| said < Some(limit));
        if below(self.min) {
            Standing::TooOld
        } else if below(self.warn_below) {
            Standing::Outdated
        } else {
            Standing::Current
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_three_plain_numbers() {
        for good in ["0.1.0", "10.20.30", "4294967295.0.0"] {
            assert_eq!(ClientVersion::parse(good).unwrap().to_string(), good);
        }
        for bad in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "1.2.x",
            "1..2",
            "+1.2.3",
            "1.2.3-beta",
            " 1.2.3",
            "4294967296.0.0",
        ] {
            assert_eq!(ClientVersion::parse(bad), None, "{bad:?}");
        }
        assert!(ClientVersion([0, 9, 9]) < ClientVersion([0, 10, 0]));
    }

    #[test]
    fn clients_name_themselves_in_one_form() {
        let client = Client::parse("web/0.1.0 (recipients,part_lost)").unwrap();
        assert_eq!(
            (client.name, client.version),
            ("web", ClientVersion([0, 1, 0]))
        );
        assert_eq!(client.capabilities, ["recipients", "part_lost"]);
        assert_eq!(client.to_string(), "web/0.1.0 (recipients,part_lost)");
        assert_eq!(
            Client::parse("cli/1.0.0").unwrap(),
            Client::parse("cli/1.0.0 ()").unwrap()
        );
        let many = format!("web/0.1.0 ({})", "a,".repeat(CAPABILITIES_MAX + 1));
        let long = format!("web/0.1.0 ({})", "a".repeat(TEXT_BYTES_MAX));
        for bad in [
            "",
            "web",
            "web/1",
            "/0.1.0",
            "web/0.1.0 recipients",
            "web/0.1.0 (a",
            "WEB/0.1.0",
            "web/0.1.0 (a b)",
            "web/0.1.0 (\n)",
            &many,
            &long,
        ] {
            assert_eq!(Client::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_client_below_the_minimum_or_without_a_version_is_too_old() {
        let versions = ClientVersions {
            min: Some(ClientVersion([0, 2, 0])),
            warn_below: Some(ClientVersion([0, 3, 0])),
        };
        for (said, standing) in [
            (None, Standing::TooOld),
            (Some([0, 1, 9]), Standing::TooOld),
            (Some([0, 2, 0]), Standing::Outdated),
            (Some([0, 3, 0]), Standing::Current),
        ] {
            assert_eq!(versions.standing(said.map(ClientVersion)), standing);
        }
        assert_eq!(ClientVersions::default().standing(None), Standing::Current);
    }

    #[test]
    fn k4_words_that_are_not_known_count_as_the_strictest() {
        assert_eq!(ProtectionMode::parse("none"), ProtectionMode::Required);
        assert_eq!(PasswordRule::parse("none"), PasswordRule::Sealift);
        for mode in [
            ProtectionMode::Off,
            ProtectionMode::Optional,
            ProtectionMode::Required,
        ] {
            assert_eq!(ProtectionMode::parse(mode.as_str()), mode);
        }
        for rule in [PasswordRule::Sealift, PasswordRule::Aspera] {
            assert_eq!(PasswordRule::parse(rule.as_str()), rule);
        }
    }
}
