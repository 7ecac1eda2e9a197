//! The percentiles of a distribution in the text format of the plotter of `HdrHistogram`.

use std::fmt::Write as _;
use std::time::Duration;

use sockeye_load::Latency;

/// Percentiles for each halving of the distance to 100 %, as the tools of `HdrHistogram` have by
/// default.
const STEPS: u32 = 5;

/// Returns the table. Values are milliseconds.
pub(super) fn table(latency: &Latency) -> String {
    let mut text = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    for (value, quantile, count) in latency.percentiles(STEPS) {
        let value = milliseconds(value);
        let _ = write!(text, "{value:12.3} {quantile:2.12} {count:10}");
        if quantile < 1.0 {
            let _ = write!(text, " {:14.2}", 1.0 / (1.0 - quantile));
        }
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "#[Mean    = {:12.3}, StdDeviation   = {:12.3}]\n#[Max     = {:12.3}, Total count    = {:12}]",
        milliseconds(latency.mean()),
        milliseconds(latency.standard_deviation()),
        milliseconds(latency.max()),
        latency.messages(),
    );
    text
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
