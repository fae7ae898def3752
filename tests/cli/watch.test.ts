/** `sallyport test --watch` as somebody uses it who edits a policy beside it. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { program } from "../support/program.ts";
import { folderWith, plain_policy } from "./program.ts";

const tests = `policy: policy/policy.yaml
tests:
  - name: health
    request: GET /healthz
    expect: allow
`;
const other_policy = plain_policy.replace("/healthz", "/elsewhere");

/** What the program has said so far, and waiting for more. */
class Watched {
  readonly child: ChildProcess;
  #text = "";
  #from = 0;

  constructor(context: TestContext, folder: string, ...options: string[]) {
    this.child = spawn(process.execPath, [program, "test", "--watch", ...options, "tests.yaml"], {
      cwd: folder,
      env: { ...process.env, NODE_OPTIONS: "", NO_COLOR: "1" },
    });
    context.after(() => this.child.kill("SIGKILL"));
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.#text += text;
      });
    }
  }

  /** Waits until this stands in what has been said since the last wait. */
  async says(expected: RegExp): Promise<void> {
    const deadline = Date.now() + 30_000;
    for (;;) {
      const match = expected.exec(this.#text.slice(this.#from));
      if (match !== null) {
        this.#from += match.index + match[0].length;
        return;
      }
      assert.ok(Date.now() < deadline && this.child.exitCode === null, `no ${expected} in: ${this.#text}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

test("tests run again when a policy is edited, replaced, broken and put right, until Ctrl-C", async (context) => {
  const folder = folderWith(context, { "tests.yaml": tests });
  mkdirSync(join(folder, "policy"));
  const policy = join(folder, "policy/policy.yaml");
  writeFileSync(policy, plain_policy);
  const watched = new Watched(context, folder, "--coverage");
  await watched.says(/1 passed, 0 failed[\s\S]*Ctrl-C ends it/);

  writeFileSync(policy, other_policy);
  await watched.says(/0 passed, 1 failed[\s\S]*Ctrl-C ends it/);

  // As editors do that write beside the file and put that in its place.
  writeFileSync(`${policy}.tmp`, plain_policy);
  renameSync(`${policy}.tmp`, policy);
  await watched.says(/1 passed, 0 failed[\s\S]*Ctrl-C ends it/);

  writeFileSync(policy, plain_policy.replace("callers", "callrs"));
  // Errors and results are two streams, of which either may come first.
  await watched.says(/policy\.yaml:\d+:\d+: error: .*callrs/);

  writeFileSync(policy, `${plain_policy}include: [teams/*.yaml]\n`);
  await watched.says(/error: .*teams/);
  mkdirSync(join(folder, "policy/teams"));
  writeFileSync(
    join(folder, "policy/teams/one.yaml"),
    'rules:\n  - name: deny-all\n    callers: [anonymous]\n    deny: ["* /**"]\n',
  );
  await watched.says(/0 passed, 1 failed[\s\S]*Ctrl-C ends it/);
  writeFileSync(join(folder, "policy/teams/one.yaml"), "rules: []\n");
  await watched.says(/Ctrl-C ends it/);

  watched.child.kill("SIGINT");
  const [code, signal] = await once(watched.child, "exit");
  assert.deepEqual([code, signal], [0, null]);
});

test("as JSON, one line for each run", async (context) => {
  const folder = folderWith(context, { "tests.yaml": tests.replace("policy/", ""), "policy.yaml": plain_policy });
  const watched = new Watched(context, folder, "--format", "json");
  await watched.says(/^\{"passed":1,"failed":0,.*\}\n/m);
  writeFileSync(join(folder, "tests.yaml"), tests.replace("policy/", "").replace("allow", "deny"));
  await watched.says(/^\{"passed":0,"failed":1,.*\}\n/m);
  writeFileSync(join(folder, "policy.yaml"), "version: [");
  await watched.says(/^\{"errors":\[\{.*\}\n/m);
  watched.child.kill("SIGINT");
  await once(watched.child, "exit");
});
