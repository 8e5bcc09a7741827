//! Meters: cost against the cap, latency, tokens, guardrails by rule; as bars and charts with labelled axes.

use super::{lines, span};
use crate::report::{count, duration};
use crate::tui::state::{SpecState, State};
use aic_base::{Tokens, Usd};
use aic_store::Sample;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Chart, Dataset, GraphType, Widget as _};
use std::collections::BTreeMap;
use std::time::Duration;
use unicode_width::UnicodeWidthStr as _;

/// The most runs that a chart shows: the last ones.
const MOST_RUNS: usize = 200;
/// The least rows of a chart: one for what it is, two for its axis, and something to see.
const LEAST_CHART: u16 = 6;

/// The numbers of a spec.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Numbers {
    /// What the shown results cost.
    pub cost: Usd,
    /// What the dearest of them cost.
    pub dearest: Usd,
    /// What one run may cost.
    pub cap: Option<Usd>,
    /// Tokens in and out of the shown results.
    pub tokens: (Tokens, Tokens),
    /// Whether tokens and cost are estimates.
    pub estimated: bool,
    /// The latency of which half, 95 % and 99 % of the last runs stay below; none without runs.
    pub latency: Option<[Duration; 3]>,
    /// How often each guardrail fired in the shown results, most often first.
    pub guardrails: Vec<(String, u32)>,
}

/// Reads the numbers off a spec's results and runs.
pub fn numbers(spec: &SpecState) -> Numbers {
    let mut numbers = Numbers::default();
    let mut guardrails: BTreeMap<&str, u32> = BTreeMap::new();
    for case in spec.results.values() {
        numbers.cost += case.cost;
        numbers.dearest = numbers.dearest.max(case.cost);
        numbers.tokens.0 += case.usage.input_tokens;
        numbers.tokens.1 += case.usage.output_tokens;
        numbers.estimated |= case.usage.estimated;
        for (name, times) in &case.guardrails {
            *guardrails.entry(name).or_default() += times;
        }
    }
    numbers.cap = spec.loaded.as_ref().and_then(|loaded| loaded.spec.as_ref()?.budget.cost);
    numbers.guardrails = guardrails.into_iter().map(|(name, times)| (name.to_owned(), times)).collect();
    numbers.guardrails.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    numbers.latency = percentiles(recent(&spec.history.samples));
    numbers
}

fn recent(samples: &[Sample]) -> &[Sample] {
    &samples[samples.len().saturating_sub(MOST_RUNS)..]
}

/// By the nearest rank: the smallest latency that so many percent do not exceed.
fn percentiles(samples: &[Sample]) -> Option<[Duration; 3]> {
    let mut all: Vec<Duration> = samples.iter().map(|sample| sample.latency).collect();
    all.sort();
    let at = |percent: usize| all.get((all.len() * percent).div_ceil(100).saturating_sub(1)).copied();
    Some([at(50)?, at(95)?, at(99)?])
}

pub fn draw(buffer: &mut Buffer, area: Rect, state: &State) {
    let Some(spec) = state.spec() else { return };
    let theme = &state.theme;
    let numbers = numbers(spec);
    let mut all = vec![cost(state, &numbers, area.width)];
    let about = if numbers.estimated { "≈" } else { "" };
    let tokens = format!("{about}{} in · {about}{} out", numbers.tokens.0, numbers.tokens.1);
    all.push(Line::from(vec![Span::styled("tokens   ", theme.title), Span::styled(tokens, theme.text)]));
    let latency = numbers.latency.map_or_else(
        || "no runs yet".to_owned(),
        |[half, most, nearly]| {
            let text = format!("p50 {} · p95 {}", duration(half), duration(most));
            // Where there is no room for three, the two that say more.
            if area.width < 46 { text } else { format!("{text} · p99 {}", duration(nearly)) }
        },
    );
    all.push(Line::from(vec![Span::styled("latency  ", theme.title), Span::styled(latency, theme.text)]));
    let fired: u32 = numbers.guardrails.iter().map(|(_, times)| *times).sum();
    let hits = if fired == 1 { "1 decision".to_owned() } else { format!("{fired} decisions") };
    let rules = count(numbers.guardrails.len(), "rule");
    all.push(Line::from(vec![Span::styled("guards   ", theme.title), span(&format!("{hits} by {rules}"), theme.text)]));
    // With little room the rules come before the charts; with much, both are there.
    let room = usize::from(area.height).saturating_sub(all.len());
    let charts = if room >= 3 + usize::from(LEAST_CHART) { room.min(usize::from(area.height) * 3 / 5) } else { 0 };
    let rules = room
        - charts.max(if room >= usize::from(LEAST_CHART) && numbers.guardrails.is_empty() { room } else { charts });
    let top = state.meters_top.min(numbers.guardrails.len().saturating_sub(1));
    let most = numbers.guardrails.first().map_or(1, |(_, times)| *times);
    let bars = numbers.guardrails.iter().skip(top).take(rules);
    all.extend(bars.map(|(name, times)| bar(state, name, *times, most, area.width)));
    let used = u16::try_from(all.len()).unwrap_or(u16::MAX).min(area.height);
    lines(buffer, area, all);
    let rest = Rect { y: area.y + used, height: area.height - used, ..area };
    draw_charts(buffer, rest, state, spec, &numbers);
}

fn cost(state: &State, numbers: &Numbers, width: u16) -> Line<'static> {
    let theme = &state.theme;
    let about = if numbers.estimated { "≈ " } else { "" };
    let mut words =
        vec![Span::styled("cost     ", theme.title), Span::styled(format!("{about}{}", numbers.cost), theme.text)];
    let mut left = usize::from(width).saturating_sub(words.iter().map(Span::width).sum());
    let mut fits = |text: String, look: Style, words: &mut Vec<Span<'static>>| {
        if text.width() <= left {
            left -= text.width();
            words.push(Span::styled(text, look));
        }
        left
    };
    match numbers.cap {
        Some(cap) if cap.pico() > 0 => {
            let share = (numbers.dearest.pico() as f64 / cap.pico() as f64).clamp(0.0, 1.0);
            let look = if share >= 0.8 { theme.bad } else { theme.good };
            // What says most comes first: how near the dearest run came to the cap.
            fits(format!(" · {:.0} % of cap {cap}", share * 100.0), look, &mut words);
            let left = fits(format!(" · dearest {}", numbers.dearest), theme.dim, &mut words);
            if left >= 6 {
                words.push(Span::styled(format!(" {}", filled(share, (left - 1).min(20))), look));
            }
        }
        _ => {
            fits(" · no cap".into(), theme.dim, &mut words);
            if numbers.dearest > Usd::ZERO {
                fits(format!(" · dearest {}", numbers.dearest), theme.dim, &mut words);
            }
        }
    }
    Line::from(words)
}

/// A bar of so many columns, a share of it full.
fn filled(share: f64, width: usize) -> String {
    let full = ((share * width as f64).round() as usize).min(width);
    format!("{}{}", "█".repeat(full), "░".repeat(width - full))
}

fn bar(state: &State, name: &str, times: u32, most: u32, width: u16) -> Line<'static> {
    let theme = &state.theme;
    let name: String = name.chars().take(24).collect();
    let room = usize::from(width).saturating_sub(24 + 2 + 8).clamp(1, 40);
    let full = (times as usize * room).div_ceil(most.max(1) as usize).min(room);
    let pad = " ".repeat(24_usize.saturating_sub(name.width()));
    Line::from(vec![
        span(&format!("  {name}{pad}"), theme.text),
        // Lower than the line is high, so that bars one below the other stay apart.
        Span::styled("▆".repeat(full), theme.chart_c),
        Span::styled(format!(" {times}"), theme.dim),
    ])
}

fn draw_charts(buffer: &mut Buffer, area: Rect, state: &State, spec: &SpecState, numbers: &Numbers) {
    let samples = recent(&spec.history.samples);
    if area.height < LEAST_CHART || area.width < 24 || samples.is_empty() {
        return;
    }
    let costs = samples.iter().any(|sample| sample.cost > Usd::ZERO);
    let both = costs && area.height >= LEAST_CHART * 2;
    let high = if both { area.height / 2 } else { area.height };
    let at = |value: fn(&Sample) -> f64| -> Vec<(f64, f64)> {
        samples.iter().enumerate().map(|(at, sample)| (at as f64, value(sample))).collect()
    };
    let latency = at(|sample| sample.latency.as_secs_f64() * 1e3);
    let upper = Rect { height: high, ..area };
    draw_chart(buffer, upper, state, "latency", &latency, &[], state.theme.chart_a, |ms| {
        duration(Duration::from_secs_f64(ms / 1e3))
    });
    if both {
        let cost = at(|sample| sample.cost.dollars());
        let last = cost.len().saturating_sub(1) as f64;
        let cap = numbers.cap.map(|cap| [(0.0, cap.dollars()), (last, cap.dollars())]);
        let lower = Rect { y: area.y + high, height: area.height - high, ..area };
        let cap = cap.as_ref().map_or(&[][..], |line| line);
        draw_chart(buffer, lower, state, "cost", &cost, cap, state.theme.chart_b, |dollars| {
            Usd::from_dollars(dollars).to_string()
        });
    }
}

#[allow(clippy::too_many_arguments, reason = "a chart has this many parts")]
fn draw_chart(
    buffer: &mut Buffer,
    area: Rect,
    state: &State,
    title: &'static str,
    points: &[(f64, f64)],
    limit: &[(f64, f64)],
    look: Style,
    label: impl Fn(f64) -> String,
) {
    let theme = &state.theme;
    let highest = points.iter().chain(limit).map(|(_, y)| *y).fold(0.0, f64::max);
    let top = if highest > 0.0 { highest * 1.05 } else { 1.0 };
    let last = points.len().saturating_sub(1).max(1) as f64;
    let mut sets =
        vec![Dataset::default().marker(Marker::Braille).graph_type(GraphType::Line).style(look).data(points)];
    if !limit.is_empty() {
        sets.push(Dataset::default().marker(Marker::Braille).graph_type(GraphType::Line).style(theme.bad).data(limit));
    }
    // What it is stands above the chart: in it, it would lie over the line.
    let what = Line::from(vec![
        Span::styled(title, theme.title),
        Span::styled(format!(" of the last {}", count(points.len(), "run")), theme.dim),
    ]);
    buffer.set_line(area.x, area.y, &what, area.width);
    let area = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let first = format!("-{}", points.len());
    let x = Axis::default()
        .style(theme.border)
        .bounds([0.0, last])
        .labels([Span::styled(first, theme.dim), Span::styled("now", theme.dim)]);
    let y = Axis::default()
        .style(theme.border)
        .bounds([0.0, top])
        .labels([Span::styled("0", theme.dim), Span::styled(label(highest), theme.dim)]);
    Chart::new(sets).x_axis(x).y_axis(y).legend_position(None).render(area, buffer);
}

#[cfg(test)]
mod tests {
    use super::*;
    use aic_base::{Outcome, Timestamp};

    fn sample(millis: u64) -> Sample {
        Sample {
            at: Timestamp::from_millis(0),
            outcome: Outcome::Completed,
            cost: Usd::ZERO,
            latency: Duration::from_millis(millis),
            tokens: Tokens(0),
            guardrail_hits: 0,
        }
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let all: Vec<Sample> = (1..=100).map(sample).collect();
        assert_eq!(percentiles(&all), Some([50, 95, 99].map(Duration::from_millis)));
        assert_eq!(percentiles(&all[..1]), Some([1, 1, 1].map(Duration::from_millis)));
        assert_eq!(percentiles(&[]), None);
    }

    #[test]
    fn a_bar_is_never_longer_than_its_place() {
        assert_eq!(filled(0.5, 4), "██░░");
        assert_eq!(filled(1.0, 3), "███");
        assert_eq!(filled(0.0, 2), "░░");
    }
}
