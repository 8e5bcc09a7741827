//! Scalars against the table: texts, numbers, units, moments, patterns.

use super::{At, Checker};
use crate::Fix;
use crate::codes::{BAD_EXPECTATION, BAD_MATCHER, BAD_UNIT, BAD_VALUE, BARE_NUMBER};
use crate::schema::Shape;
use crate::tree::{Kind, Node, Style};
use crate::words::shown;
use aic_base::{Timestamp, units};
use regex::RegexBuilder;

/// The largest compiled pattern, in bytes.
const MAX_PATTERN: usize = 1 << 20;

/// What is wrong with a scalar.
pub(super) enum Wrong {
    /// It is another kind of thing.
    Type,
    /// It is out of range or form; what would be right.
    Value(String),
    /// It is no duration, size, share or money.
    Unit(String),
    /// It is no regular expression; why.
    Pattern(String),
}

/// Reads a scalar as this shape; `Ok(true)` says that it is a bare number where a duration is meant.
pub(super) fn read(node: &Node, shape: &Shape) -> Result<bool, Wrong> {
    let unit = |error: units::UnitError| Wrong::Unit(error.to_string());
    match shape {
        Shape::Bool => node.as_bool().map(|_| false).ok_or(Wrong::Type),
        Shape::Integer(low, high) => {
            let number = node.as_i64().ok_or(Wrong::Type)?;
            range(*low <= number && number <= *high, &low.to_string(), *high == i64::MAX, &high.to_string())
        }
        Shape::Number(low, high) => {
            let number = node.as_f64().ok_or(Wrong::Type)?;
            range(*low <= number && number <= *high, &low.to_string(), high.is_infinite(), &high.to_string())
        }
        Shape::Duration => match (node.as_f64(), node.text()) {
            (Some(seconds), _) => units::bare_seconds(seconds).map(|_| true).map_err(unit),
            (None, Some(text)) if node.as_bool().is_none() => match units::duration(text) {
                Ok(_) => Ok(false),
                Err(_) if text.trim().parse::<f64>().is_ok_and(|n| units::bare_seconds(n).is_ok()) => Ok(true),
                Err(error) => Err(unit(error)),
            },
            _ => Err(Wrong::Type),
        },
        Shape::Size => scalar(node)?.map_or(Err(Wrong::Type), |text| units::size(text).map(|_| false).map_err(unit)),
        Shape::Share => scalar(node)?.map_or(Err(Wrong::Type), |text| units::share(text).map(|_| false).map_err(unit)),
        Shape::Money => scalar(node)?.map_or(Err(Wrong::Type), |text| units::money(text).map(|_| false).map_err(unit)),
        Shape::Moment => {
            let text = node.as_str().ok_or(Wrong::Type)?;
            text.parse::<Timestamp>().map(|_| false).map_err(|error| Wrong::Value(error.to_string()))
        }
        Shape::Slug => {
            let text = node.text().ok_or(Wrong::Type)?;
            let first = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
            let rest = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            if first && rest {
                return Ok(false);
            }
            Err(Wrong::Value(format!(
                "`{}` is no name: write a-z, 0-9 and `-`, beginning with a letter or digit",
                shown(text)
            )))
        }
        Shape::EnvName => {
            let text = node.as_str().ok_or(Wrong::Type)?;
            let first = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            if first && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return Ok(false);
            }
            // Not shown: somebody may have put the secret itself here.
            Err(Wrong::Value(
                "this is no name of an environment variable: write the name (A-Z, 0-9, `_`), never the value".into(),
            ))
        }
        Shape::Regex => pattern(node.as_str().ok_or(Wrong::Type)?).map(|()| false).map_err(Wrong::Pattern),
        _ => node.text().map(|_| false).ok_or(Wrong::Type),
    }
}

fn scalar(node: &Node) -> Result<Option<&str>, Wrong> {
    if matches!(node.kind, Kind::Bool(_)) { Err(Wrong::Type) } else { Ok(node.text()) }
}

fn range(inside: bool, low: &str, open: bool, high: &str) -> Result<bool, Wrong> {
    match (inside, open) {
        (true, _) => Ok(false),
        (false, true) => Err(Wrong::Value(format!("takes a number of {low} or more"))),
        (false, false) => Err(Wrong::Value(format!("takes a number from {low} to {high}"))),
    }
}

/// Compiles a pattern; its error in one line.
pub(super) fn pattern(text: &str) -> Result<(), String> {
    if text.contains("${") {
        return Ok(());
    }
    RegexBuilder::new(text).size_limit(MAX_PATTERN).build().map(|_| ()).map_err(|error| {
        let text = error.to_string();
        text.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned()
    })
}

impl Checker<'_, '_> {
    pub(super) fn scalar(&mut self, node: &Node, shape: &Shape, at: At<'_>) {
        // A value that is only a variable has the variable's type, known when it runs.
        let filled = node.as_str().is_some_and(|text| text.trim().starts_with("${") && text.trim().ends_with('}'));
        let result = read(node, shape);
        if filled && !matches!(shape, Shape::Slug | Shape::EnvName) {
            return;
        }
        let name = at.key;
        match result {
            Ok(false) => {}
            Ok(true) => {
                let text = node.text().unwrap_or("");
                let fix = (node.style != Style::Alias).then(|| Fix {
                    title: format!("Write `{text}s`"),
                    edits: vec![(node.span, format!("{}s", text.trim()))],
                    safe: true,
                });
                self.report(
                    BARE_NUMBER,
                    node.span,
                    format!("`{name}: {}` counts seconds: write the unit, `{}s`", shown(text), shown(text)),
                    fix,
                );
            }
            Err(Wrong::Type) => {
                let fix = self.boolean_fix(node, shape);
                self.wrong_type_with(node, shape, at, fix);
            }
            Err(Wrong::Value(message)) => {
                let message = if message.starts_with("takes") { format!("`{name}` {message}") } else { message };
                self.report(if at.expectation { BAD_EXPECTATION } else { BAD_VALUE }, node.span, message, None);
            }
            Err(Wrong::Unit(message)) => {
                self.report(if at.expectation { BAD_EXPECTATION } else { BAD_UNIT }, node.span, message, None);
            }
            Err(Wrong::Pattern(message)) => {
                let message = format!("this is no regular expression: {message}");
                self.report(BAD_MATCHER, node.span, message, None);
            }
        }
    }

    /// `yes` and `no` are text in YAML 1.2.
    fn boolean_fix(&self, node: &Node, shape: &Shape) -> Option<Fix> {
        if !matches!(shape, Shape::Bool) {
            return None;
        }
        let meant = match node.text()?.to_lowercase().as_str() {
            "yes" | "on" | "y" | "1" | "true" => "true",
            "no" | "off" | "n" | "0" | "false" => "false",
            _ => return None,
        };
        (node.style != Style::Alias).then(|| Fix::replace(node.span, meant))
    }
}
