/** `sallyport status` on real Envoys: nothing is wrong with the example, and faults in a running configuration are named. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Bootstrap } from "../../scripts/envoy/bootstrap.ts";
import type { EnvoyStatus } from "../../scripts/status/judge.ts";
import { sallyport } from "../cli/program.ts";
import { managerOf, startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";
import { ExtensionFile } from "../support/extensionfile.ts";
import { until } from "../support/until.ts";

const web = "spiffe://example.org/web";
const policyYaml = `version: 1
name: shop
trust: { domains: [example.org] }
rules:
  - { name: reads, callers: [${web}], allow: ["GET /**"] }
  - { name: near, callers: [any], allow: ["POST /**"], when: source.ip == "10.0.0.1" }
`;
const folder = mkdtempSync(join(tmpdir(), "sallyport-status-"));
const policyPath = join(folder, "policy.yaml");
const newerPath = join(folder, "newer.yaml");
writeFileSync(policyPath, policyYaml);
writeFileSync(newerPath, policyYaml.replace("POST", "PUT"));
after(() => rmSync(folder, { recursive: true, force: true }));

const urlOf = ({ local }: TestEnvoy): string => `http://127.0.0.1:${local.envoy.adminPort}`;

/** The exit code, and the codes found in each Envoy. */
function statusOf(
  envoys: readonly TestEnvoy[],
  ...args: string[]
): { code: number | null; codes: string[][]; all: EnvoyStatus[] } {
  const { code, stdout } = sallyport([
    "status",
    ...args,
    "--format",
    "json",
    ...envoys.flatMap((one) => ["--admin", urlOf(one)]),
  ]);
  const all = (JSON.parse(stdout) as { envoys: EnvoyStatus[] }).envoys;
  return { code, all, codes: all.map(({ findings }) => findings.map((one) => one.code).sort()) };
}

describe("the example", () => {
  let envoy: TestEnvoy;
  before(async () => {
    envoy = await startTestEnvoy({ policyYaml, concurrency: 2 });
    assert.equal((await envoy.judge({ caller: web, path: "/orders/1" })).status, 200);
  });
  after(() => envoy?.stop());

  test("nothing is wrong, by itself and beside its policy", () => {
    const { code, codes, all } = statusOf([envoy]);
    assert.deepEqual([code, codes], [0, [[]]], JSON.stringify(all, null, 1));
    const [{ policies, state, workers }] = all as [EnvoyStatus];
    assert.deepEqual([state, workers], ["LIVE", 2]);
    const [{ policy, mode, from, checksum }] = policies as [EnvoyStatus["policies"][number]];
    assert.deepEqual([policy, mode, from], ["shop", "enforce", "module"]);
    assert.match(checksum!, /^[0-9a-f]{8}$/u);
    assert.deepEqual(statusOf([envoy], policyPath).codes, [[]]);
  });

  test("another policy than the one given is old", () => {
    const { code, codes } = statusOf([envoy], newerPath);
    assert.deepEqual([code, codes], [1, [["policy_old"]]]);
  });

  test("its dump from a file, with the module beside it", async () => {
    const dump = join(folder, "dump.json");
    writeFileSync(dump, await envoy.local.envoy.admin("/config_dump"));
    const module = join(envoy.local.directory, "sallyport.wasm");
    const { code, stdout } = sallyport(["status", policyPath, "--config-dump", dump, "--module", module]);
    assert.match(
      stdout,
      /policy shop, image [0-9a-f]{8} of the module, enforced\n {4}since 20.*\n {2}nothing is wrong/u,
    );
    assert.equal(code, 0);
  });

  test("one that does not answer is told, and the others are looked at all the same", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    const { code, stdout, stderr } = sallyport(["status", "--admin", `127.0.0.1:${port}`, "--admin", urlOf(envoy)]);
    assert.equal(code, 2);
    assert.match(stderr, /http:\/\/127\.0\.0\.1:\d+\/config_dump did not answer: .*ECONNREFUSED/u);
    assert.match(stdout, /did not answer\n\n.*policy shop.*nothing is wrong/su);
  });
});

describe("faults in a running Envoy", () => {
  const cases: [name: string, adjust: (bootstrap: Bootstrap) => void, codes: string[], mode?: object][] = [
    [
      "a connection manager that believes what callers write",
      (bootstrap) => {
        const manager = managerOf(bootstrap);
        manager.use_remote_address = false;
        manager.forward_client_cert_details = "ALWAYS_FORWARD_ONLY";
        manager.merge_slashes = false;
      },
      ["remote_address_unset", "slashes_not_merged", "xfcc_passed_on"],
    ],
    [
      "a route that switches the filter off",
      (bootstrap) => {
        const { route_config, http_filters } = managerOf(bootstrap);
        const disabled = { "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", disabled: true };
        route_config.virtual_hosts[0].routes[0].typed_per_filter_config = { [http_filters[0].name]: disabled };
      },
      ["route_disables_filter"],
    ],
    [
      "TLS that takes anybody, resumes, and another filter in front",
      (bootstrap) => {
        const [chain] = bootstrap.static_resources.listeners[0].filter_chains;
        const { typed_config } = chain.transport_socket;
        typed_config.disable_stateless_session_resumption = false;
        typed_config.require_client_certificate = false;
        managerOf(bootstrap).http_filters.unshift({
          name: "health",
          typed_config: {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.health_check.v3.HealthCheck",
            pass_through_mode: false,
            headers: [{ name: ":path", string_match: { exact: "/healthz" } }],
          },
        });
      },
      ["client_certificate_optional", "filter_answers_first", "session_resumption"],
    ],
    [
      "failures let by, in shadow mode",
      (bootstrap) => {
        const { config } = managerOf(bootstrap).http_filters[0].typed_config;
        config.failure_policy = "FAIL_OPEN";
      },
      ["fail_open", "shadow_mode"],
      { mode: "shadow" },
    ],
  ];
  for (const [name, adjust, codes, mode] of cases) {
    test(name, async () => {
      const configuration = mode === undefined ? {} : { pluginConfiguration: { ...mode } };
      const envoy = await startTestEnvoy({ policyYaml, adjust, ...configuration });
      try {
        const status = statusOf([envoy], policyPath);
        assert.deepEqual([status.code, status.codes], [1, [codes]], JSON.stringify(status.all, null, 1));
        for (const { path } of status.all[0]!.findings) assert.match(path ?? "", /^configs\[\d+\]/u);
      } finally {
        await envoy.stop();
      }
    });
  }
});

describe("a filter that comes by ECDS", () => {
  const work = mkdtempSync(join(folder, "ecds-"));
  const file = new ExtensionFile(join(work, "ecds.json"));

  test("is sound, refused although Envoy's dump has it, and sound again", async () => {
    const envoy = await startTestEnvoy({
      policyYaml,
      adjust: (bootstrap) => {
        file.take(managerOf(bootstrap).http_filters[0]);
        file.publish("{}");
      },
    });
    const hasCounted = (what: string, count: number) => async (): Promise<boolean> =>
      (await envoy.stats()).get(`extension_config_discovery.http_filter.${file.name}.${what}`) === count;
    try {
      assert.deepEqual(statusOf([envoy], policyPath).codes, [[]]);
      file.publish('{"nonsense":true}');
      await until("Envoy refuses", hasCounted("update_rejected", 1));
      const refused = statusOf([envoy], policyPath);
      assert.deepEqual([refused.code, refused.codes], [1, [["update_refused"]]]);
      assert.equal(refused.all[0]!.policies[0]!.isRefused, true);
      file.publish("{ }");
      await until("Envoy takes the next", hasCounted("update_success", 2));
      const { code, codes, all } = statusOf([envoy], policyPath);
      assert.deepEqual([code, codes], [0, [[]]], JSON.stringify(all, null, 1));
      assert.equal(all[0]!.policies[0]!.version, "3");
    } finally {
      await envoy.stop();
    }
  });
});
