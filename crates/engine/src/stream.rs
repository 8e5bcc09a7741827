//! Showing an answer as it comes, held back just so far that nothing a guardrail would stop or redact is ever shown.
//!
//! What is shown early is what the guardrails on the final output let through: the same ones judge what has come so far,
//! and only what nothing that follows can change is shown. The verdict itself is still given on the whole. A guardrail
//! that needs the whole text turns streaming off, and the run says which.

use aic_base::{Action, Decision, Stage};
use aic_guard::{Detector, Guard, GuardKind, Prepared, Scope, Window, redact, stream};

/// An answer that outgrows this is shown when it is whole: judging it again and again would take too long.
const LONGEST: usize = 256 * 1024;
/// How many bytes come at least between two looks.
const STEP: usize = 48;

/// Whether the answers of a spec can be shown as they come.
#[derive(Debug)]
pub(crate) enum Plan<'g> {
    /// They can, judged by these.
    On(Vec<(&'g Guard, Stage)>),
    /// They cannot; this is why.
    Off(String),
}

impl<'g> Plan<'g> {
    /// What these guardrails and the form of the output allow.
    pub fn of(guards: &'g [Guard], has_form: bool) -> Self {
        if has_form {
            return Self::Off("the form of the output is judged on the whole of it".into());
        }
        let mut judges: Vec<(&Guard, Stage)> = Vec::new();
        for guard in guards {
            let post = guard.applies(Stage::PostExecution, None);
            if !post && !guard.applies(Stage::Chunk, None) {
                continue;
            }
            match (guard.window(), &guard.kind) {
                (Window::Whole, _) => return Self::Off(format!("`{}` judges the whole of it", guard.name)),
                (Window::Bounded(_), GuardKind::Detector(Detector::Data(_))) => {
                    judges.push((guard, if post { Stage::PostExecution } else { Stage::Chunk }));
                }
                (Window::Bounded(_), _) => {}
            }
        }
        // One redacts what another has redacted: then the parts are not what they were alone.
        let first = judges.first().map(|(_, stage)| *stage);
        if judges.iter().any(|(_, stage)| Some(*stage) != first) {
            return Self::Off("some guardrails judge the stream and others the end of it".into());
        }
        Self::On(judges)
    }
}

/// One answer of a model, as far as it has come.
#[derive(Debug)]
pub(crate) struct HoldBack<'g> {
    judges: Vec<(&'g Guard, Stage)>,
    text: String,
    looked_at: usize,
    shown: String,
    /// A guardrail stopped it, or what was shown turned out to be no beginning of what is to be shown.
    stopped: bool,
}

impl<'g> HoldBack<'g> {
    /// Nothing has come yet.
    pub fn new(judges: Vec<(&'g Guard, Stage)>) -> Self {
        Self { judges, text: String::new(), looked_at: 0, shown: String::new(), stopped: false }
    }

    /// What was shown.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Takes more of the answer; gives what may be shown now.
    pub fn push(&mut self, more: &str) -> Option<String> {
        self.text.push_str(more);
        let grown = self.text.len() - self.looked_at;
        if self.stopped || self.text.len() > LONGEST || grown < STEP.max(self.text.len() / 16) {
            return None;
        }
        self.look(stream::settled(&self.text))
    }

    /// The answer is whole, and more of the run follows: gives the rest that may be shown.
    pub fn finish(&mut self) -> Option<String> {
        if self.stopped { None } else { self.look(self.text.len()) }
    }

    /// The answer is whole and judged: gives what is missing of what the user receives.
    pub fn rest_of(&mut self, output: &str) -> Option<String> {
        let rest = output.strip_prefix(self.shown.as_str())?.to_owned();
        self.shown.push_str(&rest);
        (!rest.is_empty()).then_some(rest)
    }

    fn look(&mut self, settled: usize) -> Option<String> {
        self.looked_at = self.text.len();
        let text = Prepared::new(&self.text);
        let decisions: Vec<Decision> =
            self.judges.iter().flat_map(|(guard, stage)| guard.judge_prepared(&text, &Scope::at(*stage))).collect();
        let mut end = settled;
        for decision in &decisions {
            let span = decision.span.map_or(0..self.text.len(), |span| span.range());
            if decision.action >= Action::RequireConfirmation {
                // Nothing behind it is for anybody's eyes.
                self.stopped = true;
                end = end.min(span.start);
            } else if decision.action == Action::Redact && span.start < end && end < span.end {
                end = span.start;
            }
        }
        // A finding that begins before another one's end goes with it.
        while let Some(span) = decisions
            .iter()
            .filter_map(|decision| decision.span.map(|span| span.range()))
            .find(|span| span.start < end && end < span.end)
        {
            end = span.start;
        }
        let early: Vec<Decision> = decisions
            .into_iter()
            .filter(|decision| decision.span.is_none_or(|span| span.range().start < end))
            .collect();
        let ready = redact(self.text.get(..end).unwrap_or_default(), &early);
        match ready.strip_prefix(self.shown.as_str()) {
            Some(fresh) if !fresh.is_empty() => {
                let fresh = fresh.to_owned();
                self.shown = ready;
                Some(fresh)
            }
            Some(_) => None,
            // It has grown backwards: only a text that is shorter than what was shown may do that.
            None => {
                self.stopped |= !self.shown.starts_with(&ready);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aic_guard::{Group, GuardrailDef};
    use proptest::prelude::*;

    fn guard(name: &str, action: Option<Action>) -> Guard {
        let mut def = GuardrailDef::named(name, Group::PostExecution);
        def.action = action;
        Guard::compile(&def).unwrap()
    }

    fn judges(guards: &[Guard]) -> Vec<(&Guard, Stage)> {
        match Plan::of(guards, false) {
            Plan::On(judges) => judges,
            Plan::Off(why) => panic!("{why}"),
        }
    }

    #[test]
    fn a_guardrail_on_the_whole_turns_streaming_off_and_says_so() {
        let mut def = GuardrailDef::named("mine", Group::PostExecution);
        def.condition = Some("words(output) < 5".into());
        let guards = [Guard::compile(&def).unwrap()];
        assert!(matches!(Plan::of(&guards, false), Plan::Off(why) if why == "`mine` judges the whole of it"));
        assert!(matches!(Plan::of(&[], true), Plan::Off(why) if why.contains("the form of the output")));
        assert!(matches!(Plan::of(&[guard("audit_log", None)], false), Plan::On(judges) if judges.is_empty()));
    }

    #[test]
    fn a_stopped_text_is_shown_to_what_stopped_it_and_no_further() {
        let guards = [guard("pii_protection", Some(Action::Block))];
        let mut hold = HoldBack::new(judges(&guards));
        let text = format!("{} write to jane.roe@example.com {}", "a ".repeat(600), "b ".repeat(2000));
        let shown: String = text.split_inclusive(' ').filter_map(|word| hold.push(word)).collect();
        assert!(text.starts_with(&shown) && !shown.contains("jane"), "{shown}");
        assert_eq!(hold.finish(), None);
    }

    #[test]
    fn an_ordinary_answer_flows() {
        let guards = [guard("pii_protection", None), guard("secrets", None)];
        let mut hold = HoldBack::new(judges(&guards));
        let text = "one two three ".repeat(300);
        let parts: Vec<String> = text.split_inclusive(' ').filter_map(|word| hold.push(word)).collect();
        assert!(parts.len() > 10, "{}", parts.len());
        let rest = hold.rest_of(&text).unwrap_or_default();
        assert_eq!(parts.concat() + &rest, text);
    }

    /// Findings, near misses, and what hides them.
    fn text() -> impl Strategy<Value = String> {
        let fixed = prop::sample::select(vec![
            "4242 4242 4242 4242",
            "jane.roe@example.com",
            "password: hunter2Xy!9",
            "curl -u admin:s3cr3tPass99 https://x.example",
            "-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq9ZxTfLm3nQpRs8uVw\n-----END PRIVATE KEY-----",
            "NDI0MiA0MjQyIDQyNDIgNDI0MiBqYW5lLnJvZUBleGFtcGxlLmNvbQ==",
            "j\u{200b}ane@ex\u{200b}ample.com",
            "+1 (415) 555-0132",
        ]);
        let piece = prop_oneof![3 => "[a-z]{1,8}( [a-z]{1,8}){0,60}".prop_map(String::from), 2 => fixed.prop_map(str::to_owned)];
        prop::collection::vec(piece, 1..16).prop_map(|all| all.join(" "))
    }

    proptest! {
        #[test]
        fn streamed_equals_unstreamed_whatever_the_chunking(text in text(), sizes in prop::collection::vec(1usize..200, 1..40)) {
            for action in [None, Some(Action::Block)] {
                let guards = [guard("pii_protection", action), guard("secrets", action)];
                let mut hold = HoldBack::new(judges(&guards));
                let whole: Vec<Decision> = guards.iter().flat_map(|guard| guard.judge(&text, &Scope::at(Stage::PostExecution))).collect();
                let output = redact(&text, &whole);
                let (mut shown, mut rest, mut sizes) = (String::new(), text.as_str(), sizes.iter().cycle());
                while !rest.is_empty() {
                    let cut = rest.ceil_char_boundary(*sizes.next().unwrap());
                    shown.extend(hold.push(&rest[..cut]));
                    rest = &rest[cut..];
                }
                if action.is_some() && !whole.is_empty() {
                    // Whatever is stopped was not shown.
                    let first = whole.iter().filter_map(|decision| decision.span).map(|span| span.range().start).min().unwrap();
                    prop_assert!(text[..first].starts_with(&shown), "{:?} of {:?}", shown, text);
                } else {
                    shown.extend(hold.rest_of(&output));
                    prop_assert_eq!(&shown, &output);
                }
            }
        }
    }
}
