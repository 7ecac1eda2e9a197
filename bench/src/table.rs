//! The summaries in Markdown: a table for each scenario, and one of ratios over all scenarios.

use std::fmt::Write;

use crate::rival::{ALL, BASELINES};
use crate::summary::{Metric, Summary, is_bare_echo, unique};

/// Renders one table per scenario, with all values.
pub fn render(summaries: &[Summary]) -> String {
    let mut out = String::new();
    let mut scenario = "";
    for row in summaries {
        if row.scenario != scenario {
            scenario = &row.scenario;
            write_header(&mut out, row);
        }
        write_row(&mut out, row);
    }
    out
}

fn write_header(out: &mut String, row: &Summary) {
    let columns = match (row.metric, row.open_loop) {
        (Metric::Memory, _) => &["bytes per idle connection (lowest–highest)"][..],
        (Metric::CpuTime, Some(_)) => &[
            "server CPU µs/message received (lowest–highest)",
            "ratio to the baseline",
            "ratio to best",
            "sent/s",
            "received/s",
            "received of sent",
            "core used",
        ],
        (Metric::CpuTime, None) => &[
            "server CPU µs/message (lowest–highest)",
            "ratio to the baseline",
            "ratio to best",
            "messages/s",
            "core used",
            "p50 / p99 / p99.9 µs",
        ],
    };
    let columns = ["rival"].iter().chain(columns).chain(&["samples"]);
    let baseline = row.baseline.unwrap_or(BASELINES[0]);
    let names: Vec<_> = columns.map(|name| name.replace("the baseline", baseline)).collect();
    let rule = "---|".repeat(names.len());
    let _ = write!(out, "\n### {}\n\n| {} |\n|{rule}\n", row.scenario, names.join(" | "));
}

fn write_row(out: &mut String, row: &Summary) {
    let mut cells = vec![row.rival.clone()];
    let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "–".to_owned(), |r| format!("{r:.2}"));
    let core = format!("{:.0} %", row.server_busy * 100.0);
    match (row.metric, row.open_loop) {
        (Metric::Memory, _) => {
            let [middle, low, high] = row.value;
            cells.push(format!("{middle:.0} ({low:.0}–{high:.0})"));
        }
        (Metric::CpuTime, open_loop) => {
            let [middle, low, high] = row.value.map(format_significant);
            cells.push(format!("{middle} ({low}–{high})"));
            cells.extend([ratio(row.to_baseline), ratio(row.to_best)]);
            if let Some(open_loop) = open_loop {
                cells.push(format!("{:.0}", open_loop.sent_per_second));
                cells.push(format!("{:.0}", row.messages_per_second));
                cells.push(format!("{:.3}", open_loop.received));
                cells.push(core);
            } else {
                cells.extend([format!("{:.0}", row.messages_per_second), core]);
                let latency =
                    row.latency.map(|latency| latency.map(format_significant).join(" / "));
                cells.push(latency.unwrap_or_else(|| "–".to_owned()));
            }
        }
    }
    cells.push(match (row.discarded, row.all_disturbed) {
        (_, true) => format!("{}, all disturbed", row.counted),
        (0, _) => row.counted.to_string(),
        (discarded, _) => format!("{}, {discarded} discarded", row.counted),
    });
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

/// Renders one row per rival and one column per scenario: ratios, or bytes where the scenario
/// measures memory. The lowest value of a WebSocket server in each column is bold.
pub fn render_ratios(summaries: &[Summary]) -> String {
    let scenarios = unique(summaries.iter().map(|summary| summary.scenario.as_str()));
    let mut rivals = unique(summaries.iter().map(|summary| summary.rival.as_str()));
    let position = |rival: &str| ALL.iter().position(|known| known.name == rival);
    // The first scenario may lack some rivals.
    rivals.sort_by_key(|rival| position(rival).unwrap_or(usize::MAX));
    let mut out = String::new();
    let _ = writeln!(out, "| | {} |", scenarios.join(" | "));
    let _ = writeln!(out, "|---|{}", "--:|".repeat(scenarios.len()));
    let units: Vec<_> = scenarios.iter().map(|scenario| unit(summaries, scenario)).collect();
    let _ = writeln!(out, "| *values are* | {} |", units.join(" | "));
    for rival in rivals {
        let cells: Vec<_> =
            scenarios.iter().map(|scenario| cell(summaries, scenario, rival)).collect();
        let _ = writeln!(out, "| {rival} | {} |", cells.join(" | "));
    }
    out
}

fn in_scenario<'a>(summaries: &'a [Summary], scenario: &str) -> impl Iterator<Item = &'a Summary> {
    summaries.iter().filter(move |summary| summary.scenario == scenario)
}

/// Returns the unit of a column: the base of its ratios with the value of that base, or bytes.
fn unit(summaries: &[Summary], scenario: &str) -> String {
    let Some(summary) = in_scenario(summaries, scenario).next() else { return String::new() };
    match summary.ratio() {
        Some((ratio, base)) => {
            format!("× {base}, {} µs", format_significant(summary.value[0] / ratio))
        }
        None => "bytes".to_owned(),
    }
}

fn cell(summaries: &[Summary], scenario: &str, rival: &str) -> String {
    let Some(summary) = in_scenario(summaries, scenario).find(|summary| summary.rival == rival)
    else {
        return "–".to_owned();
    };
    let text = match summary.ratio() {
        Some((ratio, _)) => format!("{ratio:.2}"),
        None => format!("{:.0}", summary.value[0]),
    };
    let lowest = in_scenario(summaries, scenario)
        .filter(|summary| !is_bare_echo(&summary.rival))
        .min_by(|a, b| a.value[0].total_cmp(&b.value[0]));
    match lowest {
        Some(lowest) if lowest.rival == rival => format!("**{text}**"),
        _ => text,
    }
}

/// Formats a value with three significant digits: from 1,000 on with all digits before the decimal
/// point, below 1 with three decimals.
pub(crate) fn format_significant(value: f64) -> String {
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
    use crate::report::Memory;
    use crate::sample::tests::sample;
    use crate::summary::summarize;

    fn memory(rival: &str, bytes: f64) -> crate::sample::Sample {
        let mut sample = sample("memory", rival, 1.0);
        sample.report.memory = Some(Memory { before: 0, after: 1, per_connection: bytes });
        sample
    }

    #[test]
    fn each_kind_of_scenario_has_as_many_cells_as_columns() {
        let mut open_loop = sample("dgrr", "ours", 2.0);
        open_loop.report.sent = Some(16);
        let samples = [
            sample("echo", BASELINES[0], 2.0),
            sample("echo", "ours", 3.0),
            open_loop,
            memory("ours", 200.4),
        ];
        let text = render(&summarize(&samples));
        assert!(text.contains("| ours | 3.00 (3.00–3.00) | 1.50 | 1.00 | 8 | 100 % |"));
        assert!(text.contains("| ours | 200 (200–200) | 1 |"));
        assert!(text.contains("| 16 | 8 | 0.500 | 100 % | 1 |"));
        for table in text.split("### ").skip(1) {
            let bars = table.lines().filter(|line| line.starts_with('|'));
            let counts: Vec<_> = bars.map(|line| line.matches('|').count()).collect();
            assert!(counts.iter().all(|count| *count == counts[0]), "{table}");
        }
    }

    #[test]
    fn the_comparison_has_a_column_for_each_scenario_and_marks_the_best() {
        let samples = [
            sample("echo", "ours", 3.0),
            sample("echo", "theirs", 4.0),
            sample("tls", "theirs", 5.0),
            sample("echo", BASELINES[0], 2.0),
            memory("ours", 300.0),
        ];
        assert_eq!(
            render_ratios(&summarize(&samples)),
            "| | echo | tls | memory |\n\
             |---|--:|--:|--:|\n\
             | *values are* | × raw-epoll, 2.00 µs | × the best, 5.00 µs | bytes |\n\
             | raw-epoll | 1.00 | – | – |\n\
             | ours | **1.50** | – | **300** |\n\
             | theirs | 2.00 | **1.00** | – |\n"
        );
    }
}
