//! `sealift rekey`: changes who can open something that is sealed already. Only the keyring is replaced,
//! whatever the size of the content.
//!
//! Who changes it must open it with a password or a link's secret: a secret key proves nothing about
//! who made the package (rule K3). And it is no revocation: whoever kept the old keyring and its
//! password still opens the content.
//!
//! Start with [`run`]; then [`local`] for a file, [`stored`] for a package at its relay.

mod local;
mod stored;

use sealift_envelope::keyring::{self, Credential, KeyringBuilder, Opened};
use sealift_envelope::{Password, Recipient};
use sealift_protocol::format::{KdfCost, KdfLimits, Keyring, SlotKind};
use sealift_protocol::link::LinkSecret;
use sealift_protocol::{Code, PackageId};

use crate::arguments::Rekey;
use crate::failure::{Cause, Failure, Result};
use crate::protection::rng;
use crate::recipients;
use crate::secret::{Secret, link_as_argument};
use crate::terminal::Terminal;

/// Runs the command.
pub(crate) fn run(arguments: &Rekey, terminal: &Terminal) -> Result<()> {
    let wrong = |what: &str, advice: &str| Err(Failure::new(Cause::Usage, what, advice));
    let shown = arguments.file.as_ref().map(|file| file.to_string_lossy());
    if shown.is_some_and(|file| file.contains("://") || file.contains('#')) {
        return Err(link_as_argument());
    }
    if !arguments.changes() && !arguments.undo {
        return wrong(
            "nothing to change was named",
            "Use --new-password, --generate-password, --recipient, --remove, --remove-recipients or --undo.",
        );
    }
    if arguments.changes() && arguments.undo {
        return wrong(
            "--undo takes the last change back, and nothing else",
            "Undo first, then start again with what to change.",
        );
    }
    match &arguments.file {
        Some(_) if arguments.undo => wrong(
            "a file holds one keyring, so there is nothing to go back to",
            "Only a package at a relay can be undone, for some days.",
        ),
        Some(file) => local::run(arguments, file, terminal),
        None => stored::run(arguments, terminal),
    }
}

/// What is to be changed.
struct Change {
    /// Takes the place of the password that opened it, or is added to the link that did.
    password: Option<Secret>,
    /// Added.
    recipients: Vec<Recipient>,
    /// Numbers of slots, from 1, as `inspect` shows them.
    removed: Vec<usize>,
    /// Whether no recipient shall open it any more.
    without_recipients: bool,
}

impl Change {
    /// By option, environment or prompt.
    fn ask(arguments: &Rekey, terminal: &Terminal) -> Result<Self> {
        let recipients = recipients::read(&arguments.recipients)?;
        recipients::tell(&recipients, terminal)?;
        Ok(Self {
            password: arguments.new.password(terminal)?,
            recipients,
            removed: arguments.removed.clone(),
            without_recipients: arguments.remove_recipients,
        })
    }

    /// The keyring that takes the place of `current`.
    ///
    /// # Errors
    ///
    /// A number that no slot has; a keyring that nobody could ever change again.
    fn apply(&self, current: &[u8], opened: &Opened) -> Result<Vec<u8>> {
        let parsed = Keyring::parse(current)?;
        let slot_count = parsed.slots().count();
        if let Some(number) = self.removed.iter().find(|n| !(1..=slot_count).contains(*n)) {
            return Err(Failure::new(
                Cause::Usage,
                format!("there is no way in with the number {number}; there are {slot_count}"),
                "`sealift inspect` lists them with their numbers.",
            ));
        }
        let replaced = self.password.is_some().then_some(opened.slot);
        let keeps = |number: usize, kind: SlotKind| match kind {
            SlotKind::Password { .. } if replaced == Some(number) => false,
            SlotKind::Recipient if self.without_recipients => false,
            _ => !self.removed.contains(&(number + 1)),
        };
        let mut builder = KeyringBuilder::replacing(&opened.key, current)?.keep(current, keeps)?;
        if let Some(password) = &self.password {
            let password = Password::new(password)?;
            builder = builder.password(&password, KdfCost::DEFAULT, None, &mut rng())?;
        }
        for recipient in &self.recipients {
            builder = builder.recipient(recipient, &mut rng())?;
        }
        let own = |(number, kind): (usize, SlotKind)| {
            matches!(kind, SlotKind::Password { .. } | SlotKind::Link) && keeps(number, kind)
        };
        let kinds = parsed.slots().map(|slot| slot.kind).enumerate();
        if self.password.is_none() && !kinds.into_iter().any(own) {
            return Err(Failure::new(
                Cause::Usage,
                "no password and no link would be left, so nobody could ever change this again",
                "Keep one, or give a new password with --new-password.",
            ));
        }
        Ok(builder.build()?)
    }
}

/// The way in that the person proved to have, kept to try the new keyring with.
enum Proof {
    Password(Secret),
    Link,
}

impl Proof {
    /// Chooses how to open `keyring`: by the link's secret if that is enough, else by a password.
    ///
    /// # Errors
    ///
    /// A package that only recipients open (rule K3).
    fn choose(keyring: &Keyring<'_>, link: Option<&LinkSecret>, arguments: &Rekey) -> Result<Self> {
        let needs = keyring::needs(keyring);
        if link.is_some() && needs.link {
            return Ok(Self::Link);
        }
        if needs.password || (needs.password_and_link && link.is_some()) {
            keyring.check_cost(KdfLimits::PRODUCTION)?;
            return arguments.password.source().to_open().map(Self::Password);
        }
        if needs.link || needs.password_and_link {
            return Err(Failure::shared(Code::LinkNeeded));
        }
        Err(Failure::new(
            Cause::Usage,
            "only recipients can open this, so nobody can change it: anybody can seal to a public key, so a secret key proves nothing about who sealed this",
            "Send it again, with a password of your own beside the recipients.",
        ))
    }

    /// Opens a keyring with it, so that it may be replaced.
    fn unlock(
        &self,
        keyring: &[u8],
        package: PackageId,
        link: Option<&LinkSecret>,
    ) -> Result<Opened> {
        let limits = KdfLimits::PRODUCTION;
        Ok(match (self, link) {
            (Self::Link, Some(secret)) => {
                keyring::unlock(keyring, Some(&package), Credential::Link(secret), limits)?
            }
            (Self::Link, None) => return Err(Failure::shared(Code::LinkNeeded)),
            (Self::Password(password), link) => {
                let password = &Password::new(password)?;
                let credential = Credential::Password { password, link };
                keyring::unlock(keyring, Some(&package), credential, limits)?
            }
        })
    }
}

/// Opens what was written, before anybody relies on it: with the new password if there is one, else as
/// before. Where that way in was to go, the package key must fit the whole of it.
fn check_opens(
    written: &[u8],
    opened: &Opened,
    change: &Change,
    proof: &Proof,
    link: Option<&LinkSecret>,
) -> Result<()> {
    let package = opened.key.package();
    match &change.password {
        Some(password) => {
            let password = &Password::new(password)?;
            let credential = Credential::Password {
                password,
                link: None,
            };
            keyring::open(written, Some(&package), credential)?;
        }
        None if change.removed.contains(&(opened.slot + 1)) => {
            KeyringBuilder::replacing(&opened.key, written)?;
        }
        None => {
            proof.unlock(written, package, link)?;
        }
    }
    Ok(())
}

/// Says what changed, and what did not.
fn tell(keyring: &[u8], undo: Option<&str>, terminal: &Terminal) -> Result<()> {
    let parsed = Keyring::parse(keyring)?;
    let slots: Vec<_> = parsed
        .slots()
        .map(|slot| crate::inspect::slot_json(slot.kind))
        .collect();
    terminal.event(
        "rekeyed",
        serde_json::json!({ "keyring_generation": parsed.generation(), "slots": slots }),
    )?;
    terminal.remark("who can open it was changed; from now on it opens with:");
    for (number, slot) in parsed.slots().enumerate() {
        terminal.remark(&format!(
            "  {}  {}",
            number + 1,
            crate::inspect::slot_words(slot.kind)
        ));
    }
    terminal.remark(
        "this takes nothing back: whoever kept the old keyring and can open it still opens the content",
    );
    if let Some(words) = undo {
        terminal.remark(words);
    }
    Ok(())
}
