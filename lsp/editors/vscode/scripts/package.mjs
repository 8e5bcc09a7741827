// Makes the .vsix. With AIC_BINARY=FILE that program is bundled as server/aic, and the package is for this platform
// only; without, the package is small, runs everywhere, and looks for `aic` on PATH.
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const binary = process.env.AIC_BINARY && path.resolve(process.env.AIC_BINARY);
process.chdir(here);

const node = (script, ...args) => execFileSync(process.execPath, [script, ...args], { stdio: "inherit" });
const { name, version } = JSON.parse(readFileSync("package.json", "utf8"));

node("scripts/build.mjs");
rmSync("server", { recursive: true, force: true });
const target = [];
let file = `${name}-${version}.vsix`;
if (binary) {
  mkdirSync("server");
  const to = path.join("server", process.platform === "win32" ? "aic.exe" : "aic");
  copyFileSync(binary, to);
  chmodSync(to, 0o755);
  const platform = `${process.platform}-${process.arch}`;
  target.push("--target", platform);
  file = `${name}-${platform}-${version}.vsix`;
}
const options = ["--no-dependencies", "--skip-license", "--allow-missing-repository", "--no-rewrite-relative-links"];
node("node_modules/@vscode/vsce/vsce", "package", ...options, ...target, "--out", file);
console.log(`${file}: ${Math.ceil(statSync(file).size / 1024)} kB`);
