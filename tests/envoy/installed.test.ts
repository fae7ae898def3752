/** The package as npm installs it into an empty folder: every verb works there, with nothing of a checkout. */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { verbs } from "../../scripts/commands/verbs.ts";
import { sendRequest } from "../../scripts/envoy/client.ts";
import { endsInTime, program } from "../support/program.ts";
import { interrupt, type ReadyLine } from "../support/run.ts";

const checkout = join(program, "../..");

let folder: string;
/** The environment of somebody who has npm and no checkout: a dependency brings an old npm along, which tests would find first. */
const env: NodeJS.ProcessEnv = {
  ...process.env,
  NODE_OPTIONS: "",
  npm_config_audit: "false",
  npm_config_fund: "false",
  npm_config_update_notifier: "false",
  PATH: (process.env.PATH ?? "")
    .split(delimiter)
    .filter((path) => !path.endsWith("node_modules/.bin"))
    .join(delimiter),
};

before(() => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-installed-"));
  const packed = join(folder, "packed");
  mkdirSync(packed);
  execFileSync("npm", ["pack", "--ignore-scripts", "--pack-destination", packed], {
    cwd: checkout,
    env,
    stdio: "pipe",
  });
  const [archive] = readdirSync(packed);
  // Offline: whatever it needed from a registry would fail here.
  execFileSync("npm", ["install", "--offline", join(packed, archive!)], { cwd: folder, env, stdio: "pipe" });
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** Verbs that were run. */
const run = new Set<string>();

function start(args: readonly string[]): ChildProcess {
  run.add(args[0]!);
  const path = join(folder, "node_modules/.bin/sallyport");
  return spawn(path, args, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"], ...endsInTime });
}

/** Runs it to its end, which has to be a good one, and gives what it wrote on standard output. */
async function sallyport(...args: string[]): Promise<string> {
  const child = start(args);
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, "exit")]);
  assert.equal(code, 0, `${args.join(" ")}:\n${stdout}${stderr}`);
  return stdout;
}

test("it has what it needs, and none of the tests or sources", () => {
  const installed = join(folder, "node_modules/sallyport");
  const observability = ["rules.yaml", "rules.test.yaml", "dashboard.json", "opentelemetry.yaml"];
  for (const name of [
    ...["LICENSE", "README.md", "policy.schema.json", "dist/engine.wasm", "dist/LICENSES.txt", "dist/report.js"],
    ...observability.map((file) => `observability/${file}`),
  ]) {
    assert.ok(existsSync(join(installed, name)), name);
  }
  assert.deepEqual(readdirSync(join(folder, "node_modules")).sort(), [".bin", ".package-lock.json", "sallyport"]);
  for (const name of ["tests", "assembly", "scripts/commands"]) assert.ok(!existsSync(join(installed, name)), name);
});

test("npx finds it, and its engine is that of the checkout", () => {
  const said = execFileSync("npx", ["--no-install", "sallyport", "--version"], { cwd: folder, env, encoding: "utf8" });
  assert.equal(said, execFileSync(process.execPath, [program, "--version"], { encoding: "utf8" }));
});

test("init, check, test, explain, diff, build and image", async () => {
  await sallyport("init", ".");
  // Editors find the schema in the package.
  assert.match(
    readFileSync(join(folder, "policy.yaml"), "utf8"),
    /\$schema=node_modules\/sallyport\/policy\.schema\.json/u,
  );
  assert.match(await sallyport("check", "policy.yaml", "--allow-example-keys"), /sound: 3 rules/u);
  assert.match(await sallyport("test", "policy.test.yaml"), /7 passed, 0 failed/u);
  const request = ["--caller", "spiffe://example.org/web", "--request", "GET /catalog/7"];
  assert.match(await sallyport("explain", "policy.yaml", ...request), /read-catalog/u);
  assert.equal(await sallyport("diff", "policy.yaml", "policy.yaml"), "no difference\n");
  await sallyport("build", "policy.yaml", "--allow-example-keys");
  await sallyport("image", "policy.yaml", "--allow-example-keys");
  assert.doesNotThrow(() => new WebAssembly.Module(new Uint8Array(readFileSync(join(folder, "sallyport.wasm")))));
  assert.ok(existsSync(join(folder, "policy.bin")));
});

test("keygen: what its key signs, a module with it takes", async () => {
  const { keyId } = JSON.parse(await sallyport("keygen", "-o", "keys", "--format", "json"));
  const sign = ["--allow-example-keys", "--sign", "keys/signing.key.pem", "--image-version", "7", "-o", "signed.bin"];
  assert.match(await sallyport("image", "policy.yaml", ...sign), new RegExp(`version 7, signed by key ${keyId}`, "u"));
  const trust = ["--allow-example-keys", "--trust-key", "keys/signing.pub.pem", "-o", "trusting.wasm"];
  assert.match(await sallyport("build", "policy.yaml", ...trust), new RegExp(`that key ${keyId} has signed`, "u"));
});

test("oci", async () => {
  const args = ["--allow-example-keys", "--no-revision", "-o", "image", "--format", "json"];
  const { digest } = JSON.parse(await sallyport("oci", "policy.yaml", ...args));
  assert.ok(existsSync(join(folder, "image/blobs", digest.replace(":", "/"))));
});

test("manifest", async () => {
  const fleet = `version: 1
name: fleet
trust: { domains: [example.org] }
fleet: { replicas: 2 }
limits: { calls: { rate: 10/s, scope: fleet } }
rules: [{ name: read, callers: [spiffe://example.org/web], allow: [GET /], limit: calls }]
`;
  writeFileSync(join(folder, "fleet.yaml"), fleet);
  assert.match(await sallyport("manifest", "--for", "ratelimit", "fleet.yaml"), /^domain: fleet$/mu);
});

test("rollout", async () => {
  const place = ["--for", "envoy", "-o", "steps"];
  assert.match(
    await sallyport("rollout", "fleet.yaml", "fleet.yaml", "--ratelimit", "127.0.0.1:8081", ...place),
    /1-shadow/u,
  );
});

test("replay: without DuckDB it says what to install", async () => {
  const child = start(["replay", "policy.yaml", "policy.yaml", "--log", "access.log"]);
  const [stderr, [code]] = await Promise.all([text(child.stderr!), once(child, "exit")]);
  assert.match(stderr, /npm install @duckdb\/node-api@/u);
  assert.equal(code, 2);
});

test("report", async () => {
  assert.match(await sallyport("report", "policy.yaml"), /^report\.html: 1 policy/u);
  assert.match(readFileSync(join(folder, "report.html"), "utf8"), /^<!doctype html>/u);
});

test("run: an Envoy that enforces the policy; token: what it made is good; status: nothing is wrong", async () => {
  const child = start(["run", "policy.yaml", "--format", "json"]);
  try {
    const { value } = await createInterface(child.stdout!)[Symbol.asyncIterator]().next();
    if (value === undefined) assert.fail(await text(child.stderr!));
    const { port, adminPort, authority, callers, tokens } = JSON.parse(value) as ReadyLine;
    const web = callers.find(({ id }) => id === "spiffe://example.org/web")!;
    const target = {
      port,
      authorityPem: readFileSync(authority, "utf8"),
      identity: { certificatePem: readFileSync(web.certificate, "utf8"), privateKeyPem: readFileSync(web.key, "utf8") },
    };
    assert.equal((await sendRequest(target, { path: "/catalog/shoes" })).status, 200);
    assert.equal((await sendRequest(target, { path: "/orders/7" })).status, 403);
    assert.match(await sallyport("token", tokens[0]!.token, "--policy", "policy.yaml"), /^good: /u);
    const admin = `http://127.0.0.1:${adminPort}`;
    assert.match(await sallyport("status", "policy.yaml", "--admin", admin), /^ {2}nothing is wrong/mu);
    await interrupt(child);
  } finally {
    child.kill("SIGKILL");
  }
});

test("discover: without DuckDB it says what to install", async () => {
  writeFileSync(join(folder, "access.log"), "");
  const child = start(["discover", "access.log"]);
  const [stderr, [code]] = await Promise.all([text(child.stderr!), once(child, "exit")]);
  assert.match(stderr, /^error: .*DuckDB.*npm install @duckdb\/node-api@\d/u);
  assert.equal(code, 2);
});

test("demo: the whole story, and the same as JSON", async () => {
  const told = await sallyport("demo");
  assert.match(told, /The policy: node_modules\/sallyport\/scripts\/demo\/policy\/policy\.yaml\n/u);
  assert.match(told, /\nAll 21 answers as expected\.\n$/u);
  const { ok, steps, admitted, arrived } = JSON.parse(await sallyport("demo", "--format", "json"));
  assert.deepEqual([ok, steps.length, admitted, arrived], [true, 21, 13, 13]);
});

test("no verb was left out", () => {
  assert.deepEqual([...run].sort(), Object.keys(verbs).sort());
});
