/** Tokens seen before: what is known of them, for how long, and what never is. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { known_tokens_bytes_max, usual_token_bytes_max } from "../../assembly/limits.ts";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { makeKey, providerAudience, providerIssuer } from "../support/jwks-server.ts";
import { nowSeconds, recordOf, TestPlugin } from "../support/plugin.ts";
import { imageOf, jwks, outcomeOf, Workers } from "../support/workers.ts";

const isVerified = ({ calls }: Outcome) => calls.some(({ name }) => name === "call_foreign_function");
const reasonOf = (outcome: Outcome) => recordOf(outcome).reason;
const cache = (plugin: TestPlugin, result: string) =>
  plugin.host.metrics().get(`sallyport_cached_tokens.policy.shop;.result.${result}`);

describe("a token seen before", () => {
  test("is not verified again, and its claims are the same", () => {
    const plugin = new TestPlugin("shop");
    const token = plugin.token({ sub: "alice", scope: "orders:write", note: "a\u00e9\\n" });
    const [first, second] = [plugin.order({ token }), plugin.order({ token })];
    assert.deepEqual([isVerified(first), isVerified(second)], [true, false]);
    assert.deepEqual(recordOf(second), recordOf(first));
    assert.deepEqual([cache(plugin, "hit"), cache(plugin, "miss")], [1n, 1n]);
  });

  test("is judged anew: time, scopes, path, caller", () => {
    const plugin = new TestPlugin("shop");
    const token = plugin.token({ sub: "alice", scope: "orders:write", exp: nowSeconds + 100, iat: nowSeconds });
    assert.equal(reasonOf(plugin.order({ token })), "allowed");
    assert.equal(reasonOf(plugin.order({ token, caller: "spiffe://example.org/billing" })), "no_rule");
    plugin.host.clock = () => BigInt(nowSeconds + 99 + 30) * 1_000_000_000n;
    assert.equal(reasonOf(plugin.order({ token })), "allowed");
    plugin.host.clock = () => BigInt(nowSeconds + 100 + 30) * 1_000_000_000n;
    assert.equal(reasonOf(plugin.order({ token })), "token_expired");
    plugin.host.clock = () => BigInt(nowSeconds - 1000) * 1_000_000_000n;
    assert.equal(reasonOf(plugin.order({ token })), "token_not_yet_valid");
  });

  test("does not vouch for one that differs in a single byte", () => {
    const plugin = new TestPlugin("shop");
    const token = plugin.token({ sub: "alice", scope: "orders:write" });
    plugin.order({ token });
    const [header, claims, signature] = token.split(".") as [string, string, string];
    const other = (text: string, at: number) => text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
    for (const forged of [
      `${header}.${claims}.${other(signature, 0)}`,
      `${header}.${claims}.${other(signature, signature.length - 40)}`,
      // The last bytes, by which the table finds an entry, are those of the token that is known.
      `${header}.${other(claims, 20)}.${signature}`,
      `${other(header, 10)}.${claims}.${signature}`,
      `${header}.${claims}`,
      `${token}A`,
    ]) {
      assert.equal(plugin.order({ token: forged }).action, "pause", forged);
    }
    assert.equal(cache(plugin, "hit"), 0n);
  });

  test("belongs to one policy: another in the same VM verifies it itself", () => {
    const plugin = new TestPlugin("shop");
    const token = plugin.token({ sub: "alice", scope: "orders:write" });
    plugin.order({ token });
    const image = Buffer.from(plugin.policy.standInImage).toString("base64");
    const { rootContext } = plugin.host.startPlugin(JSON.stringify({ policy: image }));
    Object.assign(plugin, { root: rootContext });
    assert.equal(isVerified(plugin.order({ token })), true);
  });
});

describe("what is not known", () => {
  test("a signature that does not fit, however often it comes", () => {
    const plugin = new TestPlugin("shop");
    const token = `${plugin.token({ scope: "orders:write" }).split(".").slice(0, 2).join(".")}.${"A".repeat(342)}`;
    for (let time = 0; time < 3; time++) {
      const outcome = plugin.order({ token });
      assert.equal(reasonOf(outcome), "token_signature");
      assert.equal(isVerified(outcome), true);
    }
  });

  test("a token that is too large, of which nothing is read", () => {
    const plugin = new TestPlugin("shop");
    const sized = (bytes: number) => {
      // The claim's length decides the token's, four characters for three bytes.
      for (let fill = Math.floor((bytes * 3) / 4) - 900; ; fill++) {
        const token = plugin.token({ sub: "a", scope: "orders:write", fill: "x".repeat(fill) });
        if (token.length >= bytes) return token;
      }
    };
    const largest = sized(usual_token_bytes_max - 4);
    assert.ok(largest.length <= usual_token_bytes_max, `${largest.length}`);
    assert.deepEqual(
      [isVerified(plugin.order({ token: largest })), isVerified(plugin.order({ token: largest }))],
      [true, false],
    );
    const outcome = plugin.order({ token: sized(usual_token_bytes_max + 1) });
    assert.equal(reasonOf(outcome), "headers_too_large");
    assert.equal(isVerified(outcome), false);
  });
});

const two_issuers = `version: 1
name: shop
trust: { domains: [example.org] }
issuers:
  idp: { issuer: "${providerIssuer}", audiences: [${providerAudience}], algorithms: [ES256], keys: { file: one.json } }
  other: { issuer: "https://other.example", audiences: [${providerAudience}], algorithms: [ES256], keys: { file: two.json } }
rules:
  - { name: orders, callers: [any], allow: [GET /orders], token: [idp, other] }
`;

test("a flood of good tokens pushes out the oldest, grows nothing, and leaves other issuers' alone", async () => {
  const [one, two] = [await makeKey("one"), await makeKey("two")];
  const workers = new Workers(imageOf(two_issuers, { "one.json": jwks(one), "two.json": jwks(two) }), 1);
  const others = await two.token({ iss: "https://other.example" });
  const first = await one.token({ sub: "first" });
  for (const token of [others, first]) assert.equal(outcomeOf(workers.ask(0, token)), "allowed");
  const host = workers.hosts[0]!;
  const before = host.memoryBytes;
  const fill = "x".repeat(5000);
  for (let number = 0; number < known_tokens_bytes_max / 2 / 10_000; number++) {
    assert.equal(outcomeOf(workers.ask(0, await one.token({ sub: `s${number}`, fill }))), "allowed");
  }
  workers.ask(0, others);
  assert.ok((host.metrics().get("sallyport_cached_tokens.policy.shop;.result.eviction") ?? 0n) > 0n);
  assert.equal(host.memoryBytes, before);
  assert.equal(isVerified(workers.ask(0, others)), false, "each key set has a cache of its own");
  assert.equal(isVerified(workers.ask(0, first)), true, "the oldest gave way");
  assert.equal(isVerified(workers.ask(0, first)), false);
});

describe("a caller with many good tokens", () => {
  const fill = "x".repeat(5000);
  const one_issuer = two_issuers.replace(/ {2}other: .*\n/u, "").replace("[idp, other]", "idp");

  /** A VM with one issuer, what a caller asks there, and whether its token had to be verified. */
  async function start() {
    const key = await makeKey("one");
    const workers = new Workers(imageOf(one_issuer, { "one.json": jwks(key) }), 1);
    const ask = (who: string, token: string): boolean => {
      const request = { source: "10.0.0.1", method: "GET", path: "/orders", host: "h", headers: [] };
      const caller = `spiffe://example.org/${who}`;
      const outcome = workers.hosts[0]!.request(workers.roots[0]!, hostRequest({ ...request, caller, token }));
      assert.equal(outcomeOf(outcome), "allowed");
      return isVerified(outcome);
    };
    /** Tokens of a caller that come once each, and fill the whole ring so many times. */
    const flood = async (who: string, times: number, between = (): void => {}): Promise<void> => {
      for (let number = 0; number < (times * known_tokens_bytes_max) / 13_000; number++) {
        ask(who, await key.token({ sub: `${who}${number}`, fill }));
        if (number % 20 === 0) between();
      }
    };
    return { key, workers, ask, flood };
  }

  test("pushes out no tokens of others that are in use", async () => {
    const { key, ask, flood } = await start();
    const victims = await Promise.all(
      Array.from({ length: 30 }, async (_, number) => ({
        who: `victim${number % 3}`,
        token: await key.token({ sub: `v${number}` }),
      })),
    );
    let verified = 0;
    const use = (): void => {
      for (const { who, token } of victims) if (ask(who, token)) verified++;
    };
    use();
    await flood("mallory", 4, use);
    assert.equal(verified, victims.length, "each was verified once, when it came");
  });

  test("may have all that is free", async () => {
    const { key, ask } = await start();
    const tokens = await Promise.all(
      Array.from({ length: 100 }, (_, number) => key.token({ sub: `s${number}`, fill })),
    );
    for (const token of tokens) ask("gateway", token);
    assert.equal(tokens.filter((token) => ask("gateway", token)).length, 0);
  });

  test("in the end has the room of those that are not used any more", async () => {
    const { key, ask, flood } = await start();
    const token = await key.token({ sub: "gone" });
    ask("gone", token);
    assert.equal(ask("gone", token), false);
    await flood("gateway", 12);
    assert.equal(ask("gone", token), true);
  });

  test("has the room of those that have expired", async () => {
    const { key, workers, ask, flood } = await start();
    const seconds = Math.floor(Date.now() / 1000);
    const token = await key.token({ sub: "old", exp: seconds + 10 });
    ask("old", token);
    ask("old", token);
    const now = workers.hosts[0]!.clock;
    workers.pass(400);
    await flood("gateway", 2);
    workers.hosts[0]!.clock = () => BigInt(seconds) * 1_000_000_000n;
    assert.equal(ask("old", token), true);
    workers.hosts[0]!.clock = now;
  });
});

test("a request reads the claims of several tokens while all caches are full and some of its tokens are new", async () => {
  const names = ["one", "two", "three"];
  const iss = (name: string): string => `https://${name}.example`;
  const issuer = (name: string): string =>
    `  ${name}: { issuer: "${iss(name)}", audiences: [${providerAudience}], algorithms: [ES256], keys: { file: one.json }, from: [{ header: x-${name} }] }`;
  const rule = (name: string, when: string): string =>
    `  - { name: ${name}, callers: [any], allow: [GET /orders], token: ${name}, when: "claims.sub == 'nobody'${when}" }`;
  const text = `version: 1
name: shop
trust: { domains: [example.org] }
forward: { x-subject: claims.sub }
issuers:
${names.map(issuer).join("\n")}
rules:
${names.map((name) => rule(name, name === "two" ? " || size(claims.list) == 3" : "")).join("\n")}
`;
  const key = await makeKey("one");
  const workers = new Workers(imageOf(text, { "one.json": jwks(key) }), 1);
  const fill = "x".repeat(5000);
  const token = (name: string, sub: string, more: object = {}) =>
    key.token({ iss: iss(name), sub, list: [1, [2], { three: 3 }], ...more });
  const known = await token("two", "known");
  for (let number = 0; number < (1.2 * known_tokens_bytes_max) / 26_000; number++) {
    const two = number % 2 === 0 ? known : await token("two", `s${number}`, { fill });
    const others = [await token("one", "a", { fill, number }), await token("three", "c", { fill, number })];
    const headers = [["x-one", others[0]!] as const, ["x-two", two] as const, ["x-three", others[1]!] as const];
    const request = { caller: "spiffe://example.org/web", source: "10.0.0.1", method: "GET", path: "/orders" };
    const outcome = workers.hosts[0]!.request(
      workers.roots[0]!,
      hostRequest({ ...request, host: "h", headers, token: null }),
    );
    const sub = number % 2 === 0 ? "known" : `s${number}`;
    const { reason, rule, sub: recorded } = recordOf(outcome);
    assert.deepEqual([reason, rule, recorded], ["allowed", "two", sub]);
    assert.equal(outcome.headers.find(([name]) => name === "x-subject")?.[1], sub);
  }
});
