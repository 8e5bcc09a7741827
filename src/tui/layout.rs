//! Which pane stands where, by the size of the terminal. Pure.

use crate::tui::state::Pane;
use ratatui::layout::Rect;

/// The least columns and rows that panes are drawn in.
pub const LEAST: (u16, u16) = (30, 6);

/// Where everything stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The line of tabs at the top.
    pub tabs: Rect,
    /// The panes.
    pub panes: Vec<(Pane, Rect)>,
    /// The line of keys at the bottom.
    pub footer: Rect,
}

/// How much fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Less than can be used.
    TooSmall,
    /// One pane at a time.
    One,
    /// Tests and the specs beside one more pane.
    Two,
    /// Everything at once.
    All,
}

impl Form {
    /// The form for a size.
    pub const fn of(width: u16, height: u16) -> Self {
        if width < LEAST.0 || height < LEAST.1 {
            Self::TooSmall
        } else if width < 72 || height < 18 {
            Self::One
        } else if width < 110 || height < 32 {
            Self::Two
        } else {
            Self::All
        }
    }
}

/// The places of the panes; the focused one is always among them. None where the terminal is too small.
pub fn layout(width: u16, height: u16, focus: Pane, specs_rows: usize) -> Option<Layout> {
    let form = Form::of(width, height);
    if form == Form::TooSmall {
        return None;
    }
    let tabs = Rect::new(0, 0, width, 1);
    let footer = Rect::new(0, height - 1, width, 1);
    let body = Rect::new(0, 1, width, height - 2);
    // What the larger place shows: the text, unless tests are looked at, or something that has no place of its own.
    let main = match focus {
        Pane::Tests | Pane::Trace => Pane::Trace,
        Pane::Specs | Pane::Spec => Pane::Spec,
        Pane::Meters | Pane::Versions if form == Form::All => Pane::Trace,
        other => other,
    };
    let panes = match form {
        Form::TooSmall => return None,
        Form::One => vec![(focus, body)],
        Form::Two | Form::All => {
            let left = if form == Form::All { 42 } else { 34.min(width * 2 / 5) };
            let wanted = u16::try_from(specs_rows + 2).unwrap_or(u16::MAX);
            let most = if focus == Pane::Specs { body.height / 2 } else { body.height / 3 };
            let specs = wanted.clamp(4, most.max(4));
            let side = Rect { width: left, ..body };
            let right = Rect { x: left, width: width - left, ..body };
            let mut panes = vec![
                (Pane::Specs, Rect { height: specs, ..side }),
                (Pane::Tests, Rect { y: side.y + specs, height: side.height - specs, ..side }),
            ];
            if form == Form::All {
                let low = (right.height * 2 / 5).clamp(12, 18);
                let high = right.height - low;
                let versions = right.width / 2;
                let below = right.y + high;
                panes.push((main, Rect { height: high, ..right }));
                panes.push((Pane::Meters, Rect { y: below, height: low, width: right.width - versions, ..right }));
                let x = right.x + right.width - versions;
                panes.push((Pane::Versions, Rect { x, y: below, height: low, width: versions }));
            } else {
                panes.push((main, right));
            }
            panes
        }
    };
    Some(Layout { tabs, panes, footer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_focused_pane_is_always_on_the_screen_and_panes_lie_beside_each_other() {
        for width in (1..200).step_by(7) {
            for height in 1..60 {
                for focus in Pane::ALL {
                    let Some(layout) = layout(width, height, focus, 3) else { continue };
                    assert!(layout.panes.iter().any(|(pane, _)| *pane == focus), "{width}×{height} {focus:?}");
                    let area: u32 = layout.panes.iter().map(|(_, place)| place.area()).sum();
                    assert_eq!(area, u32::from(width) * u32::from(height - 2), "{width}×{height} {focus:?}");
                }
            }
        }
    }

    #[test]
    fn the_form_follows_the_size() {
        let forms = [(120, 40), (80, 24), (40, 10), (29, 10), (1, 1)].map(|(width, height)| Form::of(width, height));
        assert_eq!(forms, [Form::All, Form::Two, Form::One, Form::TooSmall, Form::TooSmall]);
    }
}
