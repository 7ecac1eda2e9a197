//! The progress of a test on standard error: four panes on a terminal, otherwise a line a second.
//!
//! The panes are drawn by the thread that waits for the test, once a second; the threads that put
//! the load on the server only hand over counts that they have anyway. Keys change the time that
//! the statistics cover.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sockeye_load::{Latency, LatencyProgress, RunPhase};

use super::arguments::Bench;
use super::keys::{Keys, SPANS};
use super::target::Target;
use crate::terminal::{self, Size};
use crate::units::three_digits;

/// Maximum number of columns of a bar, and of the last reports whose rates are drawn.
const BARS: usize = 40;

/// Columns beside a bar: its label, and the number after it.
const BESIDE_BAR: usize = 28;

/// Length of the first and the last interval of a test below which they are not shown.
const SHORTEST: Duration = Duration::from_millis(500);

/// Rows of the histogram.
const ROWS: u32 = 10;

/// The display of one test.
#[derive(Debug)]
pub(super) struct Display {
    is_terminal: bool,
    url: String,
    connections: usize,
    warm_up: Duration,
    duration: Duration,
    is_fan_out: bool,
    /// Rates of the last reports, in messages per second.
    rates: VecDeque<u64>,
    /// The last reports, as many as the statistics can cover.
    reports: VecDeque<Report>,
    /// Index of the time that they cover; `None` without keys.
    span: Option<Arc<AtomicUsize>>,
    /// Lines that are on the terminal and will be drawn over.
    drawn: usize,
}

/// The counts of an interval.
#[derive(Debug)]
struct Report {
    interval: Duration,
    answered: u64,
    response: Latency,
}

impl Display {
    pub(super) fn new(
        is_terminal: bool,
        options: &Bench,
        target: &Target,
        duration: Duration,
        keys: Option<&Keys>,
    ) -> Self {
        Self {
            is_terminal,
            url: target.url.clone(),
            connections: options.connections,
            warm_up: options.warm_up.unwrap_or_default(),
            duration,
            is_fan_out: options.fan_out,
            rates: VecDeque::with_capacity(BARS),
            reports: VecDeque::new(),
            span: keys.map(Keys::span),
            drawn: 0,
        }
    }

    /// Shows a report. A display that cannot be written does not end the test.
    pub(super) fn update(&mut self, progress: &LatencyProgress<'_>) {
        if progress.phase == RunPhase::Counted {
            if progress.interval.min(progress.elapsed) < SHORTEST {
                return;
            }
            self.add(progress);
        }
        let text = if self.is_terminal {
            let panes = self.panes(progress, terminal::size(io::stderr()));
            let up =
                if self.drawn > 0 { format!("\x1b[{}A\x1b[J", self.drawn) } else { String::new() };
            self.drawn = panes.lines().count();
            // A line that the terminal wrapped would take more rows than are drawn over.
            up + "\x1b[?7l" + &panes + "\x1b[?7h"
        } else {
            self.line(progress)
        };
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    /// Removes the panes, so that the result takes their place.
    pub(super) fn finish(self) {
        if self.drawn > 0 {
            let _ = write!(io::stderr().lock(), "\x1b[{}A\x1b[J", self.drawn);
        }
    }

    fn add(&mut self, progress: &LatencyProgress<'_>) {
        let (answered, interval) = (progress.tick.answered, progress.interval);
        let response = progress.tick.response.clone();
        self.reports.push_back(Report { interval, answered, response });
        if self.reports.len() > if self.is_terminal { SPANS[SPANS.len() - 1] } else { 1 } {
            self.reports.pop_front();
        }
        self.rates.push_back(per_second(answered, interval));
        if self.rates.len() > BARS {
            self.rates.pop_front();
        }
    }

    /// Returns as many of the panes as a terminal of this size has place for.
    fn panes(&self, progress: &LatencyProgress<'_>, size: Size) -> String {
        let bar = size.columns.saturating_sub(BESIDE_BAR).clamp(1, BARS);
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
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "at most 40"
        )]
        let filled = (share.clamp(0.0, 1.0) * bar as f64) as usize;
        let _ = writeln!(
            text,
            "{name}  [{:bar$}] {:.0} of {:.0} s\n",
            "=".repeat(filled),
            elapsed.as_secs_f64(),
            whole.as_secs_f64()
        );
        if progress.phase == RunPhase::WarmUp {
            let _ = writeln!(text, "{} in flight", progress.in_flight);
            return text;
        }
        let _ = writeln!(text, "{}", self.statistics(progress));
        // Rates.
        let shown = self.rates.len().saturating_sub(bar);
        let rates = self.rates.iter().copied().skip(shown);
        let most = rates.clone().max().unwrap_or(0).max(1);
        let bars: String = rates
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
        let histogram = histogram(&progress.total.response, bar);
        // The cursor is in the row below.
        let rows = size.rows.saturating_sub(1);
        if text.lines().count() + histogram.lines().count() <= rows {
            text += &histogram;
        }
        let lines = text.lines().take(rows.max(1));
        lines.flat_map(|line| line.chars().take(size.columns).chain(['\n'])).collect()
    }

    /// Returns the report as one line.
    fn line(&self, progress: &LatencyProgress<'_>) -> String {
        let elapsed = progress.elapsed.as_secs_f64();
        match progress.phase {
            RunPhase::Opening => {
                format!("opening: {} of {} connections\n", progress.connections, self.connections)
            }
            RunPhase::WarmUp => {
                format!("warm-up {elapsed:4.0} s: {} in flight\n", progress.in_flight)
            }
            RunPhase::Counted => {
                format!("counted {elapsed:4.0} s: {}\n", self.statistics(progress))
            }
        }
    }

    /// Returns the rate and times of the last reports, and the state of the test.
    fn statistics(&self, progress: &LatencyProgress<'_>) -> String {
        let span = self.span.as_ref().map(|span| SPANS[span.load(Ordering::Relaxed) % SPANS.len()]);
        let (mut interval, mut answered, mut response) = (Duration::ZERO, 0, Latency::new());
        let covered = span.map_or(1, |span| span.min(self.reports.len()));
        for report in self.reports.iter().rev().take(covered) {
            interval += report.interval;
            answered += report.answered;
            response.add(&report.response);
        }
        let quantile = |latency: &Latency, quantile| three_digits(latency.quantile(quantile));
        let mut text = String::new();
        if span.is_some() {
            let _ = write!(text, "last {covered} s (+ -)  ");
        }
        let _ = write!(
            text,
            "{}/s, p50 {}, p99 {}, max {}",
            per_second(answered, interval),
            quantile(&response, 0.5),
            quantile(&response, 0.99),
            three_digits(response.max()),
        );
        // On a terminal, a line of its own: all of it is longer than many a terminal is wide.
        text += if self.is_terminal { "\n" } else { ", " };
        if self.is_fan_out {
            text += &self.reach(progress);
        } else {
            let _ = write!(text, "{} in flight", progress.in_flight);
        }
        if progress.tick.lag.messages() > 0 {
            let _ = write!(text, ", schedule lag p99 {}", quantile(&progress.tick.lag, 0.99));
        }
        text
    }

    /// Returns the share of deliveries that have arrived, of the messages that were sent so far.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn reach(&self, progress: &LatencyProgress<'_>) -> String {
        let expected = progress.total.due as f64 * self.connections as f64;
        let reach = progress.total.answered as f64 / expected.max(1.0) * 100.0;
        let (doubled, reordered) = (progress.total.doubled, progress.total.reordered);
        format!("reach {reach:.2} %, {doubled} doubled, {reordered} reordered")
    }
}

/// Returns the rate of a number of messages in this time.
fn per_second(messages: u64, interval: Duration) -> u64 {
    let rate = u128::from(messages) * 1_000_000_000 / interval.as_nanos().max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// Returns the response times of the whole test in rows of equal width on a logarithmic scale. The
/// longest bar has `columns` columns.
fn histogram(latency: &Latency, columns: usize) -> String {
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
        let length = usize::try_from(count * columns as u64 / most).unwrap_or_default();
        let _ =
            writeln!(text, "{:>9} {:<columns$} {count}", three_digits(bound), "█".repeat(length));
    }
    text
}
