//! The progress of a test on standard error: four panes on a terminal, otherwise a line a second.
//!
//! The panes are drawn by the thread that waits for the test, once a second; the threads that put
//! the load on the server only hand over counts that they have anyway.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::Duration;

use sockeye_load::{Latency, LatencyProgress, RunPhase};

use super::arguments::Bench;
use super::target::Target;
use crate::units::three_digits;

/// Number of the last reports whose rates are drawn.
const BARS: usize = 40;

/// Rows of the histogram, and columns of its longest bar.
const ROWS: u32 = 10;
const COLUMNS: u32 = 40;

/// The display of one test.
#[derive(Debug)]
pub(super) struct Display {
    is_terminal: bool,
    url: String,
    connections: usize,
    warm_up: Duration,
    duration: Duration,
    /// Messages that were answered in each of the last seconds.
    rates: VecDeque<u64>,
    /// Lines that are on the terminal and will be drawn over.
    drawn: usize,
}

impl Display {
    pub(super) fn new(is_terminal: bool, options: &Bench, target: &Target) -> Self {
        Self {
            is_terminal,
            url: target.url.clone(),
            connections: options.connections,
            warm_up: options.warm_up.unwrap_or_default(),
            duration: options.duration,
            rates: VecDeque::with_capacity(BARS),
            drawn: 0,
        }
    }

    /// Shows a report. A display that cannot be written does not end the test.
    pub(super) fn update(&mut self, progress: &LatencyProgress<'_>) {
        if self.rates.len() == BARS {
            self.rates.pop_front();
        }
        if progress.phase == RunPhase::Counted {
            self.rates.push_back(progress.tick.answered);
        }
        let text = if self.is_terminal {
            let panes = self.panes(progress);
            let up =
                if self.drawn > 0 { format!("\x1b[{}A\x1b[J", self.drawn) } else { String::new() };
            self.drawn = panes.lines().count();
            up + &panes
        } else {
            line(progress, self.connections)
        };
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    /// Removes the panes, so that the result takes their place.
    pub(super) fn finish(self) {
        if self.drawn > 0 {
            let _ = write!(io::stderr().lock(), "\x1b[{}A\x1b[J", self.drawn);
        }
    }

    fn panes(&self, progress: &LatencyProgress<'_>) -> String {
        let mut text = format!("{}\n\n", self.url);
        // Progress.
        let (name, whole) = match progress.phase {
            RunPhase::Opening => {
                let _ = writeln!(text, "opening  {} of {}", progress.connections, self.connections);
                return text;
            }
            RunPhase::WarmUp => ("warm-up", self.warm_up),
            RunPhase::Counted => ("counted", self.duration),
        };
        let elapsed = progress.elapsed.min(whole);
        let share = elapsed.as_secs_f64() / whole.as_secs_f64().max(1e-3);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 40")]
        let filled = (share.clamp(0.0, 1.0) * f64::from(COLUMNS)) as usize;
        let _ = writeln!(
            text,
            "{name}  [{:40}] {:.0} of {:.0} s\n",
            "=".repeat(filled),
            elapsed.as_secs_f64(),
            whole.as_secs_f64()
        );
        // Statistics of the last second.
        let _ = writeln!(text, "last second  {}", statistics(progress));
        // Rates.
        let most = self.rates.iter().copied().max().unwrap_or(0).max(1);
        let bars: String = self
            .rates
            .iter()
            .map(|rate| match rate * 7 / most {
                0 => '▁',
                1 => '▂',
                2 => '▃',
                3 => '▄',
                4 => '▅',
                5 => '▆',
                6 => '▇',
                _ => '█',
            })
            .collect();
        let _ = writeln!(text, "\nrate  {bars}  at most {most}/s\n");
        text += &histogram(&progress.total.response);
        text
    }
}

/// Returns the report as one line.
fn line(progress: &LatencyProgress<'_>, connections: usize) -> String {
    let phase = match progress.phase {
        RunPhase::Opening => {
            return format!("opening: {} of {connections} connections\n", progress.connections);
        }
        RunPhase::WarmUp => "warm-up",
        RunPhase::Counted => "counted",
    };
    format!("{phase} {:4.0} s: {}\n", progress.elapsed.as_secs_f64(), statistics(progress))
}

fn statistics(progress: &LatencyProgress<'_>) -> String {
    let tick = progress.tick;
    let quantile = |latency: &Latency, quantile| three_digits(latency.quantile(quantile));
    let mut text = format!(
        "{}/s, {} in flight, p50 {}, p99 {}, max {}",
        tick.answered,
        progress.in_flight,
        quantile(&tick.response, 0.5),
        quantile(&tick.response, 0.99),
        three_digits(tick.response.max()),
    );
    if tick.lag.messages() > 0 {
        let _ = write!(text, ", schedule lag p99 {}", quantile(&tick.lag, 0.99));
    }
    text
}

/// Returns the response times of the whole test in rows of equal width on a logarithmic scale.
fn histogram(latency: &Latency) -> String {
    let (min, max) = (latency.min().as_secs_f64().max(1e-6), latency.max().as_secs_f64());
    if max <= min {
        return String::new();
    }
    let mut counted = 0;
    let rows: Vec<_> = (1..=ROWS)
        .map(|row| {
            let bound = min * (max / min).powf(f64::from(row) / f64::from(ROWS));
            let bound = if row == ROWS { latency.max() } else { Duration::from_secs_f64(bound) };
            let within = latency.messages_within(bound);
            let count = within.saturating_sub(counted);
            counted = within;
            (bound, count)
        })
        .collect();
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let mut text = String::from("response time\n");
    for (bound, count) in rows {
        let length = usize::try_from(count * u64::from(COLUMNS) / most).unwrap_or_default();
        let _ = writeln!(text, "{:>9} {:<40} {count}", three_digits(bound), "█".repeat(length));
    }
    text
}
