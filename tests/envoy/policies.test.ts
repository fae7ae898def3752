/**
 * The policy tests of tests/policy/cases in a real Envoy: the same requests as in the Node host, with equal verdicts. Envoy's
 * own path normalization is off here, so that the filter sees each path as the test has it.
 */
import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { readdirSync } from "node:fs";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Bootstrap } from "../../scripts/envoy/bootstrap.ts";
import type { Identity } from "../../scripts/envoy/certificates.ts";
import { holdingOf } from "../../scripts/envoy/holding.ts";
import { principalFilter } from "../../scripts/envoy/principal.ts";
import { Engine, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { loadEngineFor } from "../../scripts/policy/build.ts";
import { type ConcreteTest, concreteTests } from "../../scripts/policytest/cases.ts";
import { readTestFile } from "../../scripts/policytest/file.ts";
import { loadTestPolicy } from "../../scripts/policytest/policy.ts";
import { runTest } from "../../scripts/policytest/run.ts";
import { managerOf, startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";

const folder = "tests/policy/cases";
const engine = new Engine(loadEngineFor);

function keepPaths(bootstrap: Bootstrap): void {
  const manager = managerOf(bootstrap);
  manager.normalize_path = false;
  manager.merge_slashes = false;
  manager.path_with_escaped_slashes_action = "KEEP_UNCHANGED";
  manager.common_http_protocol_options.headers_with_underscores_action = "ALLOW";
}

/** Some tokens are good for less than a second more; such a test must not begin at a second's end. */
async function earlyInSecond(): Promise<void> {
  const rest = 1000 - (Date.now() % 1000);
  if (rest < 500) await sleep(rest);
}

/** What tells a certificate from every other, as Envoy has it. */
function digestOf({ certificatePem }: Identity): string {
  return createHash("sha256").update(new X509Certificate(certificatePem).raw).digest("hex");
}

/** A gRPC status as the HTTP status of the same verdict. */
function httpStatusOf(code: number): number {
  return new Map([
    [0, 200],
    [3, 400],
    [7, 403],
    [8, 429],
    [14, 503],
    [16, 401],
  ]).get(code)!;
}

for (const name of readdirSync(folder).sort()) {
  describe(name, () => {
    const file = readTestFile(`${folder}/${name}`);
    const policy = loadTestPolicy(file.policy);
    const envoys = new Map<Uint8Array, Promise<TestEnvoy>>();
    const identities = new Map<string, Promise<Identity>>();
    after(async () => {
      for (const envoy of envoys.values()) await (await envoy).stop();
    });

    function localFor(image: Uint8Array): Promise<TestEnvoy> {
      const open = envoys.get(image);
      if (open !== undefined) return open;
      const configuration = JSON.parse(pluginConfiguration(image));
      const holds = holdingOf(image);
      const envoy = startTestEnvoy({
        wasm: loadEngineFor(image),
        ...(holds !== undefined && { holds }),
        pluginConfiguration: configuration,
        requireClientCertificate: false,
        adjust: (bootstrap) => {
          keepPaths(bootstrap);
          const [chain] = bootstrap.static_resources.listeners[0].filter_chains;
          if (policy.filterState !== undefined) chain.filters.unshift(principalFilter(policy.filterState));
        },
      });
      envoys.set(image, envoy);
      return envoy;
    }

    /** A caller's certificate; the ID stands in it as it is, valid or not. */
    function identityOf(envoy: TestEnvoy, caller: string): Promise<Identity> {
      const key = `${envoy.local.port} ${caller}`;
      const made = identities.get(key) ?? envoy.local.authority.issue({ uriSans: [caller] });
      identities.set(key, made);
      return made;
    }

    async function ask(envoy: TestEnvoy, { request, repeat }: ConcreteTest) {
      const headers: Record<string, string | string[]> = { host: request.host };
      for (const [header, value] of request.headers) {
        const before = headers[header];
        headers[header] = before === undefined ? value : [before, value].flat();
      }
      const shown = policy.filterState === undefined ? request.caller : request.filterState?.[policy.filterState];
      if (request.token !== null) headers.authorization = `Bearer ${request.token}`;
      const asked = {
        method: request.method,
        path: request.path,
        headers,
        ...(request.body !== undefined && { body: String(request.body) }),
        // Node writes HTTP/1.1 methods in capitals, and sends no header twice over HTTP/2.
        http2: !Object.values(headers).some(Array.isArray),
        ...(shown == null ? {} : { identity: await identityOf(envoy, shown) }),
      };
      for (let count = 1; count < repeat; count++) await envoy.request(asked);
      const { response, record } = await envoy.judge(asked);
      assert.ok(record, "the request left no record");
      const isGrpc = String(response.headers["content-type"]).startsWith("application/grpc");
      // The upstream's own gRPC status comes after its answer, ours instead of one.
      const status = isGrpc ? httpStatusOf(Number(response.headers["grpc-status"] ?? 0)) : response.status;
      return { status, mode: record.mode, decision: record.decision, reason: record.reason, rule: record.rule ?? null };
    }

    for (const [index, { name: title }] of file.tests.entries()) {
      test(title, async () => {
        await earlyInSecond();
        const now = Date.now();
        const draft = concreteTests(file, policy, { now }).tests[index]!;
        const envoy = await localFor(draft.image);
        // Once more, for the certificate that the caller has here: its token may be bound to it.
        const { caller } = draft.request;
        const digest = caller === null ? "" : digestOf(await identityOf(envoy, caller));
        const concrete = concreteTests(file, policy, { now, digestOf: () => digest }).tests[index]!;
        const { verdict } = runTest(engine, concrete);
        const asked = await ask(envoy, concrete);
        const { decision, reason, rule } = verdict;
        assert.deepEqual(
          { decision: asked.decision, reason: asked.reason, rule: asked.rule },
          { decision, reason, rule },
        );
        // In shadow mode the record has the verdict, and the caller its answer all the same.
        assert.equal(asked.status, asked.mode === "shadow" ? 200 : verdict.status);
      });
    }
  });
}
