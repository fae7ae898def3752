/** The record's `detail`: it belongs to the reason beside it, and where nothing of a token is wrong there is none. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import { WasmResult } from "../../scripts/host/abi.ts";
import type { Fault } from "../../scripts/host/faults.ts";
import { makeKey, providerAudience, providerIssuer } from "../support/jwks-server.ts";
import { recordOf } from "../support/plugin.ts";
import { imageOf, jwks, Workers } from "../support/workers.ts";

const [one, two] = [await makeKey("one"), await makeKey("two")];
const partnerIssuer = "https://partner.example.net";
const issuer = (iss: string, more: string): string =>
  `{ issuer: "${iss}", audiences: [${providerAudience}], algorithms: [ES256], ${more}, leeway: 30s }`;

/** A policy whose first issuer's tokens stand in a header after a word, and whose second's in a cookie. */
const policy = (rules: string, more = ""): string => `version: 1
name: shop
${more}trust: { domains: [example.org] }
issuers:
  idp: ${issuer(providerIssuer, 'keys: { file: one.json }, from: [{ header: x-idp, prefix: "IDP " }]')}
  partner: ${issuer(partnerIssuer, "keys: { file: two.json }, from: [{ cookie: session }]")}
rules:
  - { name: orders, callers: [any], ${rules}, token: [idp, partner] }
`;

interface More {
  faults?: Fault[];
  caller?: null;
  times?: number;
}

/** The reason and the detail in the record of a request with these headers. */
function record(text: string, headers: readonly (readonly [string, string])[], more: More = {}) {
  const { faults = [], caller = "spiffe://example.org/web", times = 1 } = more;
  const bundle = JSON.stringify({ keys: [{ ...one.jwk, use: "jwt-svid" }] });
  const files = { "one.json": jwks(one), "two.json": jwks(two), "bundle.json": bundle };
  const workers = new Workers(imageOf(text, files), 1);
  workers.hosts[0]!.faults = faults;
  const request = { caller, source: "10.0.0.1", method: "GET", path: "/orders", host: "h", headers, token: null };
  const ask = () => recordOf(workers.hosts[0]!.request(workers.roots[0]!, hostRequest(request)));
  for (let time = 1; time < times; time++) ask();
  const { reason, detail } = ask();
  return { reason, detail };
}

/** A header that another scheme stands in, and a good token of the other issuer's. */
const mixed = async (): Promise<(readonly [string, string])[]> => [
  ["x-idp", "Basic dXNlcg"],
  ["cookie", `session=${await two.token({ iss: partnerIssuer })}`],
];

describe("a reason that no token gave has no detail", () => {
  for (const name of ["a-svid", "z-svid"]) {
    test(`an untrusted JWT-SVID in ${name}, whatever stood where another one might`, async () => {
      const text = `version: 1
name: shop
trust:
  domains: [example.org]
  identity: jwt-svid
  jwtSvid:
    audiences: [${providerAudience}]
    bundles: { example.org: { file: bundle.json } }
    from: [{ header: ${name} }, { header: authorization, prefix: "Bearer " }]
rules:
  - { name: orders, callers: [any], allow: [GET /orders] }
`;
      const svid = await one.token({ sub: "spiffe://other.example/web" });
      const headers = [[name, svid] as const, ["authorization", "Basic dXNlcg"] as const];
      assert.deepEqual(record(text, headers, { caller: null }), { reason: "identity_untrusted", detail: undefined });
    });
  }

  const parts: [reason: string, rule: string][] = [
    ["scope_missing", "allow: [GET /orders], scopes: [read]"],
    ["condition_false", "allow: [GET /orders], when: claims.sub == 'x'"],
    ["condition_error", "allow: [GET /orders], when: claims.missing == 'x'"],
    ["rule_denied", "deny: [GET /orders], when: claims.sub == 'two'"],
  ];
  for (const [reason, rule] of parts) {
    test(`${reason}, where one issuer's token is bad and another's is good`, async () => {
      assert.deepEqual(record(policy(rule), await mixed()), { reason, detail: undefined });
    });
  }

  test("a limit without room, where one issuer's token is bad and another's is good", async () => {
    const limits = "limits: { few: { rate: 1/m, burst: 1, per: [caller] } }\n";
    const rule = "allow: [GET /orders], limit: few";
    assert.deepEqual(record(policy(rule, limits), await mixed(), { times: 2 }), {
      reason: "limit_exceeded",
      detail: undefined,
    });
  });

  test("a grant that has ended, where another rule's token is bad", () => {
    const text = `${policy("deny: [GET /orders], when: request.host == 'x'")}  - { name: past, callers: [any], allow: [GET /orders], expires: 2020-01-01T00:00:00Z }
`;
    assert.deepEqual(record(text, [["x-idp", "Basic dXNlcg"]]), { reason: "grant_inactive", detail: undefined });
  });

  const failing: Fault[] = [{ call: "get_property", nth: 2, result: WasmResult.InternalFailure }];
  test("a failure of the host, behind a token that is bad", async () => {
    const text = policy("allow: [GET /orders]").replace("cookie: session }]", "cookie: session }], bind: certificate");
    const token = await two.token({ iss: partnerIssuer, cnf: { "x5t#S256": "A".repeat(43) } });
    const headers = [["x-idp", "Basic dXNlcg"] as const, ["cookie", `session=${token}`] as const];
    assert.deepEqual(record(text, headers, { faults: failing }), { reason: "internal", detail: undefined });
  });

  test("a failure after the decision, where a token was why", () => {
    const text = policy("allow: [GET /orders]", "mode: shadow\nforward: { x-caller: caller.id }\n");
    const headers = [["x-idp", "Basic dXNlcg"] as const, ["x-caller", "me"] as const];
    const removing: Fault[] = [{ call: "remove_header_map_value", result: WasmResult.InternalFailure }];
    assert.deepEqual(record(text, headers), { reason: "token_missing", detail: "scheme" });
    assert.deepEqual(record(text, headers, { faults: removing }), { reason: "internal", detail: undefined });
  });
});

describe("a reason that a token gave has that token's detail", () => {
  test("of the issuer that came closest", async () => {
    const bad = await two.token({ iss: partnerIssuer, exp: undefined });
    const headers = [["x-idp", "Basic dXNlcg"] as const, ["cookie", `session=${bad}`] as const];
    assert.deepEqual(record(policy("allow: [GET /orders]"), headers), {
      reason: "token_malformed",
      detail: "exp_missing",
    });
  });
});

describe("a claim that is not what it is declared to be is the detail", () => {
  const claims =
    'claims: { role: string, level: int, org: { unit: { id: string } }, "https://x.example/\\"roles\\"": list, LONG: bool, "there!": any }';
  const long = "é".repeat(100);
  const text = policy("allow: [GET /orders]").replace(
    "file: two.json }, ",
    `file: two.json }, ${claims.replace("LONG", `"${long}"`)}, `,
  );
  const cases: [detail: string | undefined, claims: Record<string, unknown>][] = [
    [undefined, { role: "a", level: -3, org: { unit: { id: "x" } } }],
    ["role", { role: ["a"] }],
    ["role", { role: null }],
    ["level", { level: 1.5 }],
    ["org", { org: [] }],
    ["org.unit", { org: { unit: "x" } }],
    ["org.unit.id", { org: { unit: { id: 3 } } }],
    ['https://x.example/"roles"', { 'https://x.example/"roles"': "admin" }],
    // As much of a name as the record has room for.
    ["é".repeat(64), { [long]: 1 }],
    ["there", { there: undefined }],
  ];
  for (const [detail, more] of cases) {
    test(JSON.stringify(more), async () => {
      const token = await two.token({ iss: partnerIssuer, there: null, ...more });
      const reason = detail === undefined ? "allowed" : "token_claims";
      assert.deepEqual(record(text, [["cookie", `session=${token}`]]), { reason, detail });
    });
  }
});

test("a tenant that is none of the issuer's", async () => {
  const many = (tenants: string): string =>
    policy("allow: [GET /orders]").replace(`"${partnerIssuer}"`, `"https://{org}.example.net", tenants: [${tenants}]`);
  const headers = [["cookie", `session=${await two.token({ iss: partnerIssuer, org: "partner" })}`] as const];
  assert.deepEqual(record(many("other"), headers), { reason: "token_issuer", detail: "tenant" });
  assert.deepEqual(record(many("partner, other"), headers), { reason: "allowed", detail: undefined });
  const others = [["cookie", `session=${await two.token({ iss: partnerIssuer, org: "other" })}`] as const];
  assert.deepEqual(record(many("other"), others), { reason: "token_issuer", detail: undefined });
});
