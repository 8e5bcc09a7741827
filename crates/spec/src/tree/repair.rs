//! Repairs where the parser stops: what is probably missing is inserted, the text is parsed again, and a repair that
//! brings the parser no further is undone. Each kind of repair is tried once a line, so this ends.

use super::build::Stop;
use super::offsets::Patches;
use super::{SyntaxError, SyntaxKind};
use crate::Fix;
use aic_base::{LineIndex, Span};
use granit_parser::ErrorKind;
use std::collections::HashSet;
use std::ops::Range;

mod line;

/// How far above the place where the parser stopped a cause is looked for.
const MAX_LINES_BACK: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    FlowValue,
    Bracket,
    Interpolation,
    Token,
    Tabs,
    Quote,
    OpenBracket,
    Value,
    BareWord,
    Indent,
    DropValue,
    DropLine,
}

/// The order in which they are tried: from what says most about the cause to giving up.
const STEPS: [Step; 12] = [
    Step::FlowValue,
    Step::Bracket,
    Step::Interpolation,
    Step::Token,
    Step::Tabs,
    Step::Quote,
    Step::OpenBracket,
    Step::Value,
    Step::BareWord,
    Step::Indent,
    Step::DropValue,
    Step::DropLine,
];

/// What was changed last, so that it can be undone.
struct Attempt {
    stop: Place,
    patches: Patches,
    errors: usize,
    final_step: bool,
}

#[derive(Clone)]
struct Place {
    at: usize,
    /// How far the parser came: it names an open bracket or quote by its beginning.
    reached: usize,
    last_good: usize,
    open_flow: Vec<usize>,
    kind: ErrorKind,
    message: String,
}

/// The repairs of one text so far.
pub(super) struct Repair<'a> {
    text: &'a str,
    lines: LineIndex,
    patches: Patches,
    errors: Vec<SyntaxError>,
    tried: HashSet<(Step, usize)>,
    attempt: Option<Attempt>,
}

impl<'a> Repair<'a> {
    pub(super) fn new(text: &'a str, patches: Patches) -> Self {
        Self { text, lines: LineIndex::new(text), patches, errors: Vec::new(), tried: HashSet::new(), attempt: None }
    }

    pub(super) fn patches(&self) -> &Patches {
        &self.patches
    }

    pub(super) fn into_errors(self) -> Vec<SyntaxError> {
        self.errors
    }

    /// The error of a stop that nothing was done about.
    pub(super) fn unrepaired(&self, stop: &Stop) -> SyntaxError {
        let (kind, message) = match stop.kind {
            ErrorKind::RecursionLimitExceeded => {
                (SyntaxKind::TooDeep, "nested too deep: what follows is not read".to_owned())
            }
            _ => (SyntaxKind::Syntax, format!("this is not YAML ({}): what follows is not read", stop.message)),
        };
        SyntaxError { kind, span: self.line_span(self.line_at(stop.at)), message, fix: None, related: None }
    }

    /// Makes the next repair; false if there is none.
    pub(super) fn next(&mut self, stop: &Stop) -> bool {
        if matches!(stop.kind, ErrorKind::RecursionLimitExceeded) {
            return false;
        }
        let (at, reached) = self.reached(stop);
        let mut place = Place {
            at,
            reached,
            last_good: stop.last_good,
            open_flow: stop.open_flow.clone(),
            kind: stop.kind.clone(),
            message: stop.message.clone(),
        };
        if let Some(attempt) = self.attempt.take()
            && (place.reached < attempt.stop.reached
                || (place.reached == attempt.stop.reached && place.at == attempt.stop.at))
            && !attempt.final_step
        {
            self.patches = attempt.patches;
            self.errors.truncate(attempt.errors);
            place = attempt.stop;
        }
        let before = (self.patches.clone(), self.errors.len());
        for step in STEPS {
            if self.try_step(step, &place) {
                let final_step = matches!(step, Step::DropValue | Step::DropLine);
                self.attempt = Some(Attempt { stop: place, patches: before.0, errors: before.1, final_step });
                return true;
            }
        }
        false
    }

    fn try_step(&mut self, step: Step, place: &Place) -> bool {
        let line = self.line_at(place.at);
        let first = self.line_at(place.last_good).max(line.saturating_sub(MAX_LINES_BACK));
        match step {
            Step::FlowValue => (first..=line).any(|line| self.flow_value(line)),
            Step::Bracket => self.bracket(place, line),
            Step::Interpolation => (first..=line).any(|line| self.interpolation(line)),
            Step::Token => self.token(place),
            Step::Tabs => (first.saturating_sub(1)..=(line + 1).min(self.lines.len() - 1)).any(|line| self.tabs(line)),
            Step::Quote => (first..=line).any(|line| self.quote(line)),
            Step::OpenBracket => {
                let opened = place
                    .open_flow
                    .first()
                    .map_or(first, |at| self.line_at(*at).max(line.saturating_sub(MAX_LINES_BACK)));
                (first.min(opened)..=line).any(|line| self.line_of_brackets(line)) || self.open_bracket(place)
            }
            Step::Value => self.value(line),
            Step::BareWord => {
                let above = self.content_above(line);
                [Some(line), above].into_iter().flatten().any(|line| self.bare_word(line))
            }
            Step::Indent => self.indent(line),
            Step::DropValue => self.drop_value(self.content_at(line), place),
            Step::DropLine => self.drop_line(self.content_at(line), place),
        }
    }

    fn first_try(&mut self, step: Step, line: usize) -> bool {
        self.tried.insert((step, line))
    }

    fn report(&mut self, kind: SyntaxKind, span: Span, message: impl Into<String>, fix: Option<Fix>) {
        self.errors.push(SyntaxError { kind, span, message: message.into(), fix, related: None });
    }

    fn insert(&mut self, at: usize, text: &str) {
        self.patches.insert(at, text);
    }

    /// Where something is wrong, and how far the parser came.
    fn reached(&self, stop: &Stop) -> (usize, usize) {
        match &stop.kind {
            ErrorKind::MismatchedFlowCollectionEnd { .. } => {
                let at = line::mismatch(self.text, stop.at).unwrap_or(stop.at);
                (at, at.max(stop.last_good))
            }
            ErrorKind::UnclosedFlowCollection { .. } | ErrorKind::UnclosedQuotedScalar => (stop.at, self.text.len()),
            _ => (stop.at, stop.at.max(stop.last_good)),
        }
    }

    /// A bracket that closes nothing, or another than the one that is open.
    fn bracket(&mut self, place: &Place, line: usize) -> bool {
        let wanted = match &place.kind {
            ErrorKind::MismatchedFlowCollectionEnd { open, .. } => u8::try_from(*open).ok().and_then(line::closing),
            ErrorKind::MisplacedFlowCollectionEnd => None,
            _ => return false,
        };
        let bytes = self.text.as_bytes();
        if !matches!(bytes.get(place.at), Some(b']' | b'}')) || !self.first_try(Step::Bracket, place.at) {
            return false;
        }
        let span = Span::new(place.at, place.at + 1);
        // `[a]]}`: the bracket that is wanted comes next, so this one is too many.
        let stray = wanted.is_none_or(|wanted| self.text[place.at + 1..].trim_start().starts_with(wanted));
        let range = self.lines.line_range(self.text, line);
        let stray = stray
            || line::stray_brackets(&self.text[range.clone()])
                .is_some_and(|stray| range.start + stray.start <= place.at);
        match wanted.filter(|_| !stray) {
            Some(wanted) => {
                self.insert(place.at, &wanted.to_string());
                let edits = vec![(Span::at(place.at), wanted.to_string())];
                let fix = Fix { title: format!("Insert `{wanted}`"), edits, safe: false };
                self.report(SyntaxKind::Syntax, span, format!("`{wanted}` is missing before this"), Some(fix));
            }
            None => {
                self.patches.replace(place.at..place.at + 1, "");
                let fix = Fix { title: "Remove it".into(), edits: vec![(span, String::new())], safe: false };
                self.report(SyntaxKind::Syntax, span, "this bracket closes nothing: remove it", Some(fix));
            }
        }
        true
    }

    /// In brackets, a text that begins with punctuation YAML keeps for itself: `[*]`, `[@here]`.
    fn token(&mut self, place: &Place) -> bool {
        let begins = |at: usize| self.text[at..].starts_with(['*', '&', '@', '`', '%', '!']);
        let at = self.text.floor_char_boundary(place.at);
        if place.open_flow.is_empty() || !begins(at) || !self.first_try(Step::Token, at) {
            return false;
        }
        let rest = &self.text[at..];
        let end = rest.find([',', ']', '}', '\n', '\r']).unwrap_or(rest.len());
        let range = at..at + rest[..end].trim_end().len();
        let fix = Fix::quote(range.clone().into(), &self.text[range.clone()]);
        self.quote_range(range.clone());
        self.report(
            SyntaxKind::Trap,
            range.into(),
            "this text has to be in quotes: YAML keeps its first character for itself",
            Some(fix),
        );
        true
    }

    /// `{template: ${INPUT}}`: in brackets, `${` without quotes opens a map.
    fn interpolation(&mut self, line: usize) -> bool {
        let range = self.lines.line_range(self.text, line);
        let found = line::bare_interpolations(&self.text[range.clone()]);
        if found.is_empty() || !self.first_try(Step::Interpolation, line) {
            return false;
        }
        for inside in found {
            let at = range.start + inside.start..range.start + inside.end;
            let text = &self.text[at.clone()];
            let message = format!("in brackets, `{text}` has to be in quotes: without them its `{{` begins a map");
            self.quote_range(at.clone());
            let fix = Fix::quote(at.clone().into(), text);
            self.report(SyntaxKind::Trap, at.into(), message, Some(fix));
        }
        true
    }

    /// `{condition: contains(['x'])}`: in brackets, a value with brackets, commas or quotes in it needs quotes.
    fn flow_value(&mut self, line: usize) -> bool {
        let range = self.lines.line_range(self.text, line);
        let found = line::bare_flow_values(&self.text[range.clone()]);
        if found.is_empty() || !self.first_try(Step::FlowValue, line) {
            return false;
        }
        for inside in found {
            let at = range.start + inside.start..range.start + inside.end;
            self.quote_range(at.clone());
            let message = "in brackets, a value with brackets, commas or quotes in it has to be in quotes as a whole";
            let fix = Fix::quote(at.clone().into(), &self.text[at.clone()]);
            self.report(SyntaxKind::Trap, at.into(), message, Some(fix));
        }
        true
    }

    /// Single quotes around a range, so that nothing in it needs an escape but a single quote itself.
    fn quote_range(&mut self, range: Range<usize>) {
        self.insert(range.start, "'");
        let inside = &self.text[range.clone()];
        let quotes: Vec<usize> = inside.match_indices('\'').map(|(at, _)| range.start + at).collect();
        for at in quotes {
            self.insert(at, "'");
        }
        self.insert(range.end, "'");
    }

    fn tabs(&mut self, line: usize) -> bool {
        let range = self.lines.line_range(self.text, line);
        let text = &self.text[range.clone()];
        let blank = text.len() - text.trim_start_matches([' ', '\t']).len();
        if !text[..blank].contains('\t') || !self.first_try(Step::Tabs, line) {
            return false;
        }
        let width = self.content_above(line).map_or(0, |above| {
            let above = &self.text[self.lines.line_range(self.text, above)];
            line::indent(above) + if above.trim_end().ends_with(':') { 2 } else { 0 }
        });
        let indent = range.start..range.start + blank;
        self.patches.replace(indent.clone(), &" ".repeat(width));
        let fix = Fix {
            title: "Indent with spaces".into(),
            edits: vec![(indent.clone().into(), " ".repeat(width))],
            safe: false,
        };
        self.report(SyntaxKind::Syntax, indent.into(), "a tab cannot indent: use spaces", Some(fix));
        true
    }

    fn quote(&mut self, line: usize) -> bool {
        let range = self.lines.line_range(self.text, line);
        let Some((at, quote)) = line::open_quote(&self.text[range.clone()]) else { return false };
        if !self.first_try(Step::Quote, line) {
            return false;
        }
        let end = range.start + self.text[range.clone()].trim_end().len();
        // Brackets of the same line are open too: closing only the quote would bring the parser no further.
        let closers = line::closers(&self.text[range.clone()]);
        self.insert(end, &closers);
        let fix =
            Fix { title: format!("Close the quote `{quote}`"), edits: vec![(Span::at(end), closers)], safe: false };
        self.report(SyntaxKind::Syntax, Span::new(range.start + at, end), "this quote is not closed", Some(fix));
        true
    }

    /// A line that leaves brackets open although the next one begins like a line of the block around it.
    fn line_of_brackets(&mut self, line: usize) -> bool {
        let range = self.lines.line_range(self.text, line);
        let text = &self.text[range.clone()];
        let closers = line::closers(text);
        if closers.is_empty() || line::open_quote(text).is_some() {
            return false;
        }
        let indent = line::indent(text);
        let next = (line + 1..self.lines.len().min(line + MAX_LINES_BACK))
            .map(|next| &self.text[self.lines.line_range(self.text, next)])
            .find(|next| !line::is_blank(next));
        if next.is_some_and(|next| line::indent(next) > indent && !line::begins_block(next))
            || !self.first_try(Step::OpenBracket, range.start)
        {
            return false;
        }
        let end = range.start + line::without_comment(text).trim_end().len();
        self.insert(end, &closers);
        let start = range.start + line::last_open(text);
        let fix =
            Fix { title: format!("Insert `{closers}`"), edits: vec![(Span::at(end), closers.clone())], safe: false };
        self.report(
            SyntaxKind::Syntax,
            Span::new(start, end),
            format!("this bracket is not closed: `{closers}` is missing"),
            Some(fix),
        );
        true
    }

    /// A bracket that is open where the next line of the block above it begins.
    fn open_bracket(&mut self, place: &Place) -> bool {
        for &start in place.open_flow.iter().rev() {
            let line = self.line_at(start);
            let Some(close) = self.text.as_bytes().get(start).and_then(|byte| line::closing(*byte)) else { continue };
            if !self.first_try(Step::OpenBracket, start + 1) {
                continue;
            }
            let limit = line::indent(&self.text[self.lines.line_range(self.text, line)]);
            let mut last = line;
            for next in line + 1..self.lines.len().min(line + MAX_LINES_BACK) {
                let text = &self.text[self.lines.line_range(self.text, next)];
                if line::is_blank(text) {
                    continue;
                }
                if line::indent(text) <= limit || line::begins_block(text) {
                    break;
                }
                last = next;
            }
            let range = self.lines.line_range(self.text, last);
            let content = line::without_comment(&self.text[range.clone()]);
            let content = content.trim_end().strip_suffix(',').unwrap_or(content);
            let at = range.start + content.trim_end().len();
            self.insert(at.max(start + 1), &close.to_string());
            let fix =
                Fix { title: format!("Insert `{close}`"), edits: vec![(Span::at(at), close.to_string())], safe: false };
            self.report(
                SyntaxKind::Syntax,
                Span::new(start, start + 1),
                format!("this bracket is not closed: `{close}` is missing"),
                Some(fix),
            );
            return true;
        }
        false
    }

    /// A value that YAML cannot take without quotes: `title: one: two`, `- @here`, `- [a, b] -> c`.
    fn value(&mut self, line: usize) -> bool {
        let range = self.lines.line_range(self.text, line);
        let Some(value) = line::value_that_needs_quotes(&self.text[range.clone()]) else { return false };
        if !self.first_try(Step::Value, line) {
            return false;
        }
        let at = range.start + value.start..range.start + value.end;
        let fix = Fix::quote(at.clone().into(), &self.text[at.clone()]);
        self.quote_range(at.clone());
        self.report(
            SyntaxKind::Trap,
            at.into(),
            "this text has to be in quotes: YAML reads its punctuation as something else",
            Some(fix),
        );
        true
    }

    fn bare_word(&mut self, line: usize) -> bool {
        let range = self.lines.line_range(self.text, line);
        let text = &self.text[range.clone()];
        if !line::is_bare_word(text) || !self.first_try(Step::BareWord, line) {
            return false;
        }
        let end = range.start + line::without_comment(text).trim_end().len();
        self.insert(end, ":");
        let start = range.start + line::indent(text);
        self.report(SyntaxKind::Syntax, Span::new(start, end), "`:` and a value are missing after this key", None);
        true
    }

    /// A line indented like neither its neighbours nor their parents is moved to the neighbour above.
    fn indent(&mut self, line: usize) -> bool {
        let range = self.lines.line_range(self.text, line);
        let text = &self.text[range.clone()];
        let Some(above) = self.content_above(line) else { return false };
        let wanted = line::indent(&self.text[self.lines.line_range(self.text, above)]);
        let is = line::indent(text);
        if is == wanted || line::is_blank(text) || !line::begins_block(text) || !self.first_try(Step::Indent, line) {
            return false;
        }
        let at = range.start..range.start + is;
        self.patches.replace(at.clone(), &" ".repeat(wanted));
        let span = Span::new(at.end, range.end);
        self.report(
            SyntaxKind::Syntax,
            span,
            "this line is indented like nothing above it: align it with the keys it belongs to",
            None,
        );
        true
    }

    fn drop_value(&mut self, line: usize, place: &Place) -> bool {
        let range = self.lines.line_range(self.text, line);
        let Some(value) = line::value_of(&self.text[range.clone()]) else { return false };
        if !self.first_try(Step::DropValue, line) {
            return false;
        }
        let at = range.start + value.start..range.start + value.end;
        self.patches.replace(at.clone(), "");
        self.report(
            SyntaxKind::Syntax,
            at.into(),
            format!("this is not YAML ({}): the value is ignored", place.message),
            None,
        );
        true
    }

    fn drop_line(&mut self, line: usize, place: &Place) -> bool {
        if !self.first_try(Step::DropLine, line) {
            return false;
        }
        let range = self.lines.line_range(self.text, line);
        self.patches.replace(range, "");
        let span = self.line_span(line);
        self.errors.retain(|error| !(error.span.start >= span.start && error.span.end <= span.end));
        self.report(
            SyntaxKind::Syntax,
            span,
            format!("this is not YAML ({}): the line is ignored", place.message),
            None,
        );
        true
    }

    fn line_at(&self, offset: usize) -> usize {
        self.lines.line_of(offset.min(self.text.len()))
    }

    /// The line, or the nearest one above it that holds something.
    fn content_at(&self, line: usize) -> usize {
        let blank = line::is_blank(&self.text[self.lines.line_range(self.text, line)]);
        if blank { self.content_above(line).unwrap_or(line) } else { line }
    }

    fn content_above(&self, line: usize) -> Option<usize> {
        (line.saturating_sub(MAX_LINES_BACK)..line)
            .rev()
            .find(|line| !line::is_blank(&self.text[self.lines.line_range(self.text, *line)]))
    }

    fn line_span(&self, line: usize) -> Span {
        let range = self.lines.line_range(self.text, line);
        let text = &self.text[range.clone()];
        let start = range.start + (text.len() - text.trim_start().len());
        Span::new(start, range.start + text.trim_end().len())
    }
}
