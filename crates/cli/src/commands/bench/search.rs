//! `--find-max`: the highest rate at which a condition holds.

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

/// Maximum number of tests.
const MAX_TESTS: usize = 40;

/// Doubles the rate until the condition does not hold, and then halves the interval.
#[expect(clippy::cast_precision_loss, reason = "rates are far below 2^52")]
pub(super) fn run(
    runner: &mut Runner<'_>,
    target: &Target,
    criterion: &Criterion,
) -> anyhow::Result<()> {
    let options = runner.options;
    let mut rate = options.rate.unwrap_or(FIRST_RATE);
    let mut best: Option<(u64, Summary, _)> = None;
    let mut failed: Option<u64> = None;
    for _ in 0..MAX_TESTS {
        let report = runner.measure(target, options.duration, Some(rate))?;
        runner.ensure_not_stopped()?;
        let summary = Summary::new(target, &report);
        let deliveries = if options.fan_out { options.connections as f64 } else { 1.0 };
        let is_achieved = summary.achieved_per_s >= rate as f64 * deliveries * MIN_ACHIEVED;
        let verdict = if !criterion.holds(&report) {
            "no"
        } else if !is_achieved {
            "no, the rate was not achieved"
        } else if summary.generator_limited {
            "no, generator-limited"
        } else {
            "yes"
        };
        let actual = criterion.actual(&report);
        println!(
            "{rate}/s: achieved {:.0}/s, {criterion}: {verdict} ({actual})",
            summary.achieved_per_s
        );
        if verdict == "yes" {
            best = Some((rate, summary, report));
        } else {
            failed = Some(rate);
        }
        let low = best.as_ref().map_or(0, |(rate, ..)| *rate);
        rate = match failed {
            None => rate.saturating_mul(2),
            Some(failed) if low == 0 && failed > 1 => failed / 2,
            Some(failed) if low > 0 && failed as f64 > low as f64 * PRECISION => {
                low.midpoint(failed)
            }
            Some(_) => break,
        };
        if low == rate {
            break;
        }
    }
    let Some((rate, summary, report)) = best else {
        anyhow::bail!("{criterion} holds at no rate");
    };
    println!("maximum: {rate}/s");
    print!("{summary}");
    write_files(options, &summary, &report)
}
