/** `sallyport status`: each code is found in a dump of `envoy/inbound.yaml` that lacks one thing, and nothing in one that is sound. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { embedImage } from "../../scripts/policy/module/embed.ts";
import { type StatusCode, status_codes } from "../../scripts/status/codes.ts";
import { judge } from "../../scripts/status/judge.ts";
import { faults } from "./faults.ts";
import {
  anonymous,
  byEcds,
  codesOf,
  disabled,
  engine,
  type Fault,
  found,
  key,
  nothing,
  other,
  Parts,
  plain,
  reading,
  signed,
  trusting,
  type,
} from "./world.ts";

describe("each fault is found, and no other", () => {
  for (const [code, fault] of Object.entries(faults) as [StatusCode, Fault][]) {
    test(code, () => {
      const findings = found(fault);
      assert.deepEqual(codesOf(findings), [code, ...(fault.also ?? [])].sort(), JSON.stringify(findings, null, 1));
      const { message, path, severity } = findings.find((one) => one.code === code)!;
      assert.match(message, fault.says);
      assert.equal(severity, "isNote" in status_codes[code] ? "note" : "wrong");
      // What it points at is there, or is what is missing from something that is there.
      if (path !== undefined) assert.match(path, /^configs\[\d+\]/);
    });
  }
});

describe("nothing is found", () => {
  const sound: Record<string, Omit<Fault, "says">> = {
    "in Envoy's own dump of the example": { break: nothing, wanted: plain.wanted },
    "where the filter comes by ECDS": { break: (parts) => byEcds(parts, true), wanted: plain.wanted },
    "where the image stands in the filter's configuration": {
      break: ({ wasm }) => {
        const policy = Buffer.from(plain.image).toString("base64");
        wasm.configuration = { "@type": "type.googleapis.com/google.protobuf.Struct", value: { policy } };
      },
      module: embedImage(engine, other.image),
      wanted: plain.wanted,
    },
    "without use_remote_address where no rule reads an address": {
      break: ({ manager }) => void delete manager.use_remote_address,
    },
    "where callers need no certificate and a rule is for them": {
      break: ({ tls }) => {
        delete tls.require_client_certificate;
        tls.common_tls_context.validation_context = { trusted_ca: { filename: "/etc/sallyport/bundle.pem" } };
      },
      module: anonymous.module,
    },
    "on a listener for probes beside it, of one path": {
      break: ({ listeners, listener }) => {
        const copy = structuredClone(listener);
        copy.name = "probes";
        const { typed_config } = copy.filter_chains[0].filters[0];
        typed_config.http_filters.splice(0, 2);
        typed_config.route_config.virtual_hosts[0].routes[0].match = { path: "/healthz" };
        listeners.static_listeners.push({ listener: copy });
      },
    },
    "where RBAC that admits marked requests alone is the check": {
      break: ({ check }) => {
        const string_match = { prefix: '{"admit":true,"policy":"shop",' };
        const principals = [{ filter_state: { key: "wasm.sallyport", string_match } }];
        check.typed_config = {
          ...type("filters.http.rbac.v3.RBAC"),
          rules: { policies: { admitted: { permissions: [{ any: true }], principals } } },
        };
      },
    },
    "in front of a filter that decides, where it tries another policy in shadow mode": {
      break: ({ manager, filters }) => {
        const trial = structuredClone(filters[0]);
        trial.name = "sallyport-next";
        const policy = Buffer.from(other.image).toString("base64");
        trial.typed_config.config.configuration = {
          value: JSON.stringify({ policy, mode: "shadow", record: "next" }),
        };
        manager.http_filters.unshift(trial);
      },
      wanted: plain.wanted,
    },
    "where the policy reads bodies and the filter may hold requests": {
      break: ({ wasm }) => {
        wasm.allow_on_headers_stop_iteration = true;
      },
      module: reading.module,
      wanted: reading.wanted,
    },
    "in shadow mode where that is the policy's": {
      break: ({ wasm }) => {
        wasm.configuration = { value: '{"mode":"shadow"}' };
      },
      wanted: { ...plain.wanted, facts: { ...plain.wanted.facts, isShadow: true } },
    },
  };
  for (const [name, fault] of Object.entries(sound)) test(name, () => assert.deepEqual(found(fault), []));
});

describe("says what is in force", () => {
  test("policy, image, mode, since when and where from", () => {
    const parts = new Parts();
    byEcds(parts, true);
    const { policies, envoyVersion, workers, node } = judge(parts.answers(), {
      readsFiles: false,
      bytes: plain.module,
    });
    assert.deepEqual([envoyVersion, workers, node], ["1.40.0", 2, "sallyport-inbound"]);
    assert.deepEqual(policies, [
      {
        listener: "inbound",
        chain: "0",
        filter: "sallyport",
        policy: "shop",
        checksum: plain.wanted.facts.checksum,
        mode: "enforce",
        from: "module",
        signed: null,
        trustKeys: [],
        module: { origin: "/etc/sallyport/sallyport.wasm", sha256: plain.wanted.moduleSha256 },
        since: "2026-11-29T23:00:00.000Z",
        version: "7",
        isRefused: false,
        inForceInstead: [],
      },
    ]);
  });

  test("a signed policy's version, key and end, and whom the module trusts", () => {
    const parts = new Parts();
    signed(4102444800)(parts);
    const { policies, findings } = judge(parts.answers(), { readsFiles: false, bytes: trusting }, plain.wanted);
    assert.deepEqual(findings, []);
    const [{ from, checksum, signed: says, trustKeys } = assert.fail("no policy")] = policies;
    assert.deepEqual([from, checksum], ["configuration", plain.wanted.facts.checksum]);
    assert.deepEqual(says, { version: 9, keyId: key.id, expires: "2100-01-01T00:00:00Z" });
    assert.deepEqual(trustKeys, [key.id]);
  });

  const gauge = (image: string): string =>
    `wasmcustom.sallyport_policy_info.policy.shop;.image.${image}.version.9.mode.enforce.engine.0.1.0`;

  test("where a newer image goes on, that one is compared with what was given", () => {
    const parts = new Parts();
    signed(4102444800)(parts);
    parts.stats[gauge(plain.wanted.facts.checksum)] = 0;
    parts.stats[gauge(other.wanted.facts.checksum)] = 2;
    const source = { readsFiles: false, bytes: trusting };
    const { policies, findings } = judge(parts.answers(), source, other.wanted);
    assert.deepEqual(codesOf(findings), ["image_superseded"]);
    assert.deepEqual(policies[0]!.inForceInstead, [other.wanted.facts.checksum]);
    const old = judge(parts.answers(), source, plain.wanted).findings;
    assert.deepEqual(codesOf(old), ["image_superseded", "policy_old"]);
    const { message } = old.find(({ code }) => code === "policy_old")!;
    assert.match(message, new RegExp(`^Policy "shop" with the image ${other.wanted.facts.checksum} is in force by`));
  });

  test("a policy whose gauges are all 0 is in force nowhere, unless the filter may not set them", () => {
    const parts = new Parts();
    parts.stats[gauge(plain.wanted.facts.checksum)] = 0;
    const source = { readsFiles: false, bytes: trusting };
    const { findings } = judge(parts.answers(), source);
    assert.deepEqual(codesOf(findings), ["not_in_force"]);
    assert.match(findings[0]!.message, /every request is denied.*a signed image of a newer version/u);
    delete parts.wasm.capability_restriction_config.allowed_capabilities.proxy_record_metric;
    assert.equal(codesOf(judge(parts.answers(), source).findings).includes("not_in_force"), false);
  });

  test("an Envoy that is still starting misses no workers", () => {
    const parts = new Parts();
    parts.server.state = "PRE_INITIALIZING";
    parts.stats["wasm.envoy.wasm.runtime.v8.active"] = 2;
    const { findings } = judge(parts.answers(), { readsFiles: false, bytes: plain.module });
    assert.deepEqual(codesOf(findings), ["not_live"]);
  });

  test("the routes of a control plane are looked at, too", () => {
    const parts = new Parts();
    const { dump, manager, host, filters } = parts;
    host.routes[0].typed_per_filter_config = { [filters[0].name]: disabled };
    const route_config = manager.route_config;
    delete manager.route_config;
    manager.rds = { route_config_name: "inbound" };
    dump.configs[2].dynamic_route_configs = [{ route_config }];
    const { findings } = judge(parts.answers(), { readsFiles: false, bytes: plain.module });
    assert.deepEqual(codesOf(findings), ["route_disables_filter"]);
  });

  test("a module by its checksum, where Envoy fetches it", () => {
    const remote =
      (sha256: string) =>
      ({ wasm }: Parts): void => {
        wasm.vm_config.code = { remote: { http_uri: { uri: "https://modules.example.org/sallyport.wasm" }, sha256 } };
      };
    const { wanted } = plain;
    assert.deepEqual(found({ break: remote(wanted.moduleSha256), module: null, wanted }), []);
    assert.deepEqual(codesOf(found({ break: remote("ab"), module: null, wanted })), ["policy_old"]);
  });
});
