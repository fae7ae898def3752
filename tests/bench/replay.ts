/**
 * What replay does in a second of one core (`npm run bench:replay`): a log as `tests/bench/learn/generate.ts` writes it, decided again under two
 * policies of a thousand rules. First with rules that the log knows all of, then with rules that ask for a token and scopes, which it does
 * not have: those stand in shadow mode, and the record says whether they held.
 *
 *   LINES=10000000 npm run bench:replay     so many lines (default 1000000)
 */
import { createPublicKey } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { algorithm_es256 } from "../../assembly/crypto/algorithms.ts";
import { loadEngine, loadPolicyFile } from "../../scripts/policy/build.ts";
import type { Policy } from "../../scripts/policy/language/model.ts";
import { standInKey } from "../../scripts/policytest/keys.ts";
import { Gathering } from "../../scripts/replay/compare.ts";
import { Replay } from "../../scripts/replay/replay.ts";
import { openTraffic } from "../../scripts/traffic/open.ts";
import { pathShape } from "../../scripts/traffic/segments.ts";
import type { RecordedRequest } from "../../scripts/traffic/usage.ts";
import { writeLog } from "./learn/generate.ts";

const lines = Number(process.env.LINES ?? 1_000_000);
/** What the design asks for, in decisions a second of a core. */
const budget = 200_000;
const rules_beside = 960;
const services = ["orders", "cart", "catalog", "payments", "shipping", "users", "search", "reviews"];
const methods = ["GET", "POST", "PUT", "DELETE", "PATCH"];

const folder = mkdtempSync(join(tmpdir(), "sallyport-bench-replay-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

/** @param path what readers of a service may read @param more what a rule asks for beside caller, host and endpoint */
function policyOf(name: string, path: string, more: string): Policy {
  const key = createPublicKey({ key: Buffer.from(standInKey(algorithm_es256).spki), format: "der", type: "spki" });
  writeFileSync(join(folder, "keys.json"), JSON.stringify({ keys: [key.export({ format: "jwk" })] }));
  const rules = services.flatMap((service) =>
    methods.map((method) => {
      const allowed = method === "GET" ? path : "/**";
      return `  - { name: ${service}-${method.toLowerCase()}, callers: ["spiffe://example.org/ns/shop/**"], hosts: [${service}.example.org], allow: ["${method} ${allowed}"]${more} }`;
    }),
  );
  const beside = Array.from(
    { length: rules_beside },
    (_, index) =>
      `  - { name: beside-${index}, callers: ["spiffe://example.org/ns/other/sa/service-${index}"], allow: ["GET /v${index}/**"] }`,
  );
  const issuer =
    "issuers:\n  corp: { issuer: https://issuer.example.org, audiences: [shop], algorithms: [ES256], keys: { file: keys.json } }\n";
  const file = join(folder, `${name}.yaml`);
  writeFileSync(
    file,
    `version: 1\nname: shop\ntrust: { domains: [example.org] }\n${more === "" ? "" : issuer}rules:\n${[...rules, ...beside].join("\n")}\n`,
  );
  return loadPolicyFile(file).policy;
}

const number = (value: number): string => Math.round(value).toLocaleString("en-US");

async function main(): Promise<void> {
  const log = join(folder, "access.log");
  await writeLog(log, { lines });
  const reading = performance.now();
  const requests: RecordedRequest[] = [];
  const traffic = await openTraffic([log]);
  for await (const request of traffic.requests()) requests.push(request);
  await traffic.close();
  const readSeconds = (performance.now() - reading) / 1000;
  console.log(
    `${number(lines)} lines, ${number(requests.length)} distinct requests, read in ${readSeconds.toFixed(1)} s`,
  );
  console.log(
    "| rules | distinct requests/s | decisions/s | lines/s | lines/s with reading | unknown | not reproduced |",
  );
  console.log("|---|---|---|---|---|---|---|");
  const engine = new WebAssembly.Module(loadEngine() as Uint8Array<ArrayBuffer>);
  let least = Number.POSITIVE_INFINITY;
  for (const [what, more] of [
    ["known as a whole", ""],
    ["with a token and scopes", ", token: corp, scopes: [shop]"],
  ] as const) {
    const [before, after] = [policyOf("old", "/**", more), policyOf("new", "/v1/**", more)];
    const replay = new Replay(engine, before, after);
    const gathering = new Gathering(before.name, (path) => pathShape(path, false));
    // Other programs may run beside this one: the processor's time counts, as one core would take it.
    const [started, cpu] = [performance.now(), process.cpuUsage()];
    for (const request of requests) if (gathering.takes(request)) gathering.add(request, replay.replay(request));
    const { user, system } = process.cpuUsage(cpu);
    const seconds = (user + system) / 1e6;
    const wallSeconds = (performance.now() - started) / 1000;
    const { unknown, standing, requests: all } = gathering.comparison();
    const decisions = replay.decisions / seconds;
    least = Math.min(least, decisions);
    const share = (count: number): string => `${((count / all) * 100).toFixed(1)} %`;
    const speeds = [requests.length / seconds, decisions, lines / seconds, lines / (readSeconds + wallSeconds)];
    console.log(`| ${[what, ...speeds.map(number), share(unknown.count), share(standing.contradicted)].join(" | ")} |`);
  }
  console.log(`at least ${number(least)} decisions a second of a core; the budget is ${number(budget)}`);
  process.exitCode = least < budget ? 1 : 0;
}

await main();
