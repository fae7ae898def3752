/** Lines of logs lie in a temporary folder while they are read: whatever ends the reading, nothing of them stays. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const temporary = mkdtempSync(join(tmpdir(), "sallyport-temporary-test-"));
after(() => rmSync(temporary, { recursive: true, force: true }));

const folders = (): string[] => readdirSync(temporary).filter((name) => name.startsWith("sallyport-traffic-"));

/** Runs a program that opens traffic from standard input, and calls `end` once the folder is there. @returns how it ended */
async function reading(program: string, end: (pid: number) => void): Promise<[number | null, NodeJS.Signals | null]> {
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program], {
    cwd: root,
    env: { ...process.env, TMPDIR: temporary, NODE_OPTIONS: "" },
    stdio: ["pipe", "pipe", "inherit"],
    timeout: 60_000,
    killSignal: "SIGKILL",
  });
  const ended = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  child.stdin.write('{"method":"GET","path":"/secret"}\n');
  await Promise.race([once(child.stdout, "data"), ended]);
  assert.equal(folders().length, 1, "the folder is there while lines are read");
  assert.equal(statSync(join(temporary, folders()[0]!)).mode & 0o077, 0, "it is of its owner alone");
  end(child.pid!);
  return ended;
}

const opens = `
  import { readdirSync } from "node:fs";
  import { openTraffic } from "./scripts/traffic/open.ts";
  const timer = setInterval(() => {
    const [folder] = readdirSync(${JSON.stringify(temporary)}).filter((name) => name.startsWith("sallyport-traffic-"));
    if (folder === undefined) return;
    clearInterval(timer);
    console.log(folder);
  }, 20);
`;

describe("the temporary folder is gone", () => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    test(`after ${signal}, which ends the process as ever`, { timeout: 90_000 }, async () => {
      const ended = await reading(`${opens} await openTraffic(["-"]);`, (pid) => void process.kill(pid, signal));
      assert.deepEqual([...ended, folders()], [null, signal, []]);
    });
  }

  test("after an end in the middle of the reading", { timeout: 90_000 }, async () => {
    const program = `${opens} setTimeout(() => process.exit(3), 3000); await openTraffic(["-"]);`;
    assert.deepEqual([...(await reading(program, () => {})), folders()], [3, null, []]);
  });

  test("and who else waits for a signal goes on", { timeout: 90_000 }, async () => {
    const program = `${opens} process.on("SIGTERM", () => process.exit(4)); await openTraffic(["-"]);`;
    const ended = await reading(program, (pid) => void process.kill(pid, "SIGTERM"));
    assert.deepEqual([...ended, folders()], [4, null, []]);
  });
});
