import assert from "node:assert/strict";
import { test } from "node:test";
import { isSpecName, specBeside, testAt } from "../src/spec";

test("specs are known by their names", () => {
  for (const name of [".aicontainer.yml", "aicontainer.yaml", "shop.aicontainer.toml", "a.ai.yml", "compose.ai.yml"]) {
    assert.ok(isSpecName(name), name);
  }
  for (const name of ["a.yml", ".ai.yml", "x.aictest.yml", "aicontainer.json", "myaicontainer.yml"]) {
    assert.ok(!isSpecName(name), name);
  }
});

test("a file of tests finds the spec beside it", () => {
  assert.equal(specBeside("a.aictest.yml", ["b.ai.yml", "a.ai.yml", "a.aictest.yml"]), "a.ai.yml");
  assert.equal(specBeside("x.aictest.yml", ["README.md", "only.aicontainer.yml"]), "only.aicontainer.yml");
  assert.equal(specBeside("x.aictest.yml", ["b.ai.yml", ".aicontainer.yml"]), ".aicontainer.yml");
  assert.equal(specBeside("x.aictest.yml", ["b.ai.yml", "a.ai.yml"]), undefined);
});

const spec = `name: x
tools:
  allowed:
    - name: not_a_test
tests:
  - name: first one     # with a note
    turns:
      - input: Hi
        expect: [contains: a]
      - name: deeper
  - {name: 'it''s short', input: x}
  - input: unnamed
    name: "second"
    expect: []
after: 1
`.split("\n");

test("the test at a line is the item it lies in", () => {
  const at = (text: string) =>
    testAt(
      spec,
      spec.findIndex((line) => line.includes(text)),
    );
  assert.equal(at("not_a_test"), undefined);
  assert.equal(at("tests:"), undefined);
  assert.equal(at("first one"), "first one");
  assert.equal(at("deeper"), "first one");
  assert.equal(at("short"), "it's short");
  assert.equal(at("unnamed"), undefined);
  assert.equal(at("expect: []"), "second");
  assert.equal(at("after"), undefined);
});
