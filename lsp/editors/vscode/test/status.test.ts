import assert from "node:assert/strict";
import { test } from "node:test";
import { readVerdict, statusText, type ServerState } from "../src/status";

const running: ServerState = { is: "running", version: "0.1.0", origin: "from PATH" };
const version = (change: object) => ({
  number: 2,
  current: true,
  stable: false,
  verdict: { passed: 2, failed: 0, skipped: 0, other: 0 },
  ...change,
});
const shown = (...versions: object[]) => statusText(running, readVerdict(JSON.stringify({ schema: 1, versions })));

test("the last verdict of the version in the files is shown", () => {
  const good = shown(version({ stable: true }));
  assert.equal(good.text, "$(pass) aic 2/2");
  assert.match(good.tooltip, /^Version 2: 2 passed; stable\n\naic 0\.1\.0, from PATH$/);
  const bad = shown(version({ verdict: { passed: 2, failed: 1, skipped: 3, other: 1 } }));
  assert.equal(bad.text, "$(error) aic 2/4");
  assert.match(bad.tooltip, /2 passed, 1 failed, 1 without a verdict, 3 skipped/);
});

test("the verdict of another version is not passed off as this one's", () => {
  assert.equal(shown(version({ current: false })).text, "$(beaker) aic: edited");
  assert.equal(shown(version({ current: false }), version({ number: 1 })).text, "$(pass) aic 2/2");
});

test("a version that was never tested says so", () => {
  assert.equal(shown().text, "$(beaker) aic: not tested");
  assert.equal(shown(version({ verdict: null })).text, "$(beaker) aic: not tested");
});

test("what is no list of versions says nothing of tests", () => {
  for (const printed of ["", "error: no spec here", '{"error":"x"}', "null", "[]"]) {
    assert.equal(readVerdict(printed), undefined, printed);
  }
  assert.equal(statusText(running, undefined).text, "$(beaker) aic");
});

test("a server that is not running says why, whatever the verdict", () => {
  const tested = readVerdict(JSON.stringify({ versions: [version({})] }));
  assert.deepEqual(statusText({ is: "missing", why: "not found" }, tested), {
    text: "$(warning) aic not found",
    tooltip: "not found",
    mark: "warning",
  });
  assert.equal(statusText({ is: "failed", why: "it crashed" }, tested).mark, "error");
  assert.match(statusText({ is: "starting" }, tested).text, /sync~spin/);
  assert.match(statusText({ is: "stopped" }, tested).tooltip, /stopped/);
});
