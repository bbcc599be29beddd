//! The relay's word about what it takes, asked before a password is: a wrong address, an untrusted
//! certificate, a missing grant or a password that is too weak shows in a second, not after the
//! sealing has begun.
//!
//! The answer can only restrict (rule K4): no key, and no weaker protection, ever comes from it, and a
//! word that is not known counts as the strictest one.

use reqwest::header::HeaderValue;
use sealift_protocol::Code;
use sealift_protocol::policy::{ClientVersion, GRANT_HEADER, PasswordRule, ProtectionMode};
use sealift_strength::Rule;
use serde::Deserialize;

use crate::failure::{Cause, Failure, Result};
use crate::network::{self, RelayAddress};
use crate::protection::Protection;
use crate::terminal::Terminal;

/// The part of the policy that matters to this program.
#[derive(Deserialize)]
pub(crate) struct Policy {
    uploads_open: bool,
    #[serde(default)]
    protection: Rules,
    #[serde(default)]
    client_version_min: Option<String>,
    #[serde(default)]
    client_version_warn_below: Option<String>,
}

/// What the relay asks of content protection.
#[derive(Default, Deserialize)]
struct Rules {
    #[serde(default)]
    mode: Option<String>,
    #[serde(default)]
    strong_password_required: bool,
    #[serde(default)]
    password_rule: Option<String>,
}

impl Policy {
    /// Asks the relay; with a grant, for what holds for its user.
    ///
    /// # Errors
    ///
    /// The relay cannot be reached, is not trusted, is no relay, or takes newer programs only.
    pub(crate) async fn ask(
        client: &reqwest::Client,
        relay: &RelayAddress,
        grant: Option<&str>,
        terminal: &Terminal,
    ) -> Result<Self> {
        let mut request = client.get(relay.join("api/policy"));
        if let Some(mut grant) = grant.and_then(|grant| HeaderValue::from_str(grant).ok()) {
            grant.set_sensitive(true);
            request = request.header(GRANT_HEADER, grant);
        }
        let answer = request.send().await;
        let answer = answer.map_err(|error| network::unreachable(relay, &error))?;
        if !answer.status().is_success() {
            return Err(network::refused(answer).await);
        }
        let policy: Option<Self> = network::small_json(answer).await;
        let policy = policy.ok_or_else(|| {
            Failure::new(
                Cause::Refused,
                format!("there is no Sealift relay at {}", relay.base()),
                "Check the address with the relay's operator.",
            )
        })?;
        policy.check_version(terminal)?;
        Ok(policy)
    }

    fn check_version(&self, terminal: &Terminal) -> Result<()> {
        let own = ClientVersion::parse(env!("CARGO_PKG_VERSION"));
        let below = |limit: &Option<String>| {
            let limit = limit.as_deref().and_then(ClientVersion::parse);
            limit.is_some_and(|limit| own < Some(limit))
        };
        if below(&self.client_version_min) {
            return Err(Failure::shared(Code::ClientTooOld));
        }
        if below(&self.client_version_warn_below) {
            terminal.notice(network::OUTDATED);
        }
        Ok(())
    }

    /// Refuses what the relay would refuse later: no grant, and a link that opens by itself where a
    /// password is required. Before a password is asked for.
    ///
    /// # Errors
    ///
    /// [`Code::GrantRequired`], [`Code::PasswordRequired`].
    pub(crate) fn check(&self, has_grant: bool, no_password: bool) -> Result<()> {
        if !self.uploads_open && !has_grant {
            return Err(Failure::shared(Code::GrantRequired));
        }
        if no_password && self.password_required() {
            return Err(Failure::shared(Code::PasswordRequired));
        }
        Ok(())
    }

    /// Refuses a protection that the relay does not take, before anything is sent.
    ///
    /// # Errors
    ///
    /// [`Code::PasswordRequired`], [`Code::WeakPassword`] with what a password must be.
    pub(crate) fn check_protection(&self, protection: &Protection) -> Result<()> {
        if protection.opens_by_link() && self.password_required() {
            return Err(Failure::shared(Code::PasswordRequired));
        }
        protection
            .password()
            .map_or(Ok(()), |password| self.check_password(password))
    }

    /// Refuses a password that is weaker than the relay asks for.
    ///
    /// # Errors
    ///
    /// [`Code::WeakPassword`].
    pub(crate) fn check_password(&self, password: &str) -> Result<()> {
        let rule = match self
            .protection
            .password_rule
            .as_deref()
            .map(PasswordRule::parse)
        {
            Some(PasswordRule::Aspera) => Rule::Aspera,
            Some(PasswordRule::Sealift) | None => Rule::Sealift,
        };
        if !self.protection.strong_password_required || rule.allows(password) {
            return Ok(());
        }
        Err(Failure {
            advice: rule.sentence().to_owned(),
            ..Failure::shared(Code::WeakPassword)
        })
    }

    /// Whether every way in must be a password or a recipient's key (rule P1).
    pub(crate) fn password_required(&self) -> bool {
        let mode = self.protection.mode.as_deref().map(ProtectionMode::parse);
        mode == Some(ProtectionMode::Required)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(answer: serde_json::Value) -> Policy {
        serde_json::from_value(answer).unwrap()
    }

    #[test]
    fn k4_a_word_that_is_not_known_restricts_and_a_missing_one_does_not() {
        let none = policy(serde_json::json!({ "uploads_open": true }));
        none.check(false, true).unwrap();
        none.check_password("a").unwrap();
        let unknown = policy(serde_json::json!({
            "uploads_open": true,
            "protection": {
                "mode": "of tomorrow", "strong_password_required": true, "password_rule": "new",
            },
        }));
        let refused = unknown.check(false, true).unwrap_err();
        assert_eq!(refused.code, "password_required");
        // Passes the original's rule, not ours.
        let weak = unknown.check_password("ab123!").unwrap_err();
        assert_eq!(weak.code, "weak_password");
        assert_eq!(
            weak.what,
            "Server requires stronger content protection passphrase"
        );
    }

    #[test]
    fn k4_a_policy_that_names_recipients_adds_none() {
        // What is not known is not read: there is no way from here to a key.
        let policy = policy(serde_json::json!({
            "uploads_open": true, "recipients": ["sealift1…"], "recovery": "sealift1…",
            "protection": { "mode": "off", "recipients": ["sealift1…"] },
        }));
        policy.check(false, false).unwrap();
        assert!(!policy.password_required());
    }

    #[test]
    fn the_originals_rule_is_understood() {
        let aspera = policy(serde_json::json!({
            "uploads_open": true,
            "protection": { "strong_password_required": true, "password_rule": "aspera" },
        }));
        aspera.check_password("ab123!").unwrap();
        let weak = aspera.check_password("abcdefgh").unwrap_err();
        assert!(weak.advice.contains("a symbol"), "{}", weak.advice);
    }
}
