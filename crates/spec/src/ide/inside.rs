//! Inside of texts: the `${VARIABLES}` of templates, the names and functions of conditions.

use super::names::{BUILT_IN_VARIABLES, Declared, Roots, captures, parameters_of};
use super::place::Place;
use crate::lower::read::list;
use crate::rules::ADDRESS;
use crate::schema::Shape;
use crate::tree::Node;
use aic_guard::Place as At;
use aic_guard::condition::{FunctionDoc, Kind, NameDoc, functions, names_in};
use indexmap::IndexMap;

/// What stands before the word at the cursor in a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opened<'t> {
    /// `$`.
    Dollar,
    /// `${` and perhaps `args.` or `secret:`.
    Brace(&'t str),
}

/// Whether a variable is being typed, from the text before the word.
pub(super) fn opened(before: &str) -> Option<Opened<'_>> {
    if let Some(at) = before.rfind("${") {
        let inside = before.get(at + 2..)?;
        let literal = before.get(..at)?.ends_with('$');
        if !literal && inside.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | ':' | '-')) {
            return Some(Opened::Brace(inside));
        }
    }
    (before.ends_with('$') && !before.ends_with("$$")).then_some(Opened::Dollar)
}

/// The variables that a template at this place may name, with a line about each.
pub(super) fn variables(place: &Place<'_>, roots: &Roots<'_>) -> IndexMap<String, String> {
    let mut found = IndexMap::new();
    if let Some(tool) = place.holder_of("a tool").filter(|_| place.within("a way of running")) {
        let mut parameters = IndexMap::new();
        parameters_of(tool, &mut parameters);
        found.extend(parameters.into_iter().map(|(name, doc)| (format!("args.{name}"), doc)));
    }
    if place.within("a rule") {
        let rule = place.holder_of("a rule").and_then(|rule| rule.get("match"));
        for name in rule.map(captures).unwrap_or_default() {
            found.insert(format!("match.{name}"), "What the pattern of this rule found".into());
        }
        if rule.is_some_and(|rule| rule.get("tool").is_some()) {
            found.insert("result".into(), "What the tool returned; `result.x` is a part of it".into());
        }
    }
    if place.within("a workflow") {
        for service in roots.declared(Declared::Service).into_keys() {
            found.insert(format!("steps.{service}.output"), "What this step said".into());
        }
    }
    found.extend(roots.declared(Declared::Variable));
    if place.within("a test") || place.within("what tests share") {
        found.extend(roots.test_variables());
    }
    let mut found = with_built_ins(found);
    if place.within("a way of running") || place.within("a server") || is_address(place) {
        found.retain(|name, _| ADDRESS.contains(&name.as_str()) || BUILT_IN_VARIABLES.iter().all(|(of, _)| of != name));
    }
    found
}

/// Whether it is where a model is reached.
fn is_address(place: &Place<'_>) -> bool {
    place.keys().next().is_some_and(|step| step.key == Some("base_url"))
}

/// The arguments that a condition at this place may name: those of its own tool, of the tools that its guardrail looks
/// at, or of all.
pub(super) fn arguments(place: &Place<'_>, roots: &Roots<'_>) -> IndexMap<String, String> {
    let mut found = IndexMap::new();
    if let Some(tool) = place.holder_of("a tool") {
        parameters_of(tool, &mut found);
        return found;
    }
    let listed = place.keys().next().and_then(|step| step.holder.get("tools")).map(list).unwrap_or_default();
    let mut tools: Vec<String> = listed.into_iter().filter_map(Node::text).map(str::to_owned).collect();
    if tools.is_empty() {
        tools = roots.declared(Declared::Tool).into_keys().collect();
    }
    for (name, doc) in tools.iter().flat_map(|tool| roots.parameters(tool)) {
        found.entry(name).or_insert(doc);
    }
    found
}

/// The variables of a prompt.
pub(super) fn variables_of(roots: &Roots<'_>) -> IndexMap<String, String> {
    with_built_ins(roots.declared(Declared::Variable))
}

fn with_built_ins(mut found: IndexMap<String, String>) -> IndexMap<String, String> {
    for (name, doc) in BUILT_IN_VARIABLES {
        found.entry(name.to_owned()).or_insert_with(|| doc.to_owned());
    }
    found
}

/// Which names a condition at this place has; none if it is no condition.
pub(super) fn condition(place: &Place<'_>) -> Option<At> {
    if !place.shapes.iter().any(|shape| matches!(shape, Shape::Condition)) {
        return None;
    }
    let step = place.keys().next()?;
    Some(match (step.key, step.record.map(|record| record.title)) {
        (Some("that"), _) => At::That,
        (_, Some("an alert")) => At::Alerts,
        (_, Some("a step")) => At::ComposeStep,
        _ => At::Guard,
    })
}

/// A name or function of a condition that may follow what stands before the word.
pub(super) enum Follows {
    /// A name, or what is left of it after the dots that are typed.
    Name(&'static NameDoc, String),
    /// A function, or a method after a dot.
    Function(&'static FunctionDoc),
    /// The name of a step.
    Step(String, String),
}

/// What may follow in a condition; nothing inside of its quotes.
pub(super) fn follows(at: At, before: &str, roots: &Roots<'_>) -> Vec<Follows> {
    if in_quotes(before) {
        return Vec::new();
    }
    let path_start = before
        .rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.')))
        .map_or(0, |last| last + before[last..].chars().next().map_or(1, char::len_utf8));
    let path = &before[path_start..];
    let mut found = Vec::new();
    for name in names_in(at) {
        match name.name.split_once("NAME") {
            // `steps.NAME.output`: the middle is an author's own.
            Some((start, end)) => match path.strip_prefix(start) {
                Some("") => {}
                Some(rest) if rest.ends_with('.') && !rest.trim_end_matches('.').contains('.') => {
                    found.push(Follows::Name(name, end.trim_start_matches('.').to_owned()));
                }
                Some(_) => {}
                None if path.is_empty() => {
                    for (service, doc) in roots.declared(Declared::Service) {
                        found.push(Follows::Step(format!("{start}{service}{end}"), doc));
                    }
                }
                None => {}
            },
            None => {
                if let Some(rest) = name.name.strip_prefix(path).filter(|rest| !rest.is_empty()) {
                    found.push(Follows::Name(name, rest.to_owned()));
                }
            }
        }
    }
    if path == "steps." {
        found.extend(roots.declared(Declared::Service).into_iter().map(|(name, doc)| Follows::Step(name, doc)));
    }
    let method = before.trim_end().ends_with('.');
    // What looks at the text under examination has none outside of guards and tests.
    let has_text = matches!(at, At::Guard | At::That | At::ComposeStep);
    let on_text = |name: &str| matches!(name, "contains" | "matches" | "tainted");
    // What a value is called on is known by its signature: a text has no month.
    let receiver = names_in(at).iter().find(|name| path.strip_suffix('.') == Some(name.name)).map(|name| name.kind);
    let suits = |of: &FunctionDoc| match (receiver, of.signature.split_once('.')) {
        (Some(Kind::Text), Some((of, _))) => matches!(of, "text" | "value"),
        (Some(Kind::List), Some((of, _))) => matches!(of, "list" | "value"),
        (Some(Kind::Number | Kind::Bool), Some(_)) => false,
        _ => true,
    };
    let fit = functions().iter().filter(|of| of.method == method && (method || has_text || !on_text(of.name)));
    let fit = fit.filter(|of| suits(of));
    found.extend(fit.map(Follows::Function));
    found
}

/// Whether a text ends inside of quotes.
fn in_quotes(text: &str) -> bool {
    let mut open = None;
    let mut escaped = false;
    for c in text.chars() {
        match open {
            _ if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(quote) if c == quote => open = None,
            None if matches!(c, '"' | '\'') => open = Some(c),
            _ => {}
        }
    }
    open.is_some()
}

/// The name of a condition that holds a byte: `tool.args` of `tool.args.amount` while the byte is in its first two words.
pub(super) fn name_at(at: At, text: &str, offset: usize) -> Option<(&'static NameDoc, std::ops::Range<usize>)> {
    let of_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    let (before, after) = (text.get(..offset)?, text.get(offset..)?);
    if in_quotes(before) {
        return None;
    }
    let start = before.trim_end_matches(of_path).len();
    let end = text.len() - after.trim_start_matches(of_path).len();
    let path = text.get(start..end)?;
    let mut best: Option<(&'static NameDoc, std::ops::Range<usize>)> = None;
    for name in names_in(at) {
        let len = name.name.len();
        let whole = path.strip_prefix(name.name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        if whole && offset <= start + len && best.as_ref().is_none_or(|(_, range)| range.len() < len) {
            best = Some((name, start..start + len));
        }
    }
    best
}

/// The function or method whose name holds a byte.
pub(super) fn function_at(text: &str, offset: usize) -> Option<(&'static FunctionDoc, std::ops::Range<usize>)> {
    let word = super::probe::word_at(text, offset);
    if in_quotes(text.get(..offset)?) || !text.get(word.end as usize..)?.trim_start().starts_with('(') {
        return None;
    }
    let name = word.of(text);
    let method = text.get(..word.start as usize)?.trim_end().ends_with('.');
    let known = functions().iter().find(|of| of.name == name && of.method == method)?;
    Some((known, word.range()))
}

/// The text of a value, as far as it stands before the mark and after it.
pub(super) fn around<'t>(node: &'t Node, mark: &str) -> Option<(&'t str, &'t str)> {
    node.text()?.split_once(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_variable_is_seen_and_a_literal_is_not() {
        assert_eq!(opened("Hello ${"), Some(Opened::Brace("")));
        assert_eq!(opened("Hello ${args."), Some(Opened::Brace("args.")));
        assert_eq!(opened("Hello $"), Some(Opened::Dollar));
        for text in ["Hello", "$${", "${A} ", "$$", "${a b"] {
            assert_eq!(opened(text), None, "{text}");
        }
    }

    #[test]
    fn quotes_of_conditions_are_followed_through_escapes() {
        assert!(in_quotes("contains(['a") && in_quotes(r"x == 'it\'s") && !in_quotes("'a' + \"'\"") && !in_quotes(""));
    }
}
