/** The verb `run` as a process of its own: started as users start it, read while it serves, ended as Ctrl-C does. */
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import type { Target } from "../../scripts/envoy/client.ts";
import { program } from "../support/program.ts";

/** The line `--format json` prints when it is ready. */
export interface ReadyLine {
  port: number;
  adminPort: number;
  authority: string;
  accessLog: string;
  callers: { id: string; certificate: string; key: string }[];
  tokens: { issuer: string; token: string; scopes: string[]; expires: string }[];
  keys: { url: string; cluster: string; refreshSeconds: number }[];
}

export const root = join(import.meta.dirname, "../..");

/** How to start it. */
export interface RunSetting {
  args?: string[];
  environment?: NodeJS.ProcessEnv;
  policy: string;
}

/** The command line as users have it. */
export function startRun({ args = [], environment = {}, policy }: RunSetting): ChildProcess {
  return spawn(process.execPath, [program, "run", policy, ...args], {
    cwd: root,
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Waits for its end; for runs that do not come to serve. */
export async function endOf(setting: RunSetting): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = startRun(setting);
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, "exit")]);
  return { code, stdout, stderr };
}

/** Ends it as Ctrl-C does. */
export async function interrupt(child: ChildProcess): Promise<void> {
  const exit = once(child, "exit");
  child.kill("SIGINT");
  assert.deepEqual(await exit, [0, null]);
}

/** Runs it until it serves, hands over what it printed for people so far, and ends it. */
export async function whileShowing(
  setting: RunSetting,
  check: (lines: string[], nextLine: () => Promise<string>) => Promise<void>,
): Promise<void> {
  const child = startRun(setting);
  try {
    const reader = createInterface(child.stdout!)[Symbol.asyncIterator]();
    const nextLine = async (): Promise<string> => {
      const { value, done } = await reader.next();
      if (done === true) assert.fail("it ended before it was ready");
      return value;
    };
    const lines: string[] = [];
    while (!lines.at(-1)?.startsWith("Ctrl-C ends it.")) lines.push(await nextLine());
    await check(lines, nextLine);
    await interrupt(child);
  } finally {
    child.kill("SIGKILL");
  }
}

/** Runs lines in a shell, as if they were pasted. */
export async function paste(lines: string[]): Promise<string> {
  return (await promisify(execFile)("/bin/sh", ["-c", lines.join("\n")])).stdout;
}

/** Runs it until the check is done, ends it as Ctrl-C does, and sees to it that it cleaned up. */
export async function whileRunning(
  setting: RunSetting,
  check: (ready: ReadyLine, target: Target) => Promise<void>,
): Promise<void> {
  const child = startRun({ ...setting, args: ["--format", "json", ...(setting.args ?? [])] });
  try {
    const [line] = (await Promise.race([
      once(createInterface(child.stdout!), "line"),
      once(child, "exit").then(([code]) => assert.fail(`it ended with ${code} before it was ready`)),
    ])) as [string];
    const ready = JSON.parse(line) as ReadyLine;
    const [caller] = ready.callers;
    const target = {
      port: ready.port,
      authorityPem: await readFile(ready.authority, "utf8"),
      identity: {
        certificatePem: await readFile(caller!.certificate, "utf8"),
        privateKeyPem: await readFile(caller!.key, "utf8"),
      },
    };
    await check(ready, target);
    await interrupt(child);
    await assert.rejects(access(ready.authority), { code: "ENOENT" });
  } finally {
    child.kill("SIGKILL");
  }
}
