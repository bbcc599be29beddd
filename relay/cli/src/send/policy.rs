//! The relay's word about what it takes, asked before a password is: a wrong address, an untrusted
//! certificate or a missing grant shows in a second, not after the sealing has begun.
//!
//! The answer can only restrict (rule K4); no key and no protection ever comes from it.

use sealift_protocol::Code;
use serde::Deserialize;

use crate::failure::{Cause, Failure, Result};
use crate::network::{self, RelayAddress};

/// The part of the policy that matters before sending.
#[derive(Deserialize)]
pub(super) struct Policy {
    uploads_open: bool,
    #[serde(default)]
    password_required: bool,
}

impl Policy {
    /// Asks the relay.
    ///
    /// # Errors
    ///
    /// The relay cannot be reached, is not trusted, or is no relay.
    pub(super) async fn ask(client: &reqwest::Client, relay: &RelayAddress) -> Result<Self> {
        let answer = client.get(relay.join("api/policy")).send().await;
        let answer = answer.map_err(|error| network::unreachable(relay, &error))?;
        if !answer.status().is_success() {
            return Err(network::refused(answer).await);
        }
        network::small_json(answer).await.ok_or_else(|| {
            Failure::new(
                Cause::Refused,
                format!("there is no Sealift relay at {}", relay.base()),
                "Check the address with the relay's operator.",
            )
        })
    }

    /// Refuses now what the relay would refuse later.
    ///
    /// # Errors
    ///
    /// [`Code::GrantRequired`], [`Code::PasswordRequired`].
    pub(super) fn check(&self, has_grant: bool, no_password: bool) -> Result<()> {
        if !self.uploads_open && !has_grant {
            return Err(Failure::shared(Code::GrantRequired));
        }
        if self.password_required && no_password {
            return Err(Failure::shared(Code::PasswordRequired));
        }
        Ok(())
    }
}
