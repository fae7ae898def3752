/** What `sallyport run` shows people to try: examples out of a policy, and commands to paste. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { readCallers } from "../../scripts/envoy/callers.ts";
import { curlCommand } from "../../scripts/envoy/curl.ts";

test("each caller of each allow rule gets an example that fits it", () => {
  const { trustDomains, examples } = readCallers(`
version: 1
trust: { domains: [example.org, partner.example.net] }
callers:
  storefront: [spiffe://example.org/web, "spiffe://example.org/mobile/*"]
rules:
  - name: profiles
    callers: [storefront, any]
    hosts: ["*.example.org", other.example.org]
    allow: ["GET|HEAD /users/{id}/**", "PUT /users/{id}"]
    token: [corp, partner]
  - name: orders
    callers: [spiffe://example.org/checkout-service]
    allow: [grpc shop.Orders/Place]
  - name: no-deletes
    callers: [any]
    deny: ["DELETE /**"]
  - name: health
    callers: [anonymous]
    allow: ["* /healthz"]
`);
  assert.deepEqual(trustDomains, ["example.org", "partner.example.net"]);
  const profile = {
    rule: "profiles",
    method: "GET",
    path: "/users/7/example",
    host: "example.example.org",
    token: "corp",
  };
  assert.deepEqual(examples, [
    { id: "spiffe://example.org/web", ...profile },
    { id: "spiffe://example.org/mobile/example", ...profile },
    { id: "spiffe://example.org/example", ...profile },
    { id: "spiffe://example.org/checkout-service", rule: "orders", method: "POST", path: "/shop.Orders/Place" },
    { id: null, rule: "health", method: "GET", path: "/healthz" },
  ]);
});

test("a policy without rules has no examples", () => {
  assert.deepEqual(readCallers("version: 1\n"), { trustDomains: [], examples: [] });
});

test("a command comes through a shell as it was meant", async () => {
  const command = curlCommand({
    port: 8443,
    authorityPath: "/tmp/a b/it's.pem",
    method: "POST",
    path: "/a;$(touch x)?q='1'&r=*",
    host: "orders.example.org",
    bearer: "$TOKEN",
  });
  const printed = `set -- ${command}; for word in "$@"; do printf '%s\\n' "$word"; done`;
  const { stdout } = await promisify(execFile)("/bin/sh", ["-c", printed], { env: { TOKEN: "t.o.k" } });
  assert.deepEqual(stdout.trimEnd().split("\n"), [
    ...["curl", "-i", "--path-as-is", "--cacert", "/tmp/a b/it's.pem", "-X", "POST"],
    ...["-H", "host: orders.example.org", "-H", "authorization: Bearer t.o.k"],
    "https://127.0.0.1:8443/a;$(touch x)?q='1'&r=*",
  ]);
});
