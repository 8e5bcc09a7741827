//! `tests:` to typed tests: defaults are merged in, files of tests are read, and names are looked up in the spec.

use super::Names;
use super::expect;
use super::read::{duration, json_map, list, money, positive, share, text, texts};
use crate::check::{check, head};
use crate::codes::{
    BAD_TEST, DUPLICATE_TEST, MISSING_FILE, MISSING_KEY, NO_EXPECTATION, UNKNOWN_KEY, UNKNOWN_NAME, UNKNOWN_TOOL,
};
use crate::cx::{Cx, Doc};
use crate::files::{glob, is_glob};
use crate::inherit::BaseTests;
use crate::load::{read_doc, read_tree};
use crate::schema::TEST_FILE;
use crate::secrets;
use crate::tree::{Entry, Kind, Node, Style};
use crate::typed::{CaseSource, Confirmation, HistoryTurn, MinPassRate, Mock, TestDef, TestInput, Turn, User};
use crate::words::{did_you_mean, nearest, shown};
use aic_base::{RelPath, Span, Timestamp};
use indexmap::IndexMap;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};

/// A test and the defaults that hold for it, the nearest first.
pub(super) struct Layers<'a> {
    layers: Vec<(&'a Doc, &'a Node)>,
}

impl<'a> Layers<'a> {
    /// The value of the nearest layer that has one.
    fn get(&self, key: &str) -> Option<(&'a Doc, &'a Node)> {
        self.layers.iter().find_map(|(doc, node)| Some((*doc, node.get(key).filter(|value| !value.is_null())?)))
    }

    fn value(&self, key: &str) -> Option<&'a Node> {
        self.get(key).map(|(_, node)| node)
    }

    /// The entries of a map over all layers; the nearest wins.
    fn entries(&self, key: &str) -> Vec<(&'a Doc, &'a Entry)> {
        let mut names = BTreeSet::new();
        let mut all = Vec::new();
        for (doc, node) in &self.layers {
            for entry in node.get(key).map(Node::entries).unwrap_or_default() {
                if names.insert(entry.key.key_text().into_owned()) {
                    all.push((*doc, entry));
                }
            }
        }
        all
    }

    /// The value of a key inside of a map, of the nearest layer that has it.
    fn inside(&self, key: &str, inner: &str) -> Option<&'a Node> {
        self.layers.iter().find_map(|(_, node)| node.get(key)?.get(inner).filter(|value| !value.is_null()))
    }
}

pub(super) fn tests(cx: &mut Cx<'_>, doc: &Doc, root: &Node, inherited: &[BaseTests], names: &Names) -> Vec<TestDef> {
    let mut tests = Vec::new();
    let mut read = BTreeSet::from([doc.path.clone()]);
    let own = (root.get("test_defaults"), root.get("tests").map(Node::items).unwrap_or_default());
    // A base's tests run on the child, with the base's own defaults: what the child says of all is about its own.
    let bases = inherited.iter().map(|base| (base.defaults.as_ref(), base.tests.as_slice()));
    for (defaults, listed) in bases.chain([own]) {
        let defaults: Vec<(&Doc, &Node)> = defaults.map(|node| (doc, node)).into_iter().collect();
        for (at, node) in listed.iter().enumerate() {
            match node.get("files") {
                Some(files) => {
                    if let Some(other) = node.entries().iter().find(|entry| entry.key.text() != Some("files")) {
                        let message =
                            "`files` stands alone: what holds for all tests of a file goes under its `test_defaults`";
                        cx.report(doc.find(BAD_TEST, other.key.span, message));
                    }
                    for file in list(files) {
                        tests.extend(included(cx, doc, file, &defaults, names, &mut read));
                    }
                }
                None => tests.extend(test(cx, doc, node, &defaults, names, at)),
            }
        }
    }
    told_apart(cx, &tests);
    tests
}

/// The tests of a file that no spec includes: what their names mean only such a spec could tell.
pub(super) fn alone(cx: &mut Cx<'_>, file: &Doc, root: &Node) -> Vec<TestDef> {
    let names = Names {
        tools: Vec::new(),
        blocked: Vec::new(),
        models: Vec::new(),
        guardrails: Vec::new(),
        variants: Vec::new(),
        documents: Vec::new(),
        open: true,
    };
    let tests = of_file(cx, file, root, &[], &names);
    told_apart(cx, &tests);
    tests
}

/// Results are kept by the name of a test.
fn told_apart(cx: &mut Cx<'_>, tests: &[TestDef]) {
    let mut seen: HashMap<String, (RelPath, Span)> = HashMap::new();
    for test in tests {
        if let Some((file, span)) = seen.get(&test.name) {
            let message =
                format!("a test `{}` stands here twice: their results cannot be told apart", shown(&test.name));
            let found = crate::Diagnostic::new(DUPLICATE_TEST, &test.file, test.span, message);
            cx.report(found.related(file, *span, "the first one"));
        } else {
            seen.insert(test.name.clone(), (test.file.clone(), test.span));
        }
    }
}

/// `files:` of a list of tests: every file that matches, each once.
fn included(
    cx: &mut Cx<'_>,
    doc: &Doc,
    node: &Node,
    defaults: &[(&Doc, &Node)],
    names: &Names,
    read: &mut BTreeSet<RelPath>,
) -> Vec<TestDef> {
    let Some(pattern) = node.as_str().and_then(|text| cx.path(doc, node, text)) else { return Vec::new() };
    let found = glob(cx.source, &pattern);
    if found.is_empty() {
        let finding = doc.find(MISSING_FILE, node.span, format!("no file matches `{}`", shown(pattern.as_str())));
        cx.report(finding.severity(crate::Severity::Warning));
    }
    let mut tests = Vec::new();
    for path in found {
        if !read.insert(path.clone()) {
            continue;
        }
        if !is_glob(pattern.as_str()) && cx.behaviour_file(doc, node, node.as_str().unwrap_or(""), true).is_none() {
            continue;
        }
        let Some(file) = read_doc(cx, &path) else { continue };
        let Some(root) = read_tree(cx, &file) else { continue };
        tests.extend(of_file(cx, &file, &root, defaults, names));
    }
    tests
}

/// What a file of tests says. It is a map; a bare list of tests says the same.
fn of_file(cx: &mut Cx<'_>, file: &Doc, root: &Node, defaults: &[(&Doc, &Node)], names: &Names) -> Vec<TestDef> {
    secrets::scan(cx, file, root);
    let tests_of_file = match &root.kind {
        Kind::Seq(items) => {
            let key = Node::new(Kind::Str("tests".into()), Span::at(root.span.start as usize), Style::Plain);
            let wrapped = Kind::Map(vec![Entry { key, value: Node::clone(root) }]);
            check(cx, file, &Node::new(wrapped, root.span, root.style), &TEST_FILE);
            items.as_slice()
        }
        _ => {
            check(cx, file, root, &TEST_FILE);
            root.get("tests").map(Node::items).unwrap_or_default()
        }
    };
    let mut layers: Vec<(&Doc, &Node)> = root.get("test_defaults").map(|node| (file, node)).into_iter().collect();
    layers.extend(defaults);
    let mut tests = Vec::new();
    for (at, node) in tests_of_file.iter().enumerate() {
        if let Some(entry) = node.entry("files") {
            let message = "a file of tests includes no others: name them in the spec";
            cx.report(file.find(BAD_TEST, entry.key.span, message));
            continue;
        }
        tests.extend(test(cx, file, node, &layers, names, at));
    }
    tests
}

fn test(
    cx: &mut Cx<'_>,
    doc: &Doc,
    node: &Node,
    defaults: &[(&Doc, &Node)],
    names: &Names,
    at: usize,
) -> Option<TestDef> {
    if !matches!(node.kind, Kind::Map(_)) {
        return None;
    }
    let name = node.get("name").filter(|name| !name.is_null() && name.text() != Some(""));
    if name.is_none() {
        let found =
            doc.find(MISSING_KEY, head(node, &doc.text), "`name` is missing in a test: its results are kept under it");
        cx.missing(doc, node, &["name"], found);
    }
    let mut layers = Layers { layers: vec![(doc, node)] };
    layers.layers.extend(defaults);
    // What tests say of all comes first, the test's own last.
    let mut expect = Vec::new();
    for (doc, node) in layers.layers.iter().rev() {
        expect.extend(expect::expectations(cx, doc, node.get("expect"), names));
    }
    let input = input(cx, doc, node, names);
    let turns_expect = matches!(&input, TestInput::Turns(turns) if turns.iter().any(|turn| !turn.expect.is_empty()));
    let skip = layers.value("skip").and_then(skipped);
    if expect.is_empty() && !turns_expect && skip.is_none() && !has_broken_expectation(node) {
        let span = name.map_or_else(|| head(node, &doc.text), |name| name.span);
        let message = "this test expects nothing, so it passes whatever happens: add `expect`";
        cx.missing(doc, node, &["expect"], doc.find(NO_EXPECTATION, span, message));
    }
    refer(cx, &layers, names);
    dimensions(cx, doc, node);
    confirmed(cx, doc, node, names);
    Some(TestDef {
        name: name.and_then(Node::text).map_or_else(|| format!("test {}", at + 1), str::to_owned),
        file: doc.file_of(node.span).clone(),
        span: doc.local(name.map_or_else(|| head(node, &doc.text), |name| name.span)),
        not_yet: not_yet(&layers, &expect, &input),
        input,
        repeat: layers.value("repeat").and_then(positive).unwrap_or(1),
        matrix: layers
            .entries("matrix")
            .into_iter()
            .map(|(_, entry)| (entry.key.key_text().into_owned(), texts(&entry.value)))
            .collect(),
        min_pass_rate: layers.value("min_pass_rate").map(pass_rate),
        expect,
        user: User {
            id: layers.inside("user", "id").and_then(Node::text).map(str::to_owned),
            roles: layers.inside("user", "roles").map(texts).unwrap_or_default(),
        },
        history: layers.value("history").map(history).unwrap_or_default(),
        mocks: mocks(cx, &layers),
        vars: layers
            .entries("vars")
            .into_iter()
            .map(|(_, entry)| (entry.key.key_text().into_owned(), entry.value.to_json()))
            .collect(),
        now: layers.value("now").and_then(Node::as_str).and_then(|text| text.parse::<Timestamp>().ok()),
        model: layers.value("model").and_then(Node::text).map(str::to_owned),
        real: layers.value("real").map(texts).unwrap_or_default(),
        tags: layers.value("tags").map(texts).unwrap_or_default(),
        skip,
        timeout: layers.value("timeout").and_then(duration),
        digest: crate::digest::test(&layers.layers.iter().map(|(_, node)| *node).collect::<Vec<_>>()),
        max_cost: layers.inside("budget", "cost").and_then(money),
    })
}

/// An expectation that was reported already is no reason to say that there is none.
fn has_broken_expectation(node: &Node) -> bool {
    node.get("expect").is_some_and(|expect| !list(expect).is_empty())
        || node.get("turns").map(Node::items).unwrap_or_default().iter().any(|turn| turn.get("expect").is_some())
}

/// `skip: reason`; `skip: true` without one counts, `skip: false` does not.
fn skipped(node: &Node) -> Option<String> {
    match node.as_bool() {
        Some(true) => Some("no reason given".to_owned()),
        Some(false) => None,
        None => node.text().map(str::to_owned),
    }
}

/// What the test is run with: one of `input`, `cases` and `turns`.
fn input(cx: &mut Cx<'_>, doc: &Doc, node: &Node, names: &Names) -> TestInput {
    let given: Vec<&Entry> = ["input", "cases", "turns"].iter().filter_map(|key| node.entry(key)).collect();
    if let [first, second, ..] = given.as_slice() {
        let message = "a test has one of `input`, `cases` and `turns`: remove this one, or make two tests";
        cx.report(doc.find(BAD_TEST, second.key.span, message).related(
            &doc.path,
            first.key.span,
            "it has this already",
        ));
    }
    let confirm = node.get("confirm").map(confirmations).unwrap_or_default();
    let Some(entry) = given.first() else {
        let message = "a test needs an `input`, `cases` or `turns`: nothing would be asked";
        let found = doc.find(BAD_TEST, head(node, &doc.text), message);
        cx.missing(doc, node, &["input", "cases", "turns"], found);
        return TestInput::Cases(Vec::new());
    };
    let value = &entry.value;
    match entry.key.text() {
        Some("turns") => {
            if matches!(&value.kind, Kind::Seq(items) if items.is_empty()) {
                cx.report(doc.find(BAD_TEST, value.span, "there is no turn: nothing would be asked"));
            }
            TestInput::Turns(value.items().iter().filter_map(|turn| self::turn(cx, doc, turn, names)).collect())
        }
        Some("cases") => {
            if let Some(entry) = node.entry("confirm") {
                cx.report(doc.find(
                    BAD_TEST,
                    entry.key.span,
                    "`confirm` answers in a conversation: use `turns`, or a single `input`",
                ));
            }
            TestInput::Cases(cases(cx, doc, value))
        }
        // A single input whose confirmation is answered is a conversation of one turn.
        _ if !confirm.is_empty() => TestInput::Turns(vec![Turn {
            input: value.text().unwrap_or("").to_owned(),
            vars: Map::new(),
            confirm,
            expect: Vec::new(),
            span: doc.local(value.span),
        }]),
        _ => TestInput::Cases(vec![CaseSource::Inline {
            input: value.text().unwrap_or("").to_owned(),
            vars: Map::new(),
            span: doc.local(value.span),
        }]),
    }
}

fn cases(cx: &mut Cx<'_>, doc: &Doc, node: &Node) -> Vec<CaseSource> {
    if let Some(text) = node.as_str() {
        if ![".csv", ".jsonl"].iter().any(|ending| text.ends_with(ending)) {
            let message = format!("`{}` is no file of cases: name a .csv or .jsonl file, or write a list", shown(text));
            cx.report(doc.find(BAD_TEST, node.span, message));
            return Vec::new();
        }
        return cx.behaviour_file(doc, node, text, false).map(CaseSource::File).into_iter().collect();
    }
    let mut cases = Vec::new();
    for item in node.items() {
        if let Some(text) = item.text() {
            cases.push(CaseSource::Inline { input: text.to_owned(), vars: Map::new(), span: doc.local(item.span) });
        } else if matches!(item.kind, Kind::Map(_)) {
            let mut vars = json_map(item.get("vars"));
            // Other keys are variables too, like the columns of a file.
            for entry in item.entries().iter().filter(|entry| !matches!(entry.key.text(), Some("input" | "vars"))) {
                vars.insert(entry.key.key_text().into_owned(), entry.value.to_json());
            }
            let input = text(item, "input").unwrap_or_else(|| "${INPUT}".to_owned());
            if item.get("input").is_none_or(Node::is_null) {
                let slip = item.entries().iter().find(|entry| nearest(&entry.key.key_text(), ["input"]).is_some());
                match slip {
                    Some(entry) => {
                        let key = entry.key.key_text();
                        let message = format!(
                            "`{}` is a variable, and the case has no `input`{}",
                            shown(&key),
                            did_you_mean(Some("input"))
                        );
                        let found = doc.find(UNKNOWN_KEY, entry.key.span, message);
                        cx.report(found.fix(Some(doc.replacing(&entry.key, "input"))));
                    }
                    None => {
                        let message = "a case needs an `input`: nothing would be asked";
                        cx.report(doc.find(BAD_TEST, head(item, &doc.text), message));
                    }
                }
            }
            cases.push(CaseSource::Inline { input, vars, span: doc.local(head(item, &doc.text)) });
        }
    }
    if cases.is_empty() && matches!(node.kind, Kind::Seq(_)) {
        cx.report(doc.find(BAD_TEST, node.span, "there is no case: nothing would be asked"));
    }
    cases
}

fn turn(cx: &mut Cx<'_>, doc: &Doc, node: &Node, names: &Names) -> Option<Turn> {
    matches!(node.kind, Kind::Map(_)).then(|| Turn {
        input: text(node, "input").unwrap_or_default(),
        vars: json_map(node.get("vars")),
        confirm: node.get("confirm").map(confirmations).unwrap_or_default(),
        expect: expect::expectations(cx, doc, node.get("expect"), names),
        span: doc.local(head(node, &doc.text)),
    })
}

fn confirmations(node: &Node) -> IndexMap<String, Confirmation> {
    let answer = |entry: &Entry| {
        let answer = match entry.value.as_str()? {
            "approve" => Confirmation::Approve,
            "deny" => Confirmation::Deny,
            _ => return None,
        };
        Some((entry.key.key_text().into_owned(), answer))
    };
    node.entries().iter().filter_map(answer).collect()
}

fn pass_rate(node: &Node) -> MinPassRate {
    let rate = |key: &str| node.get(key).and_then(share);
    match share(node) {
        Some(cases) => MinPassRate { cases, repeats: 1.0 },
        None => MinPassRate { cases: rate("cases").unwrap_or(1.0), repeats: rate("repeats").unwrap_or(1.0) },
    }
}

fn history(node: &Node) -> Vec<HistoryTurn> {
    let said = |entry: &Entry| {
        let by_assistant = entry.key.text() == Some("assistant");
        entry.value.text().map(|text| HistoryTurn { by_assistant, text: text.to_owned() })
    };
    node.items().iter().flat_map(Node::entries).filter_map(said).collect()
}

fn mocks(cx: &mut Cx<'_>, layers: &Layers<'_>) -> IndexMap<String, Vec<Mock>> {
    let mut mocks = IndexMap::new();
    for (doc, entry) in layers.entries("tools") {
        let rules = list(&entry.value).into_iter().filter_map(|node| mock(cx, doc, node)).collect();
        mocks.insert(entry.key.key_text().into_owned(), rules);
    }
    mocks
}

fn mock(cx: &mut Cx<'_>, doc: &Doc, node: &Node) -> Option<Mock> {
    if !matches!(node.kind, Kind::Map(_)) {
        return None;
    }
    if let Some(script) = node.get("script") {
        return cx.behaviour_file(doc, script, script.as_str()?, false).map(Mock::Script);
    }
    let answers: Vec<&Entry> = ["return", "error", "timeout"].iter().filter_map(|key| node.entry(key)).collect();
    match answers.as_slice() {
        [_] => {}
        [] => {
            let message = "a mock answers with `return`, `error` or `timeout`: one is missing";
            let found = doc.find(MISSING_KEY, head(node, &doc.text), message);
            cx.missing(doc, node, &["return", "error", "timeout", "script"], found);
        }
        [_, second, ..] => cx.report(doc.find(BAD_TEST, second.key.span, "a mock has one answer: remove this one")),
    }
    Some(Mock::Rule {
        matches: node.get("match").map_or(Value::Null, Node::to_json),
        returns: node.get("return").map(Node::to_json),
        error: text(node, "error"),
        times_out: node.get("timeout").and_then(Node::as_bool).unwrap_or(false),
    })
}

/// Names of tools, models and prompts that a test uses.
fn refer(cx: &mut Cx<'_>, layers: &Layers<'_>, names: &Names) {
    if names.open {
        return;
    }
    for (doc, entry) in layers.entries("tools") {
        known(cx, doc, &entry.key, &names.tools, "tool", UNKNOWN_TOOL);
    }
    for node in layers.value("real").map(list).unwrap_or_default() {
        if let Some((doc, _)) = layers.get("real") {
            known(cx, doc, node, &names.tools, "tool", UNKNOWN_TOOL);
        }
    }
    if let Some((doc, node)) = layers.get("model") {
        known(cx, doc, node, &names.models, "model", UNKNOWN_NAME);
    }
    let mut variants = names.variants.clone();
    variants.push("default".to_owned());
    for (doc, entry) in layers.entries("matrix") {
        let among = match entry.key.text() {
            Some("models") => (&names.models, "model"),
            Some("prompts") => (&variants, "prompt variant"),
            _ => continue,
        };
        for node in list(&entry.value) {
            known(cx, doc, node, among.0, among.1, UNKNOWN_NAME);
        }
    }
}

/// Dimensions of a test's matrix: each has values, and one that is nearly `models` or `prompts` is a variable or a slip.
fn dimensions(cx: &mut Cx<'_>, doc: &Doc, test: &Node) {
    for entry in test.get("matrix").map(Node::entries).unwrap_or_default() {
        if matches!(&entry.value.kind, Kind::Seq(items) if items.is_empty()) {
            let message = "a dimension without values leaves no case to run: write some, or remove it";
            cx.report(doc.find(BAD_TEST, entry.value.span, message));
        }
        let name = entry.key.key_text();
        let Some(meant) = nearest(&name, ["models", "prompts"]) else { continue };
        if !test.span.of(&doc.text).contains(&format!("${{{name}}}")) {
            let message = format!("nothing uses the dimension `{}`{}", shown(&name), did_you_mean(Some(meant)));
            let found = doc.find(UNKNOWN_KEY, entry.key.span, message);
            cx.report(found.fix(Some(doc.replacing(&entry.key, meant))));
        }
    }
}

/// What confirmations are answered for: tools and guardrails of the spec.
fn confirmed(cx: &mut Cx<'_>, doc: &Doc, node: &Node, names: &Names) {
    if names.open {
        return;
    }
    let all: Vec<String> = names.tools.iter().chain(&names.guardrails).cloned().collect();
    let turns = node.get("turns").map(Node::items).unwrap_or_default();
    for confirm in turns.iter().chain([node]).filter_map(|turn| turn.get("confirm")) {
        for entry in confirm.entries() {
            known(cx, doc, &entry.key, &all, "tool or guardrail", UNKNOWN_NAME);
        }
    }
}

/// Reports a name that the spec does not have. Names with variables are known when they are filled in.
pub(super) fn known(cx: &mut Cx<'_>, doc: &Doc, node: &Node, all: &[String], what: &str, code: crate::Code) {
    let Some(name) = node.text().filter(|name| !name.contains("${")) else { return };
    if !all.iter().any(|known| known == name) {
        let meant = cx.guess(name, all.iter().map(String::as_str));
        let message = format!("the spec has no {what} `{}`{}", shown(name), did_you_mean(meant));
        cx.report(doc.find(code, node.span, message).fix(meant.map(|meant| doc.replacing(node, meant))));
    }
}

/// What of the test this version does not honour: running it is an error that names these.
fn not_yet(layers: &Layers<'_>, expect: &[crate::typed::Expect], input: &TestInput) -> Vec<String> {
    let mut found: BTreeSet<String> =
        ["workspace", "cassette"].into_iter().filter(|key| layers.value(key).is_some()).map(str::to_owned).collect();
    for key in ["steps", "tokens", "time"] {
        if layers.inside("budget", key).is_some() {
            found.insert(format!("budget.{key}"));
        }
    }
    let turns = match input {
        TestInput::Turns(turns) => turns.as_slice(),
        TestInput::Cases(_) => &[],
    };
    for expect in expect.iter().chain(turns.iter().flat_map(|turn| &turn.expect)) {
        expect::not_yet(&expect.kind, &expect.value, &mut found);
    }
    found.into_iter().collect()
}
