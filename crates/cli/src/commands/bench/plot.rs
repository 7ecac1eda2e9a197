//! A plot of the percentiles of response and service times, as SVG.

use std::fmt::Write as _;

use sockeye_load::{Latency, LatencyReport};

use crate::units::three_digits;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 40.0;

/// The percentiles that are marked, and the number of nines of the last one.
const MARKS: [(&str, f64); 5] =
    [("50 %", 0.5), ("90 %", 0.9), ("99 %", 0.99), ("99.9 %", 0.999), ("99.99 %", 0.9999)];
const NINES: f64 = 4.3;

/// Returns the plot. Both axes are logarithmic: nines to the right, times upwards.
pub(super) fn svg(report: &LatencyReport) -> String {
    let counts = &report.counts;
    let low =
        counts.service.min().min(counts.response.min()).as_secs_f64().max(1e-6).log10().floor();
    let high = counts.response.max().as_secs_f64().max(1e-5).log10().ceil().max(low + 1.0);
    let x = |quantile: f64| {
        let nines = (-(1.0 - quantile).max(1e-9).log10()).min(NINES);
        LEFT + nines / NINES * (WIDTH - LEFT - RIGHT)
    };
    let y = |seconds: f64| {
        let share = (seconds.max(1e-9).log10() - low) / (high - low);
        HEIGHT - BOTTOM - share.clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM)
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for (name, quantile) in MARKS {
        let x = x(quantile);
        let (bottom, label) = (HEIGHT - BOTTOM, HEIGHT - BOTTOM + 18.0);
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"#ddd\"/>\
             <text x=\"{x:.1}\" y=\"{label}\" text-anchor=\"middle\">{name}</text>"
        );
    }
    let mut exponent = low;
    while exponent <= high {
        let seconds = 10_f64.powf(exponent);
        let y = y(seconds);
        let name = three_digits(std::time::Duration::from_secs_f64(seconds));
        let (right, label) = (WIDTH - RIGHT, LEFT - 6.0);
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#ddd\"/>\
             <text x=\"{label}\" y=\"{y:.1}\" text-anchor=\"end\">{name}</text>"
        );
        exponent += 1.0;
    }
    let lines = [
        ("response time", "#c0392b", &counts.response),
        ("service time", "#2471a3", &counts.service),
    ];
    for ((name, color, latency), place) in lines.into_iter().zip([LEFT, LEFT + 140.0]) {
        if latency.messages() > 0 {
            let points = points(latency, x, y);
            let _ = writeln!(
                svg,
                "<polyline points=\"{points}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>\
                 <text x=\"{place}\" y=\"24\" fill=\"{color}\">{name}</text>"
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn points(latency: &Latency, x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) -> String {
    let mut points = String::new();
    for (value, quantile, _) in latency.percentiles(20) {
        let _ = write!(points, "{:.1},{:.1} ", x(quantile), y(value.as_secs_f64()));
    }
    points
}
