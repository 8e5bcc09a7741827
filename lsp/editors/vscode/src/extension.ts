// Where VS Code enters and leaves.

import * as vscode from "vscode";
import { offerHelp, registerCommands } from "./commands";
import { Server } from "./server";
import { StatusBar } from "./statusBar";

let server: Server | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const log = vscode.window.createOutputChannel("AIContainer Language Server", { log: true });
  const output = vscode.window.createOutputChannel("AIContainer");
  server = new Server(context.extensionPath, log);
  const status = new StatusBar(server);
  let before = server.state.is;
  context.subscriptions.push(
    log,
    output,
    server,
    status,
    registerCommands({ context, server, status, log, output }),
    server.onDidChangeState((state) => {
      // Once for each time that it goes wrong.
      if ("why" in state && state.is !== before) void offerHelp(state.why);
      before = state.is;
    }),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("aic.server")) void server?.restart();
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => void server?.restart()),
  );
  await server.restart();
}

export function deactivate(): Promise<void> | undefined {
  return server?.stop();
}
