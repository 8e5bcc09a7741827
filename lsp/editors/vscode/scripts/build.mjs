// Bundles the extension into out/, with the notices of what it contains. `--tests` bundles the tests too.
import { build } from "esbuild";
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
process.chdir(here);

/** Licences that may be bundled: those that ask for nothing but their notice. */
const PERMISSIVE = new Set(["MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "0BSD", "BlueOak-1.0.0"]);

const common = { bundle: true, platform: "node", target: "node20", external: ["vscode"], logLevel: "warning" };

rmSync("out", { recursive: true, force: true });
const { metafile } = await build({
  ...common,
  entryPoints: ["src/extension.ts"],
  outfile: "out/extension.js",
  format: "cjs",
  minify: true,
  metafile: true,
  legalComments: "none",
});
writeFileSync("out/THIRD-PARTY.txt", notices(Object.keys(metafile.inputs)));
for (const name of ["LICENSE-MIT", "LICENSE-APACHE"]) copyFileSync(path.join("../../..", name), name);

if (process.argv.includes("--tests")) {
  mkdirSync("out/test", { recursive: true });
  const entryPoints = readdirSync("test")
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => `test/${name}`);
  await build({
    ...common,
    entryPoints,
    outdir: "out/test",
    format: "esm",
    outExtension: { ".js": ".mjs" },
    sourcemap: "inline",
  });
}

/** The licences of all packages that files of the bundle come from. A licence that is not permissive ends the build. */
function notices(inputs) {
  const folders = new Set(
    inputs.map((file) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1]).filter(Boolean),
  );
  const parts = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
    if (!PERMISSIVE.has(license)) throw new Error(`${name} ${version}: the licence ${license} is not on the list`);
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    if (!file) throw new Error(`${name} ${version} comes without the text of its licence`);
    return `${name} ${version} (${license})\n\n${readFileSync(path.join(folder, file), "utf8").trim()}\n`;
  });
  return `The extension contains parts of these packages.\n\n${parts.join(`\n${"-".repeat(80)}\n\n`)}`;
}
