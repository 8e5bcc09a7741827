// The extension as a person meets it. Each test leaves the files as it found them.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { makeWorld, openEditor, PATIENCE } from "./editor.mjs";

const sample = path.join(path.dirname(fileURLToPath(import.meta.url)), "../../sample-specs/user-management");
const FILE = ".aicontainer.yml";

const world = makeWorld(sample);
const spec = path.join(world.folder, FILE);
const original = readFileSync(spec, "utf8");
const lineOf = (text) => original.split("\n").findIndex((line) => line.includes(text)) + 1;

let editor;
let page;
let close;

before(
  async () => {
    ({ editor, close } = await openEditor({
      folder: world.folder,
      file: FILE,
      programs: [world.old, world.ours],
    }));
    page = editor.page;
  },
  { timeout: 3 * PATIENCE },
);

after(async () => {
  await close?.();
  world.remove();
});

beforeEach(async () => {
  writeFileSync(spec, original);
  await editor.calm();
});

afterEach(async (context) => {
  await editor?.shot(context.name.replace(/\W+/g, "-"));
});

const within = { timeout: 3 * PATIENCE };

/** Waits until the status bar says something. */
async function status(text) {
  await editor.status.filter({ hasText: text }).waitFor();
}

/** Waits until something is so, and gives it back. */
async function until(look) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`this never came true: ${look}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test("the language is known by the name of the file, and the server runs", within, async () => {
  await page.locator(".statusbar-item", { hasText: "AIContainer" }).first().waitFor();
  await status(/aic: not tested|aic \d+\/\d+/);
});

test("an aic that is too old is passed over for the next on PATH, and the log says so", within, async () => {
  await editor.command("AIContainer: Show the log");
  const log = page.locator(".output-view-container, .panel .view-lines").first();
  await log.filter({ hasText: "is version 0.0.1" }).waitFor();
  await log.filter({ hasText: "from PATH" }).waitFor();
});

test("a misspelt key is underlined as it is typed, with what was meant", within, async () => {
  const line = lineOf("description: Helps operators");
  await editor.goTo(line);
  await page.keyboard.press("End");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Escape");
  await editor.type("compliancee: [SOC2]");
  await page.keyboard.press("Escape");
  await page.locator(".squiggly-error").first().waitFor();
  await editor.command("View: Focus Problems");
  const problem = page.locator(".markers-panel .monaco-list-row", {
    hasText: "compliancee",
  });
  await problem
    .filter({ hasText: /ABS\d{3}/ })
    .first()
    .waitFor();
  await problem.filter({ hasText: "`compliance`" }).first().waitFor();
  await editor.shot("problem");
  await editor.calm();
  await page.locator(".squiggly-error").waitFor({ state: "detached" });
});

test("completion offers the keys of the place, with their documentation", within, async () => {
  await editor.goTo(lineOf("budget: {steps: 5"));
  await page.keyboard.press("Home");
  await page.keyboard.press("Enter");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Control+Space");
  const list = page.locator(".suggest-widget.visible");
  for (const key of ["compliance", "context", "deployment"]) {
    await list.locator(".monaco-list-row", { hasText: key }).first().waitFor();
  }
  // Keys that are there already are not offered again.
  assert.equal(await list.locator('.monaco-list-row[aria-label^="budget"]').count(), 0);
  await editor.type("compl");
  await list.locator('.monaco-list-row.focused[aria-label*="compliance"]').waitFor();
  await page.keyboard.press("Enter");
  await page
    .locator(".editor-instance .view-line", { hasText: /^compliance:/ })
    .first()
    .waitFor();
});

test("hover tells what a key is for", within, async () => {
  await editor.goTo(lineOf("temperature") || lineOf("max_tokens: 500"));
  await editor.span("max_tokens").hover();
  const hover = page.locator(".monaco-hover:visible .hover-contents", { hasText: /token/i }).first();
  await hover.waitFor();
  await page.keyboard.press("Escape");
  await page.mouse.move(5, 5);
});

test("variables and conditions are coloured", within, async () => {
  await editor.goTo(lineOf("condition: contains("));
  const colour = async (text) => editor.span(text).evaluate((span) => getComputedStyle(span).color);
  assert.notEqual(await colour("contains"), await colour("action"), "a function of a condition and a key");
  await editor.goTo(lineOf('template: "${INPUT}"'));
  assert.notEqual(await colour("INPUT"), await colour("template"), "a variable and a key");
});

test("all tests run from the editor, and the status bar keeps the verdict", within, async () => {
  await editor.goTo(1);
  await editor.command("AIContainer: Run all tests");
  await status(/aic 19\/19/);
});

test("the last stable version comes back, and comes back again", within, async () => {
  const broken = original.replace("action: redact", "action: warn");
  assert.notEqual(broken, original);
  // Version 1 is stable; version 2, made outside the editor, lets an address out.
  execFileSync(process.env.AIC_VSCODE_BINARY, ["test", world.folder], {
    stdio: "ignore",
  });
  writeFileSync(spec, broken);
  assert.throws(() =>
    execFileSync(process.env.AIC_VSCODE_BINARY, ["test", world.folder], {
      stdio: "ignore",
    }),
  );
  await editor.command("AIContainer: Roll back to the last stable version");
  await page
    .locator(".monaco-dialog-box button, .monaco-dialog-box .monaco-button", {
      hasText: "Roll back",
    })
    .first()
    .click();
  await page.locator(".notification-list-item", { hasText: "back at v1" }).first().waitFor();
  assert.equal(readFileSync(spec, "utf8"), original);
  await status(/aic 19\/19/);
  await page.locator(".notification-list-item .monaco-button", { hasText: "Undo" }).first().click();
  await page
    .locator(".monaco-dialog-box button, .monaco-dialog-box .monaco-button", {
      hasText: "Undo the rollback",
    })
    .first()
    .click();
  await page.locator(".notification-list-item", { hasText: "Its tests do not pass" }).first().waitFor();
  assert.equal(readFileSync(spec, "utf8"), broken);
  await status(/aic 18\/19/);
  // A change from outside is seen too.
  writeFileSync(spec, original);
  await status(/aic 19\/19/);
});

test("lenses above the tests run them, and keep how it went", within, async () => {
  await editor.goTo(lineOf("tests:") + 3);
  await editor.lenses
    .filter({ hasText: /run test/ })
    .first()
    .waitFor({ timeout: PATIENCE / 2 });
  await editor.pressLens(/run all/, 0, /19\/19 passed/);
  // The first test has four cases.
  await editor.lenses
    .filter({ hasText: /last 4\/4/ })
    .first()
    .waitFor();
  // A lens tests what is seen: the text is saved first.
  const line = lineOf('contains: "7 users have been inactive');
  await editor.goTo(line);
  await editor.command("Delete Line");
  await page.locator(".tab.active.dirty").waitFor();
  await status(/aic: edited/);
  await editor.pressLens(/run test/, 1, /inactive users are named: 1\/1 passed/);
  assert.ok(!readFileSync(spec, "utf8").includes("7 users have been inactive"));
});

test("a setting that leads nowhere is said, with what to do, and taken back it works again", within, async () => {
  const settings = path.join(world.folder, ".vscode");
  mkdirSync(settings);
  writeFileSync(path.join(settings, "settings.json"), '{"aic.server.path": "/nowhere/aic"}');
  await status("aic not found");
  const message = page
    .locator(".notification-list-item", {
      hasText: "/nowhere/aic is not there",
    })
    .first();
  await message.waitFor();
  for (const button of ["Open settings", "How to install", "Show log"]) {
    await message.locator(".monaco-button", { hasText: button }).waitFor();
  }
  await editor.shot("missing");
  rmSync(settings, { recursive: true });
  await status(/aic 1\d\/19|aic: (?:edited|not tested)/);
});

test("a setting shows the talk with the server in the log, without a restart", within, async () => {
  await editor.goTo(1);
  await editor.command("AIContainer: Show the log");
  const log = page.locator(".output-view-container, .panel .view-lines").first();
  const settings = path.join(world.folder, ".vscode");
  mkdirSync(settings);
  writeFileSync(path.join(settings, "settings.json"), '{"aic.trace.server": "messages"}');
  await until(async () => {
    await page.mouse.move(5, 5);
    await editor.span("user-management").hover();
    return log.filter({ hasText: "textDocument/hover" }).count();
  });
  rmSync(settings, { recursive: true });
});

test("the server is started anew by command, and by itself when it dies", within, async () => {
  const underlined = async () => {
    await editor.goTo(1);
    await page.keyboard.press("Home");
    await editor.type("nonsense: 1\n");
    await page.locator(".squiggly-error").first().waitFor();
    await editor.calm();
    await page.locator(".squiggly-error").waitFor({ state: "detached" });
  };
  const [first] = world.servers();
  assert.ok(first, "the server runs");
  await editor.command("AIContainer: Restart the server");
  const second = await until(() => world.servers().find((pid) => pid !== first));
  await until(() => !world.servers().includes(first));
  await underlined();
  process.kill(second, "SIGKILL");
  await until(() => world.servers().find((pid) => pid !== second));
  await underlined();
});

test("the walkthrough opens", within, async () => {
  await editor.command("AIContainer: Get started");
  await page
    .locator(".gettingStartedContainer", {
      hasText: "Get started with AIContainer",
    })
    .waitFor();
  await page.locator(".gettingStartedContainer", { hasText: "Break it, and go back" }).waitFor();
});
