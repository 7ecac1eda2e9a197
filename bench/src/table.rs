//! The standings in Markdown: a table for each scenario, and one of ratios over all scenarios.

use std::fmt::Write;

use crate::rival::{ALL, LIMITS};
use crate::standing::{Measure, Standing, distinct, is_bare};

/// Renders one table per scenario, with all values.
pub fn render(standings: &[Standing]) -> String {
    let mut out = String::new();
    let mut scenario = "";
    for row in standings {
        if row.scenario != scenario {
            scenario = &row.scenario;
            head(&mut out, row);
        }
        line(&mut out, row);
    }
    out
}

fn head(out: &mut String, row: &Standing) {
    let columns = match (row.measure, row.open_loop) {
        (Measure::Memory, _) => &["bytes per idle connection (lowest–highest)"][..],
        (Measure::Processor, Some(_)) => &[
            "server CPU µs/message received (lowest–highest)",
            "to the limit",
            "to best",
            "sent/s",
            "received/s",
            "received of sent",
            "core used",
        ],
        (Measure::Processor, None) => &[
            "server CPU µs/message (lowest–highest)",
            "to the limit",
            "to best",
            "messages/s",
            "core used",
            "p50 / p99 / p99.9 µs",
        ],
    };
    let columns = ["rival"].iter().chain(columns).chain(&["samples"]);
    let limit = row.limit.unwrap_or(LIMITS[0]);
    let names: Vec<_> = columns.map(|name| name.replace("the limit", limit)).collect();
    let rule = "---|".repeat(names.len());
    let _ = write!(out, "\n### {}\n\n| {} |\n|{rule}\n", row.scenario, names.join(" | "));
}

fn line(out: &mut String, row: &Standing) {
    let mut cells = vec![row.rival.clone()];
    let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "–".to_owned(), |r| format!("{r:.2}"));
    let core = format!("{:.0} %", row.server_busy * 100.0);
    match (row.measure, row.open_loop) {
        (Measure::Memory, _) => {
            let [middle, low, high] = row.figure;
            cells.push(format!("{middle:.0} ({low:.0}–{high:.0})"));
        }
        (Measure::Processor, open_loop) => {
            let [middle, low, high] = row.figure.map(three_digits);
            cells.push(format!("{middle} ({low}–{high})"));
            cells.extend([ratio(row.to_limit), ratio(row.to_best)]);
            if let Some(open_loop) = open_loop {
                cells.push(format!("{:.0}", open_loop.sent_per_second));
                cells.push(format!("{:.0}", row.messages_per_second));
                cells.push(format!("{:.3}", open_loop.received));
                cells.push(core);
            } else {
                cells.extend([format!("{:.0}", row.messages_per_second), core]);
                let latency = row.latency.map(|latency| latency.map(three_digits).join(" / "));
                cells.push(latency.unwrap_or_else(|| "–".to_owned()));
            }
        }
    }
    cells.push(match (row.discarded, row.doubtful) {
        (_, true) => format!("{}, all disturbed", row.counted),
        (0, _) => row.counted.to_string(),
        (discarded, _) => format!("{}, {discarded} discarded", row.counted),
    });
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

/// Renders one row per rival and one column per scenario: ratios, or bytes where the scenario
/// measures memory. The lowest value of a WebSocket server in each column is bold.
pub fn compare(standings: &[Standing]) -> String {
    let scenarios = distinct(standings.iter().map(|standing| standing.scenario.as_str()));
    let mut rivals = distinct(standings.iter().map(|standing| standing.rival.as_str()));
    let place = |rival: &str| ALL.iter().position(|known| known.name == rival);
    // The first scenario may lack some rivals.
    rivals.sort_by_key(|rival| place(rival).unwrap_or(usize::MAX));
    let mut out = String::new();
    let _ = writeln!(out, "| | {} |", scenarios.join(" | "));
    let _ = writeln!(out, "|---|{}", "--:|".repeat(scenarios.len()));
    let units: Vec<_> = scenarios.iter().map(|scenario| unit(standings, scenario)).collect();
    let _ = writeln!(out, "| *figures are* | {} |", units.join(" | "));
    for rival in rivals {
        let cells: Vec<_> =
            scenarios.iter().map(|scenario| cell(standings, scenario, rival)).collect();
        let _ = writeln!(out, "| {rival} | {} |", cells.join(" | "));
    }
    out
}

fn of<'a>(standings: &'a [Standing], scenario: &str) -> impl Iterator<Item = &'a Standing> {
    standings.iter().filter(move |standing| standing.scenario == scenario)
}

/// Returns the base of a column's ratios.
fn unit(standings: &[Standing], scenario: &str) -> String {
    let Some(standing) = of(standings, scenario).next() else { return String::new() };
    match standing.ratio() {
        Some((ratio, base)) => {
            format!("× {base}, {} µs", three_digits(standing.figure[0] / ratio))
        }
        None => "bytes".to_owned(),
    }
}

fn cell(standings: &[Standing], scenario: &str, rival: &str) -> String {
    let Some(standing) = of(standings, scenario).find(|standing| standing.rival == rival) else {
        return "–".to_owned();
    };
    let text = match standing.ratio() {
        Some((ratio, _)) => format!("{ratio:.2}"),
        None => format!("{:.0}", standing.figure[0]),
    };
    let lowest = of(standings, scenario)
        .filter(|standing| !is_bare(&standing.rival))
        .min_by(|a, b| a.figure[0].total_cmp(&b.figure[0]));
    match lowest {
        Some(lowest) if lowest.rival == rival => format!("**{text}**"),
        _ => text,
    }
}

/// Formats a value with three significant digits, and never fewer than those before the decimal
/// point.
pub(crate) fn three_digits(value: f64) -> String {
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
    use crate::standing::standings;

    fn memory(rival: &str, bytes: f64) -> crate::sample::Sample {
        let mut sample = sample("memory", rival, 1.0);
        sample.report.memory = Some(Memory { before: 0, after: 1, per_connection: bytes });
        sample
    }

    #[test]
    fn each_kind_of_scenario_has_as_many_cells_as_columns() {
        let mut flood = sample("dgrr", "ours", 2.0);
        flood.report.sent = Some(16);
        let samples = [
            sample("echo", LIMITS[0], 2.0),
            sample("echo", "ours", 3.0),
            flood,
            memory("ours", 200.4),
        ];
        let text = render(&standings(&samples));
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
            sample("echo", LIMITS[0], 2.0),
            memory("ours", 300.0),
        ];
        assert_eq!(
            compare(&standings(&samples)),
            "| | echo | tls | memory |\n\
             |---|--:|--:|--:|\n\
             | *figures are* | × raw-epoll, 2.00 µs | × the best, 5.00 µs | bytes |\n\
             | raw-epoll | 1.00 | – | – |\n\
             | ours | **1.50** | – | **300** |\n\
             | theirs | 2.00 | **1.00** | – |\n"
        );
    }
}
