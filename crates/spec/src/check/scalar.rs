//! Scalars against the table: texts, numbers, units, moments, patterns.

use super::{At, Checker};
use crate::Fix;
use crate::codes::{BAD_EXPECTATION, BAD_MATCHER, BAD_UNIT, BAD_VALUE, BARE_NUMBER, WRONG_TYPE};
use crate::cx::Doc;
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
        Shape::Money => match units::money(scalar(node)?.ok_or(Wrong::Type)?) {
            Ok(units::Rate { per: None, .. }) => Ok(false),
            Ok(_) => Err(Wrong::Unit("this is an amount, not a rate: write it like 0.01 or $10".into())),
            Err(error) => Err(unit(error)),
        },
        Shape::Url => address(node.as_str().ok_or(Wrong::Type)?),
        Shape::HostPort => host_and_port(node.as_str().ok_or(Wrong::Type)?),
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

/// `https://host/…`; what a variable stands for is known when it runs.
fn address(text: &str) -> Result<bool, Wrong> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', ':', '?', '#']));
    let fits = (host && !text.contains(char::is_whitespace)) || text.starts_with("${");
    let named = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or("");
    let port = named.rsplit_once(':').map(|(_, port)| port).filter(|port| port.chars().all(|c| c.is_ascii_digit()));
    if let Some(port) = port.filter(|port| fits && !port.is_empty() && port.parse::<u16>().is_err()) {
        return Err(Wrong::Value(format!("there is no port {}: the last one is 65535", shown(port))));
    }
    if fits {
        return Ok(false);
    }
    Err(Wrong::Value(format!("`{}` is no address: write it like https://api.example.com", shown(text))))
}

/// `host:port`, `[::1]:443`.
fn host_and_port(text: &str) -> Result<bool, Wrong> {
    let fits = text.rsplit_once(':').is_some_and(|(host, port)| {
        let named = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '*'));
        let numbered = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).is_some_and(|host| {
            host.contains(':') && host.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '.'))
        });
        (named || numbered) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if fits {
        return Ok(false);
    }
    Err(Wrong::Value(format!("`{}` is no host and port: write it like api.example.com:443", shown(text))))
}

/// The value in the unit that was probably meant: `5 minutes`, `64M`, `50` per cent.
fn in_a_known_unit(text: &str, shape: &Shape) -> Option<String> {
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = (text.get(..at)?, text.get(at..)?.trim().to_lowercase());
    let found = match shape {
        Shape::Duration => {
            let unit = match unit.as_str() {
                "msec" | "msecs" | "millis" | "millisecond" | "milliseconds" => "ms",
                "s" | "sec" | "secs" | "second" | "seconds" => "s",
                "min" | "mins" | "minute" | "minutes" => "m",
                "h" | "hr" | "hrs" | "hour" | "hours" => "h",
                "d" | "day" | "days" => "d",
                "w" | "wk" | "week" | "weeks" => {
                    return number.parse::<u32>().ok().map(|weeks| format!("{}d", u64::from(weeks) * 7));
                }
                _ => return None,
            };
            format!("{number}{unit}")
        }
        Shape::Size => {
            let unit = match unit.as_str() {
                "k" | "kb" => "kB",
                "m" | "mb" => "MB",
                "g" | "gb" => "GB",
                "ki" | "kib" => "KiB",
                "mi" | "mib" => "MiB",
                "gi" | "gib" => "GiB",
                "t" | "tb" => return number.parse::<u32>().ok().map(|tera| format!("{}GB", u64::from(tera) * 1000)),
                _ => return None,
            };
            format!("{number}{unit}")
        }
        Shape::Money if matches!(unit.as_str(), "$" | "usd" | "us$" | "dollar" | "dollars") => format!("${number}"),
        _ => return None,
    };
    number.parse::<f64>().is_ok().then_some(found)
}

/// What should have been written, where that can be told.
fn meant(doc: &Doc, node: &Node, shape: &Shape) -> Option<Fix> {
    let text = node.text().filter(|_| node.style != Style::Alias)?;
    let with = match shape {
        Shape::Share => {
            let number: f64 = text.trim().parse().ok()?;
            (number > 1.0 && number <= 100.0).then(|| format!("{number}%"))?
        }
        Shape::Money => match units::money(text) {
            Ok(rate) if rate.per.is_some() => text.split('/').next()?.trim().to_owned(),
            _ => in_a_known_unit(text, shape)?,
        },
        Shape::Moment if text.len() == 10 => {
            let whole = format!("{text}T00:00:00Z");
            whole.parse::<Timestamp>().ok().map(|_| whole)?
        }
        Shape::HostPort => {
            let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
            let host = rest.split('/').next().filter(|host| host_and_port(host).is_ok())?;
            host.to_owned()
        }
        _ => in_a_known_unit(text, shape)?,
    };
    // What is written already mends nothing.
    (with != text.trim()).then(|| doc.replacing(node, &with))
}

/// Keys of which none at all leaves nothing to run with.
const NEVER_ZERO: [&str; 6] = ["memory", "timeout", "time", "first_token", "total", "window"];

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
        let mut result = read(node, shape);
        let name = at.key;
        let takes_text = matches!(shape, Shape::Text | Shape::Url | Shape::Condition | Shape::Glob | Shape::Regex);
        if filled && !takes_text && !matches!(shape, Shape::Slug | Shape::EnvName) {
            if !at.expectation {
                let message = format!(
                    "variables are not filled in here, and `{name}` takes {}: write the value",
                    shape.describe()
                );
                self.report(WRONG_TYPE, node.span, message, None);
            }
            return;
        }
        let zero = || {
            node.text().is_some_and(|text| {
                text.trim().trim_start_matches(['0', '.']).trim_start_matches(char::is_alphabetic).is_empty()
            })
        };
        if matches!(shape, Shape::Duration | Shape::Size)
            && NEVER_ZERO.contains(&name)
            && !at.expectation
            && result.is_ok()
            && zero()
        {
            result = Err(Wrong::Value(format!("with no `{name}` at all nothing can run: write more, or leave it out")));
        }
        match result {
            Ok(false) => {}
            Ok(true) => {
                let text = node.text().unwrap_or("");
                let fix = (node.style != Style::Alias).then(|| Fix {
                    title: format!("Write `{text}s`"),
                    safe: true,
                    ..self.doc.replacing(node, &format!("{}s", text.trim()))
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
                let code = if at.expectation { BAD_EXPECTATION } else { BAD_VALUE };
                let fix =
                    matches!(shape, Shape::Moment | Shape::HostPort).then(|| meant(self.doc, node, shape)).flatten();
                self.report(code, node.span, message, fix);
            }
            Err(Wrong::Unit(message)) => {
                let code = if at.expectation { BAD_EXPECTATION } else { BAD_UNIT };
                self.report(code, node.span, message, meant(self.doc, node, shape));
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
