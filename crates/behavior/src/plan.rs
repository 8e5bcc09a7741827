//! From tests to cases: matrices spread, files read, digests taken.

use crate::cases;
use crate::expect::Expectation;
use crate::fill;
use aic_base::{Digest, DigestBuilder, RelPath, Span};
use aic_engine::Mocks;
use aic_spec::{CaseSource, Spec, TestDef, TestInput, Turn};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The most cases of one test, its matrix spread.
const MAX_CASES: usize = 100_000;

/// A test that cannot be planned.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct PlanError {
    /// What is wrong and what to do.
    pub message: String,
    /// The file.
    pub file: RelPath,
    /// Where.
    pub span: Span,
}

/// One case, ready to run.
#[derive(Debug, Clone)]
pub struct Case {
    /// The test it belongs to, by its place in the plan.
    pub test: usize,
    /// The test's name and, where it has several cases, which one.
    pub id: String,
    /// The turns; a case of one input has one.
    pub(crate) turns: Vec<PlannedTurn>,
    /// Variables of the case over those of the test.
    pub(crate) vars: Map<String, Value>,
    /// What must hold of the whole, the case's variables filled in.
    pub(crate) expect: Arc<[Expectation]>,
    /// The named model, by matrix or pin.
    pub(crate) model: Option<String>,
    /// The variant of the prompts, by matrix.
    pub(crate) variant: Option<String>,
    /// Of everything that could change the result.
    pub digest: Digest,
}

/// One turn, its expectations compiled.
#[derive(Debug, Clone)]
pub(crate) struct PlannedTurn {
    pub input: String,
    pub turn: Option<Turn>,
    pub expect: Arc<[Expectation]>,
}

/// A test, or why it cannot be planned.
#[derive(Debug, Clone)]
pub struct PlannedTest {
    /// The test.
    pub def: TestDef,
    pub(crate) mocks: Arc<Mocks>,
    /// Why none of its cases can run.
    pub(crate) broken: Option<PlanError>,
}

/// The cases of a spec's tests.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The tests, in the spec's order.
    pub tests: Vec<PlannedTest>,
    /// Their cases, in order.
    pub cases: Vec<Case>,
}

impl Plan {
    /// Plans all tests of a spec. `world` is the digest of everything outside the tests that could change a result: the
    /// rest of the spec, the files it names, the data.
    pub fn of(spec: &Spec, world: Digest) -> Self {
        let mut plan = Self { tests: Vec::new(), cases: Vec::new() };
        for def in &spec.tests {
            let at = plan.tests.len();
            let (planned, cases) = match plan_test(spec, def, at, world) {
                Ok(planned) => planned,
                Err(error) => (broken_test(def, error), vec![broken_case(def, at, world)]),
            };
            plan.tests.push(planned);
            plan.cases.extend(cases);
        }
        plan
    }

    /// The tests, by their place, whose cases are judged together: none of these has a result without the others.
    pub fn judged_together(&self) -> BTreeSet<usize> {
        let together = |case: &&Case| !crate::keep::is_judged_alone(&self.tests[case.test], case);
        self.cases.iter().filter(together).map(|case| case.test).collect()
    }

    /// Only the cases for which `wanted` says yes.
    #[must_use]
    pub fn only(mut self, wanted: impl Fn(&PlannedTest, &Case) -> bool) -> Self {
        let tests = &self.tests;
        self.cases.retain(|case| wanted(&tests[case.test], case));
        self
    }
}

fn broken_test(def: &TestDef, error: PlanError) -> PlannedTest {
    PlannedTest { def: def.clone(), mocks: Arc::default(), broken: Some(error) }
}

fn broken_case(def: &TestDef, test: usize, world: Digest) -> Case {
    let digest = DigestBuilder::new("broken case").part("world", world.as_bytes()).part("name", &def.name).finish();
    Case {
        test,
        id: def.name.clone(),
        turns: Vec::new(),
        vars: Map::new(),
        expect: Arc::default(),
        model: None,
        variant: None,
        digest,
    }
}

fn plan_test(spec: &Spec, def: &TestDef, test: usize, world: Digest) -> Result<(PlannedTest, Vec<Case>), PlanError> {
    let wrong = |message: String| PlanError { message, file: def.file.clone(), span: def.span };
    if let Some(key) = def.not_yet.first() {
        return Err(wrong(format!("`{key}` is not honoured by this version, so the test cannot be judged")));
    }
    let mocks = Arc::new(Mocks::compile(&def.mocks).map_err(wrong)?);
    let inputs = inputs(spec, def, &wrong)?;
    let combinations = combinations(def, inputs.len()).map_err(wrong)?;
    let many = inputs.len() * combinations.len() > 1 && !(inputs.len() == 1 && combinations.len() == 1);

    let mut cases = Vec::new();
    for (i, input) in inputs.iter().enumerate() {
        for combination in &combinations {
            let mut id = def.name.clone();
            if many && inputs.len() > 1 {
                id.push_str(&format!("[{}]", i + 1));
            }
            if !combination.is_empty() {
                let parts: Vec<String> = combination.iter().map(|(key, value)| format!("{key}={value}")).collect();
                id.push_str(&format!("{{{}}}", parts.join(",")));
            }
            let mut vars = def.vars.clone();
            vars.extend(input.vars.clone());
            let (mut model, mut variant) = (def.model.clone(), None);
            for (key, value) in combination {
                match key.as_str() {
                    "models" => model = Some(value.clone()),
                    "prompts" => variant = Some(value.clone()),
                    name => drop(vars.insert(name.to_owned(), value.as_str().into())),
                }
            }
            let digest = DigestBuilder::new("case")
                .part("world", world.as_bytes())
                .part("test", def.digest.as_bytes())
                .part("id", &id)
                .part("vars", Value::Object(vars.clone()).to_string())
                .part("input", input.turns.iter().map(|turn| turn.input.as_str()).collect::<Vec<_>>().join("\0"))
                .finish();
            let mut turns = input.turns.clone();
            for planned in &mut turns {
                let mut known = vars.clone();
                let turn = planned.turn.as_ref();
                known.extend(turn.map(|turn| turn.vars.clone()).unwrap_or_default());
                planned.input = fill::input(&planned.input, &known);
                planned.expect = fill::expectations(turn.map_or(&[], |turn| &turn.expect), &known, spec)?;
            }
            let expect = fill::expectations(&def.expect, &vars, spec)?;
            cases.push(Case { test, id, turns, vars, expect, model, variant, digest });
        }
    }
    if cases.is_empty() {
        return Err(wrong("the test has no cases: give it `input`, `cases` or `turns`".into()));
    }
    Ok((PlannedTest { def: def.clone(), mocks, broken: None }, cases))
}

struct Input {
    turns: Vec<PlannedTurn>,
    vars: Map<String, Value>,
}

fn inputs(spec: &Spec, def: &TestDef, wrong: &dyn Fn(String) -> PlanError) -> Result<Vec<Input>, PlanError> {
    let single = |input: String, vars: Map<String, Value>| Input {
        turns: vec![PlannedTurn { input, turn: None, expect: Arc::default() }],
        vars,
    };
    match &def.input {
        TestInput::Turns(turns) => {
            let mut planned = Vec::new();
            for turn in turns {
                planned.push(PlannedTurn {
                    input: turn.input.clone(),
                    turn: Some(turn.clone()),
                    expect: Arc::default(),
                });
            }
            let none = planned.is_empty();
            Ok(if none { Vec::new() } else { vec![Input { turns: planned, vars: Map::new() }] })
        }
        TestInput::Cases(sources) => {
            let mut inputs = Vec::new();
            for source in sources {
                match source {
                    CaseSource::Inline { input, vars, .. } => inputs.push(single(input.clone(), vars.clone())),
                    CaseSource::File(path) => {
                        let bytes = spec.files.get(path).ok_or_else(|| wrong(format!("{path}: no such file")))?;
                        let rows = cases::read(path, bytes).map_err(wrong)?;
                        inputs.extend(rows.into_iter().map(|row| single(row.input, row.vars)));
                    }
                }
            }
            Ok(inputs)
        }
    }
}

/// Every combination of the matrix, in its own order; one empty one without a matrix.
fn combinations(def: &TestDef, inputs: usize) -> Result<Vec<Vec<(String, String)>>, String> {
    let mut all: Vec<Vec<(String, String)>> = vec![Vec::new()];
    for (key, values) in &def.matrix {
        if all.len().saturating_mul(values.len()).saturating_mul(inputs.max(1)) > MAX_CASES {
            return Err(format!("the matrix spreads to more than {MAX_CASES} cases"));
        }
        all = all
            .into_iter()
            .flat_map(|before| {
                values.iter().map(move |value| {
                    let mut with = before.clone();
                    with.push((key.clone(), value.clone()));
                    with
                })
            })
            .collect();
    }
    Ok(all)
}

/// Cases by the test they belong to.
pub(crate) fn by_test(cases: &[Case]) -> BTreeMap<usize, Vec<usize>> {
    let mut all: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (i, case) in cases.iter().enumerate() {
        all.entry(case.test).or_default().push(i);
    }
    all
}
