//! Medians of the samples, as a table to read.

use std::fmt::Write;

use serde::Serialize;

use crate::load::Report;
use crate::rival::LIMIT;
use crate::sample::Sample;

/// A rival's medians in one scenario, over the samples that count.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// The scenario's name.
    pub scenario: String,
    /// The rival's name.
    pub rival: &'static str,
    /// Server processor time per echoed message, in microseconds: median, lowest, highest.
    pub microseconds: [f64; 3],
    /// That median divided by the one of the bare epoll echo, if both ran.
    pub to_limit: Option<f64>,
    /// Echoed messages per second.
    pub messages_per_second: f64,
    /// How much of its core the server used, from 0 to 1.
    pub server_busy: f64,
    /// Latency in microseconds at the 50th, 99th and 99.9th percentile.
    pub latency: [f64; 3],
    /// Samples that count.
    pub counted: usize,
    /// Samples that were discarded.
    pub discarded: usize,
    /// Whether there were only disturbed samples, so that these count after all.
    pub doubtful: bool,
}

/// The standing of each rival in each scenario, in the order in which they first ran.
pub fn standings(samples: &[Sample]) -> Vec<Standing> {
    let mut order: Vec<(&str, &'static str)> = Vec::new();
    for sample in samples {
        let key = (sample.scenario.as_str(), sample.rival);
        if !order.contains(&key) {
            order.push(key);
        }
    }
    let mut standings: Vec<_> =
        order.into_iter().filter_map(|(name, rival)| standing(samples, name, rival)).collect();
    let limits: Vec<_> = standings
        .iter()
        .filter(|standing| standing.rival == LIMIT)
        .map(|standing| (standing.scenario.clone(), standing.microseconds[0]))
        .collect();
    for standing in &mut standings {
        standing.to_limit = limits
            .iter()
            .find(|(scenario, _)| *scenario == standing.scenario)
            .map(|(_, limit)| standing.microseconds[0] / limit);
    }
    standings
}

fn standing(samples: &[Sample], scenario: &str, rival: &'static str) -> Option<Standing> {
    let own: Vec<_> = samples
        .iter()
        .filter(|sample| sample.scenario == scenario && sample.rival == rival)
        .collect();
    let clean: Vec<_> = own.iter().copied().filter(|sample| !sample.disturbed).collect();
    let doubtful = clean.is_empty();
    let counted = if doubtful { &own } else { &clean };
    let sorted = |value: &dyn Fn(&Report) -> Option<f64>| {
        let mut values: Vec<_> =
            counted.iter().filter_map(|sample| value(&sample.report)).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let middle = |value: &dyn Fn(&Report) -> Option<f64>| median(&sorted(value));
    let microseconds = sorted(&|r| r.server.map(|server| server.microseconds_per_message));
    Some(Standing {
        scenario: scenario.to_owned(),
        rival,
        microseconds: [median(&microseconds)?, *microseconds.first()?, *microseconds.last()?],
        to_limit: None,
        messages_per_second: middle(&|r| Some(r.messages_per_second))?,
        server_busy: middle(&|r| r.server.map(|server| server.busy))?,
        latency: [
            middle(&|r| Some(r.latency.p50))?,
            middle(&|r| Some(r.latency.p99))?,
            middle(&|r| Some(r.latency.p999))?,
        ],
        counted: counted.len(),
        discarded: own.len() - counted.len(),
        doubtful,
    })
}

/// The middle of sorted values, or the mean of the two in the middle.
fn median(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get((sorted.len() - 1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

/// One Markdown table per scenario.
pub fn render(standings: &[Standing]) -> String {
    let mut out = String::new();
    let mut scenario = "";
    for row in standings_by_scenario(standings) {
        if row.scenario != scenario {
            scenario = &row.scenario;
            let _ = write!(
                out,
                "\n### {scenario}\n\n| rival | server CPU µs/message (lowest–highest) | to {LIMIT} \
                 | messages/s | core used | p50 / p99 / p99.9 µs | samples |\n\
                 |---|---|---|---|---|---|---|\n"
            );
        }
        let [middle, low, high] = row.microseconds.map(three_digits);
        let [p50, p99, p999] = row.latency.map(three_digits);
        let ratio = row.to_limit.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
        let discarded = match (row.discarded, row.doubtful) {
            (_, true) => ", all disturbed".to_owned(),
            (0, _) => String::new(),
            (discarded, _) => format!(", {discarded} discarded"),
        };
        let _ = writeln!(
            out,
            "| {} | {middle} ({low}–{high}) | {ratio} | {:.0} | {:.0} % | {p50} / {p99} / {p999} \
             | {}{discarded} |",
            row.rival,
            row.messages_per_second,
            row.server_busy * 100.0,
            row.counted,
        );
    }
    out
}

/// Rounds interleave scenarios; the table does not.
fn standings_by_scenario(standings: &[Standing]) -> impl Iterator<Item = &Standing> {
    let mut names: Vec<&str> = Vec::new();
    for standing in standings {
        if !names.contains(&standing.scenario.as_str()) {
            names.push(&standing.scenario);
        }
    }
    names
        .into_iter()
        .flat_map(|name| standings.iter().filter(move |standing| standing.scenario == name))
}

fn three_digits(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cycle::{Payload, Wire};
    use crate::load::{Latency, Share};

    fn sample(rival: &'static str, microseconds: f64, disturbed: bool) -> Sample {
        let share = Share { microseconds_per_message: microseconds, busy: 1.0, waited: 0.0 };
        let report = Report {
            wire: Wire::WebSocket,
            payload: Payload::Binary,
            length: 20,
            connections: 100,
            in_flight: 1,
            seconds: 1.0,
            messages: 1,
            messages_per_second: 1.0,
            latency: Latency { p50: 1.0, p99: 2.0, p999: 3.0, max: 4.0 },
            server: Some(share),
            driver: share,
            stolen: 0.0,
        };
        Sample { scenario: "echo".to_owned(), rival, round: 1, report, disturbed }
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "medians of one sample are that sample")]
    fn disturbed_samples_do_not_count_while_there_are_others() {
        let standings = standings(&[
            sample(LIMIT, 2.0, false),
            sample("ours", 3.0, false),
            sample("ours", 9.0, true),
            sample("theirs", 8.0, true),
        ]);
        assert_eq!(standings[1].microseconds, [3.0, 3.0, 3.0]);
        assert_eq!(standings[1].to_limit, Some(1.5));
        assert_eq!((standings[1].counted, standings[1].discarded), (1, 1));
        assert_eq!(standings[2].to_limit, Some(4.0));
        assert!(standings[2].doubtful && !standings[1].doubtful);
        assert!(render(&standings).contains("| ours | 3.00 (3.00–3.00) | 1.50 |"));
    }

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), Some(3.0));
        assert_eq!(median(&[1.0, 2.0, 9.0]), Some(2.0));
        assert_eq!(median(&[]), None);
    }
}
