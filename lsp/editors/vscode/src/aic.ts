// Runs `aic` as a child process, bounded in time and output.

import { execFile } from "node:child_process";

export interface Ran {
  /** The exit code; none if it could not be run or was ended. */
  code: number | undefined;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end. Never rejects: what went wrong stands in `stderr`. `timeout` is in milliseconds. */
export function run(file: string, args: readonly string[], cwd: string | undefined, timeout: number): Promise<Ran> {
  return new Promise((resolve) => {
    const options = { cwd, timeout, maxBuffer: 16 << 20, env: { ...process.env, NO_COLOR: "1" }, windowsHide: true };
    const child = execFile(file, args, options, (error, stdout, stderr) => {
      if (!error) return resolve({ code: 0, stdout, stderr });
      const code = typeof error.code === "number" ? error.code : undefined;
      const why = error.killed ? `ended after ${timeout / 1000} s` : error.message;
      resolve({ code, stdout, stderr: code === undefined ? `${stderr}${why}\n` : stderr });
    });
    child.stdin?.end();
  });
}
