use std::thread;
use std::time::Duration;

use sockeye_hub::core::presence::Profile;

use crate::presence::bus::{Bus, Faults};
use crate::presence::rng::Rng;
use crate::presence::world::{Plan, World};
use crate::seeds;

/// Seeds of an ordinary test run. `HUB_SIMULATION_SEEDS` sets another number, and
/// `HUB_SIMULATION_SEED` runs a single one.
const SEEDS: u64 = 200;

const ACTIVE: Duration = Duration::from_secs(45);

/// After the last fault: the rest of a lease, of a grace, and of a hole found by a heartbeat.
const CALM: Duration = Duration::from_secs(25);

/// In each simulation, sessions join, change and leave, while messages are lost and late and nodes
/// die, stop, pause and lose each other, all by the seed. Checked are:
///
/// - Each diff fits those before: no session or user joins twice or leaves twice.
/// - A session is told to leave only after it left, its node died, or the observer heard nothing of
///   its node for a lease while it was running and linked. So no restart of the bus tells a leave.
/// - Eight seconds after the death of a node, no undisturbed observer has a member of it.
/// - Once all is calm: members, users, counts, diffs, and the lists of clients that read them page
///   by page during the changes are those of the sessions that live; and nodes send only
///   heartbeats.
#[test]
fn every_leave_has_a_cause_and_all_nodes_agree_in_the_end() {
    for seed in seeds::seeds(SEEDS) {
        Simulation::run(seed);
    }
}

/// Tells how to repeat a simulation that fails.
struct Report(u64);

impl Drop for Report {
    fn drop(&mut self) {
        if thread::panicking() {
            let seed = self.0;
            eprintln!("failed with seed {seed}; to run it again:");
            eprintln!(
                "HUB_SIMULATION_SEED={seed} cargo test -p sockeye-hub --test simulation presence"
            );
        }
    }
}

/// Chances of the faults of a seed, in a thousand acts.
struct Simulation {
    deaths: u64,
    pauses: u64,
    cuts: u64,
    one_way: bool,
    restarts: u64,
    crowds: u64,
    listers: u64,
}

impl Simulation {
    fn run(seed: u64) {
        let _report = Report(seed);
        let mut rng = Rng::new(seed);
        let mut one_of = |chances: &[u64]| rng.choose(chances).unwrap();
        let faults = Faults {
            drop: one_of(&[0, 0, 10, 20, 100]),
            repeat: one_of(&[0, 100]),
            delay: one_of(&[0, 50, 300]),
            max_delay: Duration::from_millis(900),
            ordered: one_of(&[0, 1]) == 1,
        };
        let simulation = Self {
            deaths: one_of(&[0, 0, 5, 10]),
            pauses: one_of(&[0, 0, 5, 10]),
            cuts: one_of(&[0, 0, 0, 10]),
            one_way: one_of(&[0, 1]) == 1 && faults.drop > 20,
            restarts: one_of(&[0, 0, 5]),
            crowds: one_of(&[0, 0, 0, 2]),
            listers: one_of(&[0, 50]),
        };
        let nodes = 2 + rng.below(4);
        let rooms = 1 + rng.below(6);
        let mut world = World::new(rng, Bus::new(faults), nodes, rooms);
        world.plan(Duration::ZERO, Plan::Act);
        world.run(ACTIVE, |world| simulation.act(world));
        world.calm_down();
        world.run(ACTIVE + CALM, |_| {});
        world.check_agreement();

        let sent = world.sent;
        let before = world.heartbeats;
        world.run(ACTIVE + CALM + Duration::from_secs(20), |_| {});
        assert_eq!(world.sent, sent, "calm nodes send only heartbeats");
        let beats = world.heartbeats - before;
        assert_eq!(beats, 10 * world.running().len() as u64);
        world.check_agreement();
    }

    fn act(&self, world: &mut World) {
        let next = world.rng.time(Duration::from_millis(1)..Duration::from_millis(200));
        world.plan(next, Plan::Act);
        if let Some(place) = world.rng.choose(&world.running()) {
            self.disturb(world, place);
        }
        let Some(place) = world.rng.choose(&world.running()) else { return };
        match world.rng.below(10) {
            0..4 => {
                let session = world.new_session(place);
                for _ in 0..=world.rng.below(3) {
                    world.join_any(place, session);
                }
            }
            4 => {
                if let Some(session) = world.any_session(place) {
                    world.join_any(place, session);
                }
            }
            5 => world.update_any(place),
            6..8 => {
                if let Some(session) = world.any_session(place) {
                    let room = world.any_room();
                    world.leave(place, &room, session);
                }
            }
            8 => world.disconnect_any(place),
            _ => {
                if world.rng.chance(self.crowds * 10) {
                    let room = world.any_room();
                    for _ in 0..700 {
                        let session = world.new_session(place);
                        world.join(place, &room, session, &Profile::default());
                    }
                }
            }
        }
        if world.rng.chance(self.listers) {
            world.list(place);
        }
        world.read_list(place);
    }

    fn disturb(&self, world: &mut World, place: usize) {
        let seconds = |from: u64, to| Duration::from_secs(from)..Duration::from_secs(to);
        if world.rng.chance(self.deaths) {
            if world.rng.chance(300) {
                world.shutdown(place);
            } else {
                world.kill(place);
            }
            let time = world.rng.time(seconds(0, 15));
            world.plan(time, Plan::Start(place));
        } else if world.rng.chance(self.pauses) {
            let time = world.rng.time(seconds(0, 20));
            world.pause(place, time);
        }
        if world.rng.chance(self.cuts) {
            let other = world.rng.below(world.nodes.len());
            let time = world.rng.time(seconds(0, 20));
            let mut pairs = vec![(place, other)];
            if !self.one_way {
                pairs.push((other, place));
            }
            for (from, to) in pairs {
                world.bus.cuts.insert((from, to));
                world.plan(time, Plan::Join(from, to));
            }
        }
        if world.bus.up && world.rng.chance(self.restarts) {
            world.bus.stop();
            let down = world.rng.time(seconds(0, 20));
            world.plan(down, Plan::BusUp);
            for place in 0..world.nodes.len() {
                let noticed = world.rng.time(seconds(0, 2));
                world.plan(noticed, Plan::LinkDown(place));
                let back = world.rng.time(seconds(0, 3));
                world.plan(down.max(noticed) + back, Plan::LinkUp(place));
            }
        }
    }
}
