//! Conditions of `--fail-if` and `--find-max`, such as `p99<5ms`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sockeye_load::LatencyReport;

use crate::units;

/// A condition on a result.
#[derive(Clone, Debug)]
pub(crate) struct Criterion {
    text: String,
    quantity: Quantity,
    is_below: bool,
    /// The limit; times are in seconds.
    limit: f64,
}

/// A number of a result.
#[derive(Clone, Copy, Debug)]
enum Quantity {
    /// A quantile of the response times, from 0 to 1.
    Quantile(f64),
    Mean,
    Max,
    Timeouts,
    Lost,
    Doubled,
    Reordered,
    Achieved,
}

impl Criterion {
    /// Returns whether the condition holds for `report`.
    pub(super) fn holds(&self, report: &LatencyReport) -> bool {
        let value = self.quantity.of(report);
        if self.is_below { value < self.limit } else { value > self.limit }
    }

    /// Returns the value that the condition compares, for the user.
    pub(super) fn actual(&self, report: &LatencyReport) -> String {
        let value = self.quantity.of(report);
        if self.quantity.is_time() {
            units::three_digits(Duration::from_secs_f64(value))
        } else {
            format!("{value:.0}")
        }
    }
}

impl Quantity {
    fn is_time(self) -> bool {
        matches!(self, Self::Quantile(_) | Self::Mean | Self::Max)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn of(self, report: &LatencyReport) -> f64 {
        let counts = &report.counts;
        match self {
            Self::Quantile(quantile) => counts.response.quantile(quantile).as_secs_f64(),
            Self::Mean => counts.response.mean().as_secs_f64(),
            Self::Max => counts.response.max().as_secs_f64(),
            Self::Timeouts => counts.timed_out as f64,
            Self::Lost => counts.lost as f64,
            Self::Doubled => counts.doubled as f64,
            Self::Reordered => counts.reordered as f64,
            Self::Achieved => report.achieved(),
        }
    }
}

impl FromStr for Criterion {
    type Err = String;

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected a condition such as p99<5ms, max>1s or timeouts>0";
        let place = text.find(['<', '>']).ok_or(EXPECTED)?;
        let (name, limit) = (text[..place].trim(), text[place + 1..].trim());
        let quantity = match name {
            "mean" => Quantity::Mean,
            "max" => Quantity::Max,
            "timeouts" => Quantity::Timeouts,
            "lost" => Quantity::Lost,
            "doubled" => Quantity::Doubled,
            "reordered" => Quantity::Reordered,
            "achieved" => Quantity::Achieved,
            _ => {
                let percentile = name.strip_prefix('p').and_then(|number| number.parse().ok());
                match percentile {
                    Some(percentile @ 0.0..=100.0) => Quantity::Quantile(percentile / 100.0),
                    _ => return Err(format!("{name:?} is not known; {EXPECTED}")),
                }
            }
        };
        let limit = if quantity.is_time() {
            units::latency(limit)?.as_secs_f64()
        } else {
            limit.parse().or_else(|_| units::count(limit).map(|count| count as f64))?
        };
        Ok(Self {
            text: text.to_owned(),
            quantity,
            is_below: text[place..].starts_with('<'),
            limit,
        })
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_has_a_quantity_a_comparison_and_a_limit_with_its_unit() {
        let criterion: Criterion = "p99.9 < 250us".parse().unwrap();
        assert!(
            matches!(criterion.quantity, Quantity::Quantile(quantile) if (quantile - 0.999).abs() < 1e-9)
        );
        assert!(criterion.is_below && (criterion.limit - 250e-6).abs() < 1e-9);
        let criterion: Criterion = "timeouts>0".parse().unwrap();
        assert!(!criterion.is_below && criterion.limit.abs() < 1e-9);
        let criterion: Criterion = "achieved<9.5k".parse().unwrap();
        assert!((criterion.limit - 9500.0).abs() < 1e-9);
        for wrong in ["", "p99", "p101<5ms", "p99<5", "speed>1", "p99=5ms", "lost>many"] {
            assert!(wrong.parse::<Criterion>().is_err(), "{wrong}");
        }
    }
}
