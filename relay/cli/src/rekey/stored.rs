//! A package at its relay, by its manage link: fetch the keyring, open it, put the next one in its
//! place if it is still the same (rule K2), fetch it back and open that before anything is claimed.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use reqwest::header::{AUTHORIZATION, HeaderValue, IF_MATCH};
use sealift_envelope::keyring::KeyringBuilder;
use sealift_protocol::format::{KdfLimits, Keyring, KeyringPolicy};
use sealift_protocol::limits::KEYRING_BYTES_MAX;
use sealift_protocol::link::{Fragment, Link, LinkSecret};
use sealift_protocol::{Code, OwnerToken, PackageId};
use sha2::{Digest, Sha256};
use std::time::Duration;
use zeroize::Zeroizing;

use super::{Change, Proof, check_opens, tell};
use crate::arguments::Rekey;
use crate::failure::{Cause, Failure, Result};
use crate::generations;
use crate::network::{self, RelayAddress};
use crate::policy::Policy;
use crate::send::runtime;
use crate::terminal::Terminal;
use crate::unlock::By;

/// A lost answer is asked for again so often: the same keyring put twice counts once.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);

/// Replaces the keyring of the package that the manage link names.
pub(super) fn run(arguments: &Rekey, terminal: &Terminal) -> Result<()> {
    let link = Link::parse(&arguments.link.source().read()?)?;
    let relay = RelayAddress::parse(&link.relay)?;
    let (Fragment::Manage { owner, secret }, Some(package)) = (link.fragment, link.package) else {
        return Err(Failure::new(
            Cause::BadLink,
            "this link does not give the right to change who can open it",
            "Use the manage link, which was printed when the package was sent.",
        ));
    };
    let tls = network::tls(arguments.network.ca.as_deref())?;
    let client = network::http(&relay, &tls)?;
    let runtime = runtime()?;
    let policy = runtime.block_on(Policy::ask(&client, &relay, None, terminal))?;
    let stored = Stored {
        client,
        relay,
        package,
        owner,
        runtime,
    };
    let current = stored.fetch(None)?;
    let parsed = Keyring::parse(&current)?;
    if parsed.package() != package {
        return Err(Failure::shared(Code::PackageMismatch));
    }
    generations::check(&parsed)?;
    let next = if arguments.undo {
        stored.undo(&current, secret.as_ref(), arguments)?
    } else {
        stored.change(&current, secret.as_ref(), &policy, arguments, terminal)?
    };
    generations::remember(&Keyring::parse(&next)?, By::Password, terminal);
    let undo = if arguments.undo {
        "the keyring from before the last change holds again"
    } else {
        "the relay keeps the keyring before for some days: `sealift rekey --undo` goes back to it"
    };
    tell(&next, Some(undo), terminal)
}

/// A package at its relay.
struct Stored {
    client: reqwest::Client,
    relay: RelayAddress,
    package: PackageId,
    owner: OwnerToken,
    runtime: tokio::runtime::Runtime,
}

impl Stored {
    /// Returns the keyring that now holds.
    fn change(
        &self,
        current: &[u8],
        link: Option<&LinkSecret>,
        policy: &Policy,
        arguments: &Rekey,
        terminal: &Terminal,
    ) -> Result<Vec<u8>> {
        let proof = Proof::choose(&Keyring::parse(current)?, link, arguments)?;
        let opened = proof.unlock(current, self.package, link)?;
        let change = Change::ask(arguments, terminal)?;
        if let Some(password) = &change.password {
            policy.check_password(password)?;
        }
        let next = change.apply(current, &opened)?;
        Keyring::parse(&next)?.check_policy(KeyringPolicy {
            password_required: policy.password_required(),
            kdf: KdfLimits::PRODUCTION,
        })?;
        let written = self.replace(current, &next)?;
        check_opens(&written, &opened, &change, &proof, link)?;
        Ok(written)
    }

    /// The slots from before the last change, under the next number.
    fn undo(
        &self,
        current: &[u8],
        link: Option<&LinkSecret>,
        arguments: &Rekey,
    ) -> Result<Vec<u8>> {
        let parsed = Keyring::parse(current)?;
        let before = parsed.generation().saturating_sub(1);
        let nothing_kept = || {
            Failure::new(
                Cause::NotFound,
                "the relay has no earlier keyring of this package",
                "Nothing was changed yet, or the days for undo are over.",
            )
        };
        if before == 0 {
            return Err(nothing_kept());
        }
        let previous = match self.fetch(Some(before)) {
            Err(failure) if failure.cause == Cause::NotFound => return Err(nothing_kept()),
            previous => previous?,
        };
        if sha256(&previous) != parsed.previous_sha256() {
            return Err(Failure::shared(Code::OldKeyring));
        }
        // Opened with what opened it before: the new password may be the mistake.
        let proof = Proof::choose(&Keyring::parse(&previous)?, link, arguments)?;
        let opened = proof.unlock(&previous, self.package, link)?;
        let next = KeyringBuilder::undoing(&opened.key, current, &previous)?.build()?;
        let written = self.replace(current, &next)?;
        proof.unlock(&written, self.package, link)?;
        Ok(written)
    }

    /// Puts `next` in the place of `current` and reads it back.
    fn replace(&self, current: &[u8], next: &[u8]) -> Result<Vec<u8>> {
        let expected = etag(current)?;
        let mut tries = 0;
        loop {
            tries += 1;
            let lost = match self.put(&expected, next) {
                Ok(()) => break,
                Err(failure) if failure.cause == Cause::Network && tries < TRIES => failure,
                Err(failure) => return Err(failure),
            };
            drop(lost);
            std::thread::sleep(PAUSE * tries);
        }
        let written = self.fetch(None)?;
        if written == next {
            return Ok(written);
        }
        // Somebody else's change came right after ours, or the relay lies about one of them.
        Err(Failure::shared(Code::KeyringChanged))
    }

    fn put(&self, expected: &HeaderValue, next: &[u8]) -> Result<()> {
        let request = self
            .client
            .put(self.url())
            .header(AUTHORIZATION, self.bearer()?)
            .header(IF_MATCH, expected)
            .body(next.to_vec());
        self.answer(request).map(drop)
    }

    /// The keyring that holds now, or an earlier one.
    fn fetch(&self, generation: Option<u64>) -> Result<Vec<u8>> {
        let mut request = self.client.get(self.url());
        if let Some(generation) = generation {
            request = request
                .query(&[("generation", generation)])
                .header(AUTHORIZATION, self.bearer()?);
        }
        let bytes = self.answer(request)?;
        if bytes.len() > KEYRING_BYTES_MAX {
            return Err(Failure::shared(Code::DamagedKeyring));
        }
        Ok(bytes)
    }

    /// A short answer, whole.
    fn answer(&self, request: reqwest::RequestBuilder) -> Result<Vec<u8>> {
        self.runtime.block_on(async {
            let unreachable = |error| network::unreachable(&self.relay, &error);
            let mut response = request.send().await.map_err(unreachable)?;
            if !response.status().is_success() {
                return Err(network::refused(response).await);
            }
            let mut bytes = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
                bytes.extend_from_slice(&chunk);
                if bytes.len() > KEYRING_BYTES_MAX {
                    break;
                }
            }
            Ok(bytes)
        })
    }

    fn url(&self) -> String {
        self.relay
            .join(&format!("api/packages/{}/keyring", self.package))
    }

    fn bearer(&self) -> Result<HeaderValue> {
        let text = Zeroizing::new(format!("Bearer {}", BASE64URL_NOPAD.encode(&self.owner.0)));
        let mut value = HeaderValue::from_str(&text).map_err(|_| Failure::shared(Code::Misuse))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// Names exactly these bytes: what is replaced is what was opened, whatever the relay says of it.
fn etag(keyring: &[u8]) -> Result<HeaderValue> {
    let generation = Keyring::parse(keyring)?.generation();
    let tag = format!("\"{generation}-{}\"", HEXLOWER.encode(&sha256(keyring)));
    HeaderValue::from_str(&tag).map_err(|_| Failure::shared(Code::Misuse))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
