/** `sallyport status` on dumps of a sidecar of Istio, as istiod programs it on what `manifest` writes: as it was, and changed. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import type { Finding } from "../../scripts/status/codes.ts";
import { type EnvoyStatus, judge } from "../../scripts/status/judge.ts";

// biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages.
type Json = any;

/** From `npm run test:istio`, as far as the filter matters; of a configuration that was refused, what differs. */
const recorded: Json = JSON.parse(readFileSync(new URL("istio.json", import.meta.url), "utf8"));
const check_name = "enforcement-check";

/** The answers, with the parts that faults are in. */
class Parts {
  readonly answers: Json = structuredClone(recorded.sound);
  readonly chain: Json;
  readonly manager: Json;

  constructor() {
    const { dynamic_listeners } = this.answers.dump.configs.at(-1);
    [this.chain] = dynamic_listeners[0].active_state.listener.filter_chains;
    this.manager = this.chain.filters.at(-1).typed_config;
  }

  get filters(): Json[] {
    return this.manager.http_filters;
  }

  /** Puts a filter in before the one of that name. */
  insert(before: string, name: string, message: string, config: Json = {}): void {
    const at = this.filters.findIndex((one) => one.name === before);
    const type = `type.googleapis.com/envoy.extensions.filters.http.${message}`;
    this.filters.splice(at, 0, { name, typed_config: { "@type": type, ...config } });
  }
}

const statusOf = ({ answers }: Parts): EnvoyStatus => judge(answers, { readsFiles: false }, undefined);
const findingsOf = (parts: Parts): Finding[] => statusOf(parts).findings;
/** Of nothing that is wrong: the module is in the pod, and Istio's own filters stand between filter and check. */
const notes = ["check_later", "policy_unread"];
const codesOf = (parts: Parts): string[] => findingsOf(parts).map(({ code }) => code);

/** What is found of a sidecar that was changed, beside the notes. */
function changed(change: (parts: Parts) => void): string[] {
  const parts = new Parts();
  change(parts);
  return codesOf(parts).filter((code) => !notes.includes(code));
}

for (const [prefix, says] of [
  ["wasm-default-deny", /could not fetch the image.*refuses every request \(403\).*kubectl logs/u],
  ["wasm-default-allow", /lets every request pass undecided/u],
] as const) {
  test(`a module that the agent could not fetch is named: ${prefix} stands in its place`, () => {
    const parts = new Parts();
    const ecds = parts.answers.dump.configs.find((one: Json) => one["@type"].includes("EcdsConfigDump"));
    const [{ ecds_filter }] = ecds.ecds_filters;
    ecds_filter.typed_config = {
      "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
      ...(prefix === "wasm-default-deny" && { rules: {} }),
      rules_stat_prefix: prefix,
    };
    const findings = findingsOf(parts);
    assert.deepEqual(findings.map(({ code }) => code).sort(), ["filter_missing", "not_loaded"]);
    assert.match(findings.find(({ code }) => code === "filter_missing")!.message, says);
    assert.doesNotMatch(findings.find(({ code }) => code === "not_loaded")!.message, /pass undecided/u);
  });
}

test("as istiod programmed it, nothing is wrong, and the policy's name is that of the check", () => {
  const { policies, findings, workers } = statusOf(new Parts());
  assert.deepEqual(findings.map(({ code, severity }) => `${severity} ${code}`).sort(), [
    "note check_later",
    "note policy_unread",
  ]);
  assert.equal(workers, 2);
  assert.deepEqual(
    policies.map(({ policy, listener, isRefused }) => [policy, listener, isRefused]),
    [["web", "0.0.0.0_9080", false]],
  );
});

test("a configuration that Envoy refused, although its dump has it", () => {
  const codes = changed(({ answers }) => {
    const place = answers.dump.configs.findIndex((one: Json) => one["@type"] === recorded.refused.ecds["@type"]);
    answers.dump.configs[place] = structuredClone(recorded.refused.ecds);
    answers.stats = structuredClone(recorded.refused.stats);
  });
  assert.ok(codes.includes("update_refused"), codes.join());
});

describe("what is not as it should be is named", () => {
  const rbac = "rbac.v3.RBAC";
  const jwt = "jwt_authn.v3.JwtAuthentication";
  const named: Record<string, [codes: string[], change: (parts: Parts) => void]> = {
    "no check": [
      ["check_missing"],
      ({ manager }) => {
        manager.http_filters = manager.http_filters.filter(({ name }: Json) => name !== check_name);
      },
    ],
    "the check in front": [
      ["check_missing"],
      ({ filters }) => {
        const at = filters.findIndex(({ name }) => name === check_name);
        filters.unshift(...filters.splice(at, 1));
      },
    ],
    "sessions that are resumed": [
      ["session_resumption"],
      ({ chain }) => {
        delete chain.transport_socket.typed_config.disable_stateless_session_resumption;
        delete chain.transport_socket.typed_config.disable_stateful_session_resumption;
      },
    ],
    "a cache between filter and check": [
      ["check_not_next"],
      (parts) => parts.insert(check_name, "cache", "cache.v3.CacheConfig"),
    ],
    "Istio's authorization between them, which can but refuse": [
      [],
      (parts) => parts.insert(check_name, "rbac", rbac, { rules: { action: "DENY", policies: {} } }),
    ],
    "Istio's authorization in front": [
      ["filter_answers_first"],
      (parts) => parts.insert(parts.filters[0].name, "rbac", rbac, { rules: { action: "DENY", policies: {} } }),
    ],
    "Istio's token filter in front, which takes tokens away": [
      ["token_taken"],
      (parts) => parts.insert(parts.filters[0].name, "jwt", jwt, { providers: { corp: { issuer: "corp" } } }),
    ],
    "certificates that nobody asks for": [
      ["client_certificate_optional"],
      ({ chain }) => {
        chain.transport_socket.typed_config.require_client_certificate = false;
      },
    ],
    "x-forwarded-client-cert as Istio has it": [
      ["xfcc_passed_on"],
      ({ manager }) => {
        manager.forward_client_cert_details = "APPEND_FORWARD";
      },
    ],
    "no metrics": [
      ["metrics_dropped"],
      ({ answers }) => {
        answers.stats.stats = answers.stats.stats.filter(({ name }: Json) => !name.startsWith("wasmcustom."));
      },
    ],
  };
  for (const [what, [codes, change]] of Object.entries(named)) {
    test(what, () => assert.deepEqual(changed(change), codes));
  }
});
