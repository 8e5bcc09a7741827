// What the extension itself must know of the language: which files are specs, and which test the cursor is in.
// Everything else is the server's.

/** The ids of the language: in YAML, and in TOML. */
export const LANGUAGES: readonly string[] = ["aicontainer", "aicontainer-toml"];

/** Whether a file of this name is a spec or a workflow (not a file of tests only). */
export function isSpecName(name: string): boolean {
  const stem = /^(.*)\.(?:yml|yaml|toml)$/.exec(name)?.[1];
  if (stem === undefined) return false;
  return stem === "aicontainer" || stem.endsWith(".aicontainer") || (stem.endsWith(".ai") && stem.length > 3);
}

/**
 * The spec that a file of tests beside it most likely belongs to: the one of the same name, else the only one, else the
 * hidden one. `names` are the files of its folder.
 */
export function specBeside(testsName: string, names: readonly string[]): string | undefined {
  const specs = names.filter(isSpecName).sort();
  const stem = testsName.replace(/\.aictest\.(?:yml|yaml|toml)$/, "");
  const named = specs.find((name) => name.startsWith(`${stem}.`));
  return named ?? (specs.length === 1 ? specs[0] : specs.find((name) => name.startsWith(".aicontainer.")));
}

/**
 * The name of the test that a line (from 0) is in, read from the lines alone: the last item with a `name` at or above
 * it, below the last line that says `tests:`. Only for servers that have no lenses.
 */
export function testAt(lines: readonly string[], line: number): string | undefined {
  const from = lines.findLastIndex((text, at) => at <= line && /^tests\s*:/.test(text));
  if (from < 0) return undefined;
  let indent: number | undefined;
  let name: string | undefined;
  for (const text of lines.slice(from + 1, line + 1)) {
    if (/^[^\s#-]/.test(text)) return undefined;
    const item = /^(\s*)-\s+(.*)$/.exec(text);
    if (!item) {
      const key = indent !== undefined && /^(\s*)name\s*:\s+(.*)$/.exec(text);
      if (key && key[1] !== undefined && key[1].length === (indent ?? 0) + 2) name = scalar(key[2] ?? "");
      continue;
    }
    const [, spaces = "", rest = ""] = item;
    indent ??= spaces.length;
    if (spaces.length !== indent) continue;
    const named = /^(?:\{\s*)?name\s*:\s+(.*)$/.exec(rest);
    name = named ? scalar(named[1] ?? "", rest.startsWith("{")) : undefined;
  }
  return name;
}

function scalar(text: string, inFlow = false): string {
  const quoted = /^"((?:[^"\\]|\\.)*)"|^'((?:[^']|'')*)'/.exec(text);
  if (quoted) return quoted[1]?.replace(/\\(["\\])/g, "$1") ?? quoted[2]?.replaceAll("''", "'") ?? "";
  const plain = text.replace(/\s#.*$/, "");
  return (inFlow ? plain.replace(/\s*[,}].*$/, "") : plain).trim();
}
