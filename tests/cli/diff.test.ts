/** `sallyport diff`. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { folderOf, plain_policy, sallyport } from "./program.ts";

const policy = (rules: string, head = ""): string => `version: 1
name: shop
trust: { domains: [example.org] }
callers:
  storefront: [spiffe://example.org/web, "spiffe://example.org/mobile/*"]
limits:
  writes: { rate: 10/s, burst: 20, per: [caller] }
${head}rules:
${rules}`;

const old = policy(`  - name: orders
    callers: [storefront]
    allow: [GET /orders, "GET|POST /orders/{id}"]
  - name: users
    callers: [any]
    hosts: [users.example.org]
    allow: ["GET /users/{id}"]
    expires: 2026-12-31T00:00:00Z
  - name: no-deletes
    callers: [any]
    deny: ["DELETE /**"]
`);
const folder = folderOf({
  "old.yaml": old,
  "same.yaml": policy(`  - name: zz-no-deletes
    callers: [any]
    deny: ["DELETE /**"]
  - name: reads
    callers: [spiffe://example.org/web, "spiffe://example.org/mobile/*"]
    allow: ["GET /orders/{order}", GET /orders]
  - name: writes
    callers: ["spiffe://example.org/mobile/*", spiffe://example.org/web]
    allow: ["POST /orders/*"]
  - name: users-renamed
    callers: [any]
    hosts: [Users.Example.org]
    allow: ["GET /users/{id}"]
    expires: 2026-12-31T01:00:00+01:00
`),
  "gained.yaml": old.replace("allow: [GET /orders,", "allow: [GET /orders, GET /invoices,"),
  "lost.yaml": old.replace("allow: [GET /orders,", "allow: ["),
  "stricter.yaml": old
    .replace("POST /orders/{id}", "POST /orders/{id}")
    .replace("callers: [storefront]", "callers: [storefront]\n    limit: writes"),
  "paid.yaml": old.replace(
    "callers: [storefront]",
    "callers: [storefront]\n    limit: writes\n    cost: 'int(request.query[\"n\"])'",
  ),
  "held.yaml": `${old}  - { name: bounded, callers: [storefront], allow: ["POST /orders/{id}"], maxBodyBytes: 10 }\n`,
  "longer.yaml": old.replace("expires: 2026", "expires: 2027"),
  "shadow.yaml": old.replace("name: shop", "name: shop\nmode: shadow"),
  "undenied.yaml": old.replace("DELETE /**", "DELETE /users/**").replace("[GET /orders,", '["* /orders",'),
  "invalid.yaml": old.replace("callers: [any]", "callers: [anyy]"),
  "plain.yaml": plain_policy,
});
after(folder.remove);
const diff = (before: string, after: string, ...more: string[]) =>
  sallyport(["diff", folder.path(before), folder.path(after), ...more]);
const json = (before: string, after: string) => JSON.parse(diff(before, after, "--format", "json").stdout);

describe("sallyport diff", () => {
  test("the same policy in other words is no difference", () => {
    const { code, stdout, stderr } = diff("old.yaml", "same.yaml", "--no-new-access");
    assert.equal(stdout, "no difference\n", stderr);
    assert.equal(code, 0);
    assert.deepEqual(json("same.yaml", "old.yaml"), { gained: [], lost: [], changed: [], policy: [] });
  });

  test("what is gained, by whom; 1 only where --no-new-access asks for it", () => {
    assert.deepEqual(json("old.yaml", "gained.yaml"), {
      gained: [
        {
          callers: ["spiffe://example.org/mobile/*", "spiffe://example.org/web"],
          hosts: [],
          endpoints: ["GET /invoices"],
          conditions: [{}],
        },
      ],
      lost: [],
      changed: [],
      policy: [],
    });
    const { code, stdout } = diff("old.yaml", "gained.yaml");
    assert.equal(code, 0);
    assert.match(stdout, /^\+ spiffe:\/\/example\.org\/mobile\/\* +GET \/invoices$/m);
    assert.match(stdout, /1 gained, 0 lost, 0 changed/);
    assert.equal(diff("old.yaml", "gained.yaml", "--no-new-access").code, 1);
  });

  test("what is lost is no new access", () => {
    const { code, stdout } = diff("old.yaml", "lost.yaml", "--no-new-access");
    assert.equal(code, 0);
    assert.match(stdout, /^- spiffe:\/\/example\.org\/mobile\/\* +GET \/orders$/m);
  });

  test("stricter conditions are a loss, weaker ones a gain", () => {
    const { lost, gained } = json("old.yaml", "stricter.yaml");
    assert.deepEqual(gained, []);
    assert.deepEqual(lost[0].was, [{}]);
    assert.deepEqual(lost[0].conditions, [{ limits: [{ name: "writes", cost: 1 }] }]);
    assert.equal(diff("stricter.yaml", "old.yaml", "--no-new-access").code, 1);
    const { stdout, code } = diff("old.yaml", "longer.yaml", "--no-new-access");
    assert.equal(code, 1);
    assert.match(stdout, /now until 2027-12-31T00:00:00Z/);
    assert.match(stdout, /was until 2026-12-31T00:00:00Z/);
  });

  test("a cost that depends on the request, in words", () => {
    const { stdout } = diff("stricter.yaml", "paid.yaml");
    assert.match(stdout, /limit writes \(cost int\(request\.query\.n\), 20 at most\)/);
  });

  test("a bound on bodies without a length that goes is a gain, in words", () => {
    const { stdout, code } = diff("held.yaml", "old.yaml", "--no-new-access");
    assert.equal(code, 1);
    assert.match(stdout, /^\+ spiffe:.* POST \/orders\/\{id\} +now without conditions/mu);
    assert.match(stdout, /was a body that may be held to 10 bytes/);
  });

  test("shadow mode lets everybody in", () => {
    const { stdout, code } = diff("old.yaml", "shadow.yaml", "--no-new-access");
    assert.equal(code, 1);
    assert.match(stdout, /\+ mode: enforce → shadow/);
    assert.equal(diff("shadow.yaml", "old.yaml", "--no-new-access").code, 0);
  });

  test("a deny rule that reaches less far gives what it held back", () => {
    const { gained } = json("old.yaml", "undenied.yaml");
    assert.equal(gained.length, 1);
    assert.deepEqual(gained[0].endpoints, ["* /orders"]);
    assert.deepEqual(gained[0].except.endpoints, ["GET /orders"]);
  });

  test("an invalid policy: 2, and what is wrong with it", () => {
    const { code, stderr } = diff("old.yaml", "invalid.yaml");
    assert.equal(code, 2);
    assert.match(stderr, /invalid\.yaml:\d+:\d+: error/);
    assert.equal(diff("old.yaml", "gone.yaml").code, 2);
    assert.equal(sallyport(["diff", folder.path("old.yaml")]).code, 2);
  });
});
