//! Codes about what this version does not do, workflows, inheritance.

use super::{Code, CodeDoc, codes};
use crate::Severity;

codes! {
    NOT_ENFORCED = "ABS090" Warning "Not enforced by this version",
        "The key is part of the language and is read, but this version does nothing about it.",
        r#"output: {repair: 1}
"#
        => r#"output: {format: text}
"#;
    NOT_SAFE = "ABS091" Warning "Not enforced, and safety depends on it",
        "The key is part of the language, this version does not enforce it, and the spec is not safe without. Checking goes on; running refuses.",
        r#"sandbox: {runtime: firecracker}
"#
        => r#"tools: {allowed: [find_user]}
"#;
    COMPOSE = "ABS092" Warning "Workflows are not run by this version",
        "The file describes several containers in one workflow. It is read; this version cannot run it.",
        r#"# file: spec.compose.ai.yml
services: {a: {model: claude-haiku-4-5-20251001}}
workflow: [a]
"#
        => r#"model: claude-haiku-4-5-20251001
"#;
    ENVIRONMENT = "ABS093" Warning "Unknown environment",
        "The environment that was asked for has no overlay in `environments`.",
        r#"# aic check --env prod
environments: {production: {budget: {steps: 2}}}
"#
        => r#"# aic check --env production
environments: {production: {budget: {steps: 2}}}
"#;
    BAD_WORKFLOW = "ABS095" Error "Workflow does not fit",
        "A step names a service or a step that is not there, waits for itself, or is not written as `a -> (b, c) -> d`.",
        r#"# file: spec.compose.ai.yml
services: {triage: {model: claude-haiku-4-5-20251001}, answer: {model: claude-haiku-4-5-20251001}}
workflow: [triage -> anwser]
"#
        => r#"# file: spec.compose.ai.yml
services: {triage: {model: claude-haiku-4-5-20251001}, answer: {model: claude-haiku-4-5-20251001}}
workflow: [triage -> answer]
"#;
    BASE_NOT_IN_REACH = "ABS100" Warning "Base not in reach",
        "The base is a registry reference, and this version reaches no registry. What the base adds or forbids is not known, so checking goes on and running refuses.",
        r#"model: {provider: scripted, rules: [{match: {}, reply: {text: Hi}}]}
inherits: company/base:1.2
"#
        => r#"# file: spec.ai.yml
inherits: ./base.ai.yml
# file: base.ai.yml
model: {provider: scripted, rules: [{match: {}, reply: {text: Hi}}]}
"#;
    CYCLE = "ABS101" Error "Inheritance cycle",
        "A spec inherits from itself, directly or through its bases. The message prints the chain.",
        r#"# file: spec.ai.yml
inherits: ./base.ai.yml
# file: base.ai.yml
inherits: ./spec.ai.yml
model: {provider: scripted, rules: [{match: {}, reply: {text: Hi}}]}
"#
        => r#"# file: spec.ai.yml
inherits: ./base.ai.yml
# file: base.ai.yml
model: {provider: scripted, rules: [{match: {}, reply: {text: Hi}}]}
"#;
    CHAIN_TOO_LONG = "ABS102" Error "Too many bases",
        "A chain of bases is bounded, so that a reader can follow it and no file can exhaust the program.",
        r#"(a chain of 17 bases)
"#
        => r#"# file: spec.ai.yml
inherits: ./base.ai.yml
# file: base.ai.yml
model: {provider: scripted, rules: [{match: {}, reply: {text: Hi}}]}
"#;
    WEAKENED_FINAL = "ABS103" Error "Final in a base",
        "A base says that this may only be tightened, and here it is loosened. The language page holds the table of what tightens.",
        r#"# file: spec.ai.yml
inherits: ./base.ai.yml
budget: {cost: 0.50}
# file: base.ai.yml
model: {provider: scripted, rules: [{match: {}, reply: {text: Hi}}]}
budget: {cost: 0.10}
final: [budget]
"#
        => r#"# file: spec.ai.yml
inherits: ./base.ai.yml
budget: {cost: 0.05}
# file: base.ai.yml
model: {provider: scripted, rules: [{match: {}, reply: {text: Hi}}]}
budget: {cost: 0.10}
final: [budget]
"#;
    BAD_FINAL = "ABS104" Error "Final path names nothing",
        "A path under `final` leads to no key of the language, so nothing would be protected.",
        r#"final: [guardrail]
"#
        => r#"final: [guardrails]
"#;
    BAD_BASE = "ABS105" Error "Base is no container spec",
        "Only container specs can be inherited from: a workflow or a file of tests is something else.",
        r#"# file: spec.ai.yml
model: {provider: scripted, rules: [{match: {}, reply: {text: Hi}}]}
inherits: ./base.aictest.yml
# file: base.aictest.yml
tests: []
"#
        => r#"# file: spec.ai.yml
inherits: ./base.ai.yml
# file: base.ai.yml
model: {provider: scripted, rules: [{match: {}, reply: {text: Hi}}]}
"#;
}
