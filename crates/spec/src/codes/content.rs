//! Codes about models, variables, guardrails, tools, files.

use super::{Code, CodeDoc, codes};
use crate::Severity;

codes! {
    NO_MODEL = "ABS020" Error "No model",
        "Nothing says which model answers.",
        r#"name: assistant
"#
        => r#"model: {provider: scripted, rules: [{match: {}, reply: {text: Hi}}]}
name: assistant
"#;
    UNKNOWN_PROVIDER = "ABS021" Error "Unknown provider",
        "This program does not know a provider of this name. Servers that speak OpenAI's chat completions are `openai_compatible` with a `base_url`.",
        r#"models: {primary: {provider: antropic, model: claude-haiku-4-5-20251001}}
"#
        => r#"models: {primary: {provider: anthropic, model: claude-haiku-4-5-20251001}}
"#;
    NO_PROVIDER = "ABS022" Warning "Provider cannot be told",
        "The catalog does not know this model, so the spec has to say who serves it. Running needs one.",
        r#"model: my-own-model
"#
        => r#"models: {primary: {provider: ollama, model: my-own-model}}
"#;
    UNPINNED_MODEL = "ABS023" Warning "Model not pinned",
        "The name stands for whatever the provider serves under it today: behaviour can change without a change of the spec. Name a dated version.",
        r#"model: claude-haiku-4-5
"#
        => r#"model: claude-haiku-4-5-20251001
"#;
    RETIRED_MODEL = "ABS024" Warning "Model retires",
        "The provider has announced that it stops serving this model.",
        r#"model: gpt-4-0613
"#
        => r#"model: claude-haiku-4-5-20251001
"#;
    UNKNOWN_PRICE = "ABS025" Warning "Unknown price under a cap",
        "The spec caps what a run or an hour may cost, or a test says what it may cost, and nothing says what this model costs: neither the catalog nor a `pricing` of its own. Under a cap such a call is refused; what a test says of its cost cannot be judged.",
        r#"models:
  primary: {provider: openai_compatible, model: qwen2.5-7b, base_url: "http://127.0.0.1:8080/v1"}
budget: {cost: 0.01}
"#
        => r#"models:
  primary:
    provider: openai_compatible
    model: qwen2.5-7b
    base_url: "http://127.0.0.1:8080/v1"
    pricing: {input_per_mtok: 0, output_per_mtok: 0}
budget: {cost: 0.01}
"#;
    TOO_MANY_TOKENS = "ABS026" Error "More tokens than the model can answer with",
        "`max_tokens` lies above what the model gives in one answer, so the provider would refuse the call.",
        r#"model: {name: claude-haiku-4-5-20251001, max_tokens: 100000}
"#
        => r#"model: {name: claude-haiku-4-5-20251001, max_tokens: 4000}
"#;
    PROMPT_TOO_LONG = "ABS027" Warning "Prompt longer than the context window",
        "The prompt alone, before any input, fills more than the model can take, or more than `context.window.max_tokens` allows. The number of tokens is an estimate: one for each four bytes.",
        r#"prompts: {system: You answer questions about our opening hours in one line.}
context: {window: {max_tokens: 10}}
"#
        => r#"prompts: {system: You answer questions about our opening hours in one line.}
context: {window: {max_tokens: 1000}}
"#;
    UNKNOWN_MODEL = "ABS028" Warning "Model not in the catalog",
        "The provider is known, and the catalog has no such model of it. Either the name is misspelled, or the catalog is older than the model; its price and limits cannot be checked.",
        r#"models: {primary: {provider: anthropic, model: claude-haiku-4-5-20251002}}
"#
        => r#"models: {primary: {provider: anthropic, model: claude-haiku-4-5-20251001}}
"#;
    UNREACHABLE_RULE = "ABS029" Warning "Rule never reached",
        "The rules of a scripted model are tried in order, and an earlier one takes every message of a user's, as often as it comes. Only rules about the result of a tool can follow it.",
        r#"model:
  provider: scripted
  rules:
    - {match: {}, reply: {text: Hi}}
    - {match: {user: bye}, reply: {text: Bye}}
"#
        => r#"model:
  provider: scripted
  rules:
    - {match: {user: bye}, reply: {text: Bye}}
    - {match: {}, reply: {text: Hi}}
"#;
    SECRET = "ABS030" Error "Secret in a spec",
        "Specs are committed and shared. Name the variable that holds the secret, never the secret. Whoever has seen this file has the secret: revoke it.",
        r#"description: The key is sk-proj-EXAMPLEexampleEXAMPLEexample0123
"#
        => r#"description: The key is in OPENAI_API_KEY
"#;
    UNDEFINED_VARIABLE = "ABS031" Error "Undefined variable",
        "A prompt names a variable that is neither built in nor declared under `prompts.variables`. `$${` writes a literal `${`.",
        r#"prompts:
  system: Hello ${NAEM}, you are ${NAME}.
  variables: {NAME: {from: caller}}
"#
        => r#"prompts:
  system: Hello ${NAME}.
  variables: {NAME: {from: caller}}
"#;
    BAD_TEMPLATE = "ABS032" Error "Malformed `${…}`",
        "A `${` is not closed, or what stands in it is no name. `$${` writes a literal `${`.",
        r#"prompts: {system: "Today is ${DATE"}
"#
        => r#"prompts: {system: "Today is ${DATE}"}
"#;
    UNUSED_VARIABLE = "ABS033" Warning "Unused variable",
        "A variable is declared under `prompts.variables`, and no prompt, tool or test uses it, nor does a spec of the workspace that inherits it. Mostly its name is written differently where it was meant.",
        r#"prompts:
  system: Answer in one line.
  variables:
    TEAM: {default: operations}
    CITY: {default: Bonn}
  constraints: ["You are in ${CITY}"]
"#
        => r#"prompts:
  system: Answer in one line.
  variables:
    CITY: {default: Bonn}
  constraints: ["You are in ${CITY}"]
"#;
    BAD_CONDITION = "ABS040" Error "Condition does not compile",
        "Conditions are CEL and are checked before anything runs: names, functions, and that they are true or false.",
        r#"guardrails:
  runtime:
    - {name: no_refunds, condition: tool.nmae == 'refund'}
"#
        => r#"guardrails:
  runtime:
    - {name: no_refunds, condition: tool.name == 'refund'}
"#;
    UNKNOWN_GUARDRAIL = "ABS041" Error "Unknown guardrail",
        "A guardrail is a built-in, or has a `condition`, a `script` or a `wasm` of its own. Nothing would be guarded here.",
        r#"guardrails: [pii_protecton]
"#
        => r#"guardrails: [pii_protection]
"#;
    BAD_GUARDRAIL = "ABS042" Error "Guardrail does not compile",
        "A parameter is unknown or has the wrong form.",
        r#"guardrails: [{name: rate_limit, max_operations: many}]
"#
        => r#"guardrails: [{name: rate_limit, max_operations: 60}]
"#;
    DUPLICATE_GUARDRAIL = "ABS043" Error "Duplicate guardrail",
        "Names of guardrails are unique over all stages: decisions and tests refer to them. `use` names the built-in where the name is taken.",
        r#"guardrails: [{name: rate_limit}, {name: rate_limit, per: user}]
"#
        => r#"guardrails: [{name: rate_limit}, {name: per_user, use: rate_limit, per: user}]
"#;
    SHADOWED = "ABS044" Warning "Guardrail shadowed by an earlier one",
        "An earlier guardrail stops, at the same places, all that this one would, so this one never decides anything. Remove one, or make the later one stricter.",
        r#"guardrails: [{max_length: 1000}, {name: longer, use: max_length, max: 2000}]
"#
        => r#"guardrails: [{max_length: 1000}, {name: shorter, use: max_length, max: 500, on: pre_execution}]
"#;
    NOTHING_TO_JUDGE = "ABS045" Error "Guardrail where it has nothing to judge",
        "What the guardrail looks at is not there at the stage it stands at, so it would protect nothing: before the model has answered there is no output, and only calls of tools have SQL that changes data. A condition that names `tool` is judged on tool calls wherever it is written; under another heading than `runtime` that is a warning.",
        r#"guardrails:
  pre_execution:
    - {name: no_ids, condition: "output.contains('id-')"}
"#
        => r#"guardrails:
  post_execution:
    - {name: no_ids, condition: "output.contains('id-')"}
"#;
    ALLOWED_AND_BLOCKED = "ABS050" Error "Tool both allowed and blocked",
        "The tool is offered to the model, and every call of it is stopped. Remove one of the two.",
        r#"tools: {allowed: [delete_user], blocked: ["delete_*"]}
"#
        => r#"tools: {allowed: [find_user], blocked: ["delete_*"]}
"#;
    DUPLICATE_TOOL = "ABS051" Error "Duplicate tool",
        "Two tools have one name; the model could not tell them apart.",
        r#"tools: {allowed: [find, find]}
"#
        => r#"tools: {allowed: [find, find_all]}
"#;
    UNKNOWN_TOOL = "ABS052" Error "Unknown tool",
        "The spec has no tool of this name.",
        r#"tools: {allowed: [get_order]}
tests:
  - {name: asks, input: Where is it?, expect: [{tool_called: get_odrer}]}
"#
        => r#"tools: {allowed: [get_order]}
tests:
  - {name: asks, input: Where is it?, expect: [{tool_called: get_order}]}
"#;
    BAD_PATTERN = "ABS053" Error "Blocked pattern not supported",
        "A pattern is matched on the tokens of SQL statements, so it begins with a word that begins one; any other would block nothing. For names of tools, use `tool`; for commands, `deny` in a `run: {shell: …}`.",
        r#"tools: {blocked: [{pattern: "rm -rf *"}]}
"#
        => r#"tools: {blocked: [{pattern: "DROP *"}]}
"#;
    BAD_TOOL = "ABS054" Error "Tool does not fit",
        "A tool says two ways of running it. It can have one.",
        r#"# file: spec.ai.yml
tools: {allowed: [{name: a, run: {script: a.js, sql: "sqlite:users.db"}}]}
# file: a.js
export default () => 1
# file: users.db
(a database)
"#
        => r#"# file: spec.ai.yml
tools: {allowed: [{name: a, run: {script: a.js}}]}
# file: a.js
export default () => 1
"#;
    SQL_WITHOUT_TOOL = "ABS055" Error "SQL permissions without SQL",
        "`permissions`, `tables` and `functions` are about SQL, and this tool runs none: they would protect nothing. Where the tool has no `run` at all, its caller carries it out, and this program cannot enforce them (a warning).",
        r#"# file: spec.ai.yml
tools: {allowed: [{name: a, permissions: [SELECT], run: {script: a.js}}]}
# file: a.js
export default () => 1
"#
        => r#"# file: spec.ai.yml
tools: {allowed: [{name: a, permissions: [SELECT], run: {sql: "sqlite:users.db"}}]}
# file: users.db
(a database)
"#;
    MISSING_FILE = "ABS060" Error "Missing file",
        "The file that is named here is not there. Paths are relative to the file that names them.",
        r#"# file: spec.ai.yml
prompts: {system: {file: promts.md}}
# file: prompts.md
Be kind.
"#
        => r#"# file: spec.ai.yml
prompts: {system: {file: prompts.md}}
# file: prompts.md
Be kind.
"#;
    BAD_PATH = "ABS061" Error "Path leaves the workspace",
        "Only files of the workspace may be named, relative to the file that names them: a spec has to work elsewhere too.",
        r#"prompts: {system: {file: /home/me/prompt.md}}
"#
        => r#"# file: spec.ai.yml
prompts: {system: {file: prompt.md}}
# file: prompt.md
Be kind.
"#;
    UNREADABLE_FILE = "ABS062" Error "File cannot be read",
        "The file is there but cannot be used: too large, not text, or a link that leads out of the workspace.",
        r#"# file: spec.ai.yml
prompts: {system: {file: photo.jpg}}
# file: photo.jpg
ÿ
"#
        => r#"# file: spec.ai.yml
prompts: {system: {file: prompt.md}}
# file: prompt.md
Be kind.
"#;
    BAD_FILE = "ABS063" Error "File has the wrong form",
        "The file was read, but what is in it is not what the key asks for.",
        r#"# file: spec.ai.yml
output: {schema: notes.txt}
# file: notes.txt
A map of the answer.
"#
        => r#"# file: spec.ai.yml
output: {schema: answer.json}
# file: answer.json
{"type": "object"}
"#;
}
