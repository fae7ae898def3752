/** What an operator sees of it: metrics by the agent, and what `sallyport status` says of a sidecar that is as it should be, or is not. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { metricEntries } from "../../scripts/evaluate/metrics.ts";
import { sallyportBeside } from "../cli/program.ts";
import { until } from "../support/until.ts";
import { workers } from "./proxies.ts";
import { World } from "./world.ts";

let world: World;
before(async () => {
  world = await World.start();
  await world.install();
});
after(() => world?.stop());

test("metrics have their whole names and their labels in what the agent tells Prometheus", async () => {
  const token = await world.corp.token({ algorithm: "ES256", claims: { scope: "orders:write" } });
  // Each worker has a cache of its own: one request more than there are workers finds the token in it.
  for (let turn = 0; turn <= workers; turn++)
    assert.equal(await world.client.status({ method: "POST", path: "/orders", token }), 200);
  assert.equal(await world.stranger.status(), 403);
  const policy = 'sallyport_policy="web"';
  const expected = [
    ["sallyport_requests", `sallyport_decision="allow",${policy}`],
    ["sallyport_requests", `sallyport_decision="deny",${policy}`],
    ["sallyport_rules", `sallyport_decision="allow",${policy},sallyport_rule="places"`],
    ["sallyport_denials", `${policy},sallyport_reason="no_rule"`],
    ["sallyport_cached_tokens", `${policy},sallyport_result="hit"`],
    ["sallyport_cached_tokens", `${policy},sallyport_result="miss"`],
  ] as const;
  let lines: string[] = [];
  const lacking = (): string[] =>
    expected.flatMap(([name, labels]) => {
      const line = lines.find((one) => one.startsWith(`${name}{`) && sortedLabels(one) === labels);
      return line !== undefined && Number(line.split(" ").at(-1)) > 0 ? [] : [`${name}{${labels}}`];
    });
  // Counters are handed over once a second.
  await until("all metrics are there", async () => {
    lines = await world.sidecar.prometheus();
    return lacking().length === 0;
  }).catch(() => {
    const ours = lines.filter((line) => line.includes("sallyport"));
    assert.fail(`lacking:\n${lacking().join("\n")}\nof\n${ours.join("\n")}`);
  });
  const info = lines.find((line) => line.startsWith("sallyport_policy_info{") && line.endsWith(" 1"));
  assert.match(String(info), /sallyport_image="[0-9a-f]{8}".*sallyport_mode="enforce".*sallyport_engine="[0-9.]+"/u);
  // A name that has kept a part of its labels, or lost one of its own, would stand here.
  const names = lines.flatMap((line) => /^(?:sallyport_\w+|\w*wasmcustom\w*)/u.exec(line)?.[0] ?? []);
  const known = metricEntries.map(([name]) => name);
  assert.deepEqual(
    names.filter((name) => !known.includes(name)),
    [],
  );
});

test("what the check refused is in the metric that the alert SallyportNotAdmitted asks for", async () => {
  const refused = async (): Promise<number> => {
    const line = (await world.sidecar.prometheus()).find((one) =>
      /^envoy_http_rbac\{.*authz_enforce_result="denied"/u.test(one),
    );
    return Number(line?.split(" ").at(-1) ?? 0);
  };
  const before = await refused();
  await world.delete("70-wasm-plugin.yaml");
  await world.untilStatus(403);
  await until("the metric has grown", async () => (await refused()) > before);
  await world.apply(["70-"]);
  await world.untilStatus(200);
});

/** The labels of a line that are ours, in the order of their names. */
function sortedLabels(line: string): string {
  const labels = [...line.matchAll(/(sallyport_[a-z]+="[^"]*")/gu)].map(([label]) => label);
  return labels.sort().join();
}

interface Judged {
  code: number | null;
  codes: string[];
  policies: { policy: string; mode: string }[];
}

/** What `status` says of the sidecar for the policy. */
async function status(policy = "policy.yaml"): Promise<Judged> {
  const module = ["--module", "sallyport.wasm"];
  const args = ["status", policy, "--admin", world.sidecar.admin, ...module, "--format", "json"];
  const { code, stdout, stderr } = await sallyportBeside(args, world.folder);
  assert.notEqual(stdout, "", stderr);
  const [envoy] = JSON.parse(stdout).envoys;
  assert.equal(envoy.error, undefined);
  const wrong = envoy.findings.filter(({ severity }: { severity: string }) => severity === "wrong");
  return { code, codes: wrong.map(({ code }: { code: string }) => code), policies: envoy.policies };
}

describe("sallyport status", () => {
  before(() => world.sallyport("build", "policy.yaml", "-o", "sallyport.wasm"));

  test("finds nothing wrong with a sidecar as docs/istio.md has it", async () => {
    const { code, codes, policies } = await status();
    assert.deepEqual(codes, []);
    assert.equal(code, 0);
    assert.deepEqual(
      policies.map(({ policy, mode }) => `${policy} ${mode}`),
      ["web enforce"],
    );
  });

  for (const [what, file, expected] of [
    ["the check is missing", "10-enforcement-check.yaml", ["check_missing"]],
    [
      "the connection manager is Istio's own, and sessions are resumed",
      "30-connection-manager.yaml",
      ["escaped_slashes_kept", "session_resumption", "slashes_not_merged", "xfcc_passed_on"],
    ],
    ["nothing keeps the record", "50-access-log.yaml", ["record_not_logged"]],
  ] as const) {
    test(`says that ${what}`, async () => {
      await world.delete(file);
      let said: Judged | undefined;
      await until(`status says ${expected.join()}`, async () => {
        said = await status();
        return expected.every((code) => said!.codes.includes(code));
      }).catch((error) => assert.fail(`${error.message}: ${said?.codes.join()}`));
      assert.equal(said?.code, 1);
      await world.apply([file.slice(0, 3)]);
      await until("nothing is wrong again", async () => (await status()).code === 0);
    });
  }

  test("says that filters stand before ours which take tokens and answer", async () => {
    const selector = { matchLabels: { app: "web" } };
    await world.plane.apply(
      {
        apiVersion: "security.istio.io/v1",
        kind: "RequestAuthentication",
        metadata: { name: "web", namespace: "default" },
        spec: {
          selector,
          jwtRules: [{ issuer: world.corp.issuer, jwks: JSON.stringify(world.corp.jwks) }],
        },
      },
      {
        apiVersion: "security.istio.io/v1",
        kind: "AuthorizationPolicy",
        metadata: { name: "web", namespace: "default" },
        spec: { selector, action: "DENY", rules: [{ to: [{ operation: { paths: ["/never"] } }] }] },
      },
    );
    await world.patchPlugin({ phase: "STATS" });
    let said: Judged | undefined;
    const expected = ["filter_answers_first", "token_taken"];
    await until("status says so", async () => {
      said = await status();
      return expected.every((code) => said!.codes.includes(code));
    }).catch((error) => assert.fail(`${error.message}: ${said?.codes.join()}`));
    // In the phase that the manifest has, both stand behind.
    await world.apply(["70-"]);
    await until("nothing is wrong again", async () => (await status()).code === 0);
  });

  test("says that a newer policy was refused", async () => {
    await world.patchPlugin({ pluginConfig: { policy: "bm90IGEgcG9saWN5" } });
    let said: Judged | undefined;
    await until("status says so", async () => {
      said = await status();
      return said.codes.includes("update_refused");
    }).catch((error) => assert.fail(`${error.message}: ${said?.codes.join()}`));
  });
});
