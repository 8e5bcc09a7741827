// What the status bar says, as plain data: the state of the server and the last verdict of the spec in view.

/** How the language server is doing. */
export type ServerState =
  | { is: "starting" }
  | { is: "running"; version: string; origin: string }
  | { is: "stopped" }
  | { is: "missing"; why: string }
  | { is: "failed"; why: string };

/** What the store knows of the spec in view. */
export type Verdict =
  | { is: "untested" }
  /** The files differ from every version that was recorded lately. */
  | { is: "edited" }
  | { is: "tested"; version: number; passed: number; failed: number; other: number; skipped: number; stable: boolean };

export interface StatusText {
  text: string;
  tooltip: string;
  /** Which of VS Code's background colours marks it. */
  mark: "none" | "warning" | "error";
}

/**
 * Reads what `aic versions --format json` prints. None where it is something else: the status bar then says nothing of
 * tests rather than something wrong.
 */
export function readVerdict(printed: string): Verdict | undefined {
  let read: unknown;
  try {
    read = JSON.parse(printed);
  } catch {
    return undefined;
  }
  const versions = field(read, "versions");
  if (!Array.isArray(versions)) return undefined;
  if (versions.length === 0) return { is: "untested" };
  const current: unknown = versions.find((version) => field(version, "current") === true);
  if (current === undefined) return { is: "edited" };
  const verdict = field(current, "verdict");
  if (verdict === null || verdict === undefined) return { is: "untested" };
  const count = (name: string) => Number(field(verdict, name) ?? 0);
  return {
    is: "tested",
    version: Number(field(current, "number")),
    passed: count("passed"),
    failed: count("failed"),
    other: count("other"),
    skipped: count("skipped"),
    stable: field(current, "stable") === true,
  };
}

/** What the status bar shows. */
export function statusText(server: ServerState, verdict: Verdict | undefined): StatusText {
  switch (server.is) {
    case "starting":
      return { text: "$(sync~spin) aic", tooltip: "The language server of aic is starting", mark: "none" };
    case "stopped":
      return { text: "$(circle-slash) aic", tooltip: "The language server of aic is stopped", mark: "warning" };
    case "missing":
      return { text: "$(warning) aic not found", tooltip: server.why, mark: "warning" };
    case "failed":
      return { text: "$(error) aic", tooltip: server.why, mark: "error" };
    case "running": {
      const [shown, said] = ofVerdict(verdict);
      return {
        text: shown,
        tooltip: `${said}\n\naic ${server.version}, ${server.origin}`,
        mark: "none",
      };
    }
  }
}

function ofVerdict(verdict: Verdict | undefined): [string, string] {
  if (!verdict) return ["$(beaker) aic", "The language server of aic is running"];
  if (verdict.is === "untested") return ["$(beaker) aic: not tested", "The behaviour tests have not run yet"];
  if (verdict.is === "edited") {
    return ["$(beaker) aic: edited", "The files are not as they were when the behaviour tests last ran"];
  }
  const { passed, failed, other, skipped, version } = verdict;
  const run = passed + failed + other;
  const parts = [`${passed} passed`];
  if (failed) parts.push(`${failed} failed`);
  if (other) parts.push(`${other} without a verdict`);
  if (skipped) parts.push(`${skipped} skipped`);
  const said = `Version ${version}: ${parts.join(", ")}${verdict.stable ? "; stable" : ""}`;
  const icon = failed || other ? "$(error)" : "$(pass)";
  return [`${icon} aic ${passed}/${run}`, said];
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
