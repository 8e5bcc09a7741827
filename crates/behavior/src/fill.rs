//! `${NAME}` in inputs and expectations, filled in for one case: the turn's variables, the row's, the test's.

use crate::expect::Expectation;
use crate::plan::PlanError;
use aic_spec::{Expect, Spec, Template};
use serde_json::{Map, Value};
use std::sync::Arc;

/// An input with the variables that the test knows. Other names stay as they are: what a user types may look like one.
pub(crate) fn input(text: &str, vars: &Map<String, Value>) -> String {
    if !text.contains("${") {
        return text.to_owned();
    }
    let value = |name: &str| Some(vars.get(name).map_or_else(|| format!("${{{name}}}"), shown));
    Template::parse(text).render(value).unwrap_or_else(|_| text.to_owned())
}

/// Expectations with every variable filled in, compiled.
pub(crate) fn expectations(
    all: &[Expect],
    vars: &Map<String, Value>,
    spec: &Spec,
) -> Result<Arc<[Expectation]>, PlanError> {
    let one = |expect: &Expect| {
        let value = Template::render_json(&expect.value, &mut |name| vars.get(name).cloned()).map_err(|missing| {
            let message = format!(
                "`{}` names `${{{}}}`, which this case does not have: add it to `vars`, or write $${{{}}}",
                expect.kind, missing.name, missing.name
            );
            PlanError { message, file: expect.file.clone(), span: expect.span }
        })?;
        Expectation::compile(&Expect { value, ..expect.clone() }, spec).map_err(PlanError::from)
    };
    all.iter().map(one).collect()
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_input_is_filled_with_what_the_test_knows_and_nothing_else() {
        let vars = json!({"name": "Ada", "n": 3}).as_object().unwrap().clone();
        assert_eq!(input("Hi ${name}, ${n} of ${other} and ${7*7}", &vars), "Hi Ada, 3 of ${other} and ${7*7}");
        assert_eq!(input("$${name}", &vars), "${name}");
    }
}
