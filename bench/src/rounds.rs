//! The rounds of a race: every round takes one sample of each rival in each scenario.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::rival::Rival;
use crate::sample::{self, Sample, SampleSettings};
use crate::scenario::Scenario;

/// The plan of a race: its scenarios, rivals and rounds.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The scenarios to run.
    pub scenarios: &'a [Scenario],
    /// The rivals to run, in the scenarios that their servers support.
    pub rivals: &'a [Rival],
    /// Number of undisturbed samples to take of each rival in each scenario.
    pub rounds: usize,
    /// Maximum number of tries for each sample while it is disturbed, including the first.
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

impl Plan<'_> {
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

    /// Returns the rivals that can run a scenario, rotated in each round, so that no rival always
    /// runs after the same one on a core that it has heated.
    fn rivals_in_order(&self, scenario: &Scenario, round: usize) -> impl Iterator<Item = &Rival> {
        let mode = scenario.mode(&self.settings.certificate);
        let supported: Vec<_> = self.rivals.iter().filter(|rival| rival.supports(&mode)).collect();
        let first = (round - 1) % supported.len().max(1);
        supported[first..]
            .iter()
            .chain(&supported[..first])
            .copied()
            .collect::<Vec<_>>()
            .into_iter()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::Certificate;
    use crate::rival;
    use crate::scenario;
    use std::convert::Infallible;
    use std::time::Duration;

    fn plan<'a>(scenarios: &'a [Scenario], rivals: &'a [Rival]) -> Plan<'a> {
        let settings = SampleSettings {
            server_core: 0,
            driver_core: 0,
            duration: Duration::ZERO,
            warm_up: Duration::ZERO,
            certificate: Certificate { chain: "a".into(), key: "b".into() },
        };
        Plan { scenarios, rivals, rounds: 3, tries: 3, settings }
    }

    #[test]
    fn every_round_begins_with_another_rival_of_those_that_can_run() {
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
