//! Both halves of a session against a simulated network, relay and disk, in virtual time.
//!
//! Every schedule comes from a seed: lanes that die, stall and overtake each other, requests that
//! arrive twice, writes that land late, a relay that is killed and starts again without its
//! memory, a second client that takes over, clocks that jump, pauses, files that change. A
//! failure prints its seed; `SEALIFT_SEED=N cargo test -p sealift-protocol --test simulation one`
//! runs that schedule again with everything that happened in it, and `SEALIFT_SCHEDULES=N` runs
//! another number of them.
//!
//! What must hold: nothing acknowledged is lost, what is stored is what was sealed, no two
//! attempts mix, the last part is never durable before the others, shown progress never goes
//! back, a superseded client never comes back, and it always ends. That the simulation would
//! notice is shown by planted bugs.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // A test may stop at a surprise.

mod client;
mod dice;
mod network;
mod relay;
mod storage;
mod world;

use std::time::Duration;

use sealift_protocol::message::{Role, Transport};
use sealift_protocol::session::{ClientSession, UserEvent};
use sealift_protocol::{ClientId, Code, PackageId};

use client::{Client, Source, config};
use dice::Dice;
use storage::Bug;
use world::{Counts, Deed, Faults, What, World};

/// Schedules of the test command.
const SCHEDULES: u64 = 10_000;

/// What a schedule is made of, drawn from its seed.
struct Schedule {
    world: World,
    changes: bool,
    cancels: bool,
    second: bool,
    gives_up: bool,
}

fn draw(seed: u64, bug: Bug, log: bool) -> Schedule {
    let mut dice = Dice::new(seed.wrapping_mul(31) + 7);
    let rough = dice.chance(850);
    let span_us = dice.between(200_000, 20_000_000);
    let faults = if rough {
        faults(&mut dice, span_us)
    } else {
        Faults::default()
    };
    let calm_at = Duration::from_micros(span_us * 4);
    let mut world = World::new(seed, bug, faults, calm_at, log);
    let gives_up = dice.chance(200);
    let second = rough && dice.chance(300);
    let (cancels, changes) = (rough && dice.chance(50), rough && dice.chance(100));
    let package = PackageId(dice.bytes());
    let sources = sources(&mut dice);
    for number in 0..=u64::from(second) {
        let id = ClientId(dice.bytes());
        let transports = match dice.between(0, 3) {
            0 => vec![Transport::WebSocket],
            1 => vec![Transport::WebTransport],
            _ => vec![Transport::WebTransport, Transport::WebSocket],
        };
        if transports.len() == 1 && transports[0] == Transport::WebTransport {
            world.faults.udp_cut = None;
        }
        let give_up = gives_up.then_some(Duration::from_secs(dice.between(20, 200)));
        let skew = Duration::from_micros(dice.between(0, 1_000_000_000));
        let start = Duration::from_micros(number * dice.between(0, span_us));
        let config = config(id, package, dice.roll(), transports, give_up);
        let client = Client {
            session: ClientSession::new(config, start + skew),
            skew,
            sources: sources
                .iter()
                .map(|source| (source.file, source.clone()))
                .collect(),
            workers: Default::default(),
            outcome: None,
            busy: false,
            wake: None,
            transport: None,
            shown: 0,
        };
        let index = world.add_client(client, id);
        world.at(start, What::Person(index, Deed::Start));
        if rough {
            deeds(&mut world, &mut dice, index, span_us, cancels, changes);
        }
    }
    Schedule {
        world,
        changes,
        cancels,
        second,
        gives_up,
    }
}

fn sources(dice: &mut Dice) -> Vec<Source> {
    let count = dice.between(1, 4);
    let mut sources = Vec::new();
    for _ in 0..count {
        let padded = match dice.between(0, 3) {
            0 => 4096,
            1 => dice.between(4096 / 64, (1 << 20) / 64) * 64,
            // Segments that fill their parts exactly: the last part is the seal alone.
            2 => dice.between(1, 4) * 2 * ((1 << 19) - 32),
            _ => dice.between(4096 / 64, (8 << 20) / 64) * 64,
        };
        sources.push(Source::new(dice, Role::Content, padded));
    }
    sources
}

fn faults(dice: &mut Dice, span_us: u64) -> Faults {
    let mut some = |per_mille_max: u64| {
        if dice.chance(500) {
            dice.between(0, per_mille_max)
        } else {
            0
        }
    };
    let mut faults = Faults {
        lane_death: some(30),
        stall: some(20),
        duplicate: some(300),
        late_write: some(200),
        storage: some(30),
        sync: some(60),
        lost_part: some(200),
        ..Faults::default()
    };
    if dice.chance(400) {
        let count = dice.between(1, 4);
        faults.crashes = (0..count)
            .map(|_| Duration::from_micros(dice.between(0, span_us)))
            .collect();
        faults.crashes.sort();
    }
    faults.udp_cut = dice
        .chance(200)
        .then(|| Duration::from_micros(dice.between(0, span_us)));
    faults
}

fn deeds(
    world: &mut World,
    dice: &mut Dice,
    client: usize,
    span_us: u64,
    cancels: bool,
    changes: bool,
) {
    let mut plan = |dice: &mut Dice, per_mille: u64, deed: Deed| {
        let at = Duration::from_micros(dice.between(0, span_us));
        let happens = dice.chance(per_mille);
        if happens {
            world.at(at, What::Person(client, deed));
        }
        happens.then_some(at)
    };
    if let Some(at) = plan(dice, 100, Deed::Pause) {
        let after = Duration::from_micros(dice.between(0, 100_000_000));
        world.at(at + after, What::Person(client, Deed::Resume));
    }
    let mut plan = |dice: &mut Dice, per_mille: u64, deed: Deed| {
        let at = Duration::from_micros(dice.between(0, span_us));
        if dice.chance(per_mille) {
            world.at(at, What::Person(client, deed));
        }
    };
    plan(dice, 100, Deed::Thaw);
    let jump = Duration::from_secs(dice.between(1, 20_000));
    plan(dice, 100, Deed::ClockJump(jump));
    plan(dice, 60, Deed::Offline);
    plan(dice, 60, Deed::Online);
    plan(dice, if cancels { 1000 } else { 0 }, Deed::Cancel);
    plan(dice, if changes { 1000 } else { 0 }, Deed::Change);
}

/// Runs one schedule; the text says what did not hold.
fn run(seed: u64, bug: Bug, log: bool) -> Result<(World, usize), String> {
    let mut schedule = draw(seed, bug, log);
    schedule.world.run()?;
    schedule.world.check_finished()?;
    let mut finished = 0;
    for client in &schedule.world.clients {
        let fits = match client.outcome.as_ref() {
            Some(UserEvent::Finished { .. }) => true,
            Some(UserEvent::Superseded) => schedule.second,
            Some(UserEvent::Cancelled { confirmed }) => {
                let stored = schedule.world.storage.records.finished;
                (schedule.cancels && !(*confirmed && stored)) || schedule.second
            }
            Some(UserEvent::Failed { code, .. }) => match code {
                Code::FileChanged => schedule.changes,
                Code::NetworkLost | Code::StorageFull | Code::StorageFailed | Code::NotComplete => {
                    schedule.gives_up
                }
                // The other client was further, or gave the package up.
                Code::NotResumable | Code::Conflict | Code::AlreadyFinished | Code::NotFound => {
                    schedule.second
                }
                _ => false,
            },
            _ => false,
        };
        if !fits {
            return Err(format!("it ended with {:?}", client.outcome));
        }
        finished += usize::from(matches!(client.outcome, Some(UserEvent::Finished { .. })));
    }
    Ok((schedule.world, finished))
}

fn number_from(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().expect("a number"))
}

#[test]
fn ten_thousand_schedules_lose_nothing_and_end() {
    let count = number_from("SEALIFT_SCHEDULES").unwrap_or(SCHEDULES);
    let mut total = Counts::default();
    let (mut finished, mut moved) = (0, 0);
    let mut broken = Vec::new();
    for seed in 0..count {
        match run(seed, Bug::None, false) {
            Ok((world, ended_well)) => {
                finished += u64::from(ended_well > 0);
                let by_websocket = |c: &Client| c.transport == Some(Transport::WebSocket);
                moved += u64::from(
                    world.faults.udp_cut.is_some() && world.clients.iter().any(by_websocket),
                );
                total.deaths += world.counts.deaths;
                total.crashes += world.counts.crashes;
                total.lost_parts += world.counts.lost_parts;
                total.verified += world.counts.verified;
                total.held += world.counts.held;
                total.late_data += world.counts.late_data;
            }
            Err(text) => broken.push(format!("seed {seed}: {text}")),
        }
    }
    assert!(
        broken.is_empty(),
        "{} schedules broke:\n{}\nSEALIFT_SEED=N cargo test -p sealift-protocol --test simulation one -- --nocapture",
        broken.len(),
        broken.get(..20).unwrap_or(&broken).join("\n"),
    );
    println!("{count} schedules, {finished} finished, {moved} moved to WebSocket, {total:?}");
    // The schedules go where they should.
    assert!(
        finished * 10 > count * 6,
        "only {finished} of {count} finished"
    );
    for (what, seen) in [
        ("lane deaths", total.deaths),
        ("crashes", total.crashes),
        ("lost parts", total.lost_parts),
        ("compared parts", total.verified),
        ("held data", total.held),
        ("late data", total.late_data),
        ("moves to WebSocket", moved),
    ] {
        assert!(seen * 100 > count, "hardly any {what}: {seen}");
    }
}

/// Runs the schedule named by `SEALIFT_SEED`, and says all that happens in it.
#[test]
fn one_schedule_from_the_environment() {
    if let Some(seed) = number_from("SEALIFT_SEED") {
        let outcome = run(seed, Bug::None, true).map(|(world, finished)| (world.counts, finished));
        println!("seed {seed}: {outcome:?}");
        outcome.expect("the schedule holds");
    }
}

#[test]
fn the_same_seed_gives_the_same_schedule() {
    for seed in 0..20 {
        let runs = [(); 2].map(|()| run(seed, Bug::None, false).map(|(world, _)| world.now));
        assert_eq!(runs[0], runs[1], "seed {seed}");
    }
}

#[track_caller]
fn is_caught(bug: Bug) {
    let caught = (0..2000).find_map(|seed| run(seed, bug, false).err().map(|text| (seed, text)));
    println!("{bug:?}: {caught:?}");
    assert!(caught.is_some(), "{bug:?} was not noticed");
}

#[test]
fn an_acknowledgement_before_the_sync_is_caught() {
    is_caught(Bug::AcknowledgesEarly);
}

#[test]
fn s2_a_late_write_of_an_older_attempt_is_caught() {
    is_caught(Bug::EndsAttemptsEarly);
}

#[test]
fn l5_a_forgotten_epoch_is_caught() {
    is_caught(Bug::ForgetsEpoch);
}

#[test]
fn s6_a_failed_sync_taken_for_a_good_one_is_caught() {
    is_caught(Bug::IgnoresFailedSync);
}
