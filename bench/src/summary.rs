//! Summaries of the samples: each rival's medians in each scenario, and its ratios.

use serde::Serialize;
use sockeye_load::WireProtocol;

use crate::report::{Percentiles, Report, as_f64};
use crate::rival::{ALL, BASELINES};
use crate::sample::Sample;

/// A rival's medians in one scenario, over the samples that count.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The scenario's name.
    pub scenario: String,
    /// The rival's name.
    pub rival: String,
    /// The kind of `value`.
    pub metric: Metric,
    /// The value that rivals are compared by: median, lowest, highest.
    pub value: [f64; 3],
    /// The bare echo that ran in this scenario, if its value is comparable.
    pub baseline: Option<&'static str>,
    /// The rival's median divided by that of the bare echo.
    pub to_baseline: Option<f64>,
    /// The rival's median divided by the lowest median of a WebSocket server in this scenario.
    pub to_best: Option<f64>,
    /// Messages echoed or delivered per second.
    pub messages_per_second: f64,
    /// Share of its core that the server used, from 0 to 1.
    pub server_busy: f64,
    /// Latency of a closed loop at the 50th, 99th and 99.9th percentile, in microseconds.
    pub latency: Option<[f64; 3]>,
    /// Messages sent per second in an open loop, and the share that came back.
    pub open_loop: Option<OpenLoop>,
    /// Number of samples that count.
    pub counted: usize,
    /// Number of samples that were discarded.
    pub discarded: usize,
    /// `true` if all samples were disturbed, so that the disturbed ones count.
    pub all_disturbed: bool,
}

/// The result of an open loop, which sends messages regardless of replies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct OpenLoop {
    /// Messages sent per second.
    pub sent_per_second: f64,
    /// Messages received for each one sent.
    pub received: f64,
}

/// The kind of a measured value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Server processor time per message, in microseconds.
    CpuTime,
    /// Memory of the server per idle connection, in bytes. Not comparable to a server that keeps
    /// none.
    Memory,
}

impl Summary {
    /// Returns the rival's ratio, and the name of its base: a bare echo, or else the best.
    pub fn ratio(&self) -> Option<(f64, &'static str)> {
        self.to_baseline.zip(self.baseline).or(self.to_best.map(|ratio| (ratio, "the best")))
    }
}

/// Returns whether a rival is a bare echo, by its name.
pub fn is_bare_echo(rival: &str) -> bool {
    ALL.iter().any(|known| known.name == rival && known.protocol == WireProtocol::Raw)
}

/// Returns the summary of each rival in each scenario, grouped by scenario, both in the order of
/// their first sample.
pub fn summarize(samples: &[Sample]) -> Vec<Summary> {
    let scenarios = unique(samples.iter().map(|sample| sample.scenario.as_str()));
    let mut all = Vec::new();
    for scenario in scenarios {
        let of_scenario: Vec<_> =
            samples.iter().filter(|sample| sample.scenario == scenario).collect();
        let rivals = unique(of_scenario.iter().map(|sample| sample.rival.as_str()));
        let mut summaries: Vec<_> = rivals
            .into_iter()
            .filter_map(|rival| summarize_rival(&of_scenario, scenario, rival))
            .collect();
        set_ratios(&mut summaries);
        all.append(&mut summaries);
    }
    all
}

/// Returns each name once, in the order of first occurrence.
pub fn unique<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut unique = Vec::new();
    for name in names {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    unique
}

/// Sets the ratios of one scenario.
fn set_ratios(summaries: &mut [Summary]) {
    let comparable = |summary: &&Summary| summary.metric == Metric::CpuTime;
    // No two baselines can run in one scenario.
    let baseline = BASELINES.into_iter().find_map(|baseline| {
        let summary = summaries.iter().filter(comparable).find(|row| row.rival == baseline)?;
        Some((baseline, summary.value[0]))
    });
    let best = summaries
        .iter()
        .filter(comparable)
        .filter(|summary| !is_bare_echo(&summary.rival))
        .map(|summary| summary.value[0])
        .min_by(f64::total_cmp);
    for summary in summaries {
        summary.baseline = baseline.map(|(baseline, _)| baseline);
        summary.to_baseline = baseline.map(|(_, value)| summary.value[0] / value);
        summary.to_best = best.map(|best| summary.value[0] / best);
    }
}

fn summarize_rival(samples: &[&Sample], scenario: &str, rival: &str) -> Option<Summary> {
    let of_rival: Vec<_> = samples.iter().copied().filter(|sample| sample.rival == rival).collect();
    let undisturbed: Vec<_> = of_rival.iter().copied().filter(|sample| !sample.disturbed).collect();
    let all_disturbed = undisturbed.is_empty();
    let counted = if all_disturbed { &of_rival } else { &undisturbed };
    let sorted = |value: &dyn Fn(&Report) -> Option<f64>| {
        let mut values: Vec<_> =
            counted.iter().filter_map(|sample| value(&sample.report)).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let median_of = |value: &dyn Fn(&Report) -> Option<f64>| median(&sorted(value));
    let memory = sorted(&|r| r.memory.map(|memory| memory.per_connection));
    let (metric, values) = if memory.is_empty() {
        let processor = sorted(&|r| r.server.map(|server| server.microseconds_per_message));
        (Metric::CpuTime, processor)
    } else {
        (Metric::Memory, memory)
    };
    let percentile =
        |pick: fn(&Percentiles) -> f64| median_of(&move |r| r.latency.as_ref().map(pick));
    let latency = percentile(|latency| latency.p50)
        .zip(percentile(|latency| latency.p99))
        .zip(percentile(|latency| latency.p999))
        .map(|((p50, p99), p999)| [p50, p99, p999]);
    let sent = median_of(&|r| r.sent.map(|sent| as_f64(sent) / r.seconds));
    let received = median_of(&|r| r.sent.map(|sent| as_f64(r.messages) / as_f64(sent)));
    let open_loop = sent
        .zip(received)
        .map(|(sent_per_second, received)| OpenLoop { sent_per_second, received });
    Some(Summary {
        scenario: scenario.to_owned(),
        rival: rival.to_owned(),
        metric,
        value: [median(&values)?, *values.first()?, *values.last()?],
        baseline: None,
        to_baseline: None,
        to_best: None,
        messages_per_second: median_of(&|r| Some(r.messages_per_second))?,
        server_busy: median_of(&|r| r.server.map(|server| server.busy))?,
        latency,
        open_loop,
        counted: counted.len(),
        discarded: of_rival.len() - counted.len(),
        all_disturbed,
    })
}

/// Returns the median of sorted values: the middle one, or the mean of the two in the middle.
fn median(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get((sorted.len() - 1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Memory;
    use crate::sample::tests::sample;

    #[test]
    #[expect(clippy::float_cmp, reason = "medians of one sample are that sample")]
    fn disturbed_samples_do_not_count_while_there_are_others() {
        let disturbed = |sample| Sample { disturbed: true, ..sample };
        let summaries = summarize(&[
            sample("echo", BASELINES[0], 2.0),
            sample("echo", "ours", 3.0),
            disturbed(sample("echo", "ours", 9.0)),
            disturbed(sample("echo", "theirs", 8.0)),
        ]);
        assert_eq!(summaries[1].value, [3.0, 3.0, 3.0]);
        assert_eq!(summaries[1].ratio(), Some((1.5, BASELINES[0])));
        assert_eq!((summaries[1].counted, summaries[1].discarded), (1, 1));
        assert_eq!(summaries[2].to_baseline, Some(4.0));
        assert!(summaries[2].all_disturbed && !summaries[1].all_disturbed);
    }

    #[test]
    fn ratios_stay_within_a_scenario_and_are_to_the_best_without_a_baseline() {
        let summaries = summarize(&[
            sample("echo", BASELINES[0], 2.0),
            sample("tls", "ours", 3.0),
            sample("echo", "ours", 4.0),
            sample("tls", "theirs", 6.0),
            sample("echo", "raw-tokio", 3.0),
            sample("http2", "ours", 5.0),
            sample("http2", BASELINES[1], 4.0),
        ]);
        let ratios: Vec<_> = summaries
            .iter()
            .map(|summary| (summary.scenario.as_str(), summary.rival.as_str(), summary.ratio()))
            .collect();
        assert_eq!(
            ratios,
            [
                ("echo", BASELINES[0], Some((1.0, BASELINES[0]))),
                ("echo", "ours", Some((2.0, BASELINES[0]))),
                ("echo", "raw-tokio", Some((1.5, BASELINES[0]))),
                ("tls", "ours", Some((1.0, "the best"))),
                ("tls", "theirs", Some((2.0, "the best"))),
                ("http2", "ours", Some((1.25, BASELINES[1]))),
                ("http2", BASELINES[1], Some((1.0, BASELINES[1]))),
            ]
        );
        assert_eq!(summaries[1].to_best, Some(1.0));
    }

    #[test]
    fn memory_is_a_metric_of_its_own_without_a_ratio() {
        let mut idle = sample("memory", "ours", 3.0);
        idle.report.memory = Some(Memory { before: 0, after: 5120, per_connection: 512.0 });
        let summaries = summarize(&[idle]);
        assert_eq!(summaries[0].metric, Metric::Memory);
        assert_eq!(summaries[0].value[0].to_bits(), 512_f64.to_bits());
        assert_eq!(summaries[0].ratio(), None);
    }

    #[test]
    fn an_open_loop_reports_the_received_share_of_the_sent_messages() {
        let mut open_loop = sample("dgrr", "ours", 3.0);
        open_loop.report.sent = Some(16);
        let expected = OpenLoop { sent_per_second: 16.0, received: 0.5 };
        assert_eq!(summarize(&[open_loop])[0].open_loop, Some(expected));
    }

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), Some(3.0));
        assert_eq!(median(&[1.0, 2.0, 9.0]), Some(2.0));
        assert_eq!(median(&[]), None);
    }
}
