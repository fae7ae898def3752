/**
 * Changes that look like none, or like a loss, and let somebody through: the engine shows that they do, and `sallyport diff`
 * tells them as gains.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Policy } from "../../scripts/policy/language/model.ts";
import { comparePolicies, hasGain } from "../../scripts/policy/meaning/difference.ts";
import { mint } from "../differential/arbitrary/keys.ts";
import { digests, issuer_urls, start_seconds } from "../differential/arbitrary/tokens.ts";
import type { Arrived } from "../differential/reference/request.ts";
import { keySetOf, load, type Mapping, writeChangedKeySets } from "./changes.ts";
import { gainOf, LocalEnvoy } from "./gains.ts";

const folder = writeChangedKeySets();
const now = start_seconds * 1000;
const web = "spiffe://example.org/web";
const edge = "spiffe://example.org/edge";

const issuer = (name: "corp" | "partner" | "app", more: Mapping = {}): Mapping => ({
  issuer: issuer_urls[name],
  audiences: ["order-api"],
  algorithms: ["ES256"],
  keys: { file: `${name === "app" ? "corp" : name}.jwks.json` },
  ...more,
});

/** A policy with these rules, `name: {…}`, and whatever else. */
function policy(rules: Record<string, Mapping>, more: Mapping = {}): Policy {
  const trust = { domains: ["example.org", "partner.net"], ...((more.trust as Mapping) ?? {}) };
  const named = Object.entries(rules).map(([name, rule]) => ({ name, callers: ["any"], ...rule }));
  const loaded = load(folder, { version: 1, name: "shop", ...more, trust, rules: named });
  assert.ok(loaded, "the policy is sound");
  return loaded;
}

interface Claims extends Mapping {
  iss?: string;
}

/** A token of an issuer with such claims; a JWT-SVID where they have no `iss`. */
function token(claims: Claims, key = "corp-ec", kid: string | null = "e1"): string {
  const all = { aud: "order-api", exp: start_seconds + 3600, ...claims };
  const members = (one: Mapping) => Object.entries(one).map(([name, value]) => [name, JSON.stringify(value)] as const);
  const header = { alg: "ES256", ...(kid !== null && { kid }) };
  return mint({ header: members(header), claims: members(all), key, damage: "none" });
}
const corp = (claims: Claims = {}): string => token({ iss: issuer_urls.corp, ...claims });
const partner = (claims: Claims = {}): string => token({ iss: issuer_urls.partner, ...claims }, "partner-ec", null);

function request(headers: Record<string, string> = {}, more: Partial<Arrived> = {}): Arrived {
  const plain = {
    caller: web,
    digest: digests[0]!,
    source: "10.0.0.1",
    method: "GET",
    path: "/a",
    host: "example.org",
  };
  return { ...plain, headers: Object.entries(headers), ...more };
}
const bearer = (text: string): Record<string, string> => ({ authorization: `Bearer ${text}` });

/** Asserts that the engine lets the request through by the newer policy alone, and that it is told. */
function assertGain(
  before: Policy,
  after: Policy,
  asked: Arrived,
  expected = "the request",
  whats: readonly string[] = [],
): void {
  const [was, is] = [before, after].map((one) => new LocalEnvoy(one, now).ask(asked));
  const records = [was, is].map((outcome) => outcome!.filterState.get("sallyport")).join("\n");
  assert.equal(gainOf(was!, is!, asked, new Set(after.forwards.map(({ header }) => header))), expected, records);
  const difference = comparePolicies(before, after);
  assert.ok(hasGain(difference), JSON.stringify(difference));
  for (const what of whats)
    assert.ok(
      difference.policy.some((change) => change.gain && change.what === what),
      JSON.stringify(difference.policy),
    );
}

const reads = { allow: ["GET /a"] };
const writes = { allow: ["POST /a"] };
const denied = { deny: ["* /a"] };
const svids = (domains: readonly string[], more: Mapping = {}): Mapping => ({
  identity: "either",
  jwtSvid: {
    audiences: ["order-api"],
    bundles: Object.fromEntries(domains.map((domain) => [domain, { file: `${domain}.jwks.json` }])),
    ...more,
  },
});

describe("who the caller is", () => {
  const behind = request({ "x-forwarded-client-cert": `URI=${web}` }, { caller: edge });

  test("a gateway that is not believed any more: everybody behind it becomes the gateway", () => {
    const rules = { r: { callers: [edge], ...reads } };
    assertGain(policy(rules, { trust: { forwarders: [edge] } }), policy(rules), behind, "the request", ["forwarder"]);
  });

  test("a gateway that is believed", () => {
    const rules = { r: { callers: [web], ...reads } };
    assertGain(policy(rules), policy(rules, { trust: { forwarders: [edge] } }), behind, "the request", ["forwarder"]);
  });

  test("the trust domain of a gateway goes: a deny rule does not reach those behind it any more", () => {
    const gateway = "spiffe://partner.net/edge";
    const rules = { d: { callers: [web], ...denied }, r: { callers: ["anonymous"], ...reads } };
    const trust = { forwarders: [gateway] };
    assertGain(
      policy(rules, { trust }),
      policy(rules, { trust: { ...trust, domains: ["example.org"] } }),
      request({ "x-forwarded-client-cert": `URI=${web}` }, { caller: gateway }),
      "the request",
      ["trust domain"],
    );
  });

  test("a trust domain goes: a deny rule for any does not reach its members any more", () => {
    const rules = { d: denied, r: { callers: ["anonymous"], ...reads } };
    const asked = request({}, { caller: "spiffe://partner.net/x" });
    assertGain(policy(rules), policy(rules, { trust: { domains: ["example.org"] } }), asked);
  });

  test("a trust domain comes: conditions on the caller of a rule for anonymous callers have a meaning", () => {
    const rules = { r: { callers: ["anonymous"], ...reads, when: 'caller.path != "/x"' } };
    const domains = ["example.org", "elsewhere.example"];
    const asked = request({}, { caller: "spiffe://elsewhere.example/y" });
    assertGain(policy(rules), policy(rules, { trust: { domains } }), asked, "the request", ["trust domain"]);
  });

  const audiences = ["order-api", "other"];
  for (const [title, trust, what] of [
    ["the bundle of a trust domain goes", svids(["partner.net"], { audiences }), "JWT-SVID bundle"],
    ["certificates alone say who the caller is", {}, "identity"],
    [
      "JWT-SVIDs for fewer audiences",
      svids(["example.org", "partner.net"], { audiences: ["other"] }),
      "JWT-SVIDs of example.org: audiences",
    ],
  ] as const) {
    test(`${title}: a deny rule for any does not reach its callers any more`, () => {
      const rules = { d: denied, r: { callers: ["anonymous"], ...reads } };
      const before = policy(rules, { trust: svids(["example.org", "partner.net"], { audiences }) });
      const asked = request(bearer(token({ sub: web }, "svid-ec", "s1")), { caller: null });
      assertGain(before, policy(rules, { trust }), asked, "the request", [what]);
    });
  }

  test("without rules for anonymous callers nobody gains by losing a name", () => {
    const rules = { d: denied, r: reads };
    const [both, one] = [svids(["example.org", "partner.net"]), svids(["example.org"])];
    assert.equal(hasGain(comparePolicies(policy(rules, { trust: both }), policy(rules, { trust: one }))), false);
  });
});

describe("whose tokens are believed", () => {
  const two = (first: Mapping = {}, more: Mapping = {}, firstName = "corp"): Mapping => ({
    issuers: {
      [firstName]: issuer("corp", first),
      partner: issuer("partner", { from: [{ header: "x-partner" }], ...more }),
    },
  });
  const isAdmin = 'claims.role == "admin"';
  const both = request({ ...bearer(corp({ role: "user" })), "x-partner": partner({ role: "admin" }) });

  test("keys are not fetched any more: one that was withdrawn counts again", () => {
    const keys = { file: "corp.jwks.json" };
    const of = (more: Mapping): Policy =>
      policy({ r: { ...reads, token: "corp" } }, { issuers: { corp: issuer("corp", { keys: { ...keys, ...more } }) } });
    const before = of({ url: "https://idp.example.org/corp", cluster: "idp" });
    const after = of({});
    const asked = request(bearer(corp()));
    const [was, is] = [before, after].map((one) => {
      const local = new LocalEnvoy(one, now);
      local.fetch((name) => keySetOf(folder, name, 0));
      return local.ask(asked).filterState.get("sallyport") ?? "waits";
    });
    assert.doesNotMatch(was!, /"allow"/u);
    assert.match(is!, /"allow"/u);
    assert.deepEqual(comparePolicies(before, after).policy, [
      { what: "issuer corp: keys.url", before: "https://idp.example.org/corp (cluster idp)", after: null, gain: true },
    ]);
  });

  test("another name for an issuer: another token's claims come first in a rule of several", () => {
    const rules = (first: string) => ({ r: { ...reads, token: [first, "partner"], when: isAdmin } });
    assertGain(policy(rules("corp"), two()), policy(rules("zcorp"), two({}, {}, "zcorp")), both, "the request", [
      "first of several issuers",
    ]);
    const plain = (first: string) => ({ r: { ...reads, token: [first, "partner"] } });
    const difference = comparePolicies(policy(plain("corp"), two()), policy(plain("zcorp"), two({}, {}, "zcorp")));
    assert.deepEqual(difference, { gained: [], lost: [], changed: [], policy: [] });
  });

  for (const [title, first, stricter, what] of [
    ["audiences", { audiences: ["order-api", "other"] }, { audiences: ["other"] }, "audiences"],
    ["algorithms", { algorithms: ["ES256", "RS256"] }, { algorithms: ["RS256"] }, "algorithms"],
    ["keys", {}, { keys: { file: "corp-0.jwks.json" } }, "keys"],
    ["leeway", { leeway: "5m" }, { leeway: "0s" }, "leeway"],
    ["maxLifetime", {}, { maxLifetime: "1m" }, "maxLifetime"],
    ["bind", {}, { bind: "certificate" }, "bind"],
  ] as const) {
    test(`${title} of an issuer are stricter: another token's claims take their place in a rule of several`, () => {
      const rules = { r: { ...reads, token: ["corp", "partner"], when: isAdmin } };
      const asked =
        title === "leeway"
          ? request({
              ...bearer(corp({ role: "user", exp: start_seconds - 60 })),
              "x-partner": partner({ role: "admin" }),
            })
          : both;
      assertGain(policy(rules, two(first)), policy(rules, two(stricter)), asked, "the request", [
        `issuer corp: ${what}`,
      ]);
      const alone = { r: { ...reads, token: "corp", when: isAdmin } };
      const [before, after] = [policy(alone, two(first)), policy(alone, two(stricter))];
      const { policy: changes } = comparePolicies(before, after);
      assert.equal(changes.find((change) => change.what === `issuer corp: ${what}`)?.gain, false);
    });
  }

  test("an issuer less in a rule of several: another token's claims take its place", () => {
    const rule = (tokens: readonly string[]) => ({ r: { ...reads, token: tokens, when: isAdmin } });
    assertGain(policy(rule(["corp", "partner"]), two()), policy(rule(["partner"]), two()), both);
  });

  test("a rule of several issuers in two: each takes its own token's claims", () => {
    const rule = (one: readonly string[]) => ({ ...reads, token: one, when: isAdmin });
    const joint = policy({ r: rule(["corp", "partner"]) }, two());
    assertGain(joint, policy({ r: rule(["corp"]), s: rule(["partner"]) }, two()), both);
  });

  test("a key goes, and those that are left are few enough to be tried on a token without kid", () => {
    const of = (file: string): Policy =>
      policy({ r: { ...reads, token: "corp" } }, { issuers: { corp: issuer("corp", { keys: { file } }) } });
    const asked = request(bearer(token({ iss: issuer_urls.corp }, "twin-ec-5", null)));
    // Of P-256 it has five, and without the fourth of its entries four.
    assertGain(of("twin.jwks.json"), of("twin-3.jwks.json"), asked, "the request", ["issuer corp: keys of tokens"]);
    // Of few enough, one less opens nothing.
    const { policy: changes } = comparePolicies(of("corp.jwks.json"), of("corp-1.jwks.json"));
    assert.deepEqual(
      changes.map(({ what, gain }) => [what, gain]),
      [["issuer corp: keys", false]],
    );
  });

  test("a place goes: a second token there is not refused any more", () => {
    const of = (from: readonly Mapping[]): Policy =>
      policy({ r: { ...reads, token: "corp" } }, { issuers: { corp: issuer("corp", { from }) } });
    const [header, cookie] = [{ header: "authorization" }, { cookie: "session" }];
    const asked = request({ ...bearer(corp()), cookie: `session=${corp({ sub: "bob" })}` });
    assertGain(of([header, cookie]), of([header]), asked, "the request", ["issuer corp: from"]);
  });
});

describe("what the upstream sees", () => {
  const what = "token kept from the upstream";
  const rules = { r: reads };
  const of = (issuers: Mapping): Policy => policy(rules, { issuers });
  const asked = request({ "x-user-token": "x.y.z" });
  const [hidden, shown] = [false, true].map((forwardToken) =>
    issuer("corp", { from: [{ header: "x-user-token" }], forwardToken }),
  );

  test("a token that was kept from it", () => {
    assertGain(of({ corp: hidden }), of({ corp: shown }), asked, "x-user-token: x.y.z", [what]);
    assert.equal(hasGain(comparePolicies(of({ corp: shown }), of({ corp: hidden }))), false);
  });

  test("a token of an issuer that is gone, or that has it elsewhere now", () => {
    assertGain(of({ corp: hidden }), of({}), asked, "x-user-token: x.y.z", [what]);
    const elsewhere = { ...(hidden as Mapping), from: [{ header: "authorization" }] };
    assertGain(of({ corp: hidden }), of({ corp: elsewhere }), asked, "x-user-token: x.y.z", [what]);
  });

  test("a JWT-SVID, where certificates alone say who the caller is", () => {
    const trust = svids(["example.org"], { from: [{ cookie: "svid" }], forwardToken: false });
    assertGain(policy(rules, { trust }), policy(rules), request({ cookie: "svid=x" }), "cookie svid=x", [what]);
  });

  test("a header that the filter sets no longer comes from outside, and one that it begins to set is told", () => {
    const set = policy(rules, { forward: { "x-user": "caller.id" } });
    assertGain(set, policy(rules), request({ "x-user": "root" }), "x-user: root", ["forward x-user"]);
    assert.equal(hasGain(comparePolicies(policy(rules), set)), true);
    assert.equal(hasGain(comparePolicies(set, policy(rules, { forward: { "x-user": "caller.path" } }))), true);
  });
});

describe("how much is let through", () => {
  const of = (limit: Mapping, name = "l", more: Mapping = {}): Policy =>
    policy({ r: { ...reads, limit: name } }, { limits: { [name]: { rate: "10/s", burst: 10, ...limit } }, ...more });
  const told = (before: Policy, after: Policy): (readonly [string, boolean])[] =>
    comparePolicies(before, after).policy.map(({ what, gain }) => [what, gain]);

  test("a limit of another name, or of a policy of another name, shares its buckets with others", () => {
    const anew = (name: string) => [`limit ${name}: counts`, false] as const;
    assert.deepEqual(told(of({}), of({}, "m")), [["limit m: name", true], anew("m")]);
    assert.deepEqual(told(of({}), of({}, "l", { name: "market" })), [["name", true], anew("l")]);
  });

  test("a rate is compared by the time between two tokens", () => {
    assert.deepEqual(told(of({}), of({ rate: "600/m" })), []);
    const rate = (gain: boolean) => [["limit l: rate", gain] as const, ["limit l: counts", false] as const];
    assert.deepEqual(told(of({}), of({ rate: "601/m" })), rate(true));
    assert.deepEqual(told(of({}), of({ rate: "599/m" })), rate(false));
  });

  test("a deny rule in shadow mode denies nothing", () => {
    const rules = (mode: string) => ({ d: { ...denied, mode }, r: reads, w: writes });
    assertGain(policy(rules("enforce")), policy(rules("shadow")), request());
  });
});
