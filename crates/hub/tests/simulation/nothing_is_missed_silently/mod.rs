//! Simulates one room: publishers, a store that loses publications and is rolled back, a bus that
//! drops, repeats and reorders events, nodes, and observers that join and leave. Whatever happens,
//! each observer receives either the next publication of the store or a notice of a gap. At the
//! end, every observer has reached the last position of the store.
//!
//! `HUB_SIMULATION_SEEDS=10000` runs more seeds; `HUB_SIMULATION_SEED=42` runs that seed only, with
//! a trace.

mod node;
mod observer;
mod random;
mod store;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use observer::Summary;
use random::Random;
use sockeye_hub::core::history::{Limit, Retention};
use world::{Faults, Scenario, World};

use crate::seeds;

/// Default number of seeds of a test. Chosen: an ordinary test run sees every kind of gap;
/// `ci/hub-simulation.sh` runs 10,000.
const SEEDS: u64 = 300;

/// Runs each seed with the scenario that `draw` generates from it, and returns the sum of the
/// summaries.
fn run(test: &str, seeds: u64, draw: fn(&mut Random) -> Scenario) -> Summary {
    let single_seed = seeds::single_seed();
    let mut sum = Summary::default();
    for seed in seeds::seeds(seeds) {
        let run = || {
            let mut random = Random::new(seed);
            let scenario = draw(&mut random);
            if single_seed.is_some() {
                eprintln!("{scenario:#?}");
            }
            World::new(scenario, random, single_seed.is_some()).run()
        };
        let summary = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
            eprintln!(
                "seed {seed} failed; with a trace: HUB_SIMULATION_SEED={seed} \
                 cargo test -p sockeye-hub --test simulation {test}"
            );
            resume_unwind(panic)
        });
        sum.add(&summary);
    }
    println!("{test}: {sum:?}");
    sum
}

#[test]
fn an_observer_gets_the_next_publication_or_a_gap() {
    let sum = run("an_observer_gets_the_next_publication_or_a_gap", SEEDS, world::draw);
    if seeds::single_seed().is_none() {
        assert!(sum.recovered > 0 && sum.not_recovered > 0);
        let reasons = sum.gaps.keys().copied().collect::<Vec<_>>();
        assert_eq!(reasons, ["epoch", "limit", "rolled_back", "trimmed"]);
    }
}

#[test]
fn without_loss_in_the_store_there_is_no_gap() {
    let sum = run("without_loss_in_the_store_there_is_no_gap", SEEDS / 3, |random| {
        let scenario = world::draw(random);
        let retention =
            Retention { count: usize::MAX, age: Duration::from_secs(3_600), bytes: usize::MAX };
        let mut bounds = scenario.bounds;
        bounds.catch_up.limit = usize::MAX;
        bounds.page = Limit { count: bounds.page.count.max(2), ..bounds.page };
        let faults = Faults { restarts: 0, removals: false, ..scenario.faults };
        Scenario { faults, retention, bounds, ..scenario }
    });
    assert!(sum.gaps.is_empty());
    assert!(sum.delivered > 0);
}

#[test]
fn a_rolled_back_store_is_detected() {
    let sum = run("a_rolled_back_store_is_detected", SEEDS / 3, |random| {
        let scenario = world::draw(random);
        let retention = Retention { count: random.pick(&[5, 1_000]), ..Retention::default() };
        let mut bounds = scenario.bounds;
        bounds.catch_up.limit = usize::MAX;
        let faults = Faults { restarts: 1_500, losses: 5, ..scenario.faults };
        let duration = 20_000;
        Scenario { faults, retention, bounds, duration, pace: 100, ..scenario }
    });
    if seeds::single_seed().is_none() {
        assert!(sum.gaps["rolled_back"] > 0 && sum.recovered > 0);
    }
}
