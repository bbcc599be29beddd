//! All live packages, and who may open a lane to one.

use std::collections::HashMap;
use std::sync::Arc;

use sealift_protocol::limits::SESSION_IDLE;
use sealift_protocol::message::{Hello, Negotiated, PackageState, RelayMessage, sha256};
use sealift_protocol::policy::ClientVersions;
use sealift_protocol::{Code, OwnerToken, PackageId, Sha256Hash};
use subtle::ConstantTimeEq as _;
use tokio::sync::{Mutex, mpsc};

use crate::package::{Lane, Package};
use crate::records::{self, Change, GrantUse};
use crate::relay::Relay;
use crate::{clock, guard};

/// The live packages.
#[derive(Default)]
pub(crate) struct Packages {
    live: Mutex<Live>,
}

#[derive(Default)]
struct Live {
    sessions: HashMap<PackageId, Arc<Package>>,
    /// Counts sessions that ended: what was read from the records before that may be old.
    ended: u64,
}

impl Live {
    fn remove(&mut self, id: PackageId) -> Option<Arc<Package>> {
        self.ended += 1;
        self.sessions.remove(&id)
    }
}

impl Packages {
    /// Opens a lane to the package that a client says hello to, if it may send into it. The owner token decides
    /// (rule L4); a package that does not exist yet needs a grant.
    pub(crate) async fn admit(
        &self,
        relay: &Relay,
        hello: Hello,
    ) -> Result<(Lane, mpsc::Receiver<RelayMessage>), Code> {
        let negotiated = Negotiated::from_hello(&hello)?;
        guard::lane(relay, &hello)?;
        let owner = sha256(&hello.owner_token.0);
        loop {
            let ended = {
                let live = self.live.lock().await;
                if relay.is_draining() {
                    return Err(Code::Draining);
                }
                if let Some(package) = live.sessions.get(&hello.package) {
                    same(package.store().owner_sha256(), owner)?;
                    return package.open(hello, negotiated);
                }
                live.ended
            };
            // Others go on meanwhile; so it is looked again whether one of them was quicker.
            let (known, grant) = load(relay, &hello, owner).await?;
            let mut live = self.live.lock().await;
            if live.ended != ended || live.sessions.contains_key(&hello.package) {
                continue;
            }
            if relay.is_draining() {
                return Err(Code::Draining);
            }
            let storage = Arc::clone(&relay.storage);
            let just_started = relay.started.elapsed() < SESSION_IDLE;
            let package = Package::new(
                storage,
                hello.package,
                known.as_ref(),
                owner,
                grant,
                just_started,
            );
            live.sessions.insert(hello.package, Arc::clone(&package));
            // Under the lock: a session without lanes may be forgotten at any time.
            return package.open(hello, negotiated);
        }
    }

    /// What is known of a package, for whoever has its owner token.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`], [`Code::Unauthorized`], [`Code::StorageFailed`].
    pub(crate) async fn owned(
        &self,
        relay: &Relay,
        id: PackageId,
        token: &OwnerToken,
    ) -> Result<records::Package, Code> {
        let known = relay
            .storage
            .records
            .package(id)
            .await
            .map_err(|_| Code::StorageFailed)?;
        let known = known
            .filter(|package| !package.deleting)
            .ok_or(Code::NotFound)?;
        same(known.owner_sha256, sha256(&token.0))?;
        Ok(known)
    }

    /// Deletes a package for whoever has its owner token. Its lanes are closed.
    pub(crate) async fn delete(
        &self,
        relay: &Arc<Relay>,
        id: PackageId,
        token: &OwnerToken,
    ) -> Result<(), Code> {
        self.owned(relay, id, token).await?;
        // On its own task: a caller that goes away does not leave it half done.
        let deleting = Change::Deleting { package: id };
        let relay = Arc::clone(relay);
        let gone = Code::NotFound;
        tokio::spawn(async move { relay.packages.remove(&relay, id, deleting, gone).await })
            .await
            .unwrap_or(Err(Code::Internal))
    }

    /// Deletes a package whose time is over, unless someone is sending into it: that prolongs it.
    pub(crate) async fn expire(&self, relay: &Relay, id: PackageId, now: u64) -> Result<(), Code> {
        let is_live = self.live.lock().await.sessions.contains_key(&id);
        if is_live && prolong(relay, id).await? {
            return Ok(());
        }
        let expire = Change::Expire { package: id, now };
        self.remove(relay, id, expire, Code::NotFound).await
    }

    /// Deletes an unfinished package that a new policy forbids; its lanes are told why.
    pub(crate) async fn forbid(
        &self,
        relay: &Relay,
        id: PackageId,
        code: Code,
    ) -> Result<(), Code> {
        relay.storage.metrics.packages_forbidden.inc();
        // Its lanes first: what they ask from now on could only be answered by something vaguer.
        let live = self.live.lock().await.sessions.get(&id).map(Arc::clone);
        if let Some(package) = &live {
            package.close(code);
        }
        let forbid = Change::Forbid { package: id };
        let result = self.remove(relay, id, forbid, code).await;
        if let Some(package) = live {
            // Still there, because it was finished meanwhile or the records failed.
            self.end(id, package, code).await;
        }
        result
    }

    /// Ends the live session of a package that nobody may go on with for now; its lanes are told why. What they have
    /// sent stays.
    pub(crate) async fn suspend(&self, id: PackageId, code: Code) {
        let live = self.live.lock().await.sessions.get(&id).map(Arc::clone);
        if let Some(package) = live {
            self.end(id, package, code).await;
        }
    }

    /// Ends a session. The package's next lane starts anew.
    async fn end(&self, id: PackageId, package: Arc<Package>, code: Code) {
        package.shut(code).await;
        let mut live = self.live.lock().await;
        let same = |other: &Arc<Package>| Arc::ptr_eq(other, &package);
        if live.sessions.get(&id).is_some_and(same) {
            live.remove(id);
        }
    }

    /// Closes the lanes of clients that are too old now. What they have sent stays for newer ones.
    pub(crate) async fn end_older(&self, versions: ClientVersions) {
        let live: Vec<_> = {
            let live = self.live.lock().await;
            live.sessions.values().map(Arc::clone).collect()
        };
        for package in live {
            package.end_older(versions);
        }
    }

    /// `deleting` is recorded first, so that no new session starts on it once the live one is gone. When it does
    /// not hold, the package was finished or prolonged meanwhile, or is gone.
    async fn remove(
        &self,
        relay: &Relay,
        id: PackageId,
        deleting: Change,
        code: Code,
    ) -> Result<(), Code> {
        let holds = relay
            .storage
            .records
            .apply(deleting)
            .await
            .map_err(|_| Code::StorageFailed)?;
        if !holds {
            return Ok(());
        }
        let live = self.live.lock().await.remove(id);
        match live {
            Some(package) => {
                package.shut(code).await;
                package.store().delete_all().await
            }
            None => relay.storage.delete(id).await,
        }
    }

    /// Forgets sessions that nobody has used for a while. Their unfinished packages live on from now.
    pub(crate) async fn forget_idle(&self, relay: &Relay) {
        let mut idle = Vec::new();
        {
            let mut live = self.live.lock().await;
            live.sessions.retain(|id, package| {
                let is_idle = package.is_idle();
                if is_idle {
                    idle.push(*id);
                }
                !is_idle
            });
            live.ended += idle.len() as u64;
        }
        for id in idle {
            if prolong(relay, id).await.is_err() {
                tracing::warn!("an unfinished package could not be prolonged");
            }
        }
    }

    /// Forgets a session into which nothing was stored, when its last lane is gone.
    pub(crate) async fn forget_if_absent(&self, id: PackageId) {
        let mut live = self.live.lock().await;
        if live
            .sessions
            .get(&id)
            .is_some_and(|package| package.is_absent())
        {
            live.remove(id);
        }
    }

    /// Tells every session that the relay is stopping.
    pub(crate) async fn drain(&self) {
        for package in self.live.lock().await.sessions.values() {
            package.drain();
        }
    }

    /// Whether no session has work under way.
    pub(crate) async fn all_quiet(&self) -> bool {
        self.live
            .lock()
            .await
            .sessions
            .values()
            .all(|package| package.is_quiet())
    }

    /// Closes all lanes; returns when no write is under way.
    pub(crate) async fn shut(&self) {
        let live: Vec<_> = self
            .live
            .lock()
            .await
            .sessions
            .drain()
            .map(|(_, package)| package)
            .collect();
        for package in live {
            package.shut(Code::Draining).await;
        }
    }
}

/// What is known of a package, for the one who shows its token; or the grant to make it.
async fn load(
    relay: &Relay,
    hello: &Hello,
    owner: Sha256Hash,
) -> Result<(Option<records::Package>, Option<GrantUse>), Code> {
    let known = relay
        .storage
        .records
        .package(hello.package)
        .await
        .map_err(|_| Code::StorageFailed)?;
    let grant = match &known {
        Some(package) if package.deleting => return Err(Code::NotFound),
        Some(package) if package.expires_at <= clock::unix_seconds() => {
            return Err(Code::Expired);
        }
        Some(package) => {
            same(package.owner_sha256, owner)?;
            if package.state != PackageState::Finished {
                // Nobody goes on for a user who was removed; it is kept for when they come back.
                relay.storage.policy(package.user.as_deref())?;
            }
            prolong(relay, hello.package).await?;
            None
        }
        None => may_create(relay, hello.grant.as_deref())?,
    };
    Ok((known, grant))
}

/// An unfinished package is kept for a while from now. `false`: there is no such one.
async fn prolong(relay: &Relay, id: PackageId) -> Result<bool, Code> {
    let config = relay.config.current();
    let unfinished_s = config.settings.unfinished.as_secs();
    let lifetime_max_s = config.settings.lifetime_max.as_secs();
    let expires_at = clock::unix_seconds().saturating_add(unfinished_s);
    let prolong = Change::Prolong {
        package: id,
        expires_at,
        age_max_s: lifetime_max_s.max(unfinished_s),
    };
    relay
        .storage
        .records
        .apply(prolong)
        .await
        .map_err(|_| Code::StorageFailed)
}

/// Whether someone has shown the token whose hash is known; compared in constant time.
pub(crate) fn same(known: Sha256Hash, offered: Sha256Hash) -> Result<(), Code> {
    if bool::from(known.0.ct_eq(&offered.0)) {
        Ok(())
    } else {
        Err(Code::Unauthorized)
    }
}

fn may_create(relay: &Relay, grant: Option<&str>) -> Result<Option<GrantUse>, Code> {
    match grant {
        Some(grant) => relay.grants.check(grant, clock::unix_seconds()).map(Some),
        None if relay.config.current().settings.open_uploads => Ok(None),
        None => Err(Code::GrantRequired),
    }
}
