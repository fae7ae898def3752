/** What limits keep buckets for: parts of the caller, of the path, headers and addresses. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import { recordOf } from "../support/plugin.ts";
import { imageOf, Workers } from "../support/workers.ts";

interface Asked {
  caller?: string | null;
  method?: string;
  host?: string;
  path?: string;
  source?: string;
  headers?: readonly (readonly [string, string])[];
}

/** Whether requests one after the other are admitted by a limit that has room for one in each bucket. */
function admitted(per: string, requests: readonly Asked[], { callers = "anonymous", trust = "" } = {}): boolean[] {
  const text = `
version: 1
name: shop
trust: { domains: [example.org, partner.net]${trust} }
limits:
  one: { rate: 1/h, burst: 1, per: [${per}] }
rules:
  - { name: a, callers: ["${callers}"], allow: ["* /items/{id}"], limit: one }
  - { name: b, callers: ["${callers}"], allow: ["GET /others/{id}"], limit: one }
`;
  const workers = new Workers(imageOf(text), 1);
  return requests.map(({ caller = null, method = "GET", path = "/items/1", host = "h", ...more }) => {
    const { source = "10.0.0.1", headers = [] } = more;
    const request = { caller, source, method, path, host, headers, token: null };
    const { reason } = recordOf(workers.hosts[0]!.request(workers.roots[0]!, hostRequest(request)));
    assert.ok(reason === "allowed" || reason === "limit_exceeded", String(reason));
    return reason === "allowed";
  });
}

const sources = (...all: string[]): Asked[] => all.map((source) => ({ source }));

describe("a bucket for each", () => {
  test("trust domain", () => {
    const callers = ["example.org/a", "example.org/b", "partner.net/a"].map((id) => ({ caller: `spiffe://${id}` }));
    assert.deepEqual(admitted("caller.trust_domain", [...callers, {}, {}]), [true, false, true, true, false]);
  });

  test("named segment of the caller's ID", () => {
    const callers = ["x/a", "x/b", "y/a"].map((path) => ({ caller: `spiffe://example.org/ns/${path}` }));
    const options = { callers: "spiffe://example.org/ns/{ns}/*" };
    assert.deepEqual(admitted("caller.ns", callers, options), [true, false, true]);
  });

  test("segment of the path, decoded", () => {
    const paths = ["/items/1", "/items/%31", "/items/2"].map((path) => ({ path }));
    assert.deepEqual(admitted("path.id", paths), [true, false, true]);
    assert.deepEqual(admitted("path.id, caller", paths), [true, false, true]);
  });

  test("header", () => {
    const tenants = [["a"], ["a"], ["b"], [], [], ["a", "b"]].map((values) => ({
      headers: values.map((value) => ["x-tenant", value] as const),
    }));
    assert.deepEqual(admitted(`'request.headers["X-Tenant"]'`, tenants), [true, false, true, true, false, false]);
  });

  test("rule", () => {
    const paths = ["/items/1", "/items/2", "/others/1", "/others/2"].map((path) => ({ path }));
    assert.deepEqual(admitted("rule", paths), [true, false, true, false]);
    assert.deepEqual(admitted("path.id", paths), [true, true, false, false]);
    assert.deepEqual(admitted("path.id, rule", paths), [true, true, true, true]);
  });

  test("host, as the engine judges it", () => {
    const hosts = ["a.example", "A.EXAMPLE:8443", "a.example.", "b.example"].map((host) => ({ host }));
    assert.deepEqual(admitted("host", hosts), [true, false, false, true]);
    assert.deepEqual(admitted("request.host", hosts), [true, false, false, true]);
  });

  test("method", () => {
    const methods = ["GET", "GET", "POST"].map((method) => ({ method }));
    assert.deepEqual(admitted("request.method", methods), [true, false, true]);
  });

  test("eight parts together", () => {
    const per =
      "rule, host, request.method, caller, caller.trust_domain, path.id, source.ip, 'request.headers[\"x-a\"]'";
    const asked: Asked[] = [{}, {}, { host: "i" }, { method: "PUT" }, { path: "/others/1" }, { source: "10.0.0.2" }];
    assert.deepEqual(admitted(per, asked), [true, false, true, true, true, true]);
  });

  test("address, and not for each port", () => {
    const asked = sources("10.0.0.1:1", "10.0.0.1:2", "10.0.0.2", "::ffff:10.0.0.2", "2001:db8::1", "2001:db8::2");
    assert.deepEqual(admitted("source.ip", asked), [true, false, true, false, true, true]);
  });

  test("network", () => {
    const asked = sources("10.0.0.1", "10.0.0.255", "10.0.1.1", "2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1");
    assert.deepEqual(admitted("source.ip/24", asked), [true, false, true, true, false, true]);
    assert.deepEqual(admitted("source.ip/48", asked), [true, true, true, true, false, false]);
    assert.deepEqual(admitted("source.ip/7", sources("10.0.0.1", "11.0.0.1", "12.0.0.1")), [true, false, true]);
  });

  test("address that the policy takes: those that it does not take share one", () => {
    const asked = sources("10.0.0.1:0", "10.0.0.2:0");
    assert.deepEqual(admitted("source.ip", asked), [true, false]);
    assert.deepEqual(admitted("source.ip", asked, { trust: ", sourceAddress: forwarded" }), [true, true]);
  });
});
