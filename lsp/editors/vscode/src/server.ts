// The life of the language server: found, started, watched, restarted.

import { accessSync, constants, statSync } from "node:fs";
import { homedir } from "node:os";
import * as path from "node:path";
import * as vscode from "vscode";
import { LanguageClient, RevealOutputChannelOn, State } from "vscode-languageclient/node";
import { run } from "./aic";
import { explainMissing, findBinary, type Found, type Machine, type Origin } from "./binary";
import { LANGUAGES } from "./spec";
import type { ServerState } from "./status";
import { saveBelow } from "./target";

/** The id of the client: the language client reads the setting `aic.trace.server` by it. */
const ID = "aic";

/** How long `aic --version` may take, in milliseconds. */
const VERSION_TIMEOUT = 10_000;

const ORIGINS: Record<Origin, string> = {
  setting: "from the setting aic.server.path",
  path: "from PATH",
  bundled: "that came with the extension",
};

export class Server implements vscode.Disposable {
  private client: LanguageClient | undefined;
  private binary: Found | undefined;
  private now: ServerState = { is: "stopped" };
  private readonly changed = new vscode.EventEmitter<ServerState>();
  private readonly worked = new vscode.EventEmitter<void>();
  private readonly trace: TraceChannel;
  /** Starts and stops follow one another, however often somebody asks. */
  private queue: Promise<void> = Promise.resolve();

  readonly onDidChangeState = this.changed.event;
  /** The server has ended some work it had announced, a run of tests for example. */
  readonly onDidWork = this.worked.event;

  constructor(
    private readonly extension: string,
    private readonly log: vscode.LogOutputChannel,
  ) {
    this.trace = new TraceChannel(log);
  }

  get state(): ServerState {
    return this.now;
  }

  /** The program the server was started from. */
  get file(): string | undefined {
    return this.binary?.file;
  }

  /** Whether the running server has a command of this name. */
  offers(command: string): boolean {
    const provider = this.client?.initializeResult?.capabilities.executeCommandProvider;
    return this.now.is === "running" && (provider?.commands.includes(command) ?? false);
  }

  /** Starts the server, anew if it runs. The state tells how it went. */
  restart(): Promise<void> {
    return this.enqueue(async () => {
      await this.end();
      await this.begin();
    });
  }

  stop(): Promise<void> {
    return this.enqueue(() => this.end());
  }

  dispose(): void {
    this.changed.dispose();
    this.worked.dispose();
    this.trace.dispose();
  }

  private enqueue(work: () => Promise<void>): Promise<void> {
    this.queue = this.queue.then(work).catch((error: unknown) => {
      this.log.error(String(error));
      this.set({ is: "failed", why: `The language server of aic failed: ${String(error)}` });
    });
    return this.queue;
  }

  private async begin(): Promise<void> {
    this.set({ is: "starting" });
    const config = vscode.workspace.getConfiguration(ID);
    const found = await findBinary(
      {
        setting: config.get("server.path", ""),
        path: process.env["PATH"] ?? "",
        extension: this.extension,
        home: homedir(),
        windows: process.platform === "win32",
      },
      machine,
    );
    for (const { file, why } of found.refused) this.log.warn(`${file} ${why}`);
    this.binary = found.file === undefined ? undefined : found;
    if (found.file === undefined) {
      const why = explainMissing(found);
      this.log.error(why);
      this.set({ is: "missing", why });
      return;
    }
    this.log.info(`aic ${found.version}, ${ORIGINS[found.origin]}: ${found.file}`);
    const client = this.make(found, config.get("server.extraArgs", []));
    this.client = client;
    client.onDidChangeState(({ newState }) => {
      if (this.client !== client) return;
      if (newState === State.Running) {
        this.set({ is: "running", version: found.version, origin: ORIGINS[found.origin] });
      } else if (newState === State.Starting) {
        this.set({ is: "starting" });
      } else if (this.now.is !== "failed") {
        this.set({ is: "stopped" });
      }
    });
    try {
      await client.start();
    } catch (error) {
      const why = `${found.file} did not start as a language server: ${error instanceof Error ? error.message : String(error)}`;
      this.log.error(why);
      this.set({ is: "failed", why });
    }
  }

  private make(found: Found, extraArgs: readonly string[]): LanguageClient {
    return new LanguageClient(
      ID,
      "AIContainer",
      { command: found.file, args: ["lsp", ...extraArgs] },
      {
        // Prompts are Markdown: their unsaved text counts too. The server looks only at those that a spec names. A spec
        // in TOML may have the language of another extension.
        documentSelector: [
          ...LANGUAGES.flatMap((language) => [
            { scheme: "file", language },
            { scheme: "untitled", language },
          ]),
          { scheme: "file", language: "markdown" },
          { scheme: "file", pattern: "**/{aicontainer,.aicontainer,*.aicontainer,*.ai,*.aictest}.toml" },
        ],
        outputChannel: this.log,
        traceOutputChannel: this.trace,
        revealOutputChannelOn: RevealOutputChannelOn.Never,
        diagnosticCollectionName: "aic",
        middleware: {
          executeCommand: async (command, args, next): Promise<unknown> => {
            if (!isTrusted() || !(await saveAround(args[0]))) return undefined;
            const answer: unknown = await next(command, args);
            this.worked.fire();
            return answer;
          },
          handleWorkDoneProgress: (token, params, next) => {
            next(token, params);
            if (params.kind === "end") this.worked.fire();
          },
        },
      },
    );
  }

  private async end(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    if (!client) return;
    // A client that never ran, or whose server has died, has nothing to stop and says so by throwing.
    await client.stop().catch((error: unknown) => this.log.debug(String(error)));
    await client.dispose().catch(() => undefined);
    this.set({ is: "stopped" });
  }

  private set(state: ServerState): void {
    this.now = state;
    this.changed.fire(state);
  }
}

/** Saves the document that a command of the server names first, and what else is open beside and below it. */
function saveAround(uri: unknown): Promise<boolean> {
  const file = typeof uri === "string" ? vscode.Uri.parse(uri) : undefined;
  return file?.scheme === "file" ? saveBelow(path.dirname(file.fsPath)) : Promise.resolve(true);
}

/** Tests and tools run code that the workspace brings. Says so where the workspace is not trusted. */
export function isTrusted(): boolean {
  if (vscode.workspace.isTrusted) return true;
  void vscode.window
    .showWarningMessage("aic runs nothing of a workspace that is not trusted.", "Manage trust")
    .then((pressed) => {
      if (pressed) void vscode.commands.executeCommand("workbench.trust.manage");
    });
  return false;
}

const machine: Machine = {
  isFile(file) {
    try {
      accessSync(file, constants.X_OK);
      return statSync(file).isFile();
    } catch {
      return false;
    }
  },
  async version(file) {
    const { code, stdout, stderr } = await run(file, ["--version"], undefined, VERSION_TIMEOUT);
    if (code === 0) return stdout;
    throw new Error(stderr.trim().split("\n")[0] || `exit code ${code}`);
  },
};

/**
 * The log as the place of traces. The language client traces only what a log channel's own level lets through, which no
 * setting can change; here the setting `aic.trace.server` is that level.
 */
class TraceChannel implements vscode.LogOutputChannel {
  private readonly level = new vscode.EventEmitter<vscode.LogLevel>();
  private readonly listener: vscode.Disposable;
  readonly onDidChangeLogLevel = this.level.event;

  constructor(private readonly log: vscode.LogOutputChannel) {
    this.listener = vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("aic.trace.server")) this.level.fire(this.logLevel);
    });
  }

  get name(): string {
    return this.log.name;
  }

  get logLevel(): vscode.LogLevel {
    const off = vscode.workspace.getConfiguration(ID).get("trace.server", "off") === "off";
    return off ? vscode.LogLevel.Off : vscode.LogLevel.Trace;
  }

  trace(message: string, ...args: unknown[]): void {
    this.log.info(message, ...args);
  }

  debug(message: string, ...args: unknown[]): void {
    this.log.debug(message, ...args);
  }

  info(message: string, ...args: unknown[]): void {
    this.log.info(message, ...args);
  }

  warn(message: string, ...args: unknown[]): void {
    this.log.warn(message, ...args);
  }

  error(error: string | Error, ...args: unknown[]): void {
    this.log.error(error, ...args);
  }

  append(value: string): void {
    this.log.append(value);
  }

  appendLine(value: string): void {
    this.log.appendLine(value);
  }

  replace(value: string): void {
    this.log.replace(value);
  }

  clear(): void {
    this.log.clear();
  }

  show(columnOrFocus?: vscode.ViewColumn | boolean, preserveFocus?: boolean): void {
    this.log.show(typeof columnOrFocus === "boolean" ? columnOrFocus : preserveFocus);
  }

  hide(): void {
    this.log.hide();
  }

  dispose(): void {
    this.listener.dispose();
    this.level.dispose();
  }
}
