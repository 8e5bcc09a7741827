// Draws the status: an item in the status bar while a spec is in view, or while something is wrong.

import * as path from "node:path";
import * as vscode from "vscode";
import { run } from "./aic";
import type { Server } from "./server";
import { LANGUAGES } from "./spec";
import { specOf } from "./target";
import { readVerdict, statusText, type Verdict } from "./status";

/** How long after the last reason to look the store is looked at, in milliseconds: several come at once. */
const QUIET = 200;

/** The files that specs are made of: what is in them decides which version they are. */
const PARTS = "**/*.{yml,yaml,toml,md,txt,js,csv,json,jsonl,wasm}";

/** How long reading the verdict may take, in milliseconds. */
const TIMEOUT = 10_000;

export class StatusBar implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem("aicontainer.status", vscode.StatusBarAlignment.Right, 100);
  private readonly listeners: vscode.Disposable[];
  private verdict: Verdict | undefined;
  private spec: string | undefined;
  private timer: NodeJS.Timeout | undefined;
  /** Counts the looks: an answer that a later look has overtaken is dropped. */
  private look = 0;

  constructor(private readonly server: Server) {
    this.item.name = "AIContainer";
    this.item.command = "aicontainer.menu";
    const refresh = () => this.refresh();
    const parts = vscode.workspace.createFileSystemWatcher(PARTS);
    this.listeners = [
      server.onDidChangeState(refresh),
      server.onDidWork(refresh),
      vscode.window.onDidChangeActiveTextEditor(refresh),
      vscode.window.onDidChangeWindowState(({ focused }) => focused && this.refresh()),
      vscode.workspace.onDidChangeTextDocument(({ document }) => this.isInView(document) && this.draw()),
      parts,
      parts.onDidChange(refresh),
      parts.onDidCreate(refresh),
      parts.onDidDelete(refresh),
      vscode.workspace.onDidSaveTextDocument(refresh),
    ];
    this.refresh();
  }

  /** Draws at once, and looks at the store shortly. */
  refresh(): void {
    this.draw();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.read(), QUIET);
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.look++;
    this.item.dispose();
    for (const listener of this.listeners) listener.dispose();
  }

  private async read(): Promise<void> {
    const look = ++this.look;
    const spec = await specOf(vscode.window.activeTextEditor?.document);
    const file = this.server.file;
    let verdict: Verdict | undefined;
    if (spec && file && this.server.state.is === "running") {
      const args = ["versions", path.basename(spec), "--format", "json"];
      const { stdout } = await run(file, args, path.dirname(spec), TIMEOUT);
      verdict = readVerdict(stdout);
    }
    if (look !== this.look) return;
    this.spec = spec;
    this.verdict = verdict;
    this.draw();
  }

  private isInView(document: vscode.TextDocument): boolean {
    return (
      document.uri.scheme === "file" &&
      (document.uri.fsPath === this.spec || document === vscode.window.activeTextEditor?.document)
    );
  }

  private draw(): void {
    const unsaved =
      this.verdict && vscode.workspace.textDocuments.some((document) => document.isDirty && this.isInView(document));
    const shown = statusText(this.server.state, unsaved ? { is: "edited" } : this.verdict);
    this.item.text = shown.text;
    this.item.tooltip = this.spec ? `${path.basename(this.spec)}\n${shown.tooltip}` : shown.tooltip;
    this.item.backgroundColor =
      shown.mark === "none" ? undefined : new vscode.ThemeColor(`statusBarItem.${shown.mark}Background`);
    const ours = LANGUAGES.includes(vscode.window.activeTextEditor?.document.languageId ?? "");
    if (ours || this.spec || shown.mark !== "none") this.item.show();
    else this.item.hide();
  }
}
