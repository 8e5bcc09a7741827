// Takes the picture of the documentation: a finding, completion and lenses, in one small spec. Writes it to the file that
// is named as the argument.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { makeWorld, openEditor } from "./editor.mjs";

const [target] = process.argv.slice(2);
const FILE = "help-desk.aicontainer.yml";
const SPEC = `name: help-desk
models:
  primary: {provider: scripted, rules: [{match: {}, reply: {text: "Write to desk@example.com."}}]}
prompts: {system: "You answer in one line. Today is \${DATE}."}
guardrails:
  pre_execution:
    - name: confirm_destructive
      condition: contains(['delete', 'drop']) && user.id != 'root'
      action: require_confirmation
  post_execution:
    - {name: pii_protection, action: redact}
tests:
  - name: no address leaves
    input: Where is the help desk?
    expect: [not: {contains: desk@example.com}]
  - name: deleting waits for a person
    input: Delete all tickets
    expect:
      - blocked: {by: confirm_destructive}
`;

const sample = mkdtempSync(path.join(tmpdir(), "aic-vscode-sample-"));
const folder = path.join(sample, "help-desk");
mkdirSync(folder);
writeFileSync(path.join(folder, FILE), SPEC);
const world = makeWorld(folder);
const settings = {
  "workbench.activityBar.location": "hidden",
  "workbench.layoutControl.enabled": false,
  "breadcrumbs.enabled": false,
  "window.menuBarVisibility": "hidden",
  "editor.lineHeight": 20,
  "editor.scrollbar.vertical": "hidden",
  "editor.overviewRulerBorder": false,
  "editor.guides.indentation": false,
  "editor.inlayHints.enabled": "on",
};
let close;
try {
  const opened = await openEditor({
    folder: world.folder,
    file: FILE,
    programs: [world.ours],
    settings,
    view: { viewport: { width: 1100, height: 730 }, deviceScaleFactor: 1.5 },
  });
  close = opened.close;
  const { editor } = opened;
  const { page } = editor;
  await editor.status.filter({ hasText: "aic" }).waitFor();
  await editor.command("View: Toggle Primary Side Bar Visibility");
  await editor.command("AIContainer: Run all tests");
  await editor.status.filter({ hasText: "aic 2/2" }).waitFor();
  await editor.calm();

  const lines = SPEC.split("\n");
  await editor.goTo(lines.findIndex((line) => line.includes("action: require")) + 1, 11);
  await page.keyboard.press("Backspace");
  await page.locator(".squiggly-error").first().waitFor();
  await editor.command("View: Focus Problems");
  await page.locator(".markers-panel .monaco-list-row", { hasText: "did you mean" }).first().waitFor();
  await editor.dragPanel(101);
  await editor.command("View: Focus Active Editor Group");
  // From the first line, so that it stays in view.
  await editor.goTo(1);
  await page.keyboard.press("Control+End");
  await editor.type("      - tool");
  await page
    .locator(".suggest-widget.visible .monaco-list-row", {
      hasText: "tool_ran",
    })
    .first()
    .waitFor();
  await page.keyboard.press("Control+Space");
  await page.locator(".suggest-details").waitFor();
  const lens = editor.lenses.filter({ hasText: /run test/ }).first();
  await lens.waitFor({ timeout: 10_000 }).catch(() => console.log("this server has no lenses: the picture shows none"));
  await page.mouse.move(1099, 400);
  mkdirSync(path.dirname(path.resolve(target)), { recursive: true });
  await page.screenshot({ path: target, animations: "disabled" });
  console.log(target);
} finally {
  await close?.();
  world.remove();
  rmSync(sample, { recursive: true, force: true });
}
