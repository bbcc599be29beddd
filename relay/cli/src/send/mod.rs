//! `sealift send`: seals files while sending them, and prints the link that opens them.
//!
//! The receive link goes to standard output, the manage link to standard error; it exists from the
//! moment of creation, is printed then, and is never to be shared (rule L4).

mod driver;
mod lane;
mod sealing;

use std::sync::Arc;

use sealift_protocol::link::{Fragment, Link};
use sealift_protocol::session::ClientConfig;
use sealift_protocol::{ClientId, Code, OwnerToken};
use serde_json::json;
use zeroize::Zeroizing;

use crate::arguments::Send;
use crate::failure::{Cause, Failure, Result};
use crate::network::{self, RelayAddress};
use crate::package::Plan;
use crate::policy::Policy;
use crate::progress::Progress;
use crate::protection::{NewPackage, Protection, random, rng};
use crate::secret::Secret;
use crate::source::Sources;
use crate::stop::Stop;
use crate::terminal::Terminal;
use driver::{GIVE_UP_AFTER, Route, TRANSPORTS, drive};
use sealing::Sender;

/// Lanes when the person does not say; the session opens as many as raise the rate.
const LANES_MAX: u32 = 8;

/// Runs the command.
pub(crate) fn run(arguments: &Send, terminal: &Terminal) -> Result<()> {
    let (relay, grant) = destination(arguments)?;
    let tls = network::tls(arguments.network.ca.as_deref())?;
    let sources = Sources::find(&arguments.files)?;
    for remark in &sources.remarks {
        terminal.notice(remark);
    }
    if sources.files.is_empty() && sources.empty_folders.is_empty() {
        return Err(Failure::shared(Code::NothingToSend));
    }
    let runtime = runtime()?;
    let client = network::http(&relay, &tls)?;
    let asked = Policy::ask(
        &client,
        &relay,
        grant.as_deref().map(String::as_str),
        terminal,
    );
    let policy = runtime.block_on(asked)?;
    policy.check(grant.is_some(), arguments.no_password)?;
    let protection = Protection::choose(&arguments.protection, arguments.no_password, terminal)?;
    policy.check_protection(&protection)?;
    if protection.recipients_alone() {
        terminal.notice(
            "only the recipients can open this: it cannot be resumed once this command has ended, nor can anybody change later who opens it. \
             Give a password as well (--ask-password) to keep a way in.",
        );
    }
    let stop = Stop::install();
    let opens_by_link = protection.opens_by_link();
    let package = NewPackage::draw(protection);
    let owner = OwnerToken(random());
    let manage = Link {
        relay: relay.base().to_owned(),
        package: Some(package.id),
        fragment: Fragment::Manage {
            owner: owner.clone(),
            secret: package.link_secret().cloned(),
        },
    };

    // From now on there may be something to delete, whatever happens to this process (rule L4).
    let manage_link = manage.to_url();
    terminal.event("started", json!({ "manage_link": *manage_link }))?;
    terminal.important("To delete it later, keep this manage link to yourself:");
    terminal.important(&manage_link);
    let plan = Plan::new(&package.key, sources, &arguments.words)?;
    let draft = plan.draft().seal(&package.key, &mut rng())?;
    let config = ClientConfig {
        package: package.id,
        owner_token: owner,
        client_id: ClientId(random()),
        client_version: network::CLIENT.to_owned(),
        grant: grant.as_ref().map(|grant| (**grant).clone()),
        keyring: package.keyring()?,
        draft,
        expires_in_s: arguments
            .expires
            .map(|time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX)),
        transports: TRANSPORTS.to_vec(),
        lanes_max: arguments.lanes.unwrap_or(LANES_MAX) as usize,
        jitter_seed: u64::from_le_bytes(random()),
        give_up_after: Some(GIVE_UP_AFTER),
    };
    let (id, link_secret) = (package.id, package.link_secret().cloned());
    let sender = Arc::new(Sender::new(package.key, plan));
    let progress = Progress::new(terminal, "Connecting", Some(0));
    let content = sender.content();
    let route = Route {
        relay: relay.clone(),
        tls,
    };
    let sent = runtime.block_on(drive(
        config,
        content,
        Arc::clone(&sender),
        route,
        &progress,
        &stop,
    ));
    let expires_at = sent.map_err(|failure| {
        if failure.cause != Cause::NotFound {
            return failure;
        }
        // A policy that forbids the package by now is why it is gone, and says more than "not found".
        let grant = grant.as_deref().map(String::as_str);
        let policy = runtime.block_on(Policy::ask(&client, &relay, grant, terminal));
        let forbidden = policy.and_then(|policy| policy.check(grant.is_some(), opens_by_link));
        let is_why = |why: &Failure| [Cause::Protection, Cause::ClientTooOld].contains(&why.cause);
        forbidden.err().filter(is_why).unwrap_or(failure)
    })?;
    progress.finish();

    let pin = sender.pin().ok_or_else(|| Failure::shared(Code::Misuse))?;
    let receive = Link {
        relay: relay.base().to_owned(),
        package: Some(id),
        fragment: Fragment::Receive {
            pin,
            secret: link_secret,
        },
    };
    tell_links(&receive, &manage, expires_at, terminal)
}

/// The relay and the grant, from `--to`, a send link, or both.
fn destination(arguments: &Send) -> Result<(RelayAddress, Option<Secret>)> {
    let given = arguments
        .to
        .as_deref()
        .map(RelayAddress::parse)
        .transpose()?;
    let Some(text) = arguments.grant_source().without_asking()? else {
        return match given {
            Some(relay) => Ok((relay, None)),
            None => Err(Failure::new(
                Cause::Usage,
                "no relay is named",
                "Name it with --to, or give a send link with --grant-file, --grant-fd or the variable SEALIFT_GRANT.",
            )),
        };
    };
    if !text.contains("://") {
        let relay = given.ok_or_else(|| {
            Failure::new(
                Cause::Usage,
                "a bare grant does not say which relay it is for",
                "Name the relay with --to.",
            )
        })?;
        return Ok((relay, Some(text)));
    }
    let link = Link::parse(&text)?;
    let Fragment::Send { grant } = &link.fragment else {
        return Err(Failure::new(
            Cause::BadLink,
            "this link is not a send link",
            "A send link comes from the relay's operator; receive and manage links do not permit sending.",
        ));
    };
    let relay = RelayAddress::parse(&link.relay)?;
    if given.is_some_and(|given| given != relay) {
        return Err(Failure::new(
            Cause::Usage,
            "--to names another relay than the send link",
            "Leave --to out: the link says where to send.",
        ));
    }
    Ok((relay, Some(Zeroizing::new((**grant).clone()))))
}

/// Two threads carry any number of lanes; sealing runs on its own.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::new(
                Cause::Failed,
                format!("could not start: {error}"),
                "Check the limits of this account.",
            )
        })
}

fn tell_links(receive: &Link, manage: &Link, expires_at: u64, terminal: &Terminal) -> Result<()> {
    let (receive, manage) = (receive.to_url(), manage.to_url());
    if terminal.json() {
        return terminal.event(
            "sent",
            json!({ "receive_link": *receive, "manage_link": *manage, "expires_at": expires_at }),
        );
    }
    terminal.result(&receive)
}
