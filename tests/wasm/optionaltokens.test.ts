/** Tokens that a request need not have, and which of several rules that admit says what is forwarded, recorded and charged. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { recordOf } from "../support/plugin.ts";
import { caller, fetchingPolicy, imageOf, jwks, makeTwoKeys, type TwoKeys, Workers } from "../support/workers.ts";

let keys: TwoKeys;
before(async () => {
  keys = await makeTwoKeys();
});

const optional = "token: { issuer: idp, optional: true }";

/** Asks a policy with these rules, whose issuer has the key of the first token. */
function workersWith(rules: readonly string[], more = "forward: { x-user: claims.sub }\n"): Workers {
  const lines = rules.map((rule) => `  - { callers: [any], allow: [GET /orders], ${rule} }`).join("\n");
  const text = fetchingPolicy({ file: "keys.json" }).replace(/rules:[\s\S]*/u, `${more}rules:\n${lines}\n`);
  return new Workers(imageOf(text, { "keys.json": jwks(keys.one) }), 1);
}

function ask(workers: Workers, headers: readonly (readonly [string, string])[] = []): Outcome {
  const request = { caller, source: "10.0.0.1", method: "GET", path: "/orders", host: "h", headers, token: null };
  return workers.hosts[0]!.request(workers.roots[0]!, hostRequest(request));
}

const bearer = (token: string) => [["authorization", `Bearer ${token}`]] as const;
const user = ({ headers }: Outcome): string | undefined => headers.find(([name]) => name === "x-user")?.[1];
/** The rule, the reason and what the upstream is told of the user. */
const seen = (outcome: Outcome): unknown => [recordOf(outcome).rule, recordOf(outcome).reason, user(outcome)];
const forged = (token: string): string => `${token.slice(0, -8)}AAAAAAAA`;

describe("a token that is optional", () => {
  test("is not asked for", () => {
    assert.deepEqual(seen(ask(workersWith([`name: a, ${optional}`]))), ["a", "allowed", undefined]);
  });

  test("is used where it is good", () => {
    assert.deepEqual(seen(workersWith([`name: a, ${optional}`]).ask(0, keys.tokenOne)), ["a", "allowed", "one"]);
  });

  test("is refused where it is not, with a challenge, whatever else would admit", () => {
    for (const rules of [
      [`name: a, ${optional}`],
      [`name: a, ${optional}`, "name: b"],
      ["name: a", `name: b, ${optional}`],
      [`name: a, ${optional}`, "name: b, when: request.method == 'POST'"],
      [`name: a, ${optional}, when: request.method == 'POST'`, "name: b"],
    ]) {
      const outcome = workersWith(rules).ask(0, forged(keys.tokenOne));
      assert.equal(recordOf(outcome).reason, "token_signature", rules.join());
      assert.equal(outcome.localResponse?.status, 401);
      assert.match(new Map(outcome.localResponse?.headers).get("www-authenticate") ?? "", /invalid_token/u);
    }
  });

  test("is not taken for none where some upstreams find it: behind a tab, or another scheme", () => {
    const workers = workersWith([`name: a, ${optional}`, "name: b"]);
    for (const value of [
      "Bearer\t%",
      "bearer\t%",
      "Basic YTpi, Bearer %",
      "Basic YTpi,bearer\t%",
      "x, y ,  BEARER %",
    ]) {
      for (const token of [keys.tokenOne, forged(keys.tokenOne)]) {
        const outcome = ask(workers, [["authorization", value.replace("%", token)]]);
        assert.deepEqual([recordOf(outcome).reason, recordOf(outcome).detail], ["token_malformed", "several_headers"]);
      }
    }
    for (const value of ["Bearer", "Bearerx", "Basic Bearer x", "Basic YTpi, Bearerx"])
      assert.equal(recordOf(ask(workers, [["authorization", value]])).reason, "allowed", value);
  });

  test("keeps nobody out who has none, or something else in its place", () => {
    const workers = workersWith([`name: a, ${optional}`]);
    assert.deepEqual(seen(ask(workers, [["authorization", "Basic YTpi"]])), ["a", "allowed", undefined]);
    assert.equal(recordOf(ask(workers, bearer("no token"))).reason, "token_malformed");
    assert.equal(recordOf(ask(workers, [...bearer("a"), ...bearer("b")])).reason, "token_malformed");
  });

  test("does not matter to a rule in shadow mode, or one that has ended", () => {
    for (const rule of [`name: a, ${optional}, mode: shadow`, `name: a, ${optional}, expires: 2020-01-01T00:00:00Z`]) {
      assert.equal(recordOf(workersWith([rule, "name: b"]).ask(0, forged(keys.tokenOne))).rule, "b");
    }
  });

  test("has no claims in a condition where it is left out", () => {
    const holds = (when: string): string =>
      String(recordOf(ask(workersWith([`name: a, ${optional}, when: '${when}'`]))).reason);
    assert.equal(holds("!has(claims.sub)"), "allowed");
    assert.equal(holds("has(claims.sub)"), "condition_false");
    assert.equal(holds('"sub" in claims || size(claims) > 0'), "condition_false");
    assert.equal(holds('claims.sub == "one"'), "condition_error");
    assert.equal(holds('has(claims.sub) && claims.sub == "one" || request.method == "GET"'), "allowed");
  });

  test("of a deny rule: left out, there are no claims; one that is not good makes it match", () => {
    const deny = "name: d, token: { issuer: idp, optional: true }, when: has(claims.banned)";
    const denying = (rule: string): Workers => {
      const text = fetchingPolicy({ file: "keys.json" }).replace(
        /rules:[\s\S]*/u,
        `rules:\n  - { callers: [any], allow: [GET /orders], name: a }\n  - { callers: [any], deny: [GET /orders], ${rule} }\n`,
      );
      return new Workers(imageOf(text, { "keys.json": jwks(keys.one) }), 1);
    };
    assert.equal(recordOf(ask(denying(deny))).reason, "allowed");
    assert.equal(recordOf(denying(deny).ask(0, keys.tokenOne)).reason, "allowed");
    assert.equal(recordOf(denying(deny).ask(0, forged(keys.tokenOne))).reason, "rule_denied");
  });
});

describe("of several rules that admit", () => {
  test("the one that verified a token decides, whatever their names", () => {
    for (const [plain, token] of [
      ["a", "b"],
      ["b", "a"],
    ]) {
      for (const asked of ["token: idp", optional]) {
        const workers = workersWith([`name: ${plain}`, `name: ${token}, ${asked}`]);
        assert.deepEqual(seen(workers.ask(0, keys.tokenOne)), [token, "allowed", "one"]);
        assert.deepEqual(seen(ask(workers)), [asked === optional ? "a" : plain, "allowed", undefined]);
      }
    }
  });

  test("its limits are charged, and not those of the others", () => {
    const more =
      "limits:\n  one: { rate: 1/h, burst: 1, per: [caller] }\n  two: { rate: 1/h, burst: 2, per: [caller] }\n";
    const workers = workersWith(["name: a, limit: one", "name: b, token: idp, limit: two"], more);
    const rules = [1, 2, 3, 4].map(() => recordOf(workers.ask(0, keys.tokenOne)));
    assert.deepEqual(
      rules.map(({ rule, reason }) => `${rule} ${reason}`),
      ["b allowed", "b allowed", "a allowed", "a limit_exceeded"],
    );
  });

  test("a rule without a token says nothing of one that another rule verified and did not admit", () => {
    const outcome = workersWith(["name: a", "name: b, token: idp, when: claims.sub == 'bob'"]).ask(0, keys.tokenOne);
    assert.deepEqual(seen(outcome), ["a", "allowed", undefined]);
    assert.equal(recordOf(outcome).issuer, "idp");
  });

  test("of those that came as far, the first by its name tells why none does", () => {
    const rules = ["name: a, when: request.method == 'POST'", "name: b, token: idp, when: claims.sub == 'bob'"];
    assert.deepEqual(seen(workersWith(rules).ask(0, keys.tokenOne)), ["a", "condition_false", undefined]);
  });
});
