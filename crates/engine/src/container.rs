//! A spec made ready to run: guards and schemas compiled once, shared by all runs.

use crate::backing::{Access, Backing, Seat, price_of};
use crate::conversation::Conversation;
use crate::options::RunOptions;
use crate::scripts::Scripts;
use crate::tools::{Desk, Lock, Surroundings, ToolList, ToolNetwork, Toolbox};
use aic_base::Span;
use aic_guard::{Guard, GuardKind, Scope};
use aic_model::cassette::{Deck, Mode, Tape};
use aic_model::{Model, ScriptedModel};
use aic_sandbox::runtime::Hold;
use aic_sandbox::{Runtime, ScriptHost};
use aic_spec::{ModelSpec, Provider, Run, Spec};
use std::sync::{Arc, OnceLock};

/// A spec cannot be made ready. The check finds all of these before anything runs; they are said again here because a
/// container may also come from elsewhere than a checked file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContainerError {
    /// A guardrail does not compile.
    #[error("guardrail `{name}`: {message}")]
    Guard {
        /// The guardrail.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// A model's rules do not compile.
    #[error("model `{name}`: {message}")]
    Model {
        /// The model.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// A tool or a blocked pattern does not compile.
    #[error("tool `{name}`: {message}")]
    Tool {
        /// The tool or the pattern.
        name: String,
        /// What is wrong.
        message: String,
    },
}

/// A spec made ready to run.
pub struct Container {
    pub(crate) spec: Arc<Spec>,
    pub(crate) guards: Vec<Guard>,
    /// Whether a condition may look at what was spent.
    pub(crate) asks_cost: bool,
    /// Scripted models by their place in the spec; real ones are made for a conversation, whose variables they may name.
    scripted: Vec<(Span, Arc<dyn Model>)>,
    pub(crate) backing: Backing,
    pub(crate) tools: Toolbox,
    /// The form of the answer, where it has one; compiled by the first.
    form: OnceLock<Option<Result<jsonschema::Validator, String>>>,
    pub(crate) scripts: Scripts,
    /// The way out for tools.
    pub(crate) outside: ToolNetwork,
}

impl std::fmt::Debug for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Container").field("spec", &self.spec.name).finish_non_exhaustive()
    }
}

impl Container {
    /// Makes a spec ready. Its scripts run in the host's sandbox; real models are not called.
    ///
    /// # Errors
    /// [`ContainerError`], which names the part that does not compile.
    pub fn new(spec: Arc<Spec>, host: Arc<ScriptHost>) -> Result<Self, ContainerError> {
        Self::with(spec, host, Backing::default())
    }

    /// The same, with what stands behind its models.
    ///
    /// # Errors
    /// As [`Container::new`].
    pub fn with(spec: Arc<Spec>, host: Arc<ScriptHost>, backing: Backing) -> Result<Self, ContainerError> {
        let guards = spec.guardrails.iter().map(|def| {
            Guard::compile(def).map_err(|problems| ContainerError::Guard {
                name: def.name.clone(),
                message: problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("; "),
            })
        });
        let all = spec.models.named.values().chain(&spec.models.fallback);
        let scripted = all
            .filter(|model| model.provider == Some(Provider::Scripted))
            .map(|model| Ok((model.span, build_scripted(model)?)));
        let scripts = Scripts::new(host, &spec.files, spec.limits.clone());
        check_code(&spec, scripts.modules().runtime())?;
        let guards = guards.collect::<Result<Vec<_>, _>>()?;
        let tools = Toolbox::new(&spec.tools)?;
        let of_guards = guards.iter().filter_map(|guard| match &guard.kind {
            GuardKind::Condition(condition) => Some(condition),
            _ => None,
        });
        let asks_cost = of_guards.chain(tools.conditions()).any(|condition| condition.as_str().contains("cost"));
        Ok(Self {
            outside: ToolNetwork::new(backing.test_hosts.clone()),
            guards,
            asks_cost,
            scripted: scripted.collect::<Result<_, ContainerError>>()?,
            backing,
            tools,
            form: OnceLock::new(),
            scripts,
            spec,
        })
    }

    /// Does ahead, on a thread of its own, what the first run would wait for. Returns at once.
    pub fn warm_up(self: &Arc<Self>) {
        let container = self.clone();
        // Without a thread the first run simply waits.
        let _ = std::thread::Builder::new().name("warm-up".into()).spawn(move || container.warm());
    }

    /// Starts a worker for the scripts and reads the detectors' patterns. Takes some milliseconds the first time.
    pub fn warm(&self) {
        let mut tools = self.spec.tools.allowed.iter();
        let scripted_tool = tools.any(|tool| matches!(tool.run, Some(Run::Script { .. })));
        if scripted_tool || self.guards.iter().any(|guard| matches!(guard.kind, GuardKind::Script { .. })) {
            self.scripts.warm_up();
        }
        // What is recorded is searched for secrets.
        if self.tape().is_some() {
            crate::backing::without_secrets("warm-up 1");
        }
        // Backwards: a run that is under way began at the front, and the two meet in the middle.
        for guard in self.guards.iter().rev().filter(|guard| matches!(guard.kind, GuardKind::Detector(_))) {
            for stage in &guard.stages {
                guard.judge("warm-up 1", &Scope::at(*stage));
            }
        }
    }

    /// What an answer must follow; why not, where that is no JSON Schema.
    pub(crate) fn form(&self) -> Option<&Result<jsonschema::Validator, String>> {
        let schema = || self.spec.output.as_ref().and_then(|output| output.schema.as_ref());
        let compile = |schema| jsonschema::validator_for(schema).map_err(|error| error.to_string());
        self.form.get_or_init(|| schema().map(compile)).as_ref()
    }

    /// The spec.
    pub const fn spec(&self) -> &Arc<Spec> {
        &self.spec
    }

    /// The user's own code, for graders.
    pub const fn scripts(&self) -> &Scripts {
        &self.scripts
    }

    /// The cassette that real models are recorded on or answered from.
    pub const fn tape(&self) -> Option<(&Arc<Tape>, Mode)> {
        match &self.backing.access {
            Access::Tape { tape, mode, .. } => Some((tape, *mode)),
            Access::Never | Access::Live => None,
        }
    }

    /// The models that answer in a conversation, in the order in which they are asked.
    pub(crate) fn seats(&self, name: &str, options: &RunOptions, deck: Option<&Deck>) -> Result<Vec<Seat>, String> {
        let scripted = |model: &ModelSpec| {
            let found = self.scripted.iter().find(|(span, _)| *span == model.span);
            found.filter(|_| model.provider == Some(Provider::Scripted)).map(|(_, model)| model.clone())
        };
        self.backing.seats(&self.spec, &scripted, name, options, deck)
    }

    /// What MCP servers offered when somebody looked at them.
    pub fn lock(&self) -> &Lock {
        &self.backing.lock
    }

    /// Starts each of the spec's MCP servers and asks what it offers; why not, where it does not say.
    pub async fn tool_lists(&self, options: &RunOptions) -> Vec<(String, Result<ToolList, String>)> {
        let desk = Desk::default();
        let mut lists = Vec::new();
        for (name, server) in &self.spec.tools.servers {
            let around = Surroundings::of(self, options, &desk, &serde_json::Value::Null);
            lists.push((name.clone(), around.list(name, server).await));
        }
        lists
    }

    /// Begins a conversation.
    ///
    /// # Errors
    /// A sentence, if the model that the options name is not one of the spec's.
    pub fn conversation(self: &Arc<Self>, options: RunOptions) -> Result<Conversation, String> {
        Conversation::new(self.clone(), options)
    }
}

/// Scripts and modules run in `wasm` and nowhere else: a spec that wants another wall for its code is told so.
fn check_code(spec: &Spec, wasm: &dyn Runtime) -> Result<(), ContainerError> {
    let sandbox = &spec.sandbox;
    let named = sandbox.runtime.as_deref().filter(|word| *word != "wasm");
    let advisory = || wasm.keeps(&spec.limits).into_iter().find(|kept| kept.hold == Hold::Advisory);
    let wanted = match (named, sandbox.high, sandbox.fallback.as_deref()) {
        (Some(word), ..) => format!("`sandbox.runtime: {word}` asks for something else"),
        (_, true, _) => "`sandbox.security: high` asks for something else".to_owned(),
        (.., Some("fail")) => match advisory() {
            Some(kept) => {
                format!("`sandbox.fallback: fail` wants each limit enforced; `{}` is not: {}", kept.limit, kept.by)
            }
            None => return Ok(()),
        },
        _ => return Ok(()),
    };
    let runs_code = |run: &Option<Run>| match run {
        Some(Run::Script { .. }) => true,
        // Who names it at the tool itself means it, as long as that is strong enough.
        Some(Run::Wasm(run)) => named.is_none() || sandbox.high || run.room.runtime.is_none(),
        _ => false,
    };
    let tool = spec.tools.allowed.iter().find(|tool| runs_code(&tool.run));
    let guard = spec.guardrails.iter().find(|guard| guard.script.is_some() || guard.wasm.is_some());
    let name = tool.map(|tool| &tool.name).or_else(|| guard.map(|guard| &guard.name));
    match name {
        Some(name) => Err(ContainerError::Tool {
            name: name.clone(),
            message: format!(
                "scripts and modules run in `wasm`, and {wanted}: leave that out, or name a runtime at each tool (`run.sandbox`)"
            ),
        }),
        None => Ok(()),
    }
}

fn build_scripted(spec: &ModelSpec) -> Result<Arc<dyn Model>, ContainerError> {
    let model = ScriptedModel::new(&spec.rules, price_of(spec));
    let wrong =
        |error: aic_model::RuleError| ContainerError::Model { name: spec.name.clone(), message: error.to_string() };
    Ok(Arc::new(model.map_err(wrong)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aic_base::{MemorySource, RelPath, Timestamp};
    use aic_sandbox::WorkerCommand;
    use aic_spec::{LoadOptions, load};

    /// Why a spec with this tool or guardrail and this `sandbox` is not made ready.
    fn refused(own: &str, sandbox: &str) -> Option<String> {
        let spec = format!(
            "models: {{primary: {{provider: scripted, rules: [{{match: {{}}, reply: {{text: hi}}}}]}}}}\n{own}\nsandbox: {sandbox}\n"
        );
        let path = RelPath::new("a.aicontainer.yml").unwrap();
        let mut source = MemorySource::new();
        source.insert(path.clone(), spec.into_bytes());
        for file in ["x.js", "x.wasm"] {
            source.insert(RelPath::new(file).unwrap(), b"\0asm\x01\0\0\0".to_vec());
        }
        let loaded = load(&source, &path, &LoadOptions { environment: None, today: Timestamp::default() });
        let Some(spec) = loaded.spec.clone() else { panic!("{:#?}", loaded.diagnostics) };
        let host = ScriptHost::new(WorkerCommand { program: "/nonexistent".into(), args: Vec::new() }, None);
        Container::new(spec, Arc::new(host)).err().map(|error| error.to_string())
    }

    #[test]
    fn code_of_the_users_runs_behind_the_wall_that_the_spec_wants_or_not_at_all() {
        let tool = |run: &str| format!("tools: {{allowed: [{{name: own, run: {{{run}}}}}]}}");
        let guard = |code: &str| format!("guardrails: {{post_execution: [{{name: own, {code}}}]}}");
        let all = [tool("script: x.js"), tool("wasm: x.wasm"), guard("script: x.js"), guard("wasm: x.wasm")];
        let stronger = ["{runtime: gvisor}", "{security: high}", "{fallback: fail, limits: {cpu: 0.5}}"];
        for own in &all {
            for sandbox in stronger {
                let why = refused(own, sandbox).unwrap_or_else(|| panic!("{own} runs in {sandbox}"));
                assert!(why.contains("tool `own`: scripts and modules run in `wasm`, and `sandbox."), "{why}");
            }
            for sandbox in ["{runtime: wasm}", "{runtime: auto}", "{fallback: fail}", "{limits: {cpu: 0.5}}"] {
                assert_eq!(refused(own, sandbox), None, "{own} in {sandbox}");
            }
        }
        // Who names it at the tool means it, unless even that is too weak.
        let named = tool("wasm: x.wasm, sandbox: wasm");
        assert_eq!(refused(&named, "{runtime: gvisor}"), None);
        assert!(refused(&named, "{security: high}").is_some());
        assert_eq!(refused(&tool("command: [x]"), "{security: high, runtime: gvisor}"), None);
    }
}
