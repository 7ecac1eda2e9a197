//! The rounds of a race: every round takes one sample of each rival in each scenario.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::rival::Rival;
use crate::sample::{self, Sample, SampleSettings};
use crate::scenario::Scenario;

/// The plan of a race: its scenarios, rivals and rounds.
#[derive(Debug)]
pub struct RacePlan<'a> {
    /// The scenarios to run.
    pub scenarios: &'a [Scenario],
    /// The rivals to run, in the scenarios that their servers support.
    pub rivals: &'a [Rival],
    /// Number of rounds. Each takes one sample of each rival in each scenario.
    pub rounds: usize,
    /// Maximum number of tries for a sample, including the first: a disturbed sample is taken
    /// again.
    pub tries: usize,
    /// The settings of each sample.
    pub settings: SampleSettings,
}

/// The outcome of a race.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// All samples, including the disturbed ones.
    pub samples: Vec<Sample>,
    /// The rivals that failed.
    pub failures: Vec<Failure>,
}

/// A rival's failure in one scenario, after which the rival has no more samples there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// The scenario's name.
    pub scenario: String,
    /// The rival's name.
    pub rival: String,
    /// The error of the runner or the driver.
    pub reason: String,
}

/// An event of a running race.
#[derive(Debug)]
pub enum RaceEvent<'a> {
    /// A sample was taken.
    Sample(&'a Sample),
    /// A rival failed in a scenario.
    Failure(&'a Failure),
    /// A round is over; the outcome holds all samples so far.
    Round(&'a Outcome),
}

impl RacePlan<'_> {
    /// Runs all rounds with the programs in `folder`, and passes each event to `on_event`.
    ///
    /// # Errors
    ///
    /// The first error of `on_event`.
    pub fn run<E>(
        &self,
        folder: &Path,
        mut on_event: impl FnMut(RaceEvent<'_>) -> Result<(), E>,
    ) -> Result<Outcome, E> {
        let mut outcome = Outcome::default();
        for round in 1..=self.rounds {
            for scenario in self.scenarios {
                for rival in self.rivals_in_order(scenario, round) {
                    self.sample(&mut outcome, scenario, rival, round, folder, &mut on_event)?;
                }
            }
            on_event(RaceEvent::Round(&outcome))?;
        }
        Ok(outcome)
    }

    /// Returns the rivals that can run a scenario, in the order of a round: see [`round_order`].
    fn rivals_in_order(&self, scenario: &Scenario, round: usize) -> impl Iterator<Item = &Rival> {
        let mode = scenario.mode(&self.settings.certificate);
        let supported: Vec<_> = self.rivals.iter().filter(|rival| rival.supports(&mode)).collect();
        round_order(supported.len(), round).map(move |index| supported[index])
    }

    /// Takes one sample, and repeats it while it is disturbed and tries are left.
    fn sample<E>(
        &self,
        outcome: &mut Outcome,
        scenario: &Scenario,
        rival: &Rival,
        round: usize,
        folder: &Path,
        on_event: &mut impl FnMut(RaceEvent<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if outcome.has_failed(scenario, rival) {
            return Ok(());
        }
        for _ in 0..self.tries {
            match sample::take(&self.settings, scenario, rival, round, folder) {
                Ok(sample) => {
                    on_event(RaceEvent::Sample(&sample))?;
                    let disturbed = sample.disturbed;
                    outcome.samples.push(sample);
                    if !disturbed {
                        break;
                    }
                }
                Err(error) => {
                    let failure = Failure {
                        scenario: scenario.name.clone(),
                        rival: rival.name.to_owned(),
                        reason: format!("{error:#}"),
                    };
                    on_event(RaceEvent::Failure(&failure))?;
                    outcome.failures.push(failure);
                    break;
                }
            }
        }
        Ok(())
    }
}

impl Outcome {
    fn has_failed(&self, scenario: &Scenario, rival: &Rival) -> bool {
        self.failures
            .iter()
            .any(|failure| failure.scenario == scenario.name && failure.rival == rival.name)
    }
}

/// Returns the indices below `count` in the order of a round; rounds count from 1. Each round
/// begins with the next index and proceeds by the next step, so that no rival always runs after the
/// same one, on a core that its predecessor has heated. A step coprime to `count` reaches each
/// index once; fewer than 3 rivals have only one such step.
fn round_order(count: usize, round: usize) -> impl Iterator<Item = usize> {
    let steps: Vec<_> =
        (1..count).filter(|step| greatest_common_divisor(*step, count) == 1).collect();
    let first = round - 1;
    let step = steps.get(first % steps.len().max(1)).copied().unwrap_or(1);
    (0..count).map(move |position| (first + position * step) % count)
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::Certificate;
    use crate::rival;
    use crate::scenario;
    use std::collections::BTreeSet;
    use std::convert::Infallible;
    use std::time::Duration;

    fn plan<'a>(scenarios: &'a [Scenario], rivals: &'a [Rival]) -> RacePlan<'a> {
        let settings = SampleSettings {
            server_core: 0,
            driver_core: 0,
            duration: Duration::ZERO,
            warm_up: Duration::ZERO,
            certificate: Certificate { chain: "a".into(), key: "b".into() },
        };
        RacePlan { scenarios, rivals, rounds: 3, tries: 3, settings }
    }

    #[test]
    fn each_round_begins_with_another_supported_rival() {
        let scenarios = scenario::all();
        let plan = plan(&scenarios, rival::ALL);
        let tls = scenarios.iter().find(|scenario| scenario.tls).unwrap();
        let first: Vec<_> =
            (1..=3).map(|round| plan.rivals_in_order(tls, round).next().unwrap().name).collect();
        assert!(first[0] != first[1] && first[1] != first[2]);
        assert!(plan.rivals_in_order(tls, 1).all(|rival| rival.tls));
        let supported = rival::ALL.iter().filter(|rival| rival.tls).count();
        assert_eq!(plan.rivals_in_order(tls, 2).count(), supported);
    }

    #[test]
    fn a_rival_has_different_predecessors_in_different_rounds() {
        for count in 0..20 {
            let mut predecessors = vec![BTreeSet::new(); count];
            for round in 1..=5 {
                let order: Vec<_> = round_order(count, round).collect();
                let indices: BTreeSet<_> = order.iter().copied().collect();
                assert_eq!((order.len(), indices.len()), (count, count));
                for pair in order.windows(2) {
                    predecessors[pair[1]].insert(pair[0]);
                }
            }
            let fewest = predecessors.iter().map(BTreeSet::len).min();
            assert!(count < 3 || fewest >= Some(2), "{count} rivals: {predecessors:?}");
        }
    }

    #[test]
    fn a_rival_that_does_not_start_has_failed_and_is_tried_once() {
        let scenarios: Vec<_> = scenario::all().into_iter().take(1).collect();
        let plan = plan(&scenarios, &rival::ALL[..1]);
        let mut failures = 0;
        let outcome = plan.run(Path::new("/nowhere"), |event| {
            failures += usize::from(matches!(event, RaceEvent::Failure(_)));
            Ok::<_, Infallible>(())
        });
        let Ok(outcome) = outcome;
        assert_eq!((outcome.failures.len(), outcome.samples.len(), failures), (1, 0, 1));
        assert!(outcome.failures[0].reason.contains("does not start"));
    }
}
