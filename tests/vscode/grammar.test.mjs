// What the grammar makes of specs, with the editor's own tokenizer and its grammar of YAML below ours.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "../..");
const editor = path.join(process.env.AIC_VSCODE_CACHE, "node_modules/code-server/lib/vscode");
const require = createRequire(path.join(editor, "package.json"));
const { Registry, parseRawGrammar, INITIAL } = require("vscode-textmate");
const { loadWASM, OnigScanner, OnigString } = require("vscode-oniguruma");

let grammar;
let ofToml;

before(async () => {
  const wasm = path.join(editor, "node_modules/vscode-oniguruma/release/onig.wasm");
  await loadWASM(readFileSync(wasm));
  const files = new Map();
  const yaml = path.join(editor, "extensions/yaml/syntaxes");
  const ours = path.join(root, "lsp/editors/vscode/syntaxes");
  for (const folder of [yaml, ours]) {
    for (const name of readdirSync(folder)) {
      const file = path.join(folder, name);
      const text = readFileSync(file, "utf8");
      files.set(JSON.parse(text).scopeName, [text, file]);
    }
  }
  const registry = new Registry({
    onigLib: Promise.resolve({
      createOnigScanner: (patterns) => new OnigScanner(patterns),
      createOnigString: (text) => new OnigString(text),
    }),
    loadGrammar: async (scope) => (files.has(scope) ? parseRawGrammar(...files.get(scope)) : null),
  });
  grammar = await registry.loadGrammar("source.aicontainer");
  ofToml = await registry.loadGrammar("source.aicontainer.toml");
});

/** The tokens of a text: what is written, and its scopes. */
function tokens(text, by = grammar) {
  let stack = INITIAL;
  const all = [];
  for (const line of text.split("\n")) {
    const result = by.tokenizeLine(line, stack);
    stack = result.ruleStack;
    for (const { startIndex, endIndex, scopes } of result.tokens) {
      all.push({ text: line.slice(startIndex, endIndex), scopes });
    }
  }
  return all;
}

/** The innermost scope of the first token with this text. */
function scopeOf(text, written, nth = 0) {
  const found = tokens(text).filter((token) => token.text.trim() === written);
  assert.ok(
    found[nth],
    `no token ${JSON.stringify(written)} in ${JSON.stringify(tokens(text).map((token) => token.text))}`,
  );
  return found[nth].scopes.at(-1);
}

const inCondition = (token) => token.scopes.includes("meta.embedded.condition.aicontainer");

/** All text that is taken for conditions. */
const conditions = (text) =>
  tokens(text)
    .filter(inCondition)
    .map((token) => token.text)
    .join("");

test("YAML is YAML", () => {
  assert.equal(scopeOf("name: x # why", "name"), "entity.name.tag.yaml");
  assert.equal(scopeOf("name: x", "x"), "string.unquoted.plain.out.yaml");
  assert.equal(scopeOf("max: 12", "12"), "constant.numeric.integer.decimal.yaml");
  assert.equal(scopeOf("- [a, true]", "true"), "constant.language.boolean.yaml");
});

test("variables stand out in every kind of scalar", () => {
  for (const text of [
    "a: ${TEAM} x",
    'a: "${TEAM} x"',
    "a: '${TEAM}'",
    "a: |\n  Hi ${TEAM}.",
    '- {a: "${TEAM}"}',
    "a: >-\n  x\n  ${TEAM}",
  ]) {
    assert.equal(scopeOf(text, "TEAM"), "variable.other.aicontainer", text);
  }
  assert.equal(scopeOf('a: "${INPUT}"', "INPUT"), "variable.other.constant.aicontainer");
  assert.equal(scopeOf('a: "${args.order_id}"', "args.order_id"), "variable.other.aicontainer");
  assert.equal(scopeOf('a: "Bearer ${secret:TOKEN}"', "secret"), "keyword.other.secret.aicontainer");
});

test("what is no variable does not stand out", () => {
  const none = (text) =>
    assert.deepEqual(
      tokens(text).filter(({ scopes }) => scopes.some((scope) => scope.startsWith("variable"))),
      [],
      text,
    );
  for (const text of ["a: $${TEAM}", "a: $TEAM", "# ${TEAM}", "a: x # ${TEAM}", "a: '${1x}'"]) none(text);
  assert.equal(scopeOf("a: $${TEAM}", "$$"), "constant.character.escape.dollar.aicontainer");
});

test("conditions are told from text, however they are written", () => {
  const cel = "contains(['delete', 'drop']) && tool.args.amount > 100";
  assert.equal(conditions(`- name: x\n  condition: ${cel}\n  action: block`), cel);
  assert.equal(conditions(`- condition: ${cel}\n  action: block`), cel);
  assert.equal(conditions(`- {name: x, condition: "${cel}", action: block}`), cel);
  assert.equal(conditions(`confirm: {when: tool.args.amount > 100, by: operator}`), "tool.args.amount > 100");
  assert.equal(conditions(`expect: [{that: "words(output) < 50"}]`), "words(output) < 50");
  assert.equal(
    conditions(`- condition: |\n    a == 1 ||\n      b == 2\n  action: block`).replace(/\s+/g, " ").trim(),
    "a == 1 || b == 2",
  );
  assert.equal(conditions(`- condition: >-\n    a == 1\n  action: block`).trim(), "a == 1");
  assert.equal(
    conditions(`a:\n  condition: tool.name == 'x' &&\n    turn > 1\nb: c`).replace(/\s+/g, " "),
    "tool.name == 'x' && turn > 1",
  );
});

test("other keys hold no conditions, nor do comments", () => {
  for (const text of [
    "precondition: a == b",
    "# condition: a == b",
    "description: the condition",
    'a: "condition: x"',
  ]) {
    assert.equal(conditions(text), "", text);
  }
});

test("a condition's parts are told apart", () => {
  const text = "condition: tool.name == 'query' && has_pii(input) && words(output) < 50 && 'UPDATE' in verbs && true";
  assert.equal(scopeOf(text, "tool"), "support.variable.aicontainer");
  assert.equal(scopeOf(text, "name"), "variable.other.property.aicontainer");
  assert.equal(scopeOf(text, "'query'"), "string.quoted.single.aicontainer");
  assert.equal(scopeOf(text, "has_pii"), "entity.name.function.aicontainer");
  assert.equal(scopeOf(text, "50"), "constant.numeric.aicontainer");
  assert.equal(scopeOf(text, "in"), "keyword.operator.word.aicontainer");
  assert.equal(scopeOf(text, "&&"), "keyword.operator.aicontainer");
  assert.equal(scopeOf(text, "verbs"), "variable.other.aicontainer");
  assert.equal(scopeOf(text, "true"), "constant.language.aicontainer");
});

test("what follows a condition is YAML again", () => {
  const text = "- {condition: \"a == 'x'\", action: block} # why\n- name: y";
  assert.equal(scopeOf(text, "action"), "entity.name.tag.yaml");
  assert.equal(scopeOf(text, "block"), "string.unquoted.plain.in.yaml");
  assert.equal(scopeOf("a:\n  condition: x > 1 # why\n  action: block", "action"), "entity.name.tag.yaml");
  const comment = tokens("a:\n  condition: x > 1 # why").find((token) => token.text.includes("why"));
  assert.equal(comment.scopes.at(-1), "comment.line.number-sign.yaml");
});

test("the samples hold nothing that looks broken", () => {
  for (const name of ["user-management/.aicontainer.yml", "quickstart/quickstart.ai.yml", "broken/broken.ai.yml"]) {
    const text = readFileSync(path.join(root, "sample-specs", name), "utf8");
    const illegal = tokens(text).filter(({ scopes }) => scopes.some((scope) => scope.startsWith("invalid")));
    assert.deepEqual(illegal, [], name);
  }
});

test("a spec in TOML has its keys, strings, variables and conditions", () => {
  const text = `[prompts] # what it is told
system = "Hi \${TEAM}, \\" \${secret:K}"
"\${KEY}" = '\${INPUT}'
[[guardrails.runtime]]
condition = "has_pii(input) && turn > 5"
long = """
of \${ENV}
"""
since = 2025-06-01T12:00:00Z
on = true
n = 1_000
`;
  const all = tokens(text, ofToml);
  const scopeOfToml = (written) => all.find((token) => token.text.trim() === written)?.scopes.at(-1);
  assert.equal(scopeOfToml("prompts"), "entity.name.section.toml");
  assert.equal(scopeOfToml("guardrails.runtime"), "entity.name.section.toml");
  assert.equal(scopeOfToml("# what it is told"), "comment.line.number-sign.toml");
  assert.equal(scopeOfToml("system"), "support.type.property-name.toml");
  assert.equal(scopeOfToml("TEAM"), "variable.other.aicontainer");
  assert.equal(scopeOfToml('\\"'), "constant.character.escape.toml");
  assert.equal(scopeOfToml("secret"), "keyword.other.secret.aicontainer");
  assert.equal(scopeOfToml('"${KEY}"'), "support.type.property-name.toml");
  assert.equal(scopeOfToml("INPUT"), "variable.other.constant.aicontainer");
  assert.equal(scopeOfToml("ENV"), "variable.other.constant.aicontainer");
  assert.equal(scopeOfToml("has_pii"), "entity.name.function.aicontainer");
  assert.equal(scopeOfToml("5"), "constant.numeric.aicontainer");
  assert.equal(scopeOfToml("long"), "support.type.property-name.toml");
  assert.equal(scopeOfToml("2025-06-01T12:00:00Z"), "constant.other.date.toml");
  assert.equal(scopeOfToml("true"), "constant.language.boolean.toml");
  assert.equal(scopeOfToml("1_000"), "constant.numeric.toml");
});
