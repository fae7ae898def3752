/** The worked example of CONTRIBUTING.md, done in a copy of the repository as it stands there: its changes, then its commands. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";

const [, section] = /^## Add a warning\n(.*?)^## /ms.exec(readFileSync("CONTRIBUTING.md", "utf8")) ?? [];
const blocks = (language: string): string[] =>
  [...section!.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms"))].map(([, text]) => text!);

const copy = mkdtempSync(join(tmpdir(), "sallyport-contributing-"));
after(() => rmSync(copy, { recursive: true, force: true }));

/** Runs a program in the copy; what it wrote, or an error that has it. */
function run(program: string, args: readonly string[], input?: string): string {
  // The runner of this test must not be taken for that of those it starts.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  return execFileSync(program, args, { cwd: copy, env, encoding: "utf8", timeout: 300_000, input: input ?? "" });
}

test("the recipe for a warning leads to a warning that is documented and tested", () => {
  const files = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], { encoding: "utf8" }).trim().split("\n");
  for (const file of files.filter((one) => existsSync(one))) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    cpSync(file, join(copy, file), { errorOnExist: false, force: true });
  }
  symlinkSync(join(process.cwd(), "node_modules"), join(copy, "node_modules"));
  cpSync("build/engine.wasm", join(copy, "build/engine.wasm"));

  const changes = blocks("diff");
  assert.equal(changes.length, 2, "the entry and the check");
  run("git", ["apply", "-"], changes[0]);
  const codes = ["--import", "tsx", "--test", "tests/policy/source/codes.test.ts"];
  const isAboutCode = ({ stdout }: Error & { stdout: string }): boolean => stdout.includes("limit_slow");
  assert.throws(() => run(process.execPath, codes), isAboutCode, "an entry without a check must fail");
  run("git", ["apply", "-"], changes[1]);
  run("npx", ["tsc", "--noEmit", "-p", "."]);

  const commands = blocks("console")[0]!.trim().split("\n");
  assert.ok(commands.length > 0);
  for (const command of commands) run("sh", ["-c", command]);
  assert.match(readFileSync(join(copy, "docs/diagnostics.md"), "utf8"), /^\| `limit_slow` \|/m);

  writeFileSync(join(copy, "policy.yaml"), policy);
  const said = JSON.parse(
    run(process.execPath, ["--import", "tsx", "scripts/cli.ts", "check", "policy.yaml", "--format", "json"]),
  );
  const found = said.warnings.find(({ code }: { code: string }) => code === "limit_slow");
  assert.deepEqual([found?.line, found?.column], [5, 17]);
});

const policy = `version: 1
name: shop
trust: { domains: [example.org] }
limits:
  slow: { rate: 10/h, per: [caller] }
rules:
  - { name: a, callers: [spiffe://example.org/web], allow: [GET /a], limit: slow }
`;
