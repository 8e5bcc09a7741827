// Which `aic` the extension runs: the one of the setting, else the first good one on PATH, else the one that came with
// the extension. Nothing here touches VS Code or the disk by itself: what it asks of the machine is handed in.

import * as path from "node:path";

/** The oldest `aic` whose language server this extension can talk to. */
export const OLDEST = "0.1.0";

/** Where a program was looked for, in the order of looking. */
export type Origin = "setting" | "path" | "bundled";

/** What there is to look through. */
export interface Places {
  /** The setting `aic.server.path`; empty where nobody set it. */
  setting: string;
  /** The variable PATH. */
  path: string;
  /** The folder of the extension. */
  extension: string;
  /** The user's home, for a setting that begins with `~/`. */
  home: string;
  windows: boolean;
}

/** What is asked of the machine. */
export interface Machine {
  isFile(file: string): boolean;
  /** What `FILE --version` prints. Rejects where it cannot be run. */
  version(file: string): Promise<string>;
}

/** A program that was looked at and not taken. */
export interface Refused {
  file: string;
  origin: Origin;
  /** Why, to be read after the file's name. */
  why: string;
  tooOld: boolean;
}

export interface Found {
  file: string;
  origin: Origin;
  version: string;
  /** Those that stood before it. */
  refused: Refused[];
}

/** No program will do. `setting` says that it was asked for by name, so that nothing else was looked at. */
export interface Missing {
  file: undefined;
  setting: boolean;
  refused: Refused[];
}

/** The version in what `aic --version` prints; none if another program answered. */
export function readVersion(printed: string): string | undefined {
  return /^aic (\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)(?:\+\S*)?(?:\s|$)/.exec(printed)?.[1];
}

/**
 * Orders two versions as Semantic Versioning does: below zero if the first is older. Build metadata does not count.
 */
export function compareVersions(one: string, other: string): number {
  const split = (version: string) => {
    const [release = "", ...pre] = (version.split("+")[0] ?? "").split("-");
    return { release: release.split(".").map(Number), pre: pre.length ? pre.join("-").split(".") : undefined };
  };
  const [a, b] = [split(one), split(other)];
  for (let i = 0; i < 3; i++) {
    const difference = (a.release[i] ?? 0) - (b.release[i] ?? 0);
    if (difference) return difference;
  }
  if (!a.pre || !b.pre) return Number(!a.pre) - Number(!b.pre);
  for (let i = 0; i < Math.max(a.pre.length, b.pre.length); i++) {
    const [x, y] = [a.pre[i], b.pre[i]];
    if (x === y) continue;
    if (x === undefined || y === undefined) return x === undefined ? -1 : 1;
    const numbers = [/^\d+$/.test(x), /^\d+$/.test(y)];
    if (numbers[0] && numbers[1]) return Number(x) - Number(y);
    if (numbers[0] !== numbers[1]) return numbers[0] ? -1 : 1;
    return x < y ? -1 : 1;
  }
  return 0;
}

/** Looks through the places. */
export async function findBinary(places: Places, machine: Machine): Promise<Found | Missing> {
  const refused: Refused[] = [];
  const setting = places.setting.trim();
  for (const { file, origin } of setting ? fromSetting(setting, places) : elsewhere(places)) {
    const refuse = (why: string, tooOld = false) => refused.push({ file, origin, why, tooOld });
    if (!path.isAbsolute(file)) {
      refuse("is neither an absolute path nor the name of a program on PATH");
      continue;
    }
    if (!machine.isFile(file)) {
      if (origin === "setting") refuse("is not there");
      continue;
    }
    let printed: string;
    try {
      printed = await machine.version(file);
    } catch (error) {
      refuse(`does not run: ${error instanceof Error ? error.message : String(error)}`);
      continue;
    }
    const version = readVersion(printed);
    if (version === undefined) refuse("is another program of that name");
    else if (compareVersions(version, OLDEST) < 0) refuse(`is version ${version}`, true);
    else return { file, origin, version, refused };
  }
  return { file: undefined, setting: setting !== "", refused };
}

interface Candidate {
  file: string;
  origin: Origin;
}

function fromSetting(setting: string, places: Places): Candidate[] {
  const origin = "setting";
  if (setting.startsWith("~/")) return [{ file: path.join(places.home, setting.slice(2)), origin }];
  if (/[\\/]/.test(setting)) return [{ file: setting, origin }];
  const named = onPath(setting, places).map((file) => ({ file, origin }) as const);
  return named.length ? named : [{ file: setting, origin }];
}

function elsewhere(places: Places): Candidate[] {
  const bundled = path.join(places.extension, "server", withEnding("aic", places));
  return [
    ...onPath("aic", places).map((file) => ({ file, origin: "path" }) as const),
    { file: bundled, origin: "bundled" },
  ];
}

/** A relative entry of PATH would depend on the folder that is open, so it does not count. */
function onPath(name: string, places: Places): string[] {
  const folders = places.path.split(places.windows ? ";" : ":").filter((folder) => path.isAbsolute(folder));
  return [...new Set(folders)].map((folder) => path.join(folder, withEnding(name, places)));
}

function withEnding(name: string, places: Places): string {
  return places.windows && !name.endsWith(".exe") ? `${name}.exe` : name;
}

/** What a person is told when no program will do: what is wrong, then what to do. */
export function explainMissing(missing: Missing): string {
  const wrong = missing.refused.map(({ file, why }) => `${file} ${why}`).join("; ");
  if (missing.setting) {
    const old = missing.refused.some(({ tooOld }) => tooOld);
    const rest = old ? `, and this extension needs ${OLDEST} or later. Update it` : ". Correct the setting";
    return `The setting aic.server.path does not lead to a usable aic: ${wrong || "nothing of that name is on PATH"}${rest}, or clear the setting to have aic looked for on PATH.`;
  }
  if (missing.refused.some(({ tooOld }) => tooOld)) {
    return `aic is too old: ${wrong}, and this extension needs ${OLDEST} or later. Update it, or name another one in the setting aic.server.path.`;
  }
  const also = wrong ? ` (${wrong})` : "";
  return `aic was not found on PATH, and this build of the extension brings none${also}. Install it, or name it in the setting aic.server.path.`;
}
