// The extension's own commands. The server's (`aic.…`) are registered by the language client, under other names.

import * as path from "node:path";
import * as vscode from "vscode";
import { run, type Ran } from "./aic";
import { isTrusted, type Server } from "./server";
import { LANGUAGES, testAt } from "./spec";
import type { StatusBar } from "./statusBar";
import { chooseSpec, saveBelow, specOf } from "./target";

/** How long a rollback with its tests may take, in milliseconds. */
const ROLLBACK_TIMEOUT = 600_000;

const WALKTHROUGH = "start";

/** What the commands work with. */
export interface House {
  context: vscode.ExtensionContext;
  server: Server;
  status: StatusBar;
  log: vscode.LogOutputChannel;
  /** What `aic` printed for a person. */
  output: vscode.OutputChannel;
}

export function registerCommands(house: House): vscode.Disposable {
  const all: Record<string, () => unknown> = {
    "aicontainer.restart": () => restart(house),
    "aicontainer.showLog": () => house.log.show(),
    "aicontainer.runTest": () => runTest(house),
    "aicontainer.runAll": () => runAll(house),
    "aicontainer.rollback": () => rollback(house, false),
    "aicontainer.undoRollback": () => rollback(house, true),
    "aicontainer.newSpec": () => newSpec(house),
    "aicontainer.openWalkthrough": () => openWalkthrough(house),
    "aicontainer.menu": () => menu(),
  };
  const registered = Object.entries(all).map(([id, action]) => vscode.commands.registerCommand(id, action));
  return vscode.Disposable.from(...registered);
}

/** Says what is wrong with the server, with what can be done about it. */
export async function offerHelp(why: string): Promise<void> {
  const settings = "Open settings";
  const how = "How to install";
  const log = "Show log";
  const pressed = await vscode.window.showErrorMessage(why, settings, how, log);
  if (pressed === settings) await vscode.commands.executeCommand("workbench.action.openSettings", "aic.server.path");
  if (pressed === how) await vscode.commands.executeCommand("aicontainer.openWalkthrough");
  if (pressed === log) await vscode.commands.executeCommand("aicontainer.showLog");
}

async function restart({ server }: House): Promise<void> {
  await server.restart();
  const { state } = server;
  if (state.is === "running") vscode.window.setStatusBarMessage(`aic ${state.version} is running`, 3000);
}

/** The program, or a message that there is none. */
function program({ server }: House): string | undefined {
  if (!server.file) {
    const why = "why" in server.state ? server.state.why : "aic is not running yet: try again in a moment.";
    void offerHelp(why);
  }
  return server.file;
}

async function runTest(house: House): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  if (!editor || !LANGUAGES.includes(editor.document.languageId)) {
    void vscode.window.showInformationMessage("Open a spec and put the cursor into one of its tests.");
    return;
  }
  if (!isTrusted()) return;
  const { document, selection } = editor;
  const offered = house.server.offers("aic.runTest");
  const lens = offered ? await lensAt(document, "aic.runTest", selection.active.line) : undefined;
  if (lens) {
    await vscode.commands.executeCommand(lens.command, ...((lens.arguments as unknown[] | undefined) ?? []));
    return;
  }
  const name = testAt(document.getText().split(/\r?\n/), selection.active.line);
  const spec = await specOf(document);
  if (!name || !spec) {
    void vscode.window.showInformationMessage("The cursor is in no test with a name. Put it into one, or run all.");
  } else if (offered) {
    await vscode.commands.executeCommand("aic.runTest", document.uri.toString(), name);
  } else {
    await testInTerminal(house, spec, ["--filter", name]);
  }
}

async function runAll(house: House): Promise<void> {
  if (!isTrusted()) return;
  const document = vscode.window.activeTextEditor?.document;
  if (document && house.server.offers("aic.runAll") && (await specOf(document))) {
    await vscode.commands.executeCommand("aic.runAll", document.uri.toString());
    return;
  }
  const spec = await chooseSpec();
  if (spec) await testInTerminal(house, spec, []);
}

/** What the server's last lens with this command says, at or above a line. It knows better than we where tests are. */
async function lensAt(
  document: vscode.TextDocument,
  command: string,
  line: number,
): Promise<vscode.Command | undefined> {
  const lenses = await vscode.commands.executeCommand<vscode.CodeLens[] | undefined>(
    "vscode.executeCodeLensProvider",
    document.uri,
    Number.MAX_SAFE_INTEGER,
  );
  const ours = (lenses ?? []).filter((lens) => lens.command?.command === command);
  ours.sort((a, b) => a.range.start.line - b.range.start.line);
  return ours.findLast((lens) => lens.range.start.line <= line)?.command;
}

async function testInTerminal(house: House, spec: string, more: string[]): Promise<void> {
  const file = program(house);
  if (!file || !(await saveBelow(path.dirname(spec)))) return;
  const name = path.basename(spec);
  const process = new vscode.ProcessExecution(file, ["test", name, ...more], { cwd: path.dirname(spec) });
  const title = `test ${vscode.workspace.asRelativePath(spec)}`;
  const task = new vscode.Task({ type: "aic" }, vscode.TaskScope.Workspace, title, "aic", process);
  task.presentationOptions = { reveal: vscode.TaskRevealKind.Always, clear: true };
  const execution = await vscode.tasks.executeTask(task);
  const listener = vscode.tasks.onDidEndTask((event) => {
    if (event.execution !== execution) return;
    listener.dispose();
    house.status.refresh();
  });
  house.context.subscriptions.push(listener);
}

async function rollback(house: House, undo: boolean): Promise<void> {
  const file = program(house);
  if (!file || !isTrusted()) return;
  const spec = await chooseSpec();
  if (!spec) return;
  const name = vscode.workspace.asRelativePath(spec);
  const yes = undo ? "Undo the rollback" : "Roll back";
  const question = undo ? `Take the last rollback of ${name} back?` : `Put the last stable version of ${name} back?`;
  const detail = "Open files are saved first. What is there now is kept as a version, and can be had back.";
  if ((await vscode.window.showWarningMessage(question, { modal: true, detail }, yes)) !== yes) return;
  const folder = path.dirname(spec);
  // Else an editor with unsaved text would later write the old version over the one that was put back.
  if (!(await saveBelow(folder))) return;

  const args = ["rollback", path.basename(spec), ...(undo ? ["--undo"] : [])];
  const title = undo ? `Undoing the rollback of ${name}` : `Rolling ${name} back`;
  const ran = await vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title }, () =>
    run(file, args, folder, ROLLBACK_TIMEOUT),
  );
  show(house, args, folder, ran);
  house.status.refresh();
  const first = (ran.stdout.trim() || ran.stderr.trim()).split("\n")[0] || `exit code ${ran.code}`;
  if (ran.code === 0) {
    const undoIt = "Undo";
    const pressed = await vscode.window.showInformationMessage(`${name}: ${first}`, ...(undo ? [] : [undoIt]));
    if (pressed === undoIt) await rollback(house, true);
  } else if (ran.code === 1) {
    void vscode.window.showWarningMessage(`${name}: ${first}. Its tests do not pass: see the output.`);
  } else {
    void vscode.window.showErrorMessage(`${name} was not rolled back: ${ran.stderr.trim().split("\n")[0] || first}`);
  }
}

function show({ output }: House, args: readonly string[], folder: string, ran: Ran): void {
  output.appendLine(`$ aic ${args.join(" ")}    # in ${folder}`);
  for (const text of [ran.stdout, ran.stderr]) if (text.trim()) output.appendLine(text.trimEnd());
  output.appendLine("");
  output.show(true);
}

async function newSpec(house: House): Promise<void> {
  const file = program(house);
  if (!file || !isTrusted()) return;
  const chosen = await vscode.window.showOpenDialog({
    canSelectFiles: false,
    canSelectFolders: true,
    openLabel: "Make the spec here",
    title: "A folder for the new spec",
  });
  const folder = chosen?.[0];
  if (!folder) return;
  const ran = await run(file, ["init", "."], folder.fsPath, 60_000);
  show(house, ["init"], folder.fsPath, ran);
  if (ran.code !== 0) {
    void vscode.window.showErrorMessage(
      `No spec was made: ${ran.stderr.trim().split("\n")[0] || `exit code ${ran.code}`}`,
    );
    return;
  }
  await vscode.window.showTextDocument(vscode.Uri.joinPath(folder, ".aicontainer.yml"));
}

async function openWalkthrough({ context }: House): Promise<void> {
  await vscode.commands.executeCommand(
    "workbench.action.openWalkthrough",
    `${context.extension.id}#${WALKTHROUGH}`,
    false,
  );
}

async function menu(): Promise<void> {
  const items = [
    { label: "$(run-all) Run all tests", command: "aicontainer.runAll" },
    { label: "$(discard) Roll back", command: "aicontainer.rollback" },
    { label: "$(redo) Undo the last rollback", command: "aicontainer.undoRollback" },
    { label: "$(refresh) Restart the server", command: "aicontainer.restart" },
    { label: "$(output) Show the log", command: "aicontainer.showLog" },
    { label: "$(gear) Settings", command: "workbench.action.openSettings", argument: "@ext:aicontainer.aicontainer" },
    { label: "$(book) Get started", command: "aicontainer.openWalkthrough" },
  ];
  const picked = await vscode.window.showQuickPick(items, { placeHolder: "AIContainer" });
  if (picked) await vscode.commands.executeCommand(picked.command, ...(picked.argument ? [picked.argument] : []));
}
