/**
 * The record as the mark of the enforcement check, in a real Envoy: each check lets by its own policy's record alone, and a record
 * tells of the request that was judged, whatever becomes of it afterwards.
 */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import type { Bootstrap } from "../../scripts/envoy/bootstrap.ts";
import { sendRequest } from "../../scripts/envoy/client.ts";
import { enforcementCheck, markOf } from "../../scripts/envoy/enforcement.ts";
import { managerOf, moduleFor, startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";

const web = "spiffe://example.org/web";
const policyNamed = (name: string, allow: string): string => `
version: 1
name: ${name}
trust: { domains: [example.org] }
rules:
  - { name: reads, callers: [${web}], allow: [${allow}] }
`;
const notJudged = "rbac_access_denied_matched_policy[not-admitted]";
const disabled = { "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", disabled: true };

describe("two policies in one filter chain", () => {
  const second_filter = "second-filter";
  let envoy: TestEnvoy;
  before(async () => {
    const second = await moduleFor({ policyYaml: policyNamed("second", "GET /both, GET /off/both") });
    envoy = await startTestEnvoy({
      policyYaml: policyNamed("first", '"GET /**"'),
      adjust: (bootstrap) => {
        const { http_filters, route_config, access_log } = managerOf(bootstrap);
        const filter = structuredClone(http_filters[0]);
        filter.name = second_filter;
        filter.typed_config.config.vm_config.vm_id = second_filter;
        filter.typed_config.config.vm_config.code.local = { inline_bytes: Buffer.from(second).toString("base64") };
        filter.typed_config.config.configuration = {
          "@type": "type.googleapis.com/google.protobuf.Struct",
          value: { record: "second" },
        };
        http_filters.splice(2, 0, filter, enforcementCheck({ policy: "somebody", record: "else" }));
        access_log[0].typed_config.log_format.json_format.other = "%FILTER_STATE(wasm.sallyport.second:PLAIN)%";
        const [{ routes }] = route_config.virtual_hosts;
        const off = (prefix: string, ...names: string[]): Bootstrap => ({
          ...routes[0],
          match: { prefix },
          typed_per_filter_config: Object.fromEntries(names.map((name) => [name, disabled])),
        });
        routes.unshift(
          off("/off/", second_filter),
          off("/first-off/", "envoy.filters.http.wasm"),
          off("/none/", "envoy.filters.http.wasm", second_filter),
        );
      },
    });
  });
  after(() => envoy?.stop());

  const judge = async (path: string): Promise<[number, string]> => {
    const { status, details } = await envoy.judge({ caller: web, path });
    return [status, details];
  };

  test("what both admit passes, and both records are in the log", async () => {
    const { status, record } = await envoy.judge({ caller: web, path: "/both" });
    assert.equal(status, 200);
    assert.equal(record?.policy, "first");
    const { other } = (await envoy.accessLog()).at(-1) as unknown as { other: string };
    assert.ok(other.startsWith(markOf("second")), other);
  });

  test("what the second denies does not", async () => {
    assert.deepEqual(await judge("/one"), [403, "sallyport_denied{no_rule}"]);
  });

  test("with the second left out on a route, its own check refuses, whatever the first one says", async () => {
    const arrived = envoy.upstreamRequests.length;
    for (const path of ["/off/one", "/off/both", "/first-off/one", "/none/one"]) {
      assert.deepEqual(await judge(path), [403, notJudged], path);
    }
    assert.equal(envoy.upstreamRequests.length, arrived);
  });
});

test("a check that was told another policy's name, or one that this one's begins with, lets nobody by", async () => {
  const envoy = await startTestEnvoy({
    policyYaml: policyNamed("shop", '"GET /**"'),
    adjust: (bootstrap) => {
      const [listener] = bootstrap.static_resources.listeners;
      for (const policy of ["shop2", "sho"]) {
        const copy = structuredClone(listener);
        copy.name = policy;
        const filters = managerOf({ static_resources: { listeners: [copy] } }).http_filters;
        // Between the two stands a filter, so that nobody corrects the name.
        filters.splice(1, 1, { name: "envoy.filters.http.buffer", disabled: true, typed_config: buffer });
        filters.splice(1, 0, enforcementCheck({ policy: "shop" }));
        filters.splice(3, 0, enforcementCheck({ policy }));
        bootstrap.static_resources.listeners.push(copy);
      }
    },
  });
  try {
    assert.equal((await envoy.request({ caller: web, path: "/" })).status, 200);
    const target = await envoy.local.target(web);
    for (const name of ["shop2", "sho"]) {
      const port = envoy.local.envoy.listenerPort(name);
      assert.equal((await sendRequest({ ...target, port }, { path: "/" })).status, 403, name);
    }
  } finally {
    await envoy.stop();
  }
});

const buffer = {
  "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer",
  max_request_bytes: 1024,
};

describe("the record tells what was judged", () => {
  let upstream: Server;
  let envoy: TestEnvoy;
  before(async () => {
    upstream = createServer((request, response) => {
      const redirects: Record<string, string> = {
        "/go/allowed": "https://localhost/end",
        "/go/denied": "https://localhost/secret?x=1",
      };
      const location = redirects[request.url ?? ""];
      response.writeHead(location === undefined ? 200 : 302, location === undefined ? {} : { location });
      response.end(request.url);
    });
    await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
    envoy = await startTestEnvoy({
      policyYaml: policyNamed("judged", "GET /go/*, GET /end, GET /public/*"),
      upstream: { host: "127.0.0.1", port: (upstream.address() as AddressInfo).port, tls: false },
      adjust: (bootstrap) => {
        const [{ routes }] = managerOf(bootstrap).route_config.virtual_hosts;
        const [{ route }] = routes;
        routes.unshift(
          { match: { prefix: "/public/" }, route: { ...route, prefix_rewrite: "/secret/" } },
          { match: { prefix: "/go/" }, route: { ...route, internal_redirect_policy: { max_internal_redirects: 1 } } },
        );
      },
    });
  });
  after(async () => {
    await envoy?.stop();
    upstream.close();
  });

  test("when the route rewrites the path", async () => {
    const { status, record, response } = await envoy.judge({ caller: web, path: "/public/%40?token=x" });
    assert.equal(status, 200);
    assert.equal(response.body, "/secret/%40?token=x");
    const { admit, decision, method, host, path } = record!;
    assert.deepEqual(
      { admit, decision, method, path },
      { admit: true, decision: "allow", method: "GET", path: "/public/@" },
    );
    assert.equal(host, "localhost");
  });

  test("when Envoy follows a redirect by itself: the filter is asked again, and each path has its own record", async () => {
    const before = (await envoy.accessLog()).length;
    const allowed = await envoy.request({ caller: web, path: "/go/allowed" });
    assert.deepEqual([allowed.status, allowed.body], [200, "/end"]);
    assert.equal((await envoy.request({ caller: web, path: "/go/denied" })).status, 403);
    // Envoy logs the request that was redirected and the one it became.
    const records = (await envoy.local.accessLog(before + 4)).slice(before).map(({ record }) => record!);
    assert.deepEqual(
      records.map(({ admit, decision, path }) => [admit, decision, path]).toSorted(),
      [
        [true, "allow", "/go/allowed"],
        [true, "allow", "/end"],
        [true, "allow", "/go/denied"],
        [false, "deny", "/secret"],
      ].toSorted(),
    );
  });
});
