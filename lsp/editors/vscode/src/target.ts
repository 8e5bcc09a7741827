// Which spec a command is about.

import { readdir } from "node:fs/promises";
import * as path from "node:path";
import * as vscode from "vscode";
import { isSpecName, specBeside } from "./spec";

/** The path of the spec that a document is, or that its tests belong to. */
export async function specOf(document: vscode.TextDocument | undefined): Promise<string | undefined> {
  if (!document || document.uri.scheme !== "file") return undefined;
  const file = document.uri.fsPath;
  const name = path.basename(file);
  if (isSpecName(name)) return file;
  if (!/\.aictest\.(?:yml|yaml|toml)$/.test(name)) return undefined;
  const folder = path.dirname(file);
  const beside = specBeside(name, await readdir(folder).catch(() => []));
  return beside && path.join(folder, beside);
}

/** The spec in view, else the only one of the workspace, else the one that is picked. */
export async function chooseSpec(): Promise<string | undefined> {
  const inView = await specOf(vscode.window.activeTextEditor?.document);
  if (inView) return inView;
  const glob = "**/{aicontainer,.aicontainer,*.aicontainer,*.ai}.{yml,yaml,toml}";
  const all = await vscode.workspace.findFiles(glob, "**/{node_modules,target}/**", 200);
  const specs = all
    .map((uri) => uri.fsPath)
    .filter((file) => isSpecName(path.basename(file)))
    .sort();
  if (specs.length === 0) {
    const made = "New spec";
    const pressed = await vscode.window.showInformationMessage("There is no spec in this workspace.", made);
    if (pressed === made) await vscode.commands.executeCommand("aicontainer.newSpec");
    return undefined;
  }
  if (specs.length === 1) return specs[0];
  const items = specs.map((file) => ({ label: vscode.workspace.asRelativePath(file), file }));
  return (await vscode.window.showQuickPick(items, { placeHolder: "Which spec?" }))?.file;
}

/** Saves what is open below a folder: what runs is what is on disk. False if something could not be saved. */
export async function saveBelow(folder: string): Promise<boolean> {
  const below = (document: vscode.TextDocument) =>
    document.isDirty && document.uri.scheme === "file" && !path.relative(folder, document.uri.fsPath).startsWith("..");
  const all = await Promise.all(vscode.workspace.textDocuments.filter(below).map((document) => document.save()));
  return all.every(Boolean);
}
