//! `--compare`: two servers in turns, and the confidence interval of their ratio.

use std::fmt::Write as _;

use serde::Serialize;
use sockeye_load::LatencyReport;

use super::runner::Runner;
use super::summary::{SCHEMA, Summary};
use super::target::Target;
use super::write;
use crate::units;

/// A quantity that is compared.
type Quantity = (&'static str, fn(&LatencyReport) -> f64);

const QUANTITIES: [Quantity; 4] = [
    ("achieved rate", LatencyReport::achieved),
    ("p50", |report| report.counts.response.quantile(0.5).as_secs_f64()),
    ("p99", |report| report.counts.response.quantile(0.99).as_secs_f64()),
    ("p99.9", |report| report.counts.response.quantile(0.999).as_secs_f64()),
];

/// The ratio of B to A for a quantity.
#[derive(Debug, Serialize)]
struct Ratio {
    quantity: &'static str,
    /// Geometric mean over the turns, and its 95 % confidence interval.
    #[serde(rename = "ratio")]
    mean: f64,
    low: f64,
    high: f64,
}

#[derive(Debug, Serialize)]
struct Comparison {
    schema: &'static str,
    mode: &'static str,
    a: Vec<Summary>,
    b: Vec<Summary>,
    ratios: Vec<Ratio>,
}

/// Measures A B A B …, so that a slow drift of the machine affects both servers alike.
pub(super) fn run(runner: &mut Runner<'_>, a: &Target, b: &Target) -> anyhow::Result<()> {
    let options = runner.options;
    let duration = options.duration / options.turns;
    let mut reports: [Vec<LatencyReport>; 2] = [Vec::new(), Vec::new()];
    for turn in 1..=options.turns {
        for ((name, target), reports) in [("A", a), ("B", b)].into_iter().zip(&mut reports) {
            let report = runner.measure(target, duration, options.rate)?;
            runner.ensure_not_stopped()?;
            let quantile =
                |quantile| units::three_digits(report.counts.response.quantile(quantile));
            println!(
                "turn {turn} {name}: achieved {:.0}/s, p50 {}, p99 {}",
                report.achieved(),
                quantile(0.5),
                quantile(0.99)
            );
            reports.push(report);
        }
    }
    let [of_a, of_b] = &reports;
    let ratios: Vec<_> = QUANTITIES
        .iter()
        .map(|&(quantity, value)| {
            let pairs = of_a.iter().zip(of_b).map(|(a, b)| value(b) / value(a));
            Ratio::new(quantity, &pairs.collect::<Vec<_>>())
        })
        .collect();
    let mut text = format!("A {}\nB {}\nB / A, with the 95 % confidence interval:\n", a.url, b.url);
    for ratio in &ratios {
        let Ratio { quantity, mean, low, high } = ratio;
        let verdict = if *low <= 1.0 && 1.0 <= *high { "no difference shown" } else { "differs" };
        let _ = writeln!(text, "  {quantity:<14}{mean:6.3}  [{low:.3}, {high:.3}]  {verdict}");
    }
    print!("{text}");
    let Some(file) = &options.json else { return Ok(()) };
    let summaries = |target, reports: &[LatencyReport]| {
        reports.iter().map(|report| Summary::new(target, report)).collect()
    };
    let comparison = Comparison {
        schema: SCHEMA,
        mode: "comparison",
        a: summaries(a, of_a),
        b: summaries(b, of_b),
        ratios,
    };
    write(file, &(serde_json::to_string_pretty(&comparison)? + "\n"))
}

impl Ratio {
    /// Computes the geometric mean of the ratios and its interval by Student's t-distribution.
    #[expect(clippy::cast_precision_loss, reason = "at most 1000 turns")]
    fn new(quantity: &'static str, ratios: &[f64]) -> Self {
        let count = ratios.len() as f64;
        let logs: Vec<f64> = ratios.iter().map(|ratio| ratio.ln()).collect();
        let mean = logs.iter().sum::<f64>() / count;
        let squares: f64 = logs.iter().map(|log| (log - mean).powi(2)).sum();
        let error = (squares / (count - 1.0) / count).sqrt();
        let margin = critical_value(ratios.len() - 1) * error;
        Self { quantity, mean: mean.exp(), low: (mean - margin).exp(), high: (mean + margin).exp() }
    }
}

/// Returns the 97.5 % quantile of Student's t-distribution. Beyond ten degrees of freedom, the
/// value of the next lower row of the table, which is on the safe side.
fn critical_value(freedom: usize) -> f64 {
    const TABLE: [f64; 10] =
        [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];
    match freedom {
        0 => f64::INFINITY,
        1..=10 => TABLE[freedom - 1],
        11..=19 => 2.228,
        20..=29 => 2.086,
        30..=59 => 2.042,
        _ => 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_equal_ratios_is_a_point_and_of_others_contains_the_mean() {
        let equal = Ratio::new("p50", &[2.0, 2.0, 2.0]);
        assert!((equal.mean - 2.0).abs() < 1e-9 && (equal.high - equal.low).abs() < 1e-9);
        let spread = Ratio::new("p50", &[0.5, 2.0]);
        assert!((spread.mean - 1.0).abs() < 1e-9 && spread.low < 0.5 && spread.high > 2.0);
    }

    #[test]
    fn critical_values_never_grow() {
        let values: Vec<_> = (0..100).map(critical_value).collect();
        assert!(values.is_sorted_by(|a, b| a >= b));
    }
}
