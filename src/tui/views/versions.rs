//! Versions: each with its verdict, and what the last rollback did.

use super::{lines, list, selected, span, wrapped};
use crate::tui::state::{Pane, SpecState, State};
use aic_base::Digest;
use aic_store::VersionInfo;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

pub fn draw(buffer: &mut Buffer, area: Rect, state: &State) {
    let Some(spec) = state.spec() else { return };
    let theme = &state.theme;
    let above = above(state, spec, area.width);
    let below = below(state, spec, area);
    lines(buffer, Rect { height: below.y - area.y, ..area }, above);
    if spec.history.versions.is_empty() {
        lines(buffer, below, [Line::styled("no versions yet: a test run records one", theme.dim)]);
        return;
    }
    let rows = spec.history.versions.iter().map(|version| one(state, version, spec.history.here, area.width)).collect();
    list(buffer, below, rows, Some(spec.version_at), selected(state, Pane::Versions));
}

/// Where the list stands: below what the last rollback did.
pub fn below(state: &State, spec: &SpecState, area: Rect) -> Rect {
    let most = if spec.history.versions.is_empty() { area.height } else { area.height / 2 };
    let height = u16::try_from(above(state, spec, area.width).len()).unwrap_or(u16::MAX).min(most);
    Rect { y: area.y + height, height: area.height - height, ..area }
}

fn above(state: &State, spec: &SpecState, width: u16) -> Vec<Line<'static>> {
    let theme = &state.theme;
    let mut above = Vec::new();
    if let Some(problem) = &spec.history.problem {
        above.push(Line::from(span(problem, theme.bad)));
    }
    if let Some(rolled) = &spec.rolled {
        let width = usize::from(width);
        above.extend(wrapped(&rolled.title, width).into_iter().map(|line| Line::styled(line, theme.good)));
        let lines = rolled.lines.iter().flat_map(|line| wrapped(line, width.saturating_sub(2)));
        above.extend(lines.map(|line| {
            let look = match line.as_bytes() {
                [b'+', b' ', ..] => theme.added,
                [b'-', b' ', ..] => theme.removed,
                _ => theme.dim,
            };
            Line::styled(format!("  {line}"), look)
        }));
    }
    above
}

fn one(state: &State, version: &VersionInfo, here: Option<Digest>, width: u16) -> Line<'static> {
    let theme = &state.theme;
    let current = here == Some(version.digest);
    let mark = if current { "● " } else { "  " };
    let verdict = match &version.verdict {
        None => Span::styled("not tested", theme.dim),
        Some(verdict) if verdict.all_passed() => Span::styled(format!("✓ {}", verdict.passed), theme.good),
        Some(verdict) => {
            let open = if verdict.other > 0 { format!(" ? {}", verdict.other) } else { String::new() };
            Span::styled(format!("✗ {} ✓ {}{open}", verdict.failed, verdict.passed), theme.bad)
        }
    };
    let time = version.recorded_at.time();
    let mut words = vec![
        Span::styled(mark, theme.accent),
        Span::styled(format!("v{:<3} ", version.number), if current { theme.title } else { theme.text }),
        Span::styled(format!("{time}  "), theme.dim),
        verdict,
    ];
    if version.stable {
        words.push(Span::styled("  stable", theme.good));
    }
    for tag in version.tags.iter().filter(|tag| *tag != "stable") {
        words.push(span(&format!("  {tag}"), theme.accent));
    }
    if version.quarantined.is_some() {
        words.push(Span::styled("  quarantined", theme.bad));
    }
    let wide = |words: &[Span<'_>]| words.iter().map(Span::width).sum::<usize>();
    // Seconds say less than that a version is set aside.
    if wide(&words) > usize::from(width)
        && let (Some(minutes), Some(word)) = (time.get(..5), words.get_mut(2))
    {
        *word = Span::styled(format!("{minutes}  "), theme.dim);
    }
    let digest = format!("  {}", version.digest.short());
    // Half a digest is of no use.
    if wide(&words) + digest.len() <= usize::from(width) {
        words.push(Span::styled(digest, theme.dim));
    }
    Line::from(words)
}
