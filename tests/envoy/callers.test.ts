/** What `sallyport run` shows people to try: examples out of a policy, and commands to paste. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { admitsAnonymous, callerExamples } from "../../scripts/envoy/callers.ts";
import { curlCommand } from "../../scripts/envoy/curl.ts";
import { loadPolicyFile } from "../../scripts/policy/build.ts";
import type { Policy } from "../../scripts/policy/language/model.ts";
import { makeCorpIssuer } from "../support/envoy.ts";

async function policyOf(text: string): Promise<Policy> {
  const folder = await mkdtemp(join(tmpdir(), "sallyport-callers-"));
  try {
    const issuer = await makeCorpIssuer();
    await writeFile(join(folder, "keys.json"), JSON.stringify(issuer.jwks));
    await writeFile(join(folder, "policy.yaml"), text);
    return loadPolicyFile(join(folder, "policy.yaml")).policy;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const head = `version: 1
name: shop
trust: { domains: [example.org, partner.example.net] }
`;

test("each caller of each allow rule gets an example that fits it", async () => {
  const policy = await policyOf(`${head}
issuers:
  corp: { issuer: https://a.example, audiences: [api], algorithms: [RS256], keys: { file: keys.json } }
  partner: { issuer: https://b.example, audiences: [api], algorithms: [RS256], keys: { file: keys.json } }
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
  - name: soon
    callers: [spiffe://example.org/web]
    allow: [GET /soon]
    mode: shadow
`);
  const profile = {
    rule: "profiles",
    method: "GET",
    path: "/users/7/example",
    host: "example.example.org",
    issuers: ["corp", "partner"],
  };
  const order = { rule: "orders", method: "POST", path: "/shop.Orders/Place", issuers: [] };
  // Rules come in the byte order of their names.
  assert.deepEqual(callerExamples(policy), [
    { id: null, rule: "health", method: "GET", path: "/healthz", issuers: [] },
    { id: "spiffe://example.org/checkout-service", ...order },
    { id: "spiffe://example.org/web", ...profile },
    { id: "spiffe://example.org/mobile/example", ...profile },
    { id: "spiffe://example.org/example", ...profile },
  ]);
  assert.equal(admitsAnonymous(policy), true);
});

test("the example of a pattern is an ID, whichever segments it leaves open", async () => {
  const patterns = ["/ns/{ns}/sa/{sa}", "/ns/*/sa/web", "/{region}/**", "/*/*"].map(
    (path) => `spiffe://example.org${path}`,
  );
  const policy = await policyOf(`${head}
rules:
  - name: pods
    callers: ${JSON.stringify(patterns)}
    allow: [GET /]
`);
  const ids = callerExamples(policy).map(({ id }) => id!);
  assert.deepEqual(
    ids,
    ["/ns/example/sa/example", "/ns/example/sa/web", "/example/example", "/example/example"].map(
      (path) => `spiffe://example.org${path}`,
    ),
  );
});

test("a policy that allows nobody anything has no examples, and admits nobody without a certificate", async () => {
  const policy = await policyOf(`${head}rules: [{ name: none, callers: [anonymous], deny: ["* /**"] }]`);
  assert.deepEqual(callerExamples(policy), []);
  assert.equal(admitsAnonymous(policy), false);
});

test("a command comes through a shell as it was meant", async () => {
  const command = curlCommand({
    port: 8443,
    authorityPath: "/tmp/a b/it's.pem",
    method: "POST",
    path: "/a;$(touch x)?q='1'&r=*",
    host: "orders.example.org",
    tokens: [
      { place: { kind: "header", name: "authorization", prefix: "Bearer " }, variable: "TOKEN" },
      { place: { kind: "header", name: "x-token", prefix: "it's `$x` " }, variable: "TOKEN" },
      { place: { kind: "cookie", name: "a!", prefix: "" }, variable: "TOKEN" },
      { place: { kind: "cookie", name: "b", prefix: "" }, variable: "TOKEN" },
      { place: { kind: "query", name: "t", prefix: "" }, variable: "TOKEN" },
    ],
  });
  const printed = `set -- ${command}; for word in "$@"; do printf '%s\\n' "$word"; done`;
  const { stdout } = await promisify(execFile)("/bin/sh", ["-c", printed], { env: { TOKEN: "t.o.k" } });
  assert.deepEqual(stdout.trimEnd().split("\n"), [
    ...["curl", "-i", "--path-as-is", "--cacert", "/tmp/a b/it's.pem", "-X", "POST"],
    ...["-H", "host: orders.example.org", "-H", "authorization: Bearer t.o.k"],
    ...["-H", "x-token: it's `$x` t.o.k", "-H", "cookie: a!=t.o.k; b=t.o.k"],
    "https://127.0.0.1:8443/a;$(touch x)?q='1'&r=*&t=t.o.k",
  ]);
});
