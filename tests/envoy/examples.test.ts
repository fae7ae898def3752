/** The example bootstraps in `envoy/`, as an operator gets them: valid, and doing in a real Envoy what they promise. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { parse, stringify } from "yaml";
import manifest from "../../package.json" with { type: "json" };
import {
  type Bootstrap,
  bootstrapFrom,
  type ExampleName,
  exampleNames,
  readExample,
  readExampleFor,
} from "../../scripts/envoy/bootstrap.ts";
import { makeAuthority } from "../../scripts/envoy/certificates.ts";
import { findEnvoy } from "../../scripts/envoy/find.ts";
import { EnvoyStartError } from "../../scripts/envoy/process.ts";
import { metricEntries } from "../../scripts/evaluate/metrics.ts";
import { compilePolicyFile, loadEngineFor } from "../../scripts/policy/build.ts";
import { managerOf, moduleFor, startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";

const policyYaml = `
version: 1
name: examples
trust: { domains: [example.org] }
rules:
  - name: web-reads
    callers: [spiffe://example.org/web]
    allow: ["GET /**", grpc shop.Orders/Place]
`;
const web = "spiffe://example.org/web";
const billing = "spiffe://example.org/billing";

let wasm: Uint8Array;
before(async () => {
  wasm = await moduleFor({ policyYaml });
});

/** What Envoy says of an example that was changed, with every file it names in place. */
async function validated(example: ExampleName, change: (text: string) => string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "sallyport-example-"));
  try {
    const certificates = join(directory, "certificates");
    await mkdir(join(certificates, "bundles"), { recursive: true });
    const authority = await makeAuthority({ trustDomain: "example.org" });
    const own = await authority.issue({ spiffeId: "spiffe://example.org/orders" });
    await writeFile(join(certificates, "svid.pem"), own.certificatePem);
    await writeFile(join(certificates, "svid-key.pem"), own.privateKeyPem);
    const bundle = join(certificates, "bundles/example.org.pem");
    await writeFile(bundle, authority.certificatePem);
    await writeFile(join(directory, "sallyport.wasm"), wasm);
    const path = join(directory, `${example}.yaml`);
    const text = change(await readExampleFor(example, await findEnvoy()))
      .replaceAll("/etc/sallyport", directory)
      .replace("/etc/ssl/certs/ca-certificates.crt", bundle);
    await writeFile(path, text);
    return (await promisify(execFile)(await findEnvoy(), ["--mode", "validate", "-c", path])).stdout;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

test("every example is known by its name, and so tried here", () => {
  const files = readdirSync("envoy").map((name) => name.replace(/\.yaml$/u, ""));
  // The last is tried in sds.test.ts, and with SPIRE by `npm run test:spire`.
  assert.deepEqual(files.sort(), [...exampleNames, "sds-spire"].sort());
});

for (const example of exampleNames) {
  describe(`envoy/${example}.yaml`, () => {
    test("is valid as it stands, once its files are there", async () => {
      assert.match(await validated(example, (text) => text), /OK/);
    });

    test("is valid with the cluster for keys that it has in comments, which is what run starts Envoy with", async () => {
      const withKeys = (text: string): string => {
        const start = text.indexOf("    # - name: idp\n");
        assert.ok(start > 0, "there is no such cluster");
        const cluster = text.slice(start).replaceAll(/^ {4}# /gm, "    ");
        const { name, load_assignment: _, ...rest } = parse(cluster)[0];
        const tls = rest.transport_socket.typed_config.common_tls_context;
        const local = bootstrapFrom(text, {
          wasm,
          certificates: { certificate: "c", privateKey: "k", bundles: { "example.org": "pem" } },
          upstream: { host: "127.0.0.1", port: 1, tls: false },
          keyClusters: {
            idp: {
              host: "idp.example.org",
              port: 443,
              tls: {
                serverName: "idp.example.org",
                expect: { type: "DNS", value: "idp.example.org" },
                authorityPem: "pem",
              },
            },
          },
        });
        const { clusters } = local.static_resources;
        const { load_assignment: __, ...made } = clusters.find((one: { name: string }) => one.name === name);
        tls.validation_context.trusted_ca = { inline_string: "pem" };
        assert.deepEqual(made, { name, ...rest });
        return text.slice(0, start) + cluster;
      };
      assert.match(await validated(example, withKeys), /OK/);
    });

    test("is valid with the cluster for a rate limit service that docs/limits.md has", async () => {
      const [, block] = /```yaml\n(name: ratelimit\n.*?)```/su.exec(readFileSync("docs/limits.md", "utf8"))!;
      const withService = (text: string): string => {
        const bootstrap = parse(text) as Bootstrap;
        bootstrap.static_resources.clusters.push(parse(block!));
        return stringify(bootstrap);
      };
      assert.match(await validated(example, withService), /OK/);
    });

    test("takes every label of every metric out of its name", async () => {
      const { stats_config } = parse(await readExample(example)) as {
        stats_config: { stats_tags: { tag_name: string; regex: string }[] };
      };
      for (const [metric, { labels }] of metricEntries) {
        const wanted: Record<string, string> = { sallyport_policy: "shop" };
        let name = `wasmcustom.${metric}.policy.shop;`;
        for (const [label, [value = "any"]] of Object.entries(labels) as [string, readonly string[]][]) {
          wanted[`sallyport_${label}`] = value;
          // What the policy chooses ends with a semicolon, unless it is the last.
          name += `.${label}.${value}${label === "rule" || label === "quarantine" ? ";" : ""}`;
        }
        const found = stats_config.stats_tags.flatMap(({ tag_name, regex }) => {
          const match = new RegExp(regex, "u").exec(name);
          return match === null ? [] : [[tag_name, match[2]]];
        });
        assert.deepEqual(Object.fromEntries(found), wanted, name);
      }
    });

    describe("in a running Envoy", () => {
      let envoy: TestEnvoy;
      before(async () => {
        envoy = await startTestEnvoy({ wasm, example, concurrency: 2 });
      });
      after(() => envoy?.stop());

      test("lets an allowed request through, over HTTP/1.1, HTTP/2 and gRPC", async () => {
        const first = await envoy.judge({ caller: web, path: "/orders/1" });
        assert.equal(first.status, 200, first.details);
        assert.equal(first.record?.decision, "allow");
        assert.equal(first.record?.rule, "web-reads");
        assert.equal((await envoy.request({ caller: web, path: "/orders/2", http2: true })).status, 200);
        assert.deepEqual(await envoy.grpc({ caller: web, text: "tea" }), { code: 0, name: "OK", text: "placed: tea" });
        assert.equal(envoy.upstreamRequests.at(-1)?.peer, "spiffe://example.org/orders");
      });

      test("keeps a denied request from the upstream, and says why in the log", async () => {
        const arrived = envoy.upstreamRequests.length;
        const { status, details, record } = await envoy.judge({ caller: billing, path: "/orders/1" });
        assert.equal(status, 403);
        assert.match(details, /^sallyport_denied\{no_rule\}/);
        assert.equal(record?.reason, "no_rule");
        assert.equal(record?.caller, billing);
        const call = await envoy.grpc({ caller: billing });
        assert.equal(call.name, "PERMISSION_DENIED");
        assert.equal(envoy.upstreamRequests.length, arrived);
      });

      test("refuses a connection without a certificate, and logs that", async () => {
        assert.notEqual(await envoy.tlsRefusal(), undefined);
        assert.match(String((await envoy.accessLog()).at(-1)?.tls_failure), /PEER_DID_NOT_RETURN_A_CERTIFICATE/);
      });

      test("refuses a certificate of another authority", async () => {
        const stranger = await makeAuthority({ trustDomain: "example.org" });
        const identity = await stranger.issue({ spiffeId: web });
        assert.notEqual(await envoy.tlsRefusal({ identity }), undefined);
        assert.match(String((await envoy.accessLog()).at(-1)?.tls_failure), /CERTIFICATE_VERIFY_FAILED/);
      });

      test("replaces a forged x-forwarded-client-cert and does not believe x-forwarded-for", async () => {
        const forged = { "x-forwarded-client-cert": "URI=spiffe://example.org/admin", "x-forwarded-for": "10.0.0.1" };
        assert.equal((await envoy.request({ caller: web, path: "/orders/1", headers: forged })).status, 200);
        const arrived = envoy.upstreamRequests.at(-1)!;
        const told = String(arrived.headers["x-forwarded-client-cert"]);
        assert.match(told, /URI=spiffe:\/\/example\.org\/web$/);
        assert.doesNotMatch(told, /admin/);
        assert.match(String((await envoy.accessLog()).at(-1)?.source), /^127\.0\.0\.1:/);
      });

      test("takes no orders from callers: x-envoy-* headers and request IDs of theirs", async () => {
        const headers = {
          "x-envoy-retry-on": "5xx",
          "x-envoy-max-retries": "9",
          "x-envoy-upstream-rq-timeout-ms": "20",
          "x-envoy-original-path": "/admin",
          "x-envoy-force-trace": "1",
          "x-envoy-internal": "true",
          "x-request-id": "chosen-by-the-caller",
        };
        assert.equal((await envoy.request({ caller: web, path: "/orders/1", headers })).status, 200);
        const arrived = envoy.upstreamRequests.at(-1)!.headers;
        assert.notEqual(arrived["x-request-id"], headers["x-request-id"]);
        for (const name of Object.keys(headers)) {
          if (name !== "x-request-id") assert.equal(arrived[name], undefined, name);
        }
      });

      test("refuses escaped slashes and merges doubled ones", async () => {
        assert.equal((await envoy.request({ caller: web, path: "/orders%2F1" })).status, 400);
        assert.equal((await envoy.request({ caller: web, path: "/orders//1" })).status, 200);
        assert.equal(envoy.upstreamRequests.at(-1)?.path, "/orders/1");
      });

      test("turns the metrics' names into labels", async () => {
        const metrics = (await envoy.prometheus()).filter((line) => line.startsWith("sallyport_"));
        const names = new Set(metrics.map((line) => line.slice(0, line.indexOf("{"))));
        assert.deepEqual([...names].toSorted(), [
          "sallyport_cached_tokens",
          "sallyport_denials",
          "sallyport_failures",
          "sallyport_limits",
          "sallyport_policy_info",
          "sallyport_requests",
          "sallyport_rules",
        ]);
        const has = (name: string, ...labels: string[]): void => {
          const wanted = ['sallyport_policy="examples"', ...labels];
          const found = metrics.some(
            (line) => line.startsWith(`${name}{`) && wanted.every((label) => line.includes(label)),
          );
          assert.ok(found, `${name}{${wanted.join(",")}} is not among\n${metrics.join("\n")}`);
        };
        // Once, although two workers and the main thread have the policy, and although this Envoy logs warnings alone.
        const lines = envoy.local.envoy.log().match(/policy examples in force, .*/gu) ?? [];
        assert.equal(lines.length, 1, lines.join("\n"));
        const image = /, image ([0-9a-f]{8}), of the module/u.exec(lines[0]!)?.[1];
        const engine = `sallyport_engine="${manifest.version}"`;
        has("sallyport_policy_info", `sallyport_image="${image}"`, 'sallyport_mode="enforce"', engine, "} 1");
        has("sallyport_requests", 'sallyport_decision="allow"');
        has("sallyport_requests", 'sallyport_decision="deny"');
        has("sallyport_denials", 'sallyport_reason="no_rule"');
        has("sallyport_rules", 'sallyport_rule="web-reads"', 'sallyport_decision="allow"');
        has("sallyport_failures", 'sallyport_cause="get_property"');
        has("sallyport_cached_tokens", 'sallyport_result="hit"');
      });
    });

    test("checks twice: with the filter switched off on the routes, nothing passes", async () => {
      const disabled = { "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", disabled: true };
      const local = await startTestEnvoy({
        wasm,
        example,
        adjust: (bootstrap) => {
          for (const host of managerOf(bootstrap).route_config.virtual_hosts) {
            host.typed_per_filter_config = { "envoy.filters.http.wasm": disabled };
          }
        },
      });
      try {
        const { status, details } = await local.judge({ caller: web, path: "/orders/1" });
        assert.equal(status, 403);
        assert.match(details, /^rbac_access_denied_matched_policy\[not-admitted\]$/);
        assert.equal(local.upstreamRequests.length, 0);
      } finally {
        await local.stop();
      }
    });

    test("gives the filter what it needs and no more: nothing it may call is missing, nothing else is there", async () => {
      const local = bootstrapFrom(await readExample(example), {
        wasm,
        certificates: { certificate: "c", privateKey: "k", bundles: { "example.org": "pem" } },
        upstream: { host: "127.0.0.1", port: 1, tls: false },
      });
      const allowed = Object.keys(
        managerOf(local).http_filters[0].typed_config.config.capability_restriction_config.allowed_capabilities,
      );
      // The larger engine as it is: `build` leaves out what a policy has no use for.
      const { image } = compilePolicyFile("tests/policy/policies/callsonly.yaml");
      const module = new WebAssembly.Module(loadEngineFor(image) as Uint8Array<ArrayBuffer>);
      const used = [
        ...WebAssembly.Module.imports(module).map(({ name }) => name),
        ...WebAssembly.Module.exports(module).map(({ name }) => name),
      ].filter((name) => /^(proxy_(?!abi_version)|random_get$)/.test(name));
      assert.deepEqual(allowed.toSorted(), used.toSorted());
    });
  });
}

test("a configuration the filter refuses keeps Envoy from starting, and the error says so", async () => {
  const starting = startTestEnvoy({ wasm, pluginConfiguration: { nonsense: true } }).then((local) => local.stop());
  await assert.rejects(starting, (error: unknown) => {
    assert.ok(error instanceof EnvoyStartError);
    assert.match(error.message, /sallyport/);
    return true;
  });
});

test("a bootstrap without the enforcement check is refused before Envoy sees it", async () => {
  const removeLock = (bootstrap: Bootstrap): void => {
    managerOf(bootstrap).http_filters.splice(1, 1);
  };
  await assert.rejects(startTestEnvoy({ wasm, adjust: removeLock }), /enforcement check/);
});
