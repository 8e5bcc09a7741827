import assert from "node:assert/strict";
import { test } from "node:test";
import { compareVersions, explainMissing, findBinary, readVersion, type Machine, type Places } from "../src/binary";

const places: Places = { setting: "", path: "/usr/bin:/opt/bin", extension: "/ext", home: "/home/u", windows: false };

/** A machine with these programs, each with what its `--version` prints; `!` for one that does not run. */
function machine(programs: Record<string, string>): Machine & { asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    isFile: (file) => file in programs,
    version: (file) => {
      asked.push(file);
      const printed = programs[file];
      return printed === undefined || printed === "!" ? Promise.reject(new Error("EACCES")) : Promise.resolve(printed);
    },
  };
}

test("the setting comes before PATH, and PATH before the bundled one", async () => {
  const all = machine({ "/my/aic": "aic 0.3.0\n", "/opt/bin/aic": "aic 0.2.0\n", "/ext/server/aic": "aic 0.1.0\n" });
  const of = async (change: Partial<Places>) => {
    const found = await findBinary({ ...places, ...change }, all);
    return [found.file, found.file && found.origin, found.file && found.version];
  };
  assert.deepEqual(await of({ setting: "/my/aic" }), ["/my/aic", "setting", "0.3.0"]);
  assert.deepEqual(await of({}), ["/opt/bin/aic", "path", "0.2.0"]);
  assert.deepEqual(await of({ path: "" }), ["/ext/server/aic", "bundled", "0.1.0"]);
});

test("what is too old or another program is passed over, and said", async () => {
  const found = await findBinary(
    places,
    machine({ "/usr/bin/aic": "aic 0.0.9", "/opt/bin/aic": "AI commit helper 4.2", "/ext/server/aic": "aic 0.1.0" }),
  );
  assert.equal(found.file, "/ext/server/aic");
  assert.deepEqual(
    found.refused.map(({ file, why }) => `${file} ${why}`),
    ["/usr/bin/aic is version 0.0.9", "/opt/bin/aic is another program of that name"],
  );
});

test("a setting that does not lead anywhere is an error, not a reason to take another one", async () => {
  const other = { "/opt/bin/aic": "aic 0.2.0" };
  const missing = await findBinary({ ...places, setting: "/my/aic" }, machine(other));
  assert.equal(missing.file, undefined);
  assert.match(explain(missing), /aic\.server\.path .*\/my\/aic is not there\. Correct the setting/);

  const old = await findBinary({ ...places, setting: "/my/aic" }, machine({ ...other, "/my/aic": "aic 0.0.1" }));
  assert.match(explain(old), /\/my\/aic is version 0\.0\.1, and this extension needs 0\.1\.0 or later\. Update it/);

  const relative = await findBinary({ ...places, setting: "./bin/aic" }, machine(other));
  assert.match(explain(relative), /neither an absolute path nor the name of a program on PATH/);
});

test("a setting may begin with the home folder or be a name on PATH", async () => {
  const both = machine({ "/home/u/bin/aic": "aic 0.2.0", "/opt/bin/aic-dev": "aic 0.4.0" });
  assert.equal((await findBinary({ ...places, setting: "~/bin/aic" }, both)).file, "/home/u/bin/aic");
  assert.equal((await findBinary({ ...places, setting: "aic-dev" }, both)).file, "/opt/bin/aic-dev");
});

test("relative folders of PATH are not looked at", async () => {
  const here = machine({ aic: "aic 9.0.0", "./aic": "aic 9.0.0", "bin/aic": "aic 9.0.0" });
  assert.equal((await findBinary({ ...places, path: ".:bin::" }, here)).file, undefined);
  assert.deepEqual(here.asked, []);
});

test("Windows has another separator and an ending", async () => {
  const drive = { ...places, windows: true, path: "/c/bin;/d/bin" };
  assert.equal((await findBinary(drive, machine({ "/d/bin/aic.exe": "aic 0.1.0" }))).file, "/d/bin/aic.exe");
});

test("each way of missing says what to do", async () => {
  const nothing = await findBinary(places, machine({}));
  assert.match(explain(nothing), /not found on PATH.*Install it, or name it in the setting aic\.server\.path\.$/);
  const old = await findBinary(places, machine({ "/usr/bin/aic": "aic 0.0.9" }));
  assert.match(explain(old), /too old: \/usr\/bin\/aic is version 0\.0\.9, and this extension needs 0\.1\.0 or later/);
  const broken = await findBinary(places, machine({ "/usr/bin/aic": "!" }));
  assert.match(explain(broken), /\/usr\/bin\/aic does not run: EACCES/);
});

test("versions are read from what aic prints, and from nothing else", () => {
  assert.equal(readVersion("aic 0.1.0\n"), "0.1.0");
  assert.equal(readVersion("aic 1.2.3-rc.1+abc (x)"), "1.2.3-rc.1");
  for (const other of ["", "0.1.0", "aic", "aic 1", "aicommits 1.2.3", "the aic 1.2.3"]) {
    assert.equal(readVersion(other), undefined, other);
  }
});

test("versions are ordered as Semantic Versioning says", () => {
  const rising = [
    "0.0.9",
    "0.1.0-alpha",
    "0.1.0-alpha.1",
    "0.1.0-alpha.beta",
    "0.1.0-rc.2",
    "0.1.0-rc.10",
    "0.1.0",
    "0.1.1",
    "0.2.0",
    "0.10.0",
    "1.0.0",
  ];
  for (const [i, one] of rising.entries()) {
    for (const [j, other] of rising.entries()) {
      assert.equal(Math.sign(compareVersions(one, other)), Math.sign(i - j), `${one} and ${other}`);
    }
  }
  assert.equal(compareVersions("0.1.0+a", "0.1.0+b"), 0);
});

function explain(found: Awaited<ReturnType<typeof findBinary>>): string {
  assert.ok(found.file === undefined);
  return explainMissing(found);
}
