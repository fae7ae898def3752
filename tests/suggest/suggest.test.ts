/** What a suggestion says of traffic: sets, methods and hosts joined, tokens, limits, comments, and what it takes over of a policy. */
import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { parse } from "yaml";
import { policyOfText } from "../../scripts/suggest/read.ts";
import { SuggestError, type SuggestOptions, suggestPolicy } from "../../scripts/suggest/suggest.ts";
import type { Usage } from "../../scripts/traffic/usage.ts";
import { denied, usage } from "../discover/usages.ts";
import { Asking, base_policy, temporaryFolder } from "./shop.ts";

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true }));

const output = join(folder, "suggested.yaml");
const web = "spiffe://example.org/ns/shop/sa/web";
const mobile = "spiffe://example.org/ns/shop/sa/mobile";
const billing = "spiffe://example.org/ns/pay/sa/billing";

function suggest(log: readonly Usage[], options: Partial<SuggestOptions> = {}) {
  const suggestion = suggestPolicy(log, { output, headroom: 0, ...options });
  return { ...suggestion, policy: parse(suggestion.text) };
}

/** The rules without their names. */
function rulesOf(log: readonly Usage[], options: Partial<SuggestOptions> = {}): Record<string, unknown>[] {
  return suggest(log, options).policy.rules.map(({ name: _, ...rule }: Record<string, unknown>) => rule);
}

const hosts = ["shop.example.org"];

describe("rules of a suggestion", () => {
  test("methods of one path, and endpoints with the same callers, are one rule", () => {
    const log = ["GET /orders", "POST /orders", "DELETE /orders/{number}"].map((one) => usage(one, { caller: web }));
    const { policy, rules, requests } = suggest(log);
    assert.deepEqual(policy.rules, [
      { name: "web-orders", callers: [web], hosts, allow: ["GET|POST /orders", "DELETE /orders/{orderId}"] },
    ]);
    assert.deepEqual([rules, requests], [1, 3]);
  });

  test("callers with the same rights are a set with what they have in common as its name", () => {
    const log = [web, mobile].flatMap((caller) => [usage("GET /orders", { caller }), usage("GET /carts", { caller })]);
    const { policy } = suggest([...log, usage("GET /carts", { caller: billing })]);
    assert.deepEqual(policy.callers, { shop: [mobile, web] });
    assert.deepEqual(
      policy.rules.map(({ callers, allow }: Record<string, unknown>) => [callers, allow]),
      [
        [["shop", billing], ["GET /carts"]],
        [["shop"], ["GET /orders"]],
      ],
    );
  });

  test("hosts are joined where all endpoints are the same, and not where one is missing", () => {
    const both = ["a.example.org", "b.example.org"].flatMap((host) => [
      usage("GET /x", { host }),
      usage("PUT /y", { host }),
    ]);
    assert.deepEqual(
      rulesOf(both).map((rule) => rule.hosts),
      [["a.example.org", "b.example.org"]],
    );
    assert.deepEqual(
      rulesOf(both.slice(1)).map((rule) => [rule.hosts, rule.allow]),
      [
        [["a.example.org"], ["PUT /y"]],
        [["b.example.org"], ["GET /x", "PUT /y"]],
      ],
    );
  });

  test("a gRPC call has its name, and GET is for HEAD too", () => {
    const log = [usage("POST /shop.v1.Cart/AddItem"), usage("GET /x"), usage("HEAD /x"), usage("HEAD /y")];
    assert.deepEqual(rulesOf(log)[0]!.allow, ["grpc shop.v1.Cart/AddItem", "GET /x", "HEAD /y"]);
  });

  test("a token is asked for where every request had one, with the scopes that all had", () => {
    const token = { issuer: "corp", scopes: "openid orders:write" };
    const log = [
      usage("POST /orders", token),
      usage("POST /orders", { ...token, scopes: "orders:write", day: "2026-11-21" }),
      usage("GET /orders", token),
      usage("GET /orders", { day: "2026-11-21" }),
    ];
    assert.deepEqual(
      rulesOf(log).map(({ allow, token, scopes }) => [allow, token, scopes]),
      [
        [["GET /orders"], undefined, undefined],
        [["POST /orders"], "corp", ["orders:write"]],
      ],
    );
  });

  test("two issuers are one rule where the scopes are the same, and two where they are not", () => {
    const of = (issuer: string, scopes: string) => usage("POST /orders", { issuer, scopes });
    assert.deepEqual(
      rulesOf([of("a", "x"), of("b", "x")]).map(({ token }) => token),
      [["a", "b"]],
    );
    assert.deepEqual(
      rulesOf([of("a", "x"), of("b", "y")]).map(({ token, scopes }) => [token, scopes]),
      [
        ["a", ["x"]],
        ["b", ["y"]],
      ],
    );
  });

  test("an endpoint with a name beside a variable is kept out for whoever did not ask for it", () => {
    const log = [
      usage("GET /orders/{number}", { caller: web }),
      usage("GET /orders/export", { caller: billing }),
      usage("GET /orders/import", { caller: billing }),
    ];
    const [own] = rulesOf(log).filter(({ when }) => when !== undefined);
    assert.deepEqual(own, {
      ...{ callers: [web], hosts, allow: ["GET /orders/{orderId}"] },
      when: '!(path.orderId in ["export", "import"])',
    });
    assert.equal(
      rulesOf([...log.slice(0, 2), usage("GET /orders/export", { caller: web })]).some(({ when }) => when),
      false,
    );
  });

  test("so is one that nobody was let do", () => {
    const log = [usage("GET /orders/{number}"), usage("GET /orders/export", { caller: "", status: 401 })];
    assert.deepEqual(
      rulesOf(log).map(({ when }) => when),
      ['path.orderId != "export"'],
    );
  });

  test("nobody known: a warning, and only where something was answered", () => {
    const log = [
      usage("GET /healthz", { caller: "", decision: "allow" }),
      usage("GET /admin", { caller: "", status: 401, decision: "allow" }),
      usage("GET /healthz"),
    ];
    const { policy, text, leftOut } = suggest(log);
    assert.deepEqual(policy.rules, [
      { name: "public-healthz", callers: ["anonymous"], hosts, allow: ["GET /healthz"] },
    ]);
    assert.match(
      text,
      /# WARNING: callers without an identity were let in, so this rule lets in everybody\.\n {2}- name: public/u,
    );
    assert.deepEqual(
      leftOut.map(({ why }) => why),
      ["nobody known asked for it, and it was always refused by what is behind"],
    );
  });

  test("without any identity there is no trust domain, which is said", () => {
    const { policy, text } = suggest([usage("GET /healthz", { caller: "", decision: "allow" })]);
    assert.deepEqual(policy.trust, { domains: ["nobody.invalid"] });
    assert.match(text, /# CHECK: no caller with an identity was seen/u);
  });

  test("a host that is not known is every host, with a warning", () => {
    const { policy, text } = suggest([usage("GET /orders", { host: "" })]);
    assert.equal(policy.rules[0].hosts, undefined);
    assert.match(text, /# WARNING: the log does not say for which host/u);
  });

  test("a line without a host among others makes no rule for every host", () => {
    const { policy, leftOut } = suggest([usage("GET /orders", { host: "" }), usage("GET /carts")]);
    assert.deepEqual(policy.rules, [
      { name: "web-carts", callers: ["spiffe://example.org/web"], hosts, allow: ["GET /carts"] },
    ]);
    assert.deepEqual(
      leftOut.map(({ why }) => why),
      ["the log does not say for which host, as it does of others"],
    );
  });

  test("callers that the log does not name are to be filled in: the rule is never for everybody", () => {
    const log = [usage("GET /orders", { caller: "" }), usage("GET /orders"), usage("GET /carts", { caller: "" })];
    const { policy, text, open } = suggest(log, { headroom: 2 });
    assert.deepEqual(
      policy.rules.map(({ name, callers, allow }: Record<string, unknown>) => [name, callers, allow]),
      [
        ["unknown-carts-and-orders", [], ["GET /carts", "GET /orders"]],
        ["web-orders", ["spiffe://example.org/web"], ["GET /orders"]],
      ],
    );
    assert.match(text, /# FILL IN: the log does not say who called\. .*\n {2}- name: unknown/u);
    assert.deepEqual(
      open.map(({ code }) => code),
      ["value"],
    );
  });
});

describe("what becomes no rule", () => {
  test("what was only denied is counted, and nothing else", () => {
    const {
      policy,
      text,
      denied: count,
    } = suggest([usage("GET /orders"), denied("GET /admin", "no_rule", { count: 7 })]);
    assert.equal(policy.rules.length, 1);
    assert.equal(count, 7);
    assert.match(text, /# 7 requests were denied; none of them became a rule\./u);
    assert.doesNotMatch(text, /admin/u);
  });

  test("in shadow mode what no rule spoke of becomes one, and what a rule or a bad token was against does not", () => {
    const shadow = (request: string, reason: string) => usage(request, { decision: "deny", reason, policy: "shop" });
    const log = [
      shadow("GET /new", "no_rule"),
      shadow("GET /denied", "rule_denied"),
      shadow("GET /forged", "token_signature"),
    ];
    const { policy, text, leftOut } = suggest(log);
    assert.deepEqual(
      policy.rules.map(({ allow }: { allow: string[] }) => allow),
      [["GET /new"]],
    );
    assert.match(text, /# CHECK: 1 request passed in shadow mode only \(no_rule\)\./u);
    assert.deepEqual(
      leftOut.map(({ why }) => why),
      [
        "it was let through in shadow mode only (rule_denied)",
        "it was let through in shadow mode only (token_signature)",
      ],
    );
  });

  test("a log without admitted requests says so", () => {
    assert.throws(
      () => suggest([denied("GET /admin", "no_rule")]),
      (error) => {
        assert.ok(error instanceof SuggestError, "an error that says what to do");
        assert.match(error.message, /^the log has no admitted request that could become a rule: 1 request was denied/u);
        return true;
      },
    );
  });
});

describe("limits of a suggestion", () => {
  const log = [
    usage("GET /orders", { caller: web, peakMinute: 30, count: 300 }),
    usage("POST /orders", { caller: web, peakMinute: 31, count: 300 }),
    usage("GET /healthz", { caller: "", decision: "allow", peakMinute: 7 }),
  ];

  test("are so many times the busiest minute, by caller, or by address where nobody is known", () => {
    assert.deepEqual(suggest(log, { headroom: 2 }).policy.limits, {
      "public-healthz": { rate: "14/m", per: ["source.ip"], absent: "share" },
      "web-orders": { rate: "130/m", per: ["caller"] },
    });
    assert.equal(suggest(log, { headroom: 1 }).policy.limits["web-orders"].burst, 122);
    assert.equal(suggest(log, { headroom: 0 }).policy.limits, undefined);
  });

  test("let through what was seen in one minute, and the next one's at once", () => {
    for (const headroom of [1, 1.5, 2]) {
      const asking = new Asking(suggest(log, { headroom }).text);
      for (let count = 0; count < 122; count++) {
        const method = count % 2 === 0 ? "GET" : "POST";
        const { reason } = asking.ask({
          caller: web,
          host: hosts[0]!,
          method,
          path: "/orders",
          issuer: "",
          scopes: [],
        });
        assert.equal(reason, "allowed");
      }
    }
  });

  test("a factor that would deny what was seen is refused", () => {
    for (const headroom of [0.5, -1, Number.NaN, 1e9]) assert.throws(() => suggest(log, { headroom }), SuggestError);
  });
});

describe("issuers of a suggestion", () => {
  test("one that nothing is known of believes nothing until somebody has filled it in", () => {
    const { text, open, policy } = suggest([
      usage("GET /orders", { issuer: "https://login.acme.example/x", scopes: "a" }),
    ]);
    const { issuer, audiences, algorithms, keys } = policy.issuers.acme;
    assert.deepEqual([issuer, audiences, algorithms, keys], ["https://login.acme.example/x", [], [], {}]);
    const lines = text.split("\n");
    assert.deepEqual(
      open.map(({ line }) => lines[line - 1]!.trim()),
      ["audiences: []", "algorithms: []", "keys: {}"],
    );
    assert.match(lines[open[0]!.line - 2]!, /# FILL IN: for whom its tokens are/u);
  });

  test("one of an existing policy is taken over, by its name or its `iss`, with files from where the suggestion is", () => {
    mkdirSync(join(folder, "old"), { recursive: true });
    const policy = join(folder, "old/policy.yaml");
    writeFileSync(policy, base_policy);
    for (const issuer of ["corp", "https://corp.example.org"]) {
      const { text, open, warnings } = suggest([usage("GET /orders", { issuer, scopes: "a" })], { policy });
      assert.deepEqual(open, []);
      assert.deepEqual(
        warnings.map(({ code }) => code),
        ["trust_domains_shared_bundle", "keys_not_embedded"],
      );
      assert.match(text, /^ {2}# Those who work here\.\n {2}corp: \{ issuer: https:\/\/corp\.example\.org, /mu);
      assert.doesNotMatch(text, /partner: \{/u);
    }
  });
});

describe("what is taken over of an existing policy", () => {
  const policy = join(folder, "guarded.yaml");
  writeFileSync(
    policy,
    `version: 1
name: guarded
trust: { domains: [example.org], forwarders: [spiffe://example.org/edge] }
callers: { shut-out: ["spiffe://example.org/ns/old/sa/*"], others: [${web}] }
lists: { nights: ["22", "23"] }
forward: { x-caller: caller.id }
rules:
  - { name: all, callers: [any], allow: ["* /**"], when: source.port > 0 }
  # Nobody writes at night.
  - name: nights
    callers: [any, shut-out]
    deny: ["PUT /**"]
    when: request.headers["x-hour"] in lists.nights # by the gateway
`,
  );

  test("trust, headers, deny rules and what they name; conditions of allow rules are named", () => {
    const { text, policy: suggested } = suggest([usage("PUT /orders/{number}", { caller: web })], { policy });
    assert.deepEqual(suggested, {
      ...{
        version: 1,
        name: "guarded",
        trust: { domains: ["example.org"], forwarders: ["spiffe://example.org/edge"] },
      },
      forward: { "x-caller": "caller.id" },
      callers: { "shut-out": ["spiffe://example.org/ns/old/sa/*"] },
      lists: { nights: ["22", "23"] },
      rules: [
        { name: "web-orders", callers: [web], hosts, allow: ["PUT /orders/{orderId}"] },
        {
          ...{ name: "nights", callers: ["any", "shut-out"], deny: ["PUT /**"] },
          when: 'request.headers["x-hour"] in lists.nights',
        },
      ],
    });
    assert.match(text, /# Nobody writes at night\.\n {2}- name: nights/u);
    assert.match(text, /# CHECK: conditions \(`when`\) of these rules are not in this policy, .*: all\./u);
    assert.equal(policyOfText(output, text).policy.rules.length, 2);
  });

  test("the scopes of the rule that let a request in, which the record does not have", () => {
    const path = join(folder, "scoped.yaml");
    writeFileSync(
      path,
      base_policy.replace(
        "rules:\n",
        `rules:\n  - { name: w, callers: [any], allow: [PUT /orders], token: corp, scopes: [b, a] }\n  - { name: v, callers: [any], allow: [PUT /carts], token: corp, scopes: { any: [a, b] } }\n`,
      ),
    );
    const of = (request: string, rule: string, given: Partial<Usage> = {}) =>
      usage(request, { policy: "shop", decision: "allow", rule, issuer: "corp", ...given });
    const scopes = (log: readonly Usage[]) => rulesOf(log, { policy: path }).map((rule) => rule.scopes);
    assert.deepEqual(scopes([of("PUT /orders", "w")]), [["a", "b"]]);
    assert.deepEqual(scopes([of("PUT /carts", "v")]), [undefined]);
    assert.deepEqual(scopes([of("PUT /orders", "w", { policy: "other" })]), [undefined]);
    assert.deepEqual(scopes([of("PUT /orders", "w", { decision: "deny", reason: "no_rule" })]), [undefined]);
  });

  test("a caller of a domain that it does not trust is left out", () => {
    const { leftOut } = suggest([usage("GET /a"), usage("GET /a", { caller: "spiffe://evil.example/web" })], {
      policy,
    });
    assert.deepEqual(
      leftOut.map(({ why }) => why),
      ["the caller's trust domain is not one of the policy's"],
    );
  });
});
