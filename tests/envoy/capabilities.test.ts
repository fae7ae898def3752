/**
 * Capability lists that lack something, in a real Envoy: what every policy needs is missed at start, by name, and what cannot be
 * asked for shows with the first request. Nothing hangs.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Bootstrap } from "../../scripts/envoy/bootstrap.ts";
import { EnvoyStartError } from "../../scripts/envoy/process.ts";
import { managerOf, moduleFor, startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";

const web = "spiffe://example.org/web";
const rules = `rules: [{ name: reads, callers: [${web}], allow: ["GET /**"] }]`;
const head = "version: 1\nname: caps\ntrust: { domains: [example.org] }\n";
const plain = await moduleFor({ policyYaml: `${head}${rules}` });
const forwarding = await moduleFor({ policyYaml: `${head}forward: { x-caller: caller.id }\n${rules}` });
const fetching = await moduleFor({
  policyYaml: `${head}issuers: { idp: { issuer: "https://idp.example.org", audiences: [a], algorithms: [ES256], keys: { url: "https://127.0.0.1/jwks.json", cluster: orders } } }\n${rules}`,
});
const sharing = await moduleFor({
  policyYaml: `${head}fleet: { replicas: 2 }\nlimits: { all: { rate: 1/s, scope: fleet } }\n${rules.replace("allow:", "limit: all, allow:")}`,
});

const without =
  (...names: string[]) =>
  (bootstrap: Bootstrap): void => {
    const { config } = managerOf(bootstrap).http_filters[0].typed_config;
    const { allowed_capabilities } = config.capability_restriction_config;
    for (const name of names) {
      assert.ok(name in allowed_capabilities, name);
      delete allowed_capabilities[name];
    }
  };

describe("is refused at start, by name", () => {
  const needed: [what: string, wasm: Uint8Array, names: string[]][] = [
    [
      "for any policy",
      plain,
      [
        ...["proxy_on_context_create", "proxy_send_local_response", "proxy_get_header_map_pairs", "proxy_get_property"],
        ...["proxy_set_property", "proxy_get_current_time_nanoseconds", "proxy_increment_metric"],
        ...["proxy_define_metric", "proxy_get_shared_data", "proxy_set_shared_data"],
      ],
    ],
    ["for one that sets headers", forwarding, ["proxy_remove_header_map_value", "proxy_replace_header_map_value"]],
    [
      "for one whose keys are fetched",
      fetching,
      [
        ...["proxy_http_call", "proxy_set_tick_period_milliseconds", "proxy_set_effective_context"],
        ...["proxy_continue_stream", "proxy_record_metric"],
      ],
    ],
    [
      "for one with limits of a fleet",
      sharing,
      [
        ...["proxy_grpc_call", "proxy_set_tick_period_milliseconds", "proxy_set_effective_context"],
        ...["proxy_continue_stream"],
      ],
    ],
  ];
  for (const [what, wasm, names] of needed) {
    for (const name of names) {
      test(`${name}, ${what}`, async () => {
        const starting = startTestEnvoy({ wasm, adjust: without(name) }).then((envoy) => envoy.stop());
        await assert.rejects(starting, (error: unknown) => {
          assert.ok(error instanceof EnvoyStartError);
          assert.match(error.message, new RegExp(`sallyport: configuration refused: .*${name}\\b`, "u"));
          return true;
        });
      });
    }
  }
});

/** Runs with an Envoy that lacks these. */
async function withLocalEnvoy(names: string[], run: (envoy: TestEnvoy) => Promise<void>): Promise<void> {
  const envoy = await startTestEnvoy({ wasm: plain, adjust: without(...names) });
  try {
    await run(envoy);
  } finally {
    await envoy.stop();
  }
}

describe("starts, since nobody can tell us, and denies", () => {
  for (const names of [["proxy_on_configure"], ["proxy_on_configure", "proxy_on_context_create"]]) {
    test(`${names.join(" and ")}: 503 with a record, and one line in each VM that names it`, () =>
      withLocalEnvoy(names, async (envoy) => {
        for (let turn = 0; turn < 3; turn++) {
          const { status, details, record } = await envoy.judge({ caller: web, path: "/orders/1?q" });
          assert.deepEqual([status, details], [503, "sallyport_denied{internal}{no_policy}"]);
          const { admit, decision, reason, cause, method, path } = record!;
          assert.deepEqual(
            { admit, decision, reason, cause, method, path },
            {
              admit: false,
              decision: "deny",
              reason: "internal",
              cause: "no_policy",
              method: "GET",
              path: "/orders/1",
            },
          );
        }
        const lines = envoy.local.envoy.log().match(/\[critical\].*the host never called .*/gu) ?? [];
        assert.equal(lines.length, 1, envoy.local.envoy.log());
        assert.match(lines[0]!, new RegExp(names.at(-1)!, "u"));
      }));
  }

  test("proxy_on_request_headers: the enforcement check answers", () =>
    withLocalEnvoy(["proxy_on_request_headers"], async (envoy) => {
      const { status, details } = await envoy.judge({ caller: web, path: "/orders/1" });
      assert.deepEqual([status, details], [403, "rbac_access_denied_matched_policy[not-admitted]"]);
    }));
});
