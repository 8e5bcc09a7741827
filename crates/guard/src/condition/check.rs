//! Checking a condition: from text to a tree that is safe to evaluate.

use super::functions::{Kind, MACROS, ON_TEXT, functions, names_in};
use super::{Condition, ConditionProblem, Place};
use crate::distance::nearest;
use crate::words::WordSet;
use aic_base::Span;
use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SelectExpr, SourceInfo, operators};
use cel::parser::Parser;
use regex::Regex;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The deepest brackets, and the most operators: CEL's parser and evaluator recurse over both.
const MAX_BRACKETS: usize = 24;
const MAX_OPERATORS: usize = 200;
/// The most elements of a list or map written in a condition.
const MAX_ELEMENTS: usize = 500;
/// The largest compiled regular expression, in bytes.
const MAX_REGEX: usize = 1 << 20;

/// What evaluation needs besides the tree.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    pub roots: BTreeSet<&'static str>,
    pub regexes: Arc<Vec<Regex>>,
    pub words: Arc<Vec<WordSet>>,
    pub reads_text: bool,
    pub reads_result: bool,
    pub tests_result: bool,
}

/// Calls that checking puts in the place of those a person writes; no written condition can name them.
pub(super) const WORDS_IN_TEXT: &str = "aic_words_in_text";
pub(super) const ANY_WORDS_IN_TEXT: &str = "aic_any_words_in_text";
pub(super) const REGEX_IN_TEXT: &str = "aic_regex_in_text";
pub(super) const REGEX_IN: &str = "aic_regex_in";

pub(super) fn check(text: &str, place: Place) -> Result<(IdedExpr, Plan), Vec<ConditionProblem>> {
    let whole = Span::new(0, text.len());
    let refuse = |span: Span, message: String| Err(vec![ConditionProblem { span, message, suggestion: None }]);
    if text.trim().is_empty() {
        return refuse(whole, "a condition is missing, such as contains(['delete'])".into());
    }
    if text.len() > Condition::MAX_LENGTH {
        return refuse(
            whole,
            format!("a condition may have {} bytes: put long logic into a script", Condition::MAX_LENGTH),
        );
    }
    if let Err((at, message)) = measure(text) {
        return refuse(Span::new(at, at + 1), message);
    }
    // The generated parser is large and not ours: should it panic, the condition is refused, and nothing else happens.
    let parsed = std::panic::catch_unwind(|| Parser::new().error_recovery_limit(5).parse_with_source_info(text));
    let (mut expr, source) = match parsed {
        Ok(Ok(parsed)) => parsed,
        Ok(Err(errors)) => return Err(syntax_problems(text, &errors.errors)),
        Err(_) => return refuse(whole, "this condition cannot be read".into()),
    };
    let mut checker = Checker {
        text,
        place,
        source: &source,
        scopes: Vec::new(),
        plan: Plan::default(),
        regexes: Vec::new(),
        words: Vec::new(),
        problems: Vec::new(),
    };
    let kind = checker.visit(&mut expr, 0);
    if checker.problems.is_empty() && !matches!(kind, Kind::Bool | Kind::Any) {
        let message = format!("a condition is true or false, and this is {}: compare it with something", kind.noun());
        checker.problems.push(ConditionProblem { span: whole, message, suggestion: None });
    }
    if !checker.problems.is_empty() {
        checker.problems.sort_by_key(|problem| problem.span.start);
        return Err(checker.problems);
    }
    let Checker { mut plan, regexes, words, .. } = checker;
    plan.regexes = Arc::new(regexes);
    plan.words = Arc::new(words);
    Ok((expr, plan))
}

/// Counts what recursion follows, outside of quotes. A quote that is not closed is left to the parser.
fn measure(text: &str) -> Result<(), (usize, String)> {
    let bytes = text.as_bytes();
    let (mut brackets, mut operators, mut at) = (0_usize, 0_usize, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\'' | b'"' => {
                let raw = at > 0 && matches!(bytes[at - 1], b'r' | b'R');
                let triple = bytes.get(at..at + 3).is_some_and(|three| three.iter().all(|other| other == byte));
                let length = if triple { 3 } else { 1 };
                let mut end = at + length;
                while let Some(next) = bytes.get(end) {
                    if *next == b'\\' && !raw {
                        end += 1;
                    } else if bytes.get(end..end + length).is_some_and(|close| close.iter().all(|other| other == byte))
                    {
                        break;
                    }
                    end += 1;
                }
                at = end + length - 1;
            }
            b'(' | b'[' | b'{' => {
                brackets += 1;
                operators += 1;
                if brackets > MAX_BRACKETS {
                    return Err((at, format!("brackets may be {MAX_BRACKETS} deep in a condition")));
                }
            }
            b')' | b']' | b'}' => brackets = brackets.saturating_sub(1),
            b'+' | b'-' | b'*' | b'/' | b'%' | b'<' | b'>' | b'=' | b'!' | b'&' | b'|' | b'?' | b'.' => operators += 1,
            _ => {}
        }
        if operators > MAX_OPERATORS {
            return Err((at, format!("a condition may have {MAX_OPERATORS} operators: put long logic into a script")));
        }
        at += 1;
    }
    Ok(())
}

fn syntax_problems(text: &str, errors: &[cel::ParseError]) -> Vec<ConditionProblem> {
    let place = |error: &cel::ParseError| {
        let line = usize::try_from(error.pos.0 - 1).unwrap_or(0);
        let column = usize::try_from(error.pos.1 - 1).unwrap_or(0);
        let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        let rest = text.get(start..).unwrap_or("");
        let at = start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at);
        let length = text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        Span::new(at, at + length)
    };
    let problem = |error: &cel::ParseError| {
        let first = error.msg.lines().next().unwrap_or_default();
        let plain = first.strip_prefix("Syntax error: ").unwrap_or(first);
        let end = plain.find(" expecting ").filter(|_| plain.len() > 120).unwrap_or(plain.len());
        let short: String = plain.get(..end).unwrap_or(plain).chars().take(160).collect();
        ConditionProblem { span: place(error), message: format!("this is not CEL: {short}"), suggestion: None }
    };
    let problems: Vec<_> = errors.iter().take(3).map(problem).collect();
    if problems.is_empty() {
        return vec![ConditionProblem {
            span: Span::new(0, text.len()),
            message: "this is not CEL".into(),
            suggestion: None,
        }];
    }
    problems
}

struct Checker<'a> {
    text: &'a str,
    place: Place,
    source: &'a SourceInfo,
    /// The variables of the comprehensions around.
    scopes: Vec<Vec<String>>,
    plan: Plan,
    regexes: Vec<Regex>,
    words: Vec<WordSet>,
    problems: Vec<ConditionProblem>,
}

impl Checker<'_> {
    fn span(&self, id: u64) -> Span {
        let Some((start, stop)) = self.source.offset_for(id) else { return Span::new(0, self.text.len()) };
        let byte = |mut at: usize| {
            while at < self.text.len() && !self.text.is_char_boundary(at) {
                at += 1;
            }
            at.min(self.text.len())
        };
        Span::new(byte(start as usize), byte(stop as usize + 1))
    }

    /// Where a word stands, from where its expression stands: selections and calls are placed at their sign.
    fn word_span(&self, id: u64, word: &str) -> Span {
        let near = self.span(id);
        if near.of(self.text) == word {
            return near;
        }
        let at = near.range().start.min(self.text.len());
        let ahead = self.text.get(at..).and_then(|rest| rest.find(word)).map(|found| at + found);
        let behind = || self.text.get(..at).and_then(|rest| rest.rfind(word));
        // A call stands at its bracket, its name just before; a selection stands at its dot, its field just behind.
        let call = near.of(self.text).starts_with('(');
        let found = if call { behind().or(ahead) } else { ahead.or_else(behind) };
        found.map_or(near, |at| Span::new(at, at + word.len()))
    }

    fn problem(&mut self, span: Span, message: impl Into<String>) -> Kind {
        self.problems.push(ConditionProblem { span, message: message.into(), suggestion: None });
        Kind::Any
    }

    fn unknown(&mut self, span: Span, what: &str, word: &str, known: &[&'static str]) -> Kind {
        let word: String = word.chars().take(60).collect();
        let mut message = format!("there is no {what} `{word}` here");
        let meant = nearest(&word, known.iter().copied());
        match meant {
            Some(meant) => message.push_str(&format!("; did you mean `{meant}`?")),
            None => message.push_str(&format!(": there are {}", known.join(", "))),
        }
        self.problems.push(ConditionProblem { span, message, suggestion: meant.map(str::to_owned) });
        Kind::Any
    }

    fn is_local(&self, name: &str) -> bool {
        self.scopes.iter().any(|scope| scope.iter().any(|local| local == name))
    }

    fn visit(&mut self, node: &mut IdedExpr, depth: usize) -> Kind {
        if depth > 120 {
            return self.problem(self.span(node.id), "the condition is nested too deeply");
        }
        let id = node.id;
        match &mut node.expr {
            Expr::Literal(literal) => match literal {
                LiteralValue::Boolean(_) => Kind::Bool,
                LiteralValue::String(_) => Kind::Text,
                LiteralValue::Int(_) | LiteralValue::UInt(_) | LiteralValue::Double(_) => Kind::Number,
                LiteralValue::Bytes(_) => self.problem(self.span(id), "bytes are not used in conditions: write a text"),
                // `null` alone is no condition, but may be compared and chosen.
                LiteralValue::Null => Kind::Map,
            },
            Expr::Ident(name) => {
                let name = name.clone();
                self.ident(id, &name)
            }
            Expr::Select(select) => self.select(id, select, depth),
            Expr::Call(_) => self.call(node, depth),
            Expr::List(list) => {
                if list.elements.len() > MAX_ELEMENTS {
                    return self
                        .problem(self.span(id), format!("a list in a condition may have {MAX_ELEMENTS} elements"));
                }
                for element in &mut list.elements {
                    self.visit(element, depth + 1);
                }
                Kind::List
            }
            Expr::Map(map) => {
                if map.entries.len() > MAX_ELEMENTS {
                    return self
                        .problem(self.span(id), format!("a map in a condition may have {MAX_ELEMENTS} entries"));
                }
                for entry in &mut map.entries {
                    if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                        self.visit(&mut entry.key, depth + 1);
                        self.visit(&mut entry.value, depth + 1);
                    }
                }
                Kind::Map
            }
            Expr::Comprehension(comprehension) => self.comprehension(id, comprehension, depth),
            Expr::Struct(_) => self.problem(self.span(id), "messages are not used in conditions: write a map"),
            Expr::Unspecified => self.problem(self.span(id), "something is missing here"),
        }
    }

    fn ident(&mut self, id: u64, name: &str) -> Kind {
        if self.is_local(name) || name.starts_with('@') {
            return Kind::Any;
        }
        let names = names_in(self.place);
        if let Some(known) = names.iter().find(|known| known.name == name) {
            self.plan.roots.insert(known.name);
            return known.kind;
        }
        let span = self.word_span(id, name);
        let members: Vec<&str> = members(names, name);
        if !members.is_empty() {
            let all: Vec<String> = members.iter().map(|member| format!("{name}.{member}")).collect();
            return self.problem(span, format!("`{name}` alone has no value: write {}", all.join(" or ")));
        }
        if ["int", "uint", "double", "string", "bool", "list", "map"].contains(&name) {
            return Kind::Any; // the names of types, for `type(x) == string`
        }
        let mut roots: Vec<&'static str> =
            names.iter().map(|known| known.name.split('.').next().unwrap_or("")).collect();
        roots.dedup();
        self.unknown(span, "name", name, &roots)
    }

    fn select(&mut self, id: u64, select: &mut SelectExpr, depth: usize) -> Kind {
        if let Expr::Ident(root) = &select.operand.expr
            && !self.is_local(root)
        {
            let names = names_in(self.place);
            if root == "steps" && self.place == Place::ComposeStep {
                self.plan.roots.insert("steps");
                return Kind::Map;
            }
            let members = members(names, root);
            if let Some(stored) =
                names.iter().map(|known| known.name.split('.').next().unwrap_or("")).find(|known| known == root)
                && !members.is_empty()
            {
                self.plan.roots.insert(stored);
                if root == "tool" && select.field == "result" {
                    self.plan.reads_result |= !select.test;
                    self.plan.tests_result |= select.test;
                }
                let full = format!("{root}.{}", select.field);
                return match names.iter().find(|known| known.name == full) {
                    Some(_) if select.test => Kind::Bool,
                    Some(known) => known.kind,
                    None => {
                        let (span, field, what) =
                            (self.word_span(id, &select.field), select.field.clone(), format!("`{root}` member"));
                        self.unknown(span, &what, &field, &members)
                    }
                };
            }
        }
        let (test, field) = (select.test, select.field.clone());
        let operand = self.visit(&mut select.operand, depth + 1);
        let of_step = matches!(&select.operand.expr, Expr::Select(inner) if matches!(&inner.operand.expr, Expr::Ident(root) if root == "steps"));
        if of_step && self.place == Place::ComposeStep && !["output", "outcome"].contains(&field.as_str()) {
            return self.unknown(self.word_span(id, &field), "step member", &field, &["output", "outcome"]);
        }
        if matches!(operand, Kind::Text | Kind::Number | Kind::Bool | Kind::List) {
            return self.problem(self.word_span(id, &field), format!("{} has no member `{field}`", operand.noun()));
        }
        match (test, of_step) {
            (true, _) => Kind::Bool,
            (false, true) => Kind::Text,
            _ => Kind::Any,
        }
    }

    fn comprehension(&mut self, id: u64, inner: &mut ComprehensionExpr, depth: usize) -> Kind {
        let range = self.visit(&mut inner.iter_range, depth + 1);
        if matches!(range, Kind::Text | Kind::Number | Kind::Bool) {
            return self
                .problem(self.span(id), format!("a list is needed to look through, and this is {}", range.noun()));
        }
        if !self.scopes.is_empty() {
            return self
                .problem(self.span(id), "one level of all, exists, map or filter is allowed: put more into a script");
        }
        let mut locals = vec![inner.iter_var.clone(), inner.accu_var.clone()];
        locals.extend(inner.iter_var2.clone());
        self.scopes.push(locals);
        let start = self.visit(&mut inner.accu_init, depth + 1);
        for part in [&mut inner.loop_cond, &mut inner.loop_step, &mut inner.result] {
            self.visit(part, depth + 1);
        }
        self.scopes.pop();
        match start {
            Kind::Bool => Kind::Bool,
            Kind::List => Kind::List,
            // `exists_one` counts, and compares the count in its result.
            _ => Kind::Any,
        }
    }

    fn call(&mut self, node: &mut IdedExpr, depth: usize) -> Kind {
        let id = node.id;
        let Expr::Call(call) = &mut node.expr else { return Kind::Any };
        if let Some(kind) = operator_kind(&call.func_name) {
            let kinds: Vec<Kind> = call.args.iter_mut().map(|arg| self.visit(arg, depth + 1)).collect();
            return match (call.func_name.as_str(), kinds.as_slice()) {
                (operators::CONDITIONAL, [_, then, otherwise]) if then == otherwise => *then,
                (
                    operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT | operators::CONDITIONAL,
                    _,
                ) => {
                    let count = if call.func_name == operators::CONDITIONAL { 1 } else { 2 };
                    let wrong = kinds
                        .iter()
                        .zip(&call.args)
                        .take(count)
                        .find(|(kind, _)| !matches!(kind, Kind::Bool | Kind::Any));
                    if let Some((wrong, arg)) = wrong {
                        let span = self.span(arg.id);
                        return self
                            .problem(span, format!("true or false is needed here, and this is {}", wrong.noun()));
                    }
                    kind
                }
                (name, [left, right]) if ill_matched(name, *left, *right).is_some() => {
                    // At what is written out, else at the sign: that is the side to change.
                    let written = call.args.iter().find(|arg| matches!(arg.expr, Expr::Literal(_) | Expr::List(_)));
                    let span = self.span(written.map_or(id, |arg| arg.id));
                    let message = ill_matched(name, *left, *right).unwrap_or_default();
                    self.problem(span, message);
                    kind
                }
                // Text and lists can be added too.
                (operators::ADD, [left, right]) if left == right => *left,
                _ => kind,
            };
        }
        let method = call.target.is_some();
        let name = call.func_name.clone();
        let known = functions().iter().find(|known| known.name == name && known.method == method);
        let here = |known: &&super::FunctionDoc| {
            known.method == method && (method || self.place != Place::Alerts || !ON_TEXT.contains(&known.name))
        };
        let Some(known) = known.filter(|known| here(known)) else {
            let mut all: Vec<&'static str> = functions().iter().filter(here).map(|known| known.name).collect();
            all.extend(MACROS);
            let what = if method { "method" } else { "function" };
            let span = self.word_span(id, &name);
            if method && functions().iter().any(|known| known.name == name && !known.method) {
                return self.problem(span, format!("`{name}` is not called on a value: write {name}(…)"));
            }
            return self.unknown(span, what, &name, &all);
        };
        let (fewest, most) = known.arguments;
        if call.args.len() < fewest || call.args.len() > most {
            let span = self.word_span(id, &name);
            return self.problem(span, format!("`{name}` is called like {}", known.signature));
        }
        if let Some(target) = &mut call.target {
            let on = self.visit(target, depth + 1);
            if known.signature.starts_with("text.") && matches!(on, Kind::Number | Kind::Bool | Kind::List) {
                let span = self.word_span(id, &name);
                return self.problem(span, format!("`{name}` is called on a text, and this is {}", on.noun()));
            }
        }
        let on_texts =
            known.signature.ends_with("(text)") || known.signature.ends_with("('part')") || name == "levenshtein";
        match (name.as_str(), method) {
            ("matches", _) => self.regex(call),
            ("contains", false) => self.words(call, depth),
            ("tainted", false) => {}
            _ => {
                for arg in &mut call.args {
                    let kind = self.visit(arg, depth + 1);
                    if on_texts && matches!(kind, Kind::Number | Kind::Bool | Kind::List) {
                        let span = self.span(arg.id);
                        self.problem(span, format!("`{name}` takes a text, and this is {}", kind.noun()));
                    }
                }
            }
        }
        known.gives
    }

    /// `matches` in both its forms: compiled here, so that no input can be a costly expression.
    fn regex(&mut self, call: &mut CallExpr) {
        let Some(arg) = call.args.first() else { return };
        let span = self.span(arg.id);
        let Expr::Literal(LiteralValue::String(pattern)) = &arg.expr else {
            self.problem(span, "a regular expression is written out as a text in quotes");
            return;
        };
        let compiled =
            regex::RegexBuilder::new(pattern.inner()).size_limit(MAX_REGEX).dfa_size_limit(MAX_REGEX).build();
        match compiled {
            Ok(regex) => self.regexes.push(regex),
            Err(error) => {
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default();
                let plain = last.strip_prefix("error: ").unwrap_or(last);
                self.problem(span, format!("not a regular expression: {plain}"));
                return;
            }
        }
        let index = IdedExpr { id: arg.id, expr: index_literal(self.regexes.len() - 1) };
        match call.target.take() {
            Some(target) => {
                call.func_name = REGEX_IN.to_owned();
                call.args = vec![*target, index];
            }
            None => {
                self.plan.reads_text = true;
                call.func_name = REGEX_IN_TEXT.to_owned();
                call.args = vec![index];
            }
        }
    }

    /// `contains([…])`: a written list is prepared here, a computed one when it runs.
    fn words(&mut self, call: &mut CallExpr, depth: usize) {
        self.plan.reads_text = true;
        let Some(arg) = call.args.first_mut() else { return };
        let kind = self.visit(arg, depth + 1);
        let span = self.span(arg.id);
        if !matches!(kind, Kind::List | Kind::Any) {
            self.problem(span, format!("`contains` takes a list, contains(['word']), and this is {}", kind.noun()));
            return;
        }
        let Expr::List(list) = &arg.expr else {
            call.func_name = ANY_WORDS_IN_TEXT.to_owned();
            return;
        };
        let words: Option<Vec<String>> = list
            .elements
            .iter()
            .map(|element| match &element.expr {
                Expr::Literal(LiteralValue::String(word)) => Some(word.inner().to_owned()),
                _ => None,
            })
            .collect();
        let Some(words) = words else {
            call.func_name = ANY_WORDS_IN_TEXT.to_owned();
            return;
        };
        if words.iter().all(|word| word.trim().is_empty()) {
            self.problem(span, "the list of `contains` has no word in it");
            return;
        }
        self.words.push(WordSet::new(words));
        let index = IdedExpr { id: arg.id, expr: index_literal(self.words.len() - 1) };
        call.func_name = WORDS_IN_TEXT.to_owned();
        call.args = vec![index];
    }
}

fn index_literal(index: usize) -> Expr {
    Expr::Literal(LiteralValue::Int(i64::try_from(index).unwrap_or(i64::MAX).into()))
}

/// `id` and `roles` for `user`.
fn members(names: &[super::NameDoc], root: &str) -> Vec<&'static str> {
    names.iter().filter_map(|known| known.name.strip_prefix(root)?.strip_prefix('.')).collect()
}

/// Why the two sides of an operator never go together; nothing where they may. A map stands for `null` too.
fn ill_matched(operator: &str, left: Kind, right: Kind) -> Option<String> {
    let known = |kind: Kind| matches!(kind, Kind::Bool | Kind::Text | Kind::Number | Kind::List);
    let differ = known(left) && known(right) && left != right;
    let (a, b) = (left.noun(), right.noun());
    match operator {
        operators::EQUALS | operators::NOT_EQUALS if differ => {
            let list = matches!((left, right), (Kind::List, _) | (_, Kind::List));
            let hint = if list { ": to look into a list, write `x in list`" } else { "" };
            Some(format!("{a} is never equal to {b}{hint}"))
        }
        operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS if differ => {
            let hint = if matches!((left, right), (Kind::Text, Kind::Number) | (Kind::Number, Kind::Text)) {
                ": count its words with words(text), its characters with size(text)"
            } else {
                ""
            };
            Some(format!("{a} cannot be compared with {b}{hint}"))
        }
        operators::IN if matches!(right, Kind::Text | Kind::Number | Kind::Bool) => {
            let hint = if right == Kind::Text { ": for a part of a text write text.contains('part')" } else { "" };
            Some(format!("`in` looks into a list or a map, and this is {b}{hint}"))
        }
        operators::ADD if differ => Some(format!("{a} and {b} cannot be added")),
        operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE | operators::MODULO => {
            let wrong = [left, right].into_iter().find(|kind| matches!(kind, Kind::Text | Kind::Bool | Kind::List))?;
            Some(format!("numbers are reckoned with, and this is {}", wrong.noun()))
        }
        _ => None,
    }
}

/// What an operator gives; none for what is a call.
fn operator_kind(name: &str) -> Option<Kind> {
    match name {
        operators::LOGICAL_AND
        | operators::LOGICAL_OR
        | operators::LOGICAL_NOT
        | operators::EQUALS
        | operators::NOT_EQUALS
        | operators::GREATER
        | operators::GREATER_EQUALS
        | operators::LESS
        | operators::LESS_EQUALS
        | operators::IN
        | operators::NOT_STRICTLY_FALSE => Some(Kind::Bool),
        operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE | operators::MODULO | operators::NEGATE => {
            Some(Kind::Number)
        }
        operators::ADD | operators::CONDITIONAL | operators::INDEX => Some(Kind::Any),
        _ => None,
    }
}
