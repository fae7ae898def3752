/** What replay makes of one request: known by the rules, known by the record, or not known, and what that hangs on. */
import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { algorithm_es256 } from "../../assembly/crypto/algorithms.ts";
import { loadPolicyFile } from "../../scripts/policy/build.ts";
import type { Policy } from "../../scripts/policy/language/model.ts";
import { standInKey } from "../../scripts/policytest/keys.ts";
import { Gathering } from "../../scripts/replay/compare.ts";
import { Replay } from "../../scripts/replay/replay.ts";
import type { RecordedRequest } from "../../scripts/traffic/usage.ts";
import { module } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-replay-test-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const key = createPublicKey({ key: Buffer.from(standInKey(algorithm_es256).spki), format: "der", type: "spki" });
writeFileSync(join(folder, "keys.json"), JSON.stringify({ keys: [key.export({ format: "jwk" })] }));

const web = "spiffe://example.org/web";
const keys = "audiences: [shop], algorithms: [ES256], keys: { file: keys.json }";
const issuers = `issuers:
  corp: { issuer: https://issuer.example.org, ${keys} }
  partner: { issuer: https://partner.example.net, ${keys} }
  app: { issuer: https://app.example.org, ${keys}, from: [{ header: x-app-token }] }
`;

/** @param rules of the caller `web`, after their name @param top what else the policy says, in place of the trust domain and issuers */
function policyOf(
  rules: Readonly<Record<string, string>>,
  top = `trust: { domains: [example.org] }\n${issuers}`,
): Policy {
  const lines = Object.entries(rules).map(
    ([name, rest]) => `  - { name: ${name}, ${rest.includes("callers:") ? "" : `callers: ["${web}"], `}${rest} }\n`,
  );
  const file = join(folder, "policy.yaml");
  writeFileSync(file, `version: 1\nname: shop\n${top}rules:\n${lines.join("")}`);
  return loadPolicyFile(file).policy;
}

function recorded(more: Partial<RecordedRequest> = {}): RecordedRequest {
  const isDenied = more.decision === "deny";
  return {
    ...{ host: "shop.example.org", method: "GET", path: "/a", caller: web, source: "", issuer: "", scopes: "" },
    ...{
      decision: "allow",
      reason: "allowed",
      rule: isDenied ? "" : "one",
      admitted: !isDenied,
      count: 1,
      policy: "shop",
    },
    ...{ firstSeen: 0, lastSeen: 0 },
    ...more,
  };
}

/** `decision` of both policies, or what the new one's hangs on. */
function said(before: Policy, after: Policy, request: RecordedRequest): string {
  const { before: was, after: is } = new Replay(module, before, after).replay(request);
  const now =
    is.decision === "unknown"
      ? `unknown: ${is.doubts.map(({ rule, reads }) => `${rule} ${reads.join()}`.trim()).join("; ")}`
      : is.decision;
  return `${was.decision} → ${now}`;
}

interface Case {
  what: string;
  before: Record<string, string>;
  after: Record<string, string>;
  request?: Partial<RecordedRequest>;
  says: string;
}

const get = "allow: [GET /a]";
const token = `${get}, token: corp`;
const denied = (reason: string, rule = "one"): Partial<RecordedRequest> => ({ decision: "deny", reason, rule });

const cases: Case[] = [
  { what: "a rule less", before: { one: get }, after: { two: "allow: [GET /b]" }, says: "allow → deny" },
  {
    what: "a condition on what is known",
    before: { one: get },
    after: { one: `${get}, when: 'request.path == "/b"'` },
    says: "allow → deny",
  },
  {
    what: "a condition on a header",
    before: { one: get },
    after: { one: `${get}, when: 'request.headers["x-a"] == "b"'` },
    says: 'allow → unknown: one request.headers["x-a"]',
  },
  {
    what: "a condition on whether a header is there",
    before: { one: get },
    after: { one: `${get}, when: 'has(request.headers["x-a"])'` },
    says: 'allow → unknown: one request.headers["x-a"]',
  },
  {
    what: "a condition that is false whatever the header",
    before: { one: get },
    after: { one: `${get}, when: 'request.headers["x-a"] == "b" && request.path == "/b"'` },
    says: "allow → deny",
  },
  {
    what: "a condition that is true whatever the query",
    before: { one: get },
    after: { one: `${get}, when: 'request.query["q"] == "b" || request.path == "/a"'` },
    says: "allow → allow",
  },
  {
    what: "a rule that held, for others too",
    before: { one: `${get}, when: 'request.scheme == "https"'` },
    after: { other: `allow: ["GET /**"], when: 'request.scheme == "https"'` },
    says: "allow → allow",
  },
  {
    what: "a rule that did not hold, for others too",
    before: { one: `${get}, when: 'request.scheme == "https"'` },
    after: { other: `allow: ["GET /**"], when: 'request.scheme == "https"'` },
    request: denied("condition_false"),
    says: "deny → deny",
  },
  {
    what: "a condition on a path variable, where the rule matches in another way",
    before: { one: `allow: ["GET /{x}"], when: 'request.scheme == path.x'` },
    after: { one: `allow: ["GET /{x}", "GET /b/{x}"], when: 'request.scheme == path.x'` },
    says: "allow → unknown: one request.scheme",
  },
  {
    what: "a token asked for now",
    before: { one: get },
    after: { one: token },
    says: "allow → unknown: one a token of corp",
  },
  {
    what: "a token asked for by both",
    before: { one: token },
    after: { other: token },
    request: { issuer: "corp" },
    says: "allow → allow",
  },
  {
    what: "a known token, another rule",
    before: { one: token },
    after: { one: `${token}, when: 'request.path == "/a"'` },
    request: { issuer: "corp" },
    says: "allow → allow",
  },
  {
    what: "another issuer at the same place",
    before: { one: token },
    after: { one: `${get}, token: partner` },
    request: { issuer: "corp" },
    says: "allow → deny",
  },
  {
    what: "another issuer elsewhere",
    before: { one: token },
    after: { one: `${get}, token: app` },
    request: { issuer: "corp" },
    says: "allow → unknown: one a token of app",
  },
  {
    what: "scopes that nobody knows",
    before: { one: token },
    after: { one: `${token}, scopes: [read]` },
    request: { issuer: "corp" },
    says: "allow → unknown: one the token's scopes",
  },
  {
    what: "scopes that are there",
    before: { one: token },
    after: { one: `${token}, scopes: [read]` },
    request: { issuer: "corp", scopes: "read write" },
    says: "allow → allow",
  },
  {
    what: "scopes that are not",
    before: { one: token },
    after: { one: `${token}, scopes: [admin]` },
    request: { issuer: "corp", scopes: "read write" },
    says: "allow → deny",
  },
  {
    what: "scopes that no token has",
    before: { one: token },
    after: { one: `${token}, scopes: [admin]` },
    request: { issuer: "corp", scopes: 'a"b' },
    says: "allow → unknown: one the token's scopes",
  },
  {
    what: "claims",
    before: { one: token },
    after: { one: `${token}, when: 'claims.level == 3'` },
    request: { issuer: "corp" },
    says: "allow → unknown: one claims.level",
  },
  {
    what: "an optional token, where there was none",
    before: { one: get },
    after: { one: get, two: `${get}, token: { issuer: corp, optional: true }` },
    says: "allow → unknown: two a token of corp",
  },
  {
    what: "a deny rule that may match",
    before: { one: get },
    after: { one: get, no: `deny: [GET /a], when: 'request.headers["x-a"] == "b"'` },
    says: 'allow → unknown: no request.headers["x-a"]',
  },
  {
    what: "a deny rule that did not match",
    before: { one: get, no: `deny: [GET /a], when: 'request.headers["x-a"] == "b"'` },
    after: { one: get, never: `deny: ["* /**"], when: 'request.headers["x-a"] == "b"'` },
    says: "allow → allow",
  },
  {
    what: "a deny rule that matched",
    before: { no: `deny: [GET /a], when: 'request.headers["x-a"] == "b"'` },
    after: { one: get, never: `deny: ["* /**"], when: 'request.headers["x-a"] == "b"'` },
    request: denied("rule_denied", "no"),
    says: "deny → deny",
  },
  {
    what: "sizes",
    before: { one: get },
    after: { one: `${get}, maxQueryBytes: 10, maxBodyBytes: 5` },
    says: "allow → unknown: one bytes of the query,bytes of the body",
  },
  {
    what: "a limit that denied",
    before: { one: get },
    after: { one: get },
    request: denied("limit_exceeded"),
    says: "allow → allow",
  },
  {
    what: "a quarantine denied before the path was decoded",
    before: { one: "allow: ['GET /**']" },
    after: { one: "allow: ['GET /**']" },
    request: { ...denied("quarantined", ""), path: "/a/%C3%A9" },
    says: "unknown → unknown: the path as sent",
  },
  ...["/a b", "/a#b", "/é"].map((path) => ({
    what: `a quarantine denied before it was seen that ${path} can be read in several ways`,
    before: { one: "allow: ['GET /**'], callers: [anonymous]" },
    after: { one: "allow: ['GET /**'], callers: [anonymous]" },
    request: { ...denied("quarantined", ""), path },
    says: "unknown → unknown: the path as sent",
  })),
  {
    what: "a request that waited for keys, of a path that can be read in several ways",
    before: { one: "allow: ['GET /**']" },
    after: { one: "allow: ['GET /**']" },
    request: { decision: "wait", reason: "path_ambiguous", rule: "", path: "/a b" },
    says: "unknown → unknown: the path as sent",
  },
  {
    what: "a request that waited for keys, and whose path was decoded",
    before: { one: "allow: ['GET /{x}']" },
    after: { one: "allow: ['GET /{x}']" },
    request: { decision: "wait", reason: "token_key_unknown", rule: "one", path: "/100%" },
    says: "allow → allow",
  },
  {
    what: "an identity that had ended, and a path that was decoded",
    before: { one: "allow: ['GET /{x}']" },
    after: { one: "allow: ['GET /{x}'], callers: [anonymous]" },
    request: { ...denied("identity_expired", ""), path: "/100%" },
    says: "deny → allow",
  },
  {
    what: "the filter failed, nobody knows when",
    before: { one: get },
    after: { one: get },
    request: denied("internal", ""),
    says: "unknown → unknown: the request as it was sent",
  },
  {
    what: "the filter failed at a rule",
    before: { one: "allow: ['GET /{x}']" },
    after: { one: "allow: ['GET /{x}']" },
    request: { ...denied("internal"), path: "/100%" },
    says: "allow → allow",
  },
  {
    what: "a size that denied, of a path that is cut",
    before: { one: "allow: ['GET /**']" },
    after: { one: "allow: ['GET /**']" },
    request: { ...denied("body_too_large"), path: `/${"a".repeat(1024)}*` },
    says: "unknown → unknown: the whole path",
  },
  {
    what: "who was shut out",
    before: { one: get },
    after: { one: get },
    request: denied("quarantined", ""),
    says: "unknown → unknown: one whether the caller's identity counts",
  },
  {
    what: "an address without its port",
    before: { one: get },
    after: { one: `${get}, when: 'source.ip == "10.0.0.1"'` },
    request: { source: "10.0.0.1" },
    says: "allow → unknown: one source.ip",
  },
  {
    what: "an address of a connection",
    before: { one: get },
    after: { one: `${get}, when: 'source.ip == "10.0.0.1"'` },
    request: { source: "10.0.0.1:1" },
    says: "allow → allow",
  },
  {
    what: "an address that a header says",
    before: { one: get },
    after: { one: `${get}, when: 'source.ip == "10.0.0.1"'` },
    request: { source: "10.0.0.1:0" },
    says: "allow → deny",
  },
  {
    what: "an address of IPv6",
    before: { one: get },
    after: { one: `${get}, when: 'source.ip == "2001:db8::1"'` },
    request: { source: "[2001:db8::1]:1" },
    says: "allow → allow",
  },
  {
    what: "ports",
    before: { one: get },
    after: { one: `${get}, when: 'source.port > 1024'` },
    request: { source: "10.0.0.1:1" },
    says: "allow → unknown: one source.port",
  },
  {
    what: "a rule that ends, no time in the log",
    before: { one: get },
    after: { one: `${get}, expires: "2026-11-30T00:00:00Z"` },
    says: "allow → unknown: one the time",
  },
  {
    what: "a rule that had ended",
    before: { one: get },
    after: { one: `${get}, expires: "2026-11-30T00:00:00Z"` },
    request: { firstSeen: Date.UTC(2026, 10, 30), lastSeen: Date.UTC(2026, 10, 30) },
    says: "allow → deny",
  },
  {
    what: "a rule that had not",
    before: { one: get },
    after: { one: `${get}, expires: "2026-11-30T00:00:00Z"` },
    request: { firstSeen: Date.UTC(2026, 10, 28), lastSeen: Date.UTC(2026, 10, 29) },
    says: "allow → allow",
  },
  {
    what: "a rule that ended meanwhile",
    before: { one: get },
    after: { one: `${get}, expires: "2026-11-30T00:00:00Z"` },
    request: { firstSeen: Date.UTC(2026, 10, 28), lastSeen: Date.UTC(2026, 11, 1) },
    says: "allow → unknown: one the time",
  },
  {
    what: "a path that is cut",
    before: { one: "allow: ['GET /**']" },
    after: { one: "allow: ['GET /**']" },
    request: { path: `/${"a".repeat(1024)}*` },
    says: "allow → unknown: the whole path",
  },
  {
    what: "a path with what is encoded",
    before: { one: "allow: ['GET /{x}']" },
    after: { one: `allow: ['GET /{x}'], when: 'path.x == "é 100%?"'` },
    request: { path: "/é 100%?" },
    says: "allow → allow",
  },
  {
    what: "a path that was refused",
    before: { one: get },
    after: { one: get },
    request: { ...denied("path_ambiguous", ""), path: "/a//b" },
    says: "deny → deny",
  },
  {
    what: "a path that was refused, and is taken now",
    before: { one: get },
    after: { one: `${get}, paths: { emptySegments: keep }` },
    request: { ...denied("path_ambiguous", ""), path: "//a" },
    says: "deny → unknown: the request as it was sent",
  },
  {
    what: "no record: nobody named",
    before: { one: get },
    after: { one: get },
    request: { decision: "", reason: "", rule: "", policy: "", caller: "" },
    says: "unknown → unknown: the caller",
  },
  {
    what: "no record: the path as sent",
    before: { one: get },
    after: { one: "allow: [GET /b]" },
    request: { decision: "", reason: "", rule: "", policy: "", path: "/%61" },
    says: "allow → deny",
  },
  {
    what: "an identity that may not have counted",
    before: { one: `${get}, callers: [anonymous]` },
    after: { one: get },
    says: "allow → unknown: one whether the caller's identity counts",
  },
  {
    what: "the same, where it makes no difference",
    before: { one: `${get}, callers: [anonymous]` },
    after: { one: `${get}, callers: [anonymous], when: 'request.path == "/a"'` },
    says: "allow → allow",
  },
];

describe("one request", () => {
  for (const { what, before, after, request, says } of cases) {
    test(what, () => assert.equal(said(policyOf(before), policyOf(after), recorded(request)), says));
  }
});

describe("settings of the policy", () => {
  const rules = { one: get };
  const old = policyOf(rules);
  const trust = (more: string) => policyOf(rules, `trust: { domains: [example.org], ${more} }\n${issuers}`);
  const settings: [what: string, before: Policy, after: Policy, says: string][] = [
    ["another identity", old, trust("identity: filter-state"), "allow → unknown: what tells of the caller now"],
    ["a gateway more, another one", old, trust("forwarders: [spiffe://example.org/edge]"), "allow → allow"],
    ["a gateway more, the caller", old, trust(`forwarders: ["${web}"]`), "allow → unknown: whom the gateway names"],
    [
      "a gateway less",
      trust("forwarders: [spiffe://example.org/edge]"),
      old,
      "allow → unknown: what tells of the caller now",
    ],
    [
      "an alias less",
      trust("aliases: { old.example.net: example.org }"),
      old,
      "allow → unknown: the ID that the caller presented",
    ],
    [
      "another trust domain",
      old,
      policyOf({ one: "callers: [any], allow: [GET /a]" }, "trust: { domains: [example.com] }\n"),
      "allow → deny",
    ],
  ];
  for (const [what, before, after, says] of settings)
    test(what, () => assert.equal(said(before, after, recorded()), says));
});

test("a rule in shadow mode has a say in which paths are refused at once, and in nothing else", () => {
  const shadow = `${get}, mode: shadow, paths: { trailingSlash: same }`;
  const policy = policyOf({ no: 'deny: ["* /a"]', other: shadow });
  const request = recorded({ ...denied("rule_denied", "no"), path: "/a/" });
  assert.equal(new Replay(module, policy, policy).replay(request).standing, "reproduced");
  assert.equal(said(policyOf({ one: get, other: shadow }), policyOf({ other: shadow }), recorded()), "allow → deny");
});

test("more rules may decide than a record has room for", () => {
  const many = Object.fromEntries(
    Array.from({ length: 20 }, (_, index) => [
      `r${String(index).padStart(2, "0")}`,
      `${get}, when: 'request.headers["x-${index}"] == "b"'`,
    ]),
  );
  const policy = policyOf(many);
  assert.equal(said(policy, policy, recorded({ rule: "r19" })), "allow → allow");
  assert.equal(said(policy, policy, recorded(denied("condition_error", "r00"))), "deny → deny");
});

test("a record that the old policy contradicts is not believed, and told of", () => {
  const [before, after] = [policyOf({ one: get }), policyOf({ one: get, two: "allow: [GET /b], token: corp" })];
  const replay = new Replay(module, before, after);
  const request = recorded({ path: "/b", rule: "gone", issuer: "corp" });
  const replayed = replay.replay(request);
  assert.equal(replayed.standing, "contradicted");
  assert.equal(replayed.before.decision, "deny");
  assert.deepEqual(replayed.after.doubts, [{ rule: "two", reads: ["a token of corp"] }]);
});

test("counts: requests, groups and rules", () => {
  const [before, after] = [
    policyOf({ one: "allow: ['GET /orders/{id}']" }),
    policyOf({ one: "allow: [GET /orders/1]", two: "allow: [GET /b]" }),
  ];
  const replay = new Replay(module, before, after);
  const gathering = new Gathering("shop", (path) => path.replace(/\d+/u, "{number}"));
  const requests = [
    recorded({ path: "/orders/1", count: 5 }),
    recorded({ path: "/orders/2", count: 2 }),
    recorded({ path: "/orders/3", count: 1 }),
    recorded({ ...denied("no_rule", ""), path: "/b", count: 4 }),
    recorded({ policy: "other", count: 9 }),
  ];
  for (const request of requests) if (gathering.takes(request)) gathering.add(request, replay.replay(request));
  const { requests: all, distinct, same, otherPolicies, denied: lost, admitted, rules } = gathering.comparison();
  assert.deepEqual([all, distinct, same, otherPolicies], [12, 4, 5, 9]);
  const shop = { caller: web, method: "GET", host: "shop.example.org" };
  assert.deepEqual(lost, {
    count: 3,
    groups: [{ ...shop, path: "/orders/{number}", oldRule: "one", newRule: "", reason: "no_rule", count: 3 }],
  });
  assert.deepEqual(admitted.groups, [
    { ...shop, path: "/b", oldRule: "", newRule: "two", reason: "no_rule", count: 4 },
  ]);
  assert.deepEqual(rules, [
    { rule: "one", before: 8, after: 5, gained: 0, lost: 3 },
    { rule: "two", before: 0, after: 4, gained: 4, lost: 0 },
  ]);
});

test("whatever stands in a log is decided", () => {
  const replay = new Replay(
    module,
    policyOf({ one: token, two: `${get}, callers: [anonymous]` }),
    policyOf({ one: `${token}, scopes: [read]` }),
  );
  const texts = [
    "",
    "\u0000",
    "\ud800",
    "é".repeat(5_000),
    "{other}",
    "/\u001b[2J",
    "spiffe://",
    "a\nb",
    "%",
    "\ufffd",
    "/".repeat(9_000),
  ];
  const members = [
    "host",
    "method",
    "path",
    "caller",
    "source",
    "issuer",
    "scopes",
    "reason",
    "rule",
    "policy",
  ] as const;
  for (const member of members) {
    for (const text of texts) {
      for (const decision of ["allow", "deny", "wait", ""] as const) {
        const { before, after } = replay.replay(recorded({ issuer: "corp", decision, [member]: text }));
        for (const one of [before, after]) assert.match(one.decision, /^(?:allow|deny|unknown)$/u);
      }
    }
  }
});

test("what hangs on a body is not known, and the rest is", () => {
  const top = "trust: { domains: [example.org] }\nmcp: { paths: [/mcp] }\n";
  const calls = policyOf({ one: 'allow: ["mcp tools/call get_*", GET /mcp, GET /a]' }, top);
  const plain = policyOf({ one: "allow: [POST /mcp, GET /mcp, GET /a]" }, top);
  const post = recorded({ method: "POST", path: "/mcp" });
  assert.equal(said(plain, calls, post), "allow → unknown: the calls in its body");
  assert.equal(said(calls, calls, recorded({ path: "/mcp" })), "allow → allow");
  assert.equal(said(calls, calls, recorded()), "allow → allow");
  assert.equal(said(plain, plain, post), "allow → allow");
  const denied = recorded({ method: "POST", path: "/b", decision: "deny", reason: "no_rule" });
  assert.equal(said(calls, calls, denied), "deny → deny");
  const reading = policyOf({ one: "allow: [GET /a], when: body.amount < 5" });
  assert.match(said(policyOf({ one: "allow: [GET /a]" }), reading, recorded()), /^allow → unknown: one .*body/);
});
