//! `--find-max`: the highest rate at which a condition holds.
//!
//! ```text
//!  interval (rates that hold and fail) ─► rate ─► up to three tests ─► verdict ─► interval
//! ```

use sockeye_load::{LatencyReport, LoadError};

use super::criterion::Criterion;
use super::runner::Runner;
use super::summary::Summary;
use super::target::Target;
use super::write_files;

/// Rate of the first test unless `--rate` is given, in messages per second.
const FIRST_RATE: u64 = 1000;

/// Share of the offered rate that has to be achieved.
const MIN_ACHIEVED: f64 = 0.99;

/// The search ends when the rates between which the maximum lies differ by a factor of this.
const PRECISION: f64 = 1.05;

/// Maximum number of rates that are tested.
const MAX_RATES: usize = 40;

/// Maximum number of tests of one rate, while the client is the bottleneck of each. Chosen: other
/// programs that take the processor for a moment seldom do so in three tests in a row.
const MAX_TESTS: usize = 3;

/// Share of its threads' time below which a client that is late is held up by other programs: a
/// lower rate does not help then.
const BUSY_CLIENT: f64 = 0.5;

/// The outcome of a test, or of the tests of one rate.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    /// The rate was achieved, and the condition held.
    Holds,
    /// The condition did not hold.
    Fails,
    /// The server did not achieve the rate.
    NotAchieved,
    /// The client was the bottleneck, so that the failure says nothing about the server. Its
    /// threads used this share of their time.
    GeneratorLimited { client_cpu: f64 },
}

/// The rates between which the maximum lies.
#[derive(Clone, Copy, Debug, Default)]
struct Interval {
    /// The highest rate at which the condition has held.
    low: Option<u64>,
    /// The lowest rate at which it has not, and the verdict.
    high: Option<(u64, Verdict)>,
}

/// Raises the rate until the condition does not hold, and then halves the interval.
pub(super) fn run(
    runner: &mut Runner<'_>,
    target: &Target,
    criterion: &Criterion,
) -> anyhow::Result<()> {
    let mut next = Some(runner.options.rate.unwrap_or(FIRST_RATE));
    let mut interval = Interval::default();
    let mut best: Option<(Summary, LatencyReport)> = None;
    for _ in 0..MAX_RATES {
        let Some(rate) = next else { break };
        let (verdict, result) = measure(runner, target, criterion, rate)?;
        interval.narrow(rate, verdict);
        best = result.or(best);
        next = interval.next_rate();
    }
    let (Some((summary, report)), Some(low)) = (best, interval.low) else {
        anyhow::bail!(interval.failure(criterion));
    };
    println!("{}", interval.result(low));
    print!("{summary}");
    write_files(runner.options, &summary, &report)
}

/// Measures one rate, again if the client was the bottleneck. Returns the report of a test in which
/// the condition held.
fn measure(
    runner: &mut Runner<'_>,
    target: &Target,
    criterion: &Criterion,
    rate: u64,
) -> anyhow::Result<(Verdict, Option<(Summary, LatencyReport)>)> {
    let options = runner.options;
    let deliveries = if options.fan_out { options.connections } else { 1 };
    let mut verdict = Verdict::NotAchieved;
    for _ in 0..MAX_TESTS {
        let attempt = runner.attempt(target, options.duration, Some(rate))?;
        runner.ensure_not_stopped()?;
        let report = match attempt {
            Ok(report) => report,
            Err(error @ LoadError::Overloaded { .. }) => {
                println!("{rate}/s: no, {error}");
                return Ok((Verdict::NotAchieved, None));
            }
            Err(error) => return Err(target.explain(error).into()),
        };
        let summary = Summary::new(target, &report);
        verdict = judge(&summary, criterion.holds(&report), rate, deliveries);
        println!(
            "{rate}/s: achieved {:.0}/s, {criterion}: {} ({})",
            summary.achieved_per_s,
            verdict.text(),
            criterion.actual(&report)
        );
        match verdict {
            Verdict::Holds => return Ok((verdict, Some((summary, report)))),
            Verdict::Fails | Verdict::NotAchieved => return Ok((verdict, None)),
            Verdict::GeneratorLimited { .. } => {}
        }
    }
    Ok((verdict, None))
}

/// Judges a test. The time by which the client is late is part of the response times, so a
/// condition that holds in spite of it holds.
#[expect(clippy::cast_precision_loss, reason = "rates are far below 2^52")]
fn judge(summary: &Summary, holds: bool, rate: u64, deliveries: usize) -> Verdict {
    let is_achieved = summary.achieved_per_s >= rate as f64 * deliveries as f64 * MIN_ACHIEVED;
    match (holds, is_achieved) {
        (true, true) => Verdict::Holds,
        _ if summary.generator_limited => {
            Verdict::GeneratorLimited { client_cpu: summary.client_cpu }
        }
        (true, false) => Verdict::NotAchieved,
        (false, _) => Verdict::Fails,
    }
}

impl Verdict {
    fn text(self) -> &'static str {
        match self {
            Self::Holds => "yes",
            Self::Fails => "no",
            Self::NotAchieved => "no, the rate was not achieved",
            Self::GeneratorLimited { .. } => "unknown, generator-limited",
        }
    }
}

impl Interval {
    fn narrow(&mut self, rate: u64, verdict: Verdict) {
        match verdict {
            Verdict::Holds => self.low = Some(rate),
            _ => self.high = Some((rate, verdict)),
        }
    }

    /// Returns the rate to test next; `None` when the search is over.
    #[expect(clippy::cast_precision_loss, reason = "rates are far below 2^52")]
    fn next_rate(&self) -> Option<u64> {
        match (self.low, self.high) {
            (None, None) => Some(FIRST_RATE),
            (Some(low), None) => Some(low.saturating_mul(2)).filter(|next| *next > low),
            (None, Some((_, Verdict::GeneratorLimited { client_cpu })))
                if client_cpu < BUSY_CLIENT =>
            {
                None
            }
            // Far below, since a condition that the rate does not decide holds at none.
            (None, Some((high, _))) => Some((high / 10).max(1)).filter(|next| *next < high),
            (Some(low), Some((high, _))) => {
                let next = low.midpoint(high);
                (high as f64 > low as f64 * PRECISION && next > low).then_some(next)
            }
        }
    }

    /// Describes the result of a search in which `low` was the highest rate that held.
    fn result(&self, low: u64) -> String {
        match self.high {
            Some((high, Verdict::GeneratorLimited { .. })) => format!(
                "maximum: at least {low}/s; at {high}/s, the client was the bottleneck, not the server"
            ),
            _ => format!("maximum: {low}/s"),
        }
    }

    /// Describes a search in which the condition never held.
    fn failure(&self, criterion: &Criterion) -> String {
        match self.high {
            Some((high, Verdict::GeneratorLimited { client_cpu })) => format!(
                "generator-limited at {high}/s in each of {MAX_TESTS} tests, where the client used \
                 {:.0} % of its threads' time: other programs may keep the processors busy",
                client_cpu * 100.0
            ),
            _ => format!("{criterion} holds at no rate"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITED: Verdict = Verdict::GeneratorLimited { client_cpu: 0.99 };

    /// Returns the interval at the end of a search, and the rates that were tested.
    fn search(first: u64, verdict: impl Fn(u64) -> Verdict) -> (Interval, Vec<u64>) {
        let (mut interval, mut rates) = (Interval::default(), Vec::new());
        let mut next = Some(first);
        while let Some(rate) = next.filter(|_| rates.len() < MAX_RATES) {
            interval.narrow(rate, verdict(rate));
            rates.push(rate);
            next = interval.next_rate();
        }
        (interval, rates)
    }

    #[test]
    fn the_maximum_is_found_from_above_and_from_below() {
        for first in [1, 700, 1000, 123_456, 10_000_000] {
            let below = |rate| if rate <= 7000 { Verdict::Holds } else { Verdict::NotAchieved };
            let (interval, rates) = search(first, below);
            let low = interval.low.unwrap();
            assert!((6650..=7000).contains(&low), "{low} from {first}: {rates:?}");
            assert_eq!(interval.result(low), format!("maximum: {low}/s"));
        }
    }

    #[test]
    fn a_condition_that_never_holds_is_tried_at_few_rates_down_to_one() {
        let (interval, rates) = search(1000, |_| Verdict::Fails);
        assert_eq!(rates, [1000, 100, 10, 1]);
        let criterion: Criterion = "p50<1ns".parse().unwrap();
        assert_eq!(interval.failure(&criterion), "p50<1ns holds at no rate");
    }

    #[test]
    fn a_client_that_is_held_up_ends_the_search_at_once() {
        let (interval, rates) = search(1000, |_| Verdict::GeneratorLimited { client_cpu: 0.03 });
        assert_eq!(rates, [1000]);
        let failure = interval.failure(&"p50<1ms".parse().unwrap());
        assert!(failure.starts_with("generator-limited at 1000/s"), "{failure}");
        assert!(failure.contains("used 3 % of"), "{failure}");
    }

    #[test]
    fn a_client_at_its_limit_leaves_a_lower_bound() {
        for first in [1000, 10_000_000] {
            let (interval, rates) =
                search(first, |rate| if rate <= 50_000 { Verdict::Holds } else { LIMITED });
            let low = interval.low.unwrap();
            assert!((47_500..=50_000).contains(&low), "{low} from {first}: {rates:?}");
            let result = interval.result(low);
            assert!(result.starts_with(&format!("maximum: at least {low}/s; at ")), "{result}");
        }
    }
}
