/** The steps of `sallyport rollout`, one after another in a real Envoy, while requests come. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parse } from "yaml";
import type { Bootstrap } from "../../scripts/envoy/bootstrap.ts";
import { type Authority, makeAuthority } from "../../scripts/envoy/certificates.ts";
import { sendRequest, type Target } from "../../scripts/envoy/client.ts";
import { findEnvoy } from "../../scripts/envoy/find.ts";
import { type LocalIssuer, makeIssuer } from "../../scripts/envoy/issuer.ts";
import { type RunningEnvoy, startEnvoy } from "../../scripts/envoy/process.ts";
import { startUpstream, type Upstream } from "../../scripts/envoy/upstream.ts";
import { makeManifest } from "../../scripts/manifest/manifest.ts";
import { buildModule, compilePolicyFile } from "../../scripts/policy/build.ts";
import { moduleFile } from "../../scripts/rollout/steps.ts";
import { install, placed } from "../support/installed.ts";
import { program } from "../support/program.ts";
import { until } from "../support/until.ts";

const upstream_id = "spiffe://example.org/orders";
const caller = "spiffe://example.org/web";

/** The token is taken away, and a header tells the upstream who calls: what is tried must do neither. */
const policyOf = (endpoint: string): string => `version: 1
name: shop
trust: { domains: [example.org] }
forward: { x-caller: caller.id }
issuers:
  corp:
    issuer: "https://corp.example.org"
    audiences: [shop]
    algorithms: [RS256]
    keys: { file: corp.jwks.json }
    leeway: 10s
    maxLifetime: 1h
    forwardToken: false
limits: { most: { rate: 1000/s, per: [caller] } }
rules:
  - { name: both, callers: ["${caller}"], allow: [GET /both], token: corp, limit: most }
  - { name: other, callers: ["${caller}"], allow: [${endpoint}], limit: most }
`;

let work: string;
let folder: string;
let authority: Authority;
let upstream: Upstream;
let envoy: RunningEnvoy;
let issuer: LocalIssuer;
let target: Target;

const file = (name: string): string => join(work, name);
const oldFile = (): string => file("old.yaml");
const newFile = (): string => file("new.yaml");
const options = (): string[] => ["--upstream", `https://127.0.0.1:${upstream.port}`, "--upstream-id", upstream_id];

before(async () => {
  work = mkdtempSync(join(tmpdir(), "sallyport-rollout-"));
  authority = await makeAuthority({ trustDomain: "example.org" });
  issuer = await makeIssuer({ issuer: "https://corp.example.org", audience: "shop", keyIdPrefix: "corp" });
  writeFileSync(file("corp.jwks.json"), JSON.stringify(issuer.jwks));
  writeFileSync(oldFile(), policyOf("GET /old"));
  writeFileSync(newFile(), policyOf("GET /new"));
  const identity = await authority.issue({
    spiffeId: upstream_id,
    dnsNames: ["localhost"],
    ipAddresses: ["127.0.0.1"],
  });
  upstream = await startUpstream({ identity, authorityPem: authority.certificatePem });
  const compiled = compilePolicyFile(oldFile());
  const given = { upstream: `https://127.0.0.1:${upstream.port}`, upstreamId: upstream_id };
  const { applied } = await makeManifest("envoy", compiled, given);
  const modules: Record<string, Uint8Array> = { "sallyport.wasm": await buildModule(oldFile()) };
  for (const path of [oldFile(), newFile()]) modules[moduleFile(compilePolicyFile(path))] = await buildModule(path);
  folder = await install({ files: applied, modules, spiffeId: upstream_id, authority });
  const config = parse(readFileSync(join(folder, "bootstrap.yaml"), "utf8")) as Bootstrap;
  envoy = await startEnvoy({ envoyPath: await findEnvoy(), config, concurrency: 2 });
  const web = await authority.issue({ spiffeId: caller });
  const port = envoy.listenerPort("inbound");
  target = { port, authorityPem: authority.certificatePem, serverName: "localhost", identity: web };
  execFileSync(process.execPath, [
    program,
    "rollout",
    oldFile(),
    newFile(),
    "--for",
    "envoy",
    "-o",
    file("steps"),
    ...options(),
  ]);
});
after(async () => {
  await envoy?.stop();
  await upstream?.stop();
  for (const path of [work, folder]) if (path !== undefined) rmSync(path, { recursive: true, force: true });
});

/** Moves files of a step into place, as its words say. */
function put(step: string, ...names: string[]): void {
  for (const name of names) {
    const path = join(folder, name);
    writeFileSync(`${path}.new`, placed(readFileSync(join(work, "steps", step, name), "utf8"), folder));
    renameSync(`${path}.new`, path);
  }
}

async function statusOf(path: string): Promise<number> {
  const token = await issuer.token({});
  const { status } = await sendRequest(target, { path, headers: { authorization: `Bearer ${token}` } });
  return status;
}

/** What /both, /old and /new come to. */
async function statuses(): Promise<string> {
  const found: number[] = [];
  for (const path of ["/both", "/old", "/new"]) found.push(await statusOf(path));
  return found.join(" ");
}

/** The access log is standard output. */
function logLines(): Record<string, string | null>[] {
  return envoy
    .output()
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
}

/** Waits until requests leave, or do not leave any more, the record of the policy that is tried; both workers have to. */
async function untilTried(isTried: boolean): Promise<void> {
  await until(`the new policy is ${isTried ? "" : "not "}tried`, async () => {
    const seen = logLines().length;
    const many = Array.from({ length: 12 }, () => statusOf("/both"));
    assert.deepEqual(new Set(await Promise.all(many)), new Set([200]));
    await until("their lines are there", () => logLines().length >= seen + many.length);
    return logLines()
      .slice(seen)
      .every(({ next }) => isTried === (typeof next === "string"));
  });
}

test("shadow, compare, enforce, and back: at each moment one policy decides", async () => {
  assert.equal(await statuses(), "200 200 403");

  put("1-shadow", "ecds-next.yaml", "lds.yaml");
  await untilTried(true);
  const before = upstream.requests.length;
  assert.equal(await statuses(), "200 200 403");
  const [first] = upstream.requests.slice(before);
  assert.equal(first!.headers["x-caller"], caller);
  assert.equal(first!.headers.authorization, undefined);
  await until("what the new policy would deny is counted under its own name", async () => {
    const stats = await envoy.stats();
    return stats.get("wasmcustom.sallyport_requests.policy.shop-next;.decision.shadow_deny") === 1;
  });

  const compare = (): { status: number | null; stdout: string } => {
    writeFileSync(file("access.log"), envoy.output());
    const { status, stdout } = spawnSync(
      process.execPath,
      [program, "rollout", oldFile(), newFile(), "--log", file("access.log")],
      { encoding: "utf8" },
    );
    return { status, stdout };
  };
  await until("the log has both records of /new", () =>
    logLines().some(({ path, next }) => path === "/new" && typeof next === "string"),
  );
  const { status, stdout } = compare();
  assert.match(stdout, /1 admitted now, and denied by the new policy\n- 1 × .*web GET \/old: no_rule/u);
  assert.match(stdout, /1 denied now, and admitted by the new policy\n\+ 1 × .*web GET \/new: no_rule/u);
  assert.equal(status, 1);

  const admin = `http://127.0.0.1:${envoy.adminPort}`;
  const told = execFileSync(process.execPath, [program, "status", oldFile(), "--admin", admin], { encoding: "utf8" });
  assert.match(told, /policy shop-next, .* in shadow mode/u);
  assert.match(told, /nothing is wrong/u);

  put("2-enforce", "ecds.yaml", "lds.yaml");
  await until("the new policy decides", async () => (await statuses()) === "200 403 200");
  await untilTried(false);
  assert.equal(await statuses(), "200 403 200");

  put("back", "ecds.yaml", "lds.yaml");
  await until("the old policy decides", async () => (await statuses()) === "200 200 403");
  await untilTried(false);
  assert.equal(await statuses(), "200 200 403");
});
