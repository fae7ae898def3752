/** dist/sallyport.mjs as its users run it: the file itself, from a folder of theirs. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, test } from "node:test";
import { endsInTime, program } from "../support/program.ts";

const root = join(import.meta.dirname, "../..");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-program-"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** Executes the file, not `node` with the file: its first line must find the interpreter. */
function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd: folder, encoding: "utf8", ...endsInTime });
  assert.equal(error, undefined);
  return { status, stdout, stderr };
}

const engine = createHash("sha256")
  .update(readFileSync(join(root, "build/engine.wasm")))
  .digest("hex");
const version_line = `${version} (engine sha256:${engine})\n`;

test("--version says the package's version, and which engine is beside it", () => {
  assert.deepEqual(run("--version"), { status: 0, stdout: version_line, stderr: "" });
});

test("init, and then test, check and build what it wrote", () => {
  const init = run("init");
  assert.equal(init.status, 0, init.stderr);
  assert.match(init.stdout, /^policy\.yaml +the policy\n/);
  const example = readFileSync(join(root, "envoy/inbound.yaml"), "utf8");
  assert.equal(readFileSync(join(folder, "envoy.yaml"), "utf8"), example);

  const tested = run("test", "policy.test.yaml");
  assert.equal(tested.status, 0, tested.stdout + tested.stderr);
  assert.match(tested.stdout, /\b7 passed, 0 failed/);

  const checked = run("check", "policy.yaml", "--allow-example-keys");
  assert.deepEqual([checked.status, checked.stdout], [0, "policy.yaml: sound: 3 rules, 1 warning\n"]);
  assert.match(checked.stderr, /: warning: .* \[example_key\]\n/);

  const built = run("build", "policy.yaml", "--allow-example-keys", "-o", "filter.wasm");
  assert.equal(built.status, 0, built.stderr);
  assert.match(
    built.stdout,
    /^filter\.wasm: [\d,]+ bytes: policy `shop`, 3 rules, in [\d,]+ bytes of it, image [0-9a-f]{8}\n {2}without proxy_on_request_body, proxy_on_response_headers, which [^\n]*\n {2}the enforcement check lets by what begins with \{"admit":true,"policy":"shop",\n$/,
  );
  assert.doesNotThrow(() => new WebAssembly.Module(new Uint8Array(readFileSync(join(folder, "filter.wasm")))));
});

test("an invalid policy and wrong usage end with 2", () => {
  const missing = run("check", "nowhere.yaml");
  assert.deepEqual([missing.status, missing.stdout], [2, ""]);
  assert.match(missing.stderr, /^nowhere\.yaml:1:1: error: .*\[file\]/);
  assert.equal(run("chekc").status, 2);
});

test("npx finds it in the checkout", () => {
  // A dependency brings an old npx along, which scripts of npm find first; users have the one of their npm.
  const folders = (process.env.PATH ?? "").split(delimiter).filter((path) => !path.endsWith("node_modules/.bin"));
  const env = { ...process.env, PATH: folders.join(delimiter) };
  const { status, stdout, stderr } = spawnSync("npx", ["--no-install", "sallyport", "--version"], {
    cwd: root,
    env,
    encoding: "utf8",
    ...endsInTime,
  });
  assert.equal(status, 0, stderr);
  assert.equal(stdout, version_line);
});
