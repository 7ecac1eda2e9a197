//! The summaries as an SVG: for each scenario one bar per rival, the best on top.
//!
//! The image has its own background, which follows the reader's preferred color scheme, so that it
//! is readable on light and dark pages.

use std::fmt::Write;

use crate::rival::BASELINES;
use crate::summary::{Summary, is_bare_echo, unique};
use crate::table::format_significant;

const WIDTH: f64 = 960.0;
/// Position at which bars begin, right of the rivals' names, and the position at which the axis
/// ends.
const AXIS_LEFT: f64 = 210.0;
const AXIS_RIGHT: f64 = WIDTH - 70.0;
const HEADER_HEIGHT: f64 = 104.0;
const GROUP_TITLE_HEIGHT: f64 = 26.0;
const ROW_HEIGHT: f64 = 18.0;
const BAR_HEIGHT: f64 = 13.0;
const GROUP_GAP: f64 = 16.0;
const FOOTER_HEIGHT: f64 = 34.0;

/// Maximum ratio that is drawn; longer bars are truncated and marked.
const MAX_RATIO: f64 = 3.0;

const STYLE: &str = "\
    .page{fill:#ffffff}.text{fill:#1f2328}.faint{fill:#59636e}.grid{stroke:#d1d9e0}\
    .one{stroke:#59636e}.value{stroke:#ffffff}\
    .ours{fill:#d1432b}.theirs{fill:#7d8fa3}.bare{fill:#c8d1da}\
    @media(prefers-color-scheme:dark){\
    .page{fill:#0d1117}.text{fill:#e6edf3}.faint{fill:#9198a1}.grid{stroke:#2f363d}\
    .one{stroke:#9198a1}.value{stroke:#0d1117}\
    .ours{fill:#f2705b}.theirs{fill:#6b7f95}.bare{fill:#3d4753}}\
    text{font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;font-size:12px}\
    .value{paint-order:stroke;stroke-width:3px;stroke-linejoin:round}\
    .title{font-size:18px;font-weight:600}.group{font-size:13px;font-weight:600}";

/// The kind of rival that a bar represents.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RivalKind {
    Sockeye,
    Other,
    BareEcho,
}

impl RivalKind {
    fn of(rival: &str) -> Self {
        match rival {
            rival if is_bare_echo(rival) => Self::BareEcho,
            rival if rival.starts_with("sockeye") => Self::Sockeye,
            _ => Self::Other,
        }
    }

    const fn class(self) -> &'static str {
        match self {
            Self::Sockeye => "ours",
            Self::Other => "theirs",
            Self::BareEcho => "bare",
        }
    }
}

/// Draws all summaries that have a ratio. Memory has none.
pub fn draw(summaries: &[Summary]) -> String {
    let scenarios: Vec<_> = unique(summaries.iter().map(|summary| summary.scenario.as_str()))
        .into_iter()
        .map(|scenario| (scenario, bars(summaries, scenario)))
        .filter(|(_, bars)| !bars.is_empty())
        .collect();
    let longest = scenarios.iter().flat_map(|(_, bars)| bars).map(|(_, ratio)| *ratio);
    let end = axis_end(longest.fold(1.0, f64::max));
    let heights = scenarios.iter().map(|(_, bars)| group_height(bars.len()));
    let height = HEADER_HEIGHT + heights.sum::<f64>() + FOOTER_HEIGHT;

    let mut out = String::new();
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n<title>Server processor time per \
         message</title>\n<style>{STYLE}</style>\n\
         <rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\"/>\n"
    );
    draw_header(&mut out);
    draw_axis(&mut out, end, height);
    let mut top = HEADER_HEIGHT;
    for (scenario, bars) in &scenarios {
        draw_group(&mut out, top, scenario, bars, end);
        top += group_height(bars.len());
    }
    out.push_str("</svg>\n");
    out
}

/// Returns the rivals of a scenario with their ratios, the best first.
fn bars<'a>(summaries: &'a [Summary], scenario: &str) -> Vec<(&'a Summary, f64)> {
    let mut bars: Vec<_> = summaries
        .iter()
        .filter(|summary| summary.scenario == scenario)
        .filter_map(|summary| summary.ratio().map(|(ratio, _)| (summary, ratio)))
        .collect();
    bars.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    bars
}

/// Returns the end of the axis: one step beyond the longest bar, up to a maximum.
fn axis_end(longest: f64) -> f64 {
    ((longest * 2.0).ceil() / 2.0).clamp(1.5, MAX_RATIO)
}

fn group_height(bars: usize) -> f64 {
    GROUP_TITLE_HEIGHT + ROW_HEIGHT * f64::from(u32::try_from(bars).unwrap_or(u32::MAX)) + GROUP_GAP
}

fn draw_header(out: &mut String) {
    draw_text(out, (20.0, 32.0), "text title", "start", "Server processor time per message");
    let [one, two] = BASELINES;
    let subtitle = format!(
        "as a ratio to a bare echo ({one}, over HTTP/2 {two}); where neither can run, to the best; \
         lower is better"
    );
    draw_text(out, (20.0, 52.0), "faint", "start", &subtitle);
    let legend = [
        (RivalKind::Sockeye, "Sockeye"),
        (RivalKind::Other, "other WebSocket servers"),
        (RivalKind::BareEcho, "bare echoes"),
    ];
    let mut left = 20.0;
    for (kind, name) in legend {
        let class = kind.class();
        let _ = writeln!(
            out,
            "<rect class=\"{class}\" x=\"{left}\" y=\"66\" width=\"12\" height=\"12\" rx=\"2\"/>"
        );
        draw_text(out, (left + 18.0, 76.5), "text", "start", name);
        // About 7 pixels per letter, and a gap.
        left += 48.0 + 7.0 * f64::from(u32::try_from(name.len()).unwrap_or(u32::MAX));
    }
}

/// Draws a line at every half, a stronger one at 1, and the values above and below.
fn draw_axis(out: &mut String, end: f64, height: f64) {
    let top = HEADER_HEIGHT + GROUP_TITLE_HEIGHT - 3.0;
    let bottom = height - FOOTER_HEIGHT + 4.0;
    let mut tick = 0.0;
    while tick <= end {
        let x = position(tick, end);
        let class = if is_one(tick) { "one" } else { "grid" };
        let _ = writeln!(
            out,
            "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{bottom}\"/>"
        );
        for y in [HEADER_HEIGHT - 6.0, bottom + 16.0] {
            draw_text(out, (x, y), "faint", "middle", &format!("{tick}×"));
        }
        tick += 0.5;
    }
}

fn is_one(ratio: f64) -> bool {
    (ratio - 1.0).abs() < f64::EPSILON
}

fn position(ratio: f64, end: f64) -> f64 {
    AXIS_LEFT + (AXIS_RIGHT - AXIS_LEFT) * ratio / end
}

fn draw_group(out: &mut String, top: f64, scenario: &str, bars: &[(&Summary, f64)], end: f64) {
    // Drawn over the grid, so that no line crosses the text.
    let base = bars.first().map(|(summary, ratio)| summary.value[0] / ratio).unwrap_or_default();
    let base_name =
        bars.first().and_then(|(summary, _)| summary.ratio()).map_or("", |ratio| ratio.1);
    let y = top + 18.0;
    let _ = writeln!(
        out,
        "<rect class=\"page\" x=\"0\" y=\"{:.1}\" width=\"{WIDTH}\" height=\"20\"/>",
        top + 4.0
    );
    draw_text(out, (20.0, y), "text group", "start", scenario);
    let one = format!("1× is {base_name}, {} µs", format_significant(base));
    draw_text(out, (AXIS_RIGHT, y), "faint", "end", &one);
    for (row, (summary, ratio)) in (0_u32..).zip(bars) {
        let y = top + GROUP_TITLE_HEIGHT + ROW_HEIGHT * f64::from(row);
        let middle = y + BAR_HEIGHT - 2.5;
        draw_text(out, (AXIS_LEFT - 8.0, middle), "text", "end", &summary.rival);
        let right = position(ratio.min(end), end);
        let class = RivalKind::of(&summary.rival).class();
        let _ = writeln!(
            out,
            "<rect class=\"{class}\" x=\"{AXIS_LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" \
             height=\"{BAR_HEIGHT}\" rx=\"2\"/>",
            right - AXIS_LEFT
        );
        let is_truncated = *ratio > end;
        if is_truncated {
            // A gap in the page's color near the end marks a truncated bar.
            let x = right - 16.0;
            let _ = writeln!(
                out,
                "<path class=\"page\" d=\"M{x:.1} {:.1}l4 0l5 {:.1}l-4 0z\"/>",
                y - 1.0,
                BAR_HEIGHT + 2.0
            );
        }
        let label = if *ratio < 9.995 { format!("{ratio:.2}") } else { format!("{ratio:.1}") };
        draw_text(out, (right + 6.0, middle), "text value", "start", &label);
    }
}

fn draw_text(out: &mut String, (x, y): (f64, f64), class: &str, anchor: &str, content: &str) {
    let content = escape(content);
    let _ = writeln!(
        out,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{content}</text>"
    );
}

/// Escapes text for XML, as names may come from files.
fn escape(content: &str) -> String {
    let mut out = String::with_capacity(content.len());
    for character in content.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML cannot represent these characters.
            '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' => out.push('\u{fffd}'),
            character => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::tests::sample;
    use crate::summary::summarize;

    #[test]
    fn names_cannot_break_out_of_their_text() {
        assert_eq!(escape("a<b> & \"c\"\u{1}"), "a&lt;b&gt; &amp; &quot;c&quot;\u{fffd}");
        let drawn = draw(&summarize(&[sample("<script>", "x&y", 1.0)]));
        assert!(drawn.contains("&lt;script&gt;") && drawn.contains("x&amp;y"));
        assert!(!drawn.contains("<script>"));
    }

    #[test]
    fn the_axis_ends_beyond_the_longest_bar_but_not_far_out() {
        let ends = [1.0, 1.2, 1.51, 2.0, 2.7, 14.0].map(axis_end);
        assert_eq!(ends.map(|end| format!("{end}")), ["1.5", "1.5", "2", "2", "3", "3"]);
    }

    #[test]
    fn bars_are_sorted_and_coloured_by_kind() {
        let drawn = draw(&summarize(&[
            sample("echo", "theirs", 40.0),
            sample("echo", BASELINES[0], 2.0),
            sample("echo", "sockeye-push", 2.1),
        ]));
        let offset = |text: &str| drawn.find(text).unwrap();
        assert!(offset(">raw-epoll</text>") < offset(">sockeye-push</text>"));
        assert!(offset(">sockeye-push</text>") < offset(">theirs</text>"));
        assert!(drawn.contains(">1.05</text>") && drawn.contains(">20.0</text>"));
        // The page, a legend of three, a group's title, and three bars, one of them truncated.
        assert_eq!(drawn.matches("<rect").count(), 1 + 3 + 1 + 3);
        assert_eq!(drawn.matches("<path").count(), 1);
    }

    #[test]
    fn nothing_to_draw_is_an_empty_plot() {
        assert!(draw(&[]).ends_with("</svg>\n"));
    }
}
